// The binaries that the package carries: prebuilds/linux-x64 and prebuilds/linux-arm64, by prebuildify, in a copy of the
// sources, so that the checkout's own build is left alone. Does nothing where they are newer than what they are made of.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = ['native', 'binding.gyp', 'package.json'];
const TARGETS = [
  { arch: 'x64', compiler: 'g++', env: {}, strip: [] },
  {
    arch: 'arm64',
    compiler: 'aarch64-linux-gnu-g++',
    env: { CC: 'aarch64-linux-gnu-gcc', CXX: 'aarch64-linux-gnu-g++' },
    strip: ['--strip-bin', 'aarch64-linux-gnu-strip'],
  },
];

const newest = path =>
  statSync(path).isDirectory()
    ? Math.max(...readdirSync(path).map(name => newest(join(path, name))))
    : statSync(path).mtimeMs;

/** Node's headers where this Node was installed with them; node-gyp fetches them otherwise. */
function nodedir() {
  const folder = dirname(dirname(process.execPath));
  return existsSync(join(folder, 'include/node/node_api.h')) ? { npm_config_nodedir: folder } : {};
}

export function buildPrebuilds() {
  const changed = Math.max(...sources.map(name => newest(join(root, name))));
  for (const { arch, compiler, env, strip } of TARGETS) {
    const folder = join(root, 'prebuilds', `linux-${arch}`);
    const binary = join(folder, 'shardns.node');
    if (existsSync(binary) && statSync(binary).mtimeMs > changed) continue;
    const copy = mkdtempSync(join(tmpdir(), 'shardns-prebuild-'));
    try {
      for (const name of sources) cpSync(join(root, name), join(copy, name), { recursive: true });
      symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
      // Under npx, which has npm's own node-gyp on its path.
      execFileSync('npx', ['--no-install', 'prebuildify', '--napi', '--strip', '--arch', arch, ...strip], {
        cwd: copy,
        env: { ...process.env, CXX: compiler, ...env, ...nodedir() },
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 1 << 26,
      });
      mkdirSync(folder, { recursive: true });
      cpSync(join(copy, 'prebuilds', `linux-${arch}`, 'shardns.node'), binary);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    buildPrebuilds();
  } catch (error) {
    process.stderr.write(`${error.message}\n${error.stdout ?? ''}\n`);
    process.exit(1);
  }
}
