// Which names a denial reaches: that of one zone, of one chain of records, or of one name says nothing of another's.
import { describe, expect, test } from 'vitest';
import { TrustAnchors } from '../../../lib/dnssec/trust.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { setUpRecursor, texts } from '../../support/recursor.js';
import { SignedInternet } from '../../support/signed-internet.js';
import { NOW, SignedTree, type ZoneParts } from '../../support/signed-tree.js';

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
  const get = (name: string, type: number = Type.A, how: { checkingDisabled?: boolean } = {}) =>
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
