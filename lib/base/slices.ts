// Work that is done on the JavaScript thread a few milliseconds at a time: queries that wait for it come between.
import type { Clock } from './clock.js';

/** Of the 20 that the event loop may be held. */
const SLICE_MS = 8;

export class Slices {
  #since: number;

  constructor(private readonly clock: Pick<Clock, 'nowMs'>) {
    this.#since = clock.nowMs();
  }

  /** Whether others are to come first. */
  get isOver(): boolean {
    return this.clock.nowMs() - this.#since >= SLICE_MS;
  }

  async next(): Promise<void> {
    await new Promise(resolve => setImmediate(resolve));
    this.#since = this.clock.nowMs();
  }
}

/** What the steps come to, for those whom nobody waits for, as at a start or in a thread of their own. */
export function inOneGo<T>(steps: Iterator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** What the steps come to, each of which takes less than a slice. */
export async function inSlices<T>(steps: Iterator<void, T>, clock: Pick<Clock, 'nowMs'>): Promise<T> {
  const slices = new Slices(clock);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (slices.isOver) await slices.next();
  }
}
