// Clients over connections when a server, or a listener, goes: what has come is answered, and they are told to go elsewhere
// before the connection ends; and changes while they ask lose nothing.
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:http2';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { parseSocketAddress } from '../../../lib/base/address.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { makeCertificate } from '../../support/certificate.js';
import { askUdp } from '../../support/client.js';
import { askOn, openHttps, post } from '../../support/doh-client.js';
import { answerA, decode, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';
import { until } from '../../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-drain-'));
afterAll(() => rmSync(folder, { recursive: true }));
const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
function store(subject = 'dns.example'): void {
  const { certificate, key } = makeCertificate({ names: ['dns.example'], subject });
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
const LISTEN = ['127.0.0.1:0', 'tls://127.0.0.1:0', 'https://127.0.0.1:0'];

/** Whose upstream answers when it is told to. */
async function start(options: ServerOptions = {}) {
  const waiting: (() => void)[] = [];
  const server = await TestServer.start(
    query => new Promise<Buffer>(resolve => waiting.push(() => resolve(Buffer.from(answerA(query))))),
    { listen: LISTEN, tls: files, ...options },
  );
  ends.push(() => server.close());
  const asked = async (count: number): Promise<void> => {
    while (waiting.length < count) await new Promise(resolve => setTimeout(resolve, 2));
  };
  return { server, asked, answer: () => waiting.splice(0).forEach(one => one()) };
}
type Started = Awaited<ReturnType<typeof start>>;

/** A client of DNS over TLS or TCP, with all that it is told. */
async function openStream({ server }: Started, way: 'tls' | 'tcp') {
  const { address: host, port } = parseSocketAddress(server.server.addresses()[way][0], 'test');
  const socket = way === 'tls' ? connect({ host, port, rejectUnauthorized: false }) : connectPlain({ host, port });
  ends.push(() => socket.destroy());
  const errors: Error[] = [];
  socket.on('error', error => errors.push(error));
  await once(socket, way === 'tls' ? 'secureConnect' : 'connect');
  const reader = new MessageReader();
  const replies: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => replies.push(...reader.push(chunk)));
  // 'end' comes of close_notify over TLS, and of FIN.
  const ended = once(socket, 'end');
  return {
    socket,
    replies,
    errors,
    ended,
    ask: (name: string, shape = {}) => socket.write(frame(makeQuery(name, shape))),
  };
}

describe.each(['tls', 'tcp'] as const)('over %s', way => {
  test('a client that waits for answers gets them, and then the end, as one that waits for none', async () => {
    const started = await start();
    const [busy, idle] = [await openStream(started, way), await openStream(started, way)];
    for (const name of ['a', 'b', 'c']) busy.ask(`${name}.example`);
    await started.asked(3);
    const drained = started.server.server.drain();
    await idle.ended;
    expect(busy.replies).toHaveLength(0);
    expect(busy.socket.readableEnded).toBe(false);
    started.answer();
    await busy.ended;
    await drained;
    expect(busy.replies.map(rcodeOf)).toEqual([0, 0, 0]);
    expect([busy.errors, idle.errors]).toEqual([[], []]);
  });

  test('what it asks while others are still answered is answered too, and it is told that there is no time left', async () => {
    const started = await start({ local: { records: ['local.example A 192.0.2.9'] } });
    const client = await openStream(started, way);
    client.ask('a.example', { options: [{ code: 11, data: Buffer.alloc(0) }] });
    await started.asked(1);
    const idle = await openStream(started, way);
    idle.ask('local.example');
    while (idle.replies.length < 1) await new Promise(resolve => setTimeout(resolve, 2));
    const drained = started.server.server.drain();
    // From then on clients are told.
    await idle.ended;
    client.ask('local.example', { edns: true });
    while (client.replies.length < 1) await new Promise(resolve => setTimeout(resolve, 2));
    expect(decode(client.replies[0]).answers).toMatchObject([{ data: '192.0.2.9' }]);
    const keepalive = decode(client.replies[0]).additionals!.flatMap(one => (one as { options: object[] }).options);
    expect(keepalive).toMatchObject([{ code: 11, data: Buffer.from([0, 0]) }]);
    started.answer();
    await client.ended;
    await drained;
    expect(client.replies).toHaveLength(2);
  });
});

describe.each(['native', 'node'] as const)('over HTTP/2, framed by: %s', framing => {
  test('a client is told to go elsewhere, what has come is answered, and the connection ends', async () => {
    const started = await start();
    started.server.server.listeners.https.framing = framing;
    const session = await openHttps(started.server.server.addresses().https[0]);
    ends.push(() => session.destroy());
    const goaways: { code: number; last: number }[] = [];
    session.on('goaway', (code, last) => goaways.push({ code, last }));
    const asked = ['a', 'b'].map(name => askOn(session, post(makeQuery(`${name}.example`))));
    await started.asked(2);
    const drained = started.server.server.drain();
    const closed = once(session, 'close');
    await once(session, 'goaway');
    started.answer();
    expect((await Promise.all(asked)).map(({ status, body }) => [status, rcodeOf(body)])).toEqual([
      [200, 0],
      [200, 0],
    ]);
    await Promise.all([closed, drained]);
    expect(goaways.every(one => one.code === constants.NGHTTP2_NO_ERROR)).toBe(true);
    // The client knows which of its streams were seen: the last one asked, or no bound yet.
    expect(goaways.at(-1)!.last).toBeGreaterThanOrEqual(3);
  });

  test('one that asks nothing is closed without waiting', async () => {
    const started = await start();
    started.server.server.listeners.https.framing = framing;
    const session = await openHttps(started.server.server.addresses().https[0]);
    const closed = once(session, 'close');
    const began = performance.now();
    await started.server.server.drain();
    await closed;
    expect(performance.now() - began).toBeLessThan(5000);
    expect(started.server.server.listening).toBe(false);
  });
});

