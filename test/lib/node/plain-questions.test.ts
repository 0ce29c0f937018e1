// Lookups whose questions are put to a server without a flight: what is not that plain goes on as one, and nothing is asked
// twice. On the native asker, with a server whose answers a test gives, on a fake clock.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import dnsPacket from 'dns-packet';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { Resolver } from '../../../lib/node/resolver.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { FakeClock } from '../../support/fake-clock.js';
import { makeResponse, soa } from '../../support/messages.js';

class ManualServer {
  readonly asked: { question: string; query: Buffer; from: RemoteInfo }[] = [];
  tcpAsked = 0;
  /** Answers at once unless it gives undefined. */
  answer: (query: Buffer, question: string) => Buffer | undefined = query => found(query);
  #udp!: Socket;
  #tcp!: Server;
  #wake: () => void = () => {};
  address = '';

  async start(): Promise<this> {
    for (;;) {
      this.#udp = createSocket('udp4');
      this.#udp.on('message', (query, from) => {
        const [{ name, type }] = dnsPacket.decode(query).questions!;
        const question = `${name} ${type}`;
        this.asked.push({ question, query, from });
        this.send(this.answer(query, question), from);
        this.#wake();
      });
      await new Promise<void>(resolve => this.#udp.bind(0, '127.0.0.1', resolve));
      const { port } = this.#udp.address();
      this.address = `127.0.0.1:${port}`;
      this.#tcp = createServer(socket => {
        const reader = new MessageReader();
        socket.on('error', () => {});
        socket.on('data', chunk => {
          for (const query of reader.push(chunk)) {
            this.tcpAsked++;
            socket.write(frame(found(Buffer.from(query))));
          }
        });
      });
      const listens = await new Promise<boolean>(resolve => {
        this.#tcp.once('error', () => resolve(false));
        this.#tcp.listen(port, '127.0.0.1', () => resolve(true));
      });
      if (listens) return this;
      this.#udp.close();
    }
  }
  send(response: Buffer | undefined, { port, address }: RemoteInfo): void {
    if (response !== undefined) this.#udp.send(response, port, address);
  }
  /** Until so many have been asked. */
  async until(count: number): Promise<void> {
    while (this.asked.length < count) await new Promise<void>(resolve => (this.#wake = resolve));
  }
  get questions(): string[] {
    return this.asked.map(one => one.question);
  }
  close(): void {
    this.#udp.close();
    this.#tcp.close();
  }
}

function found(query: Buffer, address = '192.0.2.1'): Buffer {
  const [{ name }] = dnsPacket.decode(query).questions!;
  return Buffer.from(makeResponse(query, { answers: [{ type: 'A', name, ttl: 300, data: address }] }));
}
const silent = (): undefined => undefined;

let server: ManualServer;
let clock: FakeClock;
let cached: CachedLookup;
beforeEach(async () => {
  server = await new ManualServer().start();
  clock = new FakeClock();
  cached = make();
});
afterEach(() => {
  cached.close();
  server.close();
});
function make(servers = [server.address]): CachedLookup {
  const options = { memory: '1MiB', resolvConf: false, hostsFile: false, servers } as const;
  return new CachedLookup(options, { clock, interfaces: () => ['192.0.2.2'] });
}
function ask(name: string, by = cached): Promise<string> {
  return new Promise(resolve =>
    by.lookup(name, { family: 4 }, (error, address) => resolve(error?.code ?? (address as string))),
  );
}

test('an answer is kept: the next one comes from the cache, with its TTL', async () => {
  expect(await ask('a.example')).toBe('192.0.2.1');
  const resolver = new Resolver({ client: cached.client });
  expect(await resolver.resolve4('A.example', { ttl: true })).toEqual([{ address: '192.0.2.1', ttl: 300 }]);
  expect(server.questions).toEqual(['a.example A']);
});
test('a name that is not there is kept as well', async () => {
  server.answer = query => Buffer.from(makeResponse(query, { rcode: 3, authorities: [soa('example', 600)] }));
  expect(await ask('a.example')).toBe('ENOTFOUND');
  expect(await ask('a.example')).toBe('ENOTFOUND');
  expect(server.questions).toEqual(['a.example A']);
});
test('lookups and a Resolver that ask the same in other letters ask once', async () => {
  server.answer = silent;
  const resolver = new Resolver({ client: cached.client });
  const all = [ask('a.example'), ask('A.Example'), resolver.resolve4('a.EXAMPLE')];
  await server.until(1);
  const [{ query, from }] = server.asked;
  server.send(found(query), from);
  expect(await Promise.all(all)).toEqual(['192.0.2.1', '192.0.2.1', ['192.0.2.1']]);
  expect(server.asked).toHaveLength(1);
});
test.each([
  ['others forget in the cache', () => cached.client.engine.invalidate('all')],
  ['is cleared', () => cached.clear()],
])('what %s while it is asked is told to those who asked before, and not kept', async (_, forget) => {
  server.answer = silent;
  const first = ask('a.example');
  await server.until(1);
  forget();
  const second = ask('a.example');
  await server.until(2);
  for (const [i, { query, from }] of server.asked.entries()) server.send(found(query, `192.0.2.${i + 1}`), from);
  expect(await Promise.all([first, second])).toEqual(['192.0.2.1', '192.0.2.2']);
  expect(await ask('a.example')).toBe('192.0.2.2');
  expect(server.asked).toHaveLength(2);
});
test('what others have forgotten by the time of its answer is asked anew', async () => {
  server.answer = silent;
  const first = ask('a.example');
  await server.until(1);
  cached.client.engine.invalidate('all');
  server.answer = query => found(query, '192.0.2.2');
  const [{ query, from }] = server.asked;
  server.send(found(query), from);
  expect(await first).toBe('192.0.2.2');
  expect(server.asked).toHaveLength(2);
});
test('one that is late is asked again, and an answer to the first query counts still', async () => {
  server.answer = silent;
  const asked = ask('a.example');
  await server.until(1);
  await clock.advance(1000);
  await server.until(2);
  const [{ query, from }] = server.asked;
  server.send(found(query), from);
  expect(await asked).toBe('192.0.2.1');
  expect(server.questions).toEqual(['a.example A', 'a.example A']);
});
test('a silent server gets three queries, and the lookup fails in its time', async () => {
  server.answer = silent;
  const asked = ask('a.example');
  for (let tries = 1; tries <= 3; tries++) {
    await server.until(tries);
    await clock.advance(1700);
  }
  await clock.advance(20_000);
  expect(await asked).toBe('EAI_AGAIN');
  expect(server.asked).toHaveLength(3);
});
test('a truncated response is asked for over TCP, and not again over UDP', async () => {
  server.answer = query => Buffer.from(makeResponse(query, { flags: 0x0380 }));
  expect(await ask('a.example')).toBe('192.0.2.1');
  expect([server.asked.length, server.tcpAsked]).toEqual([1, 1]);
});
test('a server that knows no EDNS is asked without it', async () => {
  server.answer = query => (query.readUInt16BE(10) > 0 ? Buffer.from(makeResponse(query, { rcode: 1 })) : found(query));
  expect(await ask('a.example')).toBe('192.0.2.1');
  expect(server.asked.map(one => one.query.readUInt16BE(10))).toEqual([1, 0]);
});
test('a failure is remembered, and is no failure of another name', async () => {
  server.answer = (query, question) =>
    question.startsWith('broken') ? Buffer.from(makeResponse(query, { rcode: 2 })) : found(query);
  expect(await ask('broken.example')).toBe('EAI_AGAIN');
  const { length } = server.asked;
  expect(await ask('broken.example')).toBe('EAI_AGAIN');
  expect(server.asked).toHaveLength(length);
  expect(await ask('a.example')).toBe('192.0.2.1');
});
test('records of others are no part of what is told', async () => {
  server.answer = query => {
    const other = { type: 'A' as const, name: 'other.example', ttl: 300, data: '192.0.2.66' };
    const own = { type: 'A' as const, name: 'a.example', ttl: 300, data: '192.0.2.1' };
    return Buffer.from(makeResponse(query, { answers: [other, own] }));
  };
  const all = await new Promise(resolve =>
    cached.lookup('a.example', { family: 4, all: true }, (_, is) => resolve(is)),
  );
  expect(all).toEqual([{ address: '192.0.2.1', family: 4 }]);
});
test('names of built-in zones are not asked', async () => {
  for (const name of ['a.invalid', 'b.ONION', 'c.Invalid.']) expect(await ask(name)).toBe('ENOTFOUND');
  expect(server.asked).toEqual([]);
});
test('warming that asks the same takes over what is under way', async () => {
  server.answer = silent;
  const asked = ask('a.example');
  await server.until(1);
  const warmed = cached.warm(['a.example A']);
  await clock.advance(0);
  const [{ query, from }] = server.asked;
  server.send(found(query), from);
  expect(await asked).toBe('192.0.2.1');
  await warmed;
  expect(server.asked).toHaveLength(1);
});
test('what was under way when everything is forgotten is told, and not kept', async () => {
  server.answer = silent;
  const asked = ask('a.example');
  await server.until(1);
  cached.clear();
  const [{ query, from }] = server.asked;
  server.send(found(query), from);
  expect(await asked).toBe('192.0.2.1');
  const again = ask('a.example');
  await server.until(2);
  server.send(found(server.asked[1].query, '192.0.2.2'), server.asked[1].from);
  expect(await again).toBe('192.0.2.2');
});
test('a client that is closed tells those who wait', async () => {
  server.answer = silent;
  const asked = ask('a.example');
  await server.until(1);
  cached.close();
  expect(await asked).toBe('EAI_AGAIN');
});
test('two hundred names at once are all found, each asked once', async () => {
  const names = Array.from({ length: 200 }, (_, i) => `n${i}.example`);
  expect(new Set(await Promise.all(names.map(name => ask(name))))).toEqual(new Set(['192.0.2.1']));
  expect(new Set(server.questions).size).toBe(server.asked.length);
});
