// Threads that resolve in the place of the main one, which keeps the clients: it coalesces, asks hooks, stores and
// replies. A name always goes to the same thread; the RRset cache is common to all.
//
// Bounds: the resolver's questions under way; a thread that ends is started again, at most once a second.
import { Worker } from 'node:worker_threads';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { type HashKey, keyedHash } from '../base/keyed-hash.js';
import type { Logger } from '../base/log.js';
import { packageFile } from '../base/package-files.js';
import { systemRandom } from '../base/random.js';
import type { ByteCacheHandle } from '../cache/bytes/byte-cache.js';
import type { ClockDoubt } from '../dnssec/clock-doubt.js';
import type { BogusZone } from '../resolve/recurse/checker.js';
import type { AskedFrom, Resolved, Resolving } from '../resolve/recursive-answers.js';
import { ExtendedError } from '../wire/iana.js';
import { nameKey } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import { keyOfNames } from '../zone/packed-nodes.js';
import type { Zone } from '../zone/zone.js';
import type { ServerSettings } from './settings/settings.js';
import { outcomesOf, QuestionBatch } from './recursion-protocol.js';
import { type PackedZone, sharedZone } from './zone-loading.js';
import { addCounts, noWords, totalsOf, type WorkerTotals } from './recursion-stats.js';

export type ToWorker =
  | { kind: 'questions'; batch: Uint8Array }
  | ({ kind: 'settings' } & PoolSettings)
  /** What is known of a name (folded wire format); without one all that is known of names and servers. */
  | { kind: 'forget'; name: Uint8Array | undefined }
  | ({ kind: 'hold' } & HeldZone);
/** A zone that is asked here in the place of its servers; undefined: not any more. */
interface HeldZone {
  readonly apex: Uint8Array;
  readonly zone: PackedZone | undefined;
}
/** What decides how threads resolve. */
export interface PoolSettings {
  settings: ServerSettings;
  /** Trust anchors in the place of those of the settings. */
  anchors: readonly string[] | undefined;
  /** Servers that leave signatures out. */
  passedOver: readonly string[];
}
export type FromWorker =
  | {
      batch: Uint8Array;
      /** What it has counted since its start (recursion-stats.ts). */
      stats: Float64Array;
    }
  /** What its recursor says of the clock. */
  | { clock: ClockDoubt | undefined }
  | { bogusZone: BogusZone };

const RESTART_MS = 1000;

/** What all threads have in common. */
export interface SharedKnowledge {
  rrsets: ByteCacheHandle;
  /** Of a Fence: what is forgotten is so for all of them at once. */
  fence: Int32Array<SharedArrayBuffer>;
}

/** What a thread is given at its start. */
export interface WorkerData extends SharedKnowledge, PoolSettings {
  /** Of the hash by which names of zones are found: zones of all threads have it. */
  readonly namesKey: HashKey;
}

function startWorker(workerData: WorkerData): Worker {
  const file = packageFile('dist/server/recursion-worker.js');
  if (file === undefined) {
    throw new ShardnsError(
      'ERR_SHARDNS_OPTION',
      'resolver.workers: a bundler has moved this code away from that of its threads: mark "shardns" as external, ' +
        'so that it is loaded from node_modules (docs/bundlers.md of the package)',
    );
  }
  return new Worker(file, { workerData });
}

interface Lane {
  worker: Worker;
  readonly questions: QuestionBatch;
  readonly waiting: Map<number, (resolved: Resolved) => void>;
  queued: boolean;
  /** Its thread lives; else one is about to be started. */
  alive: boolean;
  stats: Float64Array;
}

export class RecursionPool implements Resolving {
  readonly #lanes: Lane[];
  /** Keyed: else names could be chosen that all go to one thread. */
  readonly #hash = keyedHash(systemRandom);
  readonly #ended = noWords();
  /** By the keys of their apexes: one copy of each in memory that all threads share. */
  readonly #held = new Map<string, HeldZone>();
  #nextId = 0;
  #closed = false;
  /** As a recursor's. */
  onClockDoubt: (doubt: ClockDoubt | undefined) => void = () => {};
  onBogusZone: (zone: BogusZone) => void = () => {};

