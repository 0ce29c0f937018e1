// The UDP transport against real sockets on loopback, and on sockets of the test's own: matching, forgery, how sockets
// come and go.
import { EventEmitter } from 'node:events';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { afterEach, describe, expect, test } from 'vitest';
import { Canceller } from '../../../lib/base/cancel.js';
import type { SocketAddress } from '../../../lib/base/address.js';
import { systemClock } from '../../../lib/base/clock.js';
import { systemRandom } from '../../../lib/base/random.js';
import { type Doubt, NO_SOCKET_ALONE } from '../../../lib/transport/transport.js';
import { NativeUdpTransport } from '../../../lib/transport/native-udp.js';
import { UdpTransport } from '../../../lib/transport/udp.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { exchange } from '../../support/exchange.js';
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

const MAKERS: [string, () => UdpTransport | NativeUdpTransport][] = [
  ["Node's sockets", () => new UdpTransport(systemClock, systemRandom)],
  ['the native asker', () => new NativeUdpTransport(systemClock)],
];
describe.each(MAKERS)('over %s', (_, make) => {
  const udp = (): UdpTransport | NativeUdpTransport => {
    const transport = make();
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
    for (let i = 0; i < 300; i++)
      await exchange(transport, makeQuery('some-long-name.example'), at, { timeoutMs: 1000 });
    expect(ids.size).toBeGreaterThan(290);
    // The budget of openings has a new socket for each of them.
    expect(ports.size).toBeGreaterThan(290);
    expect(cases.size).toBeGreaterThan(290);
  });

  test('a name with few letters gets a port of its own', async () => {
    const ports = new Set<number>();
    const at = await udpServer((message, client, socket) => {
      ports.add(client.port);
      socket.send(answerA(message), client.port, client.address);
    });
    const transport = udp();
    for (let i = 0; i < 100; i++) await exchange(transport, makeQuery('1.2.3'), at, { timeoutMs: 1000 });
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
    const response = await exchange(transport, makeQuery('victim.example'), at, { timeoutMs: 2000 });
    expect(Buffer.from(response).subarray(-4)).toEqual(Buffer.from([192, 0, 2, 1]));
    expect(transport.stats).toMatchObject({ received: 1, mismatched: 201, unknownId: 200 });
  });

  test('a server that is not there fails at once', async () => {
    const at = await udpServer(() => {});
    cleanups.pop()!();
    const began = performance.now();
    await expect(exchange(udp(), makeQuery('gone.example'), at, { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'ERR_SHARDNS_UPSTREAM',
    });
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  test('an aborted query lets go of its place', async () => {
    const at = await udpServer(() => {});
    const cancel = new Canceller();
    const pending = exchange(udp(), makeQuery('slow.example'), at, { timeoutMs: 5000, cancel });
    cancel.cancel();
    await expect(pending).rejects.toMatchObject({ code: 'ERR_SHARDNS_ABORTED' });
  });

  test('letters that are kept go out as written, and come back in any case', async () => {
    const asked: string[] = [];
    const at = await udpServer((message, client, socket) => {
      asked.push(message.subarray(13, 30).toString('latin1'));
      const response = answerA(message);
      response.write(response.toString('latin1', 13, 30).toLowerCase(), 13, 'latin1');
      socket.send(response, client.port, client.address);
    });
    await exchange(udp(), makeQuery('Some-Long-Name.example'), at, {
      timeoutMs: 2000,
      letters: 'kept',
      entropy: 'any',
    });
    expect(asked[0]).toContain('Some-Long-Name');
  });

  test('what cannot be believed is told, and the true response is still taken', async () => {
    const at = await udpServer((message, client, socket) => {
      const send = (response: Buffer): void => socket.send(response, client.port, client.address);
      send(Buffer.concat([message.subarray(0, 2), Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0])]));
      const other = answerA(message);
      other[13] ^= 0x20;
      send(other);
      for (let i = 0; i < 100; i++) {
        const wrongId = answerA(message);
        wrongId[0] ^= 1 + (i & 63);
        send(wrongId);
      }
      setTimeout(() => send(answerA(message)), 20);
    });
    const doubts: Doubt[] = [];
    const onDoubt = (doubt: Doubt): void => void doubts.push(doubt);
    await exchange(udp(), makeQuery('some-long-name.example'), at, { timeoutMs: 2000, onDoubt });
    expect(doubts).toEqual(['question', 'letters', 'flood']);
  });
});

