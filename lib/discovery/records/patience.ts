// How long one look at a service waits for what is said of single targets and instances: each may be in a zone of its own, whose
// servers are silent as long as their owner wants, and whoever owns one must not hold up what is known of all others. Whoever
// is silent for longer is nobody who can tell, now. The question goes on behind it: its answer is in the cache at the next look.
//
// Bounds: LOOK_MS for each of a look's two rounds at most (instances, hosts); for one question as much of it as lets all of the
// round have their turn, LATE_MS at least, and no more than that for one that was not answered since the last look; as many
// questions as two looks ask.
import type { Clock } from '../../base/clock.js';
import { Type } from '../../wire/iana.js';
import { type Answer, QueryFailure, type RecordSource } from './source.js';

/** Names that are asked for at a time. */
export const MAX_AT_ONCE = 32;
const LOOK_MS = 2000;
const LATE_MS = 200;
const TYPES = [Type.A, Type.AAAA, Type.SRV, Type.TXT];

const keyOf = (name: string, type: number): string => `${type} ${name}`;

export class PatientSource implements RecordSource {
  readonly proves: boolean;
  #untilMs = Infinity;
  #eachMs = LOOK_MS;
  /** Questions that were silent in the last look, and have had no answer since; and those of this one. */
  #late = new Set<string>();
  #nextLate = new Set<string>();

  constructor(
    private readonly source: RecordSource,
    private readonly clock: Clock,
  ) {
    this.proves = source.proves;
  }

  /** A look begins. */
  begin(): void {
    this.#late = this.#nextLate;
    this.#nextLate = new Set();
  }
  /**
   * A round of it begins.
   * @returns what is asked for in it: those that were silent behind the others, for whom there may be no more time than that
   */
  round<T>(items: readonly T[], nameOf: (item: T) => string): readonly T[] {
    this.#untilMs = this.clock.nowMs() + LOOK_MS;
    this.#eachMs = Math.max(LATE_MS, Math.min(LOOK_MS, (LOOK_MS * MAX_AT_ONCE) / items.length));
    if (this.#late.size === 0) return items;
    const isLate = (item: T): boolean => TYPES.some(type => this.#late.has(keyOf(nameOf(item), type)));
    return [...items.filter(one => !isLate(one)), ...items.filter(isLate)];
  }

  /** @throws {QueryFailure} ETIMEOUT also where there was no time left to ask */
  ask(name: string, type: number): Answer | Promise<Answer> {
    const leftMs = this.#untilMs - this.clock.nowMs();
    if (leftMs <= 0) throw new QueryFailure('ETIMEOUT');
    const answer = this.source.ask(name, type);
    if (!(answer instanceof Promise)) return answer;
    const key = keyOf(name, type);
    const ms = Math.min(leftMs, this.#late.has(key) ? LATE_MS : this.#eachMs);
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(ms, () => {
        this.#nextLate.add(key);
        reject(new QueryFailure('ETIMEOUT'));
      });
      answer.then(
        value => {
          timer.cancel();
          // However late: one that is slow is not silent, and has the whole time again.
          this.#late.delete(key);
          this.#nextLate.delete(key);
          resolve(value);
        },
        (error: Error) => {
          timer.cancel();
          reject(error);
        },
      );
    });
  }
  sort(addresses: readonly string[]): string[] {
    return this.source.sort(addresses);
  }
}
