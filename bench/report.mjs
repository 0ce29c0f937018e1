// Writes the README's tables from the kept results. `--check` fails when they differ.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = path => fileURLToPath(new URL(path, import.meta.url));
const read = name =>
  existsSync(at(`./results/${name}.json`)) ? JSON.parse(readFileSync(at(`./results/${name}.json`), 'utf8')) : undefined;
const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n');
const fixed = (value, digits = 0) => (value === undefined || value === null ? '' : value.toFixed(digits));
const thousands = value => (value === undefined ? '' : `${Math.round(value / 1000)} k`);
const source = result => `Measured ${result.date.slice(0, 10)} on ${result.cpu}.`;

function load() {
  const result = read('load');
  const floor = result.summary.reflector;
  const names = {
    reflector: 'bare reflector (the floor)',
    shardns: '**shardns**',
    dnsdist: 'dnsdist, packet cache',
    unbound: 'unbound',
    node: 'dgram + dns-packet + lru-cache',
  };
  const rows = Object.entries(result.summary).map(([name, one]) => [
    names[name],
    thousands(one.hits_per_second),
    fixed(one.hit_cpu_us, 2),
    `${fixed(one.hit_cpu_us / floor.hit_cpu_us, 2)} x`,
    `${fixed(one.p99_us_at_20k)} us`,
    thousands(one.misses_per_cpu_second),
  ]);
  return `${table(['one core for the server', 'UDP hits/s', 'CPU us a hit', 'of the floor', 'p99 at 20 k/s', 'misses per CPU second'], rows)}\n\n${source(result)} Medians of ${result.rounds} interleaved rounds, dnsperf on the other core.`;
}

function native() {
  const result = read('native');
  const rows = result.hits.cases.map(one => [
    one.case,
    fixed(one.shardns),
    fixed(one.shardns_batch16),
    fixed(one.shardns_lru),
    fixed(one.absl),
    fixed(one.classic_lru),
    `${fixed(one.shardns / one.shardns_two_threads, 2)} x`,
    fixed(one.insert_evict_s3fifo),
  ]);
  const attack = result.attack.cases.map(one => [
    one.policy,
    `${one.memory_mib} MiB`,
    `${one.attack_0} %`,
    `${one.attack_50} %`,
    `${one.attack_90} %`,
  ]);
  return `${table(['entries', 'shardns, ns', 'batch of 16', 'policy lru', 'absl + copy', 'mutex + list LRU', 'two threads', 'insert + evict'], rows)}\n\n${source(result)} shardns parses, looks up, copies and patches; the others look up and copy.\n\nHit ratio of legitimate names while a share of the traffic asks random names (Zipf 1.0 over a million names):\n\n${table(['policy', 'memory', 'no attack', '50 %', '90 %'], attack)}`;
}

function policies() {
  const result = read('policies');
  const rows = result.cases.map(one => [
    one.policy,
    `${one.memory_mib} MiB`,
    `${fixed(one.zipf, 1)} %`,
    `${fixed(one.scan, 1)} %`,
    `${fixed(one.shift, 1)} %`,
  ]);
  return `${table(['hit ratio of a policy', 'memory', 'Zipf', 'with scans', 'shifting'], rows)}\n\n${source(result)} Zipf 1.0 over a million keys; the same while bursts of 20,000 keys that never come again pass through; the same with other popular keys every eighth of the trace.`;
}

function lib() {
  const result = read('lib');
  const rows = Object.entries(result.results).map(([name, one]) => [
    name,
    fixed(one.ns),
    `${fixed(one.of_lru_cache, 2)} x`,
  ]);
  return `${table([`${result.names / 1000} k names, from JavaScript`, 'ns', 'of lru-cache'], rows)}\n\n${source(result)} Garbage collections in 10^7 hits on registered buffers: ${result.garbage.collections}.`;
}

