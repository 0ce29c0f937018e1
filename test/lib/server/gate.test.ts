// Who may ask, and whose view they have, is decided alike on every way in, and changes for all of them at once.
import { afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { Query } from '../../../lib/wire/query.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, decode, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const RULES: ServerOptions = {
  allow: ['127.0.0.2/31', '127.0.1.0/24'],
  views: [
    { name: 'inside', clients: ['127.0.0.3'], local: { records: ['box.example A 10.0.0.1'] } },
    { name: 'across', clients: ['127.0.0.0/16'], local: { records: ['box.example A 10.0.0.2'] } },
  ],
};
const OTHERS: ServerOptions = {
  allow: ['127.0.0.4', '127.0.0.3'],
  views: [
    { name: 'new', clients: ['127.0.0.3'], local: { records: ['box.example A 10.0.0.3'] } },
    { name: 'inside', clients: ['127.0.0.4'], local: { records: ['box.example A 10.0.0.1'] } },
  ],
};
const CLIENTS = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.1.5', '127.1.0.1'];
const WAYS = ['native', 'dgram', 'tcp', 'js'] as const;

describe.each(WAYS)('over %s', way => {
  const open = (options: ServerOptions) =>
    TestServer.start(query => answerA(query, 300, '192.0.2.1'), {
      udp: way === 'dgram' ? 'dgram' : 'native',
      ...options,
    });
  const ask = async (from: string): Promise<Buffer> => {
    const query = makeQuery('box.example');
    if (way === 'js') {
      return new Promise(resolve =>
        server!.server.answerer.answer(query, { protocol: 'udp', client: { address: from, port: 5353 } }, reply =>
          resolve(Buffer.from(reply!)),
        ),
      );
    }
    const { udp, tcp } = server!.server.addresses();
    return way === 'tcp'
      ? (await askTcp(tcp[0], [query], 60_000, from))[0]
      : (await askUdp(udp[0], query, 60_000, from))!;
  };
  const told = async (): Promise<unknown[]> => {
    const all: unknown[] = [];
    for (const from of CLIENTS) {
      const reply = await ask(from);
      const [answer] = decode(reply).answers as { data?: unknown }[];
      all.push(rcodeOf(reply) === 5 ? 'refused' : answer.data);
    }
    return all;
  };

  test('misses and hits are judged by access and views, and by others from the moment that these change', async () => {
    server = await open(RULES);
    for (let round = 0; round < 3; round++) {
      expect(await told()).toEqual(['refused', '10.0.0.2', '10.0.0.1', 'refused', '10.0.0.2', 'refused']);
    }
    const { plane } = server.server;
    await server.server.update(OTHERS);
    for (let round = 0; round < 2; round++) {
      expect(await told()).toEqual(['refused', 'refused', '10.0.0.3', '10.0.0.1', 'refused', 'refused']);
    }
    await server.server.replace({ ...server.server.settings, allow: [], views: [] });
    expect(await told()).toEqual(CLIENTS.map(() => '192.0.2.1'));
    await server.server.update({ views: RULES.views });
    expect((await told())[2]).toBe('10.0.0.1');
    expect(server.server.plane).toBe(plane);
  });
});

test('an update with a prefix that is none names it, and changes nothing', async () => {
  server = await TestServer.start(query => answerA(query), { allow: ['127.0.0.2'] });
  await expect(
    server.server.update({ allow: ['127.0.0.1'], views: [{ name: 'a', clients: ['127.0.0.0/33'] }] }),
  ).rejects.toThrow(/views\[0\]\.clients\[0\]: expected .*, got "127\.0\.0\.0\/33"/);
  await expect(server.server.update({ allow: ['127.0.0.1', 'potato'] })).rejects.toThrow(
    /allow\[1\]: expected .*, got "potato"/,
  );
  expect(rcodeOf((await askUdp(server.address, makeQuery('a.example'), 60_000, '127.0.0.1'))!)).toBe(5);
  expect(rcodeOf((await askUdp(server.address, makeQuery('a.example'), 60_000, '127.0.0.2'))!)).toBe(0);
});

test('a client whose question waits while it loses its access is refused', async () => {
  server = await TestServer.start(query => answerA(query), { views: RULES.views, allow: ['127.0.0.3'] });
  const { gate, resolver } = server.server;
  expect(gate.judge('127.0.0.3')).toBe(1);
  await server.server.update({ allow: ['127.0.0.2'] });
  const asker = { protocol: 'udp', client: { address: '127.0.0.3', port: 1 }, tenant: 1 } as const;
  expect(await resolver.resolve(new Query(makeQuery('b.example')), asker)).toMatchObject({ kind: 'error', rcode: 5 });
});

test('new listeners judge by the rules that came with them; where these cannot be had, the old ones stay', async () => {
  server = await TestServer.start(query => answerA(query), { allow: ['127.0.0.2'], threads: 1 });
  const rcodes = async (): Promise<number[]> => {
    const replies = ['127.0.0.2', '127.0.0.3'].map(from =>
      askUdp(server!.server.addresses().udp[0], makeQuery('a.example'), 60_000, from),
    );
    return (await Promise.all(replies)).map(reply => rcodeOf(reply!));
  };
  expect(await rcodes()).toEqual([0, 5]);
  await server.server.update({ threads: 2, allow: ['127.0.0.3'] });
  expect(await rcodes()).toEqual([5, 0]);
  await expect(server.server.update({ listen: ['192.0.2.1:0'], allow: [] })).rejects.toThrow(/192\.0\.2\.1/);
  expect(await rcodes()).toEqual([5, 0]);
});

test('the report says what memory its rules take, and metrics show it', async () => {
  server = await TestServer.start(query => answerA(query));
  const none = server.server.report().gateMemoryBytes;
  // Every second one: neighbours would be one range.
  await server.server.update({ allow: Array.from({ length: 4096 }, (_, i) => `10.${i >> 7}.${(i & 127) * 2}.0/24`) });
  const { gateMemoryBytes } = server.server.report();
  expect(gateMemoryBytes).toBeGreaterThan(none + 4096);
  expect(await new Metrics(server.server).text()).toMatch(
    new RegExp(`^shardns_gate_memory_bytes ${gateMemoryBytes}$`, 'm'),
  );
  await server.server.update({ allow: [] });
  expect(server.server.report().gateMemoryBytes).toBe(none);
});

test('tenants are switched on and off without closing the listeners', async () => {
  const asked: string[] = [];
  server = await TestServer.start(query => answerA(query, 300, '192.0.2.1'), {
    onQuery: ({ client }) => {
      asked.push(client!.address);
      return server!.server.settings.tenants.enabled ? { tenant: 7 } : undefined;
    },
  });
  const { plane } = server.server;
  const ask = () => askUdp(server!.address, makeQuery('a.example'), 60_000, '127.0.0.2');
  expect(rcodeOf((await ask())!)).toBe(0);
  await server.server.update({ tenants: { enabled: true } });
  expect(rcodeOf((await ask())!)).toBe(0);
  expect(server.server.gate.judge('127.0.0.2')).toBe(7);
  const before = asked.length;
  await ask();
  expect(asked).toHaveLength(before);
  await server.server.update({ tenants: { enabled: false } });
  expect(rcodeOf((await ask())!)).toBe(0);
  expect(server.server.gate.judge('127.0.0.2')).toBe(0);
  expect(server.server.plane).toBe(plane);
});
