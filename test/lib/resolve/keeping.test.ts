// What is kept of answers and failures, and what else they say: stale answers, denials, lifetimes, shares.
import { afterEach, expect, test, vi } from 'vitest';
import { ShardnsError } from '../../../lib/base/errors.js';
import type { Recursor } from '../../../lib/resolve/recurse/recursor.js';
import { MISS } from '../../../lib/cache/engine.js';
import { settle } from '../../support/fake-clock.js';
import { answerA, decode, makeQuery, makeResponse, type QueryShape, rcodeOf, soa } from '../../support/messages.js';
import { slowPath } from '../../support/slow-path.js';

afterEach(() => vi.restoreAllMocks());

const nameOf = (query: Uint8Array): string => decode(query).questions![0].name.toLowerCase();
const nxdomain = (query: Uint8Array, zone = 'example') =>
  makeResponse(query, { rcode: 3, authorities: [soa(zone, 300, 60)] });

test.each<[string, QueryShape, QueryShape]>([
  ['with DO', { dnssecOk: true }, {}],
  ['without DO', {}, { dnssecOk: true }],
  ['validated', {}, { cd: true }],
  ['validated and with DO', { dnssecOk: true }, { cd: true }],
])('a stale answer that was asked for %s stands in for a failure of another form', async (_, before, after) => {
  let down = false;
  const t = slowPath(query => (down ? makeResponse(query, { rcode: 2 }) : answerA(query, 60)));
  await t.resolve('a.example', before);
  down = true;
  await t.advance(61_000);
  const first = await t.told('a.example', after);
  expect(first).toMatchObject({ rcode: 0, data: ['192.0.2.1'] });
  // The failure is remembered, and hides nothing.
  const length = t.engine.answer(makeQuery('a.example', after));
  expect(rcodeOf(t.engine.reply.subarray(0, length))).toBe(0);
  expect(decode(t.engine.reply.slice(0, length)).answers![0]).toMatchObject({ ttl: 30 });
  expect(t.udp.asked.length).toBeLessThanOrEqual(3);
});

test('what was not validated is never shown stale to those who want it to be', async () => {
  let down = false;
  const t = slowPath(query => (down ? makeResponse(query, { rcode: 2 }) : answerA(query, 60)));
  await t.resolve('a.example', { cd: true });
  down = true;
  await t.advance(61_000);
  expect(await t.told('a.example')).toMatchObject({ rcode: 2 });
});

test('an answer with DO ends the failure that those without it are told', async () => {
  let down = true;
  const t = slowPath(query => (down ? makeResponse(query, { rcode: 2 }) : answerA(query, 60)));
  await t.resolve('a.example');
  down = false;
  await t.resolve('a.example', { dnssecOk: true });
  const length = t.engine.answer(makeQuery('a.example'));
  expect(rcodeOf(t.engine.reply.subarray(0, length))).toBe(0);
});

test('a failure beside expired RRsets hides them from nobody, and is not asked about again for 30 s', async () => {
  const t = slowPath(() => undefined);
  let asked = 0;
  const a = {
    name: Buffer.from('\x01a\x07example\0'),
    type: 1,
    ttl: 30,
    data: [Uint8Array.of(192, 0, 2, 1)],
    signatures: [],
  };
  const stale = { rcode: 0, answers: [a], authority: [], noCache: false, stale: true, leftMs: 0 };
  t.resolver.recursor = {
    serves: () => true,
    known: { chain: (_n: unknown, _t: unknown, staleTtl?: number) => (staleTtl !== undefined ? stale : undefined) },
  } as unknown as Recursor;
  t.resolver.pool = {
    answer: () => {
      asked++;
      return Promise.resolve({ kind: 'failure', extendedError: 22, reason: 'silence', ours: false });
    },
  };
  for (let i = 0; i < 3; i++) expect(await t.told('a.example')).toMatchObject({ rcode: 0 });
  expect(asked).toBe(1);
  await t.advance(30_100);
  await t.told('a.example');
  expect(asked).toBe(2);
});

