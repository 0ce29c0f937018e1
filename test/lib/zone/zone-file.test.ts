import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { recordText } from '../../../lib/wire/record-text.js';
import type { ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { loadZone, loadZoneFile, type LoadedZone } from '../../../lib/zone/load-zone.js';
import { MAX_PROBLEMS, problemText, readZoneFile } from '../../../lib/zone/zone-file.js';
import { zoneText } from '../../../lib/zone/zone-text.js';

const apex = encodeName('example');
const HEAD = '$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n';
const load = (text: string): LoadedZone => loadZone(Buffer.from(text, 'latin1'), { apex, file: 'zone' });
const problems = (text: string): string[] => load(text).problems.map(problemText);

function read(text: string | Uint8Array, ttl?: number): { records: string[]; problems: string[] } {
  const records: ResourceRecord[] = [];
  const octets = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  const result = readZoneFile(octets, { file: 'zone', origin: apex, ttl }, (name, end, type, ttl, data, size) => {
    records.push({ name: name.slice(0, end), type, dnsClass: 1, ttl, data: data.slice(0, size) });
    return undefined;
  });
  return { records: records.map(recordText), problems: result.problems.map(problemText) };
}

describe('a zone file', () => {
  test('has owners, classes and TTLs left out, and in either order', () => {
    const { records, problems } = read(
      'a 10 IN A 192.0.2.1\n  IN 20 A 192.0.2.2\n  A 192.0.2.3\n$TTL 1h\nb IN A 192.0.2.4\n@ in a 192.0.2.5\n',
    );
    expect(problems).toEqual([]);
    expect(records).toEqual([
      'a.example. 10 A 192.0.2.1',
      'a.example. 20 A 192.0.2.2',
      'a.example. 20 A 192.0.2.3',
      'b.example. 3600 A 192.0.2.4',
      'example. 3600 A 192.0.2.5',
    ]);
  });
  test('has parentheses anywhere, comments, quotes, escapes, CRLF, a byte order mark and no last line end', () => {
    const { records, problems } = read(
      '\xef\xbb\xbf$ORIGIN sub\r\n$TTL 5 ; five\r\na ( TXT "x;y" ; no\r\n "(z\\"\\065" ) \r\na\\.b.c\\032d (A)( 192.0.2.1)',
    );
    expect(problems).toEqual([]);
    expect(records).toEqual(['a.sub.example. 5 TXT "x;y" "(z\\"A"', 'a\\.b.c\\032d.sub.example. 5 A 192.0.2.1']);
  });
  test('without any TTL has that of its SOA', () => {
    const { records, problems } = read('@ SOA a b 1 2 3 4 77\n@ NS a\n');
    expect(records.map(one => one.split(' ')[1])).toEqual(['77', '77']);
    expect(problems).toEqual([expect.stringMatching(/^zone:1:1: warning: no TTL and no \$TTL: 77/)]);
  });
  test('whose SOA has no TTL has its MINIMUM behind a record with one, too, as in BIND', () => {
    const { records } = read('@ SOA a b 1 2 3 4 77\n@ NS a\na 5 A 192.0.2.1\nb A 192.0.2.2\n$TTL 9\nc A 192.0.2.3\n');
    expect(records.map(one => one.split(' ')[1])).toEqual(['77', '77', '5', '77', '9']);
    // One with a TTL says nothing of others: the last that was said holds (RFC 1035 section 5.1).
    expect(read('@ 8 SOA a b 1 2 3 4 77\na 5 A 192.0.2.1\nb A 192.0.2.2\n').records[2]).toBe(
      'b.example. 5 A 192.0.2.2',
    );
  });
  test('has any type as octets, and is told of those that the type cannot have', () => {
    const { records, problems } = read(
      '@ A \\# 4 C0000201\n@ TYPE1 192.0.2.2\n@ TYPE65400 \\# 2 ABCD\n@ A \\# 3 C00002\n@ MX \\# 4 000AC00C\n',
      1,
    );
    expect(records).toEqual(['example. 1 A 192.0.2.1', 'example. 1 A 192.0.2.2', 'example. 1 TYPE65400 \\# 2 abcd']);
    expect(problems).toHaveLength(2);
  });
  test('tells each problem with its place and what was expected, and goes on', () => {
    expect(
      read(
        '@ A 192.0.2.256\nx..y A 192.0.2.1\n A 192.0.2.1\n@ IN CH A 1.2.3.4\n@ MX ten mail\n@ TXT "open\n@ A (\n1.2.3.4\n',
        1,
      ).problems,
    ).toEqual([
      'zone:1:5: error: A data: expected an IPv4 address, got "192.0.2.256"',
      'zone:2:1: error: expected a name without empty labels as owner, got "x..y"',
      'zone:3:2: error: expected an entry with an owner before this one without, got "A"',
      'zone:4:6: error: expected a TTL or type such as A or TYPE123, got "CH"',
      'zone:5:6: error: expected a number from 0 to 65535, got "ten"',
      'zone:6:7: error: expected a closing quote on the same line',
      'zone:7:5: error: expected a closing parenthesis for this opening one',
    ]);
  });
  test('is told of as what it is where it is not text', () => {
    expect(read('\0\0\0\x02\0\0\0\x01rest\n').problems).toEqual([
      "zone:1:1: error: expected text in ASCII or UTF-8, got BIND's raw format: `named-compilezone -f raw -F text -o TEXT ZONE FILE` makes text of it",
    ]);
    expect(read(Buffer.from('\ufeff@ A 192.0.2.1\n', 'utf16le')).problems).toEqual([
      'zone:1:1: error: expected text in ASCII or UTF-8, got UTF-16',
    ]);
  });
  test('is not read beyond a hundred errors', () => {
    const { problems } = read('x\n'.repeat(1000), 1);
    expect(problems).toHaveLength(MAX_PROBLEMS);
  });
  test('is made of numbers, with a bound', () => {
    const { records, problems } = read(
      '$GENERATE 1-5/2 host$ A 192.0.2.$\n$GENERATE 10-11 ${-10,3,x} CNAME a\\$\\$${1}\n$GENERATE 18-18 ${0,7,n} TXT $$\n',
      1,
    );
    expect(problems).toEqual([]);
    expect(records).toEqual([
      'host1.example. 1 A 192.0.2.1',
      'host3.example. 1 A 192.0.2.3',
      'host5.example. 1 A 192.0.2.5',
      '000.example. 1 CNAME a\\$\\$11.example.',
      '001.example. 1 CNAME a\\$\\$12.example.',
      '2.1.0.0.example. 1 TXT "$"',
    ]);
    expect(read('$GENERATE 1-65537 a$ A 192.0.2.1\n', 1).problems[0]).toMatch(/range of at most 65536 entries/);
    expect(read('$GENERATE 5-1 a$ A 192.0.2.1\n', 1).problems[0]).toMatch(/expected a range such as 1-100/);
    expect(read(`$GENERATE 1-65536 a$ TXT ${'x'.repeat(600)}\n`, 1).problems[0]).toMatch(/octets in all/);
  });
  test('is made of numbers as BIND makes it: data in quotes, nibbles with a dot behind, no owner left', () => {
    const { records, problems } = read(
      'www A 192.0.2.9\n$GENERATE 1-1 h$ MX "10 mail$"\n A 192.0.2.10\n$GENERATE 1-1 t${+8} TXT "a b $"\n' +
        '$GENERATE 18-18 ${0,8,n}in CNAME @\n$GENERATE 18-18 ${0,7,n}in CNAME @\n$GENERATE 18-18 ${0,2,N}in CNAME @\n' +
        '$GENERATE 5-5 ${0,2,n}in CNAME @\n$GENERATE 1-1 c$ CAA "0 issue \\"ca$.example\\""\n',
      1,
    );
    expect(problems).toEqual([]);
    expect(records).toEqual([
      'www.example. 1 A 192.0.2.9',
      'h1.example. 1 MX 10 mail1.example.',
      'www.example. 1 A 192.0.2.10',
      't9.example. 1 TXT "a b 1"',
      '2.1.0.0.in.example. 1 CNAME example.',
      '2.1.0.0in.example. 1 CNAME example.',
      '2.1in.example. 1 CNAME example.',
      '5.in.example. 1 CNAME example.',
      'c1.example. 1 CAA 0 issue "ca1.example"',
    ]);
  });
  test('of whatever octets is read to its end', () => {
    const piece = fc.constantFrom(
      '@',
      'a',
      ' ',
      '\n',
      '(',
      ')',
      '"',
      ';',
      '\\',
      '$TTL',
      'A',
      'TXT',
      '1',
      'IN',
      '\0',
      '\xff',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), parts => {
        read(parts.join(''));
      }),
      { numRuns: 500 },
    );
  });
});

