// What a dynamic update does to a zone (RFC 2136 sections 3.2 and 3.4): prerequisites hold or not, changes are made one after
// the other by their odd rules, and the serial goes up where something has changed. The zone itself stays as it is.
import { Class, Rcode, Type } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { foldedName, foldName, nameKey } from '../../wire/name.js';
import { rdataKey } from '../../wire/rdata-layout.js';
import { without } from '../name-records.js';
import { isNewer, serialAfter } from '../serial.js';
import { serialOf, withSerial } from '../soa.js';
import type { Difference } from '../transfer/difference.js';
import { labelsAbove } from '../zone-builder.js';
import type { Zone } from '../zone.js';
import { faultOfChanges, faultOfPrerequisites, type Update, type UpdateRecord } from './update-message.js';

export type UpdateResult =
  /** Nothing is changed. */
  | { readonly rcode: number }
  /** Undefined: there was nothing to change. */
  | { readonly rcode: typeof Rcode.NOERROR; readonly difference: Difference | undefined };

/** Whether a zone has come signed: whoever changes it would have to sign it anew. */
export const isSigned = (zone: Zone): boolean =>
  [Type.DNSKEY, Type.NSEC, Type.NSEC3PARAM].some(type => zone.rrset(zone.apexNode, type) >= 0);

/** What signing makes: in a zone that is not signed it would be no proof of anything. */
const OF_SIGNING = new Set<number>([Type.RRSIG, Type.NSEC, Type.NSEC3, Type.NSEC3PARAM]);

/** @param mayChange whether whoever asks may change records of a name (folded) and type */
export function applyUpdate(
  zone: Zone,
  update: Update,
  mayChange: (name: Uint8Array, type: number) => boolean,
): UpdateResult {
  const wrong = faultOfPrerequisites(update);
  if (wrong !== 0) return { rcode: wrong };
  const updating = new Updating(zone);
  const unmet = updating.unmet(update.prerequisites);
  if (unmet !== 0) return { rcode: unmet };
  const fault = faultOfChanges(update);
  if (fault !== 0) return { rcode: fault };
  for (const { name, type, dnsClass } of update.changes) {
    const isRefused = dnsClass === Class.IN && OF_SIGNING.has(type);
    if (isRefused || !mayChange(foldedName(name), type)) return { rcode: Rcode.REFUSED };
  }
  for (const one of update.changes) updating.change(one);
  return { rcode: Rcode.NOERROR, difference: updating.difference() };
}

/** The records of a name of one type. */
interface RecordSet {
  /** By their data. */
  readonly records: Map<string, ResourceRecord>;
  /** What they all have by now (RFC 2181 section 5.2); undefined: each its own. */
  ttl: number | undefined;
}

/** A name that is looked at: what it had, and what it has. Each change costs the same, however many records there are. */
class Name {
  readonly #sets = new Map<number, RecordSet>();

  constructor(readonly before: readonly ResourceRecord[]) {
    for (const one of before) this.#made(one.type).records.set(rdataKey(one.type, one.data), one);
  }

  #made(type: number): RecordSet {
    let set = this.#sets.get(type);
    if (set === undefined) this.#sets.set(type, (set = { records: new Map(), ttl: undefined }));
    return set;
  }

  has(type: number): boolean {
    return type === Type.ANY ? this.#sets.size > 0 : this.#sets.has(type);
  }
  /** Records of another type than an alias. */
  get hasData(): boolean {
    return this.#sets.size > (this.#sets.has(Type.CNAME) ? 1 : 0);
  }
  get types(): number[] {
    return [...this.#sets.keys()];
  }
  /** Keys of the data that it has of a type. */
  keysOf(type: number): ReadonlyMap<string, ResourceRecord> | undefined {
    return this.#sets.get(type)?.records;
  }

  put(record: ResourceRecord): void {
    const { type, ttl, data } = record;
    const set = this.#made(type);
    const key = rdataKey(type, data);
    if (type === Type.CNAME || type === Type.DNAME) set.records.clear();
    set.records.set(key, record);
    set.ttl = ttl;
  }
  removeSet(type: number): void {
    this.#sets.delete(type);
  }
  remove(type: number, data: Uint8Array): void {
    const set = this.#sets.get(type);
    set?.records.delete(rdataKey(type, data));
    if (set?.records.size === 0) this.#sets.delete(type);
  }

  get records(): ResourceRecord[] {
    return [...this.#sets.values()].flatMap(({ records, ttl }) =>
      Array.from(records.values(), one => (ttl === undefined || one.ttl === ttl ? one : { ...one, ttl })),
    );
  }
}

class Updating {
  readonly #names = new Map<string, Name>();
  readonly #apexKey: string;
  #soa: ResourceRecord;

  constructor(private readonly zone: Zone) {
    this.#apexKey = nameKey(zone.apex);
    this.#soa = zone.soa;
  }

