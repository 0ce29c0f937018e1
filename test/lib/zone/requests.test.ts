// What clients ask of who serves zones: who may have what, and what they are told.
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { inOneGo } from '../../../lib/base/slices.js';
import { Class, Rcode, Type } from '../../../lib/wire/iana.js';
import { decodeMessage, encodeMessage, encodeQuestion, type ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, nameKey } from '../../../lib/wire/name.js';
import {
  appendOption,
  findOpt,
  findOption,
  OptionCode,
  padded,
  QUERY_BLOCK,
  REPLY_BLOCK,
  withBareOpt,
} from '../../../lib/wire/opt.js';
import { parseAccessRule } from '../../../lib/zone/access.js';
import { AuthorityRequests, type AuthorityAsker, type MessageSource } from '../../../lib/zone/authority/requests.js';
import type { ZoneLink } from '../../../lib/zone/links.js';
import { applying } from '../../../lib/zone/transfer/fetch-zone.js';
import { toldExpire } from '../../../lib/zone/transfer/expire.js';
import {
  differencesQuestion,
  notification,
  soaQuestion,
  wholeQuestion,
  withOpt,
} from '../../../lib/zone/transfer/questions.js';
import { makeTsigKey, TsigKeys } from '../../../lib/zone/tsig/key.js';
import { checkResponse, signMessage } from '../../../lib/zone/tsig/mac.js';
import { readTsig, TsigError } from '../../../lib/zone/tsig/record.js';
import { ZONE_LIMITS } from '../../../lib/zone/zone-builder.js';
import type { Zone } from '../../../lib/zone/zone.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { record, smallZone, soa, texts, zoneOf } from '../../support/zone-records.js';

const SECRET = Buffer.from('a secret of twenty-four!').toString('base64');
const key = makeTsigKey({ name: 'k', algorithm: 'hmac-sha256', secret: SECRET });
const apex = encodeName('example');
const about = { id: 7, apex };

class Setting {
  readonly clock = new FakeClock();
  readonly said: string[] = [];
  notified: (number | undefined)[] = [];
  changes = 0;
  /** What anybody is told, and was asked for. */
  answers: ResourceRecord[] | undefined;
  flags = 0x8400;
  readonly passedOn: Uint8Array[] = [];
  zone: Zone | undefined = smallZone(1, record('www.example', 'A', '192.0.2.1'));
  link: Partial<ZoneLink> = {};
  readonly requests: AuthorityRequests;

  constructor(link: Partial<ZoneLink> = {}) {
    this.link = link;
    const setting = this as Setting;
    const whole: ZoneLink = {
      name: 'example.',
      get zone() {
        return setting.zone;
      },
      expireSeconds: 5000,
      journal: undefined,
      allowTransfer: [],
      allowUpdate: [],
      takesUpdates: true,
      source: undefined,
      restored: Promise.resolve(),
      change: async difference => {
        await Promise.resolve();
        this.changes++;
        const applied = inOneGo(applying(this.zone!, [difference], ZONE_LIMITS));
        if (typeof applied === 'string') throw new Error(applied);
        this.zone = applied.zone;
      },
    };
    Object.defineProperties(whole, Object.getOwnPropertyDescriptors(link));
    this.requests = new AuthorityRequests({
      clock: this.clock,
      log: {
        ...silentLogger,
        warn: (fields: object, text: string) => void this.said.push(`${text} ${JSON.stringify(fields)}`),
      },
      keys: () => new TsigKeys([key]),
      link: name => (nameKey(name) === nameKey(apex) ? whole : undefined),
      answer: (message, _, reply) => {
        this.passedOn.push(message);
        const asked = decodeMessage(message);
        reply(encodeMessage({ ...asked, flags: this.flags, answers: this.answers ?? asked.answers }));
      },
    });
  }
  async ask(message: Uint8Array, protocol: AuthorityAsker['protocol'] = 'tcp', address = '192.0.2.9') {
    let reply: Uint8Array | undefined;
    let source: MessageSource | undefined;
    this.requests.handle(message, { protocol, client: { address, port: 1234 } }, (octets, more) => {
      reply = octets;
      source = more;
    });
    await settle();
    return { reply, source, rcode: reply === undefined ? undefined : reply[3] & 15 };
  }
  signed = (message: Uint8Array) => signMessage(message, { key, now: this.clock.wallSeconds() })!;
}

