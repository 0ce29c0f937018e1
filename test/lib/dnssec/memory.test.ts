// What is kept of zones and of their denials is bounded in octets, whatever their owners sign.
import { expect, test } from 'vitest';
import { Budget } from '../../../lib/dnssec/budget.js';
import { DenialIndex } from '../../../lib/dnssec/denial-index.js';
import { verifyRrset } from '../../../lib/dnssec/verify.js';
import { ZoneKeys, type SecureZone } from '../../../lib/dnssec/zone-keys.js';
import { parseKey } from '../../../lib/dnssec/key.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { makeKey, signRrset } from '../../support/signed-zone.js';
import { NOW, SignedTree, TIMES } from '../../support/signed-tree.js';

const judging = () => ({ now: NOW, budget: new Budget(), policy: {} });

/** An NSEC record from one name to another, which has what is given more of a bitmap. */
function nsec(from: string, to: string, more = 0): Rrset {
  const data = Buffer.concat([encodeName(to), Buffer.from([0, 1, 0x40]), Buffer.alloc(more)]);
  return { name: encodeName(from), type: Type.NSEC, ttl: 300, data: [data], signatures: [Buffer.alloc(100)] };
}

test('signatures that were found good are told from what stands beside them', () => {
  const tree = new SignedTree({ 'test.': { lines: ['a.test. 300 A 192.0.2.1'] } });
  const { key, zone } = tree.signed('test.');
  const rrset = tree.find('a.test.', 'A');
  const [good] = rrset.signatures;
  const junk = Uint8Array.from(good);
  junk[junk.length - 1] ^= 1;
  const verdict = verifyRrset({ ...rrset, signatures: [junk, good] }, zone, [parseKey(key.data)!], judging());
  expect(verdict).toMatchObject({ status: 'secure', good: [good] });
});

test('a denial is kept without the message that it came in', () => {
  const tree = new SignedTree({ 'test.': { lines: ['a.test. 300 A 192.0.2.1'] } });
  const kept = new DenialIndex();
  const message = new Uint8Array(65_535);
  const one = nsec('a.test.', 'c.test.');
  message.set(one.data[0], 1000);
  const soa = tree.find('test.', 'SOA');
  const inMessage = { ...one, data: [message.subarray(1000, 1000 + one.data[0].length)] };
  kept.learn(encodeName('test.'), soa, [inMessage], 0, {});
  const found = kept.find(encodeName('a.test.'), Type.TXT, 1, judging());
  expect(found?.authority.map(({ type }) => type)).toEqual([Type.SOA, Type.NSEC]);
  for (const { name, data, signatures } of found!.authority) {
    for (const octets of [name, ...data, ...signatures]) expect(octets.buffer.byteLength).toBeLessThan(1000);
  }
});

test('denials are kept as far as their octets have room, and none of more than any zone needs', () => {
  const kept = new DenialIndex();
  kept.learn(encodeName('big.'), undefined, [nsec('a.big.', 'c.big.', 8000)], 0, {});
  expect(kept.size).toBe(0);
  for (let zone = 0; zone < 20; zone++) {
    const apex = `z${zone}.`;
    const all = Array.from({ length: 1000 }, (_, i) => nsec(`a${i}.${apex}`, `b.${apex}`, 1500));
    kept.learn(encodeName(apex), undefined, all, 0, {});
  }
  expect(kept.size).toBeLessThan(20_000);
  expect(kept.octets).toBeLessThanOrEqual(20 * 2 ** 20);
  expect(kept.find(encodeName('a0.z19.'), Type.DS, 1, judging())).toBeUndefined();
  for (let zone = 0; zone < 20; zone++) kept.forget(encodeName(`z${zone}.`));
  expect([kept.size, kept.octets]).toEqual([0, 0]);
});

test('an SOA that is none, as the owner of a zone may sign, is not kept', () => {
  const kept = new DenialIndex();
  for (const data of [[], [new Uint8Array(0)], [Uint8Array.of(0, 0, 0)]]) {
    const soa = { name: encodeName('test.'), type: Type.SOA, ttl: 300, data, signatures: [] };
    kept.learn(encodeName('test.'), soa, [nsec('a.test.', 'c.test.')], 0, {});
    expect(kept.find(encodeName('a.test.'), Type.TXT, 1, judging())).toBeUndefined();
  }
});

test('keys of zones are kept as far as their octets have room, the oldest going first', () => {
  const zones = new ZoneKeys();
  const data = Buffer.alloc(780, 1);
  const key = { flags: 256, algorithm: 8, tag: 1, data };
  for (let i = 0; i < 6000; i++) {
    const zone = encodeName(`z${i}.`);
    const state: SecureZone = { status: 'secure', zone, keys: Array.from({ length: 10 }, () => key), algorithms: [8] };
    zones.set(zone, state, 0, 300);
    if (i === 0) zones.set(zone, state, 0, 300);
  }
  expect(zones.size).toBeLessThan(3000);
  expect(zones.octets).toBeLessThanOrEqual(24 * 2 ** 20);
  expect(zones.get(encodeName('z0.'), 1)).toBeUndefined();
  expect(zones.get(encodeName('z5999.'), 1)?.status).toBe('secure');
  for (let i = 0; i < 6000; i++) zones.forget(encodeName(`z${i}.`));
  expect([zones.size, zones.octets]).toEqual([0, 0]);
});

test('of a zone with many keys those are kept that its records can be signed by', () => {
  const key = makeKey('P-256');
  const tree = new SignedTree({ 'test.': { key, lines: ['a.test. 300 A 192.0.2.1'] } });
  const { zone, times } = tree.signed('test.');
  const junk = Array.from({ length: 31 }, (_, n) => {
    const data = Buffer.alloc(783, n + 1);
    data.set([1, 1, 3, 8]);
    return data;
  });
  const keys = { name: zone, type: Type.DNSKEY, ttl: 300, data: [...junk, key.data], signatures: [] };
  tree.replace(signRrset(keys, zone, key, times ?? TIMES));
  expect(tree.status('a.test.', 'A', { answer: [tree.find('a.test.', 'A')] }).status).toBe('secure');
  const known = tree.zones.get(zone, NOW) as SecureZone;
  expect(known.keys[0].data).toEqual(Uint8Array.from(key.data));
  expect(known.keys.length).toBeLessThanOrEqual(11);
  for (const { data } of known.keys) expect(data.buffer.byteLength).toBe(data.length);
});
