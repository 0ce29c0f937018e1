// Names, RRsets and messages as the slow path reads and writes them.
import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Class, Rcode, Type } from '../../../lib/wire/iana.js';
import {
  buildResponse,
  buildResponseOrFailure,
  decodeMessage,
  encodeMessage,
  MAX_RESPONSE_RECORDS,
  rcodeOf,
  type ResourceRecord,
} from '../../../lib/wire/message.js';
import { bySuffix, encodeName, foldName, nameKey, nameToText, readName } from '../../../lib/wire/name.js';
import { responseRcode } from '../../../lib/wire/opt.js';
import { groupRrsets } from '../../../lib/wire/rrset.js';

const record = (name: string, type: number, data: readonly number[], ttl = 60): ResourceRecord => ({
  name: encodeName(name),
  type,
  dnsClass: Class.IN,
  ttl,
  data: Uint8Array.from(data),
});

describe('a name', () => {
  test('is the same key wherever its octets lie', () => {
    const name = encodeName('www.example');
    const within = Uint8Array.from([9, 9, ...name, 9]);
    expect(nameKey(within.subarray(2, 2 + name.length))).toBe(nameKey(name));
    expect(nameKey(Uint8Array.of(1, 0xe9, 0))).toBe('\u0001\u00e9\u0000');
  });

  test('is folded out of the middle of a message', () => {
    const message = Uint8Array.from([1, 2, ...encodeName('WWW.Example'), 0x41]);
    expect(foldName(message, 2, message.length - 1)).toEqual(encodeName('www.example'));
    expect(message[message.length - 1]).toBe(0x41);
  });

  test('is looked for with its longest suffix first, as far as that is accepted, the root included', () => {
    const table = new Map(['a.b', 'b', '.'].map(text => [nameKey(encodeName(text)), text]));
    expect(bySuffix(encodeName('x.a.b'), table)).toBe('a.b');
    expect(bySuffix(encodeName('a.b'), table)).toBe('a.b');
    expect(bySuffix(encodeName('xb'), table)).toBe('.');
    expect(bySuffix(encodeName('x.a.b'), table, value => value !== 'a.b')).toBe('b');
    expect(bySuffix(encodeName('x.a.b'), table, (_, length) => length < 3)).toBe('.');
    expect(bySuffix(encodeName('x'), new Map())).toBeUndefined();
  });

  test('of 255 octets is read, one of more is not', () => {
    const label = 'a'.repeat(63);
    const longest = encodeName(`${label}.${label}.${label}.${'a'.repeat(61)}`);
    expect(longest.length).toBe(255);
    expect(readName(longest, 0)).toEqual({ name: longest, next: 255 });
    const tooLong = Uint8Array.from([1, 0x61, ...longest]);
    expect(() => readName(tooLong, 0)).toThrow('a malformed name');
  });

  test('that was read stays what it was when the next one is', () => {
    const octets = Uint8Array.from([...encodeName('first.example'), ...encodeName('second')]);
    const first = readName(octets, 0);
    readName(octets, first.next);
    expect(nameToText(first.name)).toBe('first.example.');
  });
});

describe('the RRsets of a section', () => {
  test('are found whether their records stand together or not, in any letter case', () => {
    const sets = groupRrsets([
      record('a.example', Type.A, [1, 1, 1, 1], 60),
      record('b.example', Type.A, [2, 2, 2, 2]),
      record('A.example', Type.A, [3, 3, 3, 3], 30),
      record('a.example', Type.AAAA, Array(16).fill(0)),
      record('B.example', Type.A, [2, 2, 2, 2]),
    ]);
    expect(sets.map(({ name, type, ttl, data }) => [nameToText(name), type, ttl, data.length])).toEqual([
      ['a.example.', Type.A, 30, 2],
      ['b.example.', Type.A, 60, 1],
      ['a.example.', Type.AAAA, 60, 1],
    ]);
  });

  test('are put together from thousands of records in turn', () => {
    const records = Array.from({ length: 20_000 }, (_, i) => record(`n${i % 5000}.example`, Type.A, [1, 2, i >> 8, 4]));
    const sets = groupRrsets(records);
    expect(sets.length).toBe(5000);
    expect(sets.every(one => one.data.length === 4)).toBe(true);
  });
});

