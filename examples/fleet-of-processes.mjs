// Three processes before one database: what one has loaded the others find in Redis, what one changes all forget, and while
// Redis is away each goes on by itself. Takes the Redis of REDIS (`redis://127.0.0.1:6379`), or starts one of its own.
// Needs `npm install @redis/client`.
import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteCache } from 'shardns';
import { startRedis } from './support/redis.mjs';

/** The next message that has `field`. */
const hear = (peer, field) =>
  new Promise(resolve => {
    const read = message => {
      if (!(field in message)) return;
      peer.off('message', read);
      resolve(message[field]);
    };
    peer.on('message', read);
  });
const ask = (peer, request, field) => {
  const said = hear(peer, field);
  peer.send(request);
  return said;
};

if (cluster.isPrimary) {
  const redis = process.env.REDIS === undefined ? await startRedis() : undefined;
  const url = process.env.REDIS ?? redis.url;
  // It stands for a database: the processes ask for rows by messages.
  const rows = new Map([['7', { id: '7', name: 'Ada', plan: 'free' }]]);
  let queries = 0;
  const workers = [1, 2, 3].map(() => cluster.fork({ REDIS: url, NAMESPACE: `example-${process.pid}` }));
  for (const worker of workers) {
    worker.on('message', ({ query }) => {
      if (query === undefined) return;
      queries++;
      worker.send({ row: rows.get(query) ?? null });
    });
  }
  await Promise.all(workers.map(worker => hear(worker, 'ready')));

  const plans = [];
  for (const worker of workers) plans.push((await ask(worker, { user: '7' }, 'said')).plan);
  console.log('three processes:', plans.join(', '), 'by', queries, 'query');

  rows.set('7', { ...rows.get('7'), plan: 'paid' });
  await ask(workers[0], { changed: '7' }, 'said');
  await sleep(100); // milliseconds, as long as nobody is cut off
  plans.length = queries = 0;
  for (const worker of workers) plans.push((await ask(worker, { user: '7' }, 'said')).plan);
  console.log('after a change:', plans.join(', '), 'by', queries, 'query');

  if (redis !== undefined) {
    await redis.stop();
    rows.set('8', { id: '8', name: 'Eva', plan: 'free' });
    console.log('without Redis:', (await ask(workers[1], { user: '8' }, 'said')).name);
    console.log('its state:', await ask(workers[1], { state: true }, 'said'));
  }
  for (const worker of workers) worker.send({ end: true });
} else {
  const cache = ByteCache.create({
    memory: '4MiB',
    codec: 'json',
    ttlMs: 60_000,
    redis: {
      url: process.env.REDIS,
      namespace: process.env.NAMESPACE,
      secret: 'at least sixteen octets, the same everywhere',
      leaseMs: 2000, // one of them loads, the others wait for it
    },
  });
  const query = id => ask(process, { query: id }, 'row');
  const userOf = id => cache.fetch(`user:${id}`, () => query(id), { tags: [`user:${id}`] });

  process.on('message', async ({ user, changed, state, end }) => {
    if (user !== undefined) {
      const found = await userOf(user);
      await cache.settled(); // for the example: the next process asks at once
      process.send({ said: found });
    } else if (changed !== undefined) {
      cache.invalidate({ tag: `user:${changed}` });
      process.send({ said: await cache.settled() });
    } else if (state) {
      const { connected, follows } = cache.stats().level;
      process.send({ said: `connected ${connected}, follows ${follows}` });
    } else if (end) {
      await cache.end();
      cluster.worker.disconnect();
    }
  });
  // Not needed to begin: until then it is a cache of its own.
  while (!cache.stats().level.follows) await sleep(10);
  process.send({ ready: true });
}
