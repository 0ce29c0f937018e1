// Denials that were validated, in the order of their zones: for names that they deny too, without asking anybody (RFC 8198,
// RFC 9077). Records are kept by name for NSEC and by hash for NSEC3; what they prove is for denial.ts to say.
//
// Bounds: MAX_ZONES zones, MAX_RECORDS records of a zone and MAX_ALL in all, of MAX_SIZE octets each, and MAX_OCTETS of
// them with what JavaScript takes beside: about 1 KB a record, so that they hold all in common zones. Records are copied
// out of the messages that they came in. NSEC3 hashes are paid from the question's budget.
import { BoundedMap } from '../base/bounded-map.js';
import { Type } from '../wire/iana.js';
import { countLabels, equalNames, isAtOrBelow, nameKey } from '../wire/name.js';
import { copyOfRrset, type Rrset, sizeOfRrset } from '../wire/rrset.js';
import { hidesBelow } from './bitmap.js';
import { canonicalKey, lastLabels, wildcardOf } from './canonical.js';
import { proofsOf } from './denial.js';
import { encloserOf, parseNsec } from './nsec.js';
import { hashName, type Nsec3, parseNsec3 } from './nsec3.js';
import { HASH_COST } from './budget.js';
import { DEFAULT_NSEC3_ITERATIONS, type Judging, type ValidationPolicy } from './verdict.js';

const MAX_ZONES = 1000;
const MAX_RECORDS = 2000;
const MAX_ALL = 20_000;
/** Owner, data and signatures: two names of 255 octets, a bitmap and a signature by RSA of 4096 bits are 1.4 KB. */
const MAX_SIZE = 2048;
const MAX_OCTETS = 20 * 2 ** 20;
/** What the objects of a record take beside its octets: measured with Node 20. */
const OVERHEAD = 800;
/** Ancestors of a name whose hashes are looked for; names are seldom deeper below their zone. */
const MAX_DEPTH = 8;

interface Kept {
  /** Canonical order of owners, or hashes. */
  key: string;
  rrset: Rrset;
  untilMs: number;
}

const octetsOf = ({ rrset }: Pick<Kept, 'rrset'>): number => OVERHEAD + sizeOfRrset(rrset);

interface Zone {
  readonly name: Uint8Array;
  soa?: Omit<Kept, 'key'>;
  nsec: Kept[];
  nsec3: Kept[];
  /** Of all of `nsec3`. */
  salt: Uint8Array;
  iterations: number;
}

/** What is denied, and by what; or the wildcard that the name is made from. */
export interface Denied {
  kind: 'nxdomain' | 'nodata' | 'wildcard';
  /** Whose word it is. */
  zone: Uint8Array;
  /** The name with an asterisk that there may be data of. */
  wildcard?: Uint8Array;
  authority: Rrset[];
  /** Milliseconds until the first of it ends. */
  leftMs: number;
}

export class DenialIndex {
  readonly #zones = new BoundedMap<string, Zone>(MAX_ZONES);
  #records = 0;
  #octets = 0;

  get size(): number {
    return this.#records;
  }
  /** Of its records, with what they take beside their octets. */
  get octets(): number {
    return this.#octets;
  }
  clear(): void {
    this.#zones.clear();
    this.#records = 0;
    this.#octets = 0;
  }
  /** What is known of the zone that a name is in, or of any below. */
  forget(name: Uint8Array): void {
    for (let at = 0; ; at += 1 + name[at]) {
      this.#drop(nameKey(name.subarray(at)));
      if (name[at] === 0) return;
    }
  }

