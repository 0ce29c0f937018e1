// An answer is stored for the tenant that it was decided for, and for no other.
import { expect, test } from 'vitest';
import type { QueryDecision, QueryInfo } from '../../../lib/resolve/hooks.js';
import type { Asker } from '../../../lib/resolve/resolver.js';
import { Query } from '../../../lib/wire/query.js';
import { settle } from '../../support/fake-clock.js';
import { answerA, makeQuery } from '../../support/messages.js';
import { slowPath } from '../../support/slow-path.js';

const OPEN = '192.0.2.7';
const FAMILY = '198.51.100.7';
const from = (address: string, tenant?: number): Partial<Asker> => ({ client: { address, port: 1 }, tenant });

function build(onQuery: (query: QueryInfo) => QueryDecision | undefined | Promise<QueryDecision | undefined>) {
  const asked: QueryInfo[] = [];
  const t = slowPath(
    (query, server) => answerA(query, 60, server.startsWith('198') ? FAMILY : OPEN),
    { tenants: { enabled: true } },
    {
      onQuery: query => {
        asked.push(query);
        return onQuery(query);
      },
    },
  );
  const stored = (name: string, tenant: number): string | undefined => {
    const length = t.engine.answer(makeQuery(name), { tenant });
    return length > 0 ? [...t.engine.reply.subarray(length - 4, length)].join('.') : undefined;
  };
  return { ...t, asked, stored };
}
const byPrefix = ({ client }: QueryInfo): QueryDecision =>
  client?.address.startsWith('10.0.7.') === true ? { tenant: 7, group: 'other' } : { tenant: 1 };

test('a refresh is decided with the client that its entry was made for', async () => {
  const t = build(byPrefix);
  await t.told('site.example', {}, from('10.0.7.5'));
  await t.told('site.example', {}, from('10.0.0.1'));
  t.resolver.prefetch(new Query(makeQuery('site.example')), 7);
  await settle();
  expect(t.asked.at(-1)!.client!.address).toBe('10.0.7.5');
  expect(t.udp.asked.at(-1)!.server).toContain('198.51.100');
  expect([t.stored('site.example', 7), t.stored('site.example', 1)]).toEqual([FAMILY, OPEN]);
});

test.each([{}, { ad: true }, { dnssecOk: true }])(
  'a refresh is decided with the client of its entry, whoever of its tenant asked last: %o',
  async shape => {
    const t = build(byPrefix);
    await t.told('site.example', shape, from('10.0.7.5'));
    await t.told('other.example', shape, from('10.0.7.6'));
    await t.told('site.example', { ...shape, rd: false }, from('10.0.7.7', 7));
    t.resolver.prefetch(new Query(makeQuery('site.example', shape)), 7);
    await settle();
    expect(t.asked.at(-1)!.client!.address).toBe('10.0.7.5');
  },
);

