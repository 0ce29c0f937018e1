// Writes that nobody waits for: gathered for a few milliseconds, the latest of a key, sent together, tried again behind a
// growing wait until what they say is over. While Redis is away they wait here, within a bound: of more, those that have
// waited longest are given up.
//
// A key has one write under way: what comes for it meanwhile waits, so that a write which is tried again never takes the
// place of a later one. In a Cluster each node has a lane: one that fails holds up what goes to it, and nothing else.
//
// Bounds: `maxQueued` writes that wait, `maxOctets` of what they hold; of each lane `batch` under way; `maxLanes`.
import { BackOff } from '../../base/back-off.js';
import type { Clock, Timer } from '../../base/clock.js';
import type { Random } from '../../base/random.js';
import type { RedisArgument } from './client.js';
import type { RedisConnection } from './connection.js';

export const WRITE_LIMITS = {
  maxQueued: 10_000,
  maxOctets: 64 * 1024 * 1024,
  /** Writes wait for others until there are so many, */
  batch: 64,
  /** or for so long. */
  gatherMs: 2,
  /** Nobody waits for one: a read's deadline would have large ones, or those to a far Redis, sent again for ever. */
  commandMs: 1000,
  backOff: { firstMs: 50, mostMs: 5000 },
  /** Of more nodes, some share one. */
  maxLanes: 1024,
} as const;

/** One write. `command` is made when it is sent, so that one that is overtaken costs no more than its place. */
export interface Write {
  readonly key: Buffer;
  /** Octets that it holds meanwhile. */
  readonly octets: number;
  /** By the monotonic clock: from then on it is of no use. */
  readonly untilMs: number;
  /** Undefined: it is of no use any more. Must not throw. */
  command(): readonly RedisArgument[] | undefined;
}

/** Told once: whether Redis has the write, or a later one of its key. Must not throw. */
export type WriteEnded = (written: boolean) => void;

export interface WriteParts {
  readonly connection: RedisConnection;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether writes may be made; whoever says no calls `wake` when they may. */
  readonly mayWrite: () => boolean;
}

interface Queued {
  readonly name: string;
  readonly write: Write;
  readonly lane: Lane;
  /** Those who want to know, of writes that it has overtaken too. */
  readonly ended: WriteEnded[];
}

/** What goes to one node. */
interface Lane {
  readonly waiting: Map<string, Queued>;
  sending: number;
  timer: Timer | undefined;
  /** It has failed: nothing is sent until its timer is over. */
  resting: boolean;
  readonly backOff: BackOff;
}

export class WriteBehind {
  /** What the last failure was, for the report. */
  lastError: string | undefined;
  readonly stats = { written: 0, overtaken: 0, failed: 0, dropped: 0, expired: 0 };
  readonly #lanes = new Map<string, Lane>();
  /** By key, in the order in which they came. */
  readonly #waiting = new Map<string, Queued>();
  readonly #underWay = new Map<string, Queued>();
  #octets = 0;
  #closed = false;

  constructor(private readonly parts: WriteParts) {
    parts.connection.watch({ connected: () => this.wake() });
  }

  get size(): number {
    return this.#waiting.size + this.#underWay.size;
  }
  /** Of those that wait. */
  get octets(): number {
    return this.#octets;
  }

