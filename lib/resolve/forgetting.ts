// What is forgotten while questions are under way: a cache may have others who forget in it, another server, the program
// that it is of, another process. They tell nobody, but the cache counts: what was under way then may be what they have
// forgotten, and is told to those who wait and not kept. What is forgotten by way of here is known by its selector, and
// only what it concerns is not kept.
import type { Engine } from '../cache/engine.js';
import type { Forgotten } from '../cache/forgotten.js';

export class Forgetting {
  #known: number;

  /** @param outdate told before anything is kept or joined again; must not throw */
  constructor(
    private readonly engine: Engine,
    private readonly outdate: (what: Forgotten) => void,
  ) {
    this.#known = engine.generation;
  }

  /** Whether others have forgotten something since `notice` was called. */
  get isBehind(): boolean {
    return this.engine.generation !== this.#known;
  }

  /** To be called before questions under way are joined, or what they have found is kept. */
  notice(): void {
    const now = this.engine.generation;
    if (now === this.#known) return;
    this.#known = now;
    this.outdate('all');
  }

  forget(what: Forgotten): void {
    this.notice();
    this.outdate(what);
    this.engine.invalidate(what);
    const now = this.engine.generation;
    // Of two, one was another's.
    if (((now - this.#known) | 0) === 1) this.#known = now;
  }
}
