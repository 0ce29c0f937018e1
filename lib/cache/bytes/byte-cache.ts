// A bounded cache of octets off the heap for any code: keys and values of one's own, each with its time to live.
import { optionError, ShardnsError } from '../../base/errors.js';
import { readFields } from '../../base/fields.js';
import { ByteControl, type CacheStats, GetFlag, Got, type NativeBytes, readCacheStats } from '../../native/binding.js';
import { checkLimit } from '../region.js';
import { type LoadOptions, type LoadResult, loadSnapshot, type SaveResult, saveSnapshot } from '../snapshot.js';
import {
  type ByteKey,
  checkFetch,
  checkKey,
  checkNamespace,
  checkSetOptions,
  checkTag,
  checkTtl,
  checkWait,
  type FetchOptions,
  type Loader,
  NO_FETCH_OPTIONS,
  type SetOptions,
} from './arguments.js';
import { type ByteCacheCounts, countsOf } from './counts.js';
import { type ByteEntry, listEntries } from './entries.js';
import type { EventRule } from './events.js';
import { aborted } from './fetcher.js';
import { forgetSpace, forgetTag } from './forgetting.js';
import { LoadTask } from './load-task.js';
import { attachStore, createStore, type Opened, openStore } from './opening.js';
import {
  type ByteCacheFileOptions,
  type ByteCacheOptions,
  type ByteCacheSettings,
  type ByteNamespaceOptions,
  namespaceFields,
} from './options.js';
import { Space } from './space.js';
import { type ByteCacheDependencies, type ByteStore, configure } from './store.js';

/** What `share()` gives: goes through `workerData` and `postMessage`. */
export interface ByteCacheHandle {
  readonly kind: 'shardns.ByteCache';
  readonly memory: SharedArrayBuffer;
  readonly settings: Readonly<ByteCacheSettings>;
}

/** Counts of the whole cache. */
export type ByteCacheStats = CacheStats & ByteCacheCounts;

/**
 * A bounded cache with times to live, in one block of memory off the heap that is taken at construction and never
 * passed. Keys are strings (UTF-8) or octets, together with the namespace's name at most 4096 octets; values at most
 * 65,536 octets as their codec writes them.
 */
export class ByteCache<V = Uint8Array> implements Disposable, AsyncDisposable {
  readonly #store: ByteStore;
  readonly #native: NativeBytes;
  readonly #space: Space<V>;

