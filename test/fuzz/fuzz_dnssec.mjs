// Signed responses, mutated, for so many seconds or SHARDNS_DNSSEC_RUNS runs. Validation never throws and never hangs, and
// its verdict is held against what the zones have:
// - secure: each RRset is there, octet for octet of what is signed, and what is denied is not there;
// - insecure: something of the response is below a delegation without DS, or in an opt-out or a hostile zone;
// - indeterminate: something of it is above the trust anchor.
import { Worker } from 'node:worker_threads';
import { loadSources } from '../support/sources.mjs';
import { makeTruth } from './dnssec-truth.mjs';
import { makeMutations } from './dnssec-mutations.mjs';

const sources = await loadSources('fuzz-dnssec', {
  tree: 'test/support/signed-tree.ts',
  zone: 'test/support/signed-zone.ts',
  dnssec: 'lib/dnssec/index.ts',
  name: 'lib/wire/name.ts',
  rrset: 'lib/wire/rrset.ts',
  message: 'lib/wire/message.ts',
  iana: 'lib/wire/iana.ts',
});
const { SignedTree, NOW } = sources.tree;
const { validate, Budget, ZoneKeys } = sources.dnssec;
const { Type } = sources.iana;
const { nameToText } = sources.name;

const seconds = Number(process.argv[2] ?? 5);
const runsWanted = Number(process.env.SHARDNS_DNSSEC_RUNS ?? Number.POSITIVE_INFINITY);
const seed = Number(process.env.SHARDNS_DNSSEC_SEED ?? Date.now() >>> 0);
let state = seed >>> 0 || 1;
const random = n => {
  state ^= state << 13;
  state >>>= 0;
  state ^= state >>> 17;
  state ^= state << 5;
  state >>>= 0;
  return state % n;
};

// RSA of 1024 bits: the cheapest check, so that most of the time is ours.
const key = () => sources.zone.makeKey('RSASHA256', 257, 1024);
const lines = zone => [
  `a.${zone} 300 A 192.0.2.1`,
  `a.${zone} 300 MX 10 A.${zone}`,
  `x.ent.${zone} 300 A 192.0.2.2`,
  `*.wild.${zone} 300 A 192.0.2.3`,
  `alias.${zone} 300 CNAME a.${zone}`,
  `far.${zone} 300 CNAME q.wild.nsec3.test.`,
  `old.${zone} 300 DNAME wild.${zone}`,
];
const zones = new SignedTree({
  'test.': { key: key(), lines: lines('test.') },
  'nsec3.test.': { key: key(), denial: 'nsec3', lines: lines('nsec3.test.') },
  'opt.test.': { key: key(), denial: 'optOut', lines: lines('opt.test.') },
  'plain.test.': { unsigned: true, lines: lines('plain.test.') },
  '8.7.6.5.4.3.2.1.test.': { key: key(), lines: lines('8.7.6.5.4.3.2.1.test.') },
  // Its owner signs whatever harms others.
  'evil.test.': { key: key(), lines: lines('evil.test.') },
});
const SIGNED = ['test.', 'nsec3.test.', 'opt.test.', '8.7.6.5.4.3.2.1.test.', 'evil.test.'];
const judge = (question, response, now, known, fetchRecords = zones.fetch.bind(zones)) =>
  validate(question, response, {
    now,
    budget: new Budget(),
    policy: {},
    anchors: zones.anchors,
    zones: known,
    fetchRecords,
  });
const truth = makeTruth(sources, zones, SIGNED, 'plain.test.', (question, response) =>
  judge(question, response, NOW, zones.zones),
);
const corpus = truth.responses();
const mutations = makeMutations(sources, zones, SIGNED, corpus, random);

/** What is wrong with a verdict; undefined: nothing. */
function fault(question, response, verdict, now) {
  const { status } = verdict;
  if (status === 'bogus') return undefined;
  const names = [question.name, ...[...response.answer, ...response.authority].map(one => one.name)];
  for (const one of response.answer) if (one.type === Type.CNAME) names.push(...one.data);
  if (status === 'indeterminate') return verdict.unfetched || names.some(truth.isAbove) ? undefined : 'indeterminate';
  if (status === 'insecure') {
    return question.type === Type.RRSIG || names.some(truth.isWeak) ? undefined : 'insecure, and nothing in it is';
  }
  if (now < NOW - 86_400 - 60 || now > NOW + 86_400) return 'secure at another time than its signatures';
  // What is told is the validator's word for it: records may show an NXDOMAIN to be none.
  return truth.contradiction(question, { ...response, rcode: verdict.rcode });
}

const describe = rrset =>
  `${nameToText(rrset.name)} ${rrset.type} ${rrset.data.map(one => Buffer.from(one).toString('hex'))} (${rrset.signatures.length})`;

// A run that never ends is seen by another thread only; it names the run, which the seed leads to again.
const progress = new Int32Array(new SharedArrayBuffer(4));
const watch = `
  const { workerData } = require('node:worker_threads');
  let last = -1;
  setInterval(() => {
    if (workerData.progress[0] !== last) return void (last = workerData.progress[0]);
    require('node:fs').writeSync(2, 'SHARDNS_DNSSEC_SEED=' + workerData.seed + ', run ' + last + ' does not end\\n');
    process.kill(process.pid, 'SIGKILL');
  }, 20_000);`;
new Worker(watch, { eval: true, workerData: { progress, seed } }).unref();

const until = performance.now() + seconds * 1000;
const counts = { secure: 0, insecure: 0, indeterminate: 0, bogus: 0 };
let runs = 0;
let current;
try {
  while (runs < runsWanted && (runsWanted < Number.POSITIVE_INFINITY || performance.now() < until)) {
    const { question, response, now, fetchRecords } = mutations.next(NOW);
    current = { question, response, now };
    const began = performance.now();
    const isPlain = fetchRecords === undefined && now === NOW;
    const verdict = judge(question, response, now, isPlain ? zones.zones : new ZoneKeys(), fetchRecords);
    if (performance.now() - began > 5000) throw new Error('took more than 5 s');
    const wrong = fault(question, response, verdict, now);
    if (wrong !== undefined) throw new Error(`${verdict.status}: ${wrong}`);
    counts[verdict.status]++;
    progress[0] = runs + 1;
    if (++runs % 500_000 === 0) console.error(`${runs} runs: ${JSON.stringify(counts)}`);
  }
  // A fuzzer whose every response is bogus finds nothing.
  if (runs > 1000 && Math.min(counts.secure, counts.insecure, counts.bogus) < runs / 200) {
    throw new Error(`verdicts are too much alike: ${JSON.stringify(counts)}`);
  }
} catch (error) {
  const { question, response, now } = current;
  console.error(`SHARDNS_DNSSEC_SEED=${seed}, after ${runs} runs: ${error.stack}`);
  console.error(`${nameToText(question.name)} ${question.type}, rcode ${response.rcode}, at ${now - NOW}`);
  for (const part of ['answer', 'authority']) console.error(part, response[part].map(describe));
  process.exit(1);
}
console.error(`${runs} runs: ${JSON.stringify(counts)}`);
