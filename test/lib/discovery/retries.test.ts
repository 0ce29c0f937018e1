// Which requests that failed are tried again, how often, and after how long; and what becomes of one that is called off between
// two tries.
import { type AddressInfo, createServer } from 'node:net';
import http from 'node:http';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { KeepAlive } from '../../../lib/base/keep-alive.js';
import type { AnyHandler } from '../../../lib/discovery/adapters/handlers.js';
import { discover } from '../../../lib/discovery/discover.js';
import type { Endpoint } from '../../../lib/discovery/endpoint.js';
import type { DiscoverOptions, RetryFailure, RetrySettings } from '../../../lib/discovery/options.js';
import { Retries } from '../../../lib/discovery/retries.js';
import type { Service } from '../../../lib/discovery/service.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { fixedSource, type Listed } from '../../support/fixed-source.js';

const HALF = { uint32: () => 0x8000_0000 };
const SETTINGS: RetrySettings = { attempts: 1, backoffMs: 0, jitter: 0.5, budget: 0.2, when: undefined };
const failed = (of: Partial<RetryFailure> = {}): RetryFailure => ({
  error: new Error('broken'),
  endpoint: {} as Endpoint,
  attempt: 1,
  sent: false,
  method: 'GET',
  ...of,
});
const rules = (of: Partial<RetrySettings> = {}, clock = new FakeClock()): Retries =>
  new Retries({ ...SETTINGS, ...of }, clock, HALF);
/** Makes every retry that is allowed of so many failures at once. */
function allowed(retries: Retries, failures: number, failure: RetryFailure): number {
  let made = 0;
  for (let i = 0; i < failures; i++) {
    if (!retries.may(failure)) continue;
    retries.noteRetry(failure);
    made++;
  }
  return made;
}

