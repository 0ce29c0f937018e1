// Selection, hedging, truncation, EDNS fallback and bounds, on a fake clock and a fake network.
import { expect, test } from 'vitest';
import { parsePrefix, parseSocketAddress } from '../../../lib/base/address.js';
import { PrefixTable } from '../../../lib/base/prefix-table.js';
import { systemRandom } from '../../../lib/base/random.js';
import { Exchanger } from '../../../lib/upstream/exchange.js';
import { select } from '../../../lib/upstream/selection.js';
import { Upstream } from '../../../lib/upstream/upstream.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport, type Handler } from '../../support/fake-transport.js';
import { answerA, decode, makeQuery, makeResponse } from '../../support/messages.js';

function build(udpHandler: Handler, servers: string[], options = {}, tcpHandler: Handler = udpHandler) {
  const clock = new FakeClock();
  const udp = new FakeTransport(clock, udpHandler);
  const tcp = new FakeTransport(clock, tcpHandler);
  const exchanger = new Exchanger(udp, tcp, clock, systemRandom, {
    deadlineMs: 5000,
    maxInFlight: 100,
    maxTotal: 200,
    hedge: true,
    ...options,
  });
  const upstreams = servers.map(text => new Upstream(parseSocketAddress(text, 'test'), clock));
  const ok = (response: Uint8Array): boolean => (response[3] & 15) === 0;
  const exchange = (name = 'a.example') => exchanger.exchange(makeQuery(name, { edns: true }), upstreams, ok);
  return { clock, udp, tcp, exchanger, upstreams, exchange };
}

test('a response that the machine slept through does not make its server slow for hours', () => {
  const [server] = build(() => undefined, ['192.0.2.1:53']).upstreams;
  for (let i = 0; i < 10; i++) server.succeeded(20);
  server.succeeded(8 * 3_600_000);
  expect(server.srttMs).toBeLessThan(10_000);
  for (let i = 0; i < 60; i++) server.succeeded(20);
  expect(server.srttMs).toBeLessThan(30);
});

test('a truncated response leads to TCP', async () => {
  const t = build(
    query => makeResponse(query, { flags: 0x0200 }),
    ['192.0.2.1:53'],
    {},
    query => answerA(query),
  );
  const { response } = await t.exchange();
  expect(decode(response).answers).toHaveLength(1);
  expect(t.tcp.asked).toHaveLength(1);
  expect(t.upstreams[0].stats.truncated).toBe(1);
});

test('FORMERR to EDNS: once more without, and without from then on', async () => {
  const t = build(
    query => (query.readUInt16BE(10) > 0 ? makeResponse(query, { rcode: 1 }) : answerA(query)),
    ['192.0.2.1:53'],
  );
  await t.exchange();
  expect(t.udp.asked).toHaveLength(2);
  await t.exchange();
  expect(t.udp.asked).toHaveLength(3);
});

test('servers of a prefix are told who asks, in every query with EDNS and in no other', async () => {
  const told: string[] = [];
  const note: Handler = (query, server) => {
    const opt = decode(query).additionals!.find(one => one.type === 'OPT') as
      { options: { data: Buffer }[] } | undefined;
    told.push(`${server} ${opt === undefined ? 'plain' : opt.options.map(one => one.data.toString()).join()}`);
    return told.length === 1 ? makeResponse(query, { flags: 0x0200 }) : makeResponse(query, { rcode: 1 });
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
    '192.0.2.2:53 all',
    '192.0.2.2:53 plain',
    '198.51.100.1:53 ',
    '198.51.100.1:53 plain',
  ]);
});

test('a late first server is hedged by a second, and the first answer wins', async () => {
  const t = build(
    (query, server) => (server === '192.0.2.1:53' ? undefined : answerA(query)),
    ['192.0.2.1:53', '192.0.2.2:53'],
  );
  t.upstreams[0].succeeded(10);
  t.upstreams[1].succeeded(50);
  const won: string[] = [];
  for (let i = 0; i < 4; i++) {
    const pending = t.exchange();
    await t.clock.advance(100);
    won.push((await pending).upstream.label);
  }
  expect(new Set(won)).toEqual(new Set(['192.0.2.2:53']));
  expect(t.upstreams[0].inFlight + t.upstreams[1].inFlight).toBe(0);
});

