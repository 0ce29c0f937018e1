// Names that never leave the machine, and how each is switched.
import { describe, expect, test } from 'vitest';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { Type } from '../../../lib/wire/iana.js';
import { decodeMessage, encodeMessage } from '../../../lib/wire/message.js';
import { Query } from '../../../lib/wire/query.js';
import { encodeRdata } from '../../../lib/wire/rdata.js';
import { decode, makeQuery, makeResponse, soa } from '../../support/messages.js';
import { slowPath } from '../../support/slow-path.js';

const build = (localZones: ServerOptions['localZones'] = true) =>
  slowPath(query => makeResponse(query, { authorities: [soa('forwarded.example')] }), { localZones });
/** A query of a type that dns-packet does not know. */
function queryOf(name: string, type: number): Buffer {
  const query = makeQuery(name);
  query.writeUInt16BE(type, query.length - 4);
  return query;
}

describe('a server answers of its own', () => {
  test.each([
    ['localhost', 'A', 0, ['127.0.0.1']],
    ['a.b.localhost', 'AAAA', 0, ['::1']],
    ['localhost', 'MX', 0, []],
    ['x.invalid', 'A', 3, []],
    ['x.test', 'A', 3, []],
    ['facebookcorewwwi.onion', 'A', 3, []],
    ['printer.home.arpa', 'A', 3, []],
    ['home.arpa', 'A', 0, []],
    ['ipv4only.arpa', 'A', 0, ['192.0.0.170', '192.0.0.171']],
    ['ipv4only.arpa', 'AAAA', 0, []],
    ['x.ipv4only.arpa', 'A', 3, []],
    ['170.0.0.192.in-addr.arpa', 'PTR', 0, ['ipv4only.arpa']],
    ['_dns.resolver.arpa', 'TXT', 0, []],
    ['resolver.arpa', 'A', 0, []],
    ['x.resolver.arpa', 'A', 0, []],
    ['1.0.0.127.in-addr.arpa', 'PTR', 0, ['localhost']],
    ['0.0.127.in-addr.arpa', 'PTR', 0, []],
    ['1.1.1.10.in-addr.arpa', 'PTR', 3, []],
    ['1.1.20.172.in-addr.arpa', 'PTR', 3, []],
    ['1.1.168.192.in-addr.arpa', 'PTR', 3, []],
    ['1.1.254.169.in-addr.arpa', 'PTR', 3, []],
    ['1.2.0.192.in-addr.arpa', 'PTR', 3, []],
    ['1.100.51.198.in-addr.arpa', 'PTR', 3, []],
    ['1.113.0.203.in-addr.arpa', 'PTR', 3, []],
    ['255.255.255.255.in-addr.arpa', 'PTR', 0, []],
    ['1.0.0.0.in-addr.arpa', 'PTR', 3, []],
    ['1.1.127.100.in-addr.arpa', 'PTR', 3, []],
    ['1.8.b.d.0.1.0.0.2.ip6.arpa', 'PTR', 3, []],
    ['1.d.f.ip6.arpa', 'PTR', 3, []],
    ['1.8.e.f.ip6.arpa', 'PTR', 3, []],
  ])('%s %s', async (name, type, rcode, data) => {
    const t = build();
    expect(await t.told(name, { type })).toMatchObject({ rcode, data });
    expect(t.udp.asked).toHaveLength(0);
  });

  test('denials with the SOA of the zone itself (RFC 6303 section 3), ANY too', async () => {
    const t = build();
    for (const type of ['A', 'ANY']) {
      const { rcode, reply } = await t.told('x.home.arpa', { type });
      expect(rcode).toBe(3);
      expect(decode(reply).authorities![0]).toMatchObject({ name: 'home.arpa', type: 'SOA' });
    }
    expect(t.udp.asked).toHaveLength(0);
  });
});

test('their name server and mailbox can be set (RFC 6303 section 3)', async () => {
  for (const [localZones, mname, rname] of [
    [true, '10.in-addr.arpa', 'nobody.invalid'],
    [{ nameServer: 'ns.corp.example', mailbox: 'noc.corp.example' }, 'ns.corp.example', 'noc.corp.example'],
  ] as const) {
    const t = build(localZones);
    const { authorities } = decode((await t.told('1.10.in-addr.arpa', { type: 'PTR' })).reply);
    expect(authorities).toMatchObject([{ type: 'SOA', name: '10.in-addr.arpa', data: { mname, rname } }]);
    expect((await t.told('10.in-addr.arpa', { type: 'NS' })).data).toEqual([mname]);
  }
  expect(() => readOptions({ localZones: { mailbox: 'a..b' } })).toThrow(/localZones\.mailbox.*a\.\.b/);
});

test('what the zone above says of one is asked there: that home.arpa is not signed (RFC 8375 section 4)', async () => {
  const t = build();
  await t.resolve('home.arpa', { type: 'DS' });
  expect(t.udp.asked).toHaveLength(1);
});

test('other names under the same roofs are resolved', async () => {
  const t = build();
  const names = ['arpa', 'x.arpa', '1.1.32.172.in-addr.arpa', '1.1.128.100.in-addr.arpa', 'printer.local', 'x.example'];
  for (const name of names) await t.resolve(name);
  expect(t.udp.asked).toHaveLength(names.length);
});

