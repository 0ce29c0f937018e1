// How long misses took, by how they were answered: of each flight, from its begin to what all who wait for it are told.
import type { LatenciesBy } from '../base/log-histogram.js';
import { BUCKETS, endOf } from '../base/log-histogram.js';
import { ANSWERED_BY, type AnsweredByName } from '../native/binding.js';

export interface LatencyReport {
  readonly count: number;
  readonly sumSeconds: number;
  /** In microseconds: half of them, 99 of 100, 999 of 1000 took less; too great by an eighth at the most. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Eight for each power of two: how many took less than so many microseconds, and as many as the one before or more; none of 0. */
  readonly buckets: Readonly<Record<string, number>>;
}

export function latencyReport(latencies: LatenciesBy): Partial<Record<AnsweredByName, LatencyReport>> {
  const report: Partial<Record<AnsweredByName, LatencyReport>> = {};
  for (const [kind, name] of ANSWERED_BY.entries()) {
    const histogram = latencies.of(kind);
    if (histogram === undefined) continue;
    const buckets: Record<string, number> = {};
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (histogram.counts[bucket] > 0) buckets[endOf(bucket)] = histogram.counts[bucket];
    }
    report[name] = {
      count: histogram.count,
      sumSeconds: histogram.sumUs / 1e6,
      p50Us: histogram.quantile(0.5),
      p99Us: histogram.quantile(0.99),
      p999Us: histogram.quantile(0.999),
      buckets,
    };
  }
  return report;
}
