// Questions for DS and DNSKEY records: which are asked, and what becomes of an answer when nobody answers them.
import { describe, expect, test } from 'vitest';
import { digestKey } from '../../../lib/dnssec/ds.js';
import { keyTag } from '../../../lib/dnssec/key.js';
import type { FetchRecords } from '../../../lib/dnssec/steps.js';
import type { Validation } from '../../../lib/dnssec/validator.js';
import { ExtendedError, Rcode, Type } from '../../../lib/wire/iana.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { makeKey, signRrset } from '../../support/signed-zone.js';
import { resigned, SignedTree, TIMES, unsigned } from '../../support/signed-tree.js';

const tree = (): SignedTree =>
  new SignedTree({
    '.': {},
    'test.': {},
    'a.test.': { lines: ['www.a.test. 300 A 192.0.2.1'] },
    'plain.test.': { unsigned: true, lines: ['www.plain.test. 300 A 192.0.2.2'] },
  });
const failing =
  (what: 'DS' | 'DNSKEY', zone: string, how: FetchRecords): FetchRecords =>
  (name, type) =>
    type === Type[what] && nameToText(name) === zone ? how(name, type) : undefined;

const FAILURES: Record<string, [FetchRecords, number, string]> = {
  'is thrown': [
    () => {
      throw new Error('connect ECONNREFUSED 10.0.0.7');
    },
    23,
    'could not be fetched',
  ],
  'is a rejection': [() => Promise.reject(new Error('timeout')), 23, 'could not be fetched'],
  'is said with a code': [
    () => ({ failure: 'no server of the zone answers', ede: 22 }),
    22,
    'no server of the zone answers',
  ],
  'is SERVFAIL': [() => ({ rcode: Rcode.SERVFAIL, answer: [], authority: [] }), 22, 'SERVFAIL'],
  'is REFUSED, promised': [() => Promise.resolve({ rcode: Rcode.REFUSED, answer: [], authority: [] }), 22, 'REFUSED'],
};

describe.each(['DS', 'DNSKEY'] as const)('a failure to fetch %s records', what => {
  test.each(Object.entries(FAILURES))('that %s is neither bogus nor insecure', async (_, [how, ede, why]) => {
    const zones = tree();
    zones.instead = failing(what, 'a.test.', how);
    const verdict = await zones.judge('www.a.test.', 'A', { answer: [zones.find('www.a.test.', 'A')] });
    expect(verdict).toMatchObject({ status: 'indeterminate', unfetched: true, ede, ttl: 0 });
    expect(verdict.reason).toBe(`a.test. ${what}: ${why}`);
  });
  test('ends with the failure, not with the time for which bogus zones are kept', () => {
    const zones = tree();
    const answer = [zones.find('www.a.test.', 'A')];
    zones.instead = failing(what, 'a.test.', () => ({ failure: 'unreachable' }));
    expect(zones.status('www.a.test.', 'A', { answer }).status).toBe('indeterminate');
    zones.instead = () => undefined;
    zones.now += 1;
    expect(zones.status('www.a.test.', 'A', { answer }).status).toBe('secure');
  });
  test('is asked for once a question', () => {
    const zones = tree();
    zones.instead = failing(what, 'a.test.', () => ({ failure: 'unreachable' }));
    const answer = [zones.find('www.a.test.', 'A'), unsigned('x.a.test. 300 A 192.0.2.9')];
    zones.status('www.a.test.', 'A', { answer, authority: zones.denials('www.a.test.') });
    expect(zones.asked.filter(one => one === `a.test. ${what}`).length).toBe(1);
  });
  test('does not let an unsigned forgery through', () => {
    const zones = tree();
    zones.instead = failing(what, 'a.test.', () => ({ failure: 'unreachable' }));
    const verdict = zones.judge('www.a.test.', 'A', {
      answer: [unsigned('www.a.test. 300 A 203.0.113.1')],
    }) as Validation;
    expect(verdict).toMatchObject({ status: 'indeterminate', unfetched: true });
  });
});

test('a link of a chain whose keys cannot be fetched outweighs one that has no anchor', () => {
  const zones = tree();
  const other = new SignedTree({ 'test.': {}, 'a.test.': { lines: ['www.a.test. 300 A 192.0.2.1'] } });
  other.instead = failing('DS', 'a.test.', () => ({ failure: 'unreachable' }));
  const answer = [unsigned('alias.example. 300 CNAME www.a.test.'), zones.find('www.a.test.', 'A')];
  expect(other.judge('alias.example.', 'A', { answer })).toMatchObject({ status: 'indeterminate', unfetched: true });
});
test('a zone that has no keys where its DS records say so is bogus', () => {
  const zones = tree();
  zones.instead = failing('DNSKEY', 'a.test.', () => ({ rcode: 0, answer: [], authority: [] }));
  expect(zones.status('www.a.test.', 'A', { answer: [zones.find('www.a.test.', 'A')] })).toEqual({
    status: 'bogus',
    ede: 9,
  });
});
test('questions beyond what a question may cost are not asked: bogus, for this question only', () => {
  const zones = tree();
  const answer = [zones.find('www.a.test.', 'A')];
  zones.limits = { fetches: 2 };
  expect(zones.status('www.a.test.', 'A', { answer })).toEqual({ status: 'bogus', ede: 6 });
  zones.limits = {};
  expect(zones.status('www.a.test.', 'A', { answer }).status).toBe('secure');
});

