// What time it is in Redis, which is the time of a fleet: instances need not agree on theirs. Asked for when a connection is
// made and every ten seconds; in between the monotonic clock goes on from there.
//
// An answer was taken somewhere between its question and its arrival, so it is wrong by half of that at the most. How wrong
// is known, and is what others are told times with: a value as older, what is forgotten as later. Of two measurements the
// better one counts, unless both cannot be right: then the clock there has moved.
import type { Clock, Timer } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { RedisArgument, RedisReply } from './client.js';
import type { RedisConnection } from './connection.js';

const EVERY_MS = 10_000;
/** Where it has failed, or has taken so long that the next one will be better. */
const SOON_MS = 1000;
const LONG_MS = 20;
const TRIES = 5;
/** By how much two clocks that are kept right run apart, of the time that passes. */
const DRIFT = 1e-4;
/** What is measured is no more exact than half of that. */
const DEADLINE_MS = 1000;
/** A clock that has moved by so much is told. */
const TOLD_MS = 1000;

export class ServerClock {
  /** Since it was measured for the first time: a clock that jumps counts. */
  moved = 0;
  /** Of the last measurement. */
  roundTripMs: number | undefined;
  /** Called each time it was told. Must not throw. */
  told: () => void = () => {};
  #aheadMs: number | undefined;
  /** How wrong that may have been when it was measured, and when that was. */
  #halfMs = 0;
  #measuredMs = 0;
  /** How often it may still be asked for soon because it has taken long. */
  #tries = TRIES;
  #timer: Timer | undefined;
  #closed = false;

  /** @param at key by which the node is chosen whose time it is */
  constructor(
    private readonly connection: RedisConnection,
    private readonly at: RedisArgument,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    connection.watch({
      connected: () => {
        this.#tries = TRIES;
        this.measure();
      },
    });
  }

  /** Whether it has ever been told. */
  get isKnown(): boolean {
    return this.#aheadMs !== undefined;
  }
  /** Unix milliseconds; NaN while it is not known. */
  nowMs(): number {
    return this.clock.nowMs() + (this.#aheadMs ?? NaN);
  }
  /** How wrong what it says may be. */
  get errorMs(): number {
    return this.#halfMs + DRIFT * (this.clock.nowMs() - this.#measuredMs);
  }
  /** What a time of the monotonic clock is there. */
  of(monotonicMs: number): number {
    return monotonicMs + (this.#aheadMs ?? NaN);
  }

  measure(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const asked = this.clock.nowMs();
    const awaiting = {
      replied: (reply: RedisReply) => {
        this.#read(reply, asked);
        this.#again(this.#halfMs * 2 > LONG_MS && this.#tries-- > 0 ? SOON_MS : EVERY_MS);
      },
      failed: () => this.#again(SOON_MS),
    };
    this.connection.send(this.at, ['TIME'], awaiting, DEADLINE_MS);
  }

  #read(reply: RedisReply, asked: number): void {
    const there = timeOf(reply);
    if (there === undefined) return;
    const now = this.clock.nowMs();
    this.roundTripMs = now - asked;
    const half = this.roundTripMs / 2;
    const ahead = there - (asked + now) / 2;
    const before = this.#aheadMs;
    const byMs = before === undefined ? 0 : ahead - before;
    const bothHold = before !== undefined && Math.abs(byMs) <= half + this.errorMs;
    if (!bothHold || half <= this.errorMs) {
      this.#aheadMs = ahead;
      this.#halfMs = half;
      this.#measuredMs = now;
    }
    this.told();
    if (bothHold || Math.abs(byMs) < TOLD_MS) return;
    this.moved++;
    this.log.warn({ redis: this.connection.label, byMs: Math.round(byMs) }, "Redis' clock has moved");
  }

  #again(afterMs: number): void {
    if (this.#closed || this.#timer !== undefined || !this.connection.isConnected) return;
    this.#timer = this.clock.after(afterMs, () => {
      this.#timer = undefined;
      this.measure();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }
}

/** Milliseconds of what TIME says: seconds and microseconds as text. */
export function timeOf(reply: RedisReply): number | undefined {
  if (!Array.isArray(reply) || reply.length !== 2) return undefined;
  const [seconds, micros] = (reply as RedisReply[]).map(one => Number(String(one as string)));
  const ms = seconds * 1000 + micros / 1000;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
