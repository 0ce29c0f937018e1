// What `fetch` does when a loader is late, fails again and again, or knows more than its caller.
import { describe, expect, test, vi } from 'vitest';
import { ByteCache, type ByteCacheOptions, type LoadContext } from '../../../lib/index.js';
import { Pending, TimedCache } from '../../support/byte-cache.js';
import { settle } from '../../support/fake-clock.js';

const late = { code: 'ERR_SHARDNS_TIMEOUT' };

describe('a loader that is late', () => {
  test('is not waited for beyond softTimeoutMs where there is an expired value; its own comes later', async () => {
    using timed = new TimedCache({ staleIfErrorMs: 60_000, softTimeoutMs: 50 });
    const { cache } = timed;
    await cache.fetch('k', () => 'old');
    await timed.pass(2000);
    const slow = new Pending<string>();
    const waiting = cache.fetch('k', () => slow.promise);
    await timed.pass(49);
    const joined = cache.fetch('k', () => 'not called');
    await timed.pass(1);
    expect(await waiting).toBe('old');
    slow.resolve('new');
    expect(await joined).toBe('new');
    expect(cache.get('k')).toBe('new');
    expect(cache.stats().loads).toMatchObject({ loads: 2, joined: 1, softTimeouts: 1, staleServed: 1, running: 0 });
  });

  test('softTimeoutMs says nothing where there is no value', async () => {
    using timed = new TimedCache({ staleIfErrorMs: 60_000, softTimeoutMs: 50 });
    const slow = new Pending<string>();
    const waiting = timed.cache.fetch('k', () => slow.promise);
    await timed.pass(5000);
    slow.resolve('value');
    expect(await waiting).toBe('value');
  });

  test('is waited for until hardTimeoutMs at all; what comes later is there for the next', async () => {
    using timed = new TimedCache({ hardTimeoutMs: 100 });
    const { cache } = timed;
    const slow = new Pending<string>();
    const waiting = cache.fetch('k', () => slow.promise);
    const refused = expect(waiting).rejects.toMatchObject(late);
    await timed.pass(100);
    await refused;
    slow.resolve('late');
    await settle();
    expect(cache.get('k')).toBe('late');
    expect(cache.stats().loads).toMatchObject({ hardTimeouts: 1, failures: 0 });
  });

  test('is waited for no longer when the cache is closed meanwhile', async () => {
    using timed = new TimedCache({
      staleIfErrorMs: 60_000,
      softTimeoutMs: 50,
      hardTimeoutMs: 100,
      loadDeadlineMs: 200,
    });
    const { cache } = timed;
    await cache.fetch('old', () => 'old');
    await timed.pass(2000);
    let signal: AbortSignal | undefined;
    const hang = (_: unknown, context: LoadContext<string>): Promise<string> => {
      ({ signal } = context);
      return new Promise(() => undefined);
    };
    const soft = cache.fetch('old', hang);
    const hard = cache.fetch('k', hang);
    const refused = expect(hard).rejects.toMatchObject(late);
    cache.close();
    await timed.clock.advance(50);
    expect(await soft).toBe('old');
    await timed.clock.advance(50);
    await refused;
    expect(signal!.aborted).toBe(false);
    await timed.clock.advance(100);
    expect(signal!.aborted).toBe(true);
    expect(timed.clock.pendingTimers).toBe(0);
  });

  test('hardTimeoutMs gives an expired value where there is one', async () => {
    using timed = new TimedCache({ staleIfErrorMs: 60_000, hardTimeoutMs: 100 });
    await timed.cache.fetch('k', () => 'old');
    await timed.pass(2000);
    const waiting = timed.cache.fetch('k', () => new Promise<string>(() => undefined));
    await timed.pass(100);
    expect(await waiting).toBe('old');
  });

  test('a call may have limits of its own, or none', async () => {
    using timed = new TimedCache({ hardTimeoutMs: 100 });
    const { cache } = timed;
    const never = (): Promise<string> => new Promise(() => undefined);
    const short = expect(cache.fetch('a', never, { hardTimeoutMs: 10 })).rejects.toMatchObject(late);
    const slow = new Pending<string>();
    const patient = cache.fetch('b', () => slow.promise, { hardTimeoutMs: 0 });
    await timed.pass(10);
    await short;
    await timed.pass(1000);
    slow.resolve('b');
    expect(await patient).toBe('b');
  });

  test('is given up after loadDeadlineMs: told by its signal, and its value is not stored', async () => {
    using timed = new TimedCache({ loadDeadlineMs: 1000, maxLoads: 1 });
    const { cache } = timed;
    const hung = new Pending<string>();
    let context: LoadContext<string> | undefined;
    const failed = expect(
      cache.fetch('k', (_key, given) => {
        context = given;
        return hung.promise;
      }),
    ).rejects.toMatchObject(late);
    await timed.pass(1000);
    await failed;
    expect(context!.signal.aborted).toBe(true);
    // Its place is free.
    expect(await cache.fetch('k', () => 'second')).toBe('second');
    hung.resolve('first');
    await settle();
    expect(cache.get('k')).toBe('second');
    expect(cache.stats().loads).toMatchObject({ abandoned: 1, running: 0 });
  });

  test('nobody is left waiting, and no timer, when all has ended', async () => {
    using timed = new TimedCache({ hardTimeoutMs: 100, loadDeadlineMs: 1000 });
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => timed.cache.fetch(`k${i % 7}`, async () => Promise.resolve('v'))),
    );
    await timed.pass(1);
    // One timer a kind waits for the next that is due; none of them holds anything.
    expect(timed.clock.pendingTimers).toBeLessThanOrEqual(2);
    await timed.pass(1000);
    expect(timed.clock.pendingTimers).toBe(0);
  });
});

