// The native parser and the one of the slow path read the same out of the same octets, or both refuse them.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { Engine } from '../../../lib/cache/engine.js';
import { binding, QUERY_WORDS, QueryVerdict, Status } from '../../../lib/native/binding.js';
import { Type } from '../../../lib/wire/iana.js';
import { decodeMessage, encodeMessage, type Message, type ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, foldName } from '../../../lib/wire/name.js';
import { isTruncated } from '../../../lib/wire/flags.js';
import { findOption, appendOption, responseRcode } from '../../../lib/wire/opt.js';
import { Query } from '../../../lib/wire/query.js';
import { scrubResponse } from '../../../lib/wire/scrub.js';

const SEED = 20_260;
const u16 = (value: number): number[] => [value >> 8, value & 255];
const record = (
  owner: readonly number[],
  type: number,
  dnsClass: number,
  ttl: number,
  data: readonly number[],
): number[] => [
  ...owner,
  ...u16(type),
  ...u16(dnsClass),
  ...u16(ttl >>> 16),
  ...u16(ttl & 0xffff),
  ...u16(data.length),
  ...data,
];
const root = [0];
const wireName = (text: string): number[] => [...encodeName(text)];
const subnet = (family: number, prefix: number, address: number[]): number[] => [
  0,
  8,
  ...u16(4 + address.length),
  0,
  family,
  prefix,
  0,
  ...address,
];

/** Octets with a few of them changed, some put in, or the end cut off. */
const mutated = (octets: fc.Arbitrary<readonly number[]>): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(
      octets,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
      fc.integer({ min: -4, max: 30 }),
    )
    .map(([whole, changes, cut]) => {
      const mutant = Uint8Array.from(cut < 0 ? [...whole, ...Array<number>(-cut).fill(0)] : whole);
      for (const [at, value] of changes) mutant[at % mutant.length] = value;
      return cut > 20 ? mutant.subarray(0, mutant.length - (cut - 20)) : mutant;
    });
const often = <T>(value: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: other });

const queryOctets = fc
  .record({
    name: fc.constantFrom('a.example', 'WWW.Example', '.', `${'a'.repeat(63)}.b`),
    type: fc.constantFrom(Type.A, Type.AAAA, Type.ANY, Type.IXFR, Type.TSIG, 0, 65_535),
    flags: fc.constantFrom(0x0100, 0x0110, 0x0020, 0x0000, 0x8100, 0x2000),
    additional: fc.array(
      fc.oneof(
        fc
          .tuple(
            fc.constantFrom(1232, 512, 100, 65_535),
            fc.constantFrom(0, 0x8000, 0x1_0000, 0x1_8000),
            fc.array(
              fc.constantFrom(
                subnet(1, 24, [192, 0, 2]),
                subnet(2, 7, [0x20]),
                subnet(1, 9, [10, 1]),
                subnet(3, 0, []),
                [0, 10, 0, 2, 1, 2],
                [0, 10, 0, 9],
              ),
              { maxLength: 2 },
            ),
          )
          .map(([size, ttl, options]) => record(root, Type.OPT, size, ttl, options.flat())),
        fc.constantFrom(
          record(wireName('x'), Type.TXT, 1, 0, [1, 65]),
          record([0xc0, 12], Type.A, 1, 0, [1, 2, 3, 4]),
          record(root, Type.TSIG, 255, 0, []),
        ),
      ),
      { maxLength: 3 },
    ),
    answers: often(0, fc.constant(1)),
    questions: often(1, fc.constantFrom(0, 2)),
  })
  .map(({ name, type, flags, additional, answers, questions }) => [
    1,
    2,
    ...u16(flags),
    ...u16(questions),
    ...u16(answers),
    0,
    0,
    ...u16(additional.length - Math.min(answers, additional.length)),
    ...wireName(name),
    ...u16(type),
    0,
    1,
    ...additional.flat(),
  ]);

