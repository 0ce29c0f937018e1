import { expect, test, vi } from 'vitest';
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

test('a timer of more than 24 days waits for as long, which setTimeout takes for a millisecond', () => {
  vi.useFakeTimers();
  try {
    const day = 86_400_000;
    const ran: string[] = [];
    systemClock.after(60 * day, () => ran.push('sixty days'));
    systemClock.after(2 ** 31, () => ran.push('24 days'));
    const cancelled = systemClock.after(40 * day, () => ran.push('cancelled'));
    systemClock.after(Infinity, () => ran.push('never'));
    vi.advanceTimersByTime(2 ** 31 - 1);
    expect(ran).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(ran).toEqual(['24 days']);
    vi.advanceTimersByTime(30 * day - 2 ** 31);
    cancelled.cancel();
    vi.advanceTimersByTime(30 * day - 1);
    expect(ran).toEqual(['24 days']);
    vi.advanceTimersByTime(1);
    expect(ran).toEqual(['24 days', 'sixty days']);
  } finally {
    vi.useRealTimers();
  }
});
