// Anchors that follow a zone's keys, and the names that tell of them.
import { describe, expect, test } from 'vitest';
import {
  anchorsOf,
  jittered,
  observeKeys,
  probeAfter,
  revokedOf,
  type TrackedKey,
} from '../../../lib/dnssec/anchor-states.js';
import { failsSentinel, signalName } from '../../../lib/dnssec/sentinel.js';
import { TrustAnchors } from '../../../lib/dnssec/trust.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';

const DAY = 86_400;
const key = (n: number, flags = 257): Uint8Array => Uint8Array.of(flags >> 8, flags & 0xff, 3, 15, n, n, n);
const trusted = (data: Uint8Array, state: TrackedKey['state'] = 'valid'): TrackedKey => ({
  state,
  since: 0,
  seen: 9,
  data: Buffer.from(data).toString('base64'),
});
const look = (tracked: TrackedKey[], keys: Uint8Array[], now: number, isTrusted = true, self = true): TrackedKey[] =>
  observeKeys(tracked, { keys, isTrusted, isSelfSigned: () => self }, now);
const states = (tracked: TrackedKey[]): string[] => tracked.map(one => one.state);

test.each([
  ['. DS 20326 8', /^trustAnchors: expected what can be read: DS data: .*, got "\. DS 20326 8"$/],
  ['a..b DS 1 8 2 AA', /^trustAnchors: expected what can be read: not a domain name.*got "a\.\.b DS 1 8 2 AA"$/],
  ['. A 192.0.2.1', /^trustAnchors: expected a DS or DNSKEY record/],
])('an anchor that cannot be read is named: %s', (line, message) => {
  expect(() => new TrustAnchors([line])).toThrow(
    expect.objectContaining({ code: 'ERR_SHARDNS_OPTION', message: expect.stringMatching(message) as string }),
  );
});

test('so is a name that is to have none', () => {
  expect(() => new TrustAnchors([], ['a..b'])).toThrow(/^negativeTrustAnchors: .*got "a\.\.b"$/);
});

describe('a negative trust anchor (RFC 7646)', () => {
  const ds = (zone: string): string => `${zone} DS 1 8 2 ${'AA'.repeat(32)}`;
  const anchors = new TrustAnchors(
    [ds('.'), ds('shop.example.'), ds('deep.shop.example.')],
    ['.', { name: 'SHOP.example', until: 1000 }],
  );
  const at = (name: string, now: number): string | undefined => {
    const found = anchors.closest(encodeName(name), now);
    return typeof found === 'object' ? nameToText(found.zone) : found;
  };

  test('comes before a positive one of the same name, be that the root, and not before one of a longer name', () => {
    expect(at('www.shop.example.', 999)).toBe('negative');
    expect(at('shop.example.', 999)).toBe('negative');
    expect(at('www.other.example.', 999)).toBe('negative');
    expect(at('www.deep.shop.example.', 999)).toBe('deep.shop.example.');
    expect(anchors.negativeAt(encodeName('www.shop.example.'), 999)).toMatchObject({ until: 1000 });
    expect(anchors.haveBetween(encodeName('example.'), encodeName('www.shop.example.'))).toBe(true);
  });
  test('leaves the positive one as it is, which counts again when its end has come', () => {
    expect(at('www.shop.example.', 1000)).toBe('shop.example.');
    expect(anchors.negativeAt(encodeName('www.shop.example.'), 1000)).toBeUndefined();
    expect(anchors.all.map(one => nameToText(one.zone))).toEqual(['.', 'shop.example.', 'deep.shop.example.']);
    expect(anchors.rootTags).toEqual([1]);
  });
});