  put(write: Write, ended?: WriteEnded): void {
    if (this.#closed) {
      this.stats.dropped++;
      ended?.(false);
      return;
    }
    const name = write.key.toString('latin1');
    const before = this.#waiting.get(name);
    if (before !== undefined) {
      this.stats.overtaken++;
      this.#remove(before);
    }
    const queued = { name, write, lane: this.#laneOf(write.key), ended: before?.ended ?? [] };
    if (ended !== undefined) queued.ended.push(ended);
    this.#add(queued);
    const { lane } = queued;
    if (lane.resting) return;
    if (lane.waiting.size >= WRITE_LIMITS.batch) this.#send(lane);
    else this.#gather(lane);
  }

  /** Whether all of now has been written, `ms` from now at the latest. Never rejects. */
  drain(ms: number): Promise<boolean> {
    const all = [...this.#waiting.values(), ...this.#underWay.values()];
    if (all.length === 0) return Promise.resolve(true);
    if (ms <= 0 || this.#closed) return Promise.resolve(false);
    return new Promise(resolve => {
      const timer = this.parts.clock.after(ms, () => resolve(false));
      let left = all.length;
      let isThere = true;
      for (const { ended } of all) {
        ended.push(written => {
          isThere &&= written;
          if (--left > 0) return;
          timer.cancel();
          resolve(isThere);
        });
      }
      this.wake();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { timer } of this.#lanes.values()) timer?.cancel();
    for (const queued of [...this.#waiting.values()]) this.#drop(queued);
  }

  /** Whatever kept it from writing may be over. */
  wake(): void {
    if (this.#closed) return;
    for (const lane of this.#lanes.values()) {
      lane.backOff.reset();
      this.#awake(lane);
    }
  }

  #laneOf(key: Buffer): Lane {
    const { connection, random } = this.parts;
    const node = connection.nodeOf(key) ?? '';
    const name = this.#lanes.has(node) || this.#lanes.size < WRITE_LIMITS.maxLanes ? node : '';
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      const backOff = new BackOff(random, WRITE_LIMITS.backOff);
      lane = { waiting: new Map(), sending: 0, timer: undefined, resting: false, backOff };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  #gather(lane: Lane): void {
    lane.timer ??= this.parts.clock.after(WRITE_LIMITS.gatherMs, () => this.#awake(lane));
  }
  #awake(lane: Lane): void {
    lane.timer?.cancel();
    lane.timer = undefined;
    lane.resting = false;
    this.#send(lane);
  }

  #send(lane: Lane): void {
    const { connection, clock } = this.parts;
    if (!connection.isConnected || !this.parts.mayWrite()) return; // it is woken then
    const now = clock.nowMs();
    for (const queued of lane.waiting.values()) {
      if (lane.sending >= WRITE_LIMITS.batch || lane.resting) return;
      if (this.#underWay.has(queued.name)) continue;
      this.#remove(queued);
      const { write } = queued;
      const command = write.untilMs > now ? write.command() : undefined;
      if (command === undefined) {
        this.stats.expired++;
        this.#tell(queued, false);
        continue;
      }
      lane.sending++;
      this.#underWay.set(queued.name, queued);
      const awaiting = {
        replied: () => this.#sent(queued, undefined),
        failed: (error: Error) => this.#sent(queued, error),
      };
      connection.send(write.key, command, awaiting, WRITE_LIMITS.commandMs);
    }
  }

  #sent(queued: Queued, error: Error | undefined): void {
    const { lane } = queued;
    lane.sending--;
    this.#underWay.delete(queued.name);
    if (error === undefined) {
      this.stats.written++;
      lane.backOff.reset();
      this.#tell(queued, true);
    } else {
      this.stats.failed++;
      this.lastError = error.message;
      this.#again(queued);
    }
    if (this.#closed || lane.resting || lane.waiting.size === 0) return;
    if (lane.waiting.size >= WRITE_LIMITS.batch) this.#send(lane);
    else this.#gather(lane);
  }

  /** Behind those that wait already: one that is never taken holds up nobody else. */
  #again(queued: Queued): void {
    const { name, write, ended } = queued;
    const later = this.#waiting.get(name);
    if (this.#closed) {
      this.stats.dropped++;
      this.#tell(queued, false);
    } else if (later !== undefined) {
      this.stats.overtaken++;
      later.ended.push(...ended);
    } else {
      // Its key may be another node's by now.
      this.#add({ name, write, lane: this.#laneOf(write.key), ended });
    }
    const { lane } = queued;
    if (this.#closed || lane.resting) return;
    lane.resting = true;
    lane.timer?.cancel();
    lane.timer = this.parts.clock.after(lane.backOff.next(), () => this.#awake(lane));
  }

  #add(queued: Queued): void {
    this.#waiting.set(queued.name, queued);
    queued.lane.waiting.set(queued.name, queued);
    this.#octets += queued.write.octets;
    while (this.#waiting.size > WRITE_LIMITS.maxQueued || this.#octets > WRITE_LIMITS.maxOctets) {
      const [oldest] = this.#waiting.values();
      this.#drop(oldest);
    }
  }
  #remove({ name, write, lane }: Queued): void {
    this.#waiting.delete(name);
    lane.waiting.delete(name);
    this.#octets -= write.octets;
  }
  #drop(queued: Queued): void {
    this.#remove(queued);
    this.stats.dropped++;
    this.#tell(queued, false);
  }
  #tell({ ended }: Queued, written: boolean): void {
    for (const one of ended) one(written);
  }
}