describe('a query', () => {
  const REFUSED = new Set<number>([QueryVerdict.formErr, QueryVerdict.formErrEdns]);
  test('is the same to both parsers: verdict, question, DO, CD, buffer size, version and client subnet', () => {
    let taken = 0;
    let refused = 0;
    const words = new Uint32Array(QUERY_WORDS.length);
    const natively = (octets: Uint8Array): { verdict: number; fields: Record<string, number> } => {
      const verdict = binding().parseQuery(octets, words);
      return { verdict, fields: Object.fromEntries(QUERY_WORDS.map((word, i) => [word, words[i]])) };
    };
    fc.assert(
      fc.property(mutated(queryOctets), octets => {
        const { verdict, fields } = natively(octets);
        // Of responses, fragments and other opcodes no more than the header is read.
        if (verdict === QueryVerdict.drop || (octets[2] & 0x78) !== 0) return;
        if (REFUSED.has(verdict)) {
          refused++;
          let query: Query | undefined;
          try {
            query = new Query(octets);
          } catch {
            return;
          }
          // A type that nobody may ask for is no fault of the octets.
          expect([0, Type.OPT, Type.TSIG]).toContain(query.type);
          return;
        }
        taken++;
        const query = new Query(octets);
        const address = query.clientSubnet?.address ?? [];
        expect({
          flags: query.flags,
          type: query.type,
          dnsClass: query.dnsClass,
          questionEnd: query.questionEnd,
          hasEdns: Number(query.hasEdns),
          dnssecOk: Number(query.dnssecOk),
          ednsVersion: query.ednsVersion,
          udpSize: query.udpSize,
          subnetFamily: query.clientSubnet?.family ?? 0,
          subnetPrefix: query.clientSubnet?.sourcePrefix ?? 0,
          ...Object.fromEntries(
            [0, 1, 2, 3].map(i => [
              `subnetAddress${i}`,
              [0, 1, 2, 3].reduce((sum, j) => sum * 256 + (address[4 * i + j] ?? 0), 0),
            ]),
          ),
        }).toEqual(fields);
      }),
      { numRuns: 5000, seed: SEED },
    );
    expect(Math.min(taken, refused)).toBeGreaterThan(300);
  });

  test('has its OPT wherever it stands among the additional records (RFC 6891 section 6.1.1)', () => {
    const opt = record(root, Type.OPT, 4096, 0x8000, subnet(1, 24, [192, 0, 2]));
    const other = record(wireName('x.example'), Type.TXT, 1, 0, [1, 65]);
    const ask = (...additional: number[][]): Query =>
      new Query(
        Uint8Array.from([
          0,
          1,
          1,
          0,
          0,
          1,
          0,
          0,
          0,
          0,
          0,
          additional.length,
          ...wireName('a'),
          0,
          1,
          0,
          1,
          ...additional.flat(),
        ]),
      );
    for (const query of [ask(opt), ask(other, opt), ask(opt, other), ask(other, opt, other)]) {
      expect(query).toMatchObject({
        hasEdns: true,
        dnssecOk: true,
        udpSize: 4096,
        clientSubnet: { family: 1, sourcePrefix: 24 },
      });
    }
    expect(() => ask(opt, opt)).toThrow('an OPT where there can be none');
    expect(() => ask(record(root, Type.TSIG, 255, 0, []), opt)).toThrow('a TSIG that is not the last record');
  });
});

const responseOctets = fc
  .record({
    type: fc.constantFrom(Type.A, Type.MX, Type.NAPTR, Type.SOA, Type.HTTPS),
    flags: fc.constantFrom(0x8180, 0x8183, 0x8186, 0x8580),
    records: fc.array(
      fc.tuple(
        fc.constantFrom<number[]>(
          [0xc0, 12],
          wireName('a.example'),
          wireName('A.EXAMPLE'),
          wireName('b.example'),
          [0xc0, 14],
        ),
        fc.constantFrom<[number, number[]]>(
          [Type.A, [192, 0, 2, 1]],
          [Type.A, [192, 0, 2, 2]],
          [Type.AAAA, Array<number>(16).fill(1)],
          [Type.CNAME, [1, 0x62, 0xc0, 14]],
          [Type.MX, [0, 1, 0xc0, 12]],
          [Type.NS, wireName('ns.Example')],
          [Type.NAPTR, [0, 1, 0, 2, 1, 0x75, 0, 0, 0xc0, 14]],
          [Type.SRV, [0, 1, 0, 2, 0, 3, 1, 0x73, 0xc0, 14]],
          [Type.HTTPS, [0, 1, 0xc0, 12, 0, 1, 0, 0]],
          [Type.SOA, [0xc0, 12, 1, 0x68, 0xc0, 12, ...Array<number>(20).fill(9)]],
          [Type.RRSIG, [0, 1, 13, 1, 0, 0, 1, 0, 0x70, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0xc0, 14, 1, 2, 3]],
          [Type.TXT, [1, 65, 0]],
          [65_280, [0xc0, 12, 9]],
        ),
        fc.constantFrom(0, 60, 300, 0xffff_ffff),
      ),
      { maxLength: 6 },
    ),
    section: fc.integer({ min: 0, max: 6 }),
    opt: fc.constantFrom(
      [],
      record(root, Type.OPT, 1232, 0, []),
      record(root, Type.OPT, 1232, 0x0100_0000, [0, 15, 0, 2, 0, 3]),
    ),
  })
  .map(({ type, flags, records, section, opt }) => {
    const answers = Math.min(section, records.length);
    return [
      ...[0, 0, ...u16(flags), 0, 1, ...u16(answers), ...u16(records.length - answers), 0, opt.length > 0 ? 1 : 0],
      ...wireName('a.example'),
      ...u16(type),
      0,
      1,
      ...records.flatMap(([owner, [of, data], ttl]) => record(owner, of, 1, ttl, data)),
      ...opt,
    ];
  });

