// What a byte cache has counted beside its native side.
import type { LoadCounts } from './fetcher.js';
import type { ByteStore } from './store.js';
import type { WriteCounts } from './writer.js';

export interface ByteCacheCounts {
  /** Of this thread. */
  loads: LoadCounts & {
    /** Loaders at work now. */
    running: number;
  };
  /** Of all namespaces' writers together, of this thread. */
  writes: WriteCounts;
}

export function countsOf({ fetcher, writers }: ByteStore): ByteCacheCounts {
  const writes = Object.fromEntries(NO_WRITES) as Record<keyof WriteCounts, number>;
  for (const { counts } of writers.values()) for (const [name] of NO_WRITES) writes[name] += counts[name];
  return { loads: { ...fetcher.counts, running: fetcher.running }, writes };
}

const NO_WRITES = (
  ['queued', 'queuedBytes', 'written', 'coalesced', 'failures', 'retries', 'dead', 'refused'] as const
).map(name => [name, 0] as const);