/** A socket that connects at once, sends nowhere, and fails when the test says so. */
class FakeSocket extends EventEmitter {
  static all: FakeSocket[] = [];
  static connectError: Error | undefined;
  static sendError: Error | undefined;
  readonly sent: Buffer[] = [];
  closed = false;
  constructor() {
    super();
    FakeSocket.all.push(this);
  }
  unref(): void {}
  connect(): void {
    const { connectError } = FakeSocket;
    setImmediate(() => (connectError === undefined ? this.emit('connect') : this.emit('error', connectError)));
  }
  send(message: Buffer, done?: (error: Error | null) => void): void {
    const { sendError } = FakeSocket;
    if (sendError === undefined) this.sent.push(message);
    if (done !== undefined) process.nextTick(done, sendError ?? null);
  }
  close(): void {
    this.closed = true;
  }
}
const errno = (code: string): Error => Object.assign(new Error(`send ${code}`), { code });
const SERVER: SocketAddress = { address: '192.0.2.1', port: 53, family: 4 };

function onFakeSockets() {
  FakeSocket.all = [];
  FakeSocket.connectError = FakeSocket.sendError = undefined;
  const clock = new FakeClock();
  const transport = new UdpTransport(clock, systemRandom, {}, () => new FakeSocket() as unknown as Socket);
  const ask = (name: string, options = {}) => {
    const cancel = new Canceller();
    const result = exchange(transport, makeQuery(name), SERVER, { cancel, ...options });
    const code = result.then(
      () => 'answered',
      (error: { code: string }) => error.code,
    );
    return { cancel, result, code };
  };
  const answerAll = (): void => {
    for (const socket of FakeSocket.all)
      for (const query of socket.sent.splice(0)) socket.emit('message', answerA(query));
  };
  return { clock, transport, ask, answerAll };
}
const LONG = 'some-long-name.example';

test.each(['ENETUNREACH', 'EADDRNOTAVAIL', 'EINVAL', 'EPERM', 'EHOSTUNREACH'])(
  'a query that cannot be sent (%s) fails at once, and no socket of that way is used again',
  async code => {
    const t = onFakeSockets();
    for (let i = 0; i < 300; i++) {
      const { code: outcome } = t.ask(LONG);
      await new Promise(resolve => setImmediate(resolve));
      t.answerAll();
      expect(await outcome).toBe('answered');
    }
    // While the server is heard of, errors of sending are not listened to.
    await t.clock.advance(50);
    FakeSocket.sendError = errno(code);
    expect(await t.ask(LONG).code).toBe('ERR_SHARDNS_UPSTREAM');
    FakeSocket.sendError = undefined;
    await settle();
    expect(FakeSocket.all.filter(one => !one.closed)).toHaveLength(0);
    expect(t.transport.sockets).toBe(0);
  },
);

test('a socket that brought no answer within 400 ms is not used again; one that was called off sooner is', async () => {
  for (const [ms, left] of [
    [500, 0],
    [100, 1],
  ]) {
    const t = onFakeSockets();
    const { cancel, code } = t.ask(LONG);
    await t.clock.advance(ms);
    cancel.cancel();
    expect(await code).toBe('ERR_SHARDNS_ABORTED');
    expect(FakeSocket.all.filter(one => !one.closed)).toHaveLength(left);
  }
});

test('without budget a socket is shared, for 64 queries at most', async () => {
  const t = onFakeSockets();
  for (let i = 0; i < 20_000; i++) {
    const { code } = t.ask(LONG);
    if (i % 100 !== 99) continue;
    await new Promise(resolve => setImmediate(resolve));
    t.answerAll();
    await code;
  }
  // 1024 of the burst, as the clock stands still, and the rest by 64s.
  expect(FakeSocket.all.length).toBeGreaterThan(1024 + (20_000 - 1024) / 64 - 64);
  expect(FakeSocket.all.length).toBeLessThan(2000);
  expect(t.transport.sockets).toBeLessThanOrEqual(64);
});

