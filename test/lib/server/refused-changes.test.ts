// A change that is refused, and a server that cannot be made, have changed nothing, whatever part of them it was that failed.
import { createServer as createTcpServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createServer as createInnerServer } from '../../../lib/admin/create-server.js';
import { createServer, DnsCache } from '../../../lib/index.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { answerA } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';
import { freePort } from '../../support/free-port.js';

/** Valid, and refused when the RRset cache is made: 64 shards have no room in a MiB. */
const noRoom = { shards: 64, rrsetMemory: '1MiB' } as const;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(options: ServerOptions): Promise<TestServer> {
  const server = await TestServer.start(query => answerA(query), options);
  ends.push(() => server.close());
  return server;
}
async function takenPort(): Promise<number> {
  const other = createTcpServer().listen(0, '127.0.0.1');
  ends.push(() => other.close());
  await new Promise(resolve => other.once('listening', resolve));
  return (other.address() as { port: number }).port;
}
const health = (port: number): Promise<number | undefined> =>
  fetch(`http://127.0.0.1:${port}/healthz`).then(
    response => response.status,
    () => undefined,
  );

test('metrics stay where they are when the addresses to listen on cannot be had', async () => {
  const [before, after, taken] = [await freePort(), await freePort(), await takenPort()];
  const { server } = await start({ metrics: `127.0.0.1:${before}` });
  const change = server.update({ metrics: `127.0.0.1:${after}`, listen: [`127.0.0.1:${taken}`] });
  await expect(change).rejects.toMatchObject({ code: 'ERR_SHARDNS_LISTEN' });
  expect(await health(before)).toBe(200);
  expect(await health(after)).toBeUndefined();

  await server.update({ metrics: `127.0.0.1:${after}` });
  expect(await health(before)).toBeUndefined();
  expect(await health(after)).toBe(200);
});

test('a token that comes with a refused change is not asked for', async () => {
  const [port, taken] = [await freePort(), await takenPort()];
  const { server } = await start({ metrics: `127.0.0.1:${port}` });
  const metrics = { listen: `127.0.0.1:${port}`, token: 'a-token-of-some-length' };
  await expect(server.update({ metrics, listen: [`127.0.0.1:${taken}`] })).rejects.toThrow('cannot listen');
  expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200);
});

test('a server that cannot have an RRset cache stays a forwarder, where it listened and as it was', async () => {
  const server = await start({ cache: noRoom });
  const { address } = server;
  const change = server.server.update({ resolver: { recursive: true }, listen: ['127.0.0.1:0'], identity: 'new' });
  await expect(change).rejects.toMatchObject({ code: 'ERR_SHARDNS_MEMORY' });
  expect(server.address).toBe(address);
  expect(server.server.settings.identity).toBeUndefined();
  expect(server.server.settings.resolver.recursive).toBeUndefined();

  await server.server.update({ identity: 'newer' });
  expect(server.server.settings.identity).toBe('newer');
});

test('a server that could not be made leaves a shared cache to others', async () => {
  using cache = DnsCache.create({ memory: '64MiB' });
  const options: ServerOptions = { listen: ['127.0.0.1:0'], local: { records: ['a.example A 192.0.2.1'] } };
  await expect(createServer({ ...options, cache: noRoom }, { cache })).rejects.toMatchObject({
    code: 'ERR_SHARDNS_MEMORY',
  });
  await using server = await createServer({ listen: ['127.0.0.1:0'], upstreams: ['192.0.2.53'] }, { cache });
  expect(server.listening).toBe(true);
});

test('a change is put in force as a whole, though a part of it has a mistake, which is told', async () => {
  const told: unknown[] = [];
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: (fields: object) => void told.push(fields) };
  const server = await createInnerServer({ listen: ['127.0.0.1:0'], upstreams: ['192.0.2.53'] }, { log });
  ends.push(() => server.close());
  const error = new Error('a mistake');
  const commit = (): never => {
    throw error;
  };
  server.observe({ prepare: async () => ({ commit, discard: () => {} }) });
  await server.update({ allow: ['10.0.0.0/8'], upstream: { udpSize: 1400 } });
  expect(server.gate.judge('192.0.2.1')).not.toBe(server.gate.judge('10.0.0.1'));
  expect(server.resolver.options.upstreamUdpSize).toBe(1400);
  expect(told).toContainEqual({ err: error });
});
