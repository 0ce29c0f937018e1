// A server asked over HTTPS (RFC 8484): what holds of its clients over TLS holds of them here too, and HTTP is told what it may
// keep.
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import type { Hooks } from '../../../lib/resolve/hooks.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { makeCertificate } from '../../support/certificate.js';
import { askTls } from '../../support/client.js';
import { askHttp1, askHttps, askOn, get, openHttps, post } from '../../support/doh-client.js';
import type { Handler } from '../../support/fake-transport.js';
import { answerA, decode, makeQuery, makeResponse, rcodeOf, soa } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-https-'));
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
const HTTPS = 'https://127.0.0.1:0/dns-query';

async function start(
  options: ServerOptions & Hooks = {},
  handler: Handler = query => answerA(query),
): Promise<TestServer> {
  const server = await TestServer.start(handler, { listen: ['127.0.0.1:0', HTTPS], tls: files, ...options });
  ends.push(() => server.close());
  return server;
}
const at = ({ server }: TestServer): string => server.addresses().https[0];
async function open(server: TestServer): Promise<ClientHttp2Session> {
  const session = await openHttps(at(server));
  ends.push(() => session.destroy());
  return session;
}
const subjectOf = ({ socket }: ClientHttp2Session): unknown => (socket as TLSSocket).getPeerCertificate().subject.CN;

const WAYS = [
  ['HTTP/2', askHttps],
  ['HTTP/1.1', askHttp1],
] as const;

test.each(WAYS)('those who watch are told of misses, hits and who is refused, by %s', async (_, ask) => {
  const watched = { queryLog: { enabled: true, clients: 'full' }, tap: { hitsOneIn: 1 } } as const;
  const server = await start(watched);
  for (const name of ['a.example', 'A.example'])
    expect((await ask(at(server), post(makeQuery(name)))).status).toBe(200);
  await server.server.update({ allow: ['192.0.2.0/24'] });
  await ask(at(server), post(makeQuery('b.example')));
  server.server.watching.drain();
  const { entries } = server.server.watching.queryLog!.find({}, { limit: 10 });
  expect(entries.map(one => [one.client, one.protocol, one.name, one.by]).reverse()).toEqual([
    ['127.0.0.1', 'https', 'a.example.', 'upstream'],
    ['127.0.0.1', 'https', 'a.example.', 'hit'],
    ['127.0.0.1', 'https', 'b.example.', 'refused'],
  ]);
});

test.each(WAYS)('GET, POST and HEAD by %s are answered as over TCP, misses and hits', async (_, ask) => {
  const server = await start();
  const query = makeQuery('a.example', { id: 0 });
  const [tcp] = [await server.ask('tcp', makeQuery('b.example', { id: 0 }))];
  for (let round = 0; round < 2; round++) {
    for (const asked of [get(query), post(query)]) {
      const { status, headers, body } = await ask(at(server), asked);
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        'content-type': 'application/dns-message',
        'content-length': String(body.length),
        'cache-control': expect.stringMatching(/^max-age=\d+$/),
      });
      expect(body.readUInt16BE(0)).toBe(0);
      expect(decode(body)).toMatchObject({ answers: [{ name: 'a.example', type: 'A' }] });
    }
  }
  expect(server.asked).toBe(2);
  const head = await ask(at(server), { ...get(query), method: 'HEAD' });
  expect(head).toMatchObject({ status: 200, headers: { 'content-type': 'application/dns-message' } });
  expect(Number(head.headers['content-length'])).toBeGreaterThan(12);
  expect(head.body).toHaveLength(0);
  const own = makeQuery('b.example', { id: 0 });
  // The same octets whatever they come over, but for the lowest octet of a TTL below 256, which goes on; the address is behind it.
  const aged = Buffer.from((await ask(at(server), post(own))).body);
  const ttlAt = tcp!.indexOf(Buffer.from([192, 0, 2, 1])) - 3;
  expect(tcp![ttlAt] - aged[ttlAt]).toBeLessThan(60);
  expect(tcp![ttlAt] - aged[ttlAt]).toBeGreaterThanOrEqual(0);
  aged[ttlAt] = tcp![ttlAt];
  expect(aged).toEqual(tcp);
  expect((await ask(at(server), get(makeQuery('b.example', { id: 77 })))).body.readUInt16BE(0)).toBe(77);
});

