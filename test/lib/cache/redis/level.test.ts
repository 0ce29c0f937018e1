import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../lib/base/log.js';
import { type Frame, FrameKind, Sealer } from '../../../../lib/cache/redis/frame.js';
import { type LevelTimes, RedisLevel } from '../../../../lib/cache/redis/level.js';
import { Secrets } from '../../../../lib/cache/redis/secrets.js';
import { WRITE_LIMITS } from '../../../../lib/cache/redis/write-behind.js';
import { FakeClock, settle } from '../../../support/fake-clock.js';
import { FakeRedis } from '../../../support/fake-redis.js';

const random = { uint32: () => 0xffff_ffff };
const secret = Buffer.from('a secret of thirty-two octets...');
const EVERYTHING = Buffer.from('*');

interface Told {
  item: string;
  atMs: number;
  own: boolean;
}

/** One instance of a fleet. */
function instance(clock: FakeClock, redis: FakeRedis, { logLength = 1000, secrets = [secret] as Uint8Array[] } = {}) {
  const told: Told[] = [];
  const missed: number[] = [];
  const followed: boolean[] = [];
  const all = new Secrets(secrets);
  const level = new RedisLevel({
    make: redis.make,
    label: 'redis://fake',
    clock,
    random,
    log: silentLogger,
    sealer: new Sealer({ secrets: all, encrypt: false }),
    follower: {
      invalidated: (item, atMs, own) => told.push({ item: Buffer.from(item).toString(), atMs, own }),
      missed: beforeMs => missed.push(beforeMs),
      following: follows => followed.push(follows),
    },
    options: {
      namespace: 'test',
      secrets: all,
      deadlineMs: 20,
      logLength,
      lookBackMs: 3_600_000,
      everything: EVERYTHING,
    },
  });
  return { level, told, missed, followed };
}

