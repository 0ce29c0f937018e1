// Proofs by NSEC3 records of one zone, verified before (RFC 5155 section 8, RFC 6840 section 4, RFC 9276).
//
// Hashes are paid from the budget (CVE-2023-50868). Records with other parameters than the first have no say: those of
// one proof share them (RFC 5155 section 8.2).
import { hash } from 'node:crypto';
import { sameOctets } from '../base/octets.js';
import { Type } from '../wire/iana.js';
import { countLabels, equalNames, foldedOctet, nameKey } from '../wire/name.js';
import { hidesBelow, isCut, lacksType } from './bitmap.js';
import { type Budget, HASH_COST } from './budget.js';
import { lastLabels, wildcardOf } from './canonical.js';
import type { Proof } from './verdict.js';

const OPT_OUT = 1;
const HASH_SIZE = 20;

export interface Nsec3 {
  hash: Uint8Array;
  next: Uint8Array;
  isOptOut: boolean;
  iterations: number;
  salt: Uint8Array;
  bitmap: Uint8Array;
}

/** @returns undefined for data that is none, and for hashes and flags that are unknown (RFC 5155 sections 8.1, 8.2) */
export function parseNsec3(owner: Uint8Array, data: Uint8Array): Nsec3 | undefined {
  if (data.length < 6 || data[0] !== 1 || data[1] > OPT_OUT) return undefined;
  const at = 5 + data[4];
  if (data[at] !== HASH_SIZE || data.length < at + 1 + HASH_SIZE) return undefined;
  const hash = base32hex(owner.subarray(1, 1 + owner[0]));
  if (hash === undefined) return undefined;
  return {
    hash,
    next: data.subarray(at + 1, at + 1 + HASH_SIZE),
    isOptOut: data[1] === OPT_OUT,
    iterations: (data[2] << 8) | data[3],
    salt: data.subarray(5, at),
    bitmap: data.subarray(at + 1 + HASH_SIZE),
  };
}

/** 20 octets of their 32 characters (RFC 4648 section 7). */
function base32hex(text: Uint8Array): Uint8Array | undefined {
  if (text.length !== 32) return undefined;
  const octets = new Uint8Array(HASH_SIZE);
  let bits = 0;
  let value = 0;
  let to = 0;
  for (const octet of text) {
    const c = foldedOctet(octet);
    const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : c >= 0x61 && c <= 0x76 ? c - 0x57 : -1;
    if (digit < 0) return undefined;
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits >= 8) octets[to++] = (value >> (bits -= 8)) & 0xff;
  }
  return octets;
}

/** The hash of a folded name (RFC 5155 section 5). */
export function hashName(name: Uint8Array, salt: Uint8Array, iterations: number): Uint8Array {
  let digest = hash('sha1', Buffer.concat([name, salt]), 'buffer');
  if (iterations === 0) return digest;
  const again = Buffer.allocUnsafe(HASH_SIZE + salt.length);
  again.set(salt, HASH_SIZE);
  for (let i = 0; i < iterations; i++) {
    again.set(digest);
    digest = hash('sha1', again, 'buffer');
  }
  return digest;
}

class Spent extends Error {}

export class Nsec3Proofs {
  readonly records: readonly Nsec3[];
  readonly #hashes = new Map<string, Uint8Array>();
  constructor(
    readonly zone: Uint8Array,
    records: readonly Nsec3[],
    readonly budget: Budget,
    readonly maxIterations: number,
  ) {
    this.records = records.filter(
      one => one.iterations === records[0].iterations && sameOctets(one.salt, records[0].salt),
    );
  }