describe('what is refused', () => {
  const other = makeTsigKey({ name: 'k', algorithm: 'hmac-sha512', secret: SECRET });

  test('is told in the log, with who asked and by which key', async () => {
    const it = new Setting({ source: { mayNotify: () => false, notified: () => {} } });
    await it.ask(wholeQuestion(about));
    await it.clock.advance(1000);
    await it.ask(it.signed(wholeQuestion(about)).message);
    await it.ask(signMessage(wholeQuestion(about), { key: other, now: it.clock.wallSeconds() })!.message);
    await it.ask(notification(about, soa(2)));
    expect(it.said).toEqual([
      'a transfer was refused {"from":"192.0.2.9","zone":"example."}',
      'a transfer was refused {"from":"192.0.2.9","key":"k.","zone":"example."}',
      'a signature was refused {"from":"192.0.2.9","key":"k.","algorithm":"hmac-sha512.","error":"BADKEY"}',
      'a notification was refused {"from":"192.0.2.9","zone":"example."}',
    ]);
  });
  test('is told once a second, with how many were not', async () => {
    const it = new Setting();
    for (let i = 0; i < 25; i++) await it.ask(wholeQuestion(about));
    expect(it.said).toHaveLength(1);
    await it.clock.advance(1000);
    await it.ask(wholeQuestion(about));
    expect(it.said.slice(1)).toEqual([
      'a transfer was refused {"suppressed":24}',
      'a transfer was refused {"from":"192.0.2.9","zone":"example."}',
    ]);
  });
  test('and nothing of zones that are not served here, which the whole world asks for', async () => {
    const it = new Setting();
    await it.ask(wholeQuestion({ id: 7, apex: encodeName('elsewhere') }));
    expect(it.said).toEqual([]);
  });
});

describe('a transfer', () => {
  const rules = (...texts: string[]) => ({ allowTransfer: texts.map(one => parseAccessRule(one, '')) });
  test.each([
    ['by default nobody has it', [], 'tcp', '192.0.2.9', false, Rcode.REFUSED],
    ['an address that may', ['192.0.2.0/24'], 'tcp', '192.0.2.9', false, Rcode.NOERROR],
    ['in its IPv6 form too', ['192.0.2.0/24'], 'tcp', '::ffff:192.0.2.9', false, Rcode.NOERROR],
    ['another address', ['192.0.3.0/24'], 'tcp', '192.0.2.9', false, Rcode.REFUSED],
    ['a key that may', ['key k'], 'tcp', '198.51.100.1', true, Rcode.NOERROR],
    ['without the key', ['key k'], 'tcp', '192.0.2.9', false, Rcode.REFUSED],
    [
      'the key from elsewhere, where both are asked for',
      ['192.0.2.0/24 key k'],
      'tcp',
      '198.51.100.1',
      true,
      Rcode.REFUSED,
    ],
    [
      'TCP where TLS is asked for, whatever else is right',
      ['tls 192.0.2.0/24 key k'],
      'tcp',
      '192.0.2.9',
      true,
      Rcode.REFUSED,
    ],
    ['TLS there', ['tls 192.0.2.0/24 key k'], 'tls', '192.0.2.9', true, Rcode.NOERROR],
    ['over UDP', ['192.0.2.0/24'], 'udp', '192.0.2.9', false, Rcode.FORMERR],
    ['over HTTPS', ['192.0.2.0/24'], 'https', '192.0.2.9', false, Rcode.REFUSED],
  ] as const)('%s', async (_, texts, protocol, address, isSigned, rcode) => {
    const setting = new Setting(rules(...texts));
    const query = wholeQuestion(about);
    const told = await setting.ask(isSigned ? setting.signed(query).message : query, protocol, address);
    expect(told.rcode).toBe(rcode);
    told.source?.close();
    expect(setting.requests.sending).toBe(0);
  });
  test('of a zone that is not here is NOTAUTH, of one that has expired SERVFAIL', async () => {
    const setting = new Setting(rules('0.0.0.0/0'));
    expect((await setting.ask(wholeQuestion({ id: 7, apex: encodeName('other') }))).rcode).toBe(Rcode.NOTAUTH);
    setting.zone = undefined;
    expect((await setting.ask(wholeQuestion(about))).rcode).toBe(Rcode.SERVFAIL);
  });
  test('takes a place until it is over: one client has eight, and is told SERVFAIL beyond', async () => {
    const setting = new Setting(rules('0.0.0.0/0'));
    const told = [];
    for (let i = 0; i < 9; i++) told.push(await setting.ask(wholeQuestion(about)));
    expect(told.map(one => one.rcode)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, Rcode.SERVFAIL]);
    expect((await setting.ask(wholeQuestion(about), 'tcp', '198.51.100.1')).rcode).toBe(0);
    told[0].source!.close();
    expect((await setting.ask(wholeQuestion(about))).rcode).toBe(0);
  });
  test('with a record that leaves no room for its signature ends before it, and gives back its place', async () => {
    const setting = new Setting(rules('key k'));
    const large = { ...record('www.example', 'TXT', '"x"'), data: new Uint8Array(65_460) };
    setting.zone = smallZone(1, large);
    const { source } = await setting.ask(setting.signed(wholeQuestion(about)).message);
    expect(() => {
      while (source!.next() !== undefined);
    }).toThrow(/no room for a signature/);
    expect(setting.requests.sending).toBe(0);
  });
  test('that takes more than two hours is ended without an end', async () => {
    const setting = new Setting(rules('0.0.0.0/0'));
    const { source } = await setting.ask(wholeQuestion(about));
    await setting.clock.advance(7_200_001);
    expect(() => source!.next()).toThrow(/takes too long/);
    expect(setting.requests.sending).toBe(0);
  });
});

