// When keys, tags, namespaces and everything were last written or forgotten anywhere in the fleet: what a value of the
// second level that was asked for earlier is refused by. Times are milliseconds of Redis' clock.
//
// Tags and namespaces share places by their marks. A key has four, by its hash, and is over only where all of them
// say so: after 65,000 writes of other keys one older value in fifty is refused for nothing, which costs a load, never a
// wrong value.
//
// Bounds: 5 MiB, whatever is written and forgotten.

const PLACES = 65_536;
/** Of each of the four. */
const KEY_PLACES = 131_072;
const PARTS = 4;
/** Clocks of two masters, one of which takes the other's place, differ by less. */
const CLOCK_SLACK_MS = 5;
/** A time that was measured twice is the same within this. */
const SAME_MS = 2;

export class LevelTimes {
  #beforeMs = -Infinity;
  readonly #keys = new Float64Array(PARTS * KEY_PLACES);
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
  /** @param hash of the key, as it is in Redis */
  deleted(hash: Buffer, atMs: number): void {
    const [first, step] = mixed(hash);
    for (let part = 0; part < PARTS; part++) raise(this.#keys, placeOf(first, step, part), atMs);
  }
  /** What was written then stays good. */
  written(hash: Buffer, atMs: number): void {
    this.deleted(hash, atMs - SAME_MS);
  }
  #keyMs(hash: Buffer): number {
    const [first, step] = mixed(hash);
    let least = Infinity;
    for (let part = 0; part < PARTS; part++) least = Math.min(least, this.#keys[placeOf(first, step, part)]);
    return least;
  }

  /**
   * Whether it is over.
   * @param storedMs when it was written, or when what it was loaded from was asked
   */
  covers(value: {
    readonly storedMs: number;
    readonly written: boolean;
    readonly hash: Buffer;
    readonly space: number;
    readonly tags: readonly number[];
  }): boolean {
    const { storedMs, written, hash, space, tags } = value;
    // A load may have seen what was there just before a change that another clock says was later.
    const ms = written ? storedMs : storedMs - CLOCK_SLACK_MS;
    if (ms <= this.#beforeMs || ms <= this.#spaces[space]) return true;
    const keyMs = this.#keyMs(hash);
    if (written ? ms < keyMs : ms <= keyMs) return true;
    return tags.some(mark => ms <= this.#tags[mark]);
  }
}

const placeOf = (first: number, step: number, part: number): number =>
  part * KEY_PLACES + (((first + Math.imul(part, step)) >>> 0) % KEY_PLACES);

/** Two numbers of 32 bits, of what is unpredictable already but may be written in letters (FNV-1a, then mixed as murmur3). */
function mixed(hash: Buffer): [number, number] {
  let one = 0x811c_9dc5;
  let other = 0x9e37_79b9;
  for (const octet of hash) {
    one = Math.imul(one ^ octet, 0x0100_0193);
    other = Math.imul(other ^ octet, 0x0100_01a7);
  }
  return [finished(one), finished(other) | 1];
}
function finished(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2_ae35);
  return (word ^ (word >>> 16)) >>> 0;
}

function raise(times: Float64Array, at: number, ms: number): void {
  if (ms > times[at]) times[at] = ms;
}
