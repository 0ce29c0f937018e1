// Requests of node:http and node:https by a service's agent: where they go, what they say of themselves, and what becomes of
// them when an endpoint is killed.
import http, { type RequestOptions } from 'node:http';
import https from 'node:https';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { Service } from '../../../lib/discovery/service.js';
import { DnsClient } from '../../../lib/node/client.js';
import { type Backend, backend } from '../../support/backends.js';
import { makeCertificate } from '../../support/certificate.js';
import { DnsServer } from '../../support/dns-server.js';
import { until } from '../../support/until.js';

const NAME = '_http._tcp.orders.example';
let dns: DnsServer;
let client: DnsClient;
let backends: Backend[];
const open: { close(): unknown }[] = [];
beforeEach(async () => {
  dns = await DnsServer.start({});
  client = new DnsClient({
    servers: [dns.address],
    memory: '1MiB',
    resolvConf: false,
    hostsFile: false,
    staleSeconds: 0,
  });
  backends = [];
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  client.close();
  dns.close();
  await Promise.all(backends.map(one => one.kill().catch(() => {})));
});

function publish(list: readonly Backend[], { ttl = 1 } = {}): void {
  dns.names = {
    [NAME]: {
      SRV: list.map(({ name, port }) => ({
        type: 'SRV' as const,
        name: NAME,
        ttl,
        data: { priority: 0, weight: 1, port, target: `${name}.example` },
      })),
    },
    ...Object.fromEntries(
      list.map(({ name }) => [
        `${name}.example`,
        { A: [{ type: 'A' as const, name: `${name}.example`, ttl, data: '127.0.0.1' }] },
      ]),
    ),
  };
}
async function serve(n: number, options: DiscoverOptions = {}, tls?: https.ServerOptions): Promise<Service> {
  backends = await Promise.all(Array.from({ length: n }, (_, i) => backend(`p${i}`, tls === undefined ? {} : { tls })));
  publish(backends);
  const service = await discover(NAME, { client, slowStartMs: 0, ...options });
  open.push(service);
  return service;
}

