// Whether an RRset is signed by a zone's keys (RFC 4035 section 5.3, RFC 6840 section 5).
//
// Signatures that RFC 4035 section 5.3.1 rules out cost nothing; what is checked is paid from the budget before it is.
import { ExtendedError } from '../wire/iana.js';
import type { Rrset } from '../wire/rrset.js';
import { algorithmOf } from './algorithms.js';
import { type Check, isGood } from './check.js';
import { canonicalData } from './canonical.js';
import { type DnsKey, publicKey, signsZone } from './key.js';
import { parseSignature, refusal, serialDifference, type Signature, signedOctets } from './signature.js';
import { runChecks, type Steps } from './steps.js';
import { bogus, type Ede, type Judging, type Verdict } from './verdict.js';

/**
 * From here on, in the units of the budget, the way to the pool and back, which takes 8 us of this thread and 40 of all, is
 * worth what this thread gains by it: of P-384 and Ed448, not of P-256 and Ed25519.
 */
const POOL_COST = 8;

/** An RRset that is signed by its zone. */
export interface Signed {
  status: 'secure';
  reason: '';
  ede?: undefined;
  /** Seconds for which it may be kept: received, original and what is left of the signature (RFC 4035 section 5.3.3). */
  ttl: number;
  /** Labels that were signed; fewer than the owner's: it was made from the wildcard below so many. */
  labels: number;
  /** Data of the RRSIGs that were found good: others beside them may be anything. */
  good: readonly Uint8Array[];
}
export type SignatureVerdict = Signed | (Verdict & { status: 'bogus' });

/** Who must have signed. */
export interface Signers {
  /** Folded name. */
  zone: Uint8Array;
  /** Believed DNSKEYs of the zone. */
  keys: readonly DnsKey[];
  /** Algorithms of its DS records; each has to have signed where the policy hardens against downgrades. */
  algorithms: readonly number[];
}

const refuse = (reason: string, ede?: Ede): Verdict & { status: 'bogus' } => ({
  ...bogus(reason, ede),
  status: 'bogus',
});

/**
 * Judges an RRset by its signatures: one that is good is enough (RFC 6840 sections 5.4 and 5.11), unless the policy wants
 * one of each algorithm.
 * @param mayBe which of the keys count: a revoked key signs its own RRset still (RFC 5011 section 2.1)
 */
export function* verifyBy(
  rrset: Rrset,
  { zone, keys, algorithms }: Signers,
  judging: Judging,
  mayBe: (key: DnsKey) => boolean = signsZone,
): Steps<SignatureVerdict> {
  const { now, policy, budget } = judging;
  const needed = policy.hardenAlgorithmDowngrade === true ? new Set(algorithms) : undefined;
  let signed: Signed | undefined;
  let failure: Verdict | undefined;
  let failures = 0;
  let canonical: Uint8Array[] | undefined;
  const size = sizeCost(rrset);
  // What says most is told: a failed check before a signature that was not looked at.
  const note = (verdict: Verdict, strong = false): void => {
    if (failure === undefined || strong || failure.ede === ExtendedError.dnssecBogus) failure = verdict;
  };
  for (const data of rrset.signatures) {
    const signature = parseSignature(data);
    if (signature === undefined) {
      // One that cannot be read is there all the same: RRSIGs are not missing (RFC 8914 section 4.11).
      note(bogus('a signature that cannot be read'));
      continue;
    }
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
    if (needed !== undefined && signed !== undefined && !needed.has(algorithm.number)) continue;
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
      const imported = publicKey(algorithm, key.data, cost => budget.spend(cost));
      if (imported === null) {
        failures++;
        continue;
      }
      if (imported === undefined || !budget.spend(imported.cost + size)) {
        return refuse('more checks of signatures than a question may cost');
      }
      canonical ??= canonicalData(rrset.type, rrset.data);
      octets ??= signedOctets(rrset, signature, canonical);
      const check: Check = { algorithm, key: imported.object, octets, signature: signature.signature };
      if (policy.verify === 'pool' && imported.cost >= POOL_COST ? (yield check) === true : isGood(check)) {
        signed = lesser(signed, signedBy(rrset, signature, data, now));
        needed?.delete(algorithm.number);
        if (needed === undefined || needed.size === 0) return signed;
        break;
      }
      failures++;
      budget.fail(imported.cost + size);
    }
    const by = `(key ${signature.keyTag})`;
    if (tried === 0) note(bogus(`${lacking[0]} ${by}`, lacking[1]));
    else if (signed === undefined) note(bogus(`a signature that does not verify ${by}`), true);
  }
  if (signed !== undefined) {
    // There are signatures, so none is missing as RFC 8914 section 4.11 has it.
    return refuse(`no good signature of algorithm ${[...needed!].join(', ')}`);
  }
  if (failure === undefined) return refuse('no signatures', ExtendedError.rrsigsMissing);
  return failure as Verdict & { status: 'bogus' };
}

/** Units that the octets of an RRset take beside a check: sorted once, then joined and hashed for each. */
function sizeCost({ data }: Rrset): number {
  let octets = 0;
  for (const one of data) octets += one.length;
  return data.length * RECORD_COST + octets * OCTET_COST;
}
/** Measured: 0.5 us a record to join, and 3 ns an octet to hash. */
const RECORD_COST = 0.02;
const OCTET_COST = 0.00012;

function signedBy(rrset: Rrset, { expiration, originalTtl, labels }: Signature, data: Uint8Array, now: number): Signed {
  const left = Math.max(0, serialDifference(expiration, Math.floor(now)));
  return { status: 'secure', reason: '', ttl: Math.min(rrset.ttl, originalTtl, left), labels, good: [data] };
}

const lesser = (a: Signed | undefined, b: Signed): Signed =>
  a === undefined
    ? b
    : {
        ...a,
        ttl: Math.min(a.ttl, b.ttl),
        labels: Math.min(a.labels, b.labels),
        good: [...a.good, ...b.good],
      };

/**
 * The same by a zone's name and keys, on this thread.
 * @param zone folded name of the zone whose keys these are
 * @param keys believed DNSKEYs of the zone
 */
export function verifyRrset(
  rrset: Rrset,
  zone: Uint8Array,
  keys: readonly DnsKey[],
  judging: Judging,
  mayBe: (key: DnsKey) => boolean = signsZone,
): SignatureVerdict {
  return runChecks(verifyBy(rrset, { zone, keys, algorithms: [] }, judging, mayBe));
}
