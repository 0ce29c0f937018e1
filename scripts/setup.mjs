// Everything a fresh clone needs before it can run or test: npm packages, the native addon, the TypeScript build, and
// for tests Debian's packages. Quick when all is there, as `npm start` waits for it.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { whenChanged } from './when-changed.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => join(root, ...parts);

/** Debian packages the tests need: [package, a file that proves it, what is skipped without it]. */
export const DEBIAN_PACKAGES = [
  ['g++', '/usr/bin/g++', 'everything'],
  ['cmake', '/usr/bin/cmake', 'everything'],
  ['make', '/usr/bin/make', 'everything'],
  ['ninja-build', '/usr/bin/ninja', 'the C++ tests'],
  ['libgtest-dev', '/usr/include/gtest/gtest.h', 'the C++ tests'],
  ['googletest', '/usr/src/googletest', 'the C++ tests for arm64'],
  ['clang', '/usr/bin/clang++', 'the fuzz targets'],
  // Debian 12's clang only recommends its sanitizers.
  ['libclang-rt-14-dev', '/usr/lib/clang/14/lib/linux', 'the fuzz targets'],
  ['clang-format', '/usr/bin/clang-format', 'the format check of C++'],
  ['dnsutils', '/usr/bin/dig', 'end-to-end tests with dig'],
  ['nsd', '/usr/sbin/nsd', 'end-to-end tests with nsd'],
  ['unbound', '/usr/sbin/unbound', 'end-to-end tests with unbound'],
  ['bind9', '/usr/sbin/named', 'end-to-end tests of response policy zones'],
  ['knot-resolver', '/usr/sbin/kresd', 'end-to-end tests of validation'],
  ['iproute2', '/usr/sbin/ip', 'end-to-end tests of recursion'],
  ['dnsperf', '/usr/bin/dnsperf', 'end-to-end tests under load'],
  ['nghttp2-client', '/usr/bin/h2load', 'end-to-end tests over HTTPS under load'],
  ['knot-dnsutils', '/usr/bin/kdig', 'end-to-end tests over TLS and HTTPS'],
  ['redis-server', '/usr/bin/redis-server', 'tests of fleets with Redis'],
  ['curl', '/usr/bin/curl', 'end-to-end tests over HTTPS'],
  ['fstrm-bin', '/usr/bin/fstrm_capture', 'end-to-end tests of dnstap'],
  ['dnstap-ldns', '/usr/bin/dnstap-ldns', 'end-to-end tests of dnstap'],
  ['zsh', '/usr/bin/zsh', 'the completion of zsh'],
  ['fish', '/usr/bin/fish', 'the completion of fish'],
  ['stubby', '/usr/bin/stubby', 'end-to-end tests over TLS'],
  ['chromium', '/usr/bin/chromium', 'end-to-end tests with a browser over HTTPS'],
  ['g++-aarch64-linux-gnu', '/usr/bin/aarch64-linux-gnu-g++', 'the binary for arm64'],
  ['qemu-user-static', '/usr/bin/qemu-aarch64-static', 'the binary for arm64'],
];

/** Packages that take the whole machine over once installed: unpacked below `build/debian`, as installed in no part. */
const UNPACKED_PACKAGES = [
  ['systemd-resolved', 'lib/systemd/systemd-resolved', 'the end-to-end test with systemd-resolved'],
  ['prometheus', 'usr/bin/promtool', 'what promtool says of metrics and rules'],
];

/** Loaded when there is something to do. */
const childProcess = () => process.getBuiltinModule('node:child_process');

function run(command, args, options = {}) {
  const result = childProcess().spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
  if (result.status !== 0) {
    process.stderr.write(`set-up failed: ${command} ${args.join(' ')}\n`);
    process.exit(1);
  }
}

function filesBelow(folder, keep) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && keep(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .sort();
}

function installDebianPackages() {
  const missing = DEBIAN_PACKAGES.filter(([, proof]) => !existsSync(proof));
  if (missing.length === 0) return unpackDebianPackages();
  const names = missing.map(([name]) => name);
  const may = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (may) {
    process.stdout.write(`installing Debian packages for the tests: ${names.join(' ')}\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const { execFileSync, spawnSync } = childProcess();
    const apt = args => spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
    // Services that a package would start stay down: the tests start their own.
    const policy = '/usr/sbin/policy-rc.d';
    const made = !existsSync(policy);
    if (made) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    if (!apt(['install', '-y', '-qq', '--no-install-recommends', ...names])) {
      apt(['update', '-qq']);
      apt(['install', '-y', '-qq', '--no-install-recommends', ...names]);
    }
    if (made) execFileSync('rm', ['-f', policy]);
  }
  unpackDebianPackages();
  const still = DEBIAN_PACKAGES.filter(([, proof]) => !existsSync(proof));
  for (const [name, proof, skipped] of still) {
    process.stderr.write(`missing ${proof}: install the package ${name}; without it ${skipped} cannot run\n`);
  }
  if (still.length > 0 && process.env.CI === 'true') process.exit(1);
}

function unpackDebianPackages() {
  for (const [name, program, skipped] of UNPACKED_PACKAGES) {
    const folder = at('build', 'debian', name);
    if (existsSync(join(folder, program))) continue;
    mkdirSync(folder, { recursive: true });
    const script = `cd '${folder}' && apt-get download -qq ${name} && dpkg -x ${name}_*.deb . && rm ${name}_*.deb`;
    const { status } = childProcess().spawnSync('sh', ['-c', script], { stdio: 'ignore' });
    if (status === 0 && existsSync(join(folder, program))) continue;
    process.stderr.write(
      `missing ${program}: the package ${name} cannot be unpacked; without it ${skipped} cannot run\n`,
    );
  }
}

export function setUp({ test = false }) {
  if (test) installDebianPackages();
  const lock = at('package-lock.json');
  const make = (name, inputs, output, build) =>
    whenChanged({ root, inputs, output, stamp: at('build', `.${name}.stamp`) }, build);
  make('npm', [lock], at('node_modules', '.package-lock.json'), () =>
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']),
  );
  const native = filesBelow(at('native'), name => /\.(cc|h|json)$/.test(name));
  make('native', [...native, at('CMakeLists.txt')], at('build', 'Release', 'shardns.node'), () => {
    process.stdout.write('building the native addon\n');
    run('node_modules/.bin/cmake-js', ['compile', '--out', 'build', '--silent'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  });
  const sources = filesBelow(at('lib'), name => name.endsWith('.ts'));
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'scripts/bundle.mjs'].map(file => at(file));
  // The output is what every entry loads.
  make('lib', [...sources, ...settings, lock], at('dist', 'bundle', 'wire.js'), () => {
    process.stdout.write('building the library\n');
    run('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json']);
    run(process.execPath, ['scripts/bundle.mjs']);
  });
  const page = [...filesBelow(at('dashboard'), () => true), at('scripts', 'dashboard.mjs'), lock];
  make('dashboard', page, at('dist', 'dashboard', 'app.js'), () => run(process.execPath, ['scripts/dashboard.mjs']));
}

if (process.argv.includes('--run')) setUp({ test: process.argv.includes('--test') });
