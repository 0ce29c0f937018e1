// What a server's response means to somebody who asked it about a zone: answer, alias, denial, referral, or nothing of
// use. Keeps what belongs to the question and lies in the zone, and drops the rest (RFC 2181 section 5.4.1): records
// that nobody asked for are the way to poison a cache (CVE-2025-11411).
//
// Bound: the links of a chain that are taken from one response (RECURSION_LIMITS.aliases).
import { sameOctets } from '../../base/octets.js';
import { leadsOut, parseSignature } from '../../dnssec/signature.js';
import { Flag, Rcode, Type } from '../../wire/iana.js';
import { DecodedResponse, MAX_RRSET_RECORDS, type Message, rcodeOf, type ResourceRecord } from '../../wire/message.js';
import { equalNames, foldName, isAtOrBelow } from '../../wire/name.js';
import { groupRrsets, isFromWildcard, MAX_SIGNATURES, type Rrset } from '../../wire/rrset.js';
import { RECURSION_LIMITS as L } from './limits.js';

export interface Asked {
  /** Folded. */
  name: Uint8Array;
  type: number;
  zone: Uint8Array;
  /** The server resolves for others: what it says of any zone below is taken, and RA is no sign of lameness. */
  recursive: boolean;
}

/** What is said of one name; `rrsets` holds a DNAME before the alias made from it. */
export interface FoundLink {
  rcode: number;
  rrsets: Rrset[];
  /** Set: the answer is an alias, and this is what it leads to. */
  target?: Uint8Array;
  /** Denials: the SOA and its proof. Positive answers: the proof of a wildcard. */
  authority: Rrset[];
  /** Denials beside a positive answer that needs none: of what its alias leads to, say. Of use once they are validated. */
  beside?: Rrset[];
}

/** What answers the question. */
export interface Found extends FoundLink {
  kind: 'answer';
  /**
   * Where it is an alias: the links that it leads to, one after the other, as far as they lie in the zone that was asked
   * and the server has a say in them. What they lead to beyond that is to be asked for.
   */
  further: FoundLink[];
  /** Addresses inside the zone that came along. */
  additional: Rrset[];
  /**
   * Where nobody asked for them: the servers of the zone that was asked, as it sees them; of a recursive resolver those
   * of the zone that the name is in.
   */
  ns?: Rrset;
  authoritative: boolean;
}

/** Who serves the zone below that the name is in. */
export interface Referral {
  kind: 'referral';
  ns: Rrset;
  glue: Rrset[];
  /** Addresses from outside the zone, where they are not refused. */
  foreignGlue: Rrset[];
  ds?: Rrset;
  /** What shows that it has none. */
  noDs: Rrset[];
}

export type Meaning =
  | Found
  | Referral
  /** An answer of a server that was not asked for recursion but has no authority: the last resort. */
  | { kind: 'recursive'; found: Found }
  | { kind: 'lame' }
  /** NOERROR and nothing at all. */
  | { kind: 'empty'; found: Found }
  /** `malformed`: it cannot be read, and `rcode` is ours. */
  | { kind: 'useless'; rcode: number; malformed?: true };

/** A larger RRset makes the response useless: it throws. */
const group = (records: readonly ResourceRecord[]): Rrset[] => groupRrsets(records, { maxRecords: MAX_RRSET_RECORDS });

const DENIALS = new Set<number>([Type.NSEC, Type.NSEC3]);

/** How much of a response is believed. */
export interface Belief {
  /** Set: signatures count wherever in the response they are. */
  validation?: unknown;
  hardenGlue: boolean;
  maxNameServers: number;
}

type Response = Message | DecodedResponse;

