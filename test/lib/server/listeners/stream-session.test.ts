// What one TCP connection, and what all of them together, may hold and for how long: on a fake clock, without sockets.
import { expect, test } from 'vitest';
import type { Answerer, ListenerAsker, Reply } from '../../../../lib/server/answerer.js';
import { readOptions } from '../../../../lib/server/settings/settings.js';
import { tcpOptionsOf } from '../../../../lib/server/settings/listeners.js';
import { type Connection, TcpConnections, type TcpOptions } from '../../../../lib/server/listeners/tcp-connections.js';
import { StreamSession } from '../../../../lib/server/listeners/stream-session.js';
import { frame } from '../../../../lib/transport/framing.js';
import type { MessageSource } from '../../../../lib/zone/authority/requests.js';
import { FakeClock, settle } from '../../../support/fake-clock.js';
import { FakeStream } from '../../../support/fake-stream.js';
import { makeQuery } from '../../../support/messages.js';

const OPTIONS: TcpOptions = {
  maxConnections: 4,
  maxConnectionsPerClient: 2,
  connectionsPerClient: 2,
  idleTimeoutMs: 10_000,
  messageTimeoutMs: 5000,
  keepalive: true,
  maxPipelined: 8,
  maxQueuedBytes: 100_000,
  maxTotalBytes: 10_000_000,
};

/** A client that takes replies only when it is told to. */
class SlowReader extends FakeStream {
  #held: (() => void) | undefined;
  reads = true;
  override _write(chunk: Buffer, encoding: string, done: () => void): void {
    super._write(chunk, encoding, () => {
      if (this.reads) done();
      else this.#held = done;
    });
  }
  readOn(): void {
    this.reads = true;
    const done = this.#held;
    this.#held = undefined;
    done?.();
  }
}

class Setup {
  readonly clock = new FakeClock();
  readonly connections: TcpConnections;
  /** Queries that wait for their reply. */
  readonly pending: ((octets?: Uint8Array) => void)[] = [];
  answered = 0;
  atOnce = false;
  replyOctets = 60;
  /** What follows a reply, as in a zone transfer. */
  more: MessageSource | undefined;
  underWay = 0;

  constructor(options: Partial<TcpOptions> = {}) {
    this.connections = new TcpConnections({ ...OPTIONS, ...options });
  }

  connect(address = '192.0.2.1', stream = new SlowReader(address)): SlowReader & { replies: number } {
    const answerer = {
      refuse: () => undefined,
      answer: (_message: Uint8Array, _asker: ListenerAsker, reply: Reply) => {
        this.answered++;
        if (this.atOnce) reply(new Uint8Array(this.replyOctets), undefined, this.more);
        else this.pending.push((octets = new Uint8Array(this.replyOctets)) => reply(octets));
      },
    } as unknown as Answerer;
    const session = new StreamSession({
      stream,
      client: { address: stream.remoteAddress, port: stream.remotePort },
      protocol: 'tcp',
      answerer,
      clock: this.clock,
      connections: this.connections,
      notify: { began: () => this.underWay++, ended: () => this.underWay-- },
    });
    const client = Object.assign(stream, { replies: 0 });
    client.onMessage = () => client.replies++;
    if (!this.connections.admit(session, true)) stream.destroy();
    return client;
  }
}
const query = makeQuery('a.example');

test('a client that has shut its sending side gets the reply to what it has asked, and is then closed (RFC 7766 6.2.1.1)', async () => {
  const setup = new Setup();
  const client = setup.connect();
  for (let i = 0; i < 3; i++) client.send(query);
  client.push(null);
  await settle();
  expect(client.writableEnded).toBe(false);
  for (const reply of setup.pending) reply();
  await settle();
  expect(client.replies).toBe(3);
  expect(client.destroyed).toBe(true);
  expect(setup.connections.size).toBe(0);
  expect(setup.clock.pendingTimers).toBe(0);
});