  /** @param start makes a thread; tests put their own in its place */
  constructor(
    private settings: PoolSettings,
    private readonly shared: SharedKnowledge,
    threads: number,
    private readonly log: Logger,
    private readonly clock: Clock,
    private readonly start = startWorker,
  ) {
    this.#lanes = Array.from({ length: threads }, () => this.#open());
  }

  get threads(): number {
    return this.#lanes.length;
  }

  answer(query: Query, from: AskedFrom): Promise<Resolved> {
    const lane = this.#lanes[this.#hash(query.name) % this.#lanes.length];
    if (this.#closed) return Promise.resolve(failed('the server is closed'));
    if (!lane.alive) return Promise.resolve(failed('the thread that resolves it has just ended'));
    const id = (this.#nextId = (this.#nextId + 1) >>> 0);
    lane.questions.add(id, query.message, from);
    if (!lane.queued) {
      lane.queued = true;
      // What comes in the same turn goes in one message.
      setImmediate(() => this.#send(lane));
    }
    return new Promise(resolve => lane.waiting.set(id, resolve));
  }

  update(settings: PoolSettings): void {
    this.settings = settings;
    this.#tell({ kind: 'settings', ...settings });
  }
  /** The main thread has forgotten a name, or everything, which the threads are to do after it. */
  forget(name?: Uint8Array): void {
    this.#tell({ kind: 'forget', name });
  }

  /** A zone that threads ask in the place of its servers, in this version from now on; undefined: not any more. */
  hold(apex: Uint8Array, version: Zone | undefined): void {
    const held = { apex, zone: version && sharedZone(version) };
    if (held.zone === undefined) this.#held.delete(nameKey(apex));
    else this.#held.set(nameKey(apex), held);
    this.#tell({ kind: 'hold', ...held });
  }

  /** The sum over all threads, those that have ended included. */
  totals(): WorkerTotals {
    return totalsOf([this.#ended, ...this.#lanes.map(lane => lane.stats)]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const lane of this.#lanes) this.#abandon(lane, 'the server is closed');
    await Promise.all(this.#lanes.map(lane => lane.worker.terminate()));
  }

  #tell(message: ToWorker): void {
    for (const { worker } of this.#lanes) worker.postMessage(message);
  }

  #send(lane: Lane): void {
    lane.queued = false;
    const batch = lane.questions.take();
    if (this.#closed || !lane.alive) return;
    lane.worker.postMessage({ kind: 'questions', batch } satisfies ToWorker, [batch.buffer]);
  }

  #open(): Lane {
    const lane: Lane = {
      worker: this.#start(() => lane),
      questions: new QuestionBatch(),
      waiting: new Map(),
      queued: false,
      alive: true,
      stats: noWords(),
    };
    return lane;
  }

  #start(laneOf: () => Lane): Worker {
    const worker = this.start({ ...this.settings, ...this.shared, namesKey: keyOfNames() });
    worker.unref();
    for (const one of this.#held.values()) worker.postMessage({ kind: 'hold', ...one } satisfies ToWorker);
    worker.on('message', (message: FromWorker) => {
      if ('clock' in message) {
        this.onClockDoubt(message.clock);
        return;
      }
      if ('bogusZone' in message) {
        this.onBogusZone(message.bogusZone);
        return;
      }
      const lane = laneOf();
      lane.stats = message.stats;
      for (const { id, resolved } of outcomesOf(message.batch)) {
        lane.waiting.get(id)?.(resolved);
        lane.waiting.delete(id);
      }
    });
    worker.on('error', error => this.log.error({ err: error }, 'a thread that resolves has failed'));
    worker.on('exit', () => {
      if (this.#closed) return;
      const lane = laneOf();
      lane.alive = false;
      this.#abandon(lane, 'the thread that resolved it has ended');
      addCounts(lane.stats, this.#ended);
      lane.stats = noWords();
      this.clock.after(RESTART_MS, () => {
        if (this.#closed) return;
        lane.worker = this.#start(laneOf);
        lane.alive = true;
      });
    });
    return worker;
  }

  #abandon(lane: Lane, reason: string): void {
    const waiting = [...lane.waiting.values()];
    lane.waiting.clear();
    for (const resolve of waiting) resolve(failed(reason));
  }
}

const failed = (reason: string): Resolved => ({
  kind: 'failure',
  extendedError: ExtendedError.other,
  reason,
  ours: true,
});
