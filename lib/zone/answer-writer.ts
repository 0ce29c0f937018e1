// Writes an answer of zones straight into a message, from where their records lie packed: no record becomes an object.
// Owners, and names in the data of RFC 1035's types, are compressed (RFC 3597 section 4).
//
// Bound: a message of 65,535 octets; what takes more is told to whoever writes.
import { Class, Flag, HEADER_SIZE, MAX_MESSAGE_SIZE, MAX_NAME_SIZE, Rcode, Type } from '../wire/iana.js';
import { plainNameLength } from '../wire/name.js';
import { NameWriter } from '../wire/name-writer.js';
import { compressibleNames, octetsBeforeNames } from '../wire/rdata-layout.js';
import { countAt, endOfRrset, RRSET_HEADER, ttlAt, typeAt } from './packed-nodes.js';
import type { Zone } from './zone.js';

export const Section = { answer: 0, authority: 1, additional: 2 } as const;
/** Whatever is written last may begin inside the bound: an owner, ten octets and its data. */
const ROOM = MAX_MESSAGE_SIZE + MAX_NAME_SIZE + 10 + 65_535;

export interface Question {
  /** Folded. */
  name: Uint8Array;
  type: number;
  dnsClass: number;
}

export class AnswerWriter {
  readonly #octets = Buffer.alloc(ROOM);
  readonly #names = new NameWriter();
  readonly #owner = new Uint8Array(MAX_NAME_SIZE + 1);
  /** Records a section. */
  readonly counts = new Uint16Array(3);
  rcode: number = Rcode.NOERROR;
  authoritative = true;
  #at = 0;
  #tooLong = false;
  #ownerIsRoot = false;

  begin({ name, type, dnsClass }: Question): void {
    const octets = this.#octets;
    this.counts.fill(0);
    this.rcode = Rcode.NOERROR;
    this.authoritative = true;
    this.#tooLong = false;
    octets.set(name, HEADER_SIZE);
    this.#at = HEADER_SIZE + name.length;
    this.#put16(type);
    this.#put16(dnsClass);
    this.#ownerIsRoot = name.length === 1;
    this.#names.begin(octets, HEADER_SIZE);
  }

  /** Octets so far. */
  get length(): number {
    return this.#at;
  }

  /** @returns undefined where no message can hold it */
  finish(): Buffer | undefined {
    if (this.#tooLong) return undefined;
    const octets = this.#octets;
    const flags = Flag.QR | (this.authoritative ? Flag.AA : 0) | this.rcode;
    octets.writeUInt16BE(0, 0);
    octets.writeUInt16BE(flags, 2);
    octets.writeUInt16BE(1, 4);
    for (let section = 0; section < 3; section++) octets.writeUInt16BE(this.counts[section], 6 + 2 * section);
    return Buffer.from(octets.subarray(0, this.#at));
  }

  /**
   * An RRset of a node.
   * @param at where it begins in the node's data
   * @param owner 'question': whoever asked is told the name as asked; a name; undefined: as the zone has it
   * @param ttl seconds in place of its own
   */
  rrset(section: number, zone: Zone, node: number, at: number, owner?: 'question' | Uint8Array, ttl?: number): void {
    const data = zone.dataOf(node);
    const type = typeAt(data, at);
    const seconds = ttl ?? ttlAt(data, at);
    const name = owner ?? this.#ownerOf(zone, node);
    let ownerAt = owner === 'question' && !this.#ownerIsRoot ? HEADER_SIZE : 0;
    let here = at + RRSET_HEADER;
    // What fits into no message is not begun: beside its length and data, which cannot be compressed, each record has an
    // owner of an octet or more, and eight octets.
    const least = endOfRrset(data, at) - here + 9 * countAt(data, at);
    if (compressibleNames(type) === 0 && this.#at + least > MAX_MESSAGE_SIZE) this.#tooLong = true;
    for (let left = countAt(data, at); left > 0 && !this.#tooLong; left--) {
      const length = (data[here] << 8) | data[here + 1];
      ownerAt = this.#head(name, ownerAt, type, seconds);
      this.#data(type, data, here + 2, length);
      this.counts[section]++;
      here += 2 + length;
    }
  }

  /** A CNAME that nobody has: made of a DNAME (RFC 6672 section 3.1). */
  alias(owner: 'question' | Uint8Array, target: Uint8Array, ttl: number): void {
    if (this.#tooLong) return;
    this.#head(owner, owner === 'question' && !this.#ownerIsRoot ? HEADER_SIZE : 0, Type.CNAME, ttl);
    this.#data(Type.CNAME, target, 0, target.length);
    this.counts[Section.answer]++;
  }

  #ownerOf(zone: Zone, node: number): Uint8Array {
    const nodes = zone.nodesOf(node);
    const i = zone.indexOf(node);
    let length = 0;
    for (let at = nodes.nameAt[i], end = nodes.nameAt[i + 1]; at < end; at++) this.#owner[length++] = nodes.names[at];
    this.#owner.set(zone.apex, length);
    return this.#owner;
  }

  /** @returns where the owner can be pointed to, for the next record of it; 0: nowhere */
  #head(owner: 'question' | Uint8Array, known: number, type: number, ttl: number): number {
    const octets = this.#octets;
    let ownerAt = known;
    if (known > 0) this.#put16(0xc000 | known);
    else if (owner === 'question') octets[this.#at++] = 0;
    else {
      this.#at = this.#names.write(owner, 0, this.#at);
      ownerAt = this.#names.lastOffset;
      if (owner[0] === 0) ownerAt = 0;
    }
    this.#put16(type);
    this.#put16(Class.IN);
    this.#put16(ttl >>> 16);
    this.#put16(ttl);
    return ownerAt;
  }

  #data(type: number, source: Uint8Array, from: number, length: number): void {
    const octets = this.#octets;
    const lengthAt = this.#at;
    this.#at += 2;
    const end = from + length;
    let names = compressibleNames(type);
    if (names > 0) for (let before = octetsBeforeNames(type); before > 0; before--) octets[this.#at++] = source[from++];
    for (; names > 0; names--) {
      const size = plainNameLength(source, from);
      if (size === 0) break;
      this.#at = this.#names.write(source, from, this.#at);
      from += size;
    }
    if (end - from > 48) {
      octets.set(source.subarray(from, end), this.#at);
      this.#at += end - from;
    } else while (from < end) octets[this.#at++] = source[from++];
    const written = this.#at - lengthAt - 2;
    octets[lengthAt] = written >> 8;
    octets[lengthAt + 1] = written;
    if (this.#at > MAX_MESSAGE_SIZE) this.#tooLong = true;
  }

  #put16(value: number): void {
    this.#octets[this.#at++] = value >> 8;
    this.#octets[this.#at++] = value;
  }
}
