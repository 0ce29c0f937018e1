// What zones answer (RFC 1034 section 4.3.2, with wildcards of RFC 4592, DNAME of RFC 6672, denials of RFC 2308, 8020 and
// 6604): from a question to a message, without OPT, to be finished for each client.
//
// Bounds: MAX_ALIASES followed; the message; glue of MAX_GLUE names.
import { Rcode, Type } from '../wire/iana.js';
import { foldName, nameKey, plainNameLength } from '../wire/name.js';
import { AnswerWriter, type Question, Section } from './answer-writer.js';
import { countAt, endOfRrset, NodeFlag, RRSET_HEADER, ttlAt, typeAt } from './packed-nodes.js';
import { Proofs } from './proofs.js';
import type { Zone } from './zone.js';
import { labelsAbove } from './zone-builder.js';

const MAX_ALIASES = 16;
const MAX_GLUE = 64;
/** Glue that others could give goes along while the message stays this small (RFC 9471 section 2.2; RFC 9715). */
const OPTIONAL_GLUE_SIZE = 1232 - 50;

export interface Asked extends Question {
  dnssecOk: boolean;
}

/** Where zones are found: ZoneStore. */
export interface ZoneFinder {
  zoneOf(name: Uint8Array, below?: boolean): Zone | undefined;
}

export interface ZoneAnswer {
  message: Buffer;
  /** The zone that the name belongs to. */
  zone: Zone;
  /** All of it is that zone's: aliases led to no other one. */
  isOfOneZone: boolean;
  rcode: number;
  /** Where the last alias leads to, in none of the zones. */
  outside: Uint8Array | undefined;
}

/** The zone that a question is for: that of a DS record is the parent's, where it is here (RFC 4035 section 3.1.4.1). */
export function zoneFor(zones: ZoneFinder, name: Uint8Array, type: number): Zone | undefined {
  return (type === Type.DS ? zones.zoneOf(name, true) : undefined) ?? zones.zoneOf(name);
}

const answering = { current: undefined as Answering | undefined };

/** Undefined: the name belongs to no zone. */
export function answerFromZones(zones: ZoneFinder, asked: Asked): ZoneAnswer | undefined {
  const zone = zoneFor(zones, asked.name, asked.type);
  if (zone === undefined) return undefined;
  answering.current ??= new Answering();
  return answering.current.run(zones, zone, asked);
}

/** One, used again for each question: it has the room for a message. */
class Answering {
  readonly #writer = new AnswerWriter();
  readonly #wildcard = new Uint8Array(256);
  #asked!: Asked;
  #zone!: Zone;
  /** The name under way, folded: the question's, then what aliases lead to. */
  #name!: Uint8Array;
  /** As it is written: undefined for the question's. */
  #written: Uint8Array | undefined;
  #proofs: Proofs | undefined;
  #met: string[] = [];
  #dnames: number[] = [];
  /** Proofs that are still to be written, of wildcards that were used. */
  #wildcards: (() => void)[] = [];

  run(zones: ZoneFinder, zone: Zone, asked: Asked): ZoneAnswer {
    this.#asked = asked;
    this.#zone = zone;
    this.#name = asked.name;
    this.#written = undefined;
    this.#proofs = undefined;
    this.#met.length = 0;
    this.#dnames.length = 0;
    this.#wildcards.length = 0;
    const writer = this.#writer;
    writer.begin(asked);
    let isOfOneZone = true;
    let outside: Uint8Array | undefined;
    for (let aliases = 0; ; aliases++) {
      const target = this.#link();
      if (target === undefined || aliases === MAX_ALIASES) break;
      this.#name = foldName(target);
      this.#written = target;
      const next = zoneFor(zones, this.#name, asked.type);
      // Without what lies elsewhere it is an answer too, also once that has come to be here.
      if (next === undefined) {
        outside = target;
        break;
      }
      if (next !== this.#zone) {
        isOfOneZone = false;
        this.#zone = next;
        this.#proofs = undefined;
        this.#dnames.length = 0;
      }
    }
    this.#writeWildcards();
    let message = writer.finish();
    let { rcode } = writer;
    if (message === undefined) {
      writer.begin(asked);
      rcode = writer.rcode = Rcode.SERVFAIL;
      message = writer.finish()!;
    }
    return { message, zone, isOfOneZone, rcode, outside };
  }

  get #owner(): 'question' | Uint8Array {
    return this.#written ?? 'question';
  }
  /** What belongs to a proof is written once for each zone that has part in the answer. */
  get #proof(): Proofs | undefined {
    if (!this.#asked.dnssecOk || !isSigned(this.#zone)) return undefined;
    return (this.#proofs ??= new Proofs(this.#zone, this.#writer));
  }

  #writeWildcards(): void {
    for (const write of this.#wildcards) write();
    this.#wildcards.length = 0;
  }

  /** Writes what the zone has of the name. @returns where an alias leads to */
  #link(): Uint8Array | undefined {
    const zone = this.#zone;
    const name = this.#name;
    const { type } = this.#asked;
    const end = name.length - zone.apex.length;
    const labels = labelsOf(name, end);
    let node = zone.apexNode;
    for (let depth = labels.length; ; depth--) {
      const flags = zone.flagsOf(node);
      // Names below a cut are not ours to speak of, nor is the cut itself but for its DS.
      const isHere = depth === 0;
      const here = depth === labels.length ? end : labels[depth];
      if ((flags & NodeFlag.cut) !== 0 && !(isHere && type === Type.DS) && !this.#isWildcardNode(node)) {
        this.#refer(node, name.subarray(here));
        return undefined;
      }
      if (isHere) return this.#found(node, this.#written === undefined ? 'question' : undefined);
      if ((flags & NodeFlag.dname) !== 0 && !this.#isWildcardNode(node)) return this.#renamed(node);
      const child = zone.find(name, labels[depth - 1], end);
      if (child < 0 || (zone.flagsOf(child) & NodeFlag.nsec3) !== 0) {
        return this.#missing(name.subarray(here), labels[depth - 1]);
      }
      node = child;
    }
  }

  #isWildcardNode(node: number): boolean {
    const nodes = this.#zone.nodesOf(node);
    const i = this.#zone.indexOf(node);
    const at = nodes.nameAt[i];
    return nodes.nameAt[i + 1] > at && nodes.names[at] === 1 && nodes.names[at + 1] === 0x2a;
  }