describe('$INCLUDE', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'shardns-include-'));
    mkdirSync(join(folder, 'zones/sub'), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const put = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  test('reads beside the file, and brings back origin and owner', () => {
    put('zones/sub/more', 'x A 192.0.2.2\n$ORIGIN other.example.\ny A 192.0.2.3\n');
    const file = put('zones/a', `${HEAD}www A 192.0.2.9\n$INCLUDE sub/more in\n AAAA 2001:db8::1\nz A 192.0.2.4\n`);
    const { zone, problems } = loadZoneFile(file, { apex });
    expect(problems).toEqual([]);
    expect([...zone!.records()].map(recordText)).toEqual(
      expect.arrayContaining([
        'x.in.example. 60 A 192.0.2.2',
        'y.other.example. 60 A 192.0.2.3',
        'www.example. 60 AAAA 2001:db8::1',
        'z.example. 60 A 192.0.2.4',
      ]),
    );
  });
  test('reads nothing outside of the folder, not by a link either, and no circle', () => {
    const secret = put('secret', 'x TXT secret\n');
    symlinkSync(secret, join(folder, 'zones/link'));
    for (const path of ['../secret', secret, 'link', 'gone', 'sub']) {
      const { zone, problems } = loadZoneFile(put('zones/a', `${HEAD}$INCLUDE ${path}\n`), { apex });
      expect(zone).toBeUndefined();
      expect(problemText(problems[0])).toMatch(/a:5:10: error: .*(expected a file below|cannot be read|not a regular)/);
      expect(JSON.stringify(problems)).not.toContain('TXT');
    }
    const { problems } = loadZoneFile(put('zones/a', `${HEAD}$INCLUDE a\n`), { apex });
    expect(JSON.stringify(problems)).toMatch(/at most 10 deep/);
  });
});

