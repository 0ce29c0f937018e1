// Translated addresses (DNS64) on every way in: for whom, from where, and beside views.
import { afterEach, describe, expect, test } from 'vitest';
import { trace } from '../../../lib/admin/trace.js';
import type { Server as Inner } from '../../../lib/server/server.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { viewWithTag } from '../../../lib/clients/views.js';
import { askTcp, askUdp } from '../../support/client.js';
import { decode, makeQuery, makeResponse } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const ADDRESS = '198.51.100.1';
const TRANSLATED = '64:ff9b::c633:6401';
const answer = (query: Uint8Array): Buffer => {
  const { name, type } = decode(query).questions![0];
  if (type !== 'A') return makeResponse(query, { authorities: [SOA] });
  return makeResponse(query, { answers: [{ type: 'A', name, ttl: 300, data: ADDRESS }] });
};
const SOA = {
  type: 'SOA' as const,
  name: '.',
  ttl: 300,
  data: { mname: 'ns', rname: 'host', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 300 },
};
const start = async (options: ServerOptions = {}): Promise<TestServer> =>
  (server = await TestServer.start(answer, { dns64: { prefix: '64:ff9b::/96' }, ...options }));
const dataOf = (reply: Buffer | undefined): unknown[] =>
  (decode(reply!).answers ?? []).map(one => (one as { data: unknown }).data);

describe.each(['native', 'dgram', 'tcp'] as const)('over %s', way => {
  const ask = async (type: string, from = '127.0.0.1', name = 'v4.example'): Promise<unknown[]> => {
    const query = makeQuery(name, { type });
    if (way !== 'tcp') return dataOf(await askUdp(server!.address, query, 60_000, from));
    return dataOf((await askTcp(server!.server.addresses().tcp[0], [query], 60_000, from))[0]);
  };
  const udp = way === 'dgram' ? 'dgram' : 'native';

  test('a name without AAAA has translated addresses, from the cache the second time', async () => {
    await start({ udp });
    for (let round = 0; round < 3; round++) expect(await ask('AAAA')).toEqual([TRANSLATED]);
    expect(server!.asked).toBe(2);
    expect(server!.server.engine.stats().hitsPositive).toBeGreaterThanOrEqual(2);
    expect(await ask('A')).toEqual([ADDRESS]);
    expect(await ask('AAAA', '127.0.0.1', 'ipv4only.arpa')).toHaveLength(2);
    expect(server!.server.report().resolver).toMatchObject({ dns64Answers: 2 });
  });

  test('where clients are named, others are told what the name has, hits included', async () => {
    await start({ udp, dns64: { prefix: '64:ff9b::/96', clients: ['127.0.0.2', '127.0.0.4'] } });
    for (let round = 0; round < 3; round++) {
      expect(await ask('AAAA', '127.0.0.2')).toEqual([TRANSLATED]);
      expect(await ask('AAAA', '127.0.0.3')).toEqual([]);
    }
  });

  test('clients of a view keep it, translated or not', async () => {
    await start({
      udp,
      dns64: { prefix: '64:ff9b::/96', clients: ['127.0.0.2'] },
      views: [{ name: 'home', clients: ['127.0.0.2/31'], local: { records: ['box.example AAAA 2001:db8::1'] } }],
    });
    for (let round = 0; round < 2; round++) {
      expect(await ask('AAAA', '127.0.0.2', 'box.example')).toEqual(['2001:db8::1']);
      expect(await ask('AAAA', '127.0.0.3', 'box.example')).toEqual(['2001:db8::1']);
      expect(await ask('AAAA', '127.0.0.4', 'box.example')).toEqual([]);
      expect(await ask('AAAA', '127.0.0.2')).toEqual([TRANSLATED]);
      expect(await ask('AAAA', '127.0.0.3')).toEqual([]);
    }
  });

  test('a change holds from the next query on', async () => {
    await start({ udp, dns64: {} });
    expect(await ask('AAAA')).toEqual([]);
    await server!.server.update({ dns64: { prefix: '64:ff9b::/96' } });
    expect(await ask('AAAA')).toEqual([TRANSLATED]);
    await server!.server.update({ dns64: { clients: ['127.0.0.2'] } });
    expect(await ask('AAAA')).toEqual([]);
    expect(await ask('AAAA', '127.0.0.2')).toEqual([TRANSLATED]);
    await server!.server.update({ dns64: { prefix: '2001:db8:64::/96', clients: [] } });
    expect(await ask('AAAA')).toEqual(['2001:db8:64::c633:6401']);
  });
});

test('private addresses behind the prefix are told of no name of the outside, from the change of the prefix on', async () => {
  const hidden = '2001:db8:64::c0a8:101';
  server = await TestServer.start(
    query => {
      const { name, type } = decode(query).questions![0];
      if (type !== 'AAAA') return makeResponse(query, { authorities: [SOA] });
      return makeResponse(query, { answers: [{ type: 'AAAA', name, ttl: 300, data: hidden }] });
    },
    { resolver: { privateAddresses: ['192.168.0.0/16'] }, dns64: { prefix: '64:ff9b::/96' } },
  );
  const ask = async (): Promise<unknown[]> =>
    dataOf(await askUdp(server!.address, makeQuery('rebinding.example', { type: 'AAAA' }), 60_000));
  expect(await ask()).toEqual([hidden]);
  await server.server.update({ dns64: { prefix: '2001:db8:64::/96' } });
  for (let round = 0; round < 2; round++) expect(await ask()).toEqual([]);
});

test('a trace shows that addresses are translated, and of what', async () => {
  await start();
  const lines: string[] = [];
  const inner = server!.server as unknown as Inner;
  await trace(inner, { name: 'v4.example', type: 'AAAA', fresh: false }, line => lines.push(line));
  expect(lines.join('\n')).toMatch(/dns64 +v4.example. has no AAAA: its A records are translated/);
  expect(lines.join('\n')).toContain(TRANSLATED);
});

test.each([
  [{ prefix: '64:ff9b::/95' }, /dns64.prefix: expected an IPv6 prefix of 32, 40/],
  [{ prefix: '64:ff9b::/96', exclude: ['x'] }, /dns64.exclude\[0\]: expected an address or a prefix/],
])('%j is refused by name', (dns64, message) => {
  expect(() => readOptions({ dns64 })).toThrow(message);
});

test('tenants sort clients in their own way: none may be named beside them', () => {
  const dns64 = { prefix: '64:ff9b::/96', clients: ['192.0.2.0/24'] };
  expect(() => readOptions({ dns64, tenants: { enabled: true } })).toThrow(/dns64.clients: expected none where/);
});

test('a tag says whose view it is, translated or not', () => {
  const views = ['a', 'b'];
  expect([0, 1, 2, 3, 4, 5, 6, 99].map(tag => viewWithTag(views, tag))).toEqual(
    [undefined, 'a', 'b', undefined, 'a', 'b', undefined, undefined], // prettier-ignore
  );
});
