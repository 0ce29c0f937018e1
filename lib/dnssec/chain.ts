// The chain of trust: from an anchor, zone cut by zone cut, to the keys of the zone that a name is in (RFC 4035 section
// 5).
import { sameOctets } from '../base/octets.js';
import { ExtendedError, Type, typeName } from '../wire/iana.js';
import { countLabels, equalNames, nameToText } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import { lastLabels, ownerLabels } from './canonical.js';
import { proofsOf, verdictOf } from './denial.js';
import { matchDs, parseDs, usableDs } from './ds.js';
import { type DnsKey, parseKey, signsZone } from './key.js';
import type { Answered, Fetched, Steps } from './steps.js';
import type { Anchor, TrustAnchors } from './trust.js';
import { bogus, insecure, type Judging, unfetched, type Verdict } from './verdict.js';
import { verifyBy } from './verify.js';
import {
  BOGUS_SECONDS,
  type Known,
  type SecureZone,
  UNFETCHED_SECONDS,
  type ZoneKeys,
  type ZoneState,
} from './zone-keys.js';

export interface ChainContext extends Judging {
  anchors: TrustAnchors;
  zones: ZoneKeys;
}

const NO_ANCHOR: ZoneState = {
  status: 'indeterminate',
  reason: 'no trust anchor',
  ede: ExtendedError.dnssecIndeterminate,
};

/** Seconds for which the keys below an anchor are believed at the most: it has no TTL of its own. */
const ANCHOR_SECONDS = 3600;

/** Whatever it is, it is not secure. */
const notSecure = (verdict: Verdict): ZoneState => verdict as ZoneState;

/** The state of the zone that a name is in. @param name folded */
export function* zoneOf(name: Uint8Array, context: ChainContext): Steps<ZoneState> {
  const anchor = context.anchors.closest(name, context.now);
  if (anchor === undefined) return NO_ANCHOR;
  if (anchor === 'negative') return notSecure(insecure('a negative trust anchor'));
  let state = yield* fromAnchor(anchor, context);
  for (let labels = countLabels(anchor.zone) + 1; labels <= countLabels(name); labels++) {
    if (state.status !== 'secure') return state;
    const child = lastLabels(name, labels);
    const known = context.zones.get(child, context.now) ?? (yield* stepDown(state, child, context));
    if (known !== 'inside') state = known;
  }
  return state;
}

function* fetch(name: Uint8Array, type: number, context: ChainContext): Steps<Answered | 'spent'> {
  return !context.budget.isSpent && context.budget.spendFetch() ? yield { name, type } : 'spent';
}

/** What no answer to a question says of the zone. That it is not kept as bogus: the next question may get one. */
function unanswered(
  name: Uint8Array,
  type: number,
  why: Exclude<Answered, Fetched> | 'spent',
  context: ChainContext,
): ZoneState {
  const what = `${nameToText(name)} ${typeName(type)}`;
  if (why === 'spent') return notSecure(bogus(`${what}: more work than a question may cost`));
  return keep(name, notSecure(unfetched(`${what}: ${why.failure}`, why.ede)), context, UNFETCHED_SECONDS);
}

const find = (rrsets: readonly Rrset[], name: Uint8Array, type: number): Rrset | undefined =>
  rrsets.find(one => one.type === type && one.data.length > 0 && equalNames(one.name, name));

function keep<T extends Known>(name: Uint8Array, known: T, context: ChainContext, seconds: number): T {
  // What a spent budget says is about the question, not about the zone.
  if (!context.budget.isSpent) context.zones.set(name, known, context.now, seconds);
  return known;
}

function* fromAnchor(anchor: Anchor, context: ChainContext): Steps<ZoneState> {
  const known = context.zones.get(anchor.zone, context.now);
  if (known !== undefined && known !== 'inside') return known;
  return yield* keysBy(anchor.zone, anchor, ANCHOR_SECONDS, context);
}