test.each(WAYS)(
  'what is no question by %s is told by its status, and the connection of others is none of it',
  async (_, ask) => {
    const server = await start();
    const query = makeQuery('a.example');
    const wrong = [
      [404, { ...get(query), path: '/other?dns=AAAA' }],
      [400, { path: '/dns-query' }],
      [400, { path: '/dns-query?dns=AA==' }],
      [400, { path: '/dns-query?dns=AAAA' }],
      [405, { ...post(query), method: 'PUT' }],
      [415, { ...post(query), headers: { 'content-type': 'text/plain' } }],
      [415, { method: 'POST', body: query }],
      [400, post(Buffer.alloc(0))],
      [400, post(Buffer.alloc(11))],
      [400, post(answerA(query) as Buffer)],
    ] as const;
    for (const [status, asked] of wrong) {
      const got = await ask(at(server), asked);
      expect([got.status, asked]).toEqual([status, asked]);
      expect(got.headers['content-length']).toBe('0');
      if (status === 405) expect(got.headers.allow).toBe('GET, HEAD, POST');
    }
    // Accept is nobody's concern; a query that DNS cannot read is DNS's to refuse.
    expect((await ask(at(server), { ...get(query), headers: { accept: 'text/html' } })).status).toBe(200);
    const broken = await ask(at(server), post(Buffer.concat([query, Buffer.alloc(3)])));
    expect([broken.status, rcodeOf(broken.body), broken.headers['cache-control']]).toEqual([200, 1, 'no-store']);
    expect(server.server.report().https!.responses).toMatchObject({ 200: 2, 400: 6, 404: 1, 405: 1, 415: 2 });
  },
);

test.each(WAYS)('a query that a list drops by %s is told so by 403', async (_, ask) => {
  writeFileSync(join(folder, 'drop.txt'), 'drop.example\n');
  writeFileSync(join(folder, 'drop.rpz'), '@ SOA a. b. 1 2 3 4 5\n32.1.2.0.192.rpz-ip CNAME rpz-drop.\n');
  const server = await start({
    lists: [
      { name: 'names', source: join(folder, 'drop.txt'), format: 'domains', action: 'drop' },
      { name: 'addresses', source: join(folder, 'drop.rpz'), format: 'rpz' },
    ],
    rateLimit: { enabled: true, queriesPerSecond: 0.01, burst: 400, provenTimes: 1 },
  });
  // By its name, by its address when it has been found, and by that from the cache.
  for (const name of ['drop.example', 'a.example', 'a.example']) {
    expect([name, (await ask(at(server), post(makeQuery(name)))).status]).toEqual([name, 403]);
  }
  // Who is over a rate is told by DNS. The fourth was the last that may be asked at once.
  expect((await ask(at(server), post(makeQuery('drop.example')))).status).toBe(403);
  const over = await ask(at(server), post(makeQuery('b.example')));
  expect([over.status, rcodeOf(over.body)]).toEqual([200, 5]);
});

test.each(WAYS)('who may not ask by %s is refused by DNS, and beyond its rate by 429', async (_, ask) => {
  const server = await start({
    allow: ['192.0.2.0/24'],
    rateLimit: { enabled: true, queriesPerSecond: 0.01, burst: 100, provenTimes: 1 },
  });
  const first = await ask(at(server), post(makeQuery('a.example')));
  expect([first.status, rcodeOf(first.body)]).toEqual([200, 5]);
  for (let i = 0; i < 2; i++) expect((await ask(at(server), post(makeQuery('a.example')))).status).toBe(429);
  expect(server.server.report().https!.responses).toMatchObject({ 200: 1, 429: 2 });
});

