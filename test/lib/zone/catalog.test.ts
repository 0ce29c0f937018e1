// Catalog zones (RFC 9432): read, made, and followed by a consumer.
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import type { ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import type { CatalogOptions } from '../../../lib/zone/catalog/consumer.js';
import { makeCatalog } from '../../../lib/zone/catalog/make-catalog.js';
import { readCatalog } from '../../../lib/zone/catalog/read-catalog.js';
import { type MadeCatalog, Transfers } from '../../../lib/zone/transfers.js';
import { TsigKeys } from '../../../lib/zone/tsig/key.js';
import { ZoneStore } from '../../../lib/zone/zone-store.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakePrimary } from '../../support/fake-primary.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { record, soa, zoneOf } from '../../support/zone-records.js';

const head = (serial: number, name = 'catalog'): ResourceRecord[] => [
  soa(serial, name),
  record(name, 'NS', 'invalid.'),
  record(`version.${name}`, 'TXT', '"2"'),
];
const member = (label: string, zone: string, name = 'catalog') => record(`${label}.zones.${name}`, 'PTR', `${zone}.`);

describe('a catalog', () => {
  const read = (records: ResourceRecord[], most = 100): string[] | string => {
    const catalog = readCatalog(encodeName('catalog'), records, most);
    if ('broken' in catalog) return catalog.broken;
    return [...catalog.members.values()].map(({ apex, label, group }) => [nameToText(apex), label, group].join(' '));
  };
  test('lists zones with their labels and groups; what it has else is passed over', () => {
    const records = [
      ...head(1),
      member('a', 'one.example'),
      member('b', 'two.example'),
      record('group.b.zones.catalog', 'TXT', '"nodnssec"'),
      record('other.b.zones.catalog', 'TXT', '"x"'),
      record('group.gone.zones.catalog', 'TXT', '"x"'),
      record('a.b.c.zones.catalog', 'PTR', 'three.example.'),
    ];
    expect(read(records)).toEqual(['one.example. a ', 'two.example. b nodnssec']);
  });
  const [first, ns] = head(1);
  test.each([
    ['no version', [first, ns, member('a', 'one.example')], '0 version records, expected one'],
    ['another version', [first, ns, record('version.catalog', 'TXT', '"1"')], 'version "1", expected "2"'],
    ['two versions', [...head(1), record('version.catalog', 'TXT', '"3"')], '2 version records, expected one'],
    ['a zone twice', [...head(1), member('a', 'x'), member('b', 'x')], 'x. is listed twice'],
    ['two zones at a label', [...head(1), member('a', 'x'), member('a', 'y')], '2 zones at the label "a"'],
  ])('with %s is broken, and says nothing', (_, records, why) => {
    expect(read(records)).toBe(why);
  });
  test('of more zones than it may have is broken', () => {
    expect(read([...head(1), member('a', 'x'), member('b', 'y')], 1)).toBe('more than 1 zones');
  });
  test('that is made here is read here, and a zone keeps its label whatever else is listed', () => {
    const list = ['one.example', 'two.example'].map(one => ({
      apex: encodeName(one),
      group: undefined as string | undefined,
    }));
    list[1].group = 'signed';
    const made = read(makeCatalog(encodeName('catalog'), 5, list)) as string[];
    expect(made.map(one => one.replace(/ [0-9a-f]{32} /, ' LABEL '))).toEqual([
      'one.example. LABEL ',
      'two.example. LABEL signed',
    ]);
    expect(read(makeCatalog(encodeName('catalog'), 6, list.slice(1)))).toEqual(made.slice(1));
  });
});

describe('a consumer', () => {
  const PRIMARY = { server: { address: '192.0.2.1', port: 53, family: 4 as const } };
  const transfer = (name: string) => ({
    apex: encodeName(name),
    primaries: [PRIMARY],
    notify: [],
    allowTransfer: [],
    allowNotify: [],
    allowUpdate: [],
    needsDigest: false,
  });
  const { apex: _, ...members } = transfer('x');
  const catalogOf = (name: string, more: Partial<CatalogOptions> = {}): CatalogOptions => ({
    apex: encodeName(name),
    transfer: transfer(name),
    members,
    groups: new Map(),
    maxMembers: 100,
    allowedNames: [],
    ...more,
  });
  async function start(...catalogs: CatalogOptions[]) {
    const clock = new FakeClock();
    const primary = new FakePrimary();
    const store = new ZoneStore();
    const log: string[] = [];
    const say = (fields: object, text: string): void => void log.push(`${text} ${JSON.stringify(fields)}`);
    const transfers = new Transfers({
      clock,
      random: systemRandom,
      log: { ...silentLogger, info: say, warn: say, error: say },
      store,
      transport: new FakeTransport(clock, () => undefined),
      open: primary.open,
      held: new ZoneStore(),
      addressesOf: () => Promise.resolve([]),
      isOwn: () => false,
      answer: () => {},
    });
    const use = (made: MadeCatalog[] = []) =>
      transfers.use({
        zones: [],
        catalogs,
        made,
        keys: new TsigKeys(),
        folder: undefined,
        limits: { maxRecords: 2000, maxOctets: 1e6, transferOctets: 1e6, transferMs: 60_000 },
        journalLimits: { versions: 10, octets: 1e6 },
      });
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) await settle();
    };
    const catalog = async (records: ResourceRecord[], name = 'catalog'): Promise<void> => {
      primary.serve(zoneOf(records, name));
      transfers.refresh(encodeName(name), false);
      await turns();
    };
    return {
      primary,
      store,
      log,
      use,
      turns,
      catalog,
      transfers,
      names: () => [...store.all()].map(one => one.name).sort(),
    };
  }
  const zone = (name: string, serial = 1) => zoneOf([soa(serial, name), record(name, 'NS', `ns.${name}.`)], name);

  test('serves what is listed, and no more what is not; the list itself is not answered', async () => {
    const one = await start(catalogOf('catalog'));
    for (const name of ['one', 'two', 'three']) one.primary.serve(zone(name));
    one.primary.serve(zoneOf([...head(1), member('a', 'one'), member('b', 'two')], 'catalog'));
    one.use();
    await one.turns();
    expect(one.names()).toEqual(['one.', 'two.']);
    await one.catalog([...head(2), member('b', 'two'), member('c', 'three')]);
    expect(one.names()).toEqual(['three.', 'two.']);
  });
  test('that is made here lists its zones, and has another serial only when they are others', async () => {
    const one = await start();
    const listed = (...names: string[]) => names.map(name => ({ apex: encodeName(name), group: undefined }));
    const serialWith = (...names: string[]): number => {
      one.use([{ transfer: { ...transfer('made'), primaries: [] }, zones: listed(...names) }]);
      return one.transfers.find(encodeName('made'))!.zone!.serial;
    };
    const first = serialWith('a', 'b');
    expect([serialWith('a', 'b'), serialWith('a') - first, serialWith('a', 'c') - first]).toEqual([first, 1, 2]);
    expect(one.transfers.find(encodeName('made'))!.journal.versions).toBe(2);
    expect(one.names()).toEqual([]);
  });
  test('does not read a catalog of more records than its zones may need', async () => {
    const one = await start(catalogOf('catalog', { maxMembers: 1 }));
    one.primary.serve(zone('one'));
    const text = { ...record('x.catalog', 'TXT', '"x"') };
    const many = Array.from({ length: 990 }, (_, i) => ({ ...text, data: Uint8Array.of(2, i >> 8, i & 0xff) }));
    const properties = Array.from({ length: 40 }, (_, i) => record(`p${i}.a.zones.catalog`, 'TXT', '"x"'));
    one.primary.serve(zoneOf([...head(1), member('a', 'one'), ...many, ...properties], 'catalog'));
    one.use();
    await one.turns();
    expect(one.names()).toEqual([]);
    expect(one.log.some(line => line.includes('more than 1016 records'))).toBe(true);
    await one.catalog([...head(2), member('a', 'one'), ...many]);
    expect(one.names()).toEqual(['one.']);
  });
  test('keeps all zones while the catalog is broken', async () => {
    const one = await start(catalogOf('catalog'));
    one.primary.serve(zone('one'));
    one.primary.serve(zoneOf([...head(1), member('a', 'one')], 'catalog'));
    one.use();
    await one.turns();
    const [first, ns] = head(2);
    await one.catalog([first, ns]);
    expect(one.names()).toEqual(['one.']);
    expect(one.log.some(line => line.includes('a catalog is broken'))).toBe(true);
  });
  test('has a zone anew whose label is another one', async () => {
    const one = await start(catalogOf('catalog'));
    one.primary.serve(zone('one', 9));
    one.primary.serve(zoneOf([...head(1), member('a', 'one')], 'catalog'));
    one.use();
    await one.turns();
    one.primary.serve(zone('one', 3));
    await one.catalog([...head(2), member('b', 'one')]);
    expect(one.store.get(encodeName('one'))?.serial).toBe(3);
  });
  test('takes names that it may have, and none that another catalog has and does not give away', async () => {
    const one = await start(catalogOf('catalog', { allowedNames: [encodeName('ours')] }), catalogOf('second'));
    for (const name of ['a.ours', 'theirs']) one.primary.serve(zone(name));
    one.primary.serve(zoneOf([...head(1), member('a', 'a.ours'), member('b', 'theirs')], 'catalog'));
    one.primary.serve(zoneOf([...head(1, 'second')], 'second'));
    one.use();
    await one.turns();
    expect(one.names()).toEqual(['a.ours.']);
    await one.catalog([...head(2, 'second'), member('x', 'a.ours', 'second')], 'second');
    expect(one.log.some(line => line.includes('another catalog lists it'))).toBe(true);
    await one.catalog([...head(2), member('a', 'a.ours'), record('coo.a.zones.catalog', 'PTR', 'second.')]);
    await one.catalog([...head(3, 'second'), member('x', 'a.ours', 'second')], 'second');
    await one.catalog(head(3));
    expect(one.names()).toEqual(['a.ours.']);
  });
});
