// Canonical order of names and canonical form of RRsets (RFC 4034 sections 3.1.8.1 and 6; RFC 6840 section 5.1).
import { countLabels, foldedName, foldedOctet, offsetOfLast } from '../wire/name.js';
import { canonicalRdata } from '../wire/rdata-layout.js';
import type { Rrset } from '../wire/rrset.js';

const labelsOfA = new Uint16Array(128);
const labelsOfB = new Uint16Array(128);
function split(name: Uint8Array, into: Uint16Array, from = 0, end = name.length - 1): number {
  let count = 0;
  for (let at = from; at < end; at += 1 + name[at]) into[count++] = at - from;
  return count;
}

/** Order of RFC 4034 section 6.1: by labels from the last, octet for octet in lower case, the absence of an octet first. */
export function compareNames(a: Uint8Array, b: Uint8Array): number {
  return compareLabels(a, 0, a.length - 1, b, 0, b.length - 1);
}

/** The same of labels that stand somewhere in octets, at most 255 of them, without the root's. */
export function compareLabels(
  a: Uint8Array,
  aFrom: number,
  aEnd: number,
  b: Uint8Array,
  bFrom: number,
  bEnd: number,
): number {
  let i = split(a, labelsOfA, aFrom, aEnd);
  let j = split(b, labelsOfB, bFrom, bEnd);
  while (i > 0 && j > 0) {
    const x = aFrom + labelsOfA[--i];
    const y = bFrom + labelsOfB[--j];
    const shorter = Math.min(a[x], b[y]);
    for (let k = 1; k <= shorter; k++) {
      const difference = foldedOctet(a[x + k]) - foldedOctet(b[y + k]);
      if (difference !== 0) return difference;
    }
    if (a[x] !== b[y]) return a[x] - b[y];
  }
  return i - j;
}

/** A string that sorts as the folded name does in that order. */
export function canonicalKey(name: Uint8Array): string {
  let key = '';
  for (let i = split(name, labelsOfA); i-- > 0;) {
    const at = labelsOfA[i];
    // An octet of 0 or 1 is written as two, so that nothing is less than the end of a label.
    for (let k = 1; k <= name[at]; k++) {
      const octet = name[at + k];
      key += octet > 1 ? String.fromCharCode(octet) : octet === 0 ? '\x01\x01' : '\x01\x02';
    }
    key += '\0';
  }
  return key;
}

export const isWildcard = (name: Uint8Array): boolean => name[0] === 1 && name[1] === 0x2a;

/** Labels of an owner as RRSIGs count them: the root's and a leading "*" are none (RFC 4034 section 3.1.3). */
export const ownerLabels = (name: Uint8Array): number => countLabels(name) - (isWildcard(name) ? 1 : 0);

/** The last `labels` labels of a name; the name itself where it has no more. */
export const lastLabels = (name: Uint8Array, labels: number): Uint8Array => name.subarray(offsetOfLast(name, labels));

/** `*.` and the name: at most 255 octets, since the name it is made of has one more label. */
export function wildcardOf(name: Uint8Array): Uint8Array {
  const wildcard = new Uint8Array(name.length + 2);
  wildcard[0] = 1;
  wildcard[1] = 0x2a;
  wildcard.set(name, 2);
  return wildcard;
}

/** Data of an RRset in canonical form and order, duplicates dropped. */
export function canonicalData(type: number, data: readonly Uint8Array[]): Uint8Array[] {
  const canonical = data.map(one => canonicalRdata(type, one));
  if (canonical.length < 2) return canonical;
  canonical.sort(compareOctets);
  return canonical.filter((one, i) => i === 0 || compareOctets(one, canonical[i - 1]) !== 0);
}

/** A native call costs more than the few octets in which most records differ. */
export function compareOctets(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/**
 * The octets that a signature is made of: `head` (an RRSIG's data without the signature; nothing for others), then each
 * record with the owner and TTL that it was signed with.
 */
export function canonicalRrset(
  rrset: Pick<Rrset, 'name' | 'type' | 'data'>,
  head: Uint8Array,
  {
    owner = foldedName(rrset.name),
    ttl,
    canonical,
  }: { owner?: Uint8Array; ttl: number; canonical?: readonly Uint8Array[] },
): Uint8Array {
  const data = canonical ?? canonicalData(rrset.type, rrset.data);
  let size = head.length;
  for (const one of data) size += owner.length + 10 + one.length;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  out.set(head);
  let at = head.length;
  for (const one of data) {
    out.set(owner, at);
    at += owner.length;
    view.setUint16(at, rrset.type);
    view.setUint16(at + 2, 1);
    view.setUint32(at + 4, ttl);
    view.setUint16(at + 8, one.length);
    out.set(one, at + 10);
    at += 10 + one.length;
  }
  return out;
}
