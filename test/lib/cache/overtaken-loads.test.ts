// Read-through beside writers: what is written or forgotten while a load is under way is not undone by it.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ByteCache } from '../../../lib/index.js';

let cache: ByteCache<string>;
beforeEach(() => {
  cache = ByteCache.create({ memory: '1MiB', codec: 'utf8', maxLoads: 4 });
});
afterEach(() => cache.close());

/** A load that ends when it is told to. */
function load(over: ByteCache<string> = cache, key: string | Uint8Array = 'k', tags: string[] = []) {
  let end = (_: string): void => {};
  let fail = (_: Error): void => {};
  const loaded = new Promise<string>((resolve, reject) => ([end, fail] = [resolve, reject]));
  return { value: over.fetch(key, () => loaded, { tags }), end, fail };
}

test.each<[string, (on: ByteCache<string>) => unknown, string | undefined]>([
  ['deleted', on => on.delete('k'), undefined],
  ['written', on => on.set('k', 'new'), 'new'],
  ['written by its octets', on => on.set(Buffer.from('k'), 'new'), 'new'],
  ['forgotten by tag', on => on.invalidate({ tag: 't' }), undefined],
  ['forgotten with everything', on => on.invalidate({ all: true }), undefined],
  ['cleared', on => on.clear(), undefined],
])('what is %s while it is loaded stays so', async (_, change, left) => {
  const old = load(cache, 'k', ['t']);
  change(cache);
  old.end('old');
  expect(await old.value).toBe('old'); // who asked before may have what was true then
  expect(cache.get('k')).toBe(left);
});

test('a load that is asked for after the change begins after the change', async () => {
  for (const change of [() => cache.delete('k'), () => cache.invalidate({ tag: 't' }), () => cache.clear()]) {
    const old = load(cache, 'k', ['t']);
    change();
    const next = load(cache, 'k', ['t']);
    next.end('next');
    expect(await next.value).toBe('next');
    old.end('old');
    expect(await old.value).toBe('old');
    expect(cache.get('k')).toBe('next');
    cache.clear();
  }
});

test('one that comes later still shares the load that is not overtaken', async () => {
  const old = load();
  cache.delete('k');
  const next = load();
  old.end('old');
  await old.value;
  const joined = cache.fetch('k', () => 'a third');
  next.end('next');
  expect(await Promise.all([next.value, joined])).toEqual(['next', 'next']);
});

test('other keys and namespaces are left alone', async () => {
  const space = cache.namespace<string>('space');
  const loads = [load(cache, 'k'), load(space, 'k'), load(cache, 'other', ['u'])];
  cache.delete('absent');
  cache.invalidate({ tag: 'nobody has it' });
  cache.set('l', 'written');
  for (const one of loads) one.end('loaded');
  await Promise.all(loads.map(one => one.value));
  expect([cache.get('k'), space.get('k'), cache.get('other')]).toEqual(['loaded', 'loaded', 'loaded']);

  const [inside, outside] = [load(space, 'm'), load(cache, 'm')];
  space.clear();
  inside.end('old');
  outside.end('loaded');
  await Promise.all([inside.value, outside.value]);
  expect([space.get('m'), cache.get('m')]).toEqual([undefined, 'loaded']);
});

test('loads that are overtaken count as long as they last', async () => {
  const loads = Array.from({ length: 4 }, () => {
    const one = load();
    cache.delete('k');
    return one;
  });
  await expect(cache.fetch('k', () => 'no room')).rejects.toMatchObject({ code: 'ERR_SHARDNS_OVERLOAD' });
  loads[0].fail(new Error('down'));
  await expect(loads[0].value).rejects.toThrow('down');
  expect(await cache.fetch('k', () => 'room')).toBe('room');
  for (const one of loads.slice(1)) one.end('old');
  await Promise.all(loads.slice(1).map(one => one.value));
  expect(cache.get('k')).toBe('room');
});

test('a failure that is overtaken is not remembered', async () => {
  using remembering = ByteCache.create({ memory: '1MiB', codec: 'utf8', errorTtlMs: 60_000 });
  const old = load(remembering);
  remembering.delete('k');
  old.fail(new Error('down'));
  await expect(old.value).rejects.toThrow('down');
  expect(await remembering.fetch('k', () => 'up again')).toBe('up again');
});

test('a text and octets that look like it do not share a load', async () => {
  const text = load(cache, '\0k');
  const octets = load(cache, Buffer.from('k'));
  text.end('of the text');
  octets.end('of the octets');
  expect(await Promise.all([text.value, octets.value])).toEqual(['of the text', 'of the octets']);
});
