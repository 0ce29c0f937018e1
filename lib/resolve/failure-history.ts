// How long questions that fail are left alone (RFC 9520 section 3.2).
//
// Bound: 10,000 questions; those whose failures are over go as they are looked up, as others fail, and as any is looked
// up: SWEPT are looked at each SWEEP_MS.
import type { Clock } from '../base/clock.js';
import { ExtendedError } from '../wire/iana.js';

const LIMIT = 10_000;
/** How many old ones each failure looks at: more than it adds, so that what is over does not pile up. */
const REVIEWED = 2;
const SWEPT = 256;
const SWEEP_MS = 1000;

interface Failing {
  seconds: number;
  quietUntilMs: number;
  overMs: number;
  recursive: boolean;
  extendedError: number;
  text: string | undefined;
}

export class FailureHistory {
  readonly #failing = new Map<string, Failing>();
  #sweptAtMs = 0;
  constructor(
    private readonly clock: Pick<Clock, 'nowMs'>,
    private readonly limit = LIMIT,
  ) {}

  get size(): number {
    return this.#failing.size;
  }

  /**
   * Notes that a question has failed. Returns for how many seconds it is to be left alone: `first`, or twice as long as
   * the last time, `most` at the most; `stale` where there is an answer to give in the meantime. Who asks again only when
   * as long again has passed asks seldom enough: then it begins anew. `inCache`: the cache has it, and sees to it. `recursive`: it was the recursor
   * that could not answer. `extendedError`, `text`: what those who ask meanwhile are told.
   */
  note(
    key: string,
    {
      first,
      most,
      stale,
      inCache = true,
      recursive = false,
      extendedError = ExtendedError.cachedError,
      text,
    }: {
      first: number;
      most: number;
      stale?: number;
      inCache?: boolean;
      recursive?: boolean;
      extendedError?: number;
      text?: string;
    },
  ): number {
    const now = this.clock.nowMs();
    this.#review(now, REVIEWED);
    const before = this.#failing.get(key);
    const seconds = Math.min(before !== undefined && now < before.overMs ? before.seconds * 2 : first, most);
    this.#failing.delete(key);
    if (this.#failing.size >= this.limit) this.#failing.delete(this.#failing.keys().next().value!);
    const quiet = stale ?? seconds;
    const quietUntilMs = inCache ? -Infinity : now + 1000 * quiet;
    const overMs = Math.max(now + 2000 * seconds, quietUntilMs);
    this.#failing.set(key, { seconds, quietUntilMs, overMs, recursive, extendedError, text });
    return quiet;
  }

  /** Set: a question that the cache knows nothing of is to be left alone still. */
  quiet(key: string): Readonly<Pick<Failing, 'recursive' | 'extendedError' | 'text'>> | undefined {
    const now = this.clock.nowMs();
    const failing = this.#find(key, now);
    return failing !== undefined && now < failing.quietUntilMs ? failing : undefined;
  }

  /** Whether it has failed not long ago. */
  has(key: string): boolean {
    return this.#failing.size > 0 && this.#find(key, this.clock.nowMs()) !== undefined;
  }

  #find(key: string, now: number): Failing | undefined {
    if (now - this.#sweptAtMs >= SWEEP_MS) {
      this.#sweptAtMs = now;
      this.#review(now, SWEPT);
    }
    const failing = this.#failing.get(key);
    if (failing === undefined || now < failing.overMs) return failing;
    this.#failing.delete(key);
    return undefined;
  }

  /** The question has been answered. */
  forget(key: string): void {
    this.#failing.delete(key);
  }

  clear(): void {
    this.#failing.clear();
  }

  /** Looks at the first so many: those that last go behind the others. */
  #review(now: number, most: number): void {
    let left = Math.min(most, this.#failing.size);
    for (const [key, failing] of this.#failing) {
      if (left-- === 0) return;
      this.#failing.delete(key);
      if (now < failing.overMs) this.#failing.set(key, failing);
    }
  }
}
