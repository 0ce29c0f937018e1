// The cache: its memory, how long answers live, when they are made fresh, and what is kept over a restart.
import { z } from 'zod';
import { parseMemory } from '../../base/memory.js';
import { count, memoryOption, pathOption, regionShape } from '../../base/options.js';
import type { Random } from '../../base/random.js';
import type { Configuration, RegionSource } from '../../cache/region.js';
import { TICKS_PER_SECOND, type Tunables } from '../../native/binding.js';
import { type Rows, section } from './row.js';
import { seconds } from './types.js';

const cache = section({
  memory: {
    schema: memoryOption.default('128MiB'),
    change: 'restart',
    why: 'Memory of the answers, taken at the start and never passed: octets, or text such as `512MiB`.',
  },
  policy: {
    schema: regionShape.policy,
    change: 'restart',
    why: '`s3fifo` keeps what is asked twice and lets the rest go; `lru` is exact in each shard while answers have `averageEntryBytes` or more; `lfu` (W-TinyLFU) keeps what is asked most, with a memory that fades; `2q` keeps what is asked again after it had left.',
  },
  shards: {
    schema: regionShape.shards,
    change: 'restart',
    why: 'Parts with a lock each: a power of two, or 0 for one per 4 MiB, at most 64.',
  },
  averageEntryBytes: {
    schema: count(64, 65_536).default(80),
    change: 'restart',
    why: 'Octets of an answer for which the index is sized: 80 is one address of a short name, and gives the index a tenth of the memory; 184 would give it a twentieth. Where answers are smaller, the index is full before the space is.',
  },
  file: {
    schema: pathOption.optional(),
    change: 'restart',
    why: 'A file to keep the cache in, on tmpfs or a disk: warm after a restart, common to the servers that name it. A server with other local data, views, `tenants.enabled`, `upstream.clientSubnet` or `cache.scope` puts a new file in its place.',
  },
  scope: {
    schema: z.string().max(255).default(''),
    change: 'live',
    why: "What the answers are for: servers over one file or shared `DnsCache` whose hooks decide differently need different texts; only those with equal ones find each other's answers.",
  },
  rrsetMemory: {
    schema: memoryOption.optional(),
    change: 'restart',
    why: 'Memory of the RRset cache, where names are resolved from the root or zones are configured; by default twice `cache.memory`.',
  },
  minTtlSeconds: {
    schema: seconds(86_400).default(0),
    change: 'live',
    why: "Least lifetime of an answer; it never passes a signature's expiry.",
  },
  maxTtlSeconds: {
    schema: count(1, 604_800).default(86_400),
    change: 'live',
    why: 'Greatest lifetime of an answer, from when it comes: what is kept already goes on with what it was given. RFC 8767 section 4 says no more than 7 days.',
  },
  negativeMinTtlSeconds: {
    schema: seconds(10_800).default(0),
    change: 'live',
    why: 'Least lifetime of NXDOMAIN and NODATA.',
  },
  negativeMaxTtlSeconds: {
    schema: count(1, 10_800).default(3600),
    change: 'live',
    why: 'Greatest lifetime of NXDOMAIN and NODATA, which `maxTtlSeconds` bounds too; RFC 2308 section 5 says 1 to 3 hours.',
  },
  ttlJitterPercent: {
    schema: count(0, 50).default(0),
    change: 'live',
    why: 'Lifetimes are shortened by up to this, so that what came together does not end together.',
  },
  rotate: { schema: z.boolean().default(false), change: 'live', why: 'Turn the addresses within their RRset.' },
  originalTtl: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'TTLs in replies as they came, not reduced by age nor clamped: for a cache behind others that count themselves. What is put together from RRsets shows what is left of them.',
  },
});

const stale = section({
  enabled: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'Serve expired answers when nothing better comes.',
  },
  windowSeconds: {
    schema: count(1, 259_200).default(86_400),
    change: 'live',
    why: 'How long after its end an answer may be served; RFC 8767 section 5 says 1 to 3 days.',
  },
  ttlSeconds: {
    schema: count(1, 300).default(30),
    change: 'live',
    why: 'TTL that stale records show (RFC 8767 section 4).',
  },
  clientTimeoutMs: {
    schema: count(0, 60_000).default(1800),
    change: 'live',
    why: 'How long a client waits for a fresh answer before it gets the stale one; 0 means at once.',
  },
  forBogus: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Serve an expired answer that was validated, as secure or as needing no signatures, also in place of one that does not prove itself, which is SERVFAIL otherwise (RFC 4035 section 5.5). With its signatures it is served until the first of them ends, without them it has no AD.',
  },
  retrySeconds: {
    schema: count(1, 300).default(30),
    change: 'live',
    why: 'How long after a failure a stale answer is not asked about again.',
  },
});

