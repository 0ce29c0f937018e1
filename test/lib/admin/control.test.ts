// The control socket: who may have it, what it answers, and that nothing said to it harms the server.
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer as listen } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ControlApi } from '../../../lib/admin/control-api.js';
import { ControlSocket } from '../../../lib/admin/control-socket.js';
import { createServer } from '../../../lib/admin/create-server.js';
import { AdminServer } from '../../../lib/admin/http.js';
import { Metrics } from '../../../lib/admin/metrics.js';
import { defaultControlPath } from '../../../lib/cli/control-path.js';
import type { ServerReport } from '../../../lib/server/report.js';
import type { Server } from '../../../lib/server/server.js';
import type { ServerOptions, ServerSettings } from '../../../lib/server/settings/settings.js';

let folder: string;
let path: string;
const servers: Server[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-control-'));
  path = join(folder, 'control.sock');
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
    local: { records: ['a.example 60 A 192.0.2.7', 'a.example 60 TXT "x"', 'b.test.example 60 A 192.0.2.8'] },
    control: path,
    ...options,
  });
  servers.push(server);
  return server;
}

function call(method: string, where: string, body?: string, socketPath = path): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, method, path: where }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', chunk => (text += chunk));
      response.on('end', () => resolve([response.statusCode!, text]));
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

const run = (...args: string[]): Promise<{ status: number; out: string; error: string }> =>
  new Promise(resolve => {
    execFile(process.execPath, ['dist/cli/main.js', 'ctl', ...args, '--socket', path], (error, out, text) =>
      resolve({ status: error === null ? 0 : Number(error.code), out, error: text }),
    );
  });

/** Asks by UDP as a client does, so that it is cached. */
async function ask(server: Server, ...names: string[]): Promise<void> {
  await server.warm(names, { perSecond: 10_000 });
}

describe('the socket', () => {
  test('is for its user alone, and goes with the server', async () => {
    const server = await start();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await server.close();
    expect(existsSync(path)).toBe(false);
  });
  test('makes its folder, for its user alone', async () => {
    path = join(folder, 'made', 'control.sock');
    await start();
    expect(statSync(join(folder, 'made')).mode & 0o777).toBe(0o700);
  });
  test('replaces one that nobody serves, and no other', async () => {
    await new Promise<void>(resolve => {
      const other = listen().listen(path, () => resolve());
      servers.push({ close: () => new Promise<void>(done => other.close(() => done())) } as never);
    });
    await expect(start()).rejects.toThrow(`cannot listen on ${path} (control): another server listens there`);
    await servers.splice(0)[0].close();
    writeFileSync(path, 'a file');
    await expect(start()).rejects.toThrow('there is something else than a socket');
    rmSync(path);
    symlinkSync(join(folder, 'elsewhere'), path);
    await expect(start()).rejects.toThrow('there is something else than a socket');
  });
  test('of a process that was killed is replaced', async () => {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await new Promise<void>(resolve => execFile(process.execPath, ['-e', script], () => resolve()));
    expect(existsSync(path)).toBe(true);
    await start();
    expect((await call('GET', '/v1/stats'))[0]).toBe(200);
  });
  test('is not made where others could put theirs in its place', async () => {
    mkdirSync(join(folder, 'open'));
    chmodSync(join(folder, 'open'), 0o777);
    path = join(folder, 'open', 'control.sock');
    await expect(start()).rejects.toThrow('its folder may be written to by others');
  });
  test('has a path that fits', async () => {
    path = join(folder, 'x'.repeat(100));
    await expect(start()).rejects.toThrow('expected a path of at most');
  });
  test('moves by update(), and stays when the change is refused', async () => {
    const server = await start();
    const next = join(folder, 'next.sock');
    await server.update({ control: next });
    expect([existsSync(path), (await call('GET', '/v1/stats', undefined, next))[0]]).toEqual([false, 200]);
    writeFileSync(path, 'a file');
    await expect(server.update({ control: path })).rejects.toThrow('there is something else than a socket');
    expect((await call('GET', '/v1/stats', undefined, next))[0]).toBe(200);
    await server.update({ control: false });
    expect(existsSync(next)).toBe(false);
  });
  test('is not left listening by a server that is closed while it begins', async () => {
    const socket = new ControlSocket({} as ControlApi);
    const listening = socket.listen(path);
    socket.closed();
    await expect(listening).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
    expect(existsSync(path)).toBe(false);
  });
  test('is not left listening by a server that is closed before a change is put in force', async () => {
    const socket = new ControlSocket({} as ControlApi);
    const prepared = await socket.prepare({ control: path } as ServerSettings);
    expect(existsSync(path)).toBe(true);
    socket.closed();
    prepared.commit();
    expect(existsSync(path)).toBe(false);
  });
  test('nor are metrics', async () => {
    const admin = new AdminServer({ observe: () => {} } as unknown as Server);
    const prepared = await admin.prepare({ metrics: { listen: '127.0.0.1:0' } } as ServerSettings);
    admin.closed();
    prepared.commit();
    expect(admin.address).toBeUndefined();
  });
});

