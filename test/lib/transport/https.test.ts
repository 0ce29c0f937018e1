// The HTTPS transport against real servers on loopback: what it says and believes, what becomes of questions when streams and
// connections end, and that who has not proved who it is is told nothing.
import { createHash, createPublicKey } from 'node:crypto';
import { connect, createServer as createPlainServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../lib/base/clock.js';
import { systemRandom } from '../../../lib/base/random.js';
import { HttpsTransport } from '../../../lib/transport/https.js';
import type { ServerAddress } from '../../../lib/transport/transport.js';
import { makeCertificate, type MadeCertificate } from '../../support/certificate.js';
import { exchange } from '../../support/exchange.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { type HttpsQuery, HttpsTestServer, respond } from '../../support/https-server.js';
import { answerA, decode, makeQuery } from '../../support/messages.js';
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

async function start(...given: Partial<Parameters<typeof HttpsTestServer.start>>): Promise<HttpsTestServer> {
  const server = await HttpsTestServer.start(given[0] ?? good, given[1]);
  ends.push(() => server.close());
  return server;
}
function transport(clock: Clock = systemClock): HttpsTransport {
  const made = new HttpsTransport(clock, systemRandom);
  made.trust(authority.certificate);
  ends.push(() => made.close());
  return made;
}
const query = makeQuery('a.example', { edns: true });
const ask = (over: HttpsTransport, at: ServerAddress, message = query): Promise<Uint8Array> =>
  exchange(over, message, at, { timeoutMs: 20_000 });
test('a query is a POST of the message, with id 0 and padded to 128 octets (RFC 8484 section 4.1, RFC 8467)', async () => {
  const server = await start();
  const over = transport();
  expect(decode(await ask(over, server.at()))).toMatchObject({ answers: [{ name: 'a.example' }] });
  await ask(over, server.at({ name: '127.0.0.1' }, '/other'), makeQuery('b.example'));
  const [{ headers, message }, other] = server.queries;
  expect(headers).toMatchObject({
    ':method': 'POST',
    ':scheme': 'https',
    ':path': '/dns-query',
    ':authority': `dns.example:${server.port}`,
    'content-type': 'application/dns-message',
    accept: 'application/dns-message',
    'content-length': '128',
  });
  expect(Object.keys(headers)).toHaveLength(7);
  expect([message.length, message.readUInt16BE(0)]).toEqual([128, 0]);
  expect(other.headers).toMatchObject({ ':path': '/other', ':authority': `127.0.0.1:${server.port}` });
  expect(over.stats).toMatchObject({ sent: 2, received: 2, mismatched: 0 });
});

test('queries share one connection, a stream each, and are answered in any order', async () => {
  const server = await start();
  const held: HttpsQuery[] = [];
  server.answer = one => {
    held.push(one);
    if (held.length === 50) for (const { message, stream } of held.reverse()) respond(stream, answerA(message));
  };
  const over = transport();
  const names = Array.from({ length: 50 }, (_, i) => `n${i}.example`);
  const answers = await Promise.all(names.map(name => ask(over, server.at(), makeQuery(name, { edns: true }))));
  expect(answers.map(one => decode(one).questions![0].name)).toEqual(names);
  expect(server.sessions).toHaveLength(1);
});

test('a server takes no more streams at a time than it says, over two connections at most; others wait', async () => {
  const server = await start(good, { settings: { maxConcurrentStreams: 4 } });
  let open = 0;
  let most = 0;
  server.answer = ({ message, stream }) => {
    most = Math.max(most, ++open);
    setTimeout(() => {
      open--;
      respond(stream, answerA(message));
    }, 2);
  };
  const over = transport();
  // So that what the server takes is known.
  await ask(over, server.at());
  await Promise.all(Array.from({ length: 100 }, () => ask(over, server.at())));
  expect(most).toBeLessThanOrEqual(8);
  expect(most).toBeGreaterThan(1);
  expect(server.sessions.length).toBeLessThanOrEqual(2);
});

test.each<[string, (one: HttpsQuery) => void, RegExp]>([
  ['404', ({ stream }) => stream.respond({ ':status': 404 }, { endStream: true }), /HTTP status 404/],
  ['503', ({ stream }) => respond(stream, Buffer.from('busy'), { ':status': '503' }), /HTTP status 503/],
  [
    'a redirection, which is not followed',
    ({ stream }) => stream.respond({ ':status': 302, location: 'https://elsewhere.example/' }, { endStream: true }),
    /HTTP status 302/,
  ],
  [
    'a page',
    ({ stream }) => respond(stream, Buffer.from('<html>'), { 'content-type': 'text/html' }),
    /"text\/html", which is no DNS message/,
  ],
  ['nothing', ({ stream }) => respond(stream, Buffer.alloc(0)), /empty, or cut off/],
  ['65,536 octets', ({ stream }) => respond(stream, Buffer.alloc(65_536)), /longer than 65535 octets/],
  ['a stream that is reset', ({ stream }) => stream.close(2), /reset with code 2/],
  [
    'what is no answer to the question',
    ({ stream }) => respond(stream, answerA(makeQuery('b.example'))),
    /answered another question/,
  ],
])('%s is a failure of the server, and the connection goes on', async (_, answer, why) => {
  const server = await start();
  server.answer = answer;
  const over = transport();
  await expect(ask(over, server.at())).rejects.toMatchObject({
    code: 'ERR_SHARDNS_UPSTREAM',
    message: expect.stringMatching(why) as string,
  });
  server.answer = ({ message, stream }) => respond(stream, answerA(message));
  expect(await ask(over, server.at())).toBeInstanceOf(Uint8Array);
  expect(server.sessions).toHaveLength(1);
});

test('a response of 65,535 octets is taken, and one of FORMERR without a question', async () => {
  const server = await start();
  server.answer = ({ message, stream }) => {
    const long = Buffer.alloc(65_535);
    answerA(message).copy(long);
    respond(stream, long, { 'content-type': 'Application/DNS-Message; charset=x' });
  };
  const over = transport();
  expect(await ask(over, server.at())).toHaveLength(65_535);
  server.answer = ({ stream }) => respond(stream, Buffer.from('000080010000000000000000', 'hex'));
  expect(await ask(over, server.at())).toHaveLength(12);
});

test('what has lain in caches of HTTP is as old as they say (RFC 8484 section 5.1)', async () => {
  const server = await start();
  server.answer = ({ message, stream }) => respond(stream, answerA(message, 300), { age: '250' });
  const over = transport();
  expect(decode(await ask(over, server.at())).answers).toMatchObject([{ ttl: 50 }]);
  server.answer = ({ message, stream }) => respond(stream, answerA(message, 300), { age: '4294967295' });
  expect(decode(await ask(over, server.at())).answers).toMatchObject([{ ttl: 0 }]);
});

test('a question on a connection that breaks is asked once more on a new one, and not a third time', async () => {
  const server = await start();
  server.answer = ({ message, stream }) => {
    if (server.sessions.length === 1 && server.queries.length === 2) server.sockets[0].destroy();
    else respond(stream, answerA(message));
  };
  const over = transport();
  await ask(over, server.at());
  expect(await ask(over, server.at())).toBeInstanceOf(Uint8Array);
  expect([server.sessions.length, server.queries.length]).toEqual([2, 3]);
  server.answer = () => server.sockets.at(-1)!.destroy();
  await expect(ask(over, server.at())).rejects.toThrow(/HTTPS connection/);
  expect(server.queries.length).toBe(5);
});

test('half a response, and the connection ends: it is asked again', async () => {
  const server = await start();
  server.answer = ({ message, stream }) => {
    if (server.queries.length > 1) {
      respond(stream, answerA(message));
      return;
    }
    stream.respond({ ':status': 200, 'content-type': 'application/dns-message' });
    stream.write(answerA(message).subarray(0, 30), () => setImmediate(() => server.sockets[0].destroy()));
  };
  expect(decode(await ask(transport(), server.at())).answers).toHaveLength(1);
  expect(server.queries).toHaveLength(2);
});

test('GOAWAY: what is below its last stream is answered there, the rest and all that comes is asked on a new one', async () => {
  const server = await start();
  const over = transport();
  await ask(over, server.at());
  const held: HttpsQuery[] = [];
  server.answer = one => {
    if (server.sessions.length > 1) {
      respond(one.stream, answerA(one.message));
      return;
    }
    held.push(one);
    if (held.length < 2) return;
    // It takes the first of them alone.
    server.sessions[0].goaway(0, held[0].stream.id);
    setTimeout(() => respond(held[0].stream, answerA(held[0].message)), 20);
  };
  const two = [ask(over, server.at()), ask(over, server.at(), makeQuery('b.example'))];
  await Promise.all(two);
  await ask(over, server.at());
  expect(server.sessions).toHaveLength(2);
  expect(server.queries).toHaveLength(5);
});

test('GOAWAY with an error before anything is answered costs no question', async () => {
  const server = await start();
  server.answer = ({ message, stream }) => {
    if (server.sessions.length === 1) server.sessions[0].goaway(11);
    else respond(stream, answerA(message));
  };
  expect(await ask(transport(), server.at())).toBeInstanceOf(Uint8Array);
});

test('REFUSED_STREAM: it is asked again, three times in all', async () => {
  const server = await start();
  server.answer = ({ message, stream }) => {
    if (server.queries.length <= 2) stream.close(7);
    else respond(stream, answerA(message));
  };
  const over = transport();
  expect(await ask(over, server.at())).toBeInstanceOf(Uint8Array);
  expect(server.queries).toHaveLength(3);
  server.answer = ({ stream }) => stream.close(7);
  await expect(ask(over, server.at())).rejects.toThrow(/refuses streams/);
  expect(server.queries).toHaveLength(6);
  expect(server.sessions).toHaveLength(1);
});

test('a burst of refusals narrows a connection for as long as it is refused: good answers make it as wide as before', async () => {
  const server = await start(good, { settings: { maxConcurrentStreams: 32 } });
  const over = transport();
  await ask(over, server.at());
  const held: HttpsQuery[] = [];
  const { answer } = server;
  server.answer = one => {
    held.push(one);
    if (held.length < 32) return;
    server.answer = answer;
    for (const { stream } of held) stream.close(7);
  };
  await Promise.all(Array.from({ length: 32 }, () => ask(over, server.at())));
  for (let i = 0; i < 40; i++) await ask(over, server.at());
  let onFirst = 0;
  server.answer = one => {
    if (one.stream.session === server.sessions[0]) onFirst++;
  };
  const last = Array.from({ length: 64 }, () => ask(over, server.at()).catch(() => {}));
  await until(() => onFirst === 32);
  over.close();
  await Promise.all(last);
});

test('once a server has refused some, it is asked as many as it took, so that no question is lost to refusals', async () => {
  const server = await start(good, { settings: { maxConcurrentStreams: 100 } });
  const open = new Map<unknown, number>();
  server.answer = ({ message, stream }) => {
    const { session } = stream;
    const its = open.get(session) ?? 0;
    if (its >= 8) {
      stream.close(7);
      return;
    }
    open.set(session, its + 1);
    setTimeout(() => {
      open.set(session, open.get(session)! - 1);
      respond(stream, answerA(message));
    }, 2);
  };
  const over = transport();
  await ask(over, server.at());
  const burst = () => Promise.allSettled(Array.from({ length: 400 }, () => ask(over, server.at())));
  await burst();
  const answers = await burst();
  expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(0);
});

test('a connection that is made anew resumes its session', async () => {
  const server = await start();
  const over = transport();
  await ask(over, server.at());
  await settle();
  server.sockets[0].destroy();
  await until(() => over.connections === 0);
  await ask(over, server.at());
  expect([server.sessions.length, server.resumed]).toEqual([2, 1]);
});

/** Connections to a server by way of another port, of which the first can be made to say nothing any more. */
async function relay(server: HttpsTestServer): Promise<{ at: ServerAddress; mute: () => void }> {
  const sockets: Socket[] = [];
  const way = createPlainServer(near => {
    const far = connect(server.port, '127.0.0.1');
    for (const one of [near, far]) sockets.push(one.on('error', () => {}));
    near.pipe(far).pipe(near);
    near.on('close', () => far.destroy());
  }).listen(0, '127.0.0.1');
  await new Promise(resolve => way.once('listening', resolve));
  ends.push(() => {
    for (const one of sockets) one.destroy();
    way.close();
  });
  const at = { ...server.at(), port: (way.address() as { port: number }).port };
  return { at, mute: () => void sockets[1].unpipe(sockets[0]) };
}
const isSlow = ({ message }: HttpsQuery): boolean => decode(message).questions![0].name.startsWith('slow');
/** Until the client has read all that the server has sent. */
const read = (server: HttpsTestServer): Promise<unknown> =>
  new Promise(resolve => server.sessions[0].ping(resolve as () => void));

test('a connection that falls silent is left: what waits there is asked on another, and the first response counts', async () => {
  const clock = new FakeClock();
  const server = await start();
  const { at, mute } = await relay(server);
  const over = transport(clock);
  await ask(over, at);
  mute();
  const answer = ask(over, at);
  await until(() => server.queries.length === 2);
  await clock.advance(1600);
  await until(() => server.queries.length === 3);
  expect(await answer).toBeInstanceOf(Uint8Array);
  await until(() => over.connections === 1);
});

test('a name that is answered slowly is no reason to leave a connection on which the server answers a PING', async () => {
  const clock = new FakeClock();
  const server = await start();
  const over = transport(clock);
  await ask(over, server.at());
  let pings = 0;
  server.sessions[0].on('ping', () => pings++);
  let held: HttpsQuery | undefined;
  server.answer = one => {
    if (isSlow(one)) held = one;
    else respond(one.stream, answerA(one.message));
  };
  const slow = ask(over, server.at(), makeQuery('slow.example'));
  await until(() => held !== undefined);
  for (let round = 1; round <= 4; round++) {
    await clock.advance(760);
    await until(() => pings === round);
    await read(server);
  }
  await ask(over, server.at(), makeQuery('other.example'));
  expect(server.sessions).toHaveLength(1);
  respond(held!.stream, answerA(held!.message));
  await slow;
  expect(server.queries).toHaveLength(3);
});

test('answers to PING alone keep a connection for ten seconds, and not for longer', async () => {
  const clock = new FakeClock();
  const server = await start();
  const over = transport(clock);
  await ask(over, server.at());
  let pings = 0;
  server.sessions[0].on('ping', () => pings++);
  server.answer = one => {
    if (server.sessions.length > 1) respond(one.stream, answerA(one.message));
  };
  const answer = ask(over, server.at());
  await until(() => server.queries.length === 2);
  for (let round = 1; round <= 12; round++) {
    await clock.advance(760);
    await until(() => pings === round);
    await read(server);
  }
  expect(server.sessions).toHaveLength(1);
  await clock.advance(1600);
  await answer;
  expect(server.sessions).toHaveLength(2);
});

test('one client has half of the streams at most, and others are answered beside hundreds of its slow names', async () => {
  const server = await start(good, { settings: { maxConcurrentStreams: 4 } });
  const held: HttpsQuery[] = [];
  server.answer = one => {
    if (isSlow(one)) held.push(one);
    else respond(one.stream, answerA(one.message));
  };
  const over = transport();
  await ask(over, server.at());
  const from = (client: string, name: string): Promise<Uint8Array> =>
    exchange(over, makeQuery(name), server.at(), { timeoutMs: 20_000, client });
  const slow = Array.from({ length: 300 }, (_, i) => from('192.0.2.1', `slow${i}.example`).catch(() => undefined));
  await until(() => held.length === 4);
  for (let i = 0; i < 10; i++) await from(`192.0.2.${2 + (i % 2)}`, `quick${i}.example`);
  expect(held).toHaveLength(4);
  // What it has beyond that comes when its first are answered.
  for (const { stream, message } of held.slice()) respond(stream, answerA(message));
  await until(() => held.length === 8);
  over.close();
  await Promise.all(slow);
});

test('who waits for a stream takes turns with other clients, however many of one wait', async () => {
  const server = await start(good, { settings: { maxConcurrentStreams: 1 } });
  const names: string[] = [];
  const held: HttpsQuery[] = [];
  const over = transport();
  await ask(over, server.at());
  server.answer = one => {
    names.push(decode(one.message).questions![0].name);
    held.push(one);
  };
  const asked = ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'c1', 'b2'].map(name =>
    exchange(over, makeQuery(name), server.at(), { timeoutMs: 20_000, client: `192.0.2.${name.charCodeAt(0)}` }),
  );
  for (let i = 0; i < asked.length; i++) {
    await until(() => held.length > i);
    respond(held[i].stream, answerA(held[i].message));
  }
  await Promise.all(asked);
  expect(names.indexOf('c1')).toBeLessThan(names.indexOf('a4'));
  expect(names.indexOf('b2')).toBeLessThan(names.indexOf('a5'));
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
  await clock.advance(20_001);
  expect(await lost).toContain('did not answer over HTTPS in 20000 ms');
  await until(() => over.connections === 0);
  expect(clock.pendingTimers).toBe(0);
});

