// What a hostile zone can make a validator do, and what it cannot (CVE-2023-50387, CVE-2023-50868, CVE-2026-42923).
import { describe, expect, test } from 'vitest';
import { keyTag } from '../../../lib/dnssec/key.js';
import { Budget } from '../../../lib/dnssec/budget.js';
import { validate, type Validation } from '../../../lib/dnssec/validator.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { decoyKey, makeKey, type SignedZone, type SigningKey } from '../../support/signed-zone.js';
import { resigned, SignedTree, unsigned } from '../../support/signed-tree.js';

const LINES = ['www.test. 300 A 192.0.2.1'];
const tree = (): SignedTree => new SignedTree({ 'test.': { lines: LINES, key: makeKey('Ed25519') } });
const ED25519_COST = 4;

describe('keys whose tags collide', () => {
  const statusWith = (place: number): { status: string; ede?: number } => {
    const zones = tree();
    const zone = zones.signed('test.');
    const decoys = [1, 2, 3].map(seed => decoyKey(keyTag(zone.key.data), zone.key.algorithm, seed));
    const keys = [...decoys.slice(0, place), zone.key.data, ...decoys.slice(place)];
    zones.replace(resigned(zone, zone.find('test.', 'DNSKEY'), keys));
    return zones.status('www.test.', 'A', { answer: [zone.find('www.test.', 'A')] });
  };
  test('are tried, two of them', () => {
    expect(statusWith(0).status).toBe('secure');
    expect(statusWith(1).status).toBe('secure');
  });
  test('are not tried beyond', () => {
    expect(statusWith(2)).toEqual({ status: 'bogus', ede: 9 });
  });
});

describe('signatures of one RRset that do not verify', () => {
  const spent = (bad: number, good: number): [string, number] => {
    const zones = tree();
    const zone = zones.signed('test.');
    const rrset = zone.find('www.test.', 'A');
    zones.status('www.test.', 'A', { answer: [rrset] }); // its keys are known now
    const wrong = (i: number): Uint8Array => {
      const data = Buffer.from(rrset.signatures[0]);
      data[data.length - 1] ^= i + 1;
      return data;
    };
    const signatures = [...Array.from({ length: bad }, (_, i) => wrong(i)), ...rrset.signatures.slice(0, good)];
    const { status } = zones.status('www.test.', 'A', { answer: [{ ...rrset, signatures }] });
    return [status, Math.round((zones.budget.limits.units - zones.budget.left) / ED25519_COST)];
  };
  test('do not outweigh one that does (RFC 6840 section 5.4)', () => {
    expect(spent(3, 1)).toEqual(['secure', 4]);
  });
  test('are checked four times', () => {
    expect(spent(4, 1)).toEqual(['bogus', 4]);
    expect(spent(8, 0)).toEqual(['bogus', 4]);
  });
});

describe('DS records of a zone', () => {
  const statusWith = (place: number): { status: string; ede?: number } => {
    const zones = new SignedTree({ 'test.': {}, 'a.test.': { lines: ['www.a.test. 300 A 192.0.2.1'] } });
    const real = zones.signed('a.test.').ds;
    const others = Array.from({ length: 8 }, (_, i) => {
      const data = Buffer.from(real);
      data[data.length - 1] ^= i + 1;
      return data;
    });
    const data = [...others.slice(0, place), real, ...others.slice(place)];
    zones.replace(resigned(zones.signed('test.'), zones.find('a.test.', 'DS'), data));
    return zones.status('www.a.test.', 'A', { answer: [zones.find('www.a.test.', 'A')] });
  };
  test('are looked at, eight of them', () => {
    expect(statusWith(7).status).toBe('secure');
    expect(statusWith(8)).toEqual({ status: 'bogus', ede: 9 });
  });
});

