// A fixed table of leaky buckets, each found by a hash: what is poured in runs out at a rate that the caller has. Where all
// places of a hash are taken, the emptiest bucket that nobody holds makes room.
//
// Bounds: `slots` buckets of 18 octets, taken at once; WAYS places are looked at. Two hashes that are equal share a bucket:
// hash under a secret key.

const WAYS = 4;

export class LeakyBuckets {
  /** 0: free. */
  readonly #hashes: Uint32Array;
  /** What each had at its time. */
  readonly #levels: Float32Array;
  readonly #times: Float64Array;
  readonly #held: Uint16Array;

  /** @param slots a multiple of 4 */
  constructor(private readonly slots: number) {
    this.#hashes = new Uint32Array(slots);
    this.#levels = new Float32Array(slots);
    this.#times = new Float64Array(slots);
    this.#held = new Uint16Array(slots);
  }

  /** The place of a hash's bucket, which is empty if it is new; -1: there is none to be had. */
  placeOf(hash: number, perSecond: number, nowMs: number): number {
    const key = hash >>> 0 || 1;
    const first = (key % (this.slots / WAYS)) * WAYS;
    let emptiest = -1;
    let least = Infinity;
    for (let place = first; place < first + WAYS; place++) {
      if (this.#hashes[place] === key) return place;
      if (this.#held[place] > 0) continue;
      const level = this.#hashes[place] === 0 ? -1 : this.levelAt(place, perSecond, nowMs);
      if (level < least) [emptiest, least] = [place, level];
    }
    if (emptiest >= 0) {
      this.#hashes[emptiest] = key;
      this.#levels[emptiest] = 0;
      this.#times[emptiest] = nowMs;
    }
    return emptiest;
  }

  levelAt(place: number, perSecond: number, nowMs: number): number {
    return Math.max(0, this.#levels[place] - ((nowMs - this.#times[place]) / 1000) * perSecond);
  }
  /** @param amount below 0: taken out, as far as there is something in it */
  pour(place: number, amount: number, perSecond: number, nowMs: number): void {
    this.#levels[place] = Math.max(0, this.levelAt(place, perSecond, nowMs) + amount);
    this.#times[place] = nowMs;
  }

  /** Keeps the bucket until it is let go as often. */
  hold(place: number): void {
    this.#held[place]++;
  }
  letGo(place: number): void {
    this.#held[place]--;
  }
  heldAt(place: number): number {
    return this.#held[place];
  }
}