test('a question that is called off at any time leaves nothing behind, and is not told to the server as a reset', async () => {
  const clock = new FakeClock();
  const server = await start();
  server.answer = () => {};
  const over = transport(clock);
  const heard: unknown[] = [];
  const note = (what: unknown): void => void heard.push(what);
  const begin = () => over.ask(query, server.at(), {}, { answered: note, lost: note, doubted: note });
  begin().callOff();
  await until(() => over.connections === 0);
  const opening = begin();
  await until(() => over.connections === 1);
  opening.callOff();
  await until(() => over.connections === 0);
  const written = begin();
  await until(() => server.queries.length === 1);
  written.callOff();
  const [{ stream, message }] = server.queries;
  await new Promise(resolve => setTimeout(resolve, 20));
  expect(stream.closed).toBe(false);
  respond(stream, answerA(message));
  await until(() => stream.closed);
  expect(stream.rstCode).toBe(0);
  const half = begin();
  await until(() => server.queries.length === 2);
  server.queries[1].stream.respond({ ':status': 200, 'content-type': 'application/dns-message' });
  server.queries[1].stream.write(answerA(message).subarray(0, 20));
  half.callOff();
  server.sockets.at(-1)!.destroy();
  await until(() => over.connections === 0);
  expect([heard, clock.pendingTimers]).toEqual([[], 0]);
});

