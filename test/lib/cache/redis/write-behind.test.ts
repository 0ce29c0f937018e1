// What waits to be written: order of a key, nodes that fail, and who is told of what.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../lib/base/log.js';
import { RedisConnection } from '../../../../lib/cache/redis/connection.js';
import { type Write, WRITE_LIMITS, WriteBehind } from '../../../../lib/cache/redis/write-behind.js';
import { FakeClock, settle } from '../../../support/fake-clock.js';
import { FakeRedis } from '../../../support/fake-redis.js';

const random = { uint32: () => 0xffff_ffff };

describe('writes that wait', () => {
  let clock: FakeClock;
  let redis: FakeRedis;
  let connection: RedisConnection;
  let writes: WriteBehind;
  async function begin(nodeOf?: (key: string) => string): Promise<void> {
    clock = new FakeClock();
    redis = new FakeRedis(clock);
    redis.nodeOf = nodeOf;
    const shared = { clock, random, log: silentLogger };
    connection = new RedisConnection({
      make: redis.make,
      ...shared,
      label: 'redis://fake',
      deadlineMs: 20,
      maxUnderWay: 4096,
    });
    writes = new WriteBehind({ connection, clock, random, mayWrite: () => true });
    connection.begin();
    await settle();
  }
  beforeEach(() => begin());
  afterEach(() => {
    writes.close();
    connection.close();
  });
  const write = (key: string, value: string, seconds = 60): Write => ({
    key: Buffer.from(key),
    octets: value.length,
    untilMs: clock.nowMs() + seconds * 1000,
    command: () => ['SET', key, value, 'PX', String(seconds * 1000)],
  });
  const valueOf = (key: string): string | undefined => redis.values.get(key)?.value.toString();

  test('never put an earlier state of a key in the place of a later one, when they are late', async () => {
    // The first one is done in time for its deadline to be over; the second one is not late.
    let delayMs = WRITE_LIMITS.commandMs + 10;
    redis.slow = () => delayMs;
    writes.put(write('k', 'first'));
    await clock.advance(WRITE_LIMITS.gatherMs + WRITE_LIMITS.commandMs - 5);
    delayMs = 0;
    writes.put(write('k', 'second'));
    await clock.advance(1000);
    expect(valueOf('k')).toBe('second');
    expect(writes.size).toBe(0);
    expect(redis.commands.filter(name => name === 'SET')).toHaveLength(2);
  });

  test('have longer than a read: a Redis that is slow has each of them once', async () => {
    redis.delayMs = 200;
    for (let i = 0; i < 200; i++) writes.put(write(`k${i}`, 'v'));
    await clock.advance(2000);
    expect(writes.size).toBe(0);
    expect(writes.stats).toMatchObject({ written: 200, failed: 0 });
    expect(connection.stats.lost).toBe(0);
  });

  test('of one node that fails hold up those of no other', async () => {
    await begin(key => key.slice(0, 1));
    redis.downNodes.add('b');
    for (let i = 0; i < 1000; i++) writes.put(write(`b${i}`, 'v'));
    await clock.advance(10_000);
    for (let i = 0; i < 1000; i++) writes.put(write(`a${i}`, 'v'));
    await clock.advance(20);
    expect([...redis.values.keys()].filter(key => key.startsWith('a'))).toHaveLength(1000);
    redis.downNodes.clear();
    await clock.advance(10_000);
    expect(redis.values.size).toBe(2000);
  });

  test('tell each who waits for one of them, whatever else is written meanwhile', async () => {
    const told: string[] = [];
    redis.delayMs = 5;
    writes.put(write('a', '1'), is => told.push(`a ${is}`));
    writes.put(write('b', '1'), is => told.push(`b ${is}`));
    writes.put(write('b', '2'), is => told.push(`b again ${is}`));
    await clock.advance(WRITE_LIMITS.gatherMs + 5);
    expect(told).toEqual(['a true', 'b true', 'b again true']);
    redis.down = true;
    redis.cut();
    writes.put(write('c', '1', 1), is => told.push(`c ${is}`));
    await clock.advance(2000);
    redis.down = false;
    await clock.advance(20_000);
    expect(told.at(-1)).toBe('c false');
  });

  test('resolve every drain when what it began with is there, under a stream of others', async () => {
    redis.delayMs = 5;
    const drained: number[] = [];
    writes.put(write('k0', 'v'));
    for (let i = 1; i <= 200; i++) {
      const number = i;
      void writes.drain(1000).then(isThere => isThere && drained.push(number));
      writes.put(write(`k${i}`, 'v'));
      await clock.advance(1);
    }
    expect(writes.size).toBeGreaterThan(0);
    expect(drained.length).toBeGreaterThan(150);
    await clock.advance(20);
    expect(drained).toHaveLength(200);
  });

  test('say that they were not written, to who drains, when they are given up', async () => {
    redis.down = true;
    redis.cut();
    writes.put(write('k', 'v'));
    const drained = writes.drain(60_000);
    writes.close();
    expect(await drained).toBe(false);
    let told: boolean | undefined;
    writes.put(write('k', 'v'), written => (told = written));
    expect(told).toBe(false);
  });
});
