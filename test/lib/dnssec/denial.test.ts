// Proofs that something does not exist, and records that look like one (RFC 4035 section 5.4; RFC 5155 section 8; RFC 6840
// section 4; RFC 9276; RFC 9824).
import { describe, expect, test } from 'vitest';
import type { Validation } from '../../../lib/dnssec/validator.js';
import { Rcode, Type } from '../../../lib/wire/iana.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import { encodeRdata } from '../../../lib/wire/rdata.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { signRrset, type SignedZone } from '../../support/signed-zone.js';
import { resigned, SignedTree, TIMES, unsigned, type ZoneParts } from '../../support/signed-tree.js';

const NXDOMAIN = { rcode: Rcode.NXDOMAIN };
const LINES = ['m.test. 300 A 192.0.2.1', '*.wild.test. 300 A 192.0.2.3', 'alias.test. 300 CNAME m.test.'];
const tree = (denial: ZoneParts['denial'] = 'nsec', iterations?: number): SignedTree =>
  new SignedTree({
    'test.': { lines: LINES, denial, iterations },
    'a.test.': { lines: ['www.a.test. 300 A 192.0.2.1'], denial },
    'plain.test.': { unsigned: true, lines: ['www.plain.test. 300 A 192.0.2.2'] },
  });

/** An NSEC record of a zone that says what the test wants. */
const nsec = (zone: SignedZone, owner: string, next: string, types: string): Rrset =>
  resigned(zone, unsigned(`${owner} 300 NSEC ${next} ${types}`));
const soa = (zones: SignedTree): Rrset => zones.find('test.', 'SOA');

describe('an NSEC record', () => {
  test('whose next name is outside its zone proves nothing', () => {
    const zones = tree();
    const zone = zones.signed('test.');
    const inside = [soa(zones), nsec(zone, 'm.test.', 'z.test.', 'A'), nsec(zone, 'test.', 'a.test.', 'NS SOA')];
    expect(zones.status('n.test.', 'A', { authority: inside, ...NXDOMAIN }).status).toBe('secure');
    const outside = [soa(zones), nsec(zone, 'm.test.', 'zz.', 'A'), nsec(zone, 'test.', 'a.test.', 'NS SOA')];
    expect(zones.status('n.test.', 'A', { authority: outside, ...NXDOMAIN }).status).toBe('bogus');
  });
  test('that was made from a wildcard proves nothing', () => {
    const zones = tree();
    const zone = zones.signed('test.');
    const wild = nsec(zone, '*.test.', 'z.test.', 'A');
    const authority = [soa(zones), { ...wild, name: encodeName('m.test.') }];
    expect(zones.status('m.test.', 'AAAA', { authority })).toEqual({ status: 'bogus', ede: 6 });
  });
  test('of a cut does not deny what is below the cut, nor anything but DS at it (RFC 6840 section 4.1)', () => {
    const zones = tree();
    const zone = zones.signed('test.');
    const cut = nsec(zone, 'b.test.', 'z.test.', 'NS');
    expect(zones.status('x.b.test.', 'A', { authority: [soa(zones), cut], ...NXDOMAIN }).status).toBe('bogus');
    expect(zones.status('b.test.', 'A', { authority: [soa(zones), cut] }).status).toBe('bogus');
    expect(zones.status('b.test.', 'DS', { authority: [soa(zones), cut] }).status).toBe('secure');
  });
  test('with DNAME does not deny what is below it (RFC 6672 section 5.3.4.1)', () => {
    const zones = tree();
    const dname = nsec(zones.signed('test.'), 'b.test.', 'z.test.', 'DNAME');
    expect(zones.status('x.b.test.', 'A', { authority: [soa(zones), dname], ...NXDOMAIN }).status).toBe('bogus');
  });
  test('of a name that has a CNAME denies no other type at it', () => {
    const zones = tree();
    expect(zones.status('alias.test.', 'A', { authority: zones.denials('test.') }).status).toBe('bogus');
  });
  test('with NXNAME denies the name (RFC 9824 section 3.1)', () => {
    const zones = tree();
    const compact = nsec(zones.signed('test.'), 'n.test.', '\\000.n.test.', 'RRSIG NSEC TYPE128');
    const authority = [soa(zones), compact];
    expect(zones.status('n.test.', 'A', { authority, ...NXDOMAIN }).status).toBe('secure');
    expect(zones.status('n.test.', 'A', { authority }).status).toBe('secure');
    const plain = nsec(zones.signed('test.'), 'n.test.', '\\000.n.test.', 'RRSIG NSEC');
    // The name is there, without that type, whatever the response says of it.
    const told = zones.judge('n.test.', 'A', { authority: [soa(zones), plain], ...NXDOMAIN });
    expect(told).toMatchObject({ status: 'secure', rcode: 0 });
    expect(zones.status('n.test.', 'A', { authority: [soa(zones), plain] }).status).toBe('secure');
  });
  test('is missing: that is said', () => {
    const zones = tree();
    expect(zones.status('n.test.', 'A', { authority: [soa(zones)], ...NXDOMAIN })).toEqual({
      status: 'bogus',
      ede: 12,
    });
  });
});

