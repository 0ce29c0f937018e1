// The same questions to BIND, Unbound and shardns, with the same response policy zones over the same name servers: the same
// rcodes and answers? What differs is to be one of the differences that policy-differences.mjs knows.
//   node bench/internet/policy-compare.mjs [COUNT] [--show]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { summary } from './compare.mjs';
import { inNamespaceOfItsOwn } from './namespace.mjs';
import { differenceOf, DIFFERENCES } from './policy-differences.mjs';
import { makePolicyInternet, POLICY_ZONES, policyQuestions, READY } from './policy-zones.mjs';
import {
  ask,
  askByTcp,
  startBind,
  startInternet,
  startShardns,
  startUnbound,
  stop,
  stopAll,
  until,
} from './servers.mjs';

const COUNT = Number(process.argv[2] ?? 1000);
const UNDER_WAY = 30;
const PORT = 5431;
/** What is dropped is silence; what is late is asked again, with more patience. */
const WAITS_MS = [500, 1000, 2000];
/** How often what differs without a reason is asked anew, of servers made anew: on a busy machine one may not hear in time. */
const ROUNDS = 3;

async function askOne(port, [name, type, flags, from, tcp], waits = WAITS_MS) {
  for (const timeoutMs of waits) {
    const reply = tcp
      ? await askByTcp(port, name, type, flags, { from, timeoutMs })
      : await ask('127.0.0.1', port, name, type, timeoutMs, { flags, from }).catch(() => undefined);
    if (reply !== undefined) return summary(reply);
  }
  return 'no reply';
}

/** @param lanes how many questions are under way at a time @param begin starts the server */
async function askAll(list, { lanes, begin, patience = 1 }) {
  const waits = WAITS_MS.map(ms => ms * patience);
  const replies = new Array(list.length);
  let server = await begin();
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < list.length; i = next++) {
      replies[i] = await askOne(PORT, list[i], lanes > 1 ? waits : waits.slice(0, 2));
      if (lanes > 1 || replies[i] !== 'no reply' || (await isThere())) continue;
      replies[i] = 'stands still';
      await stop(server);
      server = await begin();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  await stop(server);
  return replies;
}

const isThere = () =>
  askOne(PORT, [READY[0], 'A', {}, '127.0.0.1', false], WAITS_MS.slice(0, 2)).then(said => said !== 'no reply');

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
  const askServer = (name, questions, patience) => {
    const begin = async () => {
      const server = await starters[name]();
      // BIND puts zones in force one by one, while it answers.
      for (const one of READY) {
        await until(async () => / A 198/.test(await askOne(PORT, [one, 'A', {}, '127.0.0.1', false])));
      }
      return server;
    };
    // One question may be the end of Unbound: which is seen where there is one at a time.
    return askAll(questions, { lanes: name === 'unbound' ? 1 : UNDER_WAY, begin, patience });
  };
  for (const name of Object.keys(starters)) {
    const began = performance.now();
    replies[name] = await askServer(name, list);
    process.stdout.write(`${name}: ${COUNT} questions in ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  }
  const saidOf = i => Object.fromEntries(Object.entries(replies).map(([name, all]) => [name, all[i]]));
  const isSame = said => said.shardns === said.bind && said.shardns === said.unbound;
  for (let round = 1; round <= ROUNDS; round++) {
    const left = [...list.keys()].filter(i => !isSame(saidOf(i)) && differenceOf(list[i], saidOf(i)) === undefined);
    if (left.length === 0) break;
    process.stdout.write(`${left.length} differ without a reason: asked again\n`);
    for (const name of Object.keys(starters)) {
      const again = await askServer(
        name,
        left.map(i => list[i]),
        2 ** round,
      );
      left.forEach((at, i) => (replies[name][at] = again[i]));
    }
  }
  const counts = new Map();
  const unexplained = [];
  let same = 0;
  for (const [i, question] of list.entries()) {
    const said = saidOf(i);
    if (isSame(said)) {
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
  for (const { question, said } of unexplained.slice(0, 60)) process.stdout.write(`${shown(question)}\n${told(said)}`);
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

inNamespaceOfItsOwn(import.meta.url);
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
