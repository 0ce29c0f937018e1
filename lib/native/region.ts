// A region of either kind of cache, as the native side has it: how one is made, and what every object over one does.

export const Policy = { s3fifo: 0, lru: 1, lfu: 2, '2q': 3 } as const;

/** Words of `stats`, in order. */
export const CACHE_STATS = [
  'hitsPositive',
  'hitsNegative',
  'hitsFailure',
  'hitsStale',
  'misses',
  'refreshes',
  'retries',
  'inserts',
  'updates',
  'evictionsSmall',
  'evictionsMain',
  'evictionsNegative',
  'evictionsIndex',
  'expired',
  'removed',
  'reinsertions',
  'promotions',
  'entries',
  'liveBytes',
  'rebuilds',
  'recoveries',
  /** Of `hitsStale`: questions that had been counted as misses before. */
  'staleAfterMiss',
] as const;
export type CacheStats = Record<(typeof CACHE_STATS)[number], number>;

/** What became of a snapshot that was saved or loaded. */
export interface SnapshotResult {
  /** Entries written, or stored. */
  entries: number;
  /** Of the file, or of the records read. */
  octets: number;
  /** Loading: entries whose time had come. */
  expired: number;
  /** Loading: records that are nothing this cache may hold. */
  rejected: number;
  /** Loading: the file ends, or its checksums fail, before its end. */
  damaged: boolean;
}

/**
 * Memory for buffers that are registered once and used by every call: shared, so that it can be neither detached nor
 * resized and need not be looked up again. Ordinary buffers may be registered too; each call looks where they are.
 */
export function pinnedMemory(octets: number): SharedArrayBuffer {
  return new SharedArrayBuffer(octets);
}

/** What both kinds of caches have. */
export interface NativeRegion {
  /** Records of the entries' format; the control words say where to go on. */
  list(shard: number, bucket: number, out: Uint8Array): number;
  stats(shard: number, out: Float64Array): void;
  shards(): number;
  /** A value of FileState. */
  fileState(): number;
  /** Rejects with ERR_SHARDNS_FILE and what is wrong with the file. */
  save(path: string, rulesHigh: number, rulesLow: number): Promise<SnapshotResult>;
  load(path: string, keepUndamaged: number, rulesHigh: number, rulesLow: number): Promise<SnapshotResult>;
  /** Moves time for this object and the planes on it; for tests. */
  shiftClock(ms: number): void;
  /** Whether time stands still in the whole process, but for shifts; for tests. */
  holdClock(held: boolean): void;
  checkInvariants(): boolean;
  close(): void;
}
export const FileState = { sound: 0, cut: 1, replaced: 2 } as const;

export interface NativeRegionOptions {
  memoryBytes: number;
  shards: number;
  policy: number;
  averageEntryBytes: number;
  seedHigh: number;
  seedLow: number;
  configurationHigh: number;
  configurationLow: number;
}
/** How an object over a region is made. */
export interface RegionMakers<T> {
  /** @param memory zeroed shared memory to lay it out in */
  create(options: NativeRegionOptions, memory?: Uint8Array): T;
  /** @throws ERR_SHARDNS_MEMORY with what is wrong with the memory */
  attach(memory: Uint8Array): T;
  /** @throws ERR_SHARDNS_FILE with what is wrong with the file */
  open(options: NativeRegionOptions & { anySize: number; anyPolicy: number; recreate: number }, path: string): T;
}

const cacheStatsWords = new Float64Array(CACHE_STATS.length);
/** @param shard number of the shard; -1 = all together */
export function readCacheStats(cache: NativeRegion, shard = -1): CacheStats {
  cache.stats(shard, cacheStatsWords);
  return Object.fromEntries(CACHE_STATS.map((name, i) => [name, cacheStatsWords[i]])) as CacheStats;
}
