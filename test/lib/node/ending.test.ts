// A program ends when nobody waits for an answer any more, whatever is still under way; in a process of its own.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** Takes queries over UDP and TCP, and never says a word. */
const udp = createSocket('udp4');
let tcp: Server;
let at: string;
beforeAll(async () => {
  await new Promise<void>(resolve => udp.bind(0, '127.0.0.1', resolve));
  const { port } = udp.address();
  tcp = createServer(socket => socket.on('error', () => {}));
  await new Promise<void>(resolve => tcp.listen(port, '127.0.0.1', resolve));
  at = `127.0.0.1:${port}`;
});
afterAll(() => {
  udp.close();
  tcp.close();
});

/** What the program prints, and for how many milliseconds it lived on after the last of it. */
async function run(body: string): Promise<{ said: string[]; lastedMs: number }> {
  const entry = new URL('../../../dist/index.js', import.meta.url).href;
  const code = `
    import { CachedLookup, Resolver } from ${JSON.stringify(entry)};
    const options = { servers: [${JSON.stringify(at)}], hostsFile: false, resolvConf: false, timeoutMs: 30000 };
    const cached = new CachedLookup(options);
    const resolver = new Resolver({ client: cached.client });
    let told = 0;
    const tell = error => { told = performance.now(); console.log(error?.code ?? 'answered'); };
    process.on('exit', () => console.log(performance.now() - told));
    ${body}`;
  const said = await new Promise<string>((resolve, reject) =>
    execFile(process.execPath, ['--input-type=module', '-e', code], { timeout: 170_000 }, (error, stdout, stderr) =>
      error ? reject(new Error(`${error.message} ${stderr}`)) : resolve(stdout),
    ),
  );
  const lines = said.trim().split('\n');
  return { lastedMs: Number(lines.pop()), said: lines };
}
// Far less than the 30 s for which the questions go on, far more than a slow machine needs.
const AT_ONCE_MS = 20_000;

test.each([
  [
    'a lookup whose signal aborts',
    `cached.lookup('a.example', { signal: AbortSignal.timeout(50) }, tell);`,
    ['ABORT_ERR'],
  ],
  [
    'a Resolver that cancels',
    `resolver.resolve4('a.example').catch(tell); setTimeout(() => resolver.cancel(), 50);`,
    ['ECANCELLED'],
  ],
  [
    'a call of a Resolver whose signal aborts',
    `resolver.resolveMx('a.example', { signal: AbortSignal.timeout(50) }).catch(tell);`,
    ['ABORT_ERR'],
  ],
  [
    'a thousand lookups that are called off',
    `
    const { signal } = new AbortController();
    const stop = new AbortController();
    for (let i = 0; i < 999; i++) cached.lookup('h' + i + '.example', { signal: stop.signal }, () => {});
    cached.lookup('last.example', { signal: stop.signal }, tell);
    setTimeout(() => stop.abort(), 50);`,
    ['ABORT_ERR'],
  ],
  [
    'one of two who ask for the same name',
    `
    const stop = new AbortController();
    cached.lookup('a.example', { signal: stop.signal }, () => {});
    cached.lookup('a.example', { signal: stop.signal }, tell);
    setTimeout(() => stop.abort(), 50);`,
    ['ABORT_ERR'],
  ],
  ['a client that is closed', `cached.lookup('a.example', tell); setTimeout(() => cached.close(), 50);`, ['EAI_AGAIN']],
])('%s', async (_, body, expected) => {
  const { said, lastedMs } = await run(body);
  expect(said).toEqual(expected);
  expect(lastedMs).toBeLessThan(AT_ONCE_MS);
});

test('whoever waits for an answer keeps the process alive until it has come', async () => {
  const { said } = await run(`
    const own = new CachedLookup({ ...options, timeoutMs: 300 });
    own.lookup('a.example', tell);`);
  expect(said).toEqual(['EAI_AGAIN']);
});
