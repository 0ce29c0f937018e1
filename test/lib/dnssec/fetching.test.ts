// Questions for DS and DNSKEY records: which are asked, and what becomes of an answer when nobody answers them.
import { describe, expect, test } from 'vitest';
import type { FetchRecords } from '../../../lib/dnssec/steps.js';
import type { Validation } from '../../../lib/dnssec/validator.js';
import { Rcode, Type } from '../../../lib/wire/iana.js';
import { nameToText } from '../../../lib/wire/name.js';
import { SignedTree, unsigned } from '../../support/signed-tree.js';

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