  /**
   * Keeps what was validated of a zone.
   * @param soa of the zone, secure; where there is none, what was kept of it before counts
   * @param proofs NSEC and NSEC3 RRsets that are secure, none of them made from a wildcard, with their good signatures
   * @param policy whose limit of iterations counts: records beyond it prove nothing, at a cost
   */
  learn(
    zone: Uint8Array,
    soa: Rrset | undefined,
    proofs: readonly Rrset[],
    nowMs: number,
    { nsec3Iterations = DEFAULT_NSEC3_ITERATIONS }: ValidationPolicy,
  ): void {
    const kept = this.#zoneAt(zone);
    if (soa !== undefined && isSoa(soa)) {
      const untilMs = nowMs + 1000 * Math.min(soa.ttl, minimumOf(soa));
      this.#octets -= kept.soa === undefined ? 0 : octetsOf(kept.soa);
      kept.soa = { rrset: copyOfRrset(soa), untilMs };
      this.#octets += octetsOf(kept.soa);
    }
    for (const proof of proofs) {
      if (proof.data.length !== 1 || !isAtOrBelow(proof.name, zone) || sizeOfRrset(proof) > MAX_SIZE) continue;
      const rrset = copyOfRrset(proof);
      const until = nowMs + 1000 * rrset.ttl;
      if (rrset.type === Type.NSEC) {
        if (!isMinimal(rrset)) this.#insert(kept.nsec, { key: canonicalKey(rrset.name), rrset, untilMs: until });
      } else if (rrset.type === Type.NSEC3) {
        const parsed = parseNsec3(rrset.name, rrset.data[0]);
        if (parsed === undefined || parsed.isOptOut || parsed.iterations > nsec3Iterations) continue;
        if (!isSameChain(kept, parsed)) this.#begin(kept, parsed);
        this.#insert(kept.nsec3, { key: hashKey(parsed.hash), rrset, untilMs: until });
      }
    }
    while ((this.#records > MAX_ALL || this.#octets > MAX_OCTETS) && this.#zones.size > 1) this.#dropOldest();
  }

  /** Whether a name, or its data, is known not to exist; undefined where that has to be asked. */
  find(name: Uint8Array, type: number, nowMs: number, judging: Judging): Denied | undefined {
    const zone = this.#closest(name, type);
    return zone && findIn(zone, name, type, nowMs, judging);
  }

  /**
   * What is known to show that a name has no DS records, which the chain of trust is made of: it needs no SOA, as no client
   * is told of it.
   */
  findNoDs(name: Uint8Array, nowMs: number, judging: Judging): Pick<Denied, 'zone' | 'authority'> | undefined {
    const zone = this.#closest(name, Type.DS);
    const used = zone && candidatesIn(zone, name, nowMs, judging);
    if (used === undefined) return undefined;
    const authority = used.records.map(({ rrset, untilMs }) => ({
      ...rrset,
      ttl: Math.floor((untilMs - nowMs) / 1000),
    }));
    const proof = proofsOf(zone!.name, authority, judging).noDs(name);
    return proof === 'proven' || proof === 'cut' ? { zone: zone!.name, authority } : undefined;
  }

  /** The deepest zone of which something is known that a name's data may be in: DS records are their parent's. */
  #closest(name: Uint8Array, type: number): Zone | undefined {
    if (this.#records === 0) return undefined;
    const key = nameKey(name);
    for (let at = type === Type.DS && name[0] !== 0 ? 1 + name[0] : 0; ; at += 1 + name[at]) {
      const zone = this.#zones.get(key.slice(at));
      if (zone !== undefined || name[at] === 0) return zone;
    }
  }

  #zoneAt(name: Uint8Array): Zone {
    const key = nameKey(name);
    let zone = this.#zones.get(key);
    if (zone === undefined) {
      const own = Uint8Array.from(name);
      zone = { name: own, soa: undefined, nsec: [], nsec3: [], salt: own, iterations: -1 };
      if (this.#zones.size >= MAX_ZONES) this.#dropOldest();
    }
    // The one that was learnt of longest ago goes first.
    this.#zones.set(key, zone);
    return zone;
  }
  #drop(key: string): void {
    const zone = this.#zones.get(key);
    if (zone === undefined) return;
    this.#dropAll(zone.nsec);
    this.#dropAll(zone.nsec3);
    if (zone.soa !== undefined) this.#octets -= octetsOf(zone.soa);
    this.#zones.delete(key);
  }
  #dropOldest(): void {
    const oldest = this.#zones.oldest();
    if (oldest !== undefined) this.#drop(oldest);
  }
  #dropAll(list: readonly Kept[]): void {
    this.#records -= list.length;
    for (const one of list) this.#octets -= octetsOf(one);
  }
  #begin(zone: Zone, { salt, iterations }: Nsec3): void {
    this.#dropAll(zone.nsec3);
    zone.nsec3 = [];
    zone.salt = salt;
    zone.iterations = iterations;
  }

  #insert(list: Kept[], one: Kept): void {
    const at = placeOf(list, one.key);
    this.#octets += octetsOf(one);
    // Where there is no room a neighbour of the new one goes: the order stays.
    const instead = list[at]?.key === one.key ? at : list.length >= MAX_RECORDS ? Math.min(at, list.length - 1) : -1;
    if (instead >= 0) {
      this.#octets -= octetsOf(list[instead]);
      list[instead] = one;
      return;
    }
    list.splice(at, 0, one);
    this.#records++;
  }
}

/** The first place whose key is not less. */
function placeOf(list: readonly Kept[], key: string): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What stands at a key, or before it: in a ring, where before the first comes the last. */
function atOrBefore(list: readonly Kept[], key: string, nowMs: number): Kept | undefined {
  const at = placeOf(list, key);
  const one = list[at]?.key === key ? list[at] : (list[at - 1] ?? list[list.length - 1]);
  return one !== undefined && one.untilMs > nowMs ? one : undefined;
}

