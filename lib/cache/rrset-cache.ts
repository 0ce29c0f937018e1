// The second level of a resolver: RRsets with their signatures and trust, what is known not to exist, and who serves
// which zone. Whole replies are made from it where the first level has none. Octets in a byte cache of its own.
//
// An entry's end is kept in milliseconds (`leftMs`) and never rounded up: TTLs are what is left in whole seconds, 0 in
// the last one (RFC 1035 section 3.2.1).
//
// An entry is the RRset it is about, then those that go with it: the proof of a wildcard or of a denial.
//   rank u8 | security u8 | rrsets u16 | rrset...
//   rrset: name length u8, name | type u16 | ttl u32 | data u16 | signatures u16 | (length u16, octets)...
import { Fence } from '../base/fence.js';
import { MAX_NAME_SIZE, Type } from '../wire/iana.js';
import type { Rrset } from '../wire/rrset.js';
import type { ByteCache } from './byte-cache.js';
import { MAX_VALUE_OCTETS } from '../native/binding.js';

/** How far data is believed (RFC 2181 section 5.4.1); what is better is never replaced by what is worse. */
export const Rank = {
  /** Additional or authority data of an answer without authority. */
  additional: 2,
  /** An answer without authority, as of a forwarder. */
  answer: 3,
  /** The authority section of an authoritative answer. */
  authority: 4,
  authoritative: 5,
} as const;

const Kind = { rrset: 0, noData: 1, nxdomain: 2, delegation: 3, glue: 4 } as const;

export interface CachedRrset {
  rrset: Rrset;
  rank: number;
  /** What goes with it: the denial that proves a wildcard. */
  proof: Rrset[];
  /** It has expired; its TTL is that with which it was stored. */
  stale: boolean;
  /** In the last tenth of its time. */
  old: boolean;
  /** Milliseconds to its end; negative once it has expired. */
  leftMs: number;
}

/** What is known not to be there, and the authority records that say so; `ttl` in seconds. */
export interface Denial {
  authority: Rrset[];
  ttl: number;
}
export interface CachedDenial extends Denial {
  stale: boolean;
  leftMs: number;
}

interface Entry {
  rank: number;
  rrsets: Rrset[];
  ttl: number;
  storedTtl: number;
  stale: boolean;
  leftMs: number;
}

/** By how much the engine's clock, which ticks every four milliseconds, may lag behind when an entry is stored and read. */
const CLOCK_MS = 8;

const NAMELESS = new Uint8Array(0);
const NO_RRSETS: Rrset[] = [];

/** What tells where name servers are: whoever keeps it in another form is told when it changes. */
const PLACES = new Set<number>([Type.NS, Type.A, Type.AAAA]);

export class RrsetCache implements Disposable {
  readonly #key = Buffer.alloc(3 + MAX_NAME_SIZE);
  /** The key's first so many octets: a view costs more than the look-up. */
  readonly #views: Buffer[] = [];
  readonly #value = Buffer.alloc(MAX_VALUE_OCTETS);
  /** The same memory: copies of a Buffer would be Buffers, which are slow to make. */
  readonly #octets = new Uint8Array(this.#value.buffer, this.#value.byteOffset, this.#value.length);
  /** The value's first so many octets. */
  readonly #written: Buffer[] = [];
  /** Told of each name of which a delegation, an NS set or addresses are written or forgotten here; undefined: of all. */
  onPlaceChanged: ((name?: Uint8Array) => void) | undefined;
  /** Milliseconds: the least that anything had left that was read since this was set; misses do not count. */
  leastLeftMs = Infinity;

  /**
   * By the fence, when what is written next was asked for: what has been forgotten since then is not written again. Set
   * by whoever writes, before each time.
   */
  askedAt = Infinity;

  /**
   * @param bytes its memory; closed with it
   * @param fence shared with all who write to the same memory and are to hear of what is forgotten
   */
  constructor(
    readonly bytes: ByteCache,
    readonly fence = new Fence(),
  ) {}

  /** Whether what is said of a name was forgotten after it was asked for. */
  isOutdated(name: Uint8Array): boolean {
    return this.fence.hasForgotten(name, this.askedAt);
  }