describe('how long a zone lives (EXPIRE, RFC 7314)', () => {
  const asking = (content: number[] = []): Uint8Array =>
    appendOption(withBareOpt(soaQuestion(about), 1232), OptionCode.expire, Uint8Array.from(content));
  const told = async (setting: Setting, query: Uint8Array, protocol: AuthorityAsker['protocol'] = 'udp') =>
    toldExpire((await setting.ask(query, protocol)).reply!);

  test.each(['udp', 'tcp', 'tls'] as const)('is told with the SOA to those who ask, over %s', async protocol => {
    const setting = new Setting();
    setting.answers = [soa(1)];
    expect(await told(setting, asking(), protocol)).toBe(5000);
    // As anybody would ask it: else it would come here again and again.
    expect(findOption(setting.passedOn[0], OptionCode.expire)).toBeUndefined();
    expect(await told(setting, withBareOpt(soaQuestion(about), 1232), protocol)).toBeUndefined();
  });
  test('is told to those who sign, and signed', async () => {
    const setting = new Setting();
    setting.answers = [soa(1)];
    const { message, mac } = setting.signed(asking());
    const { reply } = await setting.ask(message, 'udp');
    const verdict = checkResponse(reply!, { key, requestMac: mac, now: setting.clock.wall });
    expect(verdict.status === 'good' && toldExpire(verdict.unsigned)).toBe(5000);
  });
  test("is not told of another version, of others' answers, or for an option with content", async () => {
    const setting = new Setting();
    setting.answers = [soa(2)];
    expect(await told(setting, asking())).toBeUndefined();
    setting.answers = [soa(1)];
    setting.flags = 0x8080;
    expect(await told(setting, asking())).toBeUndefined();
    setting.flags = 0x8400;
    expect(await told(setting, asking([0, 0, 0, 1]))).toBeUndefined();
    expect(setting.passedOn.every(one => findOption(one, OptionCode.expire) === undefined)).toBe(true);
    expect(await told(setting, appendOption(asking([1]), OptionCode.expire, new Uint8Array(0)))).toBe(5000);
  });
  test('stands in the first message of a transfer', async () => {
    const setting = new Setting({ allowTransfer: [parseAccessRule('0.0.0.0/0', '')] });
    for (const [query, seconds] of [
      [withOpt(wholeQuestion(about)), 5000],
      [withBareOpt(wholeQuestion(about), 1232), undefined],
      [wholeQuestion(about), undefined],
      [withOpt(differencesQuestion(about, soa(1))), 5000],
    ] as const) {
      const { reply, source } = await setting.ask(query);
      expect([toldExpire(reply!), findOpt(reply!) > 0]).toEqual([seconds, findOpt(query) > 0]);
      source!.close();
    }
    const { reply } = await setting.ask(withOpt(differencesQuestion(about, soa(0))), 'udp');
    expect(toldExpire(reply!)).toBe(5000);
  });
});

