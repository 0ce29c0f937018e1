// A process that reads and writes a cache in a file until it is killed. Leaves with 7 when it saw a wrong answer.
import { DnsCache } from '../../dist/index.js';
import { run } from './cache-worker.mjs';

const cache = DnsCache.open({ path: process.argv[2] });
process.send('ready');
for (let seed = process.pid; ; seed++) {
  if (run(cache, 5000, seed).wrong > 0) process.exit(7);
}
