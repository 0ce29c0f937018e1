// What an upstream query costs: the native asker beside Node's sockets, in turns, against an upstream that sends every
// query back as its own answer. The asker has core 0, the upstream core 1. CPU of all threads, V8's collector too.
//
//   node bench/load/upstream.mjs [rounds] [queries] [under way]
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../dist/base/clock.js';
import { systemRandom } from '../../dist/base/random.js';
import { NativeUdpTransport } from '../../dist/transport/native-udp.js';
import { UdpTransport } from '../../dist/transport/udp.js';
import { keep, median } from '../results.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PORT = 5388;
const KINDS = {
  native: () => new NativeUdpTransport(systemClock),
  sockets: () => new UdpTransport(systemClock, systemRandom),
};

function query(i) {
  const message = Buffer.alloc(12 + 1 + 10 + 1 + 5 + 1 + 7 + 1 + 4);
  message[2] = 1;
  message[5] = 1;
  message[12] = 10;
  message.write(`n${String(i).padStart(9, '0')}`, 13, 'latin1');
  message[23] = 5;
  message.write('bench', 24, 'latin1');
  message[29] = 7;
  message.write('example', 30, 'latin1');
  message[39] = message[41] = 1;
  return message;
}

/** Asks so many queries, so many of them at a time. */
async function ask(transport, queries, underWay) {
  const server = { address: '127.0.0.1', port: PORT, family: 4 };
  let asked = 0;
  let left = queries;
  let lost = 0;
  await new Promise(done => {
    const next = () => {
      if (asked === queries) return;
      const began = systemClock.nowMs();
      let over = false;
      const ended = () => {
        if (over) return;
        over = true;
        if (--left === 0) done();
        else next();
      };
      const exchange = transport.ask(
        query(asked++),
        server,
        { beganMs: began, entropy: 'any' },
        {
          answered: ended,
          lost: () => (lost++, ended()),
          doubted: () => {},
        },
      );
      if (asked % 1000 === 0) {
        const timer = setTimeout(() => (exchange.callOff(), ended()), 3000);
        timer.unref();
      }
    };
    for (let i = 0; i < underWay; i++) next();
    // A packet may be dropped on the way: what is left then is given up.
    let before = left;
    setInterval(() => {
      if (left === before) done();
      before = left;
    }, 2000);
  });
  return { lost: lost + left };
}

if (process.argv[2] === '--child') {
  const [kind, queries, underWay] = [process.argv[3], Number(process.argv[4]), Number(process.argv[5])];
  const transport = KINDS[kind]();
  await ask(transport, 20_000, underWay);
  const cpu = process.cpuUsage();
  const began = performance.now();
  const { lost } = await ask(transport, queries, underWay);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(
    JSON.stringify({ user_us: user / queries, system_us: system / queries, rate: queries / seconds, lost }),
  );
  process.exit(0);
}

const rounds = Number(process.argv[2] ?? 5);
const queries = Number(process.argv[3] ?? 200_000);
const underWay = Number(process.argv[4] ?? 200);
const build = join(root, 'build/bench');
execFileSync('cmake', [
  '-S',
  root,
  '-B',
  build,
  '-DSHARDNS_BENCH=ON',
  '-DCMAKE_BUILD_TYPE=Release',
  '--log-level=WARNING',
]);
execFileSync('cmake', ['--build', build, '--target', 'reflector'], { stdio: 'ignore' });
const upstream = spawn('taskset', ['-c', '1', join(build, 'reflector'), String(PORT)], { stdio: 'ignore' });
const samples = Object.fromEntries(Object.keys(KINDS).map(kind => [kind, []]));
try {
  for (let round = 0; round < rounds; round++) {
    for (const kind of Object.keys(KINDS)) {
      const args = ['-c', '0', process.execPath, fileURLToPath(import.meta.url), '--child', kind, queries, underWay];
      const { stdout, stderr } = spawnSync('taskset', args.map(String), { encoding: 'utf8' });
      if (stdout === '') throw new Error(stderr);
      const sample = JSON.parse(stdout);
      samples[kind].push(sample);
      const cost = (sample.user_us + sample.system_us).toFixed(2);
      const { rate, lost, user_us: user, system_us: system } = sample;
      console.log(
        `${kind.padEnd(8)} ${cost} us of CPU a query (user ${user.toFixed(2)}, system ${system.toFixed(2)}), ` +
          `${Math.round(rate)}/s, ${lost} lost`,
      );
    }
  }
} finally {
  upstream.kill('SIGKILL');
}
const cost = kind => samples[kind].map(one => one.user_us + one.system_us);
const summary = Object.fromEntries(
  Object.keys(KINDS).map(kind => [
    kind,
    { cpu_us_per_query: median(cost(kind)), queries_per_cpu_second: 1e6 / median(cost(kind)) },
  ]),
);
console.table(summary);
const ratios = cost('native').map((mine, round) => mine / cost('sockets')[round]);
console.log(`CPU of a query, native to sockets: ${median(ratios).toFixed(3)} x (median of ${rounds} pairs)`);
keep('upstream', { rounds, queries, underWay, summary, samples });