describe('the budget of a question', () => {
  test('ends its checks: bogus, and nothing is kept of the zone', () => {
    const zones = tree();
    const answer = [zones.find('www.test.', 'A')];
    zones.limits = { units: ED25519_COST - 1 };
    expect(zones.judge('www.test.', 'A', { answer })).toMatchObject({
      status: 'bogus',
      ede: 6,
      reason: expect.stringContaining('than a question may cost') as string,
    });
    zones.limits = {};
    expect(zones.status('www.test.', 'A', { answer }).status).toBe('secure');
  });
  test('pays NSEC3 hashes, each of them once', () => {
    const long = `${'a.'.repeat(100)}test.`;
    const zones = new SignedTree({ 'test.': { lines: LINES, denial: 'nsec3', iterations: 50 } });
    const authority = zones.denials('test.');
    const ask = (): Validation => zones.judge(long, 'A', { authority, rcode: 3 }) as Validation;
    zones.limits = { units: 4 * 10 };
    expect(ask()).toMatchObject({ status: 'bogus', ede: 6, reason: 'more NSEC3 hashes than a question may cost' });
    zones.limits = { units: 1000 };
    expect(ask().status).toBe('secure');
    // A hundred names and the wildcard, 51 steps of 0.05 units each.
    expect(ask().status).toBe('secure');
    expect((1000 - zones.budget.left - 4 * authority.length) / (51 * 0.05)).toBeCloseTo(102, 0);
  });
  test('is enough for the dearest answers of well-kept zones: P-384, NSEC3, a wildcard and nothing at its end', () => {
    const key = (): SigningKey => makeKey('P-384');
    const lines = ['*.a.test. 300 CNAME no.x.a.test.', 'y.x.a.test. 300 A 192.0.2.1'];
    const zones = new SignedTree({
      '.': { key: makeKey('RSASHA256') },
      'test.': { key: key() },
      'a.test.': { key: key(), denial: 'nsec3', lines },
    });
    const answer = [{ ...zones.find('*.a.test.', 'CNAME'), name: encodeName('w.a.test.') }];
    const authority = zones.denials('a.test.');
    expect(authority).toHaveLength(5);
    expect(zones.status('w.a.test.', 'A', { answer, authority, rcode: 3 }).status).toBe('secure');
    expect(zones.budget.limits.units - zones.budget.left).toBeGreaterThan(230);
  });
  test('pays once for an RRset that goes with several links of a chain, whatever their TTLs', async () => {
    const zones = tree();
    const rrset = zones.find('www.test.', 'A');
    const { now, policy, anchors, zones: known, fetchRecords } = zones;
    const context = { now, policy, anchors, zones: known, fetchRecords, budget: new Budget(), paid: new Map() };
    const cost = async (answer: Rrset): Promise<[string, number, number]> => {
      const before = context.budget.left;
      const question = { name: answer.name, type: Type.A };
      const { status, ttl } = await validate(question, { rcode: 0, answer: [answer], authority: [] }, context);
      return [status, ttl, Math.round((before - context.budget.left) / ED25519_COST)];
    };
    await cost(rrset);
    expect(await cost(rrset)).toEqual(['secure', 300, 0]);
    expect(await cost({ ...rrset, ttl: 60 })).toEqual(['secure', 60, 0]);
    // As the cache gives it.
    expect(await cost({ ...rrset, data: [...rrset.data], signatures: [Uint8Array.from(rrset.signatures[0])] })).toEqual(
      ['secure', 300, 0],
    );
    // Signatures of one RRset are no word on another.
    expect(await cost({ ...rrset, name: encodeName('other.test.') })).toEqual(['bogus', 0, 1]);
    expect(await cost({ ...rrset, data: [Uint8Array.of(6, 6, 6, 6)] })).toEqual(['bogus', 0, 1]);
  });
  test('is not gone through for an answer that is bogus already', () => {
    const zones = tree();
    const zone: SignedZone = zones.signed('test.');
    const answer = Array.from({ length: 24 }, (_, i): Rrset => {
      const name = encodeName(`n${i}.test.`);
      const rrset = resigned(zone, { name, type: Type.A, ttl: 300, data: [Uint8Array.of(1, 2, 3, i)], signatures: [] });
      const signatures = Array.from({ length: 8 }, (__, j) => {
        const data = Buffer.from(rrset.signatures[0]);
        data[data.length - 1] ^= j + 1;
        return data;
      });
      return { ...rrset, signatures };
    });
    expect(zones.status('n0.test.', 'A', { answer }).status).toBe('bogus');
    expect(zones.budget.limits.units - zones.budget.left).toBeLessThan(6 * ED25519_COST);
  });
  test('pays for the size of what is checked, and for keys that are not known yet', () => {
    const zones = tree();
    const zone = zones.signed('test.');
    const data = Array.from({ length: 4000 }, (_, i) => Uint8Array.of(10, 0, i >> 8, i));
    zones.status('www.test.', 'A', { answer: [zones.find('www.test.', 'A')] });
    const answer = [resigned(zone, zones.find('www.test.', 'A'), data)];
    expect(zones.status('www.test.', 'A', { answer }).status).toBe('secure');
    expect(zones.budget.limits.units - zones.budget.left).toBeGreaterThan(80);
    const off = Array.from({ length: 8 }, () => {
      const key = Buffer.from(makeKey('P-384').data);
      key[key.length - 1] ^= 1;
      return key;
    });
    zones.zones.clear();
    zones.replace(resigned(zone, zone.find('test.', 'DNSKEY'), [zone.key.data, ...off]));
    const a = zone.find('www.test.', 'A');
    const signatures = off.map(key => {
      const signature = Buffer.from(a.signatures[0]);
      signature[2] = 14;
      signature.writeUInt16BE(keyTag(key), 16);
      return signature;
    });
    expect(zones.status('www.test.', 'A', { answer: [{ ...a, signatures }] }).status).toBe('bogus');
    const spent = zones.budget.limits.units - zones.budget.left;
    expect(spent).toBeGreaterThan(4 * 8);
    expect(spent).toBeLessThan(4 * 8 + 10);
  });
});

