// How an upstream says that it is asked encrypted (RFC 9461, RFC 9462): what of it is taken, when it is asked again, and that what
// it has to prove is what was written, whatever is said.
import { describe, expect, test } from 'vitest';
import type { Logger } from '../../../lib/base/log.js';
import { EncryptedWays } from '../../../lib/upstream/encrypted-ways.js';
import { parseUpstream } from '../../../lib/upstream/upstream-url.js';
import { Class, Flag, Rcode, Type } from '../../../lib/wire/iana.js';
import { buildResponse, decodeMessage, type ResourceRecord } from '../../../lib/wire/message.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import { encodeData } from '../../../lib/wire/record.js';
import { FakeClock } from '../../support/fake-clock.js';

type Said = { svcb: string[]; ttl?: number; owner?: string; cname?: string } | number | Error;

function setUp(upstream: string, said: Said | Record<string, Said>) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const note = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug() {}, info: note, warn: note, error: note };
  const state = { said, asked: [] as string[], changes: 0, useless: false };
  const ways = new EncryptedWays(parseUpstream(upstream, 'test'), {
    clock,
    log,
    ask: query => {
      const { question, flags } = decodeMessage(Uint8Array.from(query));
      const name = nameToText(question!.name).toLowerCase();
      state.asked.push(`${name} ${question!.type}${flags & Flag.RD ? '' : ' without recursion'}`);
      const all = state.said;
      const isOne = all instanceof Error || typeof all === 'number' || 'svcb' in all;
      const one = (isOne ? all : ((all as Record<string, Said>)[name] ?? 3)) as Said;
      if (one instanceof Error) return Promise.reject(one);
      const make = (owner: string, type: number, ttl: number, data: Uint8Array): ResourceRecord => {
        return { name: encodeName(owner), type, dnsClass: Class.IN, ttl, data };
      };
      const answers: ResourceRecord[] = [];
      if (typeof one !== 'number') {
        const { svcb, ttl = 300, owner = name, cname } = one;
        if (cname !== undefined) answers.push(make(name, Type.CNAME, 50, encodeName(cname)));
        answers.push(...svcb.map(text => make(cname ?? owner, Type.SVCB, ttl, dataOf(text))));
      }
      const rcode = typeof one === 'number' ? one : Rcode.NOERROR;
      const asking = { message: Uint8Array.from(query), ...question! };
      return Promise.resolve(buildResponse(asking, { rcode, answers })!);
    },
    use: () => ({ isNone: state.useless, reason: state.useless ? 'the certificate is for another' : undefined }),
    changed: () => state.changes++,
  });
  return { clock, ways, state, lines };
}
const dataOf = (text: string): Uint8Array =>
  text.startsWith('0x') ? Uint8Array.from(Buffer.from(text.slice(2), 'hex')) : encodeData('SVCB', text);
async function placesOf(upstream: string, ...svcb: string[]) {
  const { ways } = setUp(upstream, { svcb });
  await ways.begin();
  ways.close();
  return ways.places;
}

describe('what is asked', () => {
  test.each([
    ['dns.example', '_dns.dns.example.'],
    ['tcp://dns.example', '_dns.dns.example.'],
    ['dns.example:5353', '_5353._dns.dns.example.'],
    ['192.0.2.53', '_dns.resolver.arpa.'],
    ['[2001:db8::53]:5353', '_dns.resolver.arpa.'],
  ])('of %s it is %s', async (upstream, name) => {
    const { ways, state } = setUp(upstream, { svcb: ['1 . alpn=dot'] });
    await ways.begin();
    ways.close();
    expect(state.asked).toEqual([`${name} 64`]);
    expect(ways.places).toHaveLength(1);
  });
});

