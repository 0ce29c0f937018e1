// Judges a whole response: each RRset by its zone's keys, each link of a chain of CNAMEs, and what is denied
// (RFC 4035 section 5, RFC 6672 section 5.3, RFC 6840). No network and no clock: both are arguments.
import { ExtendedError, Rcode, Type, typeName } from '../wire/iana.js';
import { equalNames, foldedName, isAtOrBelow, nameKey, nameToText, plainNameLength } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import { ownerLabels } from './canonical.js';
import { signersAbove, signersOf, zoneAt, zoneHints, zoneOf } from './chain.js';
import {
  type ChainContext,
  type CheckedRrset,
  denialsOf,
  staleKeys,
  verifiedProofs,
  verifyOnce,
} from './delegation.js';
import { verdictOf } from './denial.js';
import { type Fetched, type FetchRecords, run, type Steps } from './steps.js';
import { bogus, insecure, SECURE, type Verdict, worse } from './verdict.js';
import type { ZoneState } from './zone-keys.js';

/** Links of CNAMEs that are followed in one response. */
const MAX_LINKS = 16;
/** RRsets of an answer that are judged, as of ANY; one that has more is bogus. */
const MAX_RRSETS = 24;
/** Signers of a denial's records whose zones are looked for. */
const MAX_SIGNERS = 2;

export interface RrsetVerdict extends Verdict {
  /** Seconds for which it may be kept. */
  ttl: number;
  /** Labels that were signed: fewer than the owner's for what was made from a wildcard. */
  labels: number;
}

const NONE: readonly Rrset[] = [];

/** Of a name that was said not to exist: it does, without such data. */
const NODATA: Verdict = Object.freeze({ ...SECURE });

export interface Validation extends Verdict {
  /**
   * RRsets of answer and authority section, as far as they were looked at: a bogus one ends it. Those of the authority that
   * are not secure are to be left out.
   */
  rrsets: ReadonlyMap<Rrset, RrsetVerdict>;
  /** RRsets whose signatures were looked at, by whose keys: those of the chain of trust too, but for DNSKEY. */
  checked: ReadonlyMap<Rrset, CheckedRrset>;
  /** Least lifetime of what the verdict rests on, in seconds. */
  ttl: number;
  /** The response's, or NOERROR where it says NXDOMAIN of a name that its own records show to be there. */
  rcode: number;
}

export interface Judged extends Fetched {
  /** Records that came along and are no part of it: checked by keys that are known by then, and found in `checked`. */
  beside?: readonly Rrset[];
}

export interface ValidationContext extends ChainContext {
  fetchRecords: FetchRecords;
}

export interface Question {
  /** Folded. */
  name: Uint8Array;
  type: number;
  /** What stands at the name is from above the cut that may be there, as DS records are (RFC 4035 section 3.1.4.1). */
  isParents?: boolean;
}

/**
 * Judges a response to a question.
 * @returns at once where every record asked for is at hand, else a promise. Neither throws: what `fetchRecords` throws is a
 *   verdict, `indeterminate` with `unfetched`
 */
export function validate(
  question: Question,
  response: Judged,
  context: ValidationContext,
): Validation | Promise<Validation> {
  return run(judge(question, response, context), context.fetchRecords);
}

