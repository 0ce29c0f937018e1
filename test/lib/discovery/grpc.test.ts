// @grpc/grpc-js over a service, with real servers: the contract of its resolvers from 1.14 on.
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { GrpcOptions } from '../../../lib/discovery/adapters/grpc.js';
import type { Check } from '../../../lib/discovery/checks.js';
import { discover } from '../../../lib/discovery/discover.js';
import { registerGrpc } from '../../../lib/discovery/grpc-resolver.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { Service } from '../../../lib/discovery/service.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { fixedSource, type Listed } from '../../support/fixed-source.js';

const octets = (value: Buffer): Buffer => value;
const METHOD = {
  path: '/test.Echo/Say',
  requestStream: false,
  responseStream: false,
  requestSerialize: octets,
  requestDeserialize: octets,
  responseSerialize: octets,
  responseDeserialize: octets,
};

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

interface Echo extends Listed {
  /** Stops it, with every connection that it has. */
  kill(): void;
}
async function echo(name: string): Promise<Echo> {
  const server = new grpc.Server();
  server.addService({ say: METHOD }, {
    say: (_call: unknown, callback: grpc.sendUnaryData<Buffer>) => callback(null, Buffer.from(name)),
  } as unknown as grpc.UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  closing.push(() => server.forceShutdown());
  return { name, port, kill: () => server.forceShutdown() };
}
async function follow(list: () => readonly Listed[], options: DiscoverOptions = {}): Promise<Service> {
  const service = await discover(
    '_grpc._tcp.orders.example',
    { minRefreshMs: 100, ...options },
    { source: fixedSource(list, 0) },
  );
  closing.push(() => service.close());
  return service;
}
function clientOf(service: Service, options: GrpcOptions = {}): grpc.Client {
  registerGrpc(grpc);
  const client = new grpc.Client(
    'srv:///_grpc._tcp.orders.example',
    grpc.credentials.createInsecure(),
    service.grpcOptions(options),
  );
  closing.push(() => client.close());
  return client;
}
const say = (client: grpc.Client): Promise<string> =>
  new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      METHOD.path,
      octets,
      octets,
      Buffer.alloc(0),
      { deadline: Date.now() + 10_000 } as never,
      (error: grpc.ServiceError | null, value?: Buffer) => (error === null ? resolve(String(value)) : reject(error)),
    ),
  );
async function heard(client: grpc.Client, calls = 20): Promise<Set<string>> {
  const names = new Set<string>();
  for (let i = 0; i < calls; i++) names.add(await say(client));
  return names;
}

test('a channel uses every endpoint, and one that is added though no connection has failed', async () => {
  const list = [await echo('a'), await echo('b')];
  const service = await follow(() => list);
  const client = clientOf(service);
  await vi.waitFor(async () => expect(await heard(client)).toEqual(new Set(['a', 'b'])), 120_000);
  list.push(await echo('c'));
  await vi.waitFor(async () => expect(await heard(client)).toEqual(new Set(['a', 'b', 'c'])), 120_000);
  list.shift();
  await vi.waitFor(async () => expect(await heard(client)).toEqual(new Set(['b', 'c'])), 120_000);
});

test('the lowest priority alone is used; with `first` one endpoint, and the next where it cannot be reached', async () => {
  const a = await echo('a');
  const b = await echo('b');
  const tiers = await follow(() => [
    { ...a, priority: 2 },
    { ...b, priority: 1 },
  ]);
  expect(await heard(clientOf(tiers), 6)).toEqual(new Set(['b']));
  const first = await follow(
    () => [
      { ...a, port: 1, priority: 1 },
      { ...b, priority: 2 },
    ],
    { policy: 'first' },
  );
  expect(await heard(clientOf(first), 6)).toEqual(new Set(['b']));
});

test('weights are kept by repeating endpoints', async () => {
  const [a, b] = [await echo('a'), await echo('b')];
  const service = await follow(() => [
    { ...a, weight: 10 },
    { ...b, weight: 30 },
  ]);
  const client = clientOf(service);
  await vi.waitFor(async () => {
    let bs = 0;
    for (let i = 0; i < 40; i++) if ((await say(client)) === 'b') bs++;
    expect(Math.abs(bs - 30)).toBeLessThanOrEqual(2);
  }, 120_000);
});

