// `npm run bench -- NAME [ARGUMENTS]`: every benchmark by its name, after what it needs was looked for.
//
//   node bench/main.mjs            their names
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const has = command => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;

/** Debian's packages, by the command or file that tells that they are there. */
const PACKAGES = {
  'libabsl-dev': () => existsSync('/usr/include/absl/container/flat_hash_map.h'),
  'libbenchmark-dev': () => existsSync('/usr/include/benchmark/benchmark.h'),
  'ninja-build': () => has('ninja'),
  cmake: () => has('cmake'),
  dnsperf: () => has('dnsperf'),
  dnsdist: () => has('dnsdist'),
  unbound: () => has('unbound'),
  nsd: () => has('nsd'),
  'redis-server': () => has('redis-server'),
  'knot-resolver': () => has('kresd'),
  knot: () => has('knotd'),
  bind9: () => has('named'),
};

/** What each is about, what it runs, and what of Debian it needs. */
const BENCHES = {
  native: ['a hit, an insert, a flood and a file in C++', 'native/run.mjs', ['libabsl-dev', 'cmake', 'ninja-build']],
  lib: ['a hit from JavaScript, beside lru-cache and dns-packet', 'lib/run.mjs'],
  lookup: ['lookup and Resolver beside cacheable-lookup and dns.lookup', 'lib/lookup.mjs'],
  discovery: ['an endpoint of a service, and what its adapters add', 'lib/discovery.mjs', [], ['--expose-gc']],
  start: ['what an import costs, and `npm start` to its first answer', 'lib/start.mjs'],
  bytes: ['ByteCache beside caches on the heap', 'lib/bytes.mjs', [], ['--expose-gc']],
  fetch: ['a hit of ByteCache.fetch, beside BentoCache and cache-manager', 'lib/fetch.mjs'],
  fleet: [
    'a miss that the second level answers, beside one that is forwarded',
    'fleet/run.mjs',
    ['dnsperf', 'redis-server'],
  ],
  'fleet-rivals': ['two levels beside BentoCache and cache-manager', 'fleet/rivals.mjs', ['redis-server']],
  'fleet-faults': ['a Redis that stops, and one that is away for a minute', 'fleet/faults.mjs', ['redis-server']],
  'fleet-simulation': ['instances, cuts, outages and deploys on a clock that is not real', 'fleet/simulate.mjs'],
  lists: ['a million names of a list, compiled while the program serves', 'lib/lists.mjs'],
  workers: ['one shared cache, several threads', 'lib/workers.mjs'],
  worst: ['what the worst responses of 64 KiB cost', 'lib/worst.mjs'],
  dnssec: ['a validated answer, and the worst of hostile ones', 'dnssec/run.mjs'],
  load: ['a server under load, beside dnsdist and unbound', 'load/run.mjs', ['dnsperf', 'nsd', 'dnsdist', 'unbound']],
  tls: ['hits over TLS and TCP, beside unbound and dnsdist', 'load/tls.mjs', ['dnsperf', 'unbound', 'dnsdist']],
  control: ['what looking at a server costs it: calls, query log, dnstap', 'load/control.mjs', ['dnsperf']],
  sizes: ['the package, and the dashboard in a browser', 'lib/sizes.mjs'],
  upstream: ["an upstream query, natively and by Node's sockets", 'load/upstream.mjs', ['nsd']],
  'edge-flood': [
    'a flood from made-up addresses beside clients with and without cookies',
    'load/edge-flood.mjs',
    ['cmake'],
  ],
  soak: ['an hour of hostile packets and failing upstreams', 'load/soak.mjs', ['dnsperf']],
  recursion: ['recursive misses beside unbound', 'internet/run.mjs', ['nsd', 'unbound']],
  attack: ['what a hostile zone gets out of a question', 'internet/attack.mjs', ['nsd', 'unbound', 'knot-resolver']],
  compare: [
    'the same questions to unbound and Knot Resolver',
    'internet/compare.mjs',
    ['nsd', 'unbound', 'knot-resolver'],
  ],
  signed: [
    'the same on a signed internet, with broken zones',
    'internet/signed-compare.mjs',
    ['nsd', 'unbound', 'knot-resolver'],
  ],
  policy: ['response policy zones beside BIND and Unbound', 'internet/policy-compare.mjs', ['nsd', 'named', 'unbound']],
  known: ['random names below signed zones, and validated hits', 'internet/signed-known.mjs', ['nsd']],
  validation: ['a validated miss beside unbound', 'internet/signed-cost.mjs', ['nsd', 'unbound']],
  flood: ['random names at full speed', 'internet/flood.mjs', ['nsd', 'unbound']],
  zones: [
    'a zone of a million records beside NSD, Knot and BIND',
    'zones/run.mjs',
    ['dnsperf', 'nsd', 'knot', 'bind9'],
  ],
  threads: ['recursion in several threads', 'internet/workers.mjs'],
};

function main([name, ...args]) {
  if (name === undefined) {
    process.stdout.write('npm run bench -- NAME [ARGUMENTS]\n\n');
    for (const [one, [what]] of Object.entries(BENCHES)) process.stdout.write(`  ${one.padEnd(11)} ${what}\n`);
    return 0;
  }
  if (!Object.hasOwn(BENCHES, name)) {
    process.stderr.write(`there is no benchmark ${JSON.stringify(name)}: npm run bench names them\n`);
    return 1;
  }
  const [, file, packages = [], flags = []] = BENCHES[name];
  const missing = packages.filter(one => !PACKAGES[one]());
  if (missing.length > 0) {
    process.stderr.write(`bench ${name} needs ${missing.join(', ')}: apt-get install ${missing.join(' ')}\n`);
    return 1;
  }
  const run = command => spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' }).status ?? 1;
  return run(['scripts/setup.mjs', '--run']) || run([...flags, `bench/${file}`, ...args]);
}

process.exitCode = main(process.argv.slice(2));
