// Aliases of local data and hooks: they are followed, and end.
import { expect, test } from 'vitest';
import { MISS } from '../../../lib/cache/engine.js';
import type { Hooks } from '../../../lib/resolve/hooks.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { settle } from '../../support/fake-clock.js';
import { answerA, makeQuery, makeResponse, type QueryShape, soa } from '../../support/messages.js';
import { slowPath } from '../../support/slow-path.js';

const circle = (records: string[], zones: { name: string; kind: 'redirect' | 'nxdomain' }[] = []): (() => unknown) => {
  return () => readOptions({ local: { records, zones } });
};

test('local records in a circle are refused where options are read, and named', () => {
  expect(circle(['a.example CNAME a.example.'])).toThrow(/local\.records.*a\.example\. CNAME a\.example\./);
  expect(circle(['a.example CNAME b.example.', 'B.example CNAME A.example.'])).toThrow(/a\.example\. CNAME/i);
  expect(circle(['*.x.example CNAME y.x.example.'])).toThrow(/\*\.x\.example\. CNAME/);
  expect(circle(['x.example CNAME y.x.example.'], [{ name: 'x.example', kind: 'redirect' }])).toThrow(/x\.example/);
  const long = Array.from({ length: 12 }, (_, i) => `n${i}.example CNAME n${i + 1}.example.`);
  expect(circle(long)).toThrow(/at most 11/);
  expect(circle(long.slice(1))).not.toThrow();
});

test('aliases that end are taken', () => {
  expect(circle(['a.example CNAME b.example.', 'b.example CNAME c.example.', 'c.example A 192.0.2.1'])).not.toThrow();
  const hidden = [{ name: 'b.example', kind: 'nxdomain' as const }];
  expect(circle(['a.example CNAME b.example.', 'b.example CNAME a.example.'], hidden)).not.toThrow();
});

test('views whose aliases lead into a circle with those of all are SERVFAIL, and no flight is left', async () => {
  const t = slowPath(query => answerA(query), {
    local: { records: ['b.example CNAME a.example.'] },
    views: [{ name: 'v', clients: ['203.0.113.0/24'], local: { records: ['a.example CNAME b.example.'] } }],
  });
  expect(await t.told('a.example', {}, { tenant: 1 })).toMatchObject({ rcode: 2 });
  expect(await t.told('b.example', {}, { tenant: 1 })).toMatchObject({ rcode: 2 });
  expect(t.resolver.inFlight).toBe(0);
});

test.each([true, false])('rewrites of a hook in a circle end, at once or waited for: %s', async waits => {
  const next: Record<string, string> = {
    'a.example.': 'b.example',
    'b.example.': 'a.example',
    'self.example.': 'self.example',
  };
  const t = slowPath(
    query => answerA(query),
    {},
    {
      onQuery: ({ name }) => {
        const decision = { rewrite: next[name] };
        return waits ? settle().then(() => decision) : decision;
      },
    },
  );
  // Two questions whose aliases lead to each other wait for each other.
  const all = ['a.example', 'b.example', 'self.example', 'a.example'].map(name => t.told(name));
  for (const one of await Promise.all(all)) expect(one.rcode).toBe(2);
  expect(t.resolver.inFlight).toBe(0);
});

test('a chain of rewrites without end is given up after eleven', async () => {
  let asked = 0;
  const t = slowPath(query => answerA(query), {}, { onQuery: () => ({ rewrite: `n${++asked}.example` }) });
  expect((await t.told('a.example')).rcode).toBe(2);
  expect(asked).toBe(12);
});

test('eleven aliases are followed', async () => {
  const records = Array.from({ length: 11 }, (_, i) => `n${i}.example CNAME n${i + 1}.example.`);
  const t = slowPath(query => answerA(query), { local: { records } });
  expect((await t.told('n0.example')).data).toHaveLength(12);
});

test('an alias of something stale is told, and not kept as if it was fresh', async () => {
  let down = false;
  const t = slowPath(query => (down ? makeResponse(query, { rcode: 2 }) : answerA(query, 60)), {
    local: { records: ['alias.example CNAME target.example.net.'] },
  });
  await t.told('target.example.net');
  down = true;
  await t.advance(61_000);
  expect((await t.told('alias.example')).data).toEqual(['target.example.net', '192.0.2.1']);
  down = false;
  await t.advance(6000);
  await t.advance(25_000); // the failure is over
  await t.told('alias.example');
  expect(t.udp.asked).toHaveLength(3);
});

const ALIAS = { local: { records: ['www.example CNAME target.example.'] } };
const SUBNET = { options: [{ code: 8, data: Buffer.from('00011800c63364', 'hex') }] };

test.each<[string, ServerOptions, Hooks, QueryShape]>([
  ['a hook drops what its target is told', ALIAS, { onResponse: () => 'drop' }, {}],
  [
    'a hook answers for its target, and wants that kept by nobody',
    ALIAS,
    {
      onQuery: ({ name }) =>
        name === 'target.example.'
          ? { cache: false, answer: [{ name: 'target.example', type: 'A', ttl: 60, data: '192.0.2.1' }] }
          : undefined,
    },
    {},
  ],
  ['its target is told something else in each subnet', { ...ALIAS, upstream: { clientSubnet: 'forward' } }, {}, SUBNET],
  ['it was asked for without recursion', ALIAS, {}, { rd: false }],
])('an alias is kept no more than its target: %s', async (_, options, hooks, shape) => {
  const t = slowPath(query => answerA(query, 60), options, hooks);
  expect((await t.told('www.example', shape)).data).toEqual(['target.example', '192.0.2.1']);
  expect(t.engine.answer(makeQuery('www.example'))).toBe(MISS);
});

test('an alias lives no longer than what it leads to', async () => {
  const t = slowPath(query => answerA(query, 60), ALIAS);
  await t.told('target.example');
  await t.advance(50_500);
  await t.told('www.example');
  expect(t.engine.answer(makeQuery('www.example'))).toBeGreaterThan(0);
  await t.advance(9_600);
  expect(t.engine.answer(makeQuery('www.example'))).toBeLessThan(0);
});

test('an alias of what cannot be read is SERVFAIL, and no mistake of ours', async () => {
  const denial = (query: Uint8Array): Buffer => {
    const cut = makeResponse(query, { rcode: 3, authorities: [soa('example')] });
    return cut.subarray(0, cut.length - 3);
  };
  const t = slowPath(denial, ALIAS);
  expect((await t.told('www.example', { rd: false })).rcode).toBe(2);
  expect(t.resolver.mistakes).toBe(0);
});
