// The same questions to shardns, Unbound and Knot Resolver on a small signed internet: the same rcode, AD and answer?
// Runs in a network namespace of its own (unshare -n); needs root's rights.
//   node bench/internet/signed-compare.mjs [COUNT] [unbound] [knot] [--json FILE] [--seed N]
// Differences are told by kind; with --json each of them goes to a file, for whoever has an explanation.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inNamespaceOfItsOwn } from './namespace.mjs';
import { startInternet, startKnot, startShardns, startUnbound, stopAll } from './servers.mjs';
import { askPatiently, isSame, outcomeOf } from './signed-outcomes.mjs';
import { makeSignedInternet, signedQuestions, signingSources } from './signed-zones.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, seed: { type: 'string' } },
});
const COUNT = Number(positionals[0] ?? 10_000);
const OTHERS = positionals.length > 1 ? positionals.slice(1) : ['unbound', 'knot'];

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'signed-'));
  try {
    const sources = await signingSources();
    const internet = makeSignedInternet(sources);
    await startInternet(internet, folder);
    const starters = { shardns: startShardns, unbound: startUnbound, knot: startKnot };
    const list = signedQuestions(internet, COUNT, values.seed === undefined ? undefined : Number(values.seed));
    const outcomes = {};
    for (const [i, name] of ['shardns', ...OTHERS].entries()) {
      await starters[name](internet, folder, 5411 + i);
      const began = performance.now();
      outcomes[name] = (await askPatiently(sources, 5411 + i, list)).map(one => outcomeOf(sources, one));
      process.stdout.write(`${name}: ${COUNT} questions in ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
    }
    const differences = [];
    for (const other of OTHERS) {
      const found = list.flatMap((question, i) => {
        const [ours, theirs] = [outcomes.shardns[i], outcomes[other][i]];
        if (isSame(ours, theirs)) return [];
        // Whether there is a third who says what shardns says.
        const agrees = OTHERS.some(one => one !== other && isSame(ours, outcomes[one][i]));
        return [{ other, ...question, ours, theirs, agrees }];
      });
      process.stdout.write(`${other}: ${COUNT - found.length} of ${COUNT} the same\n`);
      differences.push(...found);
    }
    // Of each broken zone an answer, and that a name does not exist.
    const judged = internet.broken.flatMap(zone => ['www', 'no-such'].map(label => `${label}.${zone}`));
    const verdicts = await askPatiently(
      sources,
      5411,
      judged.map(name => ({ name, type: 'A', flags: { dnssecOk: true } })),
    );
    const verdictOf = message => {
      const { rcode, ad } = outcomeOf(sources, message);
      return rcode === 'SERVFAIL' ? 'bogus' : ad ? 'secure' : 'insecure';
    };
    const broken = Object.fromEntries(judged.map((name, i) => [name, verdictOf(verdicts[i])]));
    const secure = outcomes.shardns.filter(one => one.ad).length;
    const failed = outcomes.shardns.filter(one => one.rcode === 'SERVFAIL').length;
    process.stdout.write(`shardns: ${secure} with AD, ${failed} SERVFAIL\n`);
    if (values.json !== undefined) {
      writeFileSync(values.json, JSON.stringify({ count: COUNT, secure, failed, broken, differences }));
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

inNamespaceOfItsOwn(import.meta.url);
try {
  await main();
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 2;
}
process.exit();
