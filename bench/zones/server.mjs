// shardns as bench/zones/run.mjs starts it: a server of one zone, which says what it has when it is asked to.
//
//   node bench/zones/server.mjs PORT FILE
import { createServer } from '../../dist/admin/create-server.js';
import { applyDifferences } from '../../dist/zone/transfer/fetch-zone.js';
import { withSerial } from '../../dist/zone/soa.js';
import { encodeName } from '../../dist/wire/name.js';
import { ZONE_LIMITS } from '../../dist/zone/zone-builder.js';
import { median } from '../results.mjs';

const [, , port, file] = process.argv;
const server = await createServer({
  listen: [`127.0.0.1:${port}`],
  threads: 1,
  zonesOnly: true,
  cache: { memory: '256MiB' },
  zones: [{ name: 'bench.example', file, allowTransfer: ['127.0.0.0/8'] }],
});

/** Ten addresses that go and ten that come, as an IXFR brings them, until the new version is served. */
function changeTen() {
  const store = server.zones.served.everyone;
  const apex = encodeName('bench.example');
  const samples = [];
  const inserts = server.engine.stats().entries;
  for (let round = 0; round < 41; round++) {
    const zone = store.get(apex);
    const [deleted, added] = [[], []];
    for (let i = 0; i < 10; i++) {
      const name = encodeName(`h${round * 10 + i}.bench.example`);
      const node = zone.find(name, 0, name.length - apex.length);
      const record = zone.recordsAt(node, 1)[0];
      deleted.push(record);
      added.push({ ...record, data: Uint8Array.of(203, 0, 113, i) });
    }
    const difference = { before: zone.soa, after: withSerial(zone.soa, zone.serial + 1), deleted, added };
    const began = performance.now();
    const applied = applyDifferences(zone, [difference], ZONE_LIMITS);
    store.replace(applied.zone);
    samples.push(performance.now() - began);
  }
  // The first finds out once, for all versions, which aliases lead where.
  return { first_ms: samples[0], ms: median(samples.slice(1)), entries_kept: server.engine.stats().entries / inserts };
}

process.on('message', what => {
  const { rss } = process.memoryUsage();
  const { totals, native } = server.report().zones;
  const { hitsPositive, misses, inserts, entries } = server.engine.stats();
  process.send({
    rss,
    ...totals,
    native,
    hits: hitsPositive,
    misses,
    inserts,
    entries,
    changes: what === 'change' ? changeTen() : undefined,
  });
});
