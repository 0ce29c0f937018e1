// The second level of a resolver: RRsets with their signatures and trust, what is known not to exist, and who serves
// which zone. Whole replies are made from it where the first level has none. Octets in a byte cache of its own.
//
// An entry's end is kept in milliseconds (`leftMs`) and never rounded up: TTLs are what is left in whole seconds, 0 in
// the last one (RFC 1035 section 3.2.1).
import { Fence } from '../base/fence.js';
import { MAX_NAME_SIZE, Type } from '../wire/iana.js';
import type { Rrset } from '../wire/rrset.js';
import type { ByteCache } from './bytes/byte-cache.js';
import { MAX_VALUE_OCTETS } from '../native/binding.js';
import { decodeEntry, encodeEntry, type Entry, Rank, Security, statusIn } from './rrset-entry.js';

export { Rank, Security };

const Kind = { rrset: 0, noData: 1, nxdomain: 2, delegation: 3, glue: 4, noDs: 5 } as const;

export interface CachedRrset {
  rrset: Rrset;
  rank: number;
  /** What validation has said, as `securityOf` has it. */
  security: number;
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
  security: number;
  /** Of a question's own denial: it says that the name does not exist, which has proved to be bogus. */
  ofName: boolean;
  stale: boolean;
  leftMs: number;
}