test('no descriptors left: a socket that is open serves instead of a new one', async () => {
  const t = onFakeSockets();
  for (let i = 0; i < 1000; i++) {
    const { code } = t.ask(LONG);
    await new Promise(resolve => setImmediate(resolve));
    t.answerAll();
    await code;
  }
  FakeSocket.connectError = errno('EMFILE');
  for (let i = 0; i < 50; i++) {
    const { code } = t.ask(LONG);
    for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve));
    t.answerAll();
    expect(await code).toBe('answered');
  }
});

test.each(['EMFILE', 'EAGAIN'])('no room for any socket (%s) is said of us, not of the server', async code => {
  const t = onFakeSockets();
  FakeSocket.connectError = errno(code);
  expect(await t.ask(LONG).code).toBe('ERR_SHARDNS_OVERLOAD');
});

test('256 sockets for one query a server; those of one server take none from the others', async () => {
  const t = onFakeSockets();
  const all = Array.from({ length: 300 }, () => t.ask('x.co'));
  const refused = exchange(t.transport, makeQuery('x.co'), SERVER, {}).catch((error: unknown) => error);
  expect(await refused).toMatchObject({ code: 'ERR_SHARDNS_OVERLOAD', cause: NO_SOCKET_ALONE });
  expect(FakeSocket.all).toHaveLength(256);
  void exchange(t.transport, makeQuery('x.co'), { ...SERVER, address: '192.0.2.2' }, {}).catch(() => {});
  expect(FakeSocket.all).toHaveLength(257);
  for (const { cancel } of all) cancel.cancel();
  await settle();
  expect(t.transport.sockets).toBe(1);
  t.transport.close();
});

test('servers that never answer hold 2560 sockets at most, however many they are: the latest are waited for', async () => {
  const t = onFakeSockets();
  const outcomes: Promise<string>[] = [];
  for (let i = 0; i < 4000; i++) {
    const server: SocketAddress = { address: `192.0.${i >> 8}.${i & 255}`, port: 53, family: 4 };
    const result = exchange(t.transport, makeQuery(LONG), server, { cancel: new Canceller() });
    outcomes.push(
      result.then(
        () => 'answered',
        (error: { code: string }) => error.code,
      ),
    );
  }
  await settle();
  expect(t.transport.sockets).toBe(2560);
  expect(FakeSocket.all.filter(one => !one.closed)).toHaveLength(2560);
  t.answerAll();
  const told = await Promise.all(outcomes);
  expect(told.slice(0, 1440).every(one => one === 'ERR_SHARDNS_OVERLOAD')).toBe(true);
  expect(told.slice(1440).every(one => one === 'answered')).toBe(true);
});

test('names of few letters share sockets where nobody can be off the path', async () => {
  const t = onFakeSockets();
  for (let i = 0; i < 2000; i++) void t.ask('1.2.3', { entropy: 'any' }).code;
  expect(FakeSocket.all.length).toBeLessThan(700);
  t.transport.close();
  expect(t.transport.sockets).toBe(0);
});

test.each(MAKERS)(
  'over %s, what failed at once is told when ask() has returned, and not to whoever has called it off by then',
  async (_, make) => {
    const transport = make();
    transport.close();
    await expect(exchange(transport, makeQuery(LONG), SERVER, {})).rejects.toMatchObject({
      code: 'ERR_SHARDNS_CLOSED',
    });
    const told: string[] = [];
    const note = (what: string) => (): void => void told.push(what);
    const listener = { answered: note('answered'), lost: note('lost'), doubted: note('doubted') };
    const exchanging = transport.ask(makeQuery(LONG), SERVER, {}, listener);
    exchanging.callOff();
    exchanging.callOff();
    await settle();
    expect(told).toEqual([]);
  },
);