  #hash(name: Uint8Array): Uint8Array {
    const key = nameKey(name);
    let digest = this.#hashes.get(key);
    if (digest === undefined) {
      const { iterations, salt } = this.records[0];
      // A step hashes 20 octets and the salt, in blocks of 64 with 9 of padding.
      const blocks = Math.ceil((HASH_SIZE + salt.length + 9) / 64);
      if (!this.budget.spend(HASH_COST * blocks * (iterations + 1))) throw new Spent();
      this.#hashes.set(key, (digest = hashName(name, salt, iterations)));
    }
    return digest;
  }

  #at(name: Uint8Array): Nsec3 | undefined {
    const hash = this.#hash(name);
    return this.records.find(one => sameOctets(one.hash, hash));
  }

  #cover(name: Uint8Array): Nsec3 | undefined {
    const hash = this.#hash(name);
    return this.records.find(({ hash: owner, next }) => {
      const after = Buffer.compare(owner, hash) < 0;
      const before = Buffer.compare(hash, next) < 0;
      // The last record's next hash is the first's.
      return Buffer.compare(owner, next) < 0 ? after && before : (after || before) && !sameOctets(owner, hash);
    });
  }

  /** The longest ancestor that exists, and what covers the name one label longer (RFC 5155 section 8.3). */
  #encloser(name: Uint8Array): { encloser: Uint8Array; cover: Nsec3 } | undefined {
    const own = countLabels(name);
    for (let labels = own - 1; labels >= countLabels(this.zone); labels--) {
      const encloser = lastLabels(name, labels);
      const match = this.#at(encloser);
      if (match === undefined) continue;
      if (hidesBelow(match.bitmap)) return undefined;
      const cover = this.#cover(lastLabels(name, labels + 1));
      return cover && { encloser, cover };
    }
    return undefined;
  }

  /** Steps of a proof, unless its iterations or its cost are beyond what is done. */
  #prove(steps: () => Proof): Proof {
    if (this.records[0].iterations > this.maxIterations) return 'iterations';
    try {
      return steps();
    } catch (error) {
      if (error instanceof Spent) return 'spent';
      throw error;
    }
  }

  nxdomain(name: Uint8Array): Proof {
    return this.#prove(() => {
      if (equalNames(name, this.zone) || this.#at(name) !== undefined) return 'missing';
      const found = this.#encloser(name);
      if (found === undefined) return 'missing';
      if (this.#cover(wildcardOf(found.encloser)) === undefined) return 'missing';
      return found.cover.isOptOut ? 'optOut' : 'proven';
    });
  }

  nodata(name: Uint8Array, type: number): Proof {
    return this.#prove(() => {
      const match = this.#at(name);
      if (match !== undefined) return lacksType(match.bitmap, type, name.length === 1) ? 'proven' : 'missing';
      const found = this.#encloser(name);
      if (found === undefined) return 'missing';
      const wildcard = this.#at(wildcardOf(found.encloser));
      if (wildcard !== undefined) {
        if (!lacksType(wildcard.bitmap, type, false)) return 'missing';
        return found.cover.isOptOut ? 'optOut' : 'proven';
      }
      // Delegations without DS, and empty non-terminals above nothing else, have no record in such a span.
      return found.cover.isOptOut ? 'optOut' : 'missing';
    });
  }

  wildcard(name: Uint8Array, labels: number): Proof {
    // What a zone's hashes do not have above its apex is no proof: a wildcard of the zone above may be there.
    if (labels < countLabels(this.zone)) return 'missing';
    return this.#prove(() => {
      // Below a cut or a DNAME there is no name of this zone (RFC 5155 section 8.3): the child's names are not in its hashes.
      const encloser = this.#at(lastLabels(name, labels));
      if (encloser !== undefined && hidesBelow(encloser.bitmap)) return 'missing';
      const cover = this.#cover(lastLabels(name, labels + 1));
      return cover === undefined ? 'missing' : cover.isOptOut ? 'optOut' : 'proven';
    });
  }

  noDs(name: Uint8Array): Proof {
    return this.#prove(() => {
      const match = this.#at(name);
      if (match !== undefined) {
        if (!lacksType(match.bitmap, Type.DS, false)) return 'missing';
        return isCut(match.bitmap) ? 'cut' : 'proven';
      }
      const found = this.#encloser(name);
      return found === undefined ? 'missing' : found.cover.isOptOut ? 'cut' : 'proven';
    });
  }
}
