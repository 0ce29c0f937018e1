// What a thread that resolves counts, as the words of a message to the main thread, and their sum over threads.
import type { RecursorStats } from '../resolve/recurse/options.js';
import type { TransportStats } from '../transport/transport.js';

const RECURSION = [
  'resolutions',
  'queries',
  'coalesced',
  'lame',
  'rejectedResponses',
  'nameServersFetched',
  'primings',
  'failures',
  'secure',
  'insecure',
  'indeterminate',
  'bogus',
  'synthesised',
  'held',
] as const satisfies readonly (keyof RecursorStats)[];
const TRANSPORT = ['sent', 'received', 'mismatched', 'unknownId'] as const satisfies readonly (keyof TransportStats)[];

export interface WorkerTotals {
  recursion: RecursorStats;
  udp: TransportStats;
  tcp: TransportStats;
  /** Queries that were refused, or not sent in time, for want of room. */
  overloaded: number;
  /** Responses over UDP without the cookie that they were to have. */
  foreignCookies: number;
  /** At present: name servers that something is known of. */
  servers: number;
}

/** Words that are counts since the thread's start; behind them the one that is not. */
const COUNTS = RECURSION.length + 2 * TRANSPORT.length + 2;

export function wordsOf({ recursion, udp, tcp, overloaded, foreignCookies, servers }: WorkerTotals): Float64Array {
  return Float64Array.from([
    ...RECURSION.map(name => recursion[name]),
    ...TRANSPORT.map(name => udp[name]),
    ...TRANSPORT.map(name => tcp[name]),
    overloaded,
    foreignCookies,
    servers,
  ]);
}

/** Words of a thread that has counted nothing yet. */
export const noWords = (): Float64Array => new Float64Array(COUNTS + 1);

/** Adds what a thread that has ended had counted; what it knew is gone with it. */
export function addCounts(words: Float64Array, to: Float64Array): void {
  for (let i = 0; i < COUNTS; i++) to[i] += words[i];
}

/** The sum of several threads' words. */
export function totalsOf(all: readonly Float64Array[]): WorkerTotals {
  let at = 0;
  const next = (): number => {
    const i = at++;
    return all.reduce((sum, words) => sum + words[i], 0);
  };
  const read = <Name extends string>(names: readonly Name[]): Record<Name, number> =>
    Object.fromEntries(names.map(name => [name, next()])) as Record<Name, number>;
  return {
    recursion: read(RECURSION),
    udp: read(TRANSPORT),
    tcp: read(TRANSPORT),
    overloaded: next(),
    foreignCookies: next(),
    servers: next(),
  };
}

/** The sum of counters of the same names. */
export function sumOf<Stats extends Record<keyof Stats, number>>(one: Readonly<Stats>, other: Readonly<Stats>): Stats {
  const sum = { ...one } as Record<string, number>;
  for (const [name, count] of Object.entries<number>(other)) sum[name] = (sum[name] ?? 0) + count;
  return sum as Stats;
}
