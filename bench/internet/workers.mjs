// What more threads bring to misses: none, one and two beside the main one, on one core and on two, interleaved. A zone
// and its questioners in one cheap thread have cores of their own; where there are none, they share the server's, be they
// one or two, and take about a tenth: with a free core beside one worker and none beside two, two worlds were compared.
//   node bench/internet/workers.mjs [ROUNDS] [SECONDS]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startShardns, stopAll } from './servers.mjs';

const ROUNDS = Number(process.argv[2] ?? 15);
const SECONDS = Number(process.argv[3] ?? 2);
const ZONE_PORT = 5799;
const FIRST_PORT = 5800;
const WINDOW = 512;
const SETUPS = [
  { workers: 0, cores: 1 },
  { workers: 1, cores: 1 },
  { workers: 1, cores: 2 },
  { workers: 2, cores: 2 },
];
/** One worker on one core. */
const BASE = 1;
const root = fileURLToPath(new URL('../..', import.meta.url));
const build = join(root, 'build/bench');
const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const cpuSeconds = pid => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

execFileSync('cmake', ['-S', root, '-B', build, '-DSHARDNS_BENCH=ON', '-DCMAKE_BUILD_TYPE=Release'], {
  stdio: 'ignore',
});
execFileSync('cmake', ['--build', build, '--target', 'wild'], { stdio: 'ignore' });

const folder = mkdtempSync(join(tmpdir(), 'workers-'));
const results = SETUPS.map(() => []);
let name = 0;
/** @returns answers, queries to the zone, and seconds */
function load(port, seconds, cores) {
  const args = [port, ZONE_PORT, seconds, WINDOW, (name += 10_000_000)].map(String);
  const others = availableParallelism() > 2 ? `2-${availableParallelism() - 1}` : `0-${cores - 1}`;
  // The world does not wait until a resolver leaves it a core.
  const command = ['-f', '1', 'taskset', '-c', others, join(build, 'wild'), ...args];
  const output = execFileSync('chrt', command, { encoding: 'utf8' });
  return output.trim().split(' ').map(Number);
}
try {
  // All of them stand ready: what is compared is measured within seconds of each other.
  const servers = [];
  for (const { workers, cores } of SETUPS) {
    const port = FIRST_PORT + servers.length;
    const child = await startShardns({ hints: ['127.0.0.1'] }, folder, port, {
      dnssec: { validate: false },
      resolver: { recursive: true, rootHints: ['127.0.0.1'], ipv6: false, doNotQueryLocalhost: false, workers },
      stubZones: [{ name: 'wild.example', servers: [`127.0.0.1:${ZONE_PORT}`] }],
      local: { records: ['up.example A 192.0.2.1'] },
    });
    execFileSync('taskset', ['-a', '-c', '-p', cores === 1 ? '0' : '0,1', String(child.pid)], { stdio: 'ignore' });
    load(port, 2, cores);
    servers.push({ port, child, cores });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { port, child, cores }] of servers.entries()) {
      const before = cpuSeconds(child.pid);
      const [answers, queries, seconds] = load(port, SECONDS, cores);
      const cpu = cpuSeconds(child.pid) - before;
      results[i].push({
        missesPerSecond: answers / seconds,
        missesPerCpuSecond: answers / cpu,
        queriesPerMiss: queries / answers,
        coresUsed: cpu / seconds,
      });
    }
  }
  const setups = SETUPS.map((setup, i) => ({
    ...setup,
    ...Object.fromEntries(Object.keys(results[i][0]).map(key => [key, median(results[i].map(one => one[key]))])),
    ratio: median(results[i].map((one, round) => one.missesPerSecond / results[BASE][round].missesPerSecond)),
  }));
  for (const { workers, cores, missesPerSecond, missesPerCpuSecond, coresUsed, ratio } of setups) {
    process.stdout.write(
      `${workers} workers on ${cores} cores: ${Math.round(missesPerSecond)} misses/s (${ratio.toFixed(2)} x), ${coresUsed.toFixed(2)} cores used, ${Math.round(missesPerCpuSecond)} a CPU second\n`,
    );
  }
  writeFileSync(
    new URL('../results/recursion-workers.json', import.meta.url),
    `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), cpu: cpus()[0].model, cores: availableParallelism(), rounds: ROUNDS, setups }, null, 2)}\n`,
  );
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
