// What takes long of a large zone is done in steps, and others have their turns between: packing, merging, digests,
// differences. Whatever it is done in, the same comes of it.
import { describe, expect, test } from 'vitest';
import { inOneGo, inSlices } from '../../../lib/base/slices.js';
import { verifyingZonemd, verifyZonemd } from '../../../lib/dnssec/zonemd.js';
import { Type } from '../../../lib/wire/iana.js';
import type { ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, foldName } from '../../../lib/wire/name.js';
import { changeZone, changing, differenceOf } from '../../../lib/zone/changes.js';
import { withDigest } from '../../../lib/zone/digest.js';
import type { Difference } from '../../../lib/zone/transfer/difference.js';
import { applying } from '../../../lib/zone/transfer/fetch-zone.js';
import { decoding, encodeDifference } from '../../../lib/zone/transfer/record-octets.js';
import { Zone } from '../../../lib/zone/zone.js';
import { ZONE_LIMITS, ZoneBuilder } from '../../../lib/zone/zone-builder.js';
import { record, smallZone, soa, texts } from '../../support/zone-records.js';

const apex = encodeName('example');
const host = (i: number): ResourceRecord => record(`h${i}.example`, 'A', `192.0.2.${i % 256}`);
const hosts = (count: number): ResourceRecord[] => Array.from({ length: count }, (_, i) => host(i));
const built = (records: readonly ResourceRecord[]): ZoneBuilder => {
  const builder = new ZoneBuilder(apex);
  for (const one of records) builder.add(one);
  return builder;
};
/** In an order that has no runs, the same each time. */
function shuffled<T>(list: readonly T[]): T[] {
  const all = [...list];
  let seed = 1;
  for (let i = all.length - 1; i > 0; i--) {
    seed = (seed * 48_271) % 0x7fff_ffff;
    const j = seed % (i + 1);
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
}
/** How many steps it took, and what it came to. */
function counted<T>(steps: Iterator<void, T>): { steps: number; result: T } {
  for (let count = 0; ; count++) {
    const step = steps.next();
    if (step.done === true) return { steps: count, result: step.value };
  }
}
/** Whether names are in the order that a zone is served in. */
const namesOf = (zone: Zone): string[] => texts(zone.records());

describe('in steps', () => {
  const head = [soa(1), record('example', 'NS', 'ns.example.'), record('ns.example', 'A', '192.0.2.53')];

  test('a zone is packed, whatever order its records came in', () => {
    const ordered = new Zone(apex, built([...head, ...hosts(30_000)]).build());
    const { steps, result } = counted(built(shuffled([...head, ...hosts(30_000)])).building());
    expect(steps).toBeGreaterThan(30);
    expect(namesOf(new Zone(apex, result))).toEqual(namesOf(ordered));
    expect(new Zone(apex, result).find(foldName(encodeName('h29999')), 0, 7)).toBeGreaterThan(0);
  });

  test('changes are merged into a zone, and come to the same as a zone that was built so', () => {
    const zone = new Zone(apex, built([...head, ...hosts(20_000)]).build());
    const removed = [zone.soa, ...hosts(20_000).filter((_, i) => i % 7 === 0)];
    const added = [soa(2), ...hosts(23_000).slice(20_000)];
    const { steps, result } = counted(changing(zone, { removed, added }, ZONE_LIMITS));
    expect(steps).toBeGreaterThan(15);
    expect(result.overlay).toBeUndefined();
    const left = hosts(23_000).filter((_, i) => i >= 20_000 || i % 7 !== 0);
    expect(namesOf(result)).toEqual(namesOf(new Zone(apex, built([soa(2), ...head.slice(1), ...left]).build())));
  });

  test('a digest is compared, and is right where the other way says so too', () => {
    const zone = withDigest(smallZone(1, ...hosts(5000)));
    const judge = (of: Zone, serial = of.serial) => {
      const zonemd = of.recordsAt(of.apexNode, Type.ZONEMD).map(one => one.data);
      return counted(verifyingZonemd({ apex, serial, zonemd, records: () => of.records() }));
    };
    const { steps, result } = judge(zone);
    expect(steps).toBeGreaterThan(3);
    expect(result).toEqual({ status: 'verified', reason: '' });
    const other = changeZone(zone, { removed: [host(7)], added: [] });
    for (const one of [zone, other, smallZone(1)]) expect(judge(one).result).toEqual(verifyZonemd(apex, one.records()));
    expect(judge(zone, 2).result.status).toBe('none');
  });

  test('differences are read and applied', () => {
    const zone = new Zone(apex, built([...head, ...hosts(10_000)]).build());
    const difference: Difference = {
      before: soa(1),
      after: soa(2),
      deleted: hosts(10_000).slice(0, 6000),
      added: hosts(16_000).slice(10_000),
    };
    const read = counted(decoding(encodeDifference(difference)));
    expect(read.steps).toBeGreaterThan(4);
    const { steps, result } = counted(applying(zone, [read.result], ZONE_LIMITS));
    expect(steps).toBeGreaterThan(20);
    if (typeof result === 'string') throw new Error(result);
    expect(result.zone.recordCount).toBe(zone.recordCount);
    expect(differenceOf(zone, result.zone).removed.length).toBe(6001);
  });

  test('others have their turns between, as often as time is over', async () => {
    let now = 0;
    let turns = 0;
    let next = setImmediate(function turn() {
      turns++;
      next = setImmediate(turn);
    });
    // Each look at the clock finds that too much of it has passed.
    const clock = { nowMs: () => (now += 10) };
    const packed = await inSlices(built(shuffled([...head, ...hosts(20_000)])).building(), clock);
    clearImmediate(next);
    expect(turns).toBeGreaterThan(15);
    expect(packed.recordCount).toBe(20_003);
  });
});

describe('names that go', () => {
  test('take those along that were there because of them only, however many go at a time', () => {
    const many = Array.from({ length: 20_000 }, (_, i) => record(`n${i}.deep.down.example`, 'A', '192.0.2.1'));
    const zone = smallZone(1, record('other.down.example', 'A', '192.0.2.9'), ...many);
    const has = (of: Zone, name: string): boolean =>
      of.find(foldName(encodeName(name)), 0, encodeName(name).length - 1) >= 0;
    const changed = changeZone(zone, { removed: [zone.soa, ...many], added: [soa(2)] });
    expect([has(zone, 'deep.down'), has(changed, 'deep.down'), has(changed, 'down')]).toEqual([true, false, true]);
    const none = changeZone(changed, { removed: [record('other.down.example', 'A', '192.0.2.9')], added: [] });
    expect(has(none, 'down')).toBe(false);
    expect(texts(none.records())).toEqual(texts(smallZone(2).records()));
  });
  test('leave an empty name where another one still lies below it, also one that has just come', () => {
    const zone = smallZone(1, record('a.x.example', 'A', '192.0.2.1'));
    const changed = inOneGo(
      changing(
        zone,
        { removed: [record('a.x.example', 'A', '192.0.2.1')], added: [record('b.c.x.example', 'A', '192.0.2.2')] },
        ZONE_LIMITS,
      ),
    );
    const has = (name: string): boolean =>
      changed.find(foldName(encodeName(name)), 0, encodeName(name).length - 1) >= 0;
    expect(['a.x', 'x', 'c.x', 'b.c.x'].map(has)).toEqual([false, true, true, true]);
  });
});
