// Queries that proxies pass on (PROXY protocol): whose they are, on every way in, and what becomes of others'.
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { CERTIFICATE, KEY } from '../../support/certificate.js';
import { answerA, decode, makeQuery, rcodeOf } from '../../support/messages.js';
import { headerFor, headerOf } from '../../support/proxy.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const folder = mkdtempSync(join(tmpdir(), 'shardns-proxy-'));
afterAll(() => rmSync(folder, { recursive: true }));
const certificate = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
writeFileSync(certificate.certificate, CERTIFICATE);
writeFileSync(certificate.key, KEY);
const VIEW: ServerOptions = {
  views: [
    { name: 'home', clients: ['198.51.100.0/24', '2001:db8::/32'], local: { records: ['a.example A 10.0.0.1'] } },
  ],
};
const start = async (options: ServerOptions = {}, tls = false): Promise<TestServer> =>
  (server = await TestServer.start(query => answerA(query, 300, '192.0.2.1'), {
    proxyProtocol: { from: ['127.0.0.1'] },
    ...VIEW,
    ...(tls ? { listen: ['tls://127.0.0.1:0'], tls: certificate } : {}),
    ...options,
  }));
const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));
const framed = (query: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]);

/** The reply to these octets, undefined where the connection closes, or where nothing comes of a datagram in time. */
function send(
  way: 'udp' | 'tcp' | 'tls',
  header: Uint8Array,
  query: Uint8Array,
  from = '127.0.0.1',
): Promise<Buffer | undefined> {
  if (way === 'udp') return sendUdp(Buffer.concat([header, query]), from);
  const addresses = server!.server.report().listening;
  const port = portOf(addresses[way][0]);
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: from });
    const stream = way === 'tls' ? undefined : socket;
    const read = (over: NodeJS.ReadableStream): void => {
      over.on('data', (chunk: Buffer) => {
        resolve(chunk.subarray(2));
        socket.destroy();
      });
    };
    socket.on('error', () => {}).on('close', () => resolve(undefined));
    if (stream !== undefined) {
      socket.write(Buffer.concat([header, framed(query)]));
      read(socket);
      return;
    }
    socket.write(header, () => {
      const tls = connectTls({ socket, rejectUnauthorized: false }, () => tls.write(framed(query)));
      tls.on('error', () => {});
      read(tls);
    });
  });
}
function sendUdp(datagram: Uint8Array, from: string): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const socket = createSocket('udp4');
    const done = (reply: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(() => done(undefined), 4000);
    socket.on('message', done);
    socket.bind(0, from, () => socket.send(datagram, portOf(server!.address), '127.0.0.1'));
  });
}
const addressIn = (reply: Buffer | undefined): unknown =>
  (decode(reply!).answers?.[0] as { data: unknown } | undefined)?.data;

describe.each(['udp', 'tcp', 'tls'] as const)('over %s', way => {
  test('a client has its view, whatever the proxy would have, also from the cache', async () => {
    await start({}, way === 'tls');
    for (let round = 0; round < 2; round++) {
      expect(addressIn(await send(way, headerFor('198.51.100.9'), makeQuery('a.example')))).toBe('10.0.0.1');
      expect(addressIn(await send(way, headerFor('2001:db8::9'), makeQuery('a.example')))).toBe('10.0.0.1');
      expect(addressIn(await send(way, headerFor('203.0.113.9'), makeQuery('a.example')))).toBe('192.0.2.1');
    }
    expect(server!.server.report().proxyProtocol).toEqual({ proxied: 6, local: 0, invalid: 0 });
  });

  test('who may ask is the client, not the proxy', async () => {
    await start({ allow: ['198.51.100.0/24'] }, way === 'tls');
    expect(rcodeOf((await send(way, headerFor('198.51.100.9'), makeQuery('b.example')))!)).toBe(0);
    expect(rcodeOf((await send(way, headerFor('203.0.113.9'), makeQuery('b.example')))!)).toBe(5);
    const local = await send(way, headerOf({ command: 0x20 }), makeQuery('b.example'));
    expect(rcodeOf(local!)).toBe(5);
    expect(server!.server.report().proxyProtocol).toMatchObject({ local: 1 });
  });

  test('others have no header, and are who they are', async () => {
    await start({}, way === 'tls');
    expect(addressIn(await send(way, Buffer.alloc(0), makeQuery('a.example'), '127.0.0.2'))).toBe('192.0.2.1');
    expect(server!.server.report().proxyProtocol).toEqual({ proxied: 0, local: 0, invalid: 0 });
  });

  test("a proxy's without a header, or with a wrong one, is dropped", async () => {
    await start({}, way === 'tls');
    const wrong = headerOf({ family: 0x11, addresses: Buffer.alloc(3) });
    if (way === 'udp') {
      void send(way, Buffer.alloc(0), makeQuery('a.example'));
      void send(way, wrong, makeQuery('a.example'));
      // Behind these, over the same address: the two have come.
      while (server!.server.report().proxyProtocol!.invalid < 2)
        await send(way, headerFor('203.0.113.9'), makeQuery('a.example'));
      expect(server!.server.report().udp.dropped).toBe(2);
      return;
    }
    expect(await send(way, Buffer.from('not a header at all'), makeQuery('a.example'))).toBeUndefined();
    expect(await send(way, wrong, makeQuery('a.example'))).toBeUndefined();
    expect(server!.server.report().proxyProtocol!.invalid).toBe(2);
    expect(server!.server.report().tcp.connections).toBe(0);
  });
});

test('a header that comes octet by octet is read, and what follows it too', async () => {
  await start();
  const socket = connect(portOf(server!.server.addresses().tcp[0]), '127.0.0.1');
  const all = Buffer.concat([headerFor('198.51.100.9', 1, Buffer.alloc(9)), framed(makeQuery('a.example'))]);
  const reply = new Promise<Buffer>(resolve => socket.once('data', resolve));
  for (const octet of all) {
    await new Promise<void>(resolve => socket.write(Buffer.of(octet), () => resolve()));
  }
  expect(addressIn((await reply).subarray(2))).toBe('10.0.0.1');
  socket.destroy();
});

test('proxies may be named while it serves', async () => {
  await start({ proxyProtocol: {} });
  expect(addressIn(await send('udp', Buffer.alloc(0), makeQuery('a.example')))).toBe('192.0.2.1');
  await server!.server.update({ proxyProtocol: { from: ['127.0.0.1/32'] }, listen: [server!.address] });
  for (const way of ['udp', 'tcp'] as const) {
    expect(addressIn(await send(way, headerFor('198.51.100.9'), makeQuery('a.example')))).toBe('10.0.0.1');
  }
  await server!.server.update({ proxyProtocol: { from: [] } });
  for (const way of ['udp', 'tcp'] as const) {
    expect(addressIn(await send(way, Buffer.alloc(0), makeQuery('a.example')))).toBe('192.0.2.1');
  }
});

test('what is no prefix is refused by name', () => {
  expect(() => readOptions({ proxyProtocol: { from: ['proxy.example'] } })).toThrow(
    /proxyProtocol.from\[0\]: expected an/,
  );
});
