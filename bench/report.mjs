// Writes the README's tables from the kept results. `--check` fails when they differ.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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
    one.of_cacheable === undefined ? '' : `${fixed(one.of_cacheable, 2)} x`,
  ]);
  return `${table(['a call', 'ns', 'of cacheable-lookup'], rows)}\n\n${source(result)} ${result.names} names that are cached, asked in turn through the public calls.`;
}

let readme = readFileSync(at('../README.md'), 'utf8');
const before = readme;
for (const [name, make] of Object.entries({ load, native, lib, lookup })) {
  if (read(name) === undefined) continue;
  const pattern = new RegExp(`(<!-- figures: ${name} -->\n)[\\s\\S]*?(\n<!-- end -->)`);
  readme = readme.replace(pattern, (_, open, close) => `${open}${make()}${close}`);
}
if (process.argv.includes('--check')) {
  if (readme !== before) {
    console.error('the README differs from the kept results: npm run bench:report');
    process.exit(1);
  }
} else {
  writeFileSync(at('../README.md'), readme);
}