  private constructor({ store, own }: Opened, name = '') {
    this.#store = store;
    this.#native = store.native;
    this.#space = new Space(store, name, own);
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

  /**
   * @param dependencies for tests
   * @throws {ShardnsError} ERR_SHARDNS_OPTION naming option, value and expectation; ERR_SHARDNS_MEMORY
   */
  static create(
    options?: ByteCacheOptions<Uint8Array> & { codec?: 'bytes' },
    dependencies?: ByteCacheDependencies,
  ): ByteCache;
  static create(
    options: ByteCacheOptions<string> & { codec: 'utf8' },
    dependencies?: ByteCacheDependencies,
  ): ByteCache<string>;
  static create<V>(
    options: ByteCacheOptions<V> & { codec: 'json' | 'v8' },
    dependencies?: ByteCacheDependencies,
  ): ByteCache<V>;
  static create<V>(options: unknown, dependencies?: ByteCacheDependencies): ByteCache<V> {
    return new ByteCache<V>(createStore(options, dependencies));
  }

  /**
   * The cache of another thread, over the same memory. Values, invalidations and the writers' counts are common; hits
   * and loads in flight are each thread's own.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION when it is no handle, ERR_SHARDNS_MEMORY with what is wrong with the memory
   */
  static attach<V = Uint8Array>(handle: ByteCacheHandle): ByteCache<V> {
    return new ByteCache<V>(attachStore(handle));
  }

  /** A cache in a file, mapped by every process that opens it: as {@link DnsCache.open}. */
  static open(options: ByteCacheFileOptions<Uint8Array> & { codec?: 'bytes' }): ByteCache;
  static open(options: ByteCacheFileOptions<string> & { codec: 'utf8' }): ByteCache<string>;
  static open<V>(options: ByteCacheFileOptions<V> & { codec: 'json' | 'v8' }): ByteCache<V>;
  static open<V>(options: unknown): ByteCache<V> {
    return new ByteCache<V>(openStore(options));
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
   * Keys of their own under a name, in the same memory, with their own codec, lifetime and writer; `clear()` forgets them
   * in O(1). The same name is the same namespace, in every thread and process; it may be given one writer.
   * @param name 1 to 255 octets
   */
  namespace<W = V>(name: string, options: ByteNamespaceOptions<W> = {}): ByteCache<W> {
    const store = this.#open();
    if (this.#space.number !== 0)
      throw optionError('namespace', name, 'to be made from the cache, not from a namespace');
    checkNamespace(name);
    return new ByteCache<W>({ store, own: readFields(namespaceFields, options) }, name);
  }

  /** The value, or undefined. An expired one is none. */
  get(key: ByteKey): V | undefined {
    this.#ready(key);
    const got = this.#space.look(key, 0);
    return got >= 0 ? this.#space.decode(key, got) : undefined;
  }

  /**
   * Copies the value's octets, as its codec has written them, into a buffer of the caller's. Makes no garbage.
   * @returns octets written, or -1 when there is no value
   * @throws {ShardnsError} ERR_SHARDNS_OPTION when `out` is too small
   */
  getInto(key: ByteKey, out: Uint8Array): number {
    this.#ready(key);
    if (!(out instanceof Uint8Array)) throw optionError('out', out, 'a Uint8Array');
    const got = this.#space.look(key, 0, out);
    if (got >= 0) return got;
    if (got === Got.tooLong) {
      throw optionError('out', out.length, `room for the value's ${this.#store.control[ByteControl.length]} octets`);
    }
    return -1;
  }

  /**
   * The same, expired values too if `allowStale`; how long it has left is in {@link lastRemainingMs}.
   * @internal
   */
  lookInto(key: ByteKey, out: Uint8Array, allowStale: boolean): number {
    this.#ready(key);
    return this.#space.look(key, allowStale ? GetFlag.allowStale : 0, out);
  }
  /** Of the last value that was found; negative: expired. @internal */
  get lastRemainingMs(): number {
    return this.#store.remainingMs[0];
  }

  /** The value here, or that of the second level, which is then here too. An expired one is none. */
  read(key: ByteKey): Promise<V | undefined> {
    try {
      const here = this.get(key);
      return here === undefined ? this.#space.readLevel(key) : Promise.resolve(here);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }
  /** The values of many keys, in their order; the second level is asked for all that are not here at once. */
  readMany(keys: readonly ByteKey[]): Promise<(V | undefined)[]> {
    if (!Array.isArray(keys)) return Promise.reject(optionError('keys', keys, 'an array'));
    return Promise.all((keys as readonly ByteKey[]).map(key => this.read(key)));
  }

  /** The values of many keys, in their order. */
  getMany(keys: readonly ByteKey[]): (V | undefined)[] {
    if (!Array.isArray(keys)) throw optionError('keys', keys, 'an array');
    return (keys as readonly ByteKey[]).map(key => this.get(key));
  }

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION for a value that its codec does not take or that is too long */
  set(key: ByteKey, value: V, options?: SetOptions): void {
    this.#ready(key);
    checkSetOptions(options);
    this.#space.set(key, this.#space.encode(value), options);
  }

  /** Whether there is a value that has not expired; no hit. */
  has(key: ByteKey): boolean {
    const ttl = this.ttl(key);
    return ttl !== undefined && ttl > 0;
  }
  /** Milliseconds that the value has left, Infinity for ever; undefined when there is none; no hit. */
  ttl(key: ByteKey): number | undefined {
    this.#ready(key);
    const got = this.#space.look(key, GetFlag.uncounted, NO_ROOM);
    return got < 0 && got !== Got.tooLong ? undefined : this.#store.remainingMs[0];
  }
  /** Gives the value that is there a new lifetime; false when there is none. */
  touch(key: ByteKey, ttlMs: number = this.#space.ttlMs): boolean {
    this.#ready(key);
    checkTtl(ttlMs);
    return this.#space.touch(key, ttlMs);
  }
  delete(key: ByteKey): boolean {
    this.#ready(key);
    return this.#space.delete(key);
  }

  /**
   * The value, or what `load` gives for it, which is then stored: read-through. Calls for one key share one load, in
   * this thread. What is written or deleted in this thread, or invalidated anywhere, while it is loaded stays so: the value
   * goes to those who wait for it already, and who comes later has a load that begins later.
   * @param load undefined as its result is returned and not stored; its second argument takes a lifetime and tags
   * @throws what `load` throws; ERR_SHARDNS_LOADER while a failure of its is remembered (`errorTtlMs`), or while it is
   * not called because it keeps failing (`breakerFailures`); ERR_SHARDNS_TIMEOUT after `hardTimeoutMs`;
   * ERR_SHARDNS_OVERLOAD beyond `maxLoads`; ERR_SHARDNS_ABORTED by the caller's signal, which leaves the load alone
   */
  fetch<K extends ByteKey>(
    key: K,
    load: Loader<V, K>,
    options: FetchOptions<V> = NO_FETCH_OPTIONS as FetchOptions<V>,
  ): Promise<V> {
    // Not `async`: of a hit, that is most of the time.
    try {
      this.#ready(key);
      checkFetch(load, options);
      if (options.signal?.aborted === true) throw aborted(options.signal);
      const got = this.#space.look(key, GetFlag.allowStale);
      const { remainingMs, control } = this.#store;
      if (got >= 0 && remainingMs[0] > 0 && control[ByteControl.refresh] === 0) {
        const value = this.#space.decode(key, got);
        if (value !== undefined) return Promise.resolve(value);
      }
      const task = new LoadTask(this.#space, key, load as Loader<V>, options);
      return this.#store.fetcher.fetch(task, task.seen(got));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * Writes a value to the namespace's own store and then here, or here and then to the store: as its `writer` says.
   * Without a writer as `set`.
   * @returns resolves when the store has it (`mode: 'through'`), or when it is queued for the store
   * @throws what the store throws after the last try; {ShardnsError} ERR_SHARDNS_OVERLOAD when the queue is full
   */
  async write(key: ByteKey, value: V, options?: SetOptions): Promise<void> {
    this.#ready(key);
    checkSetOptions(options);
    return this.#space.write(key, this.#space.encode(value), options);
  }
  /** Deletes a key in the namespace's own store and here, as {@link write}. */
  async remove(key: ByteKey): Promise<void> {
    this.#ready(key);
    return this.#space.write(key, undefined, undefined);
  }

  /**
   * Forgets what carries a tag, or everything in all namespaces, for every thread and process, at once and in O(1); with a
   * second level for the whole fleet.
   */
  invalidate(what: { tag: string } | { all: true }): void {
    const store = this.#open();
    if (typeof what === 'object' && what !== null && 'tag' in what) {
      const mark = store.native.tagMark(checkTag(what.tag));
      forgetTag(store, mark);
      store.level?.forgotTag(mark);
    } else if ((what as { all?: true } | null | undefined)?.all === true) {
      forgetSpace(store, 0);
      store.level?.forgotAll();
    } else throw optionError('invalidate', what, '{ tag } or { all: true }');
  }
  /** Forgets this namespace; of the cache itself: everything. O(1). */
  clear(): void {
    const store = this.#open();
    const { number, name, mark, level } = this.#space;
    forgetSpace(store, number);
    if (number === 0) store.level?.forgotAll();
    else level?.forgotSpace(name, mark);
  }

  /**
   * Says what an event makes stale here: `rule` is given what the event came with, and returns keys of this namespace, or
   * keys and tags. Rules of all namespaces hear an event of the cache.
   * @returns takes the rule back
   */
  on(event: string, rule: EventRule): () => void {
    const forget = (keys: readonly ByteKey[], tags: readonly string[]): void => {
      for (const key of keys) this.delete(key);
      for (const tag of tags) this.invalidate({ tag });
    };
    const check = (key: ByteKey): void => {
      checkKey(key);
      this.#space.checkLength(key);
    };
    return this.#open().events.on(event, { rule, checkKey: check, forget });
  }
  /**
   * Something has happened: what the rules for it say is forgotten. One that throws leaves all as it is.
   * @returns how many keys and tags were named
   */
  emit(event: string, ...details: unknown[]): number {
    return this.#open().events.emit(event, details);
  }

  /** The entries of this namespace as they are met, for inspection; expired ones are still among them. */
  *entries(limit = Infinity): Generator<ByteEntry> {
    checkLimit(limit);
    const { native, control } = this.#open();
    let left = limit;
    for (const entry of listEntries(native, control, this.#space.prefix)) {
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
   * Adds what a saved file holds and has not expired since. Checks everything in it. With a second level what the fleet has
   * changed or forgotten meanwhile is forgotten again.
   * @throws {ShardnsError} ERR_SHARDNS_FILE: no file, no snapshot, another version or kind, damaged
   */
  async load(path: string, options: LoadOptions = {}): Promise<LoadResult> {
    const { native, level } = this.#open();
    const loaded = await loadSnapshot(native, path, options);
    await level?.hearAgain();
    return loaded;
  }

  /** Of the whole cache, whatever the namespace. */
  stats(): ByteCacheStats {
    return { ...readCacheStats(this.#open().native), ...countsOf(this.#store) };
  }

  /** Whether all that was written and forgotten so far is known to the second level, `ms` from now at the latest. */
  async settled(ms = 1000): Promise<boolean> {
    const { level } = this.#open();
    checkWait(ms);
    return level === undefined ? true : level.settled(ms);
  }
  /**
   * Writes what is queued for the stores of all namespaces, for `drainMs` at most, and for the second level, then closes.
   * What is not written by then is given up, and told to `onDead`.
   */
  async end(): Promise<void> {
    const { writers, level } = this.#store;
    await Promise.all([...writers.values()].map(writer => writer.end()));
    await level?.end();
    this.close();
  }
  /** Lets go of the memory, for all namespaces; that of a shared cache with its last thread. What is queued is given up. */
  close(): void {
    const store = this.#store;
    if (store.closed) return;
    store.closed = true;
    for (const writer of store.writers.values()) writer.close();
    store.level?.close();
    store.fetcher.close();
    this.#native.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
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
}

const NO_ROOM = new Uint8Array(0);
