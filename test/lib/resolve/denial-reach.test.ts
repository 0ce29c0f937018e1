// Which names a denial reaches: that of one zone, of one chain of records, or of one name says nothing of another's.
import { describe, expect, test } from 'vitest';
import { TrustAnchors } from '../../../lib/dnssec/trust.js';
import { Rcode, Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { setUpRecursor, texts } from '../../support/recursor.js';
import { SignedInternet } from '../../support/signed-internet.js';
import { NOW, SignedTree, unsigned, type ZoneParts } from '../../support/signed-tree.js';

function setUp(
  zones: Readonly<Record<string, ZoneParts>>,
  { islands = [], negative = [] }: { islands?: string[]; negative?: string[] } = {},
) {
  const tree = new SignedTree(zones);
  const internet = new SignedInternet(tree);
  const anchors = new TrustAnchors(
    ['.', ...islands].map(zone => tree.signed(zone).anchor),
    negative,
  );
  const validation = { anchors, policy: {}, budget: {}, aggressive: true, signal: false, rootTags: [] };
  const parts = setUpRecursor(
    { validation, rootHints: ['192.0.2.1'], qnameMinimisation: 'off' },
    undefined,
    internet.ask,
  );
  parts.clock.wall = NOW;
  const get = (name: string, type: number = Type.A, how: { checkingDisabled?: boolean; fresh?: boolean } = {}) =>
    parts.recursor.resolve(encodeName(name), type, how);
  /** What a client is told, in short. */
  const told = (name: string, type: number = Type.A): Promise<string> =>
    get(name, type).then(
      result => [result.secure ? 'secure' : 'insecure', result.rcode, ...texts(result)].join(' '),
      () => 'SERVFAIL',
    );
  return { ...parts, tree, internet, get, told };
}

describe.each(['nsec', 'nsec3'] as const)('denials of a parent with %s', denial => {
  test.each(['nsec', 'nsec3', 'optOut'] as const)(
    "make nothing of a child's wildcard: its names are not the parent's to deny (RFC 8198, RFC 5155 section 8.3; child %s)",
    async child => {
      const hosts = Array.from({ length: 8 }, (_, i) => `h${i}.org. 300 A 192.0.2.1`);
      const { get, told } = setUp({
        '.': { denial },
        'org.': { denial, lines: hosts },
        'bank.org.': {
          denial: child,
          lines: [
            'www.bank.org. 300 A 192.0.2.80',
            '*.bank.org. 300 A 198.51.100.66',
            'a.deep.bank.org. 300 A 192.0.2.82',
          ],
        },
      });
      await get('nx.org.');
      await get('*.bank.org.');
      expect(await told('www.bank.org.')).toBe('secure 0 A 192.0.2.80');
      expect(await told('a.deep.bank.org.')).toBe('secure 0 A 192.0.2.82');
    },
  );
});

test('hashes of a zone say nothing of names below a DNAME', async () => {
  const { get, told, recursor } = setUp({
    '.': {},
    'org.': {
      denial: 'nsec3',
      lines: ['old.org. 300 DNAME new.org.', '*.old.org. 300 A 198.51.100.66', 'a.new.org. 300 A 192.0.2.81'],
    },
  });
  await get('nx.org.');
  await get('*.old.org.');
  await told('nx.old.org.');
  expect(recursor.stats.synthesised).toBe(0);
});

test.each(['nsec', 'nsec3', 'optOut'] as const)(
  "a parent's %s records do not show that a name of its child has no data of its own, which a wildcard's stand in for",
  async denial => {
    const { tree, internet, told } = setUp({
      '.': {},
      'org.': { denial },
      'bank.org.': { lines: ['www.bank.org. 300 A 192.0.2.80', '*.bank.org. 300 A 198.51.100.66'] },
    });
    const authority = tree.signed('org.').rrsets.filter(one => one.type === Type.NSEC3 || one.type === Type.NSEC);
    internet.lie = (_said, _server, name, type) =>
      name === 'www.bank.org.' && type === Type.A
        ? { rcode: 0, answer: [{ ...tree.find('*.bank.org.', 'A'), name: encodeName(name) }], authority }
        : undefined;
    expect(await told('www.bank.org.')).toBe('SERVFAIL');
    // What the zone itself shows counts.
    expect(await told('other.bank.org.')).toBe('secure 0 A 198.51.100.66');
  },
);

describe.each(['nsec', 'nsec3'] as const)('an NXDOMAIN of a name that its own %s records show to be there', denial => {
  const zones: Readonly<Record<string, ZoneParts>> = {
    '.': { denial },
    'com.': { denial },
    'shop.com.': {
      denial,
      lines: ['www.shop.com. 300 A 192.0.2.80', 'www.ent.shop.com. 300 A 192.0.2.81'],
    },
    'plain.com.': { unsigned: true, lines: ['www.plain.com. 300 A 192.0.2.82'] },
  };

  test.each(['.', 'com.', 'ent.shop.com.'])('says nothing of the names below it, kept unchecked: %s', async victim => {
    const { internet, get, told } = setUp(zones);
    // The keys of all are known: to ask for them would show that the name is there.
    await get('nx.shop.com.');
    await get('nx.plain.com.');
    let lies = 1;
    internet.lie = (said, _server, name, type) =>
      name === victim && type === Type.A && lies-- > 0 ? { ...said, rcode: Rcode.NXDOMAIN } : undefined;
    expect((await get(victim, Type.A, { checkingDisabled: true })).rcode).toBe(Rcode.NXDOMAIN);
    expect(await told('www.shop.com.')).toBe('secure 0 A 192.0.2.80');
    expect(await told('www.ent.shop.com.')).toBe('secure 0 A 192.0.2.81');
    expect(await told('www.plain.com.')).toBe('insecure 0 A 192.0.2.82');
    expect(await told(victim)).toBe('secure 0');
  });

  test('nor as an answer about signatures, which fails', async () => {
    const { tree, internet, get, told } = setUp(zones);
    await get('nx.shop.com.');
    internet.lie = (_said, _server, name, type) =>
      name === 'com.' && type === Type.RRSIG
        ? { rcode: Rcode.NXDOMAIN, answer: [], authority: tree.denials('com.') }
        : undefined;
    await expect(get('com.', Type.RRSIG)).rejects.toMatchObject({ isBogus: true });
    expect(await told('www.ent.shop.com.')).toBe('secure 0 A 192.0.2.81');
  });

  test('nor where a server always says so of what is nothing but a part of others', async () => {
    const { internet, told } = setUp(zones);
    internet.lie = (said, _server, name) => (name === 'ent.shop.com.' ? { ...said, rcode: Rcode.NXDOMAIN } : undefined);
    expect(await told('ent.shop.com.')).toBe('secure 0');
    expect(await told('www.ent.shop.com.')).toBe('secure 0 A 192.0.2.81');
    expect(await told('nx.ent.shop.com.')).toBe('secure 3');
  });
});

test('an NXDOMAIN that was not checked, and does not hold, denies nothing below and leaves nothing bogus behind', async () => {
  const { internet, get, told } = setUp({ '.': {}, 'com.': { lines: ['www.com. 300 A 192.0.2.80'] } });
  await get('nx.com.');
  const soa = unsigned('com. 300 SOA ns.com. root.com. 1 3600 600 86400 300');
  internet.lie = (_said, _server, name, type) =>
    name === 'com.' && type === Type.TXT ? { rcode: Rcode.NXDOMAIN, answer: [], authority: [soa] } : undefined;
  await get('com.', Type.TXT, { checkingDisabled: true });
  expect(await told('www.com.')).toBe('secure 0 A 192.0.2.80');
  expect(await told('com.')).toBe('secure 0');
});

describe.each([
  ['in a zone without keys', []],
  ['below a negative trust anchor', ['plain.com.']],
])('a zone with a trust anchor of its own %s', (_where, negative: string[]) => {
  const zones: Readonly<Record<string, ZoneParts>> = {
    '.': {},
    'com.': {},
    'plain.com.': { unsigned: negative.length === 0, lines: ['www.plain.com. 300 A 192.0.2.1'] },
    'isle.plain.com.': { lines: ['www.isle.plain.com. 300 A 192.0.2.80'] },
    'evil.com.': { unsigned: true, lines: ['www.isle.evil.com. 300 A 6.6.6.6'] },
  };
  const soa = unsigned('plain.com. 300 SOA ns.plain.com. root.plain.com. 1 3600 600 86400 300');
  const parts = { islands: ['isle.plain.com.'], negative };

  test.each([Type.A, Type.TXT])('is not denied by what is above it (type %i)', async type => {
    const { internet, get, told } = setUp(zones, parts);
    internet.lie = (_said, _server, name, asked) =>
      name === 'plain.com.' && asked === type ? { rcode: Rcode.NXDOMAIN, answer: [], authority: [soa] } : undefined;
    expect(await get('plain.com.', type)).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: false });
    expect(await told('www.plain.com.')).toBe('insecure 3');
    expect(await told('www.isle.plain.com.')).toBe('secure 0 A 192.0.2.80');
  });

  test('is not led elsewhere by a DNAME above it, which stays good for other names', async () => {
    const { internet, told } = setUp(zones, parts);
    internet.lie = (said, _server, name, type) =>
      name.endsWith('plain.com.') && type === Type.A
        ? {
            rcode: 0,
            answer: [
              unsigned('plain.com. 300 DNAME evil.com.'),
              unsigned(`${name} 300 CNAME ${name.replace('plain', 'evil')}`),
            ],
            authority: [],
          }
        : said;
    expect(await told('www.isle.plain.com.')).toBe('SERVFAIL');
    expect(await told('nx.plain.com.')).toContain('insecure 3 DNAME evil.com. CNAME nx.evil.com.');
  });

  test('is not denied, nor led elsewhere, by an answer about its DS records', async () => {
    for (const answer of [[], [unsigned('isle.plain.com. 300 CNAME www.isle.evil.com.')]]) {
      const { internet, get, told } = setUp(zones, parts);
      internet.lie = (_said, _server, name, type) =>
        name === 'isle.plain.com.' && type === Type.DS
          ? { rcode: answer.length === 0 ? Rcode.NXDOMAIN : 0, answer, authority: [soa] }
          : undefined;
      expect((await get('isle.plain.com.', Type.DS)).secure).toBe(false);
      expect(await told('isle.plain.com.')).toBe('secure 0');
      expect(await told('www.isle.plain.com.')).toBe('secure 0 A 192.0.2.80');
    }
  });
});

