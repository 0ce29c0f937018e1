// The cache as an object of one's own: whole DNS messages in and out, in memory of this thread or shared with others.
import { optionError, ShardnsError } from '../base/errors.js';
import { parseMemory } from '../base/memory.js';
import { flag, type InputOf, readFields, type SettingsOf, whole } from '../base/fields.js';
import { type CacheStats, type NativeCache, Status } from '../native/binding.js';
import { typeCode, typeName } from '../wire/iana.js';
import { nameToText } from '../wire/name.js';
import { scrubResponse } from '../wire/scrub.js';
import { type AnswerOptions, Engine, PLAIN_TUNABLES, type Variant } from './engine.js';
import { checkTenant, readForgotten, wireName } from './forgotten.js';
import { LEAST_ROOM, RegisteredBatch } from './registered-batch.js';
import { checkLimit, fileFields, FileWatch, regionFields, readHandle } from './region.js';
import { type LoadOptions, type LoadResult, loadSnapshot, type SaveResult, saveSnapshot } from './snapshot.js';

const ownFields = {
  /** Sizes the index, which is full before the space is where answers are smaller: 80 is one address of a short name. */
  averageEntryBytes: whole(64, 65_536).default(80),
  minTtlSeconds: whole(0, 86_400).default(0),
  maxTtlSeconds: whole(1, 604_800).default(86_400), // RFC 8767 section 4
  negativeMinTtlSeconds: whole(0, 10_800).default(0),
  negativeMaxTtlSeconds: whole(1, 10_800).default(3600), // RFC 2308 section 5
  /** How long past its end an answer is kept, to be had with `allowStale`. */
  staleSeconds: whole(0, 259_200).default(0),
  /** Turn the addresses of an answer within their RRset. */
  rotate: flag.default(false),
  /** Greatest UDP reply. */
  udpSize: whole(512, 4096).default(1232), // RFC 9715 section 3.1
};
const dnsCacheFields = {
  ...regionFields,
  /** In a SharedArrayBuffer, so that other threads can attach. */
  shared: flag.default(false),
  ...ownFields,
};
const dnsCacheFileFields = { ...regionFields, ...ownFields, ...fileFields };
export type DnsCacheOptions = InputOf<typeof dnsCacheFields>;
type DnsCacheSettings = SettingsOf<typeof dnsCacheFields>;
export type DnsCacheFileOptions = InputOf<typeof dnsCacheFileFields> & { path: string };

/** What `share()` gives: goes through `workerData` and `postMessage`. */
export interface DnsCacheHandle {
  readonly kind: 'shardns.DnsCache';
  readonly memory: SharedArrayBuffer;
  readonly settings: Readonly<DnsCacheSettings>;
}

/** Why a response was not stored (RFC 2181, RFC 2308). */
export type NotStored =
  | 'truncated'
  | 'uncacheable' // its rcode, class or type
  | 'no SOA' // a negative answer without one
  | 'TTL 0'
  | 'too large'
  | 'foreign records'; // answers that the question does not lead to

const REASONS: Readonly<Record<number, NotStored>> = {
  [Status.truncated]: 'truncated',
  [Status.uncacheable]: 'uncacheable',
  [Status.noSoa]: 'no SOA',
  [Status.zeroTtl]: 'TTL 0',
  [Status.tooLarge]: 'too large',
  [Status.foreignRecords]: 'foreign records',
};

export interface CachedAnswer {
  message: Uint8Array;
  /** Negative: expired, kept for `allowStale`. */
  remainingSeconds: number;
  /** Hits since it was stored, 3 and more as 3. */
  popularity: number;
}

export interface CacheEntry {
  name: string;
  type: string;
  dnssecOk: boolean;
  checkingDisabled: boolean;
  tenant: number;
  negative: boolean;
  /** Octets of the message. */
  length: number;
  remainingSeconds: number;
  popularity: number;
}

export class DnsCache implements Disposable {
  /** What servers and lookups ride on; no part of the public contract. @internal */
  readonly engine: Engine;
  readonly #settings: DnsCacheSettings;
  readonly #memory: SharedArrayBuffer | undefined;
  readonly #file: FileWatch | undefined;
  #batch: RegisteredBatch | undefined;
  #closed = false;

