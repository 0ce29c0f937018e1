// Whoever has one endpoint, its certificate or the way to it, and what they cannot do by it: be taken for well, be taken for
// another, or keep what is theirs in memory.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { Service } from '../../../lib/discovery/service.js';
import { backend } from '../../support/backends.js';
import { makeCertificate } from '../../support/certificate.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { fixedSource, type Listed } from '../../support/fixed-source.js';
import { until } from '../../support/until.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one();
});

/** A server that does as it is told with each connection, once something has come. */
async function server(does: (socket: Socket) => void): Promise<Listed> {
  const sockets = new Set<Socket>();
  const listening = net.createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', () => does(socket));
  });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  closing.push(() => {
    for (const one of sockets) one.destroy();
    listening.close();
  });
  return { name: 'evil', port: (listening.address() as AddressInfo).port };
}
async function follow(list: readonly Listed[], options: DiscoverOptions = {}): Promise<Service> {
  const service = await discover(
    '_http._tcp.orders.example',
    { slowStartMs: 0, ...options },
    {
      source: fixedSource(() => list),
    },
  );
  closing.push(() => service.close());
  return service;
}
/** Told when the request is closed: then its endpoint has been told, too. */
const get = (options: http.RequestOptions, module: typeof http | typeof https = http): Promise<number> =>
  new Promise((resolve, reject) => {
    let failure: Error | undefined;
    const failed = (error: Error): void => {
      failure ??= error;
    };
    let status = 0;
    const request = module.get(options, response => {
      status = response.statusCode!;
      response.on('error', failed).resume();
    });
    request.on('error', failed).on('close', () => (failure === undefined ? resolve(status) : reject(failure)));
  });

