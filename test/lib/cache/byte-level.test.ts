// Byte caches of a fleet over one Redis: what they share, what they tell each other, and what they never believe.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ByteCache, type ByteCacheOptions, type ByteLevelOptions } from '../../../lib/index.js';
import { Pending } from '../../support/byte-cache.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeRedis } from '../../support/fake-redis.js';
import { until } from '../../support/until.js';

let clock: FakeClock;
let redis: FakeRedis;
let shifted = 0;
let caches: ByteCache<string>[] = [];
const secret = 'a secret of thirty-two octets...';

/** One instance of the fleet. */
function instance(options: Partial<ByteLevelOptions> = {}, own: object = {}): ByteCache<string> {
  const level: ByteLevelOptions = { url: 'redis://fake', secret, ...options };
  const settings: ByteCacheOptions<string> = { memory: '2MiB', shards: 1, ttlMs: 60_000, ...own, redis: level };
  const cache = ByteCache.create(
    { ...settings, codec: 'utf8' },
    { clock, random: { uint32: () => 7 }, redis: redis.make },
  );
  cache.native.shiftClock(shifted);
  caches.push(cache);
  return cache;
}
/** Time passes, for all of them. */
async function pass(ms: number): Promise<void> {
  shifted += ms;
  for (const cache of caches) cache.native.shiftClock(shifted);
  await clock.advance(ms);
}
/** What was written and said has arrived. */
const arrived = (): Promise<void> => pass(10);
const none = vi.fn((): string => {
  throw new Error('was to be found without its loader');
});

beforeEach(() => {
  clock = new FakeClock();
  redis = new FakeRedis(clock);
  [shifted, caches] = [0, []];
});
afterEach(() => {
  for (const cache of caches) cache.close();
});

async function fleet(options: Partial<ByteLevelOptions> = {}, own: object = {}): Promise<ByteCache<string>[]> {
  const all = [instance(options, own), instance(options, own)];
  await arrived();
  return all;
}

