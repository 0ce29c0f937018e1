// A large configuration file, read and checked by a thread of its own: YAML of 1 MiB takes a second (18,000 local zones,
// measured 2026-11-29), which no query is to wait for. What comes back is copied, some tens of milliseconds of that.
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { ShardnsError } from '../base/errors.js';
import type { ServerOptions } from '../server/settings/settings.js';
import { readConfigFile } from './config.js';

/** Smaller ones take less than a thread does to start. */
const SMALL_BYTES = 32_768;

/** What the thread says. */
export type Read = { options: ServerOptions } | { problem: string };

/** @throws {ShardnsError} ERR_SHARDNS_OPTION with one line a problem */
export async function readConfigAside(path: string): Promise<ServerOptions> {
  if (!isLarge(path)) return readConfigFile(path);
  const worker = new Worker(new URL('../cli/config-worker.js', import.meta.url), { workerData: path });
  const read = await new Promise<Read>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new ShardnsError('ERR_SHARDNS_OPTION', `${path}: the thread that read it ended`)));
  });
  if ('options' in read) return read.options;
  throw new ShardnsError('ERR_SHARDNS_OPTION', read.problem);
}

/** Whoever reads it says what is wrong with a file that is none. */
function isLarge(path: string): boolean {
  try {
    return statSync(path).size > SMALL_BYTES;
  } catch {
    return false;
  }
}
