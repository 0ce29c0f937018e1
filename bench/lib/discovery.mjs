// Picking an endpoint of a service, what its adapters add to a request beside the same without a service, and what following
// services costs.
//
//   node --expose-gc bench/lib/discovery.mjs [pairs]
import { fork } from 'node:child_process';
import dns from 'node:dns';
import http from 'node:http';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as later } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as undici from 'undici';
import { discover } from '../../dist/discovery/index.js';
import { DnsClient } from '../../dist/node/index.js';
import { keep, median } from '../results.mjs';
import { paired } from './paired.mjs';
import { answers, SLOW_MS } from './services.mjs';

const PAIRS = Number(process.argv[2] ?? 200);
const ROUNDS = 11;
const PICKS = 1_000_000;
const ENDPOINTS = 100;
const SETS = 1000;

const server = fork(fileURLToPath(new URL('http-server.mjs', import.meta.url)));
const port = await new Promise(resolve => server.once('message', resolve));
const { address, asked } = await answers(port);
const client = new DnsClient({ servers: [address], resolvConf: false, hostsFile: false, staleSeconds: 0 });
const named = (name, options) => discover(name, { client, slowStartMs: 0, ...options });
const print = text => process.stdout.write(`${text}\n`);

// ---- Picks: processor ns, what they leave for the collector, how exact the weights are.
function perCall(calls, run) {
  const before = process.cpuUsage();
  run(calls);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / calls;
}
const picks = new Map();
for (const policy of ['weighted', 'p2c', 'roundRobin', 'hash', 'first']) {
  const service = await named(`_w${ENDPOINTS}._tcp.bench.example`, { policy });
  const options = policy === 'hash' ? { key: 'user:7' } : undefined;
  const run = calls => {
    for (let i = 0; i < calls; i++) service.pick(options).done();
  };
  picks.set(policy, { run, calls: policy === 'hash' || policy === 'roundRobin' ? PICKS / 10 : PICKS, ns: [] });
}
for (let round = -2; round < ROUNDS; round++) {
  for (const { run, calls, ns } of picks.values()) {
    const each = perCall(calls, run);
    if (round >= 0) ns.push(each);
  }
}
let collections = 0;
new PerformanceObserver(list => (collections += list.getEntries().length)).observe({ entryTypes: ['gc'] });
/** Octets that a pick leaves, and collections in so many of them. */
async function garbageOf({ run }, calls) {
  globalThis.gc?.();
  await later(500); // until the observer has been told of that
  collections = 0;
  const before = process.memoryUsage().heapUsed;
  run(calls);
  const octets = (process.memoryUsage().heapUsed - before) / calls;
  await later(50);
  return { octets, collections };
}
const garbage = {};
for (const policy of ['weighted', 'p2c']) garbage[policy] = await garbageOf(picks.get(policy), PICKS);

const four = await named('_w4._tcp.bench.example', { policy: 'weighted' });
const counts = new Map(four.endpoints.map(endpoint => [endpoint, 0]));
for (let i = 0; i < PICKS; i++) {
  const endpoint = four.peek();
  counts.set(endpoint, counts.get(endpoint) + 1);
}
const weights = four.endpoints.reduce((sum, { weight }) => sum + weight, 0);
const offBy = Math.max(...[...counts].map(([{ weight }, n]) => Math.abs(n / PICKS / (weight / weights) - 1)));

// ---- What adapters add to a request.
const one = await named('_one._tcp.bench.example');
const get = options => () =>
  new Promise((resolve, reject) =>
    http.get(options, response => response.resume().on('end', resolve)).on('error', reject),
  );
