// A list that is compiled and put in force while the program serves: how long that takes, what a name takes, and for how long
// the event loop is held. A turn of the loop is timed all the while, and so is it without a list: on a machine that others
// use the difference is what tells.
//
//   node bench/lib/lists.mjs [names] [rounds]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from '../../dist/index.js';
import { keep, median } from '../results.mjs';

const names = Number(process.argv[2] ?? 1_000_000);
const rounds = Number(process.argv[3] ?? 5);
const folder = mkdtempSync(join(tmpdir(), 'shardns-lists-'));
const file = which => join(folder, `list${which}.txt`);
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

for (const which of [0, 1]) {
  const lines = Array.from({ length: names }, (_, i) => {
    const label = (Math.imul(i + which, 2_654_435_761) >>> 0).toString(36);
    return `0.0.0.0 ${label}.ads${i % 5000}.example\n`;
  });
  writeFileSync(file(which), lines.join(''));
}

/** The longest turn of the loop while it runs, in milliseconds. */
async function turnsOf(run) {
  let [last, longest] = [0, 0];
  let going = true;
  const turn = () => {
    const now = performance.now();
    if (last > 0) longest = Math.max(longest, now - last);
    last = now;
    if (going) setImmediate(turn);
  };
  setImmediate(turn);
  await run();
  // What was replaced is given back behind it.
  await sleep(300);
  going = false;
  return longest;
}

const server = await createServer({ listen: ['127.0.0.1:0'], threads: 1, upstreams: ['192.0.2.1'] });
const took = [];
const held = [];
const idle = [];
try {
  for (let round = 0; round < rounds; round++) {
    const lists = [{ name: 'ads', source: file(round % 2), format: 'hosts' }];
    const began = performance.now();
    held.push(
      await turnsOf(async () => {
        await server.update({ lists });
        took.push(performance.now() - began);
      }),
    );
    idle.push(await turnsOf(() => sleep(took.at(-1))));
  }
  const { lists } = server.report();
  const result = {
    names: lists.names,
    octets_a_name: +(lists.memoryBytes / lists.names).toFixed(1),
    seconds: +(median(took) / 1000).toFixed(2),
    longest_turn_ms: +median(held).toFixed(1),
    longest_turn_without_ms: +median(idle).toFixed(1),
  };
  console.table(result);
  keep('lists', { rounds, ...result });
} finally {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