test('a failure of recursion for want of our own room is asked about again at once', async () => {
  const t = slowPath(() => undefined);
  t.resolver.recursor = { serves: () => true, known: { chain: () => undefined } } as unknown as Recursor;
  let asked = 0;
  t.resolver.pool = {
    answer: () => {
      asked++;
      return Promise.resolve({ kind: 'failure', extendedError: 0, reason: 'full', ours: true });
    },
  };
  await t.told('a.example');
  await t.told('a.example');
  expect(asked).toBe(2);
});

const subnet = { options: [{ code: 8, data: Buffer.from('00011800c63364', 'hex') }] };

test('an upstream that refuses a subnet is asked once more without it, and the name fails for nobody (RFC 7871 7.1.3)', async () => {
  const t = slowPath(
    query => (query.includes(Buffer.from('c63364', 'hex')) ? makeResponse(query, { rcode: 5 }) : answerA(query)),
    { upstream: { clientSubnet: 'forward' } },
  );
  expect(await t.told('bank.example', subnet)).toMatchObject({ rcode: 0, data: ['192.0.2.1'] });
  expect(await t.told('bank.example')).toMatchObject({ rcode: 0, data: ['192.0.2.1'] });
  expect(t.udp.asked).toHaveLength(2);
});

test('silence to one subnet is remembered for that subnet only', async () => {
  const t = slowPath(query => (query.includes(Buffer.from('c63364', 'hex')) ? undefined : answerA(query)), {
    upstream: { clientSubnet: 'forward', deadlineMs: 500 },
  });
  const asked = t.told('bank.example', subnet);
  await t.advance(600);
  expect(await asked).toMatchObject({ rcode: 2 });
  const { length } = t.udp.asked;
  expect(await t.told('bank.example', subnet)).toMatchObject({ rcode: 2 });
  expect(t.udp.asked).toHaveLength(length);
  expect(await t.told('bank.example')).toMatchObject({ rcode: 0 });
});

test('the failure of a name hides no stale answer for a subnet', async () => {
  let down = false;
  const t = slowPath(
    query => {
      if (down) return makeResponse(query, { rcode: 2 });
      const response = answerA(query, 60);
      response.writeUInt16BE(1, 10);
      const opt = '00002904d000000000000b0008000700011818c63364';
      return Buffer.concat([response, Buffer.from(opt, 'hex')]);
    },
    { upstream: { clientSubnet: 'forward' } },
  );
  await t.told('geo.example', subnet);
  down = true;
  await t.advance(61_000);
  expect((await t.told('geo.example')).rcode).toBe(2);
  const length = t.engine.answer(makeQuery('geo.example', subnet)); // as native threads answer
  expect(rcodeOf(t.engine.reply.subarray(0, length))).toBe(0);
  for (let i = 0; i < 2; i++)
    expect(await t.told('geo.example', subnet)).toMatchObject({ rcode: 0, data: ['192.0.2.1'] });
});

test.each<[string, (query: Uint8Array) => Buffer]>([
  ['of TTL 0', query => answerA(query, 0, '192.0.2.9')],
  ['NXDOMAIN without SOA', query => makeResponse(query, { rcode: 3 })],
])('a fresh answer that may not be stored (%s) ends the stale one, with DO and without', async (_, fresh) => {
  let now: (query: Uint8Array) => Buffer = query => answerA(query, 60);
  const t = slowPath(query => now(query));
  await t.resolve('a.example', { dnssecOk: true });
  await t.resolve('a.example');
  await t.advance(61_000);
  now = fresh;
  await t.resolve('a.example');
  now = query => makeResponse(query, { rcode: 2 });
  expect((await t.told('a.example')).rcode).toBe(2);
  expect((await t.told('a.example', { dnssecOk: true })).rcode).toBe(2);
});

