// Names, RRsets and messages as the slow path reads and writes them.
import { describe, expect, test } from 'vitest';
import { Class, Type } from '../../../lib/wire/iana.js';
import { decodeMessage, encodeMessage, type ResourceRecord } from '../../../lib/wire/message.js';
import { bySuffix, encodeName, foldName, nameKey, nameToText, readName } from '../../../lib/wire/name.js';
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

describe('a message', () => {
  const question = { name: encodeName('www.example'), type: Type.A as number, dnsClass: Class.IN as number };

  test('comes back as it was written, its question as a pointer and other names in full', () => {
    const message = {
      id: 0x1234,
      flags: 0x8180,
      question,
      answers: [record('www.example', Type.A, [192, 0, 2, 1]), record('www.example', Type.A, [192, 0, 2, 2])],
      authorities: [record('example', Type.NS, [...encodeName('ns.example')])],
      additionals: [record('ns.example', Type.A, [192, 0, 2, 53]), record('.', Type.TXT, [0])],
    };
    const octets = encodeMessage(message);
    expect(octets.subarray(12 + 13 + 4, 12 + 13 + 4 + 2)).toEqual(Buffer.from([0xc0, 0x0c]));
    expect(octets.length).toBe(29 + 2 * 16 + (9 + 10 + 12) + (12 + 14) + (1 + 10 + 1));
    expect(decodeMessage(Uint8Array.from(octets))).toEqual(message);
  });

  test('of more than 65535 octets is refused', () => {
    const answers = [record('www.example', Type.TXT, Array(65_500).fill(1)), record('www.example', Type.TXT, [1])];
    expect(() => encodeMessage({ id: 0, flags: 0, question, answers, authorities: [], additionals: [] })).toThrow(
      'a message of 65554 octets: more than 65535',
    );
  });
});
