// A secondary's life by the clock: refresh, retry, expire, notifications, and whatever primaries do wrong (RFC 1034 section
// 4.3.5, RFC 1995, RFC 1996).
import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { findOpt } from '../../../lib/wire/opt.js';
import { bareReply } from '../../../lib/zone/authority/replies.js';
import { outgoing } from '../../../lib/zone/outgoing.js';
import { Journal } from '../../../lib/zone/transfer/journal.js';
import { notification } from '../../../lib/zone/transfer/questions.js';
import { Transfers } from '../../../lib/zone/transfers.js';
import type { TransferOptions } from '../../../lib/zone/transferred-zone.js';
import { TsigKeys } from '../../../lib/zone/tsig/key.js';
import { ZoneStore } from '../../../lib/zone/zone-store.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakePrimary } from '../../support/fake-primary.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { record, smallZone, texts } from '../../support/zone-records.js';

const apex = encodeName('example');
const host = (i: number) => record(`host${i}.example`, 'A', `192.0.2.${i}`);
const PRIMARY = { server: { address: '192.0.2.1', port: 53, family: 4 as const } };
const options = (more: Partial<TransferOptions> = {}): TransferOptions => ({
  apex,
  primaries: [PRIMARY],
  notify: [],
  allowTransfer: [],
  allowNotify: [],
  allowUpdate: [],
  needsDigest: false,
  ...more,
});

class Setting {
  readonly clock = new FakeClock();
  readonly primary = new FakePrimary();
  readonly store = new ZoneStore();
  readonly log: string[] = [];
  get isExpired(): boolean {
    return [...this.store.suspended()].some(one => one.reason === 'expired');
  }
  transfers!: Transfers;

  constructor(private readonly folder?: string) {}

  async start(zone = options(), limits = {}): Promise<this> {
    const say = (fields: object, text: string): void => void this.log.push(`${text} ${JSON.stringify(fields)}`);
    this.transfers = new Transfers({
      clock: this.clock,
      random: systemRandom,
      log: { ...silentLogger, info: say, warn: say, error: say },
      store: this.store,
      transport: new FakeTransport(this.clock, () => undefined),
      open: this.primary.open,
      held: new ZoneStore(),
      addressesOf: () => Promise.resolve([]),
      isOwn: () => false,
      answer: () => {},
    });
    this.transfers.use({
      zones: [zone],
      catalogs: [],
      made: [],
      keys: new TsigKeys(),
      folder: this.folder,
      limits: { maxRecords: 1000, maxOctets: 1e6, transferOctets: 1e6, transferMs: 60_000, ...limits },
      journalLimits: { versions: 10, octets: 1e6 },
    });
    await this.transfers.begun();
    await this.turns();
    return this;
  }
  /** Files are read and written in turns of their own. */
  async turns(): Promise<void> {
    for (let i = 0; i < (this.folder === undefined ? 3 : 30); i++) {
      await settle();
      if (this.folder !== undefined) await new Promise(resolve => setTimeout(resolve, 2));
    }
  }
  async wait(seconds: number): Promise<void> {
    await this.clock.advance(seconds * 1000);
    this.clock.wall += seconds;
    await this.turns();
  }
  get serial(): number | undefined {
    return this.store.get(apex)?.serial;
  }
  get report() {
    return this.transfers.report()[0].secondary!;
  }
}
const folders: string[] = [];
afterEach(() => folders.splice(0).forEach(one => rmSync(one, { recursive: true })));
function folderOf(): string {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-zones-'));
  folders.push(folder);
  return folder;
}

/** From one version to the next, as the primary would have them. */
function journalOf(...versions: ReturnType<typeof smallZone>[]): Journal {
  const journal = new Journal({ versions: 100, octets: 1e6 });
  for (let i = 1; i < versions.length; i++) {
    const [before, after] = [versions[i - 1], versions[i]];
    const of = (zone: typeof before) => [...zone.records()].filter(one => one.type !== Type.SOA);
    const key = (one: { name: Uint8Array; data: Uint8Array }) =>
      Buffer.from([...one.name, ...one.data]).toString('hex');
    const old = new Set(of(before).map(key));
    const now = new Set(of(after).map(key));
    journal.add({
      before: before.soa,
      after: after.soa,
      deleted: of(before).filter(one => !now.has(key(one))),
      added: of(after).filter(one => !old.has(key(one))),
    });
  }
  return journal;
}

