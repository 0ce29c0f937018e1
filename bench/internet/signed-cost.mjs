// What validation adds to a recursive miss whose chain is known, beside Unbound, in one run: names of a zone of P-256 and of
// one of RSA 2048 that nobody has asked for, to servers that validate and to servers that do not, in turns. Microseconds of
// processor time of the whole process, medians. Runs in a network namespace of its own; needs root's rights.
//   node bench/internet/signed-cost.mjs [ROUNDS] [MISSES a round]
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keep, median } from '../results.mjs';
import { askAll } from './compare.mjs';
import { startInternet, startShardns, startUnbound, stopAll } from './servers.mjs';
import { inNamespaceOfItsOwn } from './namespace.mjs';
import { signingSources } from './signed-zones.mjs';

const ROUNDS = Number(process.argv[2] ?? 9);
const MISSES = Number(process.argv[3] ?? 2500);
/** Asked before: the optimiser has seen enough by then. */
const WARM = 10_000;
const ALGORITHMS = { 'P-256': 'p256.com', RSASHA256: 'rsa.com' };
const DAY = 86_400;
const HINTS = ['198.19.0.1', '198.19.0.2'];
const TOP = '198.19.1.1';
const LEAF = '198.19.2.1';

function makeInternet({ zone: { makeKey, SignedZone, signRrset, zoneFileOf }, entries, rrset, rdata, iana }) {
  const now = Math.floor(Date.now() / 1000);
  const times = { inception: now - DAY, expiration: now + 12 * DAY };
  const leaves = new Map();
  const delegations = [];
  for (const [algorithm, zone] of Object.entries(ALGORITHMS)) {
    const key = makeKey(algorithm);
    const apex = `${zone}.`;
    // Signed as a zone is, but for the chain of denials, which no answer here has.
    const small = new SignedZone(apex, [`${apex} 3600 NS ns.${apex}`, `ns.${apex} 3600 A ${LEAF}`], key, times);
    const hosts = Array.from(
      { length: WARM + ROUNDS * MISSES },
      (_, i) => `h${i}.${apex} 3600 A 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    );
    const signed = rrset.groupRrsets(hosts.map(entries.recordOf)).map(one => signRrset(one, small.zone, key, times));
    leaves.set(zone, zoneFileOf([...small.rrsets, ...signed]));
    delegations.push(
      `${apex} 3600 NS ns.${apex}`,
      `ns.${apex} 3600 A ${LEAF}`,
      `${apex} 3600 DS ${rdata.decodeRdata(iana.Type.DS, small.ds)}`,
    );
  }
  const top = new SignedZone(
    'com.',
    ['com. 3600 NS a.nic.com.', `a.nic.com. 3600 A ${TOP}`, ...delegations],
    makeKey('P-256'),
    times,
  );
  const root = new SignedZone(
    '.',
    [
      ...['a', 'b'].flatMap((letter, i) => [
        `. 3600 NS ${letter}.root-servers.net.`,
        `${letter}.root-servers.net. 3600 A ${HINTS[i]}`,
      ]),
      'com. 3600 NS a.nic.com.',
      `a.nic.com. 3600 A ${TOP}`,
      `com. 3600 DS ${rdata.decodeRdata(iana.Type.DS, top.ds)}`,
    ],
    makeKey('RSASHA256'),
    times,
  );
  return {
    instances: [
      { name: 'root', addresses: HINTS, zones: new Map([['.', zoneFileOf(root.rrsets)]]) },
      { name: 'top', addresses: [TOP], zones: new Map([['com', zoneFileOf(top.rrsets)]]) },
      { name: 'leaf', addresses: [LEAF], zones: leaves },
    ],
    hints: HINTS,
    anchor: root.anchor,
  };
}

/** Microseconds of processor time that the threads of a process have had. */
function cpuMicros(pid) {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  }
  return nanoseconds / 1000;
}

const resolver = { recursive: true, rootHints: HINTS, ipv6: false, doNotQueryLocalhost: false };
const unvalidated = more => (internet, folder, port) =>
  startShardns(internet, folder, port, { dnssec: { validate: false }, resolver: { ...resolver, ...more } });
/**
 * How each is started. `signatures`: what is not validated is fetched with signatures, as clients with DO need it. The main
 * thread has signatures checked in libuv's pool, so that clients do not wait; a worker checks them itself.
 */
const SUBJECTS = {
  'shardns, plain': unvalidated({ dnssecOk: false }),
  'shardns, signatures': unvalidated({}),
  'shardns, validated': startShardns,
  'shardns worker, plain': unvalidated({ dnssecOk: false, workers: 1 }),
  'shardns worker, validated': (internet, folder, port) =>
    startShardns(internet, folder, port, { resolver: { ...resolver, workers: 1 } }),
  'unbound, plain': (internet, folder, port) => startUnbound(internet, folder, port, { validate: false }),
  'unbound, validated': startUnbound,
};

async function main(folder) {
  const internet = makeInternet(await signingSources());
  await startInternet(internet, folder);
  const subjects = [];
  for (const [i, [name, begin]] of Object.entries(SUBJECTS).entries()) {
    const home = join(folder, `subject${i}`);
    mkdirSync(home);
    const child = await begin(internet, home, 5431 + i);
    subjects.push({ name, port: 5431 + i, child, micros: {} });
  }
  const names = (zone, from, count) => Array.from({ length: count }, (_, i) => [`h${from + i}.${zone}`, 'A', {}]);
  const measured = async (subject, list) => {
    const before = cpuMicros(subject.child.pid);
    const replies = await askAll(subject.port, list);
    const failed = replies.filter(one => one === undefined || (one[3] & 15) !== 0 || one[7] === 0).length;
    if (failed > 0) throw new Error(`${subject.name}: ${failed} of ${list.length} failed`);
    return (cpuMicros(subject.child.pid) - before) / list.length;
  };
  for (const [algorithm, zone] of Object.entries(ALGORITHMS)) {
    for (const subject of subjects) {
      await measured(subject, names(zone, 0, WARM));
      subject.micros[algorithm] = [];
    }
    for (let round = 0; round < ROUNDS; round++) {
      const list = names(zone, WARM + round * MISSES, MISSES);
      // Who is first has the name server's caches cold.
      for (let i = 0; i < subjects.length; i++) {
        const subject = subjects[(round + i) % subjects.length];
        subject.micros[algorithm].push(await measured(subject, list));
      }
    }
  }
  const results = {};
  for (const algorithm of Object.keys(ALGORITHMS)) {
    const of = name => subjects.find(one => one.name === name).micros[algorithm];
    const added = (validated, plain) => median(of(validated).map((us, round) => us - of(plain)[round]));
    results[algorithm] = {
      us: Object.fromEntries(subjects.map(({ name, micros }) => [name, median(micros[algorithm])])),
      shardns_added_us: added('shardns, validated', 'shardns, plain'),
      shardns_added_to_signatures_us: added('shardns, validated', 'shardns, signatures'),
      worker_added_us: added('shardns worker, validated', 'shardns worker, plain'),
      unbound_added_us: added('unbound, validated', 'unbound, plain'),
    };
    const { us, ...differences } = results[algorithm];
    process.stdout.write(`${algorithm}, microseconds a miss:\n`);
    for (const [name, one] of Object.entries({ ...us, ...differences })) {
      process.stdout.write(`  ${name.padEnd(32)} ${one.toFixed(1)}\n`);
    }
    const { shardns_added_us: ours, worker_added_us: workers, unbound_added_us: theirs } = results[algorithm];
    process.stdout.write(
      `  shardns adds ${(ours / theirs).toFixed(2)} x of what Unbound adds, in a worker ${(workers / theirs).toFixed(2)} x\n`,
    );
  }
  if (process.env.KEEP !== '0') keep('validation', { rounds: ROUNDS, misses: MISSES, results });
}

inNamespaceOfItsOwn(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'signed-'));
try {
  await main(folder);
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
