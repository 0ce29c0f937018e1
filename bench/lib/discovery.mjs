// Picking an endpoint of a service, and what its adapters add to a request, in processor time. Subjects take turns, round by
// round.
//
//   node --expose-gc bench/lib/discovery.mjs [rounds]
import dns from 'node:dns';
import http from 'node:http';
import { PerformanceObserver } from 'node:perf_hooks';
import { discover } from '../../dist/discovery/index.js';
import { DnsClient } from '../../dist/node/index.js';
import { keep, median } from '../results.mjs';
import { answers } from './services.mjs';

const ROUNDS = Number(process.argv[2] ?? 11);
const PICKS = 1_000_000;
const ENDPOINTS = 100;
const REQUESTS = 1000;
const SETS = 1000;

const server = http.createServer((_, response) => response.end('well'));
// Rounds are apart for longer than a server keeps idle connections.
server.keepAliveTimeout = 600_000;
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address();
const { address, asked, close } = await answers(port);
const client = new DnsClient({ servers: [address], resolvConf: false, hostsFile: false, staleSeconds: 0 });
const named = (name, options) => discover(name, { client, slowStartMs: 0, ...options });

/** Processor ns a call, of this process with all its threads: what others do on this machine does not count. */
function timed(calls, run) {
  const before = process.cpuUsage();
  run(calls);
  return since(before, calls);
}
async function timedAsync(calls, run) {
  const before = process.cpuUsage();
  for (let i = 0; i < calls; i++) await run();
  return since(before, calls);
}
function since(before, calls) {
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / calls;
}

const subjects = new Map();
for (const policy of ['weighted', 'p2c', 'roundRobin', 'hash', 'first']) {
  const service = await named(`_w${ENDPOINTS}._tcp.bench.example`, { policy });
  const options = policy === 'hash' ? { key: 'user:7' } : undefined;
  subjects.set(`pick, ${policy}`, () =>
    timed(PICKS / (policy === 'hash' || policy === 'roundRobin' ? 10 : 1), calls => {
      for (let i = 0; i < calls; i++) service.pick(options).done();
    }),
  );
}
const one = await named('_one._tcp.bench.example');
const plain = new http.Agent({ keepAlive: true });
const agent = one.agent();
const get = options =>
  new Promise((resolve, reject) =>
    http.get(options, response => response.resume().on('end', resolve)).on('error', reject),
  );
subjects.set('http request, http.Agent', () =>
  timedAsync(REQUESTS, () => get({ host: '127.0.0.1', port, agent: plain })),
);
subjects.set('http request, agent of a service', () => timedAsync(REQUESTS, () => get({ host: 'orders', agent })));
const dispatcher = one.dispatcher();
const text = async (url, options) => (await fetch(url, options)).text();
subjects.set('fetch', () => timedAsync(REQUESTS, () => text(`http://127.0.0.1:${port}/`)));
subjects.set('fetch, dispatcher of a service', () =>
  timedAsync(REQUESTS, () => text('http://orders/', { dispatcher })),
);
const resolver = new dns.promises.Resolver();
resolver.setServers([address]);
subjects.set('dns.resolveSrv, 100 targets', () =>
  timedAsync(50, () => resolver.resolveSrv(`_w${ENDPOINTS}._tcp.bench.example`)),
);

const results = Object.fromEntries([...subjects.keys()].map(name => [name, []]));
for (let round = -2; round < ROUNDS; round++) {
  for (const [name, run] of subjects) {
    const ns = await run();
    if (round >= 0) results[name].push(ns);
  }
}

// What a pick leaves for the collector, and how exact the weights are.
const weighted = await named(`_w${ENDPOINTS}._tcp.bench.example`, { policy: 'weighted' });
let collections = 0;
new PerformanceObserver(list => (collections += list.getEntries().length)).observe({ entryTypes: ['gc'] });
const counts = new Map(weighted.endpoints.map(endpoint => [endpoint, 0]));
globalThis.gc?.();
await new Promise(resolve => setTimeout(resolve, 50));
collections = 0;
for (let i = 0; i < PICKS; i++) weighted.pick().done();
await new Promise(resolve => setTimeout(resolve, 50));
const collected = collections;
for (let i = 0; i < PICKS; i++) counts.set(weighted.peek(), counts.get(weighted.peek()) + 1);
let questions = asked();
for (let i = 0; i < PICKS; i++) weighted.pick().done();
questions = asked() - questions;

// Many sets: what they ask at a TTL of 5 s, and what an endpoint takes.
globalThis.gc?.();
const heapBefore = process.memoryUsage().heapUsed;
const sets = [];
for (let i = 0; i < SETS; i++) sets.push(await named(`_s${i}._tcp.many.example`));
globalThis.gc?.();
const heap = process.memoryUsage().heapUsed - heapBefore;
await new Promise(resolve => setTimeout(resolve, 6000));
const begun = asked();
await new Promise(resolve => setTimeout(resolve, 10_000));
const perSecond = (asked() - begun) / 10;

for (const set of sets) set.close();
for (const service of [one, weighted]) service.close();
keep('discovery', {
  rounds: ROUNDS,
  endpoints: ENDPOINTS,
  ns: Object.fromEntries(Object.entries(results).map(([name, values]) => [name, median(values)])),
  collectionsInMillionPicks: collected,
  questionsInMillionPicks: questions,
  sets: { count: SETS, endpoints: 10, queriesPerSecond: perSecond, heapPerEndpoint: heap / SETS / 10 },
});
for (const [name, values] of Object.entries(results))
  process.stdout.write(`${median(values).toFixed(0).padStart(9)} ns  ${name}\n`);
process.stdout.write(
  `${collected} collections and ${questions} questions in 10^6 picks; ${SETS} sets: ${perSecond} queries/s, ${(heap / SETS / 10).toFixed(0)} octets of heap an endpoint\n`,
);
client.close();
close();
server.close();
process.exit(0);