function* judge(question: Question, response: Judged, asked: ChainContext): Steps<Validation> {
  const { rcode, answer, authority } = response;
  // Written out: what is spread into a literal goes V8's slow way (2 us).
  const { now, budget, policy, anchors, zones, paid } = asked;
  const checked = new Map<Rrset, CheckedRrset>();
  const context: ChainContext = { now, budget, policy, anchors, zones, checked, paid };
  const rrsets = new Map<Rrset, RrsetVerdict>();
  if (answer.length > MAX_RRSETS) return { ...bogus('more RRsets than are judged'), rrsets, checked, ttl: 0, rcode };
  let verdict: Verdict = SECURE;
  let ttl = Number.POSITIVE_INFINITY;
  const made: Rrset[] = [];
  for (const rrset of answer) {
    // Signatures without what they sign.
    if (rrset.data.length === 0) continue;
    if (dnameOf(rrset, answer) !== undefined) {
      made.push(rrset);
      continue;
    }
    const place = placeIn(rrset, question);
    const own = yield* judgeRrset(rrset, place, context, zoneHints(response, place));
    let whole: Verdict = own;
    if (own.status === 'secure' && own.labels < ownerLabels(rrset.name)) {
      whole = yield* judgeExpansion(rrset, own.labels, response, context);
      rrsets.set(rrset, { ...own, ...whole });
    } else rrsets.set(rrset, own);
    verdict = worse(verdict, whole);
    // Nothing that comes after makes it better.
    if (verdict.status === 'bogus') return { ...verdict, rrsets, checked, ttl: 0, rcode };
    ttl = Math.min(ttl, own.ttl);
  }
  for (const rrset of made) {
    const of = dnameOf(rrset, answer)!;
    const dname = rrsets.get(of)!;
    const place = placeIn(rrset, question);
    let own = { ...dname, ttl: Math.min(rrset.ttl, dname.ttl), labels: ownerLabels(rrset.name) };
    if (!reachesFrom(of.name, place, dname, context)) {
      own = yield* judgeRrset(rrset, place, context, zoneHints(response, place));
      verdict = worse(verdict, own);
    }
    rrsets.set(rrset, own);
    if (verdict.status === 'bogus') return { ...verdict, rrsets, checked, ttl: 0, rcode };
    ttl = Math.min(ttl, own.ttl);
  }
  if (question.type === Type.RRSIG && answer.some(one => one.signatures.length > 0)) {
    verdict = worse(verdict, insecure('signatures are not signed'));
    return { ...verdict, rrsets, checked, ttl: Math.min(ttl, ...answer.map(one => one.ttl)), rcode };
  }
  let code = rcode;
  const end = endOfChain(question, answer);
  if (end !== undefined) {
    const kind = rcode === (Rcode.NXDOMAIN as number) ? 'nxdomain' : 'nodata';
    const denial = yield* judgeDenial(end, question.type, response, context, kind);
    if (denial === NODATA) code = Rcode.NOERROR;
    verdict = worse(verdict, denial);
  }
  for (const rrset of authority) {
    if (rrsets.size >= MAX_RRSETS) break;
    // A denial's SOA says how long it holds: it is part of it. Unsigned NS records are left out, no more.
    const isPart = end !== undefined && rrset.type === Type.SOA;
    const own = isPart
      ? yield* judgeRrset(rrset, rrset.name, context, [rrset.name])
      : yield* judgeAddition(rrset, context);
    rrsets.set(rrset, own);
    if (own.status === 'secure' || isPart) ttl = Math.min(ttl, own.ttl);
    if (isPart) verdict = worse(verdict, own);
  }
  for (const rrset of response.beside ?? NONE) yield* judgeAddition(rrset, context);
  return { ...verdict, rrsets, checked, ttl: Number.isFinite(ttl) ? ttl : 0, rcode: code };
}

/** The name that the answer has no data for, folded; undefined where the question is answered. */
function endOfChain(question: Question, answer: readonly Rrset[]): Uint8Array | undefined {
  let { name } = question;
  for (let links = 0; links <= MAX_LINKS; links++) {
    const here = answer.filter(one => one.data.length > 0 && equalNames(one.name, name));
    if (here.some(one => one.type === question.type || question.type === Type.ANY)) return undefined;
    const cname = here.find(one => one.type === Type.CNAME);
    if (cname === undefined || !isName(cname.data[0])) return name;
    name = foldedName(cname.data[0]);
  }
  return name;
}

/** Data that no message could have had may come from elsewhere: it must not be walked as a name. */
const isName = (data: Uint8Array): boolean => data.length > 0 && plainNameLength(data, 0) === data.length;