describe('a zone is refused', () => {
  test.each([
    ['without a SOA', '$TTL 1\n@ NS ns\nns A 192.0.2.1\n', /expected one SOA record at its apex, found none/],
    ['with two', `${HEAD}@ SOA ns hostmaster 2 2 3 4 5\n`, /expected one SOA record at its apex, found 2/],
    ['with no server', '$TTL 1\n@ SOA ns hostmaster 1 2 3 4 5\n', /NS: expected one or more at the apex/],
    [
      'for data beside an alias',
      `${HEAD}a CNAME b\na A 192.0.2.1\n`,
      /CNAME: expected no other data beside it, found A/,
    ],
    ['for two aliases', `${HEAD}a CNAME b\na CNAME c\n`, /CNAME: expected one, found 2/],
    ['for NS at a wildcard', `${HEAD}* NS ns\n`, /NS: expected none at a wildcard/],
    ['for a SOA elsewhere', `${HEAD}a SOA ns hostmaster 1 2 3 4 5\n`, /SOA: expected one at the apex only/],
    ['for DS without a cut', `${HEAD}a DS 1 8 2 ${'00'.repeat(32)}\n`, /DS: expected beside NS/],
  ])('%s', (_, text, message) => {
    const { zone, problems } = load(text);
    expect(zone).toBeUndefined();
    expect(problems.map(problemText).join('\n')).toMatch(message);
  });
  test('and is taken with a warning for what is left out or likely a mistake', () => {
    expect(
      problems(
        `${HEAD}a A 192.0.2.1\na A 192.0.2.1\na 5 A 192.0.2.2\nb.test. A 192.0.2.1\nc MX 1 d\nd CNAME a\ne DNAME f\ng.e A 192.0.2.1\nh NS ns.h\n`,
      ).map(one => one.replace(/^zone(:\d+:\d+)?: /, '')),
    ).toEqual([
      'warning: b.test. lies outside of the zone, and is left out',
      'warning: a.example. A: records with other TTLs, 5 is taken',
      'warning: a.example. A: a record that is there twice',
      'warning: c.example. MX: d.example. is an alias (RFC 2181 section 10.3)',
      'warning: g.e.example.: lies below a DNAME, and is not served (RFC 6672 section 2.4)',
      'warning: h.example. NS: no address for ns.h.example., which nobody else can give',
    ]);
  });
});

