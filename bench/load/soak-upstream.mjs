// The upstream of the soak: its answers follow from the name, one query in five fails, and every true answer comes in a
// crowd of forged ones.
import dgram from 'node:dgram';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';

/** The only right address of a name. */
export function addressOf(name) {
  const [a, b, c] = createHash('md5').update(name.toLowerCase()).digest();
  return [10, a, b, c];
}

export function nameOf(message) {
  const labels = [];
  for (let at = 12; message[at] !== 0 && at < message.length; at += 1 + message[at]) {
    labels.push(message.toString('latin1', at + 1, at + 1 + message[at]));
  }
  return labels.join('.');
}

function answer(query, address) {
  let end = 12;
  while (query[end] !== 0) end += 1 + query[end];
  end += 5;
  const reply = Buffer.concat([
    query.subarray(0, end),
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 2 + (address[1] % 30), 0, 4, ...address]),
  ]);
  reply[2] |= 0x80;
  reply[3] = 0x80;
  reply.writeUInt16BE(1, 6);
  reply.writeUInt32BE(0, 8);
  return reply;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  socket.on('message', (query, client) => {
    const send = reply => socket.send(reply, client.port, client.address);
    const fate = Math.random();
    const forged = answer(query, [6, 6, 6, 6]);
    for (let i = 0; i < 2; i++) {
      const spoof = Buffer.from(forged);
      if (i === 0) spoof.writeUInt16BE((query.readUInt16BE(0) + 1 + Math.floor(Math.random() * 65_000)) & 0xffff, 0);
      else spoof[13] = spoof[13] === 0x7a ? 0x61 : 0x7a;
      send(spoof);
    }
    if (fate < 0.1) return; // silence
    if (fate < 0.15) {
      const failed = answer(query, [0, 0, 0, 0]).subarray(0, -16);
      failed[3] = 0x82;
      failed.writeUInt16BE(0, 6);
      send(failed);
      return;
    }
    if (fate < 0.2) {
      send(Buffer.from(Array.from({ length: 40 }, () => Math.floor(Math.random() * 256))));
      return;
    }
    send(answer(query, addressOf(nameOf(query))));
  });
  socket.bind(Number(process.argv[2]), '127.0.0.1');
}
