// Counts of durations by size: eight buckets for each power of two, so that a quantile is told to an eighth of it at the
// most (HdrHistogram's division with three bits). One increment each.
//
// Bound: BUCKETS numbers of 8 octets a histogram.

/** Microseconds below 8 have a bucket each; from there eight for each power of two, up to 2^31. */
export const BUCKETS = 8 * 29;

/** The bucket of so many microseconds. */
export function bucketOf(us: number): number {
  const whole = us < 0x7fff_ffff ? Math.max(0, Math.floor(us)) : 0x7fff_ffff;
  if (whole < 8) return whole;
  const shift = 28 - Math.clz32(whole);
  return 8 * shift + (whole >>> shift);
}

/** The least number of microseconds that is beyond the bucket. */
export function endOf(bucket: number): number {
  if (bucket < 8) return bucket + 1;
  const shift = (bucket >>> 3) - 1;
  return ((bucket & 7) + 9) * 2 ** shift;
}

export class LogHistogram {
  readonly counts = new Float64Array(BUCKETS);
  sumUs = 0;

  add(us: number): void {
    this.counts[bucketOf(us)]++;
    this.sumUs += us;
  }
  get count(): number {
    return this.counts.reduce((sum, one) => sum + one, 0);
  }

  /** Microseconds than which that share took less; 0 where there are none. */
  quantile(share: number): number {
    const wanted = this.count * share;
    if (wanted === 0) return 0;
    let seen = 0;
    const bucket = this.counts.findIndex(count => (seen += count) >= wanted);
    return endOf(bucket < 0 ? BUCKETS - 1 : bucket);
  }
}

/** A histogram for each of some kinds, made when it is first needed. */
export class LatenciesBy {
  readonly #all: (LogHistogram | undefined)[];

  constructor(kinds: number) {
    this.#all = new Array<undefined>(kinds).fill(undefined);
  }
  add(kind: number, us: number): void {
    (this.#all[kind] ??= new LogHistogram()).add(us);
  }
  of(kind: number): LogHistogram | undefined {
    return this.#all[kind];
  }
}
