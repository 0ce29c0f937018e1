// UDP load on one core: shardns beside a bare reflector, dnsdist, unbound and a plain Node server, interleaved.
// The server has core 0, the generator (dnsperf) and the authority (nsd) core 1.
//
//   node bench/load/run.mjs [rounds] [seconds]
//   node bench/load/run.mjs [rounds] [seconds] --beside CHECKOUT    this build and another one only, and their ratio
//   node bench/load/run.mjs [rounds] [seconds] --policy    this build with an access list, rates, cookies and a list of a
//                                                          million names, which clients send cookies, and without
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { keep, median } from '../results.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { beside: { type: 'string' }, policy: { type: 'boolean' } },
});
const rounds = Number(positionals[0] ?? 5);
const seconds = Number(positionals[1] ?? 4);
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'shardns-load-'));
const NAMES = 10_000;
const AUTHORITY = 5391;
const ZONE = 'bench.example';
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const file = (name, text) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

if (spawnSync('sh', ['-c', 'command -v dnsperf nsd unbound taskset']).status !== 0) {
  console.error('dnsperf, nsd, unbound and taskset are needed: apt-get install dnsperf nsd unbound dnsdist util-linux');
  process.exit(1);
}
const zone = file(
  'zone',
  `$ORIGIN ${ZONE}.\n$TTL 3600\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n* A 192.0.2.1\n`,
);
const nsdConfig = file(
  'nsd.conf',
  `server:\n  ip-address: 127.0.0.1@${AUTHORITY}\n  username: ""\n  zonesdir: "${folder}"\n  pidfile: "${folder}/nsd.pid"\n  database: ""\n  logfile: "${folder}/nsd.log"\n  xfrdfile: "${folder}/xfrd"\n  xfrdir: "${folder}"\n  zonelistfile: "${folder}/zonelist"\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\nzone:\n  name: ${ZONE}\n  zonefile: "${zone}"\n`,
);
const unboundConfig = port =>
  file(
    'unbound.conf',
    `server:\n  interface: 127.0.0.1@${port}\n  username: ""\n  chroot: ""\n  directory: "${folder}"\n  pidfile: ""\n  use-syslog: no\n  logfile: "${folder}/unbound.log"\n  num-threads: 1\n  so-rcvbuf: 4m\n  so-sndbuf: 4m\n  outgoing-range: 4096\n  num-queries-per-thread: 4096\n  msg-cache-size: 256m\n  rrset-cache-size: 256m\n  do-not-query-localhost: no\n  module-config: "iterator"\n  access-control: 127.0.0.0/8 allow\n  infra-keep-probing: yes\nremote-control:\n  control-enable: no\nforward-zone:\n  name: "."\n  forward-addr: 127.0.0.1@${AUTHORITY}\n`,
  );
const dnsdistConfig = port =>
  file(
    'dnsdist.conf',
    `setLocal('127.0.0.1:${port}', {reusePort=true})\nsetACL('127.0.0.0/8')\nnewServer({address='127.0.0.1:${AUTHORITY}', sockets=8, useClientSubnet=false, checkInterval=60})\npc = newPacketCache(1000000, {maxTTL=86400, numberOfShards=64, keepStaleData=false})\ngetPool(''):setCache(pc)\nsetMaxUDPOutstanding(65535)\nsetVerboseHealthChecks(false)\n`,
  );