test('streams that nobody waits for are called off when they are many', async () => {
  const server = await start(good, { settings: { maxConcurrentStreams: 200 } });
  const over = transport();
  // So that what the server takes is known.
  await ask(over, server.at());
  server.answer = () => {};
  const listener = { answered: () => {}, lost: () => {}, doubted: () => {} };
  const all = Array.from({ length: 80 }, () => over.ask(query, server.at(), {}, listener));
  await until(() => server.queries.length === 81);
  for (const one of all) one.callOff();
  await until(() => server.queries.slice(1).filter(one => one.stream.closed).length === 16);
});

test('streams that nobody waits for leave room, however few a server takes: half of them are for questions', async () => {
  for (const maxConcurrentStreams of [1, 2, 8]) {
    const server = await start(good, { settings: { maxConcurrentStreams } });
    const over = transport();
    // So that what the server takes is known.
    await ask(over, server.at());
    const { answer } = server;
    server.answer = () => {};
    const listener = { answered: () => {}, lost: () => {}, doubted: () => {} };
    const all = Array.from({ length: 16 }, () => over.ask(query, server.at(), {}, listener));
    await until(() => server.queries.length === 1 + 2 * maxConcurrentStreams);
    for (const one of all) one.callOff();
    server.answer = answer;
    expect(await ask(over, server.at())).toBeInstanceOf(Uint8Array);
  }
});

