// Timers that run equally long, most of which are called off: one timer of the clock for all of them.
//
// Bound: those that are neither over nor called off.
import type { Clock, Timer } from './clock.js';

interface One {
  atMs: number;
  run(): void;
}

export class EqualTimers {
  /** In the order in which they are due, as long as their delay does not change. */
  readonly #waiting = new Set<One>();
  #timer: Timer | undefined;

  constructor(private readonly clock: Clock) {}

  after(delayMs: number, run: () => void): Timer {
    const one = { atMs: this.clock.nowMs() + delayMs, run };
    this.#waiting.add(one);
    this.#timer ??= this.clock.after(delayMs, () => this.#due());
    return { cancel: () => this.#waiting.delete(one) };
  }

  clear(): void {
    this.#waiting.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #due(): void {
    this.#timer = undefined;
    const now = this.clock.nowMs();
    for (const one of this.#waiting) {
      if (one.atMs > now) {
        this.#timer ??= this.clock.after(one.atMs - now, () => this.#due());
        return;
      }
      this.#waiting.delete(one);
      one.run();
    }
  }
}
