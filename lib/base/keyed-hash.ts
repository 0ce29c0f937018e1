// A hash of octets under a secret key, for tables whose places others must not be able to aim at: HalfSipHash-1-3
// (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; as Linux uses it for its tables).
import type { Random } from './random.js';

/** Of `octets` from `begin` to `end`, by default of all. */
export type KeyedHash = (octets: Uint8Array, begin?: number, end?: number) => number;

/** Two words of 32 bits. */
export type HashKey = readonly [number, number];

export const randomHashKey = (random: Random): HashKey => [random.uint32(), random.uint32()];

/** A hash of 32 bits under a key. */
export function hashUnder(key: HashKey): KeyedHash {
  const k0 = key[0] | 0;
  const k1 = key[1] | 0;
  return (octets, begin = 0, end = octets.length) => halfSipHash(octets, begin, end, k0, k1);
}

/** A hash of 32 bits under a key of its own. */
export const keyedHash = (random: Random): KeyedHash => hashUnder(randomHashKey(random));

/** Rounds are written out: in a closure they took three times as long, and this is done for every miss. */
function halfSipHash(octets: Uint8Array, begin: number, end: number, k0: number, k1: number): number {
  let v0 = k0;
  let v1 = k1;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  const length = end - begin;
  const whole = begin + (length & ~3);
  let word = 0;
  // One round for each word of four octets and one for what is left, then three to finish.
  for (let at = begin, left = 3; left > 0; at += 4) {
    const more = at <= whole;
    if (at < whole) {
      word = octets[at] | (octets[at + 1] << 8) | (octets[at + 2] << 16) | (octets[at + 3] << 24);
    } else if (at === whole) {
      word = length << 24;
      for (let i = at; i < end; i++) word |= octets[i] << (8 * (i - at));
    } else {
      if (left === 3) v2 ^= 0xff;
      left--;
    }
    if (more) v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (more) v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}
