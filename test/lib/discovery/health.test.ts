// Endpoints that fail are not used for a time, come back by trial, and never leave a priority without anybody.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Endpoint } from '../../../lib/discovery/endpoint.js';
import { Rcode } from '../../../lib/wire/iana.js';
import { ServiceDns } from '../../support/service-dns.js';

const NAME = '_http._tcp.orders.example';
let dns: ServiceDns;
beforeEach(() => {
  dns = new ServiceDns();
});
afterEach(() => dns.close());

const times = (n: number, run: () => void): void => {
  for (let i = 0; i < n; i++) run();
};

describe('passive health', () => {
  test('no connection takes an endpoint out at once, for a second, then longer; two successes bring it back', async () => {
    dns.service(NAME, 3);
    const service = await dns.discover(NAME);
    const [one] = service.endpoints;
    one.done('unreachable');
    expect(one.state).toBe('out');
    times(300, () => expect(service.peek()).not.toBe(one));
    await dns.advance(1250);
    expect(one.state).toBe('trial');
    const trial = service.pick();
    expect(trial).toBe(one);
    times(50, () => expect(service.peek()).not.toBe(one)); // one at a time
    trial.done('unreachable');
    await dns.advance(1250);
    expect(one.state).toBe('out');
    await dns.advance(750);
    expect(one.state).toBe('trial');
    times(2, () => service.pick().done());
    expect(one.state).toBe('up');
  });
  test('one whose trials end in nothing but silence is tried ever less often, whoever gives up', async () => {
    dns.service(NAME, 3);
    const service = await dns.discover(NAME);
    const [one] = service.endpoints;
    one.done('unreachable');
    await dns.advance(1250);
    let asked = 0;
    let silent = 0;
    // One request after the other, for two minutes.
    for (let ms = 0; ms < 120_000; asked++) {
      const picked = service.pick();
      const waitMs = picked === one ? 5000 : 250;
      await dns.advance((ms += waitMs) && waitMs);
      if (picked === one) silent++;
      picked.done(picked === one ? 'abandoned' : 'ok');
    }
    expect(silent).toBeLessThan(10);
    expect(asked).toBeGreaterThan(200);
    // It says what it is where somebody waits for it.
    await dns.advance(31_000);
    times(2, () => service.pick().done());
    expect(one.state).toBe('up');
  });
  test('five failures in a row eject for 30 s, again for 60 s; a success in between begins anew', async () => {
    dns.service(NAME, 3);
    const service = await dns.discover(NAME, { health: {} });
    const [one] = service.endpoints;
    times(4, () => one.done('failed'));
    one.done('ok');
    times(4, () => one.done('failed'));
    expect(one.state).toBe('up');
    one.done('failed');
    expect(one.state).toBe('out');
    await dns.advance(29_000);
    expect(one.state).toBe('out');
    await dns.advance(1500);
    expect(one.state).toBe('trial');
    one.done('failed');
    await dns.advance(59_000);
    expect(one.state).toBe('out');
    await dns.advance(1500);
    expect(one.state).toBe('trial');
  });
  test('no more than half of a priority is ejected by opinion; all may be unreachable, and are tried then', async () => {
    dns.service(NAME, 4);
    const service = await dns.discover(NAME);
    for (const one of service.endpoints) times(5, () => one.done('failed'));
    expect(service.report().states).toEqual({ up: 2, out: 2, trial: 0 });
    for (const one of service.endpoints) if (one.state === 'up') one.done('unreachable');
    expect(service.report().states.up).toBe(0);
    expect(new Set(Array.from({ length: 200 }, () => service.peek())).size).toBe(4);
  });
  test('a success rate far below that of the others ejects', async () => {
    dns.service(NAME, 6);
    const service = await dns.discover(NAME);
    const [bad] = service.endpoints;
    for (const one of service.endpoints) {
      times(200, () => one.done('ok'));
      if (one === bad) times(30, () => (one.done('failed'), one.done('failed'), one.done('ok')));
    }
    service.endpoints[1].done('failed');
    await dns.advance(10_500);
    expect(service.endpoints.filter(one => one.state === 'out')).toEqual([bad]);
  });
  test('callers who give up are nobody’s failure, however many they are at one endpoint', async () => {
    dns.service(NAME, 6);
    const service = await dns.discover(NAME);
    for (const one of service.endpoints) times(200, () => one.done('ok'));
    times(2000, () => service.endpoints[0].done('abandoned'));
    await dns.advance(10_500);
    expect(service.report().states).toEqual({ up: 6, out: 0, trial: 0 });
  });
  test('an endpoint that older requests last at, for hours, is tried again all the same', async () => {
    dns.service(NAME, 3);
    const service = await dns.discover(NAME);
    const [one] = service.endpoints;
    const older: Endpoint[] = [];
    times(60, () => older.push(service.pick()));
    expect(one.inFlight).toBeGreaterThan(0);
    one.done('unreachable');
    expect(one.state).toBe('out');
    await dns.advance(1250);
    times(2, () => {
      expect(service.pick()).toBe(one);
      times(50, () => expect(service.pick()).not.toBe(one)); // one at a time
      one.done('ok');
    });
    expect(one.state).toBe('up');
  });
  test('a trial that lasts says nothing: after ten seconds another request tries', async () => {
    dns.service(NAME, 3);
    const service = await dns.discover(NAME);
    const [one] = service.endpoints;
    one.done('unreachable');
    await dns.advance(1250);
    expect(service.pick()).toBe(one);
    await dns.advance(9500);
    times(50, () => expect(service.pick()).not.toBe(one));
    await dns.advance(750);
    expect(service.pick()).toBe(one);
    expect(service.pick()).not.toBe(one);
  });
  test('with `health: false` requests have no say', async () => {
    dns.service(NAME, 2);
    const service = await dns.discover(NAME, { health: false });
    times(20, () => service.endpoints[0].done('unreachable'));
    expect(service.endpoints[0].state).toBe('up');
  });
  test('a failed connection has DNS asked earlier, at most once a second', async () => {
    dns.service(NAME, 2, { ttl: 1 });
    const service = await dns.discover(NAME, { minRefreshMs: 1000, maxRefreshMs: 60_000 });
    dns.service(NAME, 2, { ttl: 60 });
    await dns.advance(2000);
    const before = dns.asked.length;
    for (let i = 0; i < 40; i++) {
      service.endpoints[0].done('unreachable');
      await dns.advance(250);
    }
    // Of ten looks each found the answer that the cache has for a minute.
    expect(dns.asked.length - before).toBeLessThanOrEqual(1);
  });
});

