// Asks a server over UDP, TCP or TLS, as a client would.
import { createSocket } from 'node:dgram';
import { createConnection, type Socket } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { parseSocketAddress } from '../../lib/base/address.js';
import { frame, MessageReader } from '../../lib/transport/framing.js';

/** As long as anything takes on a machine that is busy with other things. */
const PATIENT_MS = 60_000;

/** The reply; undefined when none comes in `waitMs`. `from`: the client's own address. */
export function askUdp(at: string, query: Uint8Array, waitMs = PATIENT_MS, from?: string): Promise<Buffer | undefined> {
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
export function askTcp(at: string, queries: Uint8Array[], waitMs = PATIENT_MS, from?: string): Promise<Buffer[]> {
  const { address, port } = parseSocketAddress(at, 'test');
  const socket = createConnection({ host: address, port, localAddress: from });
  return askOver(socket, 'connect', queries, waitMs);
}

/** The same over TLS; whoever answers is believed to be who it is. */
export function askTls(
  at: string,
  queries: Uint8Array[],
  options: ConnectionOptions = {},
  waitMs = PATIENT_MS,
): Promise<Buffer[]> {
  const { address, port } = parseSocketAddress(at, 'test');
  const socket = connect({ host: address, port, rejectUnauthorized: false, ...options });
  return askOver(socket, 'secureConnect', queries, waitMs);
}

function askOver(socket: Socket, open: string, queries: Uint8Array[], waitMs: number): Promise<Buffer[]> {
  const reader = new MessageReader();
  const replies: Buffer[] = [];
  return new Promise(resolve => {
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(replies);
    };
    const timer = setTimeout(finish, waitMs);
    socket.on(open, () => socket.write(Buffer.concat(queries.map(frame))));
    socket.on('data', chunk => {
      replies.push(...reader.push(chunk));
      if (replies.length >= queries.length) finish();
    });
    socket.on('close', finish);
    socket.on('error', finish);
  });
}
