// Servers over one file or region: those that tell clients the same share their answers, others never find each other's.
import { createSocket, type RemoteInfo } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import { systemClock } from '../../../lib/base/clock.js';
import { DnsCache } from '../../../lib/cache/dns-cache.js';
import type { Hooks } from '../../../lib/resolve/hooks.js';
import { configurationOf } from '../../../lib/server/settings/configuration.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import type { Server } from '../../../lib/server/server.js';
import { askTcp, askUdp } from '../../support/client.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { answerA, decode, makeQuery, rcodeOf } from '../../support/messages.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-regions-'));
});
const servers: Server[] = [];
const caches: DnsCache[] = [];
afterEach(async () => {
  for (const one of servers.splice(0)) await one.close();
  for (const one of caches.splice(0)) one.close();
  rmSync(folder, { recursive: true, force: true });
});

const view = (address: string): NonNullable<ServerOptions['views']> => [
  { name: 'office', clients: ['127.0.0.0/8'], local: { records: [`intranet.example 300 A ${address}`] } },
];
interface Started {
  server: Server;
  /** The upstream queries so far. */
  asked: () => number;
  address: (name: string) => Promise<unknown>;
}
async function start(options: ServerOptions & Hooks, cache?: DnsCache): Promise<Started> {
  const udp = new FakeTransport(systemClock, query => answerA(query, 300, '192.0.2.1'));
  const all = { listen: ['127.0.0.1:0'], threads: 1, upstreams: ['192.0.2.53:53'], localZones: false, ...options };
  const server = await createServer(all, { udpTransport: udp, tcpTransport: udp, cache });
  servers.push(server);
  const address = async (name: string): Promise<unknown> => {
    const reply = await askUdp(server.addresses().udp[0], makeQuery(name));
    const [answer] = decode(reply!).answers ?? [];
    return answer === undefined ? `rcode ${rcodeOf(reply!)}` : (answer as { data: unknown }).data;
  };
  return { server, asked: () => udp.asked.length, address };
}
/** Objects over one memory, as threads have them. */
function shared(): [DnsCache, DnsCache] {
  const one = DnsCache.create({ memory: '4MiB', shared: true });
  const other = DnsCache.attach(one.share());
  caches.push(one, other);
  return [one, other];
}

describe.each(['a file', 'shared memory'])('over %s', place => {
  async function two(a: ServerOptions & Hooks, b: ServerOptions & Hooks): Promise<[Started, Started]> {
    if (place === 'a file') {
      const cache = { memory: '4MiB', file: join(folder, 'cache') };
      return [
        await start({ ...a, cache: { ...cache, ...a.cache } }),
        await start({ ...b, cache: { ...cache, ...b.cache } }),
      ];
    }
    const [one, other] = shared();
    return [await start(a, one), await start(b, other)];
  }
  test('servers that are equal share their answers', async () => {
    const [a, b] = await two({ views: view('10.1.0.10') }, { views: view('10.1.0.10') });
    expect(await a.address('www.example')).toBe('192.0.2.1');
    expect(await b.address('www.example')).toBe('192.0.2.1');
    expect(await a.address('intranet.example')).toBe('10.1.0.10');
    expect(await b.address('intranet.example')).toBe('10.1.0.10');
    expect([a.asked(), b.asked()]).toEqual([1, 0]);
  });
  test.each<[string, ServerOptions, ServerOptions, unknown, unknown]>([
    ['views', { views: view('10.1.0.10') }, { views: view('10.2.0.10') }, '10.1.0.10', '10.2.0.10'],
    ['a view and none', { views: view('10.1.0.10') }, {}, '10.1.0.10', '192.0.2.1'],
    [
      'local records',
      { local: { records: ['intranet.example A 10.1.0.10'] } },
      { local: { zones: [{ name: 'intranet.example', kind: 'nxdomain' }] } },
      '10.1.0.10',
      'rcode 3',
    ],
    ['local records and none', { local: { records: ['intranet.example A 10.1.0.10'] } }, {}, '10.1.0.10', '192.0.2.1'],
    ['none and local records', {}, { local: { records: ['intranet.example A 10.1.0.10'] } }, '192.0.2.1', '10.1.0.10'],
  ])('servers that differ in %s each tell their own, in whatever order they are asked', async (_, a, b, ofA, ofB) => {
    const [one, other] = await two(a, b);
    for (let round = 0; round < 3; round++) {
      expect(await one.address('intranet.example')).toBe(ofA);
      expect(await other.address('intranet.example')).toBe(ofB);
    }
  });
  test('tenants of hooks that decide differently are told apart by the scope', async () => {
    const hooks = (scope: string): ServerOptions & Hooks => ({
      tenants: { enabled: true },
      cache: { scope },
      onQuery: () => ({ tenant: 7 }),
    });
    const [a, b] = await two(hooks('staff'), hooks('guests'));
    for (let round = 0; round < 2; round++) {
      expect(await a.address('www.example')).toBe('192.0.2.1');
      expect(await b.address('www.example')).toBe('192.0.2.1');
    }
    expect(b.asked()).toBeGreaterThan(0);
  });
  test('one that changes its views while it serves is found by no other, until that one has changed too', async () => {
    const [a, b] = await two({ views: view('10.1.0.10') }, { views: view('10.1.0.10') });
    expect(await a.address('intranet.example')).toBe('10.1.0.10');
    await a.server.update({ views: view('10.2.0.10') });
    for (let round = 0; round < 3; round++) {
      expect(await b.address('intranet.example')).toBe('10.1.0.10');
      expect(await a.address('intranet.example')).toBe('10.2.0.10');
    }
    await b.server.update({ views: view('10.2.0.10') });
    expect(await b.address('intranet.example')).toBe('10.2.0.10');
    const before = b.asked();
    expect(await a.address('common.example')).toBe('192.0.2.1');
    expect(await b.address('common.example')).toBe('192.0.2.1');
    expect(b.asked()).toBe(before);
  });
});

