// The same questions to BIND, Unbound and shardns, with the same response policy zones over the same name servers: the same
// rcodes and answers? What differs is to be one of the differences that policy-differences.mjs knows.
//   node bench/internet/policy-compare.mjs [COUNT] [--show]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { summary } from './compare.mjs';
import { differenceOf, DIFFERENCES } from './policy-differences.mjs';
import { makePolicyInternet, POLICY_ZONES, policyQuestions } from './policy-zones.mjs';
import { ask, askByTcp, startBind, startInternet, startShardns, startUnbound, stop, stopAll } from './servers.mjs';

const COUNT = Number(process.argv[2] ?? 1000);
const UNDER_WAY = 30;
const PORT = 5431;
/** What is dropped is silence; what is late is asked once more. */
const WAIT_MS = 1000;
const TRIES = 2;

async function askOne(port, [name, type, flags, from, tcp]) {
  for (let i = 0; i < TRIES; i++) {
    const reply = tcp
      ? await askByTcp(port, name, type, flags, { from, timeoutMs: WAIT_MS })
      : await ask('127.0.0.1', port, name, type, WAIT_MS, { flags, from }).catch(() => undefined);
    if (reply !== undefined) return summary(reply);
  }
  return 'no reply';
}

async function askAll(port, list) {
  const replies = new Array(list.length);
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < list.length; i = next++) replies[i] = await askOne(port, list[i]);
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, lane));
  return replies;
}

const shown = ([name, type, { dnssecOk }, from, tcp]) =>
  `${name} ${type}${dnssecOk ? ' DO' : ''}${from === '127.0.0.1' ? '' : ` from ${from}`}${tcp ? ' over TCP' : ''}`;

async function main(folder) {
  const internet = makePolicyInternet();
  await startInternet(internet, folder);
  const policies = {};
  for (const [zone, text] of Object.entries(POLICY_ZONES)) {
    policies[zone] = join(folder, `${zone}zone`);
    writeFileSync(policies[zone], text);
  }
  const lists = Object.entries(policies).map(([name, source]) => ({ name, source, format: 'rpz' }));
  const starters = {
    shardns: () => startShardns(internet, folder, PORT, { lists, cookies: { enabled: false } }),
    bind: () => startBind(internet, folder, PORT, { policies }),
    unbound: () => startUnbound(internet, folder, PORT, { policies }),
  };
  const list = policyQuestions(COUNT);
  const replies = {};
  for (const [name, begin] of Object.entries(starters)) {
    const server = await begin();
    const began = performance.now();
    replies[name] = await askAll(PORT, list);
    process.stdout.write(`${name}: ${COUNT} questions in ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
    await stop(server);
  }
  const counts = new Map();
  const unexplained = [];
  let same = 0;
  for (const [i, question] of list.entries()) {
    const said = Object.fromEntries(Object.entries(replies).map(([name, all]) => [name, all[i]]));
    if (said.shardns === said.bind && said.shardns === said.unbound) {
      same++;
      continue;
    }
    const found = differenceOf(question, said);
    if (found === undefined) unexplained.push({ question, said });
    else counts.set(found, (counts.get(found) ?? 0) + 1);
    if (found !== undefined && process.argv.includes('--show')) {
      process.stdout.write(`[${found.id}] ${shown(question)}\n${told(said)}`);
    }
  }
  for (const { question, said } of unexplained.slice(0, 40)) process.stdout.write(`${shown(question)}\n${told(said)}`);
  process.stdout.write(`\nall three the same: ${same} of ${COUNT}\n`);
  for (const one of DIFFERENCES.filter(one => counts.has(one))) {
    process.stdout.write(`${String(counts.get(one)).padStart(5)}  ${one.id}, ${one.alone} alone: ${one.why}\n`);
  }
  process.stdout.write(`${String(unexplained.length).padStart(5)}  not explained\n`);
  return unexplained.length === 0 ? 0 : 1;
}

const told = said =>
  Object.entries(said)
    .map(([name, text]) => `    ${name.padEnd(8)} ${text}\n`)
    .join('');

const folder = mkdtempSync(join(tmpdir(), 'policy-'));
try {
  process.exitCode = await main(folder);
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 2;
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
