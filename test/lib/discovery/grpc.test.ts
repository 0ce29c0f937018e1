// @grpc/grpc-js over a service, with real servers: the contract of its resolvers from 1.14 on.
import * as grpc from '@grpc/grpc-js';
import { afterEach, expect, test, vi } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import { registerGrpc } from '../../../lib/discovery/grpc-resolver.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { Service } from '../../../lib/discovery/service.js';
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

async function echo(name: string): Promise<Listed> {
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
  return { name, port };
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
function clientOf(service: Service): grpc.Client {
  registerGrpc(grpc);
  const client = new grpc.Client(
    'srv:///_grpc._tcp.orders.example',
    grpc.credentials.createInsecure(),
    service.grpcOptions(),
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

test('gRPC before 1.14 is refused', () => {
  const old = { experimental: { registerResolver: () => {} }, status: { UNAVAILABLE: 14 } };
  expect(() => registerGrpc(old as never)).toThrow(/1\.14 or later/);
});
