// Every native name, with its types. Callers have validated their arguments: the native side reports a wrong type as
// ERR_SHARDNS_INTERNAL and follows nothing.
import { createRequire } from 'node:module';
import { countSuspendedTime } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { loadErrorText } from './load-error.js';

/** Results of `answer` other than the reply's length in octets. */
export const DROPPED = 0; // no reply is due
export const MISS = -1;
export const MISS_WITH_STALE = -2; // a miss for which an expired answer could be served

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
  outcome: 3,
  remainingTicks: 4,
  popularity: 5,
  nextBucket: 6,
  buckets: 7,
  queryLength: 8,
  /** Of the query that was answered or refused; 0 where it has none. */
  type: 9,
  ageTicks: 10,
  words: 11,
} as const;
/**
 * `countReply`: the question was counted before; `countNothing`: nor does the reply count. `resolves`: misses are
 * resolved, ANY too.
 */
export const ControlFlag = { udp: 1, allowStale: 2, countReply: 4, countNothing: 8, resolves: 16 } as const;
/**
 * From `authoritative` on they are no part of the key: the answer inserted is our own; says nothing of validation; lives
 * as long as the control words `remainingTicks` and `ageTicks` say of another entry.
 */
export const VariantFlag = {
  dnssecOk: 1,
  checkingDisabled: 2,
  authoritative: 4,
  adUnknown: 8,
  inherited: 16,
} as const;
export const ForgetKind = { all: 0, name: 1, suffix: 2, tenant: 3 } as const;
export const Policy = { s3fifo: 0, lru: 1, lfu: 2, '2q': 3 } as const;
export const TICKS_PER_SECOND = 16;
/** The tag of clients that nobody has sorted yet; nothing is stored under it. */
export const UNKNOWN_TENANT = 0xffff_ffff;
export const NO_EXTENDED_ERROR = 0xffff;
/** Beside the extended error of `finish` and `replyMessage`: the answer is our own, and AA stays set. */
export const MARK_AUTHORITATIVE = 0x1_0000;

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
] as const;
export type Tunables = Record<(typeof TUNABLES)[number], number>;

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
  ): number;
  remove(nameLength: number, type: number, variantFlags: number, tenant: number): boolean;
  /** A hit may ask for a refresh of the entry once more. */
  allowRefresh(nameLength: number, type: number, variantFlags: number, tenant: number): void;
  peek(nameLength: number, type: number, variantFlags: number, tenant: number): number;
  forget(kind: number, nameLength: number, tenant: number): void;
  finish(query: Uint8Array, response: Uint8Array, wallSeconds: number, extendedError: number): number;
  refuse(query: Uint8Array, rcode: number, extendedError: number): number;
  configure(tunables: Uint32Array): void;
  declare(configurationHigh: number, configurationLow: number): void;
  responses(out: Float64Array): void;
}

/** Results of `get` of a byte cache other than the value's length in octets. */
export const Got = { miss: -1, failure: -2, tooLong: -3, keyTooLong: -4 } as const;
export const GetFlag = { allowStale: 1, uncounted: 2 } as const;
export const KIND_SHIFT = 8;
export const ByteControl = {
  kind: 0,
  stale: 1,
  refresh: 2,
  popularity: 3,
  length: 4,
  nextBucket: 5,
  buckets: 6,
  words: 7,
} as const;
/** Flags of a stored value: its kind in the lower three bits, and whether it is a loader's failure. */
export const ByteFlag = { kindMask: 7, failure: 16 } as const;
export const ByteForget = { all: 0, namespace: 1, tag: 2 } as const;
export const MAX_VALUE_OCTETS = 65_536;
/** With the namespace's name and an octet for its length. */
export const MAX_KEY_OCTETS = 4096;
export const MAX_TAGS = 16;

export interface NativeBytes extends NativeRegion {
  register(value: Uint8Array, control: Uint32Array, remainingMs: Float64Array): void;
  /** @param flags GetFlag, and the kind that the value must have from KIND_SHIFT on */
  get(key: string | Uint8Array, namespace: number, flags: number, out?: Uint8Array): number;
  /** @returns 0, or a negative Status or Got.keyTooLong */
  set(
    key: string | Uint8Array,
    namespace: number,
    value: string | Uint8Array,
    flags: number,
    ttlMs: number,
    tags: Uint16Array | undefined,
    generation: number,
  ): number;
  remove(key: string | Uint8Array, namespace: number): number;
  touch(key: string | Uint8Array, namespace: number, ttlMs: number, kind: number): number;
  addNamespace(name: string): number;
  tagMark(tag: string): number;
  forget(kind: number, number: number): void;
  generation(): number;
  /** Stale window in ms, refresh shares by popularity 0 to 3 (of 256), beta of early refresh in ms. */
  configure(words: Uint32Array): void;
}

