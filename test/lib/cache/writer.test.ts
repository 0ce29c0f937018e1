// Write-through and write-behind to a program's own store.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteCache, type Write, type WriterOptions } from '../../../lib/index.js';
import { Pending, TimedCache } from '../../support/byte-cache.js';
import { settle } from '../../support/fake-clock.js';

/** A store that keeps what it is given, and fails or waits when told to. */
class Store {
  readonly rows = new Map<string, string>();
  readonly calls: string[][] = [];
  readonly dead: [string, string][] = [];
  fails: (batch: readonly Write<string>[]) => unknown = () => undefined;

  async write(batch: readonly Write<string>[]): Promise<void | readonly unknown[]> {
    this.calls.push(batch.map(({ key, value }) => `${String(key)}=${value}`));
    const failed = await this.fails(batch);
    if (failed instanceof Error) throw failed;
    batch.forEach(({ key, value, deleted }, i) => {
      if (Array.isArray(failed) && (failed as unknown[])[i] !== undefined) return;
      if (deleted) this.rows.delete(String(key));
      else this.rows.set(String(key), value!);
    });
    return failed as undefined;
  }
}

function setup(options: Partial<WriterOptions<string>> = {}) {
  const store = new Store();
  const onDead = (write: Write<string>, error: unknown): void => {
    store.dead.push([`${String(write.key)}=${write.value}`, (error as Error).message]);
  };
  const writer = { ...options, write: store.write.bind(store), onDead };
  const timed = new TimedCache({ writer, ttlMs: 1_000_000 });
  return { store, timed, cache: timed.cache };
}
const down = new Error('the store is down');

