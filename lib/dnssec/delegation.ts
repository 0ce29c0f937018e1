// What the responses to questions for DS and DNSKEY records say of one zone (RFC 4035 section 5.2).
//
// Bounds: 32 keys of a zone are kept, of 8 KB together (eight of RSA 4096 are 4), those that may sign first. 16 records of a response count as
// proof: three for each of four links of a chain made from wildcards, and what its end lacks (PowerDNS looks at 10).
import { sameOctets } from '../base/octets.js';
import { ExtendedError, Type, typeName } from '../wire/iana.js';
import { equalNames, nameToText } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import { algorithmOf } from './algorithms.js';
import { ownerLabels } from './canonical.js';
import { proofsOf, verdictOf } from './denial.js';
import { matchDs, parseDs, usableDs } from './ds.js';
import { type DnsKey, MAX_KEY_SIZE, parseKey, signsZone } from './key.js';
import type { Answered, Fetched, Steps } from './steps.js';
import type { Anchor, TrustAnchors } from './trust.js';
import { bogus, insecure, type Judging, unfetched, type Verdict } from './verdict.js';
import { type SignatureVerdict, verifyBy } from './verify.js';
import {
  BOGUS_SECONDS,
  type Inside,
  type Known,
  type SecureZone,
  UNFETCHED_SECONDS,
  type ZoneKeys,
  type ZoneState,
} from './zone-keys.js';

/** RRsets that a question has had checked, by identity: a denial is read for its proofs and as records. */
export type CheckedRrsets = Map<Rrset, CheckedRrset>;
export interface CheckedRrset {
  by: SecureZone;
  verdict: SignatureVerdict;
}
/**
 * What a client's question has paid for, by the end of an RRset's first signature: the same proofs come with several links
 * of a chain. Two of one end have one place.
 */
export type PaidChecks = Map<number, { rrset: Rrset } & CheckedRrset>;

export interface ChainContext extends Judging {
  anchors: TrustAnchors;
  zones: ZoneKeys;
  /** Of one question; without it nothing is remembered. */
  checked?: CheckedRrsets;
  /** Of one client's question, as the budget is. */
  paid?: PaidChecks;
}

const MAX_KEYS = 32;
const MAX_KEYS_SIZE = 8192;
const MAX_PROOFS = 16;

/** Whatever it is, it is not secure. */
export const notSecure = (verdict: Verdict): ZoneState => verdict as ZoneState;

/** Checks an RRset once a question, good or bad. */
export function* verifyOnce(rrset: Rrset, by: SecureZone, context: ChainContext): Steps<SignatureVerdict> {
  const { checked, paid } = context;
  const known = checked?.get(rrset);
  if (known !== undefined && known.by === by) return known.verdict;
  const place = placeOf(rrset.signatures);
  const before = paid?.get(place);
  let verdict: SignatureVerdict;
  if (before !== undefined && before.by === by && isSameRrset(before.rrset, rrset)) {
    ({ verdict } = before);
    if (verdict.status === 'secure' && verdict.ttl > rrset.ttl) verdict = { ...verdict, ttl: rrset.ttl };
  } else {
    verdict = yield* verifyBy(rrset, by, context);
    // Of what was not looked at for want of a budget nothing is known.
    if (!context.budget.isSpent) paid?.set(place, { rrset, by, verdict });
  }
  checked?.set(rrset, { by, verdict });
  return verdict;
}

/** The last four octets of the first signature. */
function placeOf([signature]: readonly Uint8Array[]): number {
  if (signature === undefined || signature.length < 4) return 0;
  const { buffer, byteOffset, length } = signature;
  return new DataView(buffer, byteOffset, length).getUint32(length - 4);
}
/** But for the TTL, which is not signed. */
const isSameRrset = (a: Rrset, b: Rrset): boolean =>
  a.type === b.type && equalNames(a.name, b.name) && areSame(a.data, b.data) && areSame(a.signatures, b.signatures);
const areSame = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a === b || (a.length === b.length && a.every((one, i) => sameOctets(one, b[i])));

export function* fetch(name: Uint8Array, type: number, context: ChainContext): Steps<Answered | 'spent'> {
  return !context.budget.isSpent && context.budget.spendFetch() ? ((yield { name, type }) as Answered) : 'spent';
}

/** What no answer to a question says of the zone. That it is not kept as bogus: the next question may get one. */
export function unanswered(
  name: Uint8Array,
  type: number,
  why: Exclude<Answered, Fetched> | 'spent',
  context: ChainContext,
): ZoneState {
  const what = `${nameToText(name)} ${typeName(type)}`;
  if (why === 'spent') return notSecure(bogus(`${what}: more work than a question may cost`));
  return keep(name, notSecure(unfetched(`${what}: ${why.failure}`, why.ede)), context, UNFETCHED_SECONDS);
}

