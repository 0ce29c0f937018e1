// Hits of threads on one shared cache: this thread alone, then with two workers, in turn. Combined rate over one.
//
//   node bench/lib/workers.mjs
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { DnsCache } from '../../dist/index.js';
import { query, response } from '../../test/support/cache-worker.mjs';
import { keep } from '../results.mjs';

const NAMES = 100_000;
const MS = 1000;
const ROUNDS = 7;

/** Hits until the time given, on the clock that all threads share. */
function hitsUntil(cache, queries, until) {
  const out = new Uint8Array(2048);
  let hits = 0;
  let state = 12_345;
  while (Date.now() < until) {
    for (let i = 0; i < 1000; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      if (cache.answer(queries[(state >>> 8) % NAMES], out) > 0) hits++;
    }
  }
  return hits;
}
const makeQueries = () => Array.from({ length: NAMES }, (_, n) => query(n));

if (!isMainThread) {
  const cache = DnsCache.attach(workerData);
  const queries = makeQueries();
  parentPort.on('message', ({ from, until }) => {
    while (Date.now() < from);
    parentPort.postMessage(hitsUntil(cache, queries, until));
  });
  parentPort.postMessage('ready');
} else {
  const cache = DnsCache.create({ memory: '32MiB', shared: true });
  for (let n = 0; n < NAMES; n++) cache.insert(response(n, 4));
  const queries = makeQueries();
  const next = worker => new Promise(resolve => worker.once('message', resolve));
  const workers = [1, 2].map(() => new Worker(new URL(import.meta.url), { workerData: cache.share() }));
  await Promise.all(workers.map(next));
  const ratios = [];
  const rates = { alone: [], together: [] };
  for (let round = 0; round <= ROUNDS; round++) {
    const alone = hitsUntil(cache, queries, Date.now() + MS);
    const from = Date.now() + 20;
    const all = workers.map(worker => {
      worker.postMessage({ from, until: from + MS });
      return next(worker);
    });
    while (Date.now() < from);
    const own = hitsUntil(cache, queries, from + MS);
    const together = (await Promise.all(all)).reduce((sum, hits) => sum + hits, own);
    if (round === 0) continue;
    ratios.push(together / alone);
    rates.alone.push((alone * 1000) / MS);
    rates.together.push((together * 1000) / MS);
  }
  const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const result = {
    names: NAMES,
    cores: availableParallelism(),
    alone_per_second: median(rates.alone),
    together_per_second: median(rates.together),
    ratio: median(ratios),
  };
  console.log(result);
  keep('workers', result);
  process.exit(0);
}
