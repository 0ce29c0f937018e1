// What is answered, as those who watch are told of it: by every way in, however it was answered; over real sockets.
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import { Metrics } from '../../../lib/admin/metrics.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import type { Server } from '../../../lib/server/server.js';
import type { ShownQuery } from '../../../lib/server/tap/query-log.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, makeQuery, makeResponse, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let folder: string;
let server: Server | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-watching-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const LOG = { queryLog: { enabled: true, clients: 'full' }, tap: { hitsOneIn: 1 } } as const satisfies ServerOptions;

async function start(options: ServerOptions = {}): Promise<void> {
  const made = await TestServer.start(
    query => (query.includes('fails') ? makeResponse(query, { rcode: 2 }) : answerA(query)),
    { ...LOG, upstream: { deadlineMs: 500 }, ...options },
  );
  ({ server } = made);
}
async function ask(name: string, way: 'udp' | 'tcp' = 'udp'): Promise<Buffer | undefined> {
  const { udp, tcp } = server!.addresses();
  const reply =
    way === 'udp'
      ? await askUdp(udp[0], makeQuery(name), 60_000)
      : (await askTcp(tcp[0], [makeQuery(name)], 60_000))[0];
  // What threads have written of one comes before the next.
  server!.watching.drain();
  return reply;
}

/** Oldest first. */
function logged(): ShownQuery[] {
  server!.watching.drain();
  return server!.watching.queryLog!.find({}, { limit: 1000 }).entries.reverse();
}
const told = (): string[] => logged().map(({ protocol, name, by }) => `${protocol} ${name} ${by}`);

describe('those who watch are told', () => {
  test.each(['native', 'dgram'] as const)('of misses and of hits, by every way in (%s)', async udp => {
    await start({ udp });
    await ask('a.example');
    await ask('A.example');
    await ask('a.example', 'tcp');
    await ask('b.example', 'tcp');
    await ask('b.example');
    expect(told()).toEqual([
      'udp a.example. upstream',
      'udp a.example. hit',
      'tcp a.example. hit',
      'tcp b.example. upstream',
      'udp b.example. hit',
    ]);
    const [miss, hit] = logged();
    expect(miss).toMatchObject({
      client: '127.0.0.1',
      type: 'A',
      rcode: 'NOERROR',
      upstream: server!.upstreams[0].label,
    });
    expect(hit.upstream).toBeUndefined();
    expect(Math.abs(Date.parse(hit.at) - Date.now())).toBeLessThan(60_000);
  });
  test('of hits of native threads one in so many, or none; of misses all', async () => {
    await start({ tap: { hitsOneIn: 0 } });
    await ask('a.example');
    for (let i = 0; i < 5; i++) await ask('a.example');
    await ask('b.example');
    expect(told()).toEqual(['udp a.example. upstream', 'udp b.example. upstream']);
  });
  test.each(['udp', 'tcp'] as const)('of what is local, of a zone, blocked, and failed, over %s', async way => {
    const zone = join(folder, 'zone');
    writeFileSync(zone, '@ 300 IN SOA ns root 1 3600 600 86400 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n');
    const list = join(folder, 'list');
    writeFileSync(list, 'ads.example\n');
    await start({
      local: { records: ['www.local 60 A 192.0.2.7'] },
      zones: [{ name: 'zone.example', file: zone }],
      lists: [{ name: 'ads', source: list, format: 'domains' }],
      tap: { hitsOneIn: 0 },
    });
    for (const name of ['www.local', 'ns.zone.example', 'ads.example', 'fails.example']) await ask(name, way);
    expect(told()).toEqual([
      `${way} www.local. local`,
      `${way} ns.zone.example. zone`,
      `${way} ads.example. blocked`,
      `${way} fails.example. failed`,
    ]);
  });
  test('of clients that may not ask', async () => {
    await start({ allow: ['192.0.2.0/24'] });
    expect(rcodeOf((await ask('a.example'))!)).toBe(5);
    expect(rcodeOf((await ask('a.example', 'tcp'))!)).toBe(5);
    expect(told()).toEqual(['udp a.example. refused', 'tcp a.example. refused']);
  });
  test('of all clients that wait for one answer', async () => {
    await start();
    await Promise.all([1, 2, 3].map(() => ask('many.example')));
    const lines = told();
    expect(lines).toHaveLength(3);
    expect(new Set(lines).size).toBeLessThanOrEqual(2);
  });
  test('of misses that are forwarded natively, with their upstream', async () => {
    const upstream = createSocket('udp4');
    upstream.on('message', (query, from) => upstream.send(answerA(query), from.port, from.address));
    await new Promise<void>(resolve => upstream.bind(0, '127.0.0.1', resolve));
    try {
      server = await createServer({
        listen: ['127.0.0.1:0'],
        threads: 1,
        upstreams: [`127.0.0.1:${upstream.address().port}`],
        cache: { memory: '64MiB' },
        ...LOG,
      });
      for (let i = 0; i < 5; i++) await ask(`n${i}.example`);
      expect(server.report().resolver.plain.answered).toBeGreaterThan(0);
      const { label } = server.upstreams[0];
      expect(logged().map(one => [one.by, one.upstream])).toEqual(new Array(5).fill(['upstream', label]));
    } finally {
      upstream.close();
    }
  });
});