describe('an NSEC3 record', () => {
  const first = (zones: SignedTree): Rrset => zones.signed('test.').all('NSEC3')[0];
  test('two labels below its zone proves nothing', () => {
    const zones = tree('nsec3');
    const zone = zones.signed('test.');
    const moved = zone.all('NSEC3').map(one => {
      const name = encodeName(nameToText(one.name).replace('.test.', '.sub.test.'));
      return resigned(zone, { ...one, name });
    });
    expect(zones.status('m.test.', 'AAAA', { authority: [soa(zones), ...zone.all('NSEC3')] }).status).toBe('secure');
    expect(zones.status('m.test.', 'AAAA', { authority: [soa(zones), ...moved] }).status).toBe('bogus');
  });
  test.each([
    ['an unknown hash', (data: Buffer) => void (data[0] = 2)],
    ['unknown flags', (data: Buffer) => void (data[1] = 2)],
    ['another hash length', (data: Buffer) => void (data[5 + data[4]] = 21)],
  ])('with %s proves nothing (RFC 5155 sections 8.1, 8.2)', (_, change) => {
    const zones = tree('nsec3');
    const zone = zones.signed('test.');
    const changed = zone.all('NSEC3').map(one => {
      const data = Buffer.from(one.data[0]);
      change(data);
      return resigned(zone, one, [data]);
    });
    expect(zones.status('m.test.', 'AAAA', { authority: [soa(zones), ...changed] })).toEqual({
      status: 'bogus',
      ede: 6,
    });
  });
  test('with another salt than the first is not of the same proof', () => {
    const zones = tree('nsec3');
    const zone = zones.signed('test.');
    const other = resigned(zone, first(zones), [
      encodeRdata(Type.NSEC3, '1 0 1 cd 0000000000000000000000000000000000000000 A'),
    ]);
    const status = (...authority: Rrset[]): string => zones.status('m.test.', 'AAAA', { authority }).status;
    expect(status(soa(zones), ...zone.all('NSEC3'), { ...other, name: encodeName(`${'0'.repeat(32)}.test.`) })).toBe(
      'secure',
    );
  });
  test('of more iterations than the limit shows its zone to be insecure (RFC 9276 section 3.2)', () => {
    const zones = tree('nsec3', 51);
    const authority = zones.denials('test.');
    expect(zones.status('n.test.', 'A', { authority, ...NXDOMAIN })).toEqual({ status: 'insecure', ede: 27 });
    expect(zones.budget.limits.units - zones.budget.left).toBeLessThan(100);
    zones.policy = { nsec3Iterations: 150 };
    expect(zones.status('n.test.', 'A', { authority, ...NXDOMAIN }).status).toBe('secure');
  });
  test('of more iterations shows nothing of a zone below that has keys', () => {
    for (const [rcode, type] of [
      [Rcode.NXDOMAIN, 'A'],
      [Rcode.NOERROR, 'TXT'],
    ] as const) {
      const zones = tree('nsec3', 51);
      const authority = zones.denials('nx.test.');
      // Nor as the answer to a question for DS.
      zones.instead = (name, asked) =>
        asked === Type.DS && nameToText(name) === 'www.a.test.' ? { rcode: 0, answer: [], authority } : undefined;
      expect(zones.status('www.a.test.', type, { rcode, authority }).status).toBe('bogus');
      const forged = { answer: [unsigned('www.a.test. 300 A 6.6.6.6')] };
      expect(zones.status('www.a.test.', 'A', forged).status).toBe('bogus');
      expect(zones.status('nx.test.', type, { rcode, authority })).toEqual({ status: 'insecure', ede: 27 });
    }
  });

  test('of more iterations counts only once its signature is good', () => {
    const zones = tree('nsec3');
    const authority = zones.denials('test.').map(one => {
      if (one.type !== Type.NSEC3) return one;
      const data = Buffer.from(one.data[0]);
      data.writeUInt16BE(500, 2);
      return { ...one, data: [data] };
    });
    expect(zones.status('n.test.', 'A', { authority, ...NXDOMAIN })).toEqual({ status: 'bogus', ede: 6 });
  });
});

