// Zones that are had as a whole: what validators would refuse of them; zones of another project, read from outside.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { faultOfZone } from '../../../lib/dnssec/zone-check.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName, equalNames } from '../../../lib/wire/name.js';
import { groupRrsets, type Rrset } from '../../../lib/wire/rrset.js';
import { makeKey, SignedZone } from '../../support/signed-zone.js';
import { NOW, resigned, TIMES, unsigned } from '../../support/signed-tree.js';
import { vectorsFolder } from '../../support/vectors.js';
import { readZone } from '../../support/zone-file.js';

const LINES = [
  'test. 300 NS ns.test.',
  'ns.test. 300 A 192.0.2.1',
  'x.ent.test. 300 A 192.0.2.2',
  '*.wild.test. 300 A 192.0.2.3',
  'plain.test. 300 NS ns.plain.test.',
  'sec.test. 300 NS ns.example.',
  `sec.test. 300 DS 1 13 2 ${'00'.repeat(32)}`,
];
/** Each owner in a bitmap of this signer has RRSIG; a cut without DS has none in an NSEC3 chain. */
const zone = (denial: 'nsec' | 'nsec3' | 'optOut'): SignedZone =>
  new SignedZone(
    'test.',
    denial === 'nsec3' ? LINES.filter(line => !line.startsWith('plain')) : LINES,
    makeKey('P-256'),
    TIMES,
    denial,
  );
const fault = (rrsets: readonly Rrset[], now = NOW): string | undefined =>
  faultOfZone(encodeName('test.'), rrsets, { now, policy: {} });

describe.each(['nsec', 'nsec3', 'optOut'] as const)('a zone signed with %s', denial => {
  const made = zone(denial);
  const { rrsets } = made;
  const type = denial === 'nsec' ? Type.NSEC : Type.NSEC3;
  test('has no fault', () => {
    expect(fault(rrsets)).toBeUndefined();
  });
  test('may have glue, which is not signed', () => {
    expect(fault([...rrsets, unsigned('ns.sec.test. 300 A 192.0.2.9')])).toBeUndefined();
  });
  test('is refused once a signature is wrong, missing or over', () => {
    const a = rrsets.findIndex(one => one.type === Type.A);
    const changed = (change: Partial<Rrset>): Rrset[] => rrsets.with(a, { ...rrsets[a], ...change });
    expect(fault(changed({ signatures: [] }))).toMatch(/ A: no signatures$/);
    expect(fault(changed({ data: [Uint8Array.of(192, 0, 2, 99)] }))).toMatch(
      / A: a signature that does not verify \(key \d+\)$/,
    );
    expect(fault(rrsets, TIMES.expiration + 1)).toMatch(/expired/);
  });
  test('is refused once a record of its chain is missing', () => {
    for (const one of rrsets) if (one.type === type) expect(fault(rrsets.filter(other => other !== one))).toBeDefined();
  });
  test('is refused once a name is added that the chain has not', () => {
    const added = resigned(made, unsigned('new.test. 300 A 192.0.2.5'));
    expect(fault([...rrsets, added])).toMatch(/new\.test\./);
  });
  test('is refused once a type is added or taken that a bitmap has', () => {
    expect(fault([...rrsets, resigned(made, unsigned('ns.test. 300 TXT x'))])).toMatch(/is wrong about TXT/);
    const without = rrsets.filter(one => !(one.type === Type.NS && equalNames(one.name, made.zone)));
    expect(fault(without)).toMatch(/is wrong about NS/);
  });
});
test('a zone without keys, or without denials, is refused', () => {
  const { rrsets } = zone('nsec');
  expect(fault(rrsets.filter(one => one.type !== Type.DNSKEY))).toBe('test.: no DNSKEY records');
  expect(fault(rrsets.filter(one => one.type !== Type.NSEC))).toMatch(/neither NSEC nor NSEC3/);
});

interface File {
  file: string;
  kind: string;
  origin: string;
  expect: string;
}
const folder = vectorsFolder('dnssec');
const files: File[] =
  folder === undefined
    ? []
    : (JSON.parse(readFileSync(join(folder, 'dnssec/MANIFEST.json'), 'utf8')) as File[]).filter(
        one => one.kind === 'signed-zone',
      );
describe.skipIf(folder === undefined)('zones of another project', () => {
  test.each(files)('$file: $expect', ({ file, origin, expect: expected }) => {
    const records = readZone(readFileSync(join(folder!, 'dnssec', file), 'utf8'), origin);
    const policy = { inceptionSkew: Number.POSITIVE_INFINITY, expirationSkew: Number.POSITIVE_INFINITY };
    const found = faultOfZone(encodeName(origin), groupRrsets(records), { now: NOW, policy });
    if (!expected.startsWith('must be rejected')) expect(found).toBeUndefined();
    else expect(found).toEqual(expect.any(String));
  });
});
