// Digests of whole zones: the example of RFC 8976 appendix A.1, what is left out, and zones of other projects, read from
// outside.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Budget } from '../../../lib/dnssec/budget.js';
import { TrustAnchors } from '../../../lib/dnssec/trust.js';
import { validate, type Validation } from '../../../lib/dnssec/validator.js';
import { ZoneKeys } from '../../../lib/dnssec/zone-keys.js';
import { digestZone, verifyZonemd } from '../../../lib/dnssec/zonemd.js';
import { Type } from '../../../lib/wire/iana.js';
import type { ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, equalNames } from '../../../lib/wire/name.js';
import { groupRrsets } from '../../../lib/wire/rrset.js';
import { vectorsFolder } from '../../support/vectors.js';
import { readZone } from '../../support/zone-file.js';

const DIGEST = 'c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c';
const zone = (zonemd = `ZONEMD 2018031900 1 1 ${DIGEST}`, more = ''): ResourceRecord[] =>
  readZone(
    `example. 86400 IN SOA ns1 admin 2018031900 1800 900 604800 86400
             86400 IN NS ns1
             86400 IN NS ns2
             86400 IN ${zonemd}
     ns1 3600 IN A 203.0.113.63
     ns2 3600 IN AAAA 2001:db8::63\n`.replace(/^ {5}(?=ns)/gm, '') + more,
    'example.',
  );
const apex = encodeName('example.');
const judge = (records: Iterable<ResourceRecord>): string => verifyZonemd(apex, records).status;

describe('the digest of a zone (RFC 8976)', () => {
  test('is that of the example in appendix A.1', () => {
    expect(Buffer.from(digestZone(apex, zone(), 1)!).toString('hex')).toBe(DIGEST);
    expect(verifyZonemd(apex, zone())).toEqual({ status: 'verified', reason: '' });
  });
  test('depends neither on the order of records, nor on their letters, nor on duplicates', () => {
    const records = zone(undefined, 'NS1 3600 IN A 203.0.113.63\nother.test. 60 IN A 192.0.2.1\n');
    expect(judge(records.reverse())).toBe('verified');
    expect(judge(new Set(records))).toBe('verified');
  });
  test('depends on each record, and on its TTL', () => {
    expect(judge(zone(undefined, 'ns1 3600 IN A 203.0.113.64\n'))).toBe('failed');
    expect(judge(zone().map(one => (one.type === Type.AAAA ? { ...one, ttl: 3601 } : one)))).toBe('failed');
    expect(judge(zone().filter(one => one.type !== Type.AAAA))).toBe('failed');
  });
  test('by SHA-512 is another, and either is enough', () => {
    const digest = Buffer.from(digestZone(apex, zone(), 2)!).toString('hex');
    expect(digest.length).toBe(128);
    expect(judge(zone(`ZONEMD 2018031900 1 2 ${digest}`))).toBe('verified');
    const both = zone(`ZONEMD 2018031900 1 2 ${'00'.repeat(64)}`, `@ 86400 IN ZONEMD 2018031900 1 1 ${DIGEST}\n`);
    expect(judge(both)).toBe('verified');
  });
  test.each([
    ['no record', 'TXT none', 'no ZONEMD record'],
    ['an unknown scheme', `ZONEMD 2018031900 240 1 ${DIGEST}`, 'no ZONEMD record of a scheme and hash that are known'],
    ['an unknown hash', `ZONEMD 2018031900 1 240 ${DIGEST}`, 'no ZONEMD record of a scheme and hash that are known'],
    [
      'another serial',
      `ZONEMD 2018031901 1 1 ${DIGEST}`,
      'a ZONEMD record of serial 2018031901, in a zone of serial 2018031900',
    ],
  ])('is not checked by %s', (_, record, reason) => {
    expect(verifyZonemd(apex, zone(record))).toEqual({ status: 'none', reason });
  });
  test('is not checked by two records of one kind', () => {
    const two = zone(undefined, `@ 86400 IN ZONEMD 2018031900 1 1 ${'00'.repeat(48)}\n`);
    expect(verifyZonemd(apex, two).status).toBe('none');
  });
  test('needs an SOA record', () => {
    expect(judge(zone().filter(one => one.type !== Type.SOA))).toBe('failed');
    expect(digestZone(apex, zone(), 3)).toBeUndefined();
  });
});