describe('a loader decides', () => {
  test('how long its value lives, and what it is forgotten with', async () => {
    using timed = new TimedCache();
    const { cache } = timed;
    await cache.fetch(
      'k',
      (_key, context) => {
        context.ttlMs = 5000;
        context.tags = ['mine'];
        return 'value';
      },
      { ttlMs: 10, tags: ['theirs'] },
    );
    await timed.pass(4000);
    expect(cache.get('k')).toBe('value');
    cache.invalidate({ tag: 'theirs' });
    expect(cache.get('k')).toBe('value');
    cache.invalidate({ tag: 'mine' });
    expect(cache.get('k')).toBeUndefined();
  });

  test('that its value is not to be stored', async () => {
    using timed = new TimedCache();
    const load = (_key: unknown, context: LoadContext<string>): string => {
      context.store = false;
      return 'private';
    };
    expect(await timed.cache.fetch('k', load)).toBe('private');
    expect(timed.cache.has('k')).toBe(false);
  });

  test('that what has expired is still good: it sees it', async () => {
    using timed = new TimedCache({ staleIfErrorMs: 60_000 });
    const { cache } = timed;
    await cache.fetch('k', () => 'old');
    await timed.pass(2000);
    const seen: unknown[] = [];
    const load = (_key: unknown, { stale }: LoadContext<string>): string => {
      seen.push(stale);
      return `${stale} again`;
    };
    expect(await cache.fetch('k', load)).toBe('old again');
    expect(await cache.fetch('new', load)).toBe('undefined again');
    expect(seen).toEqual(['old', undefined]);
  });

  test('a tag that was forgotten while it was loaded is honoured, though only the loader knew it', async () => {
    using timed = new TimedCache();
    const { cache } = timed;
    const slow = new Pending<string>();
    const waiting = cache.fetch('k', async (_key, context) => {
      const value = await slow.promise;
      context.tags = ['t'];
      return value;
    });
    cache.invalidate({ tag: 't' });
    slow.resolve('old');
    expect(await waiting).toBe('old');
    expect(cache.get('k')).toBeUndefined();
  });

  test('what it says is checked as what callers say', async () => {
    using timed = new TimedCache();
    const fetch = (change: (context: LoadContext<string>) => void): Promise<string> =>
      timed.cache.fetch('k', (_key, context) => {
        change(context);
        return 'v';
      });
    await expect(fetch(context => (context.ttlMs = 0))).rejects.toThrow('ttlMs: expected 1 or more milliseconds');
    await expect(fetch(context => (context.tags = ['']))).rejects.toThrow('tag: expected a string');
  });
});