export function classify(message: Response, asked: Asked, belief: Belief): Meaning {
  const rcode = rcodeOf(message);
  if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN && rcode !== Rcode.YXDOMAIN)
    return { kind: 'useless', rcode };
  const { zone } = asked;
  const grouped = group(message.answers);
  const allAuthorities = group(message.authorities);
  if (belief.validation !== undefined) addStraySignatures(grouped, allAuthorities, message);
  const answers = inZoneOnly(grouped, asked, belief.maxNameServers);
  const authorities = inZoneOnly(allAuthorities, asked, belief.maxNameServers);
  const authoritative = (message.flags & Flag.AA) !== 0;
  // Who offers recursion and claims no authority has it from somewhere else.
  const foreign = !asked.recursive && !authoritative && (message.flags & Flag.RA) !== 0;
  const wrap = (found: Found): Meaning => (foreign ? { kind: 'recursive', found } : found);

  const cut = authorities.find(one => one.type === Type.NS && one.data.length > 0 && isAtOrBelow(asked.name, one.name));
  const isOwn = authoritative && cut !== undefined && equalNames(cut.name, zone);
  const ns = isOwn || asked.recursive ? cut : undefined;
  // Only who asked for servers, or for others to resolve, looks at addresses that came along.
  const mayBeTooMany = !(message instanceof DecodedResponse) || message.additionalCount > MAX_RRSET_RECORDS;
  const isForServers = asked.recursive || asked.type === Type.NS || mayBeTooMany;
  const additional = isForServers ? addressesOf(message).filter(one => isAtOrBelow(one.name, zone)) : NONE;

  const positive = readAnswer(answers, asked, rcode);
  // RFC 6672 section 2.2: a name that a DNAME makes too long, at the end of a chain or at once; no other is known.
  if (rcode === Rcode.YXDOMAIN && positive?.target === undefined && positive?.rcode !== rcode)
    return { kind: 'useless', rcode };
  if (positive !== undefined) {
    const isSigned = belief.validation !== undefined && authoritative;
    const further = furtherLinks(answers, authorities, asked, rcode, positive, isSigned);
    const authority = wildcardProof(positive.rrsets, authorities);
    const { rrsets, target, rcode: code } = positive;
    const beside = belief.validation !== undefined && authority.length === 0 ? denialsBeside(authorities) : undefined;
    return wrap({
      kind: 'answer',
      rcode: code,
      rrsets,
      target,
      further,
      authority,
      beside,
      additional,
      ns,
      authoritative,
    });
  }
  let denial = denialOf(asked.name, authorities);
  // Proofs say it too, to who believes nothing else; a referral has them for what is not there.
  if (denial.length === 0 && cut === undefined && belief.validation !== undefined)
    denial = authorities.filter(one => DENIALS.has(one.type));
  const denied: Found = {
    kind: 'answer',
    rcode,
    rrsets: [],
    target: undefined,
    further: NO_LINKS,
    authority: denial,
    additional,
    ns,
    authoritative,
  };
  if (rcode === Rcode.NXDOMAIN || denial.length > 0) return wrap(denied);

  if (cut !== undefined) {
    // Who was asked to resolve, and refers to others, does not resolve for us.
    if (asked.recursive && (message.flags & (Flag.AA | Flag.RA)) === 0) return { kind: 'useless', rcode };
    const same = equalNames(cut.name, zone);
    if (!same && !asked.recursive) {
      const addresses = addressesOf(message);
      const inZone = (one: Rrset): boolean => isAtOrBelow(one.name, zone);
      const glue = addresses.filter(one => inZone(one) && cut.data.some(server => equalNames(server, one.name)));
      const ds = authorities.find(one => one.type === Type.DS && one.data.length > 0 && equalNames(one.name, cut.name));
      const foreignGlue = belief.hardenGlue ? [] : addresses.filter(one => !inZone(one));
      const noDs = ds === undefined ? authorities.filter(one => DENIALS.has(one.type)) : NONE;
      return { kind: 'referral', ns: cut, glue, foreignGlue, ds, noDs };
    }
    if (!asked.recursive && !authoritative) return foreign ? { kind: 'recursive', found: denied } : { kind: 'lame' };
  }
  // A referral upwards or sideways: the server has not the zone.
  const elsewhere =
    !authoritative &&
    !asked.recursive &&
    allAuthorities.some(one => one.type === Type.NS && !isAtOrBelow(asked.name, one.name));
  const upward = allAuthorities.some(
    one => one.type === Type.NS && one.name.length < zone.length && isAtOrBelow(zone, one.name),
  );
  if (upward || elsewhere) return asked.recursive ? { kind: 'useless', rcode } : { kind: 'lame' };
  const empty =
    message.answers.length + message.authorities.length === 0 &&
    (!authoritative || message.additionals.every(one => one.type === Type.OPT));
  return empty ? { kind: 'empty', found: denied } : wrap(denied);
}

const NONE: Rrset[] = [];
const NO_LINKS: FoundLink[] = [];

const addressesOf = (message: Response): Rrset[] =>
  group(message.additionals).filter(one => one.type === Type.A || one.type === Type.AAAA);