describe('a large RRset', () => {
  const many = (n: number): ResourceRecord[] =>
    Array.from({ length: n }, (_, i) => record('a.example', Type.A, [192, 0, i >> 8, i & 255]));

  test('costs a look at each record, duplicates included', () => {
    const compare = vi.spyOn(Buffer, 'compare');
    const [set] = groupRrsets([...many(2300), ...many(2300)]);
    expect(set.data).toHaveLength(2300);
    expect(compare.mock.calls.length).toBeLessThan(100);
    compare.mockRestore();
  });

  test('of more records than are asked for is refused', () => {
    expect(groupRrsets([...many(100), ...many(100)], { maxRecords: 100 })[0].data).toHaveLength(100);
    expect(() => groupRrsets(many(101), { maxRecords: 100 })).toThrow('more than 100 A records of a.example.');
  });

  test('has a name in its data once, whatever its letters (RFC 4343)', () => {
    const names = [
      'ns1.example',
      'NS1.example',
      'ns2.example',
      ...Array.from({ length: 10 }, (_, i) => `n${i}.example`),
      'NS2.Example',
    ];
    const [set] = groupRrsets(names.map(text => record('example', Type.NS, [...encodeName(text)])));
    expect(set.data).toHaveLength(12);
  });

  test('with bit 31 of a TTL lives long (RFC 8767 section 4), and no longer than its shortest record', () => {
    expect(groupRrsets([record('a', Type.A, [1, 2, 3, 4], 0xffff_ffff)])[0].ttl).toBe(0x7fff_ffff);
    const twice = [record('a', Type.A, [1, 2, 3, 4], 0x8000_0000), record('a', Type.A, [1, 2, 3, 4], 20)];
    expect(groupRrsets(twice)[0].ttl).toBe(20);
  });
});