test('sixteen records of a response are looked at as proof', () => {
  const zones = tree();
  const zone = zones.signed('test.');
  const others = Array.from({ length: 16 }, (_, i) => resigned(zone, unsigned(`n${i}.test. 300 NSEC n${i}a.test. A`)));
  const needed = zones.denials('test.');
  const status = (count: number): string =>
    zones.status('no.test.', 'A', { authority: [...others.slice(0, count), ...needed], rcode: 3 }).status;
  expect(status(10)).toBe('secure');
  expect(status(16)).toBe('bogus');
});

test.each([
  ['nothing', []],
  ['a label that does not end', [0xc0, 0, 2, 1]],
  ['more than a name', [1, 97, 0, 0]],
])('data of a CNAME or DNAME that is %s is not walked as a name', (_, octets) => {
  const zones = tree();
  const data = [Uint8Array.from(octets)];
  for (const type of [Type.CNAME, Type.DNAME]) {
    const made = { name: encodeName('www.test.'), type, ttl: 300, data, signatures: [] };
    const below = { ...made, name: encodeName('x.www.test.'), type: Type.CNAME };
    expect(zones.status('www.test.', 'A', { answer: [made] }).status).toBe('bogus');
    expect(zones.status('x.www.test.', 'A', { answer: [made, below] }).status).toBe('bogus');
  }
});

test('an answer of more than 24 RRsets is bogus, and nothing of it is checked', () => {
  const zones = tree();
  const answer = Array.from({ length: 25 }, () => zones.find('www.test.', 'A'));
  expect(zones.judge('www.test.', 'ANY', { answer })).toMatchObject({ status: 'bogus', ede: 6 });
  expect(zones.asked).toEqual([]);
});

describe('a budget', () => {
  test('leaves two thirds to the next try, whatever fails in one', () => {
    const budget = new Budget({ units: 90 });
    for (let i = 0; i < 20; i++) if (budget.spend(4)) budget.fail(4);
    expect(budget.isSpent).toBe(true);
    expect(budget.left).toBe(58);
    expect(budget.renew()).toBe(true);
    expect(budget.isSpent).toBe(false);
    expect(budget.spend(58)).toBe(true);
  });
  test('is given once more for another try where all of it is spent', () => {
    const budget = new Budget({ units: 10 });
    expect(budget.spend(11)).toBe(false);
    expect(budget.renew()).toBe(true);
    expect(budget.spend(10)).toBe(true);
    expect(budget.isSpent).toBe(true);
    expect(budget.renew()).toBe(false);
  });
});
