// Whether a zone that is had as a whole is signed as a whole (RFC 4035 section 2, RFC 5155 section 7.1): each RRset of its
// own by its keys, each name in a closed chain of NSEC or NSEC3 records whose bitmaps say what is there. For secondaries,
// which would serve what validators refuse. That its keys are believed is a question for the chain of trust.
//
// Checks each signature that is needed, so takes 25 to 100 us an RRset of the calling thread, without a budget.
import { ExtendedError, Type, typeName } from '../wire/iana.js';
import { equalNames, isAtOrBelow, nameKey, nameToText } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import { hasType } from './bitmap.js';
import { Budget } from './budget.js';
import { compareNames, compareOctets } from './canonical.js';
import { parseKey } from './key.js';
import { parseNsec } from './nsec.js';
import { hashName, type Nsec3, parseNsec3 } from './nsec3.js';
import type { ValidationPolicy } from './verdict.js';
import { verifyRrset } from './verify.js';

interface Node {
  name: Uint8Array;
  /** Types with data, and RRSIG where something is signed. */
  types: Set<number>;
  isCut: boolean;
}

/**
 * Looks for what validators would refuse of a zone.
 * @param apex folded
 * @param rrsets of the zone, by `groupRrsets`
 * @param judging seconds since 1970, and the policy
 * @returns the first fault in words that name the owner; undefined: there is none
 */
