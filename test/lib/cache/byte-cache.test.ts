import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { ByteCache, type ByteCacheOptions, DnsCache, ShardnsError } from '../../../lib/index.js';

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return error instanceof ShardnsError ? `${error.code} ${error.message}` : `not ours: ${String(error)}`;
  }
  return 'nothing thrown';
};
const small = { memory: '2MiB', shards: 1 } as const;

describe('values', () => {
  test('come back as their codec took them', () => {
    using bytes = ByteCache.create(small);
    bytes.set('a', Uint8Array.of(1, 2, 3));
    bytes.set(Uint8Array.of(0, 255), Buffer.from('octets as a key'));
    expect(bytes.get('a')).toEqual(Buffer.from([1, 2, 3]));
    expect(String(bytes.get(Uint8Array.of(0, 255)))).toBe('octets as a key');
    const text = bytes.namespace<string>('text', { codec: 'utf8' });
    text.set('a', 'größer 🐘');
    expect(text.get('a')).toBe('größer 🐘');
    const json = bytes.namespace<unknown>('json', { codec: 'json' });
    json.set('a', { list: [1, null, 'x'] });
    expect(json.get('a')).toEqual({ list: [1, null, 'x'] });
    const v8 = bytes.namespace<unknown>('v8', { codec: 'v8' });
    v8.set('a', new Map([[1, new Date(5)]]));
    expect(v8.get('a')).toEqual(new Map([[1, new Date(5)]]));
    expect(bytes.get('nothing')).toBeUndefined();
    expect(bytes.getMany(['a', 'nothing'])).toEqual([Buffer.from([1, 2, 3]), undefined]);
  });

  test('a value handed out is a copy', () => {
    using cache = ByteCache.create(small);
    const mine = Uint8Array.of(1);
    cache.set('a', mine);
    mine[0] = 9;
    const first = cache.get('a')!;
    first[0] = 8;
    expect(cache.get('a')).toEqual(Buffer.from([1]));
  });

  test('whatever strings and octets are keys and values, the last one stored comes back', () => {
    using cache = ByteCache.create({ ...small, codec: 'utf8' });
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ unit: 'grapheme' }), (key, value) => {
        cache.set(key, value);
        return cache.get(key) === value && cache.get(Buffer.from(key)) === value;
      }),
    );
  });

  test('getInto copies to a buffer of the caller', () => {
    using cache = ByteCache.create(small);
    cache.set('a', Buffer.from('value'));
    const out = Buffer.alloc(8);
    expect(cache.getInto('a', out)).toBe(5);
    expect(out.toString('latin1', 0, 5)).toBe('value');
    expect(cache.getInto('b', out)).toBe(-1);
    expect(code(() => cache.getInto('a', Buffer.alloc(4)))).toBe(
      "ERR_SHARDNS_OPTION out: expected room for the value's 5 octets, got 4",
    );
  });

  test('live as long as they were given, and touch gives them more', () => {
    using cache = ByteCache.create({ ...small, codec: 'utf8', ttlMs: 10_000 });
    const clock = new Shift(cache);
    cache.set('a', '1');
    cache.set('b', '2', { ttlMs: Infinity });
    cache.set('c', '3', { ttlMs: 100 });
    expect(cache.ttl('a')).toBeGreaterThan(9000);
    expect(cache.ttl('b')).toBe(Infinity);
    expect(cache.ttl('d')).toBeUndefined();
    expect(cache.has('c')).toBe(true);
    expect(cache.touch('c', 50_000)).toBe(true);
    clock.advance(20_000);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([undefined, '2', '3']);
    expect(cache.touch('a')).toBe(false);
    expect(cache.delete('b')).toBe(true);
    expect(cache.delete('b')).toBe(false);
  });

  test('are forgotten by tag, by namespace, or all', () => {
    using cache = ByteCache.create({ ...small, codec: 'utf8' });
    const users = cache.namespace('users');
    cache.set('a', '1', { tags: ['red', 'round'] });
    cache.set('b', '2');
    users.set('a', '3', { tags: ['red'] });
    users.set('b', '4');
    cache.invalidate({ tag: 'round' });
    expect([cache.get('a'), users.get('a')]).toEqual([undefined, '3']);
    cache.invalidate({ tag: 'red' });
    expect([users.get('a'), users.get('b')]).toEqual([undefined, '4']);
    cache.namespace('users').clear();
    expect([users.get('b'), cache.get('b')]).toEqual([undefined, '2']);
    users.set('c', '5');
    cache.clear();
    expect([users.get('c'), cache.get('b')]).toEqual([undefined, undefined]);
  });

  test('are read by the codec that asks: what another one wrote is none, whatever brought it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shardns-codec-'));
    const file = join(folder, 'theirs');
    using theirs = ByteCache.create<unknown>({ ...small, codec: 'v8', shared: true });
    theirs.set('key', new Map([['admin', true]]));
    await theirs.save(file);
    for (const codec of ['bytes', 'utf8', 'json', 'v8'] as const) {
      using loaded = ByteCache.create<unknown>({ ...small, codec: codec as 'json' });
      await loaded.load(file);
      const handle = theirs.share();
      using attached = ByteCache.attach<unknown>({ ...handle, settings: { ...handle.settings, codec } });
      for (const cache of [loaded, attached]) {
        const own = codec === 'v8';
        const { misses } = cache.stats();
        expect(cache.get('key') instanceof Map).toBe(own);
        expect(cache.stats().misses - misses).toBe(own ? 0 : 1);
        expect(cache.has('key')).toBe(own);
        expect(cache.ttl('key')).toBe(own ? Infinity : undefined);
        expect(cache.getInto('key', Buffer.alloc(100)) > 0).toBe(own);
        expect(cache.touch('key', 60_000)).toBe(own);
      }
    }
    // It stays for those who can read it.
    expect(theirs.get('key')).toEqual(new Map([['admin', true]]));
    rmSync(folder, { recursive: true });
  });

  test('entries() shows those of a namespace', () => {
    using cache = ByteCache.create({ ...small, codec: 'utf8' });
    const users = cache.namespace('users');
    cache.set('a', 'one');
    users.set('b', 'three', { ttlMs: 5000 });
    users.get('b');
    for (let i = 0; i < 3; i++) expect([users.has('b'), cache.ttl('a')]).toEqual([true, Infinity]); // no hits
    expect([...cache.entries()]).toEqual([{ key: Buffer.from('a'), length: 3, remainingMs: Infinity, popularity: 0 }]);
    const [entry] = [...users.entries()];
    expect(entry).toMatchObject({ key: Buffer.from('b'), length: 5, popularity: 1 });
    expect(entry.remainingMs).toBeLessThanOrEqual(5000);
    expect([...users.entries(0)]).toEqual([]);
  });
  test('entries() passes over what was forgotten: all, a namespace, a tag', () => {
    using cache = ByteCache.create({ memory: '64MiB', codec: 'utf8' });
    const users = cache.namespace('users');
    const keys = (one: Pick<ByteCache, 'entries'>): string[] =>
      [...one.entries()].map(({ key }) => Buffer.from(key).toString()).sort();
    cache.set('a', 'one', { tags: ['red'] });
    cache.set('b', 'two');
    users.set('c', 'three');
    cache.invalidate({ tag: 'red' });
    expect([keys(cache), keys(users)]).toEqual([['b'], ['c']]);
    users.clear();
    expect([keys(cache), keys(users)]).toEqual([['b'], []]);
    cache.invalidate({ all: true });
    expect(keys(cache)).toEqual([]);
  });
});

