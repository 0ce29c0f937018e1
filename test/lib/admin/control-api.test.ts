// The control API over HTTP: who may call what, that nothing said to it harms the server, and that its description holds.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { request as requestEncrypted } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CALLS } from '../../../lib/admin/api/calls.js';
import { createServer } from '../../../lib/admin/create-server.js';
import { hashOf } from '../../../lib/admin/tokens.js';
import type { Server } from '../../../lib/server/server.js';
import { checkOptions, readOptions, type ServerOptions, shownSettings } from '../../../lib/server/settings/settings.js';
import { makeCertificate } from '../../support/certificate.js';

const SECRETS = { read: 'r'.repeat(43), flush: 'f'.repeat(43), write: 'w'.repeat(43) };

let folder: string;
let tokens: string;
let port = 0;
const servers: Server[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-api-'));
  tokens = join(folder, 'tokens');
  const lines = Object.entries(SECRETS).map(
    ([scope, secret]) => `${scope} ${hashOf(secret).toString('hex')} ${scope}er`,
  );
  writeFileSync(tokens, `# comment\n${lines.join('\n')}\n`, { mode: 0o600 });
});
afterEach(async () => {
  for (const one of servers.splice(0)) await one.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: ServerOptions = {}): Promise<Server> {
  const server = await createServer({
    listen: ['127.0.0.1:0'],
    threads: 1,
    cache: { memory: '1MiB' },
    upstreams: ['192.0.2.1'],
    local: { records: ['www.example.com 60 A 192.0.2.7', '"<b>x</b>".example.com 60 A 192.0.2.8'] },
    api: { listen: '127.0.0.1:0', tokens },
    ...options,
  });
  servers.push(server);
  port = Number(new URL(server.controlUrl ?? 'http://x:1').port);
  return server;
}

interface Reply {
  status: number;
  text: string;
  headers: IncomingHttpHeaders;
}

function call(method: string, path: string, options: RequestOptions = {}, body?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, method, path, ...options }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', chunk => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, text, headers: response.headers }));
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(body);
  });
}
const as = (scope: keyof typeof SECRETS, more: Record<string, string> = {}): RequestOptions => ({
  headers: { authorization: `Bearer ${SECRETS[scope]}`, 'content-type': 'application/json', ...more },
});

