// Waiting for a signal: one listener for any number of those who wait.
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { onAbort } from '../../../lib/base/cancel.js';

test('a thousand who wait are one listener, and none is left when none waits', () => {
  const { signal } = new AbortController();
  const stops = Array.from({ length: 1000 }, () => onAbort(signal, () => {}));
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  for (const stop of stops) stop();
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  stops[0]();
  onAbort(signal, () => {});
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
});

test('each who waits is told once, the same function as often as it waits', () => {
  const controller = new AbortController();
  let told = 0;
  const run = (): void => void told++;
  onAbort(controller.signal, run);
  onAbort(controller.signal, run);
  const stop = onAbort(controller.signal, run);
  stop();
  controller.abort();
  expect(told).toBe(2);
  controller.abort();
  expect(told).toBe(2);
});

test('who is told may stop others, and wait for another signal', () => {
  const controller = new AbortController();
  const next = new AbortController();
  const told: string[] = [];
  let stopSecond: () => void = () => {};
  onAbort(controller.signal, () => {
    told.push('first');
    stopSecond();
    onAbort(next.signal, () => told.push('next'));
  });
  stopSecond = onAbort(controller.signal, () => told.push('second'));
  controller.abort();
  next.abort();
  expect(told).toEqual(['first', 'next']);
});
