// Read-through: one load a key at a time, refresh-ahead, stale values while it lasts or when it fails, failures
// remembered. Knows nothing of how values are stored.
//
// A load that is overtaken, because what it loads was written or forgotten meanwhile, gives its value to those who wait for
// it already and to nobody else: it is not stored, and who comes later has a load that begins later.
//
// Bounds: `maxLoads` loads under way, and as many ids of loads that failed; an id is a key, of 4 KiB at most.
import { BoundedMap } from '../base/bounded-map.js';
import { onAbort } from '../base/cancel.js';
import { ShardnsError } from '../base/errors.js';

export type Loader<V> = (key: string | Uint8Array) => V | Promise<V>;

export interface FetchOptions<V> {
  /** Lifetime of the loaded value, or what tells it from the value. Default: that of the cache or namespace. */
  ttlMs?: number | ((value: V) => number);
  tags?: readonly string[];
  /** Gives up waiting; the load goes on for others. */
  signal?: AbortSignal;
}

export interface FetcherSettings {
  staleWhileRevalidateMs: number;
  staleIfErrorMs: number;
  errorTtlMs: number;
  maxLoads: number;
}

type Seen<V> = { value: V; refresh: boolean; expiredMs: number } | { failure: ShardnsError } | undefined;

export interface FetchTask<V> {
  /** One for each key; asked for by loads only. */
  id(): string;
  /** What its value is forgotten together with; asked for by loads only. */
  groups(): readonly string[];
  look(): Seen<V>;
  load(): V | Promise<V>;
  store(value: V): void;
  /** Remembers a failure. */
  note(text: string, ttlMs: number): void;
  signal: AbortSignal | undefined;
}

interface Load {
  promise?: Promise<unknown>;
  readonly groups: readonly string[];
  overtaken: boolean;
}

const MAX_FAILURE_TEXT = 512;

export class Fetcher {
  /** Those that others may join, by id. */
  readonly #loads = new Map<string, Load>();
  /** Loads under way, overtaken ones too: at most `maxLoads`. */
  #running = 0;
  /** Until when a value is served stale without another try, by id; as many as there may be loads. */
  readonly #failing: BoundedMap<string, number>;
  constructor(
    private readonly settings: FetcherSettings,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.#failing = new BoundedMap(settings.maxLoads);
  }

  async fetch<V>(task: FetchTask<V>): Promise<V> {
    if (task.signal?.aborted === true) throw aborted(task.signal);
    const seen = task.look();
    if (seen !== undefined && 'failure' in seen) throw seen.failure;
    const { staleWhileRevalidateMs, staleIfErrorMs } = this.settings;
    if (seen !== undefined && (seen.expiredMs <= 0 || seen.expiredMs < staleWhileRevalidateMs)) {
      // Nobody waits for it: a load that fails, or for which there is no room, leaves the value as it is.
      if (seen.refresh || seen.expiredMs > 0) this.#load(task).catch(() => undefined);
      return seen.value;
    }
    const servable = seen !== undefined && seen.expiredMs < staleIfErrorMs;
    if (servable && (this.#failing.get(task.id()) ?? -Infinity) > this.nowMs()) return seen.value;
    try {
      return await this.#wait(this.#load(task), task.signal);
    } catch (error) {
      const givenUp = error instanceof ShardnsError && error.code === 'ERR_SHARDNS_ABORTED';
      if (servable && !givenUp) return seen.value;
      throw error;
    }
  }

  /** Whether any load could be overtaken. */
  get loading(): boolean {
    return this.#loads.size > 0;
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

  #load<V>(task: FetchTask<V>): Promise<V> {
    const id = task.id();
    const joined = this.#loads.get(id);
    if (joined !== undefined) return joined.promise as Promise<V>;
    if (this.#running >= this.settings.maxLoads) {
      const error = new ShardnsError('ERR_SHARDNS_OVERLOAD', `${this.settings.maxLoads} loads are at work (maxLoads)`);
      return Promise.reject(error);
    }
    const load: Load = { groups: task.groups(), overtaken: false };
    this.#running++;
    // A loader that fetches its own key at once has a load within this one.
    const promise = this.#run(task, id, load).finally(() => {
      this.#running--;
      if (this.#loads.get(id) === load) this.#loads.delete(id);
    });
    load.promise = promise;
    this.#loads.set(id, load);
    return promise;
  }

  async #run<V>(task: FetchTask<V>, id: string, load: Load): Promise<V> {
    let value: V;
    try {
      value = await task.load();
    } catch (error) {
      const text = (error instanceof Error ? error.message : String(error)).slice(0, MAX_FAILURE_TEXT);
      const { errorTtlMs } = this.settings;
      if (errorTtlMs >= 1 && !load.overtaken) {
        // Never in the place of a value that may still be served.
        if (task.look() === undefined) task.note(text, errorTtlMs);
        else this.#failing.set(id, this.nowMs() + errorTtlMs);
      }
      throw error;
    }
    if (load.overtaken) return value;
    this.#failing.delete(id);
    if (value !== undefined) task.store(value);
    return value;
  }

  #wait<V>(load: Promise<V>, signal: AbortSignal | undefined): Promise<V> {
    if (signal === undefined) return load;
    return new Promise((resolve, reject) => {
      const stop = onAbort(signal, () => reject(aborted(signal)));
      load.then(
        value => {
          stop();
          resolve(value);
        },
        (error: unknown) => {
          stop();
          reject(error as Error);
        },
      );
    });
  }
}

function aborted(signal: AbortSignal): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_ABORTED', 'the wait for a load was aborted', { cause: signal.reason });
}
