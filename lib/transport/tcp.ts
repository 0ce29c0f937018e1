// Queries over TCP (RFC 7766); see tcp-server.ts for the connections to each server.
import { createConnection } from 'node:net';
import { formatSocketAddress } from '../base/address.js';
import { StreamTransport, type StreamServer, type StreamTools } from './stream-transport.js';
import { TcpServer } from './tcp-server.js';
import type { ServerAddress } from './transport.js';

const IDLE_MS = 10_000;

export class TcpTransport extends StreamTransport {
  protected readonly protocol = 'TCP';

  protected keyOf(server: ServerAddress): string {
    return formatSocketAddress(server);
  }
  protected serverAt(server: ServerAddress, tools: StreamTools): StreamServer {
    const { address, port } = server;
    const { localAddress } = tools;
    return new TcpServer(server, tools, {
      label: 'TCP',
      opened: 'connect',
      idleMs: IDLE_MS,
      connect: () => createConnection({ host: address, port, localAddress, noDelay: true }),
    });
  }
}
