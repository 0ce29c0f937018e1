// When something is asked for again that is known for a while: before it expires; soon where that has failed, or where what it
// leads to is of no use: a lifetime is as long as whoever has said it likes, forged or by mistake.
//
// Bounds: between two rounds LIFETIME_SECONDS; after a failure again in 1 s, doubling to 60 s; a look at its use each LOOK_MS.
import type { Clock, Timer } from '../base/clock.js';

export const LIFETIME_SECONDS = { min: 30, max: 86_400 };
/** Of a lifetime, what passes before it is asked again: time enough to try a few times. */
const REFRESH_AT = 0.9;
const RETRY_MS = { first: 1000, last: 60_000 };
const LOOK_MS = 10_000;

/** What a round has come to. */
export interface Round {
  /** For how long what was found is known; undefined: nothing was found. */
  readonly seconds: number | undefined;
  /** All that was asked for was answered. */
  readonly isWhole: boolean;
}

export class Rounds {
  /** Resolves when it was asked for the first time, whatever came of it. */
  #first: Promise<void> | undefined;
  #timer: Timer | undefined;
  #retryMs = RETRY_MS.first;
  #closed = false;

  /**
   * @param run never rejects
   * @param isUseless whether all that was found has failed since
   */
  constructor(
    private readonly clock: Clock,
    private readonly run: () => Promise<Round>,
    private readonly isUseless: () => boolean,
  ) {}

  get isClosed(): boolean {
    return this.#closed;
  }
  /** For the first time, once. @returns when that is over, whatever came of it */
  begin(): Promise<void> {
    return (this.#first ??= this.#round());
  }
  /** At once, where it waits. */
  now(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    void this.#round();
  }
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #round(): Promise<void> {
    this.#timer = undefined;
    const { seconds, isWhole } = await this.run();
    if (this.#closed) return;
    const { min, max } = LIFETIME_SECONDS;
    let delayMs = seconds === undefined ? Infinity : Math.min(Math.max(seconds, min), max) * 1000 * REFRESH_AT;
    if (seconds === undefined || !isWhole) delayMs = Math.min(delayMs, this.#nextRetryMs());
    else if (!this.isUseless()) this.#retryMs = RETRY_MS.first;
    this.#wait(this.clock.nowMs() + delayMs);
  }

  #nextRetryMs(): number {
    const ms = this.#retryMs;
    this.#retryMs = Math.min(ms * 2, RETRY_MS.last);
    return ms;
  }

  /** @param retryAtMs where what was found was of no use when it was looked at last */
  #wait(untilMs: number, retryAtMs = Infinity): void {
    const now = this.clock.nowMs();
    const next = Math.min(untilMs, retryAtMs);
    this.#timer = this.clock.after(Math.min(next - now, LOOK_MS), () => {
      if (this.clock.nowMs() >= next) void this.#round();
      else if (!this.isUseless()) this.#wait(untilMs);
      else this.#wait(untilMs, retryAtMs === Infinity ? this.clock.nowMs() + this.#nextRetryMs() : retryAtMs);
    });
  }
}
