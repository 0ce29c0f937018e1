// Trust anchors that follow a zone's keys (RFC 5011): a pure function of states, observed keys and time. The state is plain
// data, for a file. Knows nothing of when to ask: `probeAfter` says it. What begins them, and what they are worth to
// validation, is anchor-zone.ts's.
import { KeyFlag, parseKey, signsZone } from './key.js';

/** RFC 5011 section 4.2, without Start and Removed: a key in those is not known. */
export const ANCHOR_STATES = ['addPend', 'valid', 'missing', 'revoked'] as const;
export type AnchorState = (typeof ANCHOR_STATES)[number];

export interface TrackedKey {
  state: AnchorState;
  /** Seconds since 1970 at which it came into this state. */
  since: number;
  /** Times that a pending key was seen. */
  seen: number;
  /** Data of its DNSKEY in base64, as first seen: without REVOKE. */
  data: string;
  /** Of a pending key: seconds until it is believed. */
  holdDown?: number;
  /** Of a pending key: the anchors, each as `data`, that had signed the RRset in which it was first seen (section 2.2). */
  by?: readonly string[];
}

const HOUR = 3600;
const DAY = 86_400;
/** RFC 5011 sections 2.4.1 and 2.4.2: a key is believed, and a revoked one forgotten, after 30 days. */
const HOLD_DOWN = 30 * DAY;
const REMOVE_AFTER = 30 * DAY;
/** One that is missing for so long is not coming back (Unbound's keep-missing). */
const FORGET_MISSING = 366 * DAY;
const MIN_SIGHTINGS = 2;
/** Keys that are followed: those of a zone that publishes more are not all anchors. */
export const MAX_TRACKED_KEYS = 16;

export interface Observation {
  /** Data of the DNSKEY RRset. */
  keys: readonly Uint8Array[];
  /** Whether a valid anchor signed the RRset; without it only revocations count. */
  isTrusted: boolean;
  /** Seconds: the original TTL of the RRset, which a new key waits for where it is longer than 30 days (section 2.4.1). */
  ttl?: number;
  /** The anchors that signed the RRset, where it is trusted. */
  validators?(): readonly Uint8Array[];
  /** Whether a key, whose REVOKE flag is set, signed the RRset itself (section 2.1). */
  isSelfSigned(key: Uint8Array): boolean;
  /** Whether an anchor of the operator's stands for the key, given without REVOKE: it is believed at once. */
  isConfigured?(key: Uint8Array): boolean;
}

/** A key's data whatever its REVOKE flag, which changes its tag: keys are known by their octets. */
export function withoutRevoke(data: Uint8Array): Uint8Array {
  const plain = Uint8Array.from(data);
  plain[1] &= ~KeyFlag.REVOKE;
  return plain;
}
const isRevoked = (data: Uint8Array): boolean => (data[1] & KeyFlag.REVOKE) !== 0;

const textOf = (data: Uint8Array): string => Buffer.from(data).toString('base64');
const octetsOf = ({ data }: TrackedKey): Uint8Array => Uint8Array.from(Buffer.from(data, 'base64'));

/**
 * The states after an observation (RFC 5011 section 4).
 * @param now seconds since 1970
 */
export function observeKeys(tracked: readonly TrackedKey[], seen: Observation, now: number): TrackedKey[] {
  const present = new Map<string, Uint8Array>();
  for (const data of seen.keys) {
    const key = parseKey(data);
    if (key !== undefined && (key.flags & KeyFlag.SEP) !== 0 && (key.flags & KeyFlag.ZONE) !== 0) {
      const name = textOf(withoutRevoke(data));
      // Of both forms of a key, the revoked one counts.
      if (!present.has(name) || !signsZone(key)) present.set(name, data);
    }
  }
  const stepped = tracked.map(key => ({ key, next: step(key, present.get(key.data), seen, now) }));
  const revoked = new Set(stepped.flatMap(({ next }) => (next?.state === 'revoked' ? [next.data] : [])));
  const after: TrackedKey[] = [];
  for (const { key, next } of stepped) {
    // "If all of the keys that were originally used to validate this key are revoked prior to the timer expiring, the resolver
    // stops the acceptance process and resets the timer" (section 2.2): it may be of whoever they were stolen by. Where another
    // anchor signs it now it begins anew.
    const isDisowned = next?.state === 'addPend' && next.by !== undefined && next.by.every(one => revoked.has(one));
    if (next !== undefined && !isDisowned) after.push(next);
    if (!isDisowned) present.delete(key.data);
  }
  for (const [data, octets] of present) {
    if (after.length >= MAX_TRACKED_KEYS) break;
    const state = beginning(octets, seen);
    if (state === undefined) continue;
    const begun: TrackedKey = { state, since: now, seen: 1, data };
    after.push(
      state === 'addPend' ? { ...begun, holdDown: Math.max(HOLD_DOWN, seen.ttl ?? 0), ...validatedBy(seen) } : begun,
    );
  }
  // A zone is left with its last keys, whatever their state: without any it would begin again with those of before.
  return after.some(one => one.state === 'valid') ? after.filter(one => !isOver(one, now)) : after;
}

