// Which transport a server is asked by: the one of its scheme first, and none that its route has not got.
import { expect, test } from 'vitest';
import { buildExchanger as build, refusing } from '../../support/exchanger.js';
import { answerA, makeQuery, makeResponse } from '../../support/messages.js';

test('tcp:// is asked over TCP alone, in the letters of the question, however late it is', async () => {
  const t = build(
    query => answerA(query),
    ['tcp://192.0.2.1'],
    {},
    () => undefined,
  );
  expect(t.upstreams[0].label).toBe('tcp://192.0.2.1:53');
  const lost = t.exchange('abcdefgh.example').catch((error: Error) => error.message);
  await t.clock.advance(6000);
  expect(await lost).toBe('no upstream answered in 5000 ms');
  expect(t.udp.asked).toHaveLength(0);
  expect(t.tcp.asked.length).toBeGreaterThan(0);
  expect(t.tcp.asked.every(one => one.query.includes('abcdefgh'))).toBe(true);
});

test('where TCP is refused, a tcp:// server fails and another is asked', async () => {
  const udpOnly = (query: Buffer, server: string) => (server === '192.0.2.2:53' ? answerA(query) : undefined);
  const t = build(udpOnly, ['tcp://192.0.2.1', 'udp://192.0.2.2'], {}, refusing);
  t.upstreams[0].succeeded(1);
  t.upstreams[1].succeeded(50);
  for (let i = 0; i < 5; i++) expect((await t.exchange()).upstream.label).toBe('192.0.2.2:53');
  expect(t.upstreams[0].stats.failures).toBeGreaterThan(2);
  expect(t.upstreams[0].resting).toBe(true);
  expect(t.udp.asked.every(one => one.server === '192.0.2.2:53')).toBe(true);
});

test('a tcp:// server that knows no EDNS is asked without, over TCP too', async () => {
  const answer = (query: Buffer) => (query[11] === 0 ? answerA(query) : makeResponse(query, { rcode: 1 }));
  const t = build(answer, ['tcp://192.0.2.1']);
  const { response } = await t.exchange();
  expect(response[3] & 15).toBe(0);
  expect([t.udp.asked.length, t.tcp.asked.length]).toEqual([0, 2]);
});

test('one address by two schemes is two servers: what is under way at one is not joined at the other', async () => {
  const t = build(query => answerA(query), ['192.0.2.1', 'tcp://192.0.2.1']);
  const query = makeQuery('a.example');
  await Promise.all(t.upstreams.map(one => t.exchanger.exchange(query, [one], () => true)));
  expect([t.udp.asked.length, t.tcp.asked.length]).toEqual([1, 1]);
});
