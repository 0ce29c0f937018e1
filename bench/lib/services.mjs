// A DNS server of services in a thread of its own: `_wN._tcp.` has N targets of weights 1 to N, `_one._tcp.` one on loopback
// for an hour, `_slow._tcp.` one for a second, which it takes SLOW_MS to tell; everything else 10; TTL 5 s. Answers beyond
// 1,232 octets come over TCP.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import dnsPacket from 'dns-packet';

export const SLOW_MS = 1000;

export async function answers(port) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { port, counter: new SharedArrayBuffer(4) } });
  const { address, counter } = await new Promise(resolve => worker.once('message', resolve));
  const count = new Int32Array(counter);
  return { address, asked: () => Atomics.load(count, 0), close: () => worker.terminate() };
}

function reply(query, { port, counter }, udp) {
  const { id, questions } = dnsPacket.decode(query);
  const [{ name, type }] = questions;
  Atomics.add(new Int32Array(counter), 0, 1);
  const [kind] = name.toLowerCase().split('.');
  const wanted = /^_w(\d+)$/.exec(kind);
  const targets = wanted !== null ? Number(wanted[1]) : kind === '_one' || kind === '_slow' ? 1 : 10;
  const ttl = kind === '_one' ? 3600 : kind === '_slow' ? 1 : 5;
  const hosts = type === 'SRV' ? Array.from({ length: targets }, (_, i) => `p${i}.bench.example`) : [];
  const message = {
    type: 'response',
    id,
    flags: dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE,
    questions,
    answers: hosts.map((target, i) => ({
      type: 'SRV',
      name,
      ttl,
      data: { priority: 0, weight: i + 1, port, target },
    })),
    additionals: hosts.map(host => ({ type: 'A', name: host, ttl, data: '127.0.0.1' })),
  };
  const octets = dnsPacket.encode(message);
  if (!udp || octets.length <= 1232) return octets;
  return dnsPacket.encode({
    ...message,
    flags: message.flags | dnsPacket.TRUNCATED_RESPONSE,
    answers: [],
    additionals: [],
  });
}

if (!isMainThread && workerData?.counter !== undefined) {
  const udp = createSocket('udp4');
  udp.on('message', (query, from) => {
    const send = () => udp.send(reply(query, workerData, true), from.port, from.address);
    if (query.toString('latin1').toLowerCase().includes('_slow')) setTimeout(send, SLOW_MS);
    else send();
  });
  const tcp = createServer(socket => {
    socket.on('error', () => {});
    let held = Buffer.alloc(0);
    socket.on('data', data => {
      held = Buffer.concat([held, data]);
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
        const octets = reply(held.subarray(2, 2 + held.readUInt16BE(0)), workerData, false);
        const length = Buffer.alloc(2);
        length.writeUInt16BE(octets.length);
        socket.write(Buffer.concat([length, octets]));
        held = held.subarray(2 + held.readUInt16BE(0));
      }
    });
  });
  udp.bind(0, '127.0.0.1', () => {
    const { port } = udp.address();
    tcp.listen(port, '127.0.0.1', () =>
      parentPort.postMessage({ address: `127.0.0.1:${port}`, counter: workerData.counter }),
    );
  });
}
