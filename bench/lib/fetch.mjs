// A hit of ByteCache.fetch beside what it costs to get the same value without a promise, and beside BentoCache and
// cache-manager where SHARDNS_RIVALS names a folder in which they are installed (npm install bentocache cache-manager):
// they are no dependencies of this package. JSON objects of 80 octets, 10,000 keys in a random order, one after another.
// Then a stampede: a thousand calls for one key that is not there.
//
//   node bench/lib/fetch.mjs
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ByteCache } from '../../dist/index.js';
import { keep, median } from '../results.mjs';

const ENTRIES = 10_000;
const CALLS = 20_000;
const ROUNDS = 9;
const keys = Array.from({ length: ENTRIES }, (_, i) => `user:${i}`);
const order = Uint32Array.from({ length: CALLS }, () => Math.floor(Math.random() * ENTRIES));
const valueOf = i => ({ id: i, name: 'somebody', tags: ['a', 'b', 'c'], at: 1_700_000_000, more: 'xx' });

const cache = ByteCache.create({ memory: '16MiB', codec: 'json', ttlMs: 3_600_000 });
keys.forEach((key, i) => cache.set(key, valueOf(i)));
const load = () => valueOf(0);
const cases = {
  'ByteCache.get': key => cache.get(key),
  'ByteCache.fetch': key => cache.fetch(key, load),
};
const stampedes = { 'ByteCache.fetch': (key, slow) => cache.fetch(key, slow) };

const folder = process.env.SHARDNS_RIVALS;
const resolve = folder === undefined ? undefined : createRequire(`${folder}/package.json`).resolve;
const from = name => import(pathToFileURL(resolve(name)));
if (folder !== undefined) {
  const [{ BentoCache, bentostore }, { memoryDriver }, { createCache }] = await Promise.all([
    from('bentocache'),
    from('bentocache/drivers/memory'),
    from('cache-manager'),
  ]);
  const store = bentostore().useL1Layer(memoryDriver({ maxItems: 2 * ENTRIES, serialize: true }));
  const bento = new BentoCache({ default: 'one', ttl: '1h', stores: { one: store } });
  const manager = createCache({ ttl: 3_600_000 });
  for (const [i, key] of keys.entries()) {
    await bento.set({ key, value: valueOf(i) });
    await manager.set(key, valueOf(i));
  }
  cases['BentoCache.getOrSet, serialised'] = key => bento.getOrSet({ key, factory: load });
  cases['cache-manager wrap'] = key => manager.wrap(key, load);
  stampedes['BentoCache.getOrSet'] = (key, factory) => bento.getOrSet({ key, factory });
  stampedes['cache-manager wrap'] = (key, factory) => manager.wrap(key, factory);
}

const times = Object.fromEntries(Object.keys(cases).map(name => [name, []]));
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(cases)) {
    // Processor time: what else the machine does counts less.
    const begin = process.cpuUsage();
    for (let i = 0; i < CALLS; i++) await run(keys[order[i]]);
    const { user, system } = process.cpuUsage(begin);
    if (round > 0) times[name].push(((user + system) * 1000) / CALLS);
  }
}
const results = Object.fromEntries(
  Object.entries(times).map(([name, list]) => [name, { median: median(list), least: Math.min(...list) }]),
);
console.table(results);

const stampede = {};
for (const [name, run] of Object.entries(stampedes)) {
  let loads = 0;
  const slow = async () => {
    loads++;
    await new Promise(done => setTimeout(done, 20));
    return valueOf(1);
  };
  await Promise.all(Array.from({ length: 1000 }, () => run('nobody has this', slow)));
  stampede[name] = { calls: 1000, loads };
}
console.table(stampede);
keep('fetch', { entries: ENTRIES, results, stampede });
cache.close();
process.exit(0);
