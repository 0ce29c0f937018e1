// One question to one server: EDNS, letters, truncation, what cannot be believed, and how much may be outstanding; on a
// fake clock and a fake network.
import { expect, test } from 'vitest';
import { parsePrefix } from '../../../lib/base/address.js';
import { Canceller } from '../../../lib/base/cancel.js';
import { ShardnsError } from '../../../lib/base/errors.js';
import { PrefixTable } from '../../../lib/base/prefix-table.js';
import { NO_SOCKET_ALONE } from '../../../lib/transport/transport.js';
import { Upstream } from '../../../lib/upstream/upstream.js';
import { buildExchanger as build, refusing } from '../../support/exchanger.js';
import { settle } from '../../support/fake-clock.js';
import type { Handler } from '../../support/fake-transport.js';
import { findOption } from '../../../lib/wire/opt.js';
import { answerA, decode, makeQuery, makeResponse, type QueryShape, rcodeOf, soa } from '../../support/messages.js';

const PUBLIC = ['192.0.2.1:53'];
const PRIVATE = ['192.168.1.1:53'];
const opt = { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as never;
const hasEdns = (query: Uint8Array): boolean => query[11] > 0;
const nameOf = (query: Uint8Array): string => decode(query).questions![0].name;
/** FORMERR, and nothing but the header. */
const bare = (query: Buffer): Buffer =>
  Buffer.concat([query.subarray(0, 2), Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0])]);
const inLowerCase = (response: Buffer, query: Buffer): Buffer => {
  const lower = Buffer.from(response);
  for (let i = 12; i < 12 + query.indexOf(0, 12) - 12; i++) if (lower[i] >= 0x41 && lower[i] <= 0x5a) lower[i] |= 0x20;
  return lower;
};
const withOpt = (query: Buffer, shape = {}): Buffer => makeResponse(query, { additionals: [opt], ...shape });

test('a truncated response leads to TCP', async () => {
  const t = build(
    query => makeResponse(query, { flags: 0x0200 }),
    PUBLIC,
    {},
    query => answerA(query),
  );
  const { response } = await t.exchange();
  expect(decode(response).answers).toHaveLength(1);
  expect(t.tcp.asked).toHaveLength(1);
  expect(t.upstreams[0].stats.truncated).toBe(1);
});

test('what is truncated over TCP is a failure of its server: the next one is asked (RFC 2181 section 9)', async () => {
  const servers = ['192.0.2.1:53', '192.0.2.2:53'];
  const cut: Handler = (query, server) =>
    server === servers[0] ? makeResponse(query, { flags: 0x0200 }) : answerA(query);
  const t = build(cut, servers);
  t.upstreams[0].succeeded(1);
  t.upstreams[1].succeeded(50);
  for (let i = 0; i < 20; i++) expect((await t.exchange(`n${i}.example`)).upstream.label).toBe(servers[1]);
  const alone = build(cut, PUBLIC);
  await expect(alone.exchange()).rejects.toThrow('truncated its response over TCP');
});

test('FORMERR to EDNS: once more without for this question, and for all after three names', async () => {
  const t = build(query => (hasEdns(query) ? makeResponse(query, { rcode: 1 }) : answerA(query)), PUBLIC);
  const queries = async (name: string): Promise<number> => {
    const before = t.udp.asked.length;
    expect(rcodeOf((await t.exchange(name)).response)).toBe(0);
    return t.udp.asked.length - before;
  };
  expect(await queries('a.example')).toBe(2);
  expect(await queries('a.example')).toBe(2);
  expect(await queries('b.example')).toBe(2);
  expect(await queries('c.example')).toBe(2);
  expect(await queries('d.example')).toBe(1);
  await t.clock.advance(900_000);
  expect(await queries('d.example')).toBe(2);
});

