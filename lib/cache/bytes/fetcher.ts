// Read-through: one load a key at a time, refresh-ahead, stale values while it lasts, when it is late or when it fails,
// failures remembered, time-outs after which a load goes on for those who come later. Knows nothing of how values are stored.
//
// A load that is overtaken, because what it loads was written or forgotten meanwhile, gives its value to those who wait for
// it already and to nobody else: it is not stored, and who comes later has a load that begins later.
//
// Bounds: `maxLoads` loads under way, and as many ids of loads that failed; an id is a key, of 4 KiB at most. A load that
// never ends holds its place for ever, unless `loadDeadlineMs` is set.
import { BoundedMap } from '../../base/bounded-map.js';
import { onAbort } from '../../base/cancel.js';
import { type Clock, systemClock, type Timer } from '../../base/clock.js';
import { EqualTimers } from '../../base/equal-timers.js';
import { ShardnsError } from '../../base/errors.js';
import type { LoadContext } from './load-context.js';

export interface FetcherSettings {
  staleWhileRevalidateMs: number;
  staleIfErrorMs: number;
  errorTtlMs: number;
  maxLoads: number;
  softTimeoutMs: number;
  hardTimeoutMs: number;
  loadDeadlineMs: number;
}

/** What loads came to; each grows only. */
export interface LoadCounts {
  /** Begun. */
  loads: number;
  /** Fetches that joined one that was under way. */
  joined: number;
  /** Ended by an error, `loadDeadlineMs` included. */
  failures: number;
  /** Expired values given in place of a load that failed, was late, or that was not begun. */
  staleServed: number;
  /** Waits ended by `softTimeoutMs` with an expired value, and by `hardTimeoutMs` with an error. */
  softTimeouts: number;
  hardTimeouts: number;
  /** Given up by `loadDeadlineMs`. */
  abandoned: number;
  /** Loaders that were not called because the breaker was open, or beyond `maxLoads`. */
  refused: number;
}

export type Seen<V> = { value: V; refresh: boolean; expiredMs: number } | { failure: ShardnsError } | undefined;

export interface FetchTask<V> {
  /** One for each key; asked for by loads only. */
  id(): string;
  /** What its value is forgotten together with; asked for by loads only. */
  groups(): readonly string[];
  look(): Seen<V>;
  /** @param context of this load; `early` gives a value to those who wait, who then do not wait for what is returned */
  load(context: LoadContext<V>, early: (value: V) => void): V | Promise<V>;
  store(value: V, context: LoadContext<V>): void;
  /** Whether the failure of its load is one to be remembered. */
  readonly remembers: boolean;
  /** Remembers a failure. */
  note(text: string, ttlMs: number): void;
  /** @param stale what is kept of the value that has expired */
  context(stale: V | undefined): LoadContext<V>;
  /** The load that it has begun did not end in time. */
  late(): void;
  /** That load has left, whatever came of it. */
  left(): void;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds, 0 = no limit; undefined = as the cache has it. */
  readonly softTimeoutMs: number | undefined;
  readonly hardTimeoutMs: number | undefined;
}

/** A load under way, and those who wait for it. */
class Load {
  readonly promise: Promise<unknown>;
  resolve!: (value: unknown) => void;
  reject!: (error: unknown) => void;
  overtaken = false;
  /** Its end is nobody's any more: its place is taken, its failure counted. */
  abandoned = false;
  /** It has left. */
  over = false;
  deadline: Timer | undefined;

  constructor(
    readonly groups: readonly string[],
    /** Who has begun it. */
    readonly task: Pick<FetchTask<unknown>, 'late' | 'left'>,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // All who wait may have given up.
    this.promise.catch(() => undefined);
  }
}

const MAX_FAILURE_TEXT = 512;

