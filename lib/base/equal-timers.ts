// Timers that run equally long, most of which are called off: one timer of the clock for all of them. Where their length
// changes, those that are due sooner than others before them go in front of these, one by one.
//
// Bound: those that are neither over nor called off.
import type { Clock, Timer } from './clock.js';

/** What is due: an object, where a closure for each would be garbage. */
export interface Due {
  timeIsUp(): void;
}

/** One in a ring; whatever leaves it lets go of what it would have run. */
class One implements Timer {
  previous: One = this;
  next: One = this;

  constructor(
    readonly atMs: number,
    private run: Due | (() => void) | undefined,
  ) {}

  insertBefore(next: One): void {
    const { previous } = next;
    this.previous = previous;
    this.next = next;
    previous.next = this;
    next.previous = this;
  }
  cancel(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this.next = this;
    this.run = undefined;
  }
  fire(): void {
    const { run } = this;
    this.cancel();
    if (typeof run === 'function') run();
    else run?.timeIsUp();
  }
}

/** A ring's beginning and end, which never fires. */
const emptyRing = (): One => new One(Infinity, undefined);

export class EqualTimers {
  /** In the order in which they are due. A Set would outgrow its tables. */
  #waiting = emptyRing();
  #timer: Timer | undefined;
  /** When it fires. */
  #timerAtMs = 0;

  constructor(private readonly clock: Clock) {}

  /** @param now where the clock has just been read */
  after(delayMs: number, run: Due | (() => void), now = this.clock.nowMs()): Timer {
    const one = new One(now + delayMs, run);
    const end = this.#waiting;
    let next = end;
    while (next.previous !== end && next.previous.atMs > one.atMs) next = next.previous;
    one.insertBefore(next);
    if (this.#timer === undefined || one.atMs < this.#timerAtMs)
      this.#arm(one.atMs, Math.max(0, one.atMs - this.clock.nowMs()));
    return one;
  }

  #arm(atMs: number, delayMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.clock.after(delayMs, () => this.#due());
  }

  clear(): void {
    this.#waiting = emptyRing();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #due(): void {
    this.#timer = undefined;
    const now = this.clock.nowMs();
    for (;;) {
      const { next } = this.#waiting;
      if (next === this.#waiting) return;
      if (next.atMs > now) {
        if (this.#timer === undefined) this.#arm(next.atMs, next.atMs - now);
        return;
      }
      next.fire();
    }
  }
}