describe('who may call', () => {
  test('nobody without a token, but for health and the description', async () => {
    await start();
    expect((await call('GET', '/v1/stats')).status).toBe(401);
    for (const path of ['/healthz', '/readyz', '/v1/openapi.json']) expect((await call('GET', path)).status).toBe(200);
  });
  test('each scope may do what it says and what those before it may', async () => {
    await start();
    const statusOf = async (scope: keyof typeof SECRETS, method: string, path: string, body?: string) =>
      (await call(method, path, as(scope), body)).status;
    const forget = JSON.stringify({ name: 'www.example.com' });
    expect(await statusOf('read', 'GET', '/v1/stats')).toBe(200);
    expect(await statusOf('read', 'POST', '/v1/cache/invalidate', forget)).toBe(403);
    expect(await statusOf('flush', 'POST', '/v1/cache/invalidate', forget)).toBe(200);
    expect(await statusOf('flush', 'PATCH', '/v1/config', '{}')).toBe(403);
    expect(await statusOf('write', 'PATCH', '/v1/config', '{}')).toBe(200);
  });
  test('a token in the address is none', async () => {
    await start();
    expect((await call('GET', `/v1/stats?token=${SECRETS.read}`)).status).toBe(401);
  });
  test('an address that guesses ten tokens a minute is not heard, with a right one either', async () => {
    await start();
    for (let i = 0; i < 10; i++) {
      const headers = { authorization: `Bearer guess-${i}` };
      expect((await call('GET', '/v1/stats', { headers })).status).toBe(401);
    }
    const after = await call('GET', '/v1/stats', as('read'));
    expect([after.status, after.headers['retry-after']]).toEqual([429, '60']);
  });
  test.each([
    ['a page whose name leads here', { host: 'evil.example' }],
    ['a page of another site', { origin: 'https://evil.example' }],
    ['a request that a browser says is from elsewhere', { 'sec-fetch-site': 'cross-site' }],
  ])('%s is refused, whatever it carries', async (_, headers) => {
    await start();
    expect((await call('GET', '/v1/stats', as('read', headers as unknown as Record<string, string>))).status).toBe(403);
  });
  test('what a form can send without asking is not taken', async () => {
    await start();
    const reply = await call(
      'POST',
      '/v1/cache/invalidate',
      as('write', { 'content-type': 'text/plain' }),
      '{"all":true}',
    );
    expect(reply.status).toBe(415);
  });
  test('a browser trades a token for a cookie that scripts cannot read, until it leaves', async () => {
    await start();
    const begun = await call('POST', '/v1/session', as('read'), '{}');
    const [cookie] = begun.headers['set-cookie']!;
    expect(cookie).toMatch(/^shardns-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    const headers = { cookie: cookie.split(';')[0], 'content-type': 'application/json' };
    expect((await call('GET', '/v1/stats', { headers })).status).toBe(200);
    expect((await call('POST', '/v1/cache/invalidate', { headers }, '{"all":true}')).status).toBe(403);
    expect((await call('DELETE', '/v1/session', { headers })).status).toBe(204);
    expect((await call('GET', '/v1/stats', { headers })).status).toBe(401);
  });
  test('over TLS a cookie that a neighbouring name could have set is no session', async () => {
    const made = makeCertificate({ names: ['127.0.0.1'] });
    const [certificate, key] = ['certificate', 'key'].map(name => join(folder, `${name}.pem`));
    writeFileSync(certificate, made.certificate);
    writeFileSync(key, made.key);
    await start({ api: { listen: '127.0.0.1:0', tokens, certificate, key } });
    const secured = (method: string, path: string, headers: RequestOptions['headers']) =>
      new Promise<{ status: number; cookie: string }>((resolve, reject) => {
        const options = { host: '127.0.0.1', port, method, path, headers, ca: made.certificate };
        const asking = requestEncrypted(options, response => {
          response.resume();
          const cookie = response.headers['set-cookie']?.[0] ?? '';
          response.on('end', () => resolve({ status: response.statusCode!, cookie }));
        });
        asking.on('error', reject).end();
      });
    const { cookie } = await secured('POST', '/v1/session', as('read').headers);
    expect(cookie).toMatch(/^__Host-shardns-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; .*; Secure$/);
    const [own] = cookie.split(';');
    expect((await secured('GET', '/v1/stats', { cookie: own })).status).toBe(200);
    expect((await secured('GET', '/v1/stats', { cookie: own.replace('__Host-', '') })).status).toBe(401);
  });
  test('a session ends with its token', async () => {
    const server = await start();
    const begun = await call('POST', '/v1/session', as('write'), '{}');
    const headers = { cookie: begun.headers['set-cookie']![0].split(';')[0] };
    writeFileSync(tokens, `read ${hashOf(SECRETS.read).toString('hex')}\n`);
    await server.update({});
    expect((await call('GET', '/v1/stats', { headers })).status).toBe(401);
    expect((await call('GET', '/v1/stats', as('read'))).status).toBe(200);
  });
});

describe('what is refused before it listens', () => {
  test.each([
    [{ listen: '0.0.0.0:0' }, 'api.listen: expected api.certificate and api.key for an address beyond this machine'],
    [{ listen: '[2001:db8::1]:80' }, 'api.listen: expected api.certificate'],
    [{ listen: '127.0.0.1:0', certificate: 'c.pem' }, 'api.key: expected both a certificate and its key'],
  ])('%j', async (api, message) => {
    await expect(start({ api: { tokens, ...api } })).rejects.toThrow(message);
  });
  test('tokens that others may read', async () => {
    chmodSync(tokens, 0o644);
    await expect(start()).rejects.toThrow(
      `${tokens}: expected a file that only its owner may read (chmod 600), got mode 644`,
    );
  });
  test.each([
    ['', 'has no token'],
    ['admin 00\n', 'line 1: expected read, flush or write'],
    [`read ${'a'.repeat(63)}\n`, 'line 1: expected'],
  ])('a file of tokens with %j', async (text, message) => {
    writeFileSync(tokens, text);
    await expect(start()).rejects.toThrow(`${tokens}: ${message}`);
  });
});

describe('calls', () => {
  test('the description tells of every call, and each example succeeds', async () => {
    const zone = join(folder, 'zone.example');
    writeFileSync(zone, '@ 300 IN SOA ns root 1 3600 600 86400 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n');
    const server = await start({
      queryLog: { enabled: true },
      top: { enabled: true },
      zones: [{ name: 'zone.example', file: zone }],
      snapshot: { file: join(folder, 'snapshot'), intervalSeconds: 0 },
      // Whose keys nobody says anything about: the look at them ends at once.
      dnssec: { validate: true, anchorFile: join(folder, 'anchors.json') },
      upstreams: ['127.0.0.1:9'],
      upstream: { deadlineMs: 50 },
    });
    await server.warm(['www.example.com'], { perSecond: 1000 });
    const { paths } = JSON.parse((await call('GET', '/v1/openapi.json')).text) as { paths: Record<string, object> };
    expect(Object.values(paths).flatMap(Object.keys)).toHaveLength(CALLS.length);
    for (const { method, path, example, answers } of CALLS) {
      // A stream without an end, and one of a zone that comes from another server.
      if (answers === 'text/event-stream' || path === '/v1/zones/refresh') continue;
      const target = `${example.path ?? path}${example.query === undefined ? '' : `?${example.query}`}`;
      const body = example.body === undefined ? undefined : JSON.stringify(example.body);
      const reply = await call(method, target, as('write'), body);
      expect([method, target, reply.status, reply.headers['content-type']?.split(';')[0]]).toEqual([
        method,
        target,
        200,
        answers,
      ]);
    }
  });
  test('a change of options is applied whole or not at all, and only over the state that was read', async () => {
    const server = await start();
    const read = await call('GET', '/v1/config', as('read'));
    const tag = read.headers.etag!;
    const patch = (body: object, ifMatch: string) =>
      call('PATCH', '/v1/config', as('write', { 'if-match': ifMatch }), JSON.stringify(body));
    const wrong = await patch({ cache: { maxTtlSeconds: 5 }, threads: 'x' }, tag);
    expect([wrong.status, server.settings.cache.maxTtlSeconds]).not.toContain(5);
    expect(wrong.text).toContain('threads: ');
    expect((await patch({ cache: { maxTtlSeconds: 3600 } }, tag)).status).toBe(200);
    expect(server.settings.cache.maxTtlSeconds).toBe(3600);
    expect((await patch({ cache: { maxTtlSeconds: 60 } }, tag)).status).toBe(412);
    expect((await patch({ cache: { maxTtlSeconds: null } }, '*')).status).toBe(200);
    expect(server.settings.cache.maxTtlSeconds).toBe(86_400);
  });
  test.each(['api', 'control'])('a change that would take %s away is refused', async key => {
    const server = await start();
    const reply = await call('PATCH', '/v1/config', as('write'), JSON.stringify({ [key]: null }));
    expect([reply.status, reply.text]).toEqual([
      400,
      expect.stringContaining(`${key}: cannot change by a call that needs it`),
    ]);
    expect(server.settings.api).toBeDefined();
  });
  test('secrets are not shown to those who may look', async () => {
    const secret = 'ab'.repeat(16);
    await start({ cookies: { enabled: true, secret }, metrics: { listen: '127.0.0.1:0', token: 'T'.repeat(20) } });
    const { text } = await call('GET', '/v1/config', as('read'));
    expect(text).not.toContain(secret);
    expect(text).not.toContain('T'.repeat(20));
    expect(text).toContain('"secret":"(hidden)"');
  });
  test('nor keys of transfers, nor passwords in addresses', () => {
    const secret = Buffer.alloc(32, 7).toString('base64');
    const settings = readOptions({
      upstreams: ['192.0.2.1'],
      tsigKeys: [{ name: 'k.example', secret }],
      secondLevel: { redis: ['redis://user:hunter2@redis.example:6379/0'] },
    });
    const text = JSON.stringify(shownSettings(settings));
    expect(text).not.toContain(secret);
    expect(text).not.toContain('hunter2');
    expect(text).toContain('redis.example:6379');
    expect(text).toContain('"secret":"(hidden)"');
  });
  test.each([
    ['cookies', { cookies: { secret: 'hush' } }],
    ['cookies, in a list', { cookies: { alsoAccepted: ['hush'] } }],
    ['metrics', { metrics: { listen: '127.0.0.1:0', token: 'hush' } }],
    ['transfers', { tsigKeys: [{ name: 'k.example', secret: 'hush' }] }],
    ['transfers, in the wrong form', { tsigKeys: { name: 'k.example', secret: 'hush' } }],
  ])('a secret of %s that is wrong is not told', (_, options) => {
    const { issues } = checkOptions(options) as { issues: object[] };
    expect(issues.length).toBeGreaterThan(0);
    expect(JSON.stringify(issues)).not.toContain('hush');
  });
  test('of two changes over one state the second is refused, also while the first is under way', async () => {
    await start();
    const tag = (await call('GET', '/v1/config', as('read'))).headers.etag!;
    const patch = (seconds: number) =>
      call(
        'PATCH',
        '/v1/config',
        as('write', { 'if-match': tag }),
        JSON.stringify({ cache: { maxTtlSeconds: seconds } }),
      );
    const statuses = (await Promise.all([patch(100), patch(200)])).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 412]);
  });
  test('events come each second, and end with the server', async () => {
    const server = await start();
    const came = await new Promise<string>((resolve, reject) => {
      const asking = request({ host: '127.0.0.1', port, path: '/v1/events', ...as('read') }, response => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', chunk => {
          text += chunk;
          if (text.includes('event: stats')) void server.close();
        });
        response.on('close', () => resolve(text));
      });
      asking.on('error', reject);
      asking.end();
    });
    expect(came).toMatch(/^retry: 2000\n\nid: 1\nevent: stats\ndata: \{"atMs":\d+/);
  });
  test.each(['token', 'session'])('events end when their %s is taken away', async by => {
    const server = await start();
    const begun = await call('POST', '/v1/session', as('read'), '{}');
    const cookie = begun.headers['set-cookie']![0].split(';')[0];
    const headers = by === 'token' ? as('read').headers : { cookie };
    const taken = `write ${hashOf(SECRETS.write).toString('hex')}\n`;
    const came = await new Promise<string>((resolve, reject) => {
      const asking = request({ host: '127.0.0.1', port, path: '/v1/events', headers }, response => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', chunk => {
          if (text === '') {
            writeFileSync(tokens, taken);
            server.update({}).catch(reject);
          }
          text += chunk;
        });
        response.on('close', () => resolve(text));
      });
      asking.on('error', reject);
      asking.end();
    });
    expect(came).toMatch(/^retry: 2000/);
    expect((await call('GET', '/v1/stats', { headers })).status).toBe(401);
    expect((await call('GET', '/v1/stats', as('write'))).status).toBe(200);
  });
  test('HEAD of the events is answered, and no stream', async () => {
    await start();
    for (let i = 0; i < 20; i++) expect((await call('HEAD', '/v1/events', as('read'))).status).toBe(200);
  });
});

