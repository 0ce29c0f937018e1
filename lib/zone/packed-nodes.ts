// The names of a zone and their records, packed into a few arrays of octets, in canonical order (RFC 4034 section 6.1):
// what lies below a name follows it at once. Immutable; knows nothing of queries.
//
// A million records of 625,000 names take some 60 octets each, index and names with them; of objects it would be ten
// times that, and all of it V8's to look through.
//
//   names    labels of each node without the apex's and the root's, one after the other; nameAt[i] .. nameAt[i + 1]
//   data     the RRsets of each node, by type; RRSIGs by what they cover; dataAt[i] .. dataAt[i + 1]
//
//   an RRset:  0      2        4     8       10       14
//              | type | covers | ttl | count | octets | records: length (2), data
import { systemRandom } from '../base/random.js';
import { type HashKey, hashUnder, randomHashKey } from '../base/keyed-hash.js';
import { lazy } from '../base/lazy.js';
import { compareLabels } from '../dnssec/canonical.js';
import { foldedOctet } from '../wire/name.js';

export const RRSET_HEADER = 14;

/** What is known of a node without a look at its data. */
export const NodeFlag = {
  /** Has NS and is not the apex: what lies below is another zone's, or glue. */
  cut: 1,
  dname: 2,
  cname: 4,
  /** Has no records: a name that others lie below (an empty non-terminal). */
  empty: 8,
  /** Has nothing but NSEC3 and its signatures: no name of the zone (RFC 5155 section 7.2.8). */
  nsec3: 16,
  /** Of changes laid over a zone: the name is no more. */
  deleted: 32,
  /** Of changes laid over a zone: nothing is said of the name but that changed ones lie below it. */
  unsaid: 64,
} as const;

/** Names come from primaries that may be hostile: their places in the index are not theirs to aim at. */
const ownKey = lazy(() => randomHashKey(systemRandom));
let givenKey: HashKey | undefined;
export const keyOfNames = (): HashKey => givenKey ?? ownKey();
/** Of a thread, before it makes its first zone: zones are handed over to the one whose key it is. */
export function useKeyOfNames(key: HashKey): void {
  givenKey = key;
}
export const hashOfNames = lazy(() => hashUnder(keyOfNames()));

export interface PackedArrays {
  count: number;
  names: Uint8Array;
  /** One more than there are nodes. */
  nameAt: Uint32Array;
  data: Uint8Array;
  /** One more than there are nodes. */
  dataAt: Uint32Array;
  flags: Uint8Array;
  /** Number of a node + 1, by the hash of its folded labels; 0 = free. Its length is a power of two. */
  slots: Uint32Array;
  recordCount: number;
}

const octetsOf = ({ buffer, byteOffset, byteLength }: Uint8Array | Uint32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

export class PackedNodes {
  readonly count: number;
  readonly names: Uint8Array;
  readonly nameAt: Uint32Array;
  readonly data: Uint8Array;
  readonly dataAt: Uint32Array;
  readonly flags: Uint8Array;
  readonly recordCount: number;
  readonly slots: Uint32Array;

  constructor(arrays: PackedArrays) {
    ({
      count: this.count,
      names: this.names,
      nameAt: this.nameAt,
      data: this.data,
      dataAt: this.dataAt,
      flags: this.flags,
      recordCount: this.recordCount,
    } = arrays);
    this.slots = arrays.slots;
  }

  /** Whether names, records and their order are the same, octet by octet. */
  isPackedAs(other: PackedNodes): boolean {
    const arrays = (one: PackedNodes) => [one.names, one.data, one.nameAt, one.dataAt, one.flags];
    const theirs = arrays(other);
    return (
      this === other || arrays(this).every((array, i) => Buffer.compare(octetsOf(array), octetsOf(theirs[i])) === 0)
    );
  }

  /** Octets of memory. */
  get octets(): number {
    const { names, nameAt, data, dataAt, flags, slots } = this;
    return [names, nameAt, data, dataAt, flags, slots].reduce((sum, one) => sum + one.byteLength, 0);
  }

  /**
   * The node of these labels, or -1.
   * @param labels folded, without those of the apex
   */
  find(labels: Uint8Array, from: number, end: number): number {
    const { slots } = this;
    const mask = slots.length - 1;
    for (let at = hashOfNames()(labels, from, end) & mask; slots[at] !== 0; at = (at + 1) & mask) {
      const node = slots[at] - 1;
      if (this.#isNamed(node, labels, from, end)) return node;
    }
    return -1;
  }

  #isNamed(node: number, labels: Uint8Array, from: number, end: number): boolean {
    const at = this.nameAt[node];
    const length = end - from;
    if (this.nameAt[node + 1] - at !== length) return false;
    for (let i = 0; i < length; i++) if (foldedOctet(this.names[at + i]) !== labels[from + i]) return false;
    return true;
  }

  /** The first node that does not come before these labels. */
  lowerBound(labels: Uint8Array, from: number, end: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compare(middle, labels, from, end) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  compare(node: number, labels: Uint8Array, from: number, end: number): number {
    return compareLabels(this.names, this.nameAt[node], this.nameAt[node + 1], labels, from, end);
  }

  /** Whether the node lies below these labels. */
  isBelow(node: number, labels: Uint8Array, from: number, end: number): boolean {
    const at = this.nameAt[node];
    const begin = this.nameAt[node + 1] - (end - from);
    if (begin <= at) return false;
    for (let here = at; here < begin; here += 1 + this.names[here]) {
      if (here + 1 + this.names[here] > begin) return false;
    }
    for (let i = 0; i < end - from; i++) if (foldedOctet(this.names[begin + i]) !== labels[from + i]) return false;
    return true;
  }

  /** Where an RRset of the node begins in `data`, or -1. @param covers of RRSIGs: the type that they are over */
  rrset(node: number, type: number, covers = 0): number {
    const { data } = this;
    const end = this.dataAt[node + 1];
    for (let at = this.dataAt[node]; at < end; at = endOfRrset(data, at)) {
      if (typeAt(data, at) === type && coversAt(data, at) === covers) return at;
    }
    return -1;
  }
}

export const typeAt = (data: Uint8Array, at: number): number => (data[at] << 8) | data[at + 1];
export const coversAt = (data: Uint8Array, at: number): number => (data[at + 2] << 8) | data[at + 3];
export const ttlAt = (data: Uint8Array, at: number): number =>
  ((data[at + 4] << 24) | (data[at + 5] << 16) | (data[at + 6] << 8) | data[at + 7]) >>> 0;
export const countAt = (data: Uint8Array, at: number): number => (data[at + 8] << 8) | data[at + 9];
const octetsAt = (data: Uint8Array, at: number): number =>
  ((data[at + 10] << 24) | (data[at + 11] << 16) | (data[at + 12] << 8) | data[at + 13]) >>> 0;
export const endOfRrset = (data: Uint8Array, at: number): number => at + RRSET_HEADER + octetsAt(data, at);