/** What the native parser makes of a query: native/wire/question.h. */
export const QueryVerdict = {
  answer: 0,
  drop: 1,
  formErr: 2,
  formErrEdns: 3,
  notImp: 4,
  badVersion: 5,
  refused: 6,
  notAuth: 7,
  any: 8,
  otherClass: 9,
} as const;
/** Words that `parseQuery` fills, in order; the subnet's address takes four, its first octet uppermost. */
export const QUERY_WORDS = [
  'flags',
  'type',
  'dnsClass',
  'questionEnd',
  'hasEdns',
  'dnssecOk',
  'ednsVersion',
  'udpSize',
  'subnetFamily',
  'subnetPrefix',
  'subnetAddress0',
  'subnetAddress1',
  'subnetAddress2',
  'subnetAddress3',
] as const;

export const FlightKind = { miss: 0, refresh: 1, otherClass: 2 } as const;
/** A drained flight: this many octets of head, then the packet, padded to 4. */
export const RECORD_HEADER = 32;
/** Set in the result of `drain` when more flights wait. */
export const MORE_WAIT = 1 << 30;

export const RCODES_COUNTED = 24;
export const TYPES_COUNTED = 257;
export const DURATION_BUCKETS = 24;
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
] as const;
export interface PlaneStats extends Record<(typeof PLANE_STATS_SCALARS)[number], number> {
  responsesByRcode: Float64Array;
  requestsByType4: Float64Array;
  requestsByType6: Float64Array;
  /** Bucket i counts durations below 2^i microseconds; the last takes the rest. */
  durations: Float64Array;
  durationSumUs: number;
  memoryBytes: number;
}
const PLANE_STATS_WORDS = PLANE_STATS_SCALARS.length + RCODES_COUNTED + 2 * TYPES_COUNTED + DURATION_BUCKETS + 2;

export interface NativePlane {
  start(): boolean;
  stopReceiving(): void;
  receiving(): boolean;
  ports(): number[];
  registerDrain(buffer: Uint8Array): void;
  drain(most: number): number;
  replyMessage(ticket: number, response: Uint8Array, wallSeconds: number, extendedError: number): boolean;
  replyError(ticket: number, rcode: number, extendedError: number): boolean;
  replyStale(ticket: number, tenant: number): boolean;
  discard(ticket: number): boolean;
  /** Leaves the flight its first waiter; the others become another one, to be drained. False: they cannot be parted. */
  part(ticket: number): boolean;
  flush(): void;
  /** Flights under way are joined no more. */
  outdate(): void;
  stats(out: Float64Array): void;
  close(): void;
}

/** Records of commands that an asker reads from its outbox: native/udp/ask_commands.h. */
export const AskCommand = { ask: 1, callOff: 2 } as const;
export const AskFlag = { keptLetters: 1, anyEntropy: 2 } as const;
/** Octets of a command; a question's message follows it, padded to 4. */
export const ASK_HEAD = 40;
export const CALL_OFF_HEAD = 16;
/** Octets of a server's address in a command. */
export const SERVER_ADDRESS = 24;
/** Records of events that it writes to its inbox: native/udp/event_buffer.h. */
export const AskEvent = {
  answered: 1,
  completed: 2,
  failed: 3,
  doubtLetters: 4,
  doubtQuestion: 5,
  doubtFlood: 6,
} as const;
export const EVENT_HEAD = 16;
/** Values of a failure that are no errno. */
export const AskFailure = { noSocketAlone: -1, tooMany: -2, evicted: -3, malformed: -4 } as const;
/** Numbers of queries are below this. */
export const MAX_QUERIES = 65_536;
/** Octets that an inbox has at least: the longest response and its head. */
export const LEAST_INBOX = EVENT_HEAD + 65_536;

/** Words of an asker's `stats`, in order. */
export const ASKER_STATS = [
  'sent',
  'received',
  'unknownId',
  'wrongQuestion',
  'socketsOpened',
  'sendCalls',
  'receiveCalls',
  'sockets',
  'underWay',
] as const;

export interface NativeAsker {
  /**
   * Does what the commands in the outbox say, and sends.
   * @returns whether something is to be received at once
   */
  flush(octets: number): boolean;
  /** Writes events to the inbox. @returns how many, plus MORE_WAIT when there are more */
  receive(): number;
  /** False for an address that this machine cannot have: it names an interface that is not there. */
  serverAddress(address: string, port: number, out: Uint8Array): boolean;
  stats(out: Float64Array): void;
  close(): void;
}

/** Result of `judge` for a client that may not ask. */
export const REFUSED = -1;

