// A flood from made-up addresses at full speed, beside clients with and without cookies: how many of theirs are answered, what
// comes back toward the addresses for an octet that was sent in their name, and what memory it takes. The server has core 0,
// the flood and the clients core 1. A client asks as a stub resolver does: again after a second, three times, and over TCP where
// it is told TC.
//
//   spread   2^24 addresses of 127.0.0.0/8, counted one by one (`ipv4Prefix: 32`)
//   victim   addresses of one network of 24 bits, none of them a client's
//   required as `spread`, with `cookies.required`: whoever has no cookie is answered over TCP alone
//
//   node bench/load/edge-flood.mjs [seconds]
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keep } from '../results.mjs';

const seconds = Number(process.argv[2] ?? 10);
const CLIENTS = 40;
/** Between two questions of a client. */
const PAUSE_MS = 50;
const TRIES = 3;
const PATIENCE_MS = 1000;
const root = fileURLToPath(new URL('../..', import.meta.url));
const build = join(root, 'build/bench');
const folder = mkdtempSync(join(tmpdir(), 'shardns-edge-flood-'));
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

execFileSync(
  'cmake',
  ['-S', root, '-B', build, '-DSHARDNS_BENCH=ON', '-DCMAKE_BUILD_TYPE=Release', '--log-level=WARNING'],
  { stdio: 'inherit' },
);
execFileSync('cmake', ['--build', build, '--target', 'edge_flood'], { stdio: ['ignore', 'ignore', 'inherit'] });

function encodeQuery(id, name, cookie) {
  const labels = name.split('.').map(one => Buffer.concat([Buffer.from([one.length]), Buffer.from(one)]));
  const parts = [Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, cookie ? 1 : 0]), ...labels];
  parts.push(Buffer.from([0, 0, 1, 0, 1]));
  if (cookie) {
    const option = Buffer.concat([Buffer.from([0, 10, 0, cookie.length]), cookie]);
    parts.push(Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, option.length]), option);
  }
  return Buffer.concat(parts);
}
/** Of a reply with an OPT of a cookie and nothing else, as the server of this benchmark makes them. */
function cookieOf(reply) {
  const at = reply.length - 28;
  return at > 12 && reply.readUInt16BE(at) === 10 ? reply.subarray(at + 4) : undefined;
}

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

class Client {
  asked = 0;
  answered = 0;
  latencies = [];
  #socket = createSocket('udp4');
  #waiting = new Map();
  #cookie;
  #id = 0;

