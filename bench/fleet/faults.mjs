// What a Redis that fails costs those who ask: one that has stopped and takes everything, and one that is away for a minute
// and then is back without what it had. A server in this process, whose upstream answers at once; a Redis of its own.
//
//   npm run bench -- fleet-faults [SECONDS]      how long it is away
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from '../../dist/admin/create-server.js';
import { Query } from '../../dist/wire/query.js';
import { keep, median } from '../results.mjs';
import { makeQuestion, wildUpstream } from './names.mjs';

const SECONDS = Number(process.argv[2] ?? 60);
const PER_SECOND = 200;
const CALLS = 400;
const folder = mkdtempSync(join(tmpdir(), 'shardns-fleet-'));
const port = await new Promise(done => {
  const server = createTcpServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});
let redis;
const sleep = ms => new Promise(done => setTimeout(done, ms));
const start = async () => {
  redis = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', folder], {
    stdio: 'ignore',
  });
  await sleep(500);
};
process.on('exit', () => redis.kill('SIGKILL'));
let unhandled = 0;
process.on('unhandledRejection', () => unhandled++);
await start();
const secret = join(folder, 'secret');
writeFileSync(secret, 'a secret of thirty-two octets...');
const server = await createServer(
  {
    listen: ['127.0.0.1:0'],
    threads: 1,
    cache: { memory: '64MiB' },
    upstreams: ['192.0.2.53'],
    secondLevel: { redis: [`redis://127.0.0.1:${port}`], secretFiles: [secret] },
  },
  wildUpstream(),
);
const level = () => server.report().secondLevel;
const until = async (holds, what) => {
  for (let i = 0; i < 6000; i++) {
    if (holds()) return;
    await sleep(10);
  }
  throw new Error(`${what} did not come`);
};
const isUp = () => level().redis[0].log.follows && level().redis[0].breaker === 'closed';
let names = 0;
const ask = () =>
  server.resolver.resolve(new Query(makeQuestion(`host-${names++}.bench.example`)), { protocol: 'internal' });

/** One after another, so that each is as late as it is. */
async function timed(calls, isOver = () => false) {
  const took = [];
  for (let i = 0; i < calls && !isOver(); i++) {
    const begun = performance.now();
    await ask();
    took.push(performance.now() - begun);
  }
  took.sort((a, b) => a - b);
  const at = share => Number((took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0).toFixed(2));
  return { calls: took.length, 'median ms': at(0.5), 'p99 ms': at(0.99), 'longest ms': at(1) };
}

await until(isUp, 'Redis');
await timed(CALLS);
const stopped = { 'Redis is there': await timed(CALLS) };
redis.kill('SIGSTOP');
const began = performance.now();
// It is left for lost, or its breaker opens, whichever comes first.
const goesOn = () => {
  const [{ connected, breaker }] = level().redis;
  return !connected || breaker === 'open';
};
stopped['stopped, until it is not asked any more'] = await timed(CALLS, goesOn);
const noticedMs = Math.round(performance.now() - began);
stopped['stopped, not asked any more'] = await timed(CALLS);
redis.kill('SIGCONT');
await until(isUp, 'its return');
stopped['goes on'] = await timed(CALLS);
console.table(stopped);

await until(() => level().writes.queued === 0, 'what was to be written');
const before = level().writes;
redis.kill('SIGKILL');
let mostQueued = 0;
let mostOctets = 0;
const outage = [];
for (let i = 0; i < SECONDS * 10; i++) {
  const next = sleep(100);
  const some = Array.from({ length: PER_SECOND / 10 }, async () => {
    const begun = performance.now();
    await ask();
    outage.push(performance.now() - begun);
  });
  await Promise.all(some);
  const { queued, octets } = level().writes;
  mostQueued = Math.max(mostQueued, queued);
  mostOctets = Math.max(mostOctets, octets);
  await next;
}
const waiting = level().writes.queued;
await start();
await until(() => level().writes.queued === 0, 'what waits');
const after = level().writes;
const there = Number(execFileSync('redis-cli', ['-p', port, 'DBSIZE'], { encoding: 'utf8' }));
const away = {
  seconds: SECONDS,
  asked: outage.length,
  'median ms': Number(median(outage).toFixed(2)),
  'longest ms': Number(Math.max(...outage).toFixed(2)),
  'waited, most': mostQueued,
  'octets, most': mostOctets,
  'given up as too many': after.dropped - before.dropped,
  'waited in the end': waiting,
  'then in Redis': there,
  'unhandled rejections': unhandled,
};
console.table(away);
keep('fleet-faults', { noticedMs, stopped, away });
await server.close();
redis.kill('SIGKILL');