describe('calls', () => {
  test('the report is that of report()', async () => {
    const server = await start();
    await ask(server, 'a.example');
    const report = JSON.parse((await call('GET', '/v1/stats'))[1]) as ServerReport;
    expect(report).toMatchObject({ version: 1, state: 'listening', listening: server.addresses() });
    expect(report.cache.entries).toBe(server.report().cache.entries);
    expect(report.upstreams).toMatchObject([{ server: '192.0.2.1:53', queries: 0 }]);
  });
  test.each([
    ['GET', '/', undefined, 'there is no GET /'],
    ['DELETE', '/v1/stats', undefined, 'there is no DELETE /v1/stats'],
    ['GET', '/v1/cache/entry?name=..', undefined, 'name: not a domain name'],
    ['GET', '/v1/cache/entry?name=a&type=BOGUS', undefined, 'type: expected a record type, got "BOGUS"'],
    ['GET', '/v1/cache/entry?name=a&tenant=-1', undefined, 'tenant: expected a number'],
    ['POST', '/v1/cache/invalidate', 'no json', 'expected JSON, got "no json"'],
    ['POST', '/v1/cache/invalidate', '{"nme":"a"}', 'invalidate: expected'],
    ['POST', '/v1/cache/invalidate', 'null', 'invalidate: expected'],
    ['POST', '/v1/cache/invalidate', `"${'x'.repeat(1_100_000)}"`, 'expected a body of at most 1048576 octets'],
    ['GET', '/v1/trace?name=a&type=BOGUS', undefined, 'type: expected a record type, got "BOGUS"'],
  ])('%s %s with %s is a problem that says what is wrong', async (method, where, body, expected) => {
    await start();
    const [status, text] = await call(method, where, body);
    expect(status).toBeGreaterThanOrEqual(400);
    expect((JSON.parse(text) as { detail: string }).detail).toContain(expected);
    expect((await call('GET', '/v1/stats'))[0]).toBe(200);
  });
});

