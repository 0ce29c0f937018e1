// What a miss costs that the second level answers, beside one that is forwarded: processor time of the server for each, and
// how long one takes at rest. A Redis of its own on the loopback.
//
//   npm run bench -- fleet [NAMES [ROUNDS]]
import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keep, median } from '../results.mjs';
import { nameOf } from './names.mjs';

const NAMES = Number(process.argv[2] ?? 40_000);
const ROUNDS = Number(process.argv[3] ?? 3);
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
    const flags = process.env.FLEET_EXEC?.split(' ') ?? [];
    const args = [JSON.stringify(options), String(names)];
    this.child = fork(fileURLToPath(new URL('member.mjs', import.meta.url)), args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: names === 0 ? flags : [],
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
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const number = label => Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(out)?.[1]);
  return { completed: number('Queries completed'), lost: number('Queries lost'), qps: number('Queries per second') };
}

// Deadlines that nothing misses: what is measured is the work, on a machine that may have other work too.
const patient = { hedgeMs: 1000, deadlineMs: 5000, redis: [`redis://127.0.0.1:${port}`] };
// What has no seal is not believed by those who validate.
const seals = {
  HMAC: { secondLevel: { ...patient, namespace: 'hmac', secretFiles: [secret] } },
  'AES-256-GCM': { secondLevel: { ...patient, namespace: 'aes', secretFiles: [secret], encrypt: true } },
  'no secret': { secondLevel: { ...patient, namespace: 'none' }, dnssec: { validate: false } },
};
const half = Math.floor(NAMES / 2);

/** @param options of a member that has nothing of its own: every name is a miss */
async function measure(options) {
  const member = await Member.start(options, 0);
  load(member.at, 0, 2000); // what is compiled then stays so
  const before = await member.call({ call: 'cpu' });
  const { completed, lost, qps } = load(member.at, 2000, half);
  const after = await member.call({ call: 'cpu' });
  const used = after.user + after.system - before.user - before.system;
  const alone = await member.call({ call: 'ask', from: half, to: NAMES - 1000 });
  member.close();
  const { hits } = alone.report ?? {};
  if (lost > 0) process.stderr.write(`${lost} queries were lost\n`);
  if (hits !== undefined && hits < NAMES * 0.99) throw new Error(`of ${NAMES} misses only ${hits} were shared`);
  return { udp: used / completed, call: alone.us, p50: alone.p50, p99: alone.p99, qps };
}

const samples = {};
for (let round = 0; round < ROUNDS; round++) {
  for (const [what, options] of Object.entries({ forwarded: undefined, ...seals })) {
    const first = await Member.start(options ?? seals.HMAC, NAMES);
    const row = await measure(options ?? { upstreams: [first.at] });
    first.close();
    (samples[what] ??= []).push(row);
  }
}
const results = Object.fromEntries(
  Object.entries(samples).map(([what, rows]) => [
    what,
    Object.fromEntries(Object.keys(rows[0]).map(key => [key, Number(median(rows.map(row => row[key])).toFixed(1))])),
  ]),
);
console.table(results);
keep('fleet', { names: NAMES, rounds: ROUNDS, unit: 'us of CPU a miss: udp, call; us: p50, p99', results });
redis.kill('SIGKILL');