export class Fetcher {
  readonly counts: LoadCounts = {
    loads: 0,
    joined: 0,
    failures: 0,
    staleServed: 0,
    softTimeouts: 0,
    hardTimeouts: 0,
    abandoned: 0,
    refused: 0,
  };
  /** Those that others may join, by id. */
  readonly #loads = new Map<string, Load>();
  /** Loads under way, overtaken ones too: at most `maxLoads`. */
  #running = 0;
  #closed = false;
  /** Until when a value is served stale without another try, by id; as many as there may be loads. */
  readonly #failing: BoundedMap<string, number>;
  readonly #soft: EqualTimers;
  readonly #hard: EqualTimers;
  readonly #deadlines: EqualTimers;

  constructor(
    private readonly settings: FetcherSettings,
    private readonly clock: Clock = systemClock,
  ) {
    this.#failing = new BoundedMap(settings.maxLoads);
    this.#soft = new EqualTimers(clock);
    this.#hard = new EqualTimers(clock);
    this.#deadlines = new EqualTimers(clock);
  }

  /** @param seen what has just been found in its place */
  fetch<V>(task: FetchTask<V>, seen: Seen<V>): Promise<V> {
    if (seen !== undefined && 'failure' in seen) return Promise.reject(seen.failure);
    const { staleWhileRevalidateMs, staleIfErrorMs } = this.settings;
    if (seen !== undefined && (seen.expiredMs <= 0 || seen.expiredMs < staleWhileRevalidateMs)) {
      // Nobody waits for it: a load that fails, or for which there is no room, leaves the value as it is.
      if (seen.refresh || (seen.expiredMs > 0 && !this.#hasFailed(task))) this.#begin(task, seen.value, false);
      return Promise.resolve(seen.value);
    }
    const stale = seen !== undefined && seen.expiredMs < staleIfErrorMs ? seen : undefined;
    if (stale !== undefined && this.#hasFailed(task)) {
      this.counts.staleServed++;
      return Promise.resolve(stale.value);
    }
    return this.#demand(task, stale);
  }

  /** Loads it anew without looking at what is there: nobody waits. */
  refresh<V>(task: FetchTask<V>): void {
    this.#begin(task, undefined, false);
  }

  /** Whether any load could be overtaken. */
  get loading(): boolean {
    return this.#loads.size > 0;
  }
  /** Loaders at work. */
  get running(): number {
    return this.#running;
  }
  /** Its key was written or deleted. */
  overtake(id: string): void {
    const load = this.#loads.get(id);
    if (load === undefined) return;
    load.overtaken = true;
    this.#loads.delete(id);
  }
  /** All of a group was forgotten; without a name everything was. */
  overtakeGroup(group?: string): void {
    for (const [id, { groups }] of this.#loads) if (group === undefined || groups.includes(group)) this.overtake(id);
  }
  /** What is loaded is loaded to its end, and waited for no longer than before. Then no timer is left. */
  close(): void {
    this.#closed = true;
    this.#endTimers();
  }
  #endTimers(): void {
    if (!this.#closed || this.#running > 0) return;
    for (const timers of [this.#soft, this.#hard, this.#deadlines]) timers.clear();
  }

  #hasFailed<V>(task: FetchTask<V>): boolean {
    return this.#failing.size > 0 && (this.#failing.get(task.id()) ?? -Infinity) > this.clock.nowMs();
  }

  async #demand<V>(task: FetchTask<V>, stale: { value: V } | undefined): Promise<V> {
    const load = this.#begin(task, stale?.value, true);
    try {
      if (load instanceof ShardnsError) throw load;
      return await this.#wait<V>(load, task, stale !== undefined);
    } catch (error) {
      const givenUp = error instanceof ShardnsError && error.code === 'ERR_SHARDNS_ABORTED';
      if (stale === undefined || givenUp) throw error;
      this.counts.staleServed++;
      return stale.value;
    }
  }

  /** @returns the load that is under way or has begun, or why none has */
  #begin<V>(task: FetchTask<V>, stale: V | undefined, joins: boolean): Load | ShardnsError {
    const id = task.id();
    const joined = this.#loads.get(id);
    if (joined !== undefined) {
      if (joins) this.counts.joined++;
      return joined;
    }
    if (this.#running >= this.settings.maxLoads) {
      this.counts.refused++;
      return new ShardnsError('ERR_SHARDNS_OVERLOAD', `${this.settings.maxLoads} loads are at work (maxLoads)`);
    }
    const load = new Load(task.groups(), task);
    this.#running++;
    this.counts.loads++;
    void this.#run(task, id, load, task.context(stale));
    // Only now: a loader that fetches its own key at once has a load within this one.
    if (!load.over) this.#loads.set(id, load);
    return load;
  }

  async #run<V>(task: FetchTask<V>, id: string, load: Load, context: LoadContext<V>): Promise<void> {
    const { loadDeadlineMs } = this.settings;
    if (loadDeadlineMs > 0) {
      load.deadline = this.#deadlines.after(loadDeadlineMs, () => this.#abandon(id, load, context));
    }
    try {
      const early = (value: V): void => {
        if (load.over || load.abandoned) return;
        if (!load.overtaken) task.store(value, context);
        load.resolve(value);
      };
      const value = await task.load(context, early);
      if (load.abandoned) return;
      if (!load.overtaken) {
        this.#failing.delete(id);
        if (value !== undefined && context.store) task.store(value, context);
      }
      load.resolve(value);
    } catch (error) {
      if (load.abandoned) return;
      this.counts.failures++;
      if (!load.overtaken) this.#remember(task, id, error);
      load.reject(error);
    }
    this.#leave(id, load);
  }

  #remember<V>(task: FetchTask<V>, id: string, error: unknown): void {
    const { errorTtlMs } = this.settings;
    if (errorTtlMs < 1 || !task.remembers) return;
    const text = (error instanceof Error ? error.message : String(error)).slice(0, MAX_FAILURE_TEXT);
    // Never in the place of a value that may still be served.
    if (task.look() === undefined) task.note(text, errorTtlMs);
    else this.#failing.set(id, this.clock.nowMs() + errorTtlMs);
  }

