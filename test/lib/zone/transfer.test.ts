// Zone transfers as messages: written, read again whatever way they are cut, and refused where they are none.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inOneGo } from '../../../lib/base/slices.js';
import { Type } from '../../../lib/wire/iana.js';
import { decodeMessage, type ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { padded, withBareOpt } from '../../../lib/wire/opt.js';
import { outgoing, outgoingDatagram } from '../../../lib/zone/outgoing.js';
import { condensing, type Difference } from '../../../lib/zone/transfer/difference.js';
import { applying } from '../../../lib/zone/transfer/fetch-zone.js';
import { Journal } from '../../../lib/zone/transfer/journal.js';
import { TransferReader, type TransferOutcome, type TransferStep } from '../../../lib/zone/transfer/transfer-reader.js';
import { placeOf, TransferWriter } from '../../../lib/zone/transfer/transfer-writer.js';
import { differenceOf } from '../../../lib/zone/changes.js';
import { ZoneBuilder, ZONE_LIMITS } from '../../../lib/zone/zone-builder.js';
import { Zone } from '../../../lib/zone/zone.js';
import { vectorsFolder } from '../../support/vectors.js';
import { readZone } from '../../support/zone-file.js';
import { record, smallZone, soa, sortedTexts, texts } from '../../support/zone-records.js';

const apex = encodeName('example');
const condensed = (list: readonly Difference[]) => inOneGo(condensing(list));
const applyDifferences = (...args: Parameters<typeof applying>) => inOneGo(applying(...args));
const AXFR = { id: 7, apex, type: Type.AXFR };
const IXFR = { id: 7, apex, type: Type.IXFR };
const LIMITS = { octets: 1e8, records: 1e6 };

const messagesOf = (writer: TransferWriter): Buffer[] => {
  const messages: Buffer[] = [];
  for (let one = writer.next(); one !== undefined; one = writer.next()) messages.push(one);
  return messages;
};
/** Records, so many a message. */
function messagesWith(question: typeof AXFR | typeof IXFR, records: readonly ResourceRecord[], each = 1e9): Buffer[] {
  const messages: Buffer[] = [];
  for (let i = 0; i < records.length; i += each) {
    messages.push(...messagesOf(new TransferWriter(question, records.slice(i, i + each).map(placeOf))));
  }
  return messages;
}

function sinkOf(name = apex) {
  const records: ResourceRecord[] = [];
  return {
    records,
    begin: () => {},
    add: (one: ResourceRecord) => void records.push({ ...one, name: one.name.slice() }),
    name,
  };
}
function read(
  question: typeof AXFR | typeof IXFR,
  ours: number | undefined,
  messages: readonly Uint8Array[],
  limits: ConstructorParameters<typeof TransferReader>[3] = LIMITS,
) {
  const sink = sinkOf();
  const reader = new TransferReader(
    question,
    ours,
    { begin: sink.begin, add: one => (sink.add(one), undefined) },
    limits,
  );
  let step: TransferStep = 'more';
  for (const message of messages) {
    step = reader.push(message);
    if (step !== 'more') break;
  }
  return { step, records: sink.records, reader };
}
const outcomeOf = (step: TransferStep): TransferOutcome => {
  if (step === 'more' || !('done' in step)) throw new Error(JSON.stringify(step));
  return step.done;
};
const failureOf = (step: TransferStep): string => {
  if (step === 'more' || !('failed' in step)) throw new Error(JSON.stringify(step));
  return `${step.failed}${step.tryWhole ? ' (all of it may be had)' : ''}`;
};

const host = (i: number, address = `192.0.2.${i % 256}`): ResourceRecord => record(`host${i}.example`, 'A', address);
const large = smallZone(5, ...Array.from({ length: 3000 }, (_, i) => host(i)), record('big.example', 'TXT', '"x"'));

describe('a whole zone (AXFR, RFC 5936)', () => {
  test('goes out in messages of about 16 KiB, SOA first and last, and comes in the same', () => {
    const messages = messagesOf(outgoing(large, AXFR, undefined, undefined).writer);
    expect(messages.slice(0, -1).every(one => one.length > 16_000 && one.length <= 16_384)).toBe(true);
    const { step, records } = read(AXFR, undefined, messages);
    expect(outcomeOf(step)).toMatchObject({ kind: 'whole', records: large.recordCount, dropped: 0 });
    expect(texts(records)).toEqual(texts(large.records()));
  });
  test('is a message that other readers take apart', () => {
    const [first] = messagesOf(outgoing(large, AXFR, undefined, undefined).writer);
    const { answers, question, flags } = decodeMessage(first);
    expect(question).toMatchObject({ type: Type.AXFR });
    expect(flags & 0x8400).toBe(0x8400);
    expect(texts(answers)).toEqual(texts(large.records()).slice(0, answers.length));
  });
  test('may come a record at a time, or all at once', () => {
    const records = [...large.records(), large.soa];
    for (const each of [1, 2, 700]) {
      expect(outcomeOf(read(AXFR, undefined, messagesWith(AXFR, records, each)).step)).toMatchObject({ kind: 'whole' });
    }
  });
  test('with a record of 60,000 octets has a message for it alone', () => {
    const text = Array.from({ length: 240 }, () => `"${'x'.repeat(250)}"`).join(' ');
    const zone = smallZone(1, record('big.example', 'TXT', text), host(1));
    const messages = messagesOf(outgoing(zone, AXFR, undefined, undefined).writer);
    expect(texts(read(AXFR, undefined, messages).records)).toEqual(texts(zone.records()));
    expect(Math.max(...messages.map(one => one.length))).toBeGreaterThan(60_000);
  });
  test('with a record that no message has room for says which, and is not sent', () => {
    const [big] = [record('www.example', 'TXT', '"x"')];
    const zone = smallZone(1, { ...big, data: new Uint8Array(65_520) });
    expect(() => messagesOf(outgoing(zone, AXFR, undefined, undefined).writer)).toThrow(
      /www\.example\. TXT: a record of 65520 octets/,
    );
  });
  test('may have messages of padding alone between others, and no other empty ones (RFC 9103)', () => {
    const records = [...large.records(), large.soa];
    const messages = messagesWith(AXFR, records, 700);
    const empty = withBareOpt(messages[0].subarray(0, 12 + apex.length + 4), 1232);
    empty.fill(0, 6, 8);
    const padding = padded(empty, 468);
    const [first, ...others] = messages;
    expect(outcomeOf(read(AXFR, undefined, [first, padding, padding, ...others]).step)).toMatchObject({
      kind: 'whole',
      records: large.recordCount,
    });
    expect(failureOf(read(AXFR, undefined, [first, empty, ...others]).step)).toBe('a message without records');
    expect(failureOf(read(AXFR, undefined, [padding, ...messages]).step)).toBe('a message without records');
    const endless = [first, ...Array.from({ length: 100 }, () => padding)];
    expect(failureOf(read(AXFR, undefined, endless, { octets: 40_000, records: 1e6 }).step)).toMatch(
      /octets it may have/,
    );
  });
  test('keeps the letters that owners have', () => {
    const zone = smallZone(1, record('WWW.Example', 'A', '192.0.2.1'), record('a.www.eXample', 'A', '192.0.2.1'));
    const messages = messagesOf(outgoing(zone, AXFR, undefined, undefined).writer);
    expect(texts(read(AXFR, undefined, messages).records)).toEqual(texts(zone.records()));
  });
  const parts = [soa(5), record('example', 'NS', 'ns.example.'), host(1)];
  test.each([
    ['no SOA at the beginning', [host(1), ...parts], 'no SOA record at the beginning'],
    ['another SOA at the end', [...parts, soa(6)], 'a SOA record of serial 6 at the end, 5 at the beginning'],
    [
      'a SOA below the apex',
      [...parts, record('sub.example', 'SOA', 'a. b. 1 2 3 4 5')],
      'a SOA record below the apex',
    ],
    ['something behind its end', [...parts, soa(5), host(2)], 'a record behind the end'],
    [
      'records of another zone at the beginning',
      [record('other', 'SOA', 'a. b. 1 2 3 4 5'), soa(5)],
      'no SOA record of the zone at the beginning',
    ],
  ])('with %s is refused', (_, records, reason) => {
    expect(failureOf(read(AXFR, undefined, messagesWith(AXFR, records)).step)).toBe(reason);
  });
  test('has records outside of it passed over', () => {
    const { step, records } = read(
      AXFR,
      undefined,
      messagesWith(AXFR, [...parts, record('www.test', 'A', '192.0.2.1'), soa(5)]),
    );
    expect(outcomeOf(step)).toMatchObject({ dropped: 1, records: 3 });
    expect(texts(records)).toEqual(texts(parts));
  });
  test('is not done while its last SOA has not come, cut off at any record', () => {
    const records = [...parts, soa(5)];
    for (let length = 1; length < records.length; length++) {
      expect(read(AXFR, undefined, messagesWith(AXFR, records.slice(0, length))).step).toBe('more');
    }
  });
  test('cut off at any octet of a message is refused, and never thrown at', () => {
    const [message] = messagesWith(AXFR, [...parts, soa(5)]);
    for (let length = 0; length < message.length; length++) {
      expect(failureOf(read(AXFR, undefined, [message.subarray(0, length)]).step), `${length}`).not.toBe('');
    }
  });
  test('with any octet changed comes to an end or not, and never to an exception', () => {
    const [message] = messagesWith(AXFR, [...parts, soa(5)]);
    for (let at = 0; at < message.length; at++) {
      for (const bits of [0x01, 0x80, 0xff]) {
        const changed = Buffer.from(message);
        changed[at] ^= bits;
        expect(() => read(AXFR, undefined, [changed])).not.toThrow();
      }
    }
  });
  test('of more octets or records than it may have ends there', () => {
    const messages = messagesOf(outgoing(large, AXFR, undefined, undefined).writer);
    expect(failureOf(read(AXFR, undefined, messages, { ...LIMITS, octets: 20_000 }).step)).toBe(
      'more than the 20000 octets it may have',
    );
    expect(failureOf(read(AXFR, undefined, messages, { ...LIMITS, records: 100 }).step)).toBe(
      'more than the 100 records it may have',
    );
  });
  test.each([
    ['another id', (m: Buffer) => m.writeUInt16BE(8, 0), 'a message with another id'],
    ['no response', (m: Buffer) => (m[2] = 0), 'no response'],
    ['TC', (m: Buffer) => (m[2] |= 2), 'a message that is cut off (TC)'],
    ['REFUSED', (m: Buffer) => (m[3] |= 5), 'the server says REFUSED'],
    ['another question', (m: Buffer) => (m[13] ^= 1), 'a message with another question'],
    ['no records', (m: Buffer) => m.writeUInt16BE(0, 6), 'a message without records'],
  ])('in a message of %s is refused', (_, change, reason) => {
    const [message] = messagesWith(AXFR, [...parts, soa(5)]);
    change(message);
    expect(failureOf(read(AXFR, undefined, [message]).step)).toBe(reason);
  });
});

describe('differences (IXFR, RFC 1995)', () => {
  const from1 = [soa(3), soa(1), host(1), soa(2), host(2), soa(2), host(2), soa(3), host(3), soa(3)];
  test('are a chain, however its records are cut into messages', () => {
    for (const each of [1, 3, 100]) {
      const { step } = read(IXFR, 1, messagesWith(IXFR, from1, each));
      const outcome = outcomeOf(step);
      if (outcome.kind !== 'differences') throw new Error(outcome.kind);
      expect(outcome.list.map(one => [texts(one.deleted), texts(one.added)])).toEqual([
        [texts([host(1)]), texts([host(2)])],
        [texts([host(2)]), texts([host(3)])],
      ]);
    }
  });
  test('may be none: one SOA that is no news', () => {
    expect(outcomeOf(read(IXFR, 3, messagesWith(IXFR, [soa(3)])).step)).toEqual({ kind: 'current', serial: 3 });
    expect(outcomeOf(read(IXFR, 4, messagesWith(IXFR, [soa(3)])).step)).toEqual({ kind: 'current', serial: 3 });
  });
  test('may be a whole zone instead', () => {
    const zone = smallZone(3, host(1));
    const { step, records } = read(IXFR, 1, messagesWith(IXFR, [...zone.records(), zone.soa]));
    expect(outcomeOf(step)).toMatchObject({ kind: 'whole' });
    expect(texts(records)).toEqual(texts(zone.records()));
  });
  test.each([
    [
      'another serial than ours',
      [soa(3), soa(2), soa(3), soa(3)],
      'a difference from serial 2, not 1 (all of it may be had)',
    ],
    [
      'a gap',
      [soa(4), soa(1), soa(2), soa(3), soa(4), soa(4)],
      'a difference from serial 3 behind one to 2 (all of it may be had)',
    ],
    ['a step back', [soa(4), soa(1), soa(0), soa(4)], 'a difference from serial 1 to 0 (all of it may be had)'],
    [
      'a step beyond its end',
      [soa(4), soa(1), soa(9), soa(4)],
      'a difference to serial 9, beyond 4 (all of it may be had)',
    ],
  ])('from %s are refused, and the whole zone is had', (_, records, reason) => {
    expect(failureOf(read(IXFR, 1, messagesWith(IXFR, records)).step)).toBe(reason);
  });
  test('that the server has none of (FORMERR, NOTIMP, REFUSED) send us to the whole zone', () => {
    for (const rcode of [1, 4, 5]) {
      const [message] = messagesWith(IXFR, [soa(3)]);
      message[3] |= rcode;
      expect(failureOf(read(IXFR, 1, [message]).step)).toContain('(all of it may be had)');
    }
  });
  test('are sent as one: each record as it is in the end', () => {
    const versions = [
      smallZone(1, host(1), host(2)),
      smallZone(2, host(1, '192.0.2.99'), host(2)),
      smallZone(3, host(1), host(3)),
      smallZone(4, host(1), host(3), host(4)),
    ];
    const journal = journalOf(versions);
    const { kind, writer } = outgoing(versions[3], IXFR, 1, journal);
    expect(kind).toBe('differences');
    const outcome = outcomeOf(read(IXFR, 1, messagesOf(writer)).step);
    if (outcome.kind !== 'differences') throw new Error(outcome.kind);
    expect(outcome.list.map(one => [texts(one.deleted), sortedTexts(one.added)])).toEqual([
      [texts([host(2)]), sortedTexts([host(3), host(4)])],
    ]);
    expect(outgoing(versions[3], IXFR, 4, journal).kind).toBe('current');
    expect(outgoing(versions[3], IXFR, 9, journal).kind).toBe('current');
    expect(outgoing(versions[3], IXFR, 0, journal).kind).toBe('whole');
  });
  test('over UDP are one message, or the SOA alone', () => {
    const journal = journalOf([smallZone(1), smallZone(2, host(1))]);
    const small = outgoingDatagram(smallZone(2, host(1)), IXFR, 1, journal, 512);
    expect(outcomeOf(read(IXFR, 1, [small]).step).kind).toBe('differences');
    const many = smallZone(3, ...Array.from({ length: 100 }, (_, i) => host(i)));
    const alone = outgoingDatagram(many, IXFR, 1, journalOf([smallZone(1), many]), 512);
    expect(decodeMessage(alone).answers.length).toBe(1);
  });
});

function differenceBetween(before: Zone, after: Zone): Difference {
  const { removed, added } = differenceOf(before, after);
  const withoutSoa = (records: ResourceRecord[]) => records.filter(one => one.type !== Type.SOA);
  return { before: before.soa, after: after.soa, deleted: withoutSoa(removed), added: withoutSoa(added) };
}
function journalOf(versions: readonly Zone[], limits = { versions: 100, octets: 1e6 }): Journal {
  const journal = new Journal(limits);
  for (let i = 1; i < versions.length; i++) journal.add(differenceBetween(versions[i - 1], versions[i]));
  return journal;
}

describe('a chain of differences', () => {
  const difference = (from: number, to: number, deleted: ResourceRecord[], added: ResourceRecord[]): Difference => ({
    before: soa(from),
    after: soa(to),
    deleted,
    added,
  });
  test('is applied as a whole, or not at all', () => {
    const zone = smallZone(1, host(1));
    const applied = applyDifferences(
      zone,
      [difference(1, 2, [host(1)], [host(2)]), difference(2, 3, [host(2)], [host(1)])],
      ZONE_LIMITS,
    );
    if (typeof applied === 'string') throw new Error(applied);
    expect(texts(applied.zone.records())).toEqual(texts(smallZone(3, host(1)).records()));
    for (const [list, reason] of [
      [[difference(1, 2, [host(9)], [])], /not there and was to be taken away/],
      [[difference(1, 2, [], [host(1)])], /was to be added and is there/],
      [[difference(1, 2, [host(9)], []), difference(2, 3, [], [host(9)])], /a record goes that is not there/],
      [[difference(1, 2, [], [host(1)]), difference(2, 3, [host(1)], [])], /a record comes that is there/],
      [[difference(5, 6, [], [])], /differences from serial 5/],
    ] as const) {
      expect(applyDifferences(zone, list, ZONE_LIMITS)).toMatch(reason);
    }
    expect(texts(zone.records())).toEqual(texts(smallZone(1, host(1)).records()));
  });
  test('of which a record changes its TTL keeps both', () => {
    const longer = { ...host(1), ttl: 999 };
    const { difference: one } = condensed([difference(1, 2, [host(1)], [longer])]);
    expect([texts(one.deleted), texts(one.added)]).toEqual([texts([host(1)]), texts([longer])]);
    const { difference: none } = condensed([
      difference(1, 2, [host(1)], [longer]),
      difference(2, 3, [longer], [host(1)]),
    ]);
    expect([none.deleted, none.added]).toEqual([[], []]);
  });
});

describe('a journal', () => {
  const versions = Array.from({ length: 20 }, (_, i) => smallZone(i + 1, host(i)));
  test('keeps so many versions and octets, the newest', () => {
    expect(journalOf(versions, { versions: 5, octets: 1e6 }).since(16)?.length).toBe(4);
    expect(journalOf(versions, { versions: 5, octets: 1e6 }).since(14)).toBeUndefined();
    const { octets } = journalOf(versions.slice(0, 2));
    const small = journalOf(versions, { versions: 100, octets: 3 * octets + 20 });
    expect([small.versions, small.octets <= 3 * octets + 20]).toEqual([3, true]);
    expect(journalOf(versions, { versions: 100, octets: 10 }).versions).toBe(0);
  });
  test('begins anew where a difference does not follow', () => {
    const journal = journalOf(versions.slice(0, 5));
    journal.add(differenceBetween(versions[10], versions[11]));
    expect([journal.versions, journal.since(1), journal.since(11)?.length]).toEqual([1, undefined, 1]);
  });
});

const folder = vectorsFolder('auth/ixfr-versions');
describe.skipIf(folder === undefined)('versions of other people’s zones', () => {
  const chains = folder === undefined ? [] : readdirSync(join(folder, 'auth/ixfr-versions'));
  test.each(chains)('%s: from each to each later one by IXFR, record for record', chain => {
    const path = join(folder!, 'auth/ixfr-versions', chain);
    const name = encodeName('example.com');
    const versions = readdirSync(path)
      .sort()
      .map(file => {
        const builder = new ZoneBuilder(name);
        for (const one of readZone(readFileSync(join(path, file), 'utf8'), 'example.com.')) builder.add(one);
        return new Zone(name, builder.build());
      })
      .sort((a, b) => a.serial - b.serial);
    expect(versions.length).toBeGreaterThan(3);
    const journal = journalOf(versions);
    for (const [i, old] of versions.entries()) {
      const last = versions[versions.length - 1];
      if (i === versions.length - 1) continue;
      const question = { id: 7, apex: name, type: Type.IXFR } as const;
      const { writer } = outgoing(last, question, old.serial, journal);
      const reader = new TransferReader(question, old.serial, { begin: () => {}, add: () => undefined }, LIMITS);
      let step: TransferStep = 'more';
      for (const message of messagesOf(writer)) step = reader.push(message);
      const outcome = outcomeOf(step);
      if (outcome.kind !== 'differences') {
        expect(outcome.kind).toBe('whole'); // shorter than the differences
        continue;
      }
      const applied = applyDifferences(old, outcome.list, ZONE_LIMITS);
      if (typeof applied === 'string') throw new Error(applied);
      expect(texts(applied.zone.records())).toEqual(texts(last.records()));
    }
  });
});

test('differences of more than is held at a time are given up for all of the zone', () => {
  const records = [soa(5), soa(3), host(1), soa(4), host(2), soa(4), soa(5), host(3), soa(5)];
  const readWithin = (differences: { octets: number; records: number }) =>
    read(IXFR, 3, messagesWith(IXFR, records, 2), { ...LIMITS, differences }).step;
  expect(outcomeOf(readWithin({ octets: 1000, records: 8 }))).toMatchObject({ kind: 'differences' });
  expect(failureOf(readWithin({ octets: 1000, records: 5 }))).toBe(
    'differences of more than 5 records (all of it may be had)',
  );
  expect(failureOf(readWithin({ octets: 100, records: 8 }))).toBe(
    'differences of more than 100 octets (all of it may be had)',
  );
  // Of a whole zone nothing is held.
  const whole = read(IXFR, 3, messagesWith(IXFR, [...large.records(), large.soa]), {
    ...LIMITS,
    differences: { octets: 100, records: 5 },
  });
  expect(outcomeOf(whole.step)).toMatchObject({ kind: 'whole' });
});