test('a closed transport says so to all who wait', async () => {
  const server = await start();
  server.answer = () => {};
  const over = transport();
  const waiting = ask(over, server.at()).catch((error: { code: string }) => error.code);
  await until(() => server.queries.length === 1);
  over.close();
  expect(await waiting).toBe('ERR_SHARDNS_CLOSED');
  await expect(ask(over, server.at())).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
  await until(() => over.connections === 0);
});

test.each<[string, MadeCertificate, Partial<ServerAddress['tls'] & object>, RegExp]>([
  ['another name', good, { name: 'other.example' }, /does not match|altnames/i],
  ['an unknown authority', makeCertificate({ names: ['dns.example'] }), {}, /self-signed|self signed/],
  ['another key than those pinned', good, { pins: [pinOf(authority)] }, /none of the pinned keys/],
])('a server of %s is not told the question', async (_, its, wanted, why) => {
  const server = await start(its);
  await expect(ask(transport(), server.at(wanted))).rejects.toThrow(why);
  expect([server.queries, server.sessions]).toEqual([[], []]);
});

test('a server with a pinned key is asked, whoever vouches for it, if nothing else is wanted', async () => {
  const unknown = makeCertificate({ names: ['elsewhere.example'] });
  const server = await start(unknown);
  expect(await ask(transport(), server.at({ name: undefined, pins: [pinOf(unknown)] }))).toBeInstanceOf(Uint8Array);
});

test('a server that does not agree on HTTP/2 is told nothing', async () => {
  const seen: Buffer[] = [];
  const server = createTlsServer({ cert: good.certificate, key: good.key }, socket => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => seen.push(chunk));
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => server.close());
  const { port } = server.address() as { port: number };
  const at = { address: '127.0.0.1', port, family: 4 as const, tls: { name: 'dns.example', pins: [] } };
  await expect(ask(transport(), at)).rejects.toThrow(/speaks no h2/);
  expect(seen).toEqual([]);
});
