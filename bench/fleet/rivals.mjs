// ByteCache in two levels beside BentoCache and cache-manager, over one Redis of its own: a value that is in memory, one that is
// in Redis, a thousand calls for one that is nowhere, and a Redis that has stopped. JSON objects of 80 octets.
//
// They are no dependencies of this package: SHARDNS_RIVALS names a folder in which they are installed
// (npm install bentocache cache-manager ioredis@5 keyv@5 @keyv/redis@5).
//
//   SHARDNS_RIVALS=FOLDER npm run bench -- fleet-rivals [ROUNDS]
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ByteCache } from '../../dist/index.js';
import { keep, median } from '../results.mjs';

const ROUNDS = Number(process.argv[2] ?? 5);
const ENTRIES = 5000;
const STALLED_CALLS = 30;
const LOAD_MS = 2;
/** A call that takes longer is given up, and told. */
const PATIENCE_MS = 10_000;
const folder = process.env.SHARDNS_RIVALS;
if (folder === undefined) {
  process.stderr.write('SHARDNS_RIVALS names no folder in which BentoCache and cache-manager are installed\n');
  process.exit(1);
}
const { resolve } = createRequire(`${folder}/package.json`);
const from = name => import(pathToFileURL(resolve(name)));
const sleep = ms => new Promise(done => setTimeout(done, ms));
const port = await new Promise(done => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});
const directory = mkdtempSync(join(tmpdir(), 'shardns-rivals-'));
const redis = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', directory], {
  stdio: 'ignore',
});
process.on('exit', () => redis.kill('SIGKILL'));
await sleep(1000);

const [
  { BentoCache, bentostore },
  { memoryDriver },
  { redisDriver, redisBusDriver },
  { createCache },
  { Keyv },
  keyvRedis,
] = await Promise.all(
  ['bentocache', 'bentocache/drivers/memory', 'bentocache/drivers/redis', 'cache-manager', 'keyv', '@keyv/redis'].map(
    from,
  ),
);
const connection = { host: '127.0.0.1', port };
const url = `redis://127.0.0.1:${port}`;

/** Each makes an instance: `get`, `fetch` through its levels, `set`, and its end. */
const makers = {
  shardns: async () => {
    // Deadlines as they are by default are for the last case; a busy machine is not to be late in the others.
    const cache = ByteCache.create({
      memory: '16MiB',
      codec: 'json',
      ttlMs: 3_600_000,
      redis: { url, secret: 'a secret of thirty-two octets...' },
    });
    while (!cache.stats().level.follows) await sleep(5);
    return {
      get: key => cache.get(key),
      fetch: (key, load) => cache.fetch(key, load),
      set: (key, value) => cache.set(key, value),
      settled: () => cache.settled(10_000),
      end: () => cache.close(),
    };
  },
  BentoCache: async () => {
    const store = bentostore()
      .useL1Layer(memoryDriver({ maxItems: 4 * ENTRIES, serialize: true }))
      .useL2Layer(redisDriver({ connection }))
      .useBus(redisBusDriver({ connection }));
    const cache = new BentoCache({ default: 'one', ttl: '1h', l2CircuitBreakerDuration: '1s', stores: { one: store } });
    return {
      get: key => cache.get({ key }),
      fetch: (key, factory) => cache.getOrSet({ key, factory }),
      set: (key, value) => cache.set({ key, value }),
      settled: () => undefined,
      end: () => cache.disconnectAll(),
    };
  },
  'cache-manager': async () => {
    const Redis = keyvRedis.default;
    const cache = createCache({
      ttl: 3_600_000,
      stores: [new Keyv({ ttl: 3_600_000 }), new Keyv({ store: new Redis(url) })],
    });
    return {
      get: key => cache.get(key),
      fetch: (key, load) => cache.wrap(key, load),
      set: (key, value) => cache.set(key, value),
      settled: () => undefined,
      end: () => cache.disconnect(),
    };
  },
};

const keyOf = i => `user:${i}`;
const valueOf = i => ({ id: i, name: 'somebody', tags: ['a', 'b', 'c'], at: 1_700_000_000, more: 'xx' });
const load = async () => {
  await sleep(LOAD_MS);
  return valueOf(0);
};
const cpu = async run => {
  const begun = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(begun);
  return user + system;
};

const samples = {};
const note = (name, what, value) => ((samples[name] ??= {})[what] ??= []).push(value);
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, make] of Object.entries(makers)) {
    const writer = await make();
    for (let i = 0; i < ENTRIES; i++) await writer.set(keyOf(i), valueOf(i));
    await writer.settled();
    const hits = what =>
      cpu(async () => {
        for (let i = 0; i < ENTRIES; i++) await what(keyOf((i * 7919) % ENTRIES));
      });
    await hits(writer.get);
    note(name, 'get here, ns', ((await hits(writer.get)) * 1000) / ENTRIES);
    note(name, 'fetch here, ns', ((await hits(key => writer.fetch(key, load))) * 1000) / ENTRIES);

    const reader = await make();
    let loads = 0;
    const counted = () => (loads++, load());
    const shared = await cpu(async () => {
      for (let i = 0; i < ENTRIES;) {
        const some = [];
        for (let end = Math.min(i + 64, ENTRIES); i < end; i++) some.push(reader.fetch(keyOf(i), counted));
        await Promise.all(some);
      }
    });
    note(name, 'in Redis, us', shared / ENTRIES);
    note(name, 'loaded in vain', loads);
    loads = 0;
    await Promise.all(Array.from({ length: 1000 }, () => reader.fetch(`nobody has this ${round}`, counted)));
    note(name, 'loads of a stampede', loads);
    await reader.end();
    await writer.end();
  }
}
// Last, as what has hung may go on hanging.
for (const [name, make] of Object.entries(makers)) {
  const cache = await make();
  await cache.fetch('first', load);
  redis.kill('SIGSTOP');
  const took = [];
  let failed = 0;
  for (let i = 0; i < STALLED_CALLS; i++) {
    const begun = performance.now();
    const ended = cache.fetch(`stalled ${name} ${i}`, load).catch(() => failed++);
    const isLate = await Promise.race([ended.then(() => false), sleep(PATIENCE_MS).then(() => true)]);
    took.push(performance.now() - begun);
    if (isLate && ++failed === 3) break;
  }
  redis.kill('SIGCONT');
  await sleep(1000);
  note(name, 'stopped: median ms', median(took));
  note(name, 'stopped: longest ms', Math.max(...took));
  note(name, 'stopped: failed', failed);
  await Promise.race([Promise.resolve(cache.end()).catch(() => {}), sleep(2000)]);
}
const results = Object.fromEntries(
  Object.entries(samples).map(([name, row]) => [
    name,
    Object.fromEntries(Object.entries(row).map(([what, list]) => [what, Number(median(list).toFixed(1))])),
  ]),
);
console.table(results);
keep('fleet-rivals', { entries: ENTRIES, rounds: ROUNDS, loadMs: LOAD_MS, stalledCalls: STALLED_CALLS, results });
process.exit(0);
