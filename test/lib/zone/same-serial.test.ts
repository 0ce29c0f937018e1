// A zone file that was edited and read again without a newer serial: secondaries are not told of it, and no difference is
// made that they would apply to another version than it was made from.
import { expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { parseAccessRule } from '../../../lib/zone/access.js';
import { outgoing } from '../../../lib/zone/outgoing.js';
import { Transfers } from '../../../lib/zone/transfers.js';
import { TsigKeys } from '../../../lib/zone/tsig/key.js';
import { ZoneStore } from '../../../lib/zone/zone-store.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { record, smallZone } from '../../support/zone-records.js';

const apex = encodeName('example');
const question = { id: 1, apex, type: Type.IXFR, opt: undefined };
const host = (i: number) => record(`host${i}.example`, 'A', `192.0.2.${i}`);

/** @param names of so many more hosts, which make it a zone that is not compared in one go */
function start(isPassedOn = true, names = 0) {
  const clock = new FakeClock();
  const store = new ZoneStore();
  const said: string[] = [];
  const log = { ...silentLogger, warn: (_: object, text: string) => void said.push(text) };
  const transfers = new Transfers({
    clock,
    random: systemRandom,
    log,
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
        allowTransfer: isPassedOn ? [parseAccessRule('192.0.2.0/24', '')] : [],
        allowNotify: [],
        allowUpdate: [],
        needsDigest: false,
      },
    ],
    catalogs: [],
    made: [],
    keys: new TsigKeys([]),
    folder: undefined,
    limits: { maxRecords: 100_000, maxOctets: 1e8, transferOctets: 1e8, transferMs: 60_000 },
    journalLimits: { versions: 10, octets: 1e6 },
  });
  const more = Array.from({ length: names }, (_, i) => record(`more${i}.example`, 'A', '192.0.2.200'));
  const read = (serial: number, ...hosts: number[]): void =>
    void store.replace(smallZone(serial, ...hosts.map(host), ...more));
  const link = () => transfers.find(apex)!;
  /** What a secondary that has this serial is sent. */
  const sent = (theirs: number): string => outgoing(link().zone!, question, theirs, link().journal).kind;
  return { read, said, sent, link, doubts: () => transfers.doubts().get('example.') };
}

test('who may have the version before an edit without a new serial is sent the whole zone, not a difference', () => {
  const { read, sent } = start();
  read(1);
  read(2, 1);
  expect(sent(1)).toBe('differences');
  read(2, 1, 2);
  expect(sent(1)).toBe('whole');
  // The serial alone is raised then: a difference from 2 would be without the host that came before.
  read(3, 1, 2);
  expect(sent(2)).toBe('whole');
  read(4, 1);
  expect([sent(1), sent(2), sent(3)]).toEqual(['whole', 'whole', 'differences']);
});

test('a serial that went back makes those of before unsure, until it is beyond them', () => {
  const { read, sent } = start();
  read(10, 1);
  read(5, 2);
  read(10, 2, 3);
  read(11, 2);
  expect([sent(5), sent(10)]).toEqual(['whole', 'whole']);
  read(12, 2, 3);
  expect(sent(11)).toBe('differences');
});

test('it is told, and with what is served, until the serial is raised', () => {
  const { read, said, doubts } = start();
  read(1);
  read(1);
  expect([said, doubts()]).toEqual([[], undefined]);
  read(1, 1);
  expect(said).toEqual(['a zone has changed, and its secondaries do not know']);
  expect(doubts()).toBe(
    'it has changed, and its serial has not: 1; secondaries keep what they have until it is raised beyond 1',
  );
  read(2, 1);
  expect(doubts()).toBeUndefined();
  read(1, 1);
  expect(doubts()).toBe('its serial went back from 2; secondaries keep what they have until it is raised beyond 2');
});

test('nothing is told of a zone that goes to nobody', () => {
  const { read, said, doubts } = start(false);
  read(1);
  read(1, 1);
  expect([said, doubts()]).toEqual([[], undefined]);
});

test('large zones are compared beside what is served', async () => {
  const { read, sent, doubts, link } = start(true, 6000);
  read(1);
  read(1);
  await link().kept;
  expect(doubts()).toBeUndefined();
  read(1, 1);
  await link().kept;
  expect(doubts()).toMatch(/its serial has not: 1/);
  read(2, 1);
  await link().kept;
  expect(sent(1)).toBe('whole');
});
