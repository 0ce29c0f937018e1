// How a server is, in one line, as a service manager shows it.
import type { Clock } from '../base/clock.js';
import type { Server } from '../server/server.js';

export class StatusLine {
  #asked: number | undefined;
  #hits = 0;
  #atMs = 0;

  constructor(
    private readonly server: Pick<Server, 'engine' | 'addresses'>,
    private readonly clock: Clock,
  ) {}

  /** Of the time since the last one. */
  next(): string {
    const stats = this.server.engine.stats();
    const hits = stats.hitsPositive + stats.hitsNegative + stats.hitsFailure + stats.hitsStale;
    const asked = hits + stats.misses - stats.staleAfterMiss;
    const nowMs = this.clock.nowMs();
    const where = [...new Set(Object.values(this.server.addresses()).flat())].join(' ');
    const parts = [`answering at ${where}`, `${stats.entries} entries`];
    if (this.#asked !== undefined && nowMs > this.#atMs) {
      const questions = asked - this.#asked;
      const share = questions === 0 ? '' : `, ${Math.round((100 * (hits - this.#hits)) / questions)} % from the cache`;
      parts.splice(1, 0, `${Math.round((1000 * questions) / (nowMs - this.#atMs))} questions a second${share}`);
    }
    [this.#asked, this.#hits, this.#atMs] = [asked, hits, nowMs];
    return parts.join('; ');
  }
}
