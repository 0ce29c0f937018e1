// Zones that recursion asks here in the place of their servers: a local root (RFC 8806), and others.
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import { AddressRules } from '../../../lib/resolve/recurse/address-rules.js';
import { HeldZones } from '../../../lib/resolve/recurse/held-zones.js';
import type { RecursorOptions } from '../../../lib/resolve/recurse/options.js';
import { Rcode, Type } from '../../../lib/wire/iana.js';
import { recordsOfAll } from '../../../lib/wire/rrset.js';
import { Transfers } from '../../../lib/zone/transfers.js';
import { TsigKeys } from '../../../lib/zone/tsig/key.js';
import { ZoneBuilder } from '../../../lib/zone/zone-builder.js';
import { ZoneStore } from '../../../lib/zone/zone-store.js';
import { Zone } from '../../../lib/zone/zone.js';
import { FakePrimary } from '../../support/fake-primary.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { setUpRecursor, texts } from '../../support/recursor.js';
import { SignedInternet } from '../../support/signed-internet.js';
import { NOW, SignedTree } from '../../support/signed-tree.js';
import { record, zoneOf } from '../../support/zone-records.js';

const ROOT = Uint8Array.of(0);
const rootZone = (): Zone =>
  zoneOf(
    [
      record('.', 'SOA', 'a.root. mail.root. 1 3600 600 86400 300'),
      record('.', 'NS', 'a.root.', 86_400),
      record('a.root', 'A', '192.0.2.1', 86_400),
      record('com', 'NS', 'ns.com.', 86_400),
      record('ns.com', 'A', '192.0.2.2', 86_400),
      record('net', 'NS', 'ns.net.', 86_400),
      record('ns.net', 'A', '192.0.2.3', 86_400),
    ],
    '.',
  );
const comZone = (): Zone =>
  zoneOf(
    [
      record('com', 'SOA', 'ns.com. mail.com. 1 3600 600 86400 300'),
      record('com', 'NS', 'ns.com.'),
      record('ns.com', 'A', '192.0.2.2'),
      record('example.com', 'NS', 'ns.example.com.'),
      record('ns.example.com', 'A', '192.0.2.10'),
    ],
    'com',
  );

function setUp(options: Partial<RecursorOptions> = {}) {
  const store = new ZoneStore();
  const t = setUpRecursor({ ...options, held: new HeldZones(store) });
  const servers = (): string[] => [...new Set(t.internet.asked.map(one => one.server))];
  return { ...t, store, servers };
}

describe('a root that is held here', () => {
  test('is asked in the place of its servers, and those of the zones below as ever', async () => {
    const { store, resolve, servers, recursor } = setUp();
    store.replace(rootZone());
    expect(texts(await resolve('www.example.com'))).toEqual(['A 10.0.0.1']);
    expect(servers()).toEqual(['192.0.2.2', '192.0.2.10']);
    expect(recursor.stats.primings).toBe(0);
    expect(recursor.stats.held).toBeGreaterThan(0);
  });
  test('denies names that it has not, and nobody is asked of them', async () => {
    const { store, resolve, internet } = setUp();
    store.replace(rootZone());
    expect((await resolve('nothing.test')).rcode).toBe(Rcode.NXDOMAIN);
    expect(internet.asked).toEqual([]);
  });
  test('that is not there yet, or not any more, is asked of its servers', async () => {
    const { store, resolve, servers } = setUp();
    store.suspend(ROOT, 'pending');
    await resolve('www.example.com');
    expect(servers()).toContain('192.0.2.1');
    store.replace(rootZone());
    store.suspend(ROOT, 'expired');
    expect((await resolve('nothing.test')).rcode).toBe(Rcode.NXDOMAIN);
    expect(servers()).toContain('192.0.2.1');
  });
  test('as a secondary serves recursion until it expires, then the root servers do again, and it when it is back', async () => {
    const { clock, store, resolve, internet, recursor } = setUp();
    const primary = new FakePrimary();
    primary.serve(rootZone());
    const transfers = new Transfers({
      clock,
      random: systemRandom,
      log: silentLogger,
      store: new ZoneStore(),
      held: store,
      transport: new FakeTransport(clock, () => undefined),
      open: primary.open,
      addressesOf: () => Promise.resolve([]),
      isOwn: () => false,
      answer: () => {},
    });
    const none = { notify: [], allowTransfer: [], allowNotify: [], allowUpdate: [], needsDigest: false };
    const primaries = [{ server: { address: '192.0.2.99', port: 53, family: 4 as const } }];
    transfers.use({
      zones: [{ apex: ROOT, primaries, ...none, isHeld: true }],
      catalogs: [],
      made: [],
      keys: new TsigKeys(),
      folder: undefined,
      limits: { maxRecords: 1000, maxOctets: 1e6, transferOctets: 1e6, transferMs: 60_000 },
      journalLimits: { versions: 10, octets: 1e6 },
    });
    await clock.advance(1000);
    const ofRoot = async (name: string): Promise<number> => {
      internet.asked.length = 0;
      recursor.clear();
      await resolve(name);
      return internet.asked.filter(one => one.server === '192.0.2.1').length;
    };
    expect(await ofRoot('a.test')).toBe(0);
    primary.isSilent = true;
    await clock.advance(80_000_000);
    expect(await ofRoot('b.test')).toBe(0);
    await clock.advance(7_000_000);
    expect(await ofRoot('c.test')).toBeGreaterThan(0);
    primary.isSilent = false;
    await clock.advance(700_000);
    expect(await ofRoot('d.test')).toBe(0);
    await transfers.close();
  });
});

