// Takes the records of a zone in any order and packs them: names once, RRsets together, in canonical order. Nothing is
// allocated for a record; memory is two copies of the zone's octets until `build` returns.
//
// Bounds: `maxRecords` and `maxOctets` of what is taken; a name has at most 65,535 records.
import { ShardnsError } from '../base/errors.js';
import { Class } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { foldedOctet, nameToText } from '../wire/name.js';
import { inOneGo } from '../base/slices.js';
import { sorting } from './canonical-sort.js';
import { hashOfNames, NodeFlag, PackedNodes } from './packed-nodes.js';
import { type FoundInRrset, LOG_HEADER, RrsetPacker } from './rrset-packer.js';

export interface ZoneLimits {
  maxRecords: number;
  /** Of names and data as they are packed, and of NODE_OCTETS for each name. */
  maxOctets: number;
}
export interface BuildOptions {
  /** Told of RRsets whose records had other TTLs or were there twice. */
  readonly found?: FoundInRrset;
  /** Nodes without records that are not marked say nothing, instead of being empty. */
  readonly isChange?: boolean;
}
/** What offsets of 32 bits reach. */
export const ZONE_LIMITS: ZoneLimits = { maxRecords: 200_000_000, maxOctets: 0xffff_0000 };

/** Where the labels of `name` that the apex has begin; -1: it lies elsewhere. `apex` is folded. */
export function labelsAbove(apex: Uint8Array, name: Uint8Array, from: number, length: number): number {
  const begin = from + length - apex.length;
  if (begin < from) return -1;
  let at = from;
  while (at < begin) at += 1 + name[at];
  if (at !== begin) return -1;
  for (let i = 0; i < apex.length; i++) if (foldedOctet(name[begin + i]) !== apex[i]) return -1;
  return begin;
}

const NONE = 0xffffffff;
/** Of a name beside its labels and data: three offsets, flags, two slots of the index. */
const NODE_OCTETS = 21;
/** What is packed in one step: some milliseconds. */
const NODES_OF_STEP = 512;
const RECORDS_OF_STEP = 2048;
const SLOTS_OF_STEP = 65_536;

export class ZoneBuilder {
  // Small at first: there may be a hundred thousand small zones.
  #names = new Uint8Array(256);
  #namesEnd = 0;
  #begin = new Uint32Array(16);
  #end = new Uint32Array(16);
  /** Of each node, where its first and last record stand in the log. */
  #first = new Uint32Array(16);
  #last = new Uint32Array(16);
  #flags = new Uint8Array(16);
  #count = 0;
  #slots = new Uint32Array(32);
  /** Of each node's name, so that larger slots are filled without a look at names. */
  #hashes = new Uint32Array(16);
  /** Records as they came: next of the node (4), type (2), ttl (4), length (2), data. */
  #log = new Uint8Array(1024);
  #logEnd = 0;
  #recordCount = 0;
  #lastNode = -1;
  readonly #folded = new Uint8Array(256);

