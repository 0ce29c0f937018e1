// Signed responses, mutated, for so many seconds or SHARDNS_DNSSEC_RUNS runs. Validation never throws and never hangs, and
// its verdict is held against what the zones have:
// - secure: each RRset is there, octet for octet of what is signed, and what is denied is not there;
// - insecure: something of the response is below a delegation without DS, or in an opt-out or a hostile zone;
// - indeterminate: something of it is above the trust anchor.
// What is checked on the way goes into an index of denials, and what follows from that is held against the zones too.
import { Worker } from 'node:worker_threads';
import { loadSources } from '../support/sources.mjs';
import { makeTruth } from './dnssec-truth.mjs';
import { makeMutations } from './dnssec-mutations.mjs';

const sources = await loadSources('fuzz-dnssec', {
  tree: 'test/support/signed-tree.ts',
  zone: 'test/support/signed-zone.ts',
  dnssec: 'lib/dnssec/index.ts',
  denials: 'lib/dnssec/denial-index.ts',
  canonical: 'lib/dnssec/canonical.ts',
  name: 'lib/wire/name.ts',
  rrset: 'lib/wire/rrset.ts',
  message: 'lib/wire/message.ts',
  iana: 'lib/wire/iana.ts',
});
const { SignedTree, NOW } = sources.tree;
const { validate, Budget, ZoneKeys } = sources.dnssec;
const { Type } = sources.iana;
const { DenialIndex } = sources.denials;
const { equalNames, nameToText } = sources.name;
const { ownerLabels } = sources.canonical;

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
  `b.wild.${zone} 300 A 192.0.2.4`,
  `alias.${zone} 300 CNAME a.${zone}`,
  `far.${zone} 300 CNAME q.wild.nsec3.test.`,
  `old.${zone} 300 DNAME wild.${zone}`,
];
const zones = new SignedTree({
  'test.': { key: key(), lines: lines('test.') },
  'nsec3.test.': { key: key(), denial: 'nsec3', lines: lines('nsec3.test.') },
  'opt.test.': { key: key(), denial: 'optOut', lines: lines('opt.test.') },
  // Children of zones that deny by hashes: their names are not among those of the zone above.
  'kid.nsec3.test.': { key: key(), lines: lines('kid.nsec3.test.') },
  'kid.opt.test.': { key: key(), denial: 'nsec3', lines: lines('kid.opt.test.') },
  // Beyond the limit of iterations, so insecure; not so the zone below.
  'iter.test.': { key: key(), denial: 'nsec3', iterations: 60, lines: lines('iter.test.') },
  'kid.iter.test.': { key: key(), lines: lines('kid.iter.test.') },
  'plain.test.': { unsigned: true, lines: lines('plain.test.') },
  '8.7.6.5.4.3.2.1.test.': { key: key(), lines: lines('8.7.6.5.4.3.2.1.test.') },
  // Its owner signs whatever harms others.
  'evil.test.': { key: key(), lines: lines('evil.test.') },
});
const KIDS = ['kid.nsec3.test.', 'kid.opt.test.', 'kid.iter.test.'];
const SIGNED = ['test.', 'nsec3.test.', 'opt.test.', 'iter.test.', ...KIDS, '8.7.6.5.4.3.2.1.test.', 'evil.test.'];
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
function fault(question, response, verdict, now, asked) {
  const { status } = verdict;
  if (status === 'bogus') return undefined;
  const isDenial = ({ type }) => type === Type.NSEC || type === Type.NSEC3;
  const said = [...response.answer, ...response.authority.filter(one => !isDenial(one))];
  // DS records are the zone's above.
  const placeOf = ({ name, type }) => (type === Type.DS && name.length > 1 ? name.subarray(1 + name[0]) : name);
  const names = [placeOf(question), ...said.map(placeOf)];
  for (const one of response.answer) if (one.type === Type.CNAME) names.push(...one.data);
  if (status === 'indeterminate') return verdict.unfetched || names.some(truth.isAbove) ? undefined : 'indeterminate';
  if (status === 'insecure') {
    return question.type === Type.RRSIG || names.some(name => truth.isWeak(name, asked))
      ? undefined
      : 'insecure, and nothing in it is';
  }
  if (now < NOW - 86_400 - 60 || now > NOW + 86_400) return 'secure at another time than its signatures';
  // What is told is the validator's word for it: records may show an NXDOMAIN to be none.
  return truth.contradiction(question, { ...response, rcode: verdict.rcode });
}

const index = new DenialIndex();
/** Learns what a question has had checked, as synthesis does. */
function learn({ checked }) {
  const zonesOf = new Map();
  for (const [one, { by, verdict }] of checked) {
    if (verdict.status !== 'secure' || verdict.labels !== ownerLabels(one.name)) continue;
    if (one.type === Type.SOA && !equalNames(one.name, by.zone)) continue;
    let found = zonesOf.get(by);
    if (found === undefined) zonesOf.set(by, (found = { proofs: [] }));
    if (one.type === Type.SOA) found.soa = one;
    else if (one.type === Type.NSEC || one.type === Type.NSEC3) found.proofs.push(one);
  }
  for (const [{ zone }, { soa, proofs }] of zonesOf) if (proofs.length > 0) index.learn(zone, soa, proofs, 0, {});
}
/** What is wrong with what the index makes of a name. */
function faultOfIndex({ name, type }) {
  const found = index.find(name, type, 1, { now: NOW, budget: new Budget(), policy: {} });
  if (found === undefined) return undefined;
  const wrong = truth.misdenied({ name, type }, found);
  return wrong && `by the index of denials: ${wrong} (${nameToText(name)} ${type}, zone ${nameToText(found.zone)})`;
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
    const wrong = fault(question, response, verdict, now, fetchRecords !== undefined);
    if (wrong !== undefined) throw new Error(`${verdict.status}: ${wrong}`);
    counts[verdict.status]++;
    // Now and then from nothing: a zone that little is known of leaves its names to the one above.
    if (runs % 256 === 0) index.clear();
    if (now === NOW) learn(verdict);
    const follows = faultOfIndex(mutations.question());
    if (follows !== undefined) throw new Error(follows);
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
