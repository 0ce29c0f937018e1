// Servers that share a second level: what a client is told of it, what settings may change, and what is seen from outside.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ControlApi } from '../../../lib/admin/control-api.js';
import { createServer } from '../../../lib/admin/create-server.js';
import { Metrics } from '../../../lib/admin/metrics.js';
import { trace } from '../../../lib/admin/trace.js';
import { systemClock } from '../../../lib/base/clock.js';
import { silentLogger } from '../../../lib/base/log.js';
import { statusText } from '../../../lib/cli/status-text.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import type { Server } from '../../../lib/server/server.js';
import { askTcp, askUdp } from '../../support/client.js';
import { FakeRedis } from '../../support/fake-redis.js';
import { FakeTransport, type Handler } from '../../support/fake-transport.js';
import { secretFile } from '../../support/fleet.js';
import { answerA, decode, makeQuery } from '../../support/messages.js';
import { until } from '../../support/until.js';
import { createServer as createHttp, request } from 'node:http';

let redis: FakeRedis;
let secret: string;
const servers: Server[] = [];
beforeEach(() => {
  redis = new FakeRedis(systemClock);
  secret = secretFile();
});
afterEach(() => Promise.all(servers.splice(0).map(server => server.close())));

async function start(handler: Handler, options: ServerOptions = {}) {
  const udp = new FakeTransport(systemClock, handler);
  const server = await createServer(
    {
      listen: ['127.0.0.1:0'],
      threads: 1,
      upstreams: ['192.0.2.53'],
      cache: { memory: '8MiB' },
      ...options,
      secondLevel: { redis: ['redis://user:hidden@fake'], secretFiles: [secret], ...options.secondLevel },
    },
    { udpTransport: udp, tcpTransport: udp, connectRedis: () => redis.make },
  );
  servers.push(server);
  await until(() => server.report().secondLevel!.redis[0].log.follows, 'the log');
  return { server, udp };
}
const addressOf = (server: Server): string => server.addresses().udp[0];
const told = async (server: Server, name: string): Promise<string> => {
  const reply = await askUdp(addressOf(server), makeQuery(name));
  return String((decode(reply!).answers![0] as { data: unknown }).data);
};
const isWritten = (): Promise<void> => until(() => redis.values.size > 0, 'the write');

describe('two servers', () => {
  test('find things out once, over UDP and TCP', async () => {
    const one = await start(query => answerA(query, 300));
    const other = await start(query => answerA(query, 300, '192.0.2.2'));
    expect(await told(one.server, 'www.example')).toBe('192.0.2.1');
    await isWritten();
    expect(await told(other.server, 'www.example')).toBe('192.0.2.1');
    await told(one.server, 'mail.example');
    await until(() => redis.values.size === 2);
    const [reply] = await askTcp(other.server.addresses().tcp[0], [makeQuery('mail.example')]);
    expect(decode(reply).answers).toHaveLength(1);
    expect(other.udp.asked).toHaveLength(0);
  });
  test('forget what one of them is told to forget for the fleet, by call and by control', async () => {
    const one = await start(query => answerA(query, 300));
    const other = await start(query => answerA(query, 300));
    await told(one.server, 'www.example');
    await isWritten();
    await told(other.server, 'www.example');
    one.server.invalidate({ suffix: 'example' }, { fleet: true });
    expect(await one.server.invalidatedInFleet()).toBe(true);
    await until(() => other.server.report().secondLevel!.forgotten === 1, 'the invalidation');
    await told(other.server, 'www.example');
    expect(other.udp.asked).toHaveLength(1);

    const said = await call(other.server, { name: 'www.example', fleet: true });
    expect(said).toEqual({ status: 200, body: { forgotten: { name: 'www.example' }, fleet: true } });
    await until(() => one.server.report().secondLevel!.forgotten === 1, 'the other one');
    redis.down = true;
    redis.cut();
    expect((await call(other.server, { all: true, fleet: true })).body).toEqual({
      forgotten: { all: true },
      fleet: false,
    });
    expect((await call(other.server, { all: true, fleet: 'yes' })).body).toMatchObject({
      detail: 'fleet: expected true or false, got "yes"',
    });
  });
  test('are closed while one waits for a Redis that has stopped', async () => {
    const one = await start(() => undefined);
    redis.stopped = true;
    const asking = askUdp(addressOf(one.server), makeQuery('www.example'), 300);
    await until(() => redis.commands.includes('GET'), 'the read');
    await one.server.close();
    await asking;
    expect(one.server.resolver.mistakes).toBe(0);
  });
  test('have written what waits when one is closed', async () => {
    const one = await start(query => answerA(query, 300));
    await told(one.server, 'www.example');
    await one.server.close();
    expect(redis.values.size).toBe(1);
  });
});