  constructor(port, hasCookies, number) {
    this.port = port;
    this.address = `127.200.${number}.7`;
    if (hasCookies) this.#cookie = Buffer.alloc(8, number + 1);
    this.#socket.on('message', reply => this.#waiting.get(reply.readUInt16BE(0))?.(reply));
  }
  open() {
    return new Promise(resolve => this.#socket.bind(0, this.address, resolve));
  }
  close() {
    this.#socket.close();
  }
  async ask(name) {
    this.asked++;
    const began = performance.now();
    for (let tries = 0; tries < TRIES; tries++) {
      const id = (this.#id = (this.#id + 1) & 0xffff);
      const query = encodeQuery(id, name, this.#cookie);
      let reply = await new Promise(resolve => {
        const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
        this.#waiting.set(id, message => {
          clearTimeout(timer);
          resolve(message);
        });
        this.#socket.send(query, this.port, '127.0.0.1');
      });
      this.#waiting.delete(id);
      if (reply === undefined) continue;
      if (this.#cookie) this.#cookie = Buffer.from(cookieOf(reply) ?? this.#cookie);
      if ((reply[2] & 2) !== 0) reply = await this.#askTcp(query);
      if (reply === undefined || (reply[3] & 15) !== 0 || reply[7] === 0) continue;
      this.answered++;
      this.latencies.push(performance.now() - began);
      return;
    }
  }
  #askTcp(query) {
    return new Promise(resolve => {
      const socket = connect({ port: this.port, host: '127.0.0.1', localAddress: this.address });
      const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
      let octets = Buffer.alloc(0);
      socket.on('connect', () => socket.write(Buffer.concat([Buffer.from([0, query.length]), query])));
      socket.on('data', chunk => {
        octets = Buffer.concat([octets, chunk]);
        if (octets.length < 2 || octets.length < 2 + octets.readUInt16BE(0)) return;
        resolve(octets.subarray(2));
        socket.destroy();
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(undefined);
      });
    });
  }
}

const rssMiB = pid => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
const share = clients =>
  clients.reduce((sum, one) => sum + one.answered, 0) / clients.reduce((sum, one) => sum + one.asked, 0);
const p99 = clients => {
  const all = clients.flatMap(one => one.latencies).sort((a, b) => a - b);
  return all[Math.floor(all.length * 0.99)];
};

async function run(mode) {
  const upstream = await startUpstream();
  const probe = createSocket('udp4');
  await new Promise(resolve => probe.bind(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise(resolve => probe.close(resolve));
  const config = join(folder, 'shardns.json');
  writeFileSync(
    config,
    JSON.stringify({
      listen: [`127.0.0.1:${port}`],
      threads: 1,
      upstreams: [`127.0.0.1:${upstream.address().port}`],
      cache: { memory: '32MiB' },
      cookies: { enabled: true, required: mode === 'required' },
      rateLimit: { enabled: true, ipv4Prefix: mode === 'victim' ? 24 : 32 },
      receiveBufferBytes: 8 << 20,
      control: false,
    }),
  );
  const command = [process.execPath, join(root, 'dist/cli/main.js'), 'serve', '--config', config];
  const server = spawn('taskset', ['-c', '0', ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(port, i % 2 === 1, i));
  try {
    for (const one of clients) await one.open();
    for (let tries = 0; clients[0].answered === 0; tries++) {
      if (tries === 20) throw new Error('the server did not come up');
      await clients[0].ask('www0.flood.com').catch(() => {});
    }
    for (let i = 0; i < 100; i++) await clients[i % CLIENTS].ask(`www${i}.flood.com`);
    for (const one of clients) Object.assign(one, { asked: 0, answered: 0, latencies: [] });
    const before = rssMiB(server.pid);
    const from = mode === 'victim' ? 'victim' : 'spread';
    const flood = spawn('taskset', ['-c', '1', join(build, 'edge_flood'), String(port), String(seconds), from]);
    let said = '';
    flood.stdout.on('data', chunk => (said += chunk));
    const ended = new Promise(resolve => flood.on('close', resolve));
    let going = true;
    const asking = clients.map(async (one, i) => {
      await sleep((i * PAUSE_MS) / CLIENTS);
      for (let n = i; going; n++) {
        await one.ask(`www${n % 100}.flood.com`);
        await sleep(PAUSE_MS);
      }
    });
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, rssMiB(server.pid))), 500);
    await ended;
    going = false;
    await Promise.all(asking);
    clearInterval(watch);
    const { sent, sentOctets, received, receivedOctets, answered, truncated } = JSON.parse(said);
    return {
      flood_per_second: Math.round(sent / seconds),
      replies: received / sent,
      answered: answered / sent,
      truncated: truncated / sent,
      amplification: receivedOctets / sentOctets,
      with_cookies: share(clients.filter((_, i) => i % 2 === 1)),
      without_cookies: share(clients.filter((_, i) => i % 2 === 0)),
      p99_ms: p99(clients),
      rss_before_mib: Math.round(before),
      rss_most_mib: Math.round(most),
    };
  } finally {
    for (const one of clients) one.close();
    upstream.close();
    server.kill();
    await new Promise(resolve => server.on('close', resolve));
  }
}

const results = {};
try {
  for (const mode of ['spread', 'victim', 'required']) results[mode] = await run(mode);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.table(results);
keep('edge-flood', { seconds, clients: CLIENTS, ...results });
