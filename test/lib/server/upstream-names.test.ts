// Upstreams given by name, from the options to the servers that are asked: on a fake clock and a fake network, and once
// against real servers on loopback.
import { createServer as createTcpServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Logger } from '../../../lib/base/log.js';
import { createServer } from '../../../lib/index.js';
import { Server } from '../../../lib/server/server.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { Query } from '../../../lib/wire/query.js';
import { askUdp } from '../../support/client.js';
import { DnsServer } from '../../support/dns-server.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { answerA, decode, makeQuery, makeResponse } from '../../support/messages.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const BOOTSTRAP = '203.0.113.53:53';

/** A network whose bootstrap server knows names, and whose other servers answer everything; `down` ones are silent. */
class Network {
  readonly clock = new FakeClock();
  readonly lines: string[] = [];
  addresses: Record<string, string[]> = {};
  ttl = 60;
  readonly down = new Set<string>();
  readonly udp = new FakeTransport(this.clock, (query, server) => this.#answer(query, server));
  readonly tcp = new FakeTransport(this.clock, (query, server) => this.#answer(query, server));
  #asked = 0;

  async start(options: ServerOptions): Promise<Server> {
    const note = (_fields: object, message: string): void => void this.lines.push(message);
    const log: Logger = { debug() {}, info: note, warn: note, error: note };
    const server = new Server(
      { listen: ['127.0.0.1:0'], threads: 1, cache: { memory: '1MiB' }, ...options },
      {},
      { clock: this.clock, log, udpTransport: this.udp, tcpTransport: this.tcp },
    );
    ends.push(() => server.close());
    const listening = server.listen();
    // Whoever is silent at the start is waited for a second.
    await this.clock.advance(1001);
    return listening;
  }

  /** Rcode of the answer to a question that was not asked before. */
  async ask(server: Server): Promise<number> {
    const query = new Query(makeQuery(`q${++this.#asked}.anything.org`));
    const resolving = server.resolver.resolve(query, { protocol: 'udp', client: { address: '192.0.2.200', port: 9 } });
    await settle();
    await this.clock.advance(10);
    const resolution = await resolving;
    return resolution.kind === 'error' ? resolution.rcode : 0;
  }
  /** Who was asked what is no name of a server, over UDP and TCP. */
  get servers(): string[] {
    const asked = [...this.udp.asked, ...this.tcp.asked].filter(one =>
      one.query.toString('latin1').toLowerCase().includes('anything'),
    );
    return [...new Set(asked.map(one => one.server))].sort();
  }

  #answer(query: Buffer, server: string): Uint8Array | undefined {
    if (this.down.has(server)) return undefined;
    const { name, type } = decode(query).questions![0];
    if (server !== BOOTSTRAP) return answerA(query);
    const found = this.addresses[name.toLowerCase()];
    if (found === undefined) return makeResponse(query, { rcode: 3 });
    const family = type === 'A' ? '.' : ':';
    const answers = found
      .filter(one => one.includes(family))
      .map(data => ({ type: type as 'A', name, ttl: this.ttl, data }));
    return makeResponse(query, { answers });
  }
}

const bootstrap = { bootstrap: ['203.0.113.53'], hedge: false };

test('each address of a name is a server of the group, at the port and by the scheme that the name was given with', async () => {
  const network = new Network();
  network.addresses = { 'dns.example': ['192.0.2.1', '2001:db8::1'], 'tcp.example': ['192.0.2.3'] };
  const server = await network.start({ upstreams: ['dns.example:5353', 'tcp://tcp.example'], upstream: bootstrap });
  expect(server.report().upstreams.map(one => one.server)).toEqual([
    '192.0.2.1:5353',
    '[2001:db8::1]:5353',
    'tcp://192.0.2.3:53',
  ]);
  // One in 32 goes to another than the fastest, by chance: so many leave one of three out once in a million runs.
  for (let i = 0; i < 1500; i++) await network.ask(server);
  expect(network.servers).toEqual(['192.0.2.1:5353', '192.0.2.3:53', '[2001:db8::1]:5353']);
  expect(network.tcp.asked.every(one => one.server === '192.0.2.3:53')).toBe(true);
  expect(network.servers).not.toContain(BOOTSTRAP);
});

test('without upstream.bootstrap, the upstreams with addresses are asked for names; what is known of them is known once', async () => {
  const network = new Network();
  network.addresses = { 'dns.example': ['192.0.2.1'] };
  const server = await network.start({ upstreams: ['203.0.113.53', 'dns.example'] });
  const [first] = server.upstreams;
  expect(server.upstreams.map(one => one.label)).toEqual([BOOTSTRAP, '192.0.2.1:53']);
  expect(first.stats.responses).toBe(2);
});

test('when a name leads elsewhere others are asked, and an address that stays, or comes back, keeps what is known of it', async () => {
  const network = new Network();
  network.addresses = { 'dns.example': ['192.0.2.1', '192.0.2.2'] };
  const server = await network.start({ upstreams: ['dns.example'], upstream: bootstrap });
  const [one, two] = server.upstreams;
  one.succeeded(33);
  network.addresses = { 'dns.example': ['192.0.2.2', '192.0.2.3'] };
  await network.clock.advance(55_000);
  expect(server.upstreams.map(it => it.label)).toEqual(['192.0.2.2:53', '192.0.2.3:53']);
  expect(server.upstreams[0]).toBe(two);
  network.udp.asked.length = 0;
  for (let i = 0; i < 50; i++) await network.ask(server);
  expect(network.servers).not.toContain('192.0.2.1:53');
  network.addresses = { 'dns.example': ['192.0.2.1'] };
  await network.clock.advance(55_000);
  expect(server.upstreams[0]).toBe(one);
  const lookedUp = network.udp.asked.filter(it => it.query.toString('latin1').toLowerCase().includes('dns'));
  expect(new Set(lookedUp.map(it => it.server))).toEqual(new Set([BOOTSTRAP]));
});

test('a server that is to look its upstreams up at itself is told, and goes round in no circle', async () => {
  const network = new Network();
  network.addresses = { 'dns.example': ['192.0.2.1'] };
  const server = await network.start({ upstreams: ['dns.example'], upstream: bootstrap });
  const [own] = server.addresses().udp;
  await server.update({ upstream: { bootstrap: [own] } });
  expect(network.lines).toContain(
    'names of upstreams are not looked up at this server itself: it asks those that they lead to',
  );
  network.udp.asked.length = 0;
  await network.clock.advance(600_000);
  // Nobody is left to ask; what was known is asked on.
  expect(network.udp.asked.map(one => one.server)).not.toContain(own);
  expect(server.upstreams.map(one => one.label)).toEqual(['192.0.2.1:53']);
  expect(await network.ask(server)).toBe(0);
});

test('a server starts while nobody can look its upstreams up; questions fail as our own failures, told once, until somebody can', async () => {
  const network = new Network();
  network.addresses = { 'dns.example': ['192.0.2.1'] };
  network.down.add(BOOTSTRAP);
  const server = await network.start({ upstreams: ['dns.example'], upstream: { ...bootstrap, deadlineMs: 500 } });
  expect(server.listening).toBe(true);
  for (let i = 0; i < 3; i++) expect(await network.ask(server)).toBe(2);
  await network.clock.advance(200_000);
  const told = network.lines.filter(line => line.includes('addresses of an upstream'));
  expect(told).toEqual(['the addresses of an upstream cannot be found: what is to be asked there fails until then']);
  const report = server.report();
  expect(report.resolver.ownFailures).toBe(3);
  expect(report.upstreamNames).toEqual([
    { name: 'dns.example', addresses: [], failures: expect.any(Number), failing: true },
  ]);
  network.down.clear();
  await network.clock.advance(61_000);
  expect(await network.ask(server)).toBe(0);
});

test('a name that a change brings is looked up before the change is in force; one that it takes away is forgotten', async () => {
  const network = new Network();
  network.addresses = { 'dns.example': ['192.0.2.1'], 'new.example': ['192.0.2.9'] };
  const server = await network.start({ upstreams: ['dns.example'], upstream: bootstrap });
  await server.update({ upstreams: ['udp://new.example:54'] });
  expect(server.upstreams.map(one => one.label)).toEqual(['192.0.2.9:54']);
  expect(await network.ask(server)).toBe(0);
  const asked = network.udp.asked.length;
  await network.clock.advance(55_000);
  const names = network.udp.asked.slice(asked).map(one => decode(one.query).questions![0].name.toLowerCase());
  expect(new Set(names)).toEqual(new Set(['new.example']));
  await expect(server.update({ upstreams: ['new.example'], upstream: { bootstrap: [] } })).rejects.toThrow(
    'upstreams[0]: expected upstream.bootstrap',
  );
});

test('a name that cannot be looked up is asked for anew at once when others are to be asked', async () => {
  const network = new Network();
  network.addresses = { 'dns.example': ['192.0.2.1'] };
  const server = await network.start({
    upstreams: ['dns.example'],
    upstream: { bootstrap: ['203.0.113.99'], deadlineMs: 500 },
  });
  await network.clock.advance(120_000);
  // That server knows of everything the same, and of nothing that helps: 192.0.2.1 for all.
  expect(server.upstreams.map(one => one.label)).toEqual(['192.0.2.1:53']);
  network.down.add('203.0.113.99:53');
  network.addresses = { 'other.example': ['192.0.2.44'] };
  await server.update({ upstreams: ['other.example'], upstream: bootstrap });
  await settle();
  expect(server.upstreams.map(one => one.label)).toEqual(['192.0.2.44:53']);
});

test('closing while names are looked up leaves no timer', async () => {
  const network = new Network();
  network.down.add(BOOTSTRAP);
  const server = await network.start({ upstreams: ['dns.example'], upstream: { ...bootstrap, deadlineMs: 500 } });
  await server.close();
  await network.clock.advance(60_000);
  const asked = network.udp.asked.length;
  await network.clock.advance(600_000);
  expect(network.udp.asked).toHaveLength(asked);
});

test('on loopback: a name is looked up at one real server, and questions go to another', async () => {
  const upstream = await DnsServer.start({
    'www.example': { A: [{ type: 'A', name: 'www.example', ttl: 60, data: '192.0.2.80' }] },
  });
  const names = await DnsServer.start({
    'dns.example': { A: [{ type: 'A', name: 'dns.example', ttl: 60, data: '127.0.0.1' }] },
  });
  ends.push(
    () => upstream.close(),
    () => names.close(),
  );
  for (const scheme of ['udp', 'tcp']) {
    await using server = await createServer({
      listen: ['127.0.0.1:0'],
      threads: 1,
      cache: { memory: '1MiB' },
      upstreams: [`${scheme}://dns.example:${upstream.port}`],
      upstream: { bootstrap: [names.address] },
    });
    const reply = await askUdp(server.addresses().udp[0], makeQuery('www.example'));
    expect(decode(reply!).answers).toMatchObject([{ data: '192.0.2.80' }]);
    expect(server.report().upstreams[0].server).toBe(`${scheme === 'tcp' ? 'tcp://' : ''}127.0.0.1:${upstream.port}`);
  }
  expect(names.countOf('dns.example', 'A')).toBe(2);
  expect(upstream.asked.every(one => one.name === 'www.example')).toBe(true);
});

test('on loopback: a tcp:// server is asked many questions over one connection or two, which are kept', async () => {
  let connections = 0;
  const upstream = createTcpServer(socket => {
    connections++;
    const reader = new MessageReader();
    socket.on('error', () => {});
    socket.on('data', chunk => {
      for (const message of reader.push(chunk)) socket.write(frame(answerA(message)));
    });
  });
  await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve));
  ends.push(() => upstream.close());
  const { port } = upstream.address() as { port: number };
  await using server = await createServer({
    listen: ['127.0.0.1:0'],
    threads: 1,
    cache: { memory: '1MiB' },
    upstreams: [`tcp://127.0.0.1:${port}`],
  });
  const [at] = server.addresses().udp;
  for (let round = 0; round < 3; round++) {
    const names = Array.from({ length: 40 }, (_, i) => makeQuery(`n${round}-${i}.example`));
    const replies = await Promise.all(names.map(query => askUdp(at, query)));
    expect(replies.every(reply => reply?.readUInt16BE(6) === 1)).toBe(true);
  }
  expect(connections).toBeLessThanOrEqual(2);
});