describe('shardns ctl', () => {
  test('status and stats tell how the server is', async () => {
    const server = await start();
    await ask(server, 'a.example');
    const status = await run('status');
    expect(status.out).toMatch(/^state +listening, pid \d+/);
    expect(status.out).toContain(`listening  ${server.addresses().udp[0]}`);
    expect((await run('stats')).out).toMatch(/^cache\.entries 1$/m);
    expect(JSON.parse((await run('stats', '--json')).out)).toMatchObject({ version: 1 });
  });
  test('peek shows what is kept, dump lists it, flush forgets it', async () => {
    const server = await start();
    await ask(server, 'a.example', 'a.example TXT', 'b.test.example');
    const peeked = await run('peek', 'A.Example');
    expect(peeked).toMatchObject({ status: 0 });
    expect(peeked.out).toMatch(/^a\.example\. A: NOERROR, \d+(\.\d+)? s left/);
    expect(peeked.out).toMatch(/^ {2}a\.example\. \d+ A 192\.0\.2\.7$/m);
    expect((await run('dump')).out.trim().split('\n')).toHaveLength(3);
    expect((await run('dump', '--suffix', 'test.example')).out).toMatch(/^b\.test\.example\. \d+ A \d+ octets\n$/);
    expect((await run('dump', '--type', 'TXT', '--json')).out).toContain('"name":"a.example."');
    expect(await run('flush', '--suffix', 'test.example')).toMatchObject({
      status: 0,
      out: 'forgotten: suffix test.example\n',
    });
    expect(await run('peek', 'b.test.example')).toMatchObject({
      status: 1,
      out: 'b.test.example. A is not in the cache\n',
    });
    expect((await run('flush', 'a.example')).out).toBe('forgotten: name a.example\n');
    expect((await run('peek', 'a.example', 'TXT')).status).toBe(1);
    expect((await run('dump')).out).toBe('');
    await ask(server, 'a.example');
    expect((await run('flush', '--all')).out).toBe('forgotten: everything\n');
    expect((await run('dump')).out).toBe('');
  });
  test('an empty name is none, and forgets nothing', async () => {
    const server = await start();
    await ask(server, 'a.example');
    for (const words of [
      ['flush', '--suffix', ''],
      ['flush', ''],
      ['peek', ''],
      ['dump', '--suffix', ''],
      ['trace', ''],
    ]) {
      const ended = await run(...words);
      expect([words, ended.status, ended.error]).toEqual([
        words,
        1,
        expect.stringContaining('("." is the root), got ""'),
      ]);
    }
    expect((await run('dump')).out).toMatch(/^a\.example\./);
    expect((await run('flush', '--suffix', '.')).out).toBe('forgotten: suffix .\n');
    expect((await run('dump')).out).toBe('');
  });
  test('a parameter that is none is said, as a flag is', async () => {
    await start();
    expect(await call('GET', '/v1/cache?typ=A')).toEqual([
      400,
      expect.stringContaining('typ: expected suffix, type or tenant'),
    ]);
    expect(await call('GET', '/v1/trace?name=a&frsh=1')).toEqual([
      400,
      expect.stringContaining('frsh: expected name, type or fresh'),
    ]);
  });
  test.each([
    ['a reader that wants one line only is no failure', '| head -n 1', '', /^0\n$/],
    ['a full disk is one', '> /dev/full', /^$/, /standard output: .*ENOSPC.*\n1\n$/],
  ])('%s', async (_, reader, out, error) => {
    // More than a pipe holds.
    const records = Array.from({ length: 1500 }, (_, i) => `host-${i}.${'x'.repeat(60)}.example 600 A 192.0.2.7`);
    const server = await start({ local: { records } });
    await ask(server, ...records.map(one => one.split(' ')[0]));
    const script = `{ "$0" dist/cli/main.js ctl dump --socket "$1"; echo $? >&2; } ${reader}`;
    const ended = await new Promise<{ out: string; error: string }>(resolve =>
      execFile('sh', ['-c', script, process.execPath, path], (_, out, error) => resolve({ out, error })),
    );
    expect(ended.error).toMatch(error);
    expect(ended.out).toMatch(out === '' ? /^[^\n]* octets\n$/ : out);
  });
  test.each([
    [['flush'], 'ctl flush: expected one of NAME, --suffix NAME, --tenant N and --all'],
    [
      ['flush', 'a', '--fresh'],
      'ctl flush does not take --fresh: expected --socket, --suffix, --tenant, --all, --fleet, --json',
    ],
    [['status', '--server', '127.0.0.1:1'], 'ctl status does not take --server: expected --socket, --json'],
    [['peek', 'a', '--suffix', 'b'], 'ctl peek does not take --suffix'],
    [['trace', 'a', '--json'], 'ctl trace does not take --json'],
    [['flush', 'a', '--all'], 'ctl flush: expected one of'],
    [['peek'], 'ctl peek: expected NAME [TYPE], got none'],
    [['dump', 'x'], 'ctl dump does not take "x"'],
    [['flush', '--tenant', 'x'], '--tenant: expected a number, got "x"'],
    [['status'], 'control.sock: connect ENOENT'],
  ])('%s without a server, or wrong, says so', async (words, expected) => {
    const ended = await run(...words);
    expect(ended.status).toBe(1);
    expect(ended.error).toContain(expected);
  });
});

test('the default place is that of the system for what runs', () => {
  expect(defaultControlPath({ RUNTIME_DIRECTORY: '/run/a:/run/b' }, 1000)).toBe('/run/a/control.sock');
  expect(defaultControlPath({}, 0)).toBe('/run/shardns/control.sock');
  expect(defaultControlPath({ XDG_RUNTIME_DIR: '/run/user/7' }, 7)).toBe('/run/user/7/shardns/control.sock');
  expect(defaultControlPath({ XDG_RUNTIME_DIR: '' }, 7)).toBeUndefined();
});

