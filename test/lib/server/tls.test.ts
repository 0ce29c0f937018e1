// A server asked over TLS: what holds of its clients over TCP holds of them here too, and lengths tell nothing.
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { parseSocketAddress } from '../../../lib/base/address.js';
import { createServer } from '../../../lib/index.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { makeCertificate } from '../../support/certificate.js';
import { askTcp, askTls, askUdp } from '../../support/client.js';
import { answerA, decode, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-tls-'));
afterAll(() => rmSync(folder, { recursive: true }));
const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
function store(name = 'dns.example'): void {
  const { certificate, key } = makeCertificate({ names: [name] });
  for (const [path, text] of [[files.certificate, certificate] as const, [files.key, key] as const]) {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }
}
store();

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
const PLAIN = '127.0.0.1:0';
const TLS = 'tls://127.0.0.1:0';

async function start(options: ServerOptions = {}): Promise<TestServer> {
  const server = await TestServer.start(query => answerA(query), { listen: [PLAIN, TLS], tls: files, ...options });
  ends.push(() => server.close());
  return server;
}
const over = async (server: TestServer, ...queries: Uint8Array[]): Promise<Buffer[]> =>
  askTls(server.server.addresses().tls[0], queries);
async function open(server: TestServer): Promise<TLSSocket> {
  const { address, port } = parseSocketAddress(server.server.addresses().tls[0], 'test');
  const socket = connect({ host: address, port, rejectUnauthorized: false });
  ends.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}
async function askOn(socket: TLSSocket, query = makeQuery('a.example')): Promise<Buffer> {
  const reader = new MessageReader();
  socket.write(frame(query));
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    const [message] = reader.push(chunk);
    if (message !== undefined) return message;
  }
}
const subjectOf = (socket: TLSSocket): string => socket.getPeerCertificate().subject.CN as string;

test('misses and hits are answered as over TCP, pipelined too, and counted by their protocol', async () => {
  const server = await start();
  const queries = Array.from({ length: 40 }, (_, i) => makeQuery(`n${i % 20}.example`, { id: i + 1 }));
  const replies = await over(server, ...queries);
  expect(new Set(replies.map(one => one.readUInt16BE(0))).size).toBe(40);
  expect(replies.every(one => rcodeOf(one) === 0)).toBe(true);
  expect(server.asked).toBe(20);
  const [one] = await over(server, makeQuery('n1.example', { id: 9 }));
  expect(one).toEqual((await askTcp(server.server.addresses().tcp[0], [makeQuery('n1.example', { id: 9 })]))[0]);
  const text = await new Metrics(server.server).text();
  expect(text).toContain('shardns_dns_requests_total{proto="tls",family="1",type="A"} 41');
  expect(text).toContain('shardns_tls_handshakes_total{outcome="full"} 2');
  expect(text).toMatch(/shardns_tls_certificate_days_left\{file=".*certificate\.pem"\} 36[45]/);
  expect(server.server.report().tls).toMatchObject({
    certificates: [{ names: ['dns.example'], file: files.certificate }],
  });
});

test('a reply is padded to a multiple of 468 octets where the query is padded, and nowhere else (RFC 7830, RFC 8467)', async () => {
  const server = await start();
  const padding = { code: 12, data: Buffer.alloc(5) };
  const keepalive = { code: 11, data: Buffer.alloc(0) };
  const paddedQuery = makeQuery('a.example', { options: [padding] });
  const [whole, both, plain, none] = [
    (await over(server, paddedQuery))[0],
    (await over(server, makeQuery('a.example', { options: [keepalive, padding] })))[0],
    (await over(server, makeQuery('a.example', { edns: true })))[0],
    (await over(server, makeQuery('a.example')))[0],
  ];
  expect([whole.length, both.length]).toEqual([468, 468]);
  expect(plain.length).toBeLessThan(100);
  expect(none.length).toBeLessThan(100);
  const optionsOf = (reply: Buffer): number[] =>
    (decode(reply).additionals!.find(one => one.type === 'OPT') as { options: { code: number }[] }).options.map(
      one => one.code,
    );
  expect(optionsOf(whole)).toEqual([12]);
  expect(optionsOf(both)).toEqual([11, 12]);
  // What everybody can read is not made longer.
  for (const reply of [
    (await askTcp(server.server.addresses().tcp[0], [paddedQuery]))[0],
    (await askUdp(server.address, paddedQuery))!,
  ])
    expect(reply.length).toBeLessThan(100);
});

