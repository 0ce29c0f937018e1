// Stands for CoreDNS where there is no cluster: one headless service with a named port, TTL 1 s.
import { createSocket } from 'node:dgram';

const name = text => {
  const labels = text.split('.').filter(label => label !== '');
  return Buffer.concat([...labels.map(label => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.from([0])]);
};
const u16 = (...values) => Buffer.from(values.flatMap(value => [value >> 8, value & 255]));
const record = (owner, type, data) => Buffer.concat([owner, u16(type, 1, 0, 1, data.length), data]);

/** @returns `{ address, pods, close }`; `pods` may be changed at any time */
export async function clusterDns(service, pods) {
  const socket = createSocket('udp4');
  const domain = service.replace(/^(_[^.]*\.)+/, '');
  const stand = { address: '', pods, close: () => socket.close() };
  socket.on('message', (query, { port, address }) => {
    const end = query.indexOf(0, 12) + 5;
    const question = query.subarray(12, end);
    const isSrv = question.readUInt16BE(question.length - 4) === 33;
    const hosts = isSrv ? stand.pods : [];
    const host = pod => name(`${pod.replaceAll('.', '-')}.${domain}`);
    const answers = hosts.map(pod => record(u16(0xc00c), 33, Buffer.concat([u16(0, 50, 8080), host(pod)])));
    const additionals = hosts.map(pod => record(host(pod), 1, Buffer.from(pod.split('.').map(Number))));
    const head = Buffer.concat([query.subarray(0, 2), u16(0x8580, 1, answers.length, 0, additionals.length)]);
    socket.send(Buffer.concat([head, question, ...answers, ...additionals]), port, address);
  });
  await new Promise(resolve => socket.bind(0, '127.0.0.1', resolve));
  stand.address = `127.0.0.1:${socket.address().port}`;
  return stand;
}
