// Writes that nobody waits for: gathered for a few milliseconds, the latest of a key, sent together, tried again behind a
// growing wait until what they say is over. While Redis is away they wait here, within a bound: of more, those that have
// waited longest are given up.
//
// Bounds: `maxQueued` writes, `maxOctets` of what they hold; `batch` of them under way.
import { BackOff } from '../../base/back-off.js';
import type { Clock, Timer } from '../../base/clock.js';
import type { Random } from '../../base/random.js';
import type { RedisArgument, RedisReply } from './client.js';
import type { RedisConnection } from './connection.js';

export const WRITE_LIMITS = {
  maxQueued: 10_000,
  maxOctets: 64 * 1024 * 1024,
  /** Writes wait for others until there are so many, */
  batch: 64,
  /** or for so long. */
  gatherMs: 2,
  backOff: { firstMs: 50, mostMs: 5000 },
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
  /** Told once it is there. */
  done?(reply: RedisReply): void;
}

export interface WriteParts {
  readonly connection: RedisConnection;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether writes may be made; whoever says no calls `wake` when they may. */
  readonly mayWrite: () => boolean;
}

export class WriteBehind {
  /** What the last failure was, for the report. */
  lastError: string | undefined;
  readonly stats = { written: 0, overtaken: 0, failed: 0, dropped: 0, expired: 0 };
  /** By key, in the order in which they came. */
  readonly #waiting = new Map<string, Write>();
  #octets = 0;
  #sending = 0;
  #timer: Timer | undefined;
  #resting = false;
  #closed = false;
  readonly #backOff: BackOff;
  #drained: (() => void) | undefined;

  constructor(private readonly parts: WriteParts) {
    this.#backOff = new BackOff(parts.random, WRITE_LIMITS.backOff);
    parts.connection.watch({ connected: () => this.wake() });
  }

  get size(): number {
    return this.#waiting.size + this.#sending;
  }
  get octets(): number {
    return this.#octets;
  }

  put(write: Write): void {
    if (this.#closed) {
      this.stats.dropped++;
      return;
    }
    const name = write.key.toString('latin1');
    const before = this.#waiting.get(name);
    if (before !== undefined) {
      this.stats.overtaken++;
      this.#remove(name, before);
    }
    this.#add(name, write);
    while (this.#waiting.size > WRITE_LIMITS.maxQueued || this.#octets > WRITE_LIMITS.maxOctets) {
      const oldest = this.#waiting.entries().next().value;
      if (oldest === undefined) break;
      this.#remove(...oldest);
      this.stats.dropped++;
    }
    if (this.#resting) return;
    if (this.#waiting.size >= WRITE_LIMITS.batch) this.#send();
    else this.#timer ??= this.parts.clock.after(WRITE_LIMITS.gatherMs, this.#due);
  }

  /** What waits under the key is not written. */
  cancel(key: Buffer): void {
    const name = key.toString('latin1');
    const write = this.#waiting.get(name);
    if (write !== undefined) this.#remove(name, write);
  }

  /** Resolves when all is written, and after `ms` at the latest. Never rejects. */
  drain(ms: number): Promise<void> {
    if (this.size === 0 || ms <= 0) return Promise.resolve();
    this.wake();
    return new Promise(resolve => {
      const timer = this.parts.clock.after(ms, resolve);
      this.#drained = () => {
        timer.cancel();
        resolve();
      };
      this.#tellWhenDrained();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.stats.dropped += this.#waiting.size;
    this.#waiting.clear();
    this.#octets = 0;
    this.#drained?.();
  }

  readonly #due = (): void => {
    this.#timer = undefined;
    this.#resting = false;
    this.#send();
  };

  /** Whatever kept it from writing may be over. */
  wake(): void {
    if (this.#closed || this.#waiting.size === 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#resting = false;
    this.#backOff.reset();
    this.#send();
  }

  #send(): void {
    const { connection, clock } = this.parts;
    if (!connection.isConnected || !this.parts.mayWrite()) return; // it is woken then
    const now = clock.nowMs();
    let room = WRITE_LIMITS.batch - this.#sending;
    for (const [name, write] of this.#waiting) {
      if (room === 0) break;
      this.#remove(name, write);
      const command = write.untilMs > now ? write.command() : undefined;
      if (command === undefined) {
        this.stats.expired++;
        continue;
      }
      room--;
      this.#sending++;
      connection.send(write.key, command, {
        replied: reply => this.#sent(write, reply, undefined),
        failed: error => this.#sent(write, null, error),
      });
      if (this.#resting) break; // it failed at once
    }
    this.#tellWhenDrained();
  }

  #sent(write: Write, reply: RedisReply, error: Error | undefined): void {
    this.#sending--;
    if (error === undefined) {
      this.stats.written++;
      write.done?.(reply);
      this.#backOff.reset();
      if (this.#waiting.size >= WRITE_LIMITS.batch && !this.#resting) this.#send();
      else this.#armIfAnyWaits();
    } else {
      this.stats.failed++;
      this.lastError = error.message;
      this.#again(write);
    }
    this.#tellWhenDrained();
  }

  /** It waits as the oldest of all: those that came meanwhile are newer. */
  #again(write: Write): void {
    if (this.#closed) {
      this.stats.dropped++;
      return;
    }
    const name = write.key.toString('latin1');
    if (this.#waiting.has(name)) this.stats.overtaken++;
    else if (this.#waiting.size >= WRITE_LIMITS.maxQueued) this.stats.dropped++;
    else this.#add(name, write);
    if (this.#resting) return;
    this.#resting = true;
    this.#timer?.cancel();
    this.#timer = this.parts.clock.after(this.#backOff.next(), this.#due);
  }

  #armIfAnyWaits(): void {
    if (this.#waiting.size === 0 || this.#resting) return;
    this.#timer ??= this.parts.clock.after(WRITE_LIMITS.gatherMs, this.#due);
  }

  #tellWhenDrained(): void {
    if (this.#drained === undefined || this.size > 0) return;
    const drained = this.#drained;
    this.#drained = undefined;
    drained();
  }

  #add(name: string, write: Write): void {
    this.#waiting.set(name, write);
    this.#octets += write.octets;
  }
  #remove(name: string, write: Write): void {
    this.#waiting.delete(name);
    this.#octets -= write.octets;
  }
}
