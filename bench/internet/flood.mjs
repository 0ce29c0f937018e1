// A flood of random names below other people's zones, at full speed: are legitimate clients served, and at what cost?
// And what the caches take for the same data, beside Unbound's.
//   node bench/internet/flood.mjs [SECONDS]
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { askAll } from './compare.mjs';
import { encodeQuery, startInternet, startShardns, startUnbound, stop, stopAll } from './servers.mjs';
import { makeInternet, randomNumbers } from './zones.mjs';

const SECONDS = Number(process.argv[2] ?? 15);
const folder = mkdtempSync(join(tmpdir(), 'flood-'));
const tops = ['com', 'net', 'org'];
const legitimate = Array.from({ length: 500 }, (_, i) => [`h${i % 200}.zone${i % 42}.${tops[(i % 42) % 3]}`, 'A']);
const status = pid => {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const cpu = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return { rssMiB: Number(/VmRSS:\s+(\d+)/.exec(text)[1]) / 1024, cpu: (Number(cpu[11]) + Number(cpu[12])) / 100 };
};

/** A steady client: 200 questions a second for names that exist. */
async function client(port, seconds) {
  const socket = createSocket('udp4');
  await new Promise(resolve => socket.connect(port, '127.0.0.1', resolve));
  const sent = new Map();
  const latencies = [];
  let failed = 0;
  socket.on('message', message => {
    const id = message.readUInt16BE(0);
    const at = sent.get(id);
    if (at === undefined) return;
    sent.delete(id);
    if ((message[3] & 15) === 0) latencies.push(performance.now() - at);
    else failed++;
  });
  let n = 0;
  const timer = setInterval(() => {
    const id = n & 0xffff;
    sent.set(id, performance.now());
    socket.send(encodeQuery(id, ...legitimate[n++ % legitimate.length]));
  }, 5);
  await new Promise(resolve => setTimeout(resolve, seconds * 1000));
  clearInterval(timer);
  await new Promise(resolve => setTimeout(resolve, 2000));
  socket.close();
  latencies.sort((a, b) => a - b);
  const quantile = q => latencies[Math.floor(latencies.length * q)] ?? Number.NaN;
  return { asked: n, answered: latencies.length, failed, p50: quantile(0.5), p99: quantile(0.99) };
}

const results = {};
try {
  const internet = makeInternet();
  await startInternet(internet, folder);
  const { below } = randomNumbers(7);
  const file = join(folder, 'flood.txt');
  writeFileSync(
    file,
    Array.from({ length: 400_000 }, (_, i) => `r${i}x${below(1e9)}.zone${i % 42}.${tops[(i % 42) % 3]} A`).join('\n'),
  );
  for (const [name, begin, port] of [
    ['shardns', (...args) => startShardns(...args, { metrics: '127.0.0.1:5710' }), 5701],
    ['unbound', startUnbound, 5702],
  ]) {
    const child = await begin(internet, folder, port);
    await askAll(port, legitimate);
    const before = status(child.pid);
    const quiet = await client(port, 3);
    const flood = spawn(
      'dnsperf',
      ['-s', '127.0.0.1', '-p', String(port), '-d', file, '-l', String(SECONDS), '-c', '8', '-q', '4000', '-t', '2'],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    let report = '';
    flood.stdout.on('data', data => {
      report += data;
    });
    const at = status(child.pid);
    const under = await client(port, SECONDS);
    const after = status(child.pid);
    const rate = Number(/Queries per second:\s+([\d.]+)/.exec(report)?.[1]);
    results[name] = {
      quiet,
      under,
      floodPerSecond: rate,
      cpuShare: (after.cpu - at.cpu) / (SECONDS + 2),
      rssBeforeMiB: before.rssMiB,
      rssAfterMiB: after.rssMiB,
    };
    process.stdout.write(
      `${name.padEnd(8)} flood answered at ${Math.round(rate)}/s; of ${under.asked} legitimate questions ${under.answered} answered, ${under.failed} failed; p50 ${under.p50.toFixed(2)} ms (quiet ${quiet.p50.toFixed(2)}), p99 ${under.p99.toFixed(1)} ms; ${before.rssMiB.toFixed(0)} -> ${after.rssMiB.toFixed(0)} MiB; ${results[name].cpuShare.toFixed(2)} cores\n`,
    );
    if (name === 'shardns') {
      const text = await (await fetch('http://127.0.0.1:5710/metrics')).text();
      const metric = key => Number(new RegExp(`^${key} (\\d+)`, 'm').exec(text)?.[1]);
      const one = (entries, bytes) => ({ entries: metric(entries), bytes: metric(bytes) });
      results[name].messages = one('shardns_cache_entries', 'shardns_cache_bytes');
      results[name].rrsets = one('shardns_rrset_cache_entries', 'shardns_rrset_cache_bytes');
    } else {
      const text = execFileSync('unbound-control', ['-c', join(folder, 'unbound.conf'), 'stats_noreset'], {
        encoding: 'utf8',
      });
      const stat = key => Number(new RegExp(`^${key}=(\\d+)`, 'm').exec(text)?.[1]);
      results[name].messages = { entries: stat('msg\\.cache\\.count'), bytes: stat('mem\\.cache\\.message') };
      results[name].rrsets = { entries: stat('rrset\\.cache\\.count'), bytes: stat('mem\\.cache\\.rrset') };
    }
    for (const cache of ['messages', 'rrsets']) {
      const { entries, bytes } = results[name][cache];
      process.stdout.write(
        `         ${cache}: ${entries} entries in ${(bytes / 2 ** 20).toFixed(1)} MiB, ${(entries / (bytes / 2 ** 20)).toFixed(0)} a MiB\n`,
      );
    }
    await stop(child);
  }
  writeFileSync(
    new URL('../results/flood.json', import.meta.url),
    `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), seconds: SECONDS, ...results }, null, 2)}\n`,
  );
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
