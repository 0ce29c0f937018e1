// RRSIG data, and whether an RRset is signed by a zone's keys (RFC 4034 section 3, RFC 4035 section 5.3, RFC 6840).
//
// Signatures that RFC 4035 section 5.3.1 rules out cost nothing; what is checked is paid from the budget.
import { verify } from 'node:crypto';
import { ExtendedError, Type } from '../wire/iana.js';
import { countLabels, equalNames, foldName, isAtOrBelow, foldedName, plainNameLength } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import { type Algorithm, algorithmOf } from './algorithms.js';
import { canonicalRrset, lastLabels, ownerLabels, wildcardOf } from './canonical.js';
import { type DnsKey, publicKey, signsZone } from './key.js';
import {
  bogus,
  DEFAULT_INCEPTION_SKEW,
  type Ede,
  type Judging,
  type ValidationPolicy,
  type Verdict,
} from './verdict.js';

export interface Signature {
  covered: number;
  algorithm: number;
  labels: number;
  originalTtl: number;
  /** Seconds since 1970, modulo 2^32 (RFC 4034 section 3.1.5). */
  expiration: number;
  inception: number;
  keyTag: number;
  /** Folded wire format. */
  signer: Uint8Array;
  /** The data before the signature, the signer in lower case: what is signed begins with it. */
  head: Uint8Array;
  signature: Uint8Array;
}

/** @returns undefined for data that is none */
export function parseSignature(data: Uint8Array): Signature | undefined {
  if (data.length < 20) return undefined;
  const size = plainNameLength(data, 18);
  if (size === 0 || 18 + size >= data.length) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const head = data.slice(0, 18 + size);
  const signer = foldName(data, 18, 18 + size);
  head.set(signer, 18);
  return {
    covered: view.getUint16(0),
    algorithm: data[2],
    labels: data[3],
    originalTtl: view.getUint32(4),
    expiration: view.getUint32(8),
    inception: view.getUint32(12),
    keyTag: view.getUint16(16),
    signer,
    head,
    signature: data.subarray(18 + size),
  };
}

/** a - b in the serial arithmetic of RFC 1982. */
const serialDifference = (a: number, b: number): number => (a - b) | 0;

/** Why a signature is not to be checked at all; undefined: it is. */
export function refusal(
  rrset: Pick<Rrset, 'name' | 'type' | 'data'>,
  signature: Signature,
  zone: Uint8Array,
  now: number,
  policy: ValidationPolicy,
): Verdict | undefined {
  if (signature.covered !== rrset.type) return bogus('a signature of another type');
  const owner = foldedName(rrset.name);
  if (!equalNames(signature.signer, zone)) return bogus('a signature of another zone');
  if (!isAtOrBelow(owner, zone)) return bogus('a signer that is not above the records');
  // A zone does not sign its own DS records: its parent does (RFC 4035 section 2.4).
  if (rrset.type === Type.DS && owner.length === zone.length) return bogus('DS records signed by the child');
  // Without the lower bound a record of one zone could be passed for its parent's (CVE-2026-44690, CVE-2026-52688).
  if (signature.labels < countLabels(zone) || signature.labels > ownerLabels(owner)) {
    return bogus('a label count that its signature cannot have');
  }
  if (rrset.type === Type.NSEC3 && countLabels(owner) !== countLabels(zone) + 1) {
    return bogus('an NSEC3 record that is not one label below its zone');
  }
  if (rrset.type === Type.NSEC && !rrset.data.every(data => isNextInside(data, zone))) {
    return bogus('an NSEC record that leads out of its zone');
  }
  return refusalByTime(signature, now, policy);
}

function isNextInside(data: Uint8Array, zone: Uint8Array): boolean {
  const size = plainNameLength(data, 0);
  return size > 0 && isAtOrBelow(foldName(data, 0, size), zone);
}

function refusalByTime(signature: Signature, now: number, policy: ValidationPolicy): Verdict | undefined {
  const time = Math.floor(now);
  const { inceptionSkew = DEFAULT_INCEPTION_SKEW, expirationSkew = 0 } = policy;
  if (serialDifference(signature.expiration, signature.inception) < 0) {
    return bogus('a signature that expires before it begins', ExtendedError.signatureExpiredBeforeValid);
  }
  if (serialDifference(time, signature.expiration) > expirationSkew) {
    return bogus('an expired signature', ExtendedError.signatureExpired);
  }
  if (serialDifference(signature.inception, time) > inceptionSkew) {
    return bogus('a signature that is not yet valid', ExtendedError.signatureNotYetValid);
  }
  return undefined;
}

