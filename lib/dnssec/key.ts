// DNSKEY data, and public keys of node:crypto made of it (RFC 4034 section 2; RFC 3110, 6605, 8080; RFC 2536 for old
// captures). A key that the crypto library refuses is unusable, never an exception.
//
// Bounds: RSA moduli of 4096 bits and exponents of 64 (a verify is their product); 1024 keys kept, of 1 KB or so.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { BoundedMap } from '../base/bounded-map.js';
import { nameKey } from '../wire/name.js';
import type { Algorithm } from './algorithms.js';

export const KeyFlag = { ZONE: 0x0100, REVOKE: 0x0080, SEP: 0x0001 } as const;

export interface DnsKey {
  flags: number;
  algorithm: number;
  tag: number;
  /** All of the record's data. */
  data: Uint8Array;
}

/** @returns undefined for data that is no DNSKEY of DNSSEC: too short, or a protocol other than 3 */
export function parseKey(data: Uint8Array): DnsKey | undefined {
  if (data.length < 5 || data[2] !== 3) return undefined;
  return { flags: (data[0] << 8) | data[1], algorithm: data[3], tag: keyTag(data), data };
}

/** RFC 4034 appendix B. */
export function keyTag(data: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (i & 1) === 0 ? data[i] << 8 : data[i];
  return (sum + (sum >>> 16)) & 0xffff;
}

/** Whether it may sign a zone's records: SEP decides nothing (RFC 4034 section 2.1.1; RFC 5011 section 2.1). */
export const signsZone = (key: DnsKey): boolean =>
  (key.flags & KeyFlag.ZONE) !== 0 && (key.flags & KeyFlag.REVOKE) === 0;

export interface PublicKey {
  object: KeyObject;
  /** Units of a check; see `Budget`. */
  cost: number;
}

const MAX_KEYS = 1024;
const MAX_MODULUS = 512;
const MAX_EXPONENT = 8;
/** Data longer than any key within the bounds is not worth a place among those kept. */
export const MAX_KEY_SIZE = 4 + 3 + MAX_MODULUS + MAX_EXPONENT + 256;
const keys = new BoundedMap<string, PublicKey | null>(MAX_KEYS);

/**
 * The key of a DNSKEY's data; null where it is malformed or beyond the bounds.
 * @param pay asked before a key that is not known is made: importing P-256 costs as much as a check
 * @returns undefined where that is refused
 */
export function publicKey(
  algorithm: Algorithm,
  data: Uint8Array,
  pay: (cost: number) => boolean,
): PublicKey | null | undefined {
  if (data.length > MAX_KEY_SIZE) return null;
  const name = nameKey(data.subarray(3));
  let key = keys.get(name);
  if (key === undefined) {
    if (!pay(algorithm.importCost)) return undefined;
    keys.set(name, (key = importKey(algorithm, data.subarray(4))));
  }
  return key;
}

function importKey(algorithm: Algorithm, octets: Uint8Array): PublicKey | null {
  try {
    if (algorithm.kind === 'rsa') return importRsa(octets);
    if (algorithm.kind === 'dsa') return importDsa(octets, algorithm.cost);
    if (octets.length !== algorithm.keySize) return null;
    const half = octets.length / 2;
    const key =
      algorithm.kind === 'ec'
        ? { kty: 'EC', crv: algorithm.curve, x: base64(octets.subarray(0, half)), y: base64(octets.subarray(half)) }
        : { kty: 'OKP', crv: algorithm.curve, x: base64(octets) };
    return { object: createPublicKey({ key, format: 'jwk' }), cost: algorithm.cost };
  } catch {
    return null; // A point off its curve, for one.
  }
}

const base64 = (octets: Uint8Array): string =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('base64url');

function withoutZeros(octets: Uint8Array): Uint8Array {
  let at = 0;
  while (at < octets.length && octets[at] === 0) at++;
  return octets.subarray(at);
}

function importRsa(octets: Uint8Array): PublicKey | null {
  const long = octets[0] === 0;
  const size = long ? (octets[1] << 8) | octets[2] : octets[0];
  const at = long ? 3 : 1;
  if (size === 0 || octets.length <= at + size) return null;
  const e = withoutZeros(octets.subarray(at, at + size));
  const n = withoutZeros(octets.subarray(at + size));
  if (e.length === 0 || e.length > MAX_EXPONENT || n.length < 64 || n.length > MAX_MODULUS) return null;
  const squares = Math.max(1, (n.length / 256) ** 2) * Math.max(1, e.length / 3);
  const key = { kty: 'RSA', n: base64(n), e: base64(e) };
  return { object: createPublicKey({ key, format: 'jwk' }), cost: squares };
}

/** T, Q (20), P, G, Y of 64 + 8 T each, as a SubjectPublicKeyInfo (RFC 3279 section 2.3.2). */
function importDsa(octets: Uint8Array, cost: number): PublicKey | null {
  const size = 64 + 8 * octets[0];
  if (octets[0] > 8 || octets.length !== 21 + 3 * size) return null;
  const part = (n: number): Uint8Array => octets.subarray(21 + n * size, 21 + (n + 1) * size);
  const domain = der(0x30, integer(part(0)), integer(octets.subarray(1, 21)), integer(part(1)));
  const oid = Buffer.from('06072a8648ce380401', 'hex');
  const spki = der(0x30, der(0x30, oid, domain), der(0x03, Buffer.from([0]), integer(part(2))));
  return { object: createPublicKey({ key: spki, format: 'der', type: 'spki' }), cost };
}

const integer = (octets: Uint8Array): Buffer => {
  const bare = withoutZeros(octets);
  return bare[0] >= 0x80 || bare.length === 0 ? der(0x02, Buffer.from([0]), bare) : der(0x02, bare);
};

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const n = body.length;
  const length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}
