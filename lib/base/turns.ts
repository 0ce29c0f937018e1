// Work that comes all at once, spread over turns of the event loop: when a thousand wait for one response, those who wait
// for something else must not wait for all of the thousand.
//
// Bound: in one turn as much as `most` allows, and one piece more. What waits is bounded by whoever brings it.

/** A piece of work; says what it has cost, in the measure of `most`. Must not throw. */
type Work = () => number;

export class Turns {
  #spent = 0;
  #waiting: Work[] = [];
  /** Of those, how many are done. */
  #done = 0;
  #counts = false;

  constructor(private readonly most: number) {}

  get #hasRoom(): boolean {
    return this.#spent < this.most && this.#waiting.length === 0;
  }

  /** Runs it at once where this turn has room, else in its order in one that comes. */
  run(work: Work): void {
    if (this.#hasRoom) this.#do(work);
    else this.#waiting.push(work);
    this.#count();
  }

  /** The same for what follows: undefined where this turn has room for it, so that it need not wait for a promise. */
  room(cost: number): Promise<void> | undefined {
    if (this.#hasRoom) {
      this.#spent += cost;
      this.#count();
      return undefined;
    }
    return new Promise(resolve => {
      this.run(() => {
        resolve();
        return cost;
      });
    });
  }

  /** What it costs is added to what work that it brings has cost. */
  #do(work: Work): void {
    const cost = work();
    this.#spent += cost;
  }

  #count(): void {
    if (this.#counts) return;
    this.#counts = true;
    setImmediate(this.#begin);
  }

  readonly #begin = (): void => {
    this.#spent = 0;
    while (this.#done < this.#waiting.length && this.#spent < this.most) this.#do(this.#waiting[this.#done++]);
    if (this.#done === this.#waiting.length) {
      this.#waiting = [];
      this.#done = 0;
    }
    this.#counts = this.#spent > 0;
    if (this.#counts) setImmediate(this.#begin);
  };
}
