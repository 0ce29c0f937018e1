// `secure: 'required'` with signatures that are made and verified: from the root's anchor to the address of each target.
import { afterEach, describe, expect, test } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { Service } from '../../../lib/discovery/service.js';
import { DnsClient } from '../../../lib/node/client.js';
import { Query } from '../../../lib/wire/query.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { answerOf, type Said, stripped, tampered } from '../../support/signed-internet.js';
import { NOW, SignedTree, unsigned } from '../../support/signed-tree.js';

const NAME = '_http._tcp.orders.shop';
const tree = new SignedTree({
  '.': {},
  'shop.': {
    lines: [
      `${NAME}. 5 SRV 0 0 80 a.shop.`,
      `${NAME}. 5 SRV 0 0 80 b.plain.`,
      'a.shop. 5 A 192.0.2.80',
      'a.shop. 5 TXT version=2',
    ],
  },
  'plain.': { unsigned: true, lines: ['b.plain. 5 A 192.0.2.81', '_http._tcp.plain. 5 SRV 0 0 80 a.shop.'] },
});

const open: Disposable[] = [];
afterEach(() => {
  for (const one of open.splice(0).reverse()) one[Symbol.dispose]();
});

type Lie = (said: Said) => Said;
async function follow(name: string, options: DiscoverOptions, world: { lie?: Lie; wall?: number } = {}) {
  const clock = new FakeClock();
  clock.wall = world.wall ?? NOW;
  const transport = new FakeTransport(clock, octets => answerOf(tree, new Query(octets), world));
  const client = new DnsClient(
    {
      servers: ['192.0.2.1'],
      resolvConf: false,
      hostsFile: false,
      staleSeconds: 0,
      secure: 'report',
      trustAnchors: [tree.signed('.').anchor],
    },
    { clock, udpTransport: transport, tcpTransport: transport },
  );
  open.push(client);
  await client.warm([]); // loads the validator, in its own time
  const pending: Promise<Service> = discover(name, { client, secure: 'required', readyMs: 600_000, ...options });
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  pending.then(over, over);
  let shifted = 0;
  // In steps: the cache's clock is not the timers', and both have to move together.
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 1000) {
      client.engine.native.shiftClock((shifted += 1000));
      await clock.advance(1000);
    }
  };
  for (let i = 0; !isOver; i++) {
    await settle();
    if (i % 20 === 19) await advance(1000);
  }
  const service = await pending;
  open.push(service);
  return { service, advance };
}
const targets = (service: Service): string[] => service.endpoints.map(one => `${one.host} ${one.address}`);

describe('with real signatures, what is required to be secure', () => {
  test('is taken where it is proven from the root on; a target in a zone without signatures is not', async () => {
    const { service } = await follow(NAME, { texts: true });
    expect(targets(service)).toEqual(['a.shop 192.0.2.80']);
    expect(service.endpoints[0]).toMatchObject({ secure: true, metadata: { version: '2' } });
    expect(service.secure).toBe(true);
    expect(service.report().ignored.unproven).toBe(1);
  });
  test('is reported: the one is secure, the other and the set are not', async () => {
    const { service } = await follow(NAME, { secure: 'report' });
    const found = service.endpoints.map(({ host, secure }) => [host, secure]).sort();
    expect(found).toEqual([
      ['a.shop', true],
      ['b.plain', false],
    ]);
    expect(service.secure).toBe(false);
  });
  test('is not a list in a zone without signatures, though its target is proven', async () => {
    await expect(follow('_http._tcp.plain', {})).rejects.toMatchObject({ category: 'insecure' });
  });
  test.each<[string, { lie?: Lie; wall?: number }]>([
    ['that are tampered with', { lie: tampered }],
    ['whose signatures were stripped', { lie: stripped }],
    ['whose signatures have expired', { wall: NOW + 30 * 86_400 }],
    ['whose signatures do not hold yet', { wall: NOW - 30 * 86_400 }],
  ])('is not records %s', async (_what, world) => {
    await expect(follow(NAME, {}, world)).rejects.toMatchObject({ category: 'insecure' });
  });
  test('is not an address that came along with no signature: the signed one is asked for', async () => {
    const forged = unsigned('a.shop. 5 A 10.6.6.6');
    const { service } = await follow(NAME, {}, { lie: said => ({ ...said, additional: [forged] }) });
    expect(targets(service)).toEqual(['a.shop 192.0.2.80']);
  });
  test('goes on as it was while all that comes is forged, and is not what is forged', async () => {
    const world: { lie?: Lie } = {};
    const { service, advance } = await follow(NAME, {}, world);
    world.lie = tampered;
    await advance(60_000);
    expect(targets(service)).toEqual(['a.shop 192.0.2.80']);
    expect(service.secure).toBe(true);
  });
});