/** The DNAME that makes this unsigned CNAME of its owner (RFC 6672 section 3.3): that is what is judged. */
function dnameOf({ name, type, data, signatures }: Rrset, answer: readonly Rrset[]): Rrset | undefined {
  if (type !== Type.CNAME || signatures.length > 0 || data.length !== 1) return undefined;
  return answer.find(one => {
    if (one.type !== Type.DNAME || one.data.length !== 1 || one.name.length === name.length) return false;
    if (!isAtOrBelow(name, one.name) || !isName(one.data[0])) return false;
    const prefix = name.subarray(0, name.length - one.name.length);
    return equalNames(Buffer.concat([prefix, one.data[0]]), data[0]);
  });
}

/** The name whose zone the RRset is in: DS records are their parent's. */
const placeOf = (name: Uint8Array, type: number): Uint8Array =>
  type === Type.DS && name.length > 1 ? name.subarray(1 + name[0]) : name;

/** The same of an RRset of an answer: an alias in place of DS records is their parent's too. */
const placeIn = ({ name, type }: Rrset, question: Question): Uint8Array =>
  (question.isParents === true || question.type === Type.DS) && type === Type.CNAME && equalNames(name, question.name)
    ? placeOf(name, Type.DS)
    : placeOf(name, type);

/**
 * Whether what is made of a DNAME at a place below it is as good as the DNAME: not where a trust anchor of its own, positive
 * or negative, decides on that place.
 */
function reachesFrom(above: Uint8Array, place: Uint8Array, { status }: Verdict, context: ChainContext): boolean {
  if (status === 'secure' && context.policy.nestedAnchors === 'any') return true;
  return !context.anchors.haveBetween(above, place);
}

function* judgeRrset(
  rrset: Rrset,
  place: Uint8Array,
  context: ChainContext,
  hints: readonly Uint8Array[],
): Steps<RrsetVerdict> {
  const labels = ownerLabels(rrset.name);
  let failure: Verdict | undefined;
  for (const signer of signersOf(rrset, place, context)) {
    const state = yield* zoneAt(signer, context);
    if (state.status !== 'secure' || !equalNames(state.zone, signer)) continue;
    const verdict = yield* verifyOnce(rrset, state, context);
    if (verdict.status === 'secure') return verdict;
    failure = { ...verdict, by: staleKeys(verdict, state) };
  }
  for (const signer of signersAbove(rrset, place, context)) {
    const state = yield* zoneAt(signer, context);
    if (state.status !== 'secure' || !equalNames(state.zone, signer)) continue;
    const verdict = yield* verifyOnce(rrset, state, context);
    if (verdict.status === 'secure') return verdict;
  }
  if (failure !== undefined) return { ...failure, reason: `${label(rrset)}: ${failure.reason}`, ttl: 0, labels };
  // No signature that counts: right in a zone without keys only. What a forged signer says of itself is no proof.
  const state = yield* zoneOf(place, context, hints);
  return withoutSignature(rrset, state, labels);
}

function withoutSignature(rrset: Rrset, state: ZoneState, labels: number): RrsetVerdict {
  if (state.status !== 'secure') return { ...state, ttl: state.status === 'insecure' ? rrset.ttl : 0, labels };
  // What cannot be read, or is of another signer, is there all the same (RFC 8914 section 4.11).
  const verdict =
    rrset.signatures.length > 0
      ? bogus('no signature of its zone')
      : bogus('no signatures', ExtendedError.rrsigsMissing);
  return { ...verdict, reason: `${label(rrset)}: ${verdict.reason}`, ttl: 0, labels };
}

/** The same by what is known already: records that are added to an answer are not worth a question. */
function* judgeAddition(rrset: Rrset, context: ChainContext): Steps<RrsetVerdict> {
  const { anchors, zones, now } = context;
  const place = placeOf(rrset.name, rrset.type);
  const labels = ownerLabels(rrset.name);
  const unknown: RrsetVerdict = { status: 'indeterminate', reason: 'of no account', ttl: 0, labels };
  for (const signer of signersOf(rrset, place, context)) {
    const state = zones.get(signer, now);
    if (state?.status !== 'secure') continue;
    const verdict = yield* verifyOnce(rrset, state, context);
    return verdict.status === 'secure' ? verdict : { ...verdict, ttl: 0, labels };
  }
  const anchor = anchors.closest(place, now);
  if (anchor === undefined || anchor === 'negative') return { ...unknown, ttl: rrset.ttl };
  const near = zones.nearest(place, anchor.zone, now);
  if (near === undefined || (near.state.status === 'secure' && near.at > 0)) return unknown;
  return withoutSignature(rrset, near.state, labels);
}

