// The native transport over real sockets on loopback: batches, bounds, its end, and what it does where it cannot be had.
import { execFile } from 'node:child_process';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';
import type { SocketAddress } from '../../../lib/base/address.js';
import { systemClock } from '../../../lib/base/clock.js';
import { systemRandom } from '../../../lib/base/random.js';
import { Forwarded, type ForwardOwner } from '../../../lib/transport/forwarded.js';
import { NativeUdpTransport } from '../../../lib/transport/native-udp.js';
import { SystemUdpTransport } from '../../../lib/transport/system-udp.js';
import { type ExchangeListener, NO_SOCKET_ALONE } from '../../../lib/transport/transport.js';
import { exchange } from '../../support/exchange.js';
import { FakeClock } from '../../support/fake-clock.js';
import { answerA, makeQuery } from '../../support/messages.js';

const LONG = 'some-long-name.example';
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

type Upstream = (message: Buffer, client: RemoteInfo, socket: Socket) => void;
const answers: Upstream = (message, client, socket) => socket.send(answerA(message), client.port, client.address);
const silent: Upstream = () => {};

async function upstream(onMessage: Upstream, type: 'udp4' | 'udp6' = 'udp4'): Promise<SocketAddress> {
  const socket = createSocket({ type, recvBufferSize: 4 << 20 });
  socket.on('message', (message, client) => onMessage(message, client, socket));
  const address = type === 'udp6' ? '::1' : '127.0.0.1';
  await new Promise<void>(resolve => socket.bind(0, address, resolve));
  cleanups.push(() => socket.close());
  return { address, port: socket.address().port, family: type === 'udp6' ? 6 : 4 };
}
function opened<T extends { close(): void }>(transport: T): T {
  cleanups.push(() => transport.close());
  return transport;
}
const native = (clock = systemClock): NativeUdpTransport => opened(new NativeUdpTransport(clock));

test('two thousand queries under way are told apart', async () => {
  const waiting: (() => void)[] = [];
  const at = await upstream((message, client, socket) => {
    waiting.push(() => socket.send(answerA(message), client.port, client.address));
    if (waiting.length % 50 === 0) for (const answer of waiting.splice(0).reverse()) answer();
  });
  const transport = native();
  const names = Array.from({ length: 2000 }, (_, i) => `name-${i}.of-some-length.example`);
  const responses = await Promise.all(
    names.map(name => exchange(transport, makeQuery(name), at, { timeoutMs: 20_000 })),
  );
  for (const [i, name] of names.entries()) {
    const asked = makeQuery(name).subarray(12);
    const told = Buffer.from(responses[i]).subarray(12, 12 + asked.length);
    expect(told.toString('latin1').toLowerCase()).toBe(asked.toString('latin1').toLowerCase());
  }
  expect(transport.stats).toMatchObject({ sent: 2000, received: 2000 });
});

test('a response may be kept: the next ones are written elsewhere', async () => {
  const at = await upstream(answers);
  const transport = native();
  const kept: Uint8Array[] = [];
  const copies: Buffer[] = [];
  for (let i = 0; i < 1000; i++) {
    const response = await exchange(transport, makeQuery(`name-${i}.of-some-length.example`), at, { timeoutMs: 5000 });
    kept.push(response);
    copies.push(Buffer.from(response));
  }
  expect(kept.every((one, i) => copies[i].equals(one))).toBe(true);
});

test('long responses arrive whole', async () => {
  const at = await upstream((message, client, socket) => {
    const response = Buffer.concat([answerA(message), Buffer.alloc(60_000, 0xab)]);
    socket.send(response, client.port, client.address);
  });
  const all = Array.from({ length: 10 }, () => exchange(native(), makeQuery(LONG), at, { timeoutMs: 5000 }));
  for (const response of await Promise.all(all)) {
    expect(response.length).toBeGreaterThan(60_000);
    expect(response.at(-1)).toBe(0xab);
  }
});

test('more queries in one turn than the outbox holds', async () => {
  const at = await upstream(silent);
  const transport = native();
  const told: string[] = [];
  const listener: ExchangeListener = {
    answered: () => told.push('answered'),
    lost: error => told.push(error.code),
    doubted: () => {},
  };
  const all = Array.from({ length: 5000 }, () => transport.ask(makeQuery(LONG), at, {}, listener));
  await new Promise(resolve => setImmediate(resolve));
  expect(transport.stats.sent).toBe(5000);
  for (const one of all) one.callOff();
  await new Promise(resolve => setImmediate(resolve));
  expect(told).toEqual([]);
});

test('queries beyond 65,536 under way are refused', async () => {
  const at = await upstream(silent);
  const transport = native();
  const codes: string[] = [];
  const listener: ExchangeListener = { answered: () => {}, lost: error => codes.push(error.code), doubted: () => {} };
  const all = Array.from({ length: 65_540 }, () => transport.ask(makeQuery(LONG), at, {}, listener));
  await new Promise(resolve => setImmediate(resolve));
  expect(codes).toEqual(new Array(4).fill('ERR_SHARDNS_OVERLOAD'));
  for (const one of all) one.callOff();
});

