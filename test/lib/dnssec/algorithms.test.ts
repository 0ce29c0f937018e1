// Algorithms, digests, keys and anchors: which are believed, and what becomes of a zone that has no other.
import { describe, expect, test } from 'vitest';
import { digestKey } from '../../../lib/dnssec/ds.js';
import { keyTag } from '../../../lib/dnssec/key.js';
import { TrustAnchors } from '../../../lib/dnssec/trust.js';
import { Type } from '../../../lib/wire/iana.js';
import { decodeRdata } from '../../../lib/wire/rdata.js';
import { makeKey, type SigningAlgorithm, type SigningKey, signRrset } from '../../support/signed-zone.js';
import { NOW, resigned, SignedTree, TIMES, unsigned } from '../../support/signed-tree.js';

const tree = (key?: SigningKey): SignedTree =>
  new SignedTree({ 'test.': {}, 'a.test.': { lines: ['www.a.test. 300 A 192.0.2.1'], key } });
const answerOf = (zones: SignedTree): { answer: [ReturnType<SignedTree['find']>] } => ({
  answer: [zones.find('www.a.test.', 'A')],
});

describe('DS records', () => {
  interface Change {
    algorithm?: number;
    digestType?: number;
    wrong?: boolean;
  }
  const withDs = (...changes: Change[]): { status: string; ede?: number } => {
    const zones = tree();
    const child = zones.signed('a.test.');
    const data = changes.map(({ algorithm, digestType = 2, wrong }) => {
      const digest = Buffer.from(digestKey(child.zone, child.key.data, digestType) ?? Buffer.alloc(32));
      if (wrong === true) digest[0] ^= 1;
      const head = Buffer.of(0, 0, algorithm ?? child.key.algorithm, digestType);
      head.writeUInt16BE(keyTag(child.key.data), 0);
      return Buffer.concat([head, digest]);
    });
    zones.replace(resigned(zones.signed('test.'), zones.find('a.test.', 'DS'), data));
    return zones.status('www.a.test.', 'A', answerOf(zones));
  };
  test('of an unknown algorithm only leave the zone insecure (RFC 4035 section 5.2)', () => {
    expect(withDs({ algorithm: 23 }, { algorithm: 253 })).toEqual({ status: 'insecure', ede: 1 });
    expect(withDs({ algorithm: 1 }, { algorithm: 3 }, { algorithm: 12 })).toEqual({ status: 'insecure', ede: 1 });
  });
  test('of an unknown digest only do too', () => {
    expect(withDs({ digestType: 3 }, { digestType: 0 })).toEqual({ status: 'insecure', ede: 2 });
  });
  test('that are unknown are as if they were not there', () => {
    expect(withDs({ algorithm: 23 }, { digestType: 3 }, {}).status).toBe('secure');
    expect(withDs({ algorithm: 23 }, { wrong: true })).toEqual({ status: 'bogus', ede: 9 });
  });
  test('by SHA-1 count where there are no others (RFC 4509 section 3)', () => {
    expect(withDs({ digestType: 1 }).status).toBe('secure');
    expect(withDs({ digestType: 1, wrong: true }, {}).status).toBe('secure');
    expect(withDs({ digestType: 1 }, { wrong: true }).status).toBe('bogus');
    expect(withDs({ digestType: 4 }).status).toBe('secure');
  });
});

test('a zone signed with SHA-1 is insecure, unless the policy says otherwise (RFC 9905 section 2)', () => {
  const zones = tree(makeKey('RSASHA1'));
  expect(zones.status('www.a.test.', 'A', answerOf(zones))).toEqual({ status: 'insecure', ede: 1 });
  zones.zones.clear();
  zones.policy = { sha1: true };
  expect(zones.status('www.a.test.', 'A', answerOf(zones)).status).toBe('secure');
});