test('replies of one turn are one write, and what came before something that is no query is answered', async () => {
  const setup = new Setup();
  const client = setup.connect();
  const writes: number[] = [];
  const write = client._write.bind(client);
  client._write = (chunk: Buffer, encoding, done) => {
    writes.push(chunk.length);
    write(chunk, encoding, done);
  };
  for (let i = 0; i < 4; i++) client.send(query);
  await settle();
  for (const reply of setup.pending.splice(0, 3)) reply();
  expect(writes).toEqual([]);
  expect(setup.connections.octets).toBeGreaterThan(3 * 60);
  await settle();
  expect(writes).toEqual([3 * 62]);
  expect(client.replies).toBe(3);
  setup.atOnce = true;
  client.push(
    Buffer.concat([query, makeQuery('a.example', { options: [{ code: 11, data: Buffer.of(0, 1) }] })].map(frame)),
  );
  await settle();
  expect(client.replies).toBe(4);
  expect(client.destroyed).toBe(true);
});

test('a client that has shut its sending side and reads nothing is closed in time', async () => {
  const setup = new Setup();
  const client = setup.connect();
  client.reads = false;
  client.send(query);
  client.push(null);
  await settle();
  setup.pending[0]();
  await setup.clock.advance(10_001);
  expect(client.destroyed).toBe(true);
});

test('a query whose answer takes longer than the idle time-out is answered; one whose answer is lost ends with its connection', async () => {
  const setup = new Setup();
  const client = setup.connect();
  client.send(query);
  await setup.clock.advance(25_000);
  expect(client.destroyed).toBe(false);
  setup.pending[0]();
  await setup.clock.advance(9000);
  expect(client.replies).toBe(1);
  expect(client.destroyed).toBe(false);
  client.send(query);
  await setup.clock.advance(131_000);
  expect(client.destroyed).toBe(true);
});

test('octets that make no query do not keep a connection open, and a query has a bounded time to become whole', async () => {
  const setup = new Setup();
  const [idle, slow] = [setup.connect('192.0.2.1'), setup.connect('192.0.2.2')];
  slow.push(Buffer.from([0xff]));
  for (let i = 0; i < 6; i++) {
    await setup.clock.advance(900);
    slow.push(Buffer.from([i]));
  }
  expect(slow.destroyed).toBe(true);
  expect(setup.connections.stats.slowClosed).toBe(1);
  expect(idle.destroyed).toBe(false);
  await setup.clock.advance(6000);
  expect(idle.destroyed).toBe(true);
  expect(setup.connections.stats.idleClosed).toBe(1);
});

test('whole queries keep a connection open, each with time of its own however it is cut', async () => {
  const setup = new Setup();
  setup.atOnce = true;
  const client = setup.connect();
  const stream = Buffer.concat([Buffer.from([0, query.length]), query, Buffer.from([0, query.length])]);
  for (let i = 0; i < 10; i++) {
    client.push(stream);
    await setup.clock.advance(4000);
    client.push(query);
    await setup.clock.advance(4000);
  }
  expect(client.destroyed).toBe(false);
  expect(client.replies).toBe(20);
});

test('replies that are not read stay within the bound, none is lost, and asking more does not keep the connection', async () => {
  const setup = new Setup();
  setup.replyOctets = 40_000;
  const client = setup.connect();
  client.reads = false;
  for (let i = 0; i < 8; i++) client.send(query);
  await settle();
  expect(setup.pending).toHaveLength(8);
  for (const reply of setup.pending.splice(0)) reply();
  expect(client.writableLength).toBeLessThanOrEqual(100_000);
  setup.atOnce = true;
  client.readOn();
  await settle();
  expect(client.replies).toBe(8);
  client.reads = false;
  for (let i = 0; i < 5; i++) {
    await setup.clock.advance(3000);
    client.send(query);
  }
  expect(client.destroyed).toBe(true);
});

test('a query is answered once, though its reply has to wait until the client has caught up, and its end too', async () => {
  const setup = new Setup({ maxTotalBytes: 2 ** 25 });
  setup.replyOctets = 40_000;
  const client = setup.connect();
  client.reads = false;
  for (let i = 0; i < 8; i++) client.send(query);
  await settle();
  for (const reply of setup.pending.splice(0)) reply();
  client.push(null);
  await settle();
  // What is kept counts to what all connections hold.
  expect(setup.connections.octets).toBeGreaterThan(8 * 40_000);
  expect(client.writableEnded).toBe(false);
  client.readOn();
  await settle();
  expect(client.replies).toBe(8);
  expect(setup.answered).toBe(8);
  expect(client.writableEnded).toBe(true);
});