const label = ({ name, type }: Rrset): string => `${nameToText(name)} ${typeName(type)}`;

/**
 * Whether a name has no data of its own that a wildcard's would stand in for, by the zone whose keys have signed the
 * wildcard's: another, whose parent or child it may be, has other names (RFC 4035 section 5.3.4).
 */
function* judgeExpansion(rrset: Rrset, labels: number, { authority }: Fetched, context: ChainContext): Steps<Verdict> {
  const what = `${nameToText(rrset.name)} has no data of its own`;
  if (denialsOf(authority).length === 0) return bogus(`no proof that ${what}`, ExtendedError.nsecMissing);
  const { by } = context.checked!.get(rrset)!;
  const { proofs, failure } = yield* verifiedProofs(authority, by, context);
  const proof = proofs.wildcard(rrset.name, labels);
  return proof === 'missing' && failure !== undefined ? failure : verdictOf(proof, what);
}

/** Those that the closest anchor leads to come first. */
function* signersOfDenial(
  authority: readonly Rrset[],
  place: Uint8Array,
  context: ChainContext,
): Generator<[Rrset, Uint8Array, boolean]> {
  const denials = denialsOf(authority);
  for (const one of denials) for (const signer of signersOf(one, place, context)) yield [one, signer, false];
  for (const one of denials) for (const signer of signersAbove(one, place, context)) yield [one, signer, true];
}

function* judgeDenial(
  name: Uint8Array,
  type: number,
  response: Fetched,
  context: ChainContext,
  kind: 'nxdomain' | 'nodata',
): Steps<Verdict> {
  const { authority } = response;
  const place = placeOf(name, type);
  const what = `${nameToText(name)} ${kind === 'nxdomain' ? 'does not exist' : 'has no such data'}`;
  const tried = new Set<string>();
  let worst: Verdict | undefined;
  for (const [rrset, signer, isAbove] of signersOfDenial(authority, place, context)) {
    if (!isAtOrBelow(rrset.name, signer) || tried.size >= MAX_SIGNERS || tried.has(nameKey(signer))) continue;
    tried.add(nameKey(signer));
    const state = yield* zoneAt(signer, context);
    if (state.status !== 'secure' || !equalNames(state.zone, signer)) continue;
    const { proofs, failure } = yield* verifiedProofs(authority, state, context);
    const proof = kind === 'nodata' ? proofs.nodata(name, type) : proofs.nxdomain(name);
    if (proof === 'iterations') {
      // Records that are not looked at do not even show the name to be in their zone: one below may have keys.
      const state = yield* zoneOf(place, context, zoneHints(response, place));
      if (state.status !== 'secure') return state;
      if (!equalNames(state.zone, signer)) continue;
    }
    const verdict = proof === 'missing' ? undefined : verdictOf(proof, what);
    if (verdict !== undefined && (!isAbove || verdict.status === 'secure')) return verdict;
    // A server may say NXDOMAIN of a name that has names below it; its records know better.
    if (kind === 'nxdomain' && proofs.nodata(name, type) === 'proven') return NODATA;
    if (!isAbove) worst = failure ?? verdictOf(proof, what);
  }
  // A zone with keys that proved something else is not made insecure by an opt-out span that the name lies in.
  if (worst !== undefined) return worst;
  const state = yield* zoneOf(place, context, zoneHints(response, place));
  if (state.status !== 'secure') return state;
  return bogus(`no proof that ${what}`, ExtendedError.nsecMissing);
}