test('a server that closes leaves the socket of another one that has its place by now', async () => {
  const first = await start();
  rmSync(path);
  await start();
  await first.close();
  expect((await call('GET', '/v1/stats'))[0]).toBe(200);
});

describe('trust anchors', () => {
  const file = (): string => join(folder, 'anchors.json');
  const following = (): Promise<Server> =>
    start({
      upstreams: ['127.0.0.1:9'],
      upstream: { deadlineMs: 50 },
      dnssec: { validate: true, anchorFile: file(), trustAnchors: [`corp.example DS 12345 13 2 ${'AABB'.repeat(16)}`] },
    });
  const shardns = (...args: string[]): Promise<{ status: number; out: string; error: string }> =>
    new Promise(resolve => {
      execFile(process.execPath, ['dist/cli/main.js', ...args], (error, out, text) =>
        resolve({ status: error === null ? 0 : Number(error.code), out, error: text }),
      );
    });

  test('are shown with their states, and looked at when that is asked for', async () => {
    const server = await following();
    const updated = await run('anchors', '--update');
    expect(updated.out).toMatch(/^corp\.example\., keys last seen never, next look 2\d{3}-.*Z\n/);
    expect(updated.out).toContain(`  configured corp.example. DS 12345 13 2 ${'AABB'.repeat(16)}\n`);
    expect(updated.out).toContain(`  problem: `);
    expect(updated.out).toContain(`kept in ${file()}\n`);
    expect(updated.status).toBe(1);
    const shown = await shardns('anchors', '--socket', path, '--json');
    expect(JSON.parse(shown.out)).toEqual(JSON.parse(JSON.stringify(server.report().anchors)));
    const metrics = await new Metrics(server).text();
    expect(metrics).toContain('shardns_dnssec_anchors{state="configured"} 1');
    expect(metrics).toContain('shardns_dnssec_anchor_success_timestamp_seconds{zone="corp.example."} 0');
    expect(metrics).toMatch(/shardns_dnssec_anchor_probes_total\{outcome="failed"\} [1-9]/);
    expect(await shardns('anchors', '--file', file())).toMatchObject({
      status: 0,
      out: expect.stringContaining(`  configured corp.example. DS 12345 13 2 ${'AABB'.repeat(16)}\n`) as string,
    });
  });
  test('that follow nothing are told to be fixed', async () => {
    await start({ dnssec: { validate: true } });
    expect((await run('anchors')).out).toMatch(
      /^\.\n {2}fixed {6}\. DS 20326 8 2 E06D[0-9A-F]+\n {2}fixed {6}\. DS 38696 .*\nthey are fixed: dnssec\.anchorFile is not set\n$/,
    );
    expect(await run('anchors', '--update')).toMatchObject({
      status: 1,
      error: 'trust anchors are fixed: dnssec.anchorFile is not set, or nothing is validated\n',
    });
    expect((await run('anchors', '--fresh')).error).toContain('ctl anchors does not take --fresh');
    expect((await shardns('anchors', '--file', file())).error).toBe(`shardns: ${file()}: there is no such file\n`);
    expect((await shardns('anchors', '--file', file(), '--update')).error).toContain('--update and --socket ask');
    writeFileSync(file(), '{}', { mode: 0o644 });
    expect(await shardns('anchors', '--file', file())).toMatchObject({
      status: 1,
      error: expect.stringContaining(`${file()}: no file of trust anchors`) as string,
    });
  });
});

