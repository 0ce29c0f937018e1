// One client cannot take the miss ring from the others.
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { readOptions } from '../../../lib/server/settings/settings.js';
import { Query } from '../../../lib/wire/query.js';
import { askUdp } from '../../support/client.js';
import { answerA, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer;
let flood: Socket;
afterEach(async () => {
  flood.close();
  await server.close();
});

/** Names below silent.example are never answered. */
async function start(options = {}): Promise<void> {
  server = await TestServer.start(
    query => (new Query(query).nameText.endsWith('.silent.example.') ? undefined : answerA(query, 60)),
    { upstream: { deadlineMs: 60_000 }, ...options },
  );
  flood = createSocket('udp4');
  await new Promise<void>(resolve => flood.bind(0, '127.0.0.66', resolve));
}
const stats = () => server.server.plane!.stats();
async function send(names: string[]): Promise<void> {
  const port = Number(server.address.split(':')[1]);
  const before = stats().requestsV4;
  for (const name of names) flood.send(makeQuery(name), port, '127.0.0.1');
  await expect.poll(() => stats().requestsV4 - before, { interval: 2 }).toBe(names.length);
}
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}.silent.example`);

test('a flood of names takes half of the flights, and others are answered', async () => {
  await start({ missRing: { flights: 64, waiters: 256 } });
  await send(names(100));
  expect(stats()).toMatchObject({ inFlight: 32, full: 0, overShare: 68 });
  for (let i = 0; i < 10; i++) {
    const reply = await askUdp(server.address, makeQuery(`site${i}.example`), 60_000, '127.0.0.2');
    expect(rcodeOf(reply!)).toBe(0);
  }
  expect(await new Metrics(server.server).text()).toContain('shardns_miss_ring_total{outcome="over_share"} 68');
});

test('a flood of four names takes half of the waiters', async () => {
  await start({ missRing: { flights: 64, waiters: 256 } });
  await send(Array.from({ length: 200 }, (_, i) => `${i & 3}.silent.example`));
  expect(stats()).toMatchObject({ inFlight: 4, waiting: 128, full: 0, overShare: 72 });
});

test('a client over its share is answered from what is stale, else with SERVFAIL', async () => {
  await start({ missRing: { flights: 16, waiters: 16 }, stale: { clientTimeoutMs: 60_000 } });
  expect(rcodeOf((await askUdp(server.address, makeQuery('old.example'), 60_000, '127.0.0.66'))!)).toBe(0);
  server.advance(61);
  await send(names(8));
  const old = await askUdp(server.address, makeQuery('old.example'), 60_000, '127.0.0.66');
  expect(rcodeOf(old!)).toBe(0);
  const missed = await askUdp(server.address, makeQuery('new.example'), 60_000, '127.0.0.66');
  expect(rcodeOf(missed!)).toBe(2);
  expect(stats().overShare).toBe(2);
});

test('a share of 1 leaves one client everything, at once where it is set while the server serves', async () => {
  await start({ missRing: { flights: 32, waiters: 128 }, upstream: { deadlineMs: 100 } });
  await server.server.update({ missRing: { clientShare: 1 } });
  await send(names(40));
  expect(stats()).toMatchObject({ full: 8, overShare: 0 });
});

test.each([0, -0.5, 1.5, '1/8', Number.NaN])(
  'missRing.clientShare is a share above 0, at most 1: not %s',
  clientShare => {
    flood = createSocket('udp4');
    expect(() => readOptions({ missRing: { clientShare } })).toThrow(/missRing\.clientShare: .*got /);
  },
);
