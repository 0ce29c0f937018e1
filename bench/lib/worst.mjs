// What the worst responses of 64 KiB cost the main thread on each path: milliseconds of processor time a call, the best
// of five.
//
//   node bench/lib/worst.mjs
import { Engine } from '../../dist/cache/engine.js';
import { classify } from '../../dist/resolve/recurse/classify.js';
import { decodeMessage, encodeMessage, MAX_RESPONSE_RECORDS } from '../../dist/wire/message.js';
import { foldName } from '../../dist/wire/name.js';
import { responseRcode } from '../../dist/wire/opt.js';
import { groupRrsets } from '../../dist/wire/rrset.js';
import { scrubResponse, withoutDnssec } from '../../dist/wire/scrub.js';

const MOST = 65_535;
const u16 = value => Buffer.of(value >> 8, value & 255);
const name = text =>
  Buffer.concat([...text.split('.').map(one => Buffer.from([one.length, ...Buffer.from(one)])), Buffer.of(0)]);
const record = (owner, type, data) =>
  Buffer.concat([owner, u16(type), u16(1), Buffer.of(0, 0, 1, 44), u16(data.length), data]);
const pointer = at => u16(0xc000 | at);
const SELF = pointer(12);
const many = Array.from({ length: 120 }, (_, i) => 'abcdefgh'[i % 8]).join('.');

/** As many records as a message holds, made one after the other; `make` is told where the next one begins. */
function fill(qname, type, section, make) {
  const head = Buffer.concat([Buffer.alloc(12), name(qname), u16(type), u16(1)]);
  const parts = [head];
  let length = head.length;
  let count = 0;
  for (; ; count++) {
    const next = make(count, length);
    if (next === undefined || length + next.length > MOST) break;
    parts.push(next);
    length += next.length;
  }
  const octets = Buffer.concat(parts);
  octets.writeUInt16BE(0x8180, 2);
  octets.writeUInt16BE(1, 4);
  octets.writeUInt16BE(count, section);
  return Uint8Array.from(octets);
}
/** Data that is pointers, each to the one before it, 127 in all from its end. */
function chain(at, first) {
  const begin = at + 12;
  return Buffer.concat(Array.from({ length: 125 }, (_, i) => pointer(i === 0 ? first : begin + 2 * (i - 1))));
}
const behindChain = (section, type, make) => qname => {
  let last = 0;
  return fill(qname, type, section, (i, at) => {
    if (i > 0) return make(pointer(last), i);
    const data = chain(at, 12);
    last = at + 12 + data.length - 2;
    return record(SELF, 65_280, data);
  });
};

const INPUTS = {
  'records of one RRset': fill('x.example', 65_280, 6, i => record(SELF, 65_280, u16(i))),
  'one record again and again': fill('x.example', 65_280, 6, () => record(SELF, 65_280, u16(7))),
  'foreign owners that differ at their end': fill(many, 1, 6, i => record(SELF, 1, Buffer.of(1, 2, i >> 8, i))),
  'names of 120 labels as data': fill(many, 2, 6, i =>
    record(SELF, 2, Buffer.concat([Buffer.of(2, i >> 8, i & 255), pointer(18)])),
  ),
  'owners behind 127 pointers': behindChain(6, 1, (owner, i) => record(owner, 1, Buffer.of(1, 2, i >> 8, i)))(many),
  'owners and data behind 127 pointers': behindChain(6, 2, owner => record(owner, 2, owner))(many),
  'types in turn': fill(many, 1, 6, i => record(SELF, 1000 + i, Buffer.of())),
  'owners of their own': fill(many, 1, 6, i =>
    record(
      Buffer.concat([Buffer.of(3, 97 + (i % 26), 97 + ((i / 26) % 26), 97 + ((i / 676) % 26)), SELF]),
      1,
      Buffer.of(1, 2, 3, 4),
    ),
  ),
  DNAMEs: fill(many, 1, 6, i => record(pointer(14 + 2 * (i % 100)), 39, pointer(12))),
  'aliases, 16 deep, and addresses': fill(many, 1, 6, i =>
    i < 16
      ? record(
          i === 0 ? SELF : Buffer.concat([Buffer.of(1, 97 + i), pointer(16)]),
          5,
          Buffer.concat([Buffer.of(1, 98 + i), pointer(16)]),
        )
      : record(Buffer.concat([Buffer.of(1, 113), pointer(16)]), 1, Buffer.of(1, 2, i >> 8, i)),
  ),
  signatures: fill(many, 1, 6, i => record(SELF, 46, Buffer.concat([Buffer.alloc(16), u16(i), Buffer.of(0, 1)]))),
  'glue for a thousand servers': fill('x.example', 1, 10, i =>
    record(Buffer.concat([Buffer.of(2, 97 + (i % 26), 97 + ((i / 26) % 26)), SELF]), 1, Buffer.of(1, 2, i >> 8, i)),
  ),
};

const engine = new Engine({ memoryBytes: 16 << 20, shards: 1, policy: 's3fifo', averageEntryBytes: 80 });
function cost(run) {
  let best = Infinity;
  for (let i = 0; i < 5; i++) {
    const began = process.cpuUsage();
    try {
      run();
    } catch {
      // refused: that costs what it costs
    }
    const { user, system } = process.cpuUsage(began);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}
const questionEnd = octets => decodeMessage(octets).question.name.length + 16;
function queryFor(octets) {
  const query = octets.slice(0, questionEnd(octets));
  query.fill(0, 6, 12);
  query.set([1, 0], 2);
  return query;
}
const PATHS = {
  insert: octets => engine.insert(octets, {}, 0),
  finish: (octets, query) => engine.finish(query, octets, false, 0, 0xffff),
  rcode: octets => responseRcode(octets),
  decode: octets => decodeMessage(octets),
  encode: octets => encodeMessage(decodeMessage(octets)),
  group: octets =>
    Object.values(decodeMessage(octets))
      .filter(Array.isArray)
      .map(one => groupRrsets(one)),
  scrub: octets => scrubResponse(octets),
  'without DO': octets => withoutDnssec(octets),
  recursion: octets =>
    classify(
      decodeMessage(octets, MAX_RESPONSE_RECORDS),
      { name: foldName(octets, 12, octets.questionEnd - 4), type: 1, zone: Uint8Array.of(0), recursive: false },
      { hardenGlue: true, maxNameServers: 20 },
    ),
};
const table = {};
let worst = 0;
for (const [label, octets] of Object.entries(INPUTS)) {
  table[label] = { octets: octets.length };
  const query = queryFor(octets);
  octets.questionEnd = query.length;
  for (const [path, run] of Object.entries(PATHS)) {
    const ms = cost(() => run(octets, query));
    worst = Math.max(worst, ms);
    table[label][path] = Number(ms.toFixed(1));
  }
}
console.table(table);
console.log(`the worst: ${worst.toFixed(1)} ms`);
