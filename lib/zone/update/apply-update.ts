// What a dynamic update does to a zone (RFC 2136 sections 3.2 and 3.4): prerequisites hold or not, changes are made one after
// the other by their odd rules, and the serial goes up where something has changed. The zone itself stays as it is.
import { sameOctets } from '../../base/octets.js';
import { Class, Rcode, Type } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { foldedName, foldName, nameKey } from '../../wire/name.js';
import { isSameRdata, rdataKey } from '../../wire/rdata-layout.js';
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

/** A name that is looked at: what it had, and what it has. */
interface Name {
  readonly before: readonly ResourceRecord[];
  records: ResourceRecord[];
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
      this.#names.set(key, (one = { before, records: [...before] }));
    }
    return one;
  }
  #isApex = (name: Uint8Array): boolean => nameKey(foldedName(name)) === this.#apexKey;
  /** With the SOA, which is kept apart. */
  #has(name: Uint8Array, type: number): boolean {
    const { records } = this.#at(name);
    if (this.#isApex(name) && (type === Type.ANY || type === Type.SOA)) return true;
    return type === Type.ANY ? records.length > 0 : records.some(one => one.type === type);
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
    const { records } = this.#at(name);
    const own = type === Type.SOA && this.#isApex(name) ? [this.#soa] : records.filter(one => one.type === type);
    const keys = new Set(set.map(one => rdataKey(type, one.data)));
    return own.length === keys.size && own.every(one => keys.has(rdataKey(type, one.data)));
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
    const others = at.records.some(one => one.type !== type && one.type !== Type.CNAME);
    // Whoever is there first stays: no alias beside other data (section 3.4.2.2).
    if (type === Type.CNAME ? others || this.#isApex(name) : at.records.some(one => one.type === Type.CNAME)) return;
    const isOne = type === Type.CNAME || type === Type.DNAME;
    const left = at.records.filter(one => one.type !== type || (!isOne && !isSameRdata(type, one.data, data)));
    // The records of a set have one TTL (RFC 2181 section 5.2).
    at.records = [...left.map(one => (one.type === type && one.ttl !== ttl ? { ...one, ttl } : one)), record];
  }

  #removeSets({ name, type }: UpdateRecord): void {
    const at = this.#at(name);
    const isApex = this.#isApex(name);
    at.records = at.records.filter(one => {
      const isMeant = type === Type.ANY || one.type === type;
      return !isMeant || (isApex && one.type === Type.NS);
    });
  }

  #remove({ name, type, data }: UpdateRecord): void {
    const at = this.#at(name);
    const left = at.records.filter(one => one.type !== type || !isSameRdata(type, one.data, data));
    const isLastNs = type === Type.NS && this.#isApex(name) && !left.some(one => one.type === Type.NS);
    if (!isLastNs) at.records = left;
  }

  difference(): Difference | undefined {
    const deleted: ResourceRecord[] = [];
    const added: ResourceRecord[] = [];
    for (const { before, records } of this.#names.values()) {
      deleted.push(...without(before, records));
      added.push(...without(records, before));
    }
    const { soa } = this.zone;
    const hasOwnSoa = serialOf(this.#soa) !== serialOf(soa);
    if (!hasOwnSoa && deleted.length === 0 && added.length === 0) return undefined;
    // A digest of what the zone was would have whoever checks it refuse what it is (RFC 8976 section 4).
    const apex = this.#at(this.zone.apex);
    if (apex.records.every(one => !isDigest(one) || apex.before.includes(one))) {
      deleted.push(...apex.records.filter(isDigest));
    }
    const after = hasOwnSoa ? this.#soa : withSerial(soa, serialAfter(serialOf(soa)));
    return { before: soa, after, deleted, added };
  }
}

const isDigest = ({ type }: ResourceRecord): boolean => type === Type.ZONEMD;

/** Those of the one that the other has not; with another TTL, or in other letters, it is another one. */
function without(records: readonly ResourceRecord[], others: readonly ResourceRecord[]): ResourceRecord[] {
  return records.filter(
    one => !others.some(other => other.type === one.type && other.ttl === one.ttl && sameOctets(other.data, one.data)),
  );
}