describe('another zone that is held here', () => {
  test('is asked, and nobody above it', async () => {
    const { store, resolve, servers } = setUp();
    store.replace(comZone());
    expect(texts(await resolve('www.example.com'))).toEqual(['A 10.0.0.1']);
    expect(servers()).toEqual(['192.0.2.10']);
  });
  test("has no say in its own DS records, which are its parent's", async () => {
    const { store, resolve, internet, servers, recursor } = setUp();
    store.replace(comZone());
    await resolve('com', Type.DS);
    expect([servers().includes('192.0.2.1'), recursor.stats.held]).toEqual([true, 0]);
    expect(internet.asked.filter(one => one.type === Type.DS).length).toBeGreaterThan(0);
  });
  test('gives way to a stub zone of its name', async () => {
    const { configuredZones } = await import('../../../lib/resolve/recurse/zones.js');
    const stub = { name: 'com', servers: ['192.0.2.2'], first: false, tcp: false, noCache: false };
    const { store, resolve, servers } = setUp({ zones: configuredZones([stub], []) });
    store.replace(comZone());
    await resolve('www.example.com');
    expect(servers()).toEqual(['192.0.2.2', '192.0.2.10']);
  });
});

describe('what it says', () => {
  const ZONES = {
    '.': { lines: ['ns.com. 300 A 192.0.2.1'] },
    'com.': {},
    'shop.com.': { lines: ['shop.com. 300 NS ns.shop.com.', 'www.shop.com. 300 A 192.0.2.80'] },
  };
  function signedRoot(tree: SignedTree): Zone {
    const builder = new ZoneBuilder(ROOT);
    for (const one of recordsOfAll(tree.signed('.').rrsets, true)) builder.add(one);
    return new Zone(ROOT, builder.build());
  }
  function setUpSigned() {
    const internet = new SignedInternet(new SignedTree(ZONES));
    const { anchors } = internet.tree;
    const validation = { anchors, policy: {}, budget: {}, aggressive: true, signal: false, rootTags: [] };
    const store = new ZoneStore();
    const options = { validation, rootHints: ['192.0.2.1'], rules: new AddressRules([], [], []) };
    const t = setUpRecursor({ ...options, held: new HeldZones(store) }, undefined, internet.ask);
    t.clock.wall = NOW;
    return { ...t, internet, store };
  }

  test('is validated as what servers say is', async () => {
    const { internet, store, resolve } = setUpSigned();
    store.replace(signedRoot(internet.tree));
    expect(await resolve('www.shop.com')).toMatchObject({ secure: true });
    expect(internet.asked.filter(one => /^\. DNSKEY|^com\. DS/.test(one))).toEqual([]);
    expect(await resolve('nothing.test')).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: true });
  });
  test('is passed over where it does not prove itself: the servers are asked', async () => {
    const { internet, store, resolve } = setUpSigned();
    // With the keys of others.
    store.replace(signedRoot(new SignedTree(ZONES)));
    expect(await resolve('www.shop.com')).toMatchObject({ secure: true });
    expect(internet.asked.some(one => one.startsWith('. DNSKEY'))).toBe(true);
  });
});
