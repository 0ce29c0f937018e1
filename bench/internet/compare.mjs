// The same questions to shardns, Unbound and Knot Resolver over real servers: the same rcodes and answers?
//   node bench/internet/compare.mjs [COUNT] [unbound] [knot]
import { mkdtempSync, rmSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode } from 'dns-packet';
import { inNamespaceOfItsOwn } from './namespace.mjs';
import { makeInternet, questions } from './zones.mjs';
import { encodeQuery, startInternet, startKnot, startShardns, startUnbound, stopAll } from './servers.mjs';

const COUNT = Number(process.argv[2] ?? 10_000);
const OTHERS = process.argv.length > 3 ? process.argv.slice(3) : ['unbound', 'knot'];
const UNDER_WAY = 50;
/** How often what differs is asked again, on a machine that is busy, and for how long failures are remembered at the most. */
const ROUNDS = 5;
const REMEMBERED_MS = 6000;

/** Every question of a list, a few at a time; replies in their order. */
export async function askAll(port, list) {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  await new Promise(resolve => socket.connect(port, '127.0.0.1', resolve));
  const replies = new Array(list.length);
  const waiting = new Map();
  let next = 0;
  await new Promise(resolve => {
    let left = list.length;
    const send = (i, tries) => {
      const id = i & 0xffff;
      socket.send(encodeQuery(id, ...list[i]));
      const timer = setTimeout(() => {
        if (tries < 3) send(i, tries + 1);
        else finish(i, undefined);
      }, 6000);
      waiting.set(id, { i, timer });
    };
    const finish = (i, message) => {
      replies[i] = message;
      waiting.delete(i & 0xffff);
      if (--left === 0) resolve();
      else if (next < list.length) send(next++, 1);
    };
    socket.on('message', message => {
      const entry = waiting.get(message.readUInt16BE(0));
      if (entry === undefined) return;
      clearTimeout(entry.timer);
      finish(entry.i, message);
    });
    while (next < Math.min(UNDER_WAY, list.length)) send(next++, 1);
  });
  socket.close();
  return replies;
}

const dataOf = ({ type, data }) => {
  if (Buffer.isBuffer(data)) return data.toString('hex');
  if (Array.isArray(data)) return data.map(one => Buffer.from(one).toString('latin1')).join('|');
  return typeof data === 'object'
    ? JSON.stringify(data).toLowerCase()
    : `${type === 'TXT' ? data : String(data).toLowerCase()}`;
};

/** What a reply says, comparable: rcode, truncation, and the answer's records as a set. */
export function summary(message) {
  if (message === undefined) return 'no reply';
  const rcode = message[3] & 15;
  if (message[2] & 2) return `rcode ${rcode} truncated`;
  let packet;
  try {
    packet = decode(message);
  } catch (error) {
    return `unreadable: ${error.message}`;
  }
  const answers = packet.answers.map(one => `${one.name.toLowerCase()} ${one.type} ${dataOf(one)}`).sort();
  return `rcode ${rcode} ${[...new Set(answers)].join('; ')}`;
}

/** The same outcome: of a failure the rcode counts, what led to it is a courtesy. */
const agree = (a, b) => a === b || (a.startsWith('rcode 2 ') && b.startsWith('rcode 2 '));

async function main(folder) {
  const internet = makeInternet();
  await startInternet(internet, folder);
  const starters = { shardns: startShardns, unbound: startUnbound, knot: startKnot };
  const list = questions(COUNT);
  const replies = {};
  for (const [i, name] of ['shardns', ...OTHERS].entries()) {
    await starters[name](internet, folder, 5411 + i);
    const began = performance.now();
    replies[name] = (await askAll(5411 + i, list)).map(summary);
    process.stdout.write(`${name}: ${list.length} questions in ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  }
  // A name server that had no turn in time made a failure of an answer: what is compared is what is said, not how soon.
  for (let round = 0; round < ROUNDS; round++) {
    const left = [...list.keys()].filter(i => OTHERS.some(other => !agree(replies.shardns[i], replies[other][i])));
    if (left.length === 0) break;
    await new Promise(resolve => setTimeout(resolve, REMEMBERED_MS));
    const questionsLeft = left.map(i => list[i]);
    for (const [i, name] of ['shardns', ...OTHERS].entries()) {
      const again = await askAll(5411 + i, questionsLeft);
      left.forEach((at, nth) => (replies[name][at] = summary(again[nth])));
    }
  }
  let different = 0;
  for (const other of OTHERS) {
    const cases = list.flatMap((question, i) =>
      agree(replies.shardns[i], replies[other][i])
        ? []
        : [`  ${question.join(' ')}\n    shardns ${replies.shardns[i]}\n    ${other} ${replies[other][i]}\n`],
    );
    const chains = list.filter((_, i) => replies.shardns[i] !== replies[other][i]).length - cases.length;
    process.stdout.write(
      `${other}: ${list.length - cases.length} of ${list.length} the same; of those, ${chains} failures with another account of what led to them\n${cases.slice(0, 20).join('')}`,
    );
    different += cases.length;
  }
  return different === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  inNamespaceOfItsOwn(import.meta.url);
  const folder = mkdtempSync(join(tmpdir(), 'internet-'));
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
}
