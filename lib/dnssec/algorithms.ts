// DNSSEC algorithms and digests that are believed, and what a check costs (RFC 9904, RFC 9905; IANA "DNS Security
// Algorithm Numbers"). Knows nothing of keys' octets.
import { createPublicKey, verify } from 'node:crypto';

/** What a validator believes beside the algorithms that RFC 9904 recommends. */
export interface AlgorithmPolicy {
  /** RSASHA1 and RSASHA1-NSEC3-SHA1 (5, 7). Off, zones signed with them are insecure (RFC 9905 section 2). */
  sha1?: boolean;
  /** DS records with SHA-1 count beside those with stronger digests too, which RFC 4509 section 3 advises against. */
  anyDigest?: boolean;
  /** DSA too (3, 6): for replays of old captures only, since RFC 9904 forbids both. */
  legacy?: boolean;
}

export interface Algorithm {
  number: number;
  kind: 'rsa' | 'ec' | 'okp' | 'dsa';
  /** Of node:crypto; null where the algorithm has its own. */
  hash: string | null;
  /** JWK name of the curve. */
  curve?: string;
  /** Octets of a public key; undefined where they differ. */
  keySize?: number;
  signatureSize?: number;
  /** Units of about 25 us of CPU; RSA's are its key's (measured on Node 20, OpenSSL 3.0). */
  cost: number;
  /**
   * Units to make a key that is not known yet, or to find that it is none: about half of what it takes (88 us for P-256, 456
   * for P-384), so that a chain of two zones with P-384 still fits a question.
   */
  importCost: number;
}

const ALGORITHMS = new Map<number, Algorithm>();
const rsa = (number: number, hash: string): void =>
  void ALGORITHMS.set(number, { number, kind: 'rsa', hash, cost: 1, importCost: 0.2 });
rsa(5, 'sha1');
rsa(7, 'sha1');
rsa(8, 'sha256');
rsa(10, 'sha512');
for (const number of [3, 6]) ALGORITHMS.set(number, { number, kind: 'dsa', hash: 'sha1', cost: 8, importCost: 1 });
const curves: Algorithm[] = [
  { number: 13, kind: 'ec', hash: 'sha256', curve: 'P-256', keySize: 64, signatureSize: 64, cost: 4, importCost: 2 },
  { number: 14, kind: 'ec', hash: 'sha384', curve: 'P-384', keySize: 96, signatureSize: 96, cost: 24, importCost: 8 },
  { number: 15, kind: 'okp', hash: null, curve: 'Ed25519', keySize: 32, signatureSize: 64, cost: 4, importCost: 0.3 },
  { number: 16, kind: 'okp', hash: null, curve: 'Ed448', keySize: 57, signatureSize: 114, cost: 8, importCost: 0.3 },
];
for (const one of curves) ALGORITHMS.set(one.number, one);

/** The algorithm, or undefined where it is unknown or not believed: a zone that has no other is insecure (RFC 4035 section 5.2). */
export function algorithmOf(number: number, policy: AlgorithmPolicy = {}): Algorithm | undefined {
  const algorithm = ALGORITHMS.get(number);
  if (algorithm === undefined) return undefined;
  if (algorithm.kind === 'dsa' && policy.legacy !== true) return undefined;
  if (algorithm.hash === 'sha1' && ((policy.sha1 !== true && policy.legacy !== true) || !verifiesSha1()))
    return undefined;
  return algorithm;
}

/** Digests of DS records by number; SHA-1 is for validation only (RFC 9904). */
const DIGESTS = new Map([
  [1, { name: 'sha1', size: 20 }],
  [2, { name: 'sha256', size: 32 }],
  [4, { name: 'sha384', size: 48 }],
]);
export const digestOf = (number: number): { name: string; size: number } | undefined => DIGESTS.get(number);

let sha1Works: boolean | undefined;
/** Whether the crypto library verifies SHA-1 at all: those of some distributions refuse. Tried once, with a signature known to be good. */
export function verifiesSha1(): boolean {
  if (sha1Works !== undefined) return sha1Works;
  try {
    const key = createPublicKey({ key: { kty: 'RSA', n: PROBE_MODULUS, e: 'AQAB' }, format: 'jwk' });
    sha1Works = verify('sha1', Buffer.from('shardns'), key, Buffer.from(PROBE_SIGNATURE, 'base64url'));
  } catch {
    sha1Works = false;
  }
  return sha1Works;
}
const PROBE_MODULUS =
  'tpgptUGpzTabD14YPu0qTMWaJR8VSk3xRFtkJ7STIYJvVeZGFlJhPIhxiBUvH_0FbVUJ_-3UHsOWMLNxDRGiLIyutdAOo6OOSMU9BcKjdK44_DOjgUPy142v3bnuN-isqRCyksuqI-hcdjgsx3Tbroxf4R8kjxGVNkGrYFatVurOwE7HxycgZpy2MIy_AWXh45H8iHSbBsq0mBqNsTpYjv8ZP5X8v_XjAGA6y5pbL5G6RDiDARV0CABaWXQEIhXMAtQ9bJqvLlYdnKbLu0vJ3FAEdUPLtcZ6JAT4mkhdLQbU5ppaC7NiUTuHYyP1yFKeWw_StEAvn2Sc4QaxtW-dOw';
const PROBE_SIGNATURE =
  'ZfJy6MX70_5KHDe_aAuZjiZkbbQ0SICOB2_0ehC7twXJmPJIOQnZ5SKkwovglDioUN28W5hYB5LmB7oTTB6_VaNPGIU_Y4psRbNZO3nzzSxvA0Wm_YiD8EMQfHFrm1fAvul-NjjCGHLEvSZbXAS8-SS0-2cFQkoAapsAOvSFTl5AIeQ9xr6J_pdM8ZlBE5cK4gSHi7jaSV_UQQRtv9pWU1knVJ7weaiKxgBCV0rRfqPqB6GNVY3Nd88eT1bWXMSDzozBPF0g2YZvjgv31XqaYM6LAHpiUJhOhi8VmxoT38eONN922b_KoNK4TNrZH3242CG7aMPQAHvnkkdroRwttg';
