// The TLS transport against real servers on loopback: who has not proved who it is is told nothing, and nobody is ever asked
// in plain text.
import { createHash, createPublicKey } from 'node:crypto';
import { createServer as createPlainServer, type Socket } from 'node:net';
import { createServer, type Server, type TlsOptions, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../lib/base/clock.js';
import { systemRandom } from '../../../lib/base/random.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { TlsTransport } from '../../../lib/transport/tls.js';
import type { ServerAddress, TlsAuthentication } from '../../../lib/transport/transport.js';
import { makeCertificate, type MadeCertificate } from '../../support/certificate.js';
import { exchange } from '../../support/exchange.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { answerA, decode, makeQuery, makeResponse } from '../../support/messages.js';
import { until } from '../../support/until.js';

const authority = makeCertificate({ subject: 'authority', isAuthority: true });
const good = makeCertificate({ names: ['dns.example', '127.0.0.1'], issuer: authority });
const pinOf = ({ privateKey }: MadeCertificate): string =>
  createHash('sha256')
    .update(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
    .digest('base64');

const ends: (() => unknown)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface TlsServer {
  readonly server: Server;
  readonly queries: Buffer[];
  readonly sockets: TLSSocket[];
  resumed: number;
  at(tls?: Partial<TlsAuthentication>): ServerAddress;
}
async function start(
  its: MadeCertificate = good,
  options: TlsOptions = {},
  answer = (query: Buffer, socket: TLSSocket): void => void socket.write(frame(answerA(query))),
): Promise<TlsServer> {
  const server = createServer({ cert: its.certificate, key: its.key, ...options });
  const started: TlsServer = {
    server,
    queries: [],
    sockets: [],
    resumed: 0,
    at: tls => ({
      address: '127.0.0.1',
      port: (server.address() as { port: number }).port,
      family: 4,
      tls: { name: 'dns.example', pins: [], ...tls },
    }),
  };
  server.on('tlsClientError', () => {});
  server.on('secureConnection', socket => {
    const reader = new MessageReader();
    started.sockets.push(socket);
    if (socket.isSessionReused()) started.resumed++;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const message of reader.push(chunk)) {
        started.queries.push(message);
        answer(message, socket);
      }
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    for (const socket of started.sockets) socket.destroy();
    server.close();
  });
  return started;
}
function transport(clock: Clock = systemClock, trusted: string | undefined = authority.certificate): TlsTransport {
  const made = new TlsTransport(clock, systemRandom);
  made.trust(trusted);
  ends.push(() => made.close());
  return made;
}
const query = makeQuery('a.example', { edns: true });
const ask = (over: TlsTransport, at: ServerAddress, message = query): Promise<Uint8Array> =>
  exchange(over, message, at, { timeoutMs: 4000 });
describe('is not told the question', () => {
  test.each<[string, MadeCertificate, Partial<TlsAuthentication>, RegExp]>([
    ['a server of another name', good, { name: 'other.example' }, /does not match|altnames/i],
    ['a server of another address', good, { name: '127.0.0.2' }, /not in the cert/i],
    [
      'a server whose certificate nobody vouches for',
      makeCertificate({ names: ['dns.example'] }),
      {},
      /self-signed|self signed/,
    ],
    [
      'a server whose certificate has expired',
      makeCertificate({ names: ['dns.example'], issuer: authority, notAfter: new Date(Date.now() - 1000) }),
      {},
      /expired/,
    ],
    ['a server with another key than those pinned', good, { pins: [pinOf(authority)] }, /none of the pinned keys/],
    [
      'a server with the pinned key and another name',
      good,
      { name: 'other.example', pins: [pinOf(good)] },
      /does not match|altnames/i,
    ],
    [
      'a server with another key, where only pins count',
      good,
      { name: undefined, pins: [pinOf(authority)] },
      /none of the pinned keys/,
    ],
  ])('%s', async (_, its, wanted, why) => {
    const server = await start(its);
    await expect(ask(transport(), server.at(wanted))).rejects.toThrow(why);
    await expect(ask(transport(), server.at(wanted))).rejects.toMatchObject({ code: 'ERR_SHARDNS_UPSTREAM' });
    expect(server.queries).toEqual([]);
  });

  test('a server that speaks no TLS: not an octet of the question is sent', async () => {
    const seen: Buffer[] = [];
    const plain = createPlainServer((socket: Socket) => {
      socket.on('error', () => {});
      socket.on('data', chunk => {
        seen.push(chunk);
        socket.write(frame(answerA(query)));
      });
    }).listen(0, '127.0.0.1');
    await new Promise(resolve => plain.once('listening', resolve));
    ends.push(() => plain.close());
    const at = { address: '127.0.0.1', port: (plain.address() as { port: number }).port, family: 4 as const };
    await expect(ask(transport(), at)).rejects.toThrow(/TLS connection failed/);
    expect(Buffer.concat(seen).includes('example')).toBe(false);
    expect(seen[0][0]).toBe(22); // a handshake
  });

  test('a server of which nothing is said but its address, if the certificate is not for that', async () => {
    const server = await start(makeCertificate({ names: ['dns.example'], issuer: authority }));
    const { address, port, family } = server.at();
    await expect(ask(transport(), { address, port, family })).rejects.toThrow();
    expect(server.queries).toEqual([]);
    const other = await start();
    const at = { ...other.at(), tls: undefined };
    expect(await ask(transport(), at)).toBeInstanceOf(Uint8Array);
  });
});

test('a server with a pinned key is asked, whoever vouches for it, if nothing else is wanted', async () => {
  const unknown = makeCertificate({ names: ['elsewhere.example'] });
  const server = await start(unknown);
  const over = transport();
  const at = server.at({ name: undefined, pins: [pinOf(good), pinOf(unknown)] });
  for (let i = 0; i < 2; i++) expect(await ask(over, at)).toBeInstanceOf(Uint8Array);
  expect(server.sockets).toHaveLength(1);
});

test('queries are pipelined over one connection and padded to 128 octets, those without EDNS are not (RFC 8467)', async () => {
  const server = await start();
  const over = transport();
  const names = Array.from({ length: 50 }, (_, i) => `n${i}.example`);
  await Promise.all(names.map(name => ask(over, server.at(), makeQuery(name, { edns: true }))));
  expect(server.sockets).toHaveLength(1);
  expect(new Set(server.queries.map(one => one.length))).toEqual(new Set([128]));
  await ask(over, server.at(), makeQuery('plain.example'));
  expect(server.queries.at(-1)!.length).toBeLessThan(60);
  expect(over.stats).toMatchObject({ sent: 51, received: 51 });
  expect(server.sockets[0].alpnProtocol).toBe(false);
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a connection that is made anew resumes its session over %s',
  async version => {
    const server = await start(good, { minVersion: version, maxVersion: version, ALPNProtocols: ['dot'] });
    const over = transport();
    await ask(over, server.at());
    expect(server.sockets[0].alpnProtocol).toBe('dot');
    server.sockets[0].destroy();
    await until(() => over.connections === 0);
    await ask(over, server.at());
    expect([server.sockets.length, server.resumed]).toEqual([2, 1]);
    // Who has to prove something else, or by others, proves it anew.
    await ask(over, server.at({ name: '127.0.0.1' }));
    over.trust(`${authority.certificate}\n`);
    await ask(over, server.at());
    expect([server.sockets.length, server.resumed]).toEqual([4, 1]);
  },
);

test('a question on a connection that the server closes instead is asked once more on a new one', async () => {
  const server = await start(good, {}, (message, socket) => {
    if (server.sockets.length === 1 && server.queries.length === 2) socket.destroy();
    else socket.write(frame(answerA(message)));
  });
  const over = transport();
  await ask(over, server.at());
  expect(await ask(over, server.at())).toBeInstanceOf(Uint8Array);
  expect([server.sockets.length, server.queries.length]).toEqual([2, 3]);
});

test('a connection that nothing waits for is closed after 30 s, and one that shakes no hands is given up with its question', async () => {
  const clock = new FakeClock();
  const server = await start();
  const over = transport(clock);
  await ask(over, server.at());
  await clock.advance(29_000);
  expect(over.connections).toBe(1);
  await clock.advance(1100);
  await until(() => over.connections === 0);
  const mute = createPlainServer(socket => void socket.on('error', () => {})).listen(0, '127.0.0.1');
  await new Promise(resolve => mute.once('listening', resolve));
  ends.push(() => mute.close());
  const at = { ...server.at(), port: (mute.address() as { port: number }).port };
  const lost = ask(over, at).catch((error: Error) => error.message);
  await settle();
  await clock.advance(4001);
  expect(await lost).toContain('did not answer over TLS in 4000 ms');
  await until(() => over.connections === 0);
});

test('a question that is called off at any time leaves nothing behind', async () => {
  const server = await start(good, {}, () => {});
  const clock = new FakeClock();
  const over = transport(clock);
  const listener = { answered: () => {}, lost: () => {}, doubted: () => {} };
  const begin = () => over.ask(query, server.at(), {}, listener);
  begin().callOff();
  await until(() => over.connections === 0);
  const opening = begin();
  await until(() => over.connections === 1);
  opening.callOff();
  await until(() => over.connections === 0);
  const written = begin();
  await until(() => server.queries.length === 1);
  written.callOff();
  const half = begin();
  await until(() => server.queries.length === 2);
  server.sockets.at(-1)!.write(frame(answerA(server.queries[1])).subarray(0, 20));
  half.callOff();
  server.sockets.at(-1)!.destroy();
  await until(() => over.connections === 0);
  expect(clock.pendingTimers).toBe(0);
});

test('a server that takes no resumption is asked all the same', async () => {
  const first = await start();
  const over = transport();
  await ask(over, first.at());
  // Another one, with other tickets, in its place.
  const at = first.at();
  first.sockets[0].destroy();
  await new Promise(resolve => first.server.close(resolve));
  const second = createServer({ cert: good.certificate, key: good.key }, socket => {
    const reader = new MessageReader();
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => reader.push(chunk).forEach(one => socket.write(frame(answerA(one)))));
  });
  await new Promise<void>(resolve => second.listen(at.port, '127.0.0.1', resolve));
  ends.push(() => second.close());
  await until(() => over.connections === 0);
  expect(await ask(over, at)).toBeInstanceOf(Uint8Array);
});

const nameOf = (message: Buffer): string => decode(message).questions![0].name;

test('a name that is answered slowly is no reason to leave a connection on which the server answers anything', async () => {
  const clock = new FakeClock();
  const held: (() => void)[] = [];
  const server = await start(good, {}, (message, socket) => {
    if (nameOf(message).startsWith('slow')) held.push(() => socket.write(frame(answerA(message))));
    // It will not tell of the root's servers.
    else socket.write(frame(nameOf(message) === '.' ? makeResponse(message, { rcode: 5 }) : answerA(message)));
  });
  const over = transport(clock);
  await ask(over, server.at());
  const slow = ask(over, server.at(), makeQuery('slow.example', { edns: true }));
  await until(() => held.length === 1);
  for (let round = 1; round <= 4; round++) {
    await clock.advance(760);
    await until(() => over.stats.received === 1 + round);
  }
  await ask(over, server.at(), makeQuery('other.example'));
  expect(server.sockets).toHaveLength(1);
  held[0]();
  await slow;
  expect(server.queries.map(nameOf)).toEqual(['a.example', 'slow.example', '.', '.', '.', '.', 'other.example']);
  // It is as long as others are.
  expect(server.queries[2]).toHaveLength(128);
  expect(over.stats.mismatched).toBe(0);
});

test('one client has half of the queries at most that a server is asked at a time', async () => {
  let slow = 0;
  const server = await start(good, {}, (message, socket) => {
    if (nameOf(message).startsWith('slow')) slow++;
    else socket.write(frame(answerA(message)));
  });
  const over = transport();
  const from = (client: string, name: string): Promise<unknown> =>
    exchange(over, makeQuery(name), server.at(), { timeoutMs: 20_000, client });
  const lost = Array.from({ length: 1500 }, (_, i) => from('192.0.2.1', `slow${i}.example`).catch(() => undefined));
  await until(() => slow === 512);
  for (let i = 0; i < 10; i++) await from('192.0.2.2', `quick${i}.example`);
  expect(slow).toBe(512);
  over.close();
  await Promise.all(lost);
});
