// Timers of one delay behind one timer of the clock.
import { expect, test } from 'vitest';
import { EqualTimers } from '../../../lib/base/equal-timers.js';
import { FakeClock } from '../../support/fake-clock.js';

test('each runs when it is due, those called off never, and the clock has one timer for all', async () => {
  const clock = new FakeClock();
  const timers = new EqualTimers(clock);
  const ran: string[] = [];
  timers.after(100, () => ran.push('a'));
  const b = timers.after(100, () => ran.push('b'));
  await clock.advance(50);
  timers.after(100, () => ran.push('c'));
  expect(clock.pendingTimers).toBe(1);
  b.cancel();
  await clock.advance(49);
  expect(ran).toEqual([]);
  await clock.advance(1);
  expect(ran).toEqual(['a']);
  await clock.advance(50);
  expect(ran).toEqual(['a', 'c']);
  expect(clock.pendingTimers).toBe(0);
});

test('one that begins another while it runs leaves one timer of the clock', async () => {
  const clock = new FakeClock();
  const timers = new EqualTimers(clock);
  const ran: string[] = [];
  timers.after(100, () => timers.after(100, () => ran.push('second')));
  await clock.advance(100);
  expect(clock.pendingTimers).toBe(1);
  await clock.advance(100);
  expect(ran).toEqual(['second']);
});

test('what is cleared does not run, and what comes later does', async () => {
  const clock = new FakeClock();
  const timers = new EqualTimers(clock);
  const ran: string[] = [];
  timers.after(100, () => ran.push('a'));
  timers.clear();
  expect(clock.pendingTimers).toBe(0);
  timers.after(100, () => ran.push('b'));
  await clock.advance(100);
  expect(ran).toEqual(['b']);
});

test('what runs shorter than those before it is not held up by them, nor by one that was called off', async () => {
  const clock = new FakeClock();
  const timers = new EqualTimers(clock);
  const ran: string[] = [];
  timers.after(60_000, () => ran.push('called off')).cancel();
  timers.after(10_000, () => ran.push('long'));
  timers.after(100, () => ran.push('short'));
  timers.after(50, () => ran.push('shorter'));
  timers.after(10_000, () => ran.push('long again'));
  expect(clock.pendingTimers).toBe(1);
  await clock.advance(50);
  expect(ran).toEqual(['shorter']);
  await clock.advance(50);
  expect(ran).toEqual(['shorter', 'short']);
  await clock.advance(9900);
  expect(ran).toEqual(['shorter', 'short', 'long', 'long again']);
  expect(clock.pendingTimers).toBe(0);
});
