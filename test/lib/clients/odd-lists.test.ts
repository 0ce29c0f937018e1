// Lists of each format as they are found in the wild, with all that people write into them: made here, twenty thousand lines
// each, with what becomes of every kind of line counted.
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../../lib/base/random.js';
import { compileLists, type ListSource } from '../../../lib/clients/lists.js';
import { encodeName } from '../../../lib/wire/name.js';

const LINES = 20_000;
/** One line in so many is an odd one. */
const ODD_EVERY = 10;

type Becomes = 'nothing' | 'rule' | 'broken' | 'unsupported';
type Odd = readonly [line: string, becomes: Becomes];

const LONG = 'l'.repeat(63);
const EVERYWHERE: readonly Odd[] = [
  ['', 'nothing'],
  ['   \t ', 'nothing'],
  ['! comment', 'nothing'],
  ['# comment, with commas, and ünïcödé', 'nothing'],
  ['#', 'nothing'],
  [`${LONG}.${LONG}.${LONG}.${LONG}.toolong.example`, 'broken'],
  ['two..dots.example', 'broken'],
  ['sp ace.example', 'broken'],
  ['<!DOCTYPE html><title>404</title>', 'broken'],
  ['nul\0octet.example', 'broken'],
  ['x'.repeat(5000), 'broken'],
];

const FORMATS: Record<string, { plain: (name: string) => string; odd: readonly Odd[]; more?: Partial<ListSource> }> = {
  hosts: {
    plain: name => `0.0.0.0 ${name}`,
    odd: [
      ...EVERYWHERE,
      ['127.0.0.1 localhost', 'nothing'],
      ['::1 ip6-localhost ip6-loopback', 'nothing'],
      ['255.255.255.255 broadcasthost', 'nothing'],
      ['fe80::1%lo0 localhost', 'nothing'],
      ['0.0.0.0 0.0.0.0', 'nothing'],
      ['0.0.0.0\ttab.example', 'rule'],
      ['  127.0.0.1   UPPER.Example   # why', 'rule'],
      ['0.0.0.0 one.many.example two.many.example three.many.example', 'rule'],
      ['0.0.0.0 dot.example.', 'rule'],
      ['0.0.0.0 _under_score.example', 'rule'],
      ['0.0.0.0 bücher.example', 'rule'],
      ['bare.example', 'rule'],
      ['192.0.2.9 router.example', 'rule'],
      ['0.0.0.0', 'broken'],
      ['0.0.0.0 192.0.2.1', 'broken'],
      ['0.0.0.0 port.example:8080', 'broken'],
      ['0.0.0.0 http://url.example/', 'broken'],
      ['0.0.0 short.example', 'broken'],
    ],
  },
  domains: {
    plain: name => name,
    odd: [
      ...EVERYWHERE,
      ['*.wild.example', 'rule'],
      ['.dotted.example', 'rule'],
      ['  Spaces.Example  # why', 'rule'],
      ['dot.example.', 'rule'],
      ['bücher.example', 'rule'],
      ['xn--bcher-kva.example', 'rule'],
      ['☃.example', 'rule'],
      ['com', 'rule'],
      ['localhost', 'nothing'],
      ['[header]', 'nothing'],
      ['192.0.2.1', 'broken'],
      ['ad*.middle.example', 'broken'],
      ['a.*.example', 'broken'],
      ['server=/dnsmasq.example/', 'broken'],
      ['https://url.example/path', 'broken'],
      ['user@mail.example', 'broken'],
    ],
  },
  adblock: {
    plain: name => `||${name}^`,
    odd: [
      ...EVERYWHERE.filter(([line]) => !line.startsWith('sp ace') && !line.startsWith('<')),
      ['[Adblock Plus 2.0]', 'nothing'],
      ['! Title: list', 'nothing'],
      ['@@||good.example^', 'rule'],
      ['@@||good.example^|', 'rule'],
      ['||important.example^$important', 'rule'],
      ['||taken.back.example^$badfilter', 'rule'],
      ['||rewritten.example^$dnsrewrite=NOERROR;A;192.0.2.5', 'rule'],
      ['||gone.example^$dnsrewrite=NXDOMAIN', 'rule'],
      ['|exact.example^', 'rule'],
      ['0.0.0.0 hosts.example', 'rule'],
      ['||bücher.example^', 'rule'],
      ['||*.below.example^', 'rule'],
      ['||third.example^$third-party', 'unsupported'],
      ['||typed.example^$dnstype=AAAA', 'unsupported'],
      ['||path.example/ad.js', 'unsupported'],
      ['/regex[0-9]+\\.example/', 'unsupported'],
      ['##.banner', 'unsupported'],
      ['site.example##.banner', 'unsupported'],
      ['site.example#@#.banner', 'unsupported'],
      ['-ad-banner.', 'unsupported'],
      ['|http://url.example|', 'unsupported'],
      ['||192.0.2.7^', 'unsupported'],
      ['||tld.*^', 'unsupported'],
    ],
  },
  zone: {
    plain: name => `${name} CNAME .`,
    odd: [
      ['', 'nothing'],
      ['; comment (not a parenthesis', 'nothing'],
      ['$TTL 1h30m', 'nothing'],
      ['@ 3600 IN NS localhost.', 'nothing'],
      ['UPPER.Example 60 IN CNAME .', 'rule'],
      ['order.example IN 60 CNAME *.', 'rule'],
      ['*.wild.example CNAME .', 'rule'],
      ['pass.example CNAME rpz-passthru.', 'rule'],
      ['old.pass.example CNAME old.pass.example.', 'rule'],
      ['data.example A 192.0.2.6 ; why', 'rule'],
      ['\tAAAA 2001:db8::6', 'rule'],
      ['text.example TXT "a; b" "c"', 'rule'],
      ['garden.example CNAME *.walled.garden.', 'rule'],
      ['24.0.2.0.192.rpz-ip CNAME .', 'rule'],
      ['128.1.zz.db8.2001.rpz-ip CNAME *.', 'rule'],
      ['32.1.2.0.192.rpz-client-ip CNAME rpz-drop.', 'rule'],
      ['ns.evil.example.rpz-nsdname CNAME .', 'rule'],
      ['32.53.2.0.192.rpz-nsip CNAME .', 'rule'],
      ['$INCLUDE other.zone', 'unsupported'],
      ['future.example CNAME rpz-something.', 'unsupported'],
      ['dname.example DNAME other.', 'unsupported'],
      ['signed.example RRSIG A 8 2 1 1 1 1 a. AAAA', 'unsupported'],
      ['24.1.2.0.192.rpz-ip CNAME .', 'broken'],
      ['33.0.2.0.192.rpz-ip CNAME .', 'broken'],
      ['notype.example', 'broken'],
      ['badaddress.example A 192.0.2', 'broken'],
      ['two..dots.example CNAME .', 'broken'],
      ['other.rpz-future CNAME .', 'broken'],
    ],
  },
};

