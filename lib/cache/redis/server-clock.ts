// What time it is in Redis, which is the time of a fleet: instances need not agree on theirs. Asked for when a connection is
// made and each minute; in between the monotonic clock goes on from there.
import type { Clock, Timer } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { RedisArgument, RedisReply } from './client.js';
import type { RedisConnection } from './connection.js';

const EVERY_MS = 60_000;
const AFTER_FAILURE_MS = 1000;
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
  #timer: Timer | undefined;
  #closed = false;

  /** @param at key by which the node is chosen whose time it is */
  constructor(
    private readonly connection: RedisConnection,
    private readonly at: RedisArgument,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    connection.watch({ connected: () => this.measure() });
  }

  /** Whether it has ever been told. */
  get isKnown(): boolean {
    return this.#aheadMs !== undefined;
  }
  /** Unix milliseconds; NaN while it is not known. */
  nowMs(): number {
    return this.clock.nowMs() + (this.#aheadMs ?? NaN);
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
        this.#again(EVERY_MS);
      },
      failed: () => this.#again(AFTER_FAILURE_MS),
    };
    this.connection.send(this.at, ['TIME'], awaiting, DEADLINE_MS);
  }

  #read(reply: RedisReply, asked: number): void {
    const there = timeOf(reply);
    if (there === undefined) return;
    const now = this.clock.nowMs();
    // It was taken somewhere between the question and the answer.
    const ahead = there - (asked + now) / 2;
    const before = this.#aheadMs;
    this.roundTripMs = now - asked;
    this.#aheadMs = ahead;
    this.told();
    if (before === undefined || Math.abs(ahead - before) < TOLD_MS) return;
    this.moved++;
    this.log.warn({ redis: this.connection.label, byMs: Math.round(ahead - before) }, "Redis' clock has moved");
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
function timeOf(reply: RedisReply): number | undefined {
  if (!Array.isArray(reply) || reply.length !== 2) return undefined;
  const [seconds, micros] = (reply as RedisReply[]).map(one => Number(String(one as string)));
  const ms = seconds * 1000 + micros / 1000;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