describe('watching', () => {
  test('is switched on and off while the server answers, and costs nothing while it is off', async () => {
    await start({ queryLog: { enabled: false } });
    await ask('a.example');
    await ask('a.example');
    expect(server!.report().watching).toMatchObject({
      tap: { on: false, records: 0, dropped: 0 },
      queryLog: undefined,
    });
    await server!.update({ queryLog: { enabled: true } });
    await ask('a.example');
    expect(told()).toEqual(['udp a.example. hit']);
    await server!.update({ queryLog: { enabled: false } });
    await ask('a.example');
    expect(server!.watching.queryLog).toBeUndefined();
    expect(server!.report().watching.tap).toMatchObject({ on: false, records: 1 });
  });
  test('goes on when listeners take the place of others', async () => {
    await start();
    await ask('a.example');
    await server!.update({ threads: 2 });
    await ask('a.example');
    await ask('b.example');
    expect(told()).toEqual(['udp a.example. upstream', 'udp a.example. hit', 'udp b.example. upstream']);
  });
  test('counts misses by how they were answered, whether anybody watches or not', async () => {
    await start({ queryLog: { enabled: false }, local: { records: ['www.local 60 A 192.0.2.7'] } });
    await ask('a.example');
    await ask('www.local');
    await ask('fails.example');
    const { missLatencies } = server!.report();
    expect(Object.keys(missLatencies).sort()).toEqual(['failed', 'local', 'upstream']);
    expect(missLatencies.upstream).toMatchObject({ count: 1 });
    const { buckets, p50Us } = missLatencies.upstream!;
    expect(Object.values(buckets)).toEqual([1]);
    expect(Number(Object.keys(buckets)[0])).toBe(p50Us);
    const text = await new Metrics(server!).text();
    expect(text).toContain('shardns_miss_duration_seconds_bucket{source="upstream",le="+Inf"} 1');
    expect(text).toContain('shardns_miss_duration_seconds_count{source="local"} 1');
    expect(text).toContain('shardns_tap_records_total{outcome="told"} 0');
  });
  test('the top lists count what the log tells', async () => {
    await start({ top: { enabled: true, clients: 'full' } });
    for (let i = 0; i < 3; i++) await ask('a.example');
    await ask('b.example');
    server!.watching.drain();
    const list = (by: 'name' | 'client', what: 'miss' | 'hit') =>
      server!.watching.top!.list(by, what, { most: 5, current: true }).entries.map(({ key, count }) => [key, count]);
    expect(list('name', 'hit')).toEqual([['a.example.', 2]]);
    expect(list('name', 'miss').sort()).toEqual([
      ['a.example.', 1],
      ['b.example.', 1],
    ]);
    expect(list('client', 'miss')).toEqual([['127.0.0.1', 2]]);
  });
});

describe('the file of the log', () => {
  const lines = (path: string): ShownQuery[] =>
    readFileSync(path, 'latin1')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as ShownQuery);

  test('has a line of JSON for each, and is opened anew when the options are read again', async () => {
    const file = join(folder, 'queries');
    await start({ queryLog: { ...LOG.queryLog, file } });
    await ask('a.example');
    server!.watching.drain();
    renameSync(file, join(folder, 'theirs'));
    await server!.replace(server!.options);
    await ask('b.example');
    await server!.close();
    expect(lines(join(folder, 'theirs')).map(one => one.name)).toEqual(['a.example.']);
    expect(lines(file)).toMatchObject([{ name: 'b.example.', by: 'upstream', client: '127.0.0.1' }]);
  });
  test('one that cannot be written is refused, and the server goes on as it was', async () => {
    await start();
    const file = join(folder, 'nowhere', 'queries');
    await expect(server!.update({ queryLog: { enabled: true, file } })).rejects.toThrow(`${file}: cannot be written`);
    expect(server!.settings.queryLog.file).toBeUndefined();
    await ask('a.example');
    expect(told()).toHaveLength(1);
  });
  test('files that are greater than all of them may be are refused', async () => {
    await expect(start({ queryLog: { maxFileSize: '64MiB', keepSize: '32MiB' } })).rejects.toThrow(
      'queryLog.maxFileSize: expected at most queryLog.keepSize, which is 32MiB',
    );
  });
});