function findIn(zone: Zone, name: Uint8Array, type: number, nowMs: number, judging: Judging): Denied | undefined {
  const used = candidatesIn(zone, name, nowMs, judging);
  if (used === undefined) return undefined;
  const { records, wildcard } = used;
  const rrsets = records.map(one => one.rrset);
  const proofs = proofsOf(zone.name, rrsets, judging);
  const untilMs = Math.min(...records.map(one => one.untilMs));
  const { soa } = zone;
  // A denial has the zone's SOA, which says how long it holds (RFC 9077 section 3).
  if (soa !== undefined && soa.untilMs > nowMs) {
    const isNodata = proofs.nodata(name, type) === 'proven';
    if (isNodata || (wildcard !== undefined && proofs.nxdomain(name) === 'proven')) {
      const leftMs = Math.min(soa.untilMs, untilMs) - nowMs;
      return { kind: isNodata ? 'nodata' : 'nxdomain', zone: zone.name, authority: [soa.rrset, ...rrsets], leftMs };
    }
  }
  if (wildcard === undefined) return undefined;
  if (proofs.wildcard(name, countLabels(wildcard) - 1) !== 'proven') return undefined;
  return { kind: 'wildcard', zone: zone.name, wildcard, authority: rrsets, leftMs: untilMs - nowMs };
}

interface Candidates {
  records: Kept[];
  /** Of the closest encloser, where the name itself does not exist. */
  wildcard?: Uint8Array;
}

const candidatesIn = (zone: Zone, name: Uint8Array, nowMs: number, judging: Judging): Candidates | undefined =>
  zone.nsec3.length > 0 ? candidatesByHash(zone, name, nowMs, judging) : candidatesByName(zone, name, nowMs);

function candidatesByName({ name: apex, nsec }: Zone, name: Uint8Array, nowMs: number): Candidates | undefined {
  const one = atOrBefore(nsec, canonicalKey(name), nowMs);
  if (one === undefined) return undefined;
  if (equalNames(one.rrset.name, name)) return { records: [one] };
  const parsed = parseNsec(one.rrset.name, one.rrset.data[0]);
  if (parsed === undefined) return undefined;
  const labels = encloserOf(name, parsed);
  if (labels < countLabels(apex)) return undefined;
  const wildcard = wildcardOf(lastLabels(name, labels));
  const other = atOrBefore(nsec, canonicalKey(wildcard), nowMs);
  return { records: other === undefined || other === one ? [one] : [one, other], wildcard };
}

function candidatesByHash(zone: Zone, name: Uint8Array, nowMs: number, { budget }: Judging): Candidates | undefined {
  const { nsec3, salt, iterations } = zone;
  const find = (of: Uint8Array): { one: Kept; matches: boolean } | undefined => {
    if (!budget.spend(HASH_COST * (iterations + 1))) return undefined;
    const key = hashKey(hashName(of, salt, iterations));
    const one = atOrBefore(nsec3, key, nowMs);
    return one && { one, matches: one.key === key };
  };
  const apex = countLabels(zone.name);
  const own = countLabels(name);
  let below: Kept | undefined;
  for (let labels = own; labels >= apex && own - labels < MAX_DEPTH; labels--) {
    const encloser = lastLabels(name, labels);
    const found = find(encloser);
    if (found === undefined) return undefined;
    if (!found.matches) {
      below = found.one;
      continue;
    }
    if (below === undefined) return { records: [found.one] };
    // What lies below a cut or a DNAME has no hash here, whether it exists or not (RFC 5155 section 8.3, RFC 8198 section 5).
    const parsed = parseNsec3(found.one.rrset.name, found.one.rrset.data[0]);
    if (parsed === undefined || hidesBelow(parsed.bitmap)) return undefined;
    const wildcard = wildcardOf(encloser);
    const other = find(wildcard);
    if (other === undefined) return undefined;
    return { records: [...new Set([found.one, below, other.one])], wildcard };
  }
  return undefined;
}

const hashKey = (hash: Uint8Array): string => Buffer.from(hash).toString('latin1');

const isSameChain = (zone: Zone, { salt, iterations }: Nsec3): boolean =>
  zone.iterations === iterations && Buffer.compare(zone.salt, salt) === 0;

/** Made for one name when it was asked for (RFC 4470, RFC 9824): it says nothing of others. */
function isMinimal({ name, data }: Rrset): boolean {
  const next = data[0];
  return (
    next[0] === 1 &&
    next[1] === 0 &&
    next.length > 2 + name.length &&
    equalNames(next.subarray(2, 2 + name.length), name)
  );
}

/** Two names and five numbers at the least: who owns a zone may sign what he likes. */
const isSoa = (soa: Rrset): boolean => soa.data[0]?.length >= 22 && sizeOfRrset(soa) <= MAX_SIZE;

function minimumOf({ data }: Rrset): number {
  const [octets] = data;
  return new DataView(octets.buffer, octets.byteOffset, octets.length).getUint32(octets.length - 4);
}
