// RRSIG data: what it signs, and which signatures are ruled out before any check (RFC 4034 section 3, RFC 4035 section
// 5.3.1 and what was added to it since). Knows nothing of keys.
import { ExtendedError, Type } from '../wire/iana.js';
import { countLabels, equalNames, foldName, isAtOrBelow, foldedName, plainNameLength } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import { canonicalRrset, lastLabels, ownerLabels, wildcardOf } from './canonical.js';
import { bogus, DEFAULT_INCEPTION_SKEW, type ValidationPolicy, type Verdict } from './verdict.js';

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
  // An empty signature is one that does not verify, and says all the same who should have signed.
  if (size === 0 || 18 + size > data.length) return undefined;
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
export const serialDifference = (a: number, b: number): number => (a - b) | 0;

/** The second that a time of a signature means, in UTC: of those 2^32 s apart the one that is nearest to now. */
export function timeText(time: number, now: number): string {
  const date = new Date((Math.floor(now) + serialDifference(time, Math.floor(now))) * 1000);
  return Number.isNaN(date.getTime()) ? `second ${time}` : `${date.toISOString().slice(0, 19)}Z`;
}

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
  if (leadsOut(rrset, zone)) {
    return bogus('an NSEC record that leads out of its zone');
  }
  return refusalByTime(signature, now, policy);
}

/** An NSEC record whose next name is not in its zone (RFC 4034 section 4.1.1). */
export const leadsOut = ({ type, data }: Pick<Rrset, 'type' | 'data'>, zone: Uint8Array): boolean =>
  type === Type.NSEC && !data.every(one => isNextInside(one, zone));

function isNextInside(data: Uint8Array, zone: Uint8Array): boolean {
  const size = plainNameLength(data, 0);
  return size > 0 && isAtOrBelow(foldName(data, 0, size), zone);
}

function refusalByTime(signature: Signature, now: number, policy: ValidationPolicy): Verdict | undefined {
  const time = Math.floor(now);
  const { inceptionSkew = DEFAULT_INCEPTION_SKEW, expirationSkew = 0 } = policy;
  if (serialDifference(signature.expiration, signature.inception) < 0) {
    const reason = `a signature that expires before it begins (key ${signature.keyTag})`;
    return bogus(reason, ExtendedError.signatureExpiredBeforeValid);
  }
  if (serialDifference(time, signature.expiration) > expirationSkew) {
    const until = timeText(signature.expiration, time);
    return bogus(`an expired signature (key ${signature.keyTag}, until ${until})`, ExtendedError.signatureExpired);
  }
  if (serialDifference(signature.inception, time) > inceptionSkew) {
    const from = timeText(signature.inception, time);
    const reason = `a signature that is not yet valid (key ${signature.keyTag}, from ${from})`;
    return bogus(reason, ExtendedError.signatureNotYetValid);
  }
  return undefined;
}

/**
 * What a signature is over (RFC 4034 section 3.1.8.1).
 * @param canonical the RRset's `canonicalData`, for those who have it
 */
export function signedOctets(
  rrset: Pick<Rrset, 'name' | 'type' | 'data'>,
  signature: Signature,
  canonical?: readonly Uint8Array[],
): Uint8Array {
  const name = foldedName(rrset.name);
  const owner = signature.labels < ownerLabels(name) ? wildcardOf(lastLabels(name, signature.labels)) : name;
  return canonicalRrset(rrset, signature.head, { owner, ttl: signature.originalTtl, canonical });
}
