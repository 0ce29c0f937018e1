import { describe, expect, test } from 'vitest';
import { changeZone, differenceOf } from '../../../lib/zone/changes.js';
import { Zone } from '../../../lib/zone/zone.js';
import { ZoneBuilder } from '../../../lib/zone/zone-builder.js';
import { recordText } from '../../../lib/wire/record-text.js';
import { Class, Type, type TypeName } from '../../../lib/wire/iana.js';
import type { ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, foldName } from '../../../lib/wire/name.js';
import { encodeRdata } from '../../../lib/wire/rdata.js';

const record = (name: string, type: TypeName, data: string, ttl = 300): ResourceRecord => ({
  name: encodeName(name),
  type: Type[type],
  dnsClass: Class.IN,
  ttl,
  data: encodeRdata(Type[type], data),
});
const soa = (serial: number): ResourceRecord => record('example', 'SOA', `ns.example. mail.example. ${serial} 1 2 3 4`);
const apex = encodeName('example');

function zoneOf(records: readonly ResourceRecord[]): Zone {
  const builder = new ZoneBuilder(apex);
  for (const one of records) expect(builder.add(one)).toBe(true);
  return new Zone(apex, builder.build());
}
const texts = (records: Iterable<ResourceRecord>): string[] => [...records].map(recordText);
const exists = (zone: Zone, name: string): boolean => {
  const labels = foldName(encodeName(name));
  return zone.find(labels, 0, labels.length - apex.length) >= 0;
};

describe('a zone', () => {
  test('is walked with its SOA first, then by names, types and data in canonical order', () => {
    const zone = zoneOf([
      record('z.example', 'A', '192.0.2.2'),
      record('Z.example', 'A', '192.0.2.1'),
      record('a.z.example', 'TXT', '"x"'),
      soa(1),
      record('yljkjljk.a.example', 'A', '192.0.2.3'),
      record('example', 'NS', 'ns.example.'),
      record('example', 'A', '192.0.2.9'),
    ]);
    expect(texts(zone.records())).toEqual([
      'example. 300 SOA ns.example. mail.example. 1 1 2 3 4',
      'example. 300 A 192.0.2.9',
      'example. 300 NS ns.example.',
      'yljkjljk.a.example. 300 A 192.0.2.3',
      'z.example. 300 A 192.0.2.1',
      'z.example. 300 A 192.0.2.2',
      'a.z.example. 300 TXT "x"',
    ]);
    expect(zone.recordCount).toBe(7);
    expect(zone.serial).toBe(1);
  });
  test('has names that others lie below', () => {
    const zone = zoneOf([soa(1), record('a.b.c.example', 'A', '192.0.2.1')]);
    expect(['example', 'c.example', 'b.c.example', 'A.b.c.example'].map(name => exists(zone, name))).toEqual(
      Array(4).fill(true),
    );
    expect(exists(zone, 'd.c.example')).toBe(false);
  });
  test('drops duplicates, and takes the lowest TTL of an RRset', () => {
    const zone = zoneOf([
      soa(1),
      record('a.example', 'NS', 'X.example.', 5),
      record('a.example', 'NS', 'y.example.', 9),
      record('a.example', 'NS', 'x.example.', 7),
    ]);
    expect(texts(zone.records()).slice(1)).toEqual(['a.example. 5 NS X.example.', 'a.example. 5 NS y.example.']);
    expect(zone.recordCount).toBe(3);
  });
  test('takes nothing from outside, and needs one SOA', () => {
    const builder = new ZoneBuilder(apex);
    expect(builder.add(record('notexample', 'A', '192.0.2.1'))).toBe(false);
    expect(builder.add(record('example.com', 'A', '192.0.2.1'))).toBe(false);
    expect(() => new Zone(apex, builder.build())).toThrow(/expected one SOA record at its apex, found none/);
  });
  test('has no more records than its limits say', () => {
    const builder = new ZoneBuilder(apex, { maxRecords: 1, maxOctets: 100_000 });
    builder.add(soa(1));
    expect(() => builder.add(soa(2))).toThrow(/more than 1 records/);
  });
});

