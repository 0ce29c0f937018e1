// DNS over TLS and HTTPS on one core: hits a CPU second, pipelined and one at a time, beside TCP, unbound and dnsdist.
// The server has core 0, the generator core 1: dnsperf, and h2load for HTTPS, of which dnsperf 2.10 writes each request in two
// pieces, and waits 40 ms for every server; all answer one name that they know. Then whole handshakes a CPU second, by openssl.
//
//   node bench/load/tls.mjs [rounds] [seconds]
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keep, median } from '../results.mjs';

const rounds = Number(process.argv[2] ?? 3);
const seconds = Number(process.argv[3] ?? 3);
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'shardns-tls-'));
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const has = tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const file = (name, text) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
for (const tool of ['dnsperf', 'h2load', 'openssl', 'taskset']) {
  if (has(tool)) continue;
  console.error(`${tool} is needed: apt-get install dnsperf nghttp2-client openssl util-linux`);
  process.exit(1);
}
const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
execFileSync(
  'openssl',
  `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=dns.example -keyout ${key} -out ${certificate}`.split(
    ' ',
  ),
  { stdio: 'ignore' },
);
const queries = file('queries', 'a.example A\n');
/** The same question, without EDNS. */
const question = file(
  'question',
  Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 7, ...Buffer.from('example'), 0, 0, 1, 0, 1]),
);

const servers = {
  shardns: (plain, tls, https) => [
    process.execPath,
    [
      join(root, 'dist/cli/main.js'),
      'serve',
      '--config',
      file(
        'shardns.json',
        JSON.stringify({
          listen: [`127.0.0.1:${plain}`, `tls://127.0.0.1:${tls}`, `https://127.0.0.1:${https}/dns-query`],
          tls: { certificate, key, handshakesPerSecond: 0 },
          threads: 1,
          upstreams: ['192.0.2.1'],
          local: { records: ['a.example A 192.0.2.1'] },
          control: false,
          log: { level: 'error' },
        }),
      ),
    ],
  ],
  unbound: (plain, tls, https) => [
    'unbound',
    [
      '-d',
      '-c',
      file(
        'unbound.conf',
        `server:\n  interface: 127.0.0.1@${plain}\n  interface: 127.0.0.1@${tls}\n  interface: 127.0.0.1@${https}\n  tls-port: ${tls}\n  https-port: ${https}\n  tls-service-key: "${key}"\n  tls-service-pem: "${certificate}"\n  incoming-num-tcp: 100\n  num-threads: 1\n  username: ""\n  chroot: ""\n  directory: "${folder}"\n  pidfile: ""\n  use-syslog: no\n  logfile: "${folder}/unbound.log"\n  local-zone: "a.example." redirect\n  local-data: "a.example. 3600 A 192.0.2.1"\nremote-control:\n  control-enable: no\n`,
      ),
    ],
  ],
  dnsdist: (plain, tls, https) => [
    'dnsdist',
    [
      '-C',
      file(
        'dnsdist.conf',
        `setLocal('127.0.0.1:${plain}')\naddTLSLocal('127.0.0.1:${tls}', '${certificate}', '${key}')\naddDOHLocal('127.0.0.1:${https}', '${certificate}', '${key}', '/dns-query')\nsetACL('127.0.0.0/8')\nnewServer({address='192.0.2.1', healthCheckMode='up'})\naddAction(AllRule(), SpoofAction('192.0.2.1'))\n`,
      ),
      '--supervised',
      '--disable-syslog',
    ],
  ],
};
for (const name of ['unbound', 'dnsdist']) {
  if (has(name)) continue;
  console.error(`${name} is not installed: it is left out`);
  delete servers[name];
}

/** CPU seconds of a process and all its threads. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
const CLIENTS = 8;
function overHttps(port, outstanding, duration) {
  const streams = outstanding / CLIENTS;
  const post = `-d ${question} -H content-type:application/dns-message`;
  return `h2load -D ${duration} -c ${CLIENTS} -m ${streams} ${post} https://127.0.0.1:${port}/dns-query`;
}
function measure(pid, mode, port, outstanding, duration) {
  const before = cpuSeconds(pid);
  if (mode === 'https') {
    const { stdout, stderr } = spawnSync('taskset', `-c 1 ${overHttps(port, outstanding, duration)}`.split(' '), {
      encoding: 'utf8',
    });
    const succeeded = Number(/(\d+) succeeded/.exec(stdout)?.[1] ?? Number.NaN);
    if (Number.isNaN(succeeded)) throw new Error(`h2load: ${stderr}`);
    return succeeded / (cpuSeconds(pid) - before);
  }
  const { stdout, stderr } = spawnSync(
    'taskset',
    `-c 1 dnsperf -s 127.0.0.1 -m ${mode} -p ${port} -d ${queries} -c ${CLIENTS} -T 1 -q ${outstanding} -l ${duration}`.split(
      ' ',
    ),
    { encoding: 'utf8' },
  );
  const completed = Number(/Queries completed:\s+(\d+)/.exec(stdout)?.[1] ?? Number.NaN);
  if (Number.isNaN(completed)) throw new Error(`dnsperf: ${stderr}`);
  return completed / (cpuSeconds(pid) - before);
}

/** Connections that shake hands as a whole (TLS 1.3) and close, one after another. */
function handshakes(pid, port, duration) {
  const before = cpuSeconds(pid);
  const command = `-c 1 openssl s_time -connect 127.0.0.1:${port} -new -time ${duration}`;
  const { stdout, stderr } = spawnSync('taskset', command.split(' '), { encoding: 'utf8' });
  const made = Number(/(\d+) connections in \d+ real seconds/.exec(stdout)?.[1] ?? Number.NaN);
  if (Number.isNaN(made)) throw new Error(`openssl: ${stderr}`);
  return made / (cpuSeconds(pid) - before);
}

const MODES = { tcp: ['tcp', 0], tls: ['dot', 1], https: ['https', 2] };
const samples = {};
let port = 5440;
try {
  for (let round = 0; round < rounds; round++) {
    for (const [name, command] of Object.entries(servers)) {
      const ports = [port++, port++, port++];
      const [program, args] = command(...ports);
      const child = spawn('taskset', ['-c', '0', program, ...args], { stdio: 'ignore' });
      try {
        await sleep(3000);
        for (const [way, [mode, at]] of Object.entries(MODES)) {
          measure(child.pid, mode, ports[at], 400, 1);
          for (const [kind, outstanding] of [
            ['pipelined', 400],
            ['single', 8],
          ]) {
            const rate = measure(child.pid, mode, ports[at], outstanding, seconds);
            ((samples[name] ??= {})[`${way}_${kind}`] ??= []).push(rate);
            console.log(`${name.padEnd(8)} ${way} ${kind.padEnd(9)} ${Math.round(rate)} a CPU second`);
          }
        }
        handshakes(child.pid, ports[1], seconds); // as much that is not counted: JavaScript is compiled meanwhile
        const rate = handshakes(child.pid, ports[1], seconds);
        ((samples[name] ??= {}).tls_handshakes ??= []).push(rate);
        console.log(`${name.padEnd(8)} tls handshakes ${Math.round(rate)} a CPU second`);
      } finally {
        child.kill('SIGKILL');
        await new Promise(resolve => child.once('close', resolve));
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const summary = Object.fromEntries(
  Object.entries(samples).map(([name, rates]) => [
    name,
    Object.fromEntries(Object.entries(rates).map(([what, list]) => [what, Math.round(median(list))])),
  ]),
);
console.table(summary);
keep('tls', { rounds, seconds, summary, samples });