interface Got {
  status: number;
  text: string;
  name: string;
}
function get(options: RequestOptions, module: typeof http | typeof https = http, body?: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = module.request(options, response => {
      let text = '';
      response.on('data', chunk => (text += String(chunk)));
      response.on('end', () =>
        resolve({ status: response.statusCode!, text, name: String(response.headers['x-name']) }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('an agent of a service', () => {
  test('spreads requests, keeps the Host header and the path, and keeps connections', async () => {
    const service = await serve(3);
    const agent = service.agent();
    const names = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const { name, text } = await get({ host: 'orders', path: '/x?y=1', agent });
      names.add(name);
      expect(text).toContain('GET /x?y=1');
    }
    expect(names.size).toBe(3);
    for (const one of backends) expect([...one.hosts]).toEqual(['orders']);
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(3);
    expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
    expect(service.endpoints.every(one => one.latencyMs! > 0)).toBe(true);
  });
  test('a POST has its body, and many at once are all answered', async () => {
    const service = await serve(3, { policy: 'p2c' });
    const agent = service.agent();
    const all = await Promise.all(
      Array.from({ length: 200 }, () => get({ host: 'orders', method: 'POST', path: '/', agent }, http, 'body')),
    );
    expect(all.every(one => one.status === 200)).toBe(true);
  });
  test('a request whose response nobody listens for does not hang, and errors nobody listens for are thrown as ever', async () => {
    const service = await serve(1);
    const agent = service.agent();
    await new Promise<void>(resolve => http.get({ host: 'orders', agent }).on('close', resolve));
    expect(service.endpoints[0].inFlight).toBe(0);
    const request = http.get({ host: 'orders', agent });
    expect(request.listenerCount('error') + request.listenerCount('response')).toBe(0);
    request.on('error', () => {});
    await new Promise(resolve => request.on('close', resolve));
  });
  test('an endpoint that is killed under load costs nothing but what was on its connections', async () => {
    const service = await serve(3, { minRefreshMs: 1000 });
    const agent = service.agent();
    const failed: unknown[] = [];
    let broken = 0;
    let done = 0;
    let stop = false;
    const worker = async (): Promise<void> => {
      while (!stop) {
        await get({ host: 'orders', path: '/', agent }).then(
          () => done++,
          (error: NodeJS.ErrnoException) => {
            // What was on a connection that broke is the caller's: Node's agent cannot send it again.
            if (error.code === 'ECONNRESET') broken++;
            else failed.push(error);
          },
        );
      }
    };
    const WORKERS = 10;
    const workers = Array.from({ length: WORKERS }, worker);
    await until(() => backends.every(one => one.requests > 20));
    await backends[0].kill();
    const before = done;
    await until(() => done > before + 200);
    stop = true;
    await Promise.all(workers);
    expect(failed).toEqual([]);
    expect(broken).toBeLessThanOrEqual(WORKERS); // each had one connection there at most
  });
  test('a burst onto an endpoint that is dead: every request goes on at another', async () => {
    const service = await serve(2);
    await backends[0].kill();
    const agent = service.agent();
    const all = await Promise.all(Array.from({ length: 200 }, () => get({ host: 'orders', agent })));
    expect(new Set(all.map(one => one.name))).toEqual(new Set(['p1']));
    expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
  });
  test('a request that is destroyed in the turn in which it got an idle connection ends once', async () => {
    const service = await serve(1);
    const agent = service.agent();
    await get({ host: 'orders', agent });
    const request = http.get({ host: 'orders', agent });
    const told: string[] = [];
    request.on('error', error => told.push(error.message)).on('close', () => told.push('close'));
    request.destroy(new Error('mine'));
    await vi.waitFor(() => expect(told).toContain('close'), 120_000);
    await new Promise(setImmediate);
    expect(told).toEqual(['mine', 'close']);
    expect(service.endpoints[0].inFlight).toBe(0);
    expect((await get({ host: 'orders', agent })).status).toBe(200);
  });
  test('where all endpoints are dead the error is of the last that was tried', async () => {
    const service = await serve(2);
    await Promise.all(backends.map(one => one.kill()));
    const agent = service.agent();
    await expect(get({ host: 'orders', agent })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(service.report().retries.made).toBe(1);
  });
  test('idle connections to an endpoint that leaves are closed, and it is asked no more', async () => {
    const service = await serve(2);
    const agent = service.agent();
    for (let i = 0; i < 20; i++) await get({ host: 'orders', agent });
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(2);
    publish(backends.slice(1));
    const left = new Promise(resolve => service.once('change', resolve));
    const deadline = setInterval(() => void service.refresh(), 200);
    await left;
    clearInterval(deadline);
    await vi.waitFor(() => expect(Object.values(agent.freeSockets).flat()).toHaveLength(1), 120_000);
    const before = backends[0].requests;
    for (let i = 0; i < 10; i++) await get({ host: 'orders', agent });
    expect(backends[0].requests).toBe(before);
  }, 10_000);
  test('statuses count against an endpoint where that is wanted', async () => {
    const service = await serve(3, { health: { failingStatus: 500 } });
    backends[0].status = 503;
    const agent = service.agent();
    for (let i = 0; i < 60; i++) await get({ host: 'orders', agent });
    expect(service.report().states).toMatchObject({ up: 2, out: 1 });
  });
  test('maxSockets is a bound for each endpoint, connections under way counted', async () => {
    const service = await serve(1);
    const agent = service.agent({ maxSockets: 2 });
    let most = 0;
    const all = Array.from({ length: 20 }, () => {
      const got = get({ host: 'orders', agent });
      most = Math.max(most, Object.values(agent.sockets).flat().length);
      return got;
    });
    await Promise.all(all);
    expect(most).toBeLessThanOrEqual(2);
    expect((await get({ host: 'orders', agent })).status).toBe(200);
  });
  test('no endpoint is an error of the request', async () => {
    const service = await discover('_x._tcp.nobody.example', { client, ready: false });
    open.push(service);
    await expect(get({ host: 'orders', agent: service.agent() })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SHARDNS_SERVICE_/) as string,
    });
  });
});

describe('TLS', () => {
  test('certificates are for the service’s domain, whatever the target is called', async () => {
    const { key, certificate: cert } = makeCertificate({ names: ['orders.example'] });
    const service = await serve(2, {}, { key, cert });
    const good = service.agent({ tls: { ca: cert } });
    expect((await get({ host: 'orders', agent: good }, https)).status).toBe(200);
    const { key: otherKey, certificate: otherCert } = makeCertificate({ names: ['p0.example'] });
    await Promise.all(backends.map(one => one.kill()));
    backends = [await backend('p0', { tls: { key: otherKey, cert: otherCert } })];
    dns.names = {};
    const second = '_https._tcp.orders.example';
    dns.names = {
      [second]: {
        SRV: [
          {
            type: 'SRV',
            name: second,
            ttl: 60,
            data: { priority: 0, weight: 1, port: backends[0].port, target: 'p0.example' },
          },
        ],
      },
      'p0.example': { A: [{ type: 'A', name: 'p0.example', ttl: 60, data: '127.0.0.1' }] },
    };
    const strict = await discover(second, { client });
    const byTarget = await discover(second, { client, servername: 'target', within: 'example' });
    open.push(strict, byTarget);
    const forged = get({ host: 'orders', agent: strict.agent({ tls: { ca: otherCert } }) }, https);
    await expect(forged).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect((await get({ host: 'orders', agent: byTarget.agent({ tls: { ca: otherCert } }) }, https)).status).toBe(200);
  });

  test('no session of TLS is taken over from who trusts others', async () => {
    const { key, certificate: cert } = makeCertificate({ names: ['elsewhere.example'] });
    const service = await serve(1, {}, { cert, key });
    // It does not care whose name the certificate is for, and has a session of its own in the end.
    const careless = service.agent({ keepAlive: false, tls: { ca: cert, checkServerIdentity: () => undefined } });
    const resumed = (): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const request = https.request({ host: 'orders', agent: careless }, response => {
          const isReused = (response.socket as TLSSocket).isSessionReused();
          response.resume().once('end', () => resolve(isReused));
        });
        request.once('error', reject).end();
      });
    await resumed();
    await vi.waitFor(async () => expect(await resumed()).toBe(true), 120_000);
    const strict = service.agent({ keepAlive: false, tls: { ca: cert } });
    await expect(get({ host: 'orders', agent: strict }, https)).rejects.toThrow(/altname|Hostname/i);
    await expect(service.connect({ tls: { ca: cert } })).rejects.toThrow(/altname|Hostname/i);
  });
});

describe('sockets', () => {
  test('connect() gives a connected one, of another endpoint where the first cannot be reached', async () => {
    const service = await serve(2);
    await backends[0].kill();
    for (let i = 0; i < 10; i++) {
      const socket = await service.connect();
      expect(socket.remotePort).toBe(backends[1].port);
      socket.destroy();
      await new Promise(resolve => socket.once('close', resolve));
    }
    expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
    const controller = new AbortController();
    controller.abort();
    await expect(service.connect({ signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
  test('lookup is taken by net.connect, with and without `all`', async () => {
    const service = await serve(1);
    for (const autoSelectFamily of [true, false]) {
      const { lookup } = service;
      const socket = connect({ host: 'whatever', port: backends[0].port, lookup, autoSelectFamily });
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      socket.destroy();
    }
  });
});
