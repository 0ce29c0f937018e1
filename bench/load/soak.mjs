// A soak: dnsperf beside a hostile mix of packets, in front of an upstream that fails one query in five and is shouted
// over by forgers. Ends with 1 when a wrong answer was seen, memory grew, or the server did not live through it.
//
//   node bench/load/soak.mjs [seconds]
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keep } from '../results.mjs';
import { addressOf, nameOf } from './soak-upstream.mjs';

const seconds = Number(process.argv[2] ?? 300);
const COMPARED = 100_000;
const NAMES = 20_000;
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'shardns-soak-'));
const [upstreamPort, port] = [5386, 5387];
const later = ms => new Promise(resolve => setTimeout(resolve, ms));
const random = n => Math.floor(Math.random() * n);

function query(name, id = random(65_536)) {
  const labels = name.split('.').map(label => Buffer.from([label.length, ...Buffer.from(label)]));
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
}
/** Noise of every kind: cut, flipped, looping, two OPTs, many questions, giant, empty. */
function hostile() {
  const packet = query(`h${random(NAMES)}.soak.example`);
  const kind = random(8);
  if (kind === 0) return packet.subarray(0, random(packet.length));
  if (kind === 1) return Buffer.from(Array.from({ length: random(600) }, () => random(256)));
  if (kind === 2) return Buffer.concat([packet.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]);
  if (kind === 3) {
    const opt = Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    const two = Buffer.concat([packet, opt, opt]);
    two[11] = 2;
    return two;
  }
  if (kind === 4) return Buffer.concat([packet, Buffer.alloc(8000, 63)]);
  if (kind === 5) return Buffer.alloc(0);
  for (let i = 1 + random(4); i > 0; i--) packet[random(packet.length)] ^= 1 << random(8);
  return packet;
}
const rss = pid => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

const upstream = spawn(process.execPath, [join(root, 'bench/load/soak-upstream.mjs'), String(upstreamPort)], {
  stdio: 'inherit',
});
const server = spawn(
  process.execPath,
  [
    join(root, 'dist/cli/main.js'),
    'serve',
    '--listen',
    `127.0.0.1:${port}`,
    '--upstream',
    `127.0.0.1:${upstreamPort}`,
    '--memory',
    '4MiB',
    '--log-level',
    'error',
  ],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
let died;
server.once('exit', (code, signal) => (died = signal ?? code));
await later(1500);
const queries = join(folder, 'queries');
writeFileSync(queries, Array.from({ length: NAMES }, (_, i) => `h${i}.soak.example A\n`).join(''));
const perf = spawn(
  'dnsperf',
  ['-s', '127.0.0.1', '-p', String(port), '-d', queries, '-l', String(seconds), '-q', '100', '-Q', '20000'],
  { stdio: ['ignore', 'pipe', 'ignore'] },
);
let report = '';
perf.stdout.on('data', chunk => (report += chunk));
const perfEnded = new Promise(resolve => perf.once('close', resolve));

const attacker = dgram.createSocket('udp4');
attacker.on('error', () => {});
attacker.on('message', () => {});
const checker = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
const seen = { right: 0, failed: 0, wrong: 0, sent: 0 };
const wrongs = [];
checker.on('message', reply => {
  const rcode = reply[3] & 15;
  if (rcode === 2) {
    seen.failed++;
    return;
  }
  const name = nameOf(reply);
  const right =
    rcode === 0 &&
    reply.readUInt16BE(6) === 1 &&
    addressOf(name).every((octet, i) => reply[reply.length - 4 + i] === octet);
  if (right) seen.right++;
  else if (++seen.wrong <= 5) wrongs.push(`${name} ${reply.toString('hex')}`);
});

const until = performance.now() + seconds * 1000;
// V8's young generation takes more than a minute to its full size.
const warm = performance.now() + (seconds * 1000) / 3;
let hostilePackets = 0;
const memory = [];
let nextSample = warm;
while (performance.now() < until && died === undefined) {
  for (let i = 0; i < 40; i++) {
    attacker.send(hostile(), port, '127.0.0.1');
    hostilePackets++;
  }
  const due = Math.ceil((COMPARED * 1.25 * (1 - (until - performance.now()) / (seconds * 1000))) / 1);
  for (let i = 0; i < 200 && seen.sent < due; i++, seen.sent++) {
    const name = random(10) === 0 ? `once-${seen.sent}.soak.example` : `H${random(NAMES)}.Soak.Example`;
    checker.send(query(name), port, '127.0.0.1');
  }
  if (performance.now() > nextSample) {
    memory.push(rss(server.pid));
    nextSample += 1000;
  }
  await later(10);
}
// dnsperf reports when the last of its queries has been answered or given up.
await Promise.race([perfEnded, later(15_000)]);
if (died === undefined) server.kill('SIGTERM');
await later(1500);
for (const child of [server, upstream, perf]) child.kill('SIGKILL');
rmSync(folder, { recursive: true, force: true });

// Flat: the mean of the last third against that of the first. The least of each tells a leak, which raises it, from
// garbage that V8 has not collected yet.
const mean = list => list.reduce((sum, one) => sum + one, 0) / list.length;
const third = Math.max(1, Math.floor(memory.length / 3));
const [first, last] = [memory.slice(0, third), memory.slice(-third)];
const growth = mean(last) / mean(first) - 1;
const result = {
  seconds,
  survived: died === undefined || died === 0,
  compared: seen.right + seen.wrong,
  ...seen,
  wrongs,
  hostile_packets: hostilePackets,
  rss_mib: {
    first: { least: Math.min(...first) / 1024, mean: mean(first) / 1024 },
    last: { least: Math.min(...last) / 1024, mean: mean(last) / 1024 },
    most: Math.max(...memory) / 1024,
    growth,
  },
  dnsperf: {
    completed: Number(/Queries completed:\s+(\d+)/.exec(report)?.[1]),
    lost: Number(/Queries lost:\s+(\d+)/.exec(report)?.[1]),
    per_second: Number(/Queries per second:\s+([\d.]+)/.exec(report)?.[1]),
  },
};
console.log(JSON.stringify(result, null, 2));
keep('soak', result);
process.exit(result.survived && seen.wrong === 0 && growth < 0.02 ? 0 : 1);
