// What a byte cache has counted beside its native side.
import type { LoadCounts } from './fetcher.js';
import type { ByteLevel } from './level.js';
import type { ByteStore } from './store.js';
import { NO_WRITES, type WriteCounts } from './writer.js';

export interface ByteCacheCounts {
  /** Of this thread. */
  loads: LoadCounts & {
    /** Loaders at work now. */
    running: number;
  };
  /** Of all namespaces' writers together, of this thread. */
  writes: WriteCounts;
  /** Of the second level. */
  level: LevelReport | undefined;
}

export function countsOf({ fetcher, writers, level }: ByteStore): ByteCacheCounts {
  const writes = { ...NO_WRITES };
  for (const { counts } of writers.values()) {
    for (const name of Object.keys(writes) as (keyof WriteCounts)[]) writes[name] += counts[name];
  }
  return { loads: { ...fetcher.counts, running: fetcher.running }, writes, level: level && reportOf(level) };
}

export type LevelReport = ReturnType<typeof reportOf>;

function reportOf({ stats, refused, redis }: ByteLevel) {
  const { connection, reader, reads, writes, writer, breaker, breakerOpened } = redis;
  return {
    ...stats,
    /** Values that were found and not believed, by reason. */
    refused: { ...redis.refused, ...refused },
    connected: connection.isConnected,
    /** Why it is not connected, or its log not followed; undefined while both are. */
    error: redis.error,
    /** Whether the log of invalidations is followed. */
    follows: redis.follows,
    breaker,
    breakerOpened,
    /** Values and invalidations that wait to be written. */
    queued: writes.size,
    unsaid: writer.size,
    lateCommands: connection.stats.late,
    notAsked: reads.stats.notAsked,
    written: writes.stats.written,
    dropped: writes.stats.dropped,
    /** The last failure of a write, if there was one. */
    writeError: writes.lastError,
    logItems: reader.stats.items,
    logGaps: reader.stats.gaps,
    /** Entries that are not believed: said by another secret, or by somebody else. */
    logRefused: reader.stats.refused,
  };
}
