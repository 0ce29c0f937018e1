// What becomes of requests of node:http before they have a connection: those that wait for one (`maxSockets`), those that are
// called off or time out while there is none yet; and of connections to where an endpoint is no longer.
import { AsyncLocalStorage } from 'node:async_hooks';
import http, { type RequestOptions } from 'node:http';
import https from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { Service } from '../../../lib/discovery/service.js';
import { type Backend, backend } from '../../support/backends.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { fixedSource, type Listed } from '../../support/fixed-source.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
async function follow(list: () => readonly Listed[], options: DiscoverOptions = {}): Promise<Service> {
  const given = { slowStartMs: 0, minRefreshMs: 100, ...options };
  const service = await discover('_http._tcp.orders.example', given, { source: fixedSource(list, 0) });
  closing.push(() => service.close());
  return service;
}
async function serve(n: number): Promise<Backend[]> {
  const made = await Promise.all(Array.from({ length: n }, (_, i) => backend(`p${i}`)));
  closing.push(() => Promise.all(made.map(one => one.kill().catch(() => {}))));
  return made;
}
function get(options: RequestOptions, module: typeof http | typeof https = http): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = module.get(options, response => {
      let text = '';
      response.on('data', chunk => (text += String(chunk)));
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
}
/** It takes connections, and says nothing on them: a handshake of TLS has no end. */
async function silent(): Promise<Listed> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => sockets.add(socket.on('error', () => {})));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const one of sockets) one.destroy();
    server.close();
  });
  return { name: 'silent', port: (server.address() as AddressInfo).port };
}

describe.each([{ maxSockets: 1 }, { maxSockets: 2 }, { maxTotalSockets: 2 }, { maxSockets: 1, keepAlive: false }])(
  'requests that wait for a connection, with %o',
  options => {
    test('are answered elsewhere when their endpoint cannot be reached', async () => {
      const backends = await serve(2);
      const service = await follow(() => backends);
      const agent = service.agent(options);
      await backends[0].kill();
      const all = await Promise.all(Array.from({ length: 20 }, () => get({ host: 'orders', agent })));
      expect(new Set(all)).toEqual(new Set(['p1 GET /']));
      expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
    });
    test('fail where no endpoint can be reached', async () => {
      const backends = await serve(2);
      const service = await follow(() => backends);
      const agent = service.agent(options);
      await Promise.all(backends.map(one => one.kill()));
      const all = await Promise.allSettled(Array.from({ length: 10 }, () => get({ host: 'orders', agent })));
      const codes = all.map(one => one.status === 'rejected' && (one.reason as { code: string }).code);
      expect(new Set(codes)).toEqual(new Set(['ECONNREFUSED']));
      expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
    });
  },
);

test('a request that goes elsewhere stays in the asynchronous context that it was made in', async () => {
  const backends = await serve(2);
  const service = await follow(() => backends);
  const agent = service.agent({ maxSockets: 1 });
  await backends[0].kill();
  const storage = new AsyncLocalStorage<number>();
  const seen = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      storage.run(
        i,
        () =>
          new Promise((resolve, reject) => {
            const request = http.get({ host: 'orders', agent }, response => {
              response.resume();
              resolve(storage.getStore());
            });
            request.on('error', reject);
          }),
      ),
    ),
  );
  expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => i));
});

test('those that wait for an endpoint that leaves go elsewhere', async () => {
  const [well] = await serve(1);
  const hole = await silent();
  let list: readonly Listed[] = [hole];
  const service = await follow(() => list);
  const agent = service.agent({ maxSockets: 1 });
  // The first has a connection, and no answer.
  const first = get({ host: 'orders', agent }).catch((error: Error) => error);
  await vi.waitFor(() => expect(Object.values(agent.sockets).flat()).toHaveLength(1), 120_000);
  const waiting = [get({ host: 'orders', agent }), get({ host: 'orders', agent })];
  list = [well];
  await vi.waitFor(() => service.refresh().then(() => expect(service.endpoints[0].host).toBe('p0.example')), 120_000);
  expect(await Promise.all(waiting)).toEqual(['p0 GET /', 'p0 GET /']);
  agent.destroy();
  await first;
});