/** The zone's keys, by what was said of them above. */
function* keysBy(
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
  const fail = (reason: string, ede?: Verdict['ede']): ZoneState =>
    keep(zone, notSecure(bogus(`${nameToText(zone)}: ${reason}`, ede)), context, BOGUS_SECONDS);
  const response = yield* fetch(zone, Type.DNSKEY, context);
  if (response === 'spent' || 'failure' in response) return unanswered(zone, Type.DNSKEY, response, context);
  const rrset = find(response.answer, zone, Type.DNSKEY);
  if (rrset === undefined) return fail('no DNSKEY records', ExtendedError.dnskeyMissing);
  const keys = rrset.data.map(parseKey).filter(key => key !== undefined);
  const entry = new Set<DnsKey>(matchDs(zone, usable, keys, context.budget));
  for (const key of keys) if (signsZone(key) && trusted.some(one => sameOctets(one, key.data))) entry.add(key);
  if (entry.size === 0) {
    if (context.budget.isSpent) return unanswered(zone, Type.DNSKEY, 'spent', context);
    const unzoned = keys.length > 0 && !keys.some(signsZone);
    return unzoned
      ? fail('no key that signs zones', ExtendedError.noZoneKeyBit)
      : fail('no DNSKEY record that its DS records stand for', ExtendedError.dnskeyMissing);
  }
  const algorithms = new Set(usable.map(one => one.algorithm));
  for (const key of entry) if (trusted.length > 0) algorithms.add(key.algorithm);
  const state: SecureZone = { status: 'secure', zone, keys, algorithms: [...algorithms] };
  const verdict = verifyBy(rrset, { ...state, keys: [...entry] }, context);
  if (verdict.status === 'bogus') return fail(`DNSKEY: ${verdict.reason}`, verdict.ede);
  return keep(zone, state, context, Math.min(seconds, verdict.ttl));
}

/** What is at a name below a zone that has keys: another zone, or nothing but more of this one. */
function* stepDown(above: SecureZone, child: Uint8Array, context: ChainContext): Steps<Known> {
  const fail = (verdict: Verdict): ZoneState =>
    keep(
      child,
      notSecure({ ...verdict, reason: `${nameToText(child)} DS: ${verdict.reason}` }),
      context,
      BOGUS_SECONDS,
    );
  const response = yield* fetch(child, Type.DS, context);
  if (response === 'spent' || 'failure' in response) return unanswered(child, Type.DS, response, context);
  const ds = find(response.answer, child, Type.DS);
  if (ds !== undefined) {
    const verdict = verifyBy(ds, above, context);
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
    const verdict = verifyBy(cname, above, context);
    return verdict.status === 'bogus' ? fail(verdict) : keep(child, 'inside', context, verdict.ttl);
  }
  const { proofs, ttl, failure } = verifiedProofs(response.authority, above, context);
  const proof = proofs.noDs(child);
  if (proof === 'proven') return keep(child, 'inside', context, ttl);
  if (proof === 'cut') return keep(child, notSecure(insecure('a delegation without DS')), context, ttl);
  const verdict = verdictOf(proof, `${nameToText(child)} has no DS`);
  if (verdict.status === 'bogus') return fail(proof === 'missing' && failure !== undefined ? failure : verdict);
  return keep(child, notSecure(verdict), context, ttl);
}

/** The proofs that the zone's own signatures are on; `ttl` is the least of them. */
export function verifiedProofs(
  authority: readonly Rrset[],
  by: SecureZone,
  judging: Judging,
): { proofs: ReturnType<typeof proofsOf>; ttl: number; failure: Verdict | undefined } {
  const verified: Rrset[] = [];
  let ttl = Number.POSITIVE_INFINITY;
  let failure: Verdict | undefined;
  for (const rrset of authority) {
    if (rrset.type !== Type.NSEC && rrset.type !== Type.NSEC3) continue;
    const verdict = verifyBy(rrset, by, judging);
    if (verdict.status === 'bogus') failure ??= verdict;
    else if (verdict.labels === ownerLabels(rrset.name)) {
      verified.push(rrset);
      ttl = Math.min(ttl, verdict.ttl);
    }
  }
  return { proofs: proofsOf(by.zone, verified, judging), ttl: Number.isFinite(ttl) ? ttl : 0, failure };
}
