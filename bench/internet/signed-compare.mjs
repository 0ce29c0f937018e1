// The same questions to shardns, Unbound and Knot Resolver on a small signed internet: the same rcode, AD and answer?
// Runs in a network namespace of its own (unshare -n); needs root's rights.
//   node bench/internet/signed-compare.mjs [COUNT] [unbound] [knot] [--json FILE]
// Differences are told by kind; with --json each of them goes to a file, for whoever has an explanation.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { askAll } from './compare.mjs';
import { askByTcp, startInternet, startKnot, startShardns, startUnbound, stopAll } from './servers.mjs';
import { makeSignedInternet, signedQuestions, signingSources } from './signed-zones.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const COUNT = Number(positionals[0] ?? 10_000);
const OTHERS = positionals.length > 1 ? positionals.slice(1) : ['unbound', 'knot'];

/** Starts this program again where nothing of the network outside is reached, and no port is taken. */
export function inNamespaceOfItsOwn(script) {
  if (process.env.SHARDNS_NAMESPACE === 'own') {
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    return;
  }
  const env = { ...process.env, SHARDNS_NAMESPACE: 'own' };
  const args = ['-n', process.execPath, fileURLToPath(script), ...process.argv.slice(2)];
  process.exit(spawnSync('unshare', args, { stdio: 'inherit', env }).status ?? 1);
}

/** What a reply says, comparable: rcode, AD, and the answer's records as a set, without TTLs. */
export function outcomeOf(sources, message) {
  if (message === undefined) return { rcode: 'none', ad: false, answer: [] };
  const { flags, answers } = sources.message.decodeMessage(message);
  const answer = answers.map(({ name, type, data }) => {
    const text = sources.name.nameToText(sources.name.foldName(name));
    const folded = sources.layout.canonicalRdata(type, data);
    return `${text} ${sources.iana.typeName(type)} ${sources.rdata.decodeRdata(type, folded)}`;
  });
  return {
    rcode: sources.iana.rcodeName(flags & 15),
    ad: (flags & 0x20) !== 0,
    answer: [...new Set(answer)].sort(),
  };
}

/** Of a failure the rcode counts, what led to it is a courtesy. */
export const isSame = (a, b) =>
  a.rcode === b.rcode &&
  a.ad === b.ad &&
  (a.rcode === 'SERVFAIL' || (a.answer.length === b.answer.length && a.answer.every((one, i) => one === b.answer[i])));

/** Replies to all of a list, whole: what is truncated is asked for again over TCP. */
export async function askWhole(port, list) {
  const replies = await askAll(
    port,
    list.map(({ name, type, flags }) => [name, type, flags]),
  );
  for (const [i, reply] of replies.entries()) {
    if (reply === undefined || (reply[2] & 2) === 0) continue;
    const { name, type, flags } = list[i];
    replies[i] = await askByTcp(port, name, type, flags);
  }
  return replies;
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'signed-'));
  try {
    const sources = await signingSources();
    const internet = makeSignedInternet(sources);
    await startInternet(internet, folder);
    const starters = { shardns: startShardns, unbound: startUnbound, knot: startKnot };
    const list = signedQuestions(internet, COUNT);
    const outcomes = {};
    for (const [i, name] of ['shardns', ...OTHERS].entries()) {
      await starters[name](internet, folder, 5411 + i);
      const began = performance.now();
      outcomes[name] = (await askWhole(5411 + i, list)).map(one => outcomeOf(sources, one));
      process.stdout.write(`${name}: ${COUNT} questions in ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
    }
    const differences = [];
    for (const other of OTHERS) {
      const found = list.flatMap((question, i) => {
        const [ours, theirs] = [outcomes.shardns[i], outcomes[other][i]];
        return isSame(ours, theirs) ? [] : [{ other, ...question, ours, theirs }];
      });
      process.stdout.write(`${other}: ${COUNT - found.length} of ${COUNT} the same\n`);
      differences.push(...found);
    }
    const secure = outcomes.shardns.filter(one => one.ad).length;
    const failed = outcomes.shardns.filter(one => one.rcode === 'SERVFAIL').length;
    process.stdout.write(`shardns: ${secure} with AD, ${failed} SERVFAIL\n`);
    if (values.json !== undefined) {
      writeFileSync(values.json, JSON.stringify({ count: COUNT, secure, failed, differences }));
    } else {
      const told = ({ rcode, ad, answer }) => `${rcode}${ad ? ' ad' : ''} ${answer.join('; ')}`.slice(0, 300);
      for (const { other, name, type, flags, ours, theirs } of differences.slice(0, 40)) {
        process.stdout.write(
          `  ${name} ${type} ${Object.keys(flags).join(' ')}\n    shardns ${told(ours)}\n    ${other} ${told(theirs)}\n`,
        );
      }
    }
  } finally {
    await stopAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  inNamespaceOfItsOwn(import.meta.url);
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 2;
  }
  process.exit();
}
