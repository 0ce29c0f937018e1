// Requests of the built-in fetch and of undici 6, 7 and 8 through a service's dispatcher.
import { setTimeout as later } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DispatcherOptions } from '../../../lib/discovery/adapters/dispatcher.js';
import { discover } from '../../../lib/discovery/discover.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { Service } from '../../../lib/discovery/service.js';
import { type Backend, backend } from '../../support/backends.js';
import { makeCertificate } from '../../support/certificate.js';
import { fixedSource } from '../../support/fixed-source.js';
import { until } from '../../support/until.js';

type Fetch = (url: string, options?: Record<string, unknown>) => Promise<Response>;
interface Undici {
  Agent: unknown;
  fetch: Fetch;
  request(url: string, options: object): Promise<{ statusCode: number; body: { text(): Promise<string> } }>;
}
const load = async (name: string): Promise<Undici> => (await import(name)) as Undici;
const versions: [string, Undici][] = [
  ['undici 6', await load('undici6')],
  ['undici 7', await load('undici')],
];
// It puts an Agent of its own in the place of Node's, whose handlers it takes in a form of their own.
if (Number.parseInt(process.versions.node, 10) >= 22) versions.push(['undici 8', await load('undici8')]);
const builtIn = fetch as unknown as Fetch;
const clients: [string, Fetch, DispatcherOptions][] = [
  ['the built-in fetch', builtIn, {}],
  ...versions.map(([name, undici]): [string, Fetch, DispatcherOptions] => [name, undici.fetch, { undici }]),
  ...versions.map(([name, undici]): [string, Fetch, DispatcherOptions] => [
    `the built-in fetch over ${name}`,
    builtIn,
    { undici },
  ]),
];

let backends: Backend[];
const open: { close(): unknown }[] = [];
beforeEach(() => {
  backends = [];
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  await Promise.all(backends.map(one => one.kill().catch(() => {})));
});
async function serve(n: number, options: DiscoverOptions = {}): Promise<Service> {
  backends = await Promise.all(Array.from({ length: n }, (_, i) => backend(`p${i}`)));
  return follow(options);
}
async function follow(options: DiscoverOptions): Promise<Service> {
  const source = fixedSource(() => backends);
  const service = await discover('_http._tcp.orders.example', { slowStartMs: 0, ...options }, { source });
  open.push(service);
  return service;
}

describe.each(clients)('%s', (_name, ask, options) => {
  test('goes to endpoints in place of its origin, with the Host header of its URL', async () => {
    const service = await serve(3);
    const dispatcher = service.dispatcher(options);
    const names = new Set<string | null>();
    for (let i = 0; i < 40; i++) {
      const response = await ask('http://orders/x?y=1', { dispatcher });
      names.add(response.headers.get('x-name'));
      expect(await response.text()).toContain('GET /x?y=1');
    }
    expect(names.size).toBe(3);
    for (const one of backends) expect([...one.hosts]).toEqual(['orders']);
    expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
  });
  test('sends bodies, and headers in every form', async () => {
    const service = await serve(1);
    const dispatcher = service.dispatcher(options);
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('streamed'));
        controller.close();
      },
    });
    for (const body of ['text', stream]) {
      const sent = await ask('http://orders/', {
        method: 'POST',
        body,
        duplex: 'half',
        headers: { 'x-own': '1' },
        dispatcher,
      });
      expect(sent.status).toBe(200);
      await sent.text();
    }
  });
  test('an endpoint that is killed under load: no request fails', async () => {
    const service = await serve(3);
    const dispatcher = service.dispatcher(options);
    const errors: unknown[] = [];
    let done = 0;
    let stop = false;
    const worker = async (): Promise<void> => {
      while (!stop) {
        try {
          await (await ask('http://orders/', { dispatcher })).text();
          done++;
        } catch (error) {
          errors.push((error as Error).cause ?? error);
        }
      }
    };
    const workers = Array.from({ length: 8 }, worker);
    await until(() => done > 50);
    await backends[0].kill();
    const before = done;
    await until(() => done > before + 100);
    stop = true;
    await Promise.all(workers);
    expect(errors).toEqual([]);
  });
  test('a POST whose connection fails goes to another endpoint; where all are dead the error is the caller’s', async () => {
    const service = await serve(2);
    const dispatcher = service.dispatcher(options);
    await backends[0].kill();
    for (let i = 0; i < 10; i++) {
      const response = await ask('http://orders/', { method: 'POST', body: 'x', dispatcher });
      expect(response.status).toBe(200);
      await response.text();
    }
    await backends[1].kill();
    await expect(ask('http://orders/', { dispatcher })).rejects.toThrow(/fetch failed/);
    expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
  });
  test('what is called off is not tried again and says nothing of the endpoint', async () => {
    const service = await serve(2);
    const dispatcher = service.dispatcher(options);
    const controller = new AbortController();
    const pending = ask('http://orders/', { dispatcher, signal: controller.signal });
    controller.abort();
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    await later(50);
    expect(service.report()).toMatchObject({ states: { up: 2 }, retries: { made: 0 } });
    expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
  });
  test('over TLS the name that is proven is the service’s', async () => {
    const { key, certificate: cert } = makeCertificate({ names: ['orders.example'] });
    backends = [await backend('p0', { tls: { key, cert } })];
    const service = await follow({});
    const dispatcher = service.dispatcher({ ...options, tls: { ca: cert } });
    expect((await ask('https://orders/', { dispatcher })).status).toBe(200);
    const other = await follow({ servername: 'else.example' });
    const forged = ask('https://orders/', { dispatcher: other.dispatcher({ ...options, tls: { ca: cert } }) });
    await expect(forged).rejects.toThrow(/fetch failed/);
  });
  test('no endpoint is an error of the request', async () => {
    const service = await follow({ ready: false });
    await expect(ask('http://orders/', { dispatcher: service.dispatcher(options) })).rejects.toThrow(/fetch failed/);
  });
});

test.each(versions)('%s: request() and the dispatcher’s own', async (_name, undici) => {
  const service = await serve(2);
  const dispatcher = service.dispatcher({ undici });
  const answered = await undici.request('http://orders/y', { dispatcher });
  expect(await answered.body.text()).toContain('GET /y');
  const own = dispatcher as unknown as { request(options: object): Promise<{ body: { text(): Promise<string> } }> };
  const direct = await own.request({ origin: 'http://orders', path: '/z', method: 'GET' });
  expect(await direct.body.text()).toContain('GET /z');
});

test('what is no undici is refused', async () => {
  const service = await serve(1);
  expect(() => service.dispatcher({ undici: { Agent: 7 } })).toThrow(/undici: expected the module undici/);
});
