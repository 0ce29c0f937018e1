// A process that writes to a byte cache whose store is a file, behind a stream in Redis; it may be killed at any time.
//
//   node durable-process.mjs LIB PORT FILE FROM COUNT KEYS
//
// Writes numbers from FROM on, each to the key that is its rest modulo KEYS, and says on standard output up to which all of
// them are in Redis. The store fails one call in ten. With COUNT 0 it writes nothing of its own.
import { appendFileSync } from 'node:fs';

const [lib, port, file, from, count, keys] = process.argv.slice(2);
const { ByteCache } = await import(lib);
let calls = 0;
const cache = ByteCache.create({
  memory: '16MiB',
  codec: 'utf8',
  redis: { url: `redis://127.0.0.1:${port}`, secret: 'a secret of many octets', deadlineMs: 2000 },
  writer: {
    durable: true,
    partitions: 4,
    leaseMs: 1000,
    batch: 200,
    concurrency: 2,
    retries: 1000,
    backoffMs: 5,
    maxBackoffMs: 50,
    maxQueued: 2_000_000,
    write: batch => {
      if (++calls % 10 === 0) throw new Error('the store fails one in ten');
      appendFileSync(file, batch.map(({ key, value }) => `${key} ${value}\n`).join(''));
    },
  },
});
while (!cache.stats().level.connected) await new Promise(resolve => setTimeout(resolve, 10));
const [first, last] = [Number(from), Number(from) + Number(count)];
for (let next = first; next < last;) {
  const batch = [];
  for (; batch.length < 500 && next < last; next++) batch.push(cache.write(`key${next % Number(keys)}`, String(next)));
  await Promise.all(batch);
  process.stdout.write(`${next}\n`);
}
process.stdout.write('written\n');
// What others have left in Redis is counted each second.
await new Promise(resolve => setTimeout(resolve, 3000));
setInterval(() => {
  const { queued, dead } = cache.stats().writes;
  process.stdout.write(`left ${queued} dead ${dead}\n`);
}, 200);
