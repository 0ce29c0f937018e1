// close(), drain(), listen() and update() in each other's way: nothing hangs, nothing is left open, nothing is unhandled.
import { createConnection, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Server } from '../../../lib/server/server.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { askUdp } from '../../support/client.js';
import { settle } from '../../support/fake-clock.js';
import { makeQuery, makeResponse } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let rejections: unknown[] = [];
const onRejection = (reason: unknown): void => void rejections.push(reason);
process.on('unhandledRejection', onRejection);
afterEach(() => {
  expect(rejections).toEqual([]);
  rejections = [];
});
const make = (options: ServerOptions = {}): Server =>
  new Server(
    { listen: ['127.0.0.1:0'], threads: 1, cache: { memory: '1MiB' }, upstreams: ['127.0.0.1:9'], ...options },
    {},
    {},
  );

test.each(['native', 'dgram'] as const)('close() while it begins to listen leaves nothing open: %s', async udp => {
  const server = make({ udp });
  const listening = server.listen();
  await server.close();
  await expect(listening).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
  expect(server.addresses()).toEqual({ udp: [], tcp: [], tls: [], https: [] });
  await expect(server.listen()).rejects.toThrow('listen() on a server that is closed');
});

test('listen() works once, and a second call says what the server is', async () => {
  const server = make();
  const first = server.listen();
  await expect(server.listen()).rejects.toThrow('listen() on a server that is starting');
  await first;
  await expect(server.listen()).rejects.toThrow('listen() on a server that is listening');
  await server.close();
});

test('a server whose address is in use is closed, whatever is called afterwards', async () => {
  const other = createTcpServer();
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve));
  const at = `127.0.0.1:${(other.address() as { port: number }).port}`;
  const server = make({ listen: [at] });
  await expect(server.listen()).rejects.toMatchObject({ code: 'ERR_SHARDNS_LISTEN' });
  await expect(server.listen()).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
  await expect(server.update({ udpSize: 512 })).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
  await server.drain();
  await server.close();
  other.close();
});

test('updates follow one another, and one that close() overtakes is told', async () => {
  const server = await make().listen();
  const changes = ['127.0.0.2:0', '127.0.0.3:0', '127.0.0.4:0'].map(at => server.update({ listen: [at] }));
  await Promise.all(changes);
  expect(server.addresses().udp[0]).toMatch(/^127\.0\.0\.4:/);
  const [moving, later] = [server.update({ listen: ['127.0.0.5:0'] }), server.update({ udpSize: 512 })];
  const ended = Promise.allSettled([moving, later]);
  await server.close();
  for (const { status, reason } of (await ended) as { status: string; reason?: unknown }[]) {
    if (status === 'rejected') expect(reason).toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
  }
  expect(server.addresses()).toEqual({ udp: [], tcp: [], tls: [], https: [] });
});

test('an update during the start takes effect when it listens', async () => {
  const server = make();
  const [, change] = [server.listen(), server.update({ listen: ['127.0.0.6:0'] })];
  await change;
  expect(server.addresses().udp[0]).toMatch(/^127\.0\.0\.6:/);
  await server.close();
});

test.each(['dgram', 'native'] as const)('close() while clients wait for a hook is quiet: %s', async udp => {
  let release = (): void => {};
  const released = new Promise<void>(resolve => (release = resolve));
  const server = await TestServer.start(() => undefined, { udp, onQuery: () => released as Promise<undefined> });
  const socket = createConnection(Number(server.server.addresses().tcp[0].split(':')[1]), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(frame(makeQuery('tcp.example')));
  const asking = askUdp(server.address, makeQuery('udp.example'), 300);
  while (server.server.listeners.underWay < 2) await settle();
  await server.close();
  release();
  await settle();
  expect(await asking).toBeUndefined();
  socket.destroy();
});

test('a second drain() waits for the first', async () => {
  const server = await make().listen();
  const [first, second] = [server.drain(), server.drain()];
  await Promise.all([first, second]);
  expect(server.listening).toBe(false);
});

test.each(['dgram', 'native'] as const)(
  'an address that the machine does not have is an error where it was asked for, else a warning: %s',
  async udp => {
    const server = make({ udp, listen: ['[2001:db8::1]:0', '127.0.0.1:0', '192.0.2.250:0'] });
    await server.listeners.open(server.settings, true);
    expect(server.addresses().udp).toHaveLength(1);
    expect(server.addresses().udp[0]).toBe(server.addresses().tcp[0]);
    await expect(server.listeners.open(server.settings, false)).rejects.toThrow(
      /^cannot listen on \[2001:db8::1\]:0 \(UDP\)/,
    );
    await server.close();
    const none = make({ udp, listen: ['[2001:db8::1]:0', '192.0.2.250:0'] });
    await expect(none.listeners.open(none.settings, true)).rejects.toMatchObject({ code: 'ERR_SHARDNS_LISTEN' });
    await none.close();
  },
);

test('draining waits for a client that reads slowly, and not long for one that reads nothing', async () => {
  const data = Array.from({ length: 230 }, () => 'x'.repeat(255));
  const server = await TestServer.start(
    query => makeResponse(query, { answers: [{ type: 'TXT', name: 'big.example', ttl: 300, data }] }),
    { tcp: { maxQueuedBytes: 64 * 2 ** 20 } },
  );
  const port = Number(server.server.addresses().tcp[0].split(':')[1]);
  const queries = Buffer.concat(Array.from({ length: 128 }, () => frame(makeQuery('big.example', { type: 'TXT' }))));
  const open = async (): Promise<Socket> => {
    const socket = createConnection(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.pause();
    await new Promise(resolve => socket.write(queries, resolve));
    return socket;
  };
  const [slow, deaf] = [await open(), await open()];
  while (server.server.answerer.requests.tcp4 < 256) await settle();
  expect(server.server.tcpConnections.octets).toBeGreaterThan(0);
  const drained = server.server.drain();
  const reader = new MessageReader();
  let replies = 0;
  slow.on('data', (chunk: Buffer) => (replies += reader.push(chunk).length));
  slow.resume();
  await new Promise(resolve => slow.once('close', resolve));
  await drained;
  expect(replies).toBe(128);
  deaf.destroy();
});
