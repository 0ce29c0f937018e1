// Servers of a program that leave out what answers prove themselves by (RFC 8027): named, passed over for an hour, and asked
// again soon where nobody else is left.
import { afterEach, expect, test } from 'vitest';
import { systemRandom } from '../../../lib/base/random.js';
import { TrustAnchors } from '../../../lib/dnssec/trust.js';
import { DnsClient } from '../../../lib/node/client.js';
import type { InsecureError } from '../../../lib/node/errors.js';
import type { LookupOptions } from '../../../lib/node/options.js';
import { Resolver } from '../../../lib/node/resolver.js';
import { SignatureWatch } from '../../../lib/node/signature-watch.js';
import { Exchanger } from '../../../lib/upstream/exchange.js';
import { routesOf } from '../../../lib/upstream/route.js';
import { Upstream } from '../../../lib/upstream/upstream.js';
import { typeName } from '../../../lib/wire/iana.js';
import { nameKey, nameToText } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { answerOf, type Said, stripped } from '../../support/signed-internet.js';
import { NOW, SignedTree } from '../../support/signed-tree.js';

const [STRIPS, GOOD] = ['192.0.2.1:53', '192.0.2.2:53'];
const tree = new SignedTree({ '.': {}, 'shop.': { lines: ['www.shop. 300 A 192.0.2.80'] } });

let client: DnsClient | undefined;
afterEach(() => client?.close());

/** Undefined: silence. */
type Manner = ((said: Said) => Said) | undefined;

function start(options: LookupOptions, manners: Record<string, Manner>) {
  const clock = new FakeClock();
  clock.wall = NOW;
  let asked: string[] = [];
  const transport = new FakeTransport(clock, (octets, where) => {
    const query = new Query(octets);
    asked.push(`${where} ${nameToText(query.name)} ${typeName(query.type)}`);
    const lie = manners[where];
    return lie === undefined ? undefined : answerOf(tree, query, { lie });
  });
  const dependencies = { clock, udpTransport: transport, tcpTransport: transport };
  const servers = Object.keys(manners);
  const given = { servers, resolvConf: false, hostsFile: false, trustAnchors: [tree.signed('.').anchor], ...options };
  client = new DnsClient(given as LookupOptions, dependencies);
  const resolver = new Resolver({ client, secure: options.secure });
  /** What is told of a name, while time passes; and who was asked for it. */
  const ask = async (name: string): Promise<{ told: unknown; asked: string[] }> => {
    asked = [];
    let isOver = false;
    const asking = resolver
      .resolve4(name)
      .catch((error: InsecureError) => error)
      .finally(() => (isOver = true));
    // Signatures are checked in libuv's pool, which has no part in this clock.
    while (!isOver) await clock.advance(asked.length === 0 ? 0 : 1);
    return { told: await asking, asked };
  };
  return { clock, ask };
}
const honest = (said: Said): Said => said;
const probesIn = (asked: readonly string[]): string[] => asked.filter(one => /( \. SOA| [a-z]{12}\. TXT)$/.test(one));

test('one that leaves signatures out is named, and that it does', async () => {
  const { ask } = start({ secure: 'required' }, { [STRIPS]: stripped });
  const { told } = await ask('www.shop');
  const reason = `${STRIPS} leaves the signatures of DNSKEY records out (RFC 8027): nothing that it says can be proven`;
  expect(told).toMatchObject({ code: 'EINSECURE', bogus: true, extendedError: 10, reason });
  expect((told as Error).message).toBe(`queryA EINSECURE www.shop: ${reason}`);
  // The next question is told so too, though nobody is asked for it.
  expect(await ask('none.shop')).toMatchObject({ told: { code: 'EINSECURE', reason }, asked: [] });
});

test('so it is told as the cause to a program that wants reports', async () => {
  const { ask } = start({ secure: 'report' }, { [STRIPS]: stripped });
  const { told } = await ask('www.shop');
  expect(told).toMatchObject({ code: 'ESERVFAIL' });
  expect((told as { cause: Error }).cause.message).toContain(`${STRIPS} leaves the signatures of DNSKEY records out`);
});

