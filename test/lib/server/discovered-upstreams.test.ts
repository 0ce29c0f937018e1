// Upstreams that are written as for plain text, and asked encrypted as they say themselves (`upstream.discover`): no question of
// a client ever leaves in plain text, whatever is said, and none leaves before it is proven who is asked.
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { createServer, type Server, type ServerOptions } from '../../../lib/index.js';
import { contradictions } from '../../../lib/server/settings/contradictions.js';
import { Class, Rcode, Type } from '../../../lib/wire/iana.js';
import { buildResponse, decodeMessage } from '../../../lib/wire/message.js';
import { nameToText } from '../../../lib/wire/name.js';
import { encodeData } from '../../../lib/wire/record.js';
import { makeCertificate, type MadeCertificate } from '../../support/certificate.js';
import { askUdp } from '../../support/client.js';
import { type EncryptedUpstream, encryptedUpstream } from '../../support/encrypted-upstream.js';
import { decode, makeQuery, rcodeOf } from '../../support/messages.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-discover-'));
afterAll(() => rmSync(folder, { recursive: true }));
const authority = makeCertificate({ subject: 'authority', isAuthority: true });
const tlsAuthorities = join(folder, 'authorities.pem');
writeFileSync(tlsAuthorities, authority.certificate);

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
async function upstream(scheme: 'tls' | 'https', its: MadeCertificate): Promise<EncryptedUpstream> {
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
const addressIn = (reply: Buffer): unknown => (decode(reply).answers?.[0] as { data: unknown } | undefined)?.data;
const bindingOf = (scheme: 'tls' | 'https', port: number, target = '.'): string =>
  `1 ${target} port=${port} ipv4hint=127.0.0.1 ${scheme === 'tls' ? 'alpn=dot' : 'alpn=h2 dohpath=/dns-query{?dns}'}`;

/** A plain server that says this of SVCB, answers A with 127.0.0.1, and remembers what it was asked. */
async function plainServer(said: { svcb: string[] }): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const { question } = decodeMessage(Uint8Array.from(message));
    const { name, type } = question!;
    asked.push(`${nameToText(name).toLowerCase()} ${type}`);
    const record = (data: Uint8Array) => ({ name, type, dnsClass: Class.IN, ttl: 60, data });
    const answers =
      type === Type.A
        ? [record(Uint8Array.of(127, 0, 0, 1))]
        : type === Type.SVCB
          ? said.svcb.map(text => record(encodeData('SVCB', text)))
          : [];
    const response = buildResponse(
      { message: Uint8Array.from(message), ...question! },
      { rcode: Rcode.NOERROR, answers },
    )!;
    socket.send(response, from.port, from.address);
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  ends.push(() => socket.close());
  return { port: socket.address().port, asked };
}

describe.each(['tls', 'https'] as const)('a name of which the DNS says %s', scheme => {
  test('is asked so, by a certificate for that name, and in no other way', async () => {
    const its = await upstream(scheme, makeCertificate({ names: ['dns.example'], issuer: authority }));
    const { port, asked } = await plainServer({ svcb: [bindingOf(scheme, its.port, 'elsewhere.test.')] });
    const server = await start({
      upstreams: [`dns.example:${its.port}`],
      upstream: { discover: 'names', bootstrap: [`127.0.0.1:${port}`], tlsAuthorities },
    });
    const replies = await Promise.all(['a', 'b', 'c'].map(name => ask(server, `${name}.example`)));
    expect(replies.map(addressIn)).toEqual(['192.0.2.7', '192.0.2.7', '192.0.2.7']);
    expect([its.asked.toSorted(), its.plain]).toEqual([['a.example', 'b.example', 'c.example'], 0]);
    expect(new Set(asked)).toEqual(new Set([`_${its.port}._dns.dns.example. 64`]));
    expect(server.report().upstreams[0].server).toMatch(
      new RegExp(`^${scheme}://127\\.0\\.0\\.1:${its.port}.*#dns\\.example$`),
    );
    const of = `udp://dns.example:${its.port}`;
    expect(server.report().upstreamDiscoveries).toEqual([{ upstream: of, ways: 1, failures: 0, failing: false }]);
    expect(await new Metrics(server).text()).toContain(`shardns_upstream_encrypted_ways{upstream="${of}"} 1`);
  });

  test.each([
    ['for the target alone', { names: ['elsewhere.test', '127.0.0.1'], issuer: authority }],
    ['that nobody vouches for', { names: ['dns.example'] }],
    ['that has expired', { names: ['dns.example'], issuer: authority, notAfter: new Date(Date.now() - 1000) }],
  ])('with a certificate %s gets no question, and in plain text neither', async (_, wishes) => {
    const its = await upstream(scheme, makeCertificate(wishes));
    const { port, asked } = await plainServer({ svcb: [bindingOf(scheme, its.port, 'elsewhere.test.')] });
    const server = await start({
      upstreams: [`dns.example:${its.port}`],
      upstream: { discover: 'names', bootstrap: [`127.0.0.1:${port}`], tlsAuthorities, deadlineMs: 1000 },
    });
    const replies = await Promise.all(Array.from({ length: 10 }, (_, i) => ask(server, `n${i}.example`)));
    expect(replies.map(rcodeOf)).toEqual(Array(10).fill(2));
    expect([its.asked, its.plain]).toEqual([[], 0]);
    expect(asked.filter(one => !one.startsWith('_'))).toEqual([]);
  });
});

