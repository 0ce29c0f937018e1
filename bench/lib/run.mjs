// A hit from JavaScript: on registered buffers, from a Buffer, in batches; beside lru-cache keyed from the packet, and
// dns-packet. Then the proof that ten million hits make no garbage.
//
//   node bench/lib/run.mjs [rounds]
import { spawnSync } from 'node:child_process';
import Benchmark from 'benchmark';
import dnsPacket from 'dns-packet';
import { LRUCache } from 'lru-cache';
import { Engine } from '../../dist/cache/engine.js';
import { Control, pinnedMemory } from '../../dist/native/binding.js';
import { keep, median } from '../results.mjs';

const NAMES = 100_000;
const BATCH = 16;

// As lru-cache's `max` is: enough for all names at the size that the index expects, and a tenth to spare.
const MEMORY = 22 << 20;

function fill() {
  const engine = new Engine({ memoryBytes: MEMORY, shards: 16, policy: 's3fifo', averageEntryBytes: 80 });
  engine.configure({
    minTtlSeconds: 0,
    maxTtlSeconds: 86_400,
    negativeMinTtlSeconds: 0,
    negativeMaxTtlSeconds: 3600,
    ttlJitterPercent: 0,
    staleWindowSeconds: 0,
    staleTtlSeconds: 30,
    prefetchShare0: 0,
    prefetchShare1: 0,
    prefetchShare2: 0,
    prefetchShare3: 0,
    earlyRefreshBetaTicks: 0,
    udpSize: 1232,
    rotate: 0,
    clientSubnet: 0,
  });
  const queries = [];
  const answers = [];
  for (let i = 0; i < NAMES; i++) {
    const questions = [{ name: `Host-${String(i).padStart(7, '0')}.Example.com`, type: 'A' }];
    const query = Buffer.from(dnsPacket.encode({ type: 'query', id: i & 0xffff, flags: 0x0100, questions }));
    const head = Buffer.from(query);
    head[2] = 0x81;
    head[3] = 0x80;
    head.writeUInt16BE(5, 6);
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 10, 0, i >> 8, i & 255]);
    const answer = Buffer.concat([head, record, record, record, record, record]);
    engine.insert(answer, {}, 0);
    queries.push(query);
    answers.push(answer);
  }
  return { engine, queries, answers };
}

// Uniform order, drawn once, walked by all alike; each name's digits are there, four bits each, the last one lowest.
const order = new Uint32Array(1 << 16);
for (let i = 0; i < order.length; i++) {
  order[i] = parseInt(String(Math.floor(Math.random() * NAMES)), 16);
}

if (process.argv[2] === 'garbage') {
  const { engine, queries } = fill();
  const query = new Uint8Array(pinnedMemory(65_535));
  const reply = new Uint8Array(pinnedMemory(65_599));
  const control = new Uint32Array(pinnedMemory(4 * Control.words));
  engine.native.register(query, reply, control);
  const packed = new Uint8Array(1 << 22);
  let at = 0;
  for (let i = 0; i < 4096; i++) {
    packed.set(queries[Number(order[i].toString(16))], at);
    at += 64;
  }
  const length = queries[0].length;
  const { answer } = engine.native;
  const run = n => {
    let hits = 0;
    for (let i = 0; i < n; i++) {
      query.copyWithin(0, 0, 0);
      const from = (i & 4095) << 6;
      for (let j = 0; j < length; j++) query[j] = packed[from + j];
      control[Control.queryLength] = length;
      if (answer() > 0) hits = (hits + 1) | 0;
    }
    return hits;
  };
  run(100_000);
  console.log('begin');
  const hits = run(10_000_000);
  console.log(`end ${hits}`);
  process.exit(0);
}

const { engine, queries, answers } = fill();
const LENGTH = queries[0].length;
const DIGITS = 18; // where "0000000" stands in Host-0000000.Example.com

// Packets as a listener has them: in a buffer that is in the processor's cache. Writing the digits of the next name
// costs every subject the same.
let at = 0;
function write(packet, offset) {
  let n = order[(at = (at + 1) & 0xffff)];
  for (let i = offset + DIGITS + 6; i >= offset + DIGITS; i--) {
    packet[i] = 48 | (n & 15);
    n >>>= 4;
  }
}
const packet = Buffer.from(queries[0]);

