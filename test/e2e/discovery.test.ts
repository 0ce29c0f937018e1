// Services on a real authority: NSD's SRV sets over UDP and TCP as they change, followed by the library and by the command.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { discover } from '../../lib/discovery/discover.js';
import { DnsClient } from '../../lib/node/client.js';
import { freePort } from '../support/free-port.js';
import { until } from '../support/until.js';

const isMissing = spawnSync('sh', ['-c', 'command -v nsd']).status !== 0;
if (isMissing) {
  if (process.env.CI === 'true') throw new Error('not installed: nsd');
  console.warn('not installed: nsd: the end-to-end tests of discovery are skipped');
}
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'shardns-discovery-'));
const zonefile = join(folder, 'zone');
let nsd: ChildProcess | undefined;
let port = 0;
let client: DnsClient;
let serial = 1;

/** `_small` has as many targets as is said, `_large` a hundred with both families. */
function writeZone(small: number): void {
  const large = Array.from({ length: 100 }, (_, i) => i + 1);
  const lines = [
    `$ORIGIN svc.example.`,
    '$TTL 2',
    `@ 60 SOA ns a ${serial++} 3600 600 86400 2`,
    '@ 60 NS ns',
    'ns 60 A 127.0.0.1',
    ...Array.from({ length: small }, (_, i) => `_small._tcp SRV ${i < 2 ? 10 : 20} ${i + 1} ${8080 + i} p${i + 1}`),
    ...large.map(i => `_large._tcp SRV 0 1 80 p${i}`),
    ...large.flatMap(i => [`p${i} A 10.0.0.${i}`, `p${i} AAAA 2001:db8::${i.toString(16)}`]),
    '_none._tcp SRV 0 0 0 .',
    '_web._tcp PTR one._web._tcp',
    'one._web._tcp SRV 0 0 8443 p1',
    'one._web._tcp TXT "version=2" "path=/x"',
    'bound HTTPS 1 p1 alpn=h2 port=8443',
  ];
  writeFileSync(zonefile, `${lines.join('\n')}\n`);
}

describe.skipIf(isMissing)('services on NSD', () => {
  beforeAll(async () => {
    port = await freePort();
    writeZone(2);
    const config = join(folder, 'nsd.conf');
    writeFileSync(
      config,
      `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  zonesdir: "${folder}"
  pidfile: "${folder}/nsd.pid"
  logfile: "${folder}/nsd.log"
  xfrdfile: "${folder}/xfrd"
  xfrdir: "${folder}"
  zonelistfile: "${folder}/zonelist"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: svc.example
  zonefile: "${zonefile}"
`,
    );
    nsd = spawn('nsd', ['-d', '-c', config], { stdio: 'ignore' });
    const own = { memory: '1MiB', resolvConf: false, hostsFile: false, staleSeconds: 0 } as const;
    client = new DnsClient({ ...own, servers: [`127.0.0.1:${port}`] });
    await until(async () => {
      using probe = new DnsClient({ ...own, servers: [`127.0.0.1:${port}`], timeoutMs: 1000 });
      (await discover('_small._tcp.svc.example', { client: probe, readyMs: 1000 })).close();
      return true;
    }, 'nsd');
  });
  afterAll(() => {
    client?.close();
    nsd?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  test('a set is read with priorities, weights and addresses, and follows a reload within TTL + 1 s and NSD’s own time', async () => {
    using service = await discover('_small._tcp.svc.example', { client });
    expect(service.endpoints.map(one => [one.id, one.priority, one.weight]).sort()).toEqual([
      ['p1.svc.example:8080', 10, 1],
      ['p2.svc.example:8081', 10, 2],
    ]);
    expect(service.pick().addresses).toHaveLength(2);
    writeZone(5);
    nsd!.kill('SIGHUP');
    await until(() => service.size === 5);
  });

  test('100 targets with both families come over TCP, without another question', async () => {
    using service = await discover('_large._tcp.svc.example', { client });
    expect(service.size).toBe(100);
    expect(service.endpoints.every(one => one.addresses.length === 2)).toBe(true);
  });

  test('target ".", DNS-SD and HTTPS records are read', async () => {
    await expect(discover('_none._tcp.svc.example', { client })).rejects.toMatchObject({ category: 'not offered' });
    using browsed = await discover('_web._tcp.svc.example', { client, records: 'dns-sd' });
    expect(browsed.endpoints).toMatchObject([{ instance: 'one', port: 8443, metadata: { version: '2', path: '/x' } }]);
    using bound = await discover('bound.svc.example', { client });
    expect(bound.endpoints).toMatchObject([{ id: 'p1.svc.example:8443', alpn: ['h2'] }]);
  });

  test('the command shows a set, and watches one', async () => {
    const main = ['dist/cli/main.js', 'discover'];
    const server = ['--server', `127.0.0.1:${port}`];
    const { stdout } = await run(process.execPath, [...main, '_small._tcp.svc.example', ...server]);
    expect(stdout).toMatch(/^priority\s+weight\s+endpoint/);
    expect(stdout).toMatch(/10\s+1\s+p1\.svc\.example:8080\s+.*10\.0\.0\.1/);
    const json = await run(process.execPath, [...main, '_small._tcp.svc.example', ...server, '--json']);
    expect(JSON.parse(json.stdout)).toHaveLength(5);
    const missing = run(process.execPath, [...main, '_nobody._tcp.svc.example', ...server]);
    await expect(missing).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('missing') as string });
    const bad = run(process.execPath, [...main, '_small._tcp.svc.example', '--port', 'x']);
    await expect(bad).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('port: ') as string });

    const watching = spawn(process.execPath, [...main, '_small._tcp.svc.example', ...server, '--watch'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    watching.stdout.on('data', chunk => (text += String(chunk)));
    await until(() => text.includes('version 1'));
    writeZone(3);
    nsd!.kill('SIGHUP');
    await until(() => text.includes('- p5.svc.example:8084'));
    watching.kill('SIGINT');
    const code = await new Promise(resolve => watching.once('exit', resolve));
    expect(code).toBe(0);
  });
});
