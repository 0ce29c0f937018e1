// Touches every native object once: cache, shared cache, plane, lookup.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { CachedLookup, createServer, DnsCache } from 'shardns';
import { keyTag } from 'shardns/dnssec';
import { CachedLookup as Light } from 'shardns/lookup';

const query = Buffer.from('1234010000010000000000000161076578616d706c650000010001', 'hex');
const response = Buffer.concat([
  Buffer.from('1234818000010001', 'hex'),
  query.subarray(8),
  Buffer.from('c00c000100010000003c0004c0000207', 'hex'),
]);
const cache = DnsCache.create({ memory: '2MiB', shared: true });
assert.equal(cache.insert(response), 60);
const attached = DnsCache.attach(cache.share());
const out = new Uint8Array(1232);
assert.equal(attached.answer(query, out), response.length);

const server = await createServer({ listen: ['127.0.0.1:0'], threads: 1 }, { cache });
const socket = createSocket('udp4');
const reply = new Promise(resolve => socket.once('message', resolve));
socket.send(query, Number(server.addresses().udp[0].split(':')[1]), '127.0.0.1');
assert.equal((await reply).length, response.length);
socket.close();

const lookups = new CachedLookup({ hostsFile: false }, { cache: attached });
const address = await new Promise((resolve, reject) =>
  lookups.lookup('a.example', 4, (error, found) => (error ? reject(error) : resolve(found))),
);
assert.equal(address, '192.0.2.7');
lookups.close();
await server.close();
assert.equal(Light, CachedLookup);
// RFC 4034 appendix B.
assert.equal(keyTag(Buffer.from('0100030801', 'hex')), 0x0100 + 0x0308 + 0x0100);
console.log('all well');
process.exit(0);
