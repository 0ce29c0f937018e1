// Whole responses of signed zones, and each way in which they may be wrong.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Budget, TrustAnchors, validate, type Validation, ZoneKeys } from '../../../lib/dnssec/index.js';
import type { Fetched } from '../../../lib/dnssec/steps.js';
import { signedOctets, parseSignature } from '../../../lib/dnssec/signature.js';
import { Rcode, Type } from '../../../lib/wire/iana.js';
import { encodeName, equalNames } from '../../../lib/wire/name.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { makeKey, SignedZone, signRrset, type SigningAlgorithm } from '../../support/signed-zone.js';

const NOW = 1_800_000_000;
const TIMES = { inception: NOW - 86_400, expiration: NOW + 86_400 };
const LINES = [
  'a.test. 300 A 192.0.2.1',
  'x.ent.test. 300 A 192.0.2.2',
  '*.wild.test. 300 A 192.0.2.3',
  'alias.test. 300 CNAME a.test.',
  'old.test. 300 DNAME a.test.',
  'plain.test. 300 NS ns.plain.test.',
];
const zoneOf = (denial: 'nsec' | 'nsec3' | 'optOut', algorithm: SigningAlgorithm = 'P-256'): SignedZone =>
  new SignedZone('test.', LINES, makeKey(algorithm), TIMES, denial);
const zones = { nsec: zoneOf('nsec'), nsec3: zoneOf('nsec3'), optOut: zoneOf('optOut') };
const denials = (zone: SignedZone): Rrset[] => [zone.find('test.', 'SOA'), ...zone.all('NSEC'), ...zone.all('NSEC3')];

interface Asked {
  answer?: Rrset[];
  authority?: Rrset[];
  rcode?: number;
  now?: number;
  budget?: Budget;
  negative?: string[];
}
function judge(zone: SignedZone, name: string, type: keyof typeof Type, asked: Asked): Validation {
  const { answer = [], authority = [], rcode = 0, now = NOW, budget = new Budget(), negative } = asked;
  const verdict = validate(
    { name: encodeName(name), type: Type[type] },
    { answer, authority, rcode },
    {
      now,
      budget,
      policy: {},
      anchors: new TrustAnchors([zone.anchor], negative),
      zones: new ZoneKeys(),
      fetchRecords: (wanted, code): Fetched => {
        const found = zone.rrsets.filter(one => one.type === code && equalNames(one.name, wanted));
        return { rcode: 0, answer: found, authority: found.length > 0 ? [] : denials(zone) };
      },
    },
  );
  return verdict as Validation;
}

describe.each(['nsec', 'nsec3', 'optOut'] as const)('a zone with %s', kind => {
  const zone = zones[kind];
  const authority = denials(zone);
  const weak = kind === 'optOut' ? 'insecure' : 'secure';
  const status = (name: string, type: keyof typeof Type, asked: Asked): string => judge(zone, name, type, asked).status;
  test('a signed answer is secure', () => {
    expect(status('a.test.', 'A', { answer: [zone.find('a.test.', 'A')] })).toBe('secure');
  });
  test('a name that does not exist is denied', () => {
    const rcode = Rcode.NXDOMAIN;
    expect(status('nothing.test.', 'A', { authority, rcode })).toBe(weak);
    expect(status('a.test.', 'A', { authority, rcode })).toBe('bogus');
    expect(status('b.wild.test.', 'A', { authority, rcode })).toBe('bogus');
    // What lies in an opt-out span may be a delegation without DS.
    const unproven = kind === 'optOut' ? 'insecure' : 'bogus';
    expect(status('nothing.test.', 'A', { authority: authority.slice(0, 1), rcode })).toBe(unproven);
  });
  test('a type that a name has not is denied, at an empty non-terminal and by a wildcard too', () => {
    expect(status('a.test.', 'AAAA', { authority })).toBe('secure');
    expect(status('a.test.', 'A', { authority })).toBe('bogus');
    expect(status('ent.test.', 'A', { authority })).toBe('secure');
    expect(status('b.wild.test.', 'AAAA', { authority })).toBe(weak);
    expect(status('b.wild.test.', 'A', { authority })).toBe('bogus');
  });
  test('an answer made from a wildcard needs the proof that its name does not exist', () => {
    const made = { ...zone.find('*.wild.test.', 'A'), name: encodeName('b.wild.test.') };
    expect(status('b.wild.test.', 'A', { answer: [made], authority })).toBe(weak);
    expect(status('b.wild.test.', 'A', { answer: [made] })).toBe('bogus');
  });
  test('an unsigned answer is bogus in the zone, and insecure below a delegation without DS', () => {
    const bare = { ...zone.find('a.test.', 'A'), signatures: [] };
    expect(judge(zone, 'a.test.', 'A', { answer: [bare] })).toMatchObject({ status: 'bogus', ede: 10 });
    const below = { ...bare, name: encodeName('www.plain.test.') };
    expect(status('www.plain.test.', 'A', { answer: [below] })).toBe('insecure');
  });
  test('each link of a chain counts; the CNAME of a DNAME needs no signature', () => {
    const a = zone.find('a.test.', 'A');
    const alias = zone.find('alias.test.', 'CNAME');
    expect(status('alias.test.', 'A', { answer: [alias, a] })).toBe('secure');
    expect(status('alias.test.', 'A', { answer: [{ ...alias, signatures: [] }, a] })).toBe('bogus');
    const dname = zone.find('old.test.', 'DNAME');
    const made = (to: string): Rrset => ({
      name: encodeName('x.old.test.'),
      type: Type.CNAME,
      ttl: 300,
      data: [encodeName(to)],
      signatures: [],
    });
    const rcode = Rcode.NXDOMAIN;
    expect(status('x.old.test.', 'A', { answer: [dname, made('x.a.test.')], authority, rcode })).toBe(weak);
    expect(status('x.old.test.', 'A', { answer: [dname, made('a.test.'), a] })).toBe('bogus');
  });
  test('nothing is validated at and below a negative anchor, unless a longer name has an anchor', () => {
    const bare = { ...zone.find('a.test.', 'A'), signatures: [] };
    expect(status('a.test.', 'A', { answer: [bare], negative: ['a.test.'] })).toBe('insecure');
    expect(status('a.test.', 'A', { answer: [bare], negative: ['.'] })).toBe('bogus');
    expect(status('a.test.', 'A', { answer: [bare], negative: ['test.'] })).toBe('insecure');
  });
});