const isEnd = (line: string): boolean => line === '' || line.trim() === '';

describe.each(Object.keys(FORMATS))('of the format %s', format => {
  const { plain, odd } = FORMATS[format];
  const lines: string[] = format === 'zone' ? ['@ SOA a. b. (', '  1 2 3 4 5 )'] : [];
  const expected: Record<Becomes, number> = { nothing: lines.length, rule: 0, broken: 0, unsupported: 0 };
  for (let i = 0; lines.length < LINES; i++) {
    const [line, becomes]: Odd =
      i % ODD_EVERY === 0 ? odd[(i / ODD_EVERY) % odd.length] : [plain(`n${i}.example`), 'rule'];
    lines.push(line);
    expected[becomes]++;
  }
  const compile = (text: string) =>
    compileLists([{ name: 'wild', format: format as ListSource['format'], text }], systemRandom);

  test('every line is what it is, and told where it is wrong', async () => {
    using lists = await compile(lines.join('\n'));
    const [{ rules, broken, unsupported, lines: read, problems }] = lists.reports;
    expect({ rules, broken, unsupported, read }).toEqual({
      rules: expected.rule,
      broken: expected.broken,
      unsupported: expected.unsupported,
      read: LINES - (isEnd(lines[LINES - 1]) ? 1 : 0),
    });
    for (const one of problems) expect(lines[one.line - 1].startsWith(one.text.slice(0, 20))).toBe(true);
    expect(problems).toHaveLength(16);
    expect(lists.find(encodeName('n1.example'), '198.51.100.1', 1n)).toMatchObject({ action: 'nxdomain' });
    expect(lists.find(encodeName('n0.example'), '198.51.100.1', 1n)).toBeUndefined();
  });

  test('lines that end as other systems end them, and a byte order mark, change nothing', async () => {
    using lists = await compile(`\uFEFF${lines.join('\r\n')}\r\n`);
    const [{ rules, broken, unsupported }] = lists.reports;
    expect({ rules, broken, unsupported }).toEqual({
      rules: expected.rule,
      broken: expected.broken,
      unsupported: expected.unsupported,
    });
  });
});
