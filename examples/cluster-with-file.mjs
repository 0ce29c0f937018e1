// Processes of node:cluster that share a cache in a file. It outlives them: what starts again finds what the last has kept.
import cluster from 'node:cluster';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteCache } from 'shardns';

const memory = '4MiB';
if (cluster.isPrimary) {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-cluster-'));
  const path = join(folder, 'cache');
  for (let i = 0; i < 3; i++) {
    const worker = cluster.fork({ CACHE: path, NUMBER: String(i) });
    const code = await new Promise(resolve => worker.once('exit', resolve));
    if (code !== 0) process.exitCode = 1;
  }
  rmSync(folder, { recursive: true });
} else {
  const { CACHE, NUMBER } = process.env;
  const cache = ByteCache.open({ path: CACHE, memory, codec: 'json', ttlMs: 60_000 });
  const made = await cache.fetch('config', async () => ({ madeBy: NUMBER }));
  console.log(`process ${NUMBER}: made by ${made.madeBy}`);
  cache.close();
  cluster.worker.disconnect();
}