describe('what may be tried again', () => {
  test('is what has reached nobody, and safe methods that have no response', () => {
    const retries = rules();
    expect(retries.may(failed({ method: 'POST' }))).toBe(true);
    expect(retries.may(failed({ sent: true }))).toBe(true);
    expect(retries.may(failed({ method: 'POST', sent: true }))).toBe(false);
    expect(retries.may(failed({ method: undefined, sent: true }))).toBe(false);
  });
  test('is what `when` says; one that throws says no', () => {
    const seen: RetryFailure[] = [];
    const retries = rules({ when: failure => (seen.push(failure), failure.sent) });
    expect(retries.may(failed({ method: 'POST', sent: true }))).toBe(true);
    expect(retries.may(failed())).toBe(false);
    expect(seen).toMatchObject([{ sent: true, attempt: 1, method: 'POST' }, { sent: false }]);
    const throwing = rules({
      when: () => {
        throw new Error('of the caller');
      },
    });
    expect(throwing.may(failed())).toBe(false);
  });
  test('is tried as often as `attempts` says', () => {
    const retries = rules({ attempts: 3 });
    expect([1, 2, 3, 4].map(attempt => retries.may(failed({ attempt })))).toEqual([true, true, true, false]);
    expect(rules({ attempts: 0 }).may(failed())).toBe(false);
  });
  test('however many reach nobody at once, each is tried again: they burden nobody', () => {
    expect(allowed(rules(), 500, failed())).toBe(500);
  });
  test('of what endpoints may have seen a fifth of the requests of the last seconds is, and ten', async () => {
    const clock = new FakeClock();
    const retries = rules({}, clock);
    expect(allowed(retries, 100, failed({ sent: true }))).toBe(10);
    expect(retries).toMatchObject({ retried: 10, denied: 90 });
    // An hour without a failure: what counts is what was asked lately, all of it.
    for (let second = 0; second < 3600; second++) {
      for (let i = 0; i < 100; i++) retries.noteRequest(clock.nowMs());
      await clock.advance(1000);
    }
    const made = allowed(retries, 1000, failed({ sent: true }));
    expect(made).toBeGreaterThanOrEqual(10 + 0.2 * 400);
    expect(made).toBeLessThanOrEqual(10 + 0.2 * 1000);
    await clock.advance(10_000);
    expect(allowed(retries, 100, failed({ sent: true }))).toBe(10);
  });
  test('waits twice as long each time, up to 30 s, less its jitter', () => {
    const exact = rules({ backoffMs: 100, jitter: 0 });
    expect([1, 2, 3, 20].map(attempt => exact.noteRetry(failed({ attempt })))).toEqual([100, 200, 400, 30_000]);
    expect(rules({ backoffMs: 100, jitter: 0.5 }).noteRetry(failed())).toBe(75);
    expect(rules().noteRetry(failed())).toBe(0);
  });
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Ports of loopback on which nobody listens. */
async function dead(n: number): Promise<Listed[]> {
  const servers = await Promise.all(
    Array.from({ length: n }, async () => {
      const server = createServer();
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const list = servers.map((server, i) => ({ name: `p${i}`, port: (server.address() as AddressInfo).port }));
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return list;
}
async function follow(
  list: readonly Listed[],
  options: DiscoverOptions,
): Promise<{ service: Service; clock: FakeClock }> {
  const clock = new FakeClock();
  const pending = discover(
    '_http._tcp.orders.example',
    { slowStartMs: 0, health: false, ...options },
    { source: fixedSource(() => list, 600), clock },
  );
  await settle();
  const service = await pending;
  closing.push(() => service.close());
  return { service, clock };
}
const nobodyInFlight = (service: Service): boolean => service.endpoints.every(one => one.inFlight === 0);

describe('between two tries', () => {
  const retry = { attempts: 2, backoffMs: 1000, jitter: 0 };
  const made = (service: Service): number => service.report().retries.made;

  test('connect() waits, and tries another endpoint each time', async () => {
    const { service, clock } = await follow(await dead(3), { retry });
    const ended = service.connect().catch((error: NodeJS.ErrnoException) => error.code);
    await vi.waitFor(() => expect(made(service)).toBe(1), 120_000);
    await clock.advance(999);
    expect(made(service)).toBe(1);
    await clock.advance(1);
    await vi.waitFor(() => expect(made(service)).toBe(2), 120_000);
    await clock.advance(1999);
    const early = Symbol('early');
    expect(await Promise.race([ended, Promise.resolve(early)])).toBe(early);
    await clock.advance(1);
    expect(await ended).toBe('ECONNREFUSED');
    expect(nobodyInFlight(service)).toBe(true);
  });
  test('connect() that is called off tries no more', async () => {
    const { service, clock } = await follow(await dead(3), { retry });
    const controller = new AbortController();
    const ended = service.connect({ signal: controller.signal });
    ended.catch(() => {});
    await vi.waitFor(() => expect(made(service)).toBe(1), 120_000);
    controller.abort();
    await expect(ended).rejects.toMatchObject({ name: 'AbortError' });
    await clock.advance(60_000);
    expect(made(service)).toBe(1);
    expect(nobodyInFlight(service)).toBe(true);
  });
  test('a request of an agent that is destroyed ends at once, once', async () => {
    const { service, clock } = await follow(await dead(3), { retry });
    const request = http.get({ host: 'orders', agent: service.agent() });
    const errors: Error[] = [];
    request.on('error', error => errors.push(error));
    await vi.waitFor(() => expect(made(service)).toBe(1), 120_000);
    const closed = new Promise(resolve => request.once('close', resolve));
    request.destroy(new Error('enough'));
    await closed;
    await clock.advance(60_000);
    expect(errors.map(one => one.message)).toEqual(['enough']);
    expect(made(service)).toBe(1);
    expect(nobodyInFlight(service)).toBe(true);
  });
  test('the program goes on for those who wait, and for no others', async () => {
    const { service, clock } = await follow(await dead(3), { retry });
    const hold = vi.spyOn(KeepAlive.prototype, 'hold');
    const release = vi.spyOn(KeepAlive.prototype, 'release');
    closing.push(() => (hold.mockRestore(), release.mockRestore()));
    const held = (): number => hold.mock.calls.length - release.mock.calls.length;
    const dispatcher = service.dispatcher();
    const ways: ((signal: AbortSignal) => Promise<unknown>)[] = [
      signal => service.connect({ signal }),
      signal =>
        new Promise((_, reject) => http.get({ host: 'orders', agent: service.agent(), signal }).on('error', reject)),
      signal => fetch('http://orders/', { dispatcher, signal } as RequestInit),
    ];
    for (const way of ways) {
      let before = made(service);
      const { signal } = new AbortController();
      const ended = way(signal).catch(() => 'ended');
      for (const ms of [1000, 2000]) {
        await vi.waitFor(() => expect(made(service)).toBe(before + 1), 120_000);
        expect(held()).toBe(1);
        before++;
        await clock.advance(ms);
      }
      expect(await ended).toBe('ended');
      expect(held()).toBe(0);
    }
    for (const way of ways.slice(0, 2)) {
      const before = made(service);
      const controller = new AbortController();
      const ended = way(controller.signal).catch(() => 'ended');
      await vi.waitFor(() => expect(made(service)).toBe(before + 1), 120_000);
      expect(held()).toBe(1);
      controller.abort();
      expect(await ended).toBe('ended');
      expect(held()).toBe(0);
    }
  });
  test('where there is no other endpoint none is counted, and the error is the caller’s at once', async () => {
    const { service } = await follow(await dead(1), { retry });
    await expect(service.connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(made(service)).toBe(0);
  });

  interface Sent {
    readonly origin: string;
    readonly handler: Record<string, (...args: unknown[]) => unknown>;
  }
  /** An undici that leaves it to the test what becomes of requests. */
  function undiciOf(sent: Sent[]): { Agent: unknown } {
    class Dispatcher {}
    class DispatcherBase extends Dispatcher {}
    class Agent extends DispatcherBase {
      dispatch({ origin }: { origin: string }, handler: AnyHandler): boolean {
        sent.push({ origin, handler: handler as unknown as Sent['handler'] });
        return true;
      }
      close(): Promise<void> {
        return Promise.resolve();
      }
      destroy(): Promise<void> {
        return Promise.resolve();
      }
    }
    return { Agent };
  }
  const LIST = [
    { name: 'p0', port: 80 },
    { name: 'p1', port: 80 },
  ];
  const begin = async (handler: AnyHandler, options: DiscoverOptions = { retry }) => {
    const { service, clock } = await follow(LIST, options);
    const sent: Sent[] = [];
    const dispatcher = service.dispatcher({ undici: undiciOf(sent) });
    dispatcher.dispatch({ origin: 'http://orders', path: '/', method: 'GET' }, handler);
    return { service, clock, sent };
  };

  test('a request of undici 7 and later that is called off is not sent again', async () => {
    const errors: unknown[] = [];
    const { service, clock, sent } = await begin({
      onRequestStart: () => {},
      onResponseError: (_controller, error) => errors.push(error),
    });
    const controller = { aborted: false, reason: undefined as unknown };
    sent[0].handler.onRequestStart(controller, {});
    sent[0].handler.onResponseError(controller, new Error('broken'));
    Object.assign(controller, { aborted: true, reason: new Error('enough') });
    await clock.advance(60_000);
    expect(sent).toHaveLength(1);
    expect(errors).toEqual([new Error('enough')]);
    expect(nobodyInFlight(service)).toBe(true);
  });
  test('a request up to undici 6 that is called off is not sent again', async () => {
    const errors: unknown[] = [];
    const ofCaller: { callOff?: (reason?: unknown) => void } = {};
    const { service, clock, sent } = await begin({
      onConnect: abort => {
        ofCaller.callOff = abort as (reason?: unknown) => void;
      },
      onError: error => errors.push(error),
    });
    sent[0].handler.onConnect(() => {}, {});
    sent[0].handler.onError(new Error('broken'));
    ofCaller.callOff!();
    await clock.advance(60_000);
    expect(sent).toHaveLength(1);
    expect(errors).toMatchObject([{ name: 'AbortError' }]);
    expect(nobodyInFlight(service)).toBe(true);
  });
  test('a second try that reaches nobody is told as that, though the first has', async () => {
    const { service, clock, sent } = await begin(
      { onRequestStart: () => {}, onResponseError: () => {} },
      { retry, health: {} },
    );
    const [first, second] = [0, 1].map(i =>
      service.endpoints.find(one => sent[0].origin.includes(one.host) === (i === 0))!,
    );
    sent[0].handler.onRequestStart({}, {});
    sent[0].handler.onResponseError({}, new Error('broken'));
    await clock.advance(1000);
    expect(sent).toHaveLength(2);
    sent[1].handler.onResponseError(null, new Error('refused'));
    expect([first.state, second.state]).toEqual(['up', 'out']);
  });
});
