// The log of invalidations in the hands of others: of whoever may write to Redis, of operators who change its secret, of a
// Redis that is not what it should be.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../lib/base/log.js';
import { FrameKind, Sealer } from '../../../../lib/cache/redis/frame.js';
import { RedisLevel } from '../../../../lib/cache/redis/level.js';
import { READER_LIMITS } from '../../../../lib/cache/redis/log-reader.js';
import { Secrets } from '../../../../lib/cache/redis/secrets.js';
import { FakeClock, settle } from '../../../support/fake-clock.js';
import { FakeRedis } from '../../../support/fake-redis.js';

const random = { uint32: () => 0xffff_ffff };
const LOOK_BACK_MS = 3_600_000;
const LOG = 'sd1:test:inv';
const secretOf = (text: string): Buffer => Buffer.from(text.padEnd(32, '.'));

describe('the log of invalidations', () => {
  let clock: FakeClock;
  let redis: FakeRedis;
  const levels: RedisLevel[] = [];
  beforeEach(() => {
    clock = new FakeClock();
    redis = new FakeRedis(clock);
  });
  afterEach(async () => {
    for (const level of levels.splice(0)) await level.close(0);
  });
  async function instance(...secrets: string[]) {
    const told: { item: string; atMs: number }[] = [];
    const all = new Secrets((secrets.length === 0 ? ['a'] : secrets).map(secretOf));
    const level = new RedisLevel({
      make: redis.make,
      label: 'redis://fake',
      clock,
      random,
      log: silentLogger,
      sealer: new Sealer({ secrets: all, encrypt: false }),
      follower: {
        invalidated: (item, atMs) => told.push({ item: Buffer.from(item).toString(), atMs }),
        missed: beforeMs => told.push({ item: 'missed', atMs: beforeMs }),
        following: () => {},
      },
      options: {
        namespace: 'test',
        secrets: all,
        deadlineMs: 20,
        logLength: 1000,
        lookBackMs: LOOK_BACK_MS,
        everything: Buffer.from('*'),
      },
    });
    levels.push(level);
    level.begin();
    await settle();
    return { level, told };
  }
  const say = async ({ level }: { level: RedisLevel }, item: string): Promise<void> => {
    level.writer.say(Buffer.from(item));
    await clock.advance(10);
  };

  test('says nothing of times to come: an entry of the year 2286 counts from when it was read', async () => {
    const one = await instance();
    const other = await instance();
    await say(one, 'first');
    const [{ values }] = redis.streams.get(LOG)!;
    redis.streams.get(LOG)!.push({ id: [9_999_999_999_999, 0], values });
    // What comes after it has an id that is no smaller.
    await say(one, 'second');
    await clock.advance(READER_LIMITS.blockMs);
    expect(redis.streams.get(LOG)!.at(-1)!.id[0]).toBe(9_999_999_999_999);
    expect(other.told.map(({ item }) => item)).toEqual(['first', 'first', 'second']);
    for (const { atMs } of other.told) expect(atMs).toBeLessThanOrEqual(redis.nowMs() + 1);
  });

  test('that is deleted and begins anew with smaller ids is found out, though the connection lasts', async () => {
    const one = await instance();
    await say(one, 'first');
    const [{ values }] = redis.streams.get(LOG)!;
    redis.streams.get(LOG)!.push({ id: [9_999_999_999_999, 0], values });
    await clock.advance(READER_LIMITS.blockMs);
    redis.streams.delete(LOG);
    one.told.length = 0;
    await say(one, 'second');
    await clock.advance(3 * READER_LIMITS.blockMs);
    expect(one.told.map(({ item }) => item)).toEqual(['missed', 'second']);
    expect(one.level.follows).toBe(true);
  });

  test('is told by a server without a moment lost where it was cut off or lost', async () => {
    const one = await instance();
    await say(one, 'first');
    await clock.advance(999.5 - (redis.nowMs() % 1000));
    redis.streams.clear();
    const lostAt = redis.nowMs();
    redis.cut();
    await clock.advance(500);
    const [missed] = one.told.filter(({ item }) => item === 'missed');
    expect(missed.atMs).toBeGreaterThanOrEqual(lostAt);
  });

  test('is heard by all while secrets change: by who has the old one only, and the new one only', async () => {
    const before = await instance('old');
    const between = await instance('new', 'old');
    const after = await instance('new');
    await say(before, 'b');
    await say(between, 'c');
    await say(after, 'd');
    expect(before.told.map(({ item }) => item)).toEqual(['b', 'c']);
    expect(between.told.map(({ item }) => item)).toEqual(['b', 'c', 'd']);
    expect(after.told.map(({ item }) => item)).toEqual(['c', 'd']);
  });

  test('is not asked for without end by one whose Redis does not wait', async () => {
    await instance();
    const { commands } = redis;
    redis.waits = false;
    await clock.advance(READER_LIMITS.blockMs);
    const before = commands.filter(name => name === 'XREAD').length;
    await clock.advance(10_000);
    const asked = commands.filter(name => name === 'XREAD').length - before;
    expect(asked).toBeLessThanOrEqual(10_000 / READER_LIMITS.pauseMs);
  });

  test('that takes too long to read is read in smaller pieces', async () => {
    const one = await instance();
    for (let i = 0; i < 60; i++) await say(one, `item ${i}`);
    redis.loses = words => words[0] === 'XREAD' && Number(words[words.indexOf('COUNT') + 1]) > 8;
    const other = await instance();
    await clock.advance(120_000);
    expect(other.told).toHaveLength(60);
    expect(other.level.follows).toBe(true);
  });

  test('is read back as far as any value is believed, however long others let it live', async () => {
    const one = await instance();
    const key = one.level.keys.of(Buffer.from('k'));
    const times = { storedMs: clock.nowMs(), expiresMs: clock.nowMs() + 1e9, staleUntilMs: clock.nowMs() + 1e9 };
    one.level.write(key, times, { kind: FrameKind.bytes, flags: 0, epoch: 0 }, Buffer.from('v'));
    await clock.advance(LOOK_BACK_MS - 1000);
    const value = (): Buffer => redis.values.get(key.toString())!.value;
    expect(one.level.open(key, FrameKind.bytes, value())).toBeDefined();
    await clock.advance(2000);
    expect(one.level.open(key, FrameKind.bytes, value())).toBeUndefined();
    expect(one.level.refused.expired).toBe(1);
  });
});
