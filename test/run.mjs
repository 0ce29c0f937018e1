// Runs every suite and ends with one line of totals: `N passed, N failed` (and `, N skipped`).
//
//   node test/run.mjs            all suites; fuzz targets for 5 s each
//   node test/run.mjs ts cpp     some of: lint cpp asan tsan arm64 fuzz ts
//
// Under CI=true fuzz targets run 60 s each, the torture test makes 10^8 reads, and a missing tool is a failure.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
const ci = process.env.CI === 'true';
const torture = process.env.SHARDNS_TORTURE_READS ?? (ci ? '100000000' : '10000000');
const fuzzSeconds = Number(process.env.SHARDNS_FUZZ_SECONDS ?? (ci ? 60 : 5));
const totals = { passed: 0, failed: 0, skipped: 0 };

const has = command => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
const say = text => process.stdout.write(`\n=== ${text}\n`);
function count(name, passed) {
  totals[passed ? 'passed' : 'failed']++;
  process.stdout.write(`${passed ? 'ok  ' : 'FAIL'} ${name}\n`);
}
function skip(name, why) {
  if (ci) {
    totals.failed++;
    process.stdout.write(`FAIL ${name}: ${why}\n`);
  } else {
    totals.skipped++;
    process.stdout.write(`skip ${name}: ${why}\n`);
  }
}
const run = (command, args, env = {}) =>
  spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } }).status === 0;

function lint() {
  say('lint and format');
  count('eslint, prettier, tsc and clang-format', run('npm', ['run', '--silent', 'lint']));
}

/** Builds the C++ tests in a folder of their own and counts each test. */
function cpp(name, { sanitize = '', reads = torture, skip: unneeded, cross } = {}) {
  say(`C++ tests${sanitize === '' ? '' : ` under ${sanitize}`}${cross === undefined ? '' : ` for ${cross.processor}`}`);
  if (!has('cmake') || !has('ninja') || !existsSync('/usr/include/gtest/gtest.h')) {
    skip(name, 'cmake, ninja-build and libgtest-dev are needed');
    return;
  }
  const folder = join('build', name);
  const type = sanitize === '' ? 'Release' : 'RelWithDebInfo';
  const built =
    run('cmake', [
      '-S',
      '.',
      '-B',
      folder,
      '-G',
      'Ninja',
      '-DSHARDNS_TESTS=ON',
      `-DCMAKE_BUILD_TYPE=${type}`,
      `-DSHARDNS_SANITIZE=${sanitize}`,
      ...(cross?.options ?? []),
      '--log-level=WARNING',
    ]) && run('cmake', ['--build', folder, '--', '--quiet']);
  if (!built) {
    count(`${name}: build`, false);
    return;
  }
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  const [command, ...args] = [...(cross?.emulator ?? []), join(folder, 'shardns_tests')];
  const filter = unneeded === undefined ? [] : [`--gtest_filter=-${unneeded}`];
  const ended = run(command, [...args, '--gtest_brief=1', `--gtest_output=json:${report}`, ...filter], {
    SHARDNS_TORTURE_READS: reads,
  });
  if (!existsSync(report)) {
    count(`${name}: ended without a report`, false);
    return;
  }
  const { tests, failures, disabled } = JSON.parse(readFileSync(report, 'utf8'));
  totals.passed += tests - failures - disabled;
  totals.failed += failures + (ended || failures > 0 ? 0 : 1); // a leak is reported after the tests
  totals.skipped += disabled;
}

/** The engine's tests for the other processor that has a prebuilt binary, in an emulator of user programs. */
function arm64() {
  const needed = ['/usr/bin/aarch64-linux-gnu-g++', '/usr/bin/qemu-aarch64-static', '/usr/src/googletest'];
  const missing = needed.filter(path => !existsSync(path));
  if (missing.length > 0) {
    skip('C++ tests for arm64', `not installed: ${missing.join(' ')}`);
    return;
  }
  cpp('arm64', {
    reads: '200000',
    cross: {
      processor: 'arm64',
      options: [
        '-DCMAKE_SYSTEM_NAME=Linux',
        '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
        '-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++',
        '-DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc',
      ],
      emulator: ['/usr/bin/qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'],
    },
    // The plane is the kernel's sockets, a thousand forks are the emulator's: neither is about the processor.
    skip: '*Plane*:*Killed*',
  });
}

async function fuzz() {
  say(`fuzz targets, ${fuzzSeconds} s each`);
  if (!has('clang++') || !has('ninja')) {
    skip('fuzz targets', 'clang and ninja-build are needed');
    return;
  }
  const built =
    run('cmake', [
      '-S',
      '.',
      '-B',
      'build/fuzz',
      '-G',
      'Ninja',
      '-DSHARDNS_FUZZ=ON',
      '-DCMAKE_CXX_COMPILER=clang++',
      '--log-level=WARNING',
    ]) && run('cmake', ['--build', 'build/fuzz', '--', '--quiet']);
  if (!built) {
    count('fuzz: build', false);
    return;
  }
  const targets = readdirSync('test/fuzz')
    .filter(file => file.endsWith('.cc'))
    .map(file => file.replace('.cc', ''));
  const jobs = targets.map(name => () => {
    const corpus = join('build', 'corpus', name);
    mkdirSync(corpus, { recursive: true });
    return [
      join('build', 'fuzz', name),
      [`-max_total_time=${fuzzSeconds}`, '-max_len=4096', '-verbosity=0', `-artifact_prefix=${corpus}/`, corpus],
      name,
    ];
  });
  for (const name of ['fuzz_config', 'fuzz_dnssec', 'fuzz_zone', 'fuzz_transfers']) {
    jobs.push(() => [process.execPath, [`test/fuzz/${name}.mjs`, String(fuzzSeconds)], name]);
  }
  // Two at a time: the machines that run this have two cores or more.
  const worker = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const [command, args, name] = job();
      const code = await new Promise(resolve => {
        const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
        let tail = '';
        child.stderr.on('data', chunk => (tail = (tail + chunk).slice(-4000)));
        child.on('close', status => {
          if (status !== 0) process.stdout.write(tail);
          resolve(status);
        });
      });
      count(name, code === 0);
    }
  };
  await Promise.all([worker(), worker()]);
}

function ts() {
  say('TypeScript and end-to-end tests');
  const report = join('build', 'vitest.json');
  rmSync(report, { force: true });
  run(process.execPath, [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile=${report}`,
  ]);
  if (!existsSync(report)) {
    count('vitest: ended without a report', false);
    return;
  }
  const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  totals.passed += numPassedTests;
  totals.failed += numFailedTests || (numFailedTestSuites > 0 ? 1 : 0);
  totals.skipped += numPendingTests;
}

const suites = {
  lint,
  cpp: () => cpp('tests'),
  asan: () => cpp('asan', { sanitize: 'address,undefined', reads: '1000000', skip: 'Space.*' }),
  // What has one thread only says nothing here, and takes most of the time.
  tsan: () => cpp('tsan', { sanitize: 'thread', reads: '1000000', skip: '*Policy.*:Space.*:*Model*:Quota.*:*Damage*' }),
  arm64,
  fuzz,
  ts,
};
const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!(name in suites)) {
    process.stderr.write(`no suite ${name}: ${Object.keys(suites).join(' ')}\n`);
    process.exit(1);
  }
}
for (const [name, suite] of Object.entries(suites)) {
  if (wanted.length === 0 || wanted.includes(name)) await suite();
}
const { passed, failed, skipped } = totals;
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exit(failed === 0 ? 0 : 1);
