// Endpoints that die and DNS that is dead, seen by whoever asks a service: no request fails that another endpoint can answer.
import http from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import type { RecordSource } from '../../../lib/discovery/records/source.js';
import type { Service } from '../../../lib/discovery/service.js';
import { QueryFailure } from '../../../lib/node/errors.js';
import { type Backend, backend } from '../../support/backends.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { fixedSource } from '../../support/fixed-source.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Stand {
  readonly service: Service;
  readonly clock: FakeClock;
  readonly backends: Backend[];
  /** From now on no server can tell. */
  fail(): void;
}
async function stand(n: number): Promise<Stand> {
  const backends = await Promise.all(Array.from({ length: n }, (_, i) => backend(`p${i}`)));
  closing.push(() => Promise.all(backends.map(one => one.kill().catch(() => {}))));
  const clock = new FakeClock();
  let isDead = false;
  const well = fixedSource(() => backends, 5);
  const source: RecordSource = {
    ...well,
    ask: (name, type) => {
      if (isDead) throw new QueryFailure('ESERVFAIL');
      return well.ask(name, type);
    },
  };
  const pending = discover('_http._tcp.orders.example', { slowStartMs: 0 }, { source, clock });
  await settle();
  const service = await pending;
  closing.push(() => service.close());
  return { service, clock, backends, fail: () => (isDead = true) };
}

/** Ways to ask, each with what is made once and kept. */
function waysOf(service: Service): Record<string, () => Promise<unknown>> {
  const agent = service.agent();
  const dispatcher = service.dispatcher();
  const overSocket = (socket: Socket): Promise<unknown> =>
    new Promise((resolve, reject) => {
      socket.on('error', reject).on('close', () => reject(new Error('closed')));
      socket.once('data', data => {
        if (String(data).startsWith('HTTP/1.1 200')) resolve(undefined);
        else reject(new Error(String(data)));
        socket.destroy();
      });
      socket.write('GET / HTTP/1.1\r\nHost: orders\r\n\r\n');
    });
  return {
    agent: () =>
      new Promise((resolve, reject) => {
        http.get({ host: 'orders', agent }, response => response.resume().on('end', resolve)).on('error', reject);
      }),
    dispatcher: async () => (await fetch('http://orders/', { dispatcher } as RequestInit)).text(),
    connect: async () => overSocket(await service.connect()),
  };
}

test('DNS is dead for an hour, and an endpoint dies in it: no request fails, by whatever way', async () => {
  const { service, clock, backends, fail } = await stand(3);
  const ways = waysOf(service);
  const failures: string[] = [];
  const ask = async (): Promise<void> => {
    for (const [name, way] of Object.entries(ways)) {
      await way().catch((error: Error) => failures.push(`${name}: ${error.message}`));
    }
  };
  await ask();
  fail();
  for (let minute = 0; minute < 60; minute++) {
    await clock.advance(60_000);
    if (minute === 30) {
      await backends[0].kill();
      // Its idle connections have ended, here too.
      await settle();
    }
    await ask();
  }
  await settle(); // connections have closed
  expect(failures).toEqual([]);
  expect(service.stale).toBe(true);
  expect(service.size).toBe(3);
  expect(service.report().ageSeconds).toBeGreaterThan(3500);
  expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
});

test('an endpoint that connections are made to is back, however long they last', async () => {
  const { service, clock } = await stand(3);
  const [one] = service.endpoints;
  one.isUnreachable();
  expect(one.state).toBe('out');
  await clock.advance(1250);
  for (let i = 0; i < 2; i++) {
    const socket = await service.connect();
    closing.push(() => socket.on('error', () => {}).destroy());
    expect(one.inFlight).toBe(i + 1);
  }
  expect(one.state).toBe('up');
});

test('connect() under load, an endpoint killed: every caller has a connection', async () => {
  const { service, backends } = await stand(3);
  const errors: unknown[] = [];
  let done = 0;
  let stop = false;
  const worker = async (): Promise<void> => {
    while (!stop) {
      try {
        const socket = await service.connect();
        socket.on('error', () => {}).destroy();
        await new Promise(resolve => socket.once('close', resolve));
        done++;
      } catch (error) {
        errors.push(error);
      }
    }
  };
  const workers = Array.from({ length: 10 }, worker);
  await vi.waitFor(() => expect(done).toBeGreaterThan(50), 120_000);
  await backends[0].kill();
  const before = done;
  await vi.waitFor(() => expect(done - before).toBeGreaterThan(100), 120_000);
  stop = true;
  await Promise.all(workers);
  expect(errors).toEqual([]);
  expect(service.endpoints.every(one => one.inFlight === 0)).toBe(true);
});

test('no request waits for DNS: while it is asked and says nothing, a hundred thousand are answered', async () => {
  const { service, clock } = await (async () => {
    const held: (() => void)[] = [];
    const fixed = fixedSource(() => [{ name: 'p0', port: 80 }], 5);
    let isHeld = false;
    const source: RecordSource = {
      ...fixed,
      ask: (name, type) =>
        isHeld ? new Promise(resolve => held.push(() => resolve(fixed.ask(name, type)))) : fixed.ask(name, type),
    };
    const own = new FakeClock();
    const pending = discover('_http._tcp.orders.example', {}, { source, clock: own });
    await settle();
    isHeld = true;
    closing.push(() => held.forEach(release => release()));
    return { service: await pending, clock: own };
  })();
  closing.push(() => service.close());
  await clock.advance(6000);
  // In one turn: what waited for anything would not be answered at its end.
  let answered = 0;
  for (let i = 0; i < 100_000; i++) {
    service.pick().done();
    service.lookup('orders', { all: true }, (error: Error | null) => {
      if (error === null) answered++;
    });
  }
  await new Promise(resolve => setImmediate(resolve));
  expect(answered).toBe(100_000);
  expect(service.report().refreshes).toEqual({ good: 1, failed: 0 });
});
