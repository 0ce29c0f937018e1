// Whoever would harm a server by its control API, over HTTP and the unix socket, or by its metrics: pages of other sites,
// tokens in addresses, paths out of the dashboard, names that are markup, requests that are none, clients without number.
// What each rule says in full is in control-api.test.ts and admission.test.ts; here is that none of them has a way around.
// SHARDNS_PROBE_REQUESTS: so many requests that are made up, of a seed that is always the same (10000 for the whole probe).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CALLS } from '../../../lib/admin/api/calls.js';
import { hashOf } from '../../../lib/admin/tokens.js';
import { askTcp } from '../../support/client.js';
import { freePort } from '../../support/free-port.js';
import { madeUpRequest, Numbers } from '../../support/made-up-requests.js';
import { makeQuery } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';
import { until } from '../../support/until.js';

const REQUESTS = Number(process.env.SHARDNS_PROBE_REQUESTS ?? 1500);
const WAIT_MS = 240_000 + 20 * REQUESTS;
/** What memory may grow by, in MiB, whatever is asked: the pages and the collector of this process are in it. */
const MOST_GROWN = 256;
const TOKEN = 'w'.repeat(43);
const AUTHORIZATION = `Authorization: Bearer ${TOKEN}\r\n`;
const JSON_TYPE = 'Content-Type: application/json\r\n';
type Way = 'api' | 'metrics' | 'socket';

/** Traces and profiles take time by themselves, and are bounded in tests of their own. */
const PATHS = [
  ...CALLS.filter(({ path }) => !/trace|profile|events|anchors/.test(path)).map(
    ({ path, example }) => example.path ?? path.replaceAll(/\{\w+\}/g, 'x'),
  ),
  ...['/metrics', '/', '/app.js'],
];

let folder: string;
let server: TestServer;
let lines: string[];
let api = 0;
let metrics = 0;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-probe-'));
  lines = [];
  const tokens = join(folder, 'tokens');
  writeFileSync(tokens, `write ${hashOf(TOKEN).toString('hex')} writer\n`, { mode: 0o600 });
  metrics = await freePort();
  const say =
    (level: string) =>
    (fields: object, text: string): void =>
      void lines.push(JSON.stringify({ level, text, ...fields }));
  const log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  server = await TestServer.start(
    answer,
    {
      api: { listen: '127.0.0.1:0', tokens },
      control: join(folder, 'control.sock'),
      metrics: { listen: `127.0.0.1:${metrics}`, token: TOKEN },
      queryLog: { enabled: true, clients: 'full', file: join(folder, 'queries') },
      top: { enabled: true },
    },
    undefined,
    { log },
  );
  api = Number(new URL(server.server.controlUrl!).port);
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** An address for whatever is asked, of a name as it was written. */
function answer(query: Uint8Array): Buffer {
  let end = 12;
  while (query[end] > 0) end += 1 + query[end];
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1];
  const reply = Buffer.concat([query.subarray(0, end + 5), Buffer.from(record)]);
  reply.set([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], 2);
  return reply;
}

