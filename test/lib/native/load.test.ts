// Which native binary is loaded, and what is said where none can be.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadErrorText } from '../../../lib/native/load-error.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-load-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const root = process.cwd();
const built = join(root, 'build/Release/shardns.node');
const use = (index: string): string =>
  `const { ByteCache } = await import(${JSON.stringify(pathToFileURL(index).href)});
   try { ByteCache.create({ memory: '1MiB' }); } catch (error) { console.log(error.code, error.message); }
   console.log(process.report.getReport().sharedObjects.filter(one => one.endsWith('shardns.node')).join());`;
function run(code: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): string {
  const all = [...args, '--input-type=module', '-e', code];
  return spawnSync(process.execPath, all, { encoding: 'utf8', cwd: folder, env: { ...process.env, ...env } }).stdout;
}

describe('the binary', () => {
  test("is the package's own, whatever the environment says", () => {
    mkdirSync(join(folder, 'build/Release'), { recursive: true });
    cpSync(built, join(folder, 'build/Release/shardns.node'));
    const env = {
      SHARDNS_PREBUILD: folder,
      npm_config_arch: 'other',
      LIBC: 'musl',
      PREBUILDS_ONLY: '1',
      npm_config_platform: 'x',
    };
    expect(run(use(join(root, 'dist/index.js')), [], env).trim()).toBe(built);
  });
  test('that may not be loaded is said to be disabled, not missing', () => {
    const text = run(use(join(root, 'dist/index.js')), ['--no-addons']);
    expect(text).toContain('ERR_SHARDNS_NATIVE native addons are disabled in this process');
    expect(text).not.toContain('shardns build');
  });

  describe('of a copy of the package', () => {
    const copy = join(folder, 'copy');
    const index = join(copy, 'dist/index.js');
    const prebuilt = join(copy, `prebuilds/${process.platform}-${process.arch}/shardns.node`);
    beforeAll(() => {
      mkdirSync(copy);
      cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
      cpSync(join(root, 'package.json'), join(copy, 'package.json'));
      spawnSync('ln', ['-s', join(root, 'node_modules'), join(copy, 'node_modules')]);
    });
    test('is asked for where there is none', () => {
      expect(run(use(index))).toContain(
        `no native addon for ${process.platform}-${process.arch}: run "npx shardns build"`,
      );
    });
    test('is the prebuilt one of this platform where none was built', () => {
      mkdirSync(join(prebuilt, '..'), { recursive: true });
      cpSync(built, prebuilt);
      expect(run(use(index)).trim()).toBe(prebuilt);
    });
    test('whose words are not those of the library is refused with the first name that differs', () => {
      const other = join(folder, 'other.cjs');
      writeFileSync(
        other,
        `const extensions = require('node:module')._extensions;
         const load = extensions['.node'];
         extensions['.node'] = (module, path) => {
           load(module, path);
           const addon = module.exports;
           module.exports = { ...addon, names: { ...addon.names, control: ['flags', 'refresh'] } };
         };`,
      );
      expect(run(use(index), ['--require', other])).toContain(
        'ERR_SHARDNS_NATIVE the native addon differs in "control": ' +
          'word 1 is "refresh" there, "tenant" in this library: build it again',
      );
    });
    test('that is broken is named with what the loader says', () => {
      writeFileSync(prebuilt, 'no library');
      expect(run(use(index))).toMatch(
        /the native addon for \S+ cannot be loaded: .*shardns\.node: .*: run "npx shardns build"/,
      );
    });
    test('is missed where a bundler has moved the code, though the environment names others', () => {
      const moved = join(folder, 'app', 'out', 'dist');
      cpSync(join(copy, 'dist'), moved, { recursive: true });
      symlinkSync(join(root, 'node_modules'), join(folder, 'app', 'node_modules'));
      const modules = join(folder, 'modules');
      mkdirSync(modules);
      symlinkSync(root, join(modules, 'shardns'));
      expect(run(use(join(moved, 'index.js')), [], { NODE_PATH: modules })).toMatch(
        /ERR_SHARDNS_NATIVE .* copy the folder node_modules\/shardns\/prebuilds beside .*docs\/bundlers\.md/,
      );
    });
    test('of a moved code is the copy beside it, else that of the package that is installed above it', () => {
      const app = join(folder, 'installed', 'app');
      cpSync(join(copy, 'dist'), join(app, 'out'), { recursive: true });
      mkdirSync(join(folder, 'installed', 'node_modules'));
      for (const name of ['zod', 'prom-client', 'pino']) {
        symlinkSync(join(root, 'node_modules', name), join(folder, 'installed', 'node_modules', name));
      }
      const installed = join(folder, 'installed', 'node_modules', 'shardns');
      const beneath = `prebuilds/${process.platform}-${process.arch}/shardns.node`;
      mkdirSync(dirname(join(installed, beneath)), { recursive: true });
      cpSync(built, join(installed, beneath));
      cpSync(join(root, 'package.json'), join(installed, 'package.json'));
      expect(run(use(join(app, 'out/index.js'))).trim()).toBe(join(installed, beneath));
      const beside = join(app, 'out/bundle', beneath);
      mkdirSync(dirname(beside), { recursive: true });
      cpSync(built, beside);
      expect(run(use(join(app, 'out/index.js'))).trim()).toBe(beside);
    });
  });
});

test('what a loader says of another libc is explained', () => {
  const error = Object.assign(new Error('Error relocating x: __fprintf_chk: symbol not found\nmore'), {
    code: 'ERR_DLOPEN_FAILED',
  });
  expect(loadErrorText(error, () => 'musl')).toContain(
    'symbol not found (this Node uses musl; the binaries in the package are for glibc): run',
  );
  expect(loadErrorText(error, () => 'glibc')).not.toContain('musl');
  expect(loadErrorText(Object.assign(new Error('m'), { code: 'ERR_ACCESS_DENIED' }))).toContain('--allow-fs-read');
});

test('a Node that is too old is told so by its version', () => {
  const code = `delete process.getBuiltinModule; ${use(join(root, 'dist/index.js'))}`;
  expect(run(code)).toContain(`this is Node ${process.version}, and shardns needs Node 20.19, or 22.12 and later`);
});

test('the binary names no folder that it was built in', () => {
  expect(readFileSync(built).includes(Buffer.from(join(root, 'native')))).toBe(false);
});

test('`shardns build` runs the node-gyp that is part of npm, and downloads none', () => {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'npm'), `#!/bin/sh\necho "$@" > ${join(folder, 'called')}\n`);
  chmodSync(join(bin, 'npm'), 0o755);
  const main = existsSync(join(root, 'dist/cli/main.js')) ? join(root, 'lib/cli/shardns.mjs') : '';
  spawnSync(process.execPath, [main, 'build'], {
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
  });
  expect(readFileSync(join(folder, 'called'), 'utf8')).toMatch(/^exec -c node "\$npm_config_node_gyp" rebuild/);
});
