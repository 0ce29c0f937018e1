// What a program pays for importing the package, and how long `npm start` takes to its first answer.
//
//   node bench/lib/start.mjs [imports] [starts] [--beside CHECKOUT]...     rounds of each, 31 and 11 unless told
//
// An import is compared with the same program and an empty module: wall time from spawning to exit, processor time, and
// resident memory at its end. A start is timed from spawning npm to the first reply over UDP; npm itself, told to start
// nothing, is its floor. Everything is interleaved. Processor time of a start is of all its processes, from /proc.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { keep, median } from '../results.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { beside: { type: 'string', multiple: true, default: [] } },
});
const [importRounds, startRounds] = [Number(positionals[0] ?? 31), Number(positionals[1] ?? 11)];
const checkouts = [{ label: '', path: root }];
for (const path of values.beside) checkouts.push({ label: ` of ${basename(path)}`, path: resolve(path) });
const folder = mkdtempSync(join(tmpdir(), 'shardns-start-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const TELL = `
const { userCPUTime, systemCPUTime } = process.resourceUsage();
process.stdout.write(JSON.stringify({ cpuMs: (userCPUTime + systemCPUTime) / 1000, rssBytes: process.memoryUsage.rss() }));
`;
function program(name, text) {
  writeFileSync(join(folder, name), text + TELL);
  return join(folder, name);
}
writeFileSync(join(folder, 'empty.mjs'), 'export {};\n');
writeFileSync(join(folder, 'empty.cjs'), '\n');

/** [name, the program, that with which it is compared] */
const imports = [
  ['nothing, by import', program('bare.mjs', "import './empty.mjs';")],
  ['nothing, by require', program('bare.cjs', "require('./empty.cjs');")],
];
for (const [i, { label, path }] of checkouts.entries()) {
  const at = file => JSON.stringify(pathToFileURL(join(path, 'dist', file)).href);
  const required = JSON.stringify(join(path, 'dist/node/index.js'));
  imports.push(
    [`shardns/lookup${label}`, program(`lookup-${i}.mjs`, `import ${at('node/index.js')};`), 'nothing, by import'],
    [`shardns/lookup${label}, by require`, program(`lookup-${i}.cjs`, `require(${required});`), 'nothing, by require'],
    [`shardns${label}`, program(`main-${i}.mjs`, `import ${at('index.js')};`), 'nothing, by import'],
  );
}
const rival = join(root, 'node_modules/cacheable-lookup/source/index.js');
if (existsSync(rival)) {
  const text = `import ${JSON.stringify(pathToFileURL(rival).href)};`;
  imports.push(['cacheable-lookup', program('rival.mjs', text), 'nothing, by import']);
} else console.log('cacheable-lookup is not installed, and left out');

function runProgram(file) {
  const began = process.hrtime.bigint();
  const { status, stdout } = spawnSync(process.execPath, [file], { stdio: ['ignore', 'pipe', 'ignore'] });
  const wallMs = Number(process.hrtime.bigint() - began) / 1e6;
  if (status !== 0) throw new Error(`${file} ended with ${status}`);
  return { wallMs, ...JSON.parse(stdout) };
}

const TICK_MS = 10; // USER_HZ, in which proc(5) counts
/** Of a process: user and system time, then those of its children that have ended. */
function ticksOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number);
}
/** Milliseconds of processor time that a process and all below it have taken, those that have ended too. */
function processorMs(pid) {
  let ms = ticksOf(pid).reduce((sum, ticks) => sum + ticks * TICK_MS, 0);
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').trim();
    for (const child of children === '' ? [] : children.split(' ')) ms += processorMs(child);
  }
  return ms;
}

// The A record of localhost, which every server answers by itself.
const QUERY = Buffer.from('000101000001000000000000096c6f63616c686f73740000010001', 'hex');
const GIVE_UP_MS = 60_000;

/** From spawning to the first reply. */
async function firstReply(command, args, cwd) {
  const socket = createSocket('udp4');
  await new Promise(done => socket.bind(0, '127.0.0.1', done));
  // Free a moment ago, and taken by nobody else on the address of loopback that this process has.
  const probe = createSocket('udp4');
  await new Promise(done => probe.bind(0, '127.0.0.1', done));
  const { port } = probe.address();
  await new Promise(done => probe.close(done));
  const began = process.hrtime.bigint();
  const child = spawn(command, [...args, '--listen', `127.0.0.1:${port}`], {
    cwd,
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, SHARDNS_UPSTREAM: '192.0.2.1' },
  });
  const asking = setInterval(() => socket.send(QUERY, port, '127.0.0.1'), 5);
  try {
    await new Promise((answered, failed) => {
      socket.on('message', answered);
      socket.on('error', () => {}); // nobody listens yet
      child.on('exit', code => failed(new Error(`${command} ${args.join(' ')} ended with ${code}`)));
      setTimeout(() => failed(new Error(`no reply in ${GIVE_UP_MS} ms`)), GIVE_UP_MS).unref();
    });
    return { wallMs: Number(process.hrtime.bigint() - began) / 1e6, cpuMs: processorMs(child.pid) };
  } finally {
    clearInterval(asking);
    socket.close();
    child.removeAllListeners('exit');
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise(done => child.on('exit', done));
      process.kill(-child.pid, 'SIGTERM');
      await ended;
    }
  }
}

/** npm itself, as it is told to start nothing. */
function npmAlone() {
  const ended = () =>
    ticksOf('self')
      .slice(2)
      .reduce((sum, ticks) => sum + ticks * TICK_MS, 0);
  const cpuMs = ended();
  const began = process.hrtime.bigint();
  spawnSync('npm', ['start'], { cwd: nothing, stdio: 'ignore' });
  return { wallMs: Number(process.hrtime.bigint() - began) / 1e6, cpuMs: ended() - cpuMs };
}
const nothing = join(folder, 'nothing');
mkdirSync(nothing);
writeFileSync(join(nothing, 'package.json'), '{ "name": "nothing", "private": true, "scripts": { "start": "true" } }');

const starts = [['npm start of nothing', npmAlone]];
for (const { label, path } of checkouts) {
  const command = join(path, 'lib/cli/shardns.mjs');
  starts.push(
    [`npm start${label}`, () => firstReply('npm', ['start', '--'], path), 'npm start of nothing'],
    [`shardns serve${label}`, () => firstReply(process.execPath, [command, 'serve'], path)],
  );
}

/** Rounds of all of them, one after the other, after one that warms up; medians, and of the differences in each round. */
async function compare(rounds, subjects, fields) {
  const samples = Object.fromEntries(subjects.map(([name]) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of subjects) {
      const sample = await run();
      if (round > 0) samples[name].push(sample);
    }
  }
  const results = {};
  for (const [name, , base] of subjects) {
    const result = (results[name] = {});
    for (const field of fields) {
      result[field] = median(samples[name].map(one => one[field]));
      if (base === undefined) continue;
      result[`${field}Over`] = median(samples[name].map((one, i) => one[field] - samples[base][i][field]));
      result[`${field}Ratio`] = median(samples[name].map((one, i) => one[field] / samples[base][i][field]));
    }
    const texts = fields.map(field => {
      const [divisor, unit] = field === 'rssBytes' ? [2 ** 20, 'MiB'] : [1, 'ms'];
      const over = base === undefined ? '' : ` (+${(result[`${field}Over`] / divisor).toFixed(1)})`;
      return `${field.replace(/[A-Z].*/, '')} ${(result[field] / divisor).toFixed(1).padStart(6)}${over.padEnd(9)} ${unit}`;
    });
    console.log(`${name.padEnd(34)} ${texts.join('   ')}`);
  }
  return results;
}

const programs = imports.map(([name, file, base]) => [name, () => runProgram(file), base]);
const importResults = await compare(importRounds, programs, ['wallMs', 'cpuMs', 'rssBytes']);
const startResults = await compare(startRounds, starts, ['wallMs', 'cpuMs']);
keep('start', { importRounds, startRounds, imports: importResults, starts: startResults });
process.exit(0);