function open(way: Way, from = '127.0.0.1'): Socket {
  if (way === 'socket') return connect(join(folder, 'control.sock'));
  return connect({ port: way === 'api' ? api : metrics, host: '127.0.0.1', localAddress: from });
}
/** All that is said to these octets until the server ends it; with `endMs` this side ends first, so much later. */
function say(way: Way, octets: string | Buffer, { endMs, from }: { endMs?: number; from?: string } = {}) {
  return new Promise<string>(resolve => {
    const socket = open(way, from);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      // Streams have no end.
      if (chunk.includes('text/event-stream')) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.write(typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets);
    // Node ends a connection whose client has ended, with whatever it was about to say.
    if (endMs !== undefined) setTimeout(() => socket.end(), endMs);
  });
}
const statusesOf = (text: string): number[] => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(one => Number(one[1]));
const statusOf = async (way: Way, text: string): Promise<number> => statusesOf(await say(way, text))[0];
const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4);
const get = (path: string, more = '', host = 'localhost'): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`;
const post = (path: string, body: string, more: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
async function kept(): Promise<string[]> {
  const listed = bodyOf(await say('socket', 'GET /v1/cache HTTP/1.0\r\n\r\n'));
  return listed.split('\n').flatMap(line => (line === '' ? [] : [(JSON.parse(line) as { name: string }).name]));
}

test(
  'a page by whose name this address is reached (DNS rebinding) is told nothing, whatever it carries',
  async () => {
    const names = ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', 'localhost@evil.example'];
    names.push('evil.example:9053', '[::1].evil.example', '0x7f.1', '127.1', '127.0.0.1/', 'evil.example.', '"', '[]');
    for (const host of names) {
      expect([host, await statusOf('api', get('/v1/stats', AUTHORIZATION, host))]).toEqual([host, 403]);
      expect([host, await statusOf('api', get('/', '', host))]).toEqual([host, 403]);
      expect([host, await statusOf('metrics', get('/metrics', AUTHORIZATION, host))]).toEqual([host, 403]);
    }
    // A name in the request line is the one that counts (RFC 9112 section 3.2.2), and no path of ours.
    expect(await statusOf('api', get('http://evil.example/v1/stats', AUTHORIZATION))).toBe(404);
    expect(await statusOf('api', get('/v1/stats', AUTHORIZATION))).toBe(200);
    expect(await statusOf('metrics', get('/metrics', AUTHORIZATION))).toBe(200);
  },
  WAIT_MS,
);

test(
  'a page of another site changes nothing, also where the browser carries a session (CSRF)',
  async () => {
    await askTcp(server.address, [makeQuery('www.example')]);
    const begun = await say('api', post('/v1/session', '{}', AUTHORIZATION + JSON_TYPE));
    const cookie = /set-cookie: ([^;]+)/i.exec(begun)![1];
    const all = '{"all":true}';
    const forget = (more: string): Promise<number> =>
      statusOf('api', post('/v1/cache/invalidate', all, `Cookie: ${cookie}\r\n${more}`));
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/plain; application/json',
      'text/plain, application/json',
      'application/json-patch+json',
      'application/csp-report',
      '',
    ]) {
      expect([type, await forget(type === '' ? '' : `Content-Type: ${type}\r\n`)]).toEqual([type, 415]);
    }
    for (const head of [
      'Origin: null',
      'Origin: https://evil.example',
      'Origin: http://localhost.evil.example',
      'Origin: http://localhost:1',
      'Origin: file://localhost',
      'Sec-Fetch-Site: cross-site',
      'Sec-Fetch-Site: same-site',
      'Sec-Fetch-Site: other',
    ]) {
      expect([head, await forget(`${JSON_TYPE}${head}\r\n`)]).toEqual([head, 403]);
    }
    // What the browser asks before it sends such a type gets no leave, either.
    const asked = await say('api', 'OPTIONS /v1/config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(asked.toLowerCase()).not.toContain('access-control');
    expect(await kept()).toEqual(['www.example.']);
    expect(await forget(`${JSON_TYPE}Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n`)).toBe(200);
    expect(await kept()).toEqual([]);
  },
  WAIT_MS,
);

test(
  'a token in an address opens nothing, and is in no line of the log',
  async () => {
    for (const target of [
      `/v1/stats?token=${TOKEN}`,
      `/v1/stats?access_token=${TOKEN}`,
      `/v1/stats?authorization=Bearer%20${TOKEN}`,
      `http://writer:${TOKEN}@localhost/v1/stats`,
      `/?token=${TOKEN}&x=%ff`,
      `/metrics?token=${TOKEN}`,
      `/trace?name=a..b&token=${TOKEN}`,
    ]) {
      const said = await say('api', get(target));
      // The page is everybody's: it is what asks for the token.
      if (!target.startsWith('/?')) expect([target, statusesOf(said)[0] >= 400]).toEqual([target, true]);
      expect([target, await statusOf('metrics', get(target))]).not.toEqual([target, 200]);
    }
    expect(await statusOf('api', post(`/v1/session?token=${TOKEN}`, '{}', JSON_TYPE))).toBe(401);
    // Nor is one that is right.
    expect(await statusOf('api', post('/v1/cache/invalidate', '{"all":true}', AUTHORIZATION + JSON_TYPE))).toBe(200);
    expect(lines.join('\n')).toContain('/v1/cache/invalidate');
    expect(lines.join('\n')).not.toContain(TOKEN);
  },
  WAIT_MS,
);

test(
  'no path leads out of the files of the dashboard',
  async () => {
    const up = ['..', '%2e%2e', '.%2e', '..%00', '%c0%ae%c0%ae', '..%c1%9c', '....', '%252e%252e', '\\..', '..;'];
    const targets = up.flatMap(part => [
      `/${part}/${part}/package.json`,
      `/${part}%2f${part}%2fpackage.json`,
      `/index.html/${part}/${part}/${part}/etc/passwd`,
      `/v1/${part}/${part}/package.json`,
    ]);
    targets.push(
      '//etc/passwd',
      '/etc/passwd',
      'file:///etc/passwd',
      '/index.html%00',
      '/app.js/',
      '/.',
      '/licences.txt',
    );
    targets.push('/__proto__', '/constructor', '/toString', '*', '?', '#', '/index.html/../index.html');
    for (const target of targets) {
      const said = await say('api', get(target, AUTHORIZATION));
      const status = statusesOf(said)[0];
      expect([target, status === 400 || status === 404]).toEqual([target, true]);
      expect(said).not.toMatch(/root:|"name": "shardns"/);
    }
    expect(await say('api', get('/'))).toContain('<div id="app">');
  },
  WAIT_MS,
);