test('a service without endpoints fails calls with the reason, and serves them once there are some', async () => {
  const list: Listed[] = [];
  const service = await follow(() => list, { ready: false });
  const client = clientOf(service);
  await expect(say(client)).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE });
  list.push(await echo('late'));
  await vi.waitFor(async () => expect(await say(client)).toBe('late'), 120_000);
});

test.each([true, false])(
  'an endpoint that is killed under load, idempotent: %s',
  async idempotent => {
    const list = [await echo('a'), await echo('b'), await echo('c')];
    const service = await follow(() => list);
    const client = clientOf(service, { idempotent });
    await vi.waitFor(async () => expect(await heard(client)).toEqual(new Set(['a', 'b', 'c'])), 120_000);
    const errors: grpc.ServiceError[] = [];
    let done = 0;
    let stop = false;
    const WORKERS = 8;
    const worker = async (): Promise<void> => {
      while (!stop)
        await say(client).then(
          () => done++,
          (error: grpc.ServiceError) => errors.push(error),
        );
    };
    const workers = Array.from({ length: WORKERS }, worker);
    await vi.waitFor(() => expect(done).toBeGreaterThan(200), 120_000);
    list[0].kill();
    const before = done;
    await vi.waitFor(() => expect(done - before).toBeGreaterThan(500), 120_000);
    stop = true;
    await Promise.all(workers);
    // What was on the connection that broke, where gRPC must not call a method twice.
    const broken = [grpc.status.UNAVAILABLE, grpc.status.CANCELLED];
    expect(errors.filter(one => !broken.includes(one.code))).toEqual([]);
    expect(errors.length).toBeLessThanOrEqual(idempotent ? 0 : WORKERS);
  },
  90_000,
);

test('a call that the server cancels is made again where methods may be called twice, and its caller can end it', async () => {
  const server = http2.createServer();
  let streams = 0;
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    streams++;
    if (streams < 2) stream.close(http2.constants.NGHTTP2_CANCEL);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = clientOf(await follow(() => [{ name: 'a', port }]), { idempotent: true });
  const ended = new Promise<grpc.ServiceError | null>(resolve => {
    const call = client.makeUnaryRequest(METHOD.path, octets, octets, Buffer.alloc(0), resolve);
    void vi.waitFor(() => expect(streams).toBe(2), 120_000).finally(() => call.cancel());
  });
  expect(await ended).toMatchObject({ code: grpc.status.CANCELLED, details: 'Cancelled on client' });
  expect(streams).toBe(2);
});

test('retries are as the service says; without them, or for methods that may not be called twice, there are none', async () => {
  const config = async (retry: DiscoverOptions['retry'], idempotent: boolean): Promise<Record<string, unknown>> => {
    const service = await follow(() => [{ name: 'a', port: 1 }], { retry });
    const options = service.grpcOptions({ idempotent });
    return JSON.parse(options['grpc.service_config'] as string) as Record<string, unknown>;
  };
  expect(await config({ attempts: 2, backoffMs: 250, budget: 0.5 }, true)).toMatchObject({
    methodConfig: [
      { retryPolicy: { maxAttempts: 3, initialBackoff: '0.250s', retryableStatusCodes: ['UNAVAILABLE', 'CANCELLED'] } },
    ],
    retryThrottling: { tokenRatio: 0.5 },
  });
  expect(await config({ attempts: 10, budget: 0 }, true)).toMatchObject({
    methodConfig: [{ retryPolicy: { maxAttempts: 5, initialBackoff: '0.001s' } }],
    retryThrottling: { tokenRatio: 0.001 },
  });
  expect(await config({ attempts: 0 }, true)).not.toHaveProperty('methodConfig');
  expect(await config({}, false)).not.toHaveProperty('methodConfig');
  const service = await follow(() => [{ name: 'a', port: 1 }]);
  expect(() => service.grpcOptions({ idempotent: 'yes' as never })).toThrow(/idempotent: expected a boolean/);
});