test('a server that has shown EDNS keeps it, whatever it says to odd names (RFC 6891 section 7)', async () => {
  const t = build(query => {
    if (!hasEdns(query)) return answerA(query);
    return nameOf(query).toLowerCase().startsWith('odd') ? makeResponse(query, { rcode: 1 }) : withOpt(query);
  }, PUBLIC);
  await t.exchange('a.example');
  for (let i = 0; i < 5; i++) await t.exchange(`odd${i}.example`);
  await t.exchange('b.example');
  expect(hasEdns(t.udp.asked.at(-1)!.query)).toBe(true);
});

test('FORMERR with OPT in it is no sign of no EDNS', async () => {
  const t = build(query => (hasEdns(query) ? withOpt(query, { rcode: 1 }) : answerA(query)), PUBLIC);
  for (let i = 0; i < 5; i++) expect(rcodeOf((await t.exchange(`odd${i}.example`)).response)).toBe(0);
  expect(t.upstreams[0].edns.granted).toBe(false);
});

test('FORMERR to both is what the server says', async () => {
  const t = build(query => makeResponse(query, { rcode: 1 }), PUBLIC);
  expect(rcodeOf((await t.exchange()).response)).toBe(1);
  expect(t.udp.asked).toHaveLength(2);
});

test('FORMERR without the question is not believed over UDP: TCP decides (RFC 5452 section 9.1)', async () => {
  let forged = 0;
  const t = build(
    query => (forged++ === 0 ? bare(query) : withOpt(query)),
    PUBLIC,
    {},
    query => answerA(query, 300, '192.0.2.7'),
  );
  const { response } = await t.exchange();
  expect(response.at(-1)).toBe(7);
  expect(hasEdns(t.tcp.asked[0].query)).toBe(true);
  expect(t.upstreams[0].edns.granted).toBe(false);
});

test('a forged FORMERR does not stop the true response', async () => {
  const t = build(query => bare(query), PUBLIC, {}, refusing);
  const seen: Buffer[] = [];
  t.udp.handler = async query => {
    seen.push(query);
    if (seen.length > 1) return undefined;
    setImmediate(() => t.udp.asked[0].doubt('question'));
    await settle();
    return answerA(query);
  };
  expect(rcodeOf((await t.exchange()).response)).toBe(0);
});

test('a server of FORMERR without question that has no TCP is asked without EDNS, for this question alone', async () => {
  const t = build(query => (hasEdns(query) ? bare(query) : answerA(query)), PUBLIC, {}, refusing);
  for (let i = 0; i < 5; i++) expect(rcodeOf((await t.exchange(`n${i}.example`)).response)).toBe(0);
  expect(t.upstreams[0].edns.granted).toBe(false);
  expect(t.udp.asked.filter(one => one.query[13] === t.udp.asked[0].query[13]).length).toBeLessThanOrEqual(15);
});

test('extended rcodes are read: BADVERS is asked again without EDNS, others are failures (RFC 6891 section 6.1.3)', async () => {
  const extended = (query: Buffer, high: number): Buffer => {
    const response = withOpt(query);
    response[response.length - 6] = high;
    return response;
  };
  const t = build(query => (hasEdns(query) ? extended(query, 1) : answerA(query)), PUBLIC);
  expect(decode((await t.exchange()).response).answers).toHaveLength(1);
  const bad = build(query => extended(query, 2), PUBLIC);
  await expect(bad.exchange()).rejects.toThrow('RCODE32');
});

test('names go out in random letters to public servers only, or to all, or to none', async () => {
  const name = 'some-long-name-of-many-letters.example';
  const mixed = async (servers: string[], letterCase?: 'public' | 'always' | 'never'): Promise<boolean> => {
    const t = build(query => answerA(query), servers, { letterCase });
    await t.exchange(name);
    return nameOf(t.udp.asked[0].query) !== name;
  };
  expect(await mixed(PUBLIC)).toBe(true);
  for (const server of [
    '127.0.0.53:53',
    '[::1]:53',
    '10.0.0.2:53',
    '192.168.1.1:53',
    '[fe80::1%lo]:53',
    '[fd00::1]:53',
  ]) {
    expect(await mixed([server])).toBe(false);
  }
  expect(await mixed(PRIVATE, 'always')).toBe(true);
  expect(await mixed(PUBLIC, 'never')).toBe(false);
});