test('a server without a second level knows of no fleet', async () => {
  const udp = new FakeTransport(systemClock, query => answerA(query, 300));
  const server = await createServer(
    { listen: ['127.0.0.1:0'], threads: 1, upstreams: ['192.0.2.53'] },
    { udpTransport: udp, tcpTransport: udp },
  );
  servers.push(server);
  expect(() => server.invalidate('all', { fleet: true })).toThrow('fleet: expected a server with `secondLevel`');
  expect(server.report().secondLevel).toBeUndefined();
});

describe('what is seen of it from outside', () => {
  test('are metrics, lines of status and of a trace, and no password', async () => {
    const one = await start(query => answerA(query, 300));
    const other = await start(query => answerA(query, 300));
    await told(one.server, 'www.example');
    await isWritten();
    await told(other.server, 'www.example');
    const metrics = await new Metrics(other.server).text();
    expect(metrics).toMatch(/^shardns_second_level_reads_total 1$/m);
    expect(metrics).toMatch(/^shardns_second_level_hits_total\{type="own"\} 1$/m);
    expect(metrics).toMatch(/^shardns_second_level_connected\{region=""\} 1$/m);
    expect(metrics).toMatch(/^shardns_second_level_breaker\{region=""\} 0$/m);
    const report = JSON.stringify(other.server.report());
    const status = statusText(report);
    expect(status).toMatch(/^fleet +1 of 1 misses answered, 0 shared, 0 waiting; 0 invalidations waiting$/m);
    expect(status).toMatch(/^redis +redis:\/\/fake:6379: connected, breaker closed, [\d.]+ ms, its log is followed$/m);
    expect(report + status + metrics).not.toContain('hidden');
    const lines: string[] = [];
    await trace(one.server, { name: 'www.example', type: 'A', fresh: true }, line => lines.push(line));
    expect(lines.join('\n')).toMatch(/fleet +another instance has it: \d+ s left, \d s old/);
  });
  test('is that another one has another secret', async () => {
    const one = await start(query => answerA(query, 300));
    const other = await start(query => answerA(query, 300), {
      secondLevel: { redis: ['redis://fake'], secretFiles: [secretFile('another secret of many octets')] },
    });
    one.server.invalidate({ name: 'www.example' }, { fleet: true });
    await until(() => other.server.report().secondLevel!.redis[0].log.refused > 0, 'the refusal');
    const metrics = await new Metrics(other.server).text();
    expect(metrics).toMatch(/^shardns_second_level_log_refused_total\{region=""\} 1$/m);
    const status = statusText(JSON.stringify(other.server.report()));
    expect(status).toMatch(/its log is followed, 1 of its entries not believed \(another secret\?\)$/m);
  });
  test('is why Redis is not there, and why its log is not followed', async () => {
    const { server } = await start(query => answerA(query, 300));
    const status = (): string => statusText(JSON.stringify(server.report()));
    redis.down = true;
    redis.cut();
    await until(() => status().includes('ECONNREFUSED'), 'the reason');
    expect(status()).toMatch(
      /^redis +redis:\/\/fake:6379: not connected, its log is not followed; connect ECONNREFUSED$/m,
    );
    redis.error = command => (command === 'XREVRANGE' ? 'NOPERM this user has no permissions' : undefined);
    redis.down = false;
    await until(() => status().includes('NOPERM'), 'the other reason');
    expect(status()).toMatch(/^redis +.*: connected, breaker closed, .*, its log is not followed; NOPERM this user/m);
  });
});

