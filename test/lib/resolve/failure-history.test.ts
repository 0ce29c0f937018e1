// How long questions that fail are left alone.
import { expect, test } from 'vitest';
import { FailureHistory } from '../../../lib/resolve/failure-history.js';

const LIMITS = { first: 5, most: 300 };

function build(limit?: number) {
  let now = 0;
  const history = new FailureHistory({ nowMs: () => now }, limit);
  return { history, advance: (ms: number) => (now += ms) };
}

test('a question that fails again waits twice as long, up to a limit (RFC 9520 section 3.2)', () => {
  const { history, advance } = build();
  const waits = Array.from({ length: 9 }, () => {
    const seconds = history.note('a', LIMITS);
    advance(seconds * 1000);
    return seconds;
  });
  expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  expect(history.note('b', LIMITS)).toBe(5);
  history.forget('a');
  expect(history.note('a', LIMITS)).toBe(5);
});

test('one that is left alone for twice its wait begins anew', () => {
  const { history, advance } = build();
  history.note('a', LIMITS);
  advance(9_999);
  expect(history.note('a', LIMITS)).toBe(10);
  advance(20_000);
  expect(history.note('a', LIMITS)).toBe(5);
});

test('failures that are over do not pile up, even behind one that lasts', () => {
  const { history, advance } = build();
  for (let i = 0; i < 7; i++) advance(history.note('lasting', LIMITS) * 1000);
  let most = 0;
  for (let i = 0; i < 20_000; i++) {
    history.note(`once-${i}`, LIMITS);
    advance(10);
    most = Math.max(most, history.size);
  }
  // A thousand fail within the ten seconds for which each counts.
  expect(most).toBeLessThan(2100);
  expect(history.note('lasting', LIMITS)).toBe(300);
});

test('there are never more than the limit', () => {
  const { history } = build(100);
  for (let i = 0; i < 1000; i++) history.note(`n${i}`, LIMITS);
  expect(history.size).toBe(100);
  expect(history.note('n999', LIMITS)).toBe(10);
});

test('what is over is looked up no more, and goes as anything is looked up', () => {
  const { history, advance } = build();
  for (let i = 0; i < 600; i++) history.note(`once-${i}`, { ...LIMITS, inCache: false });
  advance(9_999);
  expect(history.has('once-599')).toBe(true);
  advance(1);
  expect(history.has('once-599')).toBe(false);
  for (let i = 0; i < 3; i++) {
    advance(1000);
    expect(history.quiet('another')).toBeUndefined();
  }
  expect(history.size).toBe(0);
});
