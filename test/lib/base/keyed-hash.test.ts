// A hash whose places cannot be aimed at.
import { expect, test } from 'vitest';
import { keyedHash } from '../../../lib/base/keyed-hash.js';
import type { Random } from '../../../lib/base/random.js';

const keyed = (...words: number[]): ((octets: Uint8Array) => number) => {
  const random: Random = { uint32: () => words.shift()! };
  return keyedHash(random);
};
const octets = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);

test('the same octets have the same hash under one key, and another under another', () => {
  const [one, again, other] = [keyed(1, 2), keyed(1, 2), keyed(1, 3)];
  for (let length = 0; length < 40; length++) {
    expect(one(octets(length))).toBe(again(octets(length)));
    expect(one(octets(length))).not.toBe(other(octets(length)));
  }
});
test('octets of zero count, and so does how many there are', () => {
  const hash = keyed(7, 9);
  const hashes = Array.from({ length: 32 }, (_, length) => hash(new Uint8Array(length)));
  expect(new Set(hashes).size).toBe(32);
});
test('names that all go to one of four threads under one key are spread under another', () => {
  const [known, secret] = [keyed(1, 2), keyed(0xdead_beef, 0xcafe_f00d)];
  const names = Array.from({ length: 20_000 }, (_, i) => Buffer.from(`n${i}.evil.example`));
  const chosen = names.filter(name => known(name) % 4 === 0);
  const lanes = [0, 0, 0, 0];
  for (const name of chosen) lanes[secret(name) % 4]++;
  for (const count of lanes) expect(Math.abs(count / chosen.length - 0.25)).toBeLessThan(0.03);
});
