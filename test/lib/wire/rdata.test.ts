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

test('a key that is written as a number has its octets for a value, whatever it stands for (RFC 9460 section 2.1)', () => {
  const hex = (text: string): string => Buffer.from(encodeRdata(Type.SVCB, text)).toString('hex');
  expect(hex('1 . key1=\\002h2 key3="\\000\\053"')).toBe('000100' + '00010003026832' + '000300020035');
  expect(hex('1 . alpn=h2 no-default-alpn="" ohttp')).toBe('000100' + '00010003026832' + '00020000' + '00080000');
});

test('parameters that their keys cannot have are written so that they read back', () => {
  const wire = (key: number, value: string): Buffer =>
    Buffer.from(
      `000100${key.toString(16).padStart(4, '0')}${(value.length / 2).toString(16).padStart(4, '0')}${value}`,
      'hex',
    );
  for (const [key, value, text] of [
    [3, '35', 'key3="5"'],
    [4, 'c00002', 'key4="\\192\\000\\002"'],
    [6, '', 'key6=""'],
    [1, '0568', 'key1="\\005h"'],
    [8, '', 'ohttp'],
  ] as const) {
    const data = wire(key, value);
    expect(decodeRdata(Type.HTTPS, data)).toBe(`1 . ${text}`);
    expect(Buffer.from(encodeRdata(Type.HTTPS, `1 . ${text}`))).toEqual(data);
  }
});

test('what old and new zone files have is understood as other servers do', () => {
  expect(roundTrip(Type.WKS, '192.0.2.1 TCP ( ftp smtp 80 )')).toBe('192.0.2.1 6 21 25 80');
  expect(roundTrip(Type.DS, `1 RSASHA256 SHA-256 ${'AB'.repeat(32)}`)).toBe(`1 8 2 ${'AB'.repeat(32)}`);
  expect(roundTrip(Type.NID, '10 14:4fff:ff20:1')).toBe('10 0014:4fff:ff20:0001');
  expect(roundTrip(Type.AMTRELAY, '10 0 1 203.0.113.15')).toBe('10 0 1 203.0.113.15');
  expect(roundTrip(Type.AMTRELAY, '10 1 0 .')).toBe('10 1 0 .');
  expect(roundTrip(Type.AMTRELAY, '128 1 3 amt.example.')).toBe('128 1 3 amt.example.');
  expect(Buffer.from(encodeRdata(Type.AMTRELAY, '128 1 2 2001:db8::15')).toString('hex')).toBe(
    '808220010db8000000000000000000000015',
  );
  expect(roundTrip(Type.DSYNC, 'CDS NOTIFY 5359 rr-endpoint.example.')).toBe('CDS NOTIFY 5359 rr-endpoint.example.');
  expect(decodeRdata(Type.IPSECKEY, encodeRdata(Type.IPSECKEY, '10 3 2 gw AQ==', 'example.'))).toBe(
    '10 3 2 gw.example. AQ==',
  );
});

test('the tag of CAA is written without quotes, as BIND wants it', () => {
  expect(roundTrip(Type.CAA, '128 "issue" "ca.example; a=1"')).toBe('128 issue "ca.example; a=1"');
  // What no tag is, from another server, is shown without doing harm.
  expect(decodeRdata(Type.CAA, Buffer.from('0004612022ff62', 'hex'))).toBe('0 a\\032\\"\\255 "b"');
});

test('what is wrong is said with type, value and expectation', () => {
  const wrong: [number, string, string][] = [
    [Type.A, '192.0.2', 'A data: expected an IPv4 address, got "192.0.2"'],
    [Type.AAAA, '192.0.2.1', 'AAAA data: expected an IPv6 address'],
    [Type.MX, '70000 a.', 'MX data: expected a number from 0 to 65535, got "70000"'],
    [Type.MX, '10', 'MX data: expected a name, got the end of the data'],
    [Type.DNSKEY, '256 3 8', 'DNSKEY data: expected base 64, got the end of the data'],
    [Type.A, '192.0.2.1 192.0.2.2', 'A data: expected nothing more, got "192.0.2.2"'],
    [Type.SOA, 'a. b. 1 1h 600 1w3d sometime', 'SOA data: expected seconds, such as 3600 or 1h'],
    [Type.DS, '1 8 2 abc', 'DS data: expected an even number of hexadecimal digits'],
    [Type.RRSIG, 'NOTYPE 8 2 60 20260101000000 20260101000000 1 . AAAA', 'RRSIG data: expected a type'],
    [Type.TXT, 'x'.repeat(256), 'TXT data: expected a string of at most 255 octets'],
    [Type.LOC, '91 0 0 N 0 0 0 E 0m', 'LOC data: expected an angle of at most 90 degrees, got "91 0 0 N"'],
    [Type.AAAA, 'fe80::1%eth0', 'AAAA data: expected an IPv6 address, got "fe80::1%eth0"'],
    [Type.HTTPS, '1 . ipv6hint=fe80::1%eth0', 'SVCB ipv6hint: expected addresses'],
    [Type.APL, '2:fe80::1%eth0/64', 'APL data: expected prefixes'],
    [Type.HTTPS, '1 . ech="!!!!"', 'SVCB ech: expected base 64, got "!!!!"'],
    [Type.HTTPS, '1 . ipv4hint', 'SVCB ipv4hint: expected addresses, got ""'],
    [Type.HTTPS, '1 . key0667=a', 'SVCB parameter: expected a key such as alpn or key123, got "key0667"'],
    [Type.HTTPS, '1 . no-default-alpn', 'SVCB parameter: expected alpn beside it, got "no-default-alpn"'],
    [Type.HTTPS, '1 . ohttp=1', 'SVCB ohttp: expected no value, got "1"'],
    [Type.HIP, '2 200100107B1A74DF365639CC39F1D578 !!!!', 'HIP data: expected base 64, got "!!!!"'],
    [Type.IPSECKEY, '10 0 2 gw AQ==', 'IPSECKEY data: expected a dot: there is none, got "gw"'],
    [Type.CAA, '0 is-sue "ca.example"', 'CAA data: expected a tag of letters and digits, such as issue, got "is-sue"'],
    [Type.CAA, '0 "" "ca.example"', 'CAA data: expected a tag of letters and digits, such as issue, got ""'],
    [
      Type.WKS,
      '192.0.2.1 tcp nonesuch',
      'WKS data: expected ports: numbers to 65535, or names such as smtp, got "nonesuch"',
    ],
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