test('a refresh that is decided for another tenant stores nothing, and so does one of an unknown client', async () => {
  let moved = false;
  const t = build(query => (moved ? { tenant: 1 } : byPrefix(query)));
  await t.told('site.example', {}, from('10.0.7.5'));
  moved = true;
  await t.advance(30_000);
  t.resolver.prefetch(new Query(makeQuery('site.example')), 7);
  t.resolver.prefetch(new Query(makeQuery('other.example')), 9);
  await settle();
  await t.advance(31_000);
  expect([t.stored('site.example', 7), t.stored('other.example', 9), t.stored('other.example', 1)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("a refresh without a client and without a tenant is nobody else's", async () => {
  const t = build(() => undefined);
  t.resolver.prefetch(new Query(makeQuery('a.example')), 3);
  t.resolver.prefetch(new Query(makeQuery('b.example')), 0);
  await settle();
  expect([t.stored('a.example', 3), t.stored('b.example', 0)]).toEqual([undefined, OPEN]);
});

test("a client that is moved is answered as the new tenant's, which its old one learns nothing of", async () => {
  const staff = new Set<string>();
  const t = build(({ client }) => (staff.has(client!.address) ? { tenant: 7, group: 'other' } : { tenant: 1 }));
  await t.told('hello.example', {}, from('10.0.0.8'));
  staff.add('10.0.0.8');
  expect((await t.told('payroll.example', {}, from('10.0.0.8', 1))).data).toEqual([FAMILY]);
  expect([t.stored('payroll.example', 1), t.stored('payroll.example', 7)]).toEqual([undefined, FAMILY]);
  expect(t.resolver.tenants!.tenantOf('10.0.0.8')).toBe(7);
});

test('whoever had joined the flight of a client that is moved is asked about for itself', async () => {
  let go = (): void => {};
  const gate = new Promise<void>(resolve => {
    go = resolve;
  });
  const t = build(async ({ client }) => {
    await gate;
    return client!.address === '10.0.0.8' ? { tenant: 7, group: 'other' } : { tenant: 1 };
  });
  const parted: string[] = [];
  const moved = t.told('a.example', {}, { ...from('10.0.0.8', 1), part: () => (parted.push('8'), true) });
  const stays = t.told('a.example', {}, { ...from('10.0.0.9', 1), part: () => (parted.push('9'), true) });
  const other = t.told('a.example', {}, from('10.0.0.10', 1));
  go();
  expect((await moved).data).toEqual([FAMILY]);
  expect([(await stays).data, (await other).data]).toEqual([[OPEN], [OPEN]]);
  expect(parted).toEqual(['8']);
  expect([t.stored('a.example', 1), t.stored('a.example', 7)]).toEqual([OPEN, FAMILY]);
});

test('who cannot be parted from those who wait with it gets nothing rather than what is not theirs', async () => {
  const t = build(() => ({ tenant: 7, group: 'other' }));
  expect(await t.told('a.example', {}, { ...from('10.0.0.8', 1), part: () => false })).toMatchObject({ rcode: 2 });
});

test('a hook that moves a client to and fro comes to an end', async () => {
  let tenant = 1;
  const t = build(() => ({ tenant: (tenant = 3 - tenant) }));
  const outcome = await t.told('a.example', {}, from('10.0.0.8', 1));
  expect(t.asked.length).toBeLessThan(10);
  expect([0, 2]).toContain(outcome.rcode);
});

test('a tenant that is not given stays as it is; what is asked without a client belongs to the tenant that is named', async () => {
  const t = build(({ tenant, client }) =>
    client === undefined ? { tenant: 4 } : tenant === undefined ? { tenant: 7 } : { group: 'other' },
  );
  await t.told('a.example', {}, from('10.0.0.8'));
  await t.told('b.example', {}, from('10.0.0.8', 7));
  expect(t.stored('b.example', 7)).toBe(FAMILY);
  await t.ask(makeQuery('warm.example'), { protocol: 'internal', client: undefined });
  expect([t.stored('warm.example', 4), t.stored('warm.example', 0)]).toEqual([OPEN, undefined]);
});

test('a rewrite whose target is decided for another tenant is not stored for the first', async () => {
  const t = build(({ name }) =>
    name === 'alias.example.' ? { tenant: 1, rewrite: 'target.example' } : { tenant: 7, group: 'other' },
  );
  await t.told('alias.example', {}, from('10.0.0.8', 1));
  expect([t.stored('alias.example', 1), t.stored('target.example', 1)]).toEqual([undefined, undefined]);
});

test('what is under way for a tenant that is invalidated is told to those who wait, and not stored', async () => {
  let answer: (() => void) | undefined;
  const t = slowPath(
    query => new Promise(resolve => (answer = () => resolve(answerA(query)))),
    { tenants: { enabled: true } },
    { onQuery: () => ({ tenant: 7 }) },
  );
  const asked = t.told('a.example', {}, from('10.0.0.8', 7));
  await settle();
  t.resolver.forget({ tenant: 7 });
  answer!();
  expect((await asked).data).toEqual(['192.0.2.1']);
  expect(t.engine.answer(makeQuery('a.example'), { tenant: 7 })).toBeLessThan(0);
  const again = t.told('a.example', {}, from('10.0.0.9', 7));
  await settle();
  expect(t.udp.asked).toHaveLength(2);
  answer!();
  await again;
  expect(t.engine.answer(makeQuery('a.example'), { tenant: 7 })).toBeGreaterThan(0);
});

test.each([{ enabled: true }, { enabled: false }])(
  'a hook that never decides ends its question at the deadline, and keeps nothing of its client: tenants %o',
  async tenants => {
    let decides = false;
    const t = slowPath(
      query => answerA(query, 60, OPEN),
      { tenants, upstream: { deadlineMs: 2000 }, missRing: { flights: 16 } },
      { onQuery: () => (decides ? undefined : new Promise<undefined>(() => {})) },
    );
    const client = from('10.0.0.1');
    const told = Array.from({ length: 40 }, (_, i) => t.told(`a${i}.example`, {}, client));
    await settle();
    expect(t.resolver.inFlight).toBeGreaterThan(0);
    await t.advance(2000);
    expect((await Promise.all(told)).every(one => one.rcode === 2)).toBe(true);
    expect(t.resolver.inFlight).toBe(0);
    expect(t.resolver.mistakes).toBeGreaterThan(0);
    decides = true;
    expect((await t.told('b.example', {}, client)).data).toEqual([OPEN]);
  },
);

test('a client is of the view that it is in now, whatever tag its query was taken in with', async () => {
  const t = slowPath(query => answerA(query, 60, OPEN), {
    views: [
      { name: 'other', clients: ['10.0.0.0/8'] },
      { name: 'own', clients: ['10.0.0.1'] },
    ],
  });
  await t.told('a.example', {}, from('10.0.0.1', 1));
  const stored = (tenant: number): boolean => t.engine.answer(makeQuery('a.example'), { tenant }) > 0;
  expect([stored(1), stored(2)]).toEqual([false, true]);
});