describe('replies over TLS to what is padded', () => {
  const hosts = Array.from({ length: 3000 }, (_, i) => record(`host${i}.example`, 'A', '192.0.2.1'));
  test.each([
    ['a transfer, each message', false],
    ['a signed transfer, before it is signed', true],
  ])('are padded: %s', async (_, isSigned) => {
    const setting = new Setting({ allowTransfer: [parseAccessRule('0.0.0.0/0', '')] });
    setting.zone = smallZone(1, ...hosts);
    const plain = padded(withOpt(wholeQuestion(about)), QUERY_BLOCK);
    const query = isSigned ? setting.signed(plain).message : plain;
    const lengths = async (protocol: 'tcp' | 'tls'): Promise<number[]> => {
      const { reply, source } = await setting.ask(query, protocol);
      const messages = [reply!];
      for (let one = source!.next(); one !== undefined; one = source!.next()) messages.push(one);
      return messages.map(one => {
        const read = isSigned ? readTsig(one) : undefined;
        // Without a signature, as between the first and the last, it is all of it.
        return read === undefined || typeof read === 'string' ? one.length : read.unsigned.length;
      });
    };
    const encrypted = await lengths('tls');
    expect(encrypted.length).toBeGreaterThan(3);
    expect(encrypted.map(one => one % REPLY_BLOCK)).toEqual(encrypted.map(() => 0));
    expect((await lengths('tcp')).some(one => one % REPLY_BLOCK !== 0)).toBe(true);
  });
  test('are padded: an answer that is signed', async () => {
    const setting = new Setting();
    setting.answers = [soa(1)];
    const { message } = setting.signed(padded(withOpt(soaQuestion(about)), QUERY_BLOCK));
    const { reply } = await setting.ask(message, 'tls');
    const read = readTsig(reply!);
    expect(typeof read === 'string' || read === undefined ? 1 : read.unsigned.length % REPLY_BLOCK).toBe(0);
  });
});

describe('a notification', () => {
  const source = (setting: { notified: (number | undefined)[] }, may = true) => ({
    source: {
      mayNotify: () => may,
      notified: (_: unknown, serial: number | undefined) => void setting.notified.push(serial),
    },
  });
  test('of a primary is answered at once, with AA, and its serial is a hint', async () => {
    const told = { notified: [] as (number | undefined)[] };
    const setting = new Setting(source(told));
    const { reply, rcode } = await setting.ask(notification(about, soa(9)), 'udp');
    expect([rcode, reply![2], told.notified]).toEqual([0, 0xa4, [9]]);
  });
  test('of anybody else is REFUSED, and of a zone that is had from nobody NOTAUTH', async () => {
    expect((await new Setting(source({ notified: [] }, false)).ask(notification(about, soa(9)))).rcode).toBe(
      Rcode.REFUSED,
    );
    expect((await new Setting().ask(notification(about, soa(9)))).rcode).toBe(Rcode.NOTAUTH);
  });
});

describe('whatever is signed', () => {
  test('is answered as it would be without, and signed', async () => {
    const setting = new Setting();
    const query = encodeQuestion({ id: 5, flags: 0, question: { name: apex, type: Type.SOA, dnsClass: 1 } });
    const { message, mac } = setting.signed(query);
    const { reply } = await setting.ask(message, 'udp');
    expect(checkResponse(reply!, { key, requestMac: mac, now: setting.clock.wall }).status).toBe('good');
  });
  test('with a key that is not known, or a wrong time, is NOTAUTH with the reason', async () => {
    const setting = new Setting();
    const query = encodeQuestion({ id: 5, flags: 0, question: { name: apex, type: Type.SOA, dnsClass: 1 } });
    const other = makeTsigKey({ name: 'other', algorithm: 'hmac-sha256', secret: SECRET });
    for (const [one, now, error] of [
      [other, setting.clock.wall, TsigError.BADKEY],
      [key, setting.clock.wall - 301, TsigError.BADTIME],
    ] as const) {
      const { reply, rcode } = await setting.ask(signMessage(query, { key: one, now })!.message);
      const read = readTsig(reply!);
      expect([rcode, typeof read === 'string' ? read : read.tsig.error]).toEqual([Rcode.NOTAUTH, error]);
    }
  });
  test('that a message of 512 octets has no room for is told to come over TCP', async () => {
    const setting = new Setting();
    const answers: ResourceRecord[] = Array.from({ length: 40 }, (_, i) => record('example', 'A', `192.0.2.${i}`));
    const big = {
      id: 5,
      flags: 0,
      question: { name: apex, type: Type.A, dnsClass: 1 },
      answers,
      authorities: [],
      additionals: [],
    };
    const { reply } = await setting.ask(setting.signed(encodeMessage(big)!).message, 'udp');
    expect(reply![2] & 2).toBe(2);
    expect(reply!.length).toBeLessThan(200);
  });
});

