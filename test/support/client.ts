// Asks a server over UDP or TCP, as a client would.
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import { parseSocketAddress } from '../../lib/base/address.js';
import { frame, MessageReader } from '../../lib/transport/framing.js';

/** The reply; undefined when none comes in `waitMs`. `from`: the client's own address. */
export function askUdp(at: string, query: Uint8Array, waitMs = 2000, from?: string): Promise<Buffer | undefined> {
  const { address, port, family } = parseSocketAddress(at, 'test');
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  return new Promise(resolve => {
    const finish = (reply: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(() => finish(undefined), waitMs);
    socket.on('message', finish);
    if (from === undefined) socket.send(query, port, address);
    else socket.bind(0, from, () => socket.send(query, port, address));
  });
}

/** The replies in the order they come; fewer than the queries when the connection ends or time does. */
export function askTcp(at: string, queries: Uint8Array[], waitMs = 2000, from?: string): Promise<Buffer[]> {
  const { address, port } = parseSocketAddress(at, 'test');
  const socket = createConnection({ host: address, port, localAddress: from });
  const reader = new MessageReader();
  const replies: Buffer[] = [];
  return new Promise(resolve => {
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(replies);
    };
    const timer = setTimeout(finish, waitMs);
    socket.on('connect', () => socket.write(Buffer.concat(queries.map(frame))));
    socket.on('data', chunk => {
      replies.push(...reader.push(chunk));
      if (replies.length >= queries.length) finish();
    });
    socket.on('close', finish);
    socket.on('error', finish);
  });
}