describe('a secondary', () => {
  test('has all of a zone at first, then what has changed when it is time', async () => {
    const setting = new Setting();
    const versions = [smallZone(1, host(1)), smallZone(2, host(2))];
    setting.primary.serve(versions[0]);
    await setting.start();
    expect([setting.serial, setting.primary.asked]).toEqual([1, ['AXFR']]);
    await setting.wait(3600);
    expect(setting.primary.asked).toEqual(['AXFR', 'SOA']);
    setting.primary.serve(versions[1]);
    setting.primary.journal = journalOf(...versions);
    await setting.wait(3600);
    expect(setting.primary.asked.slice(2)).toEqual(['SOA', 'IXFR']);
    expect(texts(setting.store.get(apex)!.records())).toEqual(texts(versions[1].records()));
  });
  test('asks no sooner than nine tenths of the refresh time, and within it', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(1));
    await setting.start();
    await setting.wait(3600 * 0.89);
    expect(setting.primary.asked).toEqual(['AXFR']);
    await setting.wait(3600 * 0.12);
    expect(setting.primary.asked).toEqual(['AXFR', 'SOA']);
  });
  test('asks again after the retry time, and expires by the clock; then it serves nothing until it is confirmed', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(1));
    await setting.start();
    setting.primary.isSilent = true;
    await setting.wait(3600 + 60);
    expect(setting.report).toMatchObject({ state: 'serving', failures: 1 });
    expect(setting.report.refreshInSeconds).toBeLessThanOrEqual(600);
    await setting.wait(86_400 - 3600 - 120);
    expect([setting.serial, setting.isExpired]).toEqual([1, false]);
    await setting.wait(120);
    expect([setting.isExpired, setting.report.state]).toEqual([true, 'expired']);
    setting.primary.isSilent = false;
    await setting.wait(700);
    expect([setting.serial, setting.isExpired, setting.report.state]).toEqual([1, false, 'serving']);
  });
  test('lives on for each time that it is confirmed, changed or not', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(1));
    await setting.start();
    for (let i = 0; i < 40; i++) await setting.wait(3600);
    expect([setting.serial, setting.isExpired]).toEqual([1, false]);
    expect(setting.report.expiresInSeconds).toBeGreaterThan(80_000);
  });
  test('takes other primaries where the first says nothing, or is behind', async () => {
    const setting = new Setting();
    const other = { server: { address: '192.0.2.2', port: 53, family: 4 as const } };
    const first = new FakePrimary();
    first.says = query => [bareReply(query, 5)];
    setting.primary.serve(smallZone(5));
    const { open } = setting.primary;
    (setting.primary as { open: typeof open }).open = (server, opened) =>
      (server.address === '192.0.2.1' ? first.open : open)(server, opened);
    await setting.start(options({ primaries: [PRIMARY, other] }));
    expect(setting.serial).toBe(5);
    first.says = undefined;
    first.serve(smallZone(1));
    setting.primary.serve(smallZone(6));
    await setting.wait(3600);
    expect([setting.serial, first.asked]).toEqual([6, ['AXFR', 'SOA']]);
  });
  test('does not go back to an older serial, says so, and holds on to what it has', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(9));
    await setting.start();
    setting.primary.serve(smallZone(3));
    for (let i = 0; i < 30; i++) await setting.wait(3600);
    expect([setting.serial, setting.isExpired]).toEqual([9, false]);
    expect(setting.report.problem).toMatch(/has serial 3, older than 9/);
  });
  test('has all of it where the differences do not fit', async () => {
    const setting = new Setting();
    const [one, two] = [smallZone(1, host(1)), smallZone(2, host(2))];
    setting.primary.serve(one);
    await setting.start();
    setting.primary.serve(two);
    // Of other versions: it takes away what is not there.
    setting.primary.journal = journalOf(smallZone(1, host(7)), two);
    await setting.wait(3600);
    expect(setting.primary.asked).toEqual(['AXFR', 'SOA', 'IXFR', 'AXFR']);
    expect(texts(setting.store.get(apex)!.records())).toEqual(texts(two.records()));
  });
  test.each([1, 4, 5])('has all of it where the server has no IXFR (rcode %i)', async rcode => {
    const setting = new Setting();
    setting.primary.serve(smallZone(1));
    await setting.start();
    setting.primary.serve(smallZone(2));
    setting.primary.says = (query, type) => (type === Type.IXFR ? [bareReply(query, rcode)] : undefined);
    await setting.wait(3600);
    expect([setting.serial, setting.primary.asked]).toEqual([2, ['AXFR', 'SOA', 'IXFR', 'AXFR']]);
  });
  test('keeps the old zone whatever is wrong with the new one', async () => {
    const setting = new Setting();
    const old = smallZone(1, host(1));
    setting.primary.serve(old);
    await setting.start(options(), { maxRecords: 50 });
    const messages = (zone: ReturnType<typeof smallZone>, query: Buffer): Buffer[] => {
      const { writer } = outgoing(zone, { id: query.readUInt16BE(0), apex, type: Type.AXFR }, undefined, undefined);
      return [writer.next()!];
    };
    const many = smallZone(2, ...Array.from({ length: 100 }, (_, i) => host(i)));
    for (const [says, reason] of [
      [(query: Buffer) => messages(many, query), /more than 50 records|more than the 104 records/],
      [(query: Buffer) => messages(smallZone(2), query).map(one => one.subarray(0, 40)), /cut off|malformed/],
      [(query: Buffer) => [bareReply(query, 2)], /SERVFAIL/],
      [(query: Buffer) => messages(smallZone(2), query).map(one => ((one[0] ^= 1), one)), /another id/],
    ] as const) {
      setting.primary.serve(smallZone(2));
      setting.primary.says = (query, type) =>
        type === Type.IXFR ? [bareReply(query, 4)] : type === Type.AXFR ? [...says(query)] : undefined;
      await setting.wait(3700);
      expect(setting.report.problem).toMatch(reason);
      expect(texts(setting.store.get(apex)!.records())).toEqual(texts(old.records()));
    }
  });
  test('gives up on a primary that sends nothing more, after half a minute', async () => {
    const setting = new Setting();
    setting.primary.says = query => {
      const { writer } = outgoing(
        smallZone(1, host(1)),
        { id: query.readUInt16BE(0), apex, type: Type.AXFR },
        undefined,
        undefined,
      );
      return [writer.next()!.subarray(0, -1)];
    };
    await setting.start();
    expect(setting.report.problem).toMatch(/octets behind|cut off|beyond/);
    setting.primary.says = () => [];
    await setting.wait(10);
    expect(setting.report.problem).toMatch(/octets behind|cut off|beyond/);
    await setting.wait(35);
    expect(setting.report.problem).toMatch(/nothing came in 30 s/);
  });
  test('refuses a zone whose digest is wrong (ZONEMD), and one without where it is required', async () => {
    const wrong = record('example', 'ZONEMD', `1 1 1 ${'00'.repeat(48)}`);
    const setting = new Setting();
    setting.primary.serve(smallZone(1, wrong));
    await setting.start();
    expect([setting.serial, setting.report.problem]).toEqual([undefined, expect.stringContaining('ZONEMD')]);
    const strict = new Setting();
    strict.primary.serve(smallZone(1));
    await strict.start(options({ needsDigest: true }));
    expect([strict.serial, strict.report.problem]).toEqual([undefined, expect.stringContaining('no ZONEMD record')]);
  });
});