test('a listener may ask, call off and close while it is told', async () => {
  const at = await upstream(answers);
  const transport = native();
  const told: string[] = [];
  await new Promise<void>(done => {
    const other = { answered: () => told.push('other'), lost: () => told.push('lost'), doubted: () => {} };
    const second = transport.ask(makeQuery(LONG), at, {}, other);
    const third: ExchangeListener = {
      answered: () => {
        told.push('third');
        transport.close();
        transport.close();
        transport.ask(
          makeQuery(LONG),
          at,
          {},
          {
            ...other,
            lost: error => {
              told.push(error.code);
              done();
            },
          },
        );
      },
      lost: () => told.push('lost'),
      doubted: () => {},
    };
    transport.ask(
      makeQuery(LONG),
      at,
      {},
      {
        ...other,
        answered: () => {
          told.push('first');
          second.callOff();
          transport.ask(makeQuery(LONG), at, {}, third);
        },
      },
    );
  });
  // Whether the second was told before the first depends on the socket it left by.
  expect(told.filter(one => one !== 'other')).toEqual(['first', 'third', 'ERR_SHARDNS_CLOSED']);
  expect(transport.sockets).toBe(0);
});

test('closing tells whoever waits', async () => {
  const at = await upstream(silent);
  const transport = native();
  const waiting = Array.from({ length: 10 }, () => exchange(transport, makeQuery(LONG), at, {}));
  await new Promise(resolve => setImmediate(resolve));
  transport.close();
  const told = await Promise.allSettled(waiting);
  expect(told.every(one => one.status === 'rejected')).toBe(true);
  await expect(waiting[0]).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
});

test('time-outs are by the clock that it was given', async () => {
  const at = await upstream(silent);
  const clock = new FakeClock();
  const transport = native(clock as unknown as typeof systemClock);
  const waiting = exchange(transport, makeQuery(LONG), at, { timeoutMs: 3000 });
  const told = expect(waiting).rejects.toMatchObject({
    code: 'ERR_SHARDNS_TIMEOUT',
    message: `127.0.0.1:${at.port} did not answer over UDP in 3000 ms`,
  });
  await new Promise(resolve => setImmediate(resolve));
  expect(transport.sockets).toBe(1);
  await clock.advance(3000);
  await told;
  await new Promise(resolve => setImmediate(resolve));
  // It was silent for long: not used again.
  expect(transport.sockets).toBe(0);
});

test('sockets for one query are bounded: TCP, or less entropy, is left', async () => {
  const at = await upstream(silent);
  const transport = native();
  const all = Array.from({ length: 256 }, () => exchange(transport, makeQuery('x.co'), at, {}));
  await expect(exchange(transport, makeQuery('x.co'), at, {})).rejects.toMatchObject({
    code: 'ERR_SHARDNS_OVERLOAD',
    cause: NO_SOCKET_ALONE,
  });
  transport.close();
  await Promise.allSettled(all);
});

test('servers with IPv6 addresses are asked, and with scopes', async () => {
  const at = await upstream(answers, 'udp6');
  await exchange(native(), makeQuery(LONG), at, { timeoutMs: 5000 });
  const nowhere: SocketAddress = { address: 'fe80::1%none-such', port: 53, family: 6 };
  await expect(exchange(native(), makeQuery(LONG), nowhere, {})).rejects.toMatchObject({
    code: 'ERR_SHARDNS_UPSTREAM',
    cause: { code: 'EINVAL' },
  });
});

test('an own address that the machine has not is said by name', async () => {
  const at = await upstream(answers);
  const transport = opened(new NativeUdpTransport(systemClock, { v4: '192.0.2.77' }));
  await expect(exchange(transport, makeQuery(LONG), at, {})).rejects.toMatchObject({
    code: 'ERR_SHARDNS_UPSTREAM',
    message: `127.0.0.1:${at.port}: the socket failed with EADDRNOTAVAIL`,
    cause: { code: 'EADDRNOTAVAIL' },
  });
});

test("the system's transport is native on Linux, and may be told to use Node's sockets", async () => {
  const at = await upstream(answers);
  const transport = opened(new SystemUdpTransport(systemClock, systemRandom));
  expect(transport.sockets).toBe(0);
  await exchange(transport, makeQuery(LONG), at, { timeoutMs: 5000 });
  expect(transport.native).toBe(process.platform === 'linux');
  transport.native = false;
  await exchange(transport, makeQuery(LONG), at, { timeoutMs: 5000 });
  expect(transport.stats).toMatchObject({ sent: 2, received: 2, mismatched: 0 });
  expect(transport.sockets).toBe(2);
});