/** The zone whose keys may be out of date by what they did not verify: no other key makes an expired signature good. */
export function staleKeys({ ede }: Verdict, { zone }: SecureZone): Uint8Array | undefined {
  return ede === ExtendedError.dnssecBogus || ede === ExtendedError.dnskeyMissing ? zone : undefined;
}

const find = (rrsets: readonly Rrset[], name: Uint8Array, type: number): Rrset | undefined =>
  rrsets.find(one => one.type === type && one.data.length > 0 && equalNames(one.name, name));

function keep<T extends Known>(name: Uint8Array, known: T, context: ChainContext, seconds: number): T {
  // What a spent budget says is about the question, not about the zone.
  if (!context.budget.isSpent) context.zones.set(name, known, context.now, seconds);
  return known;
}

/** As many as are kept, in memory of their own: first those that the zone's keys are believed by, then those of use. */
function keysToKeep(all: readonly DnsKey[], entry: ReadonlySet<DnsKey>, { policy }: Judging): DnsKey[] {
  const isOfUse = (key: DnsKey): boolean => signsZone(key) && algorithmOf(key.algorithm, policy) !== undefined;
  const others = all.filter(key => !entry.has(key));
  const kept: DnsKey[] = [];
  let octets = 0;
  for (const key of [...entry, ...others.filter(isOfUse), ...others.filter(one => !isOfUse(one))]) {
    octets += key.data.length;
    if (kept.length === MAX_KEYS || octets > MAX_KEYS_SIZE) break;
    kept.push({ ...key, data: Uint8Array.from(key.data) });
  }
  return kept;
}

/** The zone's keys, by what was said of them above. */
export function* keysBy(
  zone: Uint8Array,
  { ds, keys: trusted }: Pick<Anchor, 'ds' | 'keys'>,
  seconds: number,
  context: ChainContext,
): Steps<ZoneState> {
  const { usable, why } = usableDs(ds, context.policy);
  if (usable.length === 0 && trusted.length === 0) {
    const code = why === 'algorithm' ? ExtendedError.unsupportedKeyAlgorithm : ExtendedError.unsupportedDsDigest;
    return keep(zone, notSecure(insecure(`no DS record with a supported ${why}`, code)), context, seconds);
  }
  const restsOn = { name: Uint8Array.from(zone), type: Type.DNSKEY };
  const fail = (reason: string, ede?: Verdict['ede']): ZoneState =>
    keep(zone, notSecure({ ...bogus(`${nameToText(zone)}: ${reason}`, ede), restsOn }), context, BOGUS_SECONDS);
  const response = yield* fetch(zone, Type.DNSKEY, context);
  if (response === 'spent' || 'failure' in response) return unanswered(zone, Type.DNSKEY, response, context);
  const rrset = find(response.answer, zone, Type.DNSKEY);
  if (rrset === undefined) return fail('no DNSKEY records', ExtendedError.dnskeyMissing);
  const all = rrset.data
    .filter(one => one.length <= MAX_KEY_SIZE)
    .map(parseKey)
    .filter(key => key !== undefined);
  const entry = new Set<DnsKey>(matchDs(zone, usable, all, context.budget));
  for (const key of all) if (signsZone(key) && trusted.some(one => sameOctets(one, key.data))) entry.add(key);
  if (entry.size === 0) {
    if (context.budget.isSpent) return unanswered(zone, Type.DNSKEY, 'spent', context);
    const unzoned = all.length > 0 && !all.some(signsZone);
    return unzoned
      ? fail('no key that signs zones', ExtendedError.noZoneKeyBit)
      : fail('no DNSKEY record that its DS records stand for', ExtendedError.dnskeyMissing);
  }
  const algorithms = new Set(usable.map(one => one.algorithm));
  for (const key of entry) if (trusted.length > 0) algorithms.add(key.algorithm);
  const keys = keysToKeep(all, entry, context);
  const state: SecureZone = { status: 'secure', zone: Uint8Array.from(zone), keys, algorithms: [...algorithms] };
  const verdict = yield* verifyBy(rrset, { zone, keys: [...entry], algorithms: state.algorithms }, context);
  if (verdict.status === 'bogus') return fail(`DNSKEY: ${verdict.reason}`, verdict.ede);
  return keep(zone, state, context, Math.min(seconds, verdict.ttl));
}

/**
 * What is at a name below a zone that has keys, by the response to a question for its DS: another zone, or more of this one.
 * @param above by whose keys; no other zone is known to begin in between, unless `mayBeFar`
 * @returns undefined where it is far and its records, which are not looked at, do not show what is in between
 */