test('queries need their entropy toward public servers only', async () => {
  for (const [servers, entropy] of [
    [PUBLIC, 'guarded'],
    [PRIVATE, 'any'],
  ] as const) {
    const t = build(query => answerA(query), [...servers]);
    await t.exchange();
    expect(t.udp.asked[0].options.entropy).toBe(entropy);
  }
});

test('a server that changes letters is asked over TCP', async () => {
  const t = build(query => inLowerCase(answerA(query), query), PUBLIC);
  expect(rcodeOf((await t.exchange('some-long-name.example')).response)).toBe(0);
  expect(t.tcp.asked).toHaveLength(1);
});

test('where it has no TCP it is asked as written; after three names at once, and in 15 minutes not any more', async () => {
  const t = build(query => inLowerCase(answerA(query), query), PUBLIC, {}, refusing);
  const queries = async (i: number): Promise<string[]> => {
    t.udp.asked.length = 0;
    expect(rcodeOf((await t.exchange(`some-long-name${i}.example`)).response)).toBe(0);
    return t.udp.asked.map(one => one.options.letters!);
  };
  for (let i = 0; i < 3; i++) expect(await queries(i)).toEqual(['drawn', 'kept']);
  expect(await queries(3)).toEqual(['kept']);
  await t.clock.advance(900_000);
  expect(await queries(4)).toEqual(['drawn', 'kept']);
});

test('always: NXDOMAIN of a private server is asked again as written, where letters may have been minded', async () => {
  const minds: Handler = query =>
    nameOf(query).startsWith('orders') && nameOf(query) === nameOf(query).toLowerCase()
      ? answerA(query)
      : makeResponse(query, { rcode: 3, authorities: [soa('example')] });
  const t = build(minds, PRIVATE, { letterCase: 'always' });
  for (let i = 0; i < 6; i++) expect(rcodeOf((await t.exchange(`orders-database-${i}`)).response)).toBe(0);
  expect(t.udp.asked.at(-1)!.options.letters).toBe('kept');
  const missing = build(minds, PRIVATE, { letterCase: 'always' });
  expect(rcodeOf((await missing.exchange('no-such-name-at-all')).response)).toBe(3);
  expect(missing.udp.asked).toHaveLength(2);
  const outside = build(minds, PUBLIC);
  expect(rcodeOf((await outside.exchange('no-such-name-at-all')).response)).toBe(3);
  expect(outside.udp.asked).toHaveLength(1);
});

test('no socket of its own is left: TCP, and where there is none a shared one', async () => {
  const full: Handler = (query, _server, { entropy }) => {
    if (entropy !== 'any') throw new ShardnsError('ERR_SHARDNS_OVERLOAD', 'full', { cause: NO_SOCKET_ALONE });
    return answerA(query);
  };
  const t = build(full, PUBLIC, {}, query => answerA(query));
  await t.exchange('x.com');
  expect(t.tcp.asked).toHaveLength(1);
  const noTcp = build(full, PUBLIC, {}, refusing);
  expect(rcodeOf((await noTcp.exchange('x.com')).response)).toBe(0);
  expect(noTcp.udp.asked).toHaveLength(2);
  expect(noTcp.upstreams[0].stats.failures).toBe(0);
});

test('a flood of packets that match nothing leads to TCP', async () => {
  const t = build(
    () => undefined,
    PUBLIC,
    {},
    query => answerA(query),
  );
  const pending = t.exchange();
  await settle();
  t.udp.asked[0].doubt('flood');
  expect(rcodeOf((await pending).response)).toBe(0);
});

test('a socket whose way is gone is replaced at once', async () => {
  let gone = 1;
  const t = build(query => {
    if (gone-- > 0) throw Object.assign(new Error('send ENETUNREACH'), { code: 'ENETUNREACH' });
    return answerA(query);
  }, PUBLIC);
  expect(rcodeOf((await t.exchange()).response)).toBe(0);
  expect(t.udp.asked).toHaveLength(2);
  expect(t.upstreams[0].stats.failures).toBe(0);
});