test.each([
  ['nothing', []],
  ['what is not spoken here', ['1 . alpn=doq']],
  ['an alias that leads nowhere', ['0 .']],
])('a name of which the DNS says %s is not asked at all until it says more', async (_, svcb) => {
  const its = await upstream('tls', makeCertificate({ names: ['dns.example'], issuer: authority }));
  const said = { svcb };
  const { port, asked } = await plainServer(said);
  const server = await start({
    upstreams: [`dns.example:${its.port}`],
    upstream: { discover: 'names', bootstrap: [`127.0.0.1:${port}`], tlsAuthorities, deadlineMs: 500 },
    failure: { firstSeconds: 1, maxSeconds: 1 },
  });
  expect(rcodeOf(await ask(server, 'a.example'))).toBe(2);
  expect(server.report().upstreamDiscoveries).toMatchObject([{ ways: 0, failing: true }]);
  said.svcb = [bindingOf('tls', its.port)];
  for (let i = 0; i < 60 && rcodeOf(await ask(server, `b${i}.example`)) !== 0; i++) {
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  expect(addressIn(await ask(server, 'c.example'))).toBe('192.0.2.7');
  expect(its.plain).toBe(0);
  expect(asked.filter(one => !one.startsWith('_'))).toEqual([]);
});

test('from the moment on that it is wanted nothing goes in plain text any more', async () => {
  const its = await upstream('tls', makeCertificate({ names: ['dns.example'], issuer: authority }));
  const { port } = await plainServer({ svcb: [bindingOf('tls', its.port)] });
  const options = { bootstrap: [`127.0.0.1:${port}`], tlsAuthorities };
  const server = await start({ upstreams: [`udp://dns.example:${its.port}`], upstream: options });
  expect(addressIn(await ask(server, 'a.example'))).toBe('192.0.2.66');
  const { plain } = its;
  expect(plain).toBeGreaterThan(0);
  await server.update({ upstream: { discover: 'names' } });
  for (const name of ['b', 'c', 'd']) expect(addressIn(await ask(server, `${name}.example`))).toBe('192.0.2.7');
  expect(its.plain).toBe(plain);
});

describe('an address', () => {
  test.each(['tls', 'https'] as const)(
    'is asked over %s as it says itself, by a certificate for that address',
    async scheme => {
      const its = await upstream(scheme, makeCertificate({ names: ['dns.example', '127.0.0.1'], issuer: authority }));
      const { port, asked } = await plainServer({ svcb: [bindingOf(scheme, its.port, 'dns.example.')] });
      const server = await start({
        upstreams: [`127.0.0.1:${port}`],
        upstream: { discover: 'all', tlsAuthorities },
      });
      expect(addressIn(await ask(server, 'a.example'))).toBe('192.0.2.7');
      expect(new Set(asked)).toEqual(new Set(['_dns.resolver.arpa. 64']));
      expect([its.asked, its.plain]).toEqual([['a.example'], 0]);
      expect(server.report().upstreams[0].server).toContain('#127.0.0.1,as=dns.example');
    },
  );

  test('whose way proves its name and not the address is not asked', async () => {
    const its = await upstream('tls', makeCertificate({ names: ['dns.example'], issuer: authority }));
    const { port, asked } = await plainServer({ svcb: [bindingOf('tls', its.port, 'dns.example.')] });
    const server = await start({
      upstreams: [`127.0.0.1:${port}`],
      upstream: { discover: 'all', tlsAuthorities, deadlineMs: 1000 },
    });
    expect(rcodeOf(await ask(server, 'a.example'))).toBe(2);
    expect([its.asked, its.plain]).toEqual([[], 0]);
    expect(new Set(asked)).toEqual(new Set(['_dns.resolver.arpa. 64']));
    // And it is told why.
    expect(server.report().upstreams[0].lastFailure).toMatch(/IP: 127\.0\.0\.1 is not in the cert's list/);
  });

  test('beside a name is asked as it is written where names alone are wanted', async () => {
    const { port, asked } = await plainServer({ svcb: [] });
    const server = await start({ upstreams: [`127.0.0.1:${port}`], upstream: { discover: 'names' } });
    expect(addressIn(await ask(server, 'a.example'))).toBe('127.0.0.1');
    expect(asked).toContain('a.example. 1');
  });
});

test('what discovery can do nothing for is told', () => {
  const doubts = (options: ServerOptions): string[] => contradictions(options, { now: 0 });
  const names = { upstreams: ['192.0.2.1'], upstream: { discover: 'names' as const } };
  expect(doubts(names)).toContain('upstream.discover has no effect: no upstream is given by name without encryption');
  const all = { upstreams: ['tls://192.0.2.1'], upstream: { discover: 'all' as const } };
  expect(doubts(all)).toContain('upstream.discover has no effect: no upstream is given without encryption');
  expect(doubts({ upstreams: ['192.0.2.1'], upstream: { discover: 'all' } })).toEqual([]);
});
