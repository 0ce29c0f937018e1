// The rules of the native edge, as they are written for a gate, and what has been decided by them.
import { MAX_LISTS, type NativeNameList } from './name-list.js';

/** native/gate/edge_counts.h. */
export const EdgeAction = { allow: 0, drop: 1, refuse: 2, truncate: 3, formErr: 4, badCookie: 5, blocked: 6 } as const;
/** native/gate/cookie.h. */
export const CookieState = { none: 0, malformed: 1, clientOnly: 2, bad: 3, good: 4, goodToRenew: 5 } as const;
/** native/gate/rate_table.h: what is counted, and what becomes of what is over. */
export const RateKind = { query: 0, miss: 1, nxdomain: 2, error: 3 } as const;
export const RateAction = { drop: 0, truncate: 1, slip: 2, refuse: 3 } as const;

/** native/wire/edns.h: the longest name of a server. */
export const MAX_NSID = 128;

/** What `replace` and `replaceEdge` of a gate read. */
export interface NativeEdge {
  /** Of cookies: at most three of 16 octets; the first makes them, the others are checked only. None: no cookies. */
  secrets: Uint8Array;
  /** 1: over UDP, of everybody. */
  requireCookie: number;
  /**
   * Of each rate class: a RateAction, slip, 1 for a dry run, the class of those who have proven their address, and the
   * number of its limits; of each limit: a RateKind, the prefix of IPv4, of IPv6, thousandths of a query a second, burst.
   */
  classes: Uint32Array;
  /** Words of 8 octets, for as long as there are classes and their number stays. */
  counters: number;
  /** The server's name, told to those who ask for it (RFC 5001); at most MAX_NSID octets, none: it has none. */
  nsid: Uint8Array;
  /** Of a translator (DNS64): 16 octets of its prefix, and how many bits of them count; none: there is none. */
  translation: Uint8Array;
  lists: NativeNameList | undefined;
  /** Asked before the lists, and of everybody. */
  overrides: NativeNameList | undefined;
  /** The lists of each set, as two words of bits: the lower ones first. */
  sets: Uint32Array;
  /** Of what a blocked name is answered with. */
  ttlSeconds: number;
  /** Of each list the extended error. */
  errors: Uint32Array;
  /** Of each list the name, where those who are blocked may know it; else none. */
  names: readonly string[];
  /** Records that a match's `data` stands for, and their ends: type, TTL, length and data of each. */
  records: Uint8Array;
  recordEnds: Uint32Array;
  /** Of each the tag under which it is answered, where it is an alias; 0: it is none. */
  aliasTags: Uint32Array;
}

/** Totals. `actions` by EdgeAction, `cookies` by CookieState, `byList` by the places of the lists. */
export interface EdgeStats {
  actions: Float64Array;
  /** Also where a dry run has let it pass. */
  overLimit: number;
  cookies: Float64Array;
  byOverride: number;
  byList: Float64Array;
}
/** Parts of a gate's `edgeStats`, in order, each of so many words. */
export const EDGE_STATS = [
  { name: 'actions', words: Object.keys(EdgeAction).length },
  { name: 'overLimit', words: 1 },
  { name: 'cookies', words: Object.keys(CookieState).length },
  { name: 'byOverride', words: 1 },
  { name: 'byList', words: MAX_LISTS },
] as const;

const statsWords = new Float64Array(EDGE_STATS.reduce((sum, { words }) => sum + words, 0));
export function readEdgeStats(gate: { edgeStats(out: Float64Array): void }): EdgeStats {
  gate.edgeStats(statsWords);
  let at = 0;
  const parts = EDGE_STATS.map(({ name, words }): [string, number | Float64Array] => {
    const from = at;
    at += words;
    return [name, words === 1 ? statsWords[from] : statsWords.slice(from, at)];
  });
  return Object.fromEntries(parts) as unknown as EdgeStats;
}