describe('DNSKEY records', () => {
  const withKey = (change: (data: Buffer) => void): { status: string; ede?: number } => {
    const key = makeKey('P-256');
    change(key.data as Buffer);
    const zones = tree(key);
    return zones.status('www.a.test.', 'A', answerOf(zones));
  };
  test('without the zone flag sign nothing', () => {
    expect(withKey(data => void (data[0] = 0))).toEqual({ status: 'bogus', ede: 11 });
  });
  test('without SEP sign as well as others (RFC 4034 section 2.1.1)', () => {
    expect(withKey(data => void (data[1] = 0)).status).toBe('secure');
  });
  test('that are revoked sign nothing (RFC 5011 section 2.1)', () => {
    expect(withKey(data => void (data[1] |= 0x80))).toEqual({ status: 'bogus', ede: 11 });
  });
  test('of another protocol than DNSSEC are none', () => {
    expect(withKey(data => void (data[2] = 4))).toEqual({ status: 'bogus', ede: 9 });
  });
  test('whose point is off its curve are none', () => {
    const zones = tree();
    const zone = zones.signed('a.test.');
    const off = Buffer.from(zone.key.data);
    off[off.length - 1] ^= 1;
    const digest = digestKey(zone.zone, off, 2)!;
    const ds = Buffer.concat([Buffer.of(0, 0, 13, 2), digest]);
    ds.writeUInt16BE(keyTag(off), 0);
    zones.replace(resigned(zones.signed('test.'), zones.find('a.test.', 'DS'), [ds]));
    zones.replace(
      signRrset(
        { ...zones.find('a.test.', 'DNSKEY'), data: [off], signatures: [] },
        zone.zone,
        zone.key,
        TIMES,
        head => {
          head.writeUInt16BE(keyTag(off), 16);
        },
      ),
    );
    expect(zones.status('www.a.test.', 'A', answerOf(zones)).status).toBe('bogus');
  });
});

describe('a zone with two algorithms', () => {
  const second = makeKey('Ed25519', 256);
  const statusWith = (harden: boolean, signers: readonly SigningAlgorithm[]): string => {
    const zones = tree(makeKey('P-256'));
    const zone = zones.signed('a.test.');
    const ds = Buffer.concat([Buffer.of(0, 0, 15, 2), digestKey(zone.zone, second.data, 2)!]);
    ds.writeUInt16BE(keyTag(second.data), 0);
    zones.replace(resigned(zones.signed('test.'), zones.find('a.test.', 'DS'), [zone.ds, ds]));
    const both = resigned(zone, zone.find('a.test.', 'DNSKEY'), [zone.key.data, second.data]);
    zones.replace(signRrset(both, zone.zone, second, TIMES));
    let answer = { ...zone.find('www.a.test.', 'A'), signatures: [] as Uint8Array[] };
    for (const one of signers) answer = signRrset(answer, zone.zone, one === 'P-256' ? zone.key : second, TIMES);
    zones.policy = { hardenAlgorithmDowngrade: harden };
    return zones.status('www.a.test.', 'A', { answer: [answer] }).status;
  };
  test('is secure by a signature of either (RFC 6840 section 5.11)', () => {
    expect(statusWith(false, ['P-256'])).toBe('secure');
    expect(statusWith(false, ['Ed25519'])).toBe('secure');
  });
  test('needs one of each where the policy hardens against downgrades', () => {
    expect(statusWith(true, ['P-256', 'Ed25519'])).toBe('secure');
    expect(statusWith(true, ['P-256'])).toBe('bogus');
    expect(statusWith(true, ['Ed25519', 'Ed25519'])).toBe('bogus');
  });
  test('a zone with one algorithm is secure by that under such a policy', () => {
    const zones = tree();
    zones.policy = { hardenAlgorithmDowngrade: true };
    expect(zones.status('www.a.test.', 'A', answerOf(zones)).status).toBe('secure');
  });
});

