// Queries over HTTPS (RFC 8484): POST over HTTP/2, to servers that have proved that they are the ones that are meant. Nothing
// is written before that, and nothing is ever asked in another way instead; who speaks HTTP/1.1 alone is not asked (section
// 5.2 has HTTP/2 as the least).
import { formatSocketAddress } from '../base/address.js';
import { EncryptedTransport } from './encrypted-transport.js';
import { DEFAULT_PATH, HTTPS_PORT } from './https-place.js';
import { HttpsServer } from './https-server.js';
import type { StreamServer, StreamTools } from './stream-transport.js';
import { proofKeyOf, TlsConnector } from './tls-connector.js';
import type { ServerAddress } from './transport.js';

export class HttpsTransport extends EncryptedTransport {
  protected readonly protocol = 'HTTPS';
  protected readonly connector = new TlsConnector({ name: 'h2', agreed: 'needed' });

  protected override keyOf(server: ServerAddress): string {
    return `${proofKeyOf(server)} ${pathOf(server)}`;
  }
  protected serverAt(server: ServerAddress, tools: StreamTools): StreamServer {
    return new HttpsServer(server, tools, {
      authority: authorityOf(server),
      path: pathOf(server),
      connect: () => this.connector.connect(server, tools.localAddress),
    });
  }
}

function pathOf({ path = DEFAULT_PATH }: ServerAddress): string {
  return path;
}

/** What the server is called in requests: several may share an address (RFC 9113 section 8.3.1). */
function authorityOf({ address, family, port, tls }: ServerAddress): string {
  const name = tls?.calls ?? tls?.name;
  if (name === undefined || name === address) {
    const where = formatSocketAddress({ address: address.replace(/%.*$/, ''), family, port });
    return port === HTTPS_PORT ? where.slice(0, where.lastIndexOf(':')) : where;
  }
  const host = name.includes(':') ? `[${name}]` : name;
  return port === HTTPS_PORT ? host : `${host}:${port}`;
}
