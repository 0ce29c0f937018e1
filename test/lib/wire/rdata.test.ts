// Record data between text and wire, beside what other programs say.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeRdata, encodeRdata } from '../../../lib/wire/rdata.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { vectorsFolder } from '../../support/vectors.js';

const folder = vectorsFolder('wire');
interface Vector {
  id: string;
  type: string;
  text: string;
  wire_hex: string;
}
/** A quote that is not closed; a name that the other program took for a string. */
const DISPUTED = new Set(['06badddab8f4', '247a3bb62465']);
const vectors = folder
  ? readFileSync(join(folder, 'wire', 'rr-text-wire.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Vector)
      // TSIG is no record of a zone: it has no text.
      .filter(({ id, type }) => type !== 'TSIG' && !DISPUTED.has(id))
  : [];

/** The data of a record in wire format: behind owner, type, class, TTL and length. */
function dataOf({ text, wire_hex: hex }: Vector): { rdata: Buffer; type: number; fields: string } {
  const wire = Buffer.from(hex, 'hex');
  const [owner, , , , fields] = /^(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*([\s\S]*)$/.exec(text)!.slice(1);
  const at = encodeName(owner).length;
  return { rdata: wire.subarray(at + 10), type: wire.readUInt16BE(at), fields };
}

describe.skipIf(folder === undefined)('records that two other programs agree on', () => {
  test.each(vectors.map(vector => [vector.type, vector.id, vector] as const))('%s %s', (_type, _id, vector) => {
    const { rdata, type, fields } = dataOf(vector);
    expect(Buffer.from(encodeRdata(type, fields)).toString('hex')).toBe(rdata.toString('hex'));
    // Text is one of several spellings: it must lead back to the same octets.
    expect(Buffer.from(encodeRdata(type, decodeRdata(type, rdata))).toString('hex')).toBe(rdata.toString('hex'));
  });
});

const roundTrip = (type: number, text: string): string => decodeRdata(type, encodeRdata(type, text));

test('any type can be written as RFC 3597 says', () => {
  expect(roundTrip(65_280, '\\# 3 0a0b0c')).toBe('\\# 3 0a0b0c');
  expect(roundTrip(65_280, '\\# 0')).toBe('\\# 0');
  expect(roundTrip(Type.A, '\\# 4 C0000201')).toBe('192.0.2.1');
  expect(() => encodeRdata(65_280, '\\# 4 0a0b0c')).toThrow('expected 4 octets, as is said before them, got 3');
  expect(() => encodeRdata(65_280, 'text')).toThrow('TYPE65280 data: expected \\# LENGTH HEX');
});

test('quotes, escapes, parentheses and comments are those of zone files', () => {
  expect([...encodeRdata(Type.TXT, '"a b" c\\032d ( "e" ; comment\n "f;g" )')]).toEqual([
    3, 97, 32, 98, 3, 99, 32, 100, 1, 101, 3, 102, 59, 103,
  ]);
  expect(roundTrip(Type.TXT, '"quote \\" and \\\\ and \\200"')).toBe('"quote \\" and \\\\ and \\200"');
  expect(() => encodeRdata(Type.TXT, '"open')).toThrow('each quote closed');
  expect(() => encodeRdata(Type.TXT, '\\999')).toThrow('escapes up to');
});

test('names without a final dot end in the origin', () => {
  expect(decodeRdata(Type.MX, encodeRdata(Type.MX, '10 mail', 'example.'))).toBe('10 mail.example.');
  expect(decodeRdata(Type.NS, encodeRdata(Type.NS, '@', 'example.'))).toBe('example.');
  expect(decodeRdata(Type.NS, encodeRdata(Type.NS, 'ns.other.', 'example.'))).toBe('ns.other.');
});

test('parameters of HTTPS records (RFC 9460)', () => {
  const text = '1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1 key667="hello"';
  expect(roundTrip(Type.HTTPS, text)).toBe(text);
  // Appendix A.1 and D.2: escapes of the list, then of the string.
  expect(Buffer.from(encodeRdata(Type.SVCB, '16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"')).toString('hex')).toBe(
    '001003666f6f076578616d706c65036f726700' + '0001000c08665c6f6f2c62617202' + '6832',
  );
  expect(roundTrip(Type.SVCB, '1 a. mandatory=port,alpn no-default-alpn alpn=h2 port=1')).toBe(
    '1 a. mandatory=alpn,port alpn="h2" no-default-alpn port=1',
  );
  expect(() => encodeRdata(Type.SVCB, '1 . port=1 port=2')).toThrow('each key once');
  expect(() => encodeRdata(Type.SVCB, '1 . nonsense=1')).toThrow('a key such as alpn');
});

test('what is wrong is said with type, value and expectation', () => {
  const wrong: [number, string, string][] = [
    [Type.A, '192.0.2', 'A data: expected an IPv4 address, got "192.0.2"'],
    [Type.AAAA, '192.0.2.1', 'AAAA data: expected an IPv6 address'],
    [Type.MX, '70000 a.', 'MX data: expected a number from 0 to 65535, got "70000"'],
    [Type.MX, '10', 'MX data: expected a name, got ""'],
    [Type.A, '192.0.2.1 192.0.2.2', 'A data: expected nothing more, got "192.0.2.2"'],
    [Type.SOA, 'a. b. 1 1h 600 1w3d sometime', 'SOA data: expected seconds, such as 3600 or 1h'],
    [Type.DS, '1 8 2 abc', 'DS data: expected an even number of hexadecimal digits'],
    [Type.RRSIG, 'NOTYPE 8 2 60 20260101000000 20260101000000 1 . AAAA', 'RRSIG data: expected a type'],
    [Type.TXT, 'x'.repeat(256), 'TXT data: expected a string of at most 255 octets'],
    [Type.LOC, '91 0 0 N 0 0 0 E 0m', 'LOC data: expected an angle'],
    [Type.APL, '1:192.0.2.0/33', 'APL data: expected prefixes'],
  ];
  for (const [type, text, message] of wrong) expect(() => encodeRdata(type, text)).toThrow(message);
  expect(() => decodeRdata(Type.A, Uint8Array.of(1, 2, 3))).toThrow('A data: cut off after 3 octets');
  expect(() => decodeRdata(Type.A, Uint8Array.of(1, 2, 3, 4, 5))).toThrow('A data: 1 octets more than it can have');
  expect(() => decodeRdata(Type.NS, Uint8Array.of(0xc0, 12))).toThrow('malformed name');
});

test('no octets crash it or hang it', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(Type)), fc.uint8Array({ maxLength: 60 }), (type, data) => {
      let text;
      try {
        text = decodeRdata(type, data);
      } catch (error) {
        return (error as { code?: string }).code === 'ERR_SHARDNS_MESSAGE';
      }
      // What has a text either reads back, or is said to be wrong: octets of the wire may be no proper value.
      try {
        encodeRdata(type, text);
      } catch (error) {
        return /^ERR_SHARDNS_(OPTION|MESSAGE)$/.test((error as { code: string }).code);
      }
      return true;
    }),
    { numRuns: 3000 },
  );
});
