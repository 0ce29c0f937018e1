// Checks on real endpoints: that they take connections, answer a GET, or say by gRPC's protocol that they serve.
import * as grpc from '@grpc/grpc-js';
import fc from 'fast-check';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import { healthRequest, servingStatus } from '../../../lib/discovery/grpc-check.js';
import type { CheckOptions, DiscoverOptions } from '../../../lib/discovery/options.js';
import type { Service } from '../../../lib/discovery/service.js';
import { backend } from '../../support/backends.js';
import { makeCertificate } from '../../support/certificate.js';
import { fixedSource, type Listed } from '../../support/fixed-source.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function checked(list: readonly Listed[], check: CheckOptions, options: DiscoverOptions = {}): Promise<Service> {
  const service = await discover(
    '_http._tcp.orders.example',
    { slowStartMs: 0, check: { intervalMs: 100, timeoutMs: 5000, failures: 1, ...check }, ...options },
    { source: fixedSource(() => list, 600) },
  );
  closing.push(() => service.close());
  return service;
}
/** How each is, by name, once one of them is out. */
async function found(service: Service): Promise<Record<string, string>> {
  await vi.waitFor(() => expect(service.report().states.out).toBeGreaterThan(0), { timeout: 120_000, interval: 20 });
  return Object.fromEntries(service.endpoints.map(one => [one.host.replace('.example', ''), one.state]));
}
async function serve(name: string, tls?: { key: string; cert: string }) {
  const made = await backend(name, tls === undefined ? {} : { tls });
  closing.push(() => made.kill().catch(() => {}));
  return made;
}
/** It takes connections, and does with each as it is told. */
async function socketServer(name: string, does: (socket: Socket) => void = () => {}): Promise<Listed> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    does(socket);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const one of sockets) one.destroy();
    server.close();
  });
  return { name, port: (server.address() as AddressInfo).port };
}

describe('an endpoint is out', () => {
  test('where nobody takes a connection, and back where somebody does again', async () => {
    const [well, ill] = [await serve('well'), await serve('ill')];
    await ill.kill();
    const service = await checked([well, ill], { kind: 'tcp' });
    expect(await found(service)).toEqual({ well: 'up', ill: 'out' });
    const again = await backend('ill', { port: ill.port });
    closing.push(() => again.kill());
    await vi.waitFor(() => expect(service.report().states).toEqual({ up: 2, out: 0, trial: 0 }), 120_000);
  });
  test('whose GET of `path` is answered with 400 or more, by the endpoint itself', async () => {
    const [well, ill] = [await serve('well'), await serve('ill')];
    ill.status = 503;
    expect(await found(await checked([well, ill], { kind: 'http', path: '/ready' }))).toEqual({
      well: 'up',
      ill: 'out',
    });
    await vi.waitFor(() => expect(well.requests).toBeGreaterThan(1), 120_000);
    expect([...well.hosts]).toEqual(['orders.example']);
  });
  test('whose certificate is not for the service, with `tls`', async () => {
    const good = makeCertificate({ names: ['orders.example'] });
    const bad = makeCertificate({ names: ['else.example'] });
    const list = [
      await serve('well', { key: good.key, cert: good.certificate }),
      await serve('ill', { key: bad.key, cert: bad.certificate }),
    ];
    const tls = { ca: [good.certificate, bad.certificate] };
    expect(await found(await checked(list, { kind: 'http', tls }))).toEqual({ well: 'up', ill: 'out' });
  });
  test('that is silent, when its time is over', async () => {
    const list = [await serve('well'), await socketServer('ill')];
    const service = await checked(list, { kind: 'http', timeoutMs: 1000 });
    expect((await found(service)).ill).toBe('out');
  });
});

const octets = (value: Buffer): Buffer => value;
const HEALTH = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: octets,
    requestDeserialize: octets,
    responseSerialize: octets,
    responseDeserialize: octets,
  },
};
/** @param statuses by service: 1 is SERVING, 2 is not; undefined: it has no health service */
async function grpcServer(
  name: string,
  statuses: Readonly<Record<string, number>> | undefined,
  tls?: { key: string; certificate: string },
): Promise<Listed> {
  const server = new grpc.Server();
  if (statuses !== undefined) {
    server.addService(HEALTH, {
      check: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
        // Its length takes two octets from 128 on.
        const asked = call.request.subarray(call.request[1] < 128 ? 2 : 3).toString();
        if (!Object.hasOwn(statuses, asked)) callback({ code: grpc.status.NOT_FOUND });
        else callback(null, Buffer.from([0x08, statuses[asked]]));
      },
    } as unknown as grpc.UntypedServiceImplementation);
  }
  const credentials =
    tls === undefined
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(null, [
          { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) },
        ]);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  closing.push(() => server.forceShutdown());
  return { name, port };
}

