// Answers of the operator's own, as each kind of zone has it.
import { describe, expect, test } from 'vitest';
import { LocalData, type LocalZoneKind, parseLocalRecord } from '../../../lib/resolve/local-data.js';
import { Flag, Rcode, Type, typeName } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { nameToText } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import { decodeRdata } from '../../../lib/wire/rdata.js';
import { makeQuery } from '../../support/messages.js';

const RECORDS = [
  'box.home.example. 60 A 192.168.1.2',
  'box.home.example. AAAA fd00::2',
  'alias.home.example IN CNAME www.example.net.',
  'deep.in.home.example TXT "there"',
  'home.example SOA ns.home.example. admin.home.example. 1 3600 600 86400 300',
];
/** What becomes of a question: its records, its rcode, or that it is none of ours. */
function outcome(kind: LocalZoneKind, name: string, type: number): string {
  const data = new LocalData({ zones: [{ name: 'home.example', kind }], records: RECORDS, authoritative: true });
  const found = data.find(new Query(makeQuery(name, { type: typeName(type) })));
  if (found === undefined) return 'resolved';
  if (found.kind === 'refused') return 'refused';
  if (found.kind === 'alias') return `alias ${nameToText(found.target)}`;
  const message = decodeMessage(found.message);
  expect(message.flags & Flag.AA).toBe(Flag.AA);
  if (message.answers.length === 0) return (message.flags & 15) === Rcode.NXDOMAIN ? 'nxdomain' : 'nodata';
  return message.answers.map(one => `${typeName(one.type)} ${decodeRdata(one.type, one.data)}`).join();
}

describe('a local zone', () => {
  test.each([
    ['static', 'box.home.example', Type.A, 'A 192.168.1.2'],
    ['static', 'BOX.home.example', Type.AAAA, 'AAAA fd00::2'],
    ['static', 'box.home.example', Type.MX, 'nodata'],
    ['static', 'nobody.home.example', Type.A, 'nxdomain'],
    ['static', 'in.home.example', Type.A, 'nodata'],
    ['static', 'home.example', Type.A, 'nodata'],
    ['static', 'alias.home.example', Type.A, 'alias www.example.net.'],
    ['static', 'elsewhere.example', Type.A, 'resolved'],
    ['transparent', 'box.home.example', Type.MX, 'nodata'],
    ['transparent', 'nobody.home.example', Type.A, 'resolved'],
    ['typeTransparent', 'box.home.example', Type.MX, 'resolved'],
    ['redirect', 'anything.home.example', Type.SOA, 'SOA ns.home.example. admin.home.example. 1 3600 600 86400 300'],
    ['redirect', 'anything.home.example', Type.A, 'nodata'],
    ['refuse', 'box.home.example', Type.A, 'refused'],
    ['nxdomain', 'box.home.example', Type.A, 'nxdomain'],
    ['nodata', 'nobody.home.example', Type.A, 'nodata'],
    ['blockA', 'nobody.home.example', Type.A, 'nodata'],
    ['blockA', 'nobody.home.example', Type.AAAA, 'resolved'],
    ['null', 'nobody.home.example', Type.A, 'A 0.0.0.0'],
    ['null', 'nobody.home.example', Type.AAAA, 'AAAA ::'],
    ['null', 'box.home.example', Type.MX, 'nodata'],
    ['blockAaaa', 'nobody.home.example', Type.AAAA, 'nodata'],
  ] as const)('of kind %s: %s type %i is %s', (kind, name, type, expected) => {
    expect(outcome(kind, name, type)).toBe(expected);
  });

  test('records without a zone answer for their name and nothing else', () => {
    const data = new LocalData({ zones: [], records: ['box.example 60 A 192.0.2.1'], authoritative: true });
    const find = (name: string): string | undefined => data.find(new Query(makeQuery(name)))?.kind;
    expect(find('box.example')).toBe('message');
    expect(find('other.example')).toBeUndefined();
  });

  test.each(['', 'a', 'a A', 'a POTATO 1', 'a A potato', 'a 99999999999 A 192.0.2.1', 'a..b A 192.0.2.1'])(
    'the record %j is refused with what is wrong with it',
    line => {
      expect(() => parseLocalRecord(line)).toThrow(/expected|not a domain name|data/);
    },
  );
});

describe('a wildcard record (RFC 4592)', () => {
  const records = [
    '*.apps.example 60 A 192.0.2.1',
    'own.apps.example 60 A 192.0.2.2',
    'deep.gap.apps.example 60 A 192.0.2.3',
    '*.apps.example 60 TXT "any"',
    '*.cname.example CNAME www.example.net.',
  ];
  const find = (name: string, type = 'A', zones: { name: string; kind: LocalZoneKind }[] = []): string => {
    const data = new LocalData({ zones, records, authoritative: true });
    const found = data.find(new Query(makeQuery(name, { type })));
    if (found?.kind === 'alias') return nameToText(found.target);
    if (found === undefined) return 'resolved';
    const { flags, answers } = decodeMessage(found.message);
    const owners = answers.map(one => `${nameToText(one.name)} ${decodeRdata(one.type, one.data)}`);
    return answers.length > 0 ? owners.join() : (flags & 15) === Rcode.NXDOMAIN ? 'nxdomain' : 'nodata';
  };

  test.each([
    ['x.apps.example', 'A', 'x.apps.example. 192.0.2.1'],
    ['X.y.Apps.example', 'A', 'x.y.apps.example. 192.0.2.1'],
    ['x.apps.example', 'TXT', 'x.apps.example. "any"'],
    ['x.apps.example', 'MX', 'nodata'],
    ['*.apps.example', 'A', '*.apps.example. 192.0.2.1'],
    ['own.apps.example', 'A', 'own.apps.example. 192.0.2.2'],
    ['own.apps.example', 'TXT', 'nodata'],
    ['x.own.apps.example', 'A', 'resolved'],
    ['gap.apps.example', 'A', 'resolved'],
    ['x.gap.apps.example', 'A', 'resolved'],
    ['apps.example', 'A', 'resolved'],
    ['x.cname.example', 'A', 'www.example.net.'],
    ['x.elsewhere.example', 'A', 'resolved'],
  ])('%s %s is %s', (name, type, expected) => {
    expect(find(name, type)).toBe(expected);
  });

  test('in a static zone what it does not stand for does not exist, and it stands for nothing in a zone below', () => {
    const zones = [
      { name: 'apps.example', kind: 'static' as const },
      { name: 'sub.apps.example', kind: 'static' as const },
    ];
    expect(find('x.apps.example', 'A', zones)).toBe('x.apps.example. 192.0.2.1');
    expect(find('gap.apps.example', 'A', zones)).toBe('nodata');
    expect(find('x.own.apps.example', 'A', zones)).toBe('nxdomain');
    expect(find('x.sub.apps.example', 'A', zones)).toBe('nxdomain');
  });
});
