// Misses that are forwarded and answered natively: over real sockets on loopback, with a server behind that says what a
// test has it say. Whatever is not plain goes on in JavaScript without being asked twice.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { createServer as createTcpServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import type { ServerDependencies } from '../../../lib/server/dependencies.js';
import type { Hooks } from '../../../lib/resolve/hooks.js';
import type { Server } from '../../../lib/server/server.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { frame, MessageReader } from '../../../lib/transport/framing.js';
import { findOption } from '../../../lib/wire/opt.js';
import { askTcp, askUdp } from '../../support/client.js';
import { FakeClock } from '../../support/fake-clock.js';
import { answerA, decode, extendedErrorsOf, makeQuery, makeResponse, rcodeOf, soa } from '../../support/messages.js';
import { until } from '../../support/until.js';

type Say = (query: Buffer, from: RemoteInfo, socket: Socket) => Buffer | undefined;

class Upstream {
  readonly asked: Buffer[] = [];
  #waiting: { least: number; told: () => void }[] = [];
  private constructor(
    readonly socket: Socket,
    public say: Say,
  ) {}
  static async start(say: Say): Promise<Upstream> {
    const socket = createSocket('udp4');
    const one = new Upstream(socket, say);
    socket.on('message', (query, from) => {
      one.asked.push(query);
      one.#waiting = one.#waiting.filter(({ least, told }) => one.asked.length < least || void told());
      const reply = one.say(query, from, socket);
      if (reply !== undefined) socket.send(reply, from.port, from.address);
    });
    await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
    return one;
  }
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`;
  }
  async hasBeenAsked(least: number): Promise<void> {
    if (this.asked.length >= least) return;
    await new Promise<void>(told => this.#waiting.push({ least, told }));
  }
}

let upstream: Upstream;
let server: Server;
beforeEach(async () => {
  upstream = await Upstream.start(query => answerA(query));
});
afterEach(async () => {
  await server.close();
  upstream.socket.close();
});

async function start(options: ServerOptions & Hooks = {}, dependencies: ServerDependencies = {}): Promise<void> {
  const all = { listen: ['127.0.0.1:0'], threads: 1, upstreams: [upstream.address], ...options };
  server = await createServer({ ...all, cache: { memory: '64MiB', ...options.cache } }, dependencies);
}
const at = (): string => server.addresses().udp[0];
const ask = (name: string, shape = {}): Promise<Buffer | undefined> => askUdp(at(), makeQuery(name, shape), 60_000);
const addressOf = (reply: Buffer | undefined): unknown => (decode(reply!).answers?.[0] as { data: unknown }).data;
/** A turn of the server's: what it was sent is in its hands. */
/** The upstream is silent; its answers are given by hand. */
function silent(): { answer(i: number, address?: string): void; answerAll(): void; formerr(i: number): void } {
  const held: { query: Buffer; from: RemoteInfo }[] = [];
  upstream.say = (query, from) => void held.push({ query, from });
  return {
    answer: (i, address) =>
      upstream.socket.send(answerA(held[i].query, 300, address), held[i].from.port, held[i].from.address),
    /** Those of before, and from now on each that comes: one that was late may be on its way again. */
    answerAll: () => {
      const say = (query: Buffer, { port, address }: RemoteInfo): undefined => {
        upstream.socket.send(answerA(query, 300), port, address);
      };
      upstream.say = say;
      for (const { query, from } of held) say(query, from);
    },
    /** Without its question: it may be anybody's. */
    formerr: i => {
      const header = Buffer.from([...held[i].query.subarray(0, 2), 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
      upstream.socket.send(header, held[i].from.port, held[i].from.address);
    },
  };
}

describe('plain misses', () => {
  test('are answered natively, stored, and counted once', async () => {
    await start();
    expect(addressOf(await ask('a.example'))).toBe('192.0.2.1');
    expect(addressOf(await ask('A.example', { id: 7 }))).toBe('192.0.2.1');
    const { plain, stats, inFlight } = server.resolver;
    expect(plain.stats).toEqual({ answered: 1, takenOver: 0 });
    expect(upstream.asked).toHaveLength(1);
    const report = server.report();
    expect(report.durations.counts.reduce((sum, count) => sum + count)).toBe(2);
    expect(report.resolver.plain).toEqual({ answered: 1, takenOver: 0, underWay: 0 });
    expect(report.upstreams[0]).toMatchObject({ queries: 1, responses: 1, failures: 0, timeouts: 0, inFlight: 0 });
    expect([stats.resolved, inFlight, server.exchanger.inFlight, server.plane!.underWay]).toEqual([1, 0, 0, 0]);
  });

  test('have the cookie that their server knows us by, and are answered natively by a response with the same', async () => {
    const cookieIn = (query: Buffer): Buffer | undefined => {
      const found = findOption(query, 10);
      return found && Buffer.from(found);
    };
    let echo = (cookie: Buffer): Buffer | undefined => Buffer.concat([cookie.subarray(0, 8), Buffer.alloc(8, 7)]);
    upstream.say = query => {
      const cookie = cookieIn(query);
      const data = cookie && echo(cookie);
      const options = data === undefined ? [] : [{ code: 10, data }];
      const opt = { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options } as never;
      const { name } = decode(query).questions![0];
      const answers = [{ type: 'A', name, ttl: 300, data: '192.0.2.1' } as const];
      return makeResponse(query, { answers, additionals: [opt] });
    };
    await start({ upstream: { cookies: 'always' } });
    // The first tells what the server's is.
    for (const name of ['a', 'b', 'c']) expect(addressOf(await ask(`${name}.example`))).toBe('192.0.2.1');
    expect(server.resolver.plain.stats).toEqual({ answered: 2, takenOver: 0 });
    const [first, second, third] = upstream.asked.map(query => cookieIn(query)!);
    expect([first.length, second.length]).toEqual([8, 16]);
    expect(second.subarray(0, 8)).toEqual(first);
    expect(third).toEqual(second);
    // Another one of the server's is learned, by the slow path, and then sent.
    echo = cookie => Buffer.concat([cookie.subarray(0, 8), Buffer.alloc(8, 9)]);
    for (const name of ['d', 'e']) expect(addressOf(await ask(`${name}.example`))).toBe('192.0.2.1');
    expect(server.resolver.plain.stats).toEqual({ answered: 3, takenOver: 1 });
    expect(cookieIn(upstream.asked[4])).toEqual(Buffer.concat([first, Buffer.alloc(8, 9)]));
    // One without is not the server's, as far as anybody knows.
    echo = () => undefined;
    await ask('f.example');
    expect(server.report().resolver.upstreamForeignCookies).toBeGreaterThan(0);
    expect(server.resolver.plain.stats).toEqual({ answered: 3, takenOver: 2 });
  });

  test('go upstream as JavaScript would have sent them', async () => {
    await start();
    await ask('a.example', { ad: true });
    const native = upstream.asked[0];
    await server.resolver.resolve(
      new (await import('../../../lib/wire/query.js')).Query(makeQuery('b.example', { ad: true })),
      { protocol: 'internal' },
    );
    const script = Buffer.from(upstream.asked[1]);
    script.set(native.subarray(0, 2));
    script[13] = native[13];
    expect(native).toEqual(script);
  });

  test('that many clients ask at once are asked once', async () => {
    await start();
    const { answer } = silent();
    const replies = Array.from({ length: 8 }, (_, i) => ask('a.example', { id: 100 + i }));
    await upstream.hasBeenAsked(1);
    await until(() => server.plane!.stats().waiting === 8);
    answer(0);
    for (const reply of await Promise.all(replies)) expect(addressOf(reply)).toBe('192.0.2.1');
    expect(upstream.asked).toHaveLength(1);
    expect(server.resolver.plain.stats.answered).toBe(1);
  });

  test.each([
    ['an answer of TTL 0', (query: Buffer) => answerA(query, 0), 0],
    [
      'a referral',
      (query: Buffer) =>
        makeResponse(query, { authorities: [{ type: 'NS', name: 'example', ttl: 300, data: 'ns.example' }] }),
      0,
    ],
  ])('%s goes on in JavaScript, and is asked once', async (_, say, rcode) => {
    upstream.say = say;
    await start();
    expect(rcodeOf((await ask('a.example'))!)).toBe(rcode);
    expect(server.resolver.plain.stats).toEqual({ answered: 0, takenOver: 1 });
    expect(upstream.asked).toHaveLength(1);
    expect(server.report().upstreams[0]).toMatchObject({ queries: 1, responses: 1, inFlight: 0 });
    expect(server.exchanger.inFlight).toBe(0);
  });

  test('SERVFAIL goes on in JavaScript, and is remembered', async () => {
    upstream.say = query => makeResponse(query, { rcode: 2 });
    await start();
    expect(rcodeOf((await ask('a.example'))!)).toBe(2);
    expect(server.resolver.plain.stats).toEqual({ answered: 0, takenOver: 1 });
    expect(server.report().upstreams[0]).toMatchObject({ failures: 1, inFlight: 0 });
  });

  test("an upstream's extended error is passed on", async () => {
    const error = { type: 'OPT', name: '.', udpPayloadSize: 1232, options: [{ code: 15, data: Buffer.from([0, 3]) }] };
    upstream.say = query => {
      const response = decode(answerA(query));
      return makeResponse(query, { answers: response.answers, additionals: [error as never] });
    };
    await start();
    expect(extendedErrorsOf((await ask('a.example', { edns: true }))!)).toEqual([3]);
    expect(server.resolver.plain.stats.takenOver).toBe(1);
    expect(upstream.asked).toHaveLength(1);
  });

  test('one that is late is asked once more, and whichever query is answered first counts', async () => {
    const clock = new FakeClock();
    await start({}, { clock });
    const { answer } = silent();
    const reply = ask('a.example');
    await upstream.hasBeenAsked(1);
    await until(() => server.resolver.plain.underWay === 1);
    await clock.advance(server.upstreams[0].tryTimeoutMs);
    await upstream.hasBeenAsked(2);
    expect(server.report().upstreams[0]).toMatchObject({ queries: 2, timeouts: 1, inFlight: 1 });
    answer(0, '192.0.2.7');
    expect(addressOf(await reply)).toBe('192.0.2.7');
    expect(server.resolver.plain.stats).toEqual({ answered: 0, takenOver: 1 });
    expect(server.report().upstreams[0]).toMatchObject({ queries: 2, responses: 1, inFlight: 0 });
  });

  test('one that is never answered fails at the deadline of when it was asked', async () => {
    const clock = new FakeClock();
    await start({ upstream: { deadlineMs: 1000 } }, { clock });
    silent();
    const reply = ask('a.example');
    await until(() => server.resolver.plain.underWay === 1);
    await clock.advance(990);
    expect(server.plane!.underWay).toBe(1);
    await clock.advance(11);
    expect(rcodeOf((await reply)!)).toBe(2);
  });

  test('whoever asks the same in JavaScript or over TCP waits for it, and it is asked once', async () => {
    await start();
    const { answer } = silent();
    const reply = ask('a.example');
    await until(() => server.resolver.plain.underWay === 1);
    const tcp = askTcp(server.addresses().tcp[0], [makeQuery('a.example')], 60_000);
    await until(() => server.resolver.plain.underWay === 0);
    await upstream.hasBeenAsked(1);
    answer(0);
    expect(addressOf(await reply)).toBe('192.0.2.1');
    expect(addressOf((await tcp)[0])).toBe('192.0.2.1');
    expect(upstream.asked).toHaveLength(1);
    expect(server.report().upstreams[0]).toMatchObject({ queries: 1, responses: 1, inFlight: 0 });
  });

  test('what JavaScript asks already is waited for', async () => {
    await start();
    const { answer } = silent();
    const tcp = askTcp(server.addresses().tcp[0], [makeQuery('a.example')], 60_000);
    await upstream.hasBeenAsked(1);
    const reply = ask('a.example');
    await until(() => server.plane!.underWay === 1);
    answer(0);
    await Promise.all([tcp, reply]);
    expect(upstream.asked).toHaveLength(1);
    expect(server.resolver.plain.stats.answered).toBe(0);
  });

  test.each([{ name: 'a.example' }, { suffix: 'example' }, 'all' as const])(
    'what is forgotten (%j) while it is under way is told and not kept',
    async what => {
      await start();
      const { answer } = silent();
      const reply = ask('a.example');
      await until(() => server.resolver.plain.underWay === 1);
      await upstream.hasBeenAsked(1);
      server.invalidate(what);
      answer(0, '192.0.2.7');
      expect(addressOf(await reply)).toBe('192.0.2.7');
      upstream.say = query => answerA(query, 300, '192.0.2.8');
      expect(addressOf(await ask('a.example'))).toBe('192.0.2.8');
    },
  );

  test('other settings take over what is under way, and judge its answer', async () => {
    await start();
    const { answer } = silent();
    const reply = ask('a.example');
    await until(() => server.resolver.plain.underWay === 1);
    await upstream.hasBeenAsked(1);
    await server.update({ resolver: { privateAddresses: ['192.0.2.0/24'] } });
    expect(server.resolver.plain.underWay).toBe(0);
    answer(0);
    expect(decode((await reply)!).answers).toEqual([]);
    expect(upstream.asked).toHaveLength(1);
  });

  test('listeners made anew answer at once, and those before them answer what they have, by the new sockets', async () => {
    await start();
    await ask('hit.example');
    const { answerAll } = silent();
    const replies = [ask('slow.example')];
    await until(() => server.resolver.plain.underWay === 1);
    const listen = [at()];
    for (const threads of [2, 1, 3]) {
      await server.update({ listen, threads });
      expect(server.addresses()).toEqual({ udp: listen, tcp: listen, tls: [], https: [] });
      for (let id = 0; id < 20; id++) expect(addressOf(await ask('hit.example', { id }))).toBe('192.0.2.1');
      expect(addressOf((await askTcp(listen[0], [makeQuery('hit.example')], 60_000))[0])).toBe('192.0.2.1');
      replies.push(ask(`slow-${threads}.example`));
      // Those of before may have been sent again meanwhile.
      await until(() => server.listeners.underWay === replies.length);
      await upstream.hasBeenAsked(1 + replies.length);
    }
    expect(server.listeners.underWay).toBe(4);
    answerAll();
    for (const reply of replies) expect(addressOf(await reply)).toBe('192.0.2.1');
    await until(() => server.listeners.underWay === 0);
    const other = createServer({ listen, upstreams: ['192.0.2.53'], tcp: { enabled: false } });
    await expect(other).rejects.toMatchObject({ code: 'ERR_SHARDNS_LISTEN' });
  });

  test('a server that closes lets go of what is under way', async () => {
    await start();
    silent();
    const reply = askUdp(at(), makeQuery('a.example'), 300);
    await until(() => server.resolver.plain.underWay === 1);
    await server.close();
    expect(server.resolver.plain.underWay).toBe(0);
    expect(await reply).toBeUndefined();
  });

  test('with hooks, local names, recursion desired off, CD and odd types nothing is forwarded natively', async () => {
    await start({ local: { records: ['b.example A 192.0.2.9'] } } as ServerOptions);
    await ask('b.example');
    await ask('localhost');
    await ask('c.example', { rd: false });
    await ask('d.example', { cd: true });
    await ask('e.example', { type: 'ANY' });
    expect(server.resolver.plain.stats.answered).toBe(0);
    await server.close();
    await start({ onResponse: () => undefined });
    await ask('a.example');
    expect(server.resolver.plain.stats.answered).toBe(0);
  });

  test('a truncated response goes on over TCP', async () => {
    const tcp = createTcpServer(socket => {
      const reader = new MessageReader();
      socket.on('data', chunk => {
        for (const query of reader.push(chunk)) socket.write(frame(answerA(query, 300, '192.0.2.5')));
      });
    });
    await new Promise<void>(resolve => tcp.listen(upstream.socket.address().port, '127.0.0.1', resolve));
    upstream.say = query => {
      const response = answerA(query);
      response[2] |= 0x02;
      return response;
    };
    await start();
    expect(addressOf(await ask('a.example'))).toBe('192.0.2.5');
    expect(upstream.asked).toHaveLength(1);
    expect(server.report().upstreams[0]).toMatchObject({ queries: 2, truncated: 1, responses: 1, inFlight: 0 });
    tcp.close();
  });

  test('a response with another id, or to another question, is none', async () => {
    const clock = new FakeClock();
    await start({}, { clock });
    upstream.say = query => {
      const response = answerA(query);
      response[response.length > 0 ? 1 : 0] ^= 0xff;
      return response;
    };
    const reply = ask('a.example');
    await until(() => server.resolver.plain.underWay === 1);
    await upstream.hasBeenAsked(1);
    upstream.say = query => answerA(query, 300, '192.0.2.6');
    await clock.advance(server.upstreams[0].tryTimeoutMs);
    expect(addressOf(await reply)).toBe('192.0.2.6');
  });

  test('a server that refuses packets is one that has failed', async () => {
    await start();
    const [own] = [upstream.socket];
    upstream = await Upstream.start(query => answerA(query));
    own.close();
    expect(rcodeOf((await ask('a.example'))!)).toBe(2);
    expect(server.report().upstreams[0].failures).toBeGreaterThan(0);
    expect([server.exchanger.inFlight, server.upstreams[0].inFlight, server.plane!.underWay]).toEqual([0, 0, 0]);
  });

  test('a second server is asked where the first is late, and the first answer counts', async () => {
    const clock = new FakeClock();
    const other = await Upstream.start(query => answerA(query, 300, '192.0.2.9'));
    await start({ upstreams: [upstream.address, other.address] }, { clock });
    silent();
    other.say = () => undefined;
    const reply = ask('a.example');
    await until(() => server.resolver.plain.underWay === 1);
    await until(() => upstream.asked.length + other.asked.length === 1);
    const [first, second] = upstream.asked.length === 1 ? [upstream, other] : [other, upstream];
    second.say = query => answerA(query, 300, '192.0.2.9');
    await clock.advance(600);
    expect(addressOf(await reply)).toBe('192.0.2.9');
    expect(first.asked.length + second.asked.length).toBeLessThanOrEqual(3);
    expect(server.upstreams.reduce((sum, one) => sum + one.stats.hedges, 0)).toBe(1);
    expect(server.upstreams.map(one => one.inFlight)).toEqual([0, 0]);
    other.socket.close();
  });

  test('a denial of the name is told for its other types', async () => {
    upstream.say = query => makeResponse(query, { rcode: 3, authorities: [soa('example')] });
    await start();
    expect(rcodeOf((await ask('a.example'))!)).toBe(3);
    expect(rcodeOf((await ask('a.example', { type: 'AAAA' }))!)).toBe(3);
    expect(upstream.asked).toHaveLength(1);
    expect(server.resolver.plain.stats).toEqual({ answered: 1, takenOver: 0 });
    await until(() => server.plane!.underWay === 0);
  });

  test('an answer to another type undoes a denial of the name, as in JavaScript', async () => {
    await start();
    const held: { query: Buffer; from: RemoteInfo }[] = [];
    upstream.say = (query, from) => void held.push({ query, from });
    const denied = ask('a.example', { type: 'AAAA' });
    await upstream.hasBeenAsked(1);
    const answered = ask('a.example');
    await upstream.hasBeenAsked(2);
    const send = (i: number, response: Buffer): void =>
      upstream.socket.send(response, held[i].from.port, held[i].from.address);
    send(0, makeResponse(held[0].query, { rcode: 3, authorities: [soa('example')] }));
    expect(rcodeOf((await denied)!)).toBe(3);
    send(1, answerA(held[1].query));
    expect(rcodeOf((await answered)!)).toBe(0);
    await until(() => server.resolver.plain.stats.answered === 2);
    upstream.say = query => makeResponse(query, {});
    expect(rcodeOf((await ask('a.example', { type: 'TXT' }))!)).toBe(0);
    expect(upstream.asked).toHaveLength(3);
  });

  test('stay native beside questions that fail, with DO too; the failing one does not, and its answer with DO ends both', async () => {
    await start();
    upstream.say = query => makeResponse(query, { rcode: 2 });
    expect(rcodeOf((await ask('bad.example'))!)).toBe(2);
    upstream.say = query => answerA(query);
    expect(addressOf(await ask('a.example', { dnssecOk: true }))).toBe('192.0.2.1');
    expect(addressOf(await ask('b.example'))).toBe('192.0.2.1');
    expect(server.resolver.plain.stats).toEqual({ answered: 2, takenOver: 1 });
    expect(addressOf(await ask('bad.example', { dnssecOk: true }))).toBe('192.0.2.1');
    expect(server.resolver.plain.stats.answered).toBe(2);
    expect(addressOf(await ask('bad.example'))).toBe('192.0.2.1');
  });

  test('no more are under way than may be asked at once', async () => {
    await start({ upstream: { maxTotal: 4 } });
    const { answer } = silent();
    const replies = Array.from({ length: 12 }, (_, i) => ask(`n${i}.example`));
    await upstream.hasBeenAsked(4);
    await until(() => server.resolver.stats.overloaded === 8);
    expect(server.exchanger.inFlight).toBe(4);
    for (let i = 0; i < 4; i++) answer(i);
    const rcodes = (await Promise.all(replies)).map(reply => rcodeOf(reply!));
    expect(rcodes.filter(rcode => rcode === 0)).toHaveLength(4);
    expect([server.exchanger.inFlight, server.upstreams[0].inFlight, server.resolver.inFlight]).toEqual([0, 0, 0]);
  });

  test('questions that a server has no room for wait for theirs', async () => {
    await start({ upstream: { maxInFlight: 2, maxTotal: 100 }, missRing: { clientShare: 1 } } as ServerOptions);
    const { answer } = silent();
    const replies = Array.from({ length: 6 }, (_, i) => ask(`n${i}.example`));
    for (let i = 0; i < 6; i++) {
      await upstream.hasBeenAsked(i + 1);
      answer(i);
    }
    for (const reply of replies) expect(addressOf(await reply)).toBe('192.0.2.1');
    expect([server.exchanger.inFlight, server.upstreams[0].inFlight, server.resolver.inFlight]).toEqual([0, 0, 0]);
  });

  describe.each([['DO', { dnssecOk: true }] as const, ['AD', { ad: true }] as const])(
    'that are one question with and without %s',
    (_, form) => {
      /** Both natively under way at the silent upstream. */
      const both = async (): Promise<Promise<Buffer | undefined>[]> => {
        const replies = [ask('a.example')];
        await until(() => server.resolver.plain.underWay === 1);
        replies.push(ask('a.example', form));
        await until(() => server.resolver.plain.underWay === 2);
        await upstream.hasBeenAsked(2);
        return replies;
      };
      const restsEverywhere = (): void => {
        const { inFlight, queries } = server.report().upstreams[0];
        expect([inFlight, server.exchanger.inFlight, server.resolver.inFlight, server.plane!.underWay]).toEqual([
          0, 0, 0, 0,
        ]);
        expect(queries).toBe(upstream.asked.length);
      };

      test('go on each with the query that it has, and their first answers count', async () => {
        const clock = new FakeClock();
        await start({}, { clock });
        const { answer } = silent();
        const replies = await both();
        await clock.advance(server.upstreams[0].tryTimeoutMs);
        await upstream.hasBeenAsked(4);
        answer(0, '192.0.2.7');
        answer(1, '192.0.2.8');
        expect((await Promise.all(replies)).map(addressOf)).toEqual(['192.0.2.7', '192.0.2.8']);
        expect(upstream.asked).toHaveLength(4);
        restsEverywhere();
      });

      test('fail both at the deadline of when they were asked, and nothing is left under way', async () => {
        const clock = new FakeClock();
        await start({ upstream: { deadlineMs: 1000 } }, { clock });
        const { answer } = silent();
        const replies = await both();
        await clock.advance(1001);
        for (const reply of replies) expect(rcodeOf((await reply)!)).toBe(2);
        const asked = upstream.asked.length;
        await server.update({ threads: 2 });
        for (let i = 0; i < asked; i++) answer(i);
        upstream.say = query => answerA(query);
        expect(addressOf(await ask('b.example'))).toBe('192.0.2.1');
        restsEverywhere();
      });

      test('keep the response that one of them has, and the query of the other', async () => {
        await start();
        const held: { query: Buffer; from: RemoteInfo }[] = [];
        upstream.say = (query, from) => void held.push({ query, from });
        const replies = await both();
        // Of TTL 0: not for the cache, and therefore JavaScript's.
        for (const { query, from } of held) upstream.socket.send(answerA(query, 0), from.port, from.address);
        for (const reply of replies) expect(addressOf(await reply)).toBe('192.0.2.1');
        expect(upstream.asked).toHaveLength(2);
        restsEverywhere();
      });

      test('keep the doubt that one of them has: it is asked over TCP', async () => {
        const tcp = createTcpServer(socket => {
          const reader = new MessageReader();
          socket.on('data', chunk => {
            for (const query of reader.push(chunk)) socket.write(frame(answerA(query, 300, '192.0.2.5')));
          });
        });
        await new Promise<void>(resolve => tcp.listen(upstream.socket.address().port, '127.0.0.1', resolve));
        await start();
        const { answer, formerr } = silent();
        const replies = await both();
        formerr(0);
        expect(addressOf(await replies[0])).toBe('192.0.2.5');
        answer(1, '192.0.2.8');
        expect(addressOf(await replies[1])).toBe('192.0.2.8');
        expect(upstream.asked).toHaveLength(2);
        tcp.close();
      });
    },
  );
});
