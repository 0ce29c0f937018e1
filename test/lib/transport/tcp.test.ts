// The TCP transport against real connections on loopback, its time-outs on a fake clock.
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { SocketAddress } from '../../../lib/base/address.js';
import { Canceller } from '../../../lib/base/cancel.js';
import { type Clock, systemClock } from '../../../lib/base/clock.js';
import { systemRandom } from '../../../lib/base/random.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { TcpTransport } from '../../../lib/transport/tcp.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { exchange } from '../../support/exchange.js';
import { answerA, makeQuery } from '../../support/messages.js';
import { until } from '../../support/until.js';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function tcpServer(onConnection: (socket: Socket) => void): Promise<SocketAddress> {
  const server: Server = createServer(onConnection);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  return { address: '127.0.0.1', port: (server.address() as { port: number }).port, family: 4 };
}

/** A server that is told of each message, with the number of its connection, from 1 on. */
async function messageServer(
  onMessage: (message: Buffer, socket: Socket, connection: number, nth: number) => void,
): Promise<SocketAddress> {
  let connections = 0;
  return tcpServer(socket => {
    const connection = ++connections;
    const reader = new MessageReader();
    let nth = 0;
    socket.on('error', () => {});
    socket.on('data', chunk => {
      for (const message of reader.push(chunk)) onMessage(message, socket, connection, ++nth);
    });
  });
}
/** What a connection that has been silent for a while is asked for a sign of life. */
const isProbe = (message: Buffer): boolean => message[12] === 0;
const answer = (message: Buffer, socket: Socket): void => void socket.write(frame(answerA(message)));

const tcp = (clock: Clock = systemClock): TcpTransport => {
  const transport = new TcpTransport(clock, systemRandom);
  cleanups.push(() => transport.close());
  return transport;
};
test('a server that floods its connection with messages that nobody asked for is given up at once', async () => {
  let connections = 0;
  let sent = 0;
  const at = await tcpServer(socket => {
    connections++;
    socket.on('error', () => {});
    socket.on('data', () => {
      const flood = (): void => {
        while (!socket.destroyed && sent < 64 * 2 ** 20) {
          sent += 65_536;
          if (!socket.write(Buffer.alloc(65_536))) return;
        }
      };
      socket.on('drain', flood);
      flood();
    });
  });
  const transport = tcp();
  await expect(exchange(transport, makeQuery('a.example'), at, {})).rejects.toThrow(
    'it sent more messages than it was asked for',
  );
  expect(connections).toBe(3);
  expect(transport.connections).toBe(0);
  // As many as came, not as many as were sent.
  expect(transport.stats.mismatched).toBeLessThan(10);
});

test('what else was asked on a connection that sends too much is asked on another', async () => {
  const at = await messageServer((message, socket, connection) => {
    answer(message, socket);
    if (connection === 1) for (let i = 0; i < 3; i++) answer(message, socket);
  });
  const transport = tcp();
  const asked = ['a.example', 'b.example', 'c.example'].map(name => exchange(transport, makeQuery(name), at, {}));
  for (const response of await Promise.all(asked)) expect(response[3] & 0x0f).toBe(0);
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
  const responses = await Promise.all(names.map(name => exchange(transport, makeQuery(name), at, { timeoutMs: 2000 })));
  expect(responses).toHaveLength(20);
  expect(connections).toBe(1);
});

test('a connection that was closed early is made anew, for what was asked over it (RFC 7766 section 6.2.4)', async () => {
  let connections = 0;
  const at = await tcpServer(socket => {
    socket.on('error', () => {});
    if (++connections === 1) socket.destroy();
    else socket.on('data', chunk => socket.write(frame(answerA(chunk.subarray(2)))));
  });
  await expect(exchange(tcp(), makeQuery('a.example'), at, { timeoutMs: 2000 })).resolves.toBeDefined();
  expect(connections).toBe(2);
});

test('a server that closes each connection without a word is given up after three', async () => {
  let connections = 0;
  const at = await tcpServer(socket => {
    connections++;
    socket.on('error', () => {});
    socket.on('data', () => socket.destroy());
  });
  await expect(exchange(tcp(), makeQuery('a.example'), at, {})).rejects.toMatchObject({ code: 'ERR_SHARDNS_UPSTREAM' });
  expect(connections).toBe(3);
});

test('nobody listens: said at once, and tried once', async () => {
  const at = await tcpServer(() => {});
  cleanups.pop()!();
  const transport = tcp();
  await expect(exchange(transport, makeQuery('a.example'), at, {})).rejects.toThrow('ECONNREFUSED');
  expect(transport.stats.sent).toBe(1);
});

test('a server of one answer a connection answers everybody, over a few connections at a time', async () => {
  let open = 0;
  let most = 0;
  const at = await messageServer((message, socket, _connection, nth) => {
    if (nth > 1) return;
    most = Math.max(most, ++open);
    socket.on('close', () => open--);
    socket.end(frame(answerA(message)));
  });
  const transport = tcp();
  const names = Array.from({ length: 100 }, (_, i) => `n${i}.example`);
  const all = await Promise.all(names.map(name => exchange(transport, makeQuery(name), at, { timeoutMs: 5000 })));
  expect(all).toHaveLength(100);
  expect(most).toBeLessThanOrEqual(9);
});