describe('a response', () => {
  const engine = new Engine({ memoryBytes: 1 << 20, shards: 1, policy: 's3fifo', averageEntryBytes: 184 });
  afterAll(() => engine.close());
  const read = (octets: Uint8Array): Message | undefined => {
    try {
      return decodeMessage(octets);
    } catch {
      return undefined;
    }
  };
  /** What a record says, whatever its TTL. */
  const said = ({ name, type, dnsClass, data }: ResourceRecord): string =>
    `${Buffer.from(foldName(name)).toString('hex')} ${type} ${dnsClass} ${Buffer.from(foldName(data)).toString('hex')}`;

  test('that one parser takes the other takes too, and what is stored is what was said', () => {
    let taken = 0;
    let refused = 0;
    fc.assert(
      fc.property(mutated(responseOctets), octets => {
        engine.invalidate('all');
        const status = engine.insert(octets, {}, 0);
        const message = read(octets);
        if (status === Status.notAResponse) return;
        if (status === Status.malformed) {
          refused++;
          // Names that are read out of what changes in the cache (a TTL, an address) are refused natively alone.
          if (message !== undefined) expect(leadsThroughMoving(octets)).toBe(true);
          return;
        }
        taken++;
        expect(message, 'natively it is one').toBeDefined();
        if (status <= 0) return;
        const { name, type } = message!.question;
        const stored = engine.peek(foldName(name), type, {});
        const kept = decodeMessage(Uint8Array.from(stored!.message));
        expect(kept.answers.map(said)).toEqual(message!.answers.map(said));
        expect(kept.authorities.map(said)).toEqual(message!.authorities.map(said));
      }),
      { numRuns: 5000, seed: SEED },
    );
    expect(Math.min(taken, refused)).toBeGreaterThan(500);
  });

  test('that is made anew says what it said before: whole, without what is foreign, and without signatures', () => {
    fc.assert(
      fc.property(mutated(responseOctets), octets => {
        const message = read(octets);
        if (message === undefined) return;
        const whole = encodeMessage(message)!;
        expect(decodeMessage(Uint8Array.from(whole))).toEqual(message);
        const scrubbed = scrubResponse(octets);
        if (scrubbed === undefined) return;
        const left = decodeMessage(Uint8Array.from(scrubbed));
        const before = new Set(message.answers.map(said));
        expect(left.answers.every(one => before.has(said(one)))).toBe(true);
        expect(new Set(left.answers.map(said)).size).toBe(left.answers.length);
        // Made anew it is as it should be.
        expect([Status.foreignRecords, Status.toRewrite, Status.malformed]).not.toContain(
          engine.insert(scrubbed, {}, 0),
        );
      }),
      { numRuns: 3000, seed: SEED },
    );
  });
});

