// When keys, tags, namespaces and everything were last written or forgotten anywhere in the fleet: what a value of the
// second level that was asked for earlier is refused by. Times are milliseconds of Redis' clock.
//
// Keys share places by their hash, tags and namespaces by their marks: what shares a place is refused with it and costs a
// load, never a wrong value.
//
// Bounds: 1.5 MiB, whatever is forgotten.

const PLACES = 65_536;
/** Clocks of two instances, each set by Redis', differ by less. */
const CLOCK_SLACK_MS = 5;
/** A time that was measured twice is the same within this. */
const SAME_MS = 2;

export class LevelTimes {
  #beforeMs = -Infinity;
  readonly #keys = new Float64Array(PLACES);
  readonly #tags = new Float64Array(PLACES);
  readonly #spaces = new Float64Array(PLACES);

  everything(atMs: number): void {
    this.#beforeMs = Math.max(this.#beforeMs, atMs);
  }
  tag(mark: number, atMs: number): void {
    raise(this.#tags, mark, atMs);
  }
  space(mark: number, atMs: number): void {
    raise(this.#spaces, mark, atMs);
  }
  /** @param place 16 bits of the hash of a key */
  deleted(place: number, atMs: number): void {
    raise(this.#keys, place, atMs);
  }
  /** What was written then stays good. */
  written(place: number, atMs: number): void {
    raise(this.#keys, place, atMs - SAME_MS);
  }

  /**
   * Whether it is over.
   * @param storedMs when it was written, or when what it was loaded from was asked
   */
  covers(value: {
    readonly storedMs: number;
    readonly written: boolean;
    readonly place: number;
    readonly space: number;
    readonly tags: readonly number[];
  }): boolean {
    const { storedMs, written, place, space, tags } = value;
    // A load may have seen what was there just before a change that another clock says was later.
    const ms = written ? storedMs : storedMs - CLOCK_SLACK_MS;
    if (ms <= this.#beforeMs || ms <= this.#spaces[space]) return true;
    if (written ? ms < this.#keys[place] : ms <= this.#keys[place]) return true;
    return tags.some(mark => ms <= this.#tags[mark]);
  }
}

function raise(times: Float64Array, at: number, ms: number): void {
  if (ms > times[at]) times[at] = ms;
}