describe('a primary that is a secondary itself, and says how long it has the zone (EXPIRE, RFC 7314)', () => {
  test('has it expire here with it', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(1));
    setting.primary.expires = 5000;
    await setting.start();
    expect([setting.report.state, setting.report.expiresInSeconds]).toEqual(['serving', 5000]);
    expect(setting.transfers.find(apex)!.expireSeconds).toBe(5000);
    setting.primary.isSilent = true;
    await setting.wait(5100);
    expect([setting.isExpired, setting.report.state]).toEqual([true, 'expired']);
  });
  test('gives no more than the SOA does, and takes nothing away of what another one gave', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(1));
    setting.primary.expires = 1_000_000;
    await setting.start();
    expect(setting.report.expiresInSeconds).toBe(86_400);
    setting.primary.expires = 10;
    await setting.wait(3600);
    expect(setting.primary.asked).toEqual(['AXFR', 'SOA']);
    expect(setting.report.expiresInSeconds).toBeGreaterThan(82_000);
    expect(setting.report.expiresInSeconds).toBeLessThan(86_400 - 3000);
    setting.primary.expires = undefined;
    await setting.wait(3700);
    expect(setting.report.expiresInSeconds).toBeGreaterThan(85_000);
  });
  test('that has no time left of it has nothing served of it', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(1));
    setting.primary.expires = 0;
    await setting.start();
    expect([setting.serial, setting.report.state]).toEqual([undefined, 'expired']);
    setting.primary.expires = 700;
    await setting.wait(3700);
    expect([setting.serial, setting.report.state]).toEqual([1, 'serving']);
  });
  test('is believed after a restart too', async () => {
    const folder = folderOf();
    const first = new Setting(folder);
    first.primary.serve(smallZone(1));
    first.primary.expires = 5000;
    await first.start();
    await first.transfers.close();
    const second = new Setting(folder);
    second.primary.isSilent = true;
    second.clock.wall += 4000;
    await second.start();
    expect([second.serial, second.report.expiresInSeconds]).toEqual([1, 1000]);
    await second.transfers.close();
  });
});

