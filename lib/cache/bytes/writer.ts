// Writes to the program's own store: behind its back in batches, or awaited. Of several writes to a key that wait the
// latest goes; a key is never in two calls at a time, so that the store sees its states in their order. A batch that fails
// is tried again later, in smaller pieces, so that one write that the store does not take holds up nobody else's.
//
// The process stays alive while something is queued: no longer than the tries of it take.
//
// Bounds: `maxQueued` writes and `maxQueuedBytes` octets, waiting or under way; `concurrency` calls.
import type { Clock, Timer } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import { KeepAlive } from '../../base/keep-alive.js';
import { below, type Random } from '../../base/random.js';
import type { ByteKey } from './arguments.js';
import { type Codec, octetsOf, revive } from './codec.js';
import type { Write, WriterSettings } from './writer-options.js';

/** What became of writes; each but the first two grows only. */
export interface WriteCounts {
  /** Waiting or under way now, and the octets of these. */
  queued: number;
  queuedBytes: number;
  written: number;
  /** Replaced by a later one of the same key before it was written. */
  coalesced: number;
  /** Calls of `write` that failed for all or some of their batch. */
  failures: number;
  retries: number;
  /** Given up. */
  dead: number;
  /** Turned away because the queue was full. */
  refused: number;
}

export const NO_WRITES: Readonly<WriteCounts> = {
  queued: 0,
  queuedBytes: 0,
  written: 0,
  coalesced: 0,
  failures: 0,
  retries: 0,
  dead: 0,
  refused: 0,
};

/** What a namespace needs of its store, whatever happens in between. */
export interface StoreWriter {
  readonly counts: WriteCounts;
  /** Whether a write is awaited before the cache has it. */
  readonly awaits: boolean;
  /** What waits to be written for a key, or is being written: newer than what the store says. */
  pending(id: string): PendingWrite | undefined;
  /** @throws {ShardnsError} ERR_SHARDNS_OVERLOAD when the queue is full */
  add(id: string, write: PendingWrite): Promise<void>;
  end(): Promise<void>;
  close(): void;
}

/** A write as it is queued: octets, which nobody changes any more. Undefined: the key is deleted. */
export interface PendingWrite {
  readonly key: ByteKey;
  readonly encoded: Uint8Array | string | undefined;
}
interface Queued extends PendingWrite {
  readonly id: string;
  readonly octets: number;
  attempts: number;
  /** A later write of the key waits: this one is not tried again. */
  superseded: boolean;
  /** Those who wait for the store to have it. */
  waiters: { resolve: () => void; reject: (error: unknown) => void }[];
}

/** Calls in a row that fail before all others wait, too. */
const FAILURES_BEFORE_PAUSE = 3;
const PIECES = 4;

export class Writer<V> implements StoreWriter {
  readonly counts: WriteCounts = { ...NO_WRITES };
  /** Not tried yet, by id, in the order in which their keys came. */
  readonly #ready = new Map<string, Queued>();
  /** In a call that is under way. */
  readonly #busy = new Map<string, Queued>();
  /** Failed, and waiting for their next try: on a timer, or in `#retries`. */
  readonly #failed = new Map<string, Queued>();
  #retries: Queued[][] = [];
  #calls = 0;
  #failuresInRow = 0;
  #gathering: Timer | undefined;
  #pause: Timer | undefined;
  #closed = false;
  readonly #alive = new KeepAlive();
  #drained: (() => void) | undefined;

  constructor(
    readonly settings: WriterSettings<V>,
    private readonly codec: Codec,
    private readonly clock: Clock,
    private readonly random: Random,
    /** A write was given up: the cache is not to hold what the store has not. */
    private readonly forget: (key: ByteKey) => void,
  ) {}

  get awaits(): boolean {
    return this.settings.mode === 'through';
  }

  pending(id: string): PendingWrite | undefined {
    return this.#ready.get(id) ?? this.#busy.get(id) ?? this.#failed.get(id);
  }

