// A server whose upstreams are asked over TLS or HTTPS: from the option to the answer, and never in plain text.
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createServer, type Server, type ServerOptions } from '../../../lib/index.js';
import { makeCertificate, type MadeCertificate } from '../../support/certificate.js';
import { askUdp } from '../../support/client.js';
import { type EncryptedUpstream, encryptedUpstream } from '../../support/encrypted-upstream.js';
import { answerA, decode, makeQuery, rcodeOf } from '../../support/messages.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-tls-'));
afterAll(() => rmSync(folder, { recursive: true }));
const authority = makeCertificate({ subject: 'authority', isAuthority: true });
const tlsAuthorities = join(folder, 'authorities.pem');
writeFileSync(tlsAuthorities, authority.certificate);
const good = makeCertificate({ names: ['dns.example'], issuer: authority });

const tomorrow = new Date(Date.now() + 86_400_000);

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function upstream(its: MadeCertificate, scheme: 'tls' | 'https' = 'tls'): Promise<EncryptedUpstream> {
  const made = await encryptedUpstream(scheme, its);
  ends.push(() => made.close());
  return made;
}
async function start(options: ServerOptions): Promise<Server> {
  const server = await createServer({ listen: ['127.0.0.1:0'], threads: 1, cache: { memory: '4MiB' }, ...options });
  ends.push(() => server.close());
  return server;
}
const ask = async (server: Server, name: string): Promise<Buffer> =>
  (await askUdp(server.addresses().udp[0], makeQuery(name, { edns: true }), 60_000))!;

/** As reports have it. */
const urlOf = (scheme: 'tls' | 'https', port: number, name = '#dns.example'): string =>
  `${scheme}://127.0.0.1:${port}${scheme === 'https' ? '/dns-query' : ''}${name}`;

describe.each([
  ['native', 'tls'],
  ['native', 'https'],
  ['dgram', 'tls'],
  ['dgram', 'https'],
] as const)('with udp: %s, over %s', (udp, scheme) => {
  test('questions go there, and nothing else does', async () => {
    const its = await upstream(good, scheme);
    const server = await start({
      udp,
      upstreams: [urlOf(scheme, its.port)],
      upstream: { tlsAuthorities },
    });
    const replies = await Promise.all(['a', 'b', 'c'].map(name => ask(server, `${name}.example`)));
    expect(replies.map(one => decode(one).answers![0])).toMatchObject(Array(3).fill({ data: '192.0.2.7' }));
    expect(its.asked.toSorted()).toEqual(['a.example', 'b.example', 'c.example']);
    expect(its.plain).toBe(0);
    const { upstreams, transports } = server.report();
    expect(upstreams[0].server).toBe(urlOf(scheme, its.port));
    expect(transports[scheme]).toMatchObject({ sent: 3, received: 3 });
  });

  const past = new Date(Date.now() - 1000);
  const OTHER_KEY = 'qvTGHdzF6KLavt4PO0gs2a6pQ00lS3VqYPgGV0oHGUA=';
  test.each([
    ['for another name', { names: ['other.example'], issuer: authority }, '#dns.example'],
    ['for a name below it', { names: ['x.dns.example', '*.dns.example'], issuer: authority }, '#dns.example'],
    ['for a name where the address is meant', { names: ['dns.example'], issuer: authority }, ''],
    ['that has expired', { names: ['dns.example'], issuer: authority, notAfter: past }, '#dns.example'],
    ['that begins tomorrow', { names: ['dns.example'], issuer: authority, notBefore: tomorrow }, '#dns.example'],
    ['that it has signed itself', { names: ['dns.example'] }, '#dns.example'],
    ['of somebody who may not sign', { names: ['dns.example'], issuer: good }, '#dns.example'],
    ['with another key than the pin', { names: ['dns.example'], issuer: authority }, `?pin-sha256=${OTHER_KEY}`],
    [
      'with another key, for the name',
      { names: ['dns.example'], issuer: authority },
      `?pin-sha256=${OTHER_KEY}#dns.example`,
    ],
  ])('no question leaves for a server with a certificate %s', async (_, wishes, proof) => {
    const its = await upstream(makeCertificate(wishes), scheme);
    const server = await start({
      udp,
      upstreams: [urlOf(scheme, its.port, proof)],
      upstream: { tlsAuthorities, deadlineMs: 700 },
    });
    const replies = await Promise.all(['a', 'b', 'c'].map(name => ask(server, `${name}.example`)));
    expect(replies.map(rcodeOf)).toEqual([2, 2, 2]);
    expect([its.asked, its.plain]).toEqual([[], 0]);
    const { upstreams, transports } = server.report();
    expect(upstreams[0].responses).toBe(0);
    expect(transports[scheme]).toMatchObject({ received: 0 });
  });

  test('a server that does not prove who it is gets no question at all, in no way, however often it is tried', async () => {
    const its = await upstream(makeCertificate({ names: ['dns.example'] }), scheme);
    const server = await start({
      udp,
      upstreams: [urlOf(scheme, its.port), urlOf(scheme, its.port, '')],
      upstream: { tlsAuthorities, deadlineMs: 1000 },
      dnssec: { validate: true },
    });
    const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(server, `n${i}.example`)));
    expect(replies.map(rcodeOf)).toEqual(Array(20).fill(2));
    await server.update({ upstream: { deadlineMs: 500 } });
    expect(rcodeOf(await ask(server, 'late.example'))).toBe(2);
    expect([its.asked, its.plain]).toEqual([[], 0]);
  });
});

