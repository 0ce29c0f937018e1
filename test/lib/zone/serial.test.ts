// Serials in a circle (RFC 1982).
import { expect, test } from 'vitest';
import { isNewer, serialAfter } from '../../../lib/zone/serial.js';

test.each([
  [1, 0, true],
  [0, 1, false],
  [5, 5, false],
  [0, 0xffff_ffff, true],
  [100, 0xffff_ff9c, true],
  [0x7fff_ffff, 0, true],
  [0x8000_0000, 0, false], // half the circle: neither comes after the other
  [0, 0x8000_0000, false],
])('%i after %i: %s', (one, other, expected) => {
  expect(isNewer(one, other)).toBe(expected);
});
test('the next serial is never 0', () => {
  expect([serialAfter(1), serialAfter(0xffff_ffff), serialAfter(0xffff_fffe)]).toEqual([2, 1, 0xffff_ffff]);
});
