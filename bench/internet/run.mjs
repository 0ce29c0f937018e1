// What recursion costs, beside Unbound on the same small internet: queries to name servers for a cold cache, and
// processor time for a miss.
//   node bench/internet/run.mjs [ROUNDS]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { askAll } from './compare.mjs';
import { makeInternet, questions } from './zones.mjs';
import { startInternet, startShardns, startUnbound, stop, stopAll } from './servers.mjs';

const ROUNDS = Number(process.argv[2] ?? 3);
const COLD = 10_000;
const MISSES = 30_000;
const TICKS = 100; // a second, of /proc

/** Seconds of processor time that a process has had. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
const rssMiB = pid => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

const folder = mkdtempSync(join(tmpdir(), 'internet-'));
const results = { shardns: [], unbound: [] };
try {
  const internet = makeInternet();
  const servers = await startInternet(internet, folder);
  const cold = questions(COLD);
  // Each a name of its own below a wildcard: one query to a server that is known.
  const misses = Array.from({ length: MISSES }, (_, i) => [
    `m${i}.wild.zone${i % 42}.${['com', 'net', 'org'][(i % 42) % 3]}`,
    'A',
  ]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, begin] of [
      ['shardns', startShardns],
      ['unbound', startUnbound],
    ]) {
      const port = 5500 + round * 2 + (name === 'shardns' ? 0 : 1);
      const child = await begin(internet, folder, port);
      const before = servers.queries();
      await askAll(port, cold);
      const asked = servers.queries() - before;
      const cpu = cpuSeconds(child.pid);
      const began = performance.now();
      const atMisses = servers.queries();
      const replies = await askAll(port, misses);
      const failed = replies.filter(one => one === undefined || (one[3] & 15) !== 0).length;
      const used = cpuSeconds(child.pid) - cpu;
      results[name].push({
        queriesPerCold: asked / COLD,
        missesPerCpuSecond: MISSES / used,
        missesPerSecond: (MISSES / (performance.now() - began)) * 1000,
        queriesPerMiss: (servers.queries() - atMisses) / MISSES,
        failed,
        rssMiB: rssMiB(child.pid),
      });
      await stop(child);
    }
  }
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
const middle = name =>
  Object.fromEntries(Object.keys(results[name][0]).map(key => [key, median(results[name].map(one => one[key]))]));
const summary = { shardns: middle('shardns'), unbound: middle('unbound') };
for (const [name, one] of Object.entries(summary)) {
  process.stdout.write(
    `${name.padEnd(8)} ${one.queriesPerCold.toFixed(3)} queries a cold question, ${one.queriesPerMiss.toFixed(3)} a miss; ${Math.round(one.missesPerCpuSecond)} misses a CPU second, ${Math.round(one.missesPerSecond)} a second; ${one.failed} failed; ${one.rssMiB.toFixed(0)} MiB\n`,
  );
}
const ratio = key => summary.shardns[key] / summary.unbound[key];
process.stdout.write(
  `shardns / unbound: queries ${ratio('queriesPerCold').toFixed(2)} x, misses a CPU second ${ratio('missesPerCpuSecond').toFixed(2)} x\n`,
);
writeFileSync(
  new URL('../results/internet.json', import.meta.url),
  `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), cpu: cpus()[0].model, node: process.version, rounds: ROUNDS, ...summary }, null, 2)}\n`,
);
process.exit();