  #found(node: number, owner: 'question' | Uint8Array | undefined): Uint8Array | undefined {
    const { type } = this.#asked;
    const answered = this.#answer(node, owner);
    if (answered !== 'nothing') return answered;
    this.#deny();
    if (this.#zone.rrset(node, type) < 0) this.#proof?.nodata(this.#name);
    return undefined;
  }

  /** @param encloser the closest name above that exists; @param next where the name one label longer begins */
  #missing(encloser: Uint8Array, next: number): Uint8Array | undefined {
    const zone = this.#zone;
    const name = this.#name;
    const nextCloser = name.subarray(next);
    const wildcard = this.#wildcard;
    wildcard[0] = 1;
    wildcard[1] = 0x2a;
    wildcard.set(encloser, 2);
    const length = encloser.length + 2 - zone.apex.length;
    const node = zone.find(wildcard, 0, length);
    if (node < 0 || (zone.flagsOf(node) & NodeFlag.nsec3) !== 0) {
      this.#writer.rcode = Rcode.NXDOMAIN;
      this.#deny();
      this.#proof?.nxdomain(name, encloser, nextCloser);
      return undefined;
    }
    const answered = this.#answer(node, this.#owner);
    if (answered !== 'nothing') {
      const proof = this.#proof;
      // Behind what the alias leads to: sections are written in their order.
      if (proof !== undefined) this.#wildcards.push(() => proof.wildcard(name, nextCloser));
      return answered;
    }
    this.#deny();
    this.#proof?.wildcardNodata(name, encloser, nextCloser);
    return undefined;
  }

  /** @returns where an alias leads to; undefined for an answer */
  #answer(node: number, owner: 'question' | Uint8Array | undefined): Uint8Array | undefined | 'nothing' {
    const zone = this.#zone;
    const { type } = this.#asked;
    if (type === Type.ANY) return this.#some(node, owner) ? undefined : 'nothing';
    if (type === Type.RRSIG) return this.#signaturesOf(node, owner) ? undefined : 'nothing';
    const at = zone.rrset(node, type);
    if (at >= 0) {
      this.#write(Section.answer, node, at, owner);
      return undefined;
    }
    if ((zone.flagsOf(node) & NodeFlag.cname) === 0) return 'nothing';
    const alias = zone.rrset(node, Type.CNAME);
    // A circle ends where it comes round.
    const key = nameKey(this.#name);
    if (this.#met.includes(key)) return undefined;
    this.#met.push(key);
    this.#write(Section.answer, node, alias, owner);
    return targetOf(zone.dataOf(node), alias);
  }

  /** RFC 8482 section 4.1: one RRset is enough. */
  #some(node: number, owner: 'question' | Uint8Array | undefined): boolean {
    const nodes = this.#zone.nodesOf(node);
    const index = this.#zone.indexOf(node);
    let best = -1;
    for (let at = nodes.dataAt[index]; at < nodes.dataAt[index + 1]; at = endOfRrset(nodes.data, at)) {
      const type = typeAt(nodes.data, at);
      if (best < 0 || DENIALS.has(typeAt(nodes.data, best))) if (best < 0 || !DENIALS.has(type)) best = at;
    }
    if (best < 0) return false;
    this.#write(Section.answer, node, best, owner);
    return true;
  }

  #signaturesOf(node: number, owner: 'question' | Uint8Array | undefined): boolean {
    const nodes = this.#zone.nodesOf(node);
    const index = this.#zone.indexOf(node);
    let found = false;
    for (let at = nodes.dataAt[index]; at < nodes.dataAt[index + 1]; at = endOfRrset(nodes.data, at)) {
      if (typeAt(nodes.data, at) !== Type.RRSIG) continue;
      found = true;
      this.#writer.rrset(Section.answer, this.#zone, node, at, owner);
    }
    return found;
  }

  /** An RRset, and what is signed of it for those who want that. */
  #write(section: number, node: number, at: number, owner?: 'question' | Uint8Array, ttl?: number): void {
    const zone = this.#zone;
    const data = zone.dataOf(node);
    this.#writer.rrset(section, zone, node, at, owner, ttl);
    if (!this.#asked.dnssecOk || typeAt(data, at) === Type.RRSIG) return;
    const signatures = zone.rrset(node, Type.RRSIG, typeAt(data, at));
    if (signatures >= 0) this.#writer.rrset(section, zone, node, signatures, owner, ttl);
  }

  /** SOA of a denial: as long as that may be kept (RFC 2308 section 3). */
  #deny(): void {
    const zone = this.#zone;
    const node = zone.apexNode;
    const at = zone.rrset(node, Type.SOA);
    const ttl = Math.min(ttlAt(zone.dataOf(node), at), zone.times.minimum);
    this.#write(Section.authority, node, at, undefined, ttl);
  }

  /** RFC 6672 section 3.2. */
  #renamed(node: number): Uint8Array | undefined {
    const zone = this.#zone;
    const at = zone.rrset(node, Type.DNAME);
    const data = zone.dataOf(node);
    if (!this.#dnames.includes(node)) {
      this.#dnames.push(node);
      this.#write(Section.answer, node, at);
    }
    const nodes = zone.nodesOf(node);
    const i = zone.indexOf(node);
    const kept = this.#name.length - zone.apex.length - (nodes.nameAt[i + 1] - nodes.nameAt[i]);
    const target = targetOf(data, at);
    if (kept + target.length > 255) {
      this.#writer.rcode = Rcode.YXDOMAIN;
      return undefined;
    }
    const key = nameKey(this.#name);
    if (this.#met.includes(key)) return undefined;
    this.#met.push(key);
    const name = this.#written ?? this.#name;
    const renamed = new Uint8Array(kept + target.length);
    renamed.set(name.subarray(0, kept));
    renamed.set(target, kept);
    this.#writer.alias(this.#owner, renamed, ttlAt(data, at));
    const { type } = this.#asked;
    return type === Type.CNAME || type === Type.ANY ? undefined : renamed;
  }

  /** @param name of the cut, folded */
  #refer(node: number, name: Uint8Array): void {
    const zone = this.#zone;
    const writer = this.#writer;
    if (writer.counts[Section.answer] === 0) writer.authoritative = false;
    const ns = zone.rrset(node, Type.NS);
    writer.rrset(Section.authority, zone, node, ns);
    if (this.#asked.dnssecOk && isSigned(zone)) {
      const ds = zone.rrset(node, Type.DS);
      if (ds >= 0) this.#write(Section.authority, node, ds);
      else this.#proof?.nodata(name);
    }
    this.#writeWildcards();
    this.#glue(node, ns, name);
  }

  /** Addresses that nobody else can give first; then others that the zone has, while there is room. */
  #glue(cut: number, ns: number, name: Uint8Array): void {
    const zone = this.#zone;
    const data = zone.dataOf(cut);
    const siblings: number[] = [];
    let at = ns + RRSET_HEADER;
    for (let left = Math.min(countAt(data, ns), MAX_GLUE); left > 0; left--) {
      const length = (data[at] << 8) | data[at + 1];
      const target = foldName(data, at + 2, at + 2 + length);
      at += 2 + length;
      const end = labelsAbove(zone.apex, target, 0, target.length);
      const node = end < 0 ? -1 : zone.find(target, 0, end);
      if (node < 0) continue;
      if (labelsAbove(name, target, 0, target.length) >= 0) this.#addresses(node, Infinity);
      else siblings.push(node);
    }
    for (const node of siblings) this.#addresses(node, OPTIONAL_GLUE_SIZE);
  }

  #addresses(node: number, most: number): void {
    const zone = this.#zone;
    for (const type of [Type.A, Type.AAAA]) {
      const at = zone.rrset(node, type);
      if (at < 0) continue;
      const size = endOfRrset(zone.dataOf(node), at) - at + 26 * countAt(zone.dataOf(node), at);
      if (this.#writer.length + size > most) continue;
      this.#writer.rrset(Section.additional, zone, node, at);
    }
  }
}

/** Records of DNSSEC in a zone without signatures prove nothing, and are given to those who ask for them by type. */
const isSigned = (zone: Zone): boolean => zone.rrset(zone.apexNode, Type.RRSIG, Type.SOA) >= 0;

const DENIALS = new Set<number>([Type.RRSIG, Type.NSEC, Type.NSEC3]);

/** Where each label begins, of those before `end`. */
function labelsOf(name: Uint8Array, end: number): number[] {
  const labels: number[] = [];
  for (let at = 0; at < end; at += 1 + name[at]) labels.push(at);
  return labels;
}

/** The name that the first record of an RRset is. */
function targetOf(data: Uint8Array, at: number): Uint8Array {
  const from = at + RRSET_HEADER + 2;
  return data.slice(from, from + plainNameLength(data, from));
}
