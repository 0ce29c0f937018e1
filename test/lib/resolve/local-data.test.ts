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
