// Space-Saving against exact counts: the bounds that Metwally et al. (2005) prove.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SpaceSaving } from '../../../../lib/server/tap/space-saving.js';

const streams = fc.array(fc.record({ key: fc.integer({ min: 0, max: 60 }), times: fc.integer({ min: 1, max: 9 }) }), {
  maxLength: 400,
});

describe('Space-Saving', () => {
  test('counts are never too small, and too great by their error at the most, which is N / k', () => {
    fc.assert(
      fc.property(streams, fc.integer({ min: 1, max: 20 }), (stream, slots) => {
        const summary = new SpaceSaving<number>(slots);
        const exact = new Map<number, number>();
        for (const { key, times } of stream) {
          summary.add(key, times);
          exact.set(key, (exact.get(key) ?? 0) + times);
        }
        const total = [...exact.values()].reduce((sum, one) => sum + one, 0);
        expect(summary.total).toBe(total);
        const listed = summary.top(slots);
        expect(summary.size).toBe(Math.min(slots, exact.size));
        expect(listed).toHaveLength(summary.size);
        for (const { key, count, error } of listed) {
          expect(count).toBeGreaterThanOrEqual(exact.get(key)!);
          expect(count - error).toBeLessThanOrEqual(exact.get(key)!);
          expect(error).toBeLessThanOrEqual(total / slots);
        }
        // All counts together are all occurrences.
        expect(listed.reduce((sum, { count }) => sum + count, 0)).toBe(total);
        const keys = new Set(listed.map(({ key }) => key));
        for (const [key, count] of exact) if (count > total / slots) expect(keys).toContain(key);
      }),
    );
  });
  test('with a slot for each key all counts are exact, the greatest first', () => {
    const summary = new SpaceSaving<string>(3);
    for (const key of ['a', 'b', 'b', 'c', 'b', 'c']) summary.add(key);
    expect(summary.top(2)).toEqual([
      { key: 'b', count: 3, error: 0 },
      { key: 'c', count: 2, error: 0 },
    ]);
  });
  test('a flood of keys that come once leaves those that come often in their slots', () => {
    const summary = new SpaceSaving<string>(50);
    for (let i = 0; i < 10_000; i++) {
      summary.add(`once${i}`);
      if (i % 10 === 0) for (let n = 0; n < 5; n++) summary.add(`often${n}`);
    }
    expect(summary.size).toBe(50);
    expect(
      summary
        .top(5)
        .map(one => one.key)
        .sort(),
    ).toEqual(['often0', 'often1', 'often2', 'often3', 'often4']);
  });
});
