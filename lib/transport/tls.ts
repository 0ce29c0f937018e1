// Queries over TLS (RFC 7858): those of TCP, over streams whose other end has proved that it is the server that is meant.
// Nothing is written before that, and nothing is ever asked in another way instead.
//
// Bounds: those of TCP; 30 s idle, which is as long as servers wait that have time.
import { EncryptedTransport } from './encrypted-transport.js';
import type { StreamServer, StreamTools } from './stream-transport.js';
import { TcpServer } from './tcp-server.js';
import { TlsConnector } from './tls-connector.js';
import type { ServerAddress } from './transport.js';

const IDLE_MS = 30_000;

export class TlsTransport extends EncryptedTransport {
  protected readonly protocol = 'TLS';
  protected readonly connector = new TlsConnector({ name: 'dot', agreed: 'optional' });

  protected serverAt(server: ServerAddress, tools: StreamTools): StreamServer {
    return new TcpServer(server, tools, {
      label: 'TLS',
      opened: 'secureConnect',
      idleMs: IDLE_MS,
      connect: () => this.connector.connect(server, tools.localAddress),
    });
  }
}
