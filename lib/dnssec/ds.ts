// DS records: which count, and the keys they stand for (RFC 4034 section 5; RFC 4509; RFC 4035 section 5.2).
import { createHash } from 'node:crypto';
import { sameOctets } from '../base/octets.js';
import { foldedName } from '../wire/name.js';
import { algorithmOf, type AlgorithmPolicy, digestOf } from './algorithms.js';
import type { Budget } from './budget.js';
import { type DnsKey, signsZone } from './key.js';

export interface DelegationSigner {
  tag: number;
  algorithm: number;
  digestType: number;
  digest: Uint8Array;
}

/** @returns undefined for data that is too short */
export function parseDs(data: Uint8Array): DelegationSigner | undefined {
  if (data.length < 5) return undefined;
  return { tag: (data[0] << 8) | data[1], algorithm: data[2], digestType: data[3], digest: data.subarray(4) };
}

/** Digest of a key: over its owner in canonical form, and its data. */
export function digestKey(owner: Uint8Array, key: Uint8Array, digestType: number): Uint8Array | undefined {
  const digest = digestOf(digestType);
  return digest && createHash(digest.name).update(foldedName(owner)).update(key).digest();
}

/** Those that a validator can use; none left: the zone is insecure. `why` then says what was unknown. */
export function usableDs(
  set: readonly Uint8Array[],
  policy: AlgorithmPolicy,
): { usable: DelegationSigner[]; why: 'algorithm' | 'digest' } {
  const parsed = set.map(parseDs).filter(ds => ds !== undefined);
  const known = parsed.filter(ds => algorithmOf(ds.algorithm, policy) !== undefined);
  const usable = known.filter(ds => digestOf(ds.digestType) !== undefined);
  // A parent that has SHA-256 means it, whatever else it publishes (RFC 4509 section 3).
  const strong = policy.anyDigest !== true && usable.some(ds => ds.digestType === 2 || ds.digestType === 4);
  return {
    usable: strong ? usable.filter(ds => ds.digestType !== 1) : usable,
    why: known.length === 0 ? 'algorithm' : 'digest',
  };
}

/** The keys that the DS records stand for: at most `limits.ds` of them are looked at. */
export function matchDs(
  owner: Uint8Array,
  set: readonly DelegationSigner[],
  keys: readonly DnsKey[],
  budget: Budget,
): DnsKey[] {
  const found = new Set<DnsKey>();
  for (const ds of set.slice(0, budget.limits.ds)) {
    let tried = 0;
    for (const key of keys) {
      if (key.tag !== ds.tag || key.algorithm !== ds.algorithm || !signsZone(key)) continue;
      if (++tried > budget.limits.keysPerTag || !budget.spend(0.1)) break;
      if (sameOctets(digestKey(owner, key.data, ds.digestType) ?? NOTHING, ds.digest)) found.add(key);
    }
  }
  return [...found];
}
const NOTHING = new Uint8Array(0);