/** An RRset that is signed by its zone. */
export interface Signed {
  status: 'secure';
  reason: '';
  ede?: undefined;
  /** Seconds for which it may be kept: received, original and what is left of the signature (RFC 4035 section 5.3.3). */
  ttl: number;
  /** Labels that were signed; fewer than the owner's: it was made from the wildcard below so many. */
  labels: number;
}

/**
 * Judges an RRset by its signatures: one that is good is enough (RFC 6840 section 5.4).
 * @param zone folded name of the zone whose keys these are
 * @param keys believed DNSKEYs of the zone
 * @param mayBe which of them count: a revoked key signs its own RRset still (RFC 5011 section 2.1)
 */
export function verifyRrset(
  rrset: Rrset,
  zone: Uint8Array,
  keys: readonly DnsKey[],
  judging: Judging,
  mayBe: (key: DnsKey) => boolean = signsZone,
): Signed | (Verdict & { status: 'bogus' }) {
  const { now, policy, budget } = judging;
  let failure: Verdict | undefined;
  let failures = 0;
  // What says most is told: a failed check before a signature that was not looked at.
  const note = (verdict: Verdict, strong = false): void => {
    if (failure === undefined || strong || failure.ede === ExtendedError.dnssecBogus) failure = verdict;
  };
  for (const data of rrset.signatures) {
    const signature = parseSignature(data);
    if (signature === undefined) continue;
    const refused = refusal(rrset, signature, zone, now, policy);
    if (refused !== undefined) {
      note(refused);
      continue;
    }
    const algorithm = algorithmOf(signature.algorithm, policy);
    if (algorithm === undefined) {
      note(bogus('signatures of unsupported algorithms only', ExtendedError.unsupportedKeyAlgorithm));
      continue;
    }
    let tried = 0;
    let lacking: [string, Ede] = ['no key for a signature', ExtendedError.dnskeyMissing];
    let octets: Uint8Array | undefined;
    for (const key of keys) {
      if (key.tag !== signature.keyTag || key.algorithm !== signature.algorithm) continue;
      if (!mayBe(key)) {
        lacking = ['a key that does not sign zones', ExtendedError.noZoneKeyBit];
        continue;
      }
      if (++tried > budget.limits.keysPerTag || failures >= budget.limits.failures) break;
      const imported = publicKey(algorithm, key.data);
      if (imported === null) continue;
      if (!budget.spend(imported.cost)) return refuse('more checks of signatures than a question may cost');
      octets ??= signedOctets(rrset, signature);
      if (isSignedBy(algorithm, imported.object, octets, signature.signature)) {
        const left = Math.max(0, serialDifference(signature.expiration, Math.floor(now)));
        const ttl = Math.min(rrset.ttl, signature.originalTtl, left);
        return { status: 'secure', reason: '', ttl, labels: signature.labels };
      }
      failures++;
    }
    if (tried === 0) note(bogus(...lacking));
    else note(bogus('a signature that does not verify'), true);
  }
  if (failure === undefined) return refuse('no signatures', ExtendedError.rrsigsMissing);
  return failure as Verdict & { status: 'bogus' };
}

const refuse = (reason: string, ede?: Ede): Verdict & { status: 'bogus' } => ({
  ...bogus(reason, ede),
  status: 'bogus',
});

/** What a signature is over (RFC 4034 section 3.1.8.1). */
export function signedOctets(rrset: Pick<Rrset, 'name' | 'type' | 'data'>, signature: Signature): Uint8Array {
  const name = foldedName(rrset.name);
  const owner = signature.labels < ownerLabels(name) ? wildcardOf(lastLabels(name, signature.labels)) : name;
  return canonicalRrset(rrset, signature.head, { owner, ttl: signature.originalTtl });
}

function isSignedBy(
  algorithm: Algorithm,
  key: Parameters<typeof verify>[2] & object,
  octets: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    if (algorithm.kind === 'rsa' || algorithm.kind === 'okp')
      return verify(algorithm.hash, octets, key as never, signature);
    if (algorithm.kind === 'ec') {
      return verify(algorithm.hash, octets, { key: key as never, dsaEncoding: 'ieee-p1363' }, signature);
    }
    // T, r and s (RFC 2536 section 3), or DER, as some signers of the time wrote it.
    const plain = signature.length === 41;
    const parts = plain ? signature.subarray(1) : signature;
    return verify(algorithm.hash, octets, { key: key as never, dsaEncoding: plain ? 'ieee-p1363' : 'der' }, parts);
  } catch {
    return false;
  }
}
