// What updates make of a zone of one's own, over restarts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import { Class, Flag, Opcode, Type } from '../../../lib/wire/iana.js';
import { opcodeFlags } from '../../../lib/wire/flags.js';
import { encodeMessage, type ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { Transfers } from '../../../lib/zone/transfers.js';
import { makeTsigKey, TsigKeys } from '../../../lib/zone/tsig/key.js';
import { signMessage } from '../../../lib/zone/tsig/mac.js';
import { ZoneStore } from '../../../lib/zone/zone-store.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { record, smallZone, texts } from '../../support/zone-records.js';

const apex = encodeName('example');
const key = makeTsigKey({ name: 'k', algorithm: 'hmac-sha256', secret: 'MDEyMzQ1Njc4OWFiY2RlZg==' });
const rule = { key: encodeName('k'), names: [], types: [] };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-updates-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A server whose file has serial 1, begun with what was kept. */
function start() {
  const clock = new FakeClock();
  const store = new ZoneStore();
  store.replace(smallZone(1));
  const transfers = new Transfers({
    clock,
    random: systemRandom,
    log: silentLogger,
    store,
    transport: new FakeTransport(clock, () => undefined),
    open: () => {
      throw new Error('there is no primary');
    },
    held: new ZoneStore(),
    addressesOf: () => Promise.resolve([]),
    isOwn: () => false,
    answer: () => {},
  });
  transfers.use({
    zones: [
      {
        apex,
        primaries: [],
        notify: [],
        allowTransfer: [],
        allowNotify: [],
        allowUpdate: [rule],
        needsDigest: false,
      },
    ],
    catalogs: [],
    made: [],
    keys: new TsigKeys([key]),
    folder,
    limits: { maxRecords: 1000, maxOctets: 1e6, transferOctets: 1e6, transferMs: 60_000 },
    journalLimits: { versions: 10, octets: 1e6 },
  });
  const update = (added: ResourceRecord): Promise<number> => {
    const message = encodeMessage({
      id: 7,
      flags: opcodeFlags(Opcode.UPDATE) & ~Flag.QR,
      question: { name: apex, type: Type.SOA, dnsClass: Class.IN },
      answers: [],
      authorities: [added],
      additionals: [],
    })!;
    const signed = signMessage(message, { key, now: clock.wallSeconds() })!.message;
    const asker = { protocol: 'tcp', client: { address: '192.0.2.9', port: 1 } } as const;
    return new Promise(resolve => transfers.requests.handle(signed, asker, reply => resolve(reply![3] & 15)));
  };
  const hosts = (): string[] =>
    texts(store.get(apex)!.records()).flatMap(one => /^(host\d)\.example\./.exec(one)?.[1] ?? []);
  return { transfers, store, update, hosts };
}
const host = (i: number): ResourceRecord => record(`host${i}.example`, 'A', `192.0.2.${i}`);

test('an update that comes before what was kept is read follows it, and both are kept', async () => {
  const first = start();
  await first.transfers.begun();
  expect(await first.update(host(1))).toBe(0);
  await first.transfers.close();

  const second = start();
  expect(await second.update(host(2))).toBe(0);
  expect([second.hosts(), second.store.get(apex)!.serial]).toEqual([['host1', 'host2'], 3]);
  await second.transfers.close();

  const third = start();
  await third.transfers.begun();
  expect(third.hosts()).toEqual(['host1', 'host2']);
  await third.transfers.close();
});

test('a file that is read again with an older serial than updates have made is told of, and with the zone', async () => {
  const { transfers, store, update, hosts } = start();
  await transfers.begun();
  expect(await update(host(1))).toBe(0);
  expect(transfers.doubts()).toEqual(new Map());
  store.replace(smallZone(2, host(3)));
  expect(hosts()).toEqual(['host1']);
  expect(transfers.doubts().get('example.')).toBe(
    'its file has serial 2, and is not served until that is beyond 2, which updates have made of it',
  );
  expect(await update(host(2))).toBe(0);
  expect(transfers.doubts().size).toBe(1);
  store.replace(smallZone(9, host(3)));
  expect([hosts(), transfers.doubts().size]).toEqual([['host3'], 0]);
  await transfers.close();
});