export function faultOfZone(
  apex: Uint8Array,
  rrsets: readonly Rrset[],
  { now, policy }: { now: number; policy: ValidationPolicy },
): string | undefined {
  const inside = rrsets.filter(one => one.data.length > 0 && isAtOrBelow(one.name, apex));
  const dnskey = inside.find(one => one.type === Type.DNSKEY && equalNames(one.name, apex));
  if (dnskey === undefined) return `${nameToText(apex)}: no DNSKEY records`;
  const keys = dnskey.data.map(parseKey).filter(key => key !== undefined);
  const nodes = nodesOf(apex, inside);
  const judging = { now, policy, budget: new Budget({ units: Number.POSITIVE_INFINITY }) };
  for (const rrset of inside) {
    const node = nodes.get(nameKey(rrset.name));
    const isDenial = rrset.type === Type.NSEC || rrset.type === Type.NSEC3;
    // What lies below a cut, and the NS records at it, is the child's (RFC 4035 section 2.2).
    if (!isDenial && (node === undefined || (node.isCut && rrset.type !== Type.DS))) continue;
    const verdict = verifyRrset(rrset, apex, keys, judging);
    if (verdict.status === 'bogus') return `${nameToText(rrset.name)} ${typeName(rrset.type)}: ${verdict.reason}`;
  }
  if (inside.some(one => one.type === Type.NSEC)) return faultOfNsec(apex, inside, nodes);
  const parameters = inside.filter(one => one.type === Type.NSEC3PARAM && equalNames(one.name, apex));
  const chains = parameters.flatMap(one => one.data).filter(data => data.length >= 5 && data[1] === 0);
  if (chains.length === 0)
    return `${nameToText(apex)}: neither NSEC nor NSEC3 records (EDE ${ExtendedError.nsecMissing})`;
  for (const data of chains) {
    const fault = faultOfNsec3(apex, inside, nodes, data);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** The zone's own names: not what lies below a cut. Those that have NSEC3 records only are no names of the zone. */
function nodesOf(apex: Uint8Array, rrsets: readonly Rrset[]): Map<string, Node> {
  const cuts = new Set<string>();
  for (const { name, type } of rrsets) {
    if (type === Type.NS && name.length > apex.length) cuts.add(nameKey(name));
  }
  const isBelowCut = (name: Uint8Array): boolean => {
    for (let above = name; above.length > apex.length;) {
      above = above.subarray(1 + above[0]);
      if (cuts.has(nameKey(above))) return true;
    }
    return false;
  };
  const nodes = new Map<string, Node>();
  for (const { name, type, signatures } of rrsets) {
    if (type === Type.NSEC3 || isBelowCut(name)) continue;
    const key = nameKey(name);
    let node = nodes.get(key);
    if (node === undefined) nodes.set(key, (node = { name, types: new Set(), isCut: cuts.has(key) }));
    node.types.add(type);
    if (signatures.length > 0) node.types.add(Type.RRSIG);
  }
  return nodes;
}

/** A type that the bitmap has and the name has not, or the other way round; glue is not the zone's. */
function wrongType(bitmap: Uint8Array, { types, isCut }: Node, ignored: number): number | undefined {
  const isOwn = (type: number): boolean =>
    type !== ignored && (!isCut || [Type.NS, Type.DS, Type.RRSIG, Type.NSEC].includes(type as never));
  for (const type of types) if (isOwn(type) && !hasType(bitmap, type)) return type;
  for (let at = 0; at + 2 <= bitmap.length; at += 2 + bitmap[at + 1]) {
    for (let bit = 0; bit < 8 * bitmap[at + 1]; bit++) {
      const type = (bitmap[at] << 8) | bit;
      if (hasType(bitmap, type) && !(isOwn(type) && types.has(type)) && type !== ignored) return type;
    }
  }
  return undefined;
}

function faultOfNsec(apex: Uint8Array, rrsets: readonly Rrset[], nodes: ReadonlyMap<string, Node>): string | undefined {
  const records = new Map(
    rrsets
      .filter(one => one.type === Type.NSEC)
      .map(one => [nameKey(one.name), one.data.length === 1 ? parseNsec(one.name, one.data[0]) : undefined]),
  );
  const order = [...nodes.values()].sort((a, b) => compareNames(a.name, b.name));
  for (const [i, node] of order.entries()) {
    const record = records.get(nameKey(node.name));
    const what = `${nameToText(node.name)} NSEC`;
    if (record === undefined) return `${what}: no such record`;
    const next = i + 1 < order.length ? order[i + 1].name : apex;
    if (!equalNames(record.next, next))
      return `${what}: leads to ${nameToText(record.next)}, not to ${nameToText(next)}`;
    const wrong = wrongType(record.bitmap, node, Type.NSEC3);
    if (wrong !== undefined) return `${what}: is wrong about ${typeName(wrong)}`;
    records.delete(nameKey(node.name));
  }
  for (const key of records.keys()) return `${nameToText(Buffer.from(key, 'latin1'))} NSEC: at no name of the zone`;
  return undefined;
}

function faultOfNsec3(
  apex: Uint8Array,
  rrsets: readonly Rrset[],
  nodes: ReadonlyMap<string, Node>,
  parameters: Uint8Array,
): string | undefined {
  const iterations = (parameters[2] << 8) | parameters[3];
  const salt = parameters.subarray(5, 5 + parameters[4]);
  const records = rrsets
    .filter(one => one.type === Type.NSEC3)
    .flatMap(one => one.data.map(data => parseNsec3(one.name, data)))
    .filter(one => one?.iterations === iterations && compareOctets(one.salt, salt) === 0)
    .map(one => one!)
    .sort((a, b) => compareOctets(a.hash, b.hash));
  for (const [i, record] of records.entries()) {
    const { hash } = records[(i + 1) % records.length];
    if (compareOctets(record.next, hash) !== 0) return `${text(record)}: leads to no record of the chain`;
  }
  const byHash = new Map(records.map(one => [nameKey(one.hash), one]));
  for (const node of withEmpty(apex, nodes).values()) {
    const hash = hashName(node.name, salt, iterations);
    const record = byHash.get(nameKey(hash));
    byHash.delete(nameKey(hash));
    if (record !== undefined) {
      const wrong = wrongType(record.bitmap, node, Type.NSEC);
      if (wrong !== undefined) return `${nameToText(node.name)} NSEC3: is wrong about ${typeName(wrong)}`;
    } else if (!(mayLack(node) && records.some(one => one.isOptOut && spans(one, hash)))) {
      return `${nameToText(node.name)} NSEC3: no such record`;
    }
  }
  for (const record of byHash.values()) return `${text(record)}: of no name of the zone`;
  return undefined;
}

const text = ({ hash }: Nsec3): string => `NSEC3 ${Buffer.from(hash).toString('hex')}`;
/** In an opt-out span: delegations without DS, and what is above nothing else (RFC 5155 section 7.1). */
const mayLack = ({ types, isCut }: Node): boolean => types.size === 0 || (isCut && !types.has(Type.DS));
const spans = ({ hash, next }: Nsec3, one: Uint8Array): boolean =>
  compareOctets(hash, next) < 0
    ? compareOctets(hash, one) < 0 && compareOctets(one, next) < 0
    : compareOctets(hash, one) < 0 || compareOctets(one, next) < 0;

/** The names, and those above them that have no records. */
function withEmpty(apex: Uint8Array, nodes: ReadonlyMap<string, Node>): Map<string, Node> {
  const all = new Map(nodes);
  for (const { name } of nodes.values()) {
    for (let above = name; above.length > apex.length;) {
      above = above.subarray(1 + above[0]);
      if (!all.has(nameKey(above))) all.set(nameKey(above), { name: above, types: new Set(), isCut: false });
    }
  }
  return all;
}
