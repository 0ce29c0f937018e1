// Zones beside upstreams: what a zone needs outside of itself is asked of the upstreams, as they are configured, and never
// of the root.
import { afterEach, describe, expect, test } from 'vitest';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { askUdp } from '../../support/client.js';
import { DnsServer } from '../../support/dns-server.js';
import type { Handler } from '../../support/fake-transport.js';
import { answerA, decode, extendedErrorsOf, makeQuery, makeResponse, rcodeOf, soa } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const [ZONE, FOUND, UPSTREAM] = ['198.51.100.1:53', '198.51.100.2:53', '192.0.2.53:53'];

/** The zone's server knows corp.example alone; the upstream knows the rest, and where ns.outside.example is. */
const world: Handler = (query, server) => {
  const { name: asked, type } = decode(query).questions![0];
  const name = asked.toLowerCase();
  if (server === ZONE || server === FOUND) {
    if (name === 'out.corp.example' && type === 'A') {
      return makeResponse(query, {
        flags: 0x0400,
        answers: [{ type: 'CNAME', name: asked, ttl: 300, data: 'www.outside.example' }],
      });
    }
    return name.endsWith('corp.example') && type === 'A'
      ? Buffer.from(answerA(query, 300, '10.0.0.1').map((octet, i) => (i === 2 ? octet | 4 : octet)))
      : makeResponse(query, { flags: 0x0400, authorities: [soa('corp.example')] });
  }
  if (server !== UPSTREAM) return undefined;
  if (type !== 'A') return makeResponse(query, { authorities: [soa('example')] });
  return answerA(query, 300, name === 'ns.outside.example' ? '198.51.100.2' : '203.0.113.7');
};

async function start(options: ServerOptions, handler: Handler = world) {
  const served = await TestServer.start(handler, { udp: 'dgram', ...options });
  closing.push(() => served.close());
  const ask = async (name: string) => {
    const reply = (await served.ask('dgram', makeQuery(name, { edns: true }), 60_000))!;
    const data = decode(reply).answers!.map(one => `${one.type} ${String((one as { data: unknown }).data)}`);
    return { rcode: rcodeOf(reply), data, errors: extendedErrorsOf(reply) };
  };
  const asked = (): string[] => [...new Set([...served.udp.asked, ...served.tcp.asked].map(one => one.server))];
  return { ...served, served, ask, asked };
}

describe.each(['forwardZones', 'stubZones'] as const)('%s', kind => {
  const at = (servers: string[], first = false): ServerOptions => ({
    [kind]: [{ name: 'corp.example', servers, first }],
  });

  test('an alias that leaves the zone is followed at the upstreams', async () => {
    const { ask, asked } = await start(at([ZONE]));
    expect(await ask('out.corp.example')).toMatchObject({
      rcode: 0,
      data: ['CNAME www.outside.example', 'A 203.0.113.7'],
    });
    expect(asked()).toEqual([ZONE, UPSTREAM]);
  });
  test('a server that is given by its name is looked up at the upstreams', async () => {
    const { ask, asked } = await start(at(['ns.outside.example']));
    expect(await ask('www.corp.example')).toMatchObject({ rcode: 0, data: ['A 10.0.0.1'] });
    expect(asked()).toEqual([UPSTREAM, FOUND]);
  });
  test('`first` asks the upstreams where the servers fail', async () => {
    const refused: Handler = (query, server, options) =>
      server === ZONE ? makeResponse(query, { rcode: 2 }) : world(query, server, options);
    const { ask, asked } = await start(at([ZONE], true), refused);
    expect(await ask('www.corp.example')).toMatchObject({ rcode: 0, data: ['A 203.0.113.7'] });
    expect(asked()).toEqual([ZONE, UPSTREAM]);
  });
});

const corp = { forwardZones: [{ name: 'corp.example', servers: [ZONE] }] };

test('they are the upstreams themselves: counted where they are, asked over TCP alone by tcp://', async () => {
  const { ask, served } = await start({ ...corp, upstreams: [`tcp://${UPSTREAM}`] });
  expect(await ask('out.corp.example')).toMatchObject({ rcode: 0 });
  expect(served.udp.asked.map(one => one.server)).toEqual([ZONE]);
  expect(served.tcp.asked.map(one => one.server)).toEqual([UPSTREAM]);
  const [upstream] = served.server.upstreams;
  expect(upstream).toMatchObject({ inFlight: 0, stats: { queries: 1, responses: 1 } });
});

test('upstreams are asked whatever `ipv4` and `doNotQuery` say of name servers', async () => {
  const { ask } = await start({
    ...corp,
    upstreams: ['192.0.2.53'],
    resolver: { doNotQuery: ['192.0.2.0/24'] },
  });
  expect(await ask('out.corp.example')).toMatchObject({ rcode: 0, data: expect.arrayContaining(['A 203.0.113.7']) });
  const other = await start({ forwardZones: [{ name: 'corp.example', servers: [ZONE] }], resolver: { ipv4: false } });
  // The zone's own server is a name server.
  expect(await other.ask('www.corp.example')).toMatchObject({ rcode: 2 });
  expect(await other.ask('www.outside.example')).toMatchObject({ rcode: 0 });
});

