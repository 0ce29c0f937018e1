// Threads that resolve for the main one: what goes between them, what becomes of it when one ends; and two real ones.
import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import type { Resolved } from '../../../lib/resolve/recursive-answers.js';
import { readOptions } from '../../../lib/server/settings/settings.js';
import {
  RecursionPool,
  type SharedKnowledge,
  type ToWorker,
  type WorkerData,
} from '../../../lib/server/recursion-pool.js';
import { noWords } from '../../../lib/server/recursion-stats.js';
import { OutcomeBatch, outcomesOf, QuestionBatch, questionsOf } from '../../../lib/server/recursion-protocol.js';
import { Query } from '../../../lib/wire/query.js';
import { FakeClock } from '../../support/fake-clock.js';
import { makeQuery } from '../../support/messages.js';

const query = (name: string): Query => new Query(makeQuery(name));

describe('what threads say to each other', () => {
  test('a question comes out as it went in, many in a batch', () => {
    const batch = new QuestionBatch();
    const all = Array.from({ length: 500 }, (_, i) => query(`n${i}.${'x'.repeat(50)}.example`).message);
    all.forEach((message, i) =>
      batch.add(i, message, { fresh: i % 2 === 0, client: ['192.0.2.7', '2001:db8::7', undefined][i % 3] }),
    );
    const out = [...questionsOf(batch.take())];
    expect(out.map(one => Buffer.from(one.query).toString('hex'))).toEqual(
      all.map(one => Buffer.from(one).toString('hex')),
    );
    expect(out.every((one, i) => one.id === i && one.from.fresh === (i % 2 === 0))).toBe(true);
    expect(out.slice(0, 3).map(one => one.from.client)).toEqual(['192.0.2.7', '2001:db8::7', undefined]);
    expect([...questionsOf(batch.take())]).toEqual([]);
  });
  test.each([
    { kind: 'answer', message: new Uint8Array(60_000).fill(7), noCache: false, livesMs: 1500.5 },
    { kind: 'answer', message: Uint8Array.of(1, 2), noCache: true, livesMs: Infinity },
    { kind: 'answer', message: Uint8Array.of(1, 2), noCache: false, livesMs: 1, extendedError: 27 },
    { kind: 'failure', extendedError: 6, reason: 'bogus', ours: false, isBogus: true },
    { kind: 'failure', extendedError: 22, reason: 'nobody answered: ü', ours: false },
    { kind: 'failure', extendedError: 0, reason: 'no room', ours: true },
    { kind: 'failure', extendedError: 0, reason: 'aliases in a circle', message: Uint8Array.of(9), ours: false },
    { kind: 'failure', extendedError: 0, reason: 'aliases in a circle', message: Uint8Array.of(9), ours: true },
  ] satisfies Resolved[])('an outcome comes out as it went in: %#', resolved => {
    const batch = new OutcomeBatch();
    batch.add(0xffff_ffff, resolved);
    expect([...outcomesOf(batch.take())]).toEqual([{ id: 0xffff_ffff, resolved }]);
  });
});

/** A thread that answers each question with its own name, unless it is told to be silent. */
class FakeWorker extends EventEmitter {
  asked: string[] = [];
  told: string[] = [];
  last: ToWorker | undefined;
  silent = false;
  postMessage(message: ToWorker): void {
    if (message.kind !== 'questions') {
      this.told.push(message.kind);
      this.last = message;
      return;
    }
    const outcomes = new OutcomeBatch();
    for (const { id, query: octets } of questionsOf(message.batch)) {
      this.asked.push(new Query(octets).nameText);
      outcomes.add(id, { kind: 'answer', message: octets, noCache: false, livesMs: 1500.5 });
    }
    const stats = noWords().fill(this.asked.length);
    if (!this.silent) setImmediate(() => this.emit('message', { batch: outcomes.take(), stats }));
  }
  unref(): void {}
  terminate(): Promise<number> {
    return Promise.resolve(0);
  }
}

function poolOf(threads: number): {
  pool: RecursionPool;
  workers: FakeWorker[];
  clock: FakeClock;
  given: WorkerData[];
} {
  const workers: FakeWorker[] = [];
  const given: WorkerData[] = [];
  const clock = new FakeClock();
  const pool = new RecursionPool(
    { settings: readOptions({}), anchors: undefined, passedOver: [] },
    {} as SharedKnowledge,
    threads,
    silentLogger,
    clock,
    data => {
      given.push(data);
      const worker = new FakeWorker();
      workers.push(worker);
      return worker as unknown as Worker;
    },
  );
  return { pool, workers, clock, given };
}