const NO_RRSETS: Rrset[] = [];
/** What a parent says on the way to somebody else. */
const GIVEN = { rank: Rank.additional, security: Security.unchecked };
/** What is looked for where a whole name is denied without a proof that has been checked. */
const COMMON_TYPES = [Type.A, Type.AAAA, Type.CNAME, Type.NS, Type.SOA, Type.DNSKEY, Type.DS];

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
  /** Set: what is known to be secure is not replaced before its end by what is not known to be. */
  guardsSecure = false;

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
        security: entry.security,
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
   * @param security what validation has said of it
   * @returns whether it is kept
   */
  put(
    rrset: Rrset,
    rank: number,
    proof: readonly Rrset[] = [],
    lifetimeMs = rrset.ttl * 1000,
    security: number = Security.unchecked,
  ): boolean {
    const { name, type } = rrset;
    if (this.isOutdated(name)) return false;
    const trust = { rank, security };
    if (rank < Rank.authoritative || this.guardsSecure) {
      if (this.#has(Kind.rrset, name, type, 0) && this.#isBetterThan(trust)) return false;
      const isGuarded = this.guardsSecure && statusIn(security) !== Security.secure;
      if (isGuarded && (this.#isSecure(Kind.noData, name, type) || this.#isSecure(Kind.nxdomain, name, 0)))
        return false;
    }
    if (rank >= Rank.answer) {
      this.bytes.delete(this.#keyOf(Kind.noData, name, type));
      this.bytes.delete(this.#keyOf(Kind.nxdomain, name, 0));
    }
    return this.#put(Kind.rrset, name, type, trust, [rrset, ...proof], lifetimeMs);
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
  putNoData(name: Uint8Array, type: number, denial: Denial, security: number = Security.unchecked): void {
    if (this.isOutdated(name) || this.#deniesSecure(name, type, security)) return;
    this.forget(name, type);
    this.bytes.delete(this.#keyOf(Kind.nxdomain, name, 0));
    const trust = { rank: Rank.authoritative, security };
    this.#put(Kind.noData, name, type, trust, denial.authority, denial.ttl * 1000);
  }
  /**
   * An NXDOMAIN that has proved to be bogus: it is remembered for the question that it answered, and says nothing of the
   * name's other data, nor of what is below.
   */
  putBogusNxdomain(name: Uint8Array, type: number, denial: Denial, security: number): void {
    if (this.isOutdated(name)) return;
    this.forgetUnproven(name, 0);
    if (this.#deniesSecure(name, type, security) || this.#isSecure(Kind.nxdomain, name, 0)) return;
    this.#put(Kind.noData, name, type, { rank: Rank.answer, security }, denial.authority, denial.ttl * 1000);
  }
  /**
   * Forgets what is said of a name, unless validation has said of it what satisfies.
   * @param isKept told the status
   * @param type 0: that the whole name is denied
   */
  forgetUnless(isKept: (status: number) => boolean, name: Uint8Array, type: number): void {
    for (const kind of type === 0 ? [Kind.nxdomain] : [Kind.rrset, Kind.noData]) {
      if (this.#has(kind, name, type, 0) && !isKept(statusIn(this.#value[1]))) this.#delete(kind, name, type);
    }
  }
  /** The same for what validation has not said of that it may be told. */
  forgetUnproven(name: Uint8Array, type: number): void {
    this.forgetUnless(isProven, name, type);
    if (type === Type.DS) this.bytes.delete(this.#keyOf(Kind.noDs, name, type));
  }
  nxdomain(name: Uint8Array, allowStale = false): CachedDenial | undefined {
    return this.#denial(Kind.nxdomain, name, 0, allowStale);
  }
  /**
   * What is known not to exist, and the name lies below it.
   * @param least octets of a name that counts: what lies above says nothing here
   */
  nxdomainAbove(name: Uint8Array, least = 0): (CachedDenial & { name: Uint8Array }) | undefined {
    for (let at = 0; name[at] !== 0;) {
      at += 1 + name[at];
      if (name.length - at < least) return undefined;
      const entry = this.#get(Kind.nxdomain, name, 0, false, at);
      // Without an SOA it is a word on the name alone.
      if (entry?.rrsets.some(one => one.type === Type.SOA) === true && statusIn(entry.security) !== Security.bogus)
        return { ...denialOf(entry), name: name.slice(at) };
    }
    return undefined;
  }
  putNxdomain(name: Uint8Array, denial: Denial, security: number = Security.unchecked): void {
    if (this.isOutdated(name) || this.#deniesSecure(name, 0, security)) return;
    // A zone of that name is none any more.
    this.forgetDelegation(name);
    this.forget(name, Type.NS);
    const trust = { rank: Rank.authoritative, security };
    this.#put(Kind.nxdomain, name, 0, trust, denial.authority, denial.ttl * 1000);
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
    this.#put(Kind.delegation, ns.name, Type.NS, GIVEN, [ns], lifetimeMs);
  }
  /** Addresses that came along with a referral: to find servers with, never an answer. */
  glue(name: Uint8Array, type: number): Rrset | undefined {
    return this.#get(Kind.glue, name, type)?.rrsets[0];
  }
  putGlue(rrset: Rrset, lifetimeMs: number): void {
    if (this.isOutdated(rrset.name)) return;
    this.#put(Kind.glue, rrset.name, rrset.type, GIVEN, [rrset], lifetimeMs);
  }
  forgetGlue(name: Uint8Array, type: number): void {
    this.#delete(Kind.glue, name, type);
  }
  forgetDelegation(zone: Uint8Array): void {
    this.#delete(Kind.delegation, zone, Type.NS);
  }

  /** What a referral to a zone brought to show that the zone has no DS records: for validation, no answer to a client. */
  noDs(zone: Uint8Array): readonly Rrset[] | undefined {
    return this.#get(Kind.noDs, zone, Type.DS)?.rrsets;
  }
  putNoDs(zone: Uint8Array, proof: readonly Rrset[], lifetimeMs: number): void {
    if (!this.isOutdated(zone)) this.#put(Kind.noDs, zone, Type.DS, GIVEN, proof, lifetimeMs);
  }

  /** All that is known of a name, but for types without a mnemonic. */
  forgetName(name: Uint8Array): void {
    this.fence.forget(name);
    for (const type of Object.values(Type)) {
      for (const kind of [Kind.rrset, Kind.noData, Kind.glue]) this.bytes.delete(this.#keyOf(kind, name, type));
    }
    this.bytes.delete(this.#keyOf(Kind.nxdomain, name, 0));
    this.bytes.delete(this.#keyOf(Kind.delegation, name, Type.NS));
    this.bytes.delete(this.#keyOf(Kind.noDs, name, Type.DS));
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
  #put(
    kind: number,
    name: Uint8Array,
    type: number,
    trust: { rank: number; security: number },
    rrsets: readonly Rrset[],
    ttlMs: number,
  ): boolean {
    const length = ttlMs >= 1 ? encodeEntry(this.#value, trust, rrsets, name) : 0;
    const key = this.#keyOf(kind, name, type);
    if (length > 0) this.bytes.set(key, this.#valueOf(length), { ttlMs: Math.floor(ttlMs) });
    else this.bytes.delete(key);
    if (PLACES.has(type) || kind === Kind.nxdomain) this.onPlaceChanged?.(name);
    return length > 0;
  }

  #has(kind: number, name: Uint8Array, type: number, from: number): boolean {
    return this.bytes.lookInto(this.#keyOf(kind, name, type, from), this.#value, false) > 0;
  }

  /** Whether what was just looked at is better: of a higher rank, or secure where this is not known to be. */
  #isBetterThan({ rank, security }: { rank: number; security: number }): boolean {
    const [itsRank, itsSecurity] = this.#value;
    const isSecure = statusIn(security) === Security.secure;
    if (this.guardsSecure && statusIn(itsSecurity) === Security.secure && !isSecure) return true;
    return itsRank > rank && !(isSecure && statusIn(itsSecurity) !== Security.secure);
  }
  #isSecure(kind: number, name: Uint8Array, type: number): boolean {
    return this.#has(kind, name, type, 0) && statusIn(this.#value[1]) === Security.secure;
  }
  /** @param type 0: of the whole name */
  #deniesSecure(name: Uint8Array, type: number, security: number): boolean {
    if (!this.guardsSecure || statusIn(security) === Security.secure) return false;
    if (this.#isSecure(Kind.nxdomain, name, 0)) return true;
    if (type !== 0) return this.#isSecure(Kind.rrset, name, type) || this.#isSecure(Kind.noData, name, type);
    return COMMON_TYPES.some(one => this.#isSecure(Kind.rrset, name, one));
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

const isProven = (status: number): boolean => status !== Security.unchecked && status !== Security.bogus;

const denialOf = ({ rrsets, ttl, rank, security, stale, leftMs }: Entry): CachedDenial => ({
  authority: rrsets,
  ttl,
  security,
  ofName: rank === Rank.answer,
  stale,
  leftMs,
});

/** In the last tenth of its time. */
const isOld = (entry: Entry): boolean => entry.leftMs <= entry.storedTtl * 100;
