// A zone of a million records: loaded, asked, flooded, sent and changed, beside NSD, Knot and BIND.
// The server has core 0, whoever asks core 1; servers take turns in each round.
//
//   node bench/zones/run.mjs [rounds] [seconds] [records]
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, closeSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadZoneFile } from '../../dist/zone/load-zone.js';
import { encodeName } from '../../dist/wire/name.js';
import { keep, median } from '../results.mjs';

const rounds = Number(process.argv[2] ?? 3);
const seconds = Number(process.argv[3] ?? 4);
const wanted = Number(process.argv[4] ?? 1_000_000);
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'shardns-zones-'));
const ZONE = 'bench.example';
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const CUTS = 1000;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const file = (name, text) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const freePort = () =>
  new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Four of five names have an address; the fifth has two, one of IPv6 and a text. Delegations and a wildcard beside. */
function writeZone() {
  const path = join(folder, 'zone');
  const out = openSync(path, 'w');
  const lines = [
    `$ORIGIN ${ZONE}.\n$TTL 3600\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n*.w A 192.0.2.1\n`,
  ];
  let records = 4;
  for (let i = 0; i < CUTS; i++)
    lines.push(`d${i} NS ns1.d${i}\nd${i} NS ns2.d${i}\nns1.d${i} A 192.0.2.2\nns2.d${i} A 192.0.2.3\n`);
  records += 4 * CUTS;
  let names = 0;
  for (; records < wanted; names++) {
    lines.push(`h${names} A 10.${(names >> 16) & 255}.${(names >> 8) & 255}.${names & 255}\n`);
    records++;
    if (names % 5 === 4) {
      lines.push(
        `h${names} A 192.0.2.9\nh${names} AAAA 2001:db8::${(names & 0xffff).toString(16)}\nh${names} TXT "host ${names}"\n`,
      );
      records += 3;
    }
    if (lines.length > 10_000) writeSync(out, lines.splice(0).join(''));
  }
  writeSync(out, lines.join(''));
  closeSync(out);
  return { path, records, names };
}
const { path: zone, records, names } = writeZone();

const random = () => Math.random().toString(36).slice(2, 10);
const list = (name, count, make) =>
  file(name, Array.from({ length: count }, (_, i) => `${make(i)}.${ZONE} A\n`).join(''));
const FLOOD = 250_000 * (seconds + 1);
const questions = {
  hot: list('hot', 1000, i => `h${i}`),
  wide: list('wide', 250_000, () => `h${Math.floor(Math.random() * names)}`),
  nxdomain: list('nxdomain', FLOOD, i => `${random()}${i}`),
  wildcard: list('wildcard', FLOOD, i => `${random()}${i}.w`),
  referral: list('referral', FLOOD, i => `${random()}.d${i % CUTS}`),
};

const servers = {
  shardns: port => [process.execPath, [join(root, 'bench/zones/server.mjs'), String(port), zone]],
  nsd: port => [
    'nsd',
    [
      '-d',
      '-c',
      file(
        'nsd.conf',
        `server:\n  ip-address: 127.0.0.1@${port}\n  server-count: 1\n  username: ""\n  zonesdir: "${folder}"\n  pidfile: "${folder}/nsd.pid"\n  database: ""\n  logfile: "${folder}/nsd.log"\n  xfrdfile: "${folder}/xfrd"\n  xfrdir: "${folder}"\n  zonelistfile: "${folder}/zonelist"\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\nzone:\n  name: ${ZONE}\n  zonefile: "${zone}"\n  provide-xfr: 127.0.0.0/8 NOKEY\n`,
      ),
    ],
  ],
  knot: port => [
    'knotd',
    [
      '-c',
      file(
        'knot.conf',
        `server:\n  rundir: "${folder}"\n  listen: 127.0.0.1@${port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: "${folder}"\nacl:\n  - id: all\n    address: 127.0.0.0/8\n    action: transfer\nzone:\n  - domain: ${ZONE}\n    file: "${zone}"\n    acl: all\n    journal-content: none\n    zonefile-sync: -1\n`,
      ),
    ],
  ],
  bind: port => [
    'named',
    [
      '-f',
      '-n',
      '1',
      '-c',
      file(
        'named.conf',
        `options { directory "${folder}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; dnssec-validation no; allow-transfer { 127.0.0.0/8; }; minimal-responses yes; };\ncontrols { };\nzone "${ZONE}" { type primary; file "${zone}"; };\n`,
      ),
    ],
  ],
};