describe('a request without a connection yet', () => {
  const begin = async (options: RequestOptions) => {
    const hole = await silent();
    const service = await follow(() => [hole], { connectTimeoutMs: 60_000, retry: { attempts: 0 } });
    const agent = service.agent({ tls: true });
    const request = https.get({ host: 'orders', agent, ...options });
    const ended = new Promise<Error>(resolve => request.once('error', resolve));
    const closed = new Promise(resolve => request.once('close', resolve));
    return { service, request, ended, closed };
  };
  test('that is destroyed ends at once, with the error that it was destroyed with', async () => {
    const { service, request, ended, closed } = await begin({});
    expect(service.endpoints[0].inFlight).toBe(1);
    request.destroy(new Error('mine'));
    expect((await ended).message).toBe('mine');
    await closed;
    expect(service.endpoints[0]).toMatchObject({ inFlight: 0, state: 'up' });
  });
  test('ends with its signal', async () => {
    const controller = new AbortController();
    const { ended, closed } = await begin({ signal: controller.signal });
    controller.abort();
    expect(await ended).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
    await closed;
  });
  test('says `timeout` when its own is over', async () => {
    const { request, ended } = await begin({ timeout: 50 });
    await new Promise(resolve => request.once('timeout', resolve));
    request.destroy();
    expect(await ended).toMatchObject({ code: 'ECONNRESET', message: 'socket hang up' });
  });
  test('that waits for one of another leaves its place', async () => {
    const hole = await silent();
    const service = await follow(() => [hole], { connectTimeoutMs: 60_000 });
    const agent = service.agent({ tls: true, maxSockets: 1 });
    const first = https.get({ host: 'orders', agent }).on('error', () => {});
    const second = https.get({ host: 'orders', agent });
    const ended = new Promise<Error>(resolve => second.once('error', resolve));
    second.destroy(new Error('mine'));
    expect((await ended).message).toBe('mine');
    expect(Object.keys(agent.requests)).toEqual([]);
    first.destroy();
    await vi.waitFor(() => expect(service.endpoints[0].inFlight).toBe(0), 120_000);
  });
});

test.each([{ timeout: 50 }, {}])('the agent’s own timeout is one of its requests (%o)', async own => {
  const hole = await silent();
  const service = await follow(() => [hole]);
  const agent = service.agent({ timeout: 'timeout' in own ? 60_000 : 50 });
  const request = http.get({ host: 'orders', agent, ...own });
  const ended = new Promise(resolve => request.once('error', resolve));
  await new Promise(resolve => request.once('timeout', resolve));
  request.destroy();
  await ended;
});

test('an endpoint that has moved to another address is not asked over its old connections', async () => {
  const before = await backend('before', { address: '127.0.0.2' });
  const after = await backend('after', { address: '127.0.0.3', port: before.port });
  closing.push(() => Promise.all([before.kill(), after.kill()]));
  let { address } = before;
  const service = await follow(() => [{ name: 'web-0', port: before.port, address }]);
  const agent = service.agent();
  const dispatcher = service.dispatcher();
  const ask = async (): Promise<string[]> => [
    await get({ host: 'orders', agent }),
    await (await fetch('http://orders/', { dispatcher } as RequestInit)).text(),
  ];
  expect(await ask()).toEqual(['before GET /', 'before GET /']);
  ({ address } = after);
  await vi.waitFor(() => service.refresh().then(() => expect(service.endpoints[0].address).toBe(address)), 120_000);
  expect(await ask()).toEqual(['after GET /', 'after GET /']);
});

test('nor by a request that waits for one of them', async () => {
  const held: http.ServerResponse[] = [];
  const before = http.createServer((_, response) => held.push(response));
  await new Promise<void>(resolve => before.listen(0, '127.0.0.2', resolve));
  const { port } = before.address() as AddressInfo;
  const after = await backend('after', { address: '127.0.0.3', port });
  closing.push(() => (before.close(), before.closeAllConnections(), after.kill()));
  let address = '127.0.0.2';
  const service = await follow(() => [{ name: 'web-0', port, address }]);
  const agent = service.agent({ maxSockets: 1 });
  const first = get({ host: 'orders', agent });
  await vi.waitFor(() => expect(held).toHaveLength(1), 120_000);
  const second = get({ host: 'orders', agent });
  address = '127.0.0.3';
  await vi.waitFor(() => service.refresh().then(() => expect(service.endpoints[0].address).toBe(address)), 120_000);
  held[0].end('before');
  expect(await first).toBe('before');
  expect(await second).toBe('after GET /');
});

test('time that a request waits is not counted against it once it has a connection of another', async () => {
  const held: http.ServerResponse[] = [];
  const server = http.createServer((_, response) => held.push(response));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => (server.close(), server.closeAllConnections()));
  const clock = new FakeClock();
  const source = fixedSource(() => [{ name: 'p0', port: (server.address() as AddressInfo).port }], 600);
  const pending = discover('_http._tcp.orders.example', { slowStartMs: 0 }, { source, clock });
  await settle();
  const service = await pending;
  closing.push(() => service.close());
  const agent = service.agent({ maxSockets: 2 });
  const options = { host: 'orders', agent, timeout: 60_000 };
  const [first, , third] = Array.from({ length: 3 }, () => http.get(options, response => response.resume()));
  await vi.waitFor(() => expect(held).toHaveLength(2), 120_000);
  // The first breaks its connection: a new one is begun for the third, which gets that of the second before it is there.
  let isOver = 0;
  third.on('timeout', () => isOver++);
  first.on('error', () => {}).destroy();
  held[1].end('well');
  await vi.waitFor(() => expect(held).toHaveLength(3), 120_000);
  await clock.advance(120_000);
  expect(isOver).toBe(0);
  held[2].end('well');
  await new Promise(resolve => third.once('close', resolve));
});

test('a service has as many agents as are wanted, without a warning of a leak', async () => {
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', onWarning);
  closing.push(() => process.off('warning', onWarning));
  const [one] = await serve(1);
  const service = await follow(() => [one]);
  for (let i = 0; i < 20; i++) service.agent();
  await new Promise(setImmediate);
  expect(warnings).toEqual([]);
});