test('a connection that has gone mute is replaced, and what waits there is asked on the new one', async () => {
  const seen: number[] = [];
  const at = await messageServer((message, socket, connection, nth) => {
    if (isProbe(message)) return;
    seen.push(connection);
    if (connection > 1 || nth === 1) answer(message, socket);
  });
  const clock = new FakeClock();
  const transport = tcp(clock);
  await exchange(transport, makeQuery('first.example'), at, {});
  const stuck = ['a.example', 'b.example'].map(name => exchange(transport, makeQuery(name), at, {}));
  await until(() => seen.length === 3);
  await clock.advance(1600);
  await Promise.all(stuck);
  await exchange(transport, makeQuery('c.example'), at, {});
  expect(seen).toEqual([1, 1, 1, 2, 2, 2]);
  await settle();
  expect(transport.connections).toBe(1);
});

test('half a message and then silence is mute too', async () => {
  let seen = 0;
  const at = await messageServer((message, socket, connection) => {
    if (isProbe(message)) return;
    seen++;
    if (connection === 1) socket.write(frame(answerA(message)).subarray(0, 20));
    else answer(message, socket);
  });
  const clock = new FakeClock();
  const transport = tcp(clock);
  const pending = exchange(transport, makeQuery('a.example'), at, {});
  await until(() => seen === 1);
  await new Promise(resolve => setTimeout(resolve, 20));
  await clock.advance(3200);
  await pending;
  expect(seen).toBe(2);
});

test('a server that is slow, not mute, is heard on the connection that it was asked on', async () => {
  const held: (() => void)[] = [];
  let asked = 0;
  const at = await messageServer((message, socket, connection) => {
    if (isProbe(message)) return;
    asked++;
    if (connection === 1) held.push(() => answer(message, socket));
  });
  const clock = new FakeClock();
  const transport = tcp(clock);
  const pending = exchange(transport, makeQuery('a.example'), at, {});
  await until(() => asked === 1);
  await clock.advance(2000);
  await until(() => asked === 2);
  held[0]();
  await pending;
});

test('what is called off leaves no connection that is being made', async () => {
  const clock = new FakeClock();
  const transport = tcp(clock);
  const cancel = new Canceller();
  const at = await tcpServer(() => {});
  const pending = exchange(transport, makeQuery('a.example'), at, { cancel });
  cancel.cancel();
  await expect(pending).rejects.toMatchObject({ code: 'ERR_SHARDNS_ABORTED' });
  await until(() => transport.connections === 0);
  expect(clock.pendingTimers).toBe(0);
});

test('errors without question are believed over TCP, where nobody else can speak', async () => {
  const at = await messageServer((message, socket) => {
    socket.write(frame(Buffer.concat([message.subarray(0, 2), Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0])])));
  });
  const response = await exchange(tcp(), makeQuery('a.example'), at, { timeoutMs: 2000 });
  expect(response[3] & 15).toBe(1);
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
  await expect(exchange(tcp(), makeQuery('slow.example'), at, { timeoutMs: 5000 })).resolves.toBeDefined();
});

test('connections to all servers together are bounded: the one that has been silent longest gives way', async () => {
  let silent = false;
  const server = createServer(socket => {
    const reader = new MessageReader();
    socket.on('error', () => {});
    socket.on('data', chunk => {
      for (const message of reader.push(chunk))
        if (!silent || socket.localAddress === '127.0.0.1') answer(message, socket);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '0.0.0.0', resolve));
  cleanups.push(() => server.close());
  const { port } = server.address() as { port: number };
  const transport = new TcpTransport(systemClock, systemRandom, {}, 8);
  cleanups.push(() => transport.close());
  const ask = (host: number) =>
    exchange(
      transport,
      makeQuery('a.example'),
      { address: `127.0.0.${host}`, port, family: 4 },
      { cancel: new Canceller() },
    );
  // Connections that nothing waits for, of which the first is used again.
  for (const host of [1, 2, 3, 4, 5, 6, 7, 8, 1]) await ask(host);
  expect(transport.connections).toBe(8);
  silent = true;
  const codes = Array.from({ length: 12 }, (_, i) =>
    ask(20 + i).then(
      () => 'answered',
      (error: { code: string }) => error.code,
    ),
  );
  await until(() => transport.connections === 8);
  expect(await Promise.all(codes.slice(0, 4))).toEqual(Array(4).fill('ERR_SHARDNS_OVERLOAD'));
  expect(transport.connections).toBe(8);
  expect((await ask(1)).length).toBeGreaterThan(12);
});

test('a slow zone of a client does not keep its other names waiting, nor take all of the room', async () => {
  let slow = 0;
  const at = await messageServer((message, socket) => {
    if (isProbe(message)) return;
    if (message.includes('slow')) slow++;
    else answer(message, socket);
  });
  const transport = tcp();
  const client = '192.0.2.1';
  const asked = Array.from({ length: 1500 }, (_, i) =>
    exchange(transport, makeQuery(`r${i}.slow.example`), at, { client, timeoutMs: 60_000 }).catch(() => undefined),
  );
  await until(() => slow > 300);
  const fast = Array.from({ length: 200 }, (_, i) =>
    exchange(transport, makeQuery(`n${i}.fast.example`), at, { client, timeoutMs: 60_000 }),
  );
  expect(await Promise.all(fast)).toHaveLength(200);
  // A third of the places: as many as it leaves the client, which leaves as many to others.
  expect(slow).toBe(342);
  transport.close();
  await Promise.all(asked);
});