test.each([
  ['NXDOMAIN', 3],
  ['NODATA', 0],
])('%s with a record twice in its authority section is kept with it once (RFC 2181 section 5)', async (_, rcode) => {
  const twice = [soa('example', 300, 60), soa('example', 300, 60)];
  const t = slowPath(query => makeResponse(query, { rcode, authorities: twice }));
  for (let i = 0; i < 2; i++) {
    const { reply } = await t.told('a.example');
    expect([rcodeOf(reply), decode(reply).authorities!.length]).toEqual([rcode, 1]);
  }
  expect(t.udp.asked).toHaveLength(1);
});

test('NXDOMAIN is for the name: other types, with DO and without, and all names below (RFC 2308 5; RFC 8020)', async () => {
  const t = slowPath(query => nxdomain(query));
  await t.told('gone.example', { dnssecOk: true });
  for (const type of ['A', 'AAAA', 'MX', 'TXT']) {
    const { rcode, reply } = await t.told('gone.example', { type });
    expect(rcode).toBe(3);
    expect(decode(reply).questions![0]).toMatchObject({ name: 'gone.example', type });
    expect(decode(reply).authorities).toHaveLength(1);
  }
  expect((await t.told('a.b.gone.example')).rcode).toBe(3);
  expect(t.udp.asked).toHaveLength(1);
  await t.told('notgone.example');
  expect(t.udp.asked).toHaveLength(2);
});

test('a denial of another name lives no longer than the one that it is made of', async () => {
  const t = slowPath(query => nxdomain(query));
  await t.resolve('gone.example');
  await t.advance(59_500);
  await t.resolve('b.gone.example');
  expect(t.udp.asked).toHaveLength(1);
  await t.advance(600);
  expect(t.engine.answer(makeQuery('b.gone.example'))).toBeLessThan(0);
});

test('a denial of more records than are looked at is one of its question only', async () => {
  const many = Array.from({ length: 501 }, (_, i) => ({
    type: 'TXT' as const,
    name: 'example',
    ttl: 60,
    data: String(i),
  }));
  const t = slowPath(query => makeResponse(query, { rcode: 3, authorities: [soa('example', 300, 60), ...many] }));
  for (const name of ['a.example', 'a.example', 'b.a.example', 'c.a.example']) {
    expect((await t.told(name, { dnssecOk: true })).rcode).toBe(3);
  }
  expect(t.udp.asked).toHaveLength(3);
});

test('what denies more than its name is not believed of others', async () => {
  const t = slowPath(query => {
    const name = nameOf(query);
    if (name === 'apex.example') return nxdomain(query, 'apex.example');
    if (name === 'foreign.example') return nxdomain(query, 'elsewhere.test');
    if (name === 'alias.example') {
      const alias = { type: 'CNAME', name, ttl: 60, data: 'gone.example' } as const;
      return makeResponse(query, { rcode: 3, answers: [alias], authorities: [soa('example', 300, 60)] });
    }
    return answerA(query);
  });
  for (const name of ['apex.example', 'foreign.example', 'alias.example']) {
    expect((await t.told(name)).rcode).toBe(3);
    expect((await t.told(`below.${name}`)).rcode).toBe(0);
  }
});

test('a name that is there after all is denied no more', async () => {
  const t = slowPath(query => (decode(query).questions![0].type === 'AAAA' ? nxdomain(query) : answerA(query)));
  const both = [t.told('a.example', { type: 'AAAA' }), t.told('a.example')];
  expect((await Promise.all(both)).map(one => one.rcode)).toEqual([3, 0]);
  expect((await t.told('a.example', { type: 'TXT' })).rcode).toBe(0);
});

test('names below one that does not exist are asked where nothingBelowNxdomain is off', async () => {
  const t = slowPath(query => (nameOf(query) === 'gone.example' ? nxdomain(query) : answerA(query)), {
    resolver: { nothingBelowNxdomain: false },
  });
  await t.told('gone.example');
  expect((await t.told('a.gone.example')).rcode).toBe(0);
  expect((await t.told('gone.example', { type: 'MX' })).rcode).toBe(3);
  expect(t.udp.asked).toHaveLength(2);
});

