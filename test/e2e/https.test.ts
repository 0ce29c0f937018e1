// DNS over HTTPS with real programs as clients: kdig, curl and h2load.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { decode, makeQuery } from '../support/messages.js';
import { freePort } from '../support/free-port.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
const missing = ['kdig', 'curl', 'h2load'].filter(tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`not installed: ${missing.join(' ')}: the tests of HTTPS end to end are skipped`);
}

const folder = mkdtempSync(join(tmpdir(), 'shardns-e2e-'));
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
describe.skipIf(missing.length > 0)('with real programs', () => {
  const web = createWebServer((_, response) => response.end('found'));
  let server: ChildProcess;
  let https: number;
  const kdig = async (...args: string[]): Promise<string> =>
    (
      await run('kdig', [
        '@127.0.0.1',
        '-p',
        String(https),
        `+tls-ca=${join(folder, 'authority.pem')}`,
        '+tls-hostname=dns.example',
        ...args,
      ])
    ).stdout;
  const curl = async (...args: string[]): Promise<Buffer> => {
    const own = ['-sS', '--cacert', join(folder, 'authority.pem'), '--resolve', `dns.example:${https}:127.0.0.1`];
    const { stdout } = await run('curl', [...own, ...args], { encoding: 'buffer' });
    return stdout;
  };

  beforeAll(async () => {
    const authority = makeCertificate({ subject: 'authority', isAuthority: true });
    const { certificate, key } = makeCertificate({ names: ['dns.example'], issuer: authority });
    file('authority.pem', authority.certificate);
    [https] = [await freePort()];
    const config = file(
      'shardns.yaml',
      `listen: ['https://127.0.0.1:${https}']
tls: { certificate: ${file('dns.example.pem', certificate)}, key: ${file('dns.example.key', key)} }
upstreams: ['192.0.2.1']
local: { records: ['a.e2e.example A 192.0.2.25', 'web.e2e.example A 127.0.0.1'] }
cache: { memory: 8MiB }
control: false
`,
    );
    await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve));
    server = spawn(process.execPath, ['dist/cli/main.js', 'serve', '--config', config], { stdio: 'ignore' });
    await until(async () => (await kdig('+https', '+short', 'localhost')).includes('127.0.0.1'), 'the server');
  });
  afterAll(() => {
    server.kill('SIGKILL');
    web.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('kdig is answered by POST and GET, and its lengths tell nothing', async () => {
    expect(await kdig('+https', '+short', 'a.e2e.example')).toBe('192.0.2.25\n');
    expect(await kdig('+https-get', '+short', 'a.e2e.example')).toBe('192.0.2.25\n');
    const whole = await kdig('+https', '+padding', 'a.e2e.example');
    expect(whole).toMatch(/HTTP session \(HTTP\/2-POST\).*\(status: 200\)/);
    expect(whole).toContain('Received 468 B');
  });

  test('curl looks names up by it, for itself and by HTTP/1.1', async () => {
    const { port } = web.address() as { port: number };
    const url = `https://dns.example:${https}/dns-query`;
    expect((await curl('--doh-url', url, `http://web.e2e.example:${port}/`)).toString()).toBe('found');
    const query = makeQuery('a.e2e.example', { id: 0 });
    const asked = ['-H', 'content-type: application/dns-message', '--data-binary', `@${file('query', query)}`, url];
    for (const version of ['--http1.1', '--http2']) {
      expect(decode(await curl(version, ...asked)).answers).toMatchObject([{ data: '192.0.2.25' }]);
      const head = (await curl(version, '-I', `${url}?dns=${query.toString('base64url')}`)).toString();
      expect(head).toMatch(/^HTTP\/\S+ 200/);
      expect(head).toMatch(/cache-control: max-age=\d+/i);
      expect((await curl(version, '-o', '/dev/null', '-w', '%{http_code}', `${url}/x`)).toString()).toBe('404');
    }
  });

  test('under h2load no request fails', async () => {
    const body = file('load', makeQuery('a.e2e.example', { id: 0 }));
    const target = ['-d', body, '-H', 'content-type:application/dns-message', `https://127.0.0.1:${https}/dns-query`];
    const { stdout } = await run('h2load', ['-n', '20000', '-c', '4', '-m', '100', ...target]);
    expect(stdout).toContain('20000 succeeded, 0 failed, 0 errored');
    expect(stdout).toContain('status codes: 20000 2xx');
  });
});
