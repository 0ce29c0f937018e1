// Timers that run equally long, most of which are called off: one timer of the clock for all of them.
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
  /** In the order in which they are due, as long as their delay does not change. A Set would outgrow its tables. */
  #waiting = emptyRing();
  #timer: Timer | undefined;

  constructor(private readonly clock: Clock) {}

  /** @param now where the clock has just been read */
  after(delayMs: number, run: Due | (() => void), now = this.clock.nowMs()): Timer {
    const one = new One(now + delayMs, run);
    one.insertBefore(this.#waiting);
    this.#timer ??= this.clock.after(delayMs, () => this.#due());
    return one;
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
        this.#timer ??= this.clock.after(next.atMs - now, () => this.#due());
        return;
      }
      next.fire();
    }
  }
}