describe('write-behind', () => {
  test('gathers a batch, of which a key has its latest value, and answers from the cache meanwhile', async () => {
    const { store, timed, cache } = setup();
    await cache.write('a', '1');
    await cache.write('b', '1');
    await cache.write('a', '2', { ttlMs: 500 });
    expect(cache.get('a')).toBe('2');
    expect(store.calls).toEqual([]);
    await timed.pass(10);
    expect(store.calls).toEqual([['a=2', 'b=1']]);
    expect(cache.stats().writes).toMatchObject({ queued: 0, queuedBytes: 0, written: 2, coalesced: 1 });
  });

  test('a full batch goes at once', async () => {
    const { store, cache } = setup({ batch: 2 });
    await Promise.all(['a', 'b', 'c'].map(key => cache.write(key, '1')));
    await settle();
    expect(store.calls).toEqual([['a=1', 'b=1'], ['c=1']]);
  });

  test('a key is in one call at a time: what is written meanwhile waits for its end', async () => {
    const { store, timed, cache } = setup({ gatherMs: 0, concurrency: 4 });
    const slow = new Pending<void>();
    store.fails = () => (store.calls.length === 1 ? slow.promise : undefined);
    await cache.write('a', '1');
    await cache.write('a', '2');
    await cache.write('b', '1');
    await timed.pass(100);
    expect(store.calls).toEqual([['a=1'], ['b=1']]);
    slow.resolve();
    await settle();
    expect(store.calls.at(-1)).toEqual(['a=2']);
    expect(store.rows.get('a')).toBe('2');
  });

  test('what fails is tried again behind a growing wait, and a later write of the key takes its place', async () => {
    const { store, timed, cache } = setup({ gatherMs: 0, retries: 3, backoffMs: 100 });
    store.fails = () => down;
    await cache.write('a', '1');
    await settle();
    expect(store.calls.length).toBe(1);
    await timed.pass(49);
    expect(store.calls.length).toBe(1);
    await timed.pass(51);
    expect(store.calls.length).toBe(2);
    store.fails = () => undefined;
    await cache.write('a', '2');
    await timed.pass(1000);
    expect(store.calls).toEqual([['a=1'], ['a=1'], ['a=2']]);
    expect(cache.stats().writes).toMatchObject({ queued: 0, written: 1, coalesced: 1, failures: 2, retries: 1 });
  });

  test('one that the store does not take holds up nobody else, is told, and leaves the cache', async () => {
    const { store, timed, cache } = setup({ retries: 5 });
    store.fails = batch => (batch.some(({ key }) => key === 'poison') ? new Error('violates a constraint') : undefined);
    for (let i = 0; i < 50; i++) await cache.write(i === 20 ? 'poison' : `k${i}`, 'v');
    await timed.pass(100_000);
    expect(store.rows.size).toBe(49);
    expect(store.dead).toEqual([['poison=v', 'violates a constraint']]);
    expect(cache.get('poison')).toBeUndefined();
    expect(cache.get('k1')).toBe('v');
    expect(cache.stats().writes).toMatchObject({ queued: 0, written: 49, dead: 1 });
  });

  test('a store may say which of a batch have failed', async () => {
    const { store, timed, cache } = setup({ retries: 1 });
    store.fails = batch => batch.map(({ key }) => (key === 'b' ? down : undefined));
    for (const key of ['a', 'b', 'c']) await cache.write(key, 'v');
    await timed.pass(1000);
    expect(store.calls).toEqual([['a=v', 'b=v', 'c=v'], ['b=v']]);
    expect(store.dead).toEqual([['b=v', 'the store is down']]);
    expect([...store.rows.keys()]).toEqual(['a', 'c']);
  });

  test('after three calls in a row that fail, all others wait as well', async () => {
    const { store, timed, cache } = setup({ gatherMs: 0, retries: 100, backoffMs: 1000, batch: 1 });
    store.fails = () => down;
    for (let i = 0; i < 10; i++) await cache.write(`k${i}`, 'v');
    await settle();
    expect(store.calls.length).toBe(3);
    store.fails = () => undefined;
    await timed.pass(1000);
    expect(store.rows.size).toBe(10);
  });

  test('the queue is bounded by writes and by octets; a write that finds no room fails and is not in the cache', async () => {
    const { cache, timed } = setup({ maxQueued: 2, maxQueuedBytes: 1024 });
    await cache.write('a', '1');
    await cache.write('b', 'x'.repeat(1000));
    const full = { code: 'ERR_SHARDNS_OVERLOAD', message: 'the store is behind by 2 writes (writer.maxQueued)' };
    await expect(cache.write('c', '1')).rejects.toMatchObject(full);
    expect(cache.has('c')).toBe(false);
    await cache.write('a', '2'); // a key that waits has its place
    const heavy = { code: 'ERR_SHARDNS_OVERLOAD', message: /^the store is behind by \d+ octets/ };
    await expect(cache.write('a', 'x'.repeat(100))).rejects.toMatchObject({ code: heavy.code });
    expect(cache.get('a')).toBe('2');
    expect(cache.stats().writes).toMatchObject({ queued: 2, refused: 2 });
    await timed.pass(10);
    expect(cache.stats().writes.queued).toBe(0);
  });

  test('what waits to be written is what fetch finds, whatever the store still says', async () => {
    const { cache } = setup();
    await cache.write('a', 'new');
    cache.clear(); // evicted, say
    expect(await cache.fetch('a', () => 'old')).toBe('new');
    await cache.remove('a');
    expect(await cache.fetch('a', () => 'old')).toBeUndefined();
    expect(cache.has('a')).toBe(false);
  });

  test('deletions are written in their turn', async () => {
    const { store, timed, cache } = setup();
    await cache.write('a', '1');
    await timed.pass(10);
    await cache.remove('a');
    expect(cache.has('a')).toBe(false);
    await timed.pass(10);
    expect(store.calls).toEqual([['a=1'], ['a=undefined']]);
    expect(store.rows.size).toBe(0);
  });

  test('end() waits for what is queued, tries included; what is left after drainMs is told', async () => {
    const { store, timed, cache } = setup({ drainMs: 500, backoffMs: 100 });
    await cache.write('a', '1');
    store.fails = batch => (store.calls.length === 1 || batch.some(({ key }) => key === 'bad') ? down : undefined);
    await cache.write('bad', '1');
    const ended = cache.end();
    await timed.pass(500);
    await ended;
    expect([...store.rows]).toEqual([['a', '1']]);
    expect(store.dead).toEqual([['bad=1', 'the cache was closed before this was written']]);
    expect(() => cache.get('a')).toThrow('a ByteCache that is closed');
  });

  test('close() gives up what is queued, and says so', async () => {
    const { store, cache } = setup();
    await cache.write('a', '1');
    cache.close();
    expect(store.dead.length).toBe(1);
  });

  test('a call that takes too long is told to end, and is not overtaken', async () => {
    const { timed } = setup();
    let aborted: unknown;
    const hung = new Pending<void>();
    const calls: string[] = [];
    const writer: WriterOptions<string> = {
      gatherMs: 0,
      timeoutMs: 1000,
      write: (batch, { signal }) => {
        calls.push(batch[0].value!);
        signal.addEventListener('abort', () => (aborted = signal.reason));
        return calls.length === 1 ? hung.promise : undefined;
      },
    };
    const space = timed.cache.namespace<string>('slow', { writer });
    await space.write('a', '1');
    await space.write('a', '2');
    await timed.pass(1000);
    expect(aborted).toMatchObject({ code: 'ERR_SHARDNS_TIMEOUT' });
    expect(calls).toEqual(['1']);
    hung.reject(new Error('aborted'));
    await settle();
    await timed.pass(1000);
    expect(calls).toEqual(['1', '2']);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('a mistake of the program');
      },
    ],
    // An unhandled rejection would end the process.
    ['rejects', () => Promise.reject(new Error('a mistake of the program'))],
  ])('a callback that %s harms nobody', async (_, onDead) => {
    const { timed } = setup();
    const writer: WriterOptions<string> = {
      gatherMs: 0,
      retries: 0,
      write: () => Promise.reject(down),
      onDead: onDead as () => void,
    };
    const space = timed.cache.namespace<string>('odd', { writer });
    await space.write('a', '1');
    await settle();
    expect(timed.cache.stats().writes).toMatchObject({ queued: 0, dead: 1 });
  });
});