/** Whether a name is read out of a TTL, an address or a letter of the question that is a pointer: followed here octet by octet. */
function leadsThroughMoving(octets: Uint8Array): boolean {
  const view = Buffer.from(octets);
  let at = 12;
  while (view[at] !== 0) at += 1 + view[at];
  const questionEnd = at + 5;
  const moving = new Set<number>();
  let found = false;
  const follow = (begin: number): number => {
    let here = begin;
    let next = 0;
    for (let hops = 0; hops < 200; hops++) {
      if (view[here] === 0) {
        if (next > 0 && moving.has(here)) found = true;
        return next || here + 1;
      }
      if (view[here] >= 0xc0) {
        if (next > 0 && (here < questionEnd || moving.has(here) || moving.has(here + 1))) found = true;
        next ||= here + 2;
        here = view.readUInt16BE(here) & 0x3fff;
        hops++;
      } else {
        if (next > 0) for (let i = here; i <= here + view[here]; i++) if (moving.has(i)) found = true;
        here += 1 + view[here];
      }
    }
    return next;
  };
  at = questionEnd;
  const names: Readonly<Record<number, string>> = {
    2: 'n',
    5: 'n',
    6: 'nn',
    12: 'n',
    15: '2n',
    33: '6n',
    35: 'N',
    39: 'n',
    46: '9n',
    65: '2n',
    64: '2n',
    47: 'n',
    24: '9n',
  };
  for (let left = view.readUInt16BE(6) + view.readUInt16BE(8) + view.readUInt16BE(10); left > 0; left--) {
    const fixed = follow(at);
    for (let i = fixed + 4; i < fixed + 8; i++) moving.add(i);
    const type = view.readUInt16BE(fixed);
    const begin = fixed + 10;
    const end = begin + view.readUInt16BE(fixed + 8);
    let inner = begin;
    for (const field of names[type] ?? '') {
      if (field === 'n') inner = follow(inner);
      else if (field === 'N') {
        inner += 4;
        for (let i = 0; i < 3; i++) inner += 1 + view[inner];
        inner = follow(inner);
      } else inner += field === '9' ? 18 : Number(field);
    }
    if (type === Type.A || type === Type.AAAA) for (let i = begin; i < end; i++) moving.add(i);
    at = end;
  }
  return found;
}

describe('the OPT of a response', () => {
  const made = (additionals: number[][], answers: number[][] = []): Uint8Array =>
    Uint8Array.from([
      0,
      1,
      0x81,
      0x80,
      0,
      1,
      ...u16(answers.length),
      0,
      0,
      ...u16(additionals.length),
      ...wireName('a'),
      0,
      16,
      0,
      1,
      ...answers.flat(),
      ...additionals.flat(),
    ]);
  const option = [0, 15, 0, 2, 0, 18];
  // The end of a TXT that looks like an OPT with an option.
  const lookalike = record([0xc0, 12], Type.TXT, 1, 60, [17, ...record(root, Type.OPT, 1232, 0x0100_0000, option)]);

  test('is found by walking to it: the end of other data may look like one', () => {
    const opt = record(root, Type.OPT, 1232, 0x0100_0000, option);
    expect([...findOption(made([opt]), 15)!]).toEqual([0, 18]);
    expect([...findOption(made([opt, lookalike]), 15)!]).toEqual([0, 18]);
    expect(responseRcode(made([opt, lookalike]))).toBe(16);
    const none = made([record([0xc0, 12], Type.A, 1, 60, [1, 2, 3, 4]), lookalike]);
    expect(findOption(none, 15)).toBeUndefined();
    expect(responseRcode(none)).toBe(0);
    expect(appendOption(none, 11, Uint8Array.of(0, 1))).toBe(none);
    expect(findOption(made([], [lookalike]), 15)).toBeUndefined();
    expect(responseRcode(Uint8Array.of(1, 2, 3))).toBe(0);
  });

  test('takes one more option where it is the last record', () => {
    const opt = record(root, Type.OPT, 1232, 0, option);
    const longer = appendOption(made([lookalike, opt]), 11, Uint8Array.of(0, 7));
    expect([...findOption(longer, 11)!]).toEqual([0, 7]);
    expect(decodeMessage(longer).additionals).toHaveLength(2);
    const before = made([opt, lookalike]);
    expect(appendOption(before, 11, Uint8Array.of(0, 7))).toBe(before);
    expect(isTruncated(before)).toBe(false);
    expect(isTruncated(Uint8Array.of(0, 0, 0x83, 0))).toBe(true);
  });
});
