// RRsets: the records of one owner and type, with the signatures over them (RFC 2181 section 5; RFC 4035 section 2.2).
import { ShardnsError } from '../base/errors.js';
import { Class, Type, typeName } from './iana.js';
import type { ResourceRecord } from './message.js';
import { equalNames, foldedName, nameKey, nameToText } from './name.js';
import { isSameRdata, rdataKey } from './rdata-layout.js';

export interface Rrset {
  /** Owner, folded wire format. */
  name: Uint8Array;
  type: number;
  /** Seconds: the least of its records' and signatures' (RFC 2181 section 5.2). */
  ttl: number;
  data: Uint8Array[];
  /** Data of the RRSIGs that cover it. */
  signatures: Uint8Array[];
}

/** Octets of the owner, the data and the signatures. */
export function sizeOfRrset({ name, data, signatures }: Rrset): number {
  let octets = name.length;
  for (const one of data) octets += one.length;
  for (const one of signatures) octets += one.length;
  return octets;
}

/** The same in memory of its own: what is kept for long would keep all of the message that it came in. */
export function copyOfRrset(rrset: Rrset): Rrset {
  const octets = new Uint8Array(sizeOfRrset(rrset));
  let end = 0;
  const copied = (one: Uint8Array): Uint8Array => {
    octets.set(one, end);
    return octets.subarray(end, (end += one.length));
  };
  const { name, type, ttl, data, signatures } = rrset;
  return { name: copied(name), type, ttl, data: data.map(copied), signatures: signatures.map(copied) };
}

/** Signatures of one RRset that are looked at and kept; more are an attack on validators (CVE-2023-50387). */
export const MAX_SIGNATURES = 8;

/** So many records or RRsets are compared one by one; of more a table is made. */
const FEW = 8;

/** Bit 31 of a TTL makes it a great positive number, which a cap then cuts (RFC 8767 section 4). */
const MAX_TTL = 0x7fffffff;

/**
 * The RRsets of a section in the order they begin in; duplicates and classes other than IN left out. Each record is
 * looked at once, however many there are.
 * @param maxRecords of one RRset
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for an RRset of more records than that
 */
export function groupRrsets(
  records: readonly ResourceRecord[],
  { maxRecords = Number.POSITIVE_INFINITY }: { maxRecords?: number } = {},
): Rrset[] {
  const groups: Rrset[] = [];
  const keys: Keys = { groups: undefined, records: undefined };
  for (const record of records) {
    if (record.dnsClass !== Class.IN || record.type === Type.OPT) continue;
    const covers = record.type === Type.RRSIG && record.data.length > 18;
    const group = groupOf(record, covers ? (record.data[0] << 8) | record.data[1] : record.type, groups, keys);
    const into = covers ? group.signatures : group.data;
    if (record.ttl < group.ttl) group.ttl = record.ttl;
    if (covers && into.length >= MAX_SIGNATURES) continue;
    if (isKnown(record.type, record.data, into, keys)) continue;
    if (into.length === maxRecords) {
      const owner = nameToText(record.name);
      throw new ShardnsError(
        'ERR_SHARDNS_MESSAGE',
        `more than ${maxRecords} ${typeName(record.type)} records of ${owner}`,
      );
    }
    into.push(record.data);
  }
  return groups;
}

/** What is found by comparing while it is little, and by tables once it is more. */
interface Keys {
  groups: Map<string, Rrset> | undefined;
  records: Map<readonly Uint8Array[], Set<string>> | undefined;
}

function isKnown(type: number, data: Uint8Array, among: readonly Uint8Array[], tables: Keys): boolean {
  if (among.length < FEW) {
    for (const one of among) if (isSameRdata(type, one, data)) return true;
    return false;
  }
  tables.records ??= new Map();
  let keys = tables.records.get(among);
  if (keys === undefined) tables.records.set(among, (keys = new Set(among.map(one => rdataKey(type, one)))));
  const { size } = keys;
  return keys.add(rdataKey(type, data)).size === size;
}

const groupKey = (name: Uint8Array, type: number): string => `${type} ${nameKey(name)}`;

function groupOf(record: ResourceRecord, type: number, groups: Rrset[], tables: Keys): Rrset {
  // The records of an RRset stand together, nearly always.
  if (groups.length <= FEW) {
    for (let i = groups.length; i-- > 0;) {
      if (groups[i].type === type && equalNames(groups[i].name, record.name)) return groups[i];
    }
  } else {
    const last = groups[groups.length - 1];
    if (last.type === type && equalNames(last.name, record.name)) return last;
  }
  const name = foldedName(record.name);
  if (groups.length > FEW) {
    tables.groups ??= new Map(groups.map(one => [groupKey(one.name, one.type), one]));
    const known = tables.groups.get(groupKey(name, type));
    if (known !== undefined) return known;
  }
  const group: Rrset = { name, type, ttl: MAX_TTL, data: [], signatures: [] };
  groups.push(group);
  tables.groups?.set(groupKey(name, type), group);
  return group;
}

/** Back to records; signatures too where `dnssecOk`. */
export function recordsOf(rrset: Rrset, dnssecOk: boolean): ResourceRecord[] {
  return recordsOfAll([rrset], dnssecOk);
}

/** The same for several, in their order. */
export function recordsOfAll(rrsets: readonly Rrset[], dnssecOk: boolean): ResourceRecord[] {
  const records: ResourceRecord[] = [];
  for (const { name, type, ttl, data, signatures } of rrsets) {
    for (const one of data) records.push({ name, type, dnsClass: Class.IN, ttl, data: one });
    if (!dnssecOk) continue;
    for (const one of signatures) records.push({ name, type: Type.RRSIG, dnsClass: Class.IN, ttl, data: one });
  }
  return records;
}

/** Whether a signature says that the RRset was made from a wildcard (RFC 4035 section 5.3.4). */
export function isFromWildcard(rrset: Rrset): boolean {
  if (rrset.signatures.length === 0) return false;
  const labels = labelsOf(rrset.name);
  return rrset.signatures.some(data => data[3] < labels);
}

function labelsOf(name: Uint8Array): number {
  let labels = 0;
  for (let at = 0; name[at] !== 0; at += 1 + name[at]) labels++;
  return name[0] === 1 && name[1] === 0x2a ? labels - 1 : labels;
}