test('what does not fit is answered anew where the connections have no room to keep it', async () => {
  const setup = new Setup({ maxTotalBytes: 2 ** 22 });
  setup.replyOctets = 40_000;
  const client = setup.connect();
  client.reads = false;
  for (let i = 0; i < 8; i++) client.send(query);
  await settle();
  for (const reply of setup.pending.splice(0)) reply();
  await settle();
  expect(setup.connections.octets).toBeLessThan(4 * 40_000);
  client.readOn();
  await settle();
  for (let i = 0; i < 8; i++) {
    for (const reply of setup.pending.splice(0)) reply();
    await settle();
  }
  expect(client.replies).toBe(8);
  expect(setup.answered).toBeGreaterThan(8);
});

test('a connection over its bound of queries is not read until it has caught up', async () => {
  const setup = new Setup({ maxPipelined: 2 });
  const client = setup.connect();
  for (let i = 0; i < 5; i++) client.send(query);
  await settle();
  expect(setup.pending).toHaveLength(2);
  expect(client.isPaused()).toBe(true);
  for (let i = 0; i < 5; i++) {
    setup.pending.shift()!();
    await settle();
  }
  expect(client.replies).toBe(5);
  expect(client.isPaused()).toBe(false);
  expect(setup.underWay).toBe(0);
});

test('queries under way count with their octets: beyond the bound of a connection no more are read, beyond that of all one is closed', async () => {
  const setup = new Setup({ maxPipelined: 128, maxTotalBytes: 300_000 });
  const padded = Buffer.concat([query, Buffer.alloc(30_000)]);
  const [first, second, third] = [1, 2, 3].map(i => setup.connect(`192.0.2.${i}`));
  for (let i = 0; i < 8; i++) first.send(padded);
  await settle();
  expect(setup.pending).toHaveLength(2);
  expect(first.isPaused()).toBe(true);
  // Two under way, each twice, and one that waits.
  expect(setup.connections.octets).toBeGreaterThan(5 * 30_000);
  second.send(padded);
  for (let i = 0; i < 3; i++) third.send(padded);
  await settle();
  expect([first, second, third].map(one => one.destroyed)).toEqual([true, false, false]);
  for (const reply of setup.pending.splice(0)) reply();
  await settle();
  for (const reply of setup.pending.splice(0)) reply();
  await settle();
  expect([second.replies, third.replies]).toEqual([1, 3]);
  expect(setup.connections.octets).toBe(0);
});

test('one client has its share of connections: its own that is idle longest makes room, the others stay', async () => {
  const setup = new Setup();
  const [first, second] = [setup.connect('2001:db8::1'), setup.connect('2001:db8:0:5::1')];
  const other = setup.connect('192.0.2.9');
  first.send(query);
  await settle();
  const third = setup.connect('2001:db8:0:7::1'); // of the same /56
  await settle();
  expect([first, second, third, other].map(one => one.destroyed)).toEqual([false, true, false, false]);
  third.send(query);
  await settle();
  // All of its share is busy: nothing makes room.
  expect(setup.connect('2001:db8::9').destroyed).toBe(true);
  expect(setup.connections.stats).toMatchObject({ displaced: 1, rejected: 1 });
});

test('when all places are taken the connection idle longest makes room, and nobody when all are busy', async () => {
  const setup = new Setup();
  const clients = [1, 2, 3, 4].map(i => setup.connect(`192.0.2.${i}`));
  for (const one of clients.slice(1)) one.send(query);
  await settle();
  const fifth = setup.connect('192.0.2.5');
  await settle();
  expect(clients.map(one => one.destroyed)).toEqual([true, false, false, false]);
  fifth.send(query);
  await settle();
  expect(setup.connect('192.0.2.6').destroyed).toBe(true);
  // Answered, the second one is idle again, and later than nobody.
  setup.pending[0]();
  expect(setup.connect('192.0.2.7').destroyed).toBe(false);
  expect(clients[1].destroyed).toBe(true);
});

test('sixteen clients that keep all they can get busy leave others connections', () => {
  const { connections } = new Setup(tcpOptionsOf(readOptions({})));
  const opened = (address: string): boolean => {
    const connection = { address, destroy: () => {} };
    const admitted = connections.admit(connection, true);
    if (admitted) connections.busy(connection);
    return admitted;
  };
  for (let round = 0; round < 200; round++) for (let i = 1; i <= 16; i++) opened(`198.51.100.${i}`);
  for (let i = 1; i <= 25; i++) expect(opened(`192.0.2.${i}`) && opened(`192.0.2.${i}`)).toBe(true);
});

