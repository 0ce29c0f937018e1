// Options that decide what an answer is, changed while the server serves: neither what is kept nor what is under way is
// told to those who ask afterwards.
import { afterEach, describe, expect, test } from 'vitest';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { Query } from '../../../lib/wire/query.js';
import { askUdp } from '../../support/client.js';
import { answerA, decode, makeQuery } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer;
let release: () => void;
afterEach(async () => {
  release();
  await server.close();
});

/** All names have private and public addresses by turns; names below slow.example wait until they are released. */
async function start(options: ServerOptions): Promise<void> {
  let held: Promise<void> | undefined = new Promise(resolve => {
    release = () => {
      held = undefined;
      resolve();
    };
  });
  server = await TestServer.start(async query => {
    const name = new Query(query).nameText;
    const response = answerA(query, 300, '10.0.0.7');
    if (held !== undefined && name.endsWith('.slow.example.')) await held;
    return response;
  }, options);
}
const WAYS = ['native', 'dgram'] as const;
const ask = (name: string, from = '127.0.0.2') => askUdp(server.address, makeQuery(name), 60_000, from);
const addresses = (reply: Buffer | undefined) => decode(reply!).answers!.map(one => (one as { data: string }).data);
const view = (record: string): ServerOptions => ({
  views: [{ name: 'v', clients: ['127.0.0.2'], local: { records: [record] } }],
});
const underWay = (count: number) => expect.poll(() => server.asked, { interval: 2 }).toBeGreaterThanOrEqual(count);

/** Options before and after, the answer's addresses by each. */
const CHANGES: [string, ServerOptions, ServerOptions, string[], string[]][] = [
  ['addresses become private', {}, { resolver: { privateAddresses: ['10.0.0.0/8'] } }, ['10.0.0.7'], []],
  [
    'a domain may have private addresses',
    { resolver: { privateAddresses: ['10.0.0.0/8'] } },
    { resolver: { privateDomains: ['slow.example'] } },
    [],
    ['10.0.0.7'],
  ],
  [
    'a view says otherwise',
    view('other.example A 192.0.2.9'),
    view('x.slow.example A 192.0.2.1'),
    ['10.0.0.7'],
    ['192.0.2.1'],
  ],
  [
    'local data says otherwise',
    {},
    { local: { records: ['x.slow.example A 192.0.2.1'] } },
    ['10.0.0.7'],
    ['192.0.2.1'],
  ],
];

describe.each(WAYS)('over %s', udp => {
  test.each(CHANGES)('%s: what is kept is told no more', async (_, before, after, old, now) => {
    await start({ udp, ...before });
    release();
    expect(addresses(await ask('x.slow.example'))).toEqual(old);
    await server.server.update(after);
    expect(addresses(await ask('x.slow.example'))).toEqual(now);
  });

  test.each(CHANGES)(
    '%s: who asks afterwards does not wait for what is under way, which is not kept',
    async (_, before, after, __, now) => {
      await start({ udp, ...before });
      const first = ask('x.slow.example');
      await underWay(1);
      await server.server.update(after);
      const second = ask('x.slow.example');
      // What needs no upstream is there at once.
      if (now[0] === '192.0.2.1') expect(addresses(await second)).toEqual(now);
      release();
      await first;
      expect(addresses(await second)).toEqual(now);
      expect(addresses(await ask('x.slow.example'))).toEqual(now);
    },
  );
});

test('what was asked without clients’ subnets is nobody’s answer once those are forwarded', async () => {
  await start({ upstream: { clientSubnet: 'strip' } });
  release();
  await ask('a.example');
  await ask('a.example');
  expect(server.asked).toBe(1);
  await server.server.update({ upstream: { clientSubnet: 'forward' } });
  await ask('a.example');
  expect(server.asked).toBe(2);
});

test('what a question was told with its client’s subnet is not everybody’s once that is left out', async () => {
  await start({ upstream: { clientSubnet: 'forward' } });
  const first = ask('x.slow.example');
  await underWay(1);
  await server.server.update({ upstream: { clientSubnet: 'strip' } });
  release();
  await first;
  await ask('x.slow.example');
  expect(server.asked).toBe(2);
});

test.each<ServerOptions>([
  { threads: 1, stale: { ttlSeconds: 20 } },
  { upstreams: ['192.0.2.54'] },
  { allow: ['127.0.0.0/8'] },
])('what decides nothing about answers leaves them as they are: %j', async changes => {
  await start({});
  release();
  await ask('a.example');
  await server.server.update(changes);
  await ask('a.example');
  expect(server.asked).toBe(1);
});

test('a zone that gets servers of its own, or loses them, is asked about anew', async () => {
  await start({});
  release();
  expect(addresses(await ask('x.corp.example'))).toEqual(['10.0.0.7']);
  expect(addresses(await ask('x.example'))).toEqual(['10.0.0.7']);
  const zone = { name: 'corp.example', servers: ['192.0.2.99'] };
  await server.server.update({ forwardZones: [zone] });
  await ask('x.corp.example');
  expect(server.udp.asked.at(-1)!.server).toBe('192.0.2.99:53');
  await server.server.update({ forwardZones: [] });
  await ask('x.corp.example');
  expect(server.udp.asked.at(-1)!.server).toBe('192.0.2.53:53');
  const { asked } = server;
  await ask('x.example');
  expect(server.asked).toBe(asked);
});