describe('a zone many labels below the one above it', () => {
  const DEEP = '8.7.6.5.4.3.2.1.p.test.';
  const BARE = '8.7.6.5.4.3.2.0.p.test.';
  const HOST = `h.9.8.7.6.5.4.3.2.1.${DEEP}`;
  const PLAIN = `h.9.8.7.6.5.4.3.2.1.${BARE}`;
  const deep = (denial: 'nsec' | 'nsec3' = 'nsec'): SignedTree =>
    new SignedTree({
      'test.': {},
      'p.test.': { denial },
      [DEEP]: { lines: [`${HOST} 300 A 192.0.2.1`], denial },
      [BARE]: { unsigned: true, lines: [`${PLAIN} 300 A 192.0.2.2`] },
    });
  const CHAIN = [`${DEEP} DS`, 'p.test. DS', 'test. DNSKEY', 'p.test. DNSKEY', `${DEEP} DNSKEY`];
  test('is asked for by the name that its signatures have', () => {
    const zones = deep();
    expect(zones.status(HOST, 'A', { answer: [zones.find(HOST, 'A')] }).status).toBe('secure');
    expect(zones.asked).toEqual(CHAIN);
    expect(zones.status(HOST, 'A', { answer: [zones.find(HOST, 'A')] }).status).toBe('secure');
    expect(zones.asked.length).toBe(CHAIN.length);
  });
  test.each(['nsec', 'nsec3'] as const)('is asked for so in a denial by %s too', denial => {
    const zones = deep(denial);
    const authority = zones.denials(HOST);
    expect(zones.status(`no.${HOST}`, 'A', { authority, rcode: Rcode.NXDOMAIN }).status).toBe('secure');
    expect(zones.asked).toEqual(CHAIN);
  });
  test.each([
    ['the records of its apex', { authority: [unsigned(`${BARE} 300 NS ns.example.`)] }],
    ['what the fetcher knows', { zone: encodeName(BARE) }],
    ['the answer to a question for DS', {}],
  ])('is found by %s where it has no keys', (_, hint) => {
    const zones = deep();
    const verdict = zones.judge(PLAIN, 'A', { answer: [zones.find(PLAIN, 'A')], ...hint }) as Validation;
    expect(verdict).toMatchObject({ status: 'insecure', reason: 'a delegation without DS' });
    expect(zones.asked.length).toBeLessThanOrEqual(5);
    zones.asked.length = 0;
    zones.judge(PLAIN, 'AAAA', { authority: zones.denials(PLAIN), ...hint });
    expect(zones.asked).toEqual([]);
  });
  test('is found label by label where servers below it fail', () => {
    const zones = deep();
    zones.instead = (name, type) =>
      type === Type.DS && nameToText(name).endsWith(`.${BARE}`) ? { failure: 'unreachable' } : undefined;
    expect(zones.status(PLAIN, 'A', { answer: [zones.find(PLAIN, 'A')] }).status).toBe('insecure');
  });
  test('is not made insecure by a hint', () => {
    for (const hint of [BARE, DEEP, `2.1.${DEEP}`, HOST, `x.${HOST}`, 'example.', 'p.test.', '.']) {
      const zones = deep();
      const forged = unsigned(`${HOST} 300 A 203.0.113.1`);
      const authority = [unsigned(`${hint} 300 SOA ns.example. root.example. 1 1 1 1 1`)];
      const verdict = zones.judge(HOST, 'A', { answer: [forged], authority, zone: encodeName(hint) }) as Validation;
      expect([hint, verdict.status, verdict.ede]).toEqual([hint, 'bogus', 10]);
      expect(zones.asked.length).toBeLessThan(16);
    }
  });
  test('is not made insecure by unsigned answers to the questions for DS', () => {
    for (const zone of [DEEP, 'p.test.', HOST]) {
      for (const soa of [BARE, 'p.test.', '1.p.test.', 'test.', `3.2.1.${DEEP}`]) {
        const zones = deep();
        zones.instead = (name, type) =>
          type === Type.DS && nameToText(name) === zone
            ? { rcode: 0, answer: [], authority: [unsigned(`${soa} 300 SOA a. b. 1 1 1 1 1`)] }
            : undefined;
        const answer = [unsigned(`${HOST} 300 A 203.0.113.1`)];
        expect([zone, soa, zones.status(HOST, 'A', { answer }).status]).toEqual([zone, soa, 'bogus']);
      }
    }
  });
  test('is not made secure by keys of one that signs in its name', () => {
    const zones = deep();
    const own = makeKey('P-256');
    for (const signer of [DEEP, `1.${DEEP}`, HOST]) {
      zones.zones.clear();
      const octets = encodeName(signer);
      const digest = digestKey(octets, own.data, 2)!;
      const ds = Buffer.concat([Buffer.of(0, 0, own.algorithm, 2), digest]);
      ds.writeUInt16BE(keyTag(own.data), 0);
      const bare = (type: number, name: Uint8Array, data: Uint8Array): Rrset => ({
        name,
        type,
        ttl: 300,
        data: [data],
        signatures: [],
      });
      zones.instead = (name, type) => {
        if (nameToText(name) !== signer) return undefined;
        const rrset = bare(type, octets, type === Type.DS ? ds : own.data);
        // The DS records are signed by themselves, as if the zone were its own parent, or by a parent that is none.
        const by = type === Type.DS ? octets.subarray(2) : octets;
        return { rcode: 0, answer: [signRrset(rrset, by, own, TIMES)], authority: [] };
      };
      const answer = [signRrset(unsigned(`${HOST} 300 A 203.0.113.1`), octets, own, TIMES)];
      expect([signer, zones.status(HOST, 'A', { answer }).status]).toEqual([signer, 'bogus']);
    }
  });
});