test('by HTTP/1.1 the last response says that the connection closes', async () => {
  const started = await start();
  const { address: host, port } = parseSocketAddress(started.server.server.addresses().https[0], 'test');
  const open = async (): Promise<{ socket: TLSSocket; text: () => string }> => {
    const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    ends.push(() => socket.destroy());
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    await once(socket, 'secureConnect');
    return { socket, text: () => text };
  };
  const [busy, idle] = [await open(), await open()];
  const url = `/dns-query?dns=${makeQuery('a.example').toString('base64url')}`;
  busy.socket.write(`GET ${url} HTTP/1.1\r\nhost: dns.example\r\n\r\n`);
  await started.asked(1);
  const drained = started.server.server.drain();
  await once(idle.socket, 'end');
  const end = once(busy.socket, 'end');
  started.answer();
  await Promise.all([end, drained]);
  expect(busy.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/i);
  expect(idle.text()).toBe('');
});

test('a listener that goes with a change of `listen` lets its clients finish, and others stay', async () => {
  const started = await start();
  const { server } = started.server;
  const [plain] = server.addresses().udp;
  const [tls] = server.addresses().tls;
  const leaving = await openHttps(server.addresses().https[0]);
  ends.push(() => leaving.destroy());
  const staying = await openStream(started, 'tls');
  const asked = askOn(leaving, post(makeQuery('a.example')));
  await started.asked(1);
  await server.update({ listen: [plain, `tls://${tls}`] });
  const closed = once(leaving, 'close');
  started.answer();
  expect((await asked).status).toBe(200);
  await closed;
  staying.ask('a.example');
  while (staying.replies.length < 1) await new Promise(resolve => setTimeout(resolve, 2));
  expect(staying.errors).toEqual([]);
});

test('a question keeps its time for an answer when listeners that went before are closed', async () => {
  const started = await start({ listen: ['127.0.0.1:0', '127.0.0.2:0'] });
  const { server } = started.server;
  const [plain] = server.addresses().udp;
  const { address: host, port } = parseSocketAddress(server.addresses().tcp[1], 'test');
  // Whoever does not go keeps the listeners of before for a second.
  const staying = connectPlain({ host, port, allowHalfOpen: true });
  ends.push(() => staying.destroy());
  await once(staying, 'connect');
  const ended = once(staying.resume(), 'end');
  await server.update({ listen: [plain] });
  await ended;
  const reply = askUdp(plain, makeQuery('a.example'), 10_000);
  await started.asked(1);
  // The listener that has the question goes, too.
  await server.update({ threads: 2 });
  await until(() => server.tcpConnections.size === 0);
  started.answer();
  expect(await reply.then(one => one && rcodeOf(one))).toBe(0);
});

test('while certificates, options and addresses change under load nothing is lost, and nobody is cut off', async () => {
  const started = await start({ local: { records: ['load.example A 192.0.2.9'] }, tcp: { maxPipelined: 64 } });
  const { server } = started.server;
  const [plain] = server.addresses().udp;
  const [tls] = server.addresses().tls;
  const [https] = server.addresses().https;
  const state = { running: true, answered: 0, connections: 0 };
  const failures: unknown[] = [];
  /** Ten questions over a connection, then another one. */
  const overTls = async (): Promise<void> => {
    while (state.running) {
      const client = await openStream(started, 'tls');
      state.connections++;
      for (let i = 0; i < 10; i++) {
        client.ask('load.example', { id: i });
        while (client.replies.length <= i && !client.socket.destroyed)
          await new Promise(resolve => setImmediate(resolve));
        if (client.socket.destroyed) failures.push(client.errors[0] ?? 'closed');
      }
      state.answered += client.replies.length;
      client.socket.destroy();
    }
  };
  const overHttps = async (): Promise<void> => {
    const session = await openHttps(https);
    while (state.running) {
      const { status } = await askOn(session, post(makeQuery('load.example')));
      if (status !== 200) failures.push(status);
      state.answered++;
    }
    session.destroy();
  };
  const clients = [overTls(), overTls(), overHttps(), overHttps()];
  for (const one of clients) one.catch(error => failures.push(error));
  for (let i = 0; i < 6; i++) {
    store(`certificate ${i}`);
    await server.update({ tls: { ...files, handshakesPerSecond: 0, names: i % 2 === 0 ? [] : ['dns.example'] } });
    const listen = [plain, `tls://${tls}`, `https://${https}`];
    await server.update({ listen: i % 2 === 0 ? [...listen, '127.0.0.2:0'] : listen });
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  state.running = false;
  await Promise.all(clients);
  expect(failures).toEqual([]);
  expect(state.answered).toBeGreaterThan(20);
  store();
});
