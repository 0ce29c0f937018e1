// What has been invalidated, and when: an answer of the second level that was asked for before then is not taken. Times are
// of this process' monotonic clock, into which those of each Redis are translated.
//
// Bounds: `most` names and as many suffixes; of more, those of longest ago are let go of, and with them everything that was
// asked for before them.
import { ancestors, nameKey } from '../../wire/name.js';
import type { Forgotten } from '../forgotten.js';

const MOST = 20_000;

export class Invalidated {
  /** What was asked for up to then is over, whatever its name. */
  #beforeMs = -Infinity;
  /** By name, in the order in which they came. */
  readonly #names = new Map<string, number>();
  readonly #suffixes = new Map<string, number>();

  constructor(private readonly most = MOST) {}

  get size(): number {
    return this.#names.size + this.#suffixes.size;
  }

  note(what: Forgotten, atMs: number): void {
    if (what === 'all') this.before(atMs);
    else if ('name' in what) this.#set(this.#names, nameKey(what.name), atMs);
    else if ('suffix' in what) this.#set(this.#suffixes, nameKey(what.suffix), atMs);
    // Answers of tenants are not shared.
  }

  /** Everything up to then. */
  before(atMs: number): void {
    if (!(atMs > this.#beforeMs)) return;
    this.#beforeMs = atMs;
    for (const times of [this.#names, this.#suffixes]) {
      for (const [name, ms] of times) if (ms <= atMs) times.delete(name);
    }
  }

  /** @param name folded wire format @param askedMs when its answer was asked for */
  covers(name: Uint8Array, askedMs: number): boolean {
    if (askedMs <= this.#beforeMs) return true;
    if (this.#names.size > 0 && askedMs <= (this.#names.get(nameKey(name)) ?? -Infinity)) return true;
    if (this.#suffixes.size === 0) return false;
    for (const suffix of ancestors(name)) {
      if (askedMs <= (this.#suffixes.get(nameKey(suffix)) ?? -Infinity)) return true;
    }
    return false;
  }

  #set(times: Map<string, number>, key: string, atMs: number): void {
    const latest = Math.max(times.get(key) ?? -Infinity, atMs);
    times.delete(key);
    times.set(key, latest);
    if (times.size <= this.most) return;
    const [oldest, ms] = times.entries().next().value!;
    times.delete(oldest);
    this.before(ms);
  }
}