test.each(['udp', 'tcp'] as const)(
  'what a program forgets in the cache of its server is not kept of questions under way (%s)',
  async way => {
    const [cache, other] = shared();
    const upstream = await holdingServer();
    const server = await createServer({ listen: ['127.0.0.1:0'], upstreams: [upstream.address] }, { cache });
    servers.push(server);
    const ask = async (): Promise<Buffer> => {
      const query = makeQuery('a.example');
      const at = server.addresses()[way][0];
      return way === 'udp' ? (await askUdp(at, query))! : (await askTcp(at, [query]))[0];
    };
    const address = async (): Promise<unknown> =>
      (decode(await ask()).answers ?? []).map(one => (one as { data: unknown }).data);
    try {
      const first = address();
      await upstream.asked(1);
      other.invalidate({ name: 'a.example' });
      const second = address();
      await upstream.asked(2);
      upstream.answer('192.0.2.2', 1);
      expect(await second).toEqual(['192.0.2.2']);
      upstream.answer('192.0.2.1', 0);
      expect(await first).toEqual(['192.0.2.1']);
      expect(await address()).toEqual(['192.0.2.2']);
    } finally {
      upstream.close();
    }
  },
);

/** One upstream that answers when it is told to. */
async function holdingServer() {
  const socket = createSocket('udp4');
  const held: { query: Buffer; from: RemoteInfo }[] = [];
  let wake = (): void => {};
  socket.on('message', (query, from) => {
    held.push({ query, from });
    wake();
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    async asked(count: number): Promise<void> {
      while (held.length < count) await new Promise<void>(resolve => (wake = resolve));
    },
    answer(address: string, number: number): void {
      const { query, from } = held[number];
      socket.send(answerA(query, 300, address), from.port, from.address);
    },
    close: () => socket.close(),
  };
}

test('servers over the same object must be equal while both live', async () => {
  const cache = DnsCache.create({ memory: '4MiB' });
  caches.push(cache);
  const a = await start({ views: view('10.1.0.10') }, cache);
  const refused = expect.objectContaining({ code: 'ERR_SHARDNS_OPTION', message: expect.stringContaining('scope') });
  await expect(start({ views: view('10.2.0.10') }, cache)).rejects.toThrow(refused);
  const b = await start({ views: view('10.1.0.10') }, cache);
  await expect(b.server.update({ views: [] })).rejects.toThrow(refused);
  expect(b.server.settings.views).toHaveLength(1);
  expect(await a.address('intranet.example')).toBe('10.1.0.10');
  await a.server.close();
  await b.server.update({ views: view('10.3.0.10') });
  expect(await b.address('intranet.example')).toBe('10.3.0.10');
});

test("what was in a cache of one's own before its first server came is kept", async () => {
  const cache = DnsCache.create({ memory: '4MiB' });
  caches.push(cache);
  cache.insert(answerA(makeQuery('mine.example'), 300, '192.0.2.99'));
  const a = await start({ views: [] }, cache);
  expect(await a.address('mine.example')).toBe('192.0.2.99');
});

describe('the configuration', () => {
  const of = (options: ServerOptions): unknown => configurationOf(readOptions(options));
  test.each<[string, ServerOptions]>([
    ['local', { local: { records: ['a.example A 10.0.0.1'] } }],
    ['localZones', { localZones: false }],
    ['views', { views: view('10.1.0.10') }],
    ['tenants', { tenants: { enabled: true } }],
    ['clientSubnet', { upstream: { clientSubnet: 'forward' } }],
    ['privateAddresses', { resolver: { privateAddresses: ['10.0.0.0/8'] } }],
    ['scope', { cache: { scope: 'one' } }],
    ['whether anything is validated', { upstreams: ['192.0.2.1'] }],
  ])('differs by %s', (_, options) => expect(of(options)).not.toEqual(of({})));
  test('does not differ by what decides nothing, nor by the order of keys', () => {
    expect(of({ threads: 2, cache: { memory: '4MiB' }, upstreams: ['192.0.2.1'] })).toEqual(
      of({ upstreams: ['192.0.2.2'] }),
    );
    const [{ name, clients, local }] = view('10.1.0.10');
    expect(of({ views: [{ local, clients, name }] })).toEqual(of({ views: [{ name, clients, local }] }));
  });
});
