// Handshakes: each has a bounded time and its place among the connections, and what goes wrong in one ends it alone. Real
// sockets on loopback, time on a fake clock.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../lib/base/log.js';
import type { Answerer, ListenerAsker, Reply } from '../../../../lib/server/answerer.js';
import { Certificates } from '../../../../lib/server/certificates.js';
import { Proxies } from '../../../../lib/server/listeners/proxies.js';
import { TcpConnections } from '../../../../lib/server/listeners/tcp-connections.js';
import { TlsListener } from '../../../../lib/server/listeners/tls-listener.js';
import { tcpOptionsOf } from '../../../../lib/server/settings/listeners.js';
import { readOptions, type ServerOptions } from '../../../../lib/server/settings/settings.js';
import { frame, MessageReader } from '../../../../lib/transport/framing.js';
import { makeCertificate } from '../../../support/certificate.js';
import { askTls } from '../../../support/client.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { makeQuery } from '../../../support/messages.js';
import { until } from '../../../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-tls-'));
afterAll(() => rmSync(folder, { recursive: true }));
const { certificate, key } = makeCertificate({ names: ['dns.example'] });
const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
writeFileSync(files.certificate, certificate);
writeFileSync(files.key, key);

const query = makeQuery('a.example');
/** The first octets of a client, which are its whole share of the handshake until it is answered. */
let clientHello: Buffer;
let clock: FakeClock;
let certificates: Certificates;
let connections: TcpConnections;
let listener: TlsListener;
let port: number;
const asked: ListenerAsker[] = [];

async function start(options: ServerOptions = {}): Promise<void> {
  clock = new FakeClock();
  clock.wall = Date.now() / 1000;
  const settings = readOptions({ listen: ['tls://127.0.0.1:0'], tls: files, ...options });
  certificates = new Certificates(clock, silentLogger);
  certificates.prepare(settings).commit();
  connections = new TcpConnections(tcpOptionsOf(settings));
  const answerer = {
    allows: () => true,
    refuse: () => undefined,
    answer: (message: Uint8Array, asker: ListenerAsker, reply: Reply) => {
      asked.push(asker);
      reply(message);
    },
  } as unknown as Answerer;
  listener = new TlsListener(
    { address: '127.0.0.1', port: 0, family: 4 },
    { answerer, certificates, clock, connections, proxies: new Proxies() },
  );
  await listener.listen();
  [{ port }] = listener.bound;
}
beforeEach(async () => {
  asked.length = 0;
  clientHello ??= await helloOfNode();
  await start();
});
afterEach(() => {
  listener.close();
  certificates.close();
});

async function helloOfNode(): Promise<Buffer> {
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const client = connect({ port: (listening.address() as { port: number }).port, host: '127.0.0.1' });
  client.on('error', () => {});
  const [socket] = (await once(listening, 'connection')) as [Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  listening.close();
  return hello;
}
/** A client that sends these octets and no more. */
async function raw(octets: Uint8Array): Promise<Socket> {
  const before = connections.stats.accepted;
  const socket = createConnection(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'connect');
  if (octets.length > 0) await new Promise<void>(resolve => socket.write(octets, () => resolve()));
  await until(() => connections.stats.accepted > before);
  return socket;
}
async function secure(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}
const closed = (socket: Socket): Promise<void> =>
  new Promise(resolve => (socket.closed ? resolve() : socket.on('close', () => resolve())));
const ask = async (): Promise<number> => (await askTls(`127.0.0.1:${port}`, [query])).length;
async function askOn(socket: TLSSocket): Promise<Buffer> {
  const reader = new MessageReader();
  socket.write(frame(query));
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    const [message] = reader.push(chunk);
    if (message !== undefined) return message;
  }
}

describe('a client that stalls in its handshake', () => {
  test.each([0, 1, 2, 4, 5, 6, 9, 10, 43, 44, 100, -1])('after %i octets is closed in time', async octets => {
    const socket = await raw(clientHello.subarray(0, octets));
    await clock.advance(4999);
    expect(connections.size).toBe(1);
    await clock.advance(2);
    await closed(socket);
    await until(() => connections.size === 0);
    expect(certificates.handshakes).toEqual({ full: 0, resumed: 0, failed: 0, slow: 1, refused: 0 });
    expect(await ask()).toBe(1);
  });

  test('after its whole first flight is closed in time, and one that has shaken hands is not', async () => {
    const [stalled, good] = [await raw(clientHello), await secure()];
    await until(() => certificates.handshakes.full === 1);
    await clock.advance(5001);
    await closed(stalled);
    expect(certificates.handshakes).toMatchObject({ full: 1, slow: 1 });
    expect(await askOn(good)).toHaveLength(query.length);
    good.destroy();
    await until(() => connections.size === 0);
    // What looks at the certificate.
    expect(clock.pendingTimers).toBe(1);
  });

  test('by sending octet by octet gains no time', async () => {
    const socket = await raw(clientHello.subarray(0, 1));
    for (let i = 1; i < 10; i++) {
      await clock.advance(600);
      socket.write(clientHello.subarray(i, i + 1));
    }
    await closed(socket);
    expect(certificates.handshakes.slow).toBe(1);
  });
});