test('askers of the same thing share one query (RFC 5452 section 5)', async () => {
  const t = build(() => undefined, PUBLIC, { maxInFlight: 1000, maxTotal: 1000 });
  const answers = Array.from({ length: 1000 }, (_, i) => t.exchange(i % 2 ? 'VICTIM.example' : 'victim.example'));
  await settle();
  expect(t.udp.asked).toHaveLength(1);
  t.udp.handler = query => answerA(query);
  await t.clock.advance(1000);
  for (const { response } of await Promise.all(answers)) expect(rcodeOf(response)).toBe(0);
  expect(t.udp.asked).toHaveLength(2);
  expect(t.upstreams[0].stats.timeouts).toBe(1);
});

test('of many forms of one question three are outstanding; the others wait in order', async () => {
  const t = build(() => undefined, PUBLIC);
  const subnet = (i: number) => ({ options: [{ code: 8, data: Buffer.from([0, 1, 24, 0, 10, i >> 8, i & 255]) }] });
  const all = Array.from({ length: 100 }, (_, i) => t.exchange('victim.example', subnet(i)));
  await settle();
  expect(t.udp.open).toBe(3);
  let most = 0;
  t.udp.handler = query => {
    most = Math.max(most, t.udp.open);
    return answerA(query);
  };
  await t.clock.advance(5000);
  expect((await Promise.all(all)).length).toBe(100);
  // Those that were silent at first are sent again beside themselves.
  expect(most).toBeLessThanOrEqual(6);
  expect(t.exchanger.openAt(t.upstreams[0])).toBe(0);
});

const subnetForm = (i: number): QueryShape => ({
  options: [{ code: 8, data: Buffer.from([0, 1, 24, 0, 10, i >> 8, i & 255]) }],
});

test('of forms that wait clients take turns: hundreds of one keep another waiting for one of them', async () => {
  const t = build(() => undefined, PUBLIC);
  const cancel = new Canceller();
  const ask = (client: string, i: number) =>
    t.exchanger.ask(makeQuery('victim.example', subnetForm(i)), t.upstreams[0], { timeoutMs: 5000, cancel, client });
  const many = Array.from({ length: 300 }, (_, i) => ask('198.51.100.1', i));
  const few = [1000, 1001].map(i => ask('203.0.113.1', i));
  const order: number[] = [];
  t.udp.handler = query => {
    const [, , , , , high, low] = findOption(query, 8)!;
    order.push((high << 8) | low);
    return answerA(query);
  };
  // Those that were silent at first are sent again.
  await t.clock.advance(400);
  await t.clock.advance(4000);
  await Promise.all([...many, ...few]);
  const turn = (i: number): number => [...new Set(order)].indexOf(i);
  expect(turn(1000)).toBeLessThanOrEqual(4);
  expect(turn(1001)).toBeLessThanOrEqual(6);
  expect(turn(299)).toBe(301);
});

test('forms of a question that wait are bounded, and one client has half of that', async () => {
  const t = build(() => undefined, PUBLIC);
  const cancel = new Canceller();
  const ask = (client: string, i: number) =>
    t.exchanger
      .ask(makeQuery('victim.example', subnetForm(i)), t.upstreams[0], { timeoutMs: 5000, cancel, client })
      .then(
        () => 'answered',
        (error: ShardnsError) => error.code,
      );
  const many = Array.from({ length: 1000 }, (_, i) => ask('198.51.100.1', i));
  const other = ask('203.0.113.1', 1001);
  t.udp.handler = query => answerA(query);
  await t.clock.advance(400);
  await t.clock.advance(4000);
  const said = await Promise.all(many);
  expect(said.filter(one => one === 'answered')).toHaveLength(3 + 512);
  expect(said.filter(one => one === 'ERR_SHARDNS_OVERLOAD')).toHaveLength(1000 - 515);
  expect(await other).toBe('answered');
});

