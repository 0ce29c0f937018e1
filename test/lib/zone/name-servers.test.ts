// Who of a zone's name servers is told of its changes (RFC 1996), by the clock.
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import { bareReply } from '../../../lib/zone/authority/replies.js';
import { toldServers } from '../../../lib/zone/name-servers.js';
import type { TransferOptions } from '../../../lib/zone/transferred-zone.js';
import { Transfers } from '../../../lib/zone/transfers.js';
import { makeTsigKey, TsigKeys } from '../../../lib/zone/tsig/key.js';
import { readTsig } from '../../../lib/zone/tsig/record.js';
import type { Zone } from '../../../lib/zone/zone.js';
import { ZoneStore } from '../../../lib/zone/zone-store.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { record, soa, zoneOf } from '../../support/zone-records.js';

const apex = encodeName('example');
const key = makeTsigKey({ name: 'k', algorithm: 'hmac-sha256', secret: 'MDEyMzQ1Njc4OWFiY2RlZg==' });
const zoneWith = (serial: number, ...servers: string[]): Zone =>
  zoneOf([soa(serial), ...servers.map(one => record('example', 'NS', one))]);

class Setting {
  readonly clock = new FakeClock();
  readonly store = new ZoneStore();
  readonly transport = new FakeTransport(this.clock, query => bareReply(query, 0));
  readonly log: string[] = [];
  readonly lookedUp: string[] = [];
  addresses: Record<string, string[]> = {
    'ns2.example.': ['192.0.2.2', '2001:db8::2'],
    'ns.elsewhere.test.': ['192.0.2.3'],
    'self.test.': ['192.0.2.99'],
  };
  readonly transfers: Transfers;

  constructor(options: Partial<TransferOptions> = {}) {
    const warn = (fields: object, text: string): void => void this.log.push(`${text} ${JSON.stringify(fields)}`);
    this.transfers = new Transfers({
      clock: this.clock,
      random: systemRandom,
      log: { ...silentLogger, warn },
      store: this.store,
      transport: this.transport,
      open: () => {
        throw new Error('there is no primary');
      },
      held: new ZoneStore(),
      addressesOf: name => {
        this.lookedUp.push(nameToText(name));
        const found = this.addresses[nameToText(name)];
        return found === undefined ? Promise.reject(new Error('none')) : Promise.resolve(found);
      },
      isOwn: at => at.address === '192.0.2.99' && at.port === 53,
      answer: () => {},
    });
    this.use({ notifyServers: { key: undefined }, ...options });
  }
  use(options: Partial<TransferOptions> | undefined): void {
    const none = { primaries: [], notify: [], allowTransfer: [], allowNotify: [], allowUpdate: [] };
    this.transfers.use({
      zones: options === undefined ? [] : [{ apex, ...none, needsDigest: false, ...options }],
      catalogs: [],
      made: [],
      keys: new TsigKeys([key]),
      folder: undefined,
      limits: { maxRecords: 1000, maxOctets: 1e6, transferOctets: 1e6, transferMs: 60_000 },
      journalLimits: { versions: 10, octets: 1e6 },
    });
  }
  get told(): string[] {
    return this.transport.asked.map(one => one.server).sort();
  }
}

const ALL = ['ns.example.', 'NS2.example.', 'ns.elsewhere.test.', 'self.test.'];

describe('the name servers of a zone', () => {
  test('are told of a change, but for the primary of its SOA and this server itself', async () => {
    const setting = new Setting();
    setting.store.replace(zoneWith(1, ...ALL));
    await setting.clock.advance(1000);
    expect(setting.lookedUp.sort()).toEqual(['ns.elsewhere.test.', 'ns2.example.', 'self.test.']);
    expect(setting.told).toEqual(['192.0.2.2:53', '192.0.2.3:53', '[2001:db8::2]:53']);
  });
  test('are told of the last of changes that follow at once, and not of each', async () => {
    const setting = new Setting();
    for (let serial = 1; serial < 50; serial++) setting.store.replace(zoneWith(serial, 'ns.elsewhere.test.'));
    await setting.clock.advance(1000);
    expect(setting.told).toEqual(['192.0.2.3:53']);
    const [{ query }] = setting.transport.asked;
    expect(query.readUInt32BE(query.length - 20)).toBe(49);
  });
  test('are told with the key that is given, and each address once, whoever names it', async () => {
    const other = { server: { address: '192.0.2.3', port: 53, family: 4 as const } };
    const setting = new Setting({ notify: [other], notifyServers: { key } });
    setting.store.replace(zoneWith(1, 'ns2.example.', 'ns.elsewhere.test.'));
    await setting.clock.advance(1000);
    expect(setting.told).toEqual(['192.0.2.2:53', '192.0.2.3:53', '[2001:db8::2]:53']);
    const signed = setting.transport.asked.filter(({ query }) => typeof readTsig(query) !== 'string');
    expect(signed.map(one => one.server).sort()).toEqual(['192.0.2.2:53', '[2001:db8::2]:53']);
  });
  test('that have no address are named in the log, and keep no other one from being told', async () => {
    const setting = new Setting();
    setting.store.replace(zoneWith(1, 'nowhere.test.', 'ns.elsewhere.test.'));
    await setting.clock.advance(1000);
    expect(setting.told).toEqual(['192.0.2.3:53']);
    expect(setting.log).toEqual([expect.stringContaining('nowhere.test.')]);
  });
  test('are asked for by an operator, who is told how many', async () => {
    const setting = new Setting();
    setting.store.replace(zoneWith(1, ...ALL));
    expect(await setting.transfers.notify(apex)).toBe(3);
    expect(await setting.transfers.notify(encodeName('other'))).toBeUndefined();
  });
  test('of a zone that is not served any more are not told', async () => {
    const setting = new Setting();
    setting.store.replace(zoneWith(1, ...ALL));
    setting.use(undefined);
    await setting.clock.advance(5000);
    expect([setting.lookedUp, setting.told]).toEqual([[], []]);
    expect(setting.clock.pendingTimers).toBe(0);
  });
  test('are told only where that is wanted', async () => {
    const setting = new Setting({ notifyServers: undefined });
    setting.store.replace(zoneWith(1, ...ALL));
    await setting.clock.advance(5000);
    expect([setting.lookedUp, setting.told]).toEqual([[], []]);
  });
  test('are 32 names and 64 addresses at the most', async () => {
    const setting = new Setting();
    const names = Array.from({ length: 100 }, (_, i) => `n${i}.test.`);
    setting.addresses = Object.fromEntries(names.map((name, i) => [name, [1, 2, 3].map(j => `192.0.${j}.${i}`)]));
    const zone = zoneWith(1, ...names);
    expect(zone.recordsAt(zone.apexNode, Type.NS).length).toBe(100);
    expect(toldServers(zone).length).toBe(32);
    expect(await Promise.all([setting.store.replace(zone), setting.transfers.notify(apex)])).toEqual([true, 64]);
    await settle();
    expect(setting.transport.asked.length).toBe(64);
  });
});