test.each(['tls', 'https'] as const)(
  'a name is looked up at the bootstrap servers, and proves that it is that name: %s',
  async scheme => {
    const its = await upstream(good, scheme);
    const { at, looked } = await plainServer();
    const server = await start({
      upstreams: [`${scheme}://dns.example:${its.port}`],
      upstream: { tlsAuthorities, bootstrap: [at] },
    });
    expect(decode(await ask(server, 'a.example')).answers).toMatchObject([{ data: '192.0.2.7' }]);
    expect(new Set(looked)).toEqual(new Set(['dns.example']));
    expect([its.asked, its.plain]).toEqual([['a.example'], 0]);
  },
);

/** Answers whatever it is asked with 127.0.0.1. */
async function plainServer(): Promise<{ at: string; looked: string[] }> {
  const looked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    looked.push(decode(message).questions![0].name.toLowerCase());
    socket.send(answerA(message, 60, '127.0.0.1'), from.port, from.address);
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  ends.push(() => socket.close());
  return { at: `127.0.0.1:${socket.address().port}`, looked };
}

describe.each([
  ['forwardZones', 'tls', 0],
  ['forwardZones', 'https', 1],
  ['stubZones', 'tls', 1],
  ['stubZones', 'https', 0],
] as const)('%s over %s, with %i threads', (kind, scheme, workers) => {
  test.each(['127.0.0.1', 'dns.example'])('a server at %s is asked there and in no other way', async host => {
    const its = await upstream(good, scheme);
    const outside = await plainServer();
    const name = host === 'dns.example' ? '' : '#dns.example';
    const server = await start({
      upstreams: [outside.at],
      upstream: { tlsAuthorities },
      resolver: { workers },
      [kind]: [{ name: 'corp.example', servers: [`${scheme}://${host}:${its.port}${name}`] }],
    });
    expect(decode(await ask(server, 'www.corp.example')).answers).toMatchObject([{ data: '192.0.2.7' }]);
    expect(its.asked).toContain('www.corp.example');
    expect(its.plain).toBe(0);
    expect(outside.looked.filter(one => one.endsWith('corp.example'))).toEqual([]);
    expect(outside.looked.includes('dns.example')).toBe(host === 'dns.example');
  });

  test('one that does not prove who it is gets no question, of clients or of our own', async () => {
    const its = await upstream(makeCertificate({ names: ['dns.example'] }), scheme);
    const outside = await plainServer();
    const server = await start({
      upstreams: [outside.at],
      upstream: { tlsAuthorities, deadlineMs: 1500 },
      resolver: { workers },
      dnssec: { validate: true, negativeTrustAnchors: ['.'] },
      [kind]: [{ name: 'corp.example', servers: [`${scheme}://127.0.0.1:${its.port}#dns.example`] }],
    });
    expect(rcodeOf(await ask(server, 'www.corp.example'))).toBe(2);
    expect([its.asked, its.plain]).toEqual([[], 0]);
    expect(outside.looked.filter(one => one.endsWith('corp.example'))).toEqual([]);
  });
});

test('a stub zone whose servers are encrypted is not primed: those that it names are asked in plain text', async () => {
  const stubZones = [{ name: 'corp.example', servers: ['tls://192.0.2.1'], prime: true }];
  await expect(start({ upstreams: ['192.0.2.1'], stubZones })).rejects.toThrow(/stubZones\[0\].*prime.*plain text/s);
});

test('authorities that cannot be read are refused by the name of their file, and those of before stay', async () => {
  const its = await upstream(good);
  const upstreams = [`tls://127.0.0.1:${its.port}#dns.example`];
  const broken = join(folder, 'broken.pem');
  writeFileSync(broken, 'hello');
  await expect(start({ upstreams, upstream: { tlsAuthorities: broken } })).rejects.toThrow(
    `${broken}: has no certificate`,
  );
  const server = await start({ upstreams, upstream: { tlsAuthorities } });
  await expect(server.update({ upstream: { tlsAuthorities: '/nowhere' } })).rejects.toThrow('/nowhere: cannot be read');
  expect(rcodeOf(await ask(server, 'a.example'))).toBe(0);
  // Those that Node trusts do not vouch for it.
  await server.update({ upstream: { tlsAuthorities: undefined, deadlineMs: 1000 } });
  await server.replace({ ...{ listen: ['127.0.0.1:0'], threads: 1, cache: { memory: '4MiB' } }, upstreams });
  expect(rcodeOf(await ask(server, 'b.example'))).toBe(2);
  expect(its.plain).toBe(0);
});
