// Views: where a client asks from decides what it is told, on every way in, and others' answers never reach it.
import { afterEach, describe, expect, test } from 'vitest';
import { systemRandom } from '../../../lib/base/random.js';
import { Gate } from '../../../lib/clients/gate.js';
import { viewWithTag } from '../../../lib/clients/views.js';
import { gateRulesOf } from '../../../lib/server/settings/clients.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, decode, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const HOME = '127.0.0.2';
const GUEST = '127.0.0.3';
const STRANGER = '127.0.0.1';
const VIEWS: NonNullable<ServerOptions['views']> = [
  {
    name: 'home',
    clients: [HOME, '2001:db8::/32'],
    local: { records: ['box.example A 10.0.0.1'] },
  },
  {
    name: 'guests',
    clients: ['127.0.0.2/31', '2001:db8:1::/48'],
    inherit: false,
    local: { zones: [{ name: 'ads.example', kind: 'refuse' }] },
  },
];
const start = async (options: ServerOptions): Promise<TestServer> =>
  (server = await TestServer.start(query => answerA(query, 300, '192.0.2.1'), {
    views: VIEWS,
    local: { records: ['printer.example A 10.0.0.9'] },
    ...options,
  }));
const addressIn = (reply: Buffer | undefined): unknown =>
  (decode(reply!).answers?.[0] as { data: unknown } | undefined)?.data;

describe.each(['native', 'dgram', 'tcp'] as const)('over %s', way => {
  const ask = async (name: string, from: string): Promise<Buffer | undefined> =>
    way === 'tcp'
      ? (await askTcp(server!.server.addresses().tcp[0], [makeQuery(name)], 60_000, from))[0]
      : askUdp(server!.address, makeQuery(name), 60_000, from);
  const open = () => start({ udp: way === 'dgram' ? 'dgram' : 'native' });

  test('each client is told what its view says, hits included', async () => {
    await open();
    for (let round = 0; round < 3; round++) {
      expect(addressIn(await ask('box.example', HOME))).toBe('10.0.0.1');
      expect(addressIn(await ask('box.example', GUEST))).toBe('192.0.2.1');
      expect(addressIn(await ask('box.example', STRANGER))).toBe('192.0.2.1');
      expect(rcodeOf((await ask('x.ads.example', GUEST))!)).toBe(5);
      expect(addressIn(await ask('x.ads.example', HOME))).toBe('192.0.2.1');
    }
    expect(server!.server.engine.stats().hitsPositive).toBeGreaterThan(6);
  });
  test('a view that inherits is told what everybody is, another is not', async () => {
    await open();
    expect(addressIn(await ask('printer.example', HOME))).toBe('10.0.0.9');
    expect(addressIn(await ask('printer.example', STRANGER))).toBe('10.0.0.9');
    expect(addressIn(await ask('printer.example', GUEST))).toBe('192.0.2.1');
  });
  test('views change while the server serves, and nothing of the old ones is told', async () => {
    await open();
    await ask('box.example', HOME);
    await ask('printer.example', STRANGER);
    await server!.server.update({
      views: [{ name: 'all', clients: ['127.0.0.0/8'], local: { records: ['box.example A 10.0.0.2'] } }],
      local: { records: [] },
    });
    expect(addressIn(await ask('box.example', HOME))).toBe('10.0.0.2');
    expect(addressIn(await ask('box.example', STRANGER))).toBe('10.0.0.2');
    expect(addressIn(await ask('printer.example', STRANGER))).toBe('192.0.2.1');
    await server!.server.update({ views: [] });
    expect(addressIn(await ask('box.example', HOME))).toBe('192.0.2.1');
  });
});