test.each(WAYS)('a body that is longer than a message is 413 by %s, said before or not', async (way, ask) => {
  const server = await start();
  const long = Buffer.alloc(70_000);
  const said = await ask(at(server), {
    ...post(long),
    headers: { ...post(long).headers, 'content-length': 70_000 },
  }).catch((error: Error) => error);
  // A client that goes on writing may see its connection closed first.
  if (!(said instanceof Error)) expect(said.status).toBe(413);
  if (way === 'HTTP/2') expect((await askHttps(at(server), post(long))).status).toBe(413);
  expect(server.server.report().https!.responses[413]).toBeGreaterThan(0);
  expect((await ask(at(server), post(makeQuery('a.example')))).status).toBe(200);
});

test('max-age is the least TTL that is left, of a denial what its SOA allows, of a failure none', async () => {
  const server = await start({}, query => {
    const { name } = decode(query).questions![0];
    const a = { type: 'A', name, ttl: 300, data: '192.0.2.1' } as const;
    if (name.startsWith('alias')) {
      const alias = { type: 'CNAME', name, ttl: 60, data: 'b.example' } as const;
      return makeResponse(query, { answers: [alias, { ...a, name: 'b.example' }] });
    }
    if (name.startsWith('no')) return makeResponse(query, { rcode: 3, authorities: [soa('example', 300, 40)] });
    if (name.startsWith('bare')) return makeResponse(query, { rcode: 3 });
    if (name.startsWith('zero')) return makeResponse(query, { answers: [{ ...a, ttl: 0 }] });
    return name.startsWith('broken') ? makeResponse(query, { rcode: 2 }) : answerA(query);
  });
  const cacheControl = async (name: string): Promise<unknown> =>
    (await askHttps(at(server), get(makeQuery(name)))).headers['cache-control'];
  for (let round = 0; round < 2; round++) {
    expect(await cacheControl('a.example')).toBe('max-age=300');
    expect(await cacheControl('alias.example')).toBe('max-age=60');
    expect(await cacheControl('no.example')).toBe('max-age=40');
    for (const name of ['bare.example', 'zero.example', 'broken.example'])
      expect(await cacheControl(name)).toBe('no-store');
  }
  server.advance(100);
  expect(await cacheControl('a.example')).toMatch(/^max-age=(200|199)$/);
});

test('many questions of one connection are under way at once, and answered as they are ready', async () => {
  const held: (() => void)[] = [];
  const server = await start({
    onQuery: async ({ name }) => {
      if (name.startsWith('slow')) await new Promise<void>(resolve => held.push(resolve));
      return undefined;
    },
  });
  const session = await open(server);
  const order: string[] = [];
  const ask = async (name: string): Promise<void> => {
    const { body } = await askOn(session, post(makeQuery(name, { id: 0 })));
    expect(decode(body).questions![0].name).toBe(name);
    order.push(name);
  };
  const all = ['slow.example', ...Array.from({ length: 60 }, (_, i) => `n${i}.example`)].map(ask);
  await Promise.all(all.slice(1));
  expect(order).toHaveLength(60);
  held.forEach(go => go());
  await all[0];
  expect(order.at(-1)).toBe('slow.example');
});

test('replies are padded where the query has EDNS, and only there (RFC 8467)', async () => {
  const server = await start();
  const lengthOf = async (query: Buffer): Promise<number> => (await askHttps(at(server), post(query))).body.length;
  for (let round = 0; round < 2; round++) {
    expect(await lengthOf(makeQuery('a.example', { edns: true }))).toBe(468);
    expect(await lengthOf(makeQuery('a.example', { options: [{ code: 12, data: Buffer.alloc(60) }] }))).toBe(468);
    expect(await lengthOf(makeQuery('a.example'))).toBeLessThan(100);
  }
});