describe('write-through', () => {
  test('resolves when the store has it; only then does the cache', async () => {
    const { store, cache } = setup({ mode: 'through' });
    const slow = new Pending<void>();
    store.fails = () => slow.promise;
    const written = cache.write('a', '1');
    await settle();
    expect(cache.has('a')).toBe(false);
    slow.resolve();
    await written;
    expect([store.rows.get('a'), cache.get('a')]).toEqual(['1', '1']);
  });

  test('writes that come while others are under way go together', async () => {
    const { store, cache } = setup({ mode: 'through' });
    const slow = new Pending<void>();
    store.fails = () => (store.calls.length === 1 ? slow.promise : undefined);
    const all = ['a', 'b', 'c', 'b'].map((key, i) => cache.write(key, String(i)));
    slow.resolve();
    await Promise.all(all);
    expect(store.calls).toEqual([['a=0'], ['b=3', 'c=2']]);
    expect(cache.get('b')).toBe('3');
  });

  test('rejects with what the store said last when all tries failed', async () => {
    const { store, timed, cache } = setup({ mode: 'through', retries: 2 });
    cache.set('a', 'before');
    store.fails = () => down;
    const failed = expect(cache.write('a', '1')).rejects.toThrow('the store is down');
    await timed.pass(10_000);
    await failed;
    expect(store.calls.length).toBe(3);
    // Nobody knows what the store has.
    expect(cache.has('a')).toBe(false);
  });

  test('what cannot be stored here is told before the store has it', async () => {
    const { store, cache } = setup({ mode: 'through' });
    await expect(cache.write('a', 'x'.repeat(65_537))).rejects.toThrow('value: expected at most 65536 octets');
    await expect(cache.write('k'.repeat(5000), 'x')).rejects.toThrow('key: expected at most 4096 octets');
    await expect(cache.write('a', 'x', { ttlMs: -1 })).rejects.toThrow('ttlMs');
    expect(store.calls).toEqual([]);
  });
});