test('hashes of a zone are no proof of what is above it: a wildcard of its parent does not reach into it', () => {
  const zones = new SignedTree({
    'test.': { lines: ['*.test. 300 A 192.0.2.3'], denial: 'nsec3' },
    'b.a.test.': { lines: ['www.b.a.test. 300 A 192.0.2.1'], denial: 'nsec3' },
  });
  const made = { ...zones.find('*.test.', 'A'), name: encodeName('x.b.a.test.') };
  const authority = zones.denials('www.b.a.test.');
  expect(zones.status('x.b.a.test.', 'A', { answer: [made], authority }).status).toBe('bogus');
});

describe.each(['nsec', 'nsec3'] as const)('DS records denied by %s', denial => {
  const statusOf = (zones: SignedTree, authority: readonly Rrset[]): string => {
    zones.instead = (name, type) =>
      type === Type.DS && nameToText(name) === 'a.test.' ? { rcode: 0, answer: [], authority } : undefined;
    return zones.status('www.a.test.', 'A', { answer: [unsigned('www.a.test. 300 A 203.0.113.1')] }).status;
  };
  test('need the record of the parent, not of the child', () => {
    const zones = tree(denial);
    expect(statusOf(zones, zones.denials('www.a.test.'))).toBe('bogus');
  });
  test('cannot be those of a zone that has some', () => {
    const zones = tree(denial);
    expect(statusOf(zones, zones.denials('test.'))).toBe('bogus');
  });
  test('leave a delegation without them insecure', () => {
    const zones = tree(denial);
    const answer = [zones.find('www.plain.test.', 'A')];
    expect(zones.status('www.plain.test.', 'A', { answer }).status).toBe('insecure');
  });
});

describe('DS records', () => {
  test('made from a wildcard are none', () => {
    const zones = tree();
    const parent = zones.signed('test.');
    const wild = resigned(parent, { ...zones.find('a.test.', 'DS'), name: encodeName('*.test.') });
    zones.replace({ ...wild, name: encodeName('a.test.') });
    expect(zones.status('www.a.test.', 'A', { answer: [zones.find('www.a.test.', 'A')] }).status).toBe('bogus');
  });
  test('signed by the child are none', () => {
    const zones = tree();
    zones.replace(resigned(zones.signed('a.test.'), zones.find('a.test.', 'DS')));
    expect(zones.status('www.a.test.', 'A', { answer: [zones.find('www.a.test.', 'A')] }).status).toBe('bogus');
  });
  test('are not to be where there is a CNAME: what is below it is in the same zone', () => {
    const zones = tree();
    const below = resigned(zones.signed('test.'), unsigned('x.alias.test. 300 A 192.0.2.7'));
    zones.instead = (name, type) =>
      type === Type.DS && nameToText(name) === 'alias.test.'
        ? { rcode: 0, answer: [zones.find('alias.test.', 'CNAME')], authority: [] }
        : undefined;
    expect(zones.status('x.alias.test.', 'A', { answer: [below] }).status).toBe('secure');
    expect(zones.status('x.alias.test.', 'A', { answer: [{ ...below, signatures: [] }] }).status).toBe('bogus');
    zones.zones.clear();
    zones.instead = (name, type) =>
      type === Type.DS && nameToText(name) === 'alias.test.'
        ? { rcode: 0, answer: [unsigned('alias.test. 300 CNAME m.test.')], authority: [] }
        : undefined;
    expect(zones.status('x.alias.test.', 'A', { answer: [{ ...below, signatures: [] }] }).status).toBe('bogus');
  });
});

