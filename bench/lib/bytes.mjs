// ByteCache beside caches on the heap: lru-cache with values as Buffers of the heap's own, and as memory outside it; hits
// at 100,000 entries of 200 octets in a random order. Then 10^7 entries: what the heap grows by, and how long the
// collector stops the program.
//
//   node --expose-gc bench/lib/bytes.mjs
import { PerformanceObserver } from 'node:perf_hooks';
import { LRUCache } from 'lru-cache';
import { ByteCache } from '../../dist/index.js';
import { keep, median } from '../results.mjs';

const ENTRIES = 100_000;
const CALLS = 200_000;
const ROUNDS = 11;
const LENGTH = 200;

const keys = Array.from({ length: ENTRIES }, (_, i) => `user:${i}:profile`);
const order = Uint32Array.from({ length: CALLS }, () => Math.floor(Math.random() * ENTRIES));
const valueOf = i => Buffer.alloc(LENGTH, i);
const outside = i => {
  const memory = new Uint8Array(new ArrayBuffer(LENGTH)); // its octets lie outside the heap
  memory.fill(i);
  return memory;
};

const cache = ByteCache.create({ memory: '160MiB' });
const text = cache.namespace('text', { codec: 'utf8' });
const json = cache.namespace('json', { codec: 'json' });
const onHeap = new LRUCache({ max: ENTRIES });
const offHeap = new LRUCache({ max: ENTRIES });
const withTtl = new LRUCache({ max: ENTRIES, ttl: 3_600_000 });
const parsed = new LRUCache({ max: ENTRIES });
keys.forEach((key, i) => {
  cache.set(key, valueOf(i), { ttlMs: 3_600_000 });
  text.set(key, 'x'.repeat(LENGTH));
  json.set(key, { id: i, name: 'somebody', tags: ['a', 'b', 'c'], at: 1_700_000_000 });
  onHeap.set(key, Buffer.from('x'.repeat(LENGTH)));
  offHeap.set(key, outside(i));
  withTtl.set(key, valueOf(i));
  parsed.set(key, JSON.stringify({ id: i, name: 'somebody', tags: ['a', 'b', 'c'], at: 1_700_000_000 }));
});
const out = Buffer.alloc(1024);
let sink = 0;
const cases = {
  'ByteCache.getInto': key => (sink += cache.getInto(key, out)),
  'ByteCache.get, bytes': key => (sink += cache.get(key).length),
  'ByteCache.get, utf8': key => (sink += text.get(key).length),
  'ByteCache.get, json': key => (sink += json.get(key).id),
  'lru-cache, a reference to a Buffer': key => (sink += onHeap.get(key).length),
  'lru-cache with ttl, a reference': key => (sink += withTtl.get(key).length),
  'lru-cache, a copy of a Buffer': key => (sink += Buffer.from(onHeap.get(key)).length),
  'lru-cache, a copy of memory off the heap': key => (sink += Buffer.from(offHeap.get(key)).length),
  'lru-cache, JSON.parse of a string': key => (sink += JSON.parse(parsed.get(key)).id),
};
const times = Object.fromEntries(Object.keys(cases).map(name => [name, []]));
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(cases)) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < CALLS; i++) run(keys[order[i]]);
    if (round > 0) times[name].push(Number(process.hrtime.bigint() - begin) / CALLS);
  }
}
const results = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
console.table(results);

// --- ten million entries ---
const many = 10_000_000;
const pauses = { total: 0, longest: 0, count: 0 };
new PerformanceObserver(list => {
  for (const { duration } of list.getEntries()) {
    pauses.total += duration;
    pauses.count++;
    pauses.longest = Math.max(pauses.longest, duration);
  }
}).observe({ entryTypes: ['gc'] });
async function fill(set) {
  globalThis.gc();
  await new Promise(resolve => setTimeout(resolve, 50));
  Object.assign(pauses, { total: 0, longest: 0, count: 0 });
  const before = process.memoryUsage().heapUsed;
  const begin = performance.now();
  const value = Buffer.alloc(40, 1);
  for (let i = 0; i < many; i++) {
    set(`key:${i}`, value);
    if (i % 100_000 === 0) await new Promise(setImmediate);
  }
  const seconds = (performance.now() - begin) / 1000;
  await new Promise(resolve => setTimeout(resolve, 50));
  const spent = { ...pauses };
  globalThis.gc();
  const grown = process.memoryUsage().heapUsed - before;
  return { heap_grown_mib: grown / 2 ** 20, seconds, gc_ms: spent.total, longest_gc_ms: spent.longest };
}
// No garbage: what the collector does in ten million hits that copy into one buffer.
function hitsOf(calls) {
  let hits = 0; // a small integer: a sum of octets would outgrow it and be an object
  for (let i = 0; i < calls; i++) if (cache.getInto(keys[i & 1023], out) > 0) hits = (hits + 1) | 0;
  return hits;
}
hitsOf(100_000);
Object.assign(pauses, { total: 0, longest: 0, count: 0 });
const hits = hitsOf(10_000_000);
await new Promise(resolve => setTimeout(resolve, 50));
const garbage = { hits, collections: pauses.count };
console.log(garbage);
cache.close();
const big = ByteCache.create({ memory: '1536MiB', averageEntryBytes: 96 });
const filled = { ByteCache: await fill((key, value) => big.set(key, value)) };
filled.ByteCache.entries = big.stats().entries;
filled.ByteCache.values_found = Array.from({ length: 1000 }, (_, i) => big.has(`key:${i * 9973}`)).filter(
  Boolean,
).length;
big.close();
let lru = new LRUCache({ max: many });
filled['lru-cache'] = await fill((key, value) => lru.set(key, value));
filled['lru-cache'].entries = lru.size;
lru = undefined;
console.table(filled);
keep('bytes', { entries: ENTRIES, value_octets: LENGTH, results, garbage, ten_million: filled, sink: sink > 0 });
