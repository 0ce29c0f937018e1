// Digests of whole zones (RFC 8976): the SIMPLE scheme with SHA-384 and SHA-512, made and compared. That the ZONEMD records
// themselves are signed, or that a signed zone has none, is a question for `validate`.
//
// Takes a zone into memory and sorts it: 1 us or so a record.
import { createHash, type Hash } from 'node:crypto';
import { sameOctets } from '../base/octets.js';
import { inOneGo } from '../base/slices.js';
import { Class, Type } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { equalNames, foldedName, isAtOrBelow } from '../wire/name.js';
import { canonicalRdata } from '../wire/rdata-layout.js';
import { compareNames, compareOctets } from './canonical.js';

export interface ZoneDigest {
  serial: number;
  scheme: number;
  hash: number;
  digest: Uint8Array;
}

/** RFC 8976 sections 5.2 and 5.3. */
const SIMPLE = 1;
const HASHES = new Map([
  [1, 'sha384'],
  [2, 'sha512'],
]);
/** Section 2.2.4: a digest has 12 octets or more, whatever the hash. */
const MIN_DIGEST = 12;

/** @returns undefined for data that is none */
export function parseZonemd(data: Uint8Array): ZoneDigest | undefined {
  if (data.length < 6 + MIN_DIGEST) return undefined;
  const serial = new DataView(data.buffer, data.byteOffset).getUint32(0);
  return { serial, scheme: data[4], hash: data[5], digest: data.subarray(6) };
}

/**
 * The digest of a zone by the SIMPLE scheme (RFC 8976 section 3): its records in canonical order and form, without the
 * ZONEMD records of its apex and their signatures, duplicates, and what lies outside of it.
 * @param apex folded
 * @param hash 1 (SHA-384) or 2 (SHA-512)
 * @returns undefined for a hash that is unknown
 */
export function digestZone(apex: Uint8Array, records: Iterable<ResourceRecord>, hash: number): Uint8Array | undefined {
  const name = HASHES.get(hash);
  return name === undefined ? undefined : digestSorted(sorted(apex, records), name);
}

interface Canonical {
  name: Uint8Array;
  type: number;
  ttl: number;
  data: Uint8Array;
}

function sorted(apex: Uint8Array, records: Iterable<ResourceRecord>): Canonical[] {
  const all: Canonical[] = [];
  for (const record of records) {
    const one = canonicalOf(apex, record);
    if (one !== undefined) all.push(one);
  }
  return all.sort(compare);
}

/** Undefined for one that has no part in the digest. */
function canonicalOf(
  apex: Uint8Array,
  { name: owner, type, dnsClass, ttl, data }: ResourceRecord,
): Canonical | undefined {
  const name = foldedName(owner);
  if (dnsClass !== Class.IN || !isAtOrBelow(name, apex)) return undefined;
  const covered = type === Type.RRSIG ? (data[0] << 8) | data[1] : type;
  if (covered === Type.ZONEMD && name.length === apex.length) return undefined;
  return { name, type, ttl, data: canonicalRdata(type, data) };
}

const compare = (a: Canonical, b: Canonical): number =>
  compareNames(a.name, b.name) || a.type - b.type || compareOctets(a.data, b.data);

class Digester {
  readonly #digest: Hash;
  readonly #fixed = Buffer.alloc(10);
  #last: Canonical | undefined;

  constructor(hash: string) {
    this.#digest = createHash(hash);
  }

