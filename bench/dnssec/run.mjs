// What validation adds to an answer whose zone's keys are known, beside a bare check by node:crypto; and what the worst
// responses cost with nothing known. Microseconds and milliseconds of processor time of the thread, medians of interleaved
// rounds. Needs nothing.
//
//   node bench/dnssec/run.mjs [rounds] [answers a round]
import { loadSources } from '../../test/support/sources.mjs';
import { keep, median } from '../results.mjs';
import { HOSTILE } from './hostile.mjs';

const rounds = Number(process.argv[2] ?? 7);
const answers = Number(process.argv[3] ?? 3000);
const sources = await loadSources('bench-dnssec', {
  tree: 'test/support/signed-tree.ts',
  zone: 'test/support/signed-zone.ts',
  dnssec: 'lib/dnssec/index.ts',
  check: 'lib/dnssec/check.ts',
  signature: 'lib/dnssec/signature.ts',
  key: 'lib/dnssec/key.ts',
  name: 'lib/wire/name.ts',
  nsec3: 'lib/dnssec/nsec3.ts',
});
const { SignedTree } = sources.tree;
const { algorithmOf, parseSignature } = sources.dnssec;
const { encodeName, foldName } = sources.name;

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function zonesOf(algorithm, denial) {
  return new SignedTree({
    'test.': {},
    'a.test.': { key: sources.zone.makeKey(algorithm), denial, lines: ['www.a.test. 300 A 192.0.2.1'] },
    'plain.test.': { unsigned: true, lines: ['www.plain.test. 300 A 192.0.2.2'] },
  });
}
/** Only the records of a denial that a server would send: the fewest that prove it. */
function fewest(zones, name) {
  let authority = zones.denials(name);
  for (const one of [...authority].slice(1)) {
    const less = authority.filter(other => other !== one);
    if (zones.status(name, 'A', { authority: less, rcode: 3 }).status === 'secure') authority = less;
  }
  return authority;
}

const CASES = {};
for (const algorithm of ['P-256', 'RSASHA256', 'Ed25519']) {
  const zones = zonesOf(algorithm);
  const answer = [zones.find('www.a.test.', 'A')];
  CASES[`answer, ${algorithm}`] = [zones, 'www.a.test.', { answer }, 'secure', algorithm, 1];
}
for (const denial of ['nsec', 'nsec3']) {
  for (const algorithm of ['P-256', 'RSASHA256']) {
    const zones = zonesOf(algorithm, denial);
    const authority = fewest(zones, 'no.a.test.');
    const response = { authority, rcode: 3 };
    const label = `NXDOMAIN, ${denial.toUpperCase()}, ${algorithm}`;
    CASES[label] = [zones, 'no.a.test.', response, 'secure', algorithm, authority.length];
  }
}
{
  const zones = zonesOf('P-256');
  const answer = [zones.find('www.plain.test.', 'A')];
  CASES['answer without keys'] = [zones, 'www.plain.test.', { answer }, 'insecure', 'P-256', 0];
}

/** A bare check of the answer's signature: what no validator is below. */
function bareCheck(zones) {
  const rrset = zones.find('www.a.test.', 'A');
  const parsed = parseSignature(rrset.signatures[0]);
  const algorithm = algorithmOf(parsed.algorithm);
  const key = sources.key.publicKey(algorithm, zones.signed('a.test.').key.data, () => true).object;
  const octets = sources.signature.signedOctets(rrset, parsed);
  const check = { algorithm, key, octets, signature: parsed.signature };
  return () => sources.check.isGood(check);
}

const runs = Object.entries(CASES).map(([label, [zones, name, response, status, , checks]]) => {
  const question = [name, 'A', response];
  const verdict = zones.status(...question);
  if (verdict.status !== status) throw new Error(`${label}: ${verdict.status}, not ${status}`);
  const { now, policy, anchors, zones: known, fetchRecords } = zones;
  const whole = { rcode: 0, answer: [], authority: [], ...response };
  const asked = { name: foldName(encodeName(name)), type: 1 };
  const validate = () => {
    const budget = new sources.dnssec.Budget();
    sources.dnssec.validate(asked, whole, { now, budget, policy, anchors, zones: known, fetchRecords });
  };
  return { label, validate, bare: bareCheck(zones), checks, us: [], bareUs: [] };
});
const each = (count, call) => {
  const began = cpu();
  for (let i = 0; i < count; i++) call();
  return (cpu() - began) / count;
};
for (const { validate, bare } of runs) each(200, () => (validate(), bare()));
for (let round = 0; round < rounds; round++) {
  for (const run of runs) {
    run.us.push(each(answers, run.validate));
    run.bareUs.push(each(answers, run.bare));
  }
}
const results = {};
for (const { label, us, bareUs, checks } of runs) {
  const spent = median(us);
  const bare = median(bareUs) * checks;
  results[label] = { us: spent, checks, bare_us: bare, own_us: spent - bare };
}
const rounded = table =>
  Object.fromEntries(
    Object.entries(table).map(([label, row]) => [
      label,
      Object.fromEntries(Object.entries(row).map(([k, v]) => [k, typeof v === 'number' ? Number(v.toFixed(1)) : v])),
    ]),
  );
console.table(rounded(results));

const hostile = {};
for (const [label, make] of Object.entries(HOSTILE)) {
  const ms = [];
  let verdict;
  let left = 0;
  for (let round = 0; round < Math.min(rounds, 5); round++) {
    // Anew each time: keys that were seen are known.
    const { zones, name, type = 'A', response } = make(sources, round);
    const began = cpu();
    verdict = zones.judge(name, type, response);
    ms.push((cpu() - began) / 1000);
    left = zones.budget.left;
  }
  hostile[label] = { ms: median(ms), worst: Math.max(...ms), status: verdict.status, units_left: left };
}
console.table(rounded(hostile));
console.log(`the worst: ${Math.max(...Object.values(hostile).map(one => one.ms)).toFixed(1)} ms`);
keep('dnssec', { rounds, answers, results, hostile });
