// DNS over TLS with real programs on both sides: unbound is asked, kdig, openssl and dnsperf ask.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/base/clock.js';
import { systemRandom } from '../../lib/base/random.js';
import { HttpsTransport } from '../../lib/transport/https.js';
import { makeCertificate } from '../support/certificate.js';
import { exchange } from '../support/exchange.js';
import { decode, makeQuery } from '../support/messages.js';
import { until } from '../support/until.js';
import { freePort } from '../support/free-port.js';

const run = promisify(execFile);
const missing = ['unbound', 'kdig', 'openssl', 'dnsperf', 'stubby'].filter(
  tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
);
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`not installed: ${missing.join(' ')}: the tests of TLS end to end are skipped`);
}

const folder = mkdtempSync(join(tmpdir(), 'shardns-e2e-'));
const children: ChildProcess[] = [];
const ports = { unbound: 0, https: 0, plain: 0, tls: 0, stubby: 0 };
const later = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  return path;
}
const authority = makeCertificate({ subject: 'authority', isAuthority: true });
const kdig = async (...args: string[]): Promise<string> =>
  (await run('kdig', ['@127.0.0.1', '-p', String(ports.tls), `+tls-ca=${join(folder, 'authority.pem')}`, ...args]))
    .stdout;
function start(command: string, args: string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

describe.skipIf(missing.length > 0)('with real programs', () => {
  let server: ChildProcess;
  let config: string;

  beforeAll(async () => {
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
    file('authority.pem', authority.certificate);
    for (const name of ['upstream.example', 'dns.example']) {
      const { certificate, key } = makeCertificate({ names: [name], issuer: authority });
      file(`${name}.pem`, certificate);
      file(`${name}.key`, key);
    }
    const unbound = file(
      'unbound.conf',
      `server:
  interface: 127.0.0.1@${ports.unbound}
  interface: 127.0.0.1@${ports.https}
  https-port: ${ports.https}
  tls-port: ${ports.unbound}
  tls-service-key: "${folder}/upstream.example.key"
  tls-service-pem: "${folder}/upstream.example.pem"
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  logfile: "${folder}/unbound.log"
  access-control: 127.0.0.0/8 allow
  local-zone: "e2e.example." redirect
  local-data: "e2e.example. 300 A 192.0.2.25"
remote-control:
  control-enable: no
`,
    );
    start('unbound', ['-d', '-c', unbound]);
    config = file(
      'shardns.yaml',
      `listen: ['127.0.0.1:${ports.plain}', 'tls://127.0.0.1:${ports.tls}']
tls: { certificate: ${folder}/dns.example.pem, key: ${folder}/dns.example.key, names: [dns.example], handshakeTimeoutMs: 500 }
upstreams: ['tls://127.0.0.1:${ports.unbound}#upstream.example']
upstream: { tlsAuthorities: ${folder}/authority.pem }
cache: { memory: 8MiB }
tcp: { messageTimeoutMs: 500 }
control: false
`,
    );
    server = start(process.execPath, ['dist/cli/main.js', 'serve', '--config', config]);
    await until(async () =>
      (await kdig('+tls-hostname=dns.example', '+short', 'localhost', 'A')).includes('127.0.0.1'),
    );
    await until(async () =>
      (await kdig('+tls-hostname=dns.example', '+short', 'up.e2e.example', 'A')).includes('192.'),
    );
  });

  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  test('what unbound says over TLS is what kdig is told over TLS, which knows the server by its certificate', async () => {
    expect(await kdig('+tls-hostname=dns.example', '+short', 'a.e2e.example')).toBe('192.0.2.25\n');
    const padded = await kdig('+tls-hostname=dns.example', '+padding', 'a.e2e.example');
    expect(padded).toMatch(/PADDING: \d+ B/);
    expect(padded).toContain('Received 468 B');
    expect(padded).toMatch(/TLS session \(TLS1\.3\)/);
    const refused = await run('kdig', [
      '@127.0.0.1',
      '-p',
      String(ports.tls),
      `+tls-ca=${folder}/authority.pem`,
      '+tls-hostname=other.example',
      'a.e2e.example',
    ]).catch((error: { stdout: string }) => error);
    expect(refused.stdout).not.toContain('192.0.2.25');
  });

  test.each(['-tls1_2', '-tls1_3'])(
    'openssl agrees on dot with %s, and is closed when it stalls within a query',
    async version => {
      const client = spawn('openssl', [
        's_client',
        '-connect',
        `127.0.0.1:${ports.tls}`,
        '-alpn',
        'dot',
        version,
        '-nocommands',
      ]);
      children.push(client);
      let said = '';
      client.stdout.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')));
      client.stdin.on('error', () => {});
      await until(async () => said.includes('ALPN protocol: dot'));
      client.stdin.write(Buffer.from([0, 40, 1]));
      expect(await new Promise(resolve => client.on('exit', () => resolve('closed')))).toBe('closed');
    },
  );

  test('unbound is asked over HTTPS, many questions over one connection, by its name', async () => {
    const over = new HttpsTransport(systemClock, systemRandom);
    over.trust(authority.certificate);
    const at = (name: string) => ({
      address: '127.0.0.1',
      port: ports.https,
      family: 4 as const,
      tls: { name, pins: [] },
      path: '/dns-query',
    });
    const ask = (i: number) =>
      exchange(over, makeQuery(`h${i}.e2e.example`, { edns: true }), at('upstream.example'), { timeoutMs: 20_000 });
    const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => ask(i)));
    expect(new Set(answers.map(one => (decode(one).answers![0] as { data?: unknown }).data))).toEqual(
      new Set(['192.0.2.25']),
    );
    expect(over.connections).toBeLessThanOrEqual(2);
    const refused = exchange(over, makeQuery('a.e2e.example'), at('other.example'), { timeoutMs: 20_000 });
    await expect(refused).rejects.toThrow(/altnames/i);
    over.close();
  });

  test('under dnsperf no reply is lost', async () => {
    const queries = file('queries', Array.from({ length: 200 }, (_, i) => `n${i}.e2e.example A\n`).join(''));
    const target = ['-s', '127.0.0.1', '-p', String(ports.tls), '-m', 'dot', '-d', queries];
    const { stdout } = await run('dnsperf', [...target, '-c', '4', '-q', '100', '-n', '20']);
    expect(stdout).toMatch(/Queries lost:\s+0 /);
    expect(Number(/NOERROR (\d+)/.exec(stdout)![1])).toBe(4000);
  });

  test('stubby asks over TLS for those that ask it in plain text, when the certificate is what it should be', async () => {
    const stubbyWith = (name: string): string =>
      file(
        'stubby.yml',
        `resolution_type: GETDNS_RESOLUTION_STUB
dns_transport_list: [GETDNS_TRANSPORT_TLS]
tls_authentication: GETDNS_AUTHENTICATION_REQUIRED
tls_ca_file: "${folder}/authority.pem"
tls_query_padding_blocksize: 128
idle_timeout: 9000
listen_addresses: [127.0.0.1@${ports.stubby}]
appdata_dir: "${folder}"
upstream_recursive_servers:
  - address_data: 127.0.0.1
    tls_port: ${ports.tls}
    tls_auth_name: "${name}"
`,
      );
    const asked = async (name: string): Promise<string> =>
      (await run('kdig', ['@127.0.0.1', '-p', String(ports.stubby), '+timeout=20', '+retry=0', '+short', name])).stdout;
    const good = start('stubby', ['-C', stubbyWith('dns.example')]);
    await until(async () => (await asked('s.e2e.example')) === '192.0.2.25\n');
    const many = await Promise.all(Array.from({ length: 50 }, (_, i) => asked(`s${i}.e2e.example`)));
    expect(new Set(many)).toEqual(new Set(['192.0.2.25\n']));
    good.kill('SIGKILL');
    await new Promise(resolve => good.on('exit', resolve));
    start('stubby', ['-C', stubbyWith('other.example')]);
    await later(1000);
    expect(await asked('t.e2e.example').catch(() => '')).not.toContain('192.0.2.25');
  });

  test('SIGHUP shows another certificate, and one that is of no use is refused by its name', async () => {
    const shown = async (): Promise<string> => {
      const asked = run('openssl', ['s_client', '-connect', `127.0.0.1:${ports.tls}`, '-showcerts']);
      asked.child.stdin!.end();
      return (await asked).stdout;
    };
    let log = '';
    server.stdout!.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const next = makeCertificate({ names: ['dns.example'], subject: 'renewed', issuer: authority });
    file('dns.example.pem', next.certificate);
    server.kill('SIGHUP');
    await until(async () => log.includes('the key is not that of the certificate'));
    expect(await shown()).not.toContain('renewed');
    file('dns.example.key', next.key);
    server.kill('SIGHUP');
    await until(async () => (await shown()).includes('renewed'));
    expect(await kdig('+tls-hostname=dns.example', '+short', 'a.e2e.example')).toBe('192.0.2.25\n');
  });
});