test('what one group of upstreams denies is asked of another', async () => {
  const t = slowPath(
    (query, server) => (server.startsWith('192') ? nxdomain(query) : answerA(query)),
    {},
    { onQuery: ({ name }) => (name === 'x.corp.example.' ? { group: 'other' } : undefined) },
  );
  expect((await t.told('corp.example')).rcode).toBe(3);
  expect((await t.told('x.corp.example')).rcode).toBe(0);
});

test('an answer made without DO lives no longer than the one with it, to the tick', async () => {
  const t = slowPath(query => answerA(query, 2));
  await t.resolve('a.example', { dnssecOk: true });
  await t.advance(900);
  await t.resolve('a.example');
  expect(t.udp.asked).toHaveLength(1);
  await t.advance(900);
  let length = t.engine.answer(makeQuery('a.example'));
  expect(decode(t.engine.reply.slice(0, length)).answers![0]).toMatchObject({ ttl: 1 });
  await t.advance(250);
  length = t.engine.answer(makeQuery('a.example'));
  expect(length).toBeLessThan(0);
});

test('one client begins its share of the questions under way, whatever its address in the /56; others have the rest', async () => {
  const t = slowPath(() => undefined, { upstream: { maxTotal: 200 } });
  const from = (address: string, i: number) => t.ask(makeQuery(`n${i}.example`), { client: { address, port: 1 } });
  for (let i = 0; i < 100; i++) void from(`2001:db8::${i.toString(16)}`, i);
  expect(await from('2001:db8:0:7f::1', 100)).toMatchObject({ kind: 'error', rcode: 2 });
  expect(t.resolver.stats).toMatchObject({ clientOverloaded: 1, overloaded: 0 });
  void from('2001:db8:0:100::1', 101);
  void from('192.0.2.77', 102);
  expect(t.resolver.inFlight).toBe(102);
  expect(await t.told('n100.example', {}, { client: { address: '2001:db8::1', port: 1 } })).toMatchObject({ rcode: 2 });
  await t.advance(6000);
  expect(t.resolver.inFlight).toBe(0);
  void from('2001:db8::1', 200);
  expect(t.resolver.inFlight).toBe(1);
});

test('what is known of servers that others have taken the place of is forgotten, also what is under way', async () => {
  let answer = (query: Uint8Array): Buffer | Promise<Buffer> => nxdomain(query);
  const t = slowPath(query => answer(query));
  await t.told('intranet.example');
  answer = query => makeResponse(query, { rcode: 2 });
  await t.told('failing.example');
  let late = (): void => {};
  answer = query => new Promise(resolve => (late = () => resolve(nxdomain(query))));
  const underWay = t.told('late.example');
  await settle();
  t.resolver.forgetUpstreamKnowledge();
  late();
  expect((await underWay).rcode).toBe(3);
  expect(t.engine.answer(makeQuery('late.example'))).toBe(MISS);
  answer = query => answerA(query);
  for (const name of ['intranet', 'failing', 'late', 'below.intranet']) {
    expect((await t.told(`${name}.example`)).rcode).toBe(0);
  }
});

test('YXDOMAIN is an answer: passed on as what it is, kept by nobody, and no fault of its server (RFC 6672 2.2)', async () => {
  const t = slowPath(query => makeResponse(query, { rcode: 6 }), {}, {}, { servers: ['192.0.2.1:53', '192.0.2.2:53'] });
  expect((await t.told('a.example')).rcode).toBe(6);
  expect(t.udp.asked).toHaveLength(1);
  await t.told('a.example');
  expect(t.udp.asked).toHaveLength(2);
  expect(t.resolver.stats.failures).toBe(0);
});

test('an exchanger whose transports are closed leaves no failure behind', async () => {
  const t = slowPath(query => answerA(query));
  vi.spyOn(t.udp, 'handler').mockRejectedValue(new ShardnsError('ERR_SHARDNS_CLOSED', 'closed'));
  expect((await t.told('a.example')).rcode).toBe(2);
  vi.restoreAllMocks();
  expect((await t.told('a.example')).rcode).toBe(0);
});
