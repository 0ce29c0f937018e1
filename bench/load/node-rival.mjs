// What one writes in an afternoon: dgram, dns-packet and lru-cache. Answers every question with one address and caches
// the decoded answer by name and type.
import dgram from 'node:dgram';
import dnsPacket from 'dns-packet';
import { LRUCache } from 'lru-cache';

const cache = new LRUCache({ max: 200_000, ttl: 3_600_000 });
const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
socket.on('message', (message, client) => {
  const query = dnsPacket.decode(message);
  const [{ name, type }] = query.questions;
  const key = `${name.toLowerCase()} ${type}`;
  let answers = cache.get(key);
  if (answers === undefined) {
    answers = [{ type: 'A', name, ttl: 3600, data: '192.0.2.1' }];
    cache.set(key, answers);
  }
  const reply = dnsPacket.encode({
    type: 'response',
    id: query.id,
    flags: 0x0180,
    questions: query.questions,
    answers,
  });
  socket.send(reply, client.port, client.address);
});
socket.bind(Number(process.argv[2]), '127.0.0.1');
