// Tenants: whose client it is decides which answers it gets, on every way in.
import { afterEach, describe, expect, test } from 'vitest';
import type { QueryDecision, QueryInfo } from '../../../lib/resolve/hooks.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, decode, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';
import { until } from '../../support/until.js';

let server: TestServer;
afterEach(() => server.close());

const ALICE = '127.0.0.1';
const BOB = '127.0.0.2';
const TENANTS: Record<string, number> = { [ALICE]: 1, [BOB]: 2 };

/** Each group of upstreams answers with an address of its own; `onQuery` sends each tenant to its group. */
async function start(
  options: ServerOptions,
  onQuery: (query: QueryInfo) => QueryDecision | undefined = query => {
    const tenant = TENANTS[query.client!.address];
    return { tenant, group: tenant === 1 ? 'default' : 'other' };
  },
): Promise<QueryInfo[]> {
  const asked: QueryInfo[] = [];
  server = await TestServer.start(
    (query, at) => answerA(query, 300, at.startsWith('198.51.100') ? '198.51.100.2' : '192.0.2.1'),
    {
      upstreams: { default: ['192.0.2.53'], other: ['198.51.100.53'] },
      tenants: { enabled: true },
      ...options,
      onQuery: query => {
        asked.push(query);
        return onQuery(query);
      },
    },
  );
  return asked;
}
const addressIn = (reply: Buffer | undefined): unknown => (decode(reply!).answers![0] as { data: unknown }).data;

describe.each(['native', 'dgram', 'tcp'] as const)('over %s', way => {
  const ask = async (name: string, from: string): Promise<Buffer | undefined> =>
    way === 'tcp'
      ? (await askTcp(server.server.addresses().tcp[0], [makeQuery(name)], 60_000, from))[0]
      : askUdp(server.address, makeQuery(name), 60_000, from);

  test('tenants share no answers, and their hits do not ask the hook again', async () => {
    const asked = await start({ udp: way === 'dgram' ? 'dgram' : 'native' });
    for (let round = 0; round < 3; round++) {
      expect(addressIn(await ask('a.example', ALICE))).toBe('192.0.2.1');
      expect(addressIn(await ask('a.example', BOB))).toBe('198.51.100.2');
    }
    expect(asked.map(one => [one.client!.address, one.tenant])).toEqual([
      [ALICE, undefined],
      [BOB, undefined],
    ]);
    expect(server.asked).toBe(2);
    expect(server.server.engine.stats().hitsPositive).toBe(4);
  });

  test('a known client is not asked about again, whatever it asks; a forgotten one is', async () => {
    const asked = await start({ udp: way === 'dgram' ? 'dgram' : 'native' });
    await ask('a.example', ALICE);
    await ask('b.example', ALICE);
    expect(asked.map(one => one.tenant)).toEqual([undefined, 1]);
    server.server.forgetClients();
    expect(addressIn(await ask('a.example', ALICE))).toBe('192.0.2.1');
    expect(asked.map(one => one.tenant)).toEqual([undefined, 1, undefined]);
    expect(server.asked).toBe(2);
  });

  test('forgetting one tenant leaves the other its answers', async () => {
    await start({ udp: way === 'dgram' ? 'dgram' : 'native' });
    await ask('a.example', ALICE);
    await ask('a.example', BOB);
    server.server.invalidate({ tenant: 2 });
    await ask('a.example', ALICE);
    await ask('a.example', BOB);
    expect(server.asked).toBe(3);
  });

  test('an onQuery that throws or returns no tag leaves the client unanswered rather than wrongly answered', async () => {
    let decision: () => QueryDecision = () => ({ tenant: 1 });
    await start({ udp: way === 'dgram' ? 'dgram' : 'native' }, () => decision());
    expect(rcodeOf((await ask('a.example', ALICE))!)).toBe(0);
    decision = () => ({ tenant: 2 ** 32 - 1 });
    expect(rcodeOf((await ask('a.example', BOB))!)).toBe(2);
    decision = () => {
      throw new Error('a mistake');
    };
    expect(rcodeOf((await ask('a.example', BOB))!)).toBe(2);
    decision = () => ({});
    expect(rcodeOf((await ask('a.example', BOB))!)).toBe(0);
    expect(server.asked).toBe(2);
  });
});

test('without tenants a tag from onQuery is a mistake that is told', async () => {
  await start({ tenants: { enabled: false } });
  expect(rcodeOf((await askUdp(server.address, makeQuery('a.example')))!)).toBe(2);
});

test('a tenant that onQuery changes on a miss holds from the next query on', async () => {
  let tenant = 1;
  const asked = await start({}, () => ({ tenant }));
  const ask = (name: string) => askUdp(server.address, makeQuery(name));
  await ask('a.example');
  tenant = 2;
  await ask('b.example');
  await ask('a.example');
  expect(asked.map(one => one.tenant)).toEqual([undefined, 1, 2]);
});

test('those who wait with a client that is moved are parted from it in the native plane', async () => {
  let go = (): void => {};
  const gate = new Promise<void>(resolve => {
    go = resolve;
  });
  let moved = false;
  server = await TestServer.start(
    (query, at) => answerA(query, 300, at.startsWith('198.51.100') ? '198.51.100.2' : '192.0.2.1'),
    {
      upstreams: { default: ['192.0.2.53'], other: ['198.51.100.53'] },
      tenants: { enabled: true },
      onQuery: async ({ name, client }) => {
        if (name === 'hello.example.') return { tenant: 1 };
        moved = true;
        await gate;
        return client!.address === ALICE ? { tenant: 7, group: 'other' } : { tenant: 1 };
      },
    },
  );
  const ask = (name: string, from: string) => askUdp(server.address, makeQuery(name), 60_000, from);
  for (const client of [ALICE, BOB, '127.0.0.3']) await ask('hello.example', client);
  const alice = ask('secret.example', ALICE);
  await until(() => moved);
  const others = [ask('secret.example', BOB), ask('secret.example', '127.0.0.3')];
  await until(() => server.server.plane!.stats().waiting === 3);
  go();
  expect(addressIn(await alice)).toBe('198.51.100.2');
  for (const other of others) expect(addressIn(await other)).toBe('192.0.2.1');
  expect(addressIn(await ask('secret.example', BOB))).toBe('192.0.2.1');
  expect(addressIn(await ask('secret.example', ALICE))).toBe('198.51.100.2');
});
