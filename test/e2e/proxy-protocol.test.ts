// dnsdist in front (`useProxyProtocol`): clients are who they are behind it, over UDP and TCP, and its health checks are answered.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerA } from '../support/messages.js';
import { TestServer } from '../support/test-server.js';
import { freePort } from '../support/free-port.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
const missing = ['dnsdist', 'dig'].filter(tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`not installed: ${missing.join(' ')}: the end-to-end tests with a proxy are skipped`);
}

const folder = mkdtempSync(join(tmpdir(), 'shardns-proxy-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(missing.length > 0)('behind dnsdist', () => {
  let server: TestServer;
  let proxy: ChildProcess;
  let port: number;
  const ask = async (from: string, ...args: string[]): Promise<string> => {
    const options = ['@127.0.0.1', '-p', String(port), '-b', from, '+short', '+tries=1', '+time=20', ...args];
    return (await run('dig', options)).stdout.trim();
  };

  beforeAll(async () => {
    server = await TestServer.start(query => answerA(query, 300, '192.0.2.1'), {
      proxyProtocol: { from: ['127.0.0.1'] },
      views: [{ name: 'home', clients: ['127.0.0.2'], local: { records: ['a.example A 10.0.0.1'] } }],
    });
    port = await freePort();
    const file = join(folder, 'dnsdist.conf');
    writeFileSync(
      file,
      `setLocal('127.0.0.1:${port}')
setACL('127.0.0.0/8')
newServer({address='${server.address}', useProxyProtocol=true, checkName='health.example.', mustResolve=true})
setSecurityPollSuffix('')
`,
    );
    proxy = spawn('dnsdist', ['--supervised', '--disable-syslog', '-C', file], { stdio: 'ignore' });
    await until(async () => (await ask('127.0.0.3', 'b.example')) === '192.0.2.1', 'dnsdist');
  });
  afterAll(async () => {
    proxy?.kill();
    await server?.close();
  });

  test.each([['+notcp'], ['+tcp']])('each client has its view (%s), and others have not', async transport => {
    for (let round = 0; round < 3; round++) {
      expect(await ask('127.0.0.2', transport, 'a.example')).toBe('10.0.0.1');
      expect(await ask('127.0.0.3', transport, 'a.example')).toBe('192.0.2.1');
    }
  });

  test('nothing that it sends is dropped, health checks neither', () => {
    const { proxyProtocol } = server.server.report();
    expect(proxyProtocol!.invalid).toBe(0);
    expect(proxyProtocol!.proxied).toBeGreaterThanOrEqual(12);
  });
});
