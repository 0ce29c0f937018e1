// So many a second, and a burst at first: how often something costly may be done.
import type { Clock } from './clock.js';

export class TokenBucket {
  #tokens: number;
  #atMs: number;

  constructor(
    private readonly clock: Clock,
    private readonly limit: { perSecond: number; burst: number },
  ) {
    this.#tokens = limit.burst;
    this.#atMs = clock.nowMs();
  }

  /** Takes one, if there is one. */
  take(now = this.clock.nowMs()): boolean {
    const { perSecond, burst } = this.limit;
    this.#tokens = Math.min(this.#tokens + ((now - this.#atMs) * perSecond) / 1000, burst);
    this.#atMs = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