const queryBuffer = new Uint8Array(pinnedMemory(65_535));
const replyBuffer = new Uint8Array(pinnedMemory(65_599));
queryBuffer.set(packet);
const control = new Uint32Array(pinnedMemory(4 * Control.words));
engine.native.register(queryBuffer, replyBuffer, control);
const { answer, answerFrom, answerBatch } = engine.native;

const ends = new Uint32Array(BATCH);
const lengths = new Int32Array(BATCH);
const batchQueries = new Uint8Array(BATCH * 512);
const batchReplies = new Uint8Array(BATCH * 1296); // 1232 octets each, and slack
for (let i = 0; i < BATCH; i++) {
  batchQueries.set(packet, i * LENGTH);
  ends[i] = (i + 1) * LENGTH;
}
engine.native.registerBatch(batchQueries, ends, batchReplies, lengths);

const lru = new LRUCache({ max: NAMES });
const keyOf = octets => octets.toString('latin1', 12).toLowerCase();
for (const [i, query] of queries.entries()) lru.set(keyOf(query), answers[i]);
const lruReply = Buffer.alloc(2048);

let wrong = 0;
const subjects = [];
const add = (name, per, fn) => subjects.push({ name, per, fn });
add('shardns, registered buffers', 1, () => {
  write(queryBuffer, 0);
  control[Control.queryLength] = LENGTH;
  if (answer() <= 0) wrong++;
});
add('shardns, from a Buffer', 1, () => {
  write(packet, 0);
  if (answerFrom(packet, replyBuffer) <= 0) wrong++;
});
add('shardns, batch of 16', BATCH, () => {
  for (let i = 0; i < BATCH; i++) write(batchQueries, i * LENGTH);
  if (answerBatch(BATCH) !== BATCH) wrong++;
});
add('lru-cache from the packet, with copy', 1, () => {
  write(packet, 0);
  const found = lru.get(keyOf(packet));
  if (found === undefined) wrong++;
  found.copy(lruReply);
  lruReply[0] = packet[0];
  lruReply[1] = packet[1];
});
add('dns-packet decode and encode', 1, () => {
  write(packet, 0);
  const decoded = dnsPacket.decode(packet);
  const [{ name }] = decoded.questions;
  const answers = [{ type: 'A', name, ttl: 60, data: '10.0.0.1' }];
  dnsPacket.encode({ type: 'response', id: decoded.id, questions: decoded.questions, answers });
});

// Round by round, so that what a neighbour does to this machine befalls all of them.
const rounds = Number(process.argv[2] ?? 9);
const base = 'lru-cache from the packet, with copy';
const times = Object.fromEntries(subjects.map(({ name }) => [name, []]));
for (let round = 0; round <= rounds; round++) {
  for (const { name, per, fn } of subjects) {
    const { stats } = new Benchmark(name, fn, { minSamples: 8, maxTime: 0.5 }).run();
    if (round > 0) times[name].push((median(stats.sample) * 1e9) / per); // the first is warm-up
  }
}
if (wrong > 0) throw new Error(`${wrong} lookups missed`);
const results = Object.fromEntries(
  subjects.map(({ name }) => [
    name,
    { ns: median(times[name]), of_lru_cache: median(times[name].map((ns, i) => ns / times[base][i])) },
  ]),
);
for (const [name, { ns, of_lru_cache }] of Object.entries(results)) {
  console.log(`${name.padEnd(40)} ${ns.toFixed(0).padStart(6)} ns ${of_lru_cache.toFixed(4)} x`);
}

const traced = spawnSync(process.execPath, ['--trace-gc', process.argv[1], 'garbage'], {
  encoding: 'utf8',
}).stdout.split('\n');
const between = traced.slice(
  traced.indexOf('begin') + 1,
  traced.findIndex(line => line.startsWith('end')),
);
const collections = between.filter(line => /Scavenge|Mark-Compact/.test(line)).length;
console.log(`garbage collections in 10^7 hits: ${collections} (${traced.find(line => line.startsWith('end'))} hits)`);
keep('lib', { names: NAMES, rounds, results, garbage: { hits: 10_000_000, collections } });
process.exit(0);
