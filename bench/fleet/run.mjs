// What a miss costs that the second level answers, beside one that is forwarded: processor time of the server for each, and
// how long one takes at rest. A Redis of its own on the loopback.
//
//   npm run bench -- fleet [NAMES]
import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nameOf } from './names.mjs';

const NAMES = Number(process.argv[2] ?? 40_000);
const folder = mkdtempSync(join(tmpdir(), 'shardns-fleet-'));
const freePort = () =>
  new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

const port = await freePort();
const redis = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', folder], {
  stdio: 'ignore',
});
process.on('exit', () => redis.kill('SIGKILL'));
await sleep(500);
const secret = join(folder, 'secret');
writeFileSync(secret, 'a secret of thirty-two octets...');
const list = join(folder, 'names');

class Member {
  constructor(options, names = 0) {
    const args = [JSON.stringify(options), String(names)];
    this.child = fork(fileURLToPath(new URL('member.mjs', import.meta.url)), args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }
  next() {
    return new Promise((resolve, reject) => {
      this.child.once('message', resolve);
      this.child.once('exit', reject);
    });
  }
  static async start(options, names) {
    const member = new Member(options, names);
    member.at = (await member.next()).ready;
    return member;
  }
  call(what) {
    this.child.send(what);
    return this.next();
  }
  close() {
    this.child.send({ call: 'close' });
  }
}

/** Every name once, over UDP. */
function load(at, from, to) {
  writeFileSync(list, Array.from({ length: to - from }, (_, i) => `${nameOf(from + i)} A`).join('\n'));
  const [host, toPort] = at.split(':');
  const out = execFileSync(
    'dnsperf',
    ['-s', host, '-p', toPort, '-d', list, '-n', '1', '-c', '8', '-q', '200', '-t', '5'],
    { encoding: 'utf8' },
  );
  const number = label => Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(out)?.[1]);
  return { completed: number('Queries completed'), lost: number('Queries lost'), qps: number('Queries per second') };
}

// Deadlines that nothing misses: what is measured is the work, on a machine that may have other work too.
const patient = { hedgeMs: 1000, deadlineMs: 5000 };
const second = changed => ({
  secondLevel: { ...patient, redis: [`redis://127.0.0.1:${port}`], secretFiles: [secret], ...changed },
});
const first = await Member.start(second({}), NAMES);
const half = Math.floor(NAMES / 2);
const rows = [];
async function measure(what, options) {
  const member = await Member.start(options, 0);
  load(member.at, 0, 2000); // what is compiled then stays so
  const before = await member.call({ call: 'cpu' });
  const { completed, lost, qps } = load(member.at, 2000, half);
  const after = await member.call({ call: 'cpu' });
  const used = after.user + after.system - before.user - before.system;
  const alone = await member.call({ call: 'ask', from: half, to: NAMES - 1000 });
  const { hits } = alone.report ?? {};
  rows.push({
    what,
    'us of CPU, UDP': (used / completed).toFixed(1),
    qps: Math.round(qps),
    lost,
    'us of CPU, call': alone.us.toFixed(1),
    'p50 us': Math.round(alone.p50),
    'p99 us': Math.round(alone.p99),
    hits,
  });
  member.close();
}
for (const round of [1, 2].slice(0, Number(process.argv[3] ?? 2))) {
  await measure(`second level, HMAC (${round})`, second({}));
  await measure(`second level, AES-256-GCM (${round})`, second({ encrypt: true }));
  await measure(`second level, no secret (${round})`, { ...second({ secretFiles: [] }), dnssec: { validate: false } });
  await measure(`forwarded (${round})`, { upstreams: [first.at] });
}
console.table(rows);
first.close();
redis.kill('SIGKILL');
