// A bounded cache of octets off the heap for any code: keys and values of one's own, each with its time to live.
import { isUtf8 } from 'node:buffer';
import { optionError, ShardnsError } from '../base/errors.js';
import { parseMemory } from '../base/memory.js';
import { readFields } from '../base/fields.js';
import {
  binding,
  BYTE_TUNABLES,
  ByteControl,
  type ByteTunables,
  ByteFlag,
  ByteForget,
  type CacheStats,
  GetFlag,
  Got,
  KIND_SHIFT,
  MAX_KEY_OCTETS,
  MAX_TAGS,
  MAX_VALUE_OCTETS,
  type NativeBytes,
  pinnedMemory,
  readCacheStats,
  Status,
} from '../native/binding.js';
import {
  type ByteCacheFileOptions,
  byteCacheFields,
  byteCacheFileFields,
  type ByteCacheOptions,
  type ByteCacheSettings,
  type ByteNamespaceOptions,
  type ByteNamespaceSettings,
  namespaceFields,
} from './byte-cache-options.js';
import { isWellFormed } from '../base/text.js';
import { CODECS, type Codec, type CodecName } from './codec.js';
import { type FetchOptions, Fetcher, type Loader } from './fetcher.js';
import { checkLimit, FileWatch, listed, makeRegion, type RegionSource, readHandle } from './region.js';
import { type LoadOptions, type LoadResult, loadSnapshot, type SaveResult, saveSnapshot } from './snapshot.js';

/** What `share()` gives: goes through `workerData` and `postMessage`. */
export interface ByteCacheHandle {
  readonly kind: 'shardns.ByteCache';
  readonly memory: SharedArrayBuffer;
  readonly settings: Readonly<ByteCacheSettings>;
}

export type ByteKey = string | Uint8Array;

export interface SetOptions {
  /** Lifetime; Infinity = until evicted. Default: that of the cache or namespace. */
  ttlMs?: number;
  /** Up to 16, to be forgotten together by `invalidate({ tag })`. */
  tags?: readonly string[];
}

export interface ByteEntry {
  key: Buffer;
  /** Octets of the value. */
  length: number;
  /** Infinity: does not expire; negative: expired. */
  remainingMs: number;
  /** Hits since it was stored, 3 and more as 3. */
  popularity: number;
}

/** The native cache, and what its views share. */
interface Store {
  readonly native: NativeBytes;
  readonly settings: ByteCacheSettings;
  readonly memory: SharedArrayBuffer | undefined;
  readonly file: FileWatch | undefined;
  /** Where values are left by the native side. */
  readonly value: Buffer;
  readonly control: Uint32Array;
  readonly remainingMs: Float64Array;
  readonly fetcher: Fetcher;
  closed: boolean;
}

/**
 * A bounded cache with times to live, in one block of memory off the heap that is taken at construction and never
 * passed. Keys are strings (UTF-8) or octets, together with the namespace's name at most 4096 octets; values at most
 * 65,536 octets as their codec writes them.
 */
export class ByteCache<V = Uint8Array> implements Disposable {
  readonly #store: Store;
  readonly #native: NativeBytes;
  /** 0: the namespace without a name. */
  readonly #space: number;
  readonly #codec: Codec;
  /** What another codec has written is no value here: octets do not choose what reads them. */
  readonly #kind: number;
  readonly #ttlMs: number;
  /** The name with its length before it, as keys begin in `entries()`. */
  readonly #prefix: Buffer;

  private constructor(store: Store, name: string, options: ByteNamespaceSettings) {
    this.#store = store;
    this.#native = store.native;
    this.#codec = CODECS[options.codec ?? store.settings.codec];
    this.#kind = this.#codec.kind << KIND_SHIFT;
    this.#ttlMs = options.ttlMs ?? store.settings.ttlMs;
    this.#space = name === '' ? 0 : this.#native.addNamespace(name);
    const octets = Buffer.from(name);
    this.#prefix = Buffer.concat([Buffer.from([octets.length]), octets]);
  }