test('clients that ask for the first time get native hits, and none of them is remembered', async () => {
  await start({});
  expect(addressIn(await askUdp(server!.address, makeQuery('box.example'), 60_000, HOME))).toBe('10.0.0.1');
  expect(addressIn(await askUdp(server!.address, makeQuery('box.example'), 60_000, STRANGER))).toBe('192.0.2.1');
  const { flights } = server!.server.plane!.stats();
  // Addresses that were never seen before, as those made up are.
  for (let i = 0; i < 50; i++) {
    const reply = await askUdp(server!.address, makeQuery('box.example'), 60_000, `127.1.2.${i + 1}`);
    expect(addressIn(reply)).toBe('192.0.2.1');
  }
  expect(server!.server.plane!.stats().flights).toBe(flights);
  expect(server!.server.gate.native.clients()).toBe(0);
});

test('local records that change while the server serves are told anew at once', async () => {
  await start({ views: [] });
  const ask = (name: string) => askUdp(server!.address, makeQuery(name));
  expect(addressIn(await ask('printer.example'))).toBe('10.0.0.9');
  expect(addressIn(await ask('other.example'))).toBe('192.0.2.1');
  await server!.server.update({ local: { records: ['other.example A 10.0.0.8'] } });
  expect(addressIn(await ask('printer.example'))).toBe('192.0.2.1');
  expect(addressIn(await ask('other.example'))).toBe('10.0.0.8');
});

test('the longest prefix that a client lies in decides', () => {
  const settings = readOptions({ views: VIEWS });
  const gate = new Gate(systemRandom);
  gate.replace(gateRulesOf(settings));
  const names = (...addresses: string[]) => addresses.map(one => viewWithTag(settings.views, gate.judge(one))?.name);
  expect(names(HOME, GUEST, STRANGER)).toEqual(['home', 'guests', undefined]);
  expect(names('2001:db8:2::1', '2001:db8:1::1', '2001:db9::1')).toEqual(['home', 'guests', undefined]);
});

test.each([
  [{ views: [...VIEWS, { name: 'home', clients: ['192.0.2.1'] }] }, /views\[2\]\.name: .*got "home"/],
  [{ views: [...VIEWS, { name: 'b', clients: [HOME] }] }, /views\[2\]\.clients\[0\]: .*got "127\.0\.0\.2"/],
  [
    { views: [...VIEWS, { name: 'b', clients: ['127.0.0.3/31'] }] },
    /views\[2\]\.clients\[0\]: .*got "127\.0\.0\.3\/31"/,
  ],
  [
    {
      views: [
        { name: 'a', clients: [HOME] },
        { name: 'b', clients: ['potato'] },
      ],
    },
    /^views\[1\]\.clients\[0\]: [^;]*$/,
  ],
  [{ views: VIEWS, tenants: { enabled: true } }, /views: expected none where tenants\.enabled is set/],
  [{ views: [{ name: 'a', clients: ['potato'] }] }, /views\[0\]\.clients\[0\]: expected [^"]*, got "potato"$/],
  [{ views: [{ name: 'a', clients: [HOME], local: { records: ['x'] } }] }, /views\[0\]\.local\.records\[0\]/],
])('views that contradict are refused, with what is wrong: %#', (options, message) => {
  expect(() => readOptions(options)).toThrow(message);
});

test.each(['native', 'dgram'] as const)(
  'what is under way for a view while views change is kept for none that takes its place: %s',
  async udp => {
    let release = (): void => {};
    const released = new Promise<void>(resolve => (release = resolve));
    const home = { name: 'home', clients: [HOME], local: { records: ['www.example CNAME slow.example'] } };
    const guests = { name: 'guests', clients: [GUEST], local: { records: [] } };
    server = await TestServer.start(
      async query => {
        const slow = query.toString('latin1').toLowerCase().includes('slow');
        if (slow) await released;
        return answerA(query, 300, slow ? '10.0.0.1' : '192.0.2.1');
      },
      { udp, views: [home, guests] },
    );
    const ask = (from: string) => askUdp(server!.address, makeQuery('www.example'), 60_000, from);
    const told = ask(HOME);
    await expect.poll(() => server!.asked).toBe(1);
    await server.server.update({ views: [guests, home] });
    release();
    await told;
    expect(addressIn(await ask(GUEST))).toBe('192.0.2.1');
    expect((decode((await ask(HOME))!).answers ?? []).map(one => one.type)).toEqual(['CNAME', 'A']);
  },
);
