// Two ways to do the same, one with something added, in turn: what is added is far below what either costs, and below what a
// machine's mood changes from one second to the next. Blocks of calls alternate, who is first too, and of each pair of blocks
// the difference counts; of all differences the median, and the bounds between which it lies.
import { cpuUsage, hrtime } from 'node:process';

const WARM_UP = 20;

/** Processor and wall ns a call; the process's own with all its threads. */
async function block(calls, run) {
  const cpu = cpuUsage();
  const wall = hrtime.bigint();
  for (let i = 0; i < calls; i++) await run();
  const passed = hrtime.bigint() - wall;
  const { user, system } = cpuUsage(cpu);
  return { cpu: ((user + system) * 1000) / calls, wall: Number(passed) / calls };
}

/** The median, and by the sign test bounds that hold it in 95 of 100 cases. */
function middle(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = 0.98 * Math.sqrt(sorted.length);
  const at = place => sorted[Math.min(Math.max(Math.round(place), 0), sorted.length - 1)];
  const centre = (sorted.length - 1) / 2;
  return { median: at(centre), low: at(centre - half), high: at(centre + half) };
}

/**
 * @param plain a call
 * @param more the same, with something added
 */
export async function paired({ pairs, calls, plain, more }) {
  const differences = { cpu: [], wall: [] };
  const bare = { cpu: [], wall: [] };
  for (let pair = -WARM_UP; pair < pairs; pair++) {
    const isFirst = pair % 2 === 0;
    const one = await block(calls, isFirst ? plain : more);
    const other = await block(calls, isFirst ? more : plain);
    if (pair < 0) continue;
    const [without, along] = isFirst ? [one, other] : [other, one];
    for (const kind of ['cpu', 'wall']) {
      bare[kind].push(without[kind]);
      differences[kind].push(along[kind] - without[kind]);
    }
  }
  return {
    plain: { cpu: middle(bare.cpu).median, wall: middle(bare.wall).median },
    added: { cpu: middle(differences.cpu), wall: middle(differences.wall) },
  };
}