describe('hostile requests', () => {
  test('are answered or closed, and the server serves on', async () => {
    await start();
    const targets = [
      '/../../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '//x',
      '/v1/cache/%ff/A',
      `/${'a'.repeat(5000)}`,
      '/v1/cache/a/%00',
    ];
    for (const target of targets) {
      const { status } = await call('GET', target, as('read'));
      expect([target.slice(0, 40), status >= 400 && status < 500]).toEqual([target.slice(0, 40), true]);
    }
    const raw = (text: string) =>
      new Promise<void>(resolve => {
        const socket = connect(port, '127.0.0.1', () => socket.end(text));
        socket.on('error', () => {}).on('close', () => resolve());
        socket.resume();
      });
    let seed = 7;
    const next = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32;
    for (let i = 0; i < 200; i++) {
      const line = `GET /v1/stats HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${SECRETS.read}\r\n\r\n`;
      const octets = Buffer.from(line);
      for (let k = 0; k < 3; k++) octets[Math.floor(next() * octets.length)] = Math.floor(next() * 256);
      await raw(octets.toString('latin1'));
    }
    expect((await call('GET', '/healthz')).status).toBe(200);
  });
  test('no reply may be framed, guessed at or kept, and none is for other sites', async () => {
    await start();
    const { headers } = await call('GET', '/v1/stats', as('read'));
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    expect(headers['content-security-policy']).toContain("default-src 'self'");
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(Object.keys(headers).filter(name => name.startsWith('access-control'))).toEqual([]);
  });
});

test('a token is drawn, shown once, and counts at the next reading of its file', async () => {
  rmSync(tokens);
  const draw = (...more: string[]) =>
    execFileSync(process.execPath, ['dist/cli/main.js', 'token', tokens, '--scope', 'read', ...more], {
      encoding: 'utf8',
    });
  const token = draw('--name', 'grafana').trim();
  await start();
  expect(token).toMatch(/^[\w-]{43}$/);
  expect((await call('GET', '/v1/stats', { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
  expect(() => draw('--name', 'two words')).toThrow('--name: expected 1 to 64 visible ASCII characters');
});