/** Signatures of an answer that stand in another section: they say themselves what they sign. */
function addStraySignatures(answers: Rrset[], authorities: readonly Rrset[], message: Response): void {
  const isElsewhere = (one: Rrset): boolean => one.data.length === 0 && one.signatures.length > 0;
  const isBare = (one: Rrset): boolean => one.signatures.length === 0 && one.data.length > 0 && one.type !== Type.RRSIG;
  // Where all is as it should be (RFC 4035 section 3.1.1), the additional section is not looked at.
  if (!answers.some(one => isBare(one) || isElsewhere(one)) && !authorities.some(isElsewhere)) return;
  const strays = [...authorities, ...answers, ...group(message.additionals)].filter(isElsewhere);
  for (const one of answers) {
    if (one.data.length === 0 || one.type === Type.RRSIG) continue;
    for (const stray of strays) {
      if (stray.type !== one.type || !equalNames(stray.name, one.name)) continue;
      const others = stray.signatures.filter(data => !one.signatures.some(own => sameOctets(own, data)));
      one.signatures = [...one.signatures, ...others].slice(0, MAX_SIGNATURES);
    }
  }
}

/**
 * What lies in the zone, as the next names of NSEC records have to (RFC 4034 section 4.1.1), but for the parent's record
 * about DS; of NS sets no more than `maxNameServers` records.
 */
function inZoneOnly(rrsets: readonly Rrset[], { zone, type }: Asked, maxNameServers: number): Rrset[] {
  const list: Rrset[] = [];
  for (const one of rrsets) {
    if (!isAtOrBelow(one.name, zone) || (type !== Type.DS && leadsOut(one, zone))) continue;
    const isTooLong = one.type === Type.NS && one.data.length > maxNameServers;
    list.push(isTooLong ? { ...one, data: one.data.slice(0, maxNameServers), signatures: [] } : one);
  }
  return list;
}

const wildcardProof = (rrsets: readonly Rrset[], authorities: readonly Rrset[]): Rrset[] =>
  rrsets.some(isFromWildcard) ? authorities.filter(one => DENIALS.has(one.type)) : NONE;

/** Of a proof, which none of the answer's own is, there are no more than three (RFC 5155 section 8.4). */
const MAX_BESIDE = 3;

function denialsBeside(authorities: readonly Rrset[]): Rrset[] | undefined {
  if (!authorities.some(one => DENIALS.has(one.type))) return undefined;
  return authorities.filter(one => DENIALS.has(one.type) && one.signatures.length > 0).slice(0, MAX_BESIDE);
}

/** The SOA of a zone that the name is in, and the proofs beside it; nothing where there is none. */
function denialOf(name: Uint8Array, authorities: readonly Rrset[]): Rrset[] {
  const soa = authorities.find(one => one.type === Type.SOA && one.data.length > 0 && isAtOrBelow(name, one.name));
  return soa === undefined ? [] : [soa, ...authorities.filter(one => DENIALS.has(one.type))];
}

/**
 * What an alias leads to, as far as a recursive resolver has followed it. A server with authority is asked for the target
 * again, as of its answer only the first link is sure to be authoritative (RFC 2181 section 5.4.1); but for what the zone
 * itself has signed, which no zone below it has a say in, and which has to prove itself. Only what the chain itself leads
 * to counts, and a denial of its end counts with an SOA.
 * @param isSigned signatures say whose word it is
 */
function furtherLinks(
  answers: readonly Rrset[],
  authorities: readonly Rrset[],
  asked: Asked,
  rcode: number,
  first: { rrsets: Rrset[]; target?: Uint8Array },
  isSigned: boolean,
): FoundLink[] {
  const { recursive, zone } = asked;
  if (first.target === undefined || !(recursive || (isSigned && isSignedBy(zone, first.rrsets)))) return NO_LINKS;
  const links: FoundLink[] = [];
  let target: Uint8Array | undefined = first.target;
  while (target !== undefined && links.length < L.aliases && isAtOrBelow(target, zone)) {
    const link = readAnswer(answers, { ...asked, name: target }, rcode);
    if (!recursive && !(link !== undefined && isSignedBy(zone, link.rrsets))) break;
    if (link === undefined) {
      const authority = denialOf(target, authorities);
      if (authority.length > 0 && rcode !== Rcode.YXDOMAIN) links.push({ rcode, rrsets: [], authority });
      break;
    }
    links.push({ ...link, authority: wildcardProof(link.rrsets, authorities) });
    ({ target } = link);
  }
  return links;
}