describe('signatures', () => {
  const zone = zones.nsec;
  const a = zone.find('a.test.', 'A');
  const bare = { ...a, signatures: [] };
  const signed = (change: (head: Buffer) => void): Rrset => signRrset(bare, zone.zone, zone.key, TIMES, change);
  test.each([
    ['a label count below its signer', (h: Buffer) => void (h[3] = 0), 6],
    ['a label count above its owner', (h: Buffer) => void (h[3] = 3), 6],
    ['another type', (h: Buffer) => void h.writeUInt16BE(16, 0), 6],
    ['a tag that no key has', (h: Buffer) => void h.writeUInt16BE(h.readUInt16BE(16) ^ 1, 16), 9],
    ['an end in the past', (h: Buffer) => void h.writeUInt32BE(NOW - 1, 8), 7],
    ['a beginning in the future', (h: Buffer) => void h.writeUInt32BE(NOW + 3600, 12), 8],
    ['an end before its beginning', (h: Buffer) => void h.writeUInt32BE(NOW - 90_000, 8), 25],
  ])('with %s are bogus', (_, change, ede) => {
    expect(judge(zone, 'a.test.', 'A', { answer: [signed(change)] })).toMatchObject({ status: 'bogus', ede });
  });
  test('that cannot be read are not missing (RFC 8914 section 4.11)', () => {
    const [whole] = a.signatures;
    for (const octets of [whole.subarray(0, 18 + zone.zone.length), whole.subarray(0, 10), new Uint8Array(0)]) {
      const answer = [{ ...a, signatures: [octets] }];
      expect(judge(zone, 'a.test.', 'A', { answer })).toMatchObject({ status: 'bogus', ede: 6 });
    }
    expect(judge(zone, 'a.test.', 'A', { answer: [bare] })).toMatchObject({ status: 'bogus', ede: 10 });
  });
  test.each(['RSASHA256', 'P-384', 'Ed25519', 'Ed448'] as const)('of %s are verified', algorithm => {
    const other = zoneOf('nsec', algorithm);
    expect(judge(other, 'a.test.', 'A', { answer: [other.find('a.test.', 'A')] }).status).toBe('secure');
  });
  test('cost no more than the budget has', () => {
    const budget = new Budget({ units: 3 });
    expect(judge(zone, 'a.test.', 'A', { answer: [a], budget }).status).toBe('bogus');
  });
  test('bound the lifetime to what is left of them', () => {
    expect(judge(zone, 'a.test.', 'A', { answer: [a], now: TIMES.expiration - 10 }).ttl).toBe(10);
  });
  test('of a changed answer are never good, unless what is signed is the same', () => {
    const octetsOf = (rrset: Rrset): Buffer =>
      Buffer.concat([
        signedOctets(rrset, parseSignature(rrset.signatures[0])!),
        parseSignature(rrset.signatures[0])!.signature,
      ]);
    const was = octetsOf(a);
    const change = fc.tuple(
      fc.constantFrom('data', 'signatures', 'name'),
      fc.nat(200),
      fc.integer({ min: 1, max: 255 }),
    );
    const numRuns = 1000; // test/fuzz/fuzz_dnssec.mjs makes the many
    fc.assert(
      fc.property(change, ([where, at, bits]) => {
        const copy = { ...a, name: a.name.slice(), data: [a.data[0].slice()], signatures: [a.signatures[0].slice()] };
        const octets = where === 'name' ? copy.name : where === 'data' ? copy.data[0] : copy.signatures[0];
        // Lengths stay, so that the name is one.
        const place = where === 'name' ? 1 : at % octets.length;
        octets[place] ^= bits;
        const { status } = judge(zone, 'a.test.', 'A', { answer: [copy], authority: [] });
        if (status === 'secure') expect(octetsOf(copy).equals(was)).toBe(true);
      }),
      { numRuns },
    );
  });
});
