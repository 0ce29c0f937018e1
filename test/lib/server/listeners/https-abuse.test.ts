// What clients over HTTPS may do to themselves: every abuse of HTTP/2 ends its own connection, in bounded work and memory, and
// another client is answered all the while. Real sockets on loopback, time on a fake clock.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../lib/base/log.js';
import { Engine } from '../../../../lib/cache/engine.js';
import type { Answerer, ListenerAsker, Reply } from '../../../../lib/server/answerer.js';
import { Certificates } from '../../../../lib/server/certificates.js';
import { type Framing, type HttpsStats, newHttpsStats } from '../../../../lib/server/listeners/doh-connection.js';
import { HttpsListener } from '../../../../lib/server/listeners/https-listener.js';
import { ForwardedFor } from '../../../../lib/server/listeners/forwarded-for.js';
import { Proxies } from '../../../../lib/server/listeners/proxies.js';
import { TcpConnections } from '../../../../lib/server/listeners/tcp-connections.js';
import { tcpOptionsOf } from '../../../../lib/server/settings/listeners.js';
import { readOptions, type ServerOptions } from '../../../../lib/server/settings/settings.js';
import { makeCertificate } from '../../../support/certificate.js';
import { askHttps, askOn, get, openHttps, post } from '../../../support/doh-client.js';
import { FakeClock } from '../../../support/fake-clock.js';
import {
  field,
  fields,
  Flag,
  Frame,
  frameOf,
  headersFrame,
  POST_FIELDS,
  postFrames,
  RawHttp2,
  uint32,
} from '../../../support/http2-frames.js';
import { makeQuery } from '../../../support/messages.js';
import { until } from '../../../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-https-'));
afterAll(() => rmSync(folder, { recursive: true }));
const { certificate, key } = makeCertificate({ names: ['dns.example'] });
const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
writeFileSync(files.certificate, certificate);
writeFileSync(files.key, key);

const query = makeQuery('a.example');
let engine: Engine;
let clock: FakeClock;
let certificates: Certificates;
let connections: TcpConnections;
let stats: HttpsStats;
let listener: HttpsListener;
let port: number;
let good: ClientHttp2Session;
let replyOctets = 0;
let held: (() => void)[] | undefined;
let asked = 0;

async function start(framing: Framing, options: ServerOptions = {}): Promise<void> {
  engine = new Engine({ memoryBytes: 2 ** 20, shards: 1, policy: 's3fifo', averageEntryBytes: 184 });
  clock = new FakeClock();
  clock.wall = Date.now() / 1000;
  const settings = readOptions({ listen: ['https://127.0.0.1:0'], tls: files, ...options });
  certificates = new Certificates(clock, silentLogger);
  certificates.prepare(settings).commit();
  connections = new TcpConnections(tcpOptionsOf(settings));
  stats = newHttpsStats();
  stats.framing = framing;
  const answerer = {
    allows: () => true,
    answer: (message: Uint8Array, _: unknown, reply: Reply) => {
      asked++;
      const answer = (): void => reply(replyOctets === 0 ? Buffer.from(message) : Buffer.alloc(replyOctets));
      if (held === undefined) answer();
      else held.push(answer);
    },
    answersFor: () => engine.answersFor(undefined),
    answerMiss: (message: Uint8Array, asker: ListenerAsker, _: number, reply: Reply) =>
      answerer.answer(message, asker, reply),
    countNative: () => {},
  } as unknown as Answerer;
  const at = { scheme: 'https', address: '127.0.0.1', port: 0, family: 4, path: '/dns-query' } as const;
  const [proxies, forwarded] = [new Proxies(), new ForwardedFor()];
  const https = { https: stats, engine, proxies, forwarded };
  listener = new HttpsListener(at, { answerer, certificates, clock, connections, ...https });
  await listener.listen();
  [{ port }] = listener.bound;
  good = await openHttps(`127.0.0.1:${port}`);
}
afterEach(() => {
  good.destroy();
  listener.close();
  certificates.close();
  engine.close();
});
/** It is told GOAWAY and closed, or closed. */
async function givenUp(client: RawHttp2): Promise<void> {
  await until(() => client.socket.destroyed || client.of(Frame.goaway).length > 0);
  await clock.advance(10_001);
  await client.closed;
  // By its own time-out that one is closed too.
  good.destroy();
  await until(() => connections.size === 0);
  good = await openHttps(`127.0.0.1:${port}`);
}
/** The others never notice. */
async function expectOthersAnswered(): Promise<void> {
  replyOctets = 0;
  held = undefined;
  expect((await askOn(good, post(query))).status).toBe(200);
  expect((await askHttps(`127.0.0.1:${port}`, get(query))).status).toBe(200);
}

