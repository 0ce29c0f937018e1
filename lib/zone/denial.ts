// The chain of NSEC or NSEC3 records that a signed zone brings (RFC 4034 section 4, RFC 5155): which record matches a name,
// and which covers it. Nothing is made here; of signatures it knows nothing.
//
// An iteration of NSEC3's hash is paid for by each new name that is asked for, by whomever: a zone of more than MAX_ITERATIONS
// is refused, from a file or from a primary. The last HASHES_KEPT hashes are remembered, and MAX_PARAMETERS are looked at.
import { BoundedMap } from '../base/bounded-map.js';
import { hashName } from '../dnssec/nsec3.js';
import { Type } from '../wire/iana.js';
import { nameKey } from '../wire/name.js';
import { type PackedNodes, RRSET_HEADER } from './packed-nodes.js';
import type { Zone } from './zone.js';

const HASHES_KEPT = 1024;
/** What RFC 5155 section 10.3 has for keys of 2048 bits; of more those who validate take no proof anyway (RFC 9276). */
export const MAX_ITERATIONS = 500;
/** NSEC3PARAM records: a second one is there while a chain is replaced. */
const MAX_PARAMETERS = 8;

/** Iterations that a zone has and is not served with; undefined: it has no more than MAX_ITERATIONS. */
export function excessiveIterations(zone: Zone): number | undefined {
  return zone
    .recordsAt(zone.apexNode, Type.NSEC3PARAM)
    .map(({ data }) => (data[2] << 8) | data[3])
    .find(iterations => iterations > MAX_ITERATIONS);
}
/** Of a SHA-1 hash in base 32. */
const HASH_LABEL = 32;

/** Nodes of one set of packed ones that are links of the chain. */
type Links = Uint32Array;

const linksOfBases = new WeakMap<PackedNodes, { key: string; links: Links }>();

export class Denial {
  readonly #hashes = new BoundedMap<string, Uint8Array>(HASHES_KEPT);
  readonly #base: Links;
  readonly #changes: Links | undefined;

  private constructor(
    private readonly zone: Zone,
    /** Undefined: NSEC. */
    private readonly params: { salt: Uint8Array; iterations: number } | undefined,
  ) {
    this.#base = this.#linksOfBase();
    this.#changes = zone.overlay && this.#linksOf(zone.overlay.nodes);
  }

  static readonly #known = new WeakMap<Zone, { denial: Denial | undefined }>();

  /** Undefined: the zone has no chain. */
  static of(zone: Zone): Denial | undefined {
    let known = Denial.#known.get(zone);
    if (known === undefined) Denial.#known.set(zone, (known = { denial: Denial.#find(zone) }));
    return known.denial;
  }