/** Moves a cache's time. */
class Shift {
  #ms = 0;
  constructor(private readonly cache: ByteCache<string>) {}
  advance(ms: number): void {
    this.#ms += ms;
    this.cache.native.shiftClock(this.#ms);
  }
}

describe('what is wrong is said', () => {
  test.each<[ByteCacheOptions, string]>([
    [{ memory: '1KiB' }, 'memory: expected octets from 1 MiB'],
    [{ shards: 3 }, 'shards: expected 0 or a power of two, got 3'],
    [{ ttlMs: 0 }, 'ttlMs: expected 1 or more milliseconds, got 0'],
    [{ refreshAhead: 2 }, 'refreshAhead:'],
    [{ codec: 'xml' as 'json' }, 'codec:'],
    [{ memoryLimit: 5 } as ByteCacheOptions, 'memoryLimit: is not an option'],
  ])('%j', (options, expected) => {
    expect(code(() => ByteCache.create(options as ByteCacheOptions & { codec: 'json' }))).toContain(
      `ERR_SHARDNS_OPTION ${expected}`,
    );
  });

  test('keys, values, lifetimes, tags and namespaces', () => {
    using cache = ByteCache.create({ ...small, codec: 'utf8' });
    const set = (key: unknown, value: unknown, options?: object) =>
      code(() => cache.set(key as string, value as string, options));
    expect(set(5, 'x')).toBe('ERR_SHARDNS_OPTION key: expected a string or a Uint8Array, got 5');
    expect(set('a', 5)).toBe('ERR_SHARDNS_OPTION value: expected a string without lone surrogates, got 5');
    expect(set('a', 'x'.repeat(65_537))).toContain('value: expected at most 65536 octets');
    expect(set('k'.repeat(4096), 'x')).toBe(
      "ERR_SHARDNS_OPTION key: expected at most 4096 octets with the namespace's name, got 4096",
    );
    expect(set('a', 'x', { ttlMs: -1 })).toContain('ttlMs: expected 1 or more milliseconds, or Infinity, got -1');
    expect(set('a', 'x', { ttlMs: NaN })).toContain('ttlMs');
    expect(set('a', 'x', { tags: [''] })).toContain('tag: expected a string of 1 to 1024 characters');
    expect(set('a', 'x', { tags: new Array(17).fill('t') })).toContain('tags: expected up to 16 strings');
    expect(cache.get('a')).toBeUndefined(); // nothing of these was stored
    expect(code(() => cache.namespace(''))).toContain('namespace: expected a name of 1 to 255 octets');
    expect(code(() => cache.namespace('a').namespace('b'))).toContain('not from a namespace');
    const v8 = cache.namespace<unknown>('v8', { codec: 'v8' });
    expect(code(() => v8.set('a', () => 1))).toContain('value: expected a value that v8.serialize can write');
    cache.set('kept', 'x');
    expect(code(() => cache.invalidate({} as never))).toContain(
      'invalidate: expected { tag } or { all: true }, got {}',
    );
    expect(cache.get('kept')).toBe('x');
    expect(code(() => cache.share())).toContain('shared: expected true');
    expect(code(() => ByteCache.attach({} as never))).toContain('handle: expected what share() returned');
  });

  test('use after close is an error, of namespaces too', async () => {
    const cache = ByteCache.create({ ...small, codec: 'utf8' });
    const users = cache.namespace('users');
    cache.close();
    cache.close();
    for (const use of [
      () => cache.get('a'),
      () => users.set('a', 'b'),
      () => cache.stats(),
      () => users.clear(),
      () => [...cache.entries()],
    ]) {
      expect(code(use)).toContain('ERR_SHARDNS_CLOSED');
    }
    await expect(cache.fetch('a', () => 'b')).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
    const failing = ByteCache.create({ ...small, codec: 'utf8', errorTtlMs: 1000 });
    const failed = failing.fetch('a', () => Promise.reject(new Error('its own')));
    failing.close();
    await expect(failed).rejects.toThrow('its own');
    const late = ByteCache.create({ ...small, codec: 'utf8' });
    let loaded: (value: string) => void = () => undefined;
    const waiting = late.fetch('a', () => new Promise<string>(resolve => (loaded = resolve)));
    late.close();
    loaded('value');
    expect(await waiting).toBe('value');
  });
});

describe('fetch', () => {
  const setup = (options: Partial<ByteCacheOptions> = {}) => {
    const cache = ByteCache.create({ ...small, ttlMs: 1000, ...options, codec: 'utf8' });
    return { cache, clock: new Shift(cache) };
  };

  test('loads once for callers at the same time, then answers from the cache', async () => {
    const { cache } = setup();
    const load = vi.fn(async (key: string | Uint8Array) => Promise.resolve(`value of ${String(key)}`));
    const all = await Promise.all([1, 2, 3].map(() => cache.fetch('a', load)));
    expect(all).toEqual(Array(3).fill('value of a'));
    expect(await cache.fetch('a', load)).toBe('value of a');
    expect(load).toHaveBeenCalledTimes(1);
    expect(await cache.fetch('b', () => 'at once', { ttlMs: value => value.length * 100 })).toBe('at once');
    expect(cache.ttl('b')).toBeGreaterThan(600);
    expect(cache.ttl('b')).toBeLessThanOrEqual(700);
  });

  test('a key of octets may be changed by its owner meanwhile', async () => {
    const { cache } = setup();
    const key = Buffer.from('key');
    const loading = cache.fetch(key, () => Promise.resolve('value'));
    key.fill(0);
    await loading;
    expect(cache.get('key')).toBe('value');
  });

  test('undefined is given and not stored', async () => {
    const { cache } = setup();
    expect(await cache.fetch('a', () => undefined as unknown as string)).toBeUndefined();
    expect(cache.has('a')).toBe(false);
  });

  test('serves a value while it loads the next, within its window only', async () => {
    const { cache, clock } = setup({ staleWhileRevalidateMs: 5000 });
    let version = 1;
    const load = () => Promise.resolve(`v${version++}`);
    expect(await cache.fetch('a', load)).toBe('v1');
    clock.advance(2000);
    expect(cache.get('a')).toBeUndefined();
    expect(await cache.fetch('a', load)).toBe('v1');
    await vi.waitFor(() => expect(cache.get('a')).toBe('v2'), 120_000);
    clock.advance(10_000);
    expect(await cache.fetch('a', load)).toBe('v3');
  });

  test('serves a stale value when the loader fails, and does not try again at once', async () => {
    const { cache, clock } = setup({ staleIfErrorMs: 5000, errorTtlMs: 60_000 });
    await cache.fetch('a', () => 'good');
    clock.advance(2000);
    const load = vi.fn(() => Promise.reject(new Error('the database is gone')));
    expect(await cache.fetch('a', load)).toBe('good');
    expect(await cache.fetch('a', load)).toBe('good');
    expect(load).toHaveBeenCalledTimes(1);
    clock.advance(6000);
    await expect(cache.fetch('a', load)).rejects.toThrow('the database is gone');
  });

  test('remembers a failure for as long as it is told', async () => {
    const { cache, clock } = setup({ errorTtlMs: 500 });
    const load = vi.fn(() => Promise.reject(new Error('no such user')));
    await expect(cache.fetch('a', load)).rejects.toThrow('no such user');
    await expect(cache.fetch('a', load)).rejects.toMatchObject({
      code: 'ERR_SHARDNS_LOADER',
      message: 'the loader failed a short time ago: no such user',
    });
    expect(load).toHaveBeenCalledTimes(1);
    expect(cache.get('a')).toBeUndefined();
    expect(cache.has('a')).toBe(false);
    expect([...cache.entries()]).toEqual([]);
    clock.advance(600);
    expect(await cache.fetch('a', () => 'back')).toBe('back');
  });

  test('loads popular values anew before they expire', async () => {
    const { cache, clock } = setup({ refreshAhead: 0.5 });
    let version = 1;
    const load = () => `v${version++}`;
    await cache.fetch('popular', load);
    await cache.fetch('rare', () => 'rare');
    for (let i = 0; i < 5; i++) await cache.fetch('popular', load);
    clock.advance(700);
    const rare = vi.fn(() => 'again');
    await cache.fetch('rare', rare);
    expect(rare).not.toHaveBeenCalled();
    expect(await cache.fetch('popular', load)).toBe('v1');
    await vi.waitFor(() => expect(cache.get('popular')).toBe('v2'), 120_000);
  });

  test('what is invalidated while it is loaded is not served later', async () => {
    const { cache } = setup();
    let finish: (value: string) => void = () => undefined;
    const loading = cache.fetch('a', () => new Promise<string>(resolve => (finish = resolve)), { tags: ['t'] });
    cache.invalidate({ tag: 't' });
    finish('old');
    expect(await loading).toBe('old');
    expect(cache.get('a')).toBeUndefined();
  });

  test('a key that is deleted or set while it is loaded stays so, and who asks then has it loaded anew', async () => {
    const { cache } = setup();
    const finish: ((value: string) => void)[] = [];
    const load = (): Promise<string> => new Promise(resolve => finish.push(resolve));
    for (const key of ['a', Uint8Array.of(1, 2)]) {
      const [old, other] = [cache.fetch(key, load), cache.fetch('other', load)];
      cache.delete(key);
      const anew = cache.fetch(key, load);
      const [first, second, third] = finish.splice(0);
      third('new');
      first('old');
      second('other');
      expect(await Promise.all([old, other, anew])).toEqual(['old', 'other', 'new']);
      expect([cache.get(key), cache.get('other')]).toEqual(['new', 'other']);
      cache.delete('other');
      cache.delete(key);
    }
    const loading = cache.fetch('a', load);
    cache.set('a', 'set');
    finish.splice(0)[0]('old');
    expect(await loading).toBe('old');
    expect(cache.get('a')).toBe('set');
    const failing = cache.fetch('b', () => Promise.reject(new Error('gone')));
    cache.set('b', 'set');
    await expect(failing).rejects.toThrow('gone');
    expect(await cache.fetch('b', load)).toBe('set');
  });

  test('a caller may give up; the load goes on for the others', async () => {
    const { cache } = setup();
    let finish: (value: string) => void = () => undefined;
    const load = () => new Promise<string>(resolve => (finish = resolve));
    const patient = cache.fetch('a', load);
    const abort = new AbortController();
    const impatient = cache.fetch('a', load, { signal: abort.signal });
    abort.abort();
    await expect(impatient).rejects.toMatchObject({ code: 'ERR_SHARDNS_ABORTED' });
    finish('value');
    expect(await patient).toBe('value');
    await expect(cache.fetch('a', load, { signal: abort.signal })).rejects.toMatchObject({
      code: 'ERR_SHARDNS_ABORTED',
    });
  });

  test('loads at the same time are bounded', async () => {
    const { cache } = setup({ maxLoads: 2 });
    const never = () => new Promise<string>(() => undefined);
    void cache.fetch('a', never);
    void cache.fetch('b', never);
    await expect(cache.fetch('c', never)).rejects.toMatchObject({ code: 'ERR_SHARDNS_OVERLOAD' });
  });

  test('a key of octets and a string of the same octets are one key, and do not meet those of other namespaces', async () => {
    const { cache } = setup();
    cache.set('key', 'x');
    expect(cache.get(Buffer.from('key'))).toBe('x');
    const other = cache.namespace('key');
    expect(other.get('')).toBeUndefined();
  });

  test('an early refresh that fails leaves the value as it is', async () => {
    const { cache, clock } = setup({ refreshAhead: 0.9, maxLoads: 1 });
    await cache.fetch('a', () => 'kept');
    for (let i = 0; i < 3; i++) cache.get('a');
    clock.advance(900);
    expect(await cache.fetch('a', () => Promise.reject(new Error('later')))).toBe('kept');
    await new Promise(setImmediate); // an unhandled rejection would end the test
    expect(await cache.fetch('a', () => 'not yet')).toBe('kept');
    expect(cache.stats().loads).toMatchObject({ loads: 2, failures: 1 });
  });
});

test('a shared cache is the same for all who attach', () => {
  using cache = ByteCache.create({ ...small, shared: true, codec: 'json' });
  using attached = ByteCache.attach<unknown>(structuredClone(cache.share()));
  cache.namespace('n').set('a', { x: 1 }, { tags: ['t'] });
  expect(attached.namespace('n').get('a')).toEqual({ x: 1 });
  attached.invalidate({ tag: 't' });
  expect(cache.namespace('n').get('a')).toBeUndefined();
  using dns = DnsCache.create({ memory: '2MiB', shared: true });
  const handle = { ...cache.share(), memory: dns.share().memory };
  expect(code(() => ByteCache.attach(handle))).toContain('its entries are of another kind');
});

test('memory that others scribble over costs values, not the process', () => {
  using cache = ByteCache.create({ memory: '1MiB', shards: 1, shared: true, codec: 'json' });
  const json = cache as ByteCache<unknown>;
  const memory = new Uint8Array(cache.share().memory);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(memory.length - 1), fc.nat(255)), { maxLength: 2000 }), blows => {
      for (let i = 0; i < 500; i++) json.set(`key ${i}`, { i, text: 'x'.repeat(i) });
      // Behind the head and the shard's lock.
      for (const [at, octet] of blows) if (at > 8400) memory[at] = octet;
      for (let i = 0; i < 500; i++) json.get(`key ${i}`);
    }),
    { numRuns: 30 },
  );
});

