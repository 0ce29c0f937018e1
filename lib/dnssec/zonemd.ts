// Digests of whole zones (RFC 8976): the SIMPLE scheme with SHA-384 and SHA-512, made and compared. That the ZONEMD records
// themselves are signed, or that a signed zone has none, is a question for `validate`.
//
// Takes a zone into memory and sorts it: 1 us or so a record.
import { createHash } from 'node:crypto';
import { sameOctets } from '../base/octets.js';
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
    const name = foldedName(record.name);
    if (record.dnsClass !== Class.IN || !isAtOrBelow(name, apex)) continue;
    const covered = record.type === Type.RRSIG ? (record.data[0] << 8) | record.data[1] : record.type;
    if (covered === Type.ZONEMD && name.length === apex.length) continue;
    all.push({ name, type: record.type, ttl: record.ttl, data: canonicalRdata(record.type, record.data) });
  }
  return all.sort(compare);
}

const compare = (a: Canonical, b: Canonical): number =>
  compareNames(a.name, b.name) || a.type - b.type || compareOctets(a.data, b.data);

function digestSorted(records: readonly Canonical[], hash: string): Uint8Array {
  const digest = createHash(hash);
  const fixed = Buffer.alloc(10);
  let last: Canonical | undefined;
  for (const record of records) {
    if (last !== undefined && compare(last, record) === 0) continue;
    last = record;
    fixed.writeUInt16BE(record.type, 0);
    fixed.writeUInt16BE(Class.IN, 2);
    fixed.writeUInt32BE(record.ttl, 4);
    fixed.writeUInt16BE(record.data.length, 8);
    digest.update(record.name).update(fixed).update(record.data);
  }
  return digest.digest();
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
  const all = atApex(Type.ZONEMD).map(parseZonemd);
  let why = 'no ZONEMD record';
  let canonical: Canonical[] | undefined;
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
      canonical ??= sorted(apex, zone);
      if (sameOctets(digestSorted(canonical, name), one.digest)) return { status: 'verified', reason: '' };
      failure = `another ${name} digest than its ZONEMD record has`;
    }
  }
  return failure === undefined ? { status: 'none', reason: why } : { status: 'failed', reason: failure };
}
