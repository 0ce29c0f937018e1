// What a server did lately: its counters sampled each second, kept in three rings of falling resolution, so that whoever
// opens a page sees the last week at once.
//
// Bound: FIELDS numbers of 4 octets for each of 900 s, 2,160 times 10 s and 2,304 times 5 min: 450 KB, taken once.
import type { Clock, Timer } from '../base/clock.js';
import { type Logger, silentLogger } from '../base/log.js';
import type { ServerReport } from '../server/report.js';

/** Resolution in seconds and how many are kept. */
const RINGS = [
  [1, 900],
  [10, 2160],
  [300, 2304],
] as const;

/** Totals whose growth in an interval is kept; `queries` is those of clients, by any protocol. */
const COUNTERS = {
  queries: r => r.requests.reduce((sum, one) => sum + Object.values(one.byType).reduce((a, b) => a + b, 0), 0),
  hits: r => r.cache.hitsPositive + r.cache.hitsNegative + r.cache.hitsFailure,
  stale: r => r.cache.hitsStale,
  misses: r => r.cache.misses - r.cache.staleAfterMiss,
  refused: r => r.edge.actions.refuse + r.udp.refused,
  dropped: r => r.edge.actions.drop + r.udp.dropped,
  upstream: r => r.upstreams.reduce((sum, one) => sum + one.queries, 0),
  upstreamFailures: r => r.upstreams.reduce((sum, one) => sum + one.timeouts + one.failures, 0),
  servfail: r => r.responses.SERVFAIL ?? 0,
  nxdomain: r => r.responses.NXDOMAIN ?? 0,
  noerror: r => r.responses.NOERROR ?? 0,
  evictions: r => r.cache.evictionsSmall + r.cache.evictionsMain + r.cache.evictionsNegative + r.cache.evictionsIndex,
} as const satisfies Record<string, (report: ServerReport) => number>;

/** What stands at the end of an interval. */
const GAUGES = {
  entries: r => r.cache.entries,
  liveBytes: r => r.cache.liveBytes,
  residentBytes: r => r.process.residentBytes,
  inFlight: r => r.resolver.inFlight,
} as const satisfies Record<string, (report: ServerReport) => number>;

/** Of the queries in an interval that were answered from JavaScript or upstream, in microseconds: a power of two that they took less than. */
const PERCENTILES = { p50Us: 0.5, p99Us: 0.99 } as const;

type CounterName = keyof typeof COUNTERS;
export type Sample = { atMs: number } & Record<CounterName | keyof typeof GAUGES | keyof typeof PERCENTILES, number>;

const COUNTER_NAMES = Object.keys(COUNTERS) as CounterName[];
const GAUGE_NAMES = Object.keys(GAUGES) as (keyof typeof GAUGES)[];
const PERCENTILE_NAMES = Object.keys(PERCENTILES) as (keyof typeof PERCENTILES)[];
/** Names of a sample's numbers, in the order in which rings hold them. */
export const FIELDS = [...COUNTER_NAMES, ...GAUGE_NAMES, ...PERCENTILE_NAMES] as const;

class Ring {
  readonly #values: Float32Array;
  /** Milliseconds of Unix time; 0 where nothing was taken yet. */
  readonly #at: Float64Array;
  #next = 0;

  constructor(
    readonly seconds: number,
    readonly size: number,
  ) {
    this.#values = new Float32Array(size * FIELDS.length);
    this.#at = new Float64Array(size);
  }

  add(atMs: number, values: readonly number[]): void {
    const slot = this.#next++ % this.size;
    this.#at[slot] = atMs;
    this.#values.set(values, slot * FIELDS.length);
  }

  /** Oldest first: those taken after `sinceMs`. */
  since(sinceMs: number): Sample[] {
    const samples: Sample[] = [];
    for (let i = Math.max(0, this.#next - this.size); i < this.#next; i++) {
      const slot = i % this.size;
      if (this.#at[slot] <= sinceMs) continue;
      const sample = { atMs: this.#at[slot] } as Sample;
      FIELDS.forEach((name, field) => (sample[name] = this.#values[slot * FIELDS.length + field]));
      samples.push(sample);
    }
    return samples;
  }
}

/** Totals at the beginning of an interval. */
interface Mark {
  totals: number[];
  durations: readonly number[];
  ticks: number;
}

export class History {
  readonly #rings = RINGS.map(([seconds, size]) => new Ring(seconds, size));
  #marks: Mark[] = [];
  #timer: Timer | undefined;
  #latest: Sample | undefined;
  readonly #listeners = new Set<(sample: Sample) => void>();

  constructor(
    private readonly report: () => ServerReport,
    private readonly clock: Clock,
    private readonly log: Logger = silentLogger,
  ) {}

  /** Begins to sample; once. */
  begin(): void {
    if (this.#timer !== undefined) return;
    const report = this.report();
    this.#marks = RINGS.map(() => markOf(report));
    this.#schedule();
  }
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#listeners.clear();
  }

  /** Called after each second with what came in it. @returns what ends that */
  onSample(listener: (sample: Sample) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  get latest(): Sample | undefined {
    return this.#latest;
  }

  /**
   * The last `spanSeconds`, oldest first, in the finest resolution that is kept for so long, or in that of at least
   * `stepSeconds`.
   */
  last(spanSeconds: number, stepSeconds = 0): { stepSeconds: number; samples: Sample[] } {
    const fits = (ring: Ring): boolean => ring.seconds >= stepSeconds && ring.seconds * ring.size >= spanSeconds;
    const ring = this.#rings.find(fits) ?? this.#rings.at(-1)!;
    return {
      stepSeconds: ring.seconds,
      samples: ring.since(this.clock.wallSeconds() * 1000 - spanSeconds * 1000),
    };
  }

  #schedule(): void {
    this.#timer = this.clock.after(1000, () => {
      // A sample that is lost is no reason to have none any more.
      try {
        this.#take();
      } catch (error) {
        this.log.error({ err: error }, 'no sample was taken: this is a mistake of ours');
      }
      if (this.#timer !== undefined) this.#schedule();
    });
  }

  #take(): void {
    const report = this.report();
    this.#rings.forEach((ring, i) => {
      const mark = this.#marks[i];
      if (++mark.ticks < ring.seconds) return;
      const values = valuesOf(report, mark);
      ring.add(report.takenAtMs, values);
      this.#marks[i] = markOf(report);
      if (i > 0) return;
      const sample = { atMs: report.takenAtMs } as Sample;
      FIELDS.forEach((name, field) => (sample[name] = values[field]));
      this.#latest = sample;
      for (const listener of this.#listeners) listener(sample);
    });
  }
}

function markOf(report: ServerReport): Mark {
  return { totals: COUNTER_NAMES.map(name => COUNTERS[name](report)), durations: report.durations.counts, ticks: 0 };
}

function valuesOf(report: ServerReport, before: Mark): number[] {
  // A counter that fell was begun anew with its part, as an upstream that was left out is.
  const grown = COUNTER_NAMES.map((name, i) => Math.max(0, COUNTERS[name](report) - before.totals[i]));
  const took = report.durations.counts.map((count, i) => Math.max(0, count - (before.durations[i] ?? 0)));
  return [
    ...grown,
    ...GAUGE_NAMES.map(name => GAUGES[name](report)),
    ...PERCENTILE_NAMES.map(name => percentile(took, PERCENTILES[name])),
  ];
}

/** Of counts whose i-th took less than 2^i microseconds; 0 where there are none. */
export function percentile(counts: readonly number[], share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 0;
  let seen = 0;
  const at = counts.findIndex(count => (seen += count) >= total * share);
  return 2 ** at;
}
