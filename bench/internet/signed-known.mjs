// What is answered on a small signed internet from what was validated before: random names below signed zones without a
// question to a name server (RFC 8198), and hits by the native threads, with the AD and CD of each client's question.
// Runs in a network namespace of its own (unshare -n); needs root's rights.
//   node bench/internet/signed-known.mjs [NAMES] [--json FILE]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { askAll } from './compare.mjs';
import { startInternet, startShardns, stopAll } from './servers.mjs';
import { inNamespaceOfItsOwn } from './namespace.mjs';
import { askWhole, isSame, outcomeOf } from './signed-outcomes.mjs';
import { goodZones, makeSignedInternet, signingSources } from './signed-zones.mjs';
import { randomNumbers } from './zones.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const NAMES = Number(positionals[0] ?? 10_000);
const PORT = 5421;
const METRICS = '127.0.0.1:9421';
/** Ways to ask for one name; those that differ in DO or CD have entries of their own. */
const WAYS = [
  {},
  { authenticData: true },
  { dnssecOk: true },
  { checkingDisabled: true },
  { dnssecOk: true, checkingDisabled: true },
  { dnssecOk: true, authenticData: true },
];
const ENTRIES_A_NAME = 4;

async function counters() {
  const text = await (await fetch(`http://${METRICS}/metrics`)).text();
  const sum = name => {
    let total = 0;
    for (const match of text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, 'gm'))) total += Number(match[1]);
    return total;
  };
  return {
    nativeHits: sum('shardns_cache_hits_total'),
    ring: sum('shardns_miss_ring_total'),
    synthesised: sum('shardns_dnssec_synthesised_total'),
    queries: sum('shardns_recursion_queries_total'),
  };
}

/** Random names below one zone, its chain known. */
async function flood(servers, zone) {
  const { below } = randomNumbers(zone.length * 7919);
  await askAll(PORT, [[zone, 'SOA', { dnssecOk: true }]]);
  const before = { asked: servers.queries(), ...(await counters()) };
  const list = Array.from({ length: NAMES }, (_, i) => [`r${below(1e9)}x${i}.${zone}`, 'A', { dnssecOk: true }]);
  const replies = await askAll(PORT, list);
  const after = { asked: servers.queries(), ...(await counters()) };
  return {
    names: NAMES,
    secureNxdomain: replies.filter(one => one !== undefined && (one[3] & 0x2f) === 0x23).length,
    /** By the name servers' own count. */
    queries: after.asked - before.asked,
    synthesised: after.synthesised - before.synthesised,
  };
}

/** Each question twice, in each way; who answered the second time, and what. */
async function hits(sources) {
  const zones = goodZones();
  const asked = Array.from({ length: 100 }, (_, i) => zones[i % zones.length]).flatMap((zone, i) =>
    i % 4 === 3 ? [[`nothing${i}.${zone}`, 'A']] : [[`h${i % 30}.${zone}`, 'A']],
  );
  const list = WAYS.flatMap(flags => asked.map(([name, type]) => ({ name, type, flags })));
  const first = (await askWhole(PORT, list)).map(one => outcomeOf(sources, one));
  const before = await counters();
  const replies = await askWhole(PORT, list);
  const after = await counters();
  const second = replies.map(one => outcomeOf(sources, one));
  const wrong = list.filter(({ flags }, i) => {
    const [low] = [replies[i][3]];
    const wantsAd = (flags.dnssecOk === true || flags.authenticData === true) && flags.checkingDisabled !== true;
    // What lies in an opt-out span has no AD, whoever asks.
    const hasAd = second.some((one, j) => list[j].name === list[i].name && one.ad);
    const signed = second[i].answer.some(one => / RRSIG /.test(one));
    return (
      !isSame(first[i], second[i]) ||
      second[i].ad !== (wantsAd && hasAd) ||
      ((low & 0x10) !== 0) !== (flags.checkingDisabled === true) ||
      (second[i].answer.length > 0 && signed !== (flags.dnssecOk === true))
    );
  });
  return {
    questions: list.length,
    secure: second.filter(one => one.ad).length,
    nativeHits: after.nativeHits - before.nativeHits,
    slow: after.ring - before.ring,
    upstream: after.queries - before.queries,
    wrong: wrong.slice(0, 10),
    entries: asked.length * ENTRIES_A_NAME,
  };
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'signed-'));
  try {
    const sources = await signingSources();
    const internet = makeSignedInternet(sources);
    const servers = await startInternet(internet, folder);
    await startShardns(internet, folder, PORT, { metrics: METRICS });
    const result = { floods: {}, hits: undefined };
    for (const denial of ['nsec', 'nsec3']) {
      const zone = goodZones({ algorithm: 'P-256', denial })[0];
      const one = await flood(servers, zone);
      result.floods[denial] = { zone, ...one };
      process.stdout.write(
        `${denial}: of ${one.names} random names below ${zone}, ${one.secureNxdomain} NXDOMAIN with AD, ${one.queries} queries to name servers\n`,
      );
    }
    result.hits = await hits(sources);
    const { questions, nativeHits, slow, secure, wrong } = result.hits;
    process.stdout.write(
      `of ${questions} questions asked again ${nativeHits} were answered natively, ${slow} not; ${secure} with AD, ${wrong.length} wrong\n`,
    );
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(result));
  } finally {
    await stopAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

inNamespaceOfItsOwn(import.meta.url);
try {
  await main();
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 2;
}
process.exit();
