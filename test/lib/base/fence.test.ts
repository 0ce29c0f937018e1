// What was forgotten after it was asked for is not kept.
import { expect, test } from 'vitest';
import { Fence } from '../../../lib/base/fence.js';
import { encodeName } from '../../../lib/wire/name.js';

const [www, mail] = ['www.example', 'mail.example'].map(encodeName);

test('a name is forgotten for those who began before, and other names are not', () => {
  const fence = new Fence();
  const before = fence.now;
  expect(fence.hasForgotten(www, before)).toBe(false);
  fence.forget(www);
  expect(fence.hasForgotten(www, before)).toBe(true);
  expect(fence.hasForgotten(mail, before)).toBe(false);
  expect(fence.hasForgotten(www, fence.now)).toBe(false);
});

test('everything is forgotten for those who began before', () => {
  const fence = new Fence();
  const before = fence.now;
  fence.forgetAll();
  expect([www, mail].map(name => fence.hasForgotten(name, before))).toEqual([true, true]);
  expect(fence.hasForgotten(www, fence.now)).toBe(false);
  expect(fence.hasForgotten(www, Infinity)).toBe(false);
});

test('time passes without anything being forgotten of what is fenced', () => {
  const fence = new Fence();
  const before = fence.now;
  fence.advance();
  expect(fence.now).not.toBe(before);
  expect(fence.hasForgotten(www, before)).toBe(false);
});

test('one of another thread knows at once, also where the count goes round', () => {
  const cells = new Fence().cells;
  cells.fill(2 ** 31 - 1);
  const [one, other] = [new Fence(cells), new Fence(cells)];
  const before = other.now;
  one.forget(www);
  one.forgetAll();
  expect(other.now).toBe(-(2 ** 31) + 1);
  expect(other.hasForgotten(www, before)).toBe(true);
  expect(other.hasForgotten(www, other.now)).toBe(false);
});