describe('the pool', () => {
  test('names are spread over the threads, each always to the same', async () => {
    const { pool, workers } = poolOf(2);
    const names = Array.from({ length: 100 }, (_, i) => `n${i % 50}.example`);
    await Promise.all(names.map(name => pool.answer(query(name), { fresh: false })));
    const [first, second] = workers.map(one => new Set(one.asked));
    expect(first.size).toBeGreaterThan(10);
    expect(second.size).toBeGreaterThan(10);
    expect([...first].filter(name => second.has(name))).toEqual([]);
    expect(pool.totals()).toMatchObject({
      recursion: { queries: 100 },
      udp: { sent: 100, unknownId: 100 },
      tcp: { received: 100 },
      overloaded: 100,
      servers: 100,
    });
  });
  test('who waits for a thread that ends is told, and a new thread takes its place', async () => {
    const { pool, workers, clock } = poolOf(1);
    workers[0].silent = true;
    const waiting = pool.answer(query('a.example'), { fresh: false });
    await new Promise(resolve => setImmediate(resolve));
    workers[0].emit('exit', 1);
    expect(await waiting).toMatchObject({ kind: 'failure', reason: expect.stringContaining('has ended') as string });
    expect(await pool.answer(query('a.example'), { fresh: false })).toMatchObject({ kind: 'failure' });
    await clock.advance(1000);
    expect(workers.length).toBe(2);
    expect(await pool.answer(query('a.example'), { fresh: false })).toMatchObject({ kind: 'answer' });
  });
  test('threads are given the anchors that are followed and the servers to pass over, those that start later too', async () => {
    const { pool, workers, clock, given } = poolOf(2);
    const settings = {
      settings: readOptions({}),
      anchors: [`. DS 1 13 2 ${'AA'.repeat(32)}`],
      passedOver: ['192.0.2.1:53 \0'],
    };
    pool.update(settings);
    expect(workers.map(one => one.last)).toEqual([
      { kind: 'settings', ...settings },
      { kind: 'settings', ...settings },
    ]);
    workers[1].emit('exit', 1);
    await clock.advance(1000);
    expect(given.map(({ anchors, passedOver }) => [anchors, passedOver])).toEqual([
      [undefined, []],
      [undefined, []],
      [settings.anchors, settings.passedOver],
    ]);
  });
  test('what a thread says of the clock is told', () => {
    const { pool, workers } = poolOf(1);
    const said: unknown[] = [];
    pool.onClockDoubt = doubt => said.push(doubt);
    const doubt = { clock: 'behind', now: 1, signed: 2 };
    workers[0].emit('message', { clock: doubt });
    workers[0].emit('message', { clock: undefined });
    expect(said).toEqual([doubt, undefined]);
  });
  test('settings and forgetting reach every thread; closing tells who waits', async () => {
    const { pool, workers } = poolOf(2);
    pool.update({ settings: readOptions({}), anchors: undefined, passedOver: [] });
    pool.forget();
    expect(workers.map(one => one.told)).toEqual([
      ['settings', 'forget'],
      ['settings', 'forget'],
    ]);
    for (const worker of workers) worker.silent = true;
    const waiting = pool.answer(query('a.example'), { fresh: false });
    await pool.close();
    expect(await waiting).toMatchObject({ kind: 'failure', reason: 'the server is closed' });
    expect(await pool.answer(query('a.example'), { fresh: false })).toMatchObject({ kind: 'failure' });
  });
});

interface Demo {
  DemoInternet: new () => { hints: string[]; port: number; queries: number; listen(): Promise<void>; close(): void };
}

test('two real threads resolve what one does; a stampede on a name is one query to its zone', async () => {
  // Threads run what is built.
  const { createServer } = (await import('../../../dist/index.js' as string)) as typeof import('../../../lib/index.js');
  const { DemoInternet } = (await import('../../../dist/cli/demo-internet.js' as string)) as Demo;
  const { askUdp } = await import('../../support/client.js');
  const internet = new DemoInternet();
  await internet.listen();
  const server = await createServer({
    listen: ['127.0.0.1:0'],
    threads: 1,
    cache: { memory: '4MiB' },
    dnssec: { validate: false },
    resolver: {
      recursive: true,
      workers: 2,
      rootHints: internet.hints,
      port: internet.port,
      ipv6: false,
      doNotQueryLocalhost: false,
    },
  });
  try {
    const [address] = server.addresses().udp;
    const ask = async (name: string, id: number): Promise<number> => {
      const reply = await askUdp(address, makeQuery(name, { id }), 60_000);
      return reply === undefined ? -1 : (reply[3] & 15) * 100 + reply.readUInt16BE(6);
    };
    const names = Array.from(
      { length: 24 },
      (_, i) => `host-${i}.zone${i % 12}.${['com', 'net', 'org'][(i % 12) % 3]}`,
    );
    expect(await Promise.all(names.map((name, i) => ask(name, i + 1)))).toEqual(names.map(() => 1));
    expect(await ask('elsewhere.zone3.com', 99)).toBe(3);
    expect(await ask('host-nobody.zone3.com', 98)).toBe(300);
    const { recursion, transports } = server.report();
    expect(recursion).toMatchObject({ threads: 2, failures: 0 });
    // The threads have sent them, with transports of their own.
    expect(transports.udp!.sent).toBe(recursion!.queries);
    expect(transports.udp!.received).toBeGreaterThan(24);
    const before = internet.queries;
    const crowd = Array.from({ length: 200 }, (_, i) => ask('host-500.zone5.org', 1000 + i));
    expect(new Set(await Promise.all(crowd))).toEqual(new Set([1]));
    expect(internet.queries - before).toBe(1);
    await expect(server.update({ resolver: { workers: 1 } })).rejects.toThrow(/resolver\.workers: cannot change/);
    await server.update({ resolver: { maxAliases: 0 } });
    expect(await ask('elsewhere.zone6.com', 97)).toBe(200);
  } finally {
    await server.close();
    internet.close();
  }
});