const MANY = 200_000;
const FLOODS: Record<string, (i: number) => Buffer> = {
  'pings that are not waited for': () => frameOf(Frame.ping, 0, 0, Buffer.alloc(8)),
  settings: () => frameOf(Frame.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100])),
  'streams that are reset at once (CVE-2023-44487)': i =>
    Buffer.concat([postFrames(2 * i + 1, query), frameOf(Frame.reset, 0, 2 * i + 1, uint32(8))]),
  'streams that are reset before their bodies': i =>
    Buffer.concat([headersFrame(2 * i + 1), frameOf(Frame.reset, 0, 2 * i + 1, uint32(8))]),
  'streams that the server has to reset (CVE-2025-8671)': i =>
    Buffer.concat([headersFrame(2 * i + 1), frameOf(Frame.windowUpdate, 0, 2 * i + 1, uint32(0))]),
  'continuations without an end (CVE-2024-28182)': i =>
    i === 0 ? headersFrame(1, POST_FIELDS, 0) : frameOf(Frame.continuation, 0, 1, field(`x${i}`, 'y')),
  'continuations of nothing': i => (i === 0 ? headersFrame(1, POST_FIELDS, 0) : frameOf(Frame.continuation, 0, 1)),
  'more streams than are allowed at once': i => headersFrame(2 * i + 1),
};
const ONCE: Record<string, () => Uint8Array> = {
  'no preface': () => Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  'a frame that is too long': () => frameOf(Frame.data, 0, 1, Buffer.alloc(20_000)),
  'data for no stream': () => frameOf(Frame.data, 0, 1, Buffer.alloc(5)),
  'fields that cannot be decompressed': () => headersFrame(1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
  'an even stream': () => headersFrame(2),
  'a window that grows beyond all bounds': () =>
    Buffer.concat([0, 1].map(() => frameOf(Frame.windowUpdate, 0, 0, uint32(0x7fff_ffff)))),
  'settings of a stream': () => frameOf(Frame.settings, 0, 1),
  'settings too many in one frame': () => frameOf(Frame.settings, 0, 0, Buffer.alloc(6 * 2000, 0)),
};
describe.each(['native', 'node'] as const)('with frames of %s', framing => {
  beforeEach(async () => {
    replyOctets = asked = 0;
    held = undefined;
    await start(framing);
  });

  test.each(Object.keys(FLOODS))('%s without end close their connection', async what => {
    const client = await RawHttp2.open(port);
    // Who floods does not read either.
    if (what.startsWith('pings') || what === 'settings') client.socket.pause();
    const flooded = client.flood(FLOODS[what], MANY);
    await Promise.race([flooded, until(() => client.of(Frame.goaway).length > 0)]);
    client.socket.resume();
    await givenUp(client);
    await until(() => connections.size === 1);
    expect(connections.octets).toBeLessThan(2 ** 20);
    await expectOthersAnswered();
  });

  test.each(Object.keys(ONCE))('%s ends its connection', async what => {
    const client = what === 'no preface' ? await RawHttp2.open(port, ONCE[what]()) : await RawHttp2.open(port);
    if (what !== 'no preface') client.write(ONCE[what]());
    await givenUp(client);
    await until(() => connections.size === 1);
    await expectOthersAnswered();
  });

  test('a head that is too long, has too many fields, or unpacks to too much, is refused or ends its connection', async () => {
    const bombs = [
      // One large field in the table, named again and again (HPACK bomb).
      Buffer.concat([
        POST_FIELDS,
        Buffer.from([0x40]),
        field('x-bomb', 'b'.repeat(3900)).subarray(1),
        Buffer.alloc(10_000, 0x80 | 62),
      ]),
      Buffer.concat([POST_FIELDS, ...Array.from({ length: 400 }, (_, i) => field(`x-${i}`, 'y'))]),
      Buffer.concat([POST_FIELDS, field('x-long', 'y'.repeat(12_000))]),
    ];
    for (const block of bombs) {
      const client = await RawHttp2.open(port);
      client.write(Buffer.concat([headersFrame(1, block), frameOf(Frame.data, Flag.endStream, 1, query)]));
      const isRefused = (): boolean =>
        client.socket.destroyed || client.of(Frame.reset).length > 0 || client.of(Frame.headers).length > 0;
      await until(isRefused);
      client.destroy();
    }
    expect(asked).toBe(0);
    expect(stats.responses[200]).toBeUndefined();
    await expectOthersAnswered();
  });

  test('a client that gives no window holds a bounded number of octets, and is closed when it is idle', async () => {
    replyOctets = 30_000;
    const stingy = Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      frameOf(Frame.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])),
    ]);
    const one = await RawHttp2.open(port, stingy);
    for (let i = 0; i < 4; i++) one.write(postFrames(2 * i + 1, query));
    await until(() => asked === 4 && connections.octets > 120_000);
    // Asking more is no reading.
    await clock.advance(5000);
    one.write(postFrames(9, query));
    await until(() => asked === 5);
    await clock.advance(6000);
    await one.closed;
    expect(connections.stats.idleClosed).toBeGreaterThan(0);
    good.destroy();
    good = await openHttps(`127.0.0.1:${port}`);
    const greedy = await RawHttp2.open(port, stingy);
    await greedy.flood(i => postFrames(2 * i + 1, query), 120);
    await greedy.closed;
    expect(stats.abusive).toBe(1);
    await until(() => connections.size === 1);
    expect(connections.octets).toBe(0);
    await expectOthersAnswered();
  });

  test('what one piece asks for is bounded before any of it is written', async () => {
    replyOctets = 60_000;
    const client = await RawHttp2.open(port);
    const most = connections.octets;
    client.write(Buffer.concat(Array.from({ length: 100 }, (_, i) => postFrames(2 * i + 1, query))));
    await client.closed;
    expect(stats.abusive).toBe(1);
    await until(() => connections.size === 1);
    expect(connections.octets).toBe(most);
    await expectOthersAnswered();
  });

  test('a request that was refused is over: others on its connection go on', async () => {
    const client = await RawHttp2.open(port);
    const elsewhere = { ':method': 'GET', ':scheme': 'https', ':authority': 'dns.example', ':path': '/elsewhere' };
    client.write(headersFrame(1, fields(elsewhere), 5));
    await until(() => client.of(Frame.headers).length > 0);
    await clock.advance(6000);
    replyOctets = 0;
    client.write(postFrames(3, query));
    await until(() => client.of(Frame.headers).length > 1);
    expect(connections.stats.slowClosed).toBe(0);
    client.socket.destroy();
    await until(() => connections.size === 1);
  });

  test('a client that does not read its socket is closed', async () => {
    replyOctets = 60_000;
    const client = await RawHttp2.open(
      port,
      Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        frameOf(Frame.settings, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff])),
        frameOf(Frame.windowUpdate, 0, 0, uint32(0x7000_0000)),
      ]),
    );
    client.socket.pause();
    await client.flood(i => postFrames(2 * i + 1, query), 2000);
    client.socket.resume();
    await client.closed;
    await until(() => connections.size === 1);
    await expectOthersAnswered();
  });

  test('a body that comes slowly, or never, is waited for as long as a message may take', async () => {
    const client = await RawHttp2.open(port);
    client.write(headersFrame(1));
    await until(() => clock.pendingTimers > 3);
    await clock.advance(3000);
    // Others come and go meanwhile: the oldest counts.
    client.write(Buffer.concat([postFrames(3, query), headersFrame(5), frameOf(Frame.data, 0, 1, Buffer.alloc(3))]));
    await until(() => asked === 1);
    await clock.advance(2100);
    await client.closed;
    expect(connections.stats.slowClosed).toBe(1);
    await expectOthersAnswered();
  });

  test('bodies of all streams together are bounded, and so is what is called off but still under way', async () => {
    listener.close();
    good.destroy();
    certificates.close();
    engine.close();
    await start(framing, { tcp: { maxQueuedBytes: 65_537, maxPipelined: 100 } });
    const wide = await RawHttp2.open(port);
    for (let i = 0; i < 90; i++) {
      wide.write(Buffer.concat([headersFrame(2 * i + 1), frameOf(Frame.data, 0, 2 * i + 1, Buffer.alloc(1000))]));
    }
    await wide.closed;
    expect([stats.abusive, asked]).toEqual([1, 0]);
    held = [];
    const fickle = await RawHttp2.open(port);
    await fickle.flood(
      i => Buffer.concat([postFrames(2 * i + 1, query), frameOf(Frame.reset, 0, 2 * i + 1, uint32(8))]),
      3000,
    );
    await fickle.closed;
    expect(asked).toBeLessThanOrEqual(201);
    for (const answer of held) answer();
    await until(() => connections.size === 1);
    expect(listener.underWay).toBe(0);
    expect(connections.octets).toBe(0);
    await expectOthersAnswered();
  });

  test('clients that go away, or say GOAWAY, with questions under way leave nothing behind', async () => {
    held = [];
    const leaving: ((client: RawHttp2) => void)[] = [
      client => client.destroy(),
      client => client.socket.end(),
      client => client.write(frameOf(Frame.goaway, 0, 0, Buffer.alloc(8))),
      client => client.write(frameOf(Frame.reset, 0, 1, uint32(8))),
    ];
    for (const leave of leaving) {
      const before = held.length;
      const client = await RawHttp2.open(port);
      client.write(postFrames(1, query));
      await until(() => held!.length > before);
      leave(client);
      await new Promise(resolve => setTimeout(resolve, 20));
      held.at(-1)!();
      client.socket.end();
      await client.closed;
    }
    await until(() => connections.size === 1);
    expect(listener.underWay).toBe(0);
    await expectOthersAnswered();
  });

  test('closing ends connections with all that they have', async () => {
    held = [];
    const client = await RawHttp2.open(port);
    client.write(postFrames(1, query));
    await until(() => held!.length === 1);
    listener.close();
    await client.closed;
    held[0]();
    await until(() => connections.size === 0);
    // What looks at the certificate.
    expect(clock.pendingTimers).toBe(1);
  });
});