test('access, views, cookies and rates hold of clients over HTTPS, and what is counted has its protocol', async () => {
  const server = await start({
    allow: ['127.0.0.1'],
    views: [{ name: 'here', clients: ['127.0.0.1'], local: { records: ['v.example A 192.0.2.77'] } }],
    cookies: { enabled: true },
    rateLimit: { enabled: true, queriesPerSecond: 1, provenTimes: 1 },
  });
  const session = await open(server);
  const query = makeQuery('v.example', { options: [{ code: 10, data: Buffer.alloc(8, 1) }] });
  const seen = decode((await askOn(session, post(query))).body);
  expect(seen.answers).toMatchObject([{ data: '192.0.2.77' }]);
  expect(seen.additionals).toMatchObject([{ options: [{ code: 10 }, { code: 12 }] }]);
  const many = await Promise.all(Array.from({ length: 30 }, () => askOn(session, post(makeQuery('v.example')))));
  expect(many.filter(({ status }) => status === 200).map(({ body }) => rcodeOf(body))).toContain(5);
  await server.server.update({ allow: ['192.0.2.0/24'], rateLimit: { enabled: false } });
  expect(rcodeOf((await askOn(session, post(makeQuery('v.example')))).body)).toBe(5);
  const text = await new Metrics(server.server).text();
  expect(text).toContain('shardns_dns_requests_total{proto="https",family="1",type="A"} 32');
  expect(text).toContain('shardns_https_native_framing 1');
  expect(text).toContain('shardns_https_connections_total{version="h2"} 1');
  expect(text).toMatch(/shardns_https_responses_total\{status="200"\} \d+/);
});

test('another certificate is shown to new connections, and those that are open go on', async () => {
  const server = await start({ listen: ['tls://127.0.0.1:0', HTTPS] });
  const before = await open(server);
  expect(subjectOf(before)).toBe('dns.example');
  store('other.example');
  await server.server.update({});
  expect(subjectOf(await open(server))).toBe('other.example');
  expect((await askOn(before, post(makeQuery('a.example')))).status).toBe(200);
  const [one] = await askTls(server.server.addresses().tls[0], [makeQuery('a.example')]);
  expect(rcodeOf(one)).toBe(0);
  store();
});

test('HTTPS comes and goes with `listen`, its connections outlive a change of other addresses, and its path is its own', async () => {
  const server = await start({ listen: ['127.0.0.1:0'], tls: undefined });
  expect(server.server.report().https).toBeUndefined();
  const [plain] = server.server.addresses().udp;
  await server.server.update({ listen: [plain, HTTPS], tls: files });
  const own = at(server);
  const session = await open(server);
  await server.server.update({ listen: [plain, `https://${own}/dns-query{?dns}`, '127.0.0.2:0'] });
  expect((await askOn(session, post(makeQuery('a.example')))).status).toBe(200);
  await server.server.update({ listen: [`https://${own}/private`] });
  expect(server.server.addresses()).toEqual({ udp: [], tcp: [], tls: [], https: [own] });
  expect((await askHttps(own, { ...post(makeQuery('a.example')) })).status).toBe(404);
  expect((await askHttps(own, { ...post(makeQuery('a.example')), path: '/private' })).status).toBe(200);
});

test('what is asked while the server drains is answered', async () => {
  const server = await start();
  const session = await open(server);
  const reply = askOn(session, post(makeQuery('a.example')));
  await new Promise(resolve => setTimeout(resolve, 50));
  await server.server.drain();
  expect((await reply).status).toBe(200);
});

test('a connection without a question is closed in time, and one that stalls in its body too', async () => {
  const impatient = await start({ tcp: { enabled: false, idleTimeoutMs: 300 } });
  const idle = await open(impatient);
  await once(idle, 'close');
  expect(impatient.server.report().tcp.idleClosed).toBe(1);
  const server = await start({ tcp: { enabled: false, messageTimeoutMs: 300 } });
  const slow = await open(server);
  const stream = slow.request({ ':method': 'POST', ':path': '/dns-query', 'content-type': 'application/dns-message' });
  stream.on('error', () => {});
  const closed = once(slow, 'close');
  const drip = setInterval(() => stream.write('a'), 50);
  await closed;
  clearInterval(drip);
  expect(server.server.report().tcp.slowClosed).toBe(1);
});
