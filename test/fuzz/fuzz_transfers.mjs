// Mutated transfers (AXFR, IXFR), signed messages, updates and journals for so many seconds: none throws anything but a
// ShardnsError of the message, none takes long, and what a transfer comes to is within its bounds.
import { ShardnsError } from '../../dist/base/errors.js';
import { inOneGo } from '../../dist/base/slices.js';
import { Class, Type } from '../../dist/wire/iana.js';
import { encodeMessage } from '../../dist/wire/message.js';
import { encodeName } from '../../dist/wire/name.js';
import { encodeRdata } from '../../dist/wire/rdata.js';
import { readCatalog } from '../../dist/zone/catalog/read-catalog.js';
import { applying } from '../../dist/zone/transfer/fetch-zone.js';
import { decoding, encodeDifference } from '../../dist/zone/transfer/record-octets.js';
import { TransferReader } from '../../dist/zone/transfer/transfer-reader.js';
import { placeOf, TransferWriter } from '../../dist/zone/transfer/transfer-writer.js';
import { makeTsigKey, TsigKeys } from '../../dist/zone/tsig/key.js';
import { checkRequest, signMessage } from '../../dist/zone/tsig/mac.js';
import { TsigStreamChecker } from '../../dist/zone/tsig/stream.js';
import { applyUpdate } from '../../dist/zone/update/apply-update.js';
import { readUpdate } from '../../dist/zone/update/update-message.js';
import { ZoneBuilder } from '../../dist/zone/zone-builder.js';
import { Zone } from '../../dist/zone/zone.js';

const seconds = Number(process.argv[2] ?? 5);
const seed = Number(process.argv[3] ?? Date.now() >>> 0);
let state = seed || 1;
const random = n => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
};

const apex = encodeName('example');
const record = (name, type, data, ttl = 60, dnsClass = Class.IN) => ({
  name: encodeName(name),
  type: Type[type],
  dnsClass,
  ttl,
  data: encodeRdata(Type[type], data),
});
const soa = serial => record('example', 'SOA', `ns.example. mail.example. ${serial} 1 2 3 4`);
const hosts = Array.from({ length: 8 }, (_, i) => record(`host${i}.example`, 'A', `192.0.2.${i}`));
const others = [
  record('example', 'NS', 'ns.example.'),
  record('example', 'MX', '5 mail.example.'),
  record('txt.example', 'TXT', '"a" "b"'),
  record('srv.example', 'SRV', '1 2 3 mail.example.'),
];
const LIMITS = { octets: 1e6, records: 1000, maxRecords: 1000, maxOctets: 1e6 };
const builder = new ZoneBuilder(apex);
for (const one of [soa(1), ...others, ...hosts]) builder.add(one);
const zone = new Zone(apex, builder.build());
const key = makeTsigKey({ name: 'k', algorithm: 'hmac-sha256', secret: 'MDEyMzQ1Njc4OWFiY2RlZg==' });
const keys = new TsigKeys([key]);
const NOW = 1_700_000_000;

const axfr = { id: 7, apex, type: Type.AXFR };
const ixfr = { id: 7, apex, type: Type.IXFR };
const written = (question, records) => new TransferWriter(question, records.map(placeOf)).next();
const update = encodeMessage({
  id: 7,
  flags: 0x2800,
  question: { name: apex, type: Type.SOA, dnsClass: 1 },
  answers: [{ ...record('host1.example', 'A', '192.0.2.1', 0), data: new Uint8Array(0), dnsClass: Class.ANY }],
  authorities: [record('new.example', 'A', '192.0.2.9'), { ...hosts[3], dnsClass: Class.NONE, ttl: 0 }],
  additionals: [],
});
const SEEDS = {
  whole: written(axfr, [soa(2), ...others, ...hosts, soa(2)]),
  differences: written(ixfr, [soa(3), soa(1), hosts[0], soa(2), soa(2), soa(3), hosts[0], soa(3)]),
  update,
  signed: signMessage(update, { key, now: NOW }).message,
  journal: encodeDifference({
    before: soa(1),
    after: soa(2),
    deleted: [hosts[0]],
    added: [record('x.example', 'A', '192.0.2.7')],
  }),
};

function mutated(octets) {
  let out = Buffer.from(octets);
  for (let left = 1 + random(6); left > 0; left--) {
    const at = random(out.length || 1);
    switch (random(6)) {
      case 0:
        if (out.length > 0) out[at] ^= 1 << random(8);
        break;
      case 1:
        if (out.length > 0) out[at] = [0, 0xc0, 0xff, 0x3f, 0x0c, 1][random(6)];
        break;
      case 2:
        out = out.subarray(0, at);
        break;
      case 3:
        out = Buffer.concat([out.subarray(0, at), out.subarray(random(out.length || 1))]);
        break;
      case 4:
        out = Buffer.concat([out.subarray(0, at), Buffer.alloc(random(40), random(256)), out.subarray(at)]);
        break;
      default:
        if (out.length > 1) out.writeUInt16BE(random(65_536), random(out.length - 1));
    }
  }
  return out.subarray(0, 65_535);
}

function readTransfer(question, ours, octets) {
  let taken = 0;
  const sink = { begin: () => {}, add: () => void taken++ };
  const reader = new TransferReader(question, ours, sink, LIMITS);
  const step = reader.push(octets);
  if (taken > LIMITS.records) throw new Error(`${taken} records, beyond the bound`);
  if (step === 'more') reader.push(octets);
  else if ('done' in step && step.done.kind === 'differences') inOneGo(applying(zone, step.done.list, LIMITS));
}

const TARGETS = {
  whole: octets => readTransfer(axfr, undefined, octets),
  differences: octets => readTransfer(ixfr, 1, octets),
  update: octets => {
    const read = readUpdate(octets);
    if (typeof read !== 'number') applyUpdate(zone, read, () => true);
  },
  signed: octets => {
    const verdict = checkRequest(octets, keys, NOW);
    // The id alone is not signed.
    if (verdict.status === 'good' && !verdict.unsigned.equals(update)) throw new Error('a forged message is believed');
    new TsigStreamChecker(key, new Uint8Array(32)).check(octets, NOW);
  },
  journal: octets => {
    const { deleted, added } = inOneGo(decoding(octets));
    readCatalog(apex, [...deleted, ...added], 100);
  },
};

const end = performance.now() + seconds * 1000;
let runs = 0;
while (performance.now() < end) {
  const kind = Object.keys(TARGETS)[random(5)];
  const octets = mutated(SEEDS[kind]);
  const began = performance.now();
  try {
    TARGETS[kind](octets);
  } catch (error) {
    if (!(error instanceof ShardnsError)) {
      console.error(`${kind}, seed ${seed}: ${octets.toString('hex')}`);
      throw error;
    }
  }
  const tookMs = performance.now() - began;
  if (tookMs > 2000) throw new Error(`${kind}: ${tookMs} ms for ${octets.toString('hex')}`);
  runs++;
}
console.log(`${runs} mutations, seed ${seed}: none thrown, none late`);
