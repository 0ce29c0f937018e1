// What a signal to end means. One that comes right after another is the same one: timeout, npm, init processes and terminals
// send it to the process and to its group. One that comes later is of somebody who does not want to wait any longer.
import { type Clock, systemClock } from '../base/clock.js';

const SAME_WITHIN_MS = 1000;

export class Ending {
  #begunMs: number | undefined;

  constructor(private readonly clock: Clock = systemClock) {}

  get begun(): boolean {
    return this.#begunMs !== undefined;
  }

  /** A signal came: end in order, go on with that, or end now. */
  came(): 'begin' | 'go on' | 'now' {
    const now = this.clock.nowMs();
    if (this.#begunMs === undefined) {
      this.#begunMs = now;
      return 'begin';
    }
    return now - this.#begunMs < SAME_WITHIN_MS ? 'go on' : 'now';
  }
}
