import { expect, test } from 'vitest';
import { countSuspendedTime, systemClock } from '../../../lib/base/clock.js';
import { binding } from '../../../lib/native/binding.js';

test('the clock goes on from where it is, and counts what the other clock does', () => {
  let ms = 1e9;
  const before = systemClock.nowMs();
  countSuspendedTime(() => ms);
  const after = systemClock.nowMs();
  expect(after).toBeGreaterThanOrEqual(before);
  expect(after - before).toBeLessThan(1000);
  ms += 3_600_000; // asleep for an hour
  expect(systemClock.nowMs()).toBe(after + 3_600_000);
  const asleep = systemClock.nowMs();
  countSuspendedTime(binding().clockMs);
  expect(systemClock.nowMs()).toBeGreaterThanOrEqual(asleep);
});

test('the native clock never goes back', () => {
  const { clockMs } = binding();
  let last = clockMs();
  for (let i = 0; i < 10_000; i++) {
    const now = clockMs();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
});
