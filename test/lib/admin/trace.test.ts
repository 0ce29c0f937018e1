// What an operator sees of recursion: the steps of a resolution, and its metrics.
import { execFile } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import { systemClock } from '../../../lib/base/clock.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import type { Server } from '../../../lib/server/server.js';
import { Query } from '../../../lib/wire/query.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { smallInternet } from '../../support/fake-internet.js';
import { freePort } from '../../support/free-port.js';

let server: Server | undefined;
afterEach(() => server?.close());

/** A server on a small internet of functions; where its metrics are. */
async function start(options: ServerOptions = {}): Promise<string> {
  const internet = smallInternet();
  const transport = new FakeTransport(systemClock, async (octets, where) => {
    const query = new Query(octets);
    const [, address] = /^(.*):\d+$/.exec(where)!;
    const response = await internet.ask(
      { name: query.name, type: query.type, recursionDesired: false, tcp: false },
      { at: { address, port: 53, family: 4 } } as never,
      1000,
      undefined as never,
    );
    response.set(octets.subarray(12, query.questionEnd), 12);
    return response;
  });
  const metrics = `127.0.0.1:${await freePort()}`;
  server = await createServer(
    {
      listen: ['127.0.0.1:0'],
      threads: 1,
      cache: { memory: '1MiB' },
      resolver: { recursive: true, rootHints: ['192.0.2.1'], ipv6: false },
      metrics,
      dnssec: { validate: false },
      ...options,
    },
    { udpTransport: transport, tcpTransport: transport },
  );
  return metrics;
}
const get = async (url: string): Promise<[number, string]> => {
  const response = await fetch(url);
  return [response.status, await response.text()];
};

test('each step of a resolution is a line, and the second time the cache is one', async () => {
  const metrics = await start();
  const [status, first] = await get(`http://${metrics}/trace?name=www.example.com&type=A`);
  expect(status).toBe(200);
  expect(first).toMatch(/ask +com\. A of 192\.0\.2\.1:53 \(\.\), .* ms: referred to the servers of com\./);
  expect(first).toMatch(/NOERROR after .* ms\n {2}www\.example\.com\. 300 A 10\.0\.0\.1\n$/);
  const [, second] = await get(`http://${metrics}/trace?name=www.example.com&type=A`);
  expect(second).toMatch(/cache +www\.example\.com\. A: known/);
  const [, fresh] = await get(`http://${metrics}/trace?name=www.example.com&type=A&fresh=1`);
  expect(fresh).toMatch(/ask +www\.example\.com\./);
});

test('a failure is told with its reason', async () => {
  const metrics = await start();
  const [, text] = await get(`http://${metrics}/trace?name=loop.example.com`);
  expect(text).toMatch(/SERVFAIL \(extended error 0\): aliases in a circle at loop\.example\.com\.\n$/);
});

test('what is wrong with a request is said', async () => {
  const metrics = await start();
  expect(await get(`http://${metrics}/trace?name=a..b`)).toEqual([400, expect.stringContaining('a..b') as string]);
  expect(await get(`http://${metrics}/trace?name=`)).toEqual([
    400,
    'name: expected a domain name ("." is the root), got ""\n',
  ]);
  expect(await get(`http://${metrics}/trace?name=a&type=POTATO`)).toEqual([
    400,
    'type: expected a record type, got "POTATO"\n',
  ]);
});

describe('a forwarder', () => {
  const forwarder: ServerOptions = { upstreams: ['192.0.2.10', '192.0.2.11'], resolver: {} };
  const trace = async (metrics: string, query: string): Promise<string> =>
    (await get(`http://${metrics}/trace?name=${query}`))[1];

  test('shows whom it asks and what they say', async () => {
    const metrics = await start(forwarder);
    const text = await trace(metrics, 'www.example.com');
    expect(text).toMatch(/^www\.example\.com\. A\n/);
    // Only one of the two has the zone.
    expect(text).toMatch(/ask +www\.example\.com\. A of 192\.0\.2\.10:53, .* ms: NOERROR, 1 record\n/);
    expect(text).toMatch(/\nNOERROR after .* ms\n {2}www\.example\.com\. 300 A 10\.0\.0\.1\n$/);
    const [first] = server!.upstreams;
    expect(first).toMatchObject({ inFlight: 0, stats: { responses: 1 } });
  });
  test('says so where none has an answer', async () => {
    const metrics = await start({ ...forwarder, upstreams: ['192.0.2.11'] });
    const text = await trace(metrics, 'www.example.org');
    expect(text.match(/ask +www\.example\.org\. A of 192\.0\.2\.11:53, .* ms: REFUSED, 0 records\n/g)).toHaveLength(3);
    expect(text).toMatch(/\nSERVFAIL \(extended error 22\): no upstream has an answer\n$/);
  });
  test('shows what is kept unless it is to ask anew', async () => {
    const metrics = await start(forwarder);
    await server!.warm(['www.example.com']);
    expect(await trace(metrics, 'www.example.com')).toMatch(/cache +www\.example\.com\. A: known\nNOERROR/);
    expect(await trace(metrics, 'www.example.com&fresh=1')).toMatch(/ask +www/);
  });
  test('leaves out addresses that names of the outside may not have', async () => {
    // One, so that the line of its answer comes last.
    const metrics = await start({ upstreams: ['192.0.2.10'], resolver: { privateAddresses: ['10.0.0.0/8'] } });
    expect(await trace(metrics, 'www.example.com')).toMatch(
      /filter .*resolver\.privateAddresses\n.*1 record\nNOERROR .* ms\n$/,
    );
  });
});

