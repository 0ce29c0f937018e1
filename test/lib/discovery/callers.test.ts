// What callers do wrong, or break off, is no endpoint's failure: whoever sends requests through this program must not be able
// to take endpoints from all others by it.
import { Readable } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { Service } from '../../../lib/discovery/service.js';
import { type Backend, backend } from '../../support/backends.js';
import { fixedSource } from '../../support/fixed-source.js';
import { until } from '../../support/until.js';

interface Undici {
  Agent: unknown;
  request(url: string, options: object): Promise<{ statusCode: number; body: { text(): Promise<string> } }>;
}
const load = async (name: string): Promise<Undici> => (await import(name)) as Undici;
const versions: [string, Undici][] = [
  ['undici 6', await load('undici6')],
  ['undici 7', await load('undici')],
];
if (Number.parseInt(process.versions.node, 10) >= 22) versions.push(['undici 8', await load('undici8')]);

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
async function serve(n: number, options: DiscoverOptions = {}): Promise<{ service: Service; backends: Backend[] }> {
  const backends = await Promise.all(Array.from({ length: n }, (_, i) => backend(`p${i}`)));
  closing.push(() => Promise.all(backends.map(one => one.kill())));
  const source = fixedSource(() => backends);
  const service = await discover('_http._tcp.orders.example', { slowStartMs: 0, ...options }, { source });
  closing.push(() => service.close());
  return { service, backends };
}
const isIdle = (service: Service): boolean => service.endpoints.every(one => one.inFlight === 0);

test('a body of fetch that breaks off is not the endpoint’s failure', async () => {
  const { service } = await serve(1, { health: { consecutiveFailures: 1, maxEjectionPercent: 100 } });
  const dispatcher = service.dispatcher();
  let left = 3;
  const body = new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(new TextEncoder().encode('a'));
      else controller.error(new Error('aborted'));
    },
  });
  const asked = fetch('http://orders/', { method: 'POST', body, duplex: 'half', dispatcher } as unknown as RequestInit);
  await expect(asked).rejects.toThrow();
  await until(() => isIdle(service));
  expect(service.report().states).toMatchObject({ up: 1, out: 0 });
});

describe.each(versions)('with %s', (_name, undici) => {
  test.each([
    ['a path', { path: '/a b\n' }, 'UND_ERR_INVALID_ARG'],
    ['a header', { headers: { 'x-a': 'b\r\nc' } }, 'UND_ERR_INVALID_ARG'],
    ['a method', { method: 'GET\n' }, 'UND_ERR_INVALID_ARG'],
    ['a header that is not to be set', { headers: { expect: '100-continue' } }, 'UND_ERR_NOT_SUPPORTED'],
  ])('%s that undici refuses is the caller’s error at once', async (_what, wrong, code) => {
    const { service, backends } = await serve(2);
    const dispatcher = service.dispatcher({ undici });
    const own = dispatcher as unknown as { request(options: object): Promise<unknown> };
    const asked = own.request({ origin: 'http://orders', path: '/', method: 'GET', ...wrong });
    await expect(asked).rejects.toMatchObject({ code });
    expect(service.report()).toMatchObject({ states: { up: 2 }, retries: { made: 0 } });
    expect(isIdle(service)).toBe(true);
    expect(backends.map(one => one.requests)).toEqual([0, 0]);
  });

  test('a body that breaks off is not the endpoint’s failure', async () => {
    const { service } = await serve(1, { health: { consecutiveFailures: 1, maxEjectionPercent: 100 } });
    const dispatcher = service.dispatcher({ undici });
    let left = 3;
    const body = new Readable({
      read() {
        if (left-- > 0) this.push('a');
        else this.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
      },
    });
    const asked = undici.request('http://orders/', { method: 'POST', body, dispatcher });
    await expect(asked).rejects.toThrow('aborted');
    await until(() => isIdle(service));
    expect(service.report().states).toMatchObject({ up: 1, out: 0 });
  });

  test('nor is that its dispatcher is destroyed', async () => {
    const { service, backends } = await serve(1, { health: { consecutiveFailures: 1, maxEjectionPercent: 100 } });
    const dispatcher = service.dispatcher({ undici });
    const body = new Readable({ read() {} });
    body.push('a');
    const asked = undici.request('http://orders/', { method: 'POST', body, dispatcher });
    asked.catch(() => {});
    await until(() => backends[0].requests > 0);
    await dispatcher.destroy();
    await expect(asked).rejects.toThrow();
    expect(isIdle(service)).toBe(true);
    expect(service.report().states).toMatchObject({ up: 1, out: 0 });
  });

  test('nor is one that is shorter than it was said to be', async () => {
    const { service } = await serve(1, { health: { consecutiveFailures: 1, maxEjectionPercent: 100 } });
    const dispatcher = service.dispatcher({ undici });
    const asked = undici.request('http://orders/', {
      method: 'POST',
      body: Readable.from(['abc']),
      headers: { 'content-length': '10' },
      dispatcher,
    });
    await expect(asked).rejects.toMatchObject({ code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' });
    await until(() => isIdle(service));
    expect(service.report().states).toMatchObject({ up: 1, out: 0 });
  });
});
