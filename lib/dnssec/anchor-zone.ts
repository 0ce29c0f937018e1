// A zone whose trust anchors follow its keys (RFC 5011): what the operator configured, the keys and their states, and when it
// was looked at. Pure: no network, no clock, no file.
//
// A configured anchor counts as it is written until the key that it stands for was seen; from then on the key's state decides,
// so that a key which was revoked is not believed again because a file, or this package, still names it. The operator's later
// word comes first: an anchor that is configured anew is believed at once, and the key of one that is taken away is dropped.
import { sameOctets } from '../base/octets.js';
import { Type } from '../wire/iana.js';
import { encodeName, foldName, nameToText } from '../wire/name.js';
import { decodeRdata, encodeRdata } from '../wire/rdata.js';
import type { Rrset } from '../wire/rrset.js';
import { algorithmOf } from './algorithms.js';
import {
  anchorsOf,
  type AnchorState,
  observeKeys,
  probeAfter,
  revokedOf,
  type TrackedKey,
  withoutRevoke,
} from './anchor-states.js';
import { digestKey, matchDs, parseDs, usableDs } from './ds.js';
import { type DnsKey, parseKey, signsZone } from './key.js';
import { parseSignature, serialDifference } from './signature.js';
import type { Anchor } from './trust.js';
import type { Judging, Verdict } from './verdict.js';
import { verifyRrset } from './verify.js';

export interface ConfiguredAnchor {
  /** `DS 20326 8 2 E06D...` or `DNSKEY 257 3 8 Aw...`. */
  record: string;
  /** The key that it stands for was seen: the key's state counts from then on. */
  seen: boolean;
}

export interface FollowedZone {
  /** Name in text, `.` for the root. */
  zone: string;
  configured: ConfiguredAnchor[];
  keys: TrackedKey[];
  /** Seconds since 1970 of the last look, of the last one that was signed by an anchor, and of the next; 0: none yet. */
  lastProbe: number;
  lastSuccess: number;
  nextProbe: number;
  /** Of the last success: the RRset's original TTL, and how long its signature was to last then, in seconds. */
  ttl: number;
  interval: number;
}

const recordsOf = ({ ds, keys }: Pick<Anchor, 'ds' | 'keys'>): string[] => [
  ...ds.map(data => `DS ${decodeRdata(Type.DS, data)}`),
  ...keys.map(data => `DNSKEY ${decodeRdata(Type.DNSKEY, data)}`),
];

/** The data of a configured anchor. @throws {ShardnsError} ERR_SHARDNS_OPTION for a record that is none */
export function dataOf(record: string): { type: 'DS' | 'DNSKEY'; data: Uint8Array } {
  const type = record.startsWith('DS ') ? 'DS' : 'DNSKEY';
  return { type, data: encodeRdata(Type[type], record.replace(/^(DS|DNSKEY) /, '')) };
}

/** Whether a configured anchor stands for a key, given without REVOKE. */
function standsFor(record: string, zone: Uint8Array, key: Uint8Array): boolean {
  const { type, data } = dataOf(record);
  if (type === 'DNSKEY') return sameOctets(data, key);
  const ds = parseDs(data);
  const parsed = parseKey(key);
  if (ds === undefined || parsed?.tag !== ds.tag || parsed.algorithm !== ds.algorithm) return false;
  const digest = digestKey(zone, key, ds.digestType);
  return digest !== undefined && sameOctets(digest, ds.digest);
}

const octetsOf = (key: TrackedKey): Uint8Array => Uint8Array.from(Buffer.from(key.data, 'base64'));

/** The zone by what is configured for it now. @param before undefined where it was not followed yet */
export function followConfigured(before: FollowedZone | undefined, anchor: Anchor): FollowedZone {
  const zone = nameToText(anchor.zone);
  const records = [...new Set(recordsOf(anchor))];
  if (before === undefined) {
    const configured = records.map(record => ({ record, seen: false }));
    return { zone, configured, keys: [], lastProbe: 0, lastSuccess: 0, nextProbe: 0, ttl: 0, interval: 0 };
  }
  const known = new Map(before.configured.map(one => [one.record, one]));
  const configured = records.map(record => known.get(record) ?? { record, seen: false });
  const gone = before.configured.filter(one => !records.includes(one.record));
  const isDropped = (key: Uint8Array): boolean =>
    gone.some(one => standsFor(one.record, anchor.zone, key)) &&
    !records.some(record => standsFor(record, anchor.zone, key));
  const keys = gone.length === 0 ? before.keys : before.keys.filter(one => !isDropped(octetsOf(one)));
  // What is new is looked for at once.
  const nextProbe = configured.some(one => !known.has(one.record)) ? 0 : before.nextProbe;
  return { ...before, configured, keys, nextProbe };
}

