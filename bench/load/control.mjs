// What looking at a server costs it, and how soon it answers whoever looks. The server has core 0; the generator (dnsperf), the
// upstream, and those who look have core 1.
//
//   calls    how long calls of the control API take, over the unix socket (/metrics over TCP), while hits come at a rate that is
//            held; and how many hits are answered less for it
//   watched  hits a CPU second with nothing on, beside one in 100 told to the query log and the top lists, and one who follows
//            the events: limit 1.02 x
//   dnstap   the same at a rate that is held, each reply told to fstrm_capture: limit 1.10 x, or dropped and counted
//
// Of a pair both servers run side by side and are asked in turns (A B B A), each round with new processes.
//
//   node bench/load/control.mjs [rounds] [seconds] [--only calls|watched|dnstap]
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { keep, median } from '../results.mjs';

const PARTS = ['calls', 'watched', 'dnstap'];
const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } });
const rounds = Number(positionals[0] ?? 7);
const seconds = Number(positionals[1] ?? 4);
if (values.only !== undefined && !PARTS.includes(values.only)) {
  console.error(`--only: expected ${PARTS.join(', ')}, got ${values.only}`);
  process.exit(1);
}
const wanted = part => values.only === undefined || values.only === part;

const NAMES = 10_000;
/** Hits a second while calls are timed, and while each is told by dnstap. */
const CALLS_RATE = 100_000;
const DNSTAP_RATE = 50_000;
/** Between two calls: they are to be timed, not to be the load. */
const PAUSE_MS = 2;
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'shardns-control-'));
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const has = tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
const file = (name, text) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
if (!['dnsperf', 'taskset'].every(has)) {
  console.error('dnsperf and taskset are needed: apt-get install dnsperf util-linux');
  process.exit(1);
}
// This process and all that it starts; servers are put on the other core.
execFileSync('taskset', ['-a', '-c', '-p', '1', String(process.pid)], { stdio: 'ignore' });
const hits = file('hits', Array.from({ length: NAMES }, (_, i) => `h${i}.bench.example A\n`).join(''));

/** Answers everything, for an hour. */
async function startUpstream() {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    let end = 12;
    while (query[end] > 0) end += 1 + query[end];
    end += 5;
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1]);
    const reply = Buffer.concat([query.subarray(0, end), record]);
    reply.set([0x81, 0x80], 2);
    reply.set([0, 1, 0, 1, 0, 0, 0, 0], 4);
    socket.send(reply, from.port, from.address);
  });
  await new Promise(resolve => socket.bind(0, '127.0.0.1', resolve));
  return socket;
}

/** CPU seconds of a process and all its threads. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Not waited for by blocking: the upstream and those who look live in this process. Below them, so that they are not its wait. */
async function dnsperf(port, extra) {
  const args = [
    '-n',
    '5',
    'dnsperf',
    '-s',
    '127.0.0.1',
    '-p',
    String(port),
    '-d',
    hits,
    '-t',
    '2',
    '-T',
    '1',
    ...extra,
  ];
  const child = spawn('nice', args);
  let said = '';
  child.stdout.on('data', chunk => (said += chunk));
  child.stderr.on('data', chunk => (said += chunk));
  await once(child, 'close');
  const number = pattern => Number(pattern.exec(said)?.[1] ?? Number.NaN);
  const completed = number(/Queries completed:\s+(\d+)/);
  if (Number.isNaN(completed)) throw new Error(`dnsperf: ${said}`);
  return { completed, lost: number(/Queries lost:\s+(\d+)/), qps: number(/Queries per second:\s+([\d.]+)/) };
}
const held = rate => ['-l', String(seconds), '-c', '8', '-q', '1000', '-Q', String(rate)];
const FULL = ['-l', String(seconds), '-c', '8', '-q', '200'];