describe('an agent takes an endpoint out that', () => {
  test.each<[string, (socket: Socket) => void]>([
    ['closes without an answer', socket => socket.end()],
    ['resets', socket => socket.resetAndDestroy()],
    ['answers what is no HTTP', socket => socket.end('garbage\r\n\r\n')],
    ['has headers without end', socket => socket.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}`)],
    ['breaks off', socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc')],
    ['breaks its chunks', socket => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n')],
  ])('%s', async (_what, does) => {
    const service = await follow([await server(does)], { health: { consecutiveFailures: 3, maxEjectionPercent: 100 } });
    const agent = service.agent({ keepAlive: false });
    // Whether the request or its response has the error is Node's affair.
    for (let i = 0; i < 3; i++) await get({ host: 'orders', agent }).catch(() => undefined);
    expect(service.report().states).toMatchObject({ up: 0, out: 1 });
    expect(service.endpoints[0].inFlight).toBe(0);
  });
  test('and not one whose callers give up, before the answer or within it', async () => {
    const silent = await server(() => {});
    const slow = await server(socket => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'));
    for (const one of [silent, slow]) {
      const service = await follow([one], { health: { consecutiveFailures: 1, maxEjectionPercent: 100 } });
      const agent = service.agent({ keepAlive: false });
      for (let i = 0; i < 3; i++) {
        const request = http.get({ host: 'orders', agent }, response => response.destroy());
        request.on('error', () => {});
        if (one === silent) request.once('socket', () => setImmediate(() => request.destroy()));
        await new Promise(resolve => request.once('close', resolve));
      }
      expect(service.report().states).toMatchObject({ up: 1, out: 0 });
    }
  });
});

describe('an endpoint that takes requests and never answers', () => {
  const health = { consecutiveFailures: 3, maxEjectionPercent: 100 };
  test('is out when callers have waited for as long as they wanted to: `timeout` of an agent’s requests', async () => {
    const service = await follow([await server(() => {})], { health });
    const agent = service.agent({ keepAlive: false });
    for (let i = 0; i < 3; i++) {
      const request = http.get({ host: 'orders', agent, timeout: 20 });
      request.on('error', () => {}).on('timeout', () => request.destroy());
      await new Promise(resolve => request.once('close', resolve));
    }
    expect(service.report().states).toMatchObject({ up: 0, out: 1 });
  });
  test.each([
    ['TimeoutError', 1],
    ['AbortError', 0],
  ])('and the signal of a fetch (%s)', async (name, out) => {
    let asked = (): void => {};
    const service = await follow([await server(() => asked())], { health });
    const dispatcher = service.dispatcher();
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController();
      asked = () => controller.abort(new DOMException('of the caller', name));
      const pending = fetch('http://orders/', { dispatcher, signal: controller.signal } as RequestInit);
      await expect(pending).rejects.toMatchObject({ name });
    }
    await until(() => service.endpoints[0].inFlight === 0);
    expect(service.report().states.out).toBe(out);
  });
});

test('a connection that its endpoint resets before anybody listens ends no program', async () => {
  const open: Socket[] = [];
  const listening = net.createServer(socket => open.push(socket.on('error', () => {})));
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  closing.push(() => listening.close());
  const service = await follow([{ name: 'evil', port: (listening.address() as AddressInfo).port }]);
  const thrown: unknown[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', error => thrown.push(error));
  try {
    const [socket] = await Promise.all([service.connect(), service.connect()]);
    await until(() => open.length === 2);
    for (const one of open) one.resetAndDestroy();
    await until(() => socket.closed);
    await settle();
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  }
  expect(thrown).toEqual([]);
  await until(() => service.endpoints[0].inFlight === 0);
});

describe('the name that is proven', () => {
  const { key, certificate: cert } = makeCertificate({ names: ['evil.example'] });
  const evil = async (): Promise<Listed> => {
    const made = await backend('evil', { tls: { key, cert } });
    closing.push(() => made.kill());
    return made;
  };
  test.each([undefined, ''])('is never the target’s where `servername` is %j', async servername => {
    const service = await follow([await evil()]);
    const tls = { ca: cert, servername } as { ca: string; servername: string };
    await expect(service.connect({ tls })).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    for (const agent of [service.agent({ tls }), service.agent({ tls: { ca: cert }, ...{ servername } } as object)]) {
      await expect(get({ host: 'orders', agent }, https)).rejects.toMatchObject({
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
    }
    const dispatcher = service.dispatcher({ tls });
    const asked = fetch('https://orders/', { dispatcher } as RequestInit);
    await expect(asked).rejects.toMatchObject({ cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' } });
  });
  test('is the one that an agent was given', async () => {
    const service = await follow([await evil()]);
    const agent = service.agent({ tls: { ca: cert, servername: 'evil.example' } });
    expect(await get({ host: 'orders', agent }, https)).toBe(200);
  });
});

describe('what is gone', () => {
  test('an agent or a dispatcher that has come to its end is held by no service', async () => {
    const service = await follow([{ name: 'p0', port: 80 }]);
    const agent = service.agent();
    const closed = service.dispatcher();
    const destroyed = service.dispatcher();
    agent.destroy();
    await closed.close();
    await destroyed.destroy();
    const held = [agent, closed, destroyed].map(one => vi.spyOn(one as { destroy(): unknown }, 'destroy'));
    service.close();
    for (const one of held) expect(one).not.toHaveBeenCalled();
  });
  test('a dispatcher keeps no agent of an endpoint that has left, and none after its end', async () => {
    let made = 0;
    let closed = 0;
    class Dispatcher {}
    class DispatcherBase extends Dispatcher {}
    class Agent extends DispatcherBase {
      constructor() {
        super();
        made++;
      }
      dispatch(): boolean {
        return true;
      }
      close(): Promise<void> {
        closed++;
        return Promise.resolve();
      }
      destroy(): Promise<void> {
        return this.close();
      }
    }
    const clock = new FakeClock();
    let list: Listed[] = [{ name: 'p0', port: 80 }];
    const pending = discover(
      '_http._tcp.orders.example',
      { slowStartMs: 0 },
      { source: fixedSource(() => list), clock },
    );
    await settle();
    const service = await pending;
    closing.push(() => service.close());
    const dispatcher = service.dispatcher({ undici: { Agent } });
    const ask = (): boolean =>
      dispatcher.dispatch({ origin: 'http://orders', path: '/', method: 'GET' }, { onError: () => {} });
    // Each set is another one, and nobody of it can be reached: requests go to the ones that have left.
    for (let i = 1; i <= 20; i++) {
      ask();
      list = [{ name: `p${i}`, port: 80 }];
      await clock.advance(1100);
      for (const one of service.endpoints) one.done('unreachable');
      for (let j = 0; j < 3; j++) ask();
    }
    await clock.advance(20_000);
    expect(made).toBeGreaterThan(20);
    expect(made - closed).toBeLessThanOrEqual(3);
    await dispatcher.close();
    const before = made;
    ask();
    expect([made, closed]).toEqual([before, before]);
  });
  test('connect() that is called off tells all the same that an endpoint is silent, and tries no other', async () => {
    const clock = new FakeClock();
    // Listens, and has no room for one connection more; nothing of TLS ever comes.
    const silent = await server(() => {});
    const source = fixedSource(() => [silent]);
    const service = await discover('_http._tcp.orders.example', { connectTimeoutMs: 2000 }, { source, clock });
    closing.push(() => service.close());
    const controller = new AbortController();
    const pending = service.connect({ tls: true, signal: controller.signal });
    controller.abort();
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    await clock.advance(2000);
    await vi.waitFor(() => expect(service.report().states.out).toBe(1), 120_000);
    expect([service.endpoints[0].inFlight, service.report().retries.made]).toEqual([0, 0]);
  });
});