  #leave(id: string, load: Load): void {
    this.#running--;
    load.over = true;
    load.deadline?.cancel();
    if (this.#loads.get(id) === load) this.#loads.delete(id);
    load.task.left();
    this.#endTimers();
  }

  #abandon<V>(id: string, load: Load, context: LoadContext<V>): void {
    load.abandoned = true;
    this.counts.abandoned++;
    this.counts.failures++;
    load.task.late();
    const { loadDeadlineMs } = this.settings;
    const error = new ShardnsError('ERR_SHARDNS_TIMEOUT', `the loader has not ended in ${loadDeadlineMs} ms`);
    load.reject(error);
    this.#leave(id, load);
    context.abort(error);
  }

  #wait<V>(load: Load, task: FetchTask<V>, hasStale: boolean): Promise<V> {
    const { signal } = task;
    const { softTimeoutMs, hardTimeoutMs } = this.settings;
    const soft = hasStale ? (task.softTimeoutMs ?? softTimeoutMs) : 0;
    const limitMs = soft > 0 ? soft : (task.hardTimeoutMs ?? hardTimeoutMs);
    if (signal === undefined && limitMs === 0) return load.promise as Promise<V>;
    return new Promise((resolve, reject) => {
      const stop = signal && onAbort(signal, () => end(() => reject(aborted(signal))));
      const timer =
        limitMs === 0
          ? undefined
          : (soft > 0 ? this.#soft : this.#hard).after(limitMs, () => {
              this.counts[soft > 0 ? 'softTimeouts' : 'hardTimeouts']++;
              // Too late for those who waited is a failure, also where a value comes in the end.
              if (soft === 0) load.task.late();
              end(() => reject(late(limitMs)));
            });
      const end = (settle: () => void): void => {
        stop?.();
        timer?.cancel();
        settle();
      };
      (load.promise as Promise<V>).then(
        value => end(() => resolve(value)),
        (error: unknown) => end(() => reject(error as Error)),
      );
    });
  }
}

export function aborted(signal: AbortSignal): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_ABORTED', 'the wait for a load was aborted', { cause: signal.reason });
}
function late(limitMs: number): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_TIMEOUT', `the loader has not ended in ${limitMs} ms; it goes on`);
}
