// The command in front of real servers, asked by real clients: nsd as the authority, unbound as a forwarder in between,
// dig and dnsperf as clients.
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/until.js';
import { freePort } from '../support/free-port.js';

const run = promisify(execFile);
const missing = ['nsd', 'unbound', 'dig', 'dnsperf'].filter(
  tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
);
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`not installed: ${missing.join(' ')}: the end-to-end tests are skipped`);
}

const folder = mkdtempSync(join(tmpdir(), 'shardns-e2e-'));
const children: ChildProcess[] = [];
const ports = { nsd: 0, unbound: 0, shardns: 0, metrics: 0 };
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const dig = async (port: number, ...args: string[]): Promise<string> =>
  (await run('dig', ['@127.0.0.1', '-p', String(port), '+tries=1', '+time=20', ...args])).stdout;
const answers = async (port: number, ...args: string[]): Promise<string[]> =>
  (await dig(port, '+noall', '+answer', '+nottlid', ...args)).trim().split('\n').filter(Boolean).sort();
function start(command: string, args: string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

describe.skipIf(missing.length > 0)('with real servers', () => {
  let server: ChildProcess;

  beforeAll(async () => {
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
    const zone = file(
      'zone',
      `$ORIGIN e2e.example.
$TTL 300
@ SOA ns admin 1 3600 600 86400 60
@ NS ns
@ MX 10 mail
ns A 127.0.0.1
mail A 192.0.2.25
mail AAAA 2001:db8::25
www CNAME mail
_sip._udp SRV 1 2 5060 mail
text TXT "one" "two"
big TXT ${Array.from({ length: 12 }, (_, i) => `"${String(i % 10).repeat(200)}"`).join(' ')}
*.wild A 192.0.2.77
`,
    );
    const nsd = file(
      'nsd.conf',
      `server:
  ip-address: 127.0.0.1@${ports.nsd}
  username: ""
  zonesdir: "${folder}"
  pidfile: "${folder}/nsd.pid"
  database: ""
  logfile: "${folder}/nsd.log"
  xfrdfile: "${folder}/xfrd"
  xfrdir: "${folder}"
  zonelistfile: "${folder}/zonelist"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: e2e.example
  zonefile: "${zone}"
`,
    );
    const unbound = file(
      'unbound.conf',
      `server:
  interface: 127.0.0.1@${ports.unbound}
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  logfile: "${folder}/unbound.log"
  do-not-query-localhost: no
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${ports.nsd}
`,
    );
    start('nsd', ['-d', '-c', nsd]);
    await until(async () => (await answers(ports.nsd, 'mail.e2e.example', 'A')).length > 0);
    start('unbound', ['-d', '-c', unbound]);
    await until(async () => (await answers(ports.unbound, 'mail.e2e.example', 'A')).length > 0);
    const config = file(
      'shardns.yaml',
      `listen: ['127.0.0.1:${ports.shardns}']
upstreams: ['127.0.0.1:${ports.unbound}']
cache: { memory: 8MiB }
metrics: 127.0.0.1:${ports.metrics}
`,
    );
    server = start(process.execPath, ['dist/cli/main.js', 'serve', '--config', config]);
    await until(async () => (await answers(ports.shardns, 'localhost', 'A')).length > 0);
  });

  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  test('dig localhost answers', async () => {
    expect(await dig(ports.shardns, '+short', 'localhost')).toBe('127.0.0.1\n');
  });

  test.each([
    ['mail.e2e.example', 'A'],
    ['mail.e2e.example', 'AAAA'],
    ['www.e2e.example', 'A'],
    ['e2e.example', 'MX'],
    ['e2e.example', 'NS'],
    ['e2e.example', 'SOA'],
    ['_sip._udp.e2e.example', 'SRV'],
    ['text.e2e.example', 'TXT'],
    ['anything.wild.e2e.example', 'A'],
    ['big.e2e.example', 'TXT'],
  ])('%s %s is what the authority says, fresh, cached, and over TCP', async (name, type) => {
    const expected = await answers(ports.unbound, name, type);
    expect(expected.length).toBeGreaterThan(0);
    expect(await answers(ports.shardns, name, type)).toEqual(expected);
    expect(await answers(ports.shardns, name, type)).toEqual(expected);
    expect(await answers(ports.shardns, '+tcp', name, type)).toEqual(expected);
  });

  test('a name that does not exist is NXDOMAIN with its SOA, fresh and cached', async () => {
    for (let i = 0; i < 2; i++) {
      const reply = await dig(ports.shardns, 'missing.e2e.example');
      expect(reply).toContain('status: NXDOMAIN');
      expect(reply).toMatch(/e2e\.example\.\s+\d+\s+IN\s+SOA/);
    }
  });

  test('under dnsperf no reply is lost and the metrics tell of it', async () => {
    const queries = file('queries', Array.from({ length: 500 }, (_, i) => `n${i}.wild.e2e.example A\n`).join(''));
    const { stdout } = await run('dnsperf', [
      '-s',
      '127.0.0.1',
      '-p',
      String(ports.shardns),
      '-d',
      queries,
      '-l',
      '2',
      '-q',
      '50',
    ]);
    expect(stdout).toMatch(/Queries lost:\s+0 /);
    expect(Number(/NOERROR (\d+)/.exec(stdout)![1])).toBeGreaterThan(5000);
    const metrics = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
    for (const name of [
      'shardns_dns_requests_total{proto="udp",family="1"',
      'shardns_dns_responses_total{rcode="NOERROR"}',
      'shardns_dns_request_duration_seconds_bucket{le="+Inf"}',
      'shardns_cache_entries',
      'shardns_cache_hits_total{type="success"}',
      'shardns_cache_requests_total',
      'shardns_cache_prefetch_total',
      'shardns_cache_served_stale_total',
      'shardns_cache_evictions_total{queue="main"}',
      `shardns_upstream_queries_total{server="127.0.0.1:${ports.unbound}"}`,
    ]) {
      expect(metrics).toContain(name);
    }
    expect(metrics).not.toContain('e2e.example');
    expect(await (await fetch(`http://127.0.0.1:${ports.metrics}/healthz`)).text()).toBe('ok\n');
  });

  test('SIGHUP keeps the cache, refuses a bad file, and SIGTERM drains', async () => {
    let log = '';
    server.stdout!.on('data', chunk => {
      log += String(chunk);
    });
    const path = join(folder, 'shardns.yaml');
    writeFileSync(path, 'threads: many\n');
    server.kill('SIGHUP');
    await until(async () => log.includes('refused'));
    expect(log).toMatch(/threads: .*got \\"many\\"/);
    writeFileSync(
      path,
      `listen: ['127.0.0.1:${ports.shardns}']\nupstreams: ['127.0.0.1:1']\ncache: { memory: 8MiB }\nmetrics: 127.0.0.1:${ports.metrics}\n`,
    );
    server.kill('SIGHUP');
    await until(async () => log.includes('the cache was kept'));
    expect(await answers(ports.shardns, 'mail.e2e.example', 'A')).toHaveLength(1); // from the cache: no upstream is left
    const ended = new Promise<number | null>(resolve => server.once('exit', code => resolve(code)));
    server.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  test('the demo runs without a network and prints its summary', () => {
    const out = execFileSync(
      process.execPath,
      ['dist/cli/main.js', 'serve', '--demo', '--for', '3s', '--listen', '127.0.0.1:0'],
      {
        encoding: 'utf8',
        timeout: 170_000,
      },
    );
    expect(out).toMatch(/summary[\s\S]*hit share\s+\d+\.\d %[\s\S]*p50 \d/);
    expect(out).toMatch(/failures\s+0\n/);
  });

  test('the demo of recursion goes from its own root to the answers', () => {
    const args = [
      'serve',
      '--demo',
      '--recursive',
      '--for',
      '3s',
      '--listen',
      '127.0.0.1:0',
      '--metrics',
      '127.0.0.1:0',
    ];
    const out = execFileSync(process.execPath, ['dist/cli/main.js', ...args], { encoding: 'utf8', timeout: 170_000 });
    expect(out).toMatch(/from the root at 127\.53\.0\.1:\d+ down/);
    expect(out).toMatch(/summary[\s\S]*servers asked\s+[1-9]\d*/);
    expect(out).toMatch(/failures\s+0\n/);
  });
});
