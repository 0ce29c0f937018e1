// A bounded cache of octets off the heap for any code: keys and values of one's own, each with its time to live.
import { optionError, ShardnsError } from '../base/errors.js';
import { readFields } from '../base/fields.js';
import { parseMemory } from '../base/memory.js';
import {
  ByteControl,
  ByteForget,
  type CacheStats,
  GetFlag,
  Got,
  KIND_SHIFT,
  MAX_VALUE_OCTETS,
  type NativeBytes,
  readCacheStats,
  Status,
} from '../native/binding.js';
import {
  type ByteKey,
  checkFetch,
  checkKey,
  checkNamespace,
  checkSetOptions,
  checkTag,
  checkTtl,
  keyTooLong,
  type SetOptions,
  tagMarks,
} from './byte-arguments.js';
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
import { type ByteEntry, listEntries } from './byte-entries.js';
import { FAILURE_FLAGS, failureOf, loadId, overtakeKey } from './byte-loads.js';
import { type ByteStore, configure, makeByteStore } from './byte-store.js';
import { CODECS, type Codec, type CodecName, encodeValue } from './codec.js';
import type { FetchOptions, Loader } from './fetcher.js';
import { checkLimit, readHandle } from './region.js';
import { type LoadOptions, type LoadResult, loadSnapshot, type SaveResult, saveSnapshot } from './snapshot.js';

/** What `share()` gives: goes through `workerData` and `postMessage`. */
export interface ByteCacheHandle {
  readonly kind: 'shardns.ByteCache';
  readonly memory: SharedArrayBuffer;
  readonly settings: Readonly<ByteCacheSettings>;
}

/**
 * A bounded cache with times to live, in one block of memory off the heap that is taken at construction and never
 * passed. Keys are strings (UTF-8) or octets, together with the namespace's name at most 4096 octets; values at most
 * 65,536 octets as their codec writes them.
 */
export class ByteCache<V = Uint8Array> implements Disposable {
  readonly #store: ByteStore;
  readonly #native: NativeBytes;
  /** 0: the namespace without a name. */
  readonly #space: number;
  readonly #codec: Codec;
  /** What another codec has written is no value here: octets do not choose what reads them. */
  readonly #kind: number;
  readonly #ttlMs: number;
  /** The name with its length before it, as keys begin in `entries()`. */
  readonly #prefix: Buffer;

  private constructor(store: ByteStore, name: string, options: ByteNamespaceSettings) {
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
    return new ByteCache<V>(
      makeByteStore({ memoryBytes, shards, policy, averageEntryBytes, memory }, settings, { memory }),
      '',
      {},
    );
  }

  /**
   * The cache of another thread, over the same memory. Values, invalidations and the writers' counts are common; hits
   * and loads in flight are each thread's own.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION when it is no handle, ERR_SHARDNS_MEMORY with what is wrong with the memory
   */
  static attach<V = Uint8Array>(handle: ByteCacheHandle): ByteCache<V> {
    const { memory, settings } = readHandle(byteCacheFields, 'shardns.ByteCache', handle);
    return new ByteCache<V>(makeByteStore({ attach: memory }, settings, { memory }), '', {});
  }

  /** A cache in a file, mapped by every process that opens it: as {@link DnsCache.open}. */
  static open(options: ByteCacheFileOptions & { codec?: 'bytes' }): ByteCache;
  static open(options: ByteCacheFileOptions & { codec: 'utf8' }): ByteCache<string>;
  static open<V>(options: ByteCacheFileOptions & { codec: 'json' | 'v8' }): ByteCache<V>;
  static open<V>(options: ByteCacheFileOptions): ByteCache<V> {
    const settings = readFields(byteCacheFileFields, options);
    const memory = settings.memory ?? '64MiB';
    const { path, recreate, shards, policy = 's3fifo', averageEntryBytes } = settings;
    const [anySize, anyPolicy] = [settings.memory === undefined, settings.policy === undefined];
    const region = { memoryBytes: parseMemory(memory)!, shards, policy, averageEntryBytes };
    const source = { ...region, path, anySize, anyPolicy, recreate };
    return new ByteCache<V>(makeByteStore(source, { ...settings, memory, policy, shared: false }, { path }), '', {});
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
    checkNamespace(name);
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
    overtakeKey(this.#store.fetcher, this.#space, key);
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
    overtakeKey(this.#store.fetcher, this.#space, key);
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
    checkFetch(this.#native, load, options);
    const store = this.#store;
    const { native, control, remainingMs, fetcher } = store;
    let own = key;
    let generation = 0;
    return fetcher.fetch<V>({
      id: () => loadId(this.#space, own),
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
        if (got === Got.failure) return { failure: failureOf(store) };
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

  /** The entries of this namespace as they are met, for inspection; expired ones are still among them. */
  *entries(limit = Infinity): Generator<ByteEntry> {
    checkLimit(limit);
    const { native, control } = this.#open();
    let left = limit;
    for (const entry of listEntries(native, control, this.#prefix)) {
      if (left-- <= 0) return;
      yield entry;
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

  #open(): ByteStore {
    if (this.#store.closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'a ByteCache that is closed');
    this.#store.file?.check();
    return this.#store;
  }
  #ready(key: ByteKey): void {
    if (this.#store.closed || this.#store.file !== undefined) this.#open();
    checkKey(key);
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

  #write(key: ByteKey, value: V, options: SetOptions | undefined, generation: number): void {
    checkSetOptions(options);
    const ttlMs = options?.ttlMs ?? this.#ttlMs;
    if (ttlMs !== Infinity) checkTtl(ttlMs);
    const encoded = encodeValue(this.#codec, value);
    const tags = options?.tags === undefined ? undefined : tagMarks(this.#native, options.tags);
    const status = this.#native.set(key, this.#space, encoded, this.#codec.kind, ttlMs, tags, generation);
    if (status === Status.ok) return;
    if (status === Got.keyTooLong) throw keyTooLong(key);
    const octets = typeof encoded === 'string' ? Buffer.byteLength(encoded) : encoded.length;
    throw new ShardnsError(
      'ERR_SHARDNS_OPTION',
      `value: expected at most ${MAX_VALUE_OCTETS} octets, and no more than a shard holds, got ${octets}`,
    );
  }
}

const NO_ROOM = new Uint8Array(0);

export type {
  ByteCacheFileOptions,
  ByteCacheOptions,
  ByteEntry,
  ByteKey,
  ByteNamespaceOptions,
  CodecName,
  FetchOptions,
  Loader,
  SetOptions,
};