describe('of a name', () => {
  const tls = { name: 'dns.example', pins: [] };
  test('it is the name that has to be proved, wherever the target leads', async () => {
    expect(await placesOf('dns.example', '1 . alpn=dot')).toMatchObject([
      { scheme: 'tls', port: 853, name: 'dns.example', tls },
    ]);
    expect(await placesOf('dns.example', '1 elsewhere.test. alpn=dot port=8853')).toEqual([
      { scheme: 'tls', port: 8853, at: undefined, name: 'elsewhere.test', tls },
    ]);
    const [hinted] = await placesOf('dns.example', '1 elsewhere.test. alpn=dot ipv4hint=192.0.2.7');
    expect(hinted).toMatchObject({ name: undefined, at: { address: '192.0.2.7', port: 853, family: 4, tls } });
  });

  test('HTTPS needs a path with the variable, and has port 443', async () => {
    expect(await placesOf('dns.example', '1 . alpn=h2 dohpath=/q{?dns}')).toMatchObject([
      { scheme: 'https', port: 443, path: '/q', tls },
    ]);
    for (const rest of ['', 'dohpath=/q', 'dohpath={?dns}', 'dohpath="/q{?dns}/x"', 'dohpath="//evil.test/ {?dns}"'])
      expect(await placesOf('dns.example', `1 . alpn=h2 ${rest}`)).toEqual([]);
  });

  test('the first preference that is spoken here is taken, with all its ways, and no other', async () => {
    const places = await placesOf(
      'dns.example',
      '3 c.example. alpn=dot',
      '1 a.example. alpn=h3,doq dohpath=/q{?dns}',
      '2 b.example. alpn=h2,dot dohpath=/q{?dns} ipv4hint=192.0.2.1,192.0.2.2',
      '2 d.example. alpn=dot',
    );
    expect(places.map(({ scheme, name, at }) => `${scheme} ${name ?? at!.address}`)).toEqual([
      'https 192.0.2.1',
      'https 192.0.2.2',
      'tls 192.0.2.1',
      'tls 192.0.2.2',
      'tls d.example',
    ]);
    const many = Array.from({ length: 50 }, (_, i) => `1 n${i}.example. alpn=dot`);
    expect(await placesOf('dns.example', ...many)).toHaveLength(8);
  });

  test.each([
    ['a key that is needed and not known', '1 . mandatory=key4711 alpn=dot key4711=x'],
    ['a key that is needed and not there', '1 . mandatory=port alpn=dot'],
    ['no protocol, for there is none by default', '1 . port=853'],
    ['port 0', '1 . alpn=dot port=0'],
    ['a target that is no host', '1 a\\.b.example. alpn=dot'],
    ['an address that is cut off', '0x00010000010004' + '03646f74' + '00040003' + 'c00002'],
    ['no address in its hint', '0x00010000010004' + '03646f74' + '00040000'],
    ['data that is cut off', '0x000100'],
    ['a protocol that is cut off', '0x0001000001000209'],
    ['addresses of nobody alone, and no name', '0x00010000010004' + '03646f74' + '00040004' + '00000000'],
  ])('a record with %s is none', async (what, text) => {
    const places = await placesOf('dns.example', text);
    if (what.startsWith('addresses of nobody')) expect(places).toMatchObject([{ name: 'dns.example' }]);
    else expect(places).toEqual([]);
  });
});

describe('of an address', () => {
  test('it is the address that has to be proved, and the target is only what it is called', async () => {
    const tls = { name: '192.0.2.53', pins: [], calls: 'dns.example' };
    expect(await placesOf('192.0.2.53', '1 dns.example. alpn=dot ipv4hint=192.0.2.7')).toMatchObject([
      { at: { address: '192.0.2.7', port: 853, tls }, tls },
    ]);
    expect(await placesOf('192.0.2.53', '1 dns.example. alpn=dot')).toMatchObject([{ name: 'dns.example', tls }]);
    expect(await placesOf('192.0.2.53', '1 . alpn=dot')).toMatchObject([
      { at: { address: '192.0.2.53', port: 853, tls: { name: '192.0.2.53' } } },
    ]);
  });
});

test('aliases are followed, of both kinds, and those that lead nowhere or in a circle are an error', async () => {
  const { ways, state, lines } = setUp('dns.example', {
    '_dns.dns.example.': { svcb: ['0 _dns.other.test.', '1 wrong.test. alpn=dot'] },
    '_dns.other.test.': { svcb: ['1 there.test. alpn=dot'], cname: 'cname.test.' },
  });
  await ways.begin();
  expect(ways.places).toMatchObject([{ name: 'there.test', tls: { name: 'dns.example' } }]);
  for (const said of [['0 .'], ['0 _dns.dns.example.']]) {
    state.said = { svcb: said };
    const again = setUp('dns.example', { svcb: said });
    await again.ways.begin();
    expect(again.ways.places).toEqual([]);
    expect(again.state.asked.length).toBeLessThanOrEqual(5);
    expect(again.lines.join()).toContain('an alias that leads nowhere');
    again.ways.close();
  }
  expect(lines).toEqual([]);
  ways.close();
});