describe('a level in Redis', () => {
  let clock: FakeClock;
  let redis: FakeRedis;
  let one: ReturnType<typeof instance>;
  let other: ReturnType<typeof instance>;
  beforeEach(async () => {
    clock = new FakeClock();
    redis = new FakeRedis(clock);
    one = instance(clock, redis);
    other = instance(clock, redis);
    one.level.begin();
    other.level.begin();
    await settle();
  });
  afterEach(async () => {
    await one.level.close(0);
    await other.level.close(0);
  });

  const key = (name: string): Buffer => one.level.keys.of(Buffer.from(name));
  const times = (seconds = 60): LevelTimes => ({
    storedMs: clock.nowMs(),
    expiresMs: clock.nowMs() + seconds * 1000,
    staleUntilMs: clock.nowMs() + seconds * 1000,
  });
  const tells = { kind: FrameKind.answer, flags: 3, epoch: 7 };
  const write = (name: string, value: string, seconds?: number): void =>
    one.level.write(key(name), times(seconds), tells, Buffer.from(value));
  const read = (name: string, by = other): Promise<Frame | 'absent' | 'unread' | 'not asked'> =>
    new Promise(resolve => {
      const asked = by.level.read(key(name), FrameKind.answer, {
        found: resolve,
        absent: () => resolve('absent'),
        unread: () => resolve('unread'),
      });
      if (!asked) resolve('not asked');
    });
  const text = async (name: string): Promise<string> => {
    const found = await read(name);
    return typeof found === 'string' ? found : found.body.toString();
  };

  test('shows others what one has written, and how long it holds', async () => {
    write('a', 'what it says', 60);
    await clock.advance(10_000);
    const found = (await read('a')) as Frame;
    expect(found.body.toString()).toBe('what it says');
    expect(found).toMatchObject({ flags: 3, epoch: 7, sealed: true });
    expect(Math.round(other.level.leftMs(found.expiresMs) / 1000)).toBe(50);
  });
  test('has nothing of what nobody has written', async () => {
    expect(await read('a')).toBe('absent');
  });
  test('writes within milliseconds, and the latest of a key once', async () => {
    write('a', 'first');
    write('a', 'second');
    expect(redis.commands.filter(name => name === 'SET')).toHaveLength(0);
    await clock.advance(WRITE_LIMITS.gatherMs);
    expect(redis.commands.filter(name => name === 'SET')).toHaveLength(1);
    expect(await text('a')).toBe('second');
    expect(one.level.writes.stats).toMatchObject({ written: 1, overtaken: 1 });
  });
  test('asks for what is asked in one turn with one command', async () => {
    write('a', '1');
    write('c', '3');
    await clock.advance(10);
    redis.commands.length = 0;
    const all = await Promise.all([text('a'), text('b'), text('c')]);
    expect(all).toEqual(['1', 'absent', '3']);
    expect(redis.commands).toEqual(['MGET']);
  });
  test('counts times by the clock of Redis, whatever those of instances say', async () => {
    redis.aheadMs = 60_000;
    write('a', 'v', 60);
    await clock.advance(10);
    // Measured before it was moved: each instance asks again within a minute.
    await clock.advance(60_000);
    write('b', 'v', 60);
    await clock.advance(10);
    const found = (await read('b')) as Frame;
    expect(Math.abs(found.storedMs - redis.nowMs())).toBeLessThan(100);
    expect(one.level.clock.moved).toBe(1);
  });
  test('tells others that a value is older, by as much as it may be wrong about the clock of Redis', async () => {
    // TIME took long on its way back: the clock there is taken for half of that ahead.
    redis.slow = name => (name === 'TIME' ? 800 : 0);
    const late = instance(clock, redis);
    late.level.begin();
    await clock.advance(900);
    expect(late.level.clock.errorMs).toBeGreaterThanOrEqual(400);
    const asked = redis.nowMs();
    late.level.write(key('a'), times(), tells, Buffer.from('v'));
    await clock.advance(10);
    expect(((await read('a')) as Frame).storedMs).toBeLessThanOrEqual(asked);
    // It is asked again soon, and then it is known.
    redis.slow = undefined;
    await clock.advance(2000);
    expect(late.level.clock.errorMs).toBeLessThan(1);
    expect(Math.abs(late.level.clock.nowMs() - redis.nowMs())).toBeLessThan(2);
    // A worse measurement does not take the place of a better one.
    redis.slow = name => (name === 'TIME' ? 800 : 0);
    await clock.advance(12_000);
    expect(Math.abs(late.level.clock.nowMs() - redis.nowMs())).toBeLessThan(2);
    expect(late.level.clock.moved).toBe(0);
    await late.level.close(0);
  });
  test('tells readers in a later turn, however many ask at once and in a Cluster too', async () => {
    for (const nodeOf of [undefined, () => 'a']) {
      await Promise.all([one.level.close(0), other.level.close(0)]);
      redis = new FakeRedis(clock);
      redis.nodeOf = nodeOf;
      [one, other] = [instance(clock, redis), instance(clock, redis)];
      one.level.begin();
      other.level.begin();
      await settle();
      let begun = 0;
      const early: number[] = [];
      const ended: string[] = [];
      redis.stopped = true;
      // More than a connection takes.
      for (let i = 0; i < 5000; i++) {
        const tell = (how: string) => (): void => {
          if (begun <= i) early.push(i);
          ended.push(how);
        };
        const asked = other.level.read(key(`${i}`), FrameKind.answer, {
          found: tell('found'),
          absent: tell('absent'),
          unread: tell('unread'),
        });
        expect(asked).toBe(true);
        begun++;
      }
      await clock.advance(25);
      expect(early).toEqual([]);
      expect(ended).toEqual(Array.from({ length: 5000 }, () => 'unread'));
      redis.stopped = false;
    }
  });
  test('does not ask while it is not connected, and does not wait', async () => {
    redis.kill();
    expect(await read('a')).toBe('not asked');
  });
  test('waits for a stopped server no longer than its deadline, and not at all after five', async () => {
    redis.stopped = true;
    const all = Array.from({ length: 3 }, () => {
      const reading = read('a');
      void Promise.resolve();
      return reading;
    });
    await clock.advance(20);
    expect(await Promise.all(all)).toEqual(['unread', 'unread', 'unread']);
    for (let i = 0; i < 6; i++) {
      const reading = read('a');
      await clock.advance(20);
      expect(['unread', 'not asked']).toContain(await reading);
    }
    expect(await read('a')).toBe('not asked');
  });
  test.each([
    'OOM command not allowed when used memory > maxmemory',
    "READONLY You can't write against a read only replica.",
  ])('keeps what a server refuses with %s until it takes it', async refusal => {
    redis.error = name => (name === 'SET' ? refusal : undefined);
    write('a', 'v', 60);
    await clock.advance(20_000);
    expect(one.level.writes.size).toBe(1);
    expect(one.level.writes.lastError).toBe(refusal);
    redis.error = undefined;
    await clock.advance(5000);
    expect(await text('a')).toBe('v');
  });
  test('has what lives written after an outage, and lets go of what is over', async () => {
    redis.kill();
    write('long', 'v', 120);
    write('short', 'v', 30);
    await clock.advance(60_000);
    redis.down = false;
    await clock.advance(6000);
    expect(await text('long')).toBe('v');
    expect(await text('short')).toBe('absent');
    expect(one.level.writes.stats).toMatchObject({ written: 1, expired: 1 });
    expect(one.level.writes.size).toBe(0);
  });
  test('keeps no more writes than it may: the oldest go', async () => {
    redis.kill();
    for (let i = 0; i < WRITE_LIMITS.maxQueued + 5; i++) write(`${i}`, 'v');
    expect(one.level.writes.size).toBe(WRITE_LIMITS.maxQueued);
    expect(one.level.writes.stats.dropped).toBe(5);
    redis.down = false;
    await clock.advance(20_000);
    expect(one.level.writes.size).toBe(0);
    expect(await text('4')).toBe('absent');
    expect(await text('5')).toBe('v');
  });
  test('writes what waits before it closes', async () => {
    write('a', 'v');
    const closed = one.level.close(1000);
    await clock.advance(1);
    await closed;
    expect(await text('a')).toBe('v');
  });

  test.each([
    ['of another secret', 'forged', (): Buffer => sealed({}, [Buffer.from('another secret of some octets')])],
    ['of another kind', 'kind', (): Buffer => sealed({ kind: FrameKind.bytes })],
    ['without a seal', 'unsealed', (): Buffer => sealed({}, [])],
    ['that is over', 'expired', (): Buffer => sealed({ staleUntilMs: redis.nowMs() - 1 })],
    ['from the future', 'future', (): Buffer => sealed({ storedMs: redis.nowMs() + 6000 })],
    ['that is cut', 'short', (): Buffer => sealed({}).subarray(0, 40)],
    ['that is not one of ours', 'version', (): Buffer => Buffer.from('x'.repeat(100))],
    ['of another name', 'forged', (): Buffer => sealed({}, [secret], key('b'))],
  ] as const)('refuses a value %s, and counts it', async (_, reason, make) => {
    redis.values.set(key('a').toString('latin1'), { value: make(), untilMs: Infinity });
    expect(await read('a')).toBe('absent');
    expect(other.level.refused[reason]).toBe(1);
  });
  function sealed(changed: object, secrets: Uint8Array[] = [secret], under = key('a')): Buffer {
    const now = redis.nowMs();
    const fields = { ...tells, storedMs: now, expiresMs: now + 1000, staleUntilMs: now + 1000, ...changed };
    return new Sealer({ secrets: new Secrets(secrets), encrypt: false }).seal(under, fields, Buffer.from('v'));
  }

  describe('and its log of invalidations', () => {
    const items = (by = other): string[] => by.told.map(({ item }) => item);

    test('tells others at once, and marks what is their own', async () => {
      one.level.writer.say(Buffer.from('x'));
      one.level.writer.say(Buffer.from('y'));
      await clock.advance(5);
      expect(items()).toEqual(['x', 'y']);
      expect(other.told.every(({ own }) => !own)).toBe(true);
      expect(one.told.every(({ own }) => own)).toBe(true);
      expect(Math.abs(other.told[0].atMs - redis.nowMs())).toBeLessThan(10);
      expect(redis.commands.filter(name => name === 'XADD')).toHaveLength(1);
    });
    test('is followed as soon as it has been read', () => {
      expect(other.followed).toEqual([true]);
      expect(other.level.follows).toBe(true);
    });
    test('says each thing once while it waits', async () => {
      for (let i = 0; i < 10; i++) one.level.writer.say(Buffer.from('x'));
      await clock.advance(5);
      expect(items()).toEqual(['x']);
    });
    test('loses nothing that is said while a connection is cut', async () => {
      redis.down = true;
      redis.cut();
      await settle();
      expect(other.followed).toEqual([true, false]);
      for (let i = 0; i < 200; i++) one.level.writer.say(Buffer.from(`${i}`));
      redis.down = false;
      await clock.advance(6000);
      expect(items()).toEqual(Array.from({ length: 200 }, (_, i) => `${i}`));
      expect(other.followed).toEqual([true, false, true]);
      expect(other.missed).toEqual([]);
    });
    test('that was cut while it was not read is known to have been: one gap', async () => {
      await Promise.all([one.level.close(0), other.level.close(0)]);
      one = instance(clock, redis, { logLength: 20 });
      other = instance(clock, redis, { logLength: 20 });
      one.level.begin();
      other.level.begin();
      await settle();
      one.level.writer.say(Buffer.from('before'));
      await clock.advance(10);
      expect(items()).toEqual(['before']);
      // Others write to it while this one cannot.
      const stream = [...redis.streams.keys()][0];
      const entries = redis.streams.get(stream)!;
      redis.down = true;
      redis.cut();
      await clock.advance(1000);
      const at = redis.nowMs();
      const others = Array.from({ length: 20 }, (_, i) => ({ id: [Math.floor(at), i], values: [Buffer.from('cut')] }));
      entries.splice(0, entries.length, ...(others as typeof entries));
      redis.down = false;
      await clock.advance(6000);
      expect(other.missed).toEqual([Math.floor(at)]);
      expect(other.level.reader.stats.gaps).toBe(1);
      one.level.writer.say(Buffer.from('after'));
      await clock.advance(10);
      expect(items()).toEqual(['before', 'after']);
    });
    test('that was lost with its server is known to have been: one gap', async () => {
      one.level.writer.say(Buffer.from('x'));
      await clock.advance(10);
      redis.kill();
      await clock.advance(1000);
      redis.down = false;
      await clock.advance(6000);
      expect(other.level.reader.stats.gaps).toBe(1);
      // Who had said it does not know who has read it, and says that all is over.
      expect(items()).toEqual(['x', '*']);
      redis.cut();
      await clock.advance(6000);
      expect(other.level.reader.stats.gaps).toBe(1);
      one.level.writer.say(Buffer.from('y'));
      await clock.advance(10);
      expect(items()).toEqual(['x', '*', 'y']);
      expect(other.level.reader.stats.gaps).toBe(1);
    });
    test('whose last entries a replica did not have is mended by who has said them', async () => {
      one.level.writer.say(Buffer.from('copied'));
      await clock.advance(10);
      const [stream] = [...redis.streams.keys()];
      // The other one is away when it is said; the replica has not got it when it takes its master's place.
      const copy = [...redis.streams.get(stream)!];
      other.level.reader.close();
      const cutOff = instance(clock, redis);
      one.level.writer.say(Buffer.from('lost'));
      await clock.advance(10);
      redis.streams.set(stream, [...copy]);
      cutOff.level.begin();
      redis.cut();
      await clock.advance(6000);
      expect(items(cutOff)).toEqual(['copied', '*']);
      expect(one.level.reader.stats.lost).toBe(1);
      await cutOff.level.close(0);
    });
    test('of a server whose clock is behind is read from its beginning', async () => {
      one.level.writer.say(Buffer.from('x'));
      await clock.advance(10);
      const [stream] = [...redis.streams.keys()];
      other.told.length = 0;
      redis.down = true;
      redis.cut();
      await clock.advance(100);
      // Without what was read last, and with entries from before and from after it.
      const { values, id } = redis.streams.get(stream)![0];
      redis.streams.set(stream, [
        { id: [id[0] - 500, 0], values },
        { id: [id[0] + 500, 0], values },
      ]);
      redis.down = false;
      await clock.advance(6000);
      expect(items().filter(item => item === 'x')).toHaveLength(2);
      expect(other.level.reader.stats.gaps).toBe(1);
    });
    test('in which nothing was ever said has no gaps', async () => {
      redis.kill();
      await clock.advance(1000);
      redis.down = false;
      await clock.advance(6000);
      expect(other.level.reader.stats.gaps).toBe(0);
    });
    test('is read back at the start, as far as anything lives', async () => {
      one.level.writer.say(Buffer.from('old'));
      await clock.advance(3_000_000);
      one.level.writer.say(Buffer.from('young'));
      await clock.advance(1_000_000);
      const late = instance(clock, redis);
      late.level.begin();
      await settle();
      expect(items(late)).toEqual(['young']);
      await late.level.close(0);
    });
    test('is not listened to where another fleet writes in it', async () => {
      const foreign = instance(clock, redis, { secrets: [Buffer.from('another secret of some octets')] });
      foreign.level.begin();
      await settle();
      foreign.level.writer.say(Buffer.from('x'));
      await clock.advance(10);
      expect(items()).toEqual([]);
      expect(other.level.reader.stats.refused).toBe(1);
      await foreign.level.close(0);
    });
    test('has one item in place of more than may wait', async () => {
      redis.kill();
      for (let i = 0; i <= 10_000; i++) one.level.writer.say(Buffer.from(`${i}`));
      expect(one.level.writer.size).toBe(1);
      redis.down = false;
      await clock.advance(6000);
      expect(items()).toEqual(['*']);
    });
    test('says whether all that was said is there', async () => {
      one.level.writer.say(Buffer.from('x'));
      expect(await one.level.writer.said(100)).toBe(true);
      redis.kill();
      one.level.writer.say(Buffer.from('y'));
      const said = one.level.writer.said(100);
      await clock.advance(100);
      expect(await said).toBe(false);
    });
    test('is not followed while it may not be read, and told so', async () => {
      redis.error = name => (name === 'XREAD' ? 'NOPERM this user has no permissions' : undefined);
      await clock.advance(5000);
      expect(other.level.follows).toBe(false);
      redis.error = undefined;
      await clock.advance(12_000);
      expect(other.level.follows).toBe(true);
    });
  });
});