describe('settings', () => {
  test('of its limits change while it serves; where Redis is does not', async () => {
    const { server } = await start(query => answerA(query, 300));
    const second = { redis: ['redis://user:hidden@fake'], secretFiles: [secret] };
    await server.update({ secondLevel: { ...second, minTtlSeconds: 600 } });
    await told(server, 'www.example');
    await until(() => server.report().secondLevel!.tooShort === 1, 'the answer');
    expect(redis.values.size).toBe(0);
    await expect(server.update({ secondLevel: { ...second, redis: ['redis://other'] } })).rejects.toThrow(
      'secondLevel.redis: cannot change while the server lives',
    );
    await expect(server.replace({ upstreams: ['192.0.2.53'], cache: { memory: '8MiB' } })).rejects.toThrow(
      'secondLevel: cannot change',
    );
  });
  test.each<[object, string]>([
    [{ redis: [] }, 'secondLevel.redis: '],
    [
      { redis: ['http://10.0.0.1'] },
      'secondLevel.redis[0]: expected "redis://host:port" or "rediss://host:port" (TLS)',
    ],
    [{ redis: ['redis://a', 'redis://b'] }, 'secondLevel.redis: expected one, or `mode` to say what several are'],
    [{ redis: ['redis://a'], mode: 'sentinel' }, 'secondLevel.masterName: expected a name with `mode: sentinel`'],
    [{ redis: ['redis://a'], masterName: 'main' }, 'secondLevel.masterName: expected a name with `mode: sentinel`'],
    [{ redis: ['redis://a'], namespace: 'a b' }, 'secondLevel.namespace: expected 1 to 64 letters'],
    [
      { redis: ['redis://a'], regions: [{ name: 'x', redis: ['redis://a', 'redis://b'] }] },
      'secondLevel.regions[0].redis',
    ],
    [{ redis: ['redis://a'], deadline: 5 }, 'secondLevel.deadline: is not an option'],
    [
      { redis: ['redis://a'], tls: { ca: '/ca.pem' } },
      'secondLevel.tls: expected none beside redis://, which is without TLS: that is rediss://',
    ],
    [{ redis: ['redis://a'], secretFiles: ['/nowhere/secret'] }, 'secondLevel.secretFiles: /nowhere/secret'],
  ])('%j are refused: %s', async (secondLevel, message) => {
    await expect(createServer({ listen: ['127.0.0.1:0'], secondLevel } as ServerOptions)).rejects.toThrow(message);
  });
  test('never show a password that is in them', async () => {
    for (const url of ['redis://user:hidden@host/not-a-database', 'redis://user:a/hidden#@host']) {
      const wrong = { redis: [url] };
      const error = await createServer({ listen: ['127.0.0.1:0'], secondLevel: wrong }).catch((one: Error) => one);
      expect((error as Error).message).toContain('secondLevel.redis[0]');
      expect((error as Error).message).not.toContain('hidden');
    }
  });
  test('want a secret of some length', async () => {
    const short = secretFile('too short');
    await expect(
      createServer({ listen: ['127.0.0.1:0'], secondLevel: { redis: ['redis://a'], secretFiles: [short] } }),
    ).rejects.toThrow('secret: expected at least 16 octets, got "9 octets"');
  });
});

/** POST /v1/cache/invalidate. */
async function call(server: Server, body: object): Promise<{ status: number; body: unknown }> {
  const api = new ControlApi(server, systemClock, silentLogger);
  const caller = { scope: 'write', name: 'test', stands: () => true } as const;
  const http = createHttp((request, response) => void api.answer({ request, response }, caller));
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as { port: number };
  try {
    return await new Promise((resolve, reject) => {
      const asking = request({ port, host: '127.0.0.1', method: 'POST', path: '/v1/cache/invalidate' }, response => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) as unknown }));
      });
      asking.on('error', reject);
      asking.end(JSON.stringify(body));
    });
  } finally {
    http.close();
    api.close();
  }
}
