// Where signatures are checked: a thread that answers clients leaves them to libuv's pool, one that only resolves does not.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemRandom } from '../../../lib/base/random.js';
import { DnsClient } from '../../../lib/node/client.js';
import { Resolver } from '../../../lib/node/resolver.js';
import { makeRecursor, makeRrsetMemory } from '../../../lib/server/recursor-settings.js';
import { Server } from '../../../lib/server/server.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { Flag, Rcode } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { Query } from '../../../lib/wire/query.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { makeQuery } from '../../support/messages.js';
import { answerOf } from '../../support/signed-internet.js';
import { makeKey, type SigningAlgorithm } from '../../support/signed-zone.js';
import { NOW, SignedTree } from '../../support/signed-tree.js';

const checks = vi.hoisted(() => ({ here: 0, inPool: 0, held: undefined as (() => void)[] | undefined }));
vi.mock(import('node:crypto'), async importOriginal => {
  const crypto = await importOriginal();
  type Callback = (error: Error | null, good: boolean) => void;
  const verify = (...args: unknown[]): unknown => {
    const real = crypto.verify as unknown as (...all: unknown[]) => unknown;
    const last = args[4] as Callback | undefined;
    if (last === undefined) {
      checks.here++;
      return real(...args);
    }
    checks.inPool++;
    const { held } = checks;
    const done: Callback = (error, good) => {
      if (held === undefined) last(error, good);
      else held.push(() => last(error, good));
    };
    return real(...args.slice(0, 4), done);
  };
  return { ...crypto, verify: verify as unknown as typeof crypto.verify };
});
beforeEach(() => {
  Object.assign(checks, { here: 0, inPool: 0, held: undefined });
});

const open: { close(): unknown }[] = [];
afterEach(() => Promise.all(open.splice(0).map(one => one.close())));

function world(algorithm: SigningAlgorithm) {
  const tree = new SignedTree({
    '.': { key: makeKey(algorithm) },
    'shop.': { lines: ['www.shop. 300 A 192.0.2.80', 'mail.shop. 300 A 192.0.2.82'], key: makeKey(algorithm) },
    'plain.': { unsigned: true, lines: ['www.plain. 300 A 192.0.2.81'] },
  });
  const clock = new FakeClock();
  clock.wall = NOW;
  const transport = new FakeTransport(clock, octets => answerOf(tree, new Query(octets)));
  return { tree, dependencies: { clock, udpTransport: transport, tcpTransport: transport } };
}

const FORWARDER: ServerOptions = {
  listen: ['127.0.0.1:0'],
  udp: 'dgram',
  cache: { memory: '1MiB' },
  upstreams: ['192.0.2.1'],
};

function start(algorithm: SigningAlgorithm) {
  const { tree, dependencies } = world(algorithm);
  const dnssec = { validate: true, trustAnchors: [tree.signed('.').anchor] };
  const server = new Server({ ...FORWARDER, dnssec }, {}, dependencies);
  open.push(server);
  const ask = async (name: string) => {
    const query = new Query(makeQuery(name, { dnssecOk: true }));
    const resolution = await server.resolver.resolve(query, { protocol: 'internal' });
    return decodeMessage(server.engine.reply.slice(0, server.resolver.finish(query, resolution, false)));
  };
  return { server, ask };
}

test.each(['P-384', 'Ed448'] as const)(
  'a forwarder that validates checks no signature of %s on the thread that answers',
  async algorithm => {
    const { ask } = start(algorithm);
    expect((await ask('www.shop')).flags & Flag.AD).toBe(Flag.AD);
    // The root's DNSKEY records, DS and DNSKEY of the zone, and the answer.
    expect(checks).toMatchObject({ here: 0, inPool: 4 });
  },
);

test.each(['RSASHA256', 'P-256', 'Ed25519'] as const)(
  'but those of %s, where the way to the pool costs too much',
  async algorithm => {
    const { ask } = start(algorithm);
    expect((await ask('www.shop')).flags & Flag.AD).toBe(Flag.AD);
    expect(checks).toMatchObject({ here: 4, inPool: 0 });
  },
);

test('while checks are under way others are answered', async () => {
  const { ask } = start('P-384');
  await ask('www.plain');
  checks.held = [];
  let told = false;
  const signed = ask('www.shop').then(reply => {
    told = true;
    return reply;
  });
  await expect.poll(() => checks.held!.length).toBe(1);
  expect((await ask('www.plain')).flags & 15).toBe(Rcode.NOERROR);
  expect(told).toBe(false);
  const { held } = checks;
  checks.held = undefined;
  for (const end of held) end();
  expect((await signed).flags & Flag.AD).toBe(Flag.AD);
  expect(checks.here).toBe(0);
});

test('a change of options leaves them there', async () => {
  const { server, ask } = start('P-384');
  await server.update({ dnssec: { nsec3Iterations: 10 } });
  await ask('www.shop');
  expect(checks).toMatchObject({ here: 0, inPool: 4 });
});

test('a program that looks names up checks them there too', async () => {
  const { tree, dependencies } = world('P-384');
  const options = { servers: ['192.0.2.1'], resolvConf: false, hostsFile: false, secure: 'required' } as const;
  const client = new DnsClient(
    { ...options, servers: [...options.servers], trustAnchors: [tree.signed('.').anchor] },
    dependencies,
  );
  open.push(client);
  expect(await new Resolver({ client }).resolve4('www.shop')).toEqual(['192.0.2.80']);
  expect(checks).toMatchObject({ here: 0, inPool: 4 });
});

test('a thread that only resolves checks them itself', () => {
  const { server } = start('P-384');
  const { settings, exchanger } = server;
  const memory = makeRrsetMemory(settings, false);
  open.push(memory);
  const recursor = makeRecursor(settings, memory, exchanger, {
    clock: new FakeClock(),
    random: systemRandom,
    upstreams: () => [],
  });
  expect(recursor.options.validation?.policy.verify ?? 'sync').toBe('sync');
  expect(server.recursor?.options.validation?.policy.verify).toBe('pool');
});