test(
  'names of markup and control characters are data in all that is told, and no markup',
  async () => {
    const labels = [
      '<script>alert(1)</script>',
      '"><img src=x onerror=a>',
      "'\n# HELP x\nx 1",
      '\u0000\u001b[31m\u007f',
    ];
    labels.push('\u00e2\u0080\u00a8\u00ff\u2028'.slice(0, 4), '${7*7}{{7*7}}', '\r\n\r\nHTTP/1.1 200 OK');
    for (const label of labels) {
      const octets = Buffer.from(label, 'latin1');
      // dns-packet writes UTF-8: the label is put there as it is.
      const query = makeQuery(`${'x'.repeat(octets.length)}.example`);
      octets.copy(query, 13);
      expect(await askTcp(server.address, [query])).toHaveLength(1);
    }
    const plain = /^[\x20-\x7e\n]*$/;
    const head = /^HTTP\/1\.1 200 OK\r\n(?:[\w-]+: [\x20-\x7e]*\r\n)+\r\n/;
    for (const path of [
      '/v1/cache',
      '/v1/querylog',
      '/v1/top?current',
      '/v1/stats',
      '/v1/stats/history',
      '/v1/events',
    ]) {
      const said = await say('socket', get(path));
      expect([path, head.test(said)]).toEqual([path, true]);
      expect([path, plain.test(bodyOf(said).replaceAll('\r', ''))]).toEqual([path, true]);
      expect(said).not.toMatch(/content-type: text\/html/i);
      expect(await say('api', get(path, AUTHORIZATION))).toMatch(/x-content-type-options: nosniff/i);
    }
    const names = await kept();
    expect(names).toHaveLength(labels.length);
    expect(names).toContain('<script>alert\\(1\\)</script>.example.');
    // Who is refused is told so in JSON, and of the name nothing but what JSON has of it.
    const refused = await say('api', get('/v1/cache/<script>/%3Cb%3E', AUTHORIZATION));
    expect(refused).toMatch(/content-type: application\/problem\+json/i);
    const numbers = await say('metrics', get('/metrics', AUTHORIZATION));
    for (const part of ['script', 'onerror', 'alert', '7*7', '\u001b', 'HTTP/1.1 200 OK\r\n\r\n']) {
      expect([part, bodyOf(numbers).includes(part)]).toEqual([part, false]);
    }
    await server.server.close();
    const written = readFileSync(join(folder, 'queries'), 'latin1');
    expect(written).toMatch(plain);
    const logged = written
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as { name: string });
    expect(logged.map(one => one.name.toLowerCase()).sort()).toEqual(names.sort());
    for (const line of lines) expect(line).toMatch(plain);
  },
  WAIT_MS,
);