describe.each([
  ['a forwarder', { upstreams: ['192.0.2.10'], resolver: {} }],
  ['a recursor', {}],
] as [string, ServerOptions][])('%s says what it answers itself', (_, options) => {
  test.each([
    [
      'localhost',
      /local +answered by a built-in zone \(option localZones\)\nNOERROR .*\n {2}localhost\. 10800 A 127\.0\.0\.1\n$/,
    ],
    ['box.lan', /local +answered by local data\nNOERROR .*\n {2}box\.lan\. 60 A 192\.0\.2\.7\n$/],
    [
      'nas.lan',
      /local +nas\.lan\. is www\.example\.com\., by local data\n[^]* {2}www\.example\.com\. 300 A 10\.0\.0\.1\n$/,
    ],
    ['ads.lan', /local +refused by a local zone\nREFUSED/],
  ])('%s', async (name, expected) => {
    const local = {
      records: ['box.lan 60 A 192.0.2.7', 'nas.lan 60 CNAME www.example.com.'],
      zones: [{ name: 'ads.lan', kind: 'refuse' as const }],
    };
    const metrics = await start({ ...options, local });
    expect((await get(`http://${metrics}/trace?name=${name}`))[1]).toMatch(expected);
  });
});

test('a trace asks no hook, and says so', async () => {
  const metrics = await start({
    onQuery: () => {
      throw new Error('asked');
    },
  } as ServerOptions);
  expect((await get(`http://${metrics}/trace?name=www.example.com`))[1]).toMatch(/hook +onQuery is not asked/);
});

test('shardns ctl trace prints it, and says where nobody answers', async () => {
  const metrics = await start();
  const ctl = (at: string, name = 'www.example.net'): Promise<[number, string]> =>
    new Promise(resolve =>
      execFile(process.execPath, ['dist/cli/main.js', 'ctl', 'trace', name, '--server', at], (error, stdout, stderr) =>
        resolve([error === null ? 0 : 1, stdout + stderr]),
      ),
    );
  const [code, text] = await ctl(metrics);
  expect(code).toBe(0);
  expect(text).toMatch(/A 10\.0\.0\.2\n$/);
  // Scripts ask whether there is an answer.
  expect(await ctl(metrics, 'loop.example.com')).toEqual([1, expect.stringMatching(/\nSERVFAIL /)]);
  const [missing, complaint] = await ctl(`127.0.0.1:${await freePort()}`);
  expect(missing).toBe(1);
  expect(complaint).toMatch(/ECONNREFUSED.*--metrics/);
});

test('what recursion does is in the metrics', async () => {
  const metrics = await start();
  await get(`http://${metrics}/trace?name=www.example.com`);
  const [, text] = await get(`http://${metrics}/metrics`);
  expect(text).toMatch(/^shardns_recursion_queries_total 4$/m);
  expect(text).toMatch(/^shardns_recursion_resolutions_total 1$/m);
  expect(Number(/^shardns_rrset_cache_entries (\d+)$/m.exec(text)![1])).toBeGreaterThan(3);
});

test('zones change while it serves, and what is wrong with one is said', async () => {
  await start();
  await server!.update({ forwardZones: [{ name: 'partner.example', servers: ['192.0.2.99'] }] });
  expect([...server!.recursor!.options.zones.values()].map(one => one.kind)).toEqual(['forward']);
  await expect(server!.update({ cache: { rrsetMemory: '7MiB' } })).rejects.toThrow(
    /cache\.rrsetMemory: cannot change.*7MiB/,
  );
  await expect(server!.update({ stubZones: [{ name: 'a..b', servers: ['192.0.2.1'] }] })).rejects.toThrow(
    /stubZones\[0\]\.name: .*a\.\.b/,
  );
  await expect(server!.update({ stubZones: [{ name: 'a', servers: ['192.0.2.1:99999'] }] })).rejects.toThrow(
    /stubZones\[0\]\.servers\[0\]/,
  );
});