test('each is switched by its name, whatever its letters; local only where it is asked for', async () => {
  const t = build({ without: ['HOME.arpa', '168.192.in-addr.arpa.'], with: ['local'] });
  for (const name of ['printer.home.arpa', '1.1.168.192.in-addr.arpa']) await t.resolve(name, { type: 'PTR' });
  expect(t.udp.asked).toHaveLength(2);
  expect((await t.told('printer.local')).rcode).toBe(3);
  expect((await t.told('x.test')).rcode).toBe(3);
  expect(t.udp.asked).toHaveLength(2);
  const none = build(false);
  await none.resolve('x.test');
  expect(none.udp.asked).toHaveLength(1);
});

test('a switch that is no built-in zone is told', () => {
  const wrong = (localZones: object): (() => unknown) => {
    return () => readOptions({ localZones });
  };
  expect(wrong({ without: ['home.lan'] })).toThrow(/localZones\.without\[0\].*built-in zone.*home\.lan/);
  expect(wrong({ with: ['home.lan'] })).toThrow(/localZones\.with\[0\].*home\.lan/);
  expect(wrong({ without: ['a..b'] })).toThrow(/localZones\.without\[0\]/);
});

test('a local zone of the same name takes the place of a built-in one', async () => {
  const t = slowPath(query => makeResponse(query, { authorities: [soa('example')] }), {
    local: { zones: [{ name: 'home.arpa', kind: 'transparent' }], records: ['nas.home.arpa A 192.168.1.9'] },
  });
  expect((await t.told('nas.home.arpa')).data).toEqual(['192.168.1.9']);
  await t.told('other.home.arpa');
  expect(t.udp.asked).toHaveLength(1);
});

test('a hook may answer for names of a built-in zone; the group that it names is not asked for them', async () => {
  const t = slowPath(
    query => makeResponse(query, { authorities: [soa('example')] }),
    {},
    {
      onQuery: ({ name }) =>
        name === 'printer.home.arpa.'
          ? { answer: [{ name, type: 'A', ttl: 60, data: '192.168.1.9' }] }
          : { group: 'other' },
    },
  );
  expect((await t.told('printer.home.arpa')).data).toEqual(['192.168.1.9']);
  for (const name of ['other.home.arpa', 'x.onion']) expect((await t.told(name)).rcode).toBe(3);
  expect(t.udp.asked).toHaveLength(0);
});

test('discovery of designated resolvers finds none, and asks nobody (RFC 9462 sections 4 and 6.1)', async () => {
  const t = build();
  const found = await t.ask(queryOf('_dns.resolver.arpa', Type.SVCB));
  expect(found.kind === 'message' && found.message[3] & 15).toBe(0);
  expect(t.udp.asked).toHaveLength(0);
});

const HINTS = { v4: 'ipv4hint=192.0.2.1', v6: 'ipv6hint=2001:db8::1' };
test.each([
  ['blockAaaa', `mandatory=ipv6hint alpn=h2 ${HINTS.v4} ${HINTS.v6}`, `alpn=h2 ${HINTS.v4}`],
  ['blockA', `mandatory=alpn,ipv4hint alpn=h2 ${HINTS.v4} ${HINTS.v6}`, `mandatory=alpn alpn=h2 ${HINTS.v6}`],
  ['transparent', `alpn=h2 ${HINTS.v4} ${HINTS.v6}`, `alpn=h2 ${HINTS.v4} ${HINTS.v6}`],
] as const)('a zone of kind %s keeps HTTPS records with %s as %s (RFC 9460 section 7.3)', async (kind, given, left) => {
  const data = (parameters: string): Uint8Array => encodeRdata(Type.HTTPS, `1 . ${parameters}`);
  const t = slowPath(
    query => {
      const { name } = new Query(query);
      const record = (type: number, octets: Uint8Array) => ({ name, type, dnsClass: 1, ttl: 300, data: octets });
      const message = encodeMessage({
        id: query.readUInt16BE(0),
        flags: 0x8180,
        question: { name: query.subarray(12, 12 + name.length), type: Type.HTTPS, dnsClass: 1 },
        answers: [
          record(Type.HTTPS, data(given)),
          record(
            Type.RRSIG,
            encodeRdata(Type.RRSIG, 'HTTPS 13 2 300 20500101000000 20200101000000 1 example. AAAA', '.'),
          ),
        ],
        authorities: [],
        additionals: [],
      });
      return message;
    },
    { local: { zones: [{ name: 'example.com', kind }] } },
  );
  const found = await t.ask(queryOf('svc.example.com', Type.HTTPS));
  if (found.kind !== 'message') throw new Error(found.kind);
  const { answers } = decodeMessage(found.message);
  expect(answers.map(one => one.type)).toEqual(kind === 'transparent' ? [Type.HTTPS, Type.RRSIG] : [Type.HTTPS]);
  expect(Buffer.from(answers[0].data)).toEqual(Buffer.from(data(left)));
  expect(t.engine.answer(queryOf('svc.example.com', Type.HTTPS))).toBeGreaterThan(0);
  expect(Buffer.from(t.engine.reply).includes(Buffer.from(data(left)))).toBe(true);
});