function lookup() {
  const result = read('lookup');
  const rows = Object.entries(result.results).map(([name, one]) => [
    name,
    fixed(one.ns),
    fixed(one.cpu_ns),
    one.cpu_of_cacheable === undefined ? '' : `${fixed(one.cpu_of_cacheable, 2)} x`,
  ]);
  const { names, burst } = result;
  return `${table(['a call', 'ns', 'processor ns', 'of cacheable-lookup'], rows)}\n\n${source(result)} ${names} names that are cached, asked in turn through the public calls; cold: names that nobody has asked for, one after another, with A and AAAA; burst: ${burst.callers} callers of ${burst.names} such names at once, for each caller.`;
}

function discovery() {
  const result = read('discovery');
  const us = ns => fixed(ns / 1000, 1);
  const picks = Object.entries(result.picks).map(([policy, ns]) => [`pick, ${policy}`, `${fixed(ns)} ns`]);
  picks.push(['dns.resolveSrv, 100 targets', `${fixed(result.resolveSrv / 1000)} us`]);
  const adapters = Object.entries(result.adapters).map(([name, { plain, added }]) => [
    name,
    `${us(plain.cpu)} us`,
    `${us(added.cpu.median)} us (${us(added.cpu.low)} to ${us(added.cpu.high)})`,
    `${us(added.wall.median)} us`,
  ]);
  const { sets, garbage, waits } = result;
  const octets = Object.entries(garbage).map(
    ([policy, one]) => `${policy} ${fixed(one.octets, 1)} octets, ${one.collections} collections`,
  );
  return `${table([`a call, ${result.endpoints} endpoints`, 'processor time'], picks)}

${table(['a request', 'without a service', 'a service adds', 'of time'], adapters)}

${source(result)} A pick with its \`done()\`, medians of ${result.rounds} interleaved rounds; in 10^6 of them it leaves: ${octets.join('; ')}; weights 1 to 4 are kept within ${fixed(result.weightsOffBy * 100, 1)} %. Requests one after another over connections that are kept, to a server in a process of its own: blocks of 100 with and without in turn, ${result.pairs} pairs, the median of the differences and the bounds of its 95 % interval. While DNS takes ${fixed(waits.answersTakeMs / 1000)} s for each answer, ${waits.waited} of 10^6 requests waited for it; ${waits.questions} questions were asked meanwhile. ${sets.count} services of ${sets.endpoints} endpoints at a TTL of 5 s: ${fixed(sets.queriesPerSecond)} queries a second, ${fixed(sets.heapPerEndpoint / 1024, 1)} KiB of heap an endpoint.`;
}

function persist() {
  const one = read('persist');
  const rows = [
    ['open the file and answer the first query', `${fixed(one.attach_and_first_hit_us)} us`],
    ['put it in order after its writer was killed', `${fixed(one.recovery_ns_per_entry)} ns an entry`],
    [
      `save a snapshot of ${fixed(one.snapshot_octets / 2 ** 20)} MiB`,
      `${fixed(one.save_ms)} ms, ${fixed(one.save_of_plain_rate, 2)} x the rate of a plain write`,
    ],
    ['load it, every message validated', `${fixed(one.load_entries_per_second / 1e6, 2)} M entries/s`],
  ];
  return `${table(['a million entries', ''], rows)}\n\n${source(one)} On tmpfs.`;
}

function bytes() {
  const result = read('bytes');
  const rows = Object.entries(result.results).map(([name, ns]) => [name, fixed(ns)]);
  const filled = Object.entries(result.ten_million).map(([name, one]) => [
    name,
    `${fixed(one.heap_grown_mib, 1)} MiB`,
    fixed(one.seconds, 1),
    `${fixed(one.gc_ms)} ms`,
    `${fixed(one.longest_gc_ms, 1)} ms`,
  ]);
  const head = [
    'ten million entries of 40 octets',
    'heap grown by',
    'seconds to fill',
    'in the collector',
    'longest pause',
  ];
  return `${table([`a hit, ${result.entries / 1000} k entries of ${result.value_octets} octets`, 'ns'], rows)}\n\n${table(head, filled)}\n\n${source(result)} Garbage collections in 10^7 hits of getInto: ${result.garbage.collections}.`;
}