/** Of a process and those that it has begun: NSD has several. */
function family(pid) {
  const parents = readdirSync('/proc')
    .filter(one => /^\d+$/.test(one))
    .flatMap(one => {
      try {
        return [[Number(one), Number(readFileSync(`/proc/${one}/stat`, 'utf8').split(') ').at(-1).split(' ')[1])]];
      } catch {
        return [];
      }
    });
  const found = [pid];
  for (const one of found) found.push(...parents.filter(([, parent]) => parent === one).map(([child]) => child));
  return found;
}
function cpuSeconds(pid) {
  let ticks = 0;
  for (const one of family(pid)) {
    const fields = readFileSync(`/proc/${one}/stat`, 'utf8').split(') ').at(-1).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS;
}
/** What no other process has. */
function memory(pid) {
  let octets = 0;
  for (const one of family(pid)) {
    const text = readFileSync(`/proc/${one}/smaps_rollup`, 'utf8');
    octets += 1024 * Number(/^Pss:\s+(\d+)/m.exec(text)[1]);
  }
  return octets;
}

const query = (name, type) => {
  const question = Buffer.concat([encodeName(name), Buffer.from([type >> 8, type & 255, 0, 1])]);
  return Buffer.concat([Buffer.from([0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), question]);
};
async function firstAnswer(port) {
  const socket = createSocket('udp4');
  const message = query(`h${names - 1}.${ZONE}`, 1);
  try {
    await new Promise((resolve, reject) => {
      const again = setInterval(() => socket.send(message, port, '127.0.0.1'), 5);
      const late = setTimeout(() => reject(new Error('no answer in 60 s')), 60_000);
      socket.on('error', () => {});
      socket.on('message', reply => {
        if (reply.readUInt16BE(6) === 0) return;
        clearInterval(again);
        clearTimeout(late);
        resolve();
      });
    });
  } finally {
    socket.close();
  }
}

/** All of the zone over TCP. */
function transfer(port) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const message = query(ZONE, 252);
    const socket = connect(port, '127.0.0.1', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      socket.write(Buffer.concat([length, message]));
    });
    let [left, got, octets, messages] = [Buffer.alloc(0), 0, 0, 0];
    socket.on('error', reject);
    socket.on('data', chunk => {
      octets += chunk.length;
      let data = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
      while (data.length >= 2 && data.length >= 2 + data.readUInt16BE(0)) {
        got += data.readUInt16BE(8);
        messages++;
        data = data.subarray(2 + data.readUInt16BE(0));
      }
      left = data;
      if (got <= records) return;
      socket.destroy();
      resolve({ records_per_second: (got * 1000) / (performance.now() - began), octets, messages });
    });
  });
}

function dnsperf(port, queries) {
  const args = [
    '-s',
    '127.0.0.1',
    '-p',
    String(port),
    '-d',
    queries,
    '-t',
    '2',
    '-l',
    String(seconds),
    '-c',
    '8',
    '-q',
    '200',
  ];
  const { stdout, stderr } = spawnSync('taskset', ['-c', '1', 'dnsperf', ...args], { encoding: 'utf8' });
  const number = pattern => Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
  const result = { completed: number(/Queries completed:\s+(\d+)/), qps: number(/Queries per second:\s+([\d.]+)/) };
  if (Number.isNaN(result.completed)) throw new Error(`dnsperf: ${stderr}`);
  return result;
}
function asked(pid, port, queries) {
  const before = cpuSeconds(pid);
  const { completed, qps } = dnsperf(port, queries);
  return { cpu_us: ((cpuSeconds(pid) - before) * 1e6) / completed, qps };
}

const stats = (child, what = 'stats') =>
  new Promise(resolve => {
    child.once('message', resolve);
    child.send(what);
  });