test('over streams all forms of a question are asked at once: nobody can forge there', async () => {
  const t = build(() => undefined, ['tcp://192.0.2.1:53']);
  const all = Array.from({ length: 50 }, (_, i) => t.exchange('a.example', subnetForm(i)).catch(() => undefined));
  await settle();
  expect(t.tcp.open).toBe(50);
  await t.clock.advance(5000);
  await Promise.all(all);
});

test('a response to a query that was given up counts for who asks again', async () => {
  const t = build(() => undefined, PUBLIC);
  const { exchanger, clock, upstreams } = t;
  const cancel = new Canceller();
  const query = makeQuery('slow.example', { edns: true });
  const first: Buffer[] = [];
  t.udp.handler = async asked => {
    first.push(asked);
    if (first.length > 1) return undefined;
    await new Promise<void>(resolve => clock.after(700, resolve));
    return answerA(asked);
  };
  const early = exchanger
    .ask(query, upstreams[0], { timeoutMs: 400, cancel })
    .catch((error: { code: string }) => error.code);
  await clock.advance(400);
  expect(await early).toBe('ERR_SHARDNS_TIMEOUT');
  const again = exchanger.ask(query, upstreams[0], { timeoutMs: 800, cancel });
  await clock.advance(400);
  expect(rcodeOf(await again)).toBe(0);
  expect(first).toHaveLength(2);
});

test('one server gets three queries for one question, however often it is asked', async () => {
  const t = build(() => undefined, PUBLIC);
  const query = makeQuery('silent.example', { edns: true });
  for (let i = 0; i < 5; i++) {
    const pending = t.exchanger.ask(query, t.upstreams[0], { timeoutMs: 400, cancel: new Canceller() }).catch(() => {});
    await t.clock.advance(400);
    await pending;
  }
  expect(t.udp.asked).toHaveLength(3);
  await t.clock.advance(10_000);
  expect(t.udp.open).toBe(0);
  expect(t.clock.pendingTimers).toBe(0);
});

test('a server that was forgotten while it is late is asked no more for that', async () => {
  const t = build(() => undefined, PUBLIC);
  const [known] = t.upstreams;
  const again = new Upstream(known.at, t.clock);
  const query = makeQuery('a.example', { edns: true });
  const late: Promise<unknown>[] = [];
  const ask = (server: Upstream): number =>
    late.push(t.exchanger.ask(query, server, { timeoutMs: 400, cancel: new Canceller() }).catch(() => {}));
  ask(known);
  await t.clock.advance(450);
  // Its first query is still open, and what is known of the server has been begun anew.
  for (let i = 0; i < 5; i++) {
    ask(again);
    await t.clock.advance(450);
  }
  expect(t.udp.asked).toHaveLength(3);
  expect(t.exchanger.openAt(again)).toBe(1);
  await t.clock.advance(10_000);
  await Promise.all(late);
  expect(t.exchanger.openAt(again)).toBe(0);
});

test('servers of a prefix are told who asks, in every query with EDNS and in no other', async () => {
  const told: string[] = [];
  const note: Handler = (query, server) => {
    const found = decode(query).additionals!.find(one => one.type === 'OPT') as
      { options: { data: Buffer }[] } | undefined;
    told.push(`${server} ${found === undefined ? 'plain' : found.options.map(one => one.data.toString()).join()}`);
    return makeResponse(query, { rcode: 1 });
  };
  const servers = new PrefixTable([
    [parsePrefix('192.0.2.0/24', ''), Buffer.from('all')],
    [parsePrefix('192.0.2.1', ''), Buffer.from('one')],
  ]);
  const clientStrings = { option: 65_001, servers };
  for (const server of ['192.0.2.1:53', '192.0.2.2:53', '198.51.100.1:53']) {
    await build(note, [server], { clientStrings }).exchange();
  }
  expect([...new Set(told)]).toEqual([
    '192.0.2.1:53 one',
    '192.0.2.1:53 plain',
    '192.0.2.2:53 all',
    '192.0.2.2:53 plain',
    '198.51.100.1:53 ',
    '198.51.100.1:53 plain',
  ]);
});
