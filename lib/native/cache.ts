// The native cache of DNS answers: its methods, and the words and values that cross.
import type { NativeGate } from './gate.js';
import type { NativeRegion } from './region.js';

/** Results of `answer` other than the reply's length in octets. */
export const DROPPED = 0; // no reply is due
export const MISS = -1;
/** Result of `finish` where the client is to get no reply. */
export const NOT_DUE = -1;
export const MISS_WITH_STALE = -2; // a miss for which an expired answer could be served
export const FOR_AUTHORITY = -3; // with the flag `authority`: a transfer, notification, update, signed query, or one for EXPIRE

/** Results of `insert` other than the seconds that the answer may live: native/base/status.h. */
export const Status = {
  ok: 0,
  malformed: -1,
  truncated: -2,
  notAResponse: -3,
  uncacheable: -4,
  noSoa: -5,
  zeroTtl: -6,
  tooLarge: -7,
  foreignRecords: -8,
  anothersRegion: -9,
  toRewrite: -10,
} as const;

/** Words of the control array. */
export const Control = {
  flags: 0,
  tenant: 1,
  refresh: 2,
  answeredBy: 3,
  remainingTicks: 4,
  popularity: 5,
  nextBucket: 6,
  buckets: 7,
  queryLength: 8,
  /** Of the query that was answered or refused; 0 where it has none. */
  type: 9,
  ageTicks: 10,
  /** Of a client's address, 4 or 16, and the words that have it. */
  clientOctets: 11,
  client0: 12,
  client1: 13,
  client2: 14,
  client3: 15,
  /** Where a client gets no reply: why, one of {@link Silence}. */
  silence: 16,
  words: 17,
} as const;
/** Why no reply is due: what came is no query, its client is over a rate, a list says so. */
export const Silence = { noQuery: 0, limited: 1, blocked: 2 } as const;
/**
 * `countReply`: the question was counted before; `countNothing`: nor does the reply count. `resolves`: misses are
 * resolved, ANY too. `authority`: who serves zones. `client`: for the client whose address the control words have, as
 * the gate of `judgeBy` judges it; the word `tenant` is its tag afterwards. `otherTag`, with `countReply`: it is asked again
 * under the tag of a list's alias, and judged as it was at first.
 */
export const ControlFlag = {
  udp: 1,
  allowStale: 2,
  countReply: 4,
  countNothing: 8,
  resolves: 16,
  client: 32,
  otherTag: 64,
  authority: 128,
} as const;
/**
 * From `authoritative` on they are no part of the key: the answer inserted is our own; says nothing of validation; lives
 * as long as the control words `remainingTicks` and `ageTicks` say of another entry; is a zone's own, and not aged.
 */
export const VariantFlag = {
  dnssecOk: 1,
  checkingDisabled: 2,
  authoritative: 4,
  adUnknown: 8,
  inherited: 16,
  ofZone: 32,
} as const;
export const ForgetKind = { all: 0, name: 1, suffix: 2, tenant: 3 } as const;
export const TICKS_PER_SECOND = 16;
/** The tag of clients that nobody has sorted yet; nothing is stored under it. */
export const UNKNOWN_TENANT = 0xffff_ffff;
/** Tags from here on, but for that one, are of aliases of lists: native/gate/edge.h. */
export const ALIAS_TAG = 0x8000_0000;
/** Of such a tag: the alias stands in the place of a name that the question's leads to. */
export const BEHIND_BIT = 0x1_0000;
export const NO_EXTENDED_ERROR = 0xffff;
/** Beside the extended error of `finish` and `replyMessage`: the answer is our own, and AA stays set. */
export const MARK_AUTHORITATIVE = 0x1_0000;
/** The same where it is an answer of a zone of our own: its TTLs are shown as they are, and RA is not set. */
export const MARK_ZONE = 0x2_0000;

/** Words of `configure`, in order. */
export const TUNABLES = [
  'minTtlSeconds',
  'maxTtlSeconds',
  'negativeMinTtlSeconds',
  'negativeMaxTtlSeconds',
  'ttlJitterPercent',
  'staleWindowSeconds',
  'staleTtlSeconds',
  'prefetchShare0',
  'prefetchShare1',
  'prefetchShare2',
  'prefetchShare3',
  'earlyRefreshBetaTicks',
  'udpSize',
  'rotate',
  'clientSubnet',
  'originalTtl',
  'authority',
] as const;
export type Tunables = Record<(typeof TUNABLES)[number], number>;

/** A zone's names and records as lib/zone/packed-nodes.ts has them: not to be changed any more. */
export interface NativeZoneNodes {
  readonly names: Uint8Array;
  readonly nameAt: Uint32Array;
  readonly data: Uint8Array;
  readonly dataAt: Uint32Array;
  readonly flags: Uint8Array;
  readonly slots: Uint32Array;
}
export interface NativeZone {
  readonly base: NativeZoneNodes;
  /** Laid over the base. */
  readonly changes: NativeZoneNodes | undefined;
  /** Of the hash by which slots are taken. */
  readonly keyLow: number;
  readonly keyHigh: number;
  /** Of memory that it keeps. */
  readonly octets: number;
}

export interface NativeCache extends NativeRegion {
  register(query: Uint8Array, reply: Uint8Array, control: Uint32Array): void;
  registerBatch(queries: Uint8Array, queryEnds: Uint32Array, replies: Uint8Array, replyLengths: Int32Array): void;
  answer(): number;
  answerFrom(query: Uint8Array, reply: Uint8Array): number;
  answerBatch(count: number): number;
  insert(
    response: Uint8Array,
    variantFlags: number,
    tenant: number,
    wallSeconds: number,
    scope: Uint8Array | undefined,
  ): number;
  // Names are the first octets of the registered query buffer; what is peeked at comes in the registered reply buffer.
  insertFailure(
    nameLength: number,
    type: number,
    variantFlags: number,
    tenant: number,
    ttlSeconds: number,
    rcode: number,
    extendedError: number,
    text: string,
  ): number;
  remove(nameLength: number, type: number, variantFlags: number, tenant: number): boolean;
  /** A hit may ask for a refresh of the entry once more. */
  allowRefresh(nameLength: number, type: number, variantFlags: number, tenant: number): void;
  peek(nameLength: number, type: number, variantFlags: number, tenant: number): number;
  forget(kind: number, nameLength: number, tenant: number): void;
  /** Another number when something has been forgotten, by whomever; 0 for a cache that is closed. */
  generation(): number;
  /** Whose rules hold for queries with the flag `client`; none: everybody may ask whatever it likes. */
  judgeBy(gate: NativeGate): void;
  finish(query: Uint8Array, response: Uint8Array, wallSeconds: number, extendedError: number): number;
  refuse(query: Uint8Array, rcode: number, extendedError: number, text: string): number;
  configure(tunables: Uint32Array): void;
  declare(configurationHigh: number, configurationLow: number): void;
  responses(out: Float64Array): void;
  /**
   * What the cache has not is answered from this version of a zone where that takes no JavaScript.
   * @param apex folded
   * @param version undefined: its names are left to JavaScript
   * @returns false: there are as many zones as there may be
   */
  putZone(apex: Uint8Array, version: NativeZone | undefined): boolean;
  removeZone(apex: Uint8Array): void;
  /** Clients of these tags are answered by JavaScript. */
  withholdZones(tags: Uint32Array): void;
  /** Answers of zones that calls were given, as PlaneStats has them, then the number of zones. */
  zoneStats(out: Float64Array): void;
}
