// A DNS server whose misses are decided by a function. What it decides is cached: hits never enter JavaScript.
import { promises as dns } from 'node:dns';
import { createServer } from 'shardns';

const decided = [];
const server = await createServer({
  listen: ['127.0.0.1:0'],
  upstreams: ['192.0.2.1'], // never asked here: the function knows all names
  log: { level: 'silent' },
  onQuery({ name, type }) {
    decided.push(`${name} ${type}`);
    if (name === 'ads.example.') return { refuse: 'NXDOMAIN' };
    return { answer: [{ name, type: 'A', ttl: 60, data: '192.0.2.7' }] };
  },
});

const resolver = new dns.Resolver();
resolver.setServers(server.addresses().udp);
for (let i = 0; i < 3; i++) console.log('printer.example', await resolver.resolve4('printer.example'));
console.log('ads.example', await resolver.resolve4('ads.example').catch(error => error.code));
console.log('decided', decided.length, 'of 4'); // two of the three were hits
await server.close();
