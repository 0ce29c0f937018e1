// Trust anchors that follow a zone's keys (RFC 5011): a pure function of states, observed keys and time. The state is plain
// data, for a file. Knows nothing of when to ask: `probeAfter` says it.
import { KeyFlag, parseKey, signsZone } from './key.js';

export type AnchorState = 'addPend' | 'valid' | 'missing' | 'revoked';

export interface TrackedKey {
  state: AnchorState;
  /** Seconds since 1970 at which it came into this state. */
  since: number;
  /** Times that a pending key was seen. */
  seen: number;
  /** Data of its DNSKEY in base64, as first seen: without REVOKE. */
  data: string;
}

/** RFC 5011 sections 2.4.1 and 4.2: a key is believed, and a revoked one forgotten, after 30 days. */
const HOLD_DOWN = 30 * 86_400;
const REMOVE_AFTER = 30 * 86_400;
/** One that is missing for so long is not coming back; the last valid key is kept. */
const FORGET_MISSING = 366 * 86_400;
const MIN_SIGHTINGS = 2;
/** Keys that are followed: those of a zone that publishes more are not all anchors. */
const MAX_KEYS = 16;

const HOUR = 3600;
const DAY = 86_400;

export interface Observation {
  /** Data of the DNSKEY RRset. */
  keys: readonly Uint8Array[];
  /** Whether a valid anchor signed the RRset; without it only revocations count. */
  isTrusted: boolean;
  /** Whether a key, whose REVOKE flag is set, signed the RRset itself (section 2.1). */
  isSelfSigned(key: Uint8Array): boolean;
}

/** A key's text whatever its REVOKE flag, which changes its tag: keys are known by their octets. */
function identity(data: Uint8Array): string {
  const plain = Buffer.from(data);
  plain[1] &= ~KeyFlag.REVOKE;
  return plain.toString('base64');
}

/**
 * The states after an observation (RFC 5011 section 4).
 * @param now seconds since 1970
 */
export function observeKeys(tracked: readonly TrackedKey[], seen: Observation, now: number): TrackedKey[] {
  const present = new Map<string, Uint8Array>();
  for (const data of seen.keys) {
    const key = parseKey(data);
    if (key !== undefined && (key.flags & KeyFlag.SEP) !== 0 && (key.flags & KeyFlag.ZONE) !== 0) {
      const name = identity(data);
      // Of both forms of a key, the revoked one counts.
      if (!present.has(name) || !signsZone(key)) present.set(name, data);
    }
  }
  const after: TrackedKey[] = [];
  for (const key of tracked) {
    const next = step(key, present.get(key.data), seen, now);
    if (next !== undefined) after.push(next);
    present.delete(key.data);
  }
  if (!seen.isTrusted) return after;
  for (const [data, octets] of present) {
    if (after.length >= MAX_KEYS) break;
    if (signsZone(parseKey(octets)!)) after.push({ state: 'addPend', since: now, seen: 1, data });
  }
  return after;
}

function step(key: TrackedKey, octets: Uint8Array | undefined, seen: Observation, now: number): TrackedKey | undefined {
  const move = (state: AnchorState): TrackedKey => ({ ...key, state, since: now });
  if (key.state === 'revoked') return now - key.since >= REMOVE_AFTER ? undefined : key;
  const isRevoked = octets !== undefined && (octets[1] & KeyFlag.REVOKE) !== 0;
  if (isRevoked) {
    if (!seen.isSelfSigned(octets)) return key;
    // One that was never believed is forgotten.
    return key.state === 'addPend' ? undefined : move('revoked');
  }
  if (!seen.isTrusted) return key;
  if (octets === undefined) {
    if (key.state === 'addPend') return undefined;
    if (key.state === 'valid') return move('missing');
    return now - key.since >= FORGET_MISSING ? undefined : key;
  }
  if (key.state === 'missing') return move('valid');
  if (key.state !== 'addPend') return key;
  const sightings = key.seen + 1;
  return now - key.since >= HOLD_DOWN && sightings >= MIN_SIGHTINGS
    ? { ...move('valid'), seen: sightings }
    : { ...key, seen: sightings };
}

/** Keys that are anchors: valid, and missing but not revoked. */
export const anchorsOf = (tracked: readonly TrackedKey[]): Uint8Array[] =>
  tracked.filter(one => one.state === 'valid' || one.state === 'missing').map(one => Buffer.from(one.data, 'base64'));

/**
 * Seconds until the next look (RFC 5011 section 2.3).
 * @param ttl of the DNSKEY RRset, `interval` of its signature, both in seconds
 */
export function probeAfter({ ttl, interval, failed }: { ttl: number; interval: number; failed: boolean }): number {
  const part = failed ? 10 : 2;
  return Math.max(HOUR, Math.min(failed ? DAY : 15 * DAY, ttl / part, interval / part));
}