describe('what there is of DS records is for the zone above the cut to say', () => {
  const zones: Readonly<Record<string, ZoneParts>> = {
    '.': {},
    'com.': {},
    'shop.com.': { lines: ['www.shop.com. 300 A 192.0.2.80'] },
    'plain.com.': { unsigned: true, lines: ['www.plain.com. 300 A 192.0.2.81'] },
  };

  test('an alias that nobody has signed is none in place of them, where the zone above has keys', async () => {
    const { internet, get, told } = setUp(zones);
    expect(await told('www.plain.com.')).toBe('insecure 0 A 192.0.2.81');
    internet.lie = (_said, _server, name, type) =>
      name === 'plain.com.' && type === Type.DS
        ? { rcode: 0, answer: [unsigned('plain.com. 300 CNAME evil.com.')], authority: [] }
        : undefined;
    const asked = get('plain.com.', Type.DS, { fresh: true });
    await expect(asked).rejects.toThrow('plain.com. DS is bogus');
  });

  test('that the zone below denies itself is no answer', async () => {
    const { internet, get, told, pass, clock } = setUp(zones);
    const later = async (seconds: number): Promise<void> => {
      clock.wall += seconds;
      await pass(seconds * 1000);
    };
    await get('www.plain.com.');
    await later(250);
    internet.lie = (_said, _server, name, type) =>
      name === 'plain.com.' && type === Type.A
        ? {
            rcode: Rcode.NXDOMAIN,
            answer: [],
            authority: [unsigned('plain.com. 300 SOA ns.plain.com. root.plain.com. 1 3600 600 86400 300')],
          }
        : undefined;
    expect((await get('plain.com.')).rcode).toBe(Rcode.NXDOMAIN);
    // What the zone above said at first has ended.
    await later(100);
    expect(await told('plain.com.', Type.DS)).toBe('secure 0');
  });

  test.each(['nsec', 'nsec3', 'optOut'] as const)(
    'an alias that a wildcard was made into stands in place of them only with the proof that there is no such name (%s)',
    async denial => {
      const { tree, internet, told } = setUp({
        ...zones,
        'com.': { denial, lines: ['*.com. 300 CNAME parked.com.', 'parked.com. 300 A 192.0.2.7'] },
      });
      const alias = tree.find('*.com.', 'CNAME');
      let lies = 1;
      internet.lie = (_said, _server, name, type) =>
        name === 'shop.com.' && type === Type.DS && lies-- > 0
          ? { rcode: 0, answer: [{ ...alias, name: encodeName(name) }], authority: tree.denials('com.') }
          : undefined;
      // Not: that the zone below has no keys of its own, so that what it signs is bogus until the alias ends.
      expect(await told('www.shop.com.')).toBe('secure 0 A 192.0.2.80');
      expect(lies).toBeLessThan(1);
    },
  );
});