  static #find(zone: Zone): Denial | undefined {
    const apex = zone.apexNode;
    if (zone.rrset(apex, Type.NSEC) >= 0) return new Denial(zone, undefined);
    // Several parameters: the first with a record for the apex (RFC 5155 section 7.3 has the chain complete).
    for (const { data } of zone.recordsAt(apex, Type.NSEC3PARAM).slice(0, MAX_PARAMETERS)) {
      const iterations = (data[2] << 8) | data[3];
      if (data[0] !== 1 || data[1] !== 0 || iterations > MAX_ITERATIONS) continue;
      const params = { iterations, salt: data.slice(5, 5 + data[4]) };
      const denial = new Denial(zone, params);
      if (denial.matching(zone.apex) >= 0) return denial;
    }
    return undefined;
  }

  get isHashed(): boolean {
    return this.params !== undefined;
  }
  get iterations(): number {
    return this.params?.iterations ?? 0;
  }
  get type(): number {
    return this.isHashed ? Type.NSEC3 : Type.NSEC;
  }

  /** Versions of a zone share it. */
  #linksOfBase(): Links {
    const { params, zone } = this;
    const key = params === undefined ? '' : `${params.iterations} ${nameKey(params.salt)}`;
    let known = linksOfBases.get(zone.base);
    if (known?.key !== key) linksOfBases.set(zone.base, (known = { key, links: this.#linksOf(zone.base) }));
    return known.links;
  }

  #linksOf(nodes: PackedNodes): Links {
    const { count } = nodes;
    let links = new Uint32Array(1024);
    let found = 0;
    for (let i = 0; i < count; i++) {
      if (!this.#isLink(nodes, i)) continue;
      if (found === links.length) {
        const longer = new Uint32Array(2 * found);
        longer.set(links);
        links = longer;
      }
      links[found++] = i;
    }
    return links.slice(0, found);
  }

  #isLink(nodes: PackedNodes, node: number): boolean {
    const { params } = this;
    if (params === undefined) return nodes.rrset(node, Type.NSEC) >= 0;
    if (nodes.nameAt[node + 1] - nodes.nameAt[node] !== 1 + HASH_LABEL) return false;
    const at = nodes.rrset(node, Type.NSEC3);
    if (at < 0) return false;
    const data = nodes.data.subarray(at + RRSET_HEADER + 2);
    const { salt, iterations } = params;
    if (data[0] !== 1 || ((data[2] << 8) | data[3]) !== iterations || data[4] !== salt.length) return false;
    return salt.every((octet, i) => data[5 + i] === octet);
  }

  /** NSEC: the record of this very name. NSEC3: of its hash. @param name folded, in the zone. @returns a node, or -1 */
  matching(name: Uint8Array): number {
    const { zone } = this;
    if (!this.isHashed) {
      const node = zone.find(name, 0, name.length - zone.apex.length);
      return node >= 0 && zone.rrset(node, Type.NSEC) >= 0 ? node : -1;
    }
    const label = this.#hashLabel(name);
    const node = zone.find(label, 0, label.length);
    if (node < 0) return -1;
    return this.#isLink(zone.nodesOf(node), zone.indexOf(node)) ? node : -1;
  }

  /** The record before the name in the chain, which covers it where none matches. */
  covering(name: Uint8Array): number {
    const { zone } = this;
    const labels = this.isHashed ? this.#hashLabel(name) : name;
    const end = this.isHashed ? labels.length : name.length - zone.apex.length;
    const before = this.#before(labels, end);
    // Of hashes the last covers what is before the first.
    return before >= 0 || !this.isHashed ? before : this.#last();
  }

  /** The last link that does not come behind these labels. */
  #before(labels: Uint8Array, end: number): number {
    const { zone } = this;
    const hides = (node: number): boolean => zone.overlay?.hides(node) === true;
    const base = lastNotBehind(zone.base, this.#base, labels, end, hides);
    if (this.#changes === undefined) return base;
    const changed = lastNotBehind(zone.overlay!.nodes, this.#changes, labels, end, () => false);
    return this.#later(base, changed);
  }

  #last(): number {
    const { zone } = this;
    let i = this.#base.length - 1;
    while (i >= 0 && zone.overlay?.hides(this.#base[i]) === true) i--;
    const base = i < 0 ? -1 : this.#base[i];
    const changed =
      this.#changes === undefined || this.#changes.length === 0 ? -1 : this.#changes[this.#changes.length - 1];
    return this.#later(base, changed);
  }

  #later(base: number, changed: number): number {
    const { zone } = this;
    if (changed < 0) return base;
    const node = zone.base.count + changed;
    return base < 0 || zone.compareNodes(base, node) < 0 ? node : base;
  }

  /** The label of a name's hash: its length, then 32 characters. */
  #hashLabel(name: Uint8Array): Uint8Array {
    const key = nameKey(name);
    let label = this.#hashes.get(key);
    if (label === undefined) {
      const { salt, iterations } = this.params!;
      label = base32Label(hashName(name, salt, iterations));
      this.#hashes.set(key, label);
    }
    return label;
  }
}

function lastNotBehind(
  nodes: PackedNodes,
  links: Links,
  labels: Uint8Array,
  end: number,
  hides: (node: number) => boolean,
): number {
  let low = 0;
  let high = links.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (nodes.compare(links[middle], labels, 0, end) <= 0) low = middle + 1;
    else high = middle;
  }
  // Links that changes replace are passed over: as many as there are changes, at most.
  let i = low - 1;
  while (i >= 0 && hides(links[i])) i--;
  return i < 0 ? -1 : links[i];
}

const DIGITS = '0123456789abcdefghijklmnopqrstuv'; // RFC 4648 section 7

function base32Label(hash: Uint8Array): Uint8Array {
  const label = new Uint8Array(1 + HASH_LABEL);
  label[0] = HASH_LABEL;
  let bits = 0;
  let value = 0;
  let to = 1;
  for (const octet of hash) {
    value = ((value << 8) | octet) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) label[to++] = DIGITS.charCodeAt((value >> (bits - 5)) & 31);
  }
  return label;
}
