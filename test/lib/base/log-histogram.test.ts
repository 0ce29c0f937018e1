// Counts of durations, eight buckets for each power of two.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bucketOf, BUCKETS, endOf, LatenciesBy, LogHistogram } from '../../../lib/base/log-histogram.js';

describe('a histogram of durations', () => {
  test('buckets follow one another, and each begins where the one before ends', () => {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const end = endOf(bucket);
      expect(bucketOf(end - 1)).toBe(bucket);
      if (bucket + 1 < BUCKETS) expect(bucketOf(end)).toBe(bucket + 1);
    }
    expect(endOf(BUCKETS - 1)).toBe(2 ** 31);
  });
  test('what is beyond its ends counts in the first and in the last', () => {
    expect(bucketOf(-5)).toBe(0);
    expect(bucketOf(0.9)).toBe(0);
    expect(bucketOf(1e15)).toBe(BUCKETS - 1);
  });
  test('a quantile is never too small, and too great by an eighth at the most', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 8, max: 10_000_000 }), { minLength: 1, maxLength: 200 }), values => {
        const histogram = new LogHistogram();
        for (const us of values) histogram.add(us);
        const sorted = [...values].sort((a, b) => a - b);
        for (const share of [0.5, 0.99, 0.999]) {
          const exact = sorted[Math.ceil(values.length * share) - 1];
          expect(histogram.quantile(share)).toBeGreaterThan(exact);
          expect(histogram.quantile(share)).toBeLessThanOrEqual(exact * 1.125 + 1);
        }
        expect(histogram.count).toBe(values.length);
        expect(histogram.sumUs).toBe(values.reduce((sum, one) => sum + one, 0));
      }),
    );
  });
  test('without durations every quantile is 0', () => {
    expect(new LogHistogram().quantile(0.99)).toBe(0);
  });
  test('kinds that nothing came of have none', () => {
    const latencies = new LatenciesBy(3);
    latencies.add(1, 100);
    expect(latencies.of(0)).toBeUndefined();
    expect(latencies.of(1)!.count).toBe(1);
  });
});