test('is told of hosts inside the zone that have no address, as where a final dot is missing', () => {
  const warnings = (text: string): string[] =>
    problems(`${HEAD}${text}`).map(one => one.replace(/^zone: warning: /, ''));
  expect(
    warnings('@ MX 10 mail.example\n_s._tcp SRV 0 0 1 gone\nsub NS 192.0.2.1\ne MX 1 x\ny.x A 192.0.2.1\n'),
  ).toEqual([
    'example. MX: no address for mail.example.example., which lies in this zone',
    '_s._tcp.example. SRV: no address for gone.example., which lies in this zone',
    'e.example. MX: no address for x.example., which lies in this zone',
    'sub.example. NS: no address for 192.0.2.1.example., which lies in this zone',
  ]);
  // Wildcards, aliases, names of others and the absence of mail.
  expect(
    warnings(
      '@ MX 0 .\n*.w A 192.0.2.1\na MX 1 x.w\nb NS c\nc A 192.0.2.1\nd MX 1 x.b\ne DNAME f.test.\nf MX 1 x.e\ng MX 1 @\n@ AAAA 2001:db8::1\n',
    ),
  ).toEqual([]);
});

test('is told of digests that are cut off', () => {
  const digest = 'ab'.repeat(31);
  expect(
    problems(
      `${HEAD}sub NS ns\nsub DS 1 8 2 ${digest}\nsub DS 1 8 2 ${digest}cd\nsub DS 1 8 99 ${digest}\n@ SSHFP 1 1 abcd\n@ CDS 0 0 0 00\n`,
    ),
  ).toEqual([
    'zone: warning: example. SSHFP: expected 20 octets of a digest of type 1, found 2',
    'zone: warning: sub.example. DS: expected 32 octets of a digest of type 2, found 31',
  ]);
});

test('octets of a primary that no text of their type has are written as octets', () => {
  const { zone } = load(
    `${HEAD}a HTTPS \\# 8 00010000030001ff\nb CAA \\# 5 0001ff6162\nc LOC \\# 16 ${'ff'.repeat(16)}\n`,
  );
  const text = [...zoneText(zone!)].join('');
  expect(load(text).problems).toEqual([]);
  expect([...zoneText(load(text).zone!)].join('')).toBe(text);
});

test('a zone that is written reads back as it was', () => {
  const { zone } = load(
    `${HEAD}*.w TXT "a;\\"b" "" "\\000\\255"\n\\@\\.x.\\(y A 192.0.2.1\nt TYPE65400 \\# 3 010203\ns SRV 1 2 3 S.Host\nS.Host A 192.0.2.1\nh HTTPS 1 . alpn="h2,h3" port=8443\nl LOC 42 21 54 N 71 6 18 W -24m 30m\n`,
  );
  const text = [...zoneText(zone!)].join('');
  const again = load(text);
  expect(again.problems).toEqual([]);
  expect([...again.zone!.records()].map(recordText)).toEqual([...zone!.records()].map(recordText));
  expect([...zoneText(again.zone!)].join('')).toBe(text);
});