describe('by gRPC’s protocol (grpc.health.v1)', () => {
  test('an endpoint is up that says SERVING, and no other', async () => {
    const list = [
      await grpcServer('well', { '': 1 }),
      await grpcServer('ill', { '': 2 }),
      await grpcServer('unknown', { other: 1 }),
      await grpcServer('without', undefined),
      await serve('http'),
      await socketServer('garbage', socket => socket.end('garbage\r\n\r\n')),
    ];
    const service = await checked(list, { kind: 'grpc' });
    await vi.waitFor(() => expect(service.report().states.out).toBe(5), { timeout: 120_000, interval: 20 });
    expect((await found(service)).well).toBe('up');
  });
  test('a service of the server’s is asked for by its name', async () => {
    const name = 'shop.v1.Orders'.repeat(10);
    const list = [await grpcServer('well', { '': 2, [name]: 1 }), await grpcServer('ill', { '': 1, [name]: 2 })];
    expect(await found(await checked(list, { kind: 'grpc', service: name }))).toEqual({ well: 'up', ill: 'out' });
  });
  test('over TLS its certificate is for the service', async () => {
    const good = makeCertificate({ names: ['orders.example'] });
    const bad = makeCertificate({ names: ['else.example'] });
    const list = [await grpcServer('well', { '': 1 }, good), await grpcServer('ill', { '': 1 }, bad)];
    const tls = { ca: [good.certificate, bad.certificate] };
    expect(await found(await checked(list, { kind: 'grpc', tls }))).toEqual({ well: 'up', ill: 'out' });
  });
  test('an endpoint that takes a call and never answers is out, and its connection is closed', async () => {
    const sockets = new Set<Socket>();
    const ill = await socketServer('ill', socket => sockets.add(socket.resume()));
    const service = await checked([await grpcServer('well', { '': 1 }), ill], { kind: 'grpc', timeoutMs: 500 });
    expect((await found(service)).ill).toBe('out');
    const [first] = sockets;
    await vi.waitFor(() => expect(first.destroyed).toBe(true), 120_000);
  });

  test('messages are those of the protocol', () => {
    expect(healthRequest('').toString('hex')).toBe('0000000000');
    expect(healthRequest('ab').toString('hex')).toBe('00000000040a026162');
    expect(healthRequest('a'.repeat(200)).subarray(0, 8).toString('hex')).toBe('00000000cb0ac801');
    const status = (hex: string): number | undefined => servingStatus(Buffer.from(hex, 'hex'));
    expect(status('00000000020801')).toBe(1);
    expect(status('0000000000')).toBe(0);
    expect(status('00000000030801')).toBe(undefined); // its length is not that
    expect(status('0000000007' + '0801' + '1203616263')).toBe(1); // with a field that is not known
    expect(status('0000000007' + '1203616263' + '0802')).toBe(2);
    expect(status('01000000020801')).toBe(undefined); // compressed
    expect(status('00000000021205')).toBe(undefined); // cut
    expect(status('')).toBe(undefined);
  });
  test('octets of strangers never throw, and are no status where they are no message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), data => {
        const found = servingStatus(Buffer.from(data));
        expect(found === undefined || Number.isInteger(found)).toBe(true);
        const prefix = Buffer.from([0, 0, 0, 0, data.length]);
        expect(() => servingStatus(Buffer.concat([prefix, data]))).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });
});

test.each<[CheckOptions, RegExp]>([
  [{ kind: 'ping' as never }, /kind: expected one of "tcp", "http", "grpc", got "ping"/],
  [{ path: 'ready' }, /path: expected a path that begins with "\/".*got "ready"/],
  [{ path: '/a\r\nHost: x' }, /path: expected a path/],
  [{ service: 7 as never }, /service: expected a text.*got 7/],
  [{ tls: 'yes' as never }, /tls: expected a boolean or an object, got "yes"/],
])('options that are wrong are refused: %o', async (check, message) => {
  await expect(discover('_http._tcp.orders.example', { check })).rejects.toThrow(message);
});
