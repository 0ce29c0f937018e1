// A resolver on a fake clock and a fake network.
import { afterEach } from 'vitest';
import { parseSocketAddress } from '../../lib/base/address.js';
import { type Logger, silentLogger } from '../../lib/base/log.js';
import { systemRandom } from '../../lib/base/random.js';
import { Engine } from '../../lib/cache/engine.js';
import { Gate } from '../../lib/clients/gate.js';
import { ClientTenants } from '../../lib/clients/tenants.js';
import type { Hooks } from '../../lib/resolve/hooks.js';
import { type Asker, type Resolution, Resolver } from '../../lib/resolve/resolver.js';
import { readOptions, type ServerOptions } from '../../lib/server/settings/settings.js';
import { exchangerOptionsOf } from '../../lib/server/settings/upstreams.js';
import { gateRulesOf } from '../../lib/server/settings/clients.js';
import { resolverOptionsOf, tunablesOf } from '../../lib/server/settings/compile.js';
import { Exchanger } from '../../lib/upstream/exchange.js';
import { routesOf } from '../../lib/upstream/route.js';
import { Upstream } from '../../lib/upstream/upstream.js';
import { Query } from '../../lib/wire/query.js';
import { FakeClock } from './fake-clock.js';
import { FakeTransport, type Handler } from './fake-transport.js';
import { decode, makeQuery, type QueryShape } from './messages.js';

const engines: Engine[] = [];
afterEach(() => {
  for (const engine of engines.splice(0)) engine.close();
});

/** Its default group is 192.0.2.1, and there is a group `other` of 198.51.100.1. */
export function slowPath(
  handler: Handler,
  options: ServerOptions = {},
  hooks: Hooks = {},
  {
    servers = ['192.0.2.1:53'],
    log = silentLogger,
    clock = new FakeClock(),
  }: { servers?: string[]; log?: Logger; clock?: FakeClock } = {},
) {
  const settings = readOptions(options);
  const udp = new FakeTransport(clock, handler);
  const tcp = new FakeTransport(clock, handler);
  const engine = new Engine({ memoryBytes: 2 ** 20, shards: 1, policy: 's3fifo', averageEntryBytes: 184 });
  engines.push(engine);
  engine.configure(tunablesOf(settings));
  const exchanger = new Exchanger({
    routes: routesOf(udp, tcp),
    clock,
    random: systemRandom,
    options: exchangerOptionsOf(settings),
  });
  const upstreams = servers.map(text => new Upstream(parseSocketAddress(text, 'test'), clock));
  const groups = new Map<string, Upstream[]>([
    ['default', upstreams],
    ['other', [new Upstream(parseSocketAddress('198.51.100.1:53', 'test'), clock)]],
  ]);
  const resolver = new Resolver({ engine, exchanger, clock, log, hooks, groups, options: resolverOptionsOf(settings) });
  const gate = new Gate(systemRandom);
  gate.replace(gateRulesOf(settings));
  if (settings.tenants.enabled) resolver.tenants = new ClientTenants(gate, settings.tenants.seconds);
  if (settings.views.length > 0) resolver.views = gate;
  let shift = 0;
  /** Only the cache's clock, where others share the one of the timers. */
  const age = (ms: number): void => {
    shift += ms;
    engine.native.shiftClock(shift);
    gate.native.shiftClock(shift);
  };
  const advance = async (ms: number): Promise<void> => {
    age(ms);
    await clock.advance(ms);
  };
  const ask = (message: Uint8Array, asker: Partial<Asker> = {}): Promise<Resolution> =>
    resolver.resolve(new Query(message), {
      protocol: 'udp',
      client: { address: '203.0.113.9', port: 1 },
      ...asker,
    });
  const resolve = (name: string, shape: QueryShape = {}): Promise<Resolution> => ask(makeQuery(name, shape));
  /** What a client is told: the rcode, and the data of the answers. */
  const told = async (name: string, shape: QueryShape = {}, asker: Partial<Asker> = {}) => {
    const message = makeQuery(name, shape);
    const resolution = await ask(message, asker);
    const length = resolver.finish(new Query(message), resolution, true);
    const reply = engine.reply.slice(0, length);
    const data = decode(reply).answers!.map(one => String((one as { data: unknown }).data));
    return { rcode: reply[3] & 15, data, kind: resolution.kind, reply };
  };
  return { clock, udp, tcp, engine, resolver, exchanger, upstreams, settings, advance, age, ask, resolve, told };
}
