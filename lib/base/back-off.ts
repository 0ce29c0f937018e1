// How long to wait before the next try: twice as long each time, up to a bound, and never just as long as others wait.
import type { Random } from './random.js';

export class BackOff {
  #nextMs: number;

  constructor(
    private readonly random: Random,
    private readonly limits: { firstMs: number; mostMs: number },
  ) {
    this.#nextMs = limits.firstMs;
  }

  /** Half of it to all of it. */
  next(): number {
    const wait = this.#nextMs;
    this.#nextMs = Math.min(wait * 2, this.limits.mostMs);
    return wait * (0.5 + this.random.uint32() / 0x2_0000_0000);
  }
  reset(): void {
    this.#nextMs = this.limits.firstMs;
  }
}
