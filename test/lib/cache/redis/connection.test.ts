import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../lib/base/log.js';
import { CONNECTION_LIMITS, RedisConnection } from '../../../../lib/cache/redis/connection.js';
import { FakeClock, settle } from '../../../support/fake-clock.js';
import { FakeRedis } from '../../../support/fake-redis.js';

const random = { uint32: () => 0xffff_ffff };

describe('a connection to Redis', () => {
  let clock: FakeClock;
  let redis: FakeRedis;
  let connection: RedisConnection;
  const told: string[] = [];
  beforeEach(() => {
    clock = new FakeClock();
    redis = new FakeRedis(clock);
    told.length = 0;
    connection = new RedisConnection({
      make: redis.make,
      clock,
      random,
      log: { ...silentLogger, warn: (_, message) => told.push(message), info: (_, message) => told.push(message) },
      label: 'redis://fake',
      deadlineMs: 20,
      maxUnderWay: 10,
    });
    connection.watch({ connected: () => told.push('up'), lost: () => told.push('down') });
  });
  afterEach(() => connection.close());
  const get = (key = 'k'): Promise<unknown> => connection.call(key, ['GET', key]);
  const failure = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'no failure',
      (error: Error) => error.message,
    );

  test('says so at once when it is not connected', async () => {
    expect(await failure(get())).toBe('redis://fake is not connected');
  });
  test('connects when it begins, and asks', async () => {
    connection.begin();
    await settle();
    expect(connection.state).toBe('connected');
    redis.values.set('k', { value: Buffer.from('v'), untilMs: Infinity });
    expect(await get()).toEqual(Buffer.from('v'));
  });
  test('gives up a command that is not answered in time', async () => {
    connection.begin();
    await settle();
    redis.stopped = true;
    const failed = failure(get());
    await clock.advance(20);
    expect(await failed).toBe('redis://fake has not answered in 20 ms');
    expect(connection.underWay).toBe(0);
    expect(connection.isConnected).toBe(true);
  });
  test('lets go of a client that is late three times in a row, and connects anew', async () => {
    connection.begin();
    await settle();
    redis.stopped = true;
    for (let i = 0; i < 3; i++) void failure(get());
    await clock.advance(20);
    expect(connection.isConnected).toBe(false);
    // A stopped server takes connections and says nothing: each try is given up.
    expect(connection.error).toBe('commands are not answered any more');
    await clock.advance(CONNECTION_LIMITS.connectMs + 100);
    expect(connection.isConnected).toBe(false);
    expect(connection.error).toBe('redis://fake has not answered in 2000 ms');
    redis.stopped = false;
    await clock.advance(5000);
    expect(connection.isConnected).toBe(true);
    expect(connection.error).toBeUndefined();
    expect(told).toEqual([
      'connected to Redis',
      'up',
      'a connection to Redis is lost',
      'down',
      'connected to Redis',
      'up',
    ]);
  });
  test('is not stuck where an answer comes in between', async () => {
    connection.begin();
    await settle();
    for (let i = 0; i < 10; i++) {
      redis.stopped = true;
      void failure(get());
      await clock.advance(20);
      redis.stopped = false;
      await get();
    }
    expect(connection.isConnected).toBe(true);
  });
  test('refuses more commands than may be under way', async () => {
    connection.begin();
    await settle();
    redis.stopped = true;
    const all = Array.from({ length: 11 }, () => failure(get()));
    expect(await all[10]).toBe('10 commands to Redis are under way');
    await clock.advance(20);
  });
  test('tries to connect again behind a wait that grows to five seconds, and tells it once', async () => {
    redis.down = true;
    let tries = 0;
    const { make } = redis;
    const counting = new RedisConnection({
      make: lost => {
        tries++;
        return make(lost);
      },
      clock,
      random,
      log: { ...silentLogger, warn: (_, message) => told.push(message) },
      label: 'redis://fake',
      deadlineMs: 20,
      maxUnderWay: 10,
    });
    counting.begin();
    await clock.advance(60_000);
    expect(tries).toBeGreaterThan(12);
    expect(tries).toBeLessThan(22);
    expect(told).toEqual(['Redis cannot be reached']);
    redis.down = false;
    await clock.advance(5000);
    expect(counting.isConnected).toBe(true);
    counting.close();
  });
  test('fails what is under way when it breaks, and comes back', async () => {
    connection.begin();
    await settle();
    redis.delayMs = 10;
    const failed = failure(get());
    redis.cut();
    expect(await failed).toMatch(/closed/i);
    await clock.advance(200);
    expect(connection.isConnected).toBe(true);
    expect(connection.stats.lost).toBe(1);
  });
  test('does nothing more once it is closed', async () => {
    connection.begin();
    await settle();
    connection.close();
    await clock.advance(60_000);
    expect(connection.state).toBe('closed');
    expect(await failure(get())).toBe('redis://fake is not connected');
    expect(clock.pendingTimers).toBe(0);
  });
  test('lets go of a client that connects after it was closed', async () => {
    connection.begin();
    connection.close();
    await settle();
    expect(connection.isConnected).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });
});
