// What a hostile zone gets out of one question: queries to name servers, beside Unbound.
//   node bench/internet/attack.mjs
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askAll, summary } from './compare.mjs';
import { startInternet, startKnot, startShardns, startUnbound, stopAll } from './servers.mjs';
import { ATTACKS, makeInternet } from './zones.mjs';

const folder = mkdtempSync(join(tmpdir(), 'internet-'));
const results = {};
try {
  const internet = makeInternet();
  const servers = await startInternet(internet, folder);
  await startShardns(internet, folder, 5601);
  await startUnbound(internet, folder, 5602);
  await startKnot(internet, folder, 5603);
  const ways = { shardns: 5601, unbound: 5602, knot: 5603 };
  for (const [name, port] of Object.entries(ways)) {
    // The way to the zones is known: what follows is the attack's own.
    await askAll(port, [
      ['attacker.com', 'SOA'],
      ['attacker.net', 'SOA'],
      ['zone1.net', 'SOA'],
      ['h2.zone1.net', 'A'],
    ]);
    results[name] = {};
    for (const [attack, question] of Object.entries(ATTACKS)) {
      const before = servers.queries();
      const began = performance.now();
      const [reply] = await askAll(port, [question(1)]);
      // Queries that were under way when the client was told.
      await new Promise(resolve => setTimeout(resolve, 1500));
      results[name][attack] = servers.queries() - before;
      process.stdout.write(
        `${name.padEnd(8)} ${attack.padEnd(10)} ${results[name][attack]} queries, ${(performance.now() - began - 1500).toFixed(0)} ms: ${summary(reply).slice(0, 60)}\n`,
      );
    }
  }
  writeFileSync(
    new URL('../results/attack.json', import.meta.url),
    `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), ...results }, null, 2)}\n`,
  );
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