test('records beside an answer are not worth a question', () => {
  const zones = tree();
  const answer = [zones.find('www.a.test.', 'A')];
  expect(zones.status('www.a.test.', 'A', { answer }).status).toBe('secure');
  zones.asked.length = 0;
  const authority = Array.from({ length: 20 }, (_, i) => {
    const ns = unsigned(`x${i}.y.a.test. 300 NS ns.example.`);
    return i < 10 ? ns : signRrset(ns, ns.name, zones.signed('a.test.').key, TIMES);
  });
  const verdict = zones.judge('www.a.test.', 'A', { answer, authority }) as Validation;
  expect(verdict.status).toBe('secure');
  expect(authority.map(one => verdict.rrsets.get(one)!.status)).toEqual(authority.map(() => 'indeterminate'));
  expect(zones.asked).toEqual([]);
});
test('each RRset of a denial is checked once', () => {
  const zones = tree();
  const authority = zones.denials('www.a.test.');
  const ask = (): string => zones.status('no.a.test.', 'A', { authority, rcode: Rcode.NXDOMAIN }).status;
  ask();
  expect(ask()).toBe('secure');
  expect(zones.budget.limits.units - zones.budget.left).toBeCloseTo(4 * authority.length, 0);
});

test('a signature of no octets is one that does not verify: it says who should have signed', () => {
  const zones = new SignedTree({ 'test.': { lines: ['www.test. 300 A 192.0.2.1'] } });
  const rrset = zones.find('www.test.', 'A');
  const cut = rrset.signatures.map(one => one.slice(0, 18 + 'test'.length + 2));
  const answer = [{ ...rrset, signatures: cut }];
  expect(zones.status('www.test.', 'A', { answer })).toEqual({ status: 'bogus', ede: ExtendedError.dnssecBogus });
  // Whether there is a zone without keys between the two need not be asked.
  expect(zones.asked).toEqual(['test. DNSKEY']);
});

test('beside a stronger digest SHA-1 counts only where that is wanted (RFC 4509 section 3)', () => {
  const zones = tree();
  const zone = zones.signed('a.test.');
  const key = zone.find('a.test.', 'DNSKEY').data[0];
  const dsOf = (digest: Uint8Array, digestType: number): Buffer => {
    const ds = Buffer.concat([Buffer.of(0, 0, key[3], digestType), digest]);
    ds.writeUInt16BE(keyTag(key), 0);
    return ds;
  };
  const sha1 = dsOf(digestKey(zone.zone, key, 1)!, 1);
  const wrong = dsOf(digestKey(zone.zone, Uint8Array.from(key).fill(1, 4), 2)!, 2);
  zones.replace(resigned(zones.signed('test.'), zones.find('a.test.', 'DS'), [wrong, sha1]));
  const answer = [zones.find('www.a.test.', 'A')];
  expect(zones.status('www.a.test.', 'A', { answer }).status).toBe('bogus');
  zones.zones.clear();
  zones.policy = { anyDigest: true };
  expect(zones.status('www.a.test.', 'A', { answer }).status).toBe('secure');
});
