// The text in which the states of trust anchors are kept: what is written is read back, and whatever else is read is refused
// with a reason, or is states that could have been written.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANCHOR_STATES, type TrackedKey } from '../../../lib/dnssec/anchor-states.js';
import { anchorText, readAnchorText } from '../../../lib/dnssec/anchor-text.js';
import { anchorLines, type FollowedZone } from '../../../lib/dnssec/anchor-zone.js';
import { TrustAnchors } from '../../../lib/dnssec/trust.js';

const seconds = fc.integer({ min: 0, max: 4_000_000_000 });
const key: fc.Arbitrary<TrackedKey> = fc
  .record({
    state: fc.constantFrom(...ANCHOR_STATES),
    since: seconds,
    seen: fc.nat(),
    holdDown: fc.option(fc.nat(), { nil: undefined }),
    octets: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    by: fc.option(fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 }), { maxLength: 3 }), { nil: undefined }),
  })
  .map(({ octets, holdDown, by, ...rest }) => {
    const dataOf = (key: Uint8Array): string => Buffer.concat([Buffer.of(1, 1, 3, 13), key]).toString('base64');
    return {
      ...rest,
      data: dataOf(octets),
      ...(holdDown === undefined ? {} : { holdDown }),
      ...(by === undefined ? {} : { by: by.map(dataOf) }),
    };
  });
const record = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map(digest => {
    return `DS 20326 8 2 ${Buffer.from(digest).toString('hex').toUpperCase()}`;
  }),
  fc.uint8Array({ minLength: 3, maxLength: 90 }).map(octets => {
    return `DNSKEY 257 3 13 ${Buffer.from(octets).toString('base64')}`;
  }),
);
const zones: fc.Arbitrary<FollowedZone[]> = fc.uniqueArray(
  fc.record({
    zone: fc.constantFrom('.', 'example.', 'corp.example.', 'a\\032b.example.'),
    configured: fc.uniqueArray(fc.record({ record, seen: fc.boolean() }), {
      maxLength: 4,
      selector: one => one.record,
    }),
    keys: fc.uniqueArray(key, { maxLength: 16, selector: one => one.data }),
    lastProbe: seconds,
    lastSuccess: seconds,
    nextProbe: seconds,
    ttl: fc.nat(),
    interval: fc.nat(),
  }),
  { maxLength: 4, selector: one => one.zone },
);

test('what is written is read back as it was', () => {
  fc.assert(
    fc.property(zones, all => {
      expect(readAnchorText(anchorText(all))).toEqual(all);
    }),
  );
});

test('anchors of whatever is read can be believed: they are lines that anchors are made of', () => {
  fc.assert(
    fc.property(zones, all => {
      for (const one of all.filter(({ keys, configured }) => keys.length + configured.length > 0)) {
        const isPendingOnly = one.configured.length === 0 && one.keys.every(({ state }) => state === 'addPend');
        expect(new TrustAnchors(anchorLines(one)).all.length).toBe(isPendingOnly ? 0 : 1);
      }
    }),
  );
});

/** An error with words in it, or states; nothing else. */
function readOrRefuse(text: string): FollowedZone[] | string {
  try {
    return readAnchorText(text);
  } catch (error) {
    expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
    const { message } = error as Error;
    expect(message.length).toBeGreaterThan(5);
    return message;
  }
}

test('a text that was cut anywhere is refused', () => {
  fc.assert(
    fc.property(zones, fc.nat(), (all, at) => {
      const text = anchorText(all).trimEnd();
      expect(typeof readOrRefuse(text.slice(0, at % text.length))).toBe('string');
    }),
  );
});

test('a text in which anything was changed is refused with a reason, or read as what could have been written', () => {
  const octet = fc.integer({ min: 32, max: 126 }).map(code => String.fromCharCode(code));
  fc.assert(
    fc.property(
      zones,
      fc.array(fc.tuple(fc.nat(), fc.oneof(octet, fc.constant(''))), { maxLength: 4 }),
      (all, edits) => {
        let text = anchorText(all);
        for (const [at, put] of edits)
          text = text.slice(0, at % text.length) + put + text.slice((at % text.length) + 1);
        const read = readOrRefuse(text);
        if (typeof read !== 'string') expect(readAnchorText(anchorText(read))).toEqual(read);
      },
    ),
    { numRuns: 500 },
  );
});

test('any JSON at all is refused or read in the same way', () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      readOrRefuse(JSON.stringify(value));
      readOrRefuse(JSON.stringify({ format: 'shardns trust anchors', version: 1, zones: value }));
      readOrRefuse(JSON.stringify({ format: 'shardns trust anchors', version: 1, zones: [value] }));
    }),
  );
});