  /** @param apex folded */
  constructor(
    readonly apex: Uint8Array,
    private readonly limits: ZoneLimits = ZONE_LIMITS,
  ) {
    this.#node(this.#folded, 0, 0);
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /** @returns false for a record that lies outside of the zone, or is of another class than IN: it is not taken */
  add({ name, type, dnsClass, ttl, data }: ResourceRecord): boolean {
    if (dnsClass !== Class.IN) return false;
    return this.addOctets(name, 0, name.length, type, ttl, data, 0, data.length);
  }

  /**
   * The same of octets that stand somewhere.
   * @throws {ShardnsError} ERR_SHARDNS_OVERLOAD where a limit is reached
   */
  addOctets(
    name: Uint8Array,
    nameFrom: number,
    nameLength: number,
    type: number,
    ttl: number,
    data: Uint8Array,
    from: number,
    end: number,
  ): boolean {
    const cut = labelsAbove(this.apex, name, nameFrom, nameLength);
    if (cut < 0) return false;
    const node = this.#nodeOf(name, nameFrom, cut);
    if (++this.#recordCount > this.limits.maxRecords) throw this.#tooMany(`${this.limits.maxRecords} records`);
    const length = end - from;
    const at = this.#logEnd;
    const next = at + LOG_HEADER + length;
    if (next > this.#log.length) this.#log = grown(this.#log, next, this.limits.maxOctets, this);
    this.#logEnd = next;
    const log = this.#log;
    put32(log, at, NONE);
    log[at + 4] = type >> 8;
    log[at + 5] = type;
    put32(log, at + 6, ttl);
    log[at + 10] = length >> 8;
    log[at + 11] = length;
    if (length > 48) log.set(data.subarray(from, end), at + LOG_HEADER);
    else for (let i = 0; i < length; i++) log[at + LOG_HEADER + i] = data[from + i];
    if (this.#first[node] === NONE) this.#first[node] = at;
    else put32(log, this.#last[node], at);
    this.#last[node] = at;
    return true;
  }

  /** Of changes laid over a zone: a name that has nothing, or is no more. */
  mark(labels: Uint8Array, flag: number): void {
    this.#folded.set(labels);
    const node = this.#node(this.#folded, 0, labels.length);
    this.#flags[node] |= flag;
  }

  #tooMany(what: string): ShardnsError {
    return new ShardnsError('ERR_SHARDNS_OVERLOAD', `zone ${nameToText(this.apex)}: more than ${what}`);
  }

  #nodeOf(name: Uint8Array, from: number, end: number): number {
    // The records of a name stand together, mostly.
    const last = this.#lastNode;
    if (last >= 0 && this.#end[last] - this.#begin[last] === end - from) {
      const at = this.#begin[last];
      let i = end - from - 1;
      while (i >= 0 && foldedOctet(this.#names[at + i]) === foldedOctet(name[from + i])) i--;
      if (i < 0) return last;
    }
    return (this.#lastNode = this.#node(name, from, end));
  }

  /** The node of these labels, made where it is new; with those above it, which exist because it does. */
  #node(name: Uint8Array, from: number, end: number): number {
    const length = end - from;
    const folded = this.#folded;
    for (let i = 0; i < length; i++) folded[i] = foldedOctet(name[from + i]);
    const mask = this.#slots.length - 1;
    const hash = hashOfNames()(folded, 0, length);
    let slot = hash & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const node = this.#slots[slot] - 1;
      const at = this.#begin[node];
      if (this.#end[node] - at !== length) continue;
      let i = 0;
      while (i < length && foldedOctet(this.#names[at + i]) === folded[i]) i++;
      if (i === length) return node;
    }
    const node = this.#count++;
    if (node >= this.#begin.length) this.#growNodes();
    const at = this.#namesEnd;
    if (at + length > this.#names.length) {
      this.#names = grown(this.#names, at + length, this.limits.maxOctets, this);
    }
    for (let i = 0; i < length; i++) this.#names[at + i] = name[from + i];
    this.#namesEnd = at + length;
    this.#begin[node] = at;
    this.#end[node] = at + length;
    this.#first[node] = NONE;
    this.#hashes[node] = hash;
    this.#slots[slot] = node + 1;
    if (2 * this.#count > this.#slots.length) this.#growSlots();
    // In `names`, which only grows: the scratch is used again.
    if (length > 0) this.#node(this.#names, at + 1 + name[from], at + length);
    return node;
  }

  #growNodes(): void {
    const length = 2 * this.#begin.length;
    const { maxOctets } = this.limits;
    // A few octets of a message make a hundred names, those above each among them.
    if (this.#count * NODE_OCTETS > maxOctets) throw this.#tooMany(`${maxOctets} octets`);
    const wider = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
      const wide = new Uint32Array(length);
      wide.set(old);
      return wide;
    };
    this.#begin = wider(this.#begin);
    this.#end = wider(this.#end);
    this.#first = wider(this.#first);
    this.#last = wider(this.#last);
    this.#hashes = wider(this.#hashes);
    const flags = new Uint8Array(length);
    flags.set(this.#flags);
    this.#flags = flags;
  }

  #growSlots(): void {
    const slots = new Uint32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let node = 0; node < this.#count; node++) {
      let slot = this.#hashes[node] & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = node + 1;
    }
    this.#slots = slots;
  }

  /**
   * The packed zone; the builder is of no use after it.
   * @throws {ShardnsError} ERR_SHARDNS_OVERLOAD where a limit is reached
   */
  build(options: BuildOptions = {}): PackedNodes {
    return inOneGo(this.building(options));
  }

  /** The same in steps: a million names take a second and more. */
  *building({ found, isChange = false }: BuildOptions = {}): Generator<void, PackedNodes> {
    const count = this.#count;
    const order = yield* sorting({ octets: this.#names, begin: this.#begin, end: this.#end }, count);
    const names = new Uint8Array(this.#namesEnd);
    const nameAt = new Uint32Array(count + 1);
    const dataAt = new Uint32Array(count + 1);
    const flags = new Uint8Array(count);
    const packer = new RrsetPacker(this.#log, this.#logEnd, this.limits.maxOctets, found);
    const rank = new Uint32Array(count);
    let nameEnd = 0;
    let nodes = 0;
    for (let i = 0; i < count; i++) {
      const node = order[i];
      rank[node] = i;
      nameAt[i] = nameEnd;
      for (let at = this.#begin[node], end = this.#end[node]; at < end; at++) names[nameEnd++] = this.#names[at];
      dataAt[i] = packer.end;
      let flag = this.#flags[node];
      if (this.#first[node] === NONE) {
        if (!isChange) flag |= NodeFlag.empty;
        else if (flag === 0) flag = NodeFlag.unsaid;
      }
      if (this.#first[node] !== NONE) flag |= packer.packNode(this.#first[node], () => this.#ownerOf(node));
      if (nameEnd === nameAt[i]) flag &= ~NodeFlag.cut; // the apex has NS too
      flags[i] = flag;
      if (++nodes < NODES_OF_STEP && packer.looked < RECORDS_OF_STEP) continue;
      nodes = packer.looked = 0;
      yield;
    }
    nameAt[count] = nameEnd;
    dataAt[count] = packer.end;
    // Half full and more: as large as it has to be, since it is kept as long as the zone.
    const slots = this.#slots;
    for (let i = 0; i < slots.length; i++) {
      if (slots[i] !== 0) slots[i] = rank[slots[i] - 1] + 1;
      if (i % SLOTS_OF_STEP === 0) yield;
    }
    const data = packer.take();
    return new PackedNodes({ count, names, nameAt, data, dataAt, flags, slots, recordCount: packer.recordCount });
  }

  #ownerOf(node: number): string {
    const labels = this.#names.subarray(this.#begin[node], this.#end[node]);
    return nameToText(Buffer.concat([labels, this.apex]));
  }
}

function put32(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 24;
  octets[at + 1] = value >>> 16;
  octets[at + 2] = value >>> 8;
  octets[at + 3] = value;
}

function grown(octets: Uint8Array, needed: number, most: number, of: ZoneBuilder): Uint8Array<ArrayBuffer> {
  if (needed > most) {
    throw new ShardnsError('ERR_SHARDNS_OVERLOAD', `zone ${nameToText(of.apex)}: more than ${most} octets`);
  }
  const larger = new Uint8Array(Math.min(most, Math.max(needed, 2 * octets.length)));
  larger.set(octets);
  return larger;
}