describe('a value', () => {
  test('that one has loaded is found by the others, for as long as it lives', async () => {
    const [one, other] = await fleet();
    await one.fetch('k', () => 'value', { ttlMs: 10_000, tags: ['t'] });
    await arrived();
    await pass(4000);
    expect(await other.fetch('k', none)).toBe('value');
    expect(other.ttl('k')).toBeLessThanOrEqual(6000);
    other.invalidate({ tag: 't' });
    expect(other.has('k')).toBe(false); // its tags came with it
    await pass(10_000);
    expect(await other.fetch('k', () => 'anew')).toBe('anew');
  });

  test.each([0, 1000])('that is to be loaded ahead of its end is loaded by one of them (leaseMs %i)', async leaseMs => {
    const own = { refreshAhead: 0.5, ttlMs: 10_000 };
    const [one, other] = await fleet({ leaseMs }, own);
    const load = vi.fn(async () => `value ${load.mock.calls.length}`);
    await Promise.all([one.fetch('k', load), pass(100)]);
    await Promise.all([other.fetch('k', none), pass(100)]);
    for (const cache of [one, other]) for (let hits = 0; hits < 3; hits++) await cache.fetch('k', none);
    await pass(6000);
    expect(await one.fetch('k', load)).toBe('value 1'); // and the next one meanwhile
    await pass(100);
    expect(load).toHaveBeenCalledTimes(2);
    expect([await one.fetch('k', none), one.ttl('k')! > 9000]).toEqual(['value 2', true]);
    // Others have been told of none of it, and find it where they look for a newer one.
    expect(await other.fetch('k', none)).toBe('value 1');
    await pass(100);
    expect([other.get('k'), other.ttl('k')! > 9000]).toEqual(['value 2', true]);
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('is found by read and readMany, one command for all', async () => {
    const [one, other] = await fleet();
    for (const key of ['a', 'b', 'c']) one.set(key, `value of ${key}`);
    await arrived();
    const before = redis.commands.filter(name => /GET/.test(name)).length;
    expect(await other.readMany(['a', 'nothing', 'b', 'c'])).toEqual([
      'value of a',
      undefined,
      'value of b',
      'value of c',
    ]);
    expect(redis.commands.filter(name => /GET/.test(name)).length - before).toBe(1);
    expect(other.get('a')).toBe('value of a');
    expect(await other.read('a')).toBe('value of a');
  });

  test('keeps its namespace, its codec and its octets', async () => {
    const [one, other] = await fleet();
    one.namespace('n').set('k', 'of n');
    one.set(Buffer.from([0, 255]), 'größer 🐘');
    await arrived();
    expect(await other.namespace('n').read('k')).toBe('of n');
    expect(await other.read('k')).toBeUndefined();
    expect(await other.read(Buffer.from([0, 255]))).toBe('größer 🐘');
    // Octets do not choose what reads them.
    expect(await other.namespace<unknown>('n', { codec: 'json' }).read('k')).toBeUndefined();
    expect(other.stats().level!.refused.codec).toBe(1);
  });

  test('of a local namespace, one that lives shortly, and a failure stay here', async () => {
    const [one, other] = await fleet({}, { errorTtlMs: 60_000 });
    one.namespace('mine', { local: true }).set('k', 'private');
    one.set('short', 'v', { ttlMs: 500 });
    await expect(one.fetch('bad', () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    await arrived();
    expect(redis.values.size).toBe(0);
    expect(await other.namespace('mine').read('k')).toBeUndefined();
  });

  test('is found among many that were written after it', async () => {
    const [one, other] = await fleet();
    const keys = Array.from({ length: 2000 }, (_, i) => `key ${i}`);
    for (const key of keys) {
      one.set(key, `value of ${key}`);
      await clock.advance(1);
    }
    await arrived();
    for (let at = 0; at < keys.length; at += 100) {
      const some = keys.slice(at, at + 100);
      const read = other.readMany(some);
      await settle();
      expect(await read).toEqual(some.map(key => `value of ${key}`));
    }
    expect(other.stats().level!.refused.invalidated).toBe(0);
  });

  test('its name is not in Redis', async () => {
    const [one] = await fleet();
    await one.fetch('user:42:secret-name', () => 'value');
    await arrived();
    expect([...redis.values.keys()].join()).not.toContain('secret-name');
    expect([...redis.values.keys()][0]).toMatch(/^sd1:bytes:/);
  });
});

describe('what one changes', () => {
  test.each<[string, (on: ByteCache<string>) => void]>([
    ['written', on => on.set('k', 'new')],
    ['deleted', on => void on.delete('k')],
    ['forgotten by tag', on => on.invalidate({ tag: 't' })],
    ['forgotten with everything', on => on.invalidate({ all: true })],
    ['forgotten by an event', on => void on.emit('e')],
  ])('is %s for the others too', async (what, change) => {
    const [one, other] = await fleet();
    one.on('e', () => ['k']);
    await one.fetch('k', () => 'old', { tags: ['t'] });
    await arrived();
    expect(await other.fetch('k', none)).toBe('old');
    change(one);
    await arrived();
    expect(other.get('k')).toBeUndefined();
    const expected = what === 'written' ? 'new' : 'loaded';
    expect(await other.fetch('k', () => 'loaded')).toBe(expected);
  });

  test('a namespace that is cleared is empty everywhere', async () => {
    const [one, other] = await fleet();
    const [mine, theirs] = [one.namespace('n'), other.namespace('n')];
    mine.set('k', 'v');
    one.set('k', 'of the cache');
    await arrived();
    expect(await theirs.read('k')).toBe('v');
    mine.clear();
    expect(await mine.read('k')).toBeUndefined(); // also for the one that has cleared it, at once
    await arrived();
    expect(theirs.get('k')).toBeUndefined();
    expect(await theirs.read('k')).toBeUndefined();
    expect(await other.read('k')).toBe('of the cache');
  });

  test('what was loaded before is refused, though it is stored in Redis afterwards', async () => {
    const [one, other] = await fleet();
    const slow = new Pending<string>();
    const loading = other.fetch('k', () => slow.promise);
    await pass(50);
    one.set('k', 'new');
    await arrived();
    slow.resolve('old');
    expect(await loading).toBe('old'); // who asked before may have what was true then
    await arrived();
    expect(other.has('k')).toBe(false);
    const third = instance();
    await arrived();
    expect(await third.fetch('k', () => 'loaded')).not.toBe('old');
  });

  test('is honoured by one that starts later, with what Redis still has from before', async () => {
    const [one] = await fleet();
    await one.fetch('k', () => 'old', { tags: ['t'] });
    await arrived();
    one.invalidate({ tag: 't' });
    await arrived();
    const late = instance();
    await arrived();
    expect(await late.fetch('k', () => 'new')).toBe('new');
    expect(late.stats().level!.refused.invalidated).toBe(1);
  });

  test('while one was cut off, it is known to it when it is back; what it has in between is refused', async () => {
    const [one, other] = await fleet();
    one.set('k', 'old', { tags: ['t'] });
    await arrived();
    expect(await other.read('k')).toBe('old');
    redis.down = true;
    redis.cut();
    await arrived();
    one.invalidate({ tag: 't' });
    expect(other.get('k')).toBe('old'); // it cannot know
    redis.down = false;
    await pass(10_000);
    expect(other.stats().level!.follows).toBe(true);
    expect(other.get('k')).toBeUndefined();
    expect(await other.read('k')).toBeUndefined();
  });

  test('beyond what the log has kept costs exactly one flush', async () => {
    const [one, other] = await fleet({ logLength: 1000 });
    one.set('k', 'old', { tags: ['t'] });
    other.set('seen', 'v');
    await arrived();
    await other.read('k');
    redis.down = true;
    redis.cut();
    await arrived();
    redis.down = false;
    // Another instance has said much meanwhile, of which the log has let go.
    const [stream] = redis.streams.values();
    const last = stream.at(-1)!;
    stream.splice(0, stream.length, { id: [last.id[0] + 5000, 0], value: Buffer.from('unreadable') });
    await pass(10_000);
    expect(other.stats().level).toMatchObject({ follows: true, logGaps: 1, flushes: 1 });
    expect([other.get('k'), other.get('seen')]).toEqual([undefined, undefined]);
  });
});

describe('Redis that does not answer', () => {
  test('is not waited for: the loader begins beside the read after hedgeMs', async () => {
    const [one, other] = await fleet({ hedgeMs: 5, deadlineMs: 20 });
    one.set('k', 'shared');
    await arrived();
    redis.delayMs = 10;
    const load = vi.fn(() => new Promise<string>(resolve => clock.after(100, () => resolve('loaded'))));
    const waiting = other.fetch('k', load);
    await pass(4);
    expect(load).not.toHaveBeenCalled();
    await pass(6);
    expect(load).toHaveBeenCalledTimes(1);
    // What comes first is answered, and what comes last is kept.
    expect(await waiting).toBe('shared');
    expect(other.get('k')).toBe('shared');
    await pass(100);
    expect(other.get('k')).toBe('loaded');
  });

  test('and a loader that fails: who waits gets what Redis has in the end', async () => {
    const [one, other] = await fleet();
    one.set('k', 'shared');
    await arrived();
    redis.delayMs = 15;
    const waiting = other.fetch('k', () => Promise.reject(new Error('down')));
    await pass(15);
    expect(await waiting).toBe('shared');
    const failing = expect(other.fetch('nothing', () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    await pass(15);
    await failing;
  });

  test('costs nothing once its breaker is open, and nobody waits in between', async () => {
    const [one] = await fleet();
    redis.stopped = true;
    for (let i = 0; i < 10; i++) {
      const begun = clock.nowMs();
      const value = one.fetch(`k${i}`, () => 'loaded');
      await pass(5);
      expect(await value).toBe('loaded');
      expect(clock.nowMs() - begun).toBeLessThanOrEqual(5);
      await pass(20);
    }
    // Not asked any more: the loader is called at once.
    const load = vi.fn(() => 'loaded');
    void one.fetch('another', load);
    expect(load).toHaveBeenCalledTimes(1);
  });

  test('from the start: all goes on here, and what was forgotten meanwhile stays so', async () => {
    const [one] = await fleet();
    one.set('k', 'old', { tags: ['t'] });
    await arrived();
    redis.down = true;
    redis.cut();
    const late = instance();
    await arrived();
    expect(await late.fetch('k', () => 'loaded', { tags: ['t'] })).toBe('loaded');
    late.invalidate({ tag: 't' });
    redis.down = false;
    await pass(10_000);
    expect(late.stats().level).toMatchObject({ connected: true, follows: true });
    expect(await late.fetch('k', () => 'new')).toBe('new');
  });

  test('while the log is not followed, values live blindMs here at most', async () => {
    const [one] = await fleet({ blindMs: 5000 });
    redis.down = true;
    redis.cut();
    await arrived();
    one.set('k', 'v', { ttlMs: 60_000 });
    expect(one.ttl('k')).toBeLessThanOrEqual(5000);
    redis.down = false;
    await pass(10_000);
    one.set('k', 'v', { ttlMs: 60_000 });
    expect(one.ttl('k')).toBeGreaterThan(50_000);
  });

  test('an outage of a minute: what is written arrives afterwards, in its latest state', async () => {
    const [one, other] = await fleet();
    redis.down = true;
    redis.cut();
    for (let i = 0; i < 100; i++) {
      one.set(`k${i % 10}`, `v${i}`, { ttlMs: 600_000 });
      await pass(600);
    }
    expect(one.stats().level!.queued).toBe(10);
    redis.down = false;
    await pass(10_000);
    expect(await other.readMany(['k0', 'k9'])).toEqual(['v90', 'v99']);
  });
});

describe('written through', () => {
  test('write resolves when Redis has the value and its invalidation', async () => {
    const [one, other] = await fleet({ write: 'through' });
    await other.fetch('k', () => 'old');
    await arrived();
    const written = one.write('k', 'new');
    await arrived();
    await written;
    expect(await other.fetch('k', none)).toBe('new');
  });

  test('it says when Redis has not got it in time, and keeps trying', async () => {
    const [one, other] = await fleet({ write: 'through', throughMs: 500 });
    redis.stopped = true;
    const written = expect(one.write('k', 'new')).rejects.toMatchObject({ code: 'ERR_SHARDNS_TIMEOUT' });
    await pass(500);
    await written;
    expect(one.get('k')).toBe('new');
    redis.stopped = false;
    await pass(20_000);
    expect(await other.read('k')).toBe('new');
  });
});

describe('written through, many at once', () => {
  test('each waits for its own, not for what comes after it', async () => {
    const [one] = await fleet({ write: 'through', throughMs: 2000 });
    redis.delayMs = 5;
    const took: number[] = [];
    for (let i = 0; i < 100; i++) {
      const begun = clock.nowMs();
      void one.write(`k${i}`, 'v').then(() => took.push(clock.nowMs() - begun));
      await pass(1);
    }
    await pass(100);
    expect(took).toHaveLength(100);
    expect(Math.max(...took)).toBeLessThan(50);
  });
});

test('a value that was loaded before a change is refused, however wrong the clock of who has loaded it', async () => {
  const [one, other] = await fleet();
  // Of this one the answer about the time was long on its way.
  redis.slow = name => (name === 'TIME' ? 600 : 0);
  const wrong = instance();
  await pass(700);
  redis.slow = undefined;
  await wrong.fetch('k', () => 'old');
  await pass(100);
  one.delete('k');
  await arrived();
  // What it had loaded comes late.
  await wrong.fetch('k2', () => 'old');
  await pass(10);
  const [key2] = [...redis.values.keys()];
  expect(redis.values.size).toBe(1);
  one.delete('k2');
  const kept = redis.values.get(key2)!;
  await pass(50);
  redis.values.set(key2, kept);
  expect(await other.fetch('k2', () => 'new')).toBe('new');
});

describe('instances that take turns', () => {
  test('let the next one load at once when a load fails, is overtaken or stores nothing', async () => {
    const [one, other] = await fleet({ leaseMs: 10_000 });
    const ways: (() => Promise<unknown>)[] = [
      () => one.fetch('k', () => Promise.reject(new Error('down'))).catch(() => 0),
      () => one.fetch('k', (_, context) => ((context.store = false), 'not kept')),
      () => {
        const overtaken = new Pending<string>();
        const loading = one.fetch('k', () => overtaken.promise);
        void pass(5).then(() => {
          one.delete('k');
          overtaken.resolve('old');
        });
        return loading;
      },
    ];
    for (const way of ways) {
      const first = way();
      await pass(10);
      await first;
      await pass(30);
      const second = other.fetch('k', () => 'of the second');
      await pass(60);
      expect(await second).toBe('of the second');
      other.delete('k');
      await pass(60);
      one.get('k');
    }
    // A user's rights are for what begins so.
    expect([...redis.values.keys()].every(key => key.startsWith('sd1:'))).toBe(true);
  });
  test('look once more when it is their turn: the one before may have stored the value meanwhile', async () => {
    const [one, other] = await fleet({ leaseMs: 1000, deadlineMs: 100 });
    one.set('k', 'stored');
    await arrived();
    const [[key, value]] = redis.values;
    redis.values.delete(key);
    redis.slow = name => (name === 'SET' ? 10 : 0);
    const found = other.fetch('k', none);
    await pass(5);
    redis.values.set(key, value);
    await pass(20);
    expect(await found).toBe('stored');
    await pass(20);
    expect([...redis.values.keys()]).toEqual([key]); // the lease is given back
  });
  test('have leases where a user of Redis has rights, and give none back that may be over', async () => {
    const [one] = await fleet({ leaseMs: 1000 });
    const slow = new Pending<string>();
    const loading = one.fetch('k', () => slow.promise);
    await pass(5);
    const [lease] = redis.values.keys();
    expect(lease).toMatch(/^sd1:bytes:[\w-]{22}:lease$/);
    await pass(1500);
    redis.values.set(lease, { value: Buffer.from('taken'), untilMs: redis.nowMs() + 1000 });
    slow.resolve('v');
    await loading;
    await pass(10);
    expect(redis.values.has(lease)).toBe(true);
  });

  test('one loads, the others wait for what it has stored', async () => {
    const [one, other] = await fleet({ leaseMs: 2000 });
    const slow = new Pending<string>();
    const first = one.fetch('k', () => slow.promise);
    await pass(5);
    const second = other.fetch('k', none);
    await pass(500);
    slow.resolve('loaded');
    expect(await first).toBe('loaded');
    await pass(50);
    expect(await second).toBe('loaded');
    expect(redis.values.size).toBe(1); // the lease is given back
  });

  test('one that fails lets the next one load; one that hangs does so after leaseMs', async () => {
    const [one, other] = await fleet({ leaseMs: 2000 });
    const hung = one.fetch('k', () => new Promise<string>(() => undefined));
    void hung;
    await pass(5);
    const second = other.fetch('k', () => 'of the second');
    await pass(1900);
    expect(other.stats().loads.running).toBe(1);
    await pass(200);
    expect(await second).toBe('of the second');
  });
});

test('a snapshot brings back nothing that the fleet has changed or forgotten since', async () => {
  const [one, other] = await fleet();
  const keys = ['kept', 'written', 'deleted', 'tagged', 'own'];
  for (const key of keys) await one.fetch(key, () => 'old', { tags: key === 'tagged' ? ['t'] : [] });
  await arrived();
  const folder = mkdtempSync(join(tmpdir(), 'shardns-level-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'snapshot');
  await one.save(path);
  await pass(1000);
  const third = instance();
  await arrived();
  other.set('written', 'new');
  other.delete('deleted');
  other.invalidate({ tag: 't' });
  third.delete('own');
  await arrived();
  const loading = third.load(path);
  // Read off the main thread, in its own time.
  await until(() => third.has('kept'), 'the snapshot');
  await pass(200);
  expect((await loading).entries).toBe(5);
  expect(third.stats().level!.follows).toBe(true);
  expect(third.getMany(keys)).toEqual(['old', undefined, undefined, undefined, undefined]);
  expect(await third.fetch('written', none)).toBe('new');
  expect(await third.fetch('kept', none)).toBe('old');
  // While Redis is away it is loaded all the same, and what the log says is done when that is back.
  redis.down = true;
  redis.cut();
  await pass(10);
  const alone = third.load(path);
  await until(() => third.has('deleted'), 'the snapshot again');
  await pass(2000);
  await alone;
  expect(third.stats().level).toMatchObject({ connected: false, error: 'connect ECONNREFUSED' });
  redis.down = false;
  await pass(10_000);
  expect(third.has('deleted')).toBe(false);
});

test('what another fleet, or nobody with the secret, has written is not believed', async () => {
  const [one] = await fleet();
  const foreign = instance({ secret: 'another secret of many octets...' });
  const open = instance({ secret: undefined });
  await arrived();
  one.set('k', 'mine');
  await arrived();
  const [key] = redis.values.keys();
  const [foreignKeys] = [foreign, open].map(cache => (cache.set('k', 'theirs'), redis.values));
  await arrived();
  const mine = redis.values.get(key)!;
  for (const [other, stored] of foreignKeys) if (other !== key) mine.value = stored.value;
  const third = instance();
  await arrived();
  expect(await third.fetch('k', () => 'loaded')).toBe('loaded');
  expect(third.stats().level!.refused.forged + third.stats().level!.refused.unsealed).toBeGreaterThan(0);
});

test('end() writes what waits, and says nothing to anybody afterwards', async () => {
  const [one, other] = await fleet();
  one.set('k', 'last words');
  const ended = one.end();
  await arrived();
  await ended;
  expect(await other.read('k')).toBe('last words');
  caches = caches.filter(cache => cache !== one);
  expect(() => one.get('k')).toThrow('a ByteCache that is closed');
  await settle();
});

test.each<[object, string]>([
  [{}, 'redis.url: expected "redis://host:port" or "rediss://host:port" (TLS), or up to 64 of them, got undefined'],
  [{ url: 'http://x' }, 'redis.url: expected "redis://host:port" or "rediss://host:port" (TLS), got "http://x"'],
  [{ url: 5 }, 'redis.url: expected "redis://host:port"'],
  [{ url: ['redis://a', 'redis://b'] }, 'redis.url: expected one, or mode: "cluster" or "sentinel", got 2'],
  [{ url: 'redis://a', mode: 'sentinel' }, 'redis.masterName: expected what the Sentinels call the master'],
  [{ url: 'redis://a', secret: 'short' }, 'redis.secret: expected 16 octets or more'],
  [{ url: 'redis://a', encrypt: true }, 'redis.encrypt: needs a secret'],
  [{ url: 'redis://a', namespace: 'a b' }, 'redis.namespace: expected 1 to 64 of letters, digits'],
  [{ url: 'redis://a', ttl: 5 }, 'redis.ttl: is not an option'],
  [{ url: 'rediss://a', tls: { cert: 'PEM' } }, 'redis.tls.cert: is not an option'],
  [{ url: 'rediss://a', tls: { ca: 5 } }, 'redis.tls.ca: expected text, got 5'],
  [{ url: 'rediss://a', tls: true }, 'redis.tls: expected an object with ca, certificate, key, servername'],
  [{ url: 'redis://a', tls: { ca: 'PEM' } }, 'redis.tls: expected none beside redis://, which is without TLS'],
])('%j is refused with the reason', (options, expected) => {
  expect(() => ByteCache.create({ memory: '1MiB', redis: options as never })).toThrow(expected);
});

test('neither secret nor password is in a message', () => {
  const options = { url: 'http://user:pass-word@x', secret: 'my-secret', password: 5 };
  const wrong: unknown[] = [
    options,
    { ...options, secret: undefined },
    { url: 'redis://user:pass-word@x/y' },
    // A password as it is, with letters that a URL has a meaning for.
    { url: 'redis://user:a/pass-word#@x' },
    { url: ['redis://user:a/pass-word@x', 5] },
    // As other clients have it.
    { host: 'x', port: 6379, password: 'pass-word' },
    { host: 'x', secrets: ['my-secret'] },
    ['redis://user:a/pass-word@x'],
    'redis://user:a/pass-word@x',
    { url: 'rediss://x', tls: { key: ['my-secret'] } },
  ];
  for (const redis of wrong) {
    let message = '';
    try {
      ByteCache.create({ memory: '1MiB', redis: redis as never });
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).not.toBe('');
    expect(message).not.toMatch(/my-secret|pass-word/);
  }
});