test(
  'what follows a request in its body, or behind a length that lies, is no request (smuggling)',
  async () => {
    const inner = `GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n${AUTHORIZATION}\r\n`;
    const begin = `POST /v1/config/check HTTP/1.1\r\nHost: localhost\r\n${AUTHORIZATION}${JSON_TYPE}`;
    for (const rest of [
      `Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
      `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${inner}`,
      `Content-Length: 2\r\nContent-Length: ${2 + inner.length}\r\n\r\n{}${inner}`,
      `Content-Length: 2, 2\r\n\r\n{}${inner}`,
      `Content-Length: +2\r\n\r\n{}${inner}`,
      `Content-Length: 0x2\r\n\r\n{}${inner}`,
      `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${inner}`,
      `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${inner}`,
      `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${inner}`,
      `Transfer-Encoding: chunked\r\n\r\n-1\r\n${inner}`,
      `Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n${inner}`,
      `Transfer-Encoding: chunked\r\n\r\n2\r\n{}${inner}`,
      `X: y\r\n Content-Length: 2\r\n\r\n{}${inner}`,
    ]) {
      for (const way of ['api', 'socket'] as const) {
        const statuses = statusesOf(await say(way, begin + rest));
        expect([rest.slice(0, 50), statuses.includes(200)]).toEqual([rest.slice(0, 50), false]);
      }
    }
    // A body that is not read, as its request is refused, is still no request; what follows it is.
    const last = get('/healthz');
    for (const more of ['', 'Authorization: Bearer wrong\r\n', `${AUTHORIZATION}Content-Type: text/plain\r\n`]) {
      const one = `POST /v1/config/check HTTP/1.1\r\nHost: localhost\r\n${more}Content-Length: ${inner.length}\r\n\r\n`;
      const statuses = statusesOf(await say('api', one + inner + last));
      expect([more, statuses.length, statuses[1]]).toEqual([more, 2, 200]);
    }
  },
  WAIT_MS,
);

test(
  'requests that are made up are refused or answered; none ends the server, or is a mistake of ours',
  async () => {
    const numbers = new Numbers();
    const ways: readonly Way[] = ['api', 'api', 'socket', 'metrics'];
    const seen = new Map<number, number>();
    const before = process.memoryUsage().rss;
    for (let done = 0; done < REQUESTS;) {
      // As many at a time as the unix socket takes.
      const round = Array.from({ length: 12 }, () => ({
        way: numbers.of(ways),
        octets: madeUpRequest(numbers, PATHS, AUTHORIZATION.trimEnd()),
      }));
      await Promise.all(
        round.map(async ({ way, octets }) => {
          // Of many addresses: one that guesses tokens is not heard any more.
          const from = `127.0.${numbers.below(256)}.${1 + numbers.below(250)}`;
          const said = await say(way, octets, { endMs: 80, from });
          for (const status of statusesOf(said)) {
            seen.set(status, (seen.get(status) ?? 0) + 1);
            if (status < 500) continue;
            const request = octets.toString('latin1').slice(0, 300);
            expect(said, request).toMatch(/"code":"ERR_SHARDNS_(?!INTERNAL)\w+"/);
          }
        }),
      );
      done += round.length;
    }
    expect([...seen.keys()]).toEqual(expect.arrayContaining([200, 400, 401, 403, 404, 405, 415]));
    expect(lines.filter(line => line.includes('mistake of ours'))).toEqual([]);
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(MOST_GROWN);
    for (const way of ['api', 'socket', 'metrics'] as const) expect(await statusOf(way, get('/healthz'))).toBe(200);
    expect(await askTcp(server.address, [makeQuery('after.example')])).toHaveLength(1);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  },
  WAIT_MS,
);

test(
  'of a thousand who would watch as many are let in as there is room for, and others are answered meanwhile',
  async () => {
    const before = process.memoryUsage().rss;
    const sockets: Socket[] = [];
    const told: number[] = [];
    const held = new Set<Socket>();
    let most = 0;
    let gone = 0;
    for (let i = 0; i < 1000; i++) {
      const socket = open('api');
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        held.delete(socket);
        gone++;
      });
      // Never read further: what comes each second is not let wait.
      socket.once('data', (chunk: Buffer) => {
        told.push(...statusesOf(chunk.toString('latin1')).slice(0, 1));
        most = Math.max(most, held.add(socket).size);
        socket.pause();
      });
      socket.write(`GET /v1/events HTTP/1.1\r\nHost: localhost\r\n${AUTHORIZATION}\r\n`);
    }
    await until(
      () => told.length + gone >= 1000,
      () => `${told.length} were told, ${gone} are gone`,
    );
    expect(told.filter(status => status === 200)).toHaveLength(16);
    expect(told.every(status => status === 200 || status === 503)).toBe(true);
    expect(most).toBeLessThanOrEqual(64);
    expect(await statusOf('socket', get('/v1/stats'))).toBe(200);
    expect(await statusOf('metrics', get('/metrics', AUTHORIZATION))).toBe(200);
    expect(await askTcp(server.address, [makeQuery('beside.example')])).toHaveLength(1);
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(MOST_GROWN);
    for (const socket of sockets) socket.destroy();
    await until(async () => (await statusOf('api', get('/v1/events', AUTHORIZATION))) === 200);
  },
  WAIT_MS,
);

test(
  'whoever sends nothing, or never ends a request, is let go of after the time that a request has',
  async () => {
    const begun = performance.now();
    const length = `${AUTHORIZATION}${JSON_TYPE}Content-Length: 9\r\n`;
    const beginnings = [
      `POST /v1/config/check HTTP/1.1\r\nHost: localhost\r\n${length}\r\n{`,
      '',
      'GET /v1/stats HTTP/1.1\r\nHost: local',
      `${get('/v1/stats').slice(0, -2)}X: `,
    ];
    const times = await Promise.all(
      (['api', 'socket', 'metrics'] as const).flatMap(way =>
        beginnings.map(
          text =>
            new Promise<number>(resolve => {
              const socket = open(way);
              socket.on('error', () => {});
              socket.on('close', () => resolve(performance.now() - begun));
              socket.resume();
              if (text !== '') socket.write(text);
            }),
        ),
      ),
    );
    // Five seconds, ten for what has begun in time, and what a machine that is busy takes to notice; Node itself looks each 30 s.
    expect(Math.max(...times)).toBeLessThan(20_000);
    expect(Math.min(...times)).toBeGreaterThan(4000);
  },
  WAIT_MS,
);