test('where it was the only one, names are resolved soon after it has healed', async () => {
  const manners: Record<string, Manner> = { [STRIPS]: stripped };
  const { clock, ask } = start({ secure: 'required' }, manners);
  await ask('www.shop');
  manners[STRIPS] = honest;
  expect(await ask('www.shop')).toMatchObject({ told: { code: 'EINSECURE' }, asked: [] });
  await clock.advance(1000);
  expect((await ask('www.shop')).told).toEqual(['192.0.2.80']);
});

test('while it stays the only one it is asked after 1, 2, 4 and up to 60 seconds', async () => {
  const { clock, ask } = start({ secure: 'required' }, { [STRIPS]: stripped });
  await ask('www.shop');
  let probes = 0;
  for (let second = 0; second < 600; second++) {
    await clock.advance(1000);
    if ((await ask('www.shop')).asked.length > 0) probes++;
  }
  expect(probes).toBeGreaterThan(10);
  expect(probes).toBeLessThan(18);
});

test('beside others it is passed over for what has to prove itself', async () => {
  const manners: Record<string, Manner> = { [STRIPS]: stripped, [GOOD]: undefined };
  const { clock, ask } = start({ secure: 'required', timeoutMs: 20_000 }, manners);
  expect((await ask('none.shop')).told).toBeInstanceOf(Error);
  manners[GOOD] = honest;
  await clock.advance(60_000);
  for (let i = 0; i < 10; i++) {
    const { told, asked } = await ask(i === 0 ? 'www.shop' : `n${i}.shop`);
    expect(told).toEqual(i === 0 ? ['192.0.2.80'] : expect.objectContaining({ code: 'ENOTFOUND', secure: true }));
    expect(asked.filter(one => one.startsWith(STRIPS))).toEqual([]);
  }
});

test('a zone that is not signed as it should be has servers asked once a minute, not with each of its names', async () => {
  const broken = (said: Said): Said => ({
    ...said,
    answer: said.answer.map(one => (one.type === 1 ? { ...one, signatures: [] } : one)),
  });
  const { clock, ask } = start({ secure: 'required' }, { [GOOD]: broken });
  const first = await ask('www.shop');
  expect(first.told).toMatchObject({
    code: 'EINSECURE',
    extendedError: 10,
    reason: expect.stringContaining('no signatures'),
  });
  expect(probesIn(first.asked)).toHaveLength(2);
  await clock.advance(5000);
  expect(probesIn((await ask('www.shop')).asked)).toEqual([]);
});

test('it is passed over for an hour, though it keeps silent when it is asked again', async () => {
  const clock = new FakeClock();
  let isSilent = false;
  const transport = new FakeTransport(clock, octets =>
    isSilent ? undefined : answerOf(tree, new Query(octets), { lie: stripped }),
  );
  const options = { deadlineMs: 5000, hedge: false, maxInFlight: 16, maxTotal: 16 };
  const routes = routesOf(transport, transport);
  const exchanger = new Exchanger({ routes, clock, random: systemRandom, options });
  const upstreams = [new Upstream({ address: '192.0.2.1', family: 4, port: 53 }, clock)];
  const watch = new SignatureWatch({
    clock,
    random: systemRandom,
    udpSize: 1232,
    anchors: new TrustAnchors([tree.signed('.').anchor]),
    upstreams: () => upstreams,
    exchanger: () => exchanger,
  });
  expect([watch.passedOver, watch.whyLost]).toEqual([undefined, undefined]);
  const look = async (): Promise<void> => {
    const looking = watch.look();
    await clock.advance(1000);
    await looking;
  };
  await look();
  expect([...watch.passedOver!]).toEqual([`${STRIPS} ${nameKey(Uint8Array.of(0))}`]);
  isSilent = true;
  await look();
  expect(transport.asked.length).toBe(3);
  expect(watch.whyLost).toContain('leaves the signatures of DNSKEY records out');
  await clock.advance(3_600_000);
  expect([watch.passedOver, watch.whyLost]).toEqual([undefined, undefined]);
  expect(upstreams[0].inFlight).toBe(0);
});