const own = `http://127.0.0.1:${port}/`;
const ask = (url, dispatcher) => async () => (await undici.request(url, { dispatcher })).body.dump();
const load = (url, options) => async () => (await fetch(url, options)).text();
const adapters = {
  'http.Agent': {
    plain: get({ host: '127.0.0.1', port, agent: new http.Agent({ keepAlive: true }) }),
    more: get({ host: 'orders', agent: one.agent() }),
  },
  'undici.request': {
    plain: ask(own, new undici.Agent()),
    more: ask('http://orders/', one.dispatcher({ undici })),
  },
  fetch: { plain: load(own), more: load('http://orders/', { dispatcher: one.dispatcher() }) },
};
const added = {};
for (const [name, ways] of Object.entries(adapters)) {
  added[name] = await paired({ pairs: PAIRS, calls: 100, ...ways });
  const { plain, added: more } = added[name];
  print(
    `${name}: ${(plain.cpu / 1000).toFixed(1)} us, a service adds ${more.cpu.median.toFixed(0)} ns of processor time (${more.cpu.low.toFixed(0)} to ${more.cpu.high.toFixed(0)}), ${more.wall.median.toFixed(0)} ns of time`,
  );
}

// ---- A million requests while DNS takes a second for each answer: those that waited for it would take as long.
const slow = await named('_slow._tcp.bench.example');
let waited = 0;
let longestMs = 0;
const tell = ms => {
  longestMs = Math.max(longestMs, ms);
  if (ms >= SLOW_MS / 2) waited++;
};
const lookUp = () =>
  new Promise((resolve, reject) => {
    const began = performance.now();
    slow.lookup('orders', { all: true }, error => {
      tell(performance.now() - began);
      if (error) reject(error);
      else resolve();
    });
  });
let questions = asked();
const LOOKUPS = PICKS - 2000;
for (let i = 0; i < LOOKUPS; i += 100) {
  await Promise.all(Array.from({ length: 100 }, lookUp));
  // Sockets have their turn: answers come in, and are looked at.
  await new Promise(setImmediate);
}
for (let i = 0; i < PICKS - LOOKUPS; i++) {
  const began = performance.now();
  const socket = await slow.connect();
  tell(performance.now() - began);
  socket.destroy();
}
questions = asked() - questions;
const { refreshes } = slow.report();
slow.close();

const resolver = new dns.promises.Resolver();
resolver.setServers([address]);
const resolveSrv = [];
for (let round = -2; round < ROUNDS; round++) {
  const before = process.cpuUsage();
  for (let i = 0; i < 50; i++) await resolver.resolveSrv(`_w${ENDPOINTS}._tcp.bench.example`);
  const { user, system } = process.cpuUsage(before);
  if (round >= 0) resolveSrv.push(((user + system) * 1000) / 50);
}

// ---- Many sets: what they ask at a TTL of 5 s, and what an endpoint takes.
globalThis.gc?.();
const heapBefore = process.memoryUsage().heapUsed;
const sets = [];
for (let i = 0; i < SETS; i++) sets.push(await named(`_s${i}._tcp.many.example`));
globalThis.gc?.();
const heap = process.memoryUsage().heapUsed - heapBefore;
await later(6000);
const begun = asked();
await later(10_000);
const perSecond = (asked() - begun) / 10;

keep('discovery', {
  pairs: PAIRS,
  rounds: ROUNDS,
  endpoints: ENDPOINTS,
  picks: Object.fromEntries([...picks].map(([policy, { ns }]) => [policy, median(ns)])),
  garbage,
  weightsOffBy: offBy,
  adapters: added,
  waits: { requests: PICKS, waited, longestMs, answersTakeMs: SLOW_MS, questions, refreshes: refreshes.good },
  resolveSrv: median(resolveSrv),
  sets: { count: SETS, endpoints: 10, queriesPerSecond: perSecond, heapPerEndpoint: heap / SETS / 10 },
});
for (const [policy, { ns }] of picks) print(`${median(ns).toFixed(0).padStart(6)} ns  pick, ${policy}`);
for (const [policy, { octets, collections: times }] of Object.entries(garbage))
  print(`${policy}: ${octets.toFixed(2)} octets of garbage a pick, ${times} collections`);
print(`weights off by ${(offBy * 100).toFixed(2)} % at most`);
print(
  `${waited} of ${PICKS} requests waited; the longest took ${longestMs.toFixed(1)} ms; ${questions} questions meanwhile`,
);
print(`${SETS} sets: ${perSecond} queries/s, ${(heap / SETS / 10).toFixed(0)} octets of heap an endpoint`);
process.exit(0);