describe('in a file', () => {
  const folder = (): { path: string } & Disposable => {
    const path = mkdtempSync(join(tmpdir(), 'shardns-'));
    return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
  };

  test('is there for every opener, and after a restart', () => {
    using at = folder();
    const path = join(at.path, 'cache');
    const first = ByteCache.open({ path, memory: '2MiB', codec: 'utf8' });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    using second = ByteCache.open({ path, codec: 'utf8' });
    first.namespace('n').set('a', 'value', { tags: ['t'] });
    expect(second.namespace('n').get('a')).toBe('value');
    first.close();
    using third = ByteCache.open({ path, codec: 'utf8' });
    expect(third.namespace('n').get('a')).toBe('value');
    third.invalidate({ tag: 't' });
    expect(second.namespace('n').get('a')).toBeUndefined();
  });

  test('that does not fit is refused with the reason, or replaced on request', () => {
    using at = folder();
    const path = join(at.path, 'cache');
    ByteCache.open({ path, memory: '2MiB' }).close();
    expect(code(() => DnsCache.open({ path }))).toContain(
      `ERR_SHARDNS_FILE ${path}: its entries are of another kind; with recreate: true`,
    );
    expect(code(() => ByteCache.open({ path, memory: '4MiB' }))).toContain('it has another size');
    for (const policy of ['lru', 'lfu', '2q'] as const) {
      expect(code(() => ByteCache.open({ path, policy }))).toContain(
        `it has another policy, s3fifo, and not ${policy}; with recreate: true`,
      );
    }
    expect(code(() => ByteCache.open({ path, policy: 'clock' as never }))).toContain('ERR_SHARDNS_OPTION policy');
    // Size and policy are the file's where they are not given.
    for (const policy of ['lru', 'lfu', '2q'] as const) {
      const other = join(at.path, policy);
      ByteCache.open({ path: other, memory: '2MiB', policy }).close();
      ByteCache.open({ path: other }).close();
      expect(code(() => ByteCache.open({ path: other, policy: 's3fifo' }))).toContain(`${policy}, and not s3fifo`);
    }
    DnsCache.open({ path, recreate: true }).close();
    writeFileSync(path, 'somebody else’s notes');
    expect(code(() => DnsCache.open({ path, recreate: true }))).toContain('it holds something else');
    expect(code(() => DnsCache.open({ path: join(at.path, 'no', 'folder') }))).toContain('ERR_SHARDNS_FILE');
    expect(code(() => DnsCache.open({ path: '' }))).toContain('path: expected the path of a file');
    expect(code(() => DnsCache.open({} as never))).toContain('ERR_SHARDNS_OPTION path');
    expect(code(() => DnsCache.open({ path: join(at.path, 'huge'), memory: '900GiB', shards: 256 }))).toContain(
      'there is no room for it',
    );
  });

  test('that is cut or replaced is an error of the next call, not of the process', () => {
    using at = folder();
    const path = join(at.path, 'cache');
    const cut = ByteCache.open({ path, memory: '2MiB', codec: 'utf8' });
    for (let i = 0; i < 5000; i++) cut.set(`key ${i}`, 'value');
    truncateSync(path, 8192);
    // Before it is looked at, memory beyond the file's end is met: no value, no crash.
    for (let i = 0; i < 5000; i++) cut.get(`key ${i}`);
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 5000);
    expect(code(() => cut.get('key 1'))).toContain(`${path}: was cut short while it was open; open it again`);
    vi.restoreAllMocks();
    cut.close();
    rmSync(path);
    using replaced = DnsCache.open({ path, memory: '1MiB' });
    rmSync(path);
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 5000);
    expect(code(() => replaced.stats())).toContain('was replaced or removed while it was open');
    vi.restoreAllMocks();
  });
});
