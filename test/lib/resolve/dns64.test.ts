// DNS64 (RFC 6147): who is told translated addresses, of what, for how long, and what is left as it is.
import { describe, expect, test } from 'vitest';
import { addressOctets, formatAddress, parsePrefix } from '../../../lib/base/address.js';
import { Dns64, parseTranslationPrefix } from '../../../lib/resolve/dns64.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import { answerA, decode, makeQuery, makeResponse, type QueryShape } from '../../support/messages.js';
import { slowPath } from '../../support/slow-path.js';

const soa = (ttl = 120, minimum = 3600) => ({
  type: 'SOA' as const,
  name: 'example',
  ttl,
  data: { mname: 'ns.example', rname: 'host.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});
/** An upstream that has these records of each type; of others none, with a SOA. */
const upstream =
  (records: Record<string, object[]>, denial: object[] = [soa()]) =>
  (query: Uint8Array): Buffer => {
    const { questions = [] } = decode(query);
    const { type } = questions[0] as { type: string };
    const answers = records[type] ?? [];
    return makeResponse(query, { answers, authorities: answers.length === 0 ? denial : [] } as never);
  };
const a = (data: string, ttl = 300, name = 'v4.example') => ({ type: 'A', name, ttl, data });
const aaaa = (data: string, ttl = 300) => ({ type: 'AAAA', name: 'v4.example', ttl, data });

function setUp(handler: (query: Uint8Array) => Buffer, options: ServerOptions = {}) {
  const t = slowPath(handler, { ...options, dns64: { prefix: '64:ff9b::/96', ...options.dns64 } });
  const ask = (name = 'v4.example', shape: QueryShape = {}) => t.told(name, { type: 'AAAA', ...shape });
  return { ...t, ask };
}

describe('addresses', () => {
  test.each([
    ['2001:db8::/32', '2001:db8:c000:221::'],
    ['2001:db8:100::/40', '2001:db8:1c0:2:21::'],
    ['2001:db8:122::/48', '2001:db8:122:c000:2:2100::'],
    ['2001:db8:122:300::/56', '2001:db8:122:3c0:0:221::'],
    ['2001:db8:122:344::/64', '2001:db8:122:344:c0:2:2100:0'],
    ['2001:db8:122:344::/96', '2001:db8:122:344::c000:221'],
    ['64:ff9b::/96', '64:ff9b::c000:221'],
  ])('stand behind %s as RFC 6052 section 2.4 shows, and their reverse names lead back', (text, expected) => {
    const dns64 = new Dns64({ prefix: parseTranslationPrefix(text, 'test'), exclude: [], fromTag: 0 });
    const octets = dns64.translated(Uint8Array.of(192, 0, 2, 33))!;
    expect(formatAddress(octets)).toBe(formatAddress(addressOctets(expected)));
    const digits = [...Buffer.from(octets).toString('hex')].reverse().join('.');
    const reverse = dns64.reverseOf({ name: encodeName(`${digits}.ip6.arpa`), type: Type.PTR, dnsClass: 1 }, 0);
    expect(reverse && nameToText(reverse)).toBe('33.2.0.192.in-addr.arpa.');
  });

  test.each(['192.0.2.0/24', '2001:db8::/33', '2001:db8::1/96', '2001:db8:1:1:ff00::/96', 'nothing'])(
    '%s is no prefix of a translator',
    text => expect(() => parseTranslationPrefix(text, 'dns64.prefix')).toThrow(/dns64.prefix: expected .*got/),
  );

  test('names that are no reverse name of a whole address lead nowhere', () => {
    const dns64 = new Dns64({ prefix: parsePrefix('64:ff9b::/96', ''), exclude: [], fromTag: 0 });
    const zeros = '0.'.repeat(16);
    for (const name of [
      'ip6.arpa',
      `1.2.0.0.0.0.0.c.${zeros}b.9.f.f.4.6.0.ip6.arpa`,
      `g.2.0.0.0.0.0.c.${zeros}b.9.f.f.4.6.0.0.ip6.arpa`,
      `1.2.0.0.0.0.0.c.${zeros}a.9.f.f.4.6.0.0.ip6.arpa`,
    ]) {
      expect(dns64.reverseOf({ name: encodeName(name), type: Type.PTR, dnsClass: 1 }, 0), name).toBeUndefined();
    }
  });
});

describe('an answer', () => {
  test('has the translated addresses of a name without AAAA, and is kept as one', async () => {
    const t = setUp(upstream({ A: [a('198.51.100.1'), a('203.0.113.2')] }));
    expect(await t.ask()).toMatchObject({ rcode: 0, data: ['64:ff9b::c633:6401', '64:ff9b::cb00:7102'] });
    expect(t.udp.asked).toHaveLength(2);
    expect(t.engine.answer(makeQuery('v4.example', { type: 'AAAA' }))).toBeGreaterThan(0);
    expect(t.resolver.stats).toMatchObject({ dns64Answers: 1 });
  });

  test('is never the denial that comes before it: nobody is told that meanwhile', async () => {
    let a6 = 0;
    const t = setUp(query => {
      const { type } = decode(query).questions![0] as { type: string };
      if (type === 'A') a6 = t.engine.answer(makeQuery('v4.example', { type: 'AAAA' }));
      return upstream({ A: [a('198.51.100.1')] })(query);
    });
    await t.ask();
    expect(a6).toBeLessThan(0);
  });

  test('is what the name has, where that has AAAA', async () => {
    const t = setUp(upstream({ A: [a('198.51.100.1')], AAAA: [aaaa('2001:db8::1')] }));
    expect((await t.ask()).data).toEqual(['2001:db8::1']);
    expect(t.udp.asked).toHaveLength(1);
    expect(t.engine.answer(makeQuery('v4.example', { type: 'AAAA' }))).toBeGreaterThan(0);
  });

  test('lives as long as the A record and the denial of AAAA, whichever is less (RFC 6147 section 5.1.7)', async () => {
    const ttl = async (aTtl: number, denial?: object[]) => {
      const t = setUp(upstream({ A: [a('198.51.100.1', aTtl)] }, denial));
      const { reply } = await t.ask();
      const told = (decode(reply).answers![0] as { ttl: number }).ttl;
      await t.advance(told * 1000);
      expect(t.engine.answer(makeQuery('v4.example', { type: 'AAAA' }))).toBeLessThan(0);
      return told;
    };
    expect(await ttl(300)).toBe(120);
    expect(await ttl(60)).toBe(60);
    expect(await ttl(300, [soa(3600, 30)])).toBe(30);
    expect(await ttl(3600, [])).toBe(600);
  });

  test('takes no time from a SOA of another class, which may have any data, and no address from such an A record', async () => {
    const strange = (type: number, data: number[] = []): number[] => [0, 0, type, 0, 255, 0, 0, 1, 44, 0, data.length, ...data]; // prettier-ignore
    const withStrange = (section: 'answer' | 'authority', of: string, record: number[]) =>
      setUp(query => {
        const response = upstream({ A: [a('198.51.100.1', 3600)] }, [])(query);
        if ((decode(query).questions![0] as { type: string }).type !== of) return response;
        response[section === 'answer' ? 7 : 9]++;
        // Neither has an OPT behind what it says.
        return Buffer.concat([response, Uint8Array.from(record)]);
      });
    const soaless = withStrange('authority', 'AAAA', strange(6));
    const { reply, data } = await soaless.ask();
    expect(data).toEqual(['64:ff9b::c633:6401']);
    expect(decode(reply).answers).toMatchObject([{ ttl: 600 }]);
    for (const record of [strange(1), strange(1, [192, 0, 2, 1])]) {
      expect((await withStrange('answer', 'A', record).ask()).data, String(record)).toEqual(['64:ff9b::c633:6401']);
    }
    expect((await withStrange('answer', 'AAAA', strange(28)).ask()).data).toEqual(['64:ff9b::c633:6401']);
  });

  test('copies the aliases that lead to the address (section 5.1.5)', async () => {
    const alias = { type: 'CNAME', name: 'v4.example', ttl: 300, data: 'real.example' };
    const t = setUp(upstream({ A: [alias, a('198.51.100.1', 300, 'real.example')], AAAA: [alias] }));
    const { reply } = await t.ask();
    expect(decode(reply).answers).toMatchObject([
      { type: 'CNAME', name: 'v4.example', data: 'real.example' },
      { type: 'AAAA', name: 'real.example', data: '64:ff9b::c633:6401' },
    ]);
  });

  test('is the denial where there is no A either, and NXDOMAIN is not asked further (section 5.1.2)', async () => {
    const t = setUp(upstream({}));
    expect(await t.ask()).toMatchObject({ rcode: 0, data: [] });
    expect(t.engine.answer(makeQuery('v4.example', { type: 'AAAA' }))).toBeGreaterThan(0);
    const nx = setUp(query => makeResponse(query, { rcode: 3, authorities: [soa()] } as never));
    expect((await nx.ask()).rcode).toBe(3);
    expect(nx.udp.asked).toHaveLength(1);
  });

  test('counts AAAA of excluded prefixes as none, and leaves them out beside others (section 5.1.4)', async () => {
    const mapped = setUp(upstream({ A: [a('198.51.100.1')], AAAA: [aaaa('::ffff:198.51.100.1')] }));
    expect((await mapped.ask()).data).toEqual(['64:ff9b::c633:6401']);
    const both = setUp(upstream({ AAAA: [aaaa('2001:db8:bad::1'), aaaa('2001:db8::1')] }), {
      dns64: { exclude: ['2001:db8:bad::/48'] },
    });
    expect((await both.ask()).data).toEqual(['2001:db8::1']);
    const alone = setUp(upstream({ AAAA: [aaaa('::ffff:10.0.0.1')] }));
    expect(await alone.ask()).toMatchObject({ rcode: 0, data: [] });
  });

  test('has no private address behind the well-known prefix (RFC 6052 section 3.1), behind others it has', async () => {
    const handler = upstream({ A: [a('10.0.0.1'), a('198.51.100.1')] });
    expect((await setUp(handler).ask()).data).toEqual(['64:ff9b::c633:6401']);
    const own = setUp(handler, { dns64: { prefix: '64:ff9b:1:fffe::/96' } });
    expect((await own.ask()).data).toEqual(['64:ff9b:1:fffe::a00:1', '64:ff9b:1:fffe::c633:6401']);
  });

  test('is made of A though AAAA failed, for a short time (RFC 4074, RFC 6147 section 5.1.2)', async () => {
    const t = setUp(query => {
      const { type } = decode(query).questions![0] as { type: string };
      return type === 'A' ? upstream({ A: [a('198.51.100.1')] })(query) : makeResponse(query, { rcode: 2 } as never);
    });
    const { data, reply } = await t.ask();
    expect(data).toEqual(['64:ff9b::c633:6401']);
    expect(decode(reply).answers).toMatchObject([{ ttl: 30 }]);
  });

  test('is a failure where A fails: nobody knows that there is no address', async () => {
    const t = setUp(query => {
      const { type } = decode(query).questions![0] as { type: string };
      return type === 'AAAA' ? upstream({})(query) : makeResponse(query, { rcode: 2 } as never);
    });
    expect((await t.ask()).rcode).toBe(2);
    expect(t.engine.answer(makeQuery('v4.example', { type: 'AAAA' }))).toBeLessThan(0);
  });

  test('is what there is for those who validate themselves (CD; section 5.5), and for other types', async () => {
    const t = setUp(upstream({ A: [a('198.51.100.1')] }));
    expect((await t.ask('v4.example', { dnssecOk: true, cd: true })).data).toEqual([]);
    expect((await t.ask('v4.example', { cd: true })).data).toEqual([]);
    expect((await t.ask('v4.example', { type: 'A' })).data).toEqual(['198.51.100.1']);
    expect((await t.ask('v4.example', { dnssecOk: true })).data).toEqual(['64:ff9b::c633:6401']);
    expect((await t.ask()).data).toEqual(['64:ff9b::c633:6401']);
    expect((await t.ask('v4.example', { dnssecOk: true, cd: true })).data).toEqual([]);
  });

  test("has no AD of the upstream's (RFC 4035 section 3.2.3)", async () => {
    const t = setUp(query => {
      const response = upstream({ A: [a('198.51.100.1')] })(query);
      response[3] |= 0x20;
      return response;
    });
    const { reply } = await t.ask('v4.example', { ad: true });
    expect(reply[3] & 0x20).toBe(0);
  });

  test('is refreshed with its address, not with what is known of that', async () => {
    const t = setUp(upstream({ A: [a('198.51.100.1', 100)] }));
    const query = makeQuery('v4.example', { type: 'AAAA' });
    await t.ask();
    await t.advance(95_000);
    t.resolver.prefetch(new Query(query));
    await t.advance(1);
    expect(t.udp.asked).toHaveLength(4);
    await t.advance(50_000);
    expect(t.engine.answer(query)).toBeGreaterThan(0);
  });
});

describe('names that networks ask for', () => {
  test('ipv4only.arpa tells the prefix, and nobody is asked (RFC 7050, RFC 8880 section 7.1)', async () => {
    const t = setUp(() => answerA(new Uint8Array()), {});
    expect((await t.ask('ipv4only.arpa')).data).toEqual(['64:ff9b::c000:aa', '64:ff9b::c000:ab']);
    expect((await t.ask('ipv4only.arpa', { type: 'A' })).data).toEqual(['192.0.0.170', '192.0.0.171']);
    expect(t.udp.asked).toHaveLength(0);
  });

  test('the reverse name of a translated address is an alias of that of the IPv4 address (section 5.3.1)', async () => {
    const t = setUp(
      upstream({ PTR: [{ type: 'PTR', name: '1.100.51.203.in-addr.arpa', ttl: 300, data: 'host.example' }] }),
    );
    const name = `1.0.4.6.3.3.b.c.${'0.'.repeat(16)}b.9.f.f.4.6.0.0.ip6.arpa`;
    const { reply } = await t.told(name, { type: 'PTR' });
    expect(decode(reply).answers).toMatchObject([
      { type: 'CNAME', name, data: '1.100.51.203.in-addr.arpa' },
      { type: 'PTR', data: 'host.example' },
    ]);
    expect(t.resolver.stats).toMatchObject({ dns64Pointers: 1 });
  });
});