test('who shakes hands has a place among the connections of its client, as others have', async () => {
  listener.close();
  await start({ tcp: { maxConnections: 8, maxConnectionsPerClient: 2 } });
  const stalled = [await raw(clientHello.subarray(0, 7)), await raw(Buffer.of())];
  expect(connections.size).toBe(2);
  expect(await ask()).toBe(1);
  await closed(stalled[0]);
  expect(connections.stats).toMatchObject({ accepted: 3, displaced: 1, rejected: 0 });
  expect(stalled[1].closed).toBe(false);
  // The place of a handshake is that of its session: no third one.
  const [one, two] = [await secure(), await secure()];
  await until(() => connections.stats.accepted === 5 && certificates.handshakes.full === 3);
  expect(connections.size).toBe(2);
  expect(await askOn(two)).toHaveLength(query.length);
  one.destroy();
  two.destroy();
});

test('what is no TLS, and versions that are not spoken, end with their connection, and others hear nothing of it', async () => {
  const good = await secure();
  const wrong = [
    frame(query),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(20_000, 0xff),
    Buffer.from([22, 3, 1, 0xff, 0xff]),
    Buffer.concat([clientHello.subarray(0, 60), Buffer.alloc(clientHello.length - 60, 1)]),
    Buffer.concat([clientHello, Buffer.from([23, 3, 3, 0, 40]), Buffer.alloc(40)]),
    // An alert of the client's.
    Buffer.from([21, 3, 3, 0, 2, 2, 40]),
  ];
  for (const octets of wrong) await closed(await raw(octets));
  const old = connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
  });
  old.on('error', () => {});
  await closed(old);
  await until(() => connections.size === 1);
  expect(certificates.handshakes).toMatchObject({ full: 1, failed: wrong.length + 1, slow: 0 });
  expect(await askOn(good)).toHaveLength(query.length);
  expect(asked).toEqual([{ protocol: 'tls', client: { address: '127.0.0.1', port: good.localPort } }]);
  good.destroy();
});

test('a record that is broken ends its session, also while a reply is on its way', async () => {
  let toServer: Socket | undefined;
  const relay = createServer(toClient => {
    const onward = createConnection(port, '127.0.0.1');
    for (const one of [toClient, onward]) one.on('error', () => {});
    onward.on('close', () => toClient.destroy());
    toClient.pipe(onward).pipe(toClient);
    toServer = onward;
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  for (const first of [Buffer.of(), frame(query)]) {
    const client = connect({
      port: (relay.address() as { port: number }).port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
    });
    client.on('error', () => {});
    await once(client, 'secureConnect');
    if (first.length > 0) client.write(first);
    toServer!.write(Buffer.from([23, 3, 3, 0, 30, ...Buffer.alloc(30, 7)]));
    await closed(client);
  }
  relay.close();
  await until(() => connections.size === 0);
  expect(await ask()).toBe(1);
});

test('a client that goes away in its handshake leaves nothing behind', async () => {
  for (const octets of [0, 5, 100, clientHello.length]) {
    for (const leave of ['resetAndDestroy', 'destroy', 'end'] as const) {
      (await raw(clientHello.subarray(0, octets)))[leave]();
      await until(() => connections.size === 0);
    }
  }
  expect(certificates.handshakes.failed).toBe(12);
  expect(clock.pendingTimers).toBe(1);
});

test('`dot` is agreed on by ALPN, nothing else is, and clients without it are served', async () => {
  const dot = await secure({ ALPNProtocols: ['h2', 'dot'] });
  expect(dot.alpnProtocol).toBe('dot');
  const none = await secure();
  expect(none.alpnProtocol).toBe(false);
  expect(await askOn(none)).toHaveLength(query.length);
  const other = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  const [error] = (await once(other, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toMatch(/NO_APPLICATION_PROTOCOL/);
  dot.destroy();
  none.destroy();
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)('a session over %s is resumed', async version => {
  const options = { minVersion: version, maxVersion: version } as const;
  let session: Buffer | undefined;
  const first = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  first.on('session', (one: Buffer) => (session = one));
  await once(first, 'secureConnect');
  await askOn(first);
  await until(() => session !== undefined);
  first.destroy();
  const second = await secure({ ...options, session });
  expect(second.isSessionReused()).toBe(true);
  await askOn(second);
  expect(certificates.handshakes).toMatchObject({ full: 1, resumed: 1 });
  second.destroy();
});

test('the oldest version is an option', async () => {
  listener.close();
  await start({ tls: { ...files, minVersion: 'TLSv1.3' } });
  const old = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
  const [error] = (await once(old, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toMatch(/PROTOCOL_VERSION/);
  expect(await ask()).toBe(1);
});

test('a client that has shut its sending side gets its replies, and is closed behind them', async () => {
  const socket = await secure();
  const reader = new MessageReader();
  const replies: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => replies.push(...reader.push(chunk)));
  socket.end(Buffer.concat([frame(query), frame(query)]));
  await closed(socket);
  expect(replies).toHaveLength(2);
  await until(() => connections.size === 0);
});

test('closing ends handshakes and sessions', async () => {
  const [stalled, good] = [await raw(clientHello.subarray(0, 9)), await secure()];
  listener.close();
  await Promise.all([closed(stalled), closed(good)]);
  await until(() => connections.size === 0);
});