test('a primary that does not know EDNS is asked without it', async () => {
  const setting = new Setting();
  setting.primary.serve(smallZone(1));
  setting.primary.says = query => {
    if (findOpt(query) === 0) return undefined;
    const refused = Buffer.alloc(12);
    query.copy(refused, 0, 0, 2);
    refused.writeUInt16BE(0x8001, 2);
    return [refused];
  };
  await setting.start();
  expect([setting.serial, setting.primary.asked]).toEqual([1, ['AXFR', 'AXFR']]);
});

test('questions over TLS are padded (RFC 8467), and others are not', async () => {
  const lengths: number[] = [];
  for (const tls of [undefined, { name: 'ns.example' }]) {
    const setting = new Setting();
    setting.primary.serve(smallZone(1));
    setting.primary.says = query => void lengths.push(query.length);
    await setting.start(options({ primaries: [{ server: { ...PRIMARY.server, tls } as never }] }));
    expect(setting.serial).toBe(1);
  }
  expect([lengths[0] < 128, lengths[1]]).toEqual([true, 128]);
});

test('a zone whose NSEC3 has more iterations than are served is not taken', async () => {
  const setting = new Setting();
  setting.primary.serve(smallZone(1, record('example', 'NSEC3PARAM', '1 0 65535 ab')));
  await setting.start();
  expect(setting.serial).toBe(undefined);
  expect(setting.report.problem).toBe('zone example. 1: NSEC3 of 65535 iterations, more than 500');
  setting.primary.serve(smallZone(2, record('example', 'NSEC3PARAM', '1 0 500 ab')));
  await setting.wait(30);
  expect(setting.serial).toBe(2);
});

describe('a notification (RFC 1996)', () => {
  const notify = (setting: Setting, address = '192.0.2.1', serial?: number): void =>
    setting.transfers.find(apex)!.source!.notified({ address, isEncrypted: false }, serial);
  test('has the primaries asked at once, and once more for all that came meanwhile', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(1));
    await setting.start();
    setting.primary.serve(smallZone(2));
    for (let i = 0; i < 100; i++) notify(setting);
    await setting.turns();
    expect(setting.serial).toBe(2);
    expect(setting.primary.asked.filter(one => one === 'SOA').length).toBe(2);
  });
  test('of a new version has it served within a second', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(1, host(1)));
    await setting.start();
    setting.primary.serve(smallZone(2, host(2)));
    const began = setting.clock.nowMs();
    const message = notification({ id: 7, apex }, smallZone(2).soa);
    const asker = { protocol: 'udp', client: { address: PRIMARY.server.address, port: 5300 } } as const;
    const rcodes: number[] = [];
    setting.transfers.requests.handle(message, asker, reply => rcodes.push(reply![3] & 15));
    while (setting.serial !== 2) await setting.wait(0.1);
    expect([rcodes, setting.clock.nowMs() - began <= 1000]).toEqual([[0], true]);
  });
  test('of a serial that is no news asks nobody', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(5));
    await setting.start();
    for (const serial of [5, 4, 0]) notify(setting, '192.0.2.1', serial);
    await setting.turns();
    expect(setting.primary.asked).toEqual(['AXFR']);
  });
  test('ahead of the primary asks once, and then by the timers', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(5));
    await setting.start();
    notify(setting, '192.0.2.1', 99);
    await setting.wait(60);
    expect(setting.primary.asked).toEqual(['AXFR', 'SOA']);
  });
  test('that leads to nothing new asks again after a second, then two, and so on: its sender may be made up', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(5));
    await setting.start();
    for (let i = 0; i < 400; i++) {
      notify(setting);
      await setting.wait(0.1);
    }
    // At 0, 1, 3, 7, 15 and 31 seconds.
    expect(setting.primary.asked).toEqual(['AXFR', ...Array.from({ length: 6 }, () => 'SOA')]);
    setting.primary.serve(smallZone(6));
    await setting.wait(30);
    expect(setting.serial).toBe(6);
    // With news there is no pause.
    setting.primary.serve(smallZone(7));
    notify(setting);
    await setting.turns();
    expect(setting.serial).toBe(7);
  });
  test('that leads to a primary that fails does so no more often', async () => {
    const setting = new Setting();
    setting.primary.serve(smallZone(5));
    await setting.start();
    setting.primary.zones.clear();
    for (let i = 0; i < 25; i++) {
      notify(setting);
      await setting.wait(0.1);
    }
    expect(setting.log.filter(line => line.startsWith('a zone cannot be had')).length).toBe(2);
  });
  test('is taken from primaries and whom the rules name, and from nobody else', async () => {
    const setting = new Setting();
    await setting.start();
    const may = (address: string): boolean =>
      setting.transfers.find(apex)!.source!.mayNotify({ address, isEncrypted: false });
    expect([may('192.0.2.1'), may('::ffff:192.0.2.1'), may('192.0.2.9')]).toEqual([true, true, false]);
  });
});