  #at(name: Uint8Array): Name {
    const folded = foldName(name);
    const key = nameKey(folded);
    let one = this.#names.get(key);
    if (one === undefined) {
      const cut = labelsAbove(this.zone.apex, folded, 0, folded.length);
      const node = this.zone.find(folded, 0, cut);
      const before = node < 0 ? [] : this.zone.recordsOf(node).filter(({ type }) => type !== Type.SOA);
      this.#names.set(key, (one = new Name(before)));
    }
    return one;
  }
  #isApex = (name: Uint8Array): boolean => nameKey(foldedName(name)) === this.#apexKey;
  /** With the SOA, which is kept apart. */
  #has(name: Uint8Array, type: number): boolean {
    const isSoas = this.#isApex(name) && (type === Type.ANY || type === Type.SOA);
    return isSoas || this.#at(name).has(type);
  }

  /** The rcode of the first prerequisite that does not hold (RFC 2136 section 3.2); 0: all do. */
  unmet(prerequisites: readonly UpdateRecord[]): number {
    const sets = new Map<string, UpdateRecord[]>();
    for (const one of prerequisites) {
      const { name, type, dnsClass } = one;
      if (dnsClass === Class.IN) {
        const key = `${type} ${nameKey(foldedName(name))}`;
        const set = sets.get(key);
        if (set === undefined) sets.set(key, [one]);
        else set.push(one);
      } else if (this.#has(name, type) !== (dnsClass === Class.ANY)) {
        if (dnsClass === Class.ANY) return type === Type.ANY ? Rcode.NXDOMAIN : Rcode.NXRRSET;
        return type === Type.ANY ? Rcode.YXDOMAIN : Rcode.YXRRSET;
      }
    }
    for (const set of sets.values()) if (!this.#isSet(set)) return Rcode.NXRRSET;
    return Rcode.NOERROR;
  }

  /** Whether these are all the records of their name and type, TTLs aside. */
  #isSet(set: readonly UpdateRecord[]): boolean {
    const [{ name, type }] = set;
    const keys = new Set(set.map(one => rdataKey(type, one.data)));
    if (type === Type.SOA && this.#isApex(name)) return keys.size === 1 && keys.has(rdataKey(type, this.#soa.data));
    const own = this.#at(name).keysOf(type);
    return own?.size === keys.size && [...keys].every(key => own.has(key));
  }

  /** RFC 2136 section 3.4.2. */
  change(one: UpdateRecord): void {
    if (one.dnsClass === Class.IN) this.#add(one);
    else if (one.dnsClass === Class.ANY) this.#removeSets(one);
    else this.#remove(one);
  }

  #add({ name, type, ttl, data }: UpdateRecord): void {
    const record: ResourceRecord = { name, type, dnsClass: Class.IN, ttl, data };
    if (type === Type.SOA) {
      if (this.#isApex(name) && isNewer(serialOf(record), serialOf(this.#soa))) this.#soa = record;
      return;
    }
    const at = this.#at(name);
    // Whoever is there first stays: no alias beside other data (section 3.4.2.2).
    if (type === Type.CNAME ? at.hasData || this.#isApex(name) : at.has(Type.CNAME)) return;
    at.put(record);
  }

  #removeSets({ name, type }: UpdateRecord): void {
    const at = this.#at(name);
    const isApex = this.#isApex(name);
    for (const one of type === Type.ANY ? at.types : [type]) if (!isApex || one !== Type.NS) at.removeSet(one);
  }

  #remove({ name, type, data }: UpdateRecord): void {
    const at = this.#at(name);
    const own = at.keysOf(type);
    const isLastNs = type === Type.NS && this.#isApex(name) && own?.size === 1;
    if (!isLastNs) at.remove(type, data);
  }

  difference(): Difference | undefined {
    const deleted: ResourceRecord[] = [];
    const added: ResourceRecord[] = [];
    for (const { before, records } of this.#names.values()) {
      for (const one of without(before, records)) deleted.push(one);
      for (const one of without(records, before)) added.push(one);
    }
    const { soa } = this.zone;
    const hasOwnSoa = serialOf(this.#soa) !== serialOf(soa);
    if (!hasOwnSoa && deleted.length === 0 && added.length === 0) return undefined;
    // A digest of what the zone was would have whoever checks it refuse what it is (RFC 8976 section 4).
    const { before, records } = this.#at(this.zone.apex);
    const digests = records.filter(isDigest);
    if (without(digests, before).length === 0) for (const one of digests) deleted.push(one);
    const after = hasOwnSoa ? this.#soa : withSerial(soa, serialAfter(serialOf(soa)));
    return { before: soa, after, deleted, added };
  }
}

const isDigest = ({ type }: ResourceRecord): boolean => type === Type.ZONEMD;
