// Writes that wait in a stream of Redis: whose they are, in which order they come to the store, and what goes wrong on the way.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { CODECS } from '../../../lib/cache/bytes/codec.js';
import { readWrite, sealWrite } from '../../../lib/cache/bytes/durable-entry.js';
import { DurablePartition } from '../../../lib/cache/bytes/durable-partition.js';
import { writeId } from '../../../lib/cache/bytes/loads.js';
import { Writer } from '../../../lib/cache/bytes/writer.js';
import { readWriter, type WriteBatch } from '../../../lib/cache/bytes/writer-options.js';
import { RedisConnection } from '../../../lib/cache/redis/connection.js';
import { Sealer } from '../../../lib/cache/redis/frame.js';
import { Secrets } from '../../../lib/cache/redis/secrets.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeRedis } from '../../support/fake-redis.js';

const random = { uint32: () => 0xffff_ffff };
const STREAM = 'sd1:test:writes:{a:0}';
const LEASE_MS = 6000;
const TIMEOUT_MS = 3000;
const secret = (text: string): Secrets => new Secrets([Buffer.from(text.padEnd(32, '.'))]);

describe('a stream of writes', () => {
  let clock: FakeClock;
  let redis: FakeRedis;
  /** What the store was told, in its order. */
  let written: string[];
  let said: string[];
  const partitions: { partition: DurablePartition; connection: RedisConnection }[] = [];
  beforeEach(() => {
    clock = new FakeClock();
    redis = new FakeRedis(clock);
    [written, said] = [[], []];
  });
  afterEach(() => {
    for (const { partition, connection } of partitions.splice(0)) {
      partition.close();
      connection.close();
    }
  });

  const toStore: WriteBatch<string> = batch => {
    for (const { key, value } of batch) written.push(`${key as string}=${value}`);
  };
  /** One process. */
  async function holder({ secrets = secret('a'), store = toStore, codec = CODECS.utf8, retries = 5 } = {}) {
    const log = { ...silentLogger, warn: (_: object, text: string) => said.push(text) };
    log.error = log.warn;
    const shared = { clock, random, log };
    const connection = new RedisConnection({
      make: redis.make,
      ...shared,
      label: 'redis://fake',
      deadlineMs: 20,
      maxUnderWay: 100,
    });
    connection.begin();
    await settle();
    const sealer = new Sealer({ secrets, encrypt: false });
    const settings = readWriter<string>({
      write: store,
      durable: true,
      leaseMs: LEASE_MS,
      timeoutMs: TIMEOUT_MS,
      retries,
      maxBackoffMs: 100,
    });
    const partition = new DurablePartition(STREAM, {
      connection,
      ...shared,
      sealer,
      leaseMs: LEASE_MS,
      timeoutMs: TIMEOUT_MS,
      token: Buffer.from(sealer.writer, 'latin1').toString('hex'),
      idOf: ({ key }) => writeId(1, key),
      canRead: octets => {
        try {
          codec.decode(octets, octets.length);
          return true;
        } catch {
          return false;
        }
      },
      makeWriter: mayCall => {
        const write: typeof settings.write = (batch, call) => {
          if (mayCall()) return settings.write(batch, call);
          throw new Error('not now');
        };
        return new Writer({ ...settings, gatherMs: 1, write }, codec, clock, random, () => {}) as Writer<unknown>;
      },
    });
    const one = {
      partition,
      connection,
      add: async (key: string, value: string) => {
        const sealed = sealWrite(sealer, STREAM, key, value).flatMap(frame => ['w', frame]);
        await connection.call(STREAM, ['XADD', STREAM, '*', ...sealed], 2000);
        partition.wake();
      },
    };
    partitions.push(one);
    await clock.advance(1);
    return one;
  }
  const left = (): number => redis.streams.get(STREAM)?.length ?? 0;

  test('comes to the store in its order, and is empty then', async () => {
    const one = await holder();
    await one.add('k', '1');
    await one.add('l', '2');
    await clock.advance(100);
    expect(written).toEqual(['k=1', 'l=2']);
    expect(left()).toBe(0);
  });

  test('whose reply was lost is read again, before anything newer', async () => {
    const one = await holder();
    await clock.advance(200);
    // Redis gives the write, and what it says is lost with the connection.
    redis.loses = ([name]) => name === 'XREADGROUP';
    await one.add('k', 'early');
    await clock.advance(50);
    redis.cut();
    redis.loses = undefined;
    await clock.advance(1000);
    await one.add('k', 'late');
    await clock.advance(500);
    expect(written).toEqual(['k=early', 'k=late']);
    expect(left()).toBe(0);
  });

  test('that Redis has given to nobody, long after it was asked, is found', async () => {
    const one = await holder();
    await clock.advance(200);
    await one.add('k', 'given');
    // As if an earlier command had come only now.
    const [{ id }] = redis.streams.get(STREAM)!;
    Object.assign(redis.groups.get(STREAM)!, { last: id, given: new Map([[id.join('-'), id]]) });
    await clock.advance(10_000);
    expect(written).toEqual(['k=given']);
    expect(left()).toBe(0);
  });

  test('that takes too long to read is read in smaller pieces', async () => {
    const one = await holder();
    await clock.advance(200);
    redis.loses = words => words[0] === 'XREADGROUP' && Number(words[words.indexOf('COUNT') + 1]) > 40;
    for (let i = 0; i < 100; i++) await one.add(`k${i}`, 'v');
    await clock.advance(30_000);
    expect(written).toHaveLength(100);
    expect(left()).toBe(0);
  });

  test('that was deleted with its group is begun anew when the lease is over', async () => {
    const one = await holder();
    await one.add('k', '1');
    await clock.advance(100);
    redis.streams.delete(STREAM);
    redis.groups.delete(STREAM);
    await one.add('k', '2');
    await clock.advance(2 * LEASE_MS);
    expect(written).toEqual(['k=1', 'k=2']);
    expect(left()).toBe(0);
    expect(said).toHaveLength(2);
  });

  test('keeps aside what nobody here can read', async () => {
    const one = await holder();
    const foreign = new Sealer({ secrets: secret('b'), encrypt: false });
    const [frame] = sealWrite(foreign, STREAM, 'k', 'of another secret');
    await one.connection.call(STREAM, ['XADD', STREAM, '*', 'w', frame]);
    await one.add('k', 'mine');
    await clock.advance(200);
    expect(written).toEqual(['k=mine']);
    expect(left()).toBe(0);
    const kept = redis.streams.get(`${STREAM}:unreadable`)!;
    expect(kept.map(({ values }) => readWrite(foreign, STREAM, values)?.encoded?.toString())).toEqual([
      'of another secret',
    ]);
    expect(one.partition.stats.unreadable).toBe(1);
  });

  test('a value of another codec holds up nobody else, and is kept', async () => {
    const one = await holder({ codec: CODECS.json });
    await one.add('k', 'no JSON');
    await one.add('l', '1');
    await clock.advance(200);
    expect(written).toEqual(['l=1']);
    expect(redis.streams.get(`${STREAM}:unreadable`)).toHaveLength(1);
  });

  test('no call begins when the lease may be over before it has ended', async () => {
    const calls: number[] = [];
    const store = (): void => {
      calls.push(clock.nowMs());
      throw new Error('not now');
    };
    const one = await holder({ store, retries: 1000 });
    await one.add('k', '1');
    await clock.advance(LEASE_MS);
    expect(one.partition.isHeld).toBe(true);
    redis.error = () => 'CLUSTERDOWN Hash slot not served';
    const away = clock.nowMs();
    await clock.advance(2 * LEASE_MS);
    expect(calls.at(-1)).toBeLessThanOrEqual(away + LEASE_MS - TIMEOUT_MS);
    expect(one.partition.isHeld).toBe(false);
    // Nobody has taken it meanwhile: it goes on.
    redis.error = undefined;
    await clock.advance(LEASE_MS);
    expect(one.partition.isHeld).toBe(true);
    expect(calls.at(-1)).toBeGreaterThan(away + LEASE_MS);
  });

  test('who was stopped for longer than the lease begins no call when it goes on', async () => {
    const calls: number[] = [];
    const one = await holder({
      store: () => {
        calls.push(clock.nowMs());
        throw new Error('not now');
      },
    });
    await one.add('k', '1');
    await clock.advance(50);
    const before = calls.length;
    expect(before).toBeGreaterThan(0);
    clock.jump(LEASE_MS);
    redis.values.set(`${STREAM}:lease`, { value: Buffer.from('of another process'), untilMs: Infinity });
    await clock.advance(500);
    expect(calls).toHaveLength(before);
    expect(one.partition.isHeld).toBe(false);
  });

  test('that cannot be read for long is told once', async () => {
    await holder();
    redis.error = name => (name === 'XREADGROUP' ? 'LOADING Redis is loading the dataset in memory' : undefined);
    await clock.advance(3000);
    expect(said).toEqual(['the stream of writes cannot be read']);
  });
});
