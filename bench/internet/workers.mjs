// What more threads bring to misses: none, one and two beside the main one, interleaved.
//   node bench/internet/workers.mjs [ROUNDS] [SECONDS]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { askAll } from './compare.mjs';
import { startInternet, startShardns, stop, stopAll } from './servers.mjs';
import { makeInternet } from './zones.mjs';

const ROUNDS = Number(process.argv[2] ?? 3);
const SECONDS = Number(process.argv[3] ?? 5);
const tops = ['com', 'net', 'org'];
const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const cpuSeconds = pid => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

const folder = mkdtempSync(join(tmpdir(), 'workers-'));
const results = { 0: [], 1: [], 2: [] };
try {
  const internet = makeInternet();
  await startInternet(internet, folder);
  const file = join(folder, 'names.txt');
  writeFileSync(
    file,
    Array.from({ length: 200_000 }, (_, i) => `m${i}.wild.zone${i % 42}.${tops[(i % 42) % 3]} A`).join('\n'),
  );
  let port = 5800;
  for (let round = 0; round < ROUNDS; round++) {
    for (const workers of [0, 1, 2]) {
      const child = await startShardns(internet, folder, ++port, {
        resolver: {
          recursive: true,
          rootHints: internet.hints,
          ipv6: false,
          doNotQueryLocalhost: false,
          workers,
        },
      });
      await askAll(
        port,
        Array.from({ length: 42 }, (_, i) => [`h1.zone${i}.${tops[i % 3]}`, 'A']),
      );
      const before = cpuSeconds(child.pid);
      const began = performance.now();
      const report = execFileSync(
        'dnsperf',
        ['-s', '127.0.0.1', '-p', String(port), '-d', file, '-l', String(SECONDS), '-c', '4', '-q', '400'],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      );
      results[workers].push({
        missesPerSecond: Number(/Queries per second:\s+([\d.]+)/.exec(report)[1]),
        lost: Number(/Queries lost:\s+(\d+)/.exec(report)[1]),
        cores: ((cpuSeconds(child.pid) - before) / (performance.now() - began)) * 1000,
      });
      await stop(child);
    }
  }
  const summary = Object.fromEntries(
    Object.entries(results).map(([workers, list]) => [
      workers,
      {
        missesPerSecond: median(list.map(one => one.missesPerSecond)),
        cores: median(list.map(one => one.cores)),
        lost: list.reduce((sum, one) => sum + one.lost, 0),
      },
    ]),
  );
  for (const [workers, one] of Object.entries(summary)) {
    const ratio = one.missesPerSecond / summary[0].missesPerSecond;
    process.stdout.write(
      `${workers} workers: ${Math.round(one.missesPerSecond)} misses/s (${ratio.toFixed(2)} x), ${one.cores.toFixed(2)} cores, ${one.lost} lost\n`,
    );
  }
  writeFileSync(
    new URL('../results/recursion-workers.json', import.meta.url),
    `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), cpu: cpus()[0].model, cores: availableParallelism(), rounds: ROUNDS, results: summary }, null, 2)}\n`,
  );
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
