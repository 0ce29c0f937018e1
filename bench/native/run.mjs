// Builds and runs the native benchmarks, and keeps their results.
//
//   node bench/native/run.mjs [rounds] [operations]
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keep } from '../results.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const build = join(root, 'build/bench');
const [rounds = '7', operations = '4000000'] = process.argv.slice(2);
execFileSync(
  'cmake',
  ['-S', root, '-B', build, '-DSHARDNS_BENCH=ON', '-DCMAKE_BUILD_TYPE=Release', '--log-level=WARNING'],
  { stdio: 'inherit' },
);
execFileSync('cmake', ['--build', build, '-j', '2'], { stdio: ['ignore', 'ignore', 'inherit'] });
const json = (name, args) =>
  JSON.parse(execFileSync(join(build, name), args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));

const hits = json('hit_bench', [rounds, operations]);
console.table(Object.fromEntries(hits.cases.map(({ case: name, ...ns }) => [name, ns])));
const attack = json('attack_bench', []);
console.table(Object.fromEntries(attack.cases.map(one => [`${one.policy}, ${one.memory_mib} MiB`, one])));
keep('native', { hits, attack });
const gate = json('gate_bench', []);
console.table(gate.cases);
keep('gate', gate);
const edge = json('edge_bench', []);
console.table(edge.cases);
keep('edge', edge);
const policies = json('policy_bench', []);
console.table(Object.fromEntries(policies.cases.map(one => [`${one.policy}, ${one.memory_mib} MiB`, one])));
keep('policies', policies);
const persist = json('persist_bench', []);
console.table(persist);
keep('persist', persist);
