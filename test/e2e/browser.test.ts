// A browser that asks over HTTPS only, by the template that people give it: Debian's Chromium opens a page of a name that nobody
// else knows.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { askHttps, post } from '../support/doh-client.js';
import { makeQuery } from '../support/messages.js';
import { freePort } from '../support/free-port.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
const missing = ['chromium'].filter(tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`not installed: ${missing.join(' ')}: the tests with a browser are skipped`);
}

const folder = mkdtempSync(join(tmpdir(), 'shardns-browser-'));
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
describe.skipIf(missing.length > 0)('Chromium', () => {
  const hosts: (string | undefined)[] = [];
  const web = createWebServer((request, response) => {
    hosts.push(request.headers.host);
    response.setHeader('content-type', 'text/html');
    response.end('<p>found where only this resolver leads</p>');
  });
  const made = makeCertificate({ names: ['127.0.0.1'] });
  let server: ChildProcess;
  let port: number;
  const pageOf = (name: string): string => `http://${name}:${(web.address() as { port: number }).port}/`;

  /** What a page comes to, for a browser with a profile of its own. */
  async function opened(name: string, mode: 'secure' | 'off'): Promise<string> {
    const profile = join(folder, `profile-${name}-${mode}`);
    mkdirSync(profile, { recursive: true });
    const templates = `https://127.0.0.1:${port}/dns-query{?dns}`;
    writeFileSync(join(profile, 'Local State'), JSON.stringify({ dns_over_https: { mode, templates } }));
    const spki = new X509Certificate(made.certificate).publicKey.export({ type: 'spki', format: 'der' });
    const options = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-component-update',
      '--disable-background-networking',
      '--no-proxy-server',
      `--user-data-dir=${profile}`,
      `--ignore-certificate-errors-spki-list=${createHash('sha256').update(spki).digest('base64')}`,
      '--timeout=20000',
      '--dump-dom',
      pageOf(name),
    ];
    const env = { ...process.env, HOME: folder };
    return (await run('chromium', options, { timeout: 90_000, env, killSignal: 'SIGKILL' })).stdout;
  }

  beforeAll(async () => {
    port = await freePort();
    await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve));
    const config = file(
      'shardns.yaml',
      `listen: ['https://127.0.0.1:${port}/dns-query']
tls: { certificate: ${file('certificate.pem', made.certificate)}, key: ${file('key.pem', made.key)} }
upstreams: ['192.0.2.1']
local:
  zones: [{ name: example, kind: static }]
  records: ['page.browser.example A 127.0.0.1']
cache: { memory: 8MiB }
control: false
`,
    );
    server = spawn(process.execPath, ['dist/cli/main.js', 'serve', '--config', config], { stdio: 'ignore' });
    const up = () => askHttps(`127.0.0.1:${port}`, post(makeQuery('page.browser.example')));
    await until(async () => (await up()).status === 200, 'the server');
  });
  afterAll(() => {
    server?.kill('SIGKILL');
    web.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test('opens a page whose name is known to its resolver alone, and to nobody without it', async () => {
    expect(await opened('page.browser.example', 'secure')).toContain('found where only this resolver leads');
    expect(hosts.some(host => host?.startsWith('page.browser.example:'))).toBe(true);
    const before = hosts.length;
    expect(await opened('page.browser.example', 'off').catch(() => '')).not.toContain('found where');
    expect(hosts).toHaveLength(before);
  }, 200_000);
});
