// A hash of octets under a secret key, for tables whose places others must not be able to aim at: HalfSipHash-1-3
// (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; as Linux uses it for its tables).
import type { Random } from './random.js';

/** A hash of 32 bits under a key of its own. */
export function keyedHash(random: Random): (octets: Uint8Array) => number {
  const k0 = random.uint32() | 0;
  const k1 = random.uint32() | 0;
  return octets => halfSipHash(octets, k0, k1);
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

function halfSipHash(octets: Uint8Array, k0: number, k1: number): number {
  let [v0, v1, v2, v3] = [k0, k1, 0x6c796765 ^ k0, 0x74656462 ^ k1];
  const round = (): void => {
    v0 = (v0 + v1) | 0;
    v1 = rotate(v1, 5) ^ v0;
    v0 = rotate(v0, 16);
    v2 = (v2 + v3) | 0;
    v3 = rotate(v3, 8) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = rotate(v3, 7) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = rotate(v1, 13) ^ v2;
    v2 = rotate(v2, 16);
  };
  const { length } = octets;
  const whole = length & ~3;
  for (let at = 0; at < whole; at += 4) {
    const word = octets[at] | (octets[at + 1] << 8) | (octets[at + 2] << 16) | (octets[at + 3] << 24);
    v3 ^= word;
    round();
    v0 ^= word;
  }
  let last = length << 24;
  for (let at = whole; at < length; at++) last |= octets[at] << (8 * (at - whole));
  v3 ^= last;
  round();
  v0 ^= last;
  v2 ^= 0xff;
  for (let i = 0; i < 3; i++) round();
  return (v1 ^ v3) >>> 0;
}