/**
 * What its own keys are judged by, as zone files write it. Where every key was revoked these are the revoked ones, by which
 * nothing is believed: so that no key of the zone becomes an anchor again by itself.
 */
export function anchorLines({ zone, configured, keys }: FollowedZone): string[] {
  const asLines = (list: readonly Uint8Array[]): string[] =>
    list.map(data => `${zone} DNSKEY ${decodeRdata(Type.DNSKEY, data)}`);
  const unseen = configured.filter(one => !one.seen).map(one => `${zone} ${one.record}`);
  const lines = [...asLines(anchorsOf(keys)), ...unseen];
  if (lines.length > 0) return lines;
  const revoked = asLines(revokedOf(keys));
  return revoked.length > 0 ? revoked : configured.map(one => `${zone} ${one.record}`);
}

/** Whether every key of the zone was revoked, and nothing else is configured for it. */
export const isLost = ({ configured, keys }: FollowedZone): boolean =>
  anchorsOf(keys).length === 0 && configured.every(one => one.seen) && keys.some(one => one.state === 'revoked');

/**
 * What is believed of several zones. "A trust point that has all of its trust anchors revoked is considered deleted and is
 * treated as if the trust point was never configured": an anchor above it decides, and without one "data at and below the
 * deleted trust point are considered insecure" (RFC 5011 section 5).
 */
export const allAnchorLines = (zones: readonly FollowedZone[]): string[] =>
  zones.filter(one => !isLost(one)).flatMap(anchorLines);

/** A key whose state is another one than before; undefined: it was not known, or is not any more. */
export interface AnchorChange {
  key: Uint8Array;
  from: AnchorState | undefined;
  to: AnchorState | undefined;
}

export interface Observed {
  zone: FollowedZone;
  changes: AnchorChange[];
  /** Seconds until the next look, before chance has its part. */
  again: number;
  /** Why the keys do not prove themselves; undefined: an anchor has signed them. */
  failure: Verdict | undefined;
}

/**
 * The zone after a look at its keys.
 * @param anchor what is believed of it now
 * @param rrset its DNSKEY records, whatever they are; undefined: they could not be had
 */
export function observeZone(
  before: FollowedZone,
  anchor: Pick<Anchor, 'ds' | 'keys'>,
  rrset: Rrset | undefined,
  judging: Judging,
): Observed {
  const now = Math.floor(judging.now);
  const failedAgain = probeAfter({ ttl: before.ttl, interval: before.interval, failed: true });
  const looked = { ...before, lastProbe: now };
  if (rrset === undefined) return { zone: looked, changes: [], again: failedAgain, failure: undefined };
  const zone = foldName(encodeName(before.zone));
  const all = rrset.data.map(parseKey).filter(key => key !== undefined);
  const entry = entryKeys(zone, anchor, all, judging);
  const verdict = verifyRrset(rrset, zone, entry, judging);
  const isTrusted = verdict.status === 'secure';
  const { ttl, interval } = isTrusted ? timesOf(rrset, entry, now) : before;
  const stoodFor = (key: Uint8Array, seen: boolean): boolean =>
    before.configured.some(one => one.seen === seen && standsFor(one.record, zone, key));
  const keys = observeKeys(
    before.keys,
    {
      // What cannot be checked would be an anchor that proves nothing.
      keys: all.filter(key => algorithmOf(key.algorithm, judging.policy) !== undefined).map(key => key.data),
      isTrusted,
      ttl,
      validators: () =>
        entry.filter(key => verifyRrset(rrset, zone, [key], judging).status === 'secure').map(key => key.data),
      isSelfSigned: data => verifyRrset(rrset, zone, [parseKey(data)!], judging, () => true).status === 'secure',
      isConfigured: key => stoodFor(key, false),
    },
    now,
  );
  const configured = before.configured.map(one =>
    one.seen || !keys.some(key => standsFor(one.record, zone, octetsOf(key))) ? one : { ...one, seen: true },
  );
  const next: FollowedZone = { ...looked, configured, keys, ttl, interval };
  if (isTrusted) next.lastSuccess = now;
  return {
    zone: next,
    changes: changesBetween(before.keys, keys),
    again: isTrusted ? probeAfter({ ttl, interval, failed: false }) : failedAgain,
    failure: isTrusted ? undefined : verdict,
  };
}