  /** @param record that does not come before the one before it */
  add(record: Canonical): void {
    if (this.#last !== undefined && compare(this.#last, record) === 0) return;
    this.#last = record;
    const fixed = this.#fixed;
    fixed.writeUInt16BE(record.type, 0);
    fixed.writeUInt16BE(Class.IN, 2);
    fixed.writeUInt32BE(record.ttl, 4);
    fixed.writeUInt16BE(record.data.length, 8);
    this.#digest.update(record.name).update(fixed).update(record.data);
  }
  end(): Uint8Array {
    return this.#digest.digest();
  }
}

function digestSorted(records: readonly Canonical[], hash: string): Uint8Array {
  const digester = new Digester(hash);
  for (const record of records) digester.add(record);
  return digester.end();
}

/** Records that are digested in one step: some milliseconds. */
const RECORDS_OF_STEP = 256;

/** Of records whose owners come in canonical order, those of one in any: no more is kept of them than one owner has. */
function* digesting(apex: Uint8Array, records: Iterable<ResourceRecord>, hash: string): Generator<void, Uint8Array> {
  const digester = new Digester(hash);
  let ofOwner: Canonical[] = [];
  const take = (): void => {
    if (ofOwner.length > 1) ofOwner.sort(compare);
    for (const one of ofOwner) digester.add(one);
    ofOwner = [];
  };
  let count = 0;
  for (const record of records) {
    if (++count % RECORDS_OF_STEP === 0) yield;
    const one = canonicalOf(apex, record);
    if (one === undefined) continue;
    if (ofOwner.length > 0 && compareNames(ofOwner[0].name, one.name) !== 0) take();
    ofOwner.push(one);
  }
  take();
  return digester.end();
}

export interface ZoneDigestVerdict {
  /** `none`: no ZONEMD record that can be checked, so nothing is known. */
  status: 'verified' | 'failed' | 'none';
  /** For logs; empty when verified. */
  reason: string;
}

/**
 * Compares a zone with the ZONEMD records of its apex (RFC 8976 section 4): one digest that is right is enough.
 * @param apex folded
 */
export function verifyZonemd(apex: Uint8Array, records: Iterable<ResourceRecord>): ZoneDigestVerdict {
  const zone = Array.isArray(records) ? (records as readonly ResourceRecord[]) : [...records];
  const atApex = (type: number): Uint8Array[] =>
    zone.filter(one => one.type === type && equalNames(one.name, apex)).map(one => one.data);
  const [soa, second] = atApex(Type.SOA);
  if (soa === undefined || soa.length < 22 || (second !== undefined && !sameOctets(soa, second))) {
    return { status: 'failed', reason: 'not one SOA record at the apex' };
  }
  const serial = new DataView(soa.buffer, soa.byteOffset + soa.length - 20).getUint32(0);
  let canonical: Canonical[] | undefined;
  // Whoever gives records in any order has them all in memory, and waits.
  const digest = (hash: string): Uint8Array => digestSorted((canonical ??= sorted(apex, zone)), hash);
  return inOneGo(judging(serial, atApex(Type.ZONEMD), digest));
}

/** A zone as it is packed: with one SOA, and its records by the canonical order of their owners. */
export interface PackedRecords {
  /** Folded. */
  readonly apex: Uint8Array;
  readonly serial: number;
  /** Data of the ZONEMD records of its apex. */
  readonly zonemd: readonly Uint8Array[];
  readonly records: () => Iterable<ResourceRecord>;
}

/** The same in steps, each of which takes some milliseconds; of its records nothing is kept. */
export function verifyingZonemd({ apex, serial, zonemd, records }: PackedRecords): Generator<void, ZoneDigestVerdict> {
  return judging(serial, zonemd, hash => digesting(apex, records(), hash));
}

function* judging(
  serial: number,
  zonemd: readonly Uint8Array[],
  digest: (hash: string) => Uint8Array | Generator<void, Uint8Array>,
): Generator<void, ZoneDigestVerdict> {
  const all = zonemd.map(parseZonemd);
  let why = 'no ZONEMD record';
  let failure: string | undefined;
  for (const one of all) {
    const name = one && one.scheme === SIMPLE ? HASHES.get(one.hash) : undefined;
    if (one === undefined || name === undefined) {
      why = 'no ZONEMD record of a scheme and hash that are known';
    } else if (one.serial !== serial) {
      why = `a ZONEMD record of serial ${one.serial}, in a zone of serial ${serial}`;
    } else if (all.filter(other => other?.scheme === SIMPLE && other.hash === one.hash).length > 1) {
      // Section 4 step 5: two of one kind count as none of it.
      why = 'two ZONEMD records of one scheme and hash';
    } else {
      const made = digest(name);
      if (sameOctets(made instanceof Uint8Array ? made : yield* made, one.digest))
        return { status: 'verified', reason: '' };
      failure = `another ${name} digest than its ZONEMD record has`;
    }
  }
  return failure === undefined ? { status: 'none', reason: why } : { status: 'failed', reason: failure };
}
