// A lookup that hits: shardns beside cacheable-lookup and dns.lookup, over one DNS server on loopback.
//
//   node bench/lib/lookup.mjs
import dns from 'node:dns';
import { createSocket } from 'node:dgram';
import CacheableLookup from 'cacheable-lookup';
import dnsPacket from 'dns-packet';
import { CachedLookup, Resolver } from '../../dist/index.js';
import { keep } from '../results.mjs';

const ROUNDS = 15;
const CALLS = 20_000;

const server = createSocket('udp4');
server.on('message', (message, from) => {
  const query = dnsPacket.decode(message);
  const [{ name, type }] = query.questions;
  const data = { A: '192.0.2.1', AAAA: '2001:db8::1' }[type];
  const answers = data === undefined ? [] : [{ name, type, ttl: 3600, data }];
  server.send(
    dnsPacket.encode({ type: 'response', id: query.id, flags: 0x0180, questions: query.questions, answers }),
    from.port,
    from.address,
  );
});
await new Promise(resolve => server.bind(0, '127.0.0.1', resolve));
const address = `127.0.0.1:${server.address().port}`;

const resolver = new dns.promises.Resolver();
resolver.setServers([address]);
const cacheable = new CacheableLookup({ resolver });
const ours = new CachedLookup({ servers: [address], resolvConf: false });
const ourResolver = new Resolver({ client: ours.client });
const names = Array.from({ length: 100 }, (_, i) => `host-${i}.lookup.example`);

/** Calls one after another, each in the callback of the one before. */
const inTurn = (lookup, options) => async n => {
  let left = n;
  await new Promise((resolve, reject) => {
    const next = error => {
      if (error) reject(error);
      else if (left-- === 0) resolve();
      else lookup(names[left % names.length], options, next);
    };
    next();
  });
};
const awaited = call => async n => {
  for (let i = 0; i < n; i++) await call(names[i % names.length]);
};
const all = { all: true };
const four = { family: 4 };
const subjects = {
  'shardns lookup, family 4': inTurn(ours.lookup, four),
  'cacheable-lookup lookup, family 4': inTurn(cacheable.lookup, four),
  'shardns lookup, all': inTurn(ours.lookup, all),
  'cacheable-lookup lookup, all': inTurn(cacheable.lookup, all),
  'shardns Resolver.resolve4': awaited(name => ourResolver.resolve4(name)),
  'dns.promises.Resolver.resolve4 (no cache)': async n => awaited(name => resolver.resolve4(name))(n / 20),
  'dns.lookup of localhost (thread pool)': async n => {
    let left = n / 20;
    await new Promise(resolve => {
      const next = () => (left-- === 0 ? resolve() : dns.lookup('localhost', four, next));
      next();
    });
  },
};
const samples = Object.fromEntries(Object.keys(subjects).map(name => [name, []]));
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(subjects)) {
    const calls = name.includes('no cache') || name.includes('thread pool') ? CALLS / 20 : CALLS;
    const began = performance.now();
    await run(CALLS);
    if (round > 0) samples[name].push(((performance.now() - began) * 1e6) / calls);
  }
}
const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const results = Object.fromEntries(Object.entries(samples).map(([name, list]) => [name, { ns: median(list) }]));
for (const [name, { ns }] of Object.entries(results)) console.log(`${name.padEnd(44)} ${ns.toFixed(0).padStart(7)} ns`);
results['shardns lookup, family 4'].of_cacheable =
  results['shardns lookup, family 4'].ns / results['cacheable-lookup lookup, family 4'].ns;
results['shardns lookup, all'].of_cacheable =
  results['shardns lookup, all'].ns / results['cacheable-lookup lookup, all'].ns;
keep('lookup', { names: names.length, results });
ours.close();
server.close();
