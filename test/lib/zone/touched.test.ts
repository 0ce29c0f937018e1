import { expect, test } from 'vitest';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import { changeZone } from '../../../lib/zone/changes.js';
import { loadZone } from '../../../lib/zone/load-zone.js';
import { touchedBy } from '../../../lib/zone/touched.js';
import type { Zone } from '../../../lib/zone/zone.js';
import { recordsOfText } from '../../support/zone-cases.js';

const apex = encodeName('example');
const TEXT = `$TTL 60
@ SOA ns hostmaster 1 2 3 4 5
@ NS ns
ns A 192.0.2.1
a A 192.0.2.2
b CNAME a
c CNAME b
d CNAME gone
*.w A 192.0.2.3
sub NS ns.sub
ns.sub A 192.0.2.4
x.y.z A 192.0.2.5
`;
const zone = loadZone(Buffer.from(TEXT), { apex, file: 'zone' }).zone!;
const lines = (texts: string[]) =>
  recordsOfText(
    texts.map(one => `${one}`),
    'example',
  );
const touched = (before: Zone, removed: string[], added: string[]): string[] => {
  const after = changeZone(before, { removed: lines(removed), added: lines(added) });
  return touchedBy(before, after)
    .map(one => ('suffix' in one ? `below ${nameToText(one.suffix)}` : nameToText(one.name)))
    .sort();
};

test('a change touches the name, and the aliases that lead to it', () => {
  expect(touched(zone, ['a 60 A 192.0.2.2'], ['a 60 A 192.0.2.9'])).toEqual(['a.example.', 'b.example.', 'c.example.']);
  const later = changeZone(zone, { removed: [], added: lines(['e 60 CNAME c']) });
  expect(touched(later, ['a 60 A 192.0.2.2'], ['a 60 A 192.0.2.9'])).toEqual([
    'a.example.',
    'b.example.',
    'c.example.',
    'e.example.',
  ]);
});
test('a name that comes or goes touches what lies below the highest that does, and dangling aliases', () => {
  expect(touched(zone, [], ['i.j.k 60 A 192.0.2.1'])).toEqual(['below k.example.']);
  expect(touched(zone, ['x.y.z 60 A 192.0.2.5'], [])).toEqual(['below z.example.']);
  expect(touched(zone, [], ['gone 60 A 192.0.2.1'])).toEqual(['below gone.example.', 'd.example.']);
});
test('long chains of aliases are followed, and none that lead elsewhere', () => {
  const chain = Array.from({ length: 40 }, (_, i) => `n${i} 60 CNAME ${i === 0 ? 'nowhere' : `n${i - 1}`}`);
  const others = Array.from({ length: 200 }, (_, i) => `o${i} 60 CNAME other${i}`);
  const base = loadZone(Buffer.from(`${TEXT}${[...chain, ...others].join('\n')}\n`), { apex, file: 'zone' }).zone!;
  const found = touched(base, [], ['nowhere 60 A 192.0.2.1']);
  expect(found.length).toBe(41);
  expect(found).toContain('n39.example.');
  expect(touched(base, [], ['other7 60 A 192.0.2.1'])).toEqual(['below other7.example.', 'o7.example.']);
});
test('aliases of many aliases are touched, as far as all of them are named', () => {
  const direct = Array.from({ length: 40 }, (_, i) => `n${i} 60 CNAME a`);
  const base = loadZone(Buffer.from(`${TEXT}${direct.join('\n')}\nfar 60 CNAME n7\n`), { apex, file: 'zone' }).zone!;
  const found = touched(base, ['a 60 A 192.0.2.2'], ['a 60 A 192.0.2.9']);
  expect(found.length).toBe(44);
  expect(found).toContain('far.example.');
});
test('a wildcard touches all that it may stand for, glue its cut, a cut what lies below it', () => {
  expect(touched(zone, ['*.w 60 A 192.0.2.3'], ['*.w 60 A 192.0.2.4'])).toEqual(['below w.example.']);
  expect(touched(zone, ['ns.sub 60 A 192.0.2.4'], ['ns.sub 60 A 192.0.2.5'])).toEqual(['below sub.example.']);
  expect(touched(zone, [], ['sub 60 NS ns'])).toEqual(['below sub.example.']);
});
test('the SOA touches the apex alone, and what is much all of the zone', () => {
  const soa = (serial: number): string => `@ 60 SOA ns hostmaster ${serial} 2 3 4 5`;
  expect(touched(zone, [soa(1)], [soa(2)])).toEqual(['example.']);
  const many = Array.from({ length: 65 }, (_, i) => `m${i} 60 A 192.0.2.1`);
  expect(touched(zone, [], many)).toEqual(['below example.']);
});