  private constructor(
    engine: Engine,
    settings: DnsCacheSettings,
    place: { memory?: SharedArrayBuffer; path?: string },
  ) {
    this.engine = engine;
    this.#settings = settings;
    this.#memory = place.memory;
    this.#file = place.path === undefined ? undefined : new FileWatch(place.path, engine.native);
    const { minTtlSeconds, maxTtlSeconds, negativeMinTtlSeconds, negativeMaxTtlSeconds, udpSize } = settings;
    engine.configure({
      ...PLAIN_TUNABLES,
      minTtlSeconds,
      maxTtlSeconds,
      negativeMinTtlSeconds,
      negativeMaxTtlSeconds,
      udpSize,
      staleWindowSeconds: settings.staleSeconds,
      rotate: settings.rotate ? 1 : 0,
    });
  }

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION naming option, value and expectation; ERR_SHARDNS_MEMORY */
  static create(options: DnsCacheOptions = {}): DnsCache {
    const settings = readFields(dnsCacheFields, options);
    const memoryBytes = parseMemory(settings.memory)!;
    // 64 octets more: such a buffer is aligned to 16 only.
    const memory = settings.shared ? new SharedArrayBuffer(memoryBytes + 64) : undefined;
    const { shards, policy, averageEntryBytes } = settings;
    return new DnsCache(new Engine({ memoryBytes, shards, policy, averageEntryBytes, memory }), settings, { memory });
  }

  /**
   * The cache of another thread, over the same memory: entries, invalidations and counts of the writer's side are
   * common; `stats().hits*` are those of this object.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION when it is no handle, ERR_SHARDNS_MEMORY with what is wrong with the memory
   */
  static attach(handle: DnsCacheHandle): DnsCache {
    const { memory, settings } = readHandle(dnsCacheFields, 'shardns.DnsCache', handle);
    return new DnsCache(new Engine({ attach: memory }), settings, { memory });
  }