const update = (changes: ResourceRecord[], prerequisites: ResourceRecord[] = [], name = apex): Uint8Array =>
  encodeMessage({
    id: 9,
    flags: 0x2800,
    question: { name, type: Type.SOA, dnsClass: 1 },
    answers: prerequisites,
    authorities: changes,
    additionals: [],
  })!;
const add = (name: string, type: 'A' | 'TXT' | 'CNAME' | 'NS', data: string) => record(name, type, data, 60);
const none = (one: ResourceRecord) => ({ ...one, dnsClass: Class.NONE, ttl: 0 });
const any = (name: string, type: number) => ({
  name: encodeName(name),
  type,
  dnsClass: Class.ANY,
  ttl: 0,
  data: new Uint8Array(0),
});
const RULE = { key: encodeName('k'), names: [], types: [] };

describe('an update (RFC 2136)', () => {
  const has = (setting: Setting, text: string): boolean =>
    texts(setting.zone!.records()).some(one => one.includes(text));
  test('changes the zone and raises its serial; one that changes nothing does not', async () => {
    const setting = new Setting({ allowUpdate: [RULE] });
    const { message } = setting.signed(
      update([add('new.example', 'A', '192.0.2.7'), none(record('www.example', 'A', '192.0.2.1'))]),
    );
    expect((await setting.ask(message)).rcode).toBe(0);
    expect([has(setting, 'new.example. 60 A'), has(setting, 'www.example.'), setting.zone!.serial]).toEqual([
      true,
      false,
      2,
    ]);
    await setting.ask(setting.signed(update([none(record('www.example', 'A', '192.0.2.1'))])).message);
    expect([setting.zone!.serial, setting.requests.stats.updates.nothing]).toEqual([2, 1]);
  });
  test('that comes twice, word for word, is done once and answered twice', async () => {
    const setting = new Setting({ allowUpdate: [RULE] });
    const { message } = setting.signed(update([add('new.example', 'A', '192.0.2.7')]));
    const remove = setting.signed(update([any('new.example', Type.A)])).message;
    for (const one of [message, remove, message, message]) expect((await setting.ask(one)).rcode).toBe(0);
    expect([setting.changes, has(setting, 'new.example'), setting.zone!.serial]).toEqual([2, false, 3]);
  });
  test.each([
    ['without a key', [], false, Rcode.REFUSED],
    ['by a key without the right', [{ ...RULE, key: encodeName('other') }], true, Rcode.REFUSED],
    ['of another name than the key may', [{ ...RULE, names: [encodeName('sub.example')] }], true, Rcode.REFUSED],
    ['of another type than the key may', [{ ...RULE, types: [Type.TXT] }], true, Rcode.REFUSED],
    ['that the key may', [{ ...RULE, names: [encodeName('new.example')], types: [Type.A] }], true, Rcode.NOERROR],
  ] as const)('%s', async (_, allowUpdate, isSigned, rcode) => {
    const setting = new Setting({ allowUpdate });
    const message = update([add('new.example', 'A', '192.0.2.7')]);
    expect((await setting.ask(isSigned ? setting.signed(message).message : message)).rcode).toBe(rcode);
    expect(setting.changes).toBe(rcode === 0 ? 1 : 0);
  });
  test.each([
    ['a name outside of the zone', [add('www.test', 'A', '192.0.2.1')], [], Rcode.NOTZONE],
    ['a prerequisite outside of it', [], [any('www.test', Type.A)], Rcode.NOTZONE],
    [
      'a type that only questions have',
      [{ ...add('x.example', 'A', '192.0.2.1'), type: Type.AXFR }],
      [],
      Rcode.FORMERR,
    ],
    ['signatures in a zone without any', [record('x.example', 'NSEC', 'y.example. A')], [], Rcode.REFUSED],
    ['a TTL in a deletion', [{ ...any('www.example', Type.A), ttl: 5 }], [], Rcode.FORMERR],
    ['a name that is to be there', [], [any('none.example', Type.ANY)], Rcode.NXDOMAIN],
    ['a name that is not to be there', [], [{ ...any('www.example', Type.ANY), dnsClass: Class.NONE }], Rcode.YXDOMAIN],
    ['a set that is to be there', [], [any('www.example', Type.TXT)], Rcode.NXRRSET],
    ['a set that is not to be there', [], [{ ...any('www.example', Type.A), dnsClass: Class.NONE }], Rcode.YXRRSET],
    ['a set that is to be this one', [], [record('www.example', 'A', '192.0.2.2', 0)], Rcode.NXRRSET],
  ])('with %s is refused, and nothing changes', async (_, changes, prerequisites, rcode) => {
    const setting = new Setting({ allowUpdate: [RULE] });
    expect(
      (
        await setting.ask(
          setting.signed(update(changes as ResourceRecord[], prerequisites as ResourceRecord[])).message,
        )
      ).rcode,
    ).toBe(rcode);
    expect(setting.changes).toBe(0);
  });
  test('leaves SOA and the last NS, and makes no alias beside other data', async () => {
    const setting = new Setting({ allowUpdate: [RULE] });
    const changes = [
      any('example', Type.NS),
      any('example', Type.SOA),
      any('example', Type.ANY),
      add('www.example', 'CNAME', 'ns.example.'),
    ];
    await setting.ask(setting.signed(update([...changes, add('x.example', 'TXT', '"x"')])).message);
    expect([
      has(setting, ' NS '),
      has(setting, ' SOA '),
      has(setting, 'CNAME'),
      has(setting, 'x.example. 60 TXT'),
    ]).toEqual([true, true, false, true]);
  });
  test('takes a digest (ZONEMD) away that was of the zone before it, unless it has another', async () => {
    const digest = (octet: string) => record('example', 'ZONEMD', `1 1 1 ${octet.repeat(48)}`);
    const zone = smallZone(1, digest('aa'));
    const setting = new Setting({ allowUpdate: [RULE] });
    setting.zone = zone;
    await setting.ask(setting.signed(update([record('new.example', 'A', '192.0.2.5')])).message);
    expect(setting.zone.recordsAt(setting.zone.apexNode, Type.ZONEMD)).toEqual([]);
    setting.zone = zone;
    await setting.ask(setting.signed(update([digest('bb')])).message);
    expect(setting.zone.recordsAt(setting.zone.apexNode, Type.ZONEMD).map(one => one.data[6])).toContain(0xbb);
  });
  test('of a zone that is signed is REFUSED: nobody here can sign it anew', async () => {
    const setting = new Setting({ allowUpdate: [RULE] });
    setting.zone = zoneOf([
      soa(1),
      record('example', 'NS', 'ns.example.'),
      record('example', 'NSEC', 'example. NS SOA NSEC'),
    ]);
    expect((await setting.ask(setting.signed(update([add('x.example', 'A', '192.0.2.1')])).message)).rcode).toBe(
      Rcode.REFUSED,
    );
  });
  test('with any octet changed is refused, and never thrown at', async () => {
    const setting = new Setting({ allowUpdate: [RULE] });
    const { message } = setting.signed(update([add('x.example', 'A', '192.0.2.1')]));
    for (let at = 0; at < message.length; at++) {
      const changed = Buffer.from(message);
      changed[at] ^= 0x11;
      setting.requests.handle(changed, { protocol: 'tcp', client: { address: '192.0.2.9', port: 1 } }, () => {});
    }
    await settle();
    expect(setting.changes).toBeLessThanOrEqual(1); // the id alone is not signed
  });
});