/** Of a DNAME and the alias made from it the DNAME is signed. */
const isSignedBy = (zone: Uint8Array, [rrset]: readonly Rrset[]): boolean =>
  rrset.signatures.some(one => {
    const signer = parseSignature(one)?.signer;
    return signer !== undefined && equalNames(signer, zone);
  });

/** The first link of the answer: the records asked for, or the alias that stands in their place. */
function readAnswer(
  answers: readonly Rrset[],
  asked: Asked,
  rcode: number,
): { rrsets: Rrset[]; target?: Uint8Array; rcode: number } | undefined {
  const here = answers.filter(one => equalNames(one.name, asked.name));
  if (asked.type === Type.ANY) return readAny(here, answers, asked);
  const wanted = here.find(one => one.type === asked.type && (one.data.length > 0 || asked.type === Type.RRSIG));
  // An alias that was asked for may be one that a DNAME makes, which is what proves it (RFC 6672 section 5.3.1).
  const isMade = asked.type === Type.CNAME && wanted?.signatures.length === 0;
  if (wanted !== undefined && !isMade) return { rrsets: [wanted], rcode: Rcode.NOERROR };
  if (asked.type === Type.RRSIG) {
    const signed = here.filter(one => one.signatures.length > 0);
    if (signed.length > 0) {
      const data = signed.flatMap(one => one.signatures);
      const ttl = Math.min(...signed.map(one => one.ttl));
      return { rrsets: [{ name: asked.name, type: Type.RRSIG, ttl, data, signatures: [] }], rcode: Rcode.NOERROR };
    }
  }
  const dname = dnameAbove(answers, asked.name);
  if (dname !== undefined)
    return throughDname(dname, asked.name, asked.type) ?? { rrsets: [dname], rcode: Rcode.YXDOMAIN };
  if (wanted !== undefined) return { rrsets: [wanted], rcode: Rcode.NOERROR };
  const cname = here.find(one => one.type === Type.CNAME && one.data.length > 0);
  if (cname === undefined) return undefined;
  // More than one is an error of the zone; the first is as good as any.
  return { rrsets: [{ ...cname, data: [cname.data[0]] }], target: foldName(cname.data[0]), rcode };
}

/**
 * All that there is of a name; an alias leads nowhere then. A zone's DS records are its parent's, and signatures alone
 * sign nothing.
 */
function readAny(
  here: readonly Rrset[],
  answers: readonly Rrset[],
  { name, zone }: Asked,
): { rrsets: Rrset[]; rcode: number } | undefined {
  const dname = dnameAbove(answers, name);
  // The alias that it makes was asked for, as all is.
  if (dname !== undefined) return throughDname(dname, name, Type.CNAME) ?? { rrsets: [dname], rcode: Rcode.YXDOMAIN };
  const isChild = equalNames(name, zone) || here.some(one => one.type === Type.SOA);
  const rrsets = here.filter(one => one.data.length > 0 && !(isChild && one.type === Type.DS));
  return rrsets.length > 0 ? { rrsets, rcode: Rcode.NOERROR } : undefined;
}

const dnameAbove = (answers: readonly Rrset[], name: Uint8Array): Rrset | undefined =>
  answers.find(
    one =>
      one.type === Type.DNAME && one.data.length === 1 && one.name.length < name.length && isAtOrBelow(name, one.name),
  );

/**
 * The alias that a DNAME makes for a name below it (RFC 6672 section 2.2); undefined when that is too long. Who asked for
 * the alias has what was asked for.
 */
export function throughDname(
  dname: Rrset,
  name: Uint8Array,
  type: number,
): { rrsets: Rrset[]; target?: Uint8Array; rcode: number } | undefined {
  const prefix = name.subarray(0, name.length - dname.name.length);
  const target = Uint8Array.from([...prefix, ...dname.data[0]]);
  if (target.length > 255) return undefined;
  const alias: Rrset = { name, type: Type.CNAME, ttl: dname.ttl, data: [target], signatures: [] };
  const next = type === Type.CNAME ? undefined : foldName(target);
  return { rrsets: [dname, alias], target: next, rcode: Rcode.NOERROR };
}
