// One `fetch` of a key that its cache could not answer at once: how its value is found, loaded and kept.
//
// A value that waits to be written is newer than what the store says: it is taken in place of a load.
import { ShardnsError } from '../../base/errors.js';
import { ByteControl, GetFlag, Got } from '../../native/binding.js';
import type { ByteKey, FetchOptions, Loader } from './arguments.js';
import { revive } from './codec.js';
import type { FetchTask, Seen } from './fetcher.js';
import type { FoundValue } from './level.js';
import { readThrough } from './level-read.js';
import { LoadContext } from './load-context.js';
import { FAILURE_FLAGS, failureOf, groupsOf, loadId, writeId } from './loads.js';
import type { Space } from './space.js';

/** Two values of which neither ends this much later than the other are the same one, whatever clocks say. */
const SAME_MS = 50;

export class LoadTask<V> implements FetchTask<V> {
  #key: ByteKey;
  #generation = 0;
  /** The loader is at work, and the breaker has not been told how it went. */
  #judging = false;
  /** By the monotonic clock, when the loader was called. */
  #askedMs = 0;
  /** What the value that is here has left: it is loaded anew ahead of its end, or has expired. */
  #leftMs = -Infinity;
  /** In the second level, and not stored here yet. */
  #found: FoundValue | undefined;
  /** Other instances wait for what it loads: since when, and whether that is on its way to them. */
  #lease: { readonly key: Buffer; readonly sinceMs: number } | undefined;
  remembers = true;

  constructor(
    private readonly space: Space<V>,
    key: ByteKey,
    private readonly loader: Loader<V>,
    private readonly options: FetchOptions<V>,
  ) {
    this.#key = key;
  }

  get signal(): AbortSignal | undefined {
    return this.options.signal;
  }
  get softTimeoutMs(): number | undefined {
    return this.options.softTimeoutMs;
  }
  get hardTimeoutMs(): number | undefined {
    return this.options.hardTimeoutMs;
  }

  id(): string {
    return loadId(this.space.number, this.#key);
  }
  groups(): readonly string[] {
    return groupsOf(this.space.native, this.space.number, this.options.tags);
  }
  context(stale: V | undefined): LoadContext<V> {
    return new LoadContext(stale);
  }

  look(): Seen<V> {
    const { space } = this;
    if (space.store.closed) return undefined;
    return this.seen(space.look(this.#key, GetFlag.allowStale));
  }
  /** What `space.look` has just found. */
  seen(got: number): Seen<V> {
    const { space } = this;
    if (got === Got.failure) return { failure: failureOf(space.store) };
    if (got < 0) return undefined;
    const { control, remainingMs } = space.store;
    const refresh = control[ByteControl.refresh] !== 0;
    const expiredMs = -remainingMs[0];
    const value = space.decode(this.#key, got);
    if (value !== undefined) this.#leftMs = -expiredMs;
    return value === undefined ? undefined : { value, refresh, expiredMs };
  }

  load(context: LoadContext<V>, early: (value: V) => void): V | Promise<V> {
    const { space } = this;
    // The caller's octets may change while it is loaded.
    if (typeof this.#key !== 'string') this.#key = Uint8Array.from(this.#key);
    this.#generation = space.native.generation();
    const pending = space.writer?.pending(writeId(space.number, this.#key));
    if (pending === undefined) return this.#throughLevel(context, early);
    if (pending.encoded !== undefined) return revive(space.codec, pending.encoded) as V;
    // Its deletion waits to be written.
    context.store = false;
    return undefined as V;
  }

  #throughLevel(context: LoadContext<V>, early: (value: V) => void): V | Promise<V> {
    const { level, codec, mark, store } = this.space;
    if (level === undefined) return this.#call(context);
    const key = this.space.fullKey(this.#key);
    return readThrough({
      level,
      clock: store.clock,
      key,
      kind: codec.kind,
      space: mark,
      take: found => this.#take(found),
      load: () => this.#call(context),
      early,
      leased: sinceMs => (this.#lease = { key, sinceMs }),
    });
  }
  #take(found: FoundValue): V | undefined {
    // What is to be loaded anew is in the second level too.
    if (found.ttlMs < this.#leftMs + SAME_MS) return undefined;
    const value = this.space.readable(found.octets);
    this.#found = value === undefined ? undefined : found;
    return value;
  }

  #call(context: LoadContext<V>): V | Promise<V> {
    this.#askedMs = this.space.store.clock.nowMs();
    const { breaker } = this.space;
    if (breaker === undefined) return this.loader(this.#key, context);
    if (!breaker.take()) {
      this.space.store.fetcher.counts.refused++;
      this.remembers = false;
      const wait = `it is called again in ${Math.ceil(breaker.retryInMs)} ms (breakerFailures)`;
      throw new ShardnsError('ERR_SHARDNS_LOADER', `the loader keeps failing: ${wait}`);
    }
    return this.#judged(context);
  }
  async #judged(context: LoadContext<V>): Promise<V> {
    this.#judging = true;
    try {
      const value = await this.loader(this.#key, context);
      this.#judge(true);
      return value;
    } catch (error) {
      this.#judge(false);
      throw error;
    }
  }
  #judge(well: boolean): void {
    if (!this.#judging) return;
    this.#judging = false;
    if (well) this.space.breaker?.succeeded();
    else this.space.breaker?.failed();
  }
  /** Too late for those who waited is a failure of the loader, also where a value comes in the end. */
  late(): void {
    this.#judge(false);
  }

  store(value: V, context: LoadContext<V>): void {
    const { space, options } = this;
    if (space.store.closed) return;
    const found = this.#found;
    if (found !== undefined) {
      this.#found = undefined;
      space.putMarked(this.#key, found.octets, found, this.#generation);
      return;
    }
    const told = typeof options.ttlMs === 'function' ? options.ttlMs(value) : options.ttlMs;
    const given = context.ttlMs === undefined ? told : context.ttlMs;
    const kept = { ttlMs: given, tags: context.tags ?? options.tags };
    const encoded = space.encode(value);
    const marks = space.put(this.#key, encoded, kept, this.#generation);
    const { level } = space;
    if (level === undefined) return;
    const lease = this.#lease;
    // It is given back when they can find the value.
    this.#lease = undefined;
    const key = lease?.key ?? space.fullKey(this.#key);
    const own = typeof encoded === 'string' ? encoded : Uint8Array.from(encoded);
    const shared = { key, kind: space.codec.kind, encoded: own, ttlMs: space.ttlOf(kept), marks };
    const ended = lease && ((): void => level.release(key, lease.sinceMs));
    level.store({ ...shared, askedMs: this.#askedMs }, ended);
  }
  left(): void {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) this.space.level?.release(lease.key, lease.sinceMs);
  }
  note(text: string, ttlMs: number): void {
    const { native, number, store } = this.space;
    if (!store.closed) native.set(this.#key, number, text, FAILURE_FLAGS, ttlMs, undefined, this.#generation);
  }
}