describe('priorities', () => {
  test('the next is used when nobody of the first can be, until two successes there', async () => {
    dns.names.set(NAME, [
      ['SRV', '1 1 80 a.example.'],
      ['SRV', '2 1 80 b.example.'],
    ]);
    for (const host of ['a', 'b']) dns.names.set(`${host}.example`, [['A', '10.0.0.1', 600]]);
    const service = await dns.discover(NAME);
    const [a] = service.endpoints;
    times(50, () => expect(service.peek()).toBe(a));
    a.done('unreachable');
    times(50, () => expect(service.peek().host).toBe('b.example'));
    await dns.advance(1250);
    const first = service.pick();
    expect(first).toBe(a);
    first.done('ok');
    expect(a.state).toBe('trial');
    // Who does not tell how a request has ended is given no endpoint that is tried.
    times(50, () => expect(service.peek().host).toBe('b.example'));
    const held = service.pick();
    times(50, () => expect(service.peek().host).toBe('b.example'));
    held.done('ok');
    times(50, () => expect(service.peek()).toBe(a));
  });
});

describe('checks', () => {
  test('an endpoint that fails three checks is out until two succeed, used or not', async () => {
    dns.service(NAME, 3);
    const { discover } = await import('../../../lib/discovery/discover.js');
    let bad: Endpoint | undefined;
    const running = { now: 0, most: 0 };
    const service = await discover(
      NAME,
      { client: dns.client, check: { intervalMs: 1000, timeoutMs: 500 } },
      {
        check: async endpoint => {
          running.most = Math.max(running.most, ++running.now);
          await Promise.resolve();
          running.now--;
          return endpoint !== bad;
        },
      },
    );
    [bad] = service.endpoints;
    await dns.advance(5000);
    expect(bad.state).toBe('out');
    bad.done('ok');
    expect(bad.state).toBe('out');
    bad = undefined;
    await dns.advance(4000);
    expect(service.report().states).toEqual({ up: 3, out: 0, trial: 0 });
    expect(running.most).toBeLessThanOrEqual(8);
    service.close();
  });
});

