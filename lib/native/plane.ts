// The native UDP plane: its methods, the flights it hands over and its statistics.

/**
 * How a query was answered: from the cache, or from it past its time; a failure that it remembers; by a zone, local data or
 * a hook; by the second level, an upstream, recursion; in the way of a list; not let in, or over a rate; as a query that is
 * none; with a failure (native/udp/answered_by.h).
 */
export const AnsweredBy = {
  hit: 0,
  stale: 1,
  failure: 2,
  zone: 3,
  local: 4,
  hook: 5,
  secondLevel: 6,
  upstream: 7,
  recursion: 8,
  blocked: 9,
  refused: 10,
  invalid: 11,
  failed: 12,
} as const;
export type AnsweredByName = keyof typeof AnsweredBy;
/** Their names in the order of their values. */
export const ANSWERED_BY = Object.keys(AnsweredBy) as readonly AnsweredByName[];

export const FlightKind = { miss: 0, refresh: 1, otherClass: 2, authority: 3 } as const;
/**
 * Places of the fields of a drained flight (native/udp/miss_ring.h), which is as many octets, then the packet, padded
 * to 4. `family` is 4, 6, or 0 where the client has no address; an IPv4 address is in the first four octets.
 */
export const FlightRecord = {
  ticket: 0,
  kind: 4,
  family: 5,
  port: 6,
  address: 8,
  length: 24,
  tenant: 28,
  octets: 32,
} as const;
/** Room that copies of questions and replies take, of which each begins with a CopyRecord. */
export const COPY_OCTETS = 256 * 1024;
/** Places of a copy's numbers; then the query, the reply, padded to 4 octets. */
export const CopyRecord = { queryLength: 0, replyLength: 2, tookUs: 4, octets: 8 } as const;
/** Set in the result of `drain` when more flights wait. */
export const MORE_WAIT = 1 << 30;

export const RCODES_COUNTED = 24;
export const TYPES_COUNTED = 257;
export const DURATION_BUCKETS = 24;
/** Kinds of answers that zones give without JavaScript. */
export const ZONE_ANSWERS = 3;
const PLANE_STATS_SCALARS = [
  'requestsV4',
  'requestsV6',
  'dropped',
  'refused',
  'sent',
  'sendFailed',
  'flights',
  'joined',
  'full',
  'overShare',
  'refreshes',
  'inFlight',
  'waiting',
  'copied',
  'copiesDropped',
] as const;
export interface PlaneStats extends Record<(typeof PLANE_STATS_SCALARS)[number], number> {
  responsesByRcode: Float64Array;
  requestsByTypeV4: Float64Array;
  requestsByTypeV6: Float64Array;
  /** Bucket i counts durations below 2^i microseconds; the last takes the rest. */
  durations: Float64Array;
  /** Of zones without JavaScript: denials, answers of wildcards, referrals. */
  zoneAnswers: Float64Array;
  durationSumUs: number;
  memoryBytes: number;
}
/** Parts of a plane's `stats`, in order, each of so many words. */
export const PLANE_STATS = [
  ...PLANE_STATS_SCALARS.map(name => ({ name, words: 1 })),
  { name: 'zoneAnswers', words: ZONE_ANSWERS },
  { name: 'responsesByRcode', words: RCODES_COUNTED },
  { name: 'requestsByTypeV4', words: TYPES_COUNTED },
  { name: 'requestsByTypeV6', words: TYPES_COUNTED },
  { name: 'durations', words: DURATION_BUCKETS },
  { name: 'durationSumUs', words: 1 },
  { name: 'memoryBytes', words: 1 },
] as const;

export interface NativePlane {
  start(): boolean;
  stopReceiving(): void;
  /** The same for a plane that has its addresses: what is under way is answered by the sockets of that one. */
  yieldTo(next: NativePlane): void;
  receiving(): boolean;
  ports(): number[];
  registerDrain(buffer: Uint8Array): void;
  drain(most: number): number;
  replyMessage(ticket: number, response: Uint8Array, wallSeconds: number, extendedError: number): boolean;
  replyError(ticket: number, rcode: number, extendedError: number, text: string): boolean;
  /** To a flight of kind `authority`: as it is. */
  replyOctets(ticket: number, reply: Uint8Array): boolean;
  replyStale(ticket: number, tenant: number): boolean;
  discard(ticket: number): boolean;
  /** Leaves the flight its first waiter; the others become another one, to be drained. False: they cannot be parted. */
  part(ticket: number): boolean;
  flush(): void;
  /** Flights under way are joined no more. */
  outdate(): void;
  /** For an asker, which completes flights of this plane by it. */
  completion(): unknown;
  /** Writes the record of a drained flight once more. @returns whether there is one of that ticket */
  recall(ticket: number, record: Uint8Array): boolean;
  /** The ticket of the flight that the query would join; -1 where there is none. */
  find(query: Uint8Array): number;
  /** Of 2^32 questions so many are copied with their replies; 0: none. */
  copy(share: number): void;
  /** Moves what was copied to `out`, of COPY_OCTETS. @returns how many octets */
  drainCopies(out: Uint8Array): number;
  stats(out: Float64Array): void;
  close(): void;
}

const planeStatsWords = new Float64Array(PLANE_STATS.reduce((sum, { words }) => sum + words, 0));
export function readPlaneStats(plane: NativePlane): PlaneStats {
  plane.stats(planeStatsWords);
  let at = 0;
  const parts = PLANE_STATS.map(({ name, words }): [string, number | Float64Array] => {
    const from = at;
    at += words;
    return [name, words === 1 ? planeStatsWords[from] : planeStatsWords.slice(from, at)];
  });
  return Object.fromEntries(parts) as unknown as PlaneStats;
}