describe('a loader that keeps failing', () => {
  const failing = (): Promise<string> => Promise.reject(new Error('the database is down'));

  test('is not called while its breaker is open, then once, and again when that went well', async () => {
    using timed = new TimedCache({ breakerFailures: 3, breakerOpenMs: 1000 });
    const { cache } = timed;
    for (const key of ['a', 'b', 'c']) await expect(cache.fetch(key, failing)).rejects.toThrow('the database is down');
    const load = vi.fn(() => 'value');
    const refused = await cache.fetch('d', load).catch((error: Error) => error.message);
    expect(refused).toMatch(/^the loader keeps failing: it is called again in \d+ ms \(breakerFailures\)$/);
    expect(load).not.toHaveBeenCalled();
    // Other namespaces have loaders of their own.
    expect(await cache.namespace('other').fetch('d', load)).toBe('value');
    await timed.pass(1000);
    expect(await cache.fetch('d', load)).toBe('value');
    expect(cache.stats().loads.refused).toBe(1);
  });

  test('costs nobody anything where there is an expired value', async () => {
    using timed = new TimedCache({ breakerFailures: 1, staleIfErrorMs: 60_000 });
    const { cache } = timed;
    await cache.fetch('k', () => 'old');
    await timed.pass(2000);
    expect(await cache.fetch('k', failing)).toBe('old');
    const load = vi.fn(() => 'new');
    expect(await cache.fetch('k', load)).toBe('old');
    expect(load).not.toHaveBeenCalled();
  });

  test('one that is too late for those who wait counts as failing', async () => {
    using timed = new TimedCache({ breakerFailures: 1, hardTimeoutMs: 10 });
    const slow = new Pending<string>();
    const waiting = expect(timed.cache.fetch('k', () => slow.promise)).rejects.toMatchObject(late);
    await timed.pass(10);
    await waiting;
    await expect(timed.cache.fetch('l', () => 'v')).rejects.toThrow('the loader keeps failing');
  });

  test('a refusal is not remembered as a failure: when the breaker closes the key is loaded', async () => {
    using timed = new TimedCache({ breakerFailures: 1, breakerOpenMs: 100, errorTtlMs: 60_000 });
    const { cache } = timed;
    await expect(cache.fetch('a', failing)).rejects.toThrow('down');
    await expect(cache.fetch('b', () => 'v')).rejects.toThrow('keeps failing');
    await timed.pass(100);
    expect(await cache.fetch('b', () => 'v')).toBe('v');
  });

  test('an expired value that is served while it is loaded anew costs one try in errorTtlMs', async () => {
    using timed = new TimedCache({ staleWhileRevalidateMs: 60_000, errorTtlMs: 500 });
    const { cache } = timed;
    await cache.fetch('k', () => 'old');
    await timed.pass(2000);
    const load = vi.fn(failing);
    for (let i = 0; i < 5; i++) {
      expect(await cache.fetch('k', load)).toBe('old');
      await settle();
    }
    expect(load).toHaveBeenCalledTimes(1);
    await timed.pass(500);
    await cache.fetch('k', load);
    expect(load).toHaveBeenCalledTimes(2);
  });
});

test('a loader that fetches its own key at once does not wait for itself', async () => {
  using timed = new TimedCache();
  const { cache } = timed;
  expect(await cache.fetch('k', () => cache.fetch('k', () => 'inner'))).toBe('inner');
});

test('a loader that throws at once leaves its place', async () => {
  using timed = new TimedCache({ maxLoads: 1 });
  const { cache } = timed;
  const throwing = (): string => {
    throw new Error('at once');
  };
  for (let i = 0; i < 3; i++) await expect(cache.fetch('k', throwing)).rejects.toThrow('at once');
  expect(await cache.fetch('k', () => 'value')).toBe('value');
});

test.each<[object, string]>([
  [{ softTimeoutMs: -1 }, 'softTimeoutMs: expected 0 (none) to 2147483647 milliseconds, got -1'],
  [{ hardTimeoutMs: NaN }, 'hardTimeoutMs: expected 0 (none) to 2147483647 milliseconds, got NaN'],
  [{ timeout: 5 }, 'timeout: is not an option'],
  [{ tags: 'red' }, 'tags: expected up to 16 strings'],
])('fetch says what is wrong with %j, also when there is a value', async (options, expected) => {
  using timed = new TimedCache();
  timed.cache.set('k', 'v');
  await expect(timed.cache.fetch('k', () => 'v', options)).rejects.toThrow(expected);
});

test.each<[ByteCacheOptions, string]>([
  [{ softTimeoutMs: 0.5 }, 'softTimeoutMs: expected a whole number'],
  [{ breakerFailures: -1 }, 'breakerFailures: expected a whole number from 0 to 1000000, got -1'],
  [{ breakerOpenMs: 0 }, 'breakerOpenMs'],
])('a cache says what is wrong with %j', (options, expected) => {
  expect(() => ByteCache.create(options as ByteCacheOptions<Uint8Array> & { codec: 'bytes' })).toThrow(expected);
});
