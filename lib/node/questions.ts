// Questions under way: each is asked once, however many wait for it, and those beyond a bound wait for their turn.
//
// Bounds: `most` under way, `mostWaiting` that wait, each no longer than it may take once it is asked.
import type { Clock } from '../base/clock.js';
import { EqualTimers } from '../base/equal-timers.js';
import { type FailureCode, QueryFailure } from './errors.js';

interface Waiting {
  begin(): void;
  fail(code: FailureCode): void;
}

export class Questions<A> {
  readonly #asked = new Map<string, Promise<A>>();
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>();
  readonly #timers: EqualTimers;
  #underWay = 0;

  constructor(
    clock: Clock,
    private readonly most: number,
    private readonly mostWaiting: number,
  ) {
    this.#timers = new EqualTimers(clock);
  }

  get underWay(): number {
    return this.#underWay;
  }
  get waiting(): number {
    return this.#waiting.size;
  }

  /** What a question comes to that somebody has asked already. */
  find(key: string): Promise<A> | undefined {
    return this.#asked.get(key);
  }

  /**
   * What `run` comes to, which is called at once or when there is room.
   * @param key of a question that is not under way
   * @param waitMs how long it may wait for its turn
   * @throws {QueryFailure} rejected: ETIMEOUT when its turn did not come, ECONNREFUSED when too many wait
   */
  ask(key: string, waitMs: number, run: () => Promise<A>): Promise<A> {
    return this.#noted(key, this.#underWay < this.most ? this.#run(run) : this.#wait(waitMs, run));
  }

  /** Room for one that is asked elsewhere, until `release` or `goOn`; false when there is none. */
  take(): boolean {
    if (this.#underWay >= this.most) return false;
    this.#underWay++;
    return true;
  }
  release(): void {
    this.#underWay--;
    this.#next();
  }
  /** What was asked elsewhere, in room that was taken, is asked here from now on. */
  goOn(key: string, run: () => Promise<A>): Promise<A> {
    this.#underWay--;
    return this.#noted(key, this.#run(run));
  }

  #noted(key: string, asked: Promise<A>): Promise<A> {
    this.#asked.set(key, asked);
    const over = (): void => {
      if (this.#asked.get(key) === asked) this.#asked.delete(key);
    };
    asked.then(over, over);
    return asked;
  }

  /** Whoever asks from now on asks anew; those who wait get what they wait for. */
  forget(): void {
    this.#asked.clear();
  }

  /** Tells those who wait for their turn that it will not come. */
  close(): void {
    this.#timers.clear();
    for (const one of this.#waiting) one.fail('ECANCELLED');
    this.#waiting.clear();
    this.#asked.clear();
  }

  async #run(run: () => Promise<A>): Promise<A> {
    this.#underWay++;
    try {
      return await run();
    } finally {
      this.#underWay--;
      this.#next();
    }
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#underWay >= this.most) return;
    this.#waiting.delete(first);
    first.begin();
  }

  #wait(waitMs: number, run: () => Promise<A>): Promise<A> {
    if (this.#waiting.size >= this.mostWaiting) return Promise.reject(new QueryFailure('ECONNREFUSED'));
    return new Promise((resolve, reject) => {
      const one: Waiting = {
        begin: () => {
          timer.cancel();
          resolve(this.#run(run));
        },
        fail: code => reject(new QueryFailure(code)),
      };
      const timer = this.#timers.after(waitMs, () => {
        if (this.#waiting.delete(one)) one.fail('ETIMEOUT');
      });
      this.#waiting.add(one);
    });
  }
}