describe('trust anchors', () => {
  test('may be DNSKEY records', () => {
    const zones = tree();
    const { data } = zones.signed('test.').key;
    zones.anchors = new TrustAnchors([`test. 3600 IN DNSKEY ${decodeRdata(Type.DNSKEY, data)}`]);
    expect(zones.status('www.a.test.', 'A', answerOf(zones)).status).toBe('secure');
    zones.anchors = new TrustAnchors([`test. DNSKEY ${decodeRdata(Type.DNSKEY, makeKey('P-256').data)}`]);
    zones.zones.clear();
    expect(zones.status('www.a.test.', 'A', answerOf(zones))).toEqual({ status: 'bogus', ede: 9 });
  });
  test('count for what is below them: without one nothing is known', () => {
    const zones = tree();
    zones.anchors = new TrustAnchors([zones.signed('a.test.').anchor]);
    expect(zones.status('www.a.test.', 'A', answerOf(zones)).status).toBe('secure');
    const other = zones.judge('www.test.', 'A', { answer: [unsigned('www.test. 300 A 192.0.2.1')] });
    expect(other).toMatchObject({ status: 'indeterminate', ede: 5 });
    expect(other).not.toHaveProperty('unfetched');
  });
  test('below another are not overruled by it', () => {
    const zones = tree();
    const own = makeKey('P-256');
    zones.anchors = new TrustAnchors([
      zones.signed('test.').anchor,
      `a.test. DNSKEY ${decodeRdata(Type.DNSKEY, own.data)}`,
    ]);
    const parent = zones.signed('test.');
    const byParent = signRrset({ ...answerOf(zones).answer[0], signatures: [] }, parent.zone, parent.key, TIMES);
    expect(zones.status('www.a.test.', 'A', { answer: [byParent] }).status).toBe('bogus');
    zones.policy = { nestedAnchors: 'any' };
    expect(zones.status('www.a.test.', 'A', { answer: [byParent] }).status).toBe('secure');
    expect(zones.status('www.a.test.', 'A', answerOf(zones)).status).toBe('bogus');
  });
  test.each(['nsec', 'optOut'] as const)('below another may be out of date where any counts, with %s', denial => {
    const zones = new SignedTree({ 'test.': { denial, lines: ['m.test. 300 A 192.0.2.1'] } });
    const gone = (name: string) => zones.status(name, 'A', { rcode: 3, authority: zones.denials('test.') }).status;
    const anchor = `b.test. DNSKEY ${decodeRdata(Type.DNSKEY, makeKey('P-256').data)}`;
    zones.anchors = new TrustAnchors([zones.signed('test.').anchor, anchor]);
    expect(gone('www.b.test.')).toBe('bogus');
    zones.policy = { nestedAnchors: 'any' };
    // What the zone above leaves open is no reason to take anything for insecure.
    expect(gone('www.b.test.')).toBe(denial === 'nsec' ? 'secure' : 'bogus');
    expect(zones.status('www.b.test.', 'A', { answer: [unsigned('www.b.test. 300 A 192.0.2.9')] }).status).toBe(
      'bogus',
    );
    zones.anchors = new TrustAnchors(
      [zones.signed('test.').anchor, `c.b.test. DS 1 13 2 ${'00'.repeat(32)}`],
      ['b.test.'],
    );
    expect(gone('www.c.b.test.')).toBe('bogus');
  });
  test('may be negative until a time (RFC 7646)', () => {
    const zones = tree();
    const answer = [unsigned('www.a.test. 300 A 192.0.2.9')];
    zones.anchors = new TrustAnchors([zones.signed('test.').anchor], [{ name: 'a.test.', until: NOW + 10 }]);
    expect(zones.status('www.a.test.', 'A', { answer }).status).toBe('insecure');
    // What is signed right is not secure there either.
    expect(zones.status('www.a.test.', 'A', answerOf(zones)).status).toBe('insecure');
    expect(zones.asked).toEqual([]);
    zones.now += 10;
    expect(zones.status('www.a.test.', 'A', { answer }).status).toBe('bogus');
    expect(zones.status('www.a.test.', 'A', answerOf(zones)).status).toBe('secure');
  });
  test('name an end that is none', () => {
    expect(() => new TrustAnchors([], [{ name: 'a.test.', until: 'tomorrow' as never }])).toThrow(
      /^negativeTrustAnchors: .*got "tomorrow"$/,
    );
  });
});
