import { expect, test } from 'vitest';
import { lazy } from '../../../lib/base/lazy.js';

test('a value is made once, when it is first asked for, undefined too', () => {
  let made = 0;
  const value = lazy(() => void made++);
  expect(made).toBe(0);
  value();
  value();
  expect(made).toBe(1);
});

test('what could not be made is made when it is asked for again', () => {
  let tries = 0;
  const value = lazy(() => {
    if (tries++ === 0) throw new Error('not yet');
    return 7;
  });
  expect(value).toThrow('not yet');
  expect(value()).toBe(7);
});