const failure = section({
  firstSeconds: {
    schema: count(1, 300).default(5),
    change: 'live',
    why: 'How long a failure is remembered at first (RFC 9520 section 3.2); doubled for a question that fails again before as long again has passed.',
  },
  maxSeconds: {
    schema: count(1, 300).default(300),
    change: 'live',
    why: 'How long at most; RFC 9520 section 3.2 says 5 minutes. What is bogus (DNSSEC) is asked for again after a minute, however often it was.',
  },
});

const prefetch = section({
  enabled: { schema: z.boolean().default(true), change: 'live', why: 'Ask anew for popular answers before they end.' },
  share: {
    schema: z.number().min(0).max(0.9).default(0.1),
    change: 'live',
    why: 'Share of the lifetime, before its end, in which a popular answer is refreshed; half of it for less popular ones.',
  },
  maxPerSecond: { schema: count(0, 1_000_000).default(500), change: 'live', why: 'Refreshes a second.' },
  minHits: {
    schema: count(0, 3).default(2),
    change: 'live',
    why: 'Hits since it was stored that make an answer popular enough; one with just so many has half the share.',
  },
  earlyRefreshBetaSeconds: {
    schema: z.number().min(0).max(3600).default(0),
    change: 'live',
    why: 'Probabilistic early refresh, exp(-remaining / beta); 0 means off.',
  },
});

const snapshot = section({
  file: { schema: pathOption, change: 'live', why: 'The file (`--snapshot FILE`).' },
  intervalSeconds: {
    schema: count(0, 86_400).default(300),
    change: 'live',
    why: 'How often it is saved; 0 means only at the end.',
  },
});

const warm = section({
  file: { schema: pathOption, change: 'start', why: 'A list of names, or a query log (`--warm FILE`).' },
  top: {
    schema: count(1, 1_000_000).default(10_000),
    change: 'start',
    why: 'Of a log, so many of the most frequent names.',
  },
  perSecond: { schema: count(1, 1_000_000).default(100), change: 'start', why: 'Questions a second.' },
});

export const cacheRows = {
  cache: { schema: cache.prefault({}), change: 'live', why: 'Answers in memory, or in a file.' },
  stale: { schema: stale.prefault({}), change: 'live', why: 'Expired answers (RFC 8767).' },
  failure: { schema: failure.prefault({}), change: 'live', why: 'Remembered failures (RFC 9520).' },
  prefetch: { schema: prefetch.prefault({}), change: 'live', why: 'Refresh before the end.' },
  snapshot: {
    schema: snapshot.optional(),
    change: 'live',
    why: 'Load the cache from a file at the start; save it there at intervals and at the end.',
  },
  warm: { schema: warm.optional(), change: 'start', why: 'Ask ahead at the start.' },
} as const satisfies Rows;

type Cache = z.output<typeof cache>;

/** @param configuration of a cache in a file: one of another is not wanted any more */
export function regionOf(settings: { cache: Cache }, random: Random, configuration: Configuration): RegionSource {
  const { shards, policy, averageEntryBytes, file, memory } = settings.cache;
  const region = { memoryBytes: parseMemory(memory)!, shards, policy, averageEntryBytes, random };
  return file === undefined
    ? region
    : { ...region, path: file, anySize: false, anyPolicy: false, recreate: true, configuration };
}

interface CacheSettings {
  cache: Cache;
  stale: z.output<typeof stale>;
  prefetch: z.output<typeof prefetch>;
}

/** What of these the native cache reads. */
export function cacheTunables({
  cache,
  stale,
  prefetch,
}: CacheSettings): Omit<Tunables, 'udpSize' | 'clientSubnet' | 'authority'> {
  const share = prefetch.enabled ? Math.round(prefetch.share * 256) : 0;
  const shareAt = (hits: number): number =>
    hits < prefetch.minHits ? 0 : hits === prefetch.minHits && hits > 0 && hits < 3 ? Math.round(share / 2) : share;
  return {
    minTtlSeconds: cache.minTtlSeconds,
    maxTtlSeconds: cache.maxTtlSeconds,
    negativeMinTtlSeconds: cache.negativeMinTtlSeconds,
    negativeMaxTtlSeconds: cache.negativeMaxTtlSeconds,
    ttlJitterPercent: cache.ttlJitterPercent,
    staleWindowSeconds: stale.enabled ? stale.windowSeconds : 0,
    staleTtlSeconds: stale.ttlSeconds,
    // Popularity counts the hits since it was stored, 3 and more as 3: the more popular, the earlier.
    prefetchShare0: shareAt(0),
    prefetchShare1: shareAt(1),
    prefetchShare2: shareAt(2),
    prefetchShare3: shareAt(3),
    earlyRefreshBetaTicks: prefetch.enabled ? Math.round(prefetch.earlyRefreshBetaSeconds * TICKS_PER_SECOND) : 0,
    rotate: cache.rotate ? 1 : 0,
    originalTtl: cache.originalTtl ? 1 : 0,
  };
}