describe('lists', () => {
  const withList = (): Promise<Server> => {
    const source = join(folder, 'ads.txt');
    writeFileSync(source, '! ads\n||bad.example^\n@@||good.bad.example^\n');
    return start({
      views: [{ name: 'lab', clients: ['192.0.2.0/24'] }],
      lists: [
        { name: 'ads', source, format: 'adblock' },
        { name: 'lab', source, format: 'adblock', views: ['lab'] },
      ],
    });
  };

  test('why says which list and line decides, for everybody and for one client', async () => {
    await withList();
    expect(await run('why', 'x.Bad.example')).toMatchObject({
      status: 0,
      out: 'x.bad.example.: blocked, nxdomain, by list ads, line 2\n',
    });
    expect((await run('why', 'good.bad.example', '--client', '192.0.2.9')).out).toBe(
      'good.bad.example. for 192.0.2.9: allowed, by list ads, line 3\n',
    );
    expect((await run('why', 'a.example')).out).toContain(
      'a.example.: no list has it; no answer to it is in the cache',
    );
    expect(await run('why', 'a.example', '--client', 'x')).toMatchObject({
      status: 1,
      error: 'client: expected a numeric address, got "x"\n',
    });
  });

  test('block, allow, unlist and pause hold at once', async () => {
    const server = await withList();
    const override = async (says: string | null, name: string): Promise<number> =>
      (await call('POST', '/v1/lists/override', JSON.stringify({ name, says })))[0];
    const why = async (name: string): Promise<unknown> =>
      (JSON.parse((await call('GET', `/v1/lists/why?name=${name}`))[1]) as { rule: unknown }).rule;
    expect((await run('block', 'a.example')).out).toBe(
      'a.example and all below: blocked, until the server ends (1 such names)\n',
    );
    expect(await why('a.example')).toEqual({ list: 'block', action: 'nxdomain', line: 1, records: [] });
    expect(await override('allow', 'bad.example')).toBe(200);
    expect(await why('bad.example')).toMatchObject({ list: 'allow', action: 'pass' });
    expect(await override(null, 'bad.example')).toBe(200);
    expect(await why('bad.example')).toMatchObject({ list: 'ads', line: 2 });
    expect((await run('pause', '2')).out).toBe('nothing is blocked for 120 s\n');
    expect(server.report().lists.pausedSeconds).toBeGreaterThan(60);
    expect((await run('why', 'bad.example')).out).toMatch(/line 2 \(paused for \d+ s yet\)\n$/);
    expect((await call('POST', '/v1/lists/pause', '{"minutes":0}'))[1]).toBe('{"pausedSeconds":0}\n');
    expect(await run('pause', '99999')).toMatchObject({
      status: 1,
      error: 'minutes: expected a number from 0 to 1440, got 99999\n',
    });
    expect(await override('block', 'a..b')).toBe(400);
    for (const [body, told] of [
      ['{}', /name: expected a name/],
      ['null', /body: expected object, received null/],
      ['{"name":"a","says":"x"}', /says: expected block, allow or null, got/],
    ] as const) {
      expect(await call('POST', '/v1/lists/override', body)).toEqual([400, expect.stringMatching(told)]);
    }
    expect((await call('POST', '/v1/lists/pause', '{"minutes":"1"}'))[1]).toMatch(/minutes: expected a number, got/);
  });
});

describe('zones', () => {
  const HEAD = '$TTL 60\n@ SOA ns host 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n';

  test('are listed, checked, read again and exported', async () => {
    const file = join(folder, 'a.zone');
    writeFileSync(file, HEAD);
    const server = await start({ zones: [{ name: 'example', file }] });
    expect(await run('zones')).toMatchObject({
      status: 0,
      out: `example: primary, serial 7, 3 records, ${file}\n`,
    });
    expect(await run('zones', 'check', 'example')).toMatchObject({ status: 0, out: `${file}: good\n` });
    expect((await run('zones', 'export', 'example')).out).toMatch(/^example\.\t60\tIN\tSOA\tns\.example\. .*\n/);
    writeFileSync(file, `${HEAD}a A x\n`);
    const checked = await run('zones', 'check', 'example');
    expect(checked).toMatchObject({ status: 1 });
    expect(checked.out).toMatch(/a\.zone:5:5: error: .*got "x"\n.*a\.zone: cannot be served\n/);
    const reloaded = await run('zones', 'reload');
    expect(reloaded).toMatchObject({ status: 1 });
    expect(reloaded.out).toMatch(/serial 7, 3 records.*\n {2}.*a\.zone:5:5: error/);
    const metrics = await new Metrics(server).text();
    expect(metrics).toContain('shardns_zones{state="broken"} 1');
    expect(metrics).toContain('shardns_zone_serial{zone="example"} 7');
    expect(metrics).toContain('shardns_zone_loads_total{outcome="refused"} 1');
    expect(await run('zones', 'check', 'other')).toMatchObject({ status: 1 });
    expect(await run('zones', 'forget', 'example')).toMatchObject({ status: 1 });
    expect((await call('GET', '/v1/zones/check?nome=x'))[0]).toBe(400);
    expect((await call('GET', '/v1/zones/none'))[0]).toBe(404);
  });
});
