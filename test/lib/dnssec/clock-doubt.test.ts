// When signatures speak against the clock, and when against themselves.
import { expect, test } from 'vitest';
import { clockDoubt } from '../../../lib/dnssec/clock-doubt.js';

const NOW = 1_800_000_000;
const DAY = 86_400;
/** The data of an RRSIG of the root with these times. */
function signature(inception: number, expiration: number): Uint8Array {
  const data = Buffer.alloc(18 + 1 + 64);
  data.writeUInt32BE(expiration % 2 ** 32, 8);
  data.writeUInt32BE(inception % 2 ** 32, 12);
  return data;
}
const doubt = (times: [number, number][], now = NOW) =>
  clockDoubt(
    times.map(([from, to]) => signature(now + from, now + to)),
    now,
    {},
  );

test('where all are still to come, or all are over, the clock is doubted', () => {
  expect(doubt([[DAY, 8 * DAY]])).toEqual({ clock: 'behind', now: NOW, signed: NOW + DAY });
  const two: [number, number][] = [
    [2 * DAY, 9 * DAY],
    [DAY, 8 * DAY],
  ];
  expect(doubt(two)).toMatchObject({ signed: NOW + DAY });
  expect(doubt([[-9 * DAY, -DAY]])).toEqual({ clock: 'ahead', now: NOW, signed: NOW - DAY });
});
test('where they are of two minds, or one is valid, it is not', () => {
  expect(doubt([])).toBeUndefined();
  expect(doubt([[-DAY, DAY]])).toBeUndefined();
  const apart: [number, number][] = [
    [DAY, 2 * DAY],
    [-2 * DAY, -DAY],
  ];
  expect(doubt(apart)).toBeUndefined();
  expect(
    doubt([
      [DAY, 2 * DAY],
      [-DAY, DAY],
    ]),
  ).toBeUndefined();
});
test('clocks differ by a minute', () => {
  expect(doubt([[60, DAY]])).toBeUndefined();
  expect(doubt([[61, DAY]])).toMatchObject({ clock: 'behind' });
});
test('times go on beyond 2106, when they begin again (RFC 4034 section 3.1.5)', () => {
  const late = 2 ** 32 - DAY;
  expect(doubt([[2 * DAY, 3 * DAY]], late)).toEqual({ clock: 'behind', now: late, signed: late + 2 * DAY });
});
test('what is no signature says nothing', () => {
  expect(clockDoubt([Uint8Array.of(1, 2, 3)], NOW, {})).toBeUndefined();
});