function validatedBy({ validators }: Observation): Pick<TrackedKey, 'by'> {
  const by = validators?.().map(one => textOf(withoutRevoke(one))) ?? [];
  return by.length === 0 ? {} : { by };
}

/** The state in which a key begins that is not known. */
function beginning(octets: Uint8Array, seen: Observation): AnchorState | undefined {
  const isConfigured = seen.isConfigured?.(withoutRevoke(octets)) === true;
  if (isRevoked(octets)) return isConfigured && seen.isSelfSigned(octets) ? 'revoked' : undefined;
  if (!seen.isTrusted) return undefined;
  return isConfigured ? 'valid' : 'addPend';
}

function step(key: TrackedKey, octets: Uint8Array | undefined, seen: Observation, now: number): TrackedKey | undefined {
  const move = (state: AnchorState): TrackedKey => ({ state, since: now, seen: key.seen, data: key.data });
  if (key.state === 'revoked') return key;
  if (octets !== undefined && isRevoked(octets)) {
    if (!seen.isSelfSigned(octets)) return key;
    // One that was never believed is forgotten.
    return key.state === 'addPend' ? undefined : move('revoked');
  }
  if (!seen.isTrusted) return key;
  if (octets === undefined) {
    if (key.state === 'addPend') return undefined;
    return key.state === 'valid' ? move('missing') : key;
  }
  if (key.state === 'missing') return move('valid');
  if (key.state !== 'addPend') return key;
  const again: TrackedKey = { ...key, seen: key.seen + 1 };
  const isDue = now - key.since >= (key.holdDown ?? HOLD_DOWN) && again.seen >= MIN_SIGHTINGS;
  return isDue || seen.isConfigured?.(octets) === true ? { ...move('valid'), seen: again.seen } : again;
}

/** Whether its time in a state that leads out of all states is over. */
function isOver({ state, since }: TrackedKey, now: number): boolean {
  if (state === 'revoked') return now - since >= REMOVE_AFTER;
  return state === 'missing' && now - since >= FORGET_MISSING;
}

/** Keys that are anchors: valid, and missing but not revoked. */
export const anchorsOf = (tracked: readonly TrackedKey[]): Uint8Array[] =>
  tracked.filter(one => one.state === 'valid' || one.state === 'missing').map(octetsOf);

/** Revoked keys as their zone publishes them. They are anchors that no RRset is believed by. */
export function revokedOf(tracked: readonly TrackedKey[]): Uint8Array[] {
  return tracked
    .filter(one => one.state === 'revoked')
    .map(octetsOf)
    .map(data => {
      data[1] |= KeyFlag.REVOKE;
      return data;
    });
}

/**
 * Seconds until the next look (RFC 5011 section 2.3).
 * @param ttl the original one of the DNSKEY RRset, `interval` until its signature expires, both in seconds
 */
export function probeAfter({ ttl, interval, failed }: { ttl: number; interval: number; failed: boolean }): number {
  const part = failed ? 10 : 2;
  return Math.max(HOUR, Math.min(failed ? DAY : 15 * DAY, ttl / part, interval / part));
}

/**
 * The same less up to a tenth of it, so that not all who began together ask together (Unbound).
 * @param chance from 0 to 1
 */
export const jittered = (seconds: number, chance: number): number => Math.floor(seconds * (1 - 0.1 * chance));
