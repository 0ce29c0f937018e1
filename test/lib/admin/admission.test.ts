// Who may read metrics and start traces: no web page of somebody else's.
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import { judge } from '../../../lib/admin/admission.js';
import { silentLogger } from '../../../lib/base/log.js';
import { checkConfig, applyFlags } from '../../../lib/cli/config.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { answerA } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';
import { freePort } from '../../support/free-port.js';

const options = { hosts: ['dns.example'], token: undefined };
const status = (headers: Record<string, string>, token?: string): number =>
  judge(headers, { ...options, token })?.status ?? 200;

test.each([
  '127.0.0.1:9153',
  '[::1]:9153',
  '192.0.2.7',
  'localhost:9153',
  'LocalHost',
  'dns.example:9153',
  'DNS.example.',
  // As containers call each other; no page of the internet has a name without a dot.
  'shardns:9153',
  'my_dns-1.',
])('a request to %s is answered', host => expect(status({ host })).toBe(200));

test.each([
  'rebound.attacker.example',
  'dns.example.attacker.example',
  'localhost.attacker.example',
  'a@127.0.0.1',
  '',
  '::1',
  'shardns/',
  'a\u0000',
])('a request to %j is not: a page may have that name', host => expect(status({ host })).toBe(403));

test('a page of another site is not answered, whatever address it uses; one of its own is', () => {
  const host = '127.0.0.1:9153';
  expect(status({ host, origin: 'http://attacker.example' })).toBe(403);
  expect(status({ host, origin: 'null' })).toBe(403);
  // A page may be served at an address, or by another program of this machine.
  expect(status({ host, origin: 'http://192.0.2.66' })).toBe(403);
  expect(status({ host, origin: 'http://localhost:3000' })).toBe(403);
  expect(status({ host, 'sec-fetch-site': 'cross-site' })).toBe(403);
  expect(status({ host, 'sec-fetch-site': 'same-site' })).toBe(403);
  expect(status({ host, 'sec-fetch-site': 'none' })).toBe(200);
  expect(status({ host, origin: 'http://127.0.0.1:9153', 'sec-fetch-site': 'same-origin' })).toBe(200);
});

test('where there is a token it must be carried', () => {
  const token = '0123456789abcdef';
  const host = 'localhost';
  expect(status({ host }, token)).toBe(401);
  expect(status({ host, authorization: 'Bearer 0123456789abcdeg' }, token)).toBe(401);
  expect(status({ host, authorization: 'Basic 0123456789abcdef' }, token)).toBe(401);
  expect(status({ host, authorization: `bearer ${token}` }, token)).toBe(200);
});

let server: TestServer | undefined;
afterEach(() => server?.close());
async function start(metrics: ServerOptions['metrics']): Promise<void> {
  server = await TestServer.start(query => answerA(query), { metrics });
}
test('hosts and token hold for metrics and traces, change while it serves, and leave the health to be asked', async () => {
  const port = await freePort();
  await start({ listen: `127.0.0.1:${port}`, hosts: ['Dns.Example'], token: '0123456789abcdef' });
  const get = (path: string, headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) =>
      request({ host: '127.0.0.1', port, path, headers, agent: false }, response => {
        response.resume();
        resolve(response.statusCode!);
      })
        .on('error', reject)
        .end(),
    );
  const authorization = 'Bearer 0123456789abcdef';
  for (const path of ['/metrics', '/trace?name=a.example', '/healthz']) {
    expect(await get(path, { host: 'attacker.example', authorization })).toBe(403);
  }
  expect(await get('/metrics', { host: 'dns.example' })).toBe(401);
  expect(await get('/metrics', { host: 'dns.example', authorization })).toBe(200);
  expect(await get('/trace?name=a..b', { authorization })).toBe(400);
  expect(await get('/healthz', {})).toBe(200);
  await server!.server.update({ metrics: { listen: `127.0.0.1:${port}`, hosts: [] } });
  await server!.server.update({ metrics: `127.0.0.1:${port}` });
  expect(await get('/metrics', { host: 'dns.example' })).toBe(403);
  expect(await get('/metrics', {})).toBe(200);
});

test('who is refused for a name is told which option takes it, and the log says so too', async () => {
  const port = await freePort();
  const warnings: object[] = [];
  const log = { ...silentLogger, warn: (fields: object, message: string) => warnings.push({ ...fields, message }) };
  await using logging = await createServer({ listen: ['127.0.0.1:0'], metrics: `127.0.0.1:${port}` }, { log });
  expect(logging.listening).toBe(true);
  const body = await new Promise<string>((resolve, reject) =>
    request({ host: '127.0.0.1', port, path: '/metrics', headers: { host: 'dns.example' }, agent: false }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', part => (text += part));
      response.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end(),
  );
  expect(body).toBe('host "dns.example" is not one of metrics.hosts, numeric, without a dot or localhost\n');
  expect(warnings).toContainEqual({
    path: '"/metrics"',
    reason: body.trim(),
    message: 'a request for metrics or a trace was refused',
  });
});

test('requests that are none, and clients that go, end nothing', async () => {
  const port = await freePort();
  await start(`127.0.0.1:${port}`);
  for (const text of [
    '\0\0\0\r\n\r\n',
    'GET http:// HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    'GET /metrics HTTP/1.0\r\n\r\n',
  ]) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(text);
    await new Promise(resolve => socket.once('data', resolve).once('close', resolve));
    socket.destroy();
  }
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
});

test('the option is an address, or an address and who may ask; a flag changes the address alone', () => {
  expect(readOptions({ metrics: '127.0.0.1:9153' }).metrics).toEqual({ listen: '127.0.0.1:9153', hosts: [] });
  const given = { metrics: { listen: '127.0.0.1:9153', hosts: ['a.example'] } };
  expect(applyFlags(given, { metrics: '127.0.0.1:9154' })).toEqual({
    metrics: { listen: '127.0.0.1:9154', hosts: ['a.example'] },
  });
  const problem = (text: string): string => (checkConfig(text) as { problems: { text: string }[] }).problems[0].text;
  expect(problem('metrics: localhost\n')).toMatch(/^metrics: expected ADDRESS:PORT.*got "localhost"/);
  expect(problem('metrics: { listen: "127.0.0.1:1", token: short }\n')).toMatch(/^metrics\.token: expected 16 to 512/);
  expect(problem('metrics: { lisen: "127.0.0.1:1" }\n')).toMatch(/^metrics\.li/);
});
