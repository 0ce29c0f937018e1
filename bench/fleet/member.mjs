// One server of a fleet, in a process of its own: told what to do and asked what it has cost by its parent.
//
//   node bench/fleet/member.mjs '{"secondLevel": ...}' [NAMES]      NAMES: how many it is to know before it says that it is ready
import { createServer } from '../../dist/admin/create-server.js';
import { Query } from '../../dist/wire/query.js';
import { makeQuestion, nameOf, silentUpstream, wildUpstream } from './names.mjs';

const [, , text, count = '0'] = process.argv;
const options = JSON.parse(text);
const names = Number(count);
const dependencies = names > 0 ? wildUpstream() : options.upstreams === undefined ? silentUpstream() : {};
const server = await createServer(
  { listen: ['127.0.0.1:0'], threads: 1, cache: { memory: '64MiB' }, upstreams: ['192.0.2.53'], ...options },
  dependencies,
);

async function fill() {
  for (let i = 0; i < names;) {
    const batch = [];
    for (let end = Math.min(i + 1000, names); i < end; i++) batch.push(ask(i));
    await Promise.all(batch);
    // Not more than may wait to be written.
    while ((server.report().secondLevel?.writes.queued ?? 0) > 5000)
      await new Promise(resolve => setTimeout(resolve, 5));
  }
  while ((server.report().secondLevel?.writes.queued ?? 0) > 0) await new Promise(resolve => setTimeout(resolve, 5));
}
const ask = i => server.resolver.resolve(new Query(makeQuestion(nameOf(i))), { protocol: 'internal' });

if (options.secondLevel !== undefined) {
  while (!server.report().secondLevel.redis[0].log.follows) await new Promise(resolve => setTimeout(resolve, 10));
}
await fill();
process.on('message', async ({ call, from, to }) => {
  if (call === 'cpu')
    process.send({
      ...process.cpuUsage(),
      report: server.report().secondLevel,
      misses: server.report().resolver.resolved,
    });
  if (call === 'close') server.close().then(() => process.exit());
  if (call !== 'ask') return;
  // The same without sockets: 64 at a time.
  const began = process.cpuUsage();
  const times = [];
  for (let i = from; i < to;) {
    const batch = [];
    for (let end = Math.min(i + 64, to); i < end; i++) batch.push(ask(i));
    await Promise.all(batch);
  }
  const { user, system } = process.cpuUsage(began);
  for (let i = to; i < to + 1000; i++) {
    const at = performance.now();
    await ask(i);
    times.push(performance.now() - at);
  }
  times.sort((a, b) => a - b);
  process.send({
    us: (user + system) / (to - from),
    p50: times[500] * 1000,
    p99: times[990] * 1000,
    report: server.report().secondLevel,
  });
});
process.send({ ready: server.addresses().udp[0] });
