// What recursion costs, beside Unbound on the same small internet: queries to name servers for a cold cache, and
// processor time for a miss.
//   node bench/internet/run.mjs [ROUNDS]
//   node bench/internet/run.mjs [ROUNDS] [MISSES] --beside CHECKOUT    a miss of this build and of another one, in turns
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '../results.mjs';
import { askAll } from './compare.mjs';
import { makeInternet, questions } from './zones.mjs';
import { startInternet, startShardns, startUnbound, stop, stopAll } from './servers.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { beside: { type: 'string' } } });
const pair = values.beside !== undefined;
const ROUNDS = Number(positionals[0] ?? (pair ? 25 : 3));
const COLD = 10_000;
const MISSES = Number(positionals[1] ?? (pair ? 6000 : 30_000));
const TICKS = 100; // a second, of /proc

/** Seconds of processor time that a process has had. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
const rssMiB = pid => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** Names that nobody has asked for, each below a wildcard of its own zone: one query to a server that is known. */
const newNames = (count, batch = '') =>
  Array.from({ length: count }, (_, i) => [
    `m${batch}${i}.wild.zone${i % 42}.${['com', 'net', 'org'][(i % 42) % 3]}`,
    'A',
  ]);
const failures = replies => replies.filter(one => one === undefined || (one[3] & 15) !== 0).length;

const folder = mkdtempSync(join(tmpdir(), 'internet-'));

async function besideUnbound(internet, servers) {
  const results = { shardns: [], unbound: [] };
  const cold = questions(COLD);
  const misses = newNames(MISSES);
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
      const failed = failures(await askAll(port, misses));
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
}

/** Both stand ready and warm; what is compared is measured within seconds of each other, in turns. */
async function besideOtherBuild(internet, checkout) {
  const subjects = [];
  for (const [i, at] of [undefined, checkout].entries()) {
    const port = 5500 + i;
    const child = await startShardns(internet, folder, port, {}, at);
    // The optimiser has seen enough by then.
    for (let warm = 0; warm < 2; warm++) await askAll(port, newNames(15_000, `w${warm}x`));
    subjects.push({ port, child, micros: [], failed: 0 });
  }
  for (let round = 0; round < ROUNDS; round++) {
    // Who is first has the cooler processor, or the name servers' caches cold.
    for (const one of round % 2 === 0 ? subjects : [...subjects].reverse()) {
      const before = cpuSeconds(one.child.pid);
      one.failed += failures(await askAll(one.port, newNames(MISSES, `r${round}x`)));
      one.micros.push(((cpuSeconds(one.child.pid) - before) * 1e6) / MISSES);
    }
  }
  const [mine, other] = subjects;
  const ratios = mine.micros.map((micros, round) => micros / other.micros[round]);
  for (const [name, one] of [
    ['this build', mine],
    ['the other', other],
  ]) {
    process.stdout.write(
      `${name.padEnd(10)} ${median(one.micros).toFixed(1)} us of CPU a miss, ${one.failed} failed, ${rssMiB(one.child.pid).toFixed(0)} MiB\n`,
    );
  }
  process.stdout.write(
    `CPU of a recursive miss, this build to the other: ${median(ratios).toFixed(3)} x (median of ${ROUNDS} pairs)\n`,
  );
}

try {
  const internet = makeInternet();
  const servers = await startInternet(internet, folder);
  if (pair) await besideOtherBuild(internet, values.beside);
  else await besideUnbound(internet, servers);
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