test('an endpoint that joins is checked within a second, and out with its first failure; one that was well, the third', async () => {
  dns.service(NAME, 2);
  const { discover } = await import('../../../lib/discovery/discover.js');
  const ill = new Set(['p3.example']);
  const service = await discover(
    NAME,
    { client: dns.client, check: { intervalMs: 10_000, failures: 3 } },
    { check: endpoint => Promise.resolve(!ill.has(endpoint.host)) },
  );
  await dns.advance(11_000);
  ill.add('p1.example');
  dns.service(NAME, 3);
  await dns.advance(7250);
  const states = (): string[] => service.endpoints.map(one => `${one.host} ${one.state}`);
  expect(states()).toEqual(['p1.example up', 'p2.example up', 'p3.example out']);
  ill.delete('p3.example');
  await dns.advance(33_000);
  expect(states()).toEqual(['p1.example out', 'p2.example up', 'p3.example up']);
  service.close();
});

describe('subsets and slow start', () => {
  test('of 30 each client uses 5 of its own; all clients together use all of them about evenly', async () => {
    dns.service(NAME, 30);
    const used = new Map<string, number>();
    for (let client = 0; client < 60; client++) {
      const service = await dns.discover(NAME, { subset: 5, clientId: `client-${client}` });
      const own = new Set(Array.from({ length: 200 }, () => service.peek().id));
      expect(own.size).toBe(5);
      for (const id of own) used.set(id, (used.get(id) ?? 0) + 1);
      service.close();
    }
    expect(used.size).toBe(30);
    expect(Math.max(...used.values())).toBeLessThan(25); // 10 on average
  });
  test('where one of a subset is out another takes its place', async () => {
    dns.service(NAME, 10);
    const service = await dns.discover(NAME, { subset: 3, clientId: 'c' });
    const own = new Set(Array.from({ length: 200 }, () => service.peek()));
    const [first] = own;
    first.done('unreachable');
    const now = new Set(Array.from({ length: 200 }, () => service.peek()));
    expect(now.size).toBe(3);
    expect(now.has(first)).toBe(false);
  });
  test('a new endpoint has a tenth of its weight at first, and all of it after slowStartMs', async () => {
    dns.service(NAME, 1);
    const service = await dns.discover(NAME, { slowStartMs: 10_000 });
    dns.service(NAME, 2);
    await dns.advance(6000);
    const share = (): number => {
      let news = 0;
      times(20_000, () => {
        if (service.peek().host === 'p2.example') news++;
      });
      return news / 20_000;
    };
    expect(share()).toBeLessThan(0.3);
    await dns.advance(11_000);
    expect(Math.abs(share() - 0.5)).toBeLessThan(0.03);
  });
});

test('whatever happens, the set is what DNS said last, and a pick is one of it while there is one', async () => {
  const event = fc.oneof(
    fc.record({ set: fc.integer({ min: 1, max: 6 }) }),
    fc.constant({ fail: true as const }),
    fc.record({ outcome: fc.constantFrom('ok' as const, 'failed' as const, 'unreachable' as const) }),
    fc.record({ ms: fc.integer({ min: 250, max: 20_000 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 25 }), async events => {
      const own = new ServiceDns();
      try {
        own.service(NAME, 3);
        const service = await own.discover(NAME, { emptyGraceMs: 2000 });
        let said = 3;
        for (const one of events) {
          if ('set' in one) {
            own.failing = undefined;
            own.service(NAME, (said = one.set));
          } else if ('fail' in one) own.failing = Rcode.SERVFAIL;
          else if ('ms' in one) {
            await own.advance(one.ms);
          } else {
            const picked = service.pick();
            picked.done(one.outcome);
          }
          expect(service.endpoints.every(endpoint => endpoint.inFlight === 0)).toBe(true);
          expect(() => service.peek()).not.toThrow();
        }
        own.failing = undefined;
        await own.advance(70_000);
        expect(service.size).toBe(said);
        const known = new Set(service.endpoints);
        expect(known.has(service.peek())).toBe(true);
      } finally {
        own.close();
      }
    }),
    { numRuns: 15 },
  );
});