export function readDs(response: Fetched, child: Uint8Array, above: SecureZone, context: ChainContext): Steps<Known>;
export function readDs(
  response: Fetched,
  child: Uint8Array,
  above: SecureZone,
  context: ChainContext,
  mayBeFar: true,
): Steps<Known | undefined>;
export function* readDs(
  response: Fetched,
  child: Uint8Array,
  above: SecureZone,
  context: ChainContext,
  mayBeFar = false,
): Steps<Known | undefined> {
  const inside: Inside = { status: 'inside', zone: above.zone };
  const fail = (verdict: Verdict): ZoneState =>
    keep(
      child,
      notSecure({
        ...verdict,
        reason: `${nameToText(child)} DS: ${verdict.reason}`,
        restsOn: { name: Uint8Array.from(child), type: Type.DS },
        by: staleKeys(verdict, above),
      }),
      context,
      BOGUS_SECONDS,
    );
  const ds = find(response.answer, child, Type.DS);
  if (ds !== undefined) {
    const verdict = yield* verifyOnce(ds, above, context);
    // DS records made from a wildcard would give keys to names that are no delegations.
    if (verdict.status === 'bogus') return fail(verdict);
    if (verdict.labels !== ownerLabels(child)) return fail(bogus('made from a wildcard'));
    return yield* keysBy(
      child,
      { ds: ds.data.filter(one => parseDs(one) !== undefined), keys: [] },
      verdict.ttl,
      context,
    );
  }
  const cname = find(response.answer, child, Type.CNAME);
  if (cname !== undefined && cname.signatures.length > 0) {
    const verdict = yield* verifyOnce(cname, above, context);
    if (verdict.status === 'bogus') return fail(verdict);
    if (verdict.labels === ownerLabels(child)) return keep(child, inside, context, verdict.ttl);
    // A wildcard's stands where there is nothing else: a delegation would have no part in it.
    const { proofs, ttl, failure } = yield* verifiedProofs(response.authority, above, context);
    const proof = proofs.wildcard(child, verdict.labels);
    if (proof === 'iterations' && mayBeFar) return undefined;
    if (proof === 'proven') return keep(child, inside, context, Math.min(verdict.ttl, ttl));
    const why = verdictOf(proof, `${nameToText(child)} has no data of its own`);
    if (why.status === 'bogus') return fail(proof === 'missing' && failure !== undefined ? failure : why);
    return keep(child, notSecure(why), context, Math.min(verdict.ttl, ttl));
  }
  const { proofs, ttl, failure } = yield* verifiedProofs(response.authority, above, context);
  const proof = proofs.noDs(child);
  if (proof === 'iterations' && mayBeFar) return undefined;
  if (proof === 'proven') return keep(child, inside, context, ttl);
  if (proof === 'cut') return keep(child, notSecure(insecure('a delegation without DS')), context, ttl);
  const what = `${nameToText(child)} has no DS`;
  const isUnshown = proof === 'missing' && response.answer.length === 0 && denialsOf(response.authority).length === 0;
  const verdict = isUnshown ? bogus(`no proof that ${what}`, ExtendedError.nsecMissing) : verdictOf(proof, what);
  if (verdict.status === 'bogus') return fail(proof === 'missing' && failure !== undefined ? failure : verdict);
  return keep(child, notSecure(verdict), context, ttl);
}

/** NSEC and NSEC3 records, as many as are looked at. */
export function denialsOf(authority: readonly Rrset[]): Rrset[] {
  const found: Rrset[] = [];
  for (const rrset of authority) {
    if (rrset.type !== Type.NSEC && rrset.type !== Type.NSEC3) continue;
    if (found.push(rrset) === MAX_PROOFS) break;
  }
  return found;
}

/** The proofs that the zone's own signatures are on; `ttl` is the least of them. */
export function* verifiedProofs(
  authority: readonly Rrset[],
  by: SecureZone,
  context: ChainContext,
): Steps<{ proofs: ReturnType<typeof proofsOf>; ttl: number; failure: Verdict | undefined }> {
  const verified: Rrset[] = [];
  let ttl = Number.POSITIVE_INFINITY;
  let failure: Verdict | undefined;
  for (const rrset of denialsOf(authority)) {
    const verdict = yield* verifyOnce(rrset, by, context);
    if (verdict.status === 'bogus') failure ??= { ...verdict, by: staleKeys(verdict, by) };
    else if (verdict.labels === ownerLabels(rrset.name)) {
      verified.push(rrset);
      ttl = Math.min(ttl, verdict.ttl);
    }
  }
  return { proofs: proofsOf(by.zone, verified, context), ttl: Number.isFinite(ttl) ? ttl : 0, failure };
}