function internet() {
  const result = read('internet');
  const rows = [
    ['queries to name servers for a cold question', 'queriesPerCold', 2],
    ['the same for a new name in a zone that is known', 'queriesPerMiss', 2],
    ['misses per CPU second', 'missesPerCpuSecond', 0],
  ].map(([label, key, digits]) => [
    label,
    fixed(result.shardns[key], digits),
    fixed(result.unbound[key], digits),
    `${fixed(result.shardns[key] / result.unbound[key], 2)} x`,
  ]);
  return `${table(['recursion on a small internet of nsd', 'shardns', 'Unbound 1.17', ''], rows)}\n\n${source(result)} Medians of ${result.rounds} rounds: 10,000 questions to a cold cache, then 30,000 names of their own.`;
}

function recursionWorkers() {
  const result = read('recursion-workers');
  const rows = result.setups.map(({ workers, cores, missesPerSecond, missesPerCpuSecond, ratio, coresUsed }) => [
    workers,
    cores,
    fixed(missesPerSecond),
    `${fixed(ratio, 2)} x`,
    fixed(coresUsed, 2),
    fixed(missesPerCpuSecond),
  ]);
  const head = ['`resolver.workers`', 'cores', 'misses/s', '', 'cores used', 'misses a CPU second'];
  const shared = result.cores > 2 ? '' : ' The zone and its questioners share these cores.';
  return `${table(head, rows)}\n\n${source(result)} Medians of ${result.rounds} rounds.${shared}`;
}

function attack() {
  const { date, ...resolvers } = read('attack');
  const labels = {
    nxns: 'a referral to a hundred name servers without addresses',
    nxnsTwice: 'the same, each of them such a referral again',
    chain: 'thirty aliases of twelve labels between two zones',
    camp: 'the same with a fan of name servers at its end',
  };
  const rows = Object.entries(labels).map(([key, label]) => [
    label,
    ...Object.values(resolvers).map(one => fixed(one[key])),
  ]);
  const head = ['queries that one question leads to', 'shardns', 'Unbound 1.17', 'Knot Resolver 5.6'];
  return `${table(head, rows)}\n\nCounted by the name servers, ${date}.`;
}

function start() {
  const result = read('start');
  const over = ({ cpuMsOver, rssBytesOver }) => [`${fixed(cpuMsOver)} ms`, `${fixed(rssBytesOver / 2 ** 20, 1)} MiB`];
  const rows = ['shardns/lookup', 'shardns/lookup, by require', 'shardns', 'cacheable-lookup']
    .filter(name => result.imports[name] !== undefined)
    .map(name => [name, ...over(result.imports[name])]);
  const { 'npm start': whole, 'npm start of nothing': floor } = result.starts;
  return `${table(['an import, over an empty module', 'processor time', 'resident memory'], rows)}\n\n${source(result)} Medians of ${result.importRounds} interleaved rounds, Node ${result.node.slice(1)}. \`npm start\` to the first answer: ${fixed(whole.cpuMs)} ms of processor time, of which npm itself takes ${fixed(floor.cpuMs)}.`;
}

function validation() {
  const result = read('validation');
  const rows = Object.entries(result.results).map(([name, one]) => [
    name,
    fixed(one.us['shardns, plain']),
    fixed(one.shardns_added_us),
    fixed(one.worker_added_us),
    fixed(one.unbound_added_us),
    `${fixed(one.shardns_added_us / one.unbound_added_us, 2)} x`,
  ]);
  const head = ['us of a recursive miss', 'unproven', 'validation adds', 'in a worker', 'Unbound 1.17 adds', ''];
  return `${table(head, rows)}\n\n${source(result)} Medians of ${result.rounds} interleaved rounds of ${result.misses} new names in a zone whose keys are known; processor time of the whole process.`;
}