async function oneRound(name, port) {
  const [command, args] = servers[name](port);
  const began = performance.now();
  const child = spawn('taskset', ['-c', '0', command, ...args], {
    stdio: [
      'ignore',
      'ignore',
      process.env.BENCH_ERRORS ? 'inherit' : 'ignore',
      ...(name === 'shardns' ? ['ipc'] : []),
    ],
  });
  try {
    await firstAnswer(port);
    const sample = { start_ms: performance.now() - began, start_cpu_s: cpuSeconds(child.pid) };
    sample.octets_a_record = memory(child.pid) / records;
    sample.hot = asked(child.pid, port, questions.hot);
    sample.wide = asked(child.pid, port, questions.wide);
    const before = name === 'shardns' ? await stats(child) : undefined;
    for (const kind of ['nxdomain', 'wildcard', 'referral']) sample[kind] = asked(child.pid, port, questions[kind]);
    if (before !== undefined) {
      const after = await stats(child);
      sample.zone_octets_a_record = after.octets / records;
      sample.entries_after_floods = after.entries / before.entries;
      sample.inserts_of_floods = after.inserts - before.inserts;
    }
    const cpu = cpuSeconds(child.pid);
    sample.axfr = await transfer(port);
    sample.axfr.cpu_us_a_record = ((cpuSeconds(child.pid) - cpu) * 1e6) / records;
    if (name === 'shardns') sample.ten_changes = (await stats(child, 'change')).changes;
    return sample;
  } finally {
    for (const one of family(child.pid).reverse()) process.kill(one, 'SIGKILL');
    await new Promise(resolve =>
      (child.exitCode ?? child.signalCode) === null ? child.once('close', resolve) : resolve(),
    );
  }
}

/** Here, in one go, as the thread that reads large files does it. */
function load() {
  const began = performance.now();
  const { zone: loaded } = loadZoneFile(zone, { apex: encodeName(ZONE) });
  const ms = performance.now() - began;
  return { records_per_second: (records * 1000) / ms, octets_a_record: loaded.octets / records };
}

const numbers = (samples, path) => {
  const values = samples.map(one => path.reduce((at, key) => at?.[key], one)).filter(one => one !== undefined);
  return values.length === 0 ? undefined : median(values);
};
const PATHS = {
  start_ms: ['start_ms'],
  octets_a_record: ['octets_a_record'],
  ...Object.fromEntries(Object.keys(questions).map(kind => [`${kind}_cpu_us`, [kind, 'cpu_us']])),
  ...Object.fromEntries(Object.keys(questions).map(kind => [`${kind}_qps`, [kind, 'qps']])),
  axfr_records_per_second: ['axfr', 'records_per_second'],
  axfr_cpu_us_a_record: ['axfr', 'cpu_us_a_record'],
  axfr_octets: ['axfr', 'octets'],
  entries_after_floods: ['entries_after_floods'],
  inserts_of_floods: ['inserts_of_floods'],
  ten_changes_ms: ['ten_changes', 'ms'],
  ten_changes_first_ms: ['ten_changes', 'first_ms'],
  entries_after_changes: ['ten_changes', 'entries_kept'],
};

const samples = Object.fromEntries(Object.keys(servers).map(name => [name, []]));
try {
  const loads = [];
  for (let round = 0; round < rounds; round++) {
    loads.push(load());
    for (const name of Object.keys(servers)) {
      const sample = await oneRound(name, await freePort());
      samples[name].push(sample);
      process.stdout.write(`${name}: ${JSON.stringify(sample)}\n`);
      await sleep(300);
    }
  }
  const summary = Object.fromEntries(
    Object.entries(samples).map(([name, all]) => [
      name,
      Object.fromEntries(Object.entries(PATHS).map(([key, path]) => [key, numbers(all, path)])),
    ]),
  );
  const loading = {
    records_per_second: median(loads.map(one => one.records_per_second)),
    octets_a_record: median(loads.map(one => one.octets_a_record)),
  };
  process.stdout.write(`${JSON.stringify({ loading, summary }, null, 2)}\n`);
  if (wanted === 1_000_000) keep('zones', { rounds, seconds, records, names, loading, summary, samples });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