test('other upstreams are asked from their change on', async () => {
  const other: Handler = (query, server, options) => world(query, server === FOUND ? UPSTREAM : server, options);
  const { ask, asked, served } = await start(corp, other);
  await served.server.update({ upstreams: [FOUND] });
  expect(await ask('out.corp.example')).toMatchObject({ rcode: 0 });
  expect(asked()).toEqual([ZONE, FOUND]);
});

test('upstreams with names that have led nowhere yet are no failure of the name', async () => {
  const silent: Handler = (query, server, options) => (server === UPSTREAM ? undefined : world(query, server, options));
  const { ask, served } = await start(
    { ...corp, upstreams: ['udp://dns.example'], upstream: { bootstrap: ['192.0.2.53'] } },
    silent,
  );
  expect(await ask('out.corp.example')).toMatchObject({ rcode: 2, errors: [14] });
  expect(served.server.report().resolver).toMatchObject({ failures: 1, ownFailures: 1 });
});

test('what a forwarder learnt of delegations does not lead past its upstreams', async () => {
  const { served, ask, asked } = await start({ ...corp, resolver: { recursive: false } });
  const { recursor } = served.server;
  const ns = { name: Uint8Array.from([7, ...Buffer.from('outside'), 7, ...Buffer.from('example'), 0]), type: 2 };
  const data = [Uint8Array.from([2, ...Buffer.from('ns'), ...ns.name])];
  recursor!.rrsets.putDelegation({ ...ns, ttl: 300, data, signatures: [] }, 300_000);
  expect(await ask('out.corp.example')).toMatchObject({ rcode: 0 });
  expect(asked()).toEqual([ZONE, UPSTREAM]);
});

describe('a zone at or below a built-in one', () => {
  /** Whoever is asked has an address for every name. */
  const all: Handler = query => answerA(query, 300, '10.0.0.1');
  const configured = (name: string): ServerOptions => ({ forwardZones: [{ name, servers: [ZONE] }] });

  test.each([
    ['10.in-addr.arpa', '3.2.1.10.in-addr.arpa', '3.2.1.11.in-addr.arpa'],
    ['lab.test', 'www.lab.test', 'www.test'],
    ['home.arpa', 'printer.home.arpa', 'www.invalid'],
  ])('%s: its servers are asked of %s', async (zone, name, other) => {
    const { ask, asked } = await start(configured(zone), all);
    expect(await ask(name)).toMatchObject({ rcode: 0, data: ['A 10.0.0.1'] });
    expect(asked()).toEqual([ZONE]);
    await ask(other);
    // Others of the built-in zone are answered here, those outside by the upstreams.
    expect(asked()).toEqual(other.startsWith('3.') ? [ZONE, UPSTREAM] : [ZONE]);
  });
  test('one above it does not, nor does one that local data is configured for', async () => {
    const above = await start(configured('.'), all);
    expect(await above.ask('3.2.1.10.in-addr.arpa')).toMatchObject({ rcode: 3 });
    const zones = [{ name: 'home.arpa', kind: 'nodata' as const }];
    const local = await start({ ...configured('home.arpa'), local: { zones } }, all);
    expect(await local.ask('printer.home.arpa')).toMatchObject({ rcode: 0, data: [] });
    expect([above.asked(), local.asked()]).toEqual([[], []]);
  });
  test('takes its place by update() too', async () => {
    const { ask, served } = await start({}, all);
    expect(await ask('printer.home.arpa')).toMatchObject({ rcode: 3 });
    await served.server.update(configured('home.arpa'));
    expect(await ask('printer.home.arpa')).toMatchObject({ rcode: 0, data: ['A 10.0.0.1'] });
  });
});

test('a thread that resolves asks them too, by their names as well', async () => {
  // Threads run what is built.
  const { createServer } = (await import('../../../dist/index.js' as string)) as typeof import('../../../lib/index.js');
  const address = { type: 'A', name: 'dns.example', ttl: 300, data: '127.0.0.1' } as const;
  const upstream = await DnsServer.start({
    'www.outside.example': { A: [{ ...address, name: 'www.outside.example', data: '203.0.113.7' }] },
    'dns.example': { A: [address] },
  });
  const zone = await DnsServer.start({
    'out.corp.example': { CNAME: [{ type: 'CNAME', name: 'out.corp.example', ttl: 300, data: 'www.outside.example' }] },
  });
  const server = await createServer({
    listen: ['127.0.0.1:0'],
    threads: 1,
    cache: { memory: '4MiB' },
    upstreams: [`udp://dns.example:${upstream.port}`],
    upstream: { bootstrap: [upstream.address] },
    forwardZones: [{ name: 'corp.example', servers: [zone.address] }],
    resolver: { workers: 1 },
  });
  closing.push(
    () => server.close(),
    () => upstream.close(),
    () => zone.close(),
  );
  const reply = (await askUdp(server.addresses().udp[0], makeQuery('out.corp.example'), 60_000))!;
  expect(decode(reply).answers!.map(one => one.type)).toEqual(['CNAME', 'A']);
  expect(upstream.countOf('www.outside.example', 'A')).toBe(1);
});