test('it is asked again before it expires; where nobody says, soon, and the ways of before stay', async () => {
  const { clock, ways, state, lines } = setUp('dns.example', { svcb: ['1 a.example. alpn=dot'], ttl: 100 });
  await ways.begin();
  expect([state.changes, state.asked.length]).toEqual([1, 1]);
  for (const said of [new Error('late'), 2, 3, { svcb: [] }] as Said[]) {
    state.said = said;
    await clock.advance(91_000);
    expect(ways.failing).toBe(true);
    expect(ways.places).toMatchObject([{ name: 'a.example' }]);
  }
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('it is asked on as before');
  state.said = { svcb: ['1 b.example. alpn=dot'] };
  await clock.advance(61_000);
  expect(ways.places).toMatchObject([{ name: 'b.example' }]);
  expect([state.changes, ways.failing]).toEqual([2, false]);
  ways.close();
  const { length } = state.asked;
  await clock.advance(86_400_000);
  expect(state.asked).toHaveLength(length);
});

test('what is said for long and is of no use is asked for again soon, and then less often', async () => {
  const said = { svcb: ['1 forged.test. alpn=dot'], ttl: 2 ** 31 - 1 };
  const { clock, ways, state, lines } = setUp('dns.example', said);
  await ways.begin();
  await clock.advance(3_600_000);
  expect(state.asked).toHaveLength(1);
  state.useless = true;
  await clock.advance(11_000);
  expect(state.asked).toHaveLength(2);
  // Nobody is asked more than once a minute for as long as that lasts.
  await clock.advance(3_600_000);
  expect(state.asked.length).toBeGreaterThan(50);
  expect(state.asked.length).toBeLessThan(70);
  expect(lines).toEqual([
    'an upstream cannot be asked in the encrypted ways that were found, and is in no other ' +
      '{"upstream":"udp://dns.example:53","reason":"the certificate is for another","preferences":1}',
  ]);
  state.said = { svcb: ['1 a.example. alpn=dot'], ttl: 86_400 };
  await clock.advance(71_000);
  expect(ways.places).toMatchObject([{ name: 'a.example' }]);
  state.useless = false;
  await clock.advance(120_000);
  const { length } = state.asked;
  await clock.advance(3_600_000);
  expect(state.asked).toHaveLength(length);
  ways.close();
});

test('records that come in another order each time are no change', async () => {
  const svcb = ['1 a.example. alpn=dot', '1 b.example. alpn=dot', '1 c.example. alpn=dot'];
  const { clock, ways, state } = setUp('dns.example', { svcb, ttl: 100 });
  await ways.begin();
  state.said = { svcb: svcb.toReversed(), ttl: 100 };
  await clock.advance(91_000);
  expect([state.asked.length, state.changes]).toEqual([2, 1]);
  ways.close();
});

test('the next preference has its turn where the ways of one are of no use, and stays while it is', async () => {
  const svcb = ['2 b.example. alpn=dot', '1 a.example. alpn=dot', '3 c.example. alpn=dot'];
  const { clock, ways, state, lines } = setUp('dns.example', { svcb, ttl: 3600 });
  await ways.begin();
  const names = (): (string | undefined)[] => ways.places.map(one => one.name);
  expect(names()).toEqual(['a.example']);
  state.useless = true;
  await clock.advance(10_500);
  expect(names()).toEqual(['b.example']);
  state.useless = false;
  await clock.advance(3_600_000);
  expect(names()).toEqual(['b.example']);
  expect(lines).toHaveLength(1);
  // Other records than before begin anew.
  state.said = { svcb: svcb.slice(0, 2), ttl: 3600 };
  await clock.advance(3_600_000);
  expect(names()).toEqual(['a.example']);
  ways.close();
});

test('a protocol that is said thousands of times is one way', async () => {
  const alpn = '03646f74'.repeat(16_000);
  const hint = '00040004c0000207';
  const length = (alpn.length / 2).toString(16).padStart(4, '0');
  const places = await placesOf('dns.example', `0x0001000001${length}${alpn}${hint}`, '1 . alpn=dot');
  expect(places.map(({ name, at }) => name ?? at!.address)).toEqual(['192.0.2.7', 'dns.example']);
});