export interface NativeGate {
  /** At once for every reader. */
  replace(set: {
    /** In the places of `gateRule`, one behind the other. */
    rules: Uint8Array;
    /** 1: whoever no rule allows may ask, too. */
    everybody: number;
    /** Not 0: tags are what `remember` was told, of so many clients. */
    clients: number;
  }): void;
  /** @param address 16 octets, where `judge` reads */
  register(address: Uint8Array): void;
  /** @param octets of the registered address, 4 or 16 @returns the client's tag, UNKNOWN_TENANT or REFUSED */
  judge(octets: number): number;
  remember(client: { address: Uint8Array; tag: number; seconds: number }): void;
  forgetClients(): void;
  /** How many are remembered. */
  clients(): number;
  memoryBytes(): number;
  /** Moves time for this object and the planes that judge by it; for tests. */
  shiftClock(ms: number): void;
}
/** Places of a rule's fields in its record, and the record's length: native/addon/gate_object.cc says them. */
export interface GateRuleFields {
  /** 16 octets, IPv4 in the first four. */
  address: number;
  /** 4 octets, little-endian, at most 65,535. */
  tag: number;
  bits: number;
  /** 4 or 6. */
  family: number;
  /** 1: clients inside may ask. */
  allow: number;
  /** 1: the tag counts. */
  tagged: number;
  octets: number;
}

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
  open(options: NativeRegionOptions & { anySize: number; recreate: number }, path: string): T;
}

interface Binding {
  contract: number;
  /** Those of lib/base/answering-ports.ts. */
  answeringPorts: number[];
  /** Milliseconds, suspended time too. */
  clockMs(): number;
  createCache: RegionMakers<NativeCache>['create'];
  attachCache: RegionMakers<NativeCache>['attach'];
  openCache: RegionMakers<NativeCache>['open'];
  createBytes: RegionMakers<NativeBytes>['create'];
  attachBytes: RegionMakers<NativeBytes>['attach'];
  openBytes: RegionMakers<NativeBytes>['open'];
  createGate(seed: { seedHigh: number; seedLow: number }): NativeGate;
  gateRule: GateRuleFields;
  createPlane(
    cache: NativeCache,
    options: {
      endpoints: (string | number)[];
      threads: number;
      pin: number;
      flights: number;
      waiters: number;
      /** What one client may hold of them. */
      clientFlights: number;
      clientWaiters: number;
      /** By which it judges who may ask. */
      gate: NativeGate;
      receiveBufferBytes: number;
    },
    onWake: () => void,
  ): NativePlane;
  /**
   * @param localV4 address to ask from; '' where the kernel chooses
   * @param onReadable called in a turn of its own when there is something to receive
   * @throws ERR_SHARDNS_NATIVE where there is no event loop to watch sockets, or no descriptor left
   */
  createAsker(
    localV4: string,
    localV6: string,
    outbox: Uint8Array,
    inbox: Uint8Array,
    onReadable: () => void,
  ): NativeAsker;
  /** Reads a query as the plane does. @param words QUERY_WORDS @returns a QueryVerdict */
  parseQuery(query: Uint8Array, words: Uint32Array): number;
}

const CONTRACT = 7;

function load(): Binding {
  let binding: Binding;
  try {
    binding = createRequire(import.meta.url)('../../lib/native/load.cjs') as Binding;
  } catch (cause) {
    throw new ShardnsError('ERR_SHARDNS_NATIVE', loadErrorText(cause), { cause });
  }
  if (binding.contract !== CONTRACT) {
    throw new ShardnsError(
      'ERR_SHARDNS_NATIVE',
      `the native addon speaks contract ${binding.contract}, this library ${CONTRACT}: build it again`,
    );
  }
  return binding;
}

let loaded: Binding | undefined;
/** The addon, loaded on first use. */
export function binding(): Binding {
  if (loaded === undefined) {
    loaded = load();
    countSuspendedTime(loaded.clockMs);
  }
  return loaded;
}

const cacheStatsWords = new Float64Array(CACHE_STATS.length);
/** @param shard number of the shard; -1 = all together */
export function readCacheStats(cache: NativeRegion, shard = -1): CacheStats {
  cache.stats(shard, cacheStatsWords);
  return Object.fromEntries(CACHE_STATS.map((name, i) => [name, cacheStatsWords[i]])) as CacheStats;
}

const planeStatsWords = new Float64Array(PLANE_STATS_WORDS);
export function readPlaneStats(plane: NativePlane): PlaneStats {
  plane.stats(planeStatsWords);
  let at = PLANE_STATS_SCALARS.length;
  const take = (n: number): Float64Array => planeStatsWords.slice(at, (at += n));
  return {
    ...(Object.fromEntries(PLANE_STATS_SCALARS.map((name, i) => [name, planeStatsWords[i]])) as Record<
      (typeof PLANE_STATS_SCALARS)[number],
      number
    >),
    responsesByRcode: take(RCODES_COUNTED),
    requestsByType4: take(TYPES_COUNTED),
    requestsByType6: take(TYPES_COUNTED),
    durations: take(DURATION_BUCKETS),
    durationSumUs: take(1)[0],
    memoryBytes: take(1)[0],
  };
}