  /** How long past its TTL an RRset is kept from now on, for those who allow stale ones. */
  keepStale(ms: number): void {
    this.bytes.keepStale(ms);
  }

  get(name: Uint8Array, type: number, allowStale = false): CachedRrset | undefined {
    const entry = this.#get(Kind.rrset, name, type, allowStale);
    return (
      entry && {
        rrset: entry.rrsets[0],
        rank: entry.rank,
        proof: entry.rrsets.length === 1 ? NO_RRSETS : entry.rrsets.slice(1),
        stale: entry.stale,
        old: isOld(entry),
        leftMs: entry.leftMs,
      }
    );
  }
  /**
   * Keeps it unless something better is there; what it contradicts goes.
   * @param lifetimeMs milliseconds, where it is not the TTL; less than one: it is for those who wait only
   * @returns whether it is kept
   */
  put(rrset: Rrset, rank: number, proof: readonly Rrset[] = [], lifetimeMs = rrset.ttl * 1000): boolean {
    if (this.isOutdated(rrset.name)) return false;
    if (rank < Rank.authoritative) {
      const key = this.#keyOf(Kind.rrset, rrset.name, rrset.type);
      const length = this.bytes.getInto(key, this.#value);
      if (length > 0 && this.#value[0] > rank) return false;
    }
    if (rank >= Rank.answer) {
      this.bytes.delete(this.#keyOf(Kind.noData, rrset.name, rrset.type));
      this.bytes.delete(this.#keyOf(Kind.nxdomain, rrset.name, 0));
    }
    return this.#put(Kind.rrset, rrset.name, rrset.type, rank, [rrset, ...proof], lifetimeMs);
  }
  /** Its rank; 0: there is none. */
  rankOf(name: Uint8Array, type: number, from = 0): number {
    return this.#has(Kind.rrset, name, type, from) ? this.#value[0] : 0;
  }
  forget(name: Uint8Array, type: number): void {
    this.#delete(Kind.rrset, name, type);
  }

  noData(name: Uint8Array, type: number, allowStale = false): CachedDenial | undefined {
    return this.#denial(Kind.noData, name, type, allowStale);
  }
  /** @param from the octet of the name that the one in question begins at */
  hasNoData(name: Uint8Array, type: number, from = 0): boolean {
    return this.#has(Kind.noData, name, type, from);
  }
  putNoData(name: Uint8Array, type: number, denial: Denial): void {
    if (this.isOutdated(name)) return;
    this.forget(name, type);
    this.bytes.delete(this.#keyOf(Kind.nxdomain, name, 0));
    this.#put(Kind.noData, name, type, Rank.authoritative, denial.authority, denial.ttl * 1000);
  }
  nxdomain(name: Uint8Array, allowStale = false): CachedDenial | undefined {
    return this.#denial(Kind.nxdomain, name, 0, allowStale);
  }
  /** What is known not to exist, and the name lies below it. */
  nxdomainAbove(name: Uint8Array): CachedDenial | undefined {
    for (let at = 0; name[at] !== 0;) {
      at += 1 + name[at];
      const entry = this.#get(Kind.nxdomain, name, 0, false, at);
      // Without an SOA it is a word on the name alone.
      if (entry !== undefined && entry.rrsets.length > 0) return denialOf(entry);
    }
    return undefined;
  }
  putNxdomain(name: Uint8Array, denial: Denial): void {
    if (this.isOutdated(name)) return;
    // A zone of that name is none any more.
    this.forgetDelegation(name);
    this.forget(name, Type.NS);
    this.#put(Kind.nxdomain, name, 0, Rank.authoritative, denial.authority, denial.ttl * 1000);
  }

  /**
   * The name servers that a zone's parent gave, as long as it lets them stand. `old`: in the last tenth of that.
   * @param from the octet of the name that the zone's begins at
   */
  delegation(zone: Uint8Array, from = 0): { ns: Rrset; old: boolean; leftMs: number } | undefined {
    const entry = this.#get(Kind.delegation, zone, Type.NS, false, from);
    return entry && { ns: entry.rrsets[0], old: isOld(entry), leftMs: entry.leftMs };
  }
  putDelegation(ns: Rrset, lifetimeMs: number): void {
    if (this.isOutdated(ns.name)) return;
    this.#put(Kind.delegation, ns.name, Type.NS, Rank.additional, [ns], lifetimeMs);
  }
  /** Addresses that came along with a referral: to find servers with, never an answer. */
  glue(name: Uint8Array, type: number): Rrset | undefined {
    return this.#get(Kind.glue, name, type)?.rrsets[0];
  }
  putGlue(rrset: Rrset, lifetimeMs: number): void {
    if (this.isOutdated(rrset.name)) return;
    this.#put(Kind.glue, rrset.name, rrset.type, Rank.additional, [rrset], lifetimeMs);
  }
  forgetGlue(name: Uint8Array, type: number): void {
    this.#delete(Kind.glue, name, type);
  }
  forgetDelegation(zone: Uint8Array): void {
    this.#delete(Kind.delegation, zone, Type.NS);
  }

  /** All that is known of a name, but for types without a mnemonic. */
  forgetName(name: Uint8Array): void {
    this.fence.forget(name);
    for (const type of Object.values(Type)) {
      for (const kind of [Kind.rrset, Kind.noData, Kind.glue]) this.bytes.delete(this.#keyOf(kind, name, type));
    }
    this.bytes.delete(this.#keyOf(Kind.nxdomain, name, 0));
    this.bytes.delete(this.#keyOf(Kind.delegation, name, Type.NS));
    this.onPlaceChanged?.(name);
  }

  clear(): void {
    this.fence.forgetAll();
    this.bytes.clear();
    this.onPlaceChanged?.();
  }
  close(): void {
    this.bytes.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }

  #denial(kind: number, name: Uint8Array, type: number, allowStale: boolean): CachedDenial | undefined {
    const entry = this.#get(kind, name, type, allowStale);
    return entry && denialOf(entry);
  }

  #keyOf(kind: number, name: Uint8Array, type: number, from = 0): Buffer {
    const key = this.#key;
    key[0] = kind;
    key[1] = type >> 8;
    key[2] = type;
    let length = 3;
    for (let at = from; at < name.length; at++) key[length++] = name[at];
    return (this.#views[length] ??= key.subarray(0, length));
  }

  #delete(kind: number, name: Uint8Array, type: number): void {
    this.bytes.delete(this.#keyOf(kind, name, type));
    if (PLACES.has(type)) this.onPlaceChanged?.(name);
  }

  /** What cannot be kept leaves nothing older behind. */
  #put(kind: number, name: Uint8Array, type: number, rank: number, rrsets: readonly Rrset[], ttlMs: number): boolean {
    const length = ttlMs >= 1 ? encodeEntry(this.#value, rank, rrsets, name) : 0;
    const key = this.#keyOf(kind, name, type);
    if (length > 0) this.bytes.set(key, this.#valueOf(length), { ttlMs: Math.floor(ttlMs) });
    else this.bytes.delete(key);
    if (PLACES.has(type) || kind === Kind.nxdomain) this.onPlaceChanged?.(name);
    return length > 0;
  }

  #has(kind: number, name: Uint8Array, type: number, from: number): boolean {
    return this.bytes.lookInto(this.#keyOf(kind, name, type, from), this.#value, false) > 0;
  }

  #valueOf(length: number): Buffer {
    if (length > MAX_VIEWED) return this.#value.subarray(0, length);
    return (this.#written[length] ??= this.#value.subarray(0, length));
  }

  #get(kind: number, name: Uint8Array, type: number, allowStale = false, from = 0): Entry | undefined {
    const key = this.#keyOf(kind, name, type, from);
    const length = this.bytes.lookInto(key, this.#value, allowStale);
    if (length <= 0) return undefined;
    const leftMs = this.bytes.lastRemainingMs;
    if (leftMs < this.leastLeftMs) this.leastLeftMs = leftMs;
    const entry = decodeEntry(this.#octets, length, from === 0 ? name : name.subarray(from), leftMs);
    const mayBeEmpty = kind === Kind.noData || kind === Kind.nxdomain;
    return mayBeEmpty || entry?.rrsets.length !== 0 ? entry : undefined;
  }
}

/** Values up to so many octets have a view of their own for each length. */
const MAX_VIEWED = 1024;

const denialOf = ({ rrsets, ttl, stale, leftMs }: Entry): CachedDenial => ({ authority: rrsets, ttl, stale, leftMs });

/** In the last tenth of its time. */
const isOld = (entry: Entry): boolean => entry.leftMs <= entry.storedTtl * 100;

/** @returns octets written; 0 = too large to be kept */
function encodeEntry(out: Buffer, rank: number, rrsets: readonly Rrset[], name: Uint8Array): number {
  let octets = 4;
  for (const one of rrsets) octets += 11 + one.name.length + listSize(one.data) + listSize(one.signatures);
  if (octets > out.length) return 0;
  out[0] = rank;
  out[1] = 0; // not validated
  let at = put16(out, 2, rrsets.length);
  for (let i = 0; i < rrsets.length; i++) {
    const { name: owner, type, ttl, data, signatures } = rrsets[i];
    const own = i === 0 && sameOctets(owner, name) ? NAMELESS : owner;
    out[at++] = own.length;
    at = put16(out, put(out, own, at), type);
    at = put16(out, put16(out, at, ttl), ttl >>> 16);
    at = put16(out, put16(out, at, data.length), signatures.length);
    for (const one of data) at = put(out, one, put16(out, at, one.length));
    for (const one of signatures) at = put(out, one, put16(out, at, one.length));
  }
  return at;
}

function listSize(list: readonly Uint8Array[]): number {
  let size = 0;
  for (const one of list) size += 2 + one.length;
  return size;
}
/** @returns the offset behind it */
function put16(out: Uint8Array, at: number, value: number): number {
  out[at] = value;
  out[at + 1] = value >> 8;
  return at + 2;
}
function put(out: Uint8Array, data: Uint8Array, at: number): number {
  // A call of `set` costs more than a few octets.
  if (data.length > 64) out.set(data, at);
  else for (let i = 0; i < data.length; i++) out[at + i] = data[i];
  return at + data.length;
}
function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Where in an entry the reader is; beyond its end: it is none. */
let at = 0;

const read16 = (octets: Uint8Array): number => octets[at++] | (octets[at++] << 8);

/** Undefined for octets that are no entry: another process may have written to this memory. */
function decodeEntry(octets: Uint8Array, end: number, name: Uint8Array, leftMs: number): Entry | undefined {
  if (end < 4) return undefined;
  const stale = leftMs <= 0;
  const ttl = Math.max(Math.floor((leftMs + CLOCK_MS) / 1000), 0);
  const rank = octets[0];
  const rrsets: Rrset[] = [];
  let age = 0;
  let storedTtl = 0;
  at = 2;
  for (let left = read16(octets); left > 0; left--) {
    const length = octets[at++];
    if (at + length + 10 > end) return undefined;
    const owner = length === 0 ? name.slice() : octets.slice(at, at + length);
    at += length;
    const type = read16(octets);
    const stored = (read16(octets) | (read16(octets) << 16)) >>> 0;
    const records = read16(octets);
    const signed = read16(octets);
    const data = readList(octets, records, end);
    const signatures = data && readList(octets, signed, end);
    if (data === undefined || signatures === undefined) return undefined;
    if (rrsets.length === 0) {
      storedTtl = stored;
      age = Math.max(stored - ttl, 0);
    }
    const shown = stale ? stored : Math.max(Math.min(stored - age, ttl), 0);
    rrsets.push({ name: owner, type, ttl: shown, data, signatures });
  }
  return { rank, rrsets, ttl, storedTtl, stale, leftMs };
}

function readList(octets: Uint8Array, count: number, end: number): Uint8Array[] | undefined {
  const list: Uint8Array[] = [];
  for (let left = count; left > 0; left--) {
    if (at + 2 > end) return undefined;
    const length = read16(octets);
    if (at + length > end) return undefined;
    list.push(octets.slice(at, at + length));
    at += length;
  }
  return list;
}