  /**
   * Queues a write.
   * @returns resolves when the store has it, or a later write of the key
   * @throws {ShardnsError} ERR_SHARDNS_OVERLOAD when the queue is full
   */
  add(id: string, write: PendingWrite): Promise<void> {
    const { key, encoded } = write;
    const octets = octetsOf(key) + (encoded === undefined ? 0 : octetsOf(encoded));
    const before = this.#ready.get(id) ?? this.#failed.get(id);
    this.#checkRoom(octets, before);
    const waiters = before === undefined ? [] : this.#supersede(before);
    const promise = new Promise<void>((resolve, reject) => waiters.push({ resolve, reject }));
    // Who does not wait for it is told by `onDead`.
    promise.catch(() => undefined);
    this.#ready.set(id, { id, key, encoded, octets, attempts: 0, superseded: false, waiters });
    this.#count(1, octets);
    if (this.#ready.size >= this.settings.batch || this.settings.gatherMs < 1) this.#pump();
    else this.#gathering ??= this.clock.after(this.settings.gatherMs, () => this.#pump());
    return promise;
  }

  /** Waits until all is written, `drainMs` at most; then gives up what is left. Nothing can be added afterwards. */
  async end(): Promise<void> {
    await this.drain();
    this.close();
  }
  /** Resolves when nothing waits, after `drainMs` at the latest. */
  async drain(): Promise<void> {
    if (this.#closed) return;
    this.#pump();
    if (this.counts.queued === 0) return;
    await new Promise<void>(resolve => {
      const timer = this.clock.after(this.settings.drainMs, resolve);
      this.#drained = () => {
        timer.cancel();
        resolve();
      };
    });
  }
  /** Lets go of what is queued, which somebody else writes: nobody is told. */
  abandon(): void {
    this.#stop();
    this.#alive.close();
  }
  /** Gives up what is queued at once; what became of the calls under way nobody will know. */
  close(): void {
    if (this.#closed) return;
    const left = this.#stop();
    const error = new ShardnsError('ERR_SHARDNS_CLOSED', 'the cache was closed before this was written');
    for (const one of left) this.#giveUp(one, error);
    this.#alive.close();
  }

  #stop(): Queued[] {
    this.#closed = true;
    this.#gathering?.cancel();
    this.#pause?.cancel();
    const left = [...this.#busy.values(), ...this.#failed.values(), ...this.#ready.values()];
    for (const map of [this.#busy, this.#failed, this.#ready]) map.clear();
    this.#retries = [];
    return left;
  }

  #checkRoom(octets: number, before: Queued | undefined): void {
    if (this.#closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'a writer whose cache is closed');
    const { maxQueued, maxQueuedBytes } = this.settings;
    const { queued, queuedBytes } = this.counts;
    const room = queued - (before === undefined ? 0 : 1) < maxQueued;
    if (room && queuedBytes - (before?.octets ?? 0) + octets <= maxQueuedBytes) return;
    this.counts.refused++;
    const full = room ? `${queuedBytes} octets (writer.maxQueuedBytes)` : `${queued} writes (writer.maxQueued)`;
    throw new ShardnsError('ERR_SHARDNS_OVERLOAD', `the store is behind by ${full}`);
  }

  /** Its waiters wait for the later write. */
  #supersede(one: Queued): Queued['waiters'] {
    one.superseded = true;
    // One that is ready keeps its place in the order.
    this.#failed.delete(one.id);
    this.#count(-1, -one.octets);
    this.counts.coalesced++;
    return one.waiters;
  }
  #count(writes: number, octets: number): void {
    const before = this.counts.queued;
    this.counts.queued += writes;
    this.counts.queuedBytes += octets;
    if (before === 0) this.#alive.hold();
    if (this.counts.queued > 0) return;
    this.#alive.release();
    this.#drained?.();
  }

  #pump(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    while (!this.#closed && this.#pause === undefined && this.#calls < this.settings.concurrency) {
      const batch = this.#nextBatch();
      if (batch.length === 0) return;
      this.#calls++;
      void this.#write(batch).finally(() => {
        this.#calls--;
        this.#pump();
      });
    }
  }

  #nextBatch(): Queued[] {
    while (this.#retries.length > 0) {
      const again = this.#retries.shift()!.filter(one => !one.superseded);
      if (again.length === 0) continue;
      for (const one of again) this.#failed.delete(one.id);
      this.counts.retries += again.length;
      return again;
    }
    const batch: Queued[] = [];
    for (const [id, one] of this.#ready) {
      if (batch.length === this.settings.batch) break;
      if (this.#busy.has(id)) continue;
      batch.push(one);
    }
    for (const { id } of batch) this.#ready.delete(id);
    return batch;
  }

  async #write(batch: readonly Queued[]): Promise<void> {
    for (const one of batch) this.#busy.set(one.id, one);
    const errors = await this.#call(batch);
    if (this.#closed) return;
    for (const one of batch) this.#busy.delete(one.id);
    const again: Queued[] = [];
    batch.forEach((one, i) => {
      const failed = errors !== undefined && errors.at(i) !== undefined;
      if (!failed) this.#settle(one);
      else if (this.#ready.has(one.id)) this.#ready.get(one.id)!.waiters.unshift(...this.#supersede(one));
      else if (one.attempts++ >= this.settings.retries) this.#giveUp(one, errors.at(i));
      else again.push(one);
    });
    this.#failuresInRow = errors === undefined ? 0 : this.#failuresInRow + 1;
    if (errors === undefined) return;
    this.counts.failures++;
    if (again.length > 0) this.#retryLater(again, errors.all);
    if (this.#failuresInRow >= FAILURES_BEFORE_PAUSE) {
      this.#pause = this.clock.after(this.#backoff(this.#failuresInRow - FAILURES_BEFORE_PAUSE + 1), () => {
        this.#pause = undefined;
        this.#pump();
      });
    }
  }

  /** @returns what failed, and whether the batch did as a whole; undefined: nothing */
  async #call(batch: readonly Queued[]): Promise<{ at(i: number): unknown; all: boolean } | undefined> {
    const abort = new AbortController();
    const { timeoutMs } = this.settings;
    const timer = this.clock.after(timeoutMs, () =>
      abort.abort(new ShardnsError('ERR_SHARDNS_TIMEOUT', `the store has not answered in ${timeoutMs} ms`)),
    );
    try {
      const writes = batch.map(one => this.#shown(one));
      const result = await this.settings.write(writes, { signal: abort.signal });
      if (!Array.isArray(result)) return undefined;
      const list = result as readonly unknown[];
      const failed = batch.some((_, i) => list[i] !== undefined && list[i] !== null);
      return failed ? { at: i => list[i] ?? undefined, all: false } : undefined;
    } catch (error) {
      const reason = error ?? new Error('the store failed without a reason');
      return { at: () => reason, all: true };
    } finally {
      timer.cancel();
    }
  }

  #shown({ key, encoded, attempts }: Queued): Write<V> {
    const deleted = encoded === undefined;
    return { key, value: deleted ? undefined : (revive(this.codec, encoded) as V), deleted, attempts };
  }

  #settle(one: Queued): void {
    this.counts.written++;
    this.#count(-1, -one.octets);
    for (const { resolve } of one.waiters) resolve();
  }

  #giveUp(one: Queued, error: unknown): void {
    this.counts.dead++;
    this.#count(-1, -one.octets);
    this.forget(one.key);
    // What the program does with it, at once or later, is its own.
    const tell = async (): Promise<void> => this.settings.onDead?.(this.#shown(one), error);
    void tell().catch(() => undefined);
    for (const { reject } of one.waiters) reject(error);
  }

  /** A batch that failed as a whole comes again in pieces: of its writes one alone may be to blame. */
  #retryLater(again: readonly Queued[], whole: boolean): void {
    for (const one of again) this.#failed.set(one.id, one);
    const size = whole ? Math.ceil(again.length / PIECES) : again.length;
    const delayMs = this.#backoff(Math.max(...again.map(({ attempts }) => attempts)));
    this.clock.after(delayMs, () => {
      if (this.#closed) return;
      for (let at = 0; at < again.length; at += size) this.#retries.push(again.slice(at, at + size));
      this.#pump();
    });
  }
  #backoff(attempt: number): number {
    const { backoffMs, maxBackoffMs } = this.settings;
    const most = Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(30, attempt - 1));
    return most / 2 + below(this.random, 1024) * (most / 2048);
  }
}
