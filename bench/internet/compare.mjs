// The same questions to shardns, Unbound and Knot Resolver over real servers: the same rcodes and answers?
//   node bench/internet/compare.mjs [COUNT]
import { mkdtempSync, rmSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'dns-packet';
import { makeInternet, questions } from './zones.mjs';
import { encodeQuery, startInternet, startKnot, startShardns, startUnbound, stopAll } from './servers.mjs';

const COUNT = Number(process.argv[2] ?? 10_000);
const UNDER_WAY = 50;
const folder = mkdtempSync(join(tmpdir(), 'internet-'));

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

if (process.argv[1] === new URL(import.meta.url).pathname) {
  try {
    const internet = makeInternet();
    await startInternet(internet, folder);
    await startUnbound(internet, folder, 5411);
    await startKnot(internet, folder, 5412);
    await startShardns(internet, folder, 5413);
    const list = questions(COUNT);
    const replies = {};
    for (const [name, port] of [
      ['shardns', 5413],
      ['unbound', 5411],
      ['knot', 5412],
    ]) {
      const began = performance.now();
      replies[name] = (await askAll(port, list)).map(summary);
      process.stdout.write(
        `${name}: ${list.length} questions in ${((performance.now() - began) / 1000).toFixed(1)} s\n`,
      );
    }
    let same = 0;
    const kinds = new Map();
    for (const [i, question] of list.entries()) {
      const { shardns, unbound, knot } = {
        shardns: replies.shardns[i],
        unbound: replies.unbound[i],
        knot: replies.knot[i],
      };
      if (shardns === unbound && shardns === knot) {
        same++;
        continue;
      }
      const kind =
        shardns === unbound
          ? 'knot differs'
          : shardns === knot
            ? 'unbound differs'
            : unbound === knot
              ? 'shardns differs'
              : 'all differ';
      if (!kinds.has(kind)) kinds.set(kind, []);
      kinds
        .get(kind)
        .push(`${question.join(' ')}\n    shardns ${shardns}\n    unbound ${unbound}\n    knot    ${knot}`);
    }
    process.stdout.write(`${same} of ${list.length} the same of all three\n`);
    for (const [kind, cases] of kinds) {
      process.stdout.write(
        `${kind}: ${cases.length}\n${cases
          .slice(0, Number(process.env.SHOW ?? 5))
          .map(one => `  ${one}\n`)
          .join('')}`,
      );
    }
  } catch (error) {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  } finally {
    await stopAll();
    rmSync(folder, { recursive: true, force: true });
  }
  process.exit();
}
