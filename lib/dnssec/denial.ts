// Proofs that something does not exist, by the NSEC or NSEC3 records of one zone (RFC 4035 section 5.4, RFC 5155).
import { ExtendedError, Type } from '../wire/iana.js';
import type { Rrset } from '../wire/rrset.js';
import { type Nsec, NsecProofs, parseNsec } from './nsec.js';
import { type Nsec3, Nsec3Proofs, parseNsec3 } from './nsec3.js';
import {
  bogus,
  DEFAULT_NSEC3_ITERATIONS,
  insecure,
  type Judging,
  type Proof,
  SECURE,
  type Verdict,
} from './verdict.js';

export interface Proofs {
  nxdomain(name: Uint8Array): Proof;
  nodata(name: Uint8Array, type: number): Proof;
  wildcard(name: Uint8Array, labels: number): Proof;
  noDs(name: Uint8Array): Proof;
}

const NONE: Proofs = {
  nxdomain: () => 'missing',
  nodata: () => 'missing',
  wildcard: () => 'missing',
  noDs: () => 'missing',
};

/** @param verified NSEC and NSEC3 RRsets that the zone's keys signed, none of them made from a wildcard */
export function proofsOf(zone: Uint8Array, verified: readonly Rrset[], judging: Judging): Proofs {
  const nsec: Nsec[] = [];
  const nsec3: Nsec3[] = [];
  for (const { name, type, data } of verified) {
    // One owner has one of them (RFC 4034 section 4, RFC 5155 section 7.1).
    if (data.length !== 1) continue;
    if (type === Type.NSEC) push(nsec, parseNsec(name, data[0]));
    else if (type === Type.NSEC3) push(nsec3, parseNsec3(name, data[0]));
  }
  if (nsec.length > 0) return new NsecProofs(zone, nsec);
  if (nsec3.length === 0) return NONE;
  return new Nsec3Proofs(zone, nsec3, judging.budget, judging.policy.nsec3Iterations ?? DEFAULT_NSEC3_ITERATIONS);
}

function push<T>(list: T[], item: T | undefined): void {
  if (item !== undefined) list.push(item);
}

/** What a proof says of an answer that needs it. */
export function verdictOf(proof: Proof, what: string): Verdict {
  switch (proof) {
    case 'proven':
    case 'cut':
      return SECURE;
    case 'optOut':
      return insecure(`${what} lies in an opt-out span`);
    case 'iterations':
      return insecure('NSEC3 iterations beyond the limit', ExtendedError.unsupportedNsec3Iterations);
    case 'spent':
      return bogus('more NSEC3 hashes than a question may cost');
    case 'missing':
      // Records were there, and show something else (RFC 8914 section 4.13 is about those that are not).
      return bogus(`no proof that ${what}`);
  }
}