describe('a message', () => {
  const question = { name: encodeName('www.example'), type: Type.A as number, dnsClass: Class.IN as number };

  const empty = { id: 0, flags: 0x8180, question, answers: [], authorities: [], additionals: [] };

  test('comes back as it was written, names that are there already as pointers (RFC 1035 section 4.1.4)', () => {
    const message = {
      id: 0x1234,
      flags: 0x8180,
      question,
      answers: [record('www.example', Type.A, [192, 0, 2, 1]), record('www.example', Type.A, [192, 0, 2, 2])],
      authorities: [record('example', Type.NS, [...encodeName('ns.example')])],
      additionals: [record('ns.example', Type.A, [192, 0, 2, 53]), record('.', Type.TXT, [0])],
    };
    const octets = encodeMessage(message)!;
    expect(octets.subarray(12 + 13 + 4, 12 + 13 + 4 + 2)).toEqual(Buffer.from([0xc0, 0x0c]));
    expect(octets.length).toBe(29 + 2 * 16 + (2 + 10 + 5) + (2 + 14) + (1 + 10 + 1));
    expect(decodeMessage(Uint8Array.from(octets))).toEqual(message);
  });

  test('keeps the letters of each name, and compresses data in the types of RFC 1035 only (RFC 3597 section 4)', () => {
    const target = [...encodeName('mail.WWW.example')];
    const message = {
      ...empty,
      answers: [
        record('www.example', Type.MX, [0, 5, ...target]),
        record('www.example', Type.SRV, [0, 1, 0, 2, 0, 3, ...target]),
      ],
      additionals: [record('WWW.example', Type.A, [192, 0, 2, 1])],
    };
    const octets = encodeMessage(message)!;
    expect(decodeMessage(Uint8Array.from(octets))).toEqual(message);
    const text = Buffer.from(octets).toString('latin1');
    expect(text.split('\x04mail').length - 1).toBe(2); // in the MX, and in the SRV in full
    expect(
      text.endsWith(
        `${Buffer.from(target).toString('latin1')}\xc0${text.at(-15)}\0\x01\0\x01\0\0\0<\0\x04\xc0\0\x02\x01`,
      ),
    ).toBe(true);
  });

  test('of more than 65535 octets cannot be said; with compression 1500 long owners can', () => {
    const answers = [record('www.example', Type.TXT, Array(65_500).fill(1)), record('www.example', Type.TXT, [1])];
    expect(encodeMessage({ ...empty, answers })).toBeUndefined();
    expect(buildResponse({ message: new Uint8Array(12), ...question }, { rcode: 0, answers })).toBeUndefined();
    const failure = buildResponseOrFailure(
      { message: Uint8Array.of(7, 8, 1, ...Array(9).fill(0)), ...question },
      { rcode: 0, answers },
    );
    expect([...failure.subarray(0, 12)]).toEqual([7, 8, 0x81, 0x82, 0, 1, 0, 0, 0, 0, 0, 0]);
    const label = 'a'.repeat(63);
    const long = `${label}.${label}.${label}.${'b'.repeat(50)}`;
    const addresses = Array.from({ length: 1500 }, (_, i) => record(long, Type.A, [192, 0, i >> 8, i & 255]));
    const octets = encodeMessage({ ...empty, answers: addresses })!;
    expect(octets.length).toBeLessThan(29 + 256 + 1500 * 16);
    expect(decodeMessage(Uint8Array.from(octets)).answers).toEqual(addresses);
  });

  test('fills its 65535 octets to the last, where only compression makes it fit', () => {
    const alias = record('alias.www.example', Type.CNAME, [...encodeName('www.example')]);
    const filler = (length: number): ResourceRecord => record('www.example', Type.NULL, Array(length).fill(7));
    const room = 65_535 - encodeMessage({ ...empty, answers: [filler(0), alias] })!.length;
    expect(encodeMessage({ ...empty, answers: [filler(room), alias] })!.length).toBe(65_535);
    expect(encodeMessage({ ...empty, answers: [filler(room + 1), alias] })).toBeUndefined();
  });

  test('has pointers no further than they reach, whatever stands behind', () => {
    const answers = Array.from({ length: 400 }, (_, i) =>
      record(`n${i % 300}.x${i % 7}.example`, Type.CNAME, [...encodeName(`t${i % 250}.x.example`)]),
    );
    const far = [record('www.example', Type.NULL, Array(16_300).fill(0xc0)), ...answers];
    const octets = encodeMessage({ ...empty, answers: far })!;
    expect(decodeMessage(Uint8Array.from(octets)).answers).toEqual(far);
  });

  test('that is made is read back as the same records, by another implementation too (RFC 3597 section 4)', () => {
    const label = fc.constantFrom('a', 'b', 'B', 'example', 'Example', 'x'.repeat(63), '-1');
    const name = fc.array(label, { maxLength: 3 }).map(labels => (labels.length === 0 ? '.' : labels.join('.')));
    const one = fc.oneof(
      fc
        .tuple(name, fc.constantFrom(Type.NS, Type.CNAME, Type.PTR, Type.MB, Type.MG, Type.MR, Type.DNAME), name)
        .map(([owner, type, to]) => record(owner, type, [...encodeName(to)])),
      fc
        .tuple(name, fc.constantFrom(Type.MX, Type.AFSDB, Type.RT, Type.KX), name)
        .map(([owner, type, to]) => record(owner, type, [0, 9, ...encodeName(to)])),
      fc
        .tuple(name, fc.constantFrom(Type.MINFO, Type.RP), name, name)
        .map(([owner, type, a, b]) => record(owner, type, [...encodeName(a), ...encodeName(b)])),
      fc
        .tuple(name, name, name)
        .map(([owner, a, b]) => record(owner, Type.SOA, [...encodeName(a), ...encodeName(b), ...Array(20).fill(3)])),
      name.map(owner => record(owner, Type.A, [192, 0, 2, 1])),
      fc.tuple(name, fc.uint8Array({ maxLength: 40 })).map(([owner, data]) => record(owner, 65_280, [...data])),
    );
    const section = fc.array(one, { maxLength: 8 });
    fc.assert(
      fc.property(name, section, section, section, (asked, answers, authorities, additionals) => {
        const message = {
          ...empty,
          question: { ...question, name: encodeName(asked) },
          answers,
          authorities,
          additionals,
        };
        const octets = encodeMessage(message)!;
        expect(decodeMessage(Uint8Array.from(octets))).toEqual(message);
        const read = dnsPacket.decode(Buffer.from(octets)).answers!.map(({ name: owner }) => owner.toLowerCase());
        expect(read).toEqual(
          answers.map(({ name: owner }) =>
            nameToText(owner)
              .toLowerCase()
              .replace(/(.)\.$/, '$1'),
          ),
        );
      }),
      { numRuns: 500, seed: 4 },
    );
  });

  test('of more records than are looked at is refused before they are', () => {
    const answers = Array.from({ length: 501 }, (_, i) => record(`n${i}.example`, Type.A, [192, 0, 2, 1]));
    const octets = Uint8Array.from(encodeMessage({ ...empty, answers })!);
    octets.fill(0xff, 29); // whatever they are
    expect(() => decodeMessage(octets, MAX_RESPONSE_RECORDS)).toThrow('a message of 501 records');
  });

  test('has a name behind 127 pointers, and none behind 128', () => {
    const chain = (pointers: number): Uint8Array => {
      const at = 29 + 12;
      const data = Array.from({ length: pointers - 1 }, (_, i) => (i === 0 ? 12 : at + 2 * (i - 1))).flatMap(to => [
        0xc0 | (to >> 8),
        to & 255,
      ]);
      const octets = Uint8Array.from(encodeMessage({ ...empty, answers: [record('www.example', Type.NULL, data)] })!);
      const last = at + data.length - 2;
      octets[11] = 1;
      return Uint8Array.from([...octets, 0xc0 | (last >> 8), last & 255, 0, 16, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    };
    expect(nameToText(decodeMessage(chain(127)).additionals[0].name)).toBe('www.example.');
    expect(() => decodeMessage(chain(128))).toThrow('a malformed name');
  });

  test('with octets behind its last record is read without them', () => {
    const octets = encodeMessage({ ...empty, answers: [record('www.example', Type.A, [192, 0, 2, 1])] })!;
    expect(decodeMessage(Uint8Array.from([...octets, 1, 2, 3])).answers).toHaveLength(1);
  });

  test('has one OPT at most, among its additional records, and the upper bits of its rcode there', () => {
    const opt: ResourceRecord = {
      name: Uint8Array.of(0),
      type: Type.OPT,
      dnsClass: 1232,
      ttl: 0x0100_0000,
      data: new Uint8Array(0),
    };
    const octets = (parts: object): Uint8Array => Uint8Array.from(encodeMessage({ ...empty, ...parts })!);
    const one = octets({
      flags: 0x8180,
      additionals: [record('x', Type.A, [1, 2, 3, 4]), opt, record('y', Type.A, [1, 2, 3, 4])],
    });
    expect(rcodeOf(decodeMessage(one))).toBe(Rcode.BADVERS);
    expect(responseRcode(one)).toBe(Rcode.BADVERS);
    expect(responseRcode(octets({ flags: 0x8183 }))).toBe(Rcode.NXDOMAIN);
    const why = 'an OPT where there can be none';
    expect(() => decodeMessage(octets({ additionals: [opt, opt] }))).toThrow(why);
    expect(() => decodeMessage(octets({ answers: [opt] }))).toThrow(why);
    expect(() => decodeMessage(octets({ additionals: [{ ...opt, name: encodeName('a') }] }))).toThrow(why);
  });
});

describe('the data of a record', () => {
  const name = [...encodeName('ns.example')];
  const whole: [type: number, data: number[]][] = [
    [Type.A, [192, 0, 2, 1]],
    [Type.AAAA, Array(16).fill(1)],
    [Type.NS, name],
    [Type.CNAME, name],
    [Type.PTR, name],
    [Type.DNAME, name],
    [Type.MX, [0, 1, ...name]],
    [Type.SRV, [0, 1, 0, 2, 0, 3, ...name]],
    [Type.SOA, [...name, ...name, ...Array(20).fill(1)]],
    [Type.MINFO, [...name, ...name]],
    [Type.NAPTR, [0, 1, 0, 2, 1, 0x75, 0, 2, 0x21, 0x21, ...name]],
    [Type.TXT, [0, 1, 65]],
    [Type.HINFO, [1, 65, 1, 65]],
    [Type.NSEC3PARAM, [1, 0, 0, 0, 1, 9]],
    [Type.EUI48, [1, 2, 3, 4, 5, 6]],
  ];
  const message = (type: number, data: readonly number[]): Uint8Array =>
    Uint8Array.from(
      encodeMessage({
        id: 0,
        flags: 0x8180,
        question: { name: encodeName('x'), type, dnsClass: 1 },
        answers: [],
        authorities: [],
        additionals: [record('a.b', type, data)],
      })!,
    );

  test.each(whole)('of type %i is as long as its fields, and refused when it is not', (type, data) => {
    expect([...decodeMessage(message(type, data)).additionals[0].data]).toEqual(data);
    const cut = message(type, data.slice(0, -1));
    const more = message(type, [...data, 0x21]);
    expect(() => decodeMessage(cut), 'cut').toThrow();
    expect(() => decodeMessage(more), 'more').toThrow();
    expect(() => decodeMessage(message(type, [])), 'none').toThrow();
  });

  test('has its names expanded in every type that has names', () => {
    // Behind 12 octets of header, x, type and class: a name to point to, then a record with pointers to it.
    const target = [...encodeName('ns.example')];
    const types: [type: number, data: (pointer: number[]) => number[]][] = [
      ...[Type.NS, Type.MD, Type.MF, Type.CNAME, Type.MB, Type.MG, Type.MR, Type.PTR, Type.DNAME, Type['NSAP-PTR']].map(
        type => [type, (to: number[]) => to] as [number, (to: number[]) => number[]],
      ),
      ...[Type.MX, Type.AFSDB, Type.RT, Type.KX, Type.LP].map(
        type => [type, (to: number[]) => [0, 1, ...to]] as [number, (to: number[]) => number[]],
      ),
      ...[Type.MINFO, Type.RP, Type.TALINK].map(
        type => [type, (to: number[]) => [1, 0x61, ...to, ...to]] as [number, (to: number[]) => number[]],
      ),
      [Type.SOA, to => [...to, 1, 0x62, ...to, ...Array(20).fill(7)]],
      [Type.PX, to => [0, 1, ...to, ...to]],
      [Type.SRV, to => [0, 1, 0, 2, 0, 3, ...to]],
      [Type.NAPTR, to => [0, 1, 0, 2, 1, 0x75, 1, 0x78, 0, ...to]],
      [Type.SVCB, to => [0, 1, ...to, 0, 3, 0, 2, 1, 0xbb]],
      [Type.HTTPS, to => [0, 1, 1, 0x63, ...to]],
      [Type.SIG, to => [...Array(18).fill(0), ...to, 1, 2, 3]],
      [Type.RRSIG, to => [...Array(18).fill(0), ...to, 1, 2, 3]],
      [30, to => [...to, 0x40]],
      [Type.NSEC, to => [...to, 0, 1, 0x40]],
    ];
    for (const [type, data] of types) {
      const first = message(Type.NS, target);
      const pointer = [0xc0, first.length - target.length];
      const short = data(pointer);
      const octets = Uint8Array.from([...first, 0, type >> 8, type & 255, 0, 1, 0, 0, 0, 0, 0, short.length, ...short]);
      octets[11] = 2;
      expect([...decodeMessage(octets).additionals[1].data], `type ${type}`).toEqual(data(target));
    }
  });
});