  /**
   * A cache in a file, mapped by every process that opens it: entries and invalidations are common, at once, and are
   * there after a restart. The file is made with mode 0600 and all its blocks. Any of the processes may be killed at
   * any time; what it was writing is put in order by the next writer. Over a restart of the machine time goes on by the
   * wall clock.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION; ERR_SHARDNS_FILE with what is wrong with the file: no room, another
   * version, size, policy, kind, owner or mode
   */
  static open(options: DnsCacheFileOptions): DnsCache {
    const settings = readFields(dnsCacheFileFields, options);
    const memory = settings.memory ?? '64MiB';
    const { path, recreate, shards, policy = 's3fifo', averageEntryBytes } = settings;
    const [anySize, anyPolicy] = [settings.memory === undefined, settings.policy === undefined];
    const memoryBytes = parseMemory(memory)!;
    const engine = new Engine({ memoryBytes, shards, policy, averageEntryBytes, path, anySize, anyPolicy, recreate });
    return new DnsCache(engine, { ...settings, memory, policy, shared: false }, { path });
  }

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION unless it was made with `shared: true` */
  share(): DnsCacheHandle {
    this.#open();
    if (this.#memory === undefined) {
      throw new ShardnsError('ERR_SHARDNS_OPTION', 'shared: expected true to share this cache, got false');
    }
    return { kind: 'shardns.DnsCache', memory: this.#memory, settings: this.#settings };
  }

  /**
   * Answers a query: the whole reply, with the query's id, letter case and EDNS, TTLs reduced by age. Makes no garbage.
   * @param query wire-format message, 12 to 65535 octets
   * @param out at least 1024 octets; 65599 serve every reply, a greater reply than fits is truncated (TC)
   * @returns octets written; 0 when no reply is due (the message is a response, say); negative for a miss
   */
  answer(query: Uint8Array, out: Uint8Array, options: AnswerOptions = NO_OPTIONS): number {
    this.#open();
    if (!(query instanceof Uint8Array)) throw optionError('query', query, 'a Uint8Array');
    if (!(out instanceof Uint8Array) || out.length < LEAST_ROOM) {
      throw optionError('out', out instanceof Uint8Array ? out.length : out, `${LEAST_ROOM} octets or more`);
    }
    if (options !== NO_OPTIONS) checkAnswerOptions(options);
    return query.length > 65_535 ? 0 : this.engine.answerInto(query, out, options);
  }

  /**
   * Buffers for `answerBatch`, kept until others take their place: query i ends at `ends[i]` and begins where the one
   * before ends; reply i begins at i x replies.length / count and has `lengths[i]` octets, 0, or a negative miss.
   */
  registerBatch(queries: Uint8Array, ends: Uint32Array, replies: Uint8Array, lengths: Int32Array): void {
    this.#open();
    const batch = new RegisteredBatch(queries, ends, replies, lengths);
    this.engine.native.registerBatch(batch.queries, batch.ends, batch.replies, batch.lengths);
    this.#batch = batch;
  }
  /**
   * Answers the first `count` registered queries, whose memory is fetched together.
   * @returns how many had a reply
   * @throws {ShardnsError} ERR_SHARDNS_OPTION for a count that the buffers do not allow, `ends` that do not ascend within
   * the queries, and a buffer that was transferred or has shrunk since it was registered
   */
  answerBatch(count: number): number {
    this.#open();
    const batch = this.#batch;
    const most = batch === undefined ? 0 : batch.most;
    if (!Number.isInteger(count) || count < 0 || count > most) {
      throw optionError('count', count, `0 to ${most}, as the registered buffers allow`);
    }
    if (batch === undefined) return 0;
    batch.check();
    return this.engine.native.answerBatch(count);
  }

  /**
   * Stores an upstream's response to the question it carries, whole and validated.
   * @returns seconds it will live, or why it is not stored
   * @throws {ShardnsError} ERR_SHARDNS_MESSAGE when the octets are no well-formed response
   */
  insert(response: Uint8Array, variant: Variant = {}): number | NotStored {
    this.#open();
    if (!(response instanceof Uint8Array)) throw optionError('response', response, 'a Uint8Array');
    checkVariant(variant);
    const wallSeconds = Math.floor(Date.now() / 1000);
    let status = this.engine.insert(response, variant, wallSeconds);
    if (status === Status.toRewrite) {
      const rewritten = scrubResponse(response);
      status = rewritten === undefined ? Status.tooLarge : this.engine.insert(rewritten, variant, wallSeconds);
    }
    if (status > 0) return status;
    const reason = REASONS[status];
    if (reason !== undefined) return reason;
    throw new ShardnsError('ERR_SHARDNS_MESSAGE', `${response.length} octets that are no well-formed DNS response`);
  }

  /** The stored message, without counting as a hit. */
  peek(name: string, type: string, variant: Variant = {}): CachedAnswer | undefined {
    this.#open();
    checkVariant(variant);
    return this.engine.peek(wireName('name', name), wireType(type), variant);
  }
  delete(name: string, type: string, variant: Variant = {}): boolean {
    this.#open();
    checkVariant(variant);
    return this.engine.remove(wireName('name', name), wireType(type), variant);
  }

  /** Forgets a name, a subtree, a tenant or everything, for every thread, at once and in O(1). */
  invalidate(what: { name: string } | { suffix: string } | { tenant: number } | { all: true }): void {
    this.#open();
    this.engine.invalidate(readForgotten(what));
  }

  /** The entries as they are met, shard by shard, for inspection; expired ones are still among them. */
  *entries(limit = Infinity): Generator<CacheEntry> {
    checkLimit(limit);
    this.#open();
    let left = limit;
    for (const one of this.engine.list()) {
      if (one.failure) continue;
      if (left-- <= 0) return;
      const { dnssecOk, checkingDisabled, tenant } = one.variant;
      const { negative, length, remainingSeconds, popularity } = one;
      const type = typeName(one.type);
      yield {
        name: nameToText(one.name),
        type,
        dnssecOk,
        checkingDisabled,
        tenant,
        negative,
        length,
        remainingSeconds,
        popularity,
      };
      this.#open();
    }
  }

  /**
   * Writes what is here and has not expired to a file, whose place it takes when it is whole: portable, with times by
   * the wall clock. Runs off the main thread, beside readers and writers.
   * @throws {ShardnsError} ERR_SHARDNS_FILE
   */
  async save(path: string): Promise<SaveResult> {
    return saveSnapshot(this.#native(), path);
  }
  /**
   * Adds what a saved file holds and has not expired since. Checks everything in it.
   * @throws {ShardnsError} ERR_SHARDNS_FILE: no file, no snapshot, another version or kind, damaged
   */
  async load(path: string, options: LoadOptions = {}): Promise<LoadResult> {
    return loadSnapshot(this.#native(), path, options);
  }

  stats(): CacheStats {
    this.#open();
    return this.engine.stats();
  }

  /** Lets go of the memory; that of a shared cache goes with the last thread that holds it. */
  close(): void {
    this.#closed = true;
    this.engine.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }

  #native(): NativeCache {
    this.#open();
    return this.engine.native;
  }
  #open(): void {
    if (this.#closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'a DnsCache that is closed');
    this.#file?.check();
  }
}

const NO_OPTIONS: AnswerOptions = {};

function checkAnswerOptions(options: AnswerOptions): void {
  checkBooleans('options', options, ['udp', 'allowStale']);
  checkTenant(options.tenant);
}
const VARIANT: ReadonlySet<string> = new Set(['dnssecOk', 'checkingDisabled', 'tenant']);

function checkVariant(variant: Variant): void {
  // A tenant that is written wrong would be no tenant, whose answers are everybody's.
  for (const name in variant) {
    if (!VARIANT.has(name)) throw new ShardnsError('ERR_SHARDNS_OPTION', `${name}: is not an option`);
  }
  checkBooleans('variant', variant, ['dnssecOk', 'checkingDisabled']);
  checkTenant(variant.tenant);
}
function checkBooleans<T extends object>(name: string, options: T, keys: readonly (keyof T & string)[]): void {
  if (typeof options !== 'object' || (options as unknown) === null) throw optionError(name, options, 'an object');
  for (const key of keys) {
    const value = options[key];
    if (value !== undefined && typeof value !== 'boolean') throw optionError(key, value, 'true or false');
  }
}

function wireType(type: string): number {
  const code = typeof type === 'string' ? typeCode(type) : undefined;
  if (code === undefined) {
    throw optionError('type', type, 'a mnemonic such as AAAA or TYPE123');
  }
  return code;
}