test('a dead server rests after three failures, longer each time, and comes back', async () => {
  let dead = true;
  const t = build(
    (query, server) => {
      if (dead && server === '192.0.2.1:53') throw new Error('connection refused');
      return answerA(query);
    },
    ['192.0.2.1:53', '192.0.2.2:53'],
  );
  t.upstreams[0].succeeded(1);
  t.upstreams[1].succeeded(40);
  for (let i = 0; i < 3; i++) await t.exchange();
  const [first] = t.upstreams;
  for (let i = 0; i < 200 && !first.resting; i++) await t.exchange();
  expect(first.resting).toBe(true);
  const asked = first.stats.queries;
  for (let i = 0; i < 50; i++) await t.exchange();
  expect(first.stats.queries).toBe(asked);
  dead = false;
  await t.clock.advance(600);
  expect(first.resting).toBe(false);
  // By exploration: the other server is the faster one now.
  for (let i = 0; i < 1000 && first.stats.queries === asked; i++) await t.exchange();
  expect(first.stats.queries).toBeGreaterThan(asked);
});

test('all servers resting: they are asked all the same', () => {
  const clock = new FakeClock();
  const upstream = new Upstream(parseSocketAddress('192.0.2.1:53', 'test'), clock);
  for (let i = 0; i < 5; i++) upstream.failed('failure');
  expect(upstream.resting).toBe(true);
  expect(select([upstream], new Set(), { maxInFlight: 10 }, systemRandom)).toBe(upstream);
});

test('the fastest server gets most of the load, the others some', async () => {
  const t = build(query => answerA(query), ['192.0.2.1:53', '192.0.2.2:53', '192.0.2.3:53']);
  t.upstreams[0].succeeded(80);
  t.upstreams[1].succeeded(5);
  t.upstreams[2].succeeded(90);
  const picked = new Map<string, number>();
  for (let i = 0; i < 6400; i++) {
    const { label } = select(t.upstreams, new Set(), { maxInFlight: 10 }, systemRandom)!;
    picked.set(label, (picked.get(label) ?? 0) + 1);
  }
  expect(picked.get('192.0.2.2:53')).toBeGreaterThan(6000);
  expect(picked.size).toBe(3);
});

test('spread: every healthy server gets its share', () => {
  const t = build(query => answerA(query), ['192.0.2.1:53', '192.0.2.2:53', '192.0.2.3:53']);
  t.upstreams[0].succeeded(80);
  t.upstreams[1].succeeded(5);
  for (let i = 0; i < 5; i++) t.upstreams[2].failed('failure');
  const picked = [0, 0, 0];
  for (let i = 0; i < 2000; i++) {
    picked[t.upstreams.indexOf(select(t.upstreams, new Set(), { maxInFlight: 10, spread: true }, systemRandom)!)]++;
  }
  expect(picked[0]).toBeGreaterThan(850);
  expect(picked[1]).toBeGreaterThan(850);
  expect(picked[2]).toBe(0);
});

test('queries under way are bounded, for each server and in all', async () => {
  const t = build(() => undefined, ['192.0.2.1:53'], { maxInFlight: 2, maxTotal: 3 });
  void t.exchange('a.example').catch(() => {});
  void t.exchange('b.example').catch(() => {});
  await expect(t.exchange('c.example')).rejects.toMatchObject({ code: 'ERR_SHARDNS_OVERLOAD' });
  void t.exchange('d.example').catch(() => {});
  expect(t.exchanger.inFlight).toBe(2);
  await t.clock.advance(6000);
  expect(t.exchanger.inFlight).toBe(0);
  expect(t.clock.pendingTimers).toBe(0);
});

test('no upstream at all is a clear error', async () => {
  const t = build(query => answerA(query), []);
  await expect(t.exchange()).rejects.toThrow('no upstream is configured');
});
