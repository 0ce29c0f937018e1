import { expect, test } from 'vitest';
import { inSlices } from '../../../lib/base/slices.js';

test('others come between steps that take longer than a slice, and not between shorter ones', async () => {
  let now = 0;
  const clock = { nowMs: () => now };
  function* steps(ms: number): Generator<void, string> {
    for (let i = 0; i < 10; i++) {
      now += ms;
      yield;
    }
    return `${ms}`;
  }
  let others = 0;
  const go = (): void => {
    others++;
    if (others < 100) setImmediate(go);
  };
  setImmediate(go);
  expect(await inSlices(steps(0.5), clock)).toBe('0.5');
  expect(others).toBe(0);
  expect(await inSlices(steps(10), clock)).toBe('10');
  expect(others).toBeGreaterThanOrEqual(10);
});