describe('changes to a zone', () => {
  test('leave the version before as it is', () => {
    const before = zoneOf([soa(1), record('a.example', 'A', '192.0.2.1')]);
    const after = changeZone(before, {
      removed: [soa(1), record('a.example', 'A', '192.0.2.1')],
      added: [soa(2), record('x.y.example', 'A', '192.0.2.2')],
    });
    expect([before.serial, after.serial]).toEqual([1, 2]);
    expect(texts(before.records())).toHaveLength(2);
    expect(texts(after.records())).toEqual([
      'example. 300 SOA ns.example. mail.example. 2 1 2 3 4',
      'x.y.example. 300 A 192.0.2.2',
    ]);
    expect(['a.example', 'y.example', 'x.y.example'].map(name => exists(after, name))).toEqual([false, true, true]);
    expect(['a.example', 'y.example', 'x.y.example'].map(name => exists(before, name))).toEqual([true, false, false]);
  });
  test('are refused where a record is not there, or is there already', () => {
    const zone = zoneOf([soa(1)]);
    const a = record('a.example', 'A', '192.0.2.1');
    expect(() => changeZone(zone, { removed: [a], added: [] })).toThrow(/a\.example\. A, which is not there/);
    expect(() => changeZone(zone, { removed: [], added: [a, a] })).toThrow(/which was to be added and is there/);
    expect(() => changeZone(zone, { removed: [soa(1)], added: [] })).toThrow(/found none/);
    const outside = record('b.test', 'A', '192.0.2.1');
    expect(() => changeZone(zone, { removed: [], added: [outside] })).toThrow(/outside/);
  });
  test('give the same zone as its records packed anew, whatever changes', { timeout: 300_000 }, () => {
    let state = 12345;
    const next = (n: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n;
    const name = (): string => {
      const labels = Array.from({ length: 1 + next(3) }, () => 'abc'[next(3)]);
      return [...labels, 'example'].join('.');
    };
    for (let round = 0; round < 30; round++) {
      const all = new Map<string, ResourceRecord>();
      const put = (one: ResourceRecord): void => void all.set(recordText(one), one);
      put(soa(1));
      for (let i = next(12); i > 0; i--) put(record(name(), 'A', `192.0.2.${next(3)}`));
      let zone = zoneOf([...all.values()]);
      for (let version = 2; version < 8; version++) {
        const before = zone;
        const removed = [...all.values()].filter(one => one.type === Type.SOA || next(3) === 0);
        for (const one of removed) all.delete(recordText(one));
        const added = [soa(version)];
        for (let i = next(5); i > 0; i--) {
          const one = record(name(), 'A', `192.0.2.${next(3)}`);
          if (!all.has(recordText(one)) && !added.some(other => recordText(other) === recordText(one))) added.push(one);
        }
        added.forEach(put);
        zone = changeZone(zone, { removed, added });
        const fresh = zoneOf([...all.values()]);
        expect(texts(zone.records())).toEqual(texts(fresh.records()));
        expect(zone.recordCount).toBe(fresh.recordCount);
        for (const x of 'abc') {
          for (const rest of ['example', ...[...'abc'].map(y => `${y}.example`), 'a.b.example', 'b.b.example']) {
            expect(exists(zone, `${x}.${rest}`), `${x}.${rest}`).toBe(exists(fresh, `${x}.${rest}`));
          }
        }
        const difference = differenceOf(before, zone);
        expect(texts(changeZone(before, difference).records())).toEqual(texts(fresh.records()));
      }
    }
  });
});

describe('a name of many records', () => {
  const COUNT = 10_000;
  const many = (second: number): ResourceRecord[] =>
    Array.from({ length: COUNT }, (_, i) => ({
      ...record('many.example', 'A', '192.0.2.1'),
      data: Uint8Array.of(10, second, i >> 8, i & 0xff),
    }));

  test('changes, and is compared, at the price of as many names', () => {
    const zone = zoneOf([soa(1), ...many(1)]);
    const changed = changeZone(zone, { removed: [soa(1), ...many(1)], added: [soa(2), ...many(2)] });
    const fresh = zoneOf([soa(2), ...many(2)]);
    expect(texts(changed.records())).toEqual(texts(fresh.records()));
    for (const after of [changed, fresh]) {
      const { removed, added } = differenceOf(zone, after);
      expect([removed.length, added.length]).toEqual([COUNT + 1, COUNT + 1]);
    }
    const gone = { removed: [many(1)[0]], added: [] };
    expect(() => changeZone(changed, gone)).toThrow(/which is not there and was to be taken away/);
    expect(() => changeZone(changed, { removed: [], added: [many(2)[7]] })).toThrow(/to be added and is there/);
  }, 60_000);

  test('has 65535 at the most, whatever their types', () => {
    const builder = new ZoneBuilder(apex);
    builder.add(soa(1));
    const one = record('many.example', 'A', '192.0.2.1');
    for (let i = 0; i < 65_536; i++) {
      builder.add({ ...one, type: 1000 + (i % 100), data: Uint8Array.of(i >> 8, i & 0xff) });
    }
    expect(() => builder.build()).toThrow('many.example.: more than 65535 records');
  });

  test('is packed in steps that other names have their turns between', () => {
    const builder = new ZoneBuilder(apex);
    for (let name = 0; name < 20; name++) {
      const one = record(`n${name}.example`, 'A', '192.0.2.1');
      for (let i = 0; i < 3000; i++) builder.add({ ...one, data: Uint8Array.of(10, 0, i >> 8, i & 0xff) });
    }
    let steps = 0;
    for (const building = builder.building(); building.next().done !== true;) steps++;
    expect(steps).toBeGreaterThanOrEqual(20);
  });
});

test('names that are there because of others count as octets, too', () => {
  const limits = { maxRecords: 1e6, maxOctets: 200_000 };
  const builder = new ZoneBuilder(apex, limits);
  const one = record('x.example', 'A', '192.0.2.1');
  const deep = (i: number): Uint8Array =>
    encodeName(`${`${(i % 10).toString()}.`.repeat(60)}${i.toString(36)}.example`);
  const all = (): void => {
    for (let i = 0; i < 1000; i++) builder.add({ ...one, name: deep(i) });
  };
  expect(all).toThrow('zone example.: more than 200000 octets');
});
