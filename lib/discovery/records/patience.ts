// How long one look at a service waits for what is said of single targets and instances: each may be in a zone of its own, whose
// servers are silent as long as their owner wants, and whoever owns one must not hold up what is known of all others. Whoever
// is silent for longer is nobody who can tell, now. The question goes on behind it: its answer is in the cache at the next look.
//
// Bounds: LOOK_MS for each of a look's two rounds at most (instances, hosts); for one question as much of it as lets all of the
// round have their turn, LATE_MS at least, and no more than that for one that was silent when it was asked last. Of questions
// that go on behind it MAX_BEHIND, so that with those that are waited for there is room for others among the 512 that a client
// asks at a time; no more than MAX_LATE_BEHIND where those are asked again that were silent before.
import type { Clock } from '../../base/clock.js';
import { Type } from '../../wire/iana.js';
import { type Answer, QueryFailure, type RecordSource } from './source.js';

/** Names that are asked for at a time. */
export const MAX_AT_ONCE = 32;
const LOOK_MS = 2000;
const LATE_MS = 200;
const MAX_BEHIND = 384;
const MAX_LATE_BEHIND = 64;
const TYPES = [Type.A, Type.AAAA, Type.SRV, Type.TXT];

const keyOf = (name: string, type: number): string => `${type} ${name}`;

export class PatientSource implements RecordSource {
  readonly proves: boolean;
  #untilMs = Infinity;
  #eachMs = LOOK_MS;
  /** Questions that were silent when they were asked last, with a number that grows: who was asked before the others. */
  readonly #late = new Map<string, number>();
  #silences = 0;
  /** Those that nobody waits for any more, and that are still under way. */
  readonly #behind = new Set<string>();
  /** Names that this look is about. */
  #wanted = new Set<string>();

  constructor(
    private readonly source: RecordSource,
    private readonly clock: Clock,
  ) {
    this.proves = source.proves;
  }

  /** A look begins. */
  begin(): void {
    // One that has come to nothing has said nothing of who is wanted.
    if (this.#wanted.size === 0) return;
    for (const key of this.#late.keys()) if (!this.#wanted.has(key.slice(key.indexOf(' ') + 1))) this.#late.delete(key);
    this.#wanted = new Set();
  }
  /**
   * A round of it begins.
   * @returns what is asked for in it: those that were silent behind the others, for whom there may be no more time than that,
   *   and of them first whoever was not asked for the longest time
   */
  round<T>(items: readonly T[], nameOf: (item: T) => string): readonly T[] {
    this.#untilMs = this.clock.nowMs() + LOOK_MS;
    this.#eachMs = Math.max(LATE_MS, Math.min(LOOK_MS, (LOOK_MS * MAX_AT_ONCE) / items.length));
    const ranked = items.map(item => {
      const name = nameOf(item);
      this.#wanted.add(name);
      if (this.#late.size === 0) return { item, rank: 0 };
      return { item, rank: Math.max(...TYPES.map(type => this.#late.get(keyOf(name, type)) ?? 0)) };
    });
    return ranked.sort((a, b) => a.rank - b.rank).map(({ item }) => item);
  }

  /** @throws {QueryFailure} ETIMEOUT also where there was no time left to ask, or too many questions are behind */
  ask(name: string, type: number): Answer | Promise<Answer> {
    const leftMs = this.#untilMs - this.clock.nowMs();
    const key = keyOf(name, type);
    const isLate = this.#late.has(key);
    this.#wanted.add(name);
    if (leftMs <= 0 || this.#isTooMuch(key, isLate)) throw new QueryFailure('ETIMEOUT');
    const answer = this.source.ask(name, type);
    if (!(answer instanceof Promise)) {
      this.#late.delete(key);
      return answer;
    }
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(Math.min(leftMs, isLate ? LATE_MS : this.#eachMs), () => {
        this.#late.set(key, ++this.#silences);
        this.#behind.add(key);
        reject(new QueryFailure('ETIMEOUT'));
      });
      answer.then(
        value => {
          timer.cancel();
          this.#behind.delete(key);
          // However late: one that is slow is not silent, and has the whole time again.
          this.#late.delete(key);
          resolve(value);
        },
        (error: Error) => {
          timer.cancel();
          this.#behind.delete(key);
          reject(error);
        },
      );
    });
  }
  /** Not of a question that is under way: whoever asks it waits for the same answer. */
  #isTooMuch(key: string, isLate: boolean): boolean {
    return this.#behind.size >= (isLate ? MAX_LATE_BEHIND : MAX_BEHIND) && !this.#behind.has(key);
  }
  sort(addresses: readonly string[]): string[] {
    return this.source.sort(addresses);
  }
}
