// Requests over HTTPS that proxies pass on (X-Forwarded-For, Forwarded): whose they are, by each version of HTTP and each
// framing, and that others may say nothing.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { parseSocketAddress } from '../../../lib/base/address.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { makeCertificate } from '../../support/certificate.js';
import { askHttp1, askHttps, askOn, type DohAsked, get, openHttps, post } from '../../support/doh-client.js';
import { answerA, decode, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-forwarded-'));
afterAll(() => rmSync(folder, { recursive: true }));
const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
const made = makeCertificate({ names: ['dns.example'] });
writeFileSync(files.certificate, made.certificate);
writeFileSync(files.key, made.key);

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});
async function start(options: ServerOptions, framing?: 'node'): Promise<void> {
  server = await TestServer.start(query => answerA(query, 300, '192.0.2.1'), {
    listen: ['https://127.0.0.1:0'],
    tls: files,
    views: [
      { name: 'home', clients: ['198.51.100.0/24', '2001:db8::/32'], local: { records: ['a.example A 10.0.0.1'] } },
    ],
    ...options,
  });
  if (framing !== undefined) server.server.listeners.https.framing = framing;
}
const at = (): string => server!.server.addresses().https[0];
const from = (client: string, query = makeQuery('a.example')): DohAsked[] =>
  [post(query), get(query)].map(one => ({ ...one, headers: { ...one.headers, 'x-forwarded-for': client } }));
const addressIn = (body: Buffer): unknown => (decode(body).answers?.[0] as { data: unknown } | undefined)?.data;

describe.each([
  ['HTTP/2, framed natively', askHttps, undefined],
  ['HTTP/2, framed by Node', askHttps, 'node'],
  ['HTTP/1.1', askHttp1, undefined],
] as const)('by %s', (_, ask, framing) => {
  test('a client has its view, by either method, also from the cache; what it has written itself is not believed', async () => {
    await start({ forwarded: { from: ['127.0.0.1'] } }, framing);
    for (let round = 0; round < 2; round++) {
      for (const [client, address] of [
        ['198.51.100.9', '10.0.0.1'],
        ['2001:db8::9', '10.0.0.1'],
        ['203.0.113.9', '192.0.2.1'],
        ['198.51.100.9, 203.0.113.9', '192.0.2.1'],
        ['203.0.113.9, 198.51.100.9', '10.0.0.1'],
      ]) {
        for (const asked of from(client)) {
          const { status, body } = await ask(at(), asked);
          expect([status, addressIn(body)]).toEqual([200, address]);
        }
      }
    }
    expect(server!.server.report().forwarded).toEqual({ proxied: 20, local: 0, invalid: 0 });
  });

  test('who may ask is the client, and rates are its own', async () => {
    await start(
      {
        forwarded: { from: ['127.0.0.1'] },
        allow: ['198.51.100.0/24'],
        rateLimit: { enabled: true, queriesPerSecond: 1, provenTimes: 1, ipv4Prefix: 32 },
      },
      framing,
    );
    const rcodes = async (client: string, times: number): Promise<number[]> => {
      const all: number[] = [];
      for (let i = 0; i < times; i++) all.push(rcodeOf((await ask(at(), from(client)[0])).body));
      return all;
    };
    expect(await rcodes('203.0.113.9', 1)).toEqual([5]);
    expect(await rcodes('198.51.100.9', 40)).toContain(5);
    expect((await rcodes('198.51.100.200', 1))[0]).toBe(0);
    // Without a header the proxy asks for itself, as health checks do.
    expect(rcodeOf((await ask(at(), post(makeQuery('a.example')))).body)).toBe(5);
    expect(server!.server.report().forwarded).toMatchObject({ local: 1 });
  });

  test('others are who they are, whatever they say', async () => {
    await start({ forwarded: { from: ['127.0.0.2'] } }, framing);
    for (const asked of from('198.51.100.9')) expect(addressIn((await ask(at(), asked)).body)).toBe('192.0.2.1');
    expect(server!.server.report().forwarded).toEqual({ proxied: 0, local: 0, invalid: 0 });
    await server!.server.update({ forwarded: { from: [] } });
    expect(server!.server.report().forwarded).toBeUndefined();
  });

  test('the one header is looked at that the proxies write', async () => {
    await start({ forwarded: { from: ['127.0.0.1'], header: 'forwarded' } }, framing);
    const query = makeQuery('a.example');
    const both = { 'x-forwarded-for': '198.51.100.9', forwarded: 'for=203.0.113.9' };
    expect(addressIn((await ask(at(), { ...get(query), headers: both })).body)).toBe('192.0.2.1');
    const one = { forwarded: 'for="[2001:db8::9]:4711";proto=https' };
    expect(addressIn((await ask(at(), { ...get(query), headers: one })).body)).toBe('10.0.0.1');
  });
});

