// A lookup that hits, one that misses, and many that miss together: shardns beside cacheable-lookup, c-ares (the Resolver
// of Node) and getaddrinfo (dns.lookup), over one DNS server in a process of its own. Rivals take turns, round by round;
// processor time is that of this process, with all its threads.
//
//   node bench/lib/lookup.mjs [rounds] [part of a subject's name]
import dns from 'node:dns';
import { setTimeout } from 'node:timers/promises';
import CacheableLookup from 'cacheable-lookup';
import { CachedLookup, Resolver } from '../../dist/index.js';
import { keep, median } from '../results.mjs';
import { startServer } from './dns-server.mjs';

const ROUNDS = Number(process.argv[2] ?? 15);
const ONLY = process.argv[3] ?? '';
const CALLS = 20_000;
const SETTLE_MS = 50;
/** Rounds before those that count: names that are to be warm, and code, which V8 compiles for some 2,000 calls. */
const WARM_UP = 4;
/** Names that nobody has asked for, a round. */
const COLD = 500;
const BURST = { callers: 5000, names: 50 };

const server = await startServer();
const { address } = server;
const resolver = new dns.promises.Resolver();
resolver.setServers([address]);
const cacheable = new CacheableLookup({ resolver });
const ours = new CachedLookup({ servers: [address], resolvConf: false });
const ourResolver = new Resolver({ client: ours.client });
const warm = Array.from({ length: 100 }, (_, i) => `host-${i}.lookup.example`);
let made = 0;
const fresh = n => Array.from({ length: n }, () => `host-${made++}.cold.example`);

/** Calls one after another, each in the callback of the one before. */
const inTurn = (lookup, options, namesOf, n) => ({
  calls: n,
  async run() {
    const names = namesOf();
    let left = n;
    await new Promise((resolve, reject) => {
      const next = error => {
        if (error) reject(error);
        else if (left-- === 0) resolve();
        else lookup(names[left % names.length], options, next);
      };
      next();
    });
  },
});
const awaited = (call, namesOf, n) => ({
  calls: n,
  async run() {
    const names = namesOf();
    for (let i = 0; i < n; i++) await call(names[i % names.length]);
  },
});
/** All at once. */
const together = lookup => ({
  calls: BURST.callers,
  run() {
    const names = fresh(BURST.names);
    let left = BURST.callers;
    return new Promise((resolve, reject) => {
      const done = error => {
        if (error) reject(error);
        else if (--left === 0) resolve();
      };
      for (let i = 0; i < BURST.callers; i++) lookup(names[i % names.length], all, done);
    });
  },
});
const all = { all: true };
const four = { family: 4 };
const known = () => warm;
const cold = () => fresh(COLD);
const both = name => Promise.all([resolver.resolve4(name), resolver.resolve6(name)]);
const byCares = (name, _, done) => void both(name).then(found => done(null, found), done);
const subjects = {
  'shardns lookup, family 4': inTurn(ours.lookup, four, known, CALLS),
  'cacheable-lookup lookup, family 4': inTurn(cacheable.lookup, four, known, CALLS),
  'shardns lookup, all': inTurn(ours.lookup, all, known, CALLS),
  'cacheable-lookup lookup, all': inTurn(cacheable.lookup, all, known, CALLS),
  'shardns Resolver.resolve4': awaited(name => ourResolver.resolve4(name), known, CALLS),
  'dns.promises.Resolver.resolve4 (no cache)': awaited(name => resolver.resolve4(name), known, CALLS / 20),
  'dns.lookup of localhost (thread pool)': inTurn(dns.lookup, four, () => ['localhost'], CALLS / 20),
  'shardns lookup, cold': inTurn(ours.lookup, all, cold, COLD),
  'cacheable-lookup lookup, cold': inTurn(cacheable.lookup, all, cold, COLD),
  'dns.promises.Resolver.resolve4 and 6, cold': inTurn(byCares, all, cold, COLD),
  'shardns lookup, burst': together(ours.lookup),
  'cacheable-lookup lookup, burst': together(cacheable.lookup),
};
const chosen = Object.entries(subjects).filter(([name]) => name.includes(ONLY));
const samples = Object.fromEntries(chosen.map(([name]) => [name, { ns: [], cpu: [] }]));
for (let round = -WARM_UP; round < ROUNDS; round++) {
  for (const [name, { calls, run }] of chosen) {
    // V8 collects the garbage of the subject before when the event loop is idle, and not in the time of this one.
    await setTimeout(SETTLE_MS);
    const cpuBegan = process.cpuUsage();
    const began = performance.now();
    await run();
    const took = performance.now() - began;
    const { user, system } = process.cpuUsage(cpuBegan);
    if (round < 0) continue;
    samples[name].ns.push((took * 1e6) / calls);
    samples[name].cpu.push(((user + system) * 1e3) / calls);
  }
}
const results = Object.fromEntries(
  Object.entries(samples).map(([name, { ns, cpu }]) => [name, { ns: median(ns), cpu_ns: median(cpu) }]),
);
for (const [name, result] of Object.entries(results)) {
  const rival = results[name.replace('shardns', 'cacheable-lookup')];
  if (rival !== undefined && rival !== result) {
    result.of_cacheable = result.ns / rival.ns;
    result.cpu_of_cacheable = result.cpu_ns / rival.cpu_ns;
  }
  const ratios =
    rival === undefined ? '' : `${result.of_cacheable?.toFixed(2) ?? ''}  ${result.cpu_of_cacheable?.toFixed(2) ?? ''}`;
  const { ns, cpu_ns } = result;
  process.stdout.write(
    `${name.padEnd(44)} ${ns.toFixed(0).padStart(7)} ns  ${cpu_ns.toFixed(0).padStart(7)} ns cpu  ${ratios}\n`,
  );
}
if (ONLY === '') keep('lookup', { names: warm.length, burst: BURST, results });
ours.close();
server.close();