interface Case {
  zone: string;
  trust_anchor: string | null;
  at: string;
  result: string;
}
interface File {
  file: string;
  kind: string;
  zone: string;
  expect: string | { a_supported_digest_was_checked: boolean; digest_ok: boolean };
  cases?: Case[];
}
const folder = vectorsFolder('dnssec');
const files: File[] =
  folder === undefined
    ? []
    : (JSON.parse(readFileSync(join(folder, 'dnssec/MANIFEST.json'), 'utf8')) as File[]).filter(
        one => one.kind === 'zonemd',
      );
const read = (file: string, origin: string): ResourceRecord[] =>
  readZone(readFileSync(join(folder!, 'dnssec', file), 'utf8'), origin);
const secondsOf = (at: string): number =>
  Date.parse(at.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z')) / 1000;

/** The whole judgement: what the zone's signatures say of its ZONEMD records, then what the digest says of the zone. */
function judgeZone(records: readonly ResourceRecord[], one: Case): string {
  const name = encodeName(one.zone);
  const rrsets = groupRrsets(records);
  const at = (type: number): typeof rrsets =>
    rrsets.filter(rrset => rrset.type === type && rrset.data.length > 0 && equalNames(rrset.name, name));
  const answer = at(Type.ZONEMD);
  const verdict = validate(
    { name, type: Type.ZONEMD },
    {
      rcode: 0,
      answer,
      authority: rrsets.filter(rrset => [Type.SOA, Type.NSEC, Type.NSEC3].includes(rrset.type as never)),
    },
    {
      now: secondsOf(one.at),
      budget: new Budget(),
      policy: {},
      anchors: new TrustAnchors(one.trust_anchor === null ? [] : [one.trust_anchor]),
      zones: new ZoneKeys(),
      fetchRecords: (_, type) => ({ rcode: 0, answer: at(type), authority: [] }),
    },
  ) as Validation;
  if (verdict.status === 'bogus') return `bogus: ${verdict.reason}`;
  const { status } = verifyZonemd(name, records);
  return status === 'none' && verdict.status === 'secure' && answer.length === 0 ? 'shown to have none' : status;
}
const RESULTS: readonly [RegExp, RegExp][] = [
  [/^ZONEMD verification successful$/, /^verified$/],
  [/^incorrect digest$/, /^failed$/],
  [/^no ZONEMD present$/, /^none$/],
  [/nonexistence of ZONEMD$/, /^shown to have none$/],
  [/have trust anchor, but zone has no DNSKEY/, /^bogus: .*no DNSKEY records/],
  [/signature expired/, /^bogus: .*expired/],
  [/DS hash mismatches key/, /^bogus: .*no DNSKEY record that its DS/],
  [/signature crypto failed|bitmap says type ZONEMD exists/, /^bogus: /],
];

describe.skipIf(folder === undefined)('zones of other projects', () => {
  test.each(files.filter(one => one.cases === undefined))('$file', ({ file, zone: origin, expect: expected }) => {
    const records = read(file, origin);
    const { status } = verifyZonemd(records.find(one => one.type === Type.SOA)!.name, records);
    if (typeof expected === 'string') expect(status === 'verified').toBe(expected.startsWith('valid'));
    else if (expected.digest_ok) expect(status).toBe('verified');
    else expect(status).toBe(expected.a_supported_digest_was_checked ? 'failed' : 'none');
  });
  test.each(files.flatMap(({ file, cases = [] }) => cases.map(one => ({ file, ...one }))))(
    '$file: $result',
    ({ file, ...one }) => {
      const [, expected] = RESULTS.find(([theirs]) => theirs.test(one.result))!;
      expect(judgeZone(read(file, one.zone), one)).toMatch(expected);
    },
  );
});
