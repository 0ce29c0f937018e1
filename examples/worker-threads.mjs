// Threads that look names up in one shared cache: what one of them has asked for is a hit for all of them.
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { CachedLookup, createServer, DnsCache } from 'shardns';

if (isMainThread) {
  const cache = DnsCache.create({ memory: '16MiB', shared: true });
  // Stands for the servers of resolv.conf.
  let asked = 0;
  const server = await createServer({
    listen: ['127.0.0.1:0'],
    upstreams: ['192.0.2.1'],
    cache: { memory: '1MiB' },
    log: { level: 'silent' },
    onQuery({ name }) {
      asked++;
      return { answer: [{ name, type: 'A', ttl: 60, data: '192.0.2.7' }] };
    },
  });
  const [address] = server.addresses().udp;
  for (let i = 0; i < 3; i++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { share: cache.share(), address, i } });
    await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  }
  console.log('servers were asked', asked, 'time for three threads');
  await server.close();
  cache.close();
} else {
  const { share, address, i } = workerData;
  const cache = DnsCache.attach(share);
  const lookups = new CachedLookup({ servers: [address], resolvConf: false }, { cache });
  const found = await new Promise((resolve, reject) =>
    lookups.lookup('shared.example', 4, (error, answer) => (error ? reject(error) : resolve(answer))),
  );
  console.log(`thread ${i}: ${found}`);
  lookups.close();
  cache.close();
}
