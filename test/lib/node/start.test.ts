// What loading the package costs a program that looks names up or keeps values: neither the libraries of the server nor
// globals of theirs; in a process of its own.
import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';

/** What a program prints as JSON, and the files that were loaded for it. */
function run(entry: string, body: string): Promise<{ said: unknown; loaded: string[] }> {
  const url = new URL(`../../../dist/${entry}`, import.meta.url).href;
  const hook = `export async function load(url, context, next) { if (url.startsWith('file:')) writeSync(3, url + '\\n'); return next(url, context); } import { writeSync } from 'node:fs';`;
  const code = `
    import { register, createRequire, Module } from 'node:module';
    import { writeSync } from 'node:fs';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook.replaceAll('writeSync(3, url', 'writeSync(2, url'))}));
    const before = new Set(Object.getOwnPropertyNames(globalThis));
    const shardns = await import(${JSON.stringify(url)});
    ${body}
    const globals = Object.getOwnPropertyNames(globalThis).filter(name => !before.has(name));
    for (const path of Object.keys(createRequire(${JSON.stringify(url)}).cache ?? {})) writeSync(2, path + '\\n');
    console.log(JSON.stringify(globals));
    process.exit(0);`;
  return new Promise((resolve, reject) =>
    execFile(process.execPath, ['--input-type=module', '-e', code], { timeout: 170_000 }, (error, stdout, stderr) =>
      error
        ? reject(new Error(`${error.message} ${stderr}`))
        : resolve({ said: JSON.parse(stdout) as unknown, loaded: stderr.split('\n') }),
    ),
  );
}
const LIBRARIES = /node_modules\/(zod|pino|prom-client|yaml|@opentelemetry)\//;

test.each([
  ['index.js', ''],
  [
    'index.js',
    `shardns.ByteCache.create({ memory: '1MiB' }).close(); shardns.DnsCache.create({ memory: '1MiB' }).close();`,
  ],
  ['node/index.js', ''],
  ['node/index.js', `new shardns.CachedLookup({ servers: ['192.0.2.1'], hostsFile: false }).close();`],
])('%s loads none of the libraries of the server, nor makes globals: %s', async (entry, body) => {
  const { said, loaded } = await run(entry, body);
  // A few files: opening and reading them one by one is most of what an import takes.
  const own = loaded.filter(path => path.includes('/dist/'));
  expect(own.length).toBeGreaterThan(0);
  expect(own.length).toBeLessThan(8);
  expect(own.filter(path => path.includes('encrypted'))).toEqual([]);
  expect(loaded.filter(path => LIBRARIES.test(path))).toEqual([]);
  expect(said).toEqual([]);
});

test('the light entry loads nothing of the server', async () => {
  const { loaded } = await run('node/index.js', '');
  expect(loaded.filter(path => /dist\/(server|admin|cli)\//.test(path))).toEqual([]);
});

test('what validates is loaded with the first question that has to be proven, and not before', async () => {
  const isLoaded = async (ask: string): Promise<boolean> => {
    const body = `
      using = new shardns.CachedLookup({ servers: ['127.0.0.1:1'], timeoutMs: 10, hostsFile: false, secure: 'report' });
      ${ask}
      using.close();
      delete globalThis.using;`;
    const { loaded } = await run('node/index.js', body.replace('using =', 'globalThis.using ='));
    return loaded.some(path => path.includes('/dist/bundle/validation.js'));
  };
  expect(await isLoaded('')).toBe(false);
  expect(await isLoaded("await new Promise(resolve => using.lookup('www.example', resolve));")).toBe(true);
});

test('both entries have one and the same lookup', async () => {
  const light = new URL('../../../dist/node/index.js', import.meta.url).href;
  const { said } = await run(
    'index.js',
    `globalThis.same = shardns.lookup === (await import(${JSON.stringify(light)})).lookup; if (!globalThis.same) throw new Error('two lookups'); delete globalThis.same;`,
  );
  expect(said).toEqual([]);
});
