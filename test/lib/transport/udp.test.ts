// The UDP and TCP transports against real sockets on loopback: matching, forgery, truncation, broken connections.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Canceller } from '../../../lib/base/cancel.js';
import type { SocketAddress } from '../../../lib/base/address.js';
import { systemClock } from '../../../lib/base/clock.js';
import { systemRandom } from '../../../lib/base/random.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { TcpTransport } from '../../../lib/transport/tcp.js';
import { UdpTransport } from '../../../lib/transport/udp.js';
import { answerA, makeQuery } from '../../support/messages.js';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function udpServer(
  onMessage: (message: Buffer, client: RemoteInfo, socket: Socket) => void,
): Promise<SocketAddress> {
  const socket = createSocket('udp4');
  socket.on('message', (message, client) => onMessage(message, client, socket));
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  cleanups.push(() => socket.close());
  return { address: '127.0.0.1', port: socket.address().port, family: 4 };
}

async function tcpServer(onConnection: (socket: import('node:net').Socket) => void): Promise<SocketAddress> {
  const server: Server = createServer(onConnection);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  return { address: '127.0.0.1', port: (server.address() as { port: number }).port, family: 4 };
}

const udp = (): UdpTransport => {
  const transport = new UdpTransport(systemClock, systemRandom);
  cleanups.push(() => transport.close());
  return transport;
};
const tcp = (): TcpTransport => {
  const transport = new TcpTransport(systemClock, systemRandom);
  cleanups.push(() => transport.close());
  return transport;
};

test('ids, ports and letter case differ from query to query (RFC 5452)', async () => {
  const ids = new Set<number>();
  const ports = new Set<number>();
  const cases = new Set<string>();
  const at = await udpServer((message, client, socket) => {
    ids.add(message.readUInt16BE(0));
    ports.add(client.port);
    cases.add(message.subarray(13, 30).toString('latin1'));
    socket.send(answerA(message), client.port, client.address);
  });
  const transport = udp();
  for (let i = 0; i < 300; i++) await transport.exchange(makeQuery('some-long-name.example'), at, { timeoutMs: 1000 });
  expect(ids.size).toBeGreaterThan(290);
  expect(ports.size).toBeGreaterThan(55);
  expect(cases.size).toBeGreaterThan(290);
});

test('a name with few letters gets a port of its own', async () => {
  const ports = new Set<number>();
  const at = await udpServer((message, client, socket) => {
    ports.add(client.port);
    socket.send(answerA(message), client.port, client.address);
  });
  const transport = udp();
  for (let i = 0; i < 100; i++) await transport.exchange(makeQuery('1.2.3'), at, { timeoutMs: 1000 });
  expect(ports.size).toBeGreaterThan(95);
});

test('wrong id, wrong question and wrong sender are counted or dropped, and the true answer is taken', async () => {
  const at = await udpServer((message, client, socket) => {
    const spoofer = createSocket('udp4');
    cleanups.push(() => spoofer.close());
    const forged = answerA(message, 300, '203.0.113.66');
    for (let i = 0; i < 200; i++) {
      const wrongId = Buffer.from(forged);
      wrongId.writeUInt16BE((message.readUInt16BE(0) + 1 + i) & 0xffff, 0);
      socket.send(wrongId, client.port, client.address);
    }
    const wrongQuestion = Buffer.from(forged);
    wrongQuestion[13] ^= 1;
    socket.send(wrongQuestion, client.port, client.address);
    spoofer.send(forged, client.port, client.address, () => {
      setTimeout(() => socket.send(answerA(message, 300, '192.0.2.1'), client.port, client.address), 30);
    });
  });
  const transport = udp();
  const response = await transport.exchange(makeQuery('victim.example'), at, { timeoutMs: 2000 });
  expect(Buffer.from(response).subarray(-4)).toEqual(Buffer.from([192, 0, 2, 1]));
  expect(transport.stats.mismatched).toBe(201);
});

test('a server that is not there fails at once', async () => {
  const at = await udpServer(() => {});
  cleanups.pop()!();
  const began = performance.now();
  await expect(udp().exchange(makeQuery('gone.example'), at, { timeoutMs: 5000 })).rejects.toMatchObject({
    code: 'ERR_SHARDNS_UPSTREAM',
  });
  expect(performance.now() - began).toBeLessThan(2000);
});

test('an aborted query lets go of its place', async () => {
  const at = await udpServer(() => {});
  const cancel = new Canceller();
  const pending = udp().exchange(makeQuery('slow.example'), at, { timeoutMs: 5000, cancel });
  cancel.cancel();
  await expect(pending).rejects.toMatchObject({ code: 'ERR_SHARDNS_ABORTED' });
});

test('TCP pipelines on one connection and takes replies in any order (RFC 7766)', async () => {
  let connections = 0;
  const at = await tcpServer(socket => {
    connections++;
    const reader = new MessageReader();
    const held: Buffer[] = [];
    socket.on('error', () => {});
    socket.on('data', chunk => {
      held.push(...reader.push(chunk));
      if (held.length === 20) for (const query of held.reverse()) socket.write(frame(answerA(query)));
    });
  });
  const transport = tcp();
  const names = Array.from({ length: 20 }, (_, i) => `n${i}.example`);
  const responses = await Promise.all(names.map(name => transport.exchange(makeQuery(name), at, { timeoutMs: 2000 })));
  expect(responses).toHaveLength(20);
  expect(connections).toBe(1);
});

test('a connection closed early fails its queries, and the next one opens another', async () => {
  let connections = 0;
  const at = await tcpServer(socket => {
    socket.on('error', () => {});
    if (++connections === 1) socket.destroy();
    else socket.on('data', chunk => socket.write(frame(answerA(chunk.subarray(2)))));
  });
  const transport = tcp();
  await expect(transport.exchange(makeQuery('a.example'), at, { timeoutMs: 2000 })).rejects.toMatchObject({
    code: 'ERR_SHARDNS_UPSTREAM',
  });
  await expect(transport.exchange(makeQuery('a.example'), at, { timeoutMs: 2000 })).resolves.toBeDefined();
});

test('a response one octet at a time is put together', async () => {
  const at = await tcpServer(socket => {
    socket.on('error', () => {});
    socket.on('data', chunk => {
      const framed = frame(answerA(chunk.subarray(2)));
      let i = 0;
      const next = (): void => {
        if (i < framed.length) socket.write(framed.subarray(i, ++i), () => setImmediate(next));
      };
      next();
    });
  });
  await expect(tcp().exchange(makeQuery('slow.example'), at, { timeoutMs: 5000 })).resolves.toBeDefined();
});