test('access, views, cookies and rates hold of clients over TLS', async () => {
  const server = await start({
    allow: ['127.0.0.1'],
    views: [{ name: 'here', clients: ['127.0.0.1'], local: { records: ['v.example A 192.0.2.77'] } }],
    cookies: { enabled: true },
    rateLimit: { enabled: true, queriesPerSecond: 1, provenTimes: 1 },
  });
  const [seen] = await over(server, makeQuery('v.example', { options: [{ code: 10, data: Buffer.alloc(8, 1) }] }));
  expect(decode(seen).answers).toMatchObject([{ data: '192.0.2.77' }]);
  expect(decode(seen).additionals).toMatchObject([{ options: [{ code: 10 }] }]);
  const many = await over(server, ...Array.from({ length: 30 }, (_, i) => makeQuery('v.example', { id: i })));
  expect(many.map(rcodeOf)).toContain(5);
  await server.server.update({ allow: ['192.0.2.0/24'], rateLimit: { enabled: false } });
  expect((await over(server, makeQuery('v.example'))).map(rcodeOf)).toEqual([5]);
});

test('another certificate is shown to new connections, and those that are open go on', async () => {
  const server = await start();
  const before = await open(server);
  expect(subjectOf(before)).toBe('dns.example');
  store('other.example');
  await server.server.update({});
  const after = await open(server);
  expect(subjectOf(after)).toBe('other.example');
  for (const one of [before, after]) expect(rcodeOf(await askOn(one))).toBe(0);
  writeFileSync(files.key, 'nothing');
  await expect(server.server.update({})).rejects.toThrow(`${files.key}: has no private key`);
  expect(subjectOf(await open(server))).toBe('other.example');
  expect(rcodeOf(await askOn(before))).toBe(0);
  store();
});

test('TLS comes and goes with `listen`, and its connections outlive a change of other addresses', async () => {
  const server = await start({ listen: [PLAIN], tls: undefined });
  expect(server.server.addresses().tls).toEqual([]);
  expect(server.server.report().tls).toBeUndefined();
  const [plain] = server.server.addresses().udp;
  await server.server.update({ listen: [plain, TLS], tls: files });
  const [tls] = server.server.addresses().tls;
  const socket = await open(server);
  await server.server.update({ listen: [plain, `tls://${tls}`, '127.0.0.2:0'] });
  expect(rcodeOf(await askOn(socket))).toBe(0);
  await server.server.update({ listen: [`tls://${tls}`] });
  expect(server.server.addresses()).toEqual({ udp: [], tcp: [], tls: [tls], https: [] });
  expect(rcodeOf(await askOn(socket))).toBe(0);
  // What was for TLS is for UDP and TCP now: one ends before the other begins.
  await server.server.update({ listen: [tls] });
  expect(server.server.addresses()).toEqual({ udp: [tls], tcp: [tls], tls: [], https: [] });
  expect(rcodeOf((await askUdp(tls, makeQuery('a.example')))!)).toBe(0);
});

test('with TCP switched off TLS is served by its bounds', async () => {
  const server = await start({ tcp: { enabled: false, idleTimeoutMs: 2000 } });
  expect(server.server.addresses().tcp).toEqual([]);
  const socket = await open(server);
  expect(rcodeOf(await askOn(socket))).toBe(0);
  await once(socket, 'close');
  expect(server.server.report().tcp.idleClosed).toBe(1);
});

test('a server with a certificate that is of no use does not start, and says which file it is', async () => {
  const certificate = join(folder, 'old.pem');
  writeFileSync(certificate, makeCertificate({ names: ['a'], notAfter: new Date(Date.now() - 1000) }).certificate);
  const starting = createServer({ listen: [TLS], tls: { ...files, certificate } });
  await expect(starting).rejects.toThrow(`${certificate}: the certificate has expired`);
  await expect(starting).rejects.toMatchObject({ code: 'ERR_SHARDNS_FILE' });
});

test('what is asked while the server drains is answered', async () => {
  const server = await start();
  const socket = await open(server);
  const reply = askOn(socket);
  await new Promise(resolve => setTimeout(resolve, 50));
  await server.server.drain();
  expect(rcodeOf(await reply)).toBe(0);
});
