// The chain of trust: from an anchor, zone cut by zone cut, to the keys of the zone that a name is in (RFC 4035 section 5).
//
// Names say where zones may begin: signers of what is signed, owners of the SOA and NS records beside what is not. A zone is
// asked for by such a name at once, and what is in between only as far as the response was signed by a zone in between:
// below ip6.arpa there are thirty labels and four zones. A hint proves nothing. Keys are believed that were signed by keys
// that are believed, a missing DS is what the zone above has signed, and what neither shows is walked to label by label.
import { ExtendedError, Type } from '../wire/iana.js';
import { equalNames, isAtOrBelow, nameKey, nameToText } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import { type ChainContext, fetch, keysBy, notSecure, readDs, unanswered } from './delegation.js';
import { parseSignature } from './signature.js';
import type { Fetched, Steps } from './steps.js';
import type { Anchor } from './trust.js';
import { insecure } from './verdict.js';
import { isUnfetched, type Known, type ZoneState } from './zone-keys.js';

const NO_ANCHOR: ZoneState = {
  status: 'indeterminate',
  reason: 'no trust anchor',
  ede: ExtendedError.dnssecIndeterminate,
};

/** Seconds for which the keys below an anchor are believed at the most: it has no TTL of its own. */
const ANCHOR_SECONDS = 3600;
/** Signers of an RRset whose zones are looked for: a zone that moves has two. */
const MAX_SIGNERS = 2;
/**
 * Labels below what is known beyond which hints are followed for what is not signed: the walk from the top asks no server
 * below the first zone without keys.
 */
const FAR = 4;

/**
 * The state of the zone that a name is in.
 * @param name folded
 * @param hints where that zone may begin
 */
export function* zoneOf(name: Uint8Array, context: ChainContext, hints: readonly Uint8Array[] = []): Steps<ZoneState> {
  const { anchors, now } = context;
  const anchor = anchors.closest(name, now);
  if (anchor === undefined) return NO_ANCHOR;
  if (anchor === 'negative') {
    const { zone } = anchors.negativeAt(name, now)!;
    return notSecure(insecure(`a negative trust anchor at ${nameToText(zone)}`));
  }
  return yield* walk(name, anchor, context, { hints, mayAsk: true });
}

/** What begins at a name, which its closest anchor is not above: by the response to the question for its DS. */
export function* zoneAt(name: Uint8Array, context: ChainContext): Steps<Known> {
  const { zones, now } = context;
  const known = zones.get(name, now);
  if (known !== undefined) return known;
  const anchor = context.anchors.closest(name, now) as Anchor;
  if (equalNames(name, anchor.zone)) return yield* keysBy(name, anchor, ANCHOR_SECONDS, context);
  const near = zones.nearest(name, anchor.zone, now);
  if (near !== undefined && near.state.status !== 'secure') return near.state;
  const response = yield* fetch(name, Type.DS, context);
  if (response === 'spent' || 'failure' in response) return unanswered(name, Type.DS, response, context);
  const above = name.subarray(1 + name[0]);
  let failed: Known | undefined;
  for (const signer of signersOfResponse(response, above, context)) {
    const state = yield* zoneAt(signer, context);
    if (state.status === 'inside') continue;
    if (state.status !== 'secure') return state;
    const found = yield* readDs(response, name, state, context, true);
    if (found === undefined) continue;
    if (found.status !== 'bogus') return found;
    failed = found;
  }
  if (failed !== undefined) return failed;
  // Nobody signed it: right below a zone without keys only, and that zone has to be found.
  const state = yield* walk(above, anchor, context, { hints: zoneHints(response, above), mayAsk: false });
  return state.status === 'secure' ? yield* readDs(response, name, state, context) : state;
}

/** From the closest zone that is known, by hints and then label by label. */
function* walk(
  name: Uint8Array,
  anchor: Anchor,
  context: ChainContext,
  { hints, mayAsk }: { hints: readonly Uint8Array[]; mayAsk: boolean },
): Steps<ZoneState> {
  const { zones, now } = context;
  let near = zones.nearest(name, anchor.zone, now);
  if (near === undefined) {
    const state = yield* keysBy(anchor.zone, anchor, ANCHOR_SECONDS, context);
    near = { state, at: name.length - anchor.zone.length };
  }
  let { state, at } = near;
  const isFar = countTo(name, at) > FAR;
  for (const hint of isFar ? (mayAsk ? [...hints, name] : hints) : []) {
    if (state.status !== 'secure' || at === 0) return state;
    const begin = name.length - hint.length;
    if (begin >= at || !isAtOrBelow(name, hint)) continue;
    let known: Known | undefined = yield* zoneAt(hint, context);
    if (known.status === 'inside') known = zones.get(known.zone, now);
    // A server below a zone without keys need not know DS: what is above it says more.
    if (known === undefined || known.status === 'inside' || isUnfetched(known)) continue;
    state = known;
    at = begin;
  }
  // The labels in between, from the top.
  for (const begin of beginsOf(name, at)) {
    if (state.status !== 'secure') return state;
    const child = name.subarray(begin);
    const known = zones.get(child, now) ?? (yield* stepTo(child, state, context));
    if (known.status !== 'inside') state = known;
  }
  return state;
}