describe('the contract of a resolver', () => {
  interface Told {
    readonly value?: { addresses: { host: string; port: number }[] }[];
    readonly error?: { code: number; details: string };
  }
  interface Resolver {
    updateResolution(): void;
    destroy(): void;
  }
  /** A gRPC that takes what it is told, or does not. */
  async function channel(
    list: () => readonly Listed[],
    takes: () => boolean,
    options: DiscoverOptions = {},
    check?: Check,
  ) {
    const clock = new FakeClock();
    let looks = 0;
    const source = fixedSource(() => (looks++, list()), 600);
    const dependencies = check === undefined ? { source, clock } : { source, clock, check };
    const pending = discover('_grpc._tcp.orders.example', { ready: false, ...options }, dependencies);
    await settle();
    const service = await pending;
    closing.push(() => service.close());
    const told: Told[] = [];
    type Made = new (target: object, listener: (one: Told) => boolean, options: object) => Resolver;
    const registered: { Resolver?: Made } = {};
    registerGrpc({
      experimental: {
        registerResolver: (_scheme, resolver) => {
          registered.Resolver = resolver as Made;
        },
        statusOrFromValue: value => ({ value }),
        statusOrFromError: error => ({ error }),
      },
      status: { UNAVAILABLE: 14 },
    });
    const listener = (one: Told): boolean => (told.push(one), takes());
    const made = new registered.Resolver!({ path: service.name }, listener, service.grpcOptions());
    return { clock, service, told, made, looks: () => looks };
  }

  test('it is told of endpoints in no turn of its own, and again after 1 s, 1.6 s ... while it takes none', async () => {
    let takes = false;
    const { clock, told, made } = await channel(
      () => [{ name: 'a', port: 80 }],
      () => takes,
    );
    made.updateResolution();
    expect(told).toEqual([]);
    await settle();
    expect(told).toEqual([{ value: [{ addresses: [{ host: '127.0.0.1', port: 80 }] }] }]);
    await clock.advance(999);
    expect(told).toHaveLength(1);
    await clock.advance(1);
    expect(told).toHaveLength(2);
    takes = true;
    await clock.advance(1600);
    expect(told).toHaveLength(3);
    await clock.advance(30_000);
    expect(told).toHaveLength(3);
    made.destroy();
  });
  test('it is told why there is no endpoint, and nothing once it is destroyed', async () => {
    let list: Listed[] = [];
    const { clock, told, made } = await channel(
      () => list,
      () => true,
    );
    made.updateResolution();
    await settle();
    expect(told).toMatchObject([{ error: { code: 14, details: expect.stringContaining('there is no') as string } }]);
    made.destroy();
    list = [{ name: 'a', port: 80 }];
    await clock.advance(60_000);
    expect(told).toHaveLength(1);
  });
  const portsOf = ({ value }: Told): number[] => value!.flatMap(one => one.addresses.map(({ port }) => port)).sort();
  test('it is told of a subset, where one is wanted', async () => {
    const { told, made } = await channel(
      () => Array.from({ length: 30 }, (_, i) => ({ name: `p${i}`, port: 8000 + i })),
      () => true,
      { subset: 4, clientId: 'c' },
    );
    made.updateResolution();
    await settle();
    expect(new Set(portsOf(told[0])).size).toBe(4);
    made.destroy();
  });
  test('it is told of no endpoint that a check has found ill, unless there is no other', async () => {
    const ill = new Set<string>();
    const { clock, told, made } = await channel(
      () => [
        { name: 'a', port: 1 },
        { name: 'b', port: 2 },
        { name: 'c', port: 3, priority: 1 },
      ],
      () => true,
      { check: { intervalMs: 1000, failures: 1 } },
      endpoint => Promise.resolve(!ill.has(endpoint.host)),
    );
    made.updateResolution();
    const now = async (): Promise<number[]> => {
      await clock.advance(5000);
      return portsOf(told.at(-1)!);
    };
    expect(await now()).toEqual([1, 2]);
    ill.add('a.example');
    expect(await now()).toEqual([2]);
    ill.add('b.example');
    expect(await now()).toEqual([3]);
    ill.add('c.example');
    expect(await now()).toEqual([1, 2]);
    ill.clear();
    expect(await now()).toEqual([1, 2]);
    made.destroy();
  });
  test('however often it wants to be told anew, DNS is asked once a second at most', async () => {
    const { clock, made, looks } = await channel(
      () => [{ name: 'a', port: 80 }],
      () => true,
    );
    made.updateResolution();
    await settle();
    const before = looks();
    for (let i = 0; i < 100; i++) {
      for (let j = 0; j < 100; j++) made.updateResolution();
      await clock.advance(100);
    }
    expect(looks() - before).toBeGreaterThan(5);
    expect(looks() - before).toBeLessThanOrEqual(10);
    made.destroy();
  });
});

test('gRPC before 1.14 is refused', () => {
  const old = { experimental: { registerResolver: () => {} }, status: { UNAVAILABLE: 14 } };
  expect(() => registerGrpc(old as never)).toThrow(/1\.14 or later/);
});