  /** For tests, which move its clock. @internal */
  get native(): NativeBytes {
    return this.#native;
  }

  /** How long past its time a value is kept from now on, for those who allow that. @internal */
  keepStale(ms: number): void {
    const { native, settings } = this.#open();
    configure(native, settings, ms);
  }

  static #over<V>(
    source: RegionSource,
    settings: ByteCacheSettings,
    place: { memory?: SharedArrayBuffer; path?: string },
  ): ByteCache<V> {
    const { createBytes: create, attachBytes: attach, openBytes: open } = binding();
    const native = makeRegion({ create, attach, open }, source);
    const value = Buffer.from(pinnedMemory(MAX_VALUE_OCTETS + 64));
    const control = new Uint32Array(pinnedMemory(4 * ByteControl.words));
    const remainingMs = new Float64Array(pinnedMemory(8));
    native.register(value, control, remainingMs);
    configure(native, settings, Math.max(settings.staleWhileRevalidateMs, settings.staleIfErrorMs));
    const store: Store = {
      native,
      settings,
      memory: place.memory,
      file: place.path === undefined ? undefined : new FileWatch(place.path, native),
      value,
      control,
      remainingMs,
      fetcher: new Fetcher(settings),
      closed: false,
    };
    return new ByteCache<V>(store, '', {});
  }

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION naming option, value and expectation; ERR_SHARDNS_MEMORY */
  static create(options?: ByteCacheOptions & { codec?: 'bytes' }): ByteCache;
  static create(options: ByteCacheOptions & { codec: 'utf8' }): ByteCache<string>;
  static create<V>(options: ByteCacheOptions & { codec: 'json' | 'v8' }): ByteCache<V>;
  static create<V>(options: ByteCacheOptions = {}): ByteCache<V> {
    const settings = readFields(byteCacheFields, options);
    const memoryBytes = parseMemory(settings.memory)!;
    // 64 octets more: such a buffer is aligned to 16 only.
    const memory = settings.shared ? new SharedArrayBuffer(memoryBytes + 64) : undefined;
    const { shards, policy, averageEntryBytes } = settings;
    return ByteCache.#over({ memoryBytes, shards, policy, averageEntryBytes, memory }, settings, { memory });
  }

  /**
   * The cache of another thread, over the same memory. Values, invalidations and the writers' counts are common; hits
   * and loads in flight are each thread's own.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION when it is no handle, ERR_SHARDNS_MEMORY with what is wrong with the memory
   */
  static attach<V = Uint8Array>(handle: ByteCacheHandle): ByteCache<V> {
    const { memory, settings } = readHandle(byteCacheFields, 'shardns.ByteCache', handle);
    return ByteCache.#over({ attach: memory }, settings, { memory });
  }

  /** A cache in a file, mapped by every process that opens it: as {@link DnsCache.open}. */
  static open(options: ByteCacheFileOptions & { codec?: 'bytes' }): ByteCache;
  static open(options: ByteCacheFileOptions & { codec: 'utf8' }): ByteCache<string>;
  static open<V>(options: ByteCacheFileOptions & { codec: 'json' | 'v8' }): ByteCache<V>;
  static open<V>(options: ByteCacheFileOptions): ByteCache<V> {
    const settings = readFields(byteCacheFileFields, options);
    const memory = settings.memory ?? '64MiB';
    const { path, recreate, shards, policy, averageEntryBytes } = settings;
    const anySize = settings.memory === undefined;
    const source = { memoryBytes: parseMemory(memory)!, shards, policy, averageEntryBytes, path, anySize, recreate };
    return ByteCache.#over(source, { ...settings, memory, shared: false }, { path });
  }

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION unless it was made with `shared: true` */
  share(): ByteCacheHandle {
    const { memory, settings } = this.#open();
    if (memory === undefined) {
      throw new ShardnsError('ERR_SHARDNS_OPTION', 'shared: expected true to share this cache, got false');
    }
    return { kind: 'shardns.ByteCache', memory, settings };
  }

  /**
   * Keys of their own under a name, in the same memory, with their own codec and lifetime; `clear()` forgets them in
   * O(1). The same name is the same namespace, in every thread and process.
   * @param name 1 to 255 octets
   */
  namespace<W = V>(name: string, options: ByteNamespaceOptions = {}): ByteCache<W> {
    const store = this.#open();
    if (this.#space !== 0) throw optionError('namespace', name, 'to be made from the cache, not from a namespace');
    if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > 255 || !isWellFormed(name)) {
      throw optionError('namespace', name, 'a name of 1 to 255 octets without lone surrogates');
    }
    return new ByteCache<W>(store, name, readFields(namespaceFields, options));
  }

  /** The value, or undefined. An expired one is none. */
  get(key: ByteKey): V | undefined {
    this.#ready(key);
    const got = this.#native.get(key, this.#space, this.#kind);
    return got >= 0 ? this.#decode(key, got) : this.#nothing(key, got);
  }

  /**
   * Copies the value's octets, as its codec has written them, into a buffer of the caller's. Makes no garbage.
   * @returns octets written, or -1 when there is no value
   * @throws {ShardnsError} ERR_SHARDNS_OPTION when `out` is too small
   */
  getInto(key: ByteKey, out: Uint8Array): number {
    this.#ready(key);
    if (!(out instanceof Uint8Array)) throw optionError('out', out, 'a Uint8Array');
    const got = this.#native.get(key, this.#space, this.#kind, out);
    if (got >= 0) return got;
    if (got === Got.tooLong) {
      throw optionError('out', out.length, `room for the value's ${this.#store.control[ByteControl.length]} octets`);
    }
    this.#nothing(key, got);
    return -1;
  }

  /**
   * The same, expired values too if `allowStale`; how long it has left is in {@link lastRemainingMs}.
   * @internal
   */
  lookInto(key: ByteKey, out: Uint8Array, allowStale: boolean): number {
    this.#ready(key);
    return this.#native.get(key, this.#space, this.#kind | (allowStale ? GetFlag.allowStale : 0), out);
  }
  /** Of the last value that was found; negative: expired. @internal */
  get lastRemainingMs(): number {
    return this.#store.remainingMs[0];
  }

  /** The values of many keys, in their order. */
  getMany(keys: readonly ByteKey[]): (V | undefined)[] {
    if (!Array.isArray(keys)) throw optionError('keys', keys, 'an array');
    return (keys as readonly ByteKey[]).map(key => this.get(key));
  }

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION for a value that its codec does not take or that is too long */
  set(key: ByteKey, value: V, options?: SetOptions): void {
    this.#ready(key);
    this.#write(key, value, options, 0);
    this.#overtake(key);
  }

  /** Whether there is a value that has not expired; no hit. */
  has(key: ByteKey): boolean {
    const ttl = this.ttl(key);
    return ttl !== undefined && ttl > 0;
  }
  /** Milliseconds that the value has left, Infinity for ever; undefined when there is none; no hit. */
  ttl(key: ByteKey): number | undefined {
    this.#ready(key);
    const got = this.#native.get(key, this.#space, this.#kind | GetFlag.uncounted, NO_ROOM);
    if (got < 0 && got !== Got.tooLong) {
      this.#nothing(key, got);
      return undefined;
    }
    return this.#store.remainingMs[0];
  }
  /** Gives the value that is there a new lifetime; false when there is none. */
  touch(key: ByteKey, ttlMs: number = this.#ttlMs): boolean {
    this.#ready(key);
    checkTtl(ttlMs);
    return this.#had(key, this.#native.touch(key, this.#space, ttlMs, this.#codec.kind));
  }
  delete(key: ByteKey): boolean {
    this.#ready(key);
    this.#overtake(key);
    return this.#had(key, this.#native.remove(key, this.#space));
  }

  /**
   * The value, or what `load` gives for it, which is then stored: read-through. Calls for one key share one load, in
   * this thread. What is written or deleted in this thread, or invalidated anywhere, while it is loaded stays so: the value
   * goes to those who wait for it already, and who comes later has a load that begins later.
   * @param load undefined as its result is returned and not stored
   * @throws what `load` throws; ERR_SHARDNS_LOADER while a failure of its is remembered (`errorTtlMs`);
   * ERR_SHARDNS_OVERLOAD beyond `maxLoads`; ERR_SHARDNS_ABORTED by the caller's signal, which leaves the load alone
   */
  async fetch(key: ByteKey, load: Loader<V>, options: FetchOptions<V> = {}): Promise<V> {
    this.#ready(key);
    checkOptions(options, FETCH_OPTIONS);
    if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
      throw optionError('signal', options.signal, 'an AbortSignal');
    }
    if (options.tags !== undefined) this.#marks(options.tags);
    if (typeof load !== 'function') throw optionError('load', load, 'a function');
    if (options.ttlMs !== undefined && typeof options.ttlMs !== 'function') checkTtl(options.ttlMs);
    const store = this.#store;
    const { native, control, remainingMs, fetcher } = store;
    let own = key;
    let generation = 0;
    return fetcher.fetch<V>({
      id: () => this.#id(own),
      groups: () => [`namespace ${this.#space}`, ...(options.tags ?? []).map(tag => `tag ${tag}`)],
      load: () => {
        // The caller's octets may change while it is loaded.
        if (typeof key !== 'string') own = Uint8Array.from(key);
        generation = native.generation();
        return load(own);
      },
      signal: options.signal,
      look: () => {
        if (store.closed) return undefined;
        const got = native.get(own, this.#space, this.#kind | GetFlag.allowStale);
        if (got === Got.failure) return { failure: this.#failure() };
        if (got < 0) {
          this.#nothing(own, got);
          return undefined;
        }
        const refresh = control[ByteControl.refresh] !== 0;
        const expiredMs = -remainingMs[0];
        const value = this.#decode(own, got);
        return value === undefined ? undefined : { value, refresh, expiredMs };
      },
      store: value => {
        if (store.closed) return;
        const ttlMs = typeof options.ttlMs === 'function' ? options.ttlMs(value) : options.ttlMs;
        this.#write(own, value, { ttlMs, tags: options.tags }, generation);
      },
      note: (text, ttlMs) => {
        if (!store.closed) native.set(own, this.#space, text, FAILURE_FLAGS, ttlMs, undefined, generation);
      },
    });
  }

  /** Forgets what carries a tag, or everything in all namespaces, for every thread and process, at once and in O(1). */
  invalidate(what: { tag: string } | { all: true }): void {
    const { native, fetcher } = this.#open();
    if (typeof what === 'object' && what !== null && 'tag' in what) {
      native.forget(ByteForget.tag, native.tagMark(checkTag(what.tag)));
      fetcher.overtakeGroup(`tag ${what.tag}`);
    } else if ((what as { all?: true } | null | undefined)?.all === true) {
      native.forget(ByteForget.all, 0);
      fetcher.overtakeGroup();
    } else throw optionError('invalidate', what, '{ tag } or { all: true }');
  }
  /** Forgets this namespace; of the cache itself: everything. O(1). */
  clear(): void {
    const { native, fetcher } = this.#open();
    native.forget(this.#space === 0 ? ByteForget.all : ByteForget.namespace, this.#space);
    fetcher.overtakeGroup(this.#space === 0 ? undefined : `namespace ${this.#space}`);
  }

  /** The entries of this namespace as they are met, for inspection; invalidated and expired ones are still among them. */
  *entries(limit = Infinity): Generator<ByteEntry> {
    checkLimit(limit);
    const { native, control } = this.#open();
    let left = limit;
    const { nextBucket, buckets } = ByteControl;
    for (const [out, at] of listed(native, control, { nextBucket, buckets })) {
      const key = out.subarray(at + 24, at + 24 + out.readUInt16LE(at + 12));
      const { length } = this.#prefix;
      if (!key.subarray(0, length).equals(this.#prefix) || (out[at + 14] & ByteFlag.failure) !== 0) continue;
      if (left-- <= 0) return;
      yield {
        key: Buffer.from(key.subarray(length)),
        length: out.readUInt32LE(at + 4),
        remainingMs: out.readDoubleLE(at + 16),
        popularity: out.readUInt32LE(at + 8),
      };
      this.#open();
    }
  }

  /**
   * Writes what all namespaces hold and has not expired, without failures, to a file, whose place it takes when it is
   * whole: portable, with times by the wall clock. Runs off the main thread, beside readers and writers.
   * @throws {ShardnsError} ERR_SHARDNS_FILE
   */
  async save(path: string): Promise<SaveResult> {
    return saveSnapshot(this.#open().native, path);
  }
  /**
   * Adds what a saved file holds and has not expired since. Checks everything in it.
   * @throws {ShardnsError} ERR_SHARDNS_FILE: no file, no snapshot, another version or kind, damaged
   */
  async load(path: string, options: LoadOptions = {}): Promise<LoadResult> {
    return loadSnapshot(this.#open().native, path, options);
  }

  /** Of the whole cache, whatever the namespace. */
  stats(): CacheStats {
    return readCacheStats(this.#open().native);
  }

  /** Lets go of the memory, for all namespaces; that of a shared cache goes with its last thread. */
  close(): void {
    if (this.#store.closed) return;
    this.#store.closed = true;
    this.#native.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }

  #open(): Store {
    if (this.#store.closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'a ByteCache that is closed');
    this.#store.file?.check();
    return this.#store;
  }
  #ready(key: ByteKey): void {
    if (this.#store.closed || this.#store.file !== undefined) this.#open();
    if (typeof key === 'string') {
      if (!isWellFormed(key)) throw optionError('key', key, 'a string without lone surrogates, or octets');
    } else if (!(key instanceof Uint8Array)) {
      throw optionError('key', key, 'a string or a Uint8Array');
    }
  }

  /** Of a key in its namespace; the two forms of a key do not meet. */
  #id(key: ByteKey): string {
    return typeof key === 'string'
      ? `${this.#space} text ${key}`
      : `${this.#space} octets ${Buffer.from(key).toString('latin1')}`;
  }
  #overtake(key: ByteKey): void {
    const { fetcher } = this.#store;
    if (!fetcher.loading) return;
    fetcher.overtake(this.#id(key));
    // The same key in its other form.
    const octets = Buffer.from(key);
    if (typeof key === 'string') fetcher.overtake(this.#id(octets));
    else if (isUtf8(octets)) fetcher.overtake(this.#id(octets.toString()));
  }

  #decode(key: ByteKey, length: number): V | undefined {
    try {
      return this.#codec.decode(this.#store.value, length) as V;
    } catch {
      // Memory that others share may hold anything: what cannot be read is no value.
      this.#native.remove(key, this.#space);
      return undefined;
    }
  }
  #nothing(key: ByteKey, got: number): undefined {
    if (got === Got.keyTooLong) throw keyTooLong(key);
    return undefined;
  }
  #had(key: ByteKey, result: number): boolean {
    if (result === Got.keyTooLong) throw keyTooLong(key);
    return result === 1;
  }

  #failure(): ShardnsError {
    const { value, control } = this.#store;
    const text = value.toString('utf8', 0, control[ByteControl.length]);
    return new ShardnsError('ERR_SHARDNS_LOADER', `the loader failed a short time ago: ${text}`);
  }

  #write(key: ByteKey, value: V, options: SetOptions | undefined, generation: number): void {
    checkOptions(options, SET_OPTIONS);
    const ttlMs = options?.ttlMs ?? this.#ttlMs;
    if (ttlMs !== Infinity) checkTtl(ttlMs);
    const encoded = this.#encode(value);
    const tags = options?.tags === undefined ? undefined : this.#marks(options.tags);
    const status = this.#native.set(key, this.#space, encoded, this.#codec.kind, ttlMs, tags, generation);
    if (status === Status.ok) return;
    if (status === Got.keyTooLong) throw keyTooLong(key);
    const octets = typeof encoded === 'string' ? Buffer.byteLength(encoded) : encoded.length;
    throw new ShardnsError(
      'ERR_SHARDNS_OPTION',
      `value: expected at most ${MAX_VALUE_OCTETS} octets, and no more than a shard holds, got ${octets}`,
    );
  }
  #encode(value: V): Uint8Array | string {
    let encoded;
    try {
      encoded = this.#codec.encode(value);
    } catch (cause) {
      const text = `value: expected ${this.#codec.takes}: ${(cause as Error).message}`;
      throw new ShardnsError('ERR_SHARDNS_OPTION', text, { cause });
    }
    if (encoded === undefined) throw optionError('value', value, this.#codec.takes);
    return encoded;
  }
  #marks(tags: readonly string[]): Uint16Array {
    if (!Array.isArray(tags) || tags.length > MAX_TAGS) throw optionError('tags', tags, `up to ${MAX_TAGS} strings`);
    return Uint16Array.from(tags as readonly string[], tag => this.#native.tagMark(checkTag(tag)));
  }
}

const FAILURE_FLAGS = ByteFlag.failure | CODECS.utf8.kind;
const NO_ROOM = new Uint8Array(0);
const SET_OPTIONS: ReadonlySet<string> = new Set(['ttlMs', 'tags']);
const FETCH_OPTIONS: ReadonlySet<string> = new Set([...SET_OPTIONS, 'signal']);

function configure(native: NativeBytes, settings: ByteCacheSettings, staleMs: number): void {
  const share = settings.refreshAhead * 256;
  const tunables: ByteTunables = {
    staleWindowMs: staleMs,
    // Popularity counts the hits since it was stored, 3 and more as 3: the more popular, the earlier.
    refreshShare0: 0,
    refreshShare1: Math.round(share / 3),
    refreshShare2: Math.round((share * 2) / 3),
    refreshShare3: Math.round(share),
    earlyRefreshBetaMs: settings.earlyRefreshBetaMs,
  };
  native.configure(Uint32Array.from(BYTE_TUNABLES, name => tunables[name]));
}
function checkTtl(ttlMs: unknown): void {
  if (typeof ttlMs !== 'number' || !(ttlMs >= 1)) {
    throw optionError('ttlMs', ttlMs, '1 or more milliseconds, or Infinity');
  }
}
function checkOptions(options: unknown, known: ReadonlySet<string>): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null) throw optionError('options', options, 'an object');
  // `ttl`, as other caches have it, would be a value that lives for ever.
  for (const name in options) {
    if (!known.has(name)) throw new ShardnsError('ERR_SHARDNS_OPTION', `${name}: is not an option`);
  }
}
function checkTag(tag: string): string {
  if (typeof tag !== 'string' || tag === '' || tag.length > 1024 || !isWellFormed(tag)) {
    throw optionError('tag', tag, 'a string of 1 to 1024 characters without lone surrogates');
  }
  return tag;
}
function keyTooLong(key: ByteKey): ShardnsError {
  const octets = typeof key === 'string' ? Buffer.byteLength(key) : key.length;
  return optionError('key', octets, `at most ${MAX_KEY_OCTETS} octets with the namespace's name`);
}
export type { ByteCacheFileOptions, ByteCacheOptions, ByteNamespaceOptions, CodecName, FetchOptions, Loader };