/** Keys that an anchor stands for. */
function entryKeys(
  zone: Uint8Array,
  { ds, keys }: Pick<Anchor, 'ds' | 'keys'>,
  all: readonly DnsKey[],
  { policy, budget }: Judging,
): DnsKey[] {
  const entry = new Set(matchDs(zone, usableDs(ds, policy).usable, all, budget));
  for (const key of all) if (signsZone(key) && keys.some(one => sameOctets(one, key.data))) entry.add(key);
  return [...entry];
}

/** Of the signatures by these keys that are valid now: the least of their original TTLs, and of what is left of them. */
function timesOf(rrset: Rrset, entry: readonly DnsKey[], now: number): { ttl: number; interval: number } {
  let [ttl, interval] = [Infinity, Infinity];
  for (const signature of rrset.signatures.map(parseSignature)) {
    if (signature === undefined || !entry.some(key => key.tag === signature.keyTag)) continue;
    const left = serialDifference(signature.expiration, now);
    if (left <= 0) continue;
    ttl = Math.min(ttl, signature.originalTtl);
    interval = Math.min(interval, left);
  }
  // One that is believed for a while after its end (dnssec.expirationSkewSeconds) leaves nothing.
  return Number.isFinite(ttl) ? { ttl, interval } : { ttl: rrset.ttl, interval: 0 };
}

function changesBetween(before: readonly TrackedKey[], after: readonly TrackedKey[]): AnchorChange[] {
  const changes: AnchorChange[] = [];
  const old = new Map(before.map(one => [one.data, one.state]));
  for (const one of after) {
    const from = old.get(one.data);
    if (from !== one.state) changes.push({ key: octetsOf(one), from, to: one.state });
    old.delete(one.data);
  }
  for (const one of before) if (old.has(one.data)) changes.push({ key: octetsOf(one), from: one.state, to: undefined });
  return changes;
}

/** How an anchor is shown. */
export interface ShownAnchor {
  /** Key tag: of a revoked key that of its revoked form. */
  tag: number;
  algorithm: number;
  /** Of `digest`: 2 is SHA-256. */
  digestType: number;
  /** In hexadecimal digits. */
  digest: string;
  /** `fixed`: as it is configured. `configured`: so far, its key was not seen yet. Else as in RFC 5011. */
  state: AnchorState | 'fixed' | 'configured';
  /** Seconds since 1970. */
  sinceSeconds?: number;
}

const SHA256 = 2;

function shownRecord(record: string, zone: Uint8Array, state: 'fixed' | 'configured'): ShownAnchor {
  const { type, data } = dataOf(record);
  if (type === 'DNSKEY') return shownKey(zone, data, state);
  const ds = parseDs(data)!;
  const { tag, algorithm, digestType } = ds;
  return { tag, algorithm, digestType, digest: Buffer.from(ds.digest).toString('hex').toUpperCase(), state };
}

function shownKey(zone: Uint8Array, data: Uint8Array, state: ShownAnchor['state']): ShownAnchor {
  // A key of the options need not be one.
  const { tag = 0, algorithm = 0 } = parseKey(data) ?? {};
  const digest = digestKey(zone, withoutRevoke(data), SHA256)!;
  return { tag, algorithm, digestType: SHA256, digest: Buffer.from(digest).toString('hex').toUpperCase(), state };
}

/** Anchors that stay as they are configured. */
export const shownFixed = (anchor: Anchor): ShownAnchor[] =>
  recordsOf(anchor).map(record => shownRecord(record, anchor.zone, 'fixed'));

/** Keys in their states, then what was configured and not seen yet. */
export function shownAnchors({ zone, keys, configured }: FollowedZone): ShownAnchor[] {
  const name = foldName(encodeName(zone));
  const shown = keys.map((one): ShownAnchor => {
    const [published] = one.state === 'revoked' ? revokedOf([one]) : [octetsOf(one)];
    return { ...shownKey(name, published, one.state), sinceSeconds: one.since };
  });
  return [...shown, ...configured.filter(one => !one.seen).map(one => shownRecord(one.record, name, 'configured'))];
}
