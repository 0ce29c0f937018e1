// Timers that run equally long, most of which are called off: one timer of the clock for all of them.
//
// Bound: those that are neither over nor called off.
import type { Clock, Timer } from './clock.js';

/**
 * Lets go of what it would have run: V8 keeps the outgrown tables of a Set, and all that their entries lead to, until the
 * next full collection.
 */
class One implements Timer {
  constructor(
    readonly atMs: number,
    private run: (() => void) | undefined,
    private waiting: Set<One> | undefined,
  ) {}

  cancel(): void {
    this.waiting?.delete(this);
    this.waiting = this.run = undefined;
  }
  fire(): void {
    const { run } = this;
    this.cancel();
    run?.();
  }
}

export class EqualTimers {
  /** In the order in which they are due, as long as their delay does not change. */
  readonly #waiting = new Set<One>();
  #timer: Timer | undefined;

  constructor(private readonly clock: Clock) {}

  after(delayMs: number, run: () => void): Timer {
    const one = new One(this.clock.nowMs() + delayMs, run, this.#waiting);
    this.#waiting.add(one);
    this.#timer ??= this.clock.after(delayMs, () => this.#due());
    return one;
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
      one.fire();
    }
  }
}
