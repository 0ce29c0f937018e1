// Sessions over streams that are no sockets, as TLS and HTTP/2 have them: both ends of a pair, on a fake clock.
import { type Duplex, duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import type { Answerer, ListenerAsker, Reply } from '../../../../lib/server/answerer.js';
import { StreamSessions } from '../../../../lib/server/listeners/stream-sessions.js';
import { TcpConnections } from '../../../../lib/server/listeners/tcp-connections.js';
import { tcpOptionsOf } from '../../../../lib/server/settings/listeners.js';
import { readOptions, type ServerOptions } from '../../../../lib/server/settings/settings.js';
import { frame, MessageReader } from '../../../../lib/transport/framing.js';
import { FakeClock, settle } from '../../../support/fake-clock.js';
import { makeQuery } from '../../../support/messages.js';

interface Client {
  readonly end: Duplex;
  /** The other end, which the session has. */
  readonly ours: Duplex;
  readonly replies: Buffer[];
}

class Setup {
  readonly clock = new FakeClock();
  readonly asked: ListenerAsker[] = [];
  readonly waiting: (() => void)[] = [];
  readonly connections: TcpConnections;
  readonly sessions: StreamSessions;

  constructor(tcp: ServerOptions['tcp'] = {}) {
    this.connections = new TcpConnections(tcpOptionsOf(readOptions({ tcp })));
    const answerer = {
      allows: (address: string) => !address.startsWith('203.0.113.'),
      refuse: () => undefined,
      answer: (message: Uint8Array, asker: ListenerAsker, reply: Reply) => {
        this.asked.push(asker);
        const copy = Uint8Array.from(message);
        this.waiting.push(() => reply(copy));
      },
    } as unknown as Answerer;
    this.sessions = new StreamSessions('tcp', { answerer, clock: this.clock, connections: this.connections });
  }

  connect(address = '192.0.2.1'): Client {
    const [end, ours] = duplexPair();
    const reader = new MessageReader();
    const client: Client = { end, ours, replies: [] };
    end.on('data', (chunk: Buffer) => client.replies.push(...reader.push(chunk)));
    end.on('error', () => {});
    this.sessions.take(ours, { address, port: 4711 });
    return client;
  }
}
const [a, b] = [makeQuery('a.example'), makeQuery('b.example')];

test('queries in one piece or octet by octet are answered in the order they are ready, for the client that was named', async () => {
  const setup = new Setup();
  const client = setup.connect('2001:db8::7');
  for (const octet of frame(a)) client.end.write(Buffer.of(octet));
  client.end.write(Buffer.concat([frame(b), frame(a)]));
  await settle();
  expect(setup.asked).toEqual(
    [1, 2, 3].map(() => ({ protocol: 'tcp', client: { address: '2001:db8::7', port: 4711 } })),
  );
  expect(setup.sessions.underWay).toBe(3);
  setup.waiting[1]();
  setup.waiting[0]();
  setup.waiting[2]();
  await settle();
  expect(client.replies.map(one => one.toString('latin1').includes('\x01b'))).toEqual([true, false, false]);
  expect(setup.sessions.underWay).toBe(0);
});

test('a stream that is shut for sending gets its reply, and is closed behind it; nothing of it is left', async () => {
  const setup = new Setup();
  const client = setup.connect();
  client.end.end(frame(a));
  await settle();
  expect(client.end.readableEnded).toBe(false);
  setup.waiting[0]();
  await settle();
  expect(client.replies).toHaveLength(1);
  expect(client.end.readableEnded).toBe(true);
  expect([setup.sessions.size, setup.connections.size, setup.connections.octets]).toEqual([0, 0, 0]);
  expect(setup.clock.pendingTimers).toBe(0);
});

test('a message that does not become whole, and a stream that is idle, are closed in time', async () => {
  const setup = new Setup({ messageTimeoutMs: 1000, idleTimeoutMs: 5000 });
  const [slow, idle] = [setup.connect('192.0.2.1'), setup.connect('192.0.2.2')];
  slow.end.write(Buffer.of(0));
  await setup.clock.advance(1001);
  expect(setup.connections.stats.slowClosed).toBe(1);
  await setup.clock.advance(4000);
  expect(setup.connections.stats.idleClosed).toBe(1);
  expect(setup.sessions.size).toBe(0);
  idle.end.destroy();
});

test('a client has its share of streams, whatever they run over, and who may not ask takes nobody’s place', async () => {
  const setup = new Setup({ maxConnections: 2, maxConnectionsPerClient: 1 });
  const first = setup.connect('192.0.2.1');
  setup.connect('192.0.2.1');
  await settle();
  expect(first.ours.destroyed).toBe(true);
  setup.connect('192.0.2.2');
  const refused = setup.connect('203.0.113.1');
  await settle();
  expect(setup.sessions.size).toBe(2);
  expect(refused.ours.destroyed).toBe(true);
  expect(setup.connections.stats.rejected).toBe(1);
});

test('a stream with more queries than may be under way is not read on before one is answered', async () => {
  const setup = new Setup({ maxPipelined: 2 });
  const client = setup.connect();
  client.end.write(Buffer.concat([frame(a), frame(b), frame(a)]));
  await settle();
  expect(setup.waiting).toHaveLength(2);
  setup.waiting[0]();
  await settle();
  expect(setup.waiting).toHaveLength(3);
  setup.sessions.close();
  await settle();
  expect(setup.sessions.size).toBe(0);
});