const shardns = checkout => port => [
  process.execPath,
  [
    join(checkout, 'dist/cli/main.js'),
    'serve',
    '--listen',
    `127.0.0.1:${port}`,
    '--upstream',
    `127.0.0.1:${AUTHORITY}`,
    '--threads',
    '1',
    '--memory',
    '256MiB',
    '--log-level',
    'error',
  ],
];
const rivals = {
  reflector: port => [join(root, 'build/bench/reflector'), [String(port)]],
  shardns: shardns(root),
  dnsdist: port => ['dnsdist', ['-C', dnsdistConfig(port), '--supervised', '--disable-syslog']],
  unbound: port => ['unbound', ['-d', '-c', unboundConfig(port)]],
  node: port => [process.execPath, [join(root, 'bench/load/node-rival.mjs'), String(port)]],
};
const pair = values.beside !== undefined || values.policy === true;
if (!pair) {
  execFileSync('cmake', [
    '-S',
    root,
    '-B',
    join(root, 'build/bench'),
    '-DSHARDNS_BENCH=ON',
    '-DCMAKE_BUILD_TYPE=Release',
    '--log-level=WARNING',
  ]);
  execFileSync('cmake', ['--build', join(root, 'build/bench'), '--target', 'reflector'], { stdio: 'ignore' });
}
/** Everything that is decided before a lookup, of which none of the queries is refused or blocked. */
function policyFile() {
  const names = Array.from({ length: 1_000_000 }, (_, i) => `0.0.0.0 n${i.toString(36)}.ads${i % 5000}.test\n`);
  const list = file('names.hosts', names.join(''));
  const prefixes = Array.from({ length: 1024 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  return file(
    'policy.json',
    JSON.stringify({
      allow: ['127.0.0.0/8', ...prefixes],
      cookies: { enabled: true },
      rateLimit: { enabled: true, queriesPerSecond: 1_000_000, nxdomainPerSecond: 1_000_000 },
      lists: [{ name: 'million', source: list, format: 'hosts' }],
    }),
  );
}
const policy = values.policy ? policyFile() : undefined;
/** Some of the names that the list blocks. */
const blocked = values.policy
  ? file(
      'blocked',
      Array.from({ length: NAMES }, (_, i) => `n${(i * 97).toString(36)}.ads${(i * 97) % 5000}.test A\n`).join(''),
    )
  : undefined;
const withPolicy = port => {
  const [command, args] = shardns(root)(port);
  return [command, [...args, '--config', policy]];
};
const subjects = values.policy
  ? { shardns: shardns(root), policy: withPolicy }
  : pair
    ? { shardns: shardns(root), beside: shardns(values.beside) }
    : rivals;
/** Half a cookie, which is answered with a whole one where cookies are on. */
const cookie = values.policy ? ['-E', '10:0102030405060708', '-e'] : [];
if (!pair && spawnSync('sh', ['-c', 'command -v dnsdist']).status !== 0) {
  console.error('dnsdist is not installed: it is left out');
  delete subjects.dnsdist;
}

/** CPU seconds of a process and all its threads. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function dnsperf(port, queries, extra) {
  const { stdout, stderr } = spawnSync(
    'taskset',
    ['-c', '1', 'dnsperf', '-s', '127.0.0.1', '-p', String(port), '-d', queries, '-t', '2', ...extra, ...cookie],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  const number = pattern => Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
  const result = {
    completed: number(/Queries completed:\s+(\d+)/),
    lost: number(/Queries lost:\s+(\d+)/),
    qps: number(/Queries per second:\s+([\d.]+)/),
    noError: number(/NOERROR (\d+)/),
  };
  if (Number.isNaN(result.completed)) throw new Error(`dnsperf: ${stderr}`);
  const latencies = [...stdout.matchAll(/^> NOERROR .* ([\d.]+)$/gm)].map(match => Number(match[1]) * 1e6);
  if (latencies.length > 0) {
    latencies.sort((a, b) => a - b);
    result.p50_us = latencies[Math.floor(latencies.length * 0.5)];
    result.p99_us = latencies[Math.floor(latencies.length * 0.99)];
  }
  return result;
}

async function withServer(name, port, body) {
  const [command, args] = subjects[name](port);
  const child = spawn('taskset', ['-c', '0', command, ...args], { stdio: 'ignore' });
  try {
    // A million names are compiled before it listens.
    await sleep(name === 'policy' ? 5000 : pair || name === 'node' || name === 'shardns' ? 900 : 500);
    return await body(child.pid);
  } finally {
    child.kill('SIGKILL');
    await new Promise(resolve => child.once('close', resolve));
  }
}

function measure(pid, port, queries, extra) {
  const before = cpuSeconds(pid);
  const result = dnsperf(port, queries, extra);
  return { ...result, cpu_us_per_query: ((cpuSeconds(pid) - before) * 1e6) / result.completed };
}

const hits = file('hits', Array.from({ length: NAMES }, (_, i) => `h${i}.${ZONE} A\n`).join(''));
let batch = 0;
const misses = count => {
  batch++;
  return file(`misses-${batch}`, Array.from({ length: count }, (_, i) => `m${batch}-${i}.${ZONE} A\n`).join(''));
};

const nsd = spawn('taskset', ['-c', '1', 'nsd', '-d', '-c', nsdConfig], { stdio: 'ignore' });
await sleep(800);
const samples = Object.fromEntries(
  Object.keys(subjects).map(name => [name, { hits: [], blocked: [], paced: [], misses: [] }]),
);
let port = 5400;
try {
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(subjects)) {
      port++;
      await withServer(name, port, async pid => {
        dnsperf(port, hits, ['-n', '2', '-q', '50']); // every name is in the cache now
        samples[name].hits.push(measure(pid, port, hits, ['-l', String(seconds), '-c', '8', '-q', '200']));
        if (name === 'policy') {
          samples[name].blocked.push(measure(pid, port, blocked, ['-l', String(seconds), '-c', '8', '-q', '200']));
        }
        const paced = measure(pid, port, hits, [
          '-l',
          String(Math.max(2, seconds / 2)),
          '-c',
          '4',
          '-Q',
          '20000',
          '-v',
        ]);
        samples[name].paced.push(paced);
        if (pair || name === 'shardns' || name === 'unbound' || name === 'dnsdist') {
          samples[name].misses.push(measure(pid, port, misses(60_000), ['-n', '1', '-c', '4', '-q', '100']));
        }
      });
      const last = list => list.at(-1);
      const { hits: h, paced: p, misses: m } = samples[name];
      console.log(
        `${name.padEnd(10)} hits ${Math.round(last(h).qps)}/s ${last(h).cpu_us_per_query.toFixed(2)} us cpu (lost ${last(h).lost})  p99 at 20 k/s ${last(p).p99_us?.toFixed(0)} us` +
          (m.length > 0
            ? `  misses ${Math.round(last(m).qps)}/s ${last(m).cpu_us_per_query.toFixed(1)} us cpu, ${last(m).noError} of ${last(m).completed}`
            : ''),
      );
    }
  }
} finally {
  nsd.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

const summary = Object.fromEntries(
  Object.entries(samples).map(([name, { hits: h, paced: p, misses: m }]) => [
    name,
    {
      hits_per_second: median(h.map(one => one.qps)),
      hit_cpu_us: median(h.map(one => one.cpu_us_per_query)),
      p50_us_at_20k: median(p.map(one => one.p50_us)),
      p99_us_at_20k: median(p.map(one => one.p99_us)),
      ...(m.length > 0 && {
        misses_per_second: median(m.map(one => one.qps)),
        misses_per_cpu_second: median(m.map(one => 1e6 / one.cpu_us_per_query)),
      }),
    },
  ]),
);
console.table(summary);
if (pair) {
  for (const [title, kind] of [
    ['a hit', 'hits'],
    ['a miss', 'misses'],
  ]) {
    const cost = name => samples[name][kind].map(one => one.cpu_us_per_query);
    const [mine, other] = values.policy ? ['policy', 'shardns'] : ['shardns', 'beside'];
    const ratios = cost(mine).map((one, round) => one / cost(other)[round]);
    const what = values.policy ? 'with everything on to without' : 'this build to the other';
    console.log(`CPU of ${title}, ${what}: ${median(ratios).toFixed(3)} x (median of ${rounds} pairs)`);
  }
  if (values.policy) {
    const ratios = samples.policy.blocked.map(
      (one, i) => one.cpu_us_per_query / samples.policy.hits[i].cpu_us_per_query,
    );
    console.log(`CPU of a blocked name to that of a hit, everything on: ${median(ratios).toFixed(3)} x`);
  }
} else {
  keep('load', { rounds, seconds, summary, samples });
}
process.exit(0);
