// A thread that reads and writes a shared cache until it has done its count, or for ever. Every octet of an answer
// follows from its name and version, so that any mix of two shows.
import { parentPort, workerData } from 'node:worker_threads';
import { DnsCache } from '../../dist/index.js';

export const NAMES = 4000;

/** n<7 digits>.torture. */
export function query(n) {
  const digits = String(n).padStart(7, '0');
  const name = Buffer.from([8, ...Buffer.from(`n${digits}`), 7, ...Buffer.from('torture'), 0]);
  return Buffer.concat([Buffer.from([0, n & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), name, Buffer.from([0, 1, 0, 1])]);
}
export function response(n, version) {
  const head = query(n);
  head[2] = 0x81;
  head[3] = 0x80;
  const records = 1 + (version % 5);
  head[7] = records;
  const record = i => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, version, (n >> 8) & 255, n & 255, i]);
  return Buffer.concat([head, ...Array.from({ length: records }, (_, i) => record(i))]);
}
/** Whether a reply is one that was once stored for n. */
export function isWhole(reply, length, n, asked) {
  const end = asked.length;
  for (let i = 12; i < end; i++) if (reply[i] !== asked[i]) return false;
  const version = reply[end + 12];
  const records = 1 + (version % 5);
  if (reply[7] !== records || length !== end + records * 16) return false;
  for (let i = 0; i < records; i++) {
    const at = end + i * 16 + 12;
    if (
      reply[at] !== version ||
      reply[at + 1] !== ((n >> 8) & 255) ||
      reply[at + 2] !== (n & 255) ||
      reply[at + 3] !== i
    )
      return false;
  }
  return true;
}

export function run(cache, operations, seed) {
  const queries = Array.from({ length: NAMES }, (_, n) => query(n));
  const out = new Uint8Array(4096);
  let state = seed | 1;
  const result = { hits: 0, wrong: 0, writes: 0 };
  for (let i = 0; i < operations; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const n = (state >>> 8) % NAMES;
    if ((state & 63) === 0) {
      cache.insert(response(n, (state >>> 20) & 255));
      result.writes++;
      continue;
    }
    const length = cache.answer(queries[n], out);
    if (length > 0) {
      result.hits++;
      if (!isWhole(out, length, n, queries[n])) result.wrong++;
    }
  }
  return result;
}

if (workerData?.handle !== undefined) {
  const cache = DnsCache.attach(workerData.handle);
  parentPort.postMessage('ready');
  if (workerData.operations === undefined) {
    for (let seed = workerData.seed; ; seed++) run(cache, 10_000, seed);
  }
  parentPort.postMessage(run(cache, workerData.operations, workerData.seed));
}
