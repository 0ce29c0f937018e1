// Selection, hedging, tries, deadlines and bounds, on a fake clock and a fake network.
import { expect, test } from 'vitest';
import { Canceller } from '../../../lib/base/cancel.js';
import { parseSocketAddress } from '../../../lib/base/address.js';
import { systemRandom } from '../../../lib/base/random.js';
import { select } from '../../../lib/upstream/selection.js';
import { Upstream } from '../../../lib/upstream/upstream.js';
import { buildExchanger as build } from '../../support/exchanger.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import type { Handler } from '../../support/fake-transport.js';
import { answerA, makeQuery, makeResponse } from '../../support/messages.js';

test('a response that the machine slept through does not make its server slow for hours', () => {
  const [server] = build(() => undefined, ['192.0.2.1:53']).upstreams;
  for (let i = 0; i < 10; i++) server.succeeded(20);
  server.succeeded(8 * 3_600_000);
  expect(server.srttMs).toBeLessThan(10_000);
  for (let i = 0; i < 60; i++) server.succeeded(20);
  expect(server.srttMs).toBeLessThan(30);
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

test.each(['EMFILE', 'EAGAIN', 'EADDRNOTAVAIL'])(
  'a server is not to blame for a socket that fails with %s',
  async code => {
    const t = build(() => {
      throw Object.assign(new Error(`connect ${code}`), { code });
    }, ['192.0.2.1:53']);
    for (let i = 0; i < 5; i++) await expect(t.exchange()).rejects.toThrow(code);
    expect(t.upstreams[0].stats.failures).toBe(0);
    expect(t.upstreams[0].resting).toBe(false);
  },
);

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

/** Answers after so many milliseconds of the test's clock. */
function after(t: { clock: FakeClock }, ms: number, answer: Handler): Handler {
  return async (query, server, options) => {
    await new Promise<void>(resolve => t.clock.after(ms, resolve));
    return answer(query, server, options);
  };
}

test.each([500, 1000, 2000, 3000, 4000])(
  'a server that takes %i ms is waited for, cold and after quick answers',
  async ms => {
    for (const quick of [0, 5]) {
      const t = build(query => answerA(query), ['192.0.2.1:53']);
      for (let i = 0; i < quick; i++) await t.exchange(`q${i}.example`);
      t.udp.handler = after(t, ms, query => answerA(query));
      t.udp.asked.length = 0;
      const began = t.clock.nowMs();
      const pending = t.exchange('slow.example').then(() => t.clock.nowMs() - began);
      await t.clock.advance(5000);
      expect(await pending).toBe(ms);
      expect(t.udp.asked.length).toBeLessThanOrEqual(3);
    }
  },
);

test('after one slow answer the next query is not sent again too early', async () => {
  const t = build(query => answerA(query), ['192.0.2.1:53']);
  t.udp.handler = after(t, 900, query => answerA(query));
  for (const name of ['a.example', 'b.example']) {
    t.udp.asked.length = 0;
    const pending = t.exchange(name);
    await t.clock.advance(1000);
    await pending;
  }
  expect(t.udp.asked).toHaveLength(1);
});

test('a silent server gets three queries, further and further apart, and all of the time (RFC 9520 section 3.1)', async () => {
  const times: number[] = [];
  const t = build(() => {
    times.push(t.clock.nowMs());
    return undefined;
  }, ['192.0.2.1:53']);
  const began = t.clock.nowMs();
  const pending = t.exchange().catch((error: { code: string }) => [error.code, t.clock.nowMs() - began]);
  await t.clock.advance(6000);
  expect(await pending).toEqual(['ERR_SHARDNS_TIMEOUT', 5000]);
  expect(times).toHaveLength(3);
  expect(times[1] - times[0]).toBeGreaterThanOrEqual(400);
  expect(times[2] - times[1]).toBeGreaterThanOrEqual(2 * (times[1] - times[0]));
  expect(t.upstreams[0].stats.timeouts).toBe(3);
  expect(t.udp.open).toBe(0);
});

test('two silent servers get three queries each', async () => {
  const t = build(() => undefined, ['192.0.2.1:53', '192.0.2.2:53']);
  const pending = t.exchange().catch(() => {});
  await t.clock.advance(6000);
  await pending;
  for (const { label } of t.upstreams) expect(t.udp.asked.filter(one => one.server === label)).toHaveLength(3);
});

test('one server has no answer to give: the other is waited for', async () => {
  const t = build(query => answerA(query), ['192.0.2.1:53', '192.0.2.2:53'], { hedge: false });
  const late = after(t, 1500, query => answerA(query));
  t.udp.handler = (query, server, options) =>
    server === '192.0.2.1:53' ? makeResponse(query, { rcode: 2 }) : late(query, server, options);
  for (let i = 0; i < 4; i++) {
    const pending = t.exchange(`n${i}.example`);
    await t.clock.advance(2500);
    expect((await pending).upstream.label).toBe('192.0.2.2:53');
  }
});

test('questions beyond the bounds wait, in order, and all are answered', async () => {
  for (const bound of [{ maxInFlight: 10 }, { maxTotal: 10 }]) {
    const t = build(query => answerA(query), ['192.0.2.1:53'], bound);
    const most: number[] = [];
    const slow = after(t, 50, query => answerA(query));
    t.udp.handler = (...args) => {
      most.push(t.udp.open);
      return slow(...args);
    };
    const ended: number[] = [];
    const all = Promise.all(
      Array.from({ length: 300 }, (_, i) => t.exchange(`n${i}.example`).then(() => ended.push(i))),
    );
    await t.clock.advance(2000);
    await all;
    expect(Math.max(...most)).toBeLessThanOrEqual(10);
    expect(ended).toEqual([...ended].sort((a, b) => a - b));
    expect([t.exchanger.inFlight, t.exchanger.waiting, t.upstreams[0].inFlight]).toEqual([0, 0, 0]);
  }
});

test('who has waited in vain until the deadline is told so, and the server is not blamed', async () => {
  const t = build(() => undefined, ['192.0.2.1:53'], { maxInFlight: 2 });
  void t.exchange('a.example').catch(() => {});
  void t.exchange('b.example').catch(() => {});
  const third = t.exchange('c.example').catch((error: unknown) => error);
  expect(t.upstreams[0].inFlight).toBe(2);
  await t.clock.advance(6000);
  expect(await third).toMatchObject({ code: 'ERR_SHARDNS_OVERLOAD' });
  expect(t.udp.asked.filter(one => one.query.includes(Buffer.from('c'), 13) && one.query[13] === 0x63)).toHaveLength(0);
  expect(t.exchanger.inFlight).toBe(0);
  expect(t.exchanger.overloaded).toBe(1);
  expect(t.clock.pendingTimers).toBe(0);
});

test('those who wait are bounded too', async () => {
  const t = build(() => undefined, ['192.0.2.1:53'], { maxTotal: 1 });
  void t.exchange('first.example').catch(() => {});
  for (let i = 0; i < 16_384; i++) void t.exchange(`n${i}.example`).catch(() => {});
  await expect(t.exchange('last.example')).rejects.toMatchObject({ code: 'ERR_SHARDNS_OVERLOAD' });
  await t.clock.advance(6000);
  expect(t.exchanger.waiting).toBe(0);
});

test('a question that is called off leaves nothing behind', async () => {
  const t = build(() => undefined, ['192.0.2.1:53']);
  const cancel = new Canceller();
  const pending = t.exchanger.exchange(makeQuery('a.example'), t.upstreams, () => true, cancel);
  await settle();
  cancel.cancel();
  await expect(pending).rejects.toMatchObject({ code: 'ERR_SHARDNS_ABORTED' });
  await settle();
  expect([t.exchanger.inFlight, t.upstreams[0].inFlight, t.udp.open]).toEqual([0, 0, 0]);
  expect(t.exchanger.openAt(t.upstreams[0])).toBe(0);
});

test('a judge that throws ends the question with what it threw', async () => {
  const t = build(query => answerA(query), ['192.0.2.1:53']);
  const mistake = new Error('a mistake');
  const judge = (): boolean => {
    throw mistake;
  };
  await expect(t.exchanger.exchange(makeQuery('a.example'), t.upstreams, judge)).rejects.toBe(mistake);
  expect(t.exchanger.inFlight).toBe(0);
});

test('no upstream at all is a clear error', async () => {
  const t = build(query => answerA(query), []);
  await expect(t.exchange()).rejects.toThrow('no upstream is configured');
});