describe('anchors that follow a zone (RFC 5011)', () => {
  test('a new key is believed after thirty days', () => {
    let tracked = look([trusted(key(1))], [key(1), key(2)], 0);
    expect(states(tracked)).toEqual(['valid', 'addPend']);
    tracked = look(tracked, [key(1), key(2)], 29 * DAY);
    expect(states(tracked)).toEqual(['valid', 'addPend']);
    tracked = look(tracked, [key(1), key(2)], 30 * DAY);
    expect(anchorsOf(tracked).map(one => one[4])).toEqual([1, 2]);
  });
  test('one that goes before is forgotten, and begins anew', () => {
    const pending = look([trusted(key(1))], [key(1), key(2)], 0);
    expect(states(look(pending, [key(1)], DAY))).toEqual(['valid']);
  });
  test('one that no anchor vouches for does not count', () => {
    expect(states(look([trusted(key(1))], [key(2)], 0, false))).toEqual(['valid']);
  });
  test('a valid key that is gone stays an anchor, and may come back', () => {
    const missing = look([trusted(key(1))], [], DAY);
    expect([states(missing), anchorsOf(missing).length]).toEqual([['missing'], 1]);
    expect(states(look(missing, [key(1)], 2 * DAY))).toEqual(['valid']);
  });
  test('one that is missing for more than a year is forgotten, but for the last', () => {
    const missing = look([trusted(key(1)), trusted(key(2))], [key(2)], DAY);
    expect(states(missing)).toEqual(['missing', 'valid']);
    expect(states(look(missing, [key(2)], 366 * DAY))).toEqual(['missing', 'valid']);
    expect(states(look(missing, [key(2)], 367 * DAY))).toEqual(['valid']);
    expect(states(look(look([trusted(key(1))], [], DAY), [], 400 * DAY))).toEqual(['missing']);
  });
  test('a key revokes itself, and is never believed again', () => {
    const revoked = look([trusted(key(1))], [key(1, 385)], DAY);
    expect([states(revoked), anchorsOf(revoked)]).toEqual([['revoked'], []]);
    expect(states(look(revoked, [key(1)], 2 * DAY))).toEqual(['revoked']);
    const beside = [...revoked, trusted(key(2))];
    expect(states(look(beside, [key(2)], 30 * DAY))).toEqual(['revoked', 'valid']);
    expect(states(look(beside, [key(2)], 31 * DAY))).toEqual(['valid']);
    // The last one stays: a zone without any would begin anew with those of before.
    expect(states(look(revoked, [], 31 * DAY))).toEqual(['revoked']);
    expect(states(look([trusted(key(1))], [key(1, 385)], DAY, true, false))).toEqual(['valid']);
  });
  test('a new key waits for the TTL of the RRset where that is more than thirty days (section 2.4.1)', () => {
    const seen = { keys: [key(1), key(2)], isTrusted: true, ttl: 40 * DAY, isSelfSigned: () => true };
    let tracked = observeKeys([trusted(key(1))], seen, 0);
    tracked = observeKeys(tracked, { ...seen, ttl: 60 }, 39 * DAY);
    expect(states(tracked)).toEqual(['valid', 'addPend']);
    expect(states(observeKeys(tracked, seen, 40 * DAY))).toEqual(['valid', 'valid']);
  });
  test('one seen once is not believed, however long ago that was', () => {
    const tracked = look([trusted(key(1))], [key(1), key(2)], 0).map(one => ({ ...one, seen: one.seen - 1 }));
    expect(states(look(tracked, [key(1), key(2)], 30 * DAY))).toEqual(['valid', 'addPend']);
  });
  test('what the operator has configured is believed at once, unless it was revoked', () => {
    const seen = { keys: [key(2)], isTrusted: true, isSelfSigned: () => true, isConfigured: () => true };
    expect(states(observeKeys([], seen, 0))).toEqual(['valid']);
    const pending = look([trusted(key(1))], [key(1), key(2)], 0);
    expect(states(observeKeys(pending, { ...seen, keys: [key(1), key(2)] }, 1))).toEqual(['valid', 'valid']);
    expect(states(observeKeys([], { ...seen, isTrusted: false }, 0))).toEqual([]);
    const revoked = observeKeys([], { ...seen, keys: [key(2, 385)], isTrusted: false }, 0);
    expect([states(revoked), anchorsOf(revoked), revokedOf(revoked)[0][1]]).toEqual([['revoked'], [], 385 & 0xff]);
  });
  test('a new key all of whose validators are revoked begins anew, by those that sign it then (section 2.2)', () => {
    const at = (keys: Uint8Array[], validators: Uint8Array[], day: number, before: TrackedKey[]): TrackedKey[] =>
      observeKeys(before, { keys, isTrusted: true, isSelfSigned: () => true, validators: () => validators }, day * DAY);
    const first = at([key(1), key(2), key(3)], [key(1)], 0, [trusted(key(1)), trusted(key(2))]);
    expect(states(first)).toEqual(['valid', 'valid', 'addPend']);
    // Another anchor's signature on the way changes nothing of who vouched for it first.
    const later = at([key(1), key(2), key(3)], [key(1), key(2)], 10, first);
    const stopped = at([key(1, 385), key(2), key(3)], [key(2)], 20, later);
    expect(states(stopped)).toEqual(['revoked', 'valid', 'addPend']);
    expect(stopped[2]).toMatchObject({ since: 20 * DAY, seen: 1 });
    expect(states(at([key(2), key(3)], [key(2)], 31, stopped))).toEqual(['revoked', 'valid', 'addPend']);
    expect(states(at([key(2), key(3)], [key(2)], 50, stopped))).toEqual(['valid', 'valid']);
    // One of two is enough.
    const both = at([key(1), key(2), key(3)], [key(1), key(2)], 0, [trusted(key(1)), trusted(key(2))]);
    const kept = at([key(1, 385), key(2), key(3)], [key(2)], 20, both);
    expect(kept[2]).toMatchObject({ state: 'addPend', since: 0, seen: 2 });
  });
  test('the keys without a new one, be they of before, stop its acceptance (section 2.2); what is valid stays so', () => {
    // "If the resolver ever sees the DNSKEY RRSet without the new key but validly signed, it stops the acceptance process".
    const pending = look([trusted(key(1))], [key(1), key(2)], 0);
    const replayed = look(pending, [key(1)], 29 * DAY);
    expect(states(replayed)).toEqual(['valid']);
    expect(states(look(replayed, [key(1), key(2)], 30 * DAY))).toEqual(['valid', 'addPend']);
    expect(look(replayed, [key(1), key(2)], 30 * DAY)[1].since).toBe(30 * DAY);
    const accepted = look(pending, [key(1), key(2)], 30 * DAY);
    expect(anchorsOf(look(accepted, [key(1)], 31 * DAY)).length).toBe(2);
    // What is not validly signed any more stops nothing.
    expect(look(pending, [key(1)], 29 * DAY, false)[1]).toMatchObject({ state: 'addPend', since: 0 });
  });
  test('keys without SEP are not followed; the state is plain data', () => {
    const tracked = look([trusted(key(1))], [key(1), key(2, 256)], 0);
    expect(JSON.parse(JSON.stringify(tracked))).toEqual(tracked);
    expect(tracked.length).toBe(1);
  });
  test('looks are an hour to fifteen days apart', () => {
    expect(probeAfter({ ttl: 60, interval: DAY, failed: false })).toBe(3600);
    expect(probeAfter({ ttl: 100 * DAY, interval: 100 * DAY, failed: false })).toBe(15 * DAY);
    expect(probeAfter({ ttl: 100 * DAY, interval: 100 * DAY, failed: true })).toBe(DAY);
    expect(probeAfter({ ttl: 2 * DAY, interval: 14 * DAY, failed: false })).toBe(DAY);
    expect(probeAfter({ ttl: 2 * DAY, interval: 14 * DAY, failed: true })).toBe(17_280);
    expect([jittered(DAY, 0), jittered(DAY, 1)]).toEqual([DAY, 0.9 * DAY]);
  });
});

test('the sentinel fails what is not so (RFC 8509)', () => {
  const fails = (name: string): boolean => failsSentinel(encodeName(name), Type.A, [20326]);
  expect(fails('root-key-sentinel-is-ta-20326.example.')).toBe(false);
  expect(fails('root-key-sentinel-not-ta-20326.example.')).toBe(true);
  expect(fails('root-key-sentinel-is-ta-00001.example.')).toBe(true);
  expect(fails('root-key-sentinel-is-ta-1.example.')).toBe(false);
});
test('the signal names the tags in order (RFC 8145)', () => {
  expect(signalName([38696, 20326])).toBe('_ta-4f66-9728.');
});
test('a line that is no anchor is named', () => {
  expect(() => new TrustAnchors(['. A 192.0.2.1'])).toThrow(/192\.0\.2\.1/);
});
