// How often the way to what does not prove itself is forgotten.
import { afterEach, expect, test } from 'vitest';
import { ByteCache } from '../../../lib/cache/bytes/byte-cache.js';
import { Rank, RrsetCache } from '../../../lib/cache/rrset-cache.js';
import { RECURSION_LIMITS } from '../../../lib/resolve/recurse/limits.js';
import { Way } from '../../../lib/resolve/recurse/way.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { unsigned } from '../../support/signed-tree.js';

const open: RrsetCache[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

function setUp() {
  let now = 0;
  const rrsets = new RrsetCache(ByteCache.create({ memory: '2MiB', shards: 1 }));
  open.push(rrsets);
  const way = new Way(rrsets, { nowMs: () => now } as ConstructorParameters<typeof Way>[1]);
  /** A referral to the zone, as its parent gives it again after each doubt. */
  const refer = (zone: string, server: string): void => {
    rrsets.putDelegation(unsigned(`${zone} 86400 NS ${server}`), 86_400_000);
  };
  const doubt = (zone: string): boolean => {
    refer(zone, `ns.${zone}`);
    return way.doubt(encodeName(`www.${zone}`), Type.A);
  };
  return { rrsets, way, refer, doubt, pass: (seconds: number) => (now += seconds * 1000) };
}

test('a zone is doubted ever more seldom while its answers are bogus, and often again after a time of quiet', () => {
  const { doubt, pass } = setUp();
  const waits: number[] = [];
  for (let seconds = 0, last = 0; seconds <= 7200; seconds++, pass(1)) {
    if (!doubt('evil.example.')) continue;
    waits.push(seconds - last);
    last = seconds;
  }
  expect(waits).toEqual([0, 60, 120, 240, 480, ...Array.from({ length: 7 }, () => RECURSION_LIMITS.doubtMaxTtl)]);
  pass(2 * RECURSION_LIMITS.doubtMaxTtl);
  expect(doubt('evil.example.')).toBe(true);
  pass(60);
  expect(doubt('evil.example.')).toBe(true);
});

test('many zones have no more of them asked for again than the bound says, a minute', () => {
  const { doubt, pass } = setUp();
  const all = (): number => Array.from({ length: 500 }, (_, i) => doubt(`z${i}.example.`)).filter(Boolean).length;
  expect(all()).toBe(RECURSION_LIMITS.doubtsPerMinute);
  pass(59);
  expect(all()).toBe(0);
  pass(1);
  expect(all()).toBe(RECURSION_LIMITS.doubtsPerMinute);
});

test('of zones that lie in each other a question has the deepest three doubted, and the next one those above', () => {
  const { rrsets, way, refer, doubt } = setUp();
  const nest = Array.from({ length: 10 }, (_, i) => `${'x.'.repeat(i)}evil.example.`);
  /** How deep the zones are that a question for a name in the deepest has forgotten. */
  const forgotten = (): number[] => {
    for (const zone of nest) refer(zone, 'ns.evil.example.');
    way.doubt(encodeName(`www.${nest[9]}`), Type.A);
    return nest.flatMap((zone, depth) => (rrsets.delegation(encodeName(zone)) === undefined ? [depth] : []));
  };
  expect(forgotten()).toEqual([7, 8, 9]);
  expect(forgotten()).toEqual([4, 5, 6]);
  const others = Array.from({ length: 100 }, (_, i) => doubt(`z${i}.example.`)).filter(Boolean).length;
  expect(others).toBe(RECURSION_LIMITS.doubtsPerMinute - 6);
});

test('a quarter of the minute is kept for zones that were not doubted of late', () => {
  const { doubt, pass } = setUp();
  const doubted = (letter: string): number =>
    Array.from({ length: 64 }, (_, i) => doubt(`${letter}${i}.example.`)).filter(Boolean).length;
  expect(doubted('a')).toBe(RECURSION_LIMITS.doubtsPerMinute);
  pass(60);
  expect([doubted('a'), doubted('b')]).toEqual([48, 16]);
});

test('a server that many zones name has its address forgotten once a minute', () => {
  const { rrsets, way, refer, pass } = setUp();
  const server = encodeName('ns.victim.example.');
  const isForgotten = (zone: string): boolean => {
    rrsets.put(unsigned('ns.victim.example. 3600 A 192.0.2.1'), Rank.answer, [], 3_600_000);
    refer(zone, 'ns.victim.example.');
    expect(way.doubt(encodeName(`www.${zone}`), Type.A)).toBe(true);
    return rrsets.get(server, Type.A) === undefined;
  };
  expect(['a.example.', 'b.example.', 'c.example.'].map(isForgotten)).toEqual([true, false, false]);
  pass(60);
  expect(isForgotten('d.example.')).toBe(true);
});
