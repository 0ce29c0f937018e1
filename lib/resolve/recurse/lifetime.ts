// How long RRsets and denials live: by their TTLs, by their signatures, and by what the operator allows.
import { Type } from '../../wire/iana.js';
import type { Rrset } from '../../wire/rrset.js';

/** Seconds. */
export interface LifetimeRules {
  minTtl: number;
  maxTtl: number;
  negativeMinTtl: number;
  negativeMaxTtl: number;
  /** Unix time. */
  wallSeconds: number;
}

/**
 * Seconds that the signatures of an RRset give it: no more than its original TTL, and not past their expiration (RFC 4035
 * section 5.3.3). Whoever validates it would refuse it from then on; Infinity without signatures.
 */
export function signatureLimit({ type, data, signatures }: Rrset, wallSeconds: number): number {
  let limit = Infinity;
  for (const signature of type === Type.RRSIG ? data : signatures) {
    if (signature.length < 18) continue;
    const view = new DataView(signature.buffer, signature.byteOffset, signature.length);
    // Serial arithmetic (RFC 4034 section 3.1.5).
    const left = (view.getUint32(8) - wallSeconds) | 0;
    limit = Math.min(limit, view.getUint32(4), Math.max(left, 0));
  }
  return limit;
}

/** Seconds that an RRset is kept. A TTL of zero stays zero under any minimum, and no minimum passes a signature. */
export function lifetimeOf(rrset: Rrset, { minTtl, maxTtl, wallSeconds }: LifetimeRules): number {
  if (rrset.ttl === 0) return 0;
  return Math.min(Math.max(rrset.ttl, minTtl), maxTtl, signatureLimit(rrset, wallSeconds));
}

/** The same for a denial: the lesser of the SOA's TTL and its MINIMUM (RFC 2308 section 5). */
export function negativeLifetimeOf(soa: Rrset, authority: readonly Rrset[], rules: LifetimeRules): number {
  const [data] = soa.data;
  const minimum = new DataView(data.buffer, data.byteOffset, data.length).getUint32(data.length - 4);
  const ttl = Math.min(soa.ttl, minimum);
  if (ttl === 0) return 0;
  const limits = authority.map(one => signatureLimit(one, rules.wallSeconds));
  return Math.min(Math.max(ttl, rules.negativeMinTtl), rules.negativeMaxTtl, rules.maxTtl, ...limits);
}