function* stepTo(child: Uint8Array, above: ZoneState & { status: 'secure' }, context: ChainContext): Steps<Known> {
  const response = yield* fetch(child, Type.DS, context);
  if (response === 'spent' || 'failure' in response) return unanswered(child, Type.DS, response, context);
  return yield* readDs(response, child, above, context);
}

/** Labels before the octet at which the rest of a name begins. */
function countTo(name: Uint8Array, end: number): number {
  let labels = 0;
  for (let at = 0; at < end; at += 1 + name[at]) labels++;
  return labels;
}

/** Where the labels before `end` begin, the last one first. */
function beginsOf(name: Uint8Array, end: number): number[] {
  const begins: number[] = [];
  for (let at = 0; at < end; at += 1 + name[at]) begins.push(at);
  return begins.reverse();
}

/**
 * Signers that an RRset of this place can have, as its signatures say: at or above it, but not above the anchor that counts
 * there. A negative one leaves none.
 */
export function signersOf(rrset: Rrset, place: Uint8Array, { anchors, now }: ChainContext): Uint8Array[] {
  if (rrset.signatures.length === 0) return [];
  const anchor = anchors.closest(place, now);
  return anchor === undefined || anchor === 'negative' ? [] : signersWithin(rrset, place, anchor.zone);
}

/**
 * Those above the closest anchor, as far as others reach, where any anchor may make an answer secure: that it is not is for
 * the closest to show.
 */
export function signersAbove(rrset: Rrset, place: Uint8Array, { anchors, now, policy }: ChainContext): Uint8Array[] {
  if (policy.nestedAnchors !== 'any' || rrset.signatures.length === 0) return [];
  const closest = anchors.closest(place, now);
  if (closest === undefined || closest === 'negative') return [];
  let top = closest;
  while (top.zone.length > 1) {
    const next = anchors.closest(top.zone.subarray(1 + top.zone[0]), now);
    if (next === undefined || next === 'negative') break;
    top = next;
  }
  if (top === closest) return [];
  return signersWithin(rrset, place, top.zone).filter(one => one.length < closest.zone.length);
}

function signersWithin(rrset: Rrset, place: Uint8Array, top: Uint8Array): Uint8Array[] {
  const signers = new Map<string, Uint8Array>();
  for (const data of rrset.signatures) {
    const signer = parseSignature(data)?.signer;
    if (signer === undefined || !isAtOrBelow(place, signer) || !isAtOrBelow(signer, top)) continue;
    signers.set(nameKey(signer), signer);
  }
  return [...signers.values()].slice(0, MAX_SIGNERS);
}

/** Those of what answers a question for DS: the records, a CNAME in their place, or the proof that there are none. */
function signersOfResponse({ answer, authority }: Fetched, place: Uint8Array, context: ChainContext): Uint8Array[] {
  const signers = new Map<string, Uint8Array>();
  for (const rrset of [...answer, ...authority].slice(0, MAX_RRSETS)) {
    if (!SIGNED_TYPES.has(rrset.type)) continue;
    for (const signer of signersOf(rrset, place, context)) signers.set(nameKey(signer), signer);
  }
  return [...signers.values()].slice(0, MAX_SIGNERS);
}
const SIGNED_TYPES = new Set<number>([Type.DS, Type.CNAME, Type.NSEC, Type.NSEC3]);
const MAX_RRSETS = 24;

/** Where the zone of an unsigned name may begin: at the records of an apex in the response, or where the fetcher says. */
export function zoneHints({ authority, zone }: Fetched, name: Uint8Array): Uint8Array[] {
  const hints = zone === undefined ? [] : [zone];
  for (const one of authority) {
    if ((one.type === Type.SOA || one.type === Type.NS) && isAtOrBelow(name, one.name)) hints.push(one.name);
    if (hints.length === MAX_SIGNERS) break;
  }
  return hints;
}