/** Runs a program in a process of its own, against a server that says nothing; what it prints. */
async function run(body: string): Promise<string> {
  const at = await upstream(silent);
  const folder = new URL('../../../dist/', import.meta.url).href;
  const code = `
    const { NativeUdpTransport } = await import(${JSON.stringify(`${folder}transport/native-udp.js`)});
    const { systemClock } = await import(${JSON.stringify(`${folder}base/clock.js`)});
    const query = Buffer.from(${JSON.stringify(makeQuery(LONG).toString('hex'))}, 'hex');
    const listener = { answered() {}, lost() {}, doubted() {} };
    const at = ${JSON.stringify(at)};
    const ask = (transport, times) => {
      for (let i = 0; i < times; i++) transport.ask(Buffer.from(query), at, {}, listener);
    };
    ${body}`;
  return new Promise(resolve =>
    execFile(
      process.execPath,
      ['--expose-gc', '--input-type=module', '-e', code],
      { timeout: 60_000 },
      (error, stdout, stderr) => resolve(error ? `${error.signal ?? error.code} ${stderr}` : stdout.trim()),
    ),
  );
}

test('a program ends whatever is under way, closed or not', async () => {
  expect(await run(`ask(new NativeUdpTransport(systemClock), 100); console.log('asked');`)).toBe('asked');
  const closed = `const t = new NativeUdpTransport(systemClock); ask(t, 100); setImmediate(() => { t.close(); console.log('closed'); });`;
  expect(await run(closed)).toBe('closed');
});

test('a listener that throws ends the program as any other does, and not by a signal', async () => {
  const body = `
    process.on('uncaughtException', error => { console.log(error.message); process.exit(); });
    const t = new NativeUdpTransport(systemClock);
    const bad = { lost() { throw new Error('of the listener'); } };
    t.ask(Buffer.from(query), { address: '127.0.0.1', port: 1, family: 4 }, {}, bad);
    setTimeout(() => {}, 5000);`;
  expect(await run(body)).toBe('of the listener');
});

test('a transport that is closed is collected', async () => {
  const body = `
    const { readdirSync } = await import('node:fs');
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let i = 0; i < 300; i++) {
      const t = new NativeUdpTransport(systemClock);
      ask(t, 10);
      await new Promise(resolve => setImmediate(resolve));
      t.close();
    }
    await new Promise(resolve => setTimeout(resolve, 50));
    gc();
    await new Promise(resolve => setTimeout(resolve, 50));
    console.log(descriptors() - before);`;
  expect(await run(body)).toBe('0');
});

test('workers end with queries under way, with and without being terminated', async () => {
  const body = `
    const { Worker } = await import('node:worker_threads');
    const { once } = await import('node:events');
    const worker = ended => new Worker(
      \`(async () => {
        const { parentPort } = await import('node:worker_threads');
        const { NativeUdpTransport } = await import('${folderOfDist()}transport/native-udp.js');
        const { systemClock } = await import('${folderOfDist()}base/clock.js');
        const listener = { answered() {}, lost() {}, doubted() {} };
        const query = Buffer.from('${makeQuery(LONG).toString('hex')}', 'hex');
        for (let t = 0; t < 3; t++) {
          const transport = new NativeUdpTransport(systemClock);
          for (let i = 0; i < 200; i++) transport.ask(Buffer.from(query), \${JSON.stringify(at)}, {}, listener);
        }
        parentPort.postMessage('asked');
        \${ended ? '' : 'setInterval(() => {}, 1000);'}
      })()\`, { eval: true });
    for (let i = 0; i < 20; i++) {
      const one = worker(i % 2 === 0);
      const exit = once(one, 'exit');
      await once(one, 'message');
      if (i % 2 === 1) await one.terminate();
      await exit;
    }
    console.log('survived');`;
  expect(await run(body)).toBe('survived');
});

function folderOfDist(): string {
  return new URL('../../../dist/', import.meta.url).href;
}

test('flights that are still under way when their forwarding ends are called off, and nobody hears of them', async () => {
  const told: string[] = [];
  const owner: ForwardOwner<Forwarded> = {
    completed: () => told.push('completed'),
    answered: () => told.push('answered'),
    lost: () => told.push('lost'),
    doubted: () => told.push('doubted'),
  };
  const transport = native();
  const at = await upstream(answers);
  const [first, second] = [new Forwarded(at, owner), new Forwarded(at, owner)];
  expect(transport.beginForwarding(owner, undefined)).toBe(true);
  transport.forward(first, 1232);
  transport.endForwarding(owner);
  expect(first.number).toBe(-1);
  expect(transport.beginForwarding(owner, undefined)).toBe(true);
  transport.forward(second, 1232);
  await exchange(transport, makeQuery(LONG), at, { timeoutMs: 5000 });
  // Without a plane there is no query to be written.
  expect(told).toEqual(['lost']);
  transport.endForwarding(owner);
  expect(() => transport.close()).not.toThrow();
});

test('a flight that a closed transport loses may be used for another one before its owner hears of it', async () => {
  const lost: Forwarded[] = [];
  const owner: ForwardOwner<Forwarded> = {
    completed: () => {},
    answered: () => {},
    lost: one => void lost.push(one),
    doubted: () => {},
  };
  const [closed, other] = [native(), native()];
  const at = await upstream(silent);
  expect([closed, other].map(one => one.beginForwarding(owner, undefined))).toEqual([true, true]);
  closed.close();
  const one = new Forwarded(at, owner);
  closed.forward(one, 1232);
  other.forward(one, 1232);
  await Promise.resolve();
  expect(lost).toEqual([]);
  other.endForwarding(owner);
});