describe('a secondary that is not wanted any more', () => {
  test('does not ask, though its place comes after', async () => {
    const setting = new Setting();
    setting.primary.isSilent = true;
    await setting.start();
    // Four of a primary have a place; this one waits.
    const names = ['a', 'b', 'c', 'd'].map(one => ({ ...options(), apex: encodeName(one) }));
    const use = (zones: TransferOptions[]): void =>
      setting.transfers.use({
        zones,
        catalogs: [],
        made: [],
        keys: new TsigKeys(),
        folder: undefined,
        limits: { maxRecords: 1000, maxOctets: 1e6, transferOctets: 1e6, transferMs: 60_000 },
        journalLimits: { versions: 10, octets: 1e6 },
      });
    use([options(), ...names]);
    await setting.turns();
    const opened = setting.primary.opened;
    expect(setting.transfers.fetching).toBe(4);
    use([]);
    await setting.turns();
    expect([setting.primary.opened, setting.transfers.fetching]).toEqual([opened, 0]);
    await setting.transfers.close();
  });
});

describe('a start without the primary', () => {
  test('serves what was kept, until the rest of its time is over', async () => {
    const folder = folderOf();
    const first = new Setting(folder);
    first.primary.serve(smallZone(1, host(1)));
    await first.start();
    await first.transfers.close();
    const second = new Setting(folder);
    second.primary.isSilent = true;
    second.clock.wall += 80_000;
    await second.start();
    expect(second.serial).toBe(1);
    expect(second.report.expiresInSeconds).toBe(6400);
    await second.wait(6500);
    expect(second.isExpired).toBe(true);
    await second.transfers.close();
    const third = new Setting(folder);
    third.primary.isSilent = true;
    third.clock.wall += 90_000;
    await third.start();
    expect([third.serial, third.isExpired, third.report.state]).toEqual([undefined, true, 'expired']);
    await third.transfers.close();
  });
  test('with the journal has the last version; damaged files are told and asked for anew', async () => {
    const folder = folderOf();
    const first = new Setting(folder);
    const versions = [smallZone(1, host(1)), smallZone(2, host(2)), smallZone(3, host(3))];
    first.primary.serve(versions[0]);
    await first.start();
    for (const [i, version] of versions.slice(1).entries()) {
      first.primary.serve(version);
      first.primary.journal = journalOf(...versions.slice(0, i + 2));
      await first.wait(3600);
    }
    expect(first.serial).toBe(3);
    await first.transfers.close();
    const restarted = async (): Promise<Setting> => {
      const one = new Setting(folder);
      one.primary.isSilent = true;
      one.clock.wall += 8000;
      await one.start();
      return one;
    };
    const second = await restarted();
    expect(texts(second.store.get(apex)!.records())).toEqual(texts(versions[2].records()));
    await second.transfers.close();
    // The journal cut off in its last entry.
    const journal = readFileSync(join(folder, 'example.journal'));
    writeFileSync(join(folder, 'example.journal'), journal.subarray(0, -3));
    const third = await restarted();
    expect(third.serial).toBe(2);
    await third.transfers.close();
    // What comes then takes the place of what was cut off: it is there after the next start.
    const again = new Setting(folder);
    again.primary.serve(versions[2]);
    again.primary.journal = journalOf(...versions);
    again.clock.wall += 8000;
    await again.start();
    expect(again.serial).toBe(3);
    await again.transfers.close();
    const last = await restarted();
    expect(last.serial).toBe(3);
    await last.transfers.close();
    // The zone itself, one bit.
    const zone = readFileSync(join(folder, 'example.zone'));
    zone[zone.length - 5] ^= 1;
    writeFileSync(join(folder, 'example.zone'), zone);
    const fourth = await restarted();
    expect([fourth.serial, fourth.log.some(line => line.includes('a saved zone cannot be used'))]).toEqual([
      undefined,
      true,
    ]);
    await fourth.transfers.close();
  });
});