function tls() {
  const result = read('tls');
  const names = { shardns: '**shardns**', unbound: 'unbound', dnsdist: 'dnsdist, packet cache' };
  const kinds = ['tls_pipelined', 'tls_single', 'tcp_pipelined', 'tcp_single'];
  const rows = Object.entries(result.summary).map(([name, one]) => [
    names[name],
    ...kinds.map(kind => thousands(one[kind])),
  ]);
  const head = ['hits per CPU second', 'TLS, pipelined', 'TLS, one at a time', 'TCP, pipelined', 'TCP, one at a time'];
  return `${table(head, rows)}\n\n${source(result)} Medians of ${result.rounds} interleaved rounds, connections that stay open.`;
}

/** Rows as they were kept, each a name and its figures. */
function kept(first, rows) {
  const columns = [...new Set(Object.values(rows).flatMap(row => Object.keys(row)))];
  const cells = Object.entries(rows).map(([name, row]) => [name, ...columns.map(column => row[column] ?? '')]);
  return table([first, ...columns], cells);
}

function fleet() {
  const result = read('fleet');
  const names = { forwarded: 'forwarded natively, to a server that has it', HMAC: 'second level, sealed by HMAC' };
  const rows = Object.entries(result.results).map(([name, one]) => [
    names[name] ?? `second level, ${name}`,
    fixed(one.udp, 1),
    fixed(one.call, 1),
    fixed(one.p50),
  ]);
  return `${table(['a miss', 'us of CPU, over UDP', 'us of CPU, called', 'p50 at rest, us'], rows)}\n\n${source(result)} Medians of ${result.rounds} rounds of ${result.names} names, Redis on the loopback.`;
}

function fleetFaults() {
  const result = read('fleet-faults');
  const { stopped, away } = result;
  return `${kept('misses, one after another', stopped)}\n\nNoticed after ${result.noticedMs} ms.\n\n${kept('Redis killed', { [`for ${away.seconds} s`]: away })}\n\n${source(result)}`;
}

function fleetRivals() {
  const result = read('fleet-rivals');
  return `${kept('', result.results)}\n\n${source(result)} Medians of ${result.rounds} interleaved rounds of ${result.entries} keys, CPU of the process; then ${result.stalledCalls} calls, one after another, while Redis has stopped, with a loader of ${result.loadMs} ms.`;
}

function fleetSimulation() {
  const { steady, ttl, outage, cuts, deploy } = read('fleet-simulation').results;
  return [
    kept('instances', steady),
    kept('ten instances, lifetime', ttl),
    kept('Redis killed for a minute', outage),
    kept('links cut for 0.5 to 5 s', cuts),
    kept('ten instances replaced, one each 3 s', deploy),
  ].join('\n\n');
}

const makers = {
  fleet,
  'fleet-faults': fleetFaults,
  'fleet-rivals': fleetRivals,
  'fleet-simulation': fleetSimulation,
  start,
  tls,
  validation,
  load,
  native,
  policies,
  lib,
  lookup,
  discovery,
  persist,
  bytes,
  internet,
  attack,
  'recursion-workers': recursionWorkers,
};
const pages = ['../README.md', ...readdirSync(at('../docs')).map(name => `../docs/${name}`)];
for (const page of pages) {
  const before = readFileSync(at(page), 'utf8');
  let text = before;
  for (const [name, make] of Object.entries(makers)) {
    if (read(name) === undefined) continue;
    const pattern = new RegExp(`(<!-- figures: ${name} -->\n)[\\s\\S]*?(\n?<!-- end -->)`);
    text = text.replace(pattern, (_, open) => `${open}${make()}\n<!-- end -->`);
  }
  if (text === before) continue;
  if (process.argv.includes('--check')) {
    console.error(`${page} differs from the kept results: npm run bench:report`);
    process.exit(1);
  }
  writeFileSync(at(page), text);
}
