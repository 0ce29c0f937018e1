// The second level of a resolver: RRsets with their signatures and trust, what is known not to exist, and who serves
// which zone. Whole replies are made from it where the first level has none. Octets in a byte cache of its own.
//
// An entry's end is kept in milliseconds (`leftMs`) and never rounded up: TTLs are what is left in whole seconds, 0 in
// the last one (RFC 1035 section 3.2.1).
//
// An entry is the RRset it is about, then those that go with it: the proof of a wildcard or of a denial.
//   rank u8 | security u8 | rrsets u16 | rrset...
//   rrset: name length u8, name | type u16 | ttl u32 | data u16 | signatures u16 | (length u16, octets)...
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

export class RrsetCache implements Disposable {
  readonly #key = Buffer.alloc(3 + MAX_NAME_SIZE);
  /** The key's first so many octets: a view costs more than the look-up. */
  readonly #views: Buffer[] = [];
  readonly #value = Buffer.alloc(MAX_VALUE_OCTETS);
  /** The same memory: copies of a Buffer would be Buffers, which are slow to make. */
  readonly #octets = new Uint8Array(this.#value.buffer, this.#value.byteOffset, this.#value.length);

  /** @param bytes its memory; closed with it */
  constructor(readonly bytes: ByteCache) {}

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
        proof: entry.rrsets.slice(1),
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
  forget(name: Uint8Array, type: number): void {
    this.bytes.delete(this.#keyOf(Kind.rrset, name, type));
  }

  noData(name: Uint8Array, type: number, allowStale = false): CachedDenial | undefined {
    return this.#denial(Kind.noData, name, type, allowStale);
  }
  putNoData(name: Uint8Array, type: number, denial: Denial): void {
    this.forget(name, type);
    this.bytes.delete(this.#keyOf(Kind.nxdomain, name, 0));
    this.#put(Kind.noData, name, type, Rank.authoritative, denial.authority, denial.ttl * 1000);
  }
  nxdomain(name: Uint8Array, allowStale = false): CachedDenial | undefined {
    return this.#denial(Kind.nxdomain, name, 0, allowStale);
  }
  putNxdomain(name: Uint8Array, denial: Denial): void {
    // A zone of that name is none any more.
    this.forgetDelegation(name);
    this.forget(name, Type.NS);
    this.#put(Kind.nxdomain, name, 0, Rank.authoritative, denial.authority, denial.ttl * 1000);
  }

  /** The name servers that a zone's parent gave, as long as it lets them stand. `old`: in the last tenth of that. */
  delegation(zone: Uint8Array): { ns: Rrset; old: boolean; leftMs: number } | undefined {
    const entry = this.#get(Kind.delegation, zone, Type.NS);
    return entry && { ns: entry.rrsets[0], old: isOld(entry), leftMs: entry.leftMs };
  }
  putDelegation(ns: Rrset, lifetimeMs: number): void {
    this.#put(Kind.delegation, ns.name, Type.NS, Rank.additional, [ns], lifetimeMs);
  }
  /** Addresses that came along with a referral: to find servers with, never an answer. */
  glue(name: Uint8Array, type: number): Rrset | undefined {
    return this.#get(Kind.glue, name, type)?.rrsets[0];
  }
  putGlue(rrset: Rrset, lifetimeMs: number): void {
    this.#put(Kind.glue, rrset.name, rrset.type, Rank.additional, [rrset], lifetimeMs);
  }
  forgetGlue(name: Uint8Array, type: number): void {
    this.bytes.delete(this.#keyOf(Kind.glue, name, type));
  }
  forgetDelegation(zone: Uint8Array): void {
    this.bytes.delete(this.#keyOf(Kind.delegation, zone, Type.NS));
  }

  /** All that is known of a name, but for types without a mnemonic. */
  forgetName(name: Uint8Array): void {
    for (const type of Object.values(Type)) {
      for (const kind of [Kind.rrset, Kind.noData, Kind.glue]) this.bytes.delete(this.#keyOf(kind, name, type));
    }
    this.bytes.delete(this.#keyOf(Kind.nxdomain, name, 0));
    this.bytes.delete(this.#keyOf(Kind.delegation, name, Type.NS));
  }

  clear(): void {
    this.bytes.clear();
  }
  close(): void {
    this.bytes.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }

  #denial(kind: number, name: Uint8Array, type: number, allowStale: boolean): CachedDenial | undefined {
    const entry = this.#get(kind, name, type, allowStale);
    return entry && { authority: entry.rrsets, ttl: entry.ttl, stale: entry.stale, leftMs: entry.leftMs };
  }

  #keyOf(kind: number, name: Uint8Array, type: number): Buffer {
    this.#key[0] = kind;
    this.#key.writeUInt16BE(type, 1);
    this.#key.set(name, 3);
    const length = 3 + name.length;
    return (this.#views[length] ??= this.#key.subarray(0, length));
  }

  /** What cannot be kept leaves nothing older behind. */
  #put(kind: number, name: Uint8Array, type: number, rank: number, rrsets: readonly Rrset[], ttlMs: number): boolean {
    const length = ttlMs >= 1 ? encodeEntry(this.#value, rank, rrsets, name) : 0;
    const key = this.#keyOf(kind, name, type);
    if (length > 0) this.bytes.set(key, this.#value.subarray(0, length), { ttlMs: Math.floor(ttlMs) });
    else this.bytes.delete(key);
    return length > 0;
  }

  #get(kind: number, name: Uint8Array, type: number, allowStale = false): Entry | undefined {
    const key = this.#keyOf(kind, name, type);
    const length = this.bytes.lookInto(key, this.#value, allowStale);
    if (length <= 0) return undefined;
    const entry = decodeEntry(this.#value, this.#octets, length, name, this.bytes.lastRemainingMs);
    const mayBeEmpty = kind === Kind.noData || kind === Kind.nxdomain;
    return mayBeEmpty || entry?.rrsets.length !== 0 ? entry : undefined;
  }
}

/** In the last tenth of its time. */
const isOld = (entry: Entry): boolean => entry.leftMs <= entry.storedTtl * 100;

/** @returns octets written; 0 = too large to be kept */
function encodeEntry(out: Buffer, rank: number, rrsets: readonly Rrset[], name: Uint8Array): number {
  const octets = rrsets.reduce(
    (sum, { name: owner, data, signatures }) =>
      [...data, ...signatures].reduce((size, one) => size + 2 + one.length, sum + 11 + owner.length),
    4,
  );
  if (octets > out.length) return 0;
  out[0] = rank;
  out[1] = 0; // not validated
  let at = out.writeUInt16LE(rrsets.length, 2);
  for (const [i, rrset] of rrsets.entries()) {
    const owner = i === 0 && Buffer.compare(rrset.name, name) === 0 ? NAMELESS : rrset.name;
    at = out.writeUInt8(owner.length, at);
    out.set(owner, at);
    at = out.writeUInt16LE(rrset.type, at + owner.length);
    at = out.writeUInt32LE(rrset.ttl, at);
    at = out.writeUInt16LE(rrset.data.length, at);
    at = out.writeUInt16LE(rrset.signatures.length, at);
    for (const list of [rrset.data, rrset.signatures]) {
      for (const data of list) {
        at = out.writeUInt16LE(data.length, at);
        out.set(data, at);
        at += data.length;
      }
    }
  }
  return at;
}

/**
 * Undefined for octets that are no entry: the memory may be a stranger's.
 * @param plain the same memory as `octets`
 */
function decodeEntry(
  octets: Buffer,
  plain: Uint8Array,
  end: number,
  name: Uint8Array,
  leftMs: number,
): Entry | undefined {
  if (end < 4) return undefined;
  const stale = leftMs <= 0;
  const ttl = Math.max(Math.floor((leftMs + CLOCK_MS) / 1000), 0);
  try {
    const rrsets: Rrset[] = [];
    let at = 4;
    const take = (length: number): Uint8Array => {
      if (at + length > end) throw new RangeError('an entry cut short');
      return plain.slice(at, (at += length));
    };
    const takeAll = (count: number): Uint8Array[] => {
      const list: Uint8Array[] = [];
      for (let left = count; left > 0; left--) {
        at += 2;
        list.push(take(octets.readUInt16LE(at - 2)));
      }
      return list;
    };
    let age = 0;
    let storedTtl = 0;
    for (let left = octets.readUInt16LE(2); left > 0; left--) {
      const length = octets.readUInt8(at++);
      const owner = length === 0 ? name.slice() : take(length);
      if (at + 10 > end) throw new RangeError('an entry cut short');
      const type = octets.readUInt16LE(at);
      const stored = octets.readUInt32LE(at + 2);
      const signed = octets.readUInt16LE(at + 8);
      const records = octets.readUInt16LE(at + 6);
      at += 10;
      const data = takeAll(records);
      const signatures = takeAll(signed);
      if (rrsets.length === 0) storedTtl = stored;
      if (rrsets.length === 0) age = Math.max(stored - ttl, 0);
      rrsets.push({
        name: owner,
        type,
        ttl: stale ? stored : Math.max(Math.min(stored - age, ttl), 0),
        data,
        signatures,
      });
    }
    return { rank: octets[0], rrsets, ttl, storedTtl, stale, leftMs };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