test('a client alone has its bound of connections, and one whose bound is given has it while few are free', () => {
  const alone = tcpOptionsOf(readOptions({}));
  expect(alone).toMatchObject({ maxConnectionsPerClient: 125, connectionsPerClient: 8 });
  const given = tcpOptionsOf(readOptions({ tcp: { maxConnectionsPerClient: 600 } }));
  expect(given).toMatchObject({ maxConnectionsPerClient: 600, connectionsPerClient: 600 });
});

test('when all are busy, who has few takes a place of the client that has most', async () => {
  const setup = new Setup({ maxConnections: 5, maxConnectionsPerClient: 3 });
  const hogs = ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.2'].map(one => setup.connect(one));
  for (const one of hogs) one.send(query);
  await settle();
  const first = setup.connect('192.0.2.3');
  first.send(query);
  await settle();
  // Now three clients have 2, 2 and 1: nobody has more than who comes would have.
  const second = setup.connect('192.0.2.3');
  await settle();
  expect(hogs.map(one => one.destroyed)).toEqual([true, false, false, false, false]);
  expect([first, second].map(one => one.destroyed)).toEqual([false, true]);
  expect(setup.connections.stats).toMatchObject({ displaced: 1, rejected: 1 });
  expect(setup.connections.size).toBe(5);
  for (const reply of setup.pending) reply();
  await settle();
  expect(first.replies).toBe(1);
});

test('who may not ask takes nobody’s place', () => {
  const { connections } = new Setup({ maxConnections: 1, maxConnectionsPerClient: 1 });
  const connection = (address: string): Connection => ({ address, destroy: () => {} });
  expect(connections.admit(connection('192.0.2.1'), true)).toBe(true);
  expect(connections.admit(connection('192.0.2.2'), false)).toBe(false);
  expect(connections.size).toBe(1);
});

test('what all connections hold is bounded: the one that holds most is closed', () => {
  const { connections } = new Setup({ maxTotalBytes: 1000, maxConnections: 10 });
  const closed: string[] = [];
  const [a, b, c] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(address => ({
    address,
    destroy: () => closed.push(address),
  }));
  for (const one of [a, b, c]) connections.admit(one, true);
  connections.holds(a, 300);
  connections.holds(b, 600);
  connections.holds(c, 200);
  expect(closed).toEqual(['192.0.2.2']);
  expect(connections.octets).toBe(500);
  connections.leave(a);
  connections.leave(a);
  expect(connections.octets).toBe(200);
});

/** So many messages of 16 KiB. */
class Source implements MessageSource {
  made = 0;
  isClosed = false;
  constructor(private readonly length: number) {}
  next(): Uint8Array | undefined {
    return this.made < this.length ? new Uint8Array(16_384).fill(++this.made & 255) : undefined;
  }
  close(): void {
    this.isClosed = true;
  }
}

test('a reply of many messages is made as the client takes it, whole and in order', async () => {
  const setup = new Setup();
  setup.atOnce = true;
  const source = (setup.more = new Source(500));
  const client = setup.connect();
  const came: number[] = [];
  client.onMessage = message => came.push(message.length === 60 ? 0 : message[0]);
  client.reads = false;
  client.send(makeQuery('a.example'));
  await settle();
  const before = source.made;
  expect(before).toBeLessThan(12);
  await setup.clock.advance(5000);
  expect(source.made).toBe(before);
  client.readOn();
  for (let i = 0; i < 200 && came.length < 501; i++) await settle();
  expect(came).toEqual([0, ...Array.from({ length: 500 }, (_, i) => (i + 1) & 255)]);
  expect(setup.underWay).toBe(0);
});

test('a client that goes away, or takes nothing for two minutes, ends a reply of many messages', async () => {
  const setup = new Setup();
  setup.atOnce = true;
  const gone = (setup.more = new Source(500));
  const first = setup.connect();
  first.reads = false;
  first.send(makeQuery('a.example'));
  await settle();
  first.destroy();
  await settle();
  expect(gone.isClosed).toBe(true);
  const slow = (setup.more = new Source(500));
  const second = setup.connect('192.0.2.2');
  second.reads = false;
  second.send(makeQuery('a.example'));
  await settle();
  await setup.clock.advance(131_000);
  expect([second.destroyed, slow.isClosed]).toEqual([true, true]);
});