test('by HTTP/1.1 no line of the header is lost behind more fields than are read: such a head is refused', async () => {
  await start({ forwarded: { from: ['127.0.0.1'] } });
  const { port } = parseSocketAddress(at(), 'test');
  const asked = async (fields: number): Promise<string> => {
    const target = get(makeQuery('a.example')).path;
    const lines = [`GET ${target} HTTP/1.1`, 'Host: dns.example', 'X-Forwarded-For: 198.51.100.9'];
    for (let i = 3; i < fields; i++) lines.push('a:');
    // Of the proxy, which adds its line behind what its client has written.
    lines.push('X-Forwarded-For: 203.0.113.9', 'Connection: close', '', '');
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.end(lines.join('\r\n'));
    await once(socket, 'close');
    return Buffer.concat(chunks).toString('latin1');
  };
  const good = await asked(31);
  expect(good).toMatch(/^HTTP\/1.1 200 /);
  expect(good).toContain('\xc0\x00\x02\x01');
  for (const fields of [33, 1500, 2050]) expect(await asked(fields)).toMatch(/^HTTP\/1.1 431 /);
});

test('a proxy that is taken out is a client itself at once, over connections that are open too', async () => {
  await start({ forwarded: { from: ['127.0.0.1'] } });
  const session = await openHttps(at());
  const [asked] = from('198.51.100.9');
  expect(addressIn((await askOn(session, asked)).body)).toBe('10.0.0.1');
  await server!.server.update({ forwarded: { from: [] } });
  expect(addressIn((await askOn(session, asked)).body)).toBe('192.0.2.1');
  session.destroy();
});

test('many clients of one proxy are answered over one connection, each its own, and counted', async () => {
  await start({ forwarded: { from: ['127.0.0.1'] } });
  const session = await openHttps(at());
  const replies = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const [asked] = from(i % 2 === 0 ? `198.51.100.${i}` : `203.0.113.${i}`, makeQuery('a.example', { id: i }));
      const { body } = await askOn(session, asked);
      return [body.readUInt16BE(0), addressIn(body)];
    }),
  );
  expect(replies).toEqual(Array.from({ length: 60 }, (_, i) => [i, i % 2 === 0 ? '10.0.0.1' : '192.0.2.1']));
  session.destroy();
  const text = await new Metrics(server!.server).text();
  expect(text).toContain('shardns_https_forwarded_total{client="proxied"} 60');
  expect(text).toContain('shardns_dns_requests_total{proto="https",family="1",type="A"} 60');
});

test('proxies shake hands as often as their clients need it, whatever one client may', async () => {
  const tls = { ...files, handshakesPerSecond: 1 };
  await start({ forwarded: { from: ['127.0.0.1'] }, allow: ['198.51.100.0/24'], tls });
  for (let i = 0; i < 12; i++) expect(addressIn((await askHttps(at(), from('198.51.100.9')[0])).body)).toBe('10.0.0.1');
  expect(server!.server.report().tls!.handshakes).toMatchObject({ full: 12, refused: 0 });
});

test('a proxy that is not an address is refused by its place', async () => {
  await expect(start({ forwarded: { from: ['10.0.0.0/8', 'dns.example'] } })).rejects.toThrow(
    /forwarded\.from\[1\]: expected an address or a prefix.*dns\.example/,
  );
});