async function measure({ child, port }, extra) {
  const before = cpuSeconds(child.pid);
  const result = await dnsperf(port, extra);
  return { ...result, cpu_us: ((cpuSeconds(child.pid) - before) * 1e6) / result.completed };
}

let port = 5460;
/** One with every name in its cache. */
async function startServer(name, options) {
  const at = port++;
  const config = file(
    `${name}-${at}.json`,
    JSON.stringify({
      listen: [`127.0.0.1:${at}`],
      threads: 1,
      upstreams: [`127.0.0.1:${upstream.address().port}`],
      cache: { memory: '64MiB' },
      control: false,
      log: { level: 'error' },
      ...options,
    }),
  );
  const command = [process.execPath, join(root, 'dist/cli/main.js'), 'serve', '--config', config];
  const child = spawn('taskset', ['-c', '0', ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
  const server = { child, port: at, socketPath: options.control };
  try {
    await sleep(900);
    for (let tries = 0; ; tries++) {
      const { completed } = await dnsperf(at, ['-n', '2', '-c', '1', '-q', '50', '-t', '1']);
      if (completed >= 1.9 * NAMES) return server;
      if (tries === 3) throw new Error(`of ${2 * NAMES} questions ${completed} were answered at the start`);
    }
  } catch (error) {
    await stop(server);
    throw error;
  }
}
async function stop({ child }) {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
}

/** One call, until its last octet. */
function call(where, path, agent) {
  return new Promise((resolve, reject) => {
    const asking = request({ ...where, path, agent }, response => {
      const chunks = [];
      response.on('data', chunk => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${path}: ${response.statusCode} ${text}`));
      });
    });
    asking.on('error', reject);
    asking.end();
  });
}
/** Takes events until it is ended. */
async function follow(socketPath) {
  const asking = request({ socketPath, path: '/v1/events' });
  asking.on('error', () => {});
  asking.end();
  const [response] = await once(asking, 'response');
  let events = 0;
  response.on('data', chunk => (events += String(chunk).split('event: stats').length - 1));
  response.on('error', () => {});
  return { end: () => asking.destroy(), events: () => events };
}
const statsOf = async socketPath => JSON.parse(await call({ socketPath }, '/v1/stats'));

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const timesOf = list => {
  const sorted = [...list].sort((a, b) => a - b);
  return { calls: sorted.length, p50_ms: at(sorted, 0.5), p99_ms: at(sorted, 0.99), most_ms: sorted.at(-1) };
};
const watchedOptions = {
  queryLog: { enabled: true },
  top: { enabled: true },
  tap: { hitsOneIn: 100 },
};

async function calls() {
  const metrics = `127.0.0.1:${port++}`;
  const control = join(folder, 'calls.sock');
  const server = await startServer('calls', { ...watchedOptions, control, metrics });
  const agents = [new Agent({ keepAlive: true, maxSockets: 1 }), new Agent({ keepAlive: true, maxSockets: 1 })];
  const socket = { socketPath: control };
  const [host, metricsPort] = metrics.split(':');
  let before = '';
  let n = 0;
  const KINDS = {
    '/v1/stats': () => call(socket, '/v1/stats', agents[0]),
    '/v1/cache/NAME/A': () => call(socket, `/v1/cache/h${n++ % NAMES}.bench.example/A`, agents[0]),
    // From the newest on, page by page.
    '/v1/querylog?limit=100&before=': async () => {
      const page = JSON.parse(await call(socket, `/v1/querylog?limit=100${before}`, agents[0]));
      before = page.before === undefined || page.before === null ? '' : `&before=${page.before}`;
    },
    '/v1/cache?suffix= (of 10,000)': () => call(socket, '/v1/cache?suffix=h7.bench.example', agents[0]),
    '/v1/config': () => call(socket, '/v1/config', agents[0]),
    '/metrics': () => call({ host, port: Number(metricsPort) }, '/metrics', agents[1]),
  };
  const times = Object.fromEntries(Object.keys(KINDS).map(name => [name, []]));
  const samples = { alone: [], called: [] };
  let going = false;
  const ask = async keepTimes => {
    while (going) {
      for (const [name, run] of Object.entries(KINDS)) {
        const began = performance.now();
        await run();
        if (keepTimes) times[name].push(performance.now() - began);
        await sleep(PAUSE_MS);
      }
    }
  };
  try {
    // What is loaded and compiled at the first calls is no call's time.
    going = true;
    const first = ask(false);
    await sleep(2000);
    going = false;
    await first;
    for (let round = 0; round < rounds; round++) {
      for (const kind of round % 2 === 0 ? ['alone', 'called'] : ['called', 'alone']) {
        going = kind === 'called';
        const asking = ask(true);
        samples[kind].push(await measure(server, held(CALLS_RATE)));
        going = false;
        await asking;
      }
    }
  } finally {
    for (const one of agents) one.destroy();
    await stop(server);
  }
  const table = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, timesOf(list)]));
  console.table(table);
  const rate = kind => median(samples[kind].map(one => one.qps));
  const lost = kind => samples[kind].reduce((sum, one) => sum + one.lost, 0);
  const fall = 1 - rate('called') / rate('alone');
  console.log(
    `hits: ${Math.round(rate('alone'))}/s alone (${lost('alone')} lost), ${Math.round(rate('called'))}/s while it was called ` +
      `(${lost('called')} lost): ${(100 * fall).toFixed(2)} % less, limit 1 %; p99 of calls: limit 5 ms`,
  );
  return { times: table, rate_alone: rate('alone'), rate_called: rate('called'), fall, samples };
}

/** Both in turns; `body` of each round gets what was measured of both. */
async function pairs(name, options, extra, { begin = () => ({}), end = () => ({}) } = {}) {
  const samples = [];
  for (let round = 0; round < rounds; round++) {
    const off = await startServer('off', {});
    let on, around;
    try {
      around = await begin(round);
      on = await startServer(name, options);
      await around.started?.(on);
      const measured = { off: [], on: [] };
      const order = round % 2 === 0 ? ['off', 'on', 'on', 'off'] : ['on', 'off', 'off', 'on'];
      for (const one of order) measured[one].push(await measure(one === 'on' ? on : off, extra));
      const sum = (kind, field) => measured[kind].reduce((total, one) => total + one[field], 0);
      const cost = kind => sum(kind, 'cpu_us') / 2;
      const sample = {
        off_cpu_us: cost('off'),
        on_cpu_us: cost('on'),
        ratio: cost('on') / cost('off'),
        lost_off: sum('off', 'lost'),
        lost_on: sum('on', 'lost'),
        rate_on: sum('on', 'qps') / 2,
        told: (await statsOf(on.socketPath)).watching,
      };
      const stopping = on;
      on = undefined;
      Object.assign(sample, await end(around, () => stop(stopping)));
      samples.push(sample);
      console.log(
        `${name.padEnd(8)} ${sample.on_cpu_us.toFixed(3)} us of CPU a hit, nothing on ${sample.off_cpu_us.toFixed(3)}: ` +
          `${sample.ratio.toFixed(3)} x  (${Math.round(sample.rate_on)}/s; lost ${sample.lost_on}, ${sample.lost_off})`,
      );
    } finally {
      if (on !== undefined) await stop(on);
      await stop(off);
      await around?.close?.();
    }
  }
  const ratios = samples.map(one => one.ratio);
  return {
    hits_per_cpu_second_off: 1e6 / median(samples.map(one => one.off_cpu_us)),
    hits_per_cpu_second_on: 1e6 / median(samples.map(one => one.on_cpu_us)),
    ratio: median(ratios),
    least_ratio: Math.min(...ratios),
    most_ratio: Math.max(...ratios),
    lost: samples.reduce((sum, one) => sum + one.lost_on, 0),
    samples,
  };
}

async function watched() {
  const control = join(folder, 'watched.sock');
  const result = await pairs('watched', { ...watchedOptions, control }, FULL, {
    begin: () => {
      const around = { started: async () => (around.following = await follow(control)) };
      return around;
    },
    end: async ({ following }, stopOn) => {
      const events = following.events();
      following.end();
      await stopOn();
      return { events };
    },
  });
  console.log(
    `CPU of a hit, watched to with nothing on: ${result.ratio.toFixed(3)} x (median of ${rounds} rounds, ` +
      `${result.least_ratio.toFixed(3)} to ${result.most_ratio.toFixed(3)}), limit 1.02 x`,
  );
  return result;
}

/** Data frames of a file of Frame Streams. */
function framesOf(path) {
  const octets = readFileSync(path);
  let frames = 0;
  for (let at = 0; at + 4 <= octets.length;) {
    const length = octets.readUInt32BE(at);
    if (length === 0) at += 8 + (at + 8 <= octets.length ? octets.readUInt32BE(at + 4) : 0);
    else {
      if (at + 4 + length > octets.length) break;
      frames++;
      at += 4 + length;
    }
  }
  return frames;
}

async function dnstap() {
  if (!has('fstrm_capture')) {
    console.error('fstrm_capture is not installed (apt-get install fstrm-bin): dnstap is left out');
    return undefined;
  }
  const [control, taken, socket] = ['dnstap.control', 'frames', 'dnstap.sock'].map(name => join(folder, name));
  const options = { tap: { hitsOneIn: 1 }, dnstap: { to: `unix:${socket}` }, control };
  const result = await pairs('dnstap', options, held(DNSTAP_RATE), {
    begin: async () => {
      for (const one of [socket, taken]) rmSync(one, { force: true });
      const args = ['-t', 'protobuf:dnstap.Dnstap', '-u', socket, '-w', taken];
      const reader = spawn('nice', ['-n', '5', 'fstrm_capture', ...args], { stdio: 'ignore' });
      for (let tries = 0; !existsSync(socket); tries++) {
        if (tries === 200) throw new Error('fstrm_capture did not come up');
        await sleep(50);
      }
      return { reader, close: () => reader.kill('SIGKILL') };
    },
    end: async ({ reader }, stopOn) => {
      // What waits is sent, and counted.
      await sleep(500);
      const { tap, dnstap: frames } = (await statsOf(control)).watching;
      await stopOn();
      reader.kill('SIGTERM');
      await once(reader, 'close');
      return { told: { tap, frames }, captured: framesOf(taken) };
    },
  });
  const sum = pick => result.samples.reduce((total, one) => total + pick(one), 0);
  const counts = {
    frames_sent: sum(one => one.told.frames.sent),
    frames_captured: sum(one => one.captured),
    frames_dropped: sum(one => one.told.frames.dropped),
    records_dropped: sum(one => one.told.tap.dropped),
  };
  console.table(counts);
  const { lost, ratio, least_ratio: least, most_ratio: most } = result;
  console.log(
    `CPU of a hit at ${DNSTAP_RATE} a second, told by dnstap to not told: ${ratio.toFixed(3)} x (median of ${rounds} rounds, ` +
      `${least.toFixed(3)} to ${most.toFixed(3)}), limit 1.10 x or dropped and counted; replies lost: ${lost}, limit 0`,
  );
  return { ...result, ...counts };
}

const upstream = await startUpstream();
const results = {};
try {
  if (wanted('calls')) results.calls = await calls();
  if (wanted('watched')) results.watched = await watched();
  if (wanted('dnstap')) results.dnstap = await dnstap();
} finally {
  upstream.close();
  rmSync(folder, { recursive: true, force: true });
}
// A part alone is looked at, and not kept in place of the whole.
if (values.only === undefined) keep('control', { rounds, seconds, ...results });
process.exit(0);