test('without a writer, write and remove are set and delete', async () => {
  using timed = new TimedCache();
  await timed.cache.write('a', '1');
  expect(timed.cache.get('a')).toBe('1');
  await timed.cache.remove('a');
  expect(timed.cache.has('a')).toBe(false);
});

test.each<[object, string]>([
  [{}, 'writer: expected an object with write, got {}'],
  [{ write: () => undefined, retry: 3 }, 'writer.retry: is not an option'],
  [{ write: () => undefined, mode: 'around' }, 'writer.mode: expected one of "behind", "through", got "around"'],
  [{ write: () => undefined, maxQueued: 0 }, 'writer.maxQueued: expected a whole number from 1 to 10000000, got 0'],
  [{ write: () => undefined, onDead: 5 }, 'writer.onDead: expected a function, got 5'],
])('what is wrong with the writer %j is said', (writer, expected) => {
  expect(() => ByteCache.create({ memory: '1MiB', writer: writer as never })).toThrow(expected);
});

test('a namespace has one writer, whoever asks for it', async () => {
  using cache = ByteCache.create({ memory: '1MiB', codec: 'utf8' });
  const calls: number[] = [];
  const writer: WriterOptions<string> = { gatherMs: 0, write: batch => void calls.push(batch.length) };
  cache.namespace<string>('n', { writer });
  expect(() => cache.namespace<string>('n', { writer })).toThrow('this namespace has one already');
  await cache.namespace<string>('n').write('a', '1');
  await settle();
  expect(calls).toEqual([1]);
  await cache.end();
});

test('whatever fails, nothing is lost and no key goes back in time', async () => {
  const step = fc.record({ key: fc.integer({ min: 0, max: 5 }), wait: fc.constantFrom(0, 0, 0, 5, 60) });
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 1, maxLength: 60 }),
    fc.infiniteStream(fc.constantFrom('ok', 'ok', 'ok', 'all', 'some')),
    fc.integer({ min: 1, max: 3 }),
    async (steps, outcomes, concurrency) => {
      const { store, timed, cache } = setup({ batch: 3, concurrency, retries: 1000, backoffMs: 20, maxBackoffMs: 40 });
      const last = new Map<string, number>();
      const seen = new Map<string, number>();
      const busy = new Set<string>();
      store.fails = async batch => {
        const keys = batch.map(({ key }) => String(key));
        for (const { key, value } of batch) {
          expect(busy.has(String(key))).toBe(false);
          expect(Number(value)).toBeGreaterThanOrEqual(seen.get(String(key)) ?? -1);
          seen.set(String(key), Number(value));
        }
        for (const key of keys) busy.add(key);
        await new Promise<void>(resolve => timed.clock.after(7, resolve));
        for (const key of keys) busy.delete(key);
        const outcome = outcomes.next().value;
        if (outcome === 'all') return down;
        return outcome === 'some' ? batch.map((_, i) => (i % 2 === 0 ? down : undefined)) : undefined;
      };
      for (const [i, { key, wait }] of steps.entries()) {
        await cache.write(`k${key}`, String(i));
        last.set(`k${key}`, i);
        if (wait > 0) await timed.pass(wait);
      }
      for (let i = 0; i < 500 && cache.stats().writes.queued > 0; i++) await timed.pass(40);
      expect(cache.stats().writes).toMatchObject({ queued: 0, queuedBytes: 0, dead: 0 });
      expect(new Map([...store.rows].map(([key, value]) => [key, Number(value)]))).toEqual(last);
      cache.close();
    },
  );
  await fc.assert(property, { numRuns: 30 });
});
