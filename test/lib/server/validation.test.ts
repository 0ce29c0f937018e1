// A server that validates: what its clients see, of recursion and of upstreams.
import { afterEach, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import { silentLogger } from '../../../lib/base/log.js';
import { Server } from '../../../lib/server/server.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { ExtendedError, Flag, Rcode, Type } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { makeQuery } from '../../support/messages.js';
import { answerOf, tampered } from '../../support/signed-internet.js';
import { NOW, SignedTree } from '../../support/signed-tree.js';

let server: Server | undefined;
/** What the log has but for its debug lines. */
let lines: string[];
afterEach(() => server?.close());

/** Upstreams that answer from signed zones, with `lies` in the place of some answers. */
function start(options: ServerOptions, lies = false) {
  lines = [];
  const tree = new SignedTree({
    '.': {},
    'shop.': { lines: ['www.shop. 300 A 192.0.2.80'] },
    'plain.': { unsigned: true, lines: ['www.plain. 300 A 192.0.2.81'] },
  });
  const clock = new FakeClock();
  clock.wall = NOW;
  const asked: Query[] = [];
  const transport = new FakeTransport(clock, octets => {
    const query = new Query(octets);
    asked.push(query);
    return answerOf(tree, query, { lie: lies ? tampered : undefined });
  });
  const note = (_: object, message: string): void => void lines.push(message);
  const root = tree.signed('.').anchor;
  server = new Server(
    {
      listen: ['127.0.0.1:0'],
      udp: 'dgram',
      cache: { memory: '1MiB' },
      ...options,
      dnssec: { trustAnchors: [root], ...options.dnssec },
    },
    {},
    {
      clock,
      log: { ...silentLogger, info: note, warn: note, error: note },
      udpTransport: transport,
      tcpTransport: transport,
    },
  );
  const { resolver } = server;
  const ask = async (name: string, flags: Parameters<typeof makeQuery>[1] = {}) => {
    const query = new Query(makeQuery(name.slice(0, -1), flags));
    const length = resolver.finish(query, await resolver.resolve(query, { protocol: 'internal' }), false);
    return decodeMessage(server!.engine.reply.slice(0, length));
  };
  return { ask, asked, clock };
}

const FORWARDER: ServerOptions = { upstreams: ['192.0.2.1'], dnssec: { validate: true } };

test('a forwarder that validates tells with AD what is secure, and asks upstreams with DO and CD', async () => {
  const { ask, asked } = start(FORWARDER);
  const secure = await ask('www.shop.', { dnssecOk: true });
  expect(secure.flags & Flag.AD).toBe(Flag.AD);
  expect(secure.answers.map(one => one.type)).toEqual([Type.A, Type.RRSIG]);
  expect(asked.every(one => one.dnssecOk && one.checkingDisabled && one.recursionDesired)).toBe(true);
  const plain = await ask('www.plain.', { dnssecOk: true });
  expect(plain.flags & Flag.AD).toBe(0);
  expect(plain.answers.map(one => one.type)).toEqual([Type.A]);
});

test('what upstreams tell that does not prove itself is SERVFAIL, but for those who set CD', async () => {
  const { ask } = start(FORWARDER, true);
  expect((await ask('www.shop.')).flags & 15).toBe(Rcode.SERVFAIL);
  const unchecked = await ask('www.shop.', { cd: true });
  expect(unchecked.flags & (15 | Flag.AD)).toBe(Rcode.NOERROR);
  expect([...unchecked.answers[0].data]).toEqual([6, 6, 6, 6]);
});

test('a forwarder that does not say so validates nothing', async () => {
  const { ask } = start({ upstreams: ['192.0.2.1'], dnssec: {} }, true);
  expect((await ask('www.shop.')).flags & 15).toBe(Rcode.NOERROR);
});

test.each([
  [
    'behind',
    -10 * 86_400,
    ExtendedError.signatureNotYetValid,
    "the machine's clock seems wrong: it says 2027-01-05T08:00:00Z, and the signatures of a trust anchor's keys begin no earlier than 2027-01-14T08:00:00Z",
  ],
  [
    'ahead',
    10 * 86_400,
    ExtendedError.signatureExpired,
    "the machine's clock seems wrong: it says 2027-01-25T08:00:00Z, and the signatures of a trust anchor's keys were over by 2027-01-16T08:00:00Z",
  ],
] as const)('a clock that is %s is told once, and makes nothing believed', async (_, seconds, ede, told) => {
  const { ask, clock } = start(FORWARDER);
  clock.wall = NOW + seconds;
  for (const name of ['www.shop.', 'a.shop.', 'b.shop.', 'www.plain.']) {
    const reply = await ask(name, { edns: true });
    expect([name, reply.flags & 15]).toEqual([name, Rcode.SERVFAIL]);
  }
  expect(
    await server!.recursor!.resolve(encodeName('c.shop'), Type.A, {}).catch((error: unknown) => error),
  ).toMatchObject({
    isBogus: true,
    extendedError: ede,
  });
  expect(lines).toEqual([`${told}; until it is right, what is signed does not prove itself and is SERVFAIL`]);
  expect(server!.report().clockDoubt).toBe(told);
  expect(await new Metrics(server!).text()).toContain('shardns_dnssec_clock_doubted 1');
  clock.wall = NOW;
  server!.invalidate('all');
  expect((await ask('www.shop.')).flags & 15).toBe(Rcode.NOERROR);
  expect(lines.slice(1)).toEqual(["signatures of a trust anchor's keys are valid by the machine's clock again"]);
  expect(server!.report().clockDoubt).toBeUndefined();
});

test("roots of one's own are validated by the keys that are given for them, or not at all", () => {
  const of = (options: ServerOptions): boolean => {
    const one = new Server({ listen: ['127.0.0.1:0'], udp: 'dgram', cache: { memory: '1MiB' }, ...options }, {}, {});
    const validating = one.recursor?.options.validation !== undefined;
    void one.close();
    return validating;
  };
  expect(of({ resolver: { recursive: true } })).toBe(true);
  const resolver = { recursive: true, rootHints: ['192.0.2.1'] };
  expect(of({ resolver })).toBe(false);
  const root = [{ name: '.', servers: ['192.0.2.1'] }];
  expect(of({ resolver: { recursive: true }, stubZones: root })).toBe(false);
  expect(of({ resolver: { recursive: true }, forwardZones: root })).toBe(false);
  expect(of({ resolver, dnssec: { trustAnchors: ['. DS 20326 8 2 AABB'] } })).toBe(true);
  expect(of({ resolver, dnssec: { validate: true } })).toBe(true);
});