describe('what a DNAME makes', () => {
  const zones = new SignedTree({
    'test.': { lines: ['old.test. 300 DNAME new.test.', 'x.new.test. 300 A 192.0.2.5'] },
    'plain.test.': { unsigned: true, lines: ['old.plain.test. 300 DNAME new.test.'] },
  });
  const made = (owner: string, target: string): Rrset => unsigned(`${owner} 300 CNAME ${target}`);
  test('has the verdict and at most the lifetime of the DNAME', () => {
    const answer = [
      made('x.old.test.', 'x.new.test.'),
      zones.find('old.test.', 'DNAME'),
      zones.find('x.new.test.', 'A'),
    ];
    const verdict = zones.judge('x.old.test.', 'A', { answer }) as Validation;
    expect(verdict.status).toBe('secure');
    expect(verdict.rrsets.get(answer[0])).toMatchObject({ status: 'secure', ttl: 300 });
    const plain = [
      zones.find('old.plain.test.', 'DNAME'),
      made('x.old.plain.test.', 'x.new.test.'),
      zones.find('x.new.test.', 'A'),
    ];
    const other = zones.judge('x.old.plain.test.', 'A', { answer: plain }) as Validation;
    expect(other.status).toBe('insecure');
    expect(plain.map(one => other.rrsets.get(one)!.status)).toEqual(['insecure', 'insecure', 'secure']);
  });
  test('is computed again, not believed', () => {
    const answer = [zones.find('old.test.', 'DNAME'), made('x.old.test.', 'y.new.test.')];
    expect(zones.status('x.old.test.', 'A', { answer }).status).toBe('bogus');
  });
});

describe('signatures asked for by type', () => {
  test('are not signed: the answer is insecure', () => {
    const zones = tree();
    const { name, ttl, signatures } = zones.find('m.test.', 'A');
    const answer = [{ name, type: Type.A, ttl, data: [], signatures }];
    expect(zones.status('m.test.', 'RRSIG', { answer }).status).toBe('insecure');
  });
  test('without what they sign are no part of another answer', () => {
    const zones = tree();
    const a = zones.find('m.test.', 'A');
    const stray = { ...zones.find('alias.test.', 'CNAME'), data: [] };
    expect(zones.status('m.test.', 'A', { answer: [a, stray] }).status).toBe('secure');
    expect(zones.status('m.test.', 'A', { answer: [stray] }).status).toBe('bogus');
  });
});

test('a chain leads to the same name in any letters: what it lacks there has to be proven', () => {
  const zones = new SignedTree({ 'test.': { lines: ['alias.test. 300 CNAME A.TeSt.', 'a.test. 300 MX 1 a.test.'] } });
  const answer = [zones.find('alias.test.', 'CNAME')];
  expect(zones.status('alias.test.', 'A', { answer }).status).toBe('bogus');
  expect(zones.status('alias.test.', 'A', { answer, authority: zones.denials('test.') }).status).toBe('secure');
});

test('a signature of a zone does not make its parent, or a sibling, its signer', () => {
  const zones = tree();
  const child = zones.signed('a.test.');
  const foreign = signRrset(unsigned('m.test. 300 A 203.0.113.1'), child.zone, child.key, TIMES);
  expect(zones.status('m.test.', 'A', { answer: [foreign] }).status).toBe('bogus');
  // Signed by the child in its parent's name.
  const posing = signRrset(unsigned('m.test. 300 A 203.0.113.1'), zones.signed('test.').zone, child.key, TIMES);
  expect(zones.status('m.test.', 'A', { answer: [posing] }).status).toBe('bogus');
});

test('a fetcher that promises its responses gets the same verdicts', async () => {
  for (const denial of ['nsec', 'nsec3', 'optOut'] as const) {
    const zones = tree(denial);
    const cases: [string, Rrset[], Rrset[], number][] = [
      ['www.a.test.', [zones.find('www.a.test.', 'A')], [], 0],
      ['www.a.test.', [unsigned('www.a.test. 300 A 192.0.2.9')], [], 0],
      ['www.plain.test.', [zones.find('www.plain.test.', 'A')], [], 0],
      ['nothing.a.test.', [], zones.denials('www.a.test.'), Rcode.NXDOMAIN],
      ['nothing.a.test.', [], zones.denials('m.test.'), Rcode.NXDOMAIN],
    ];
    for (const [name, answer, authority, rcode] of cases) {
      zones.zones.clear();
      const now = zones.judge(name, 'A', { answer, authority, rcode }) as Validation;
      zones.zones.clear();
      zones.instead = (wanted, type) => Promise.resolve(zones.fetch(wanted, type));
      const later = zones.judge(name, 'A', { answer, authority, rcode });
      zones.instead = () => undefined;
      expect(later).toBeInstanceOf(Promise);
      expect(await later).toEqual(now);
    }
  }
});
