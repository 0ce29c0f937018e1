// Time that moves only when a test says so.
import type { Clock, Timer } from '../../lib/base/clock.js';

interface Due {
  at: number;
  run: () => void;
  cancelled: boolean;
}

export class FakeClock implements Clock {
  #now = 1_000_000;
  #due: Due[] = [];
  wall = 1_700_000_000;

  nowMs(): number {
    return this.#now;
  }
  wallSeconds(): number {
    return this.wall;
  }
  after(delayMs: number, run: () => void): Timer {
    const due: Due = { at: this.#now + delayMs, run, cancelled: false };
    this.#due.push(due);
    return {
      cancel: () => {
        due.cancelled = true;
      },
    };
  }
  /** Runs what falls due in between, oldest first, letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      this.#due = this.#due.filter(due => !due.cancelled);
      const next = this.#due.filter(due => due.at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#due.splice(this.#due.indexOf(next), 1);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settle();
    }
    this.#now = until;
  }
  /** Time that passes while nothing runs: of a process that was stopped. */
  jump(ms: number): void {
    this.#now += ms;
  }
  get pendingTimers(): number {
    return this.#due.filter(due => !due.cancelled).length;
  }
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve));
}
