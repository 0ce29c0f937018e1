// Streams to primaries: TCP, or TLS 1.3 whose other end has proved who it is (RFC 9103 section 7).
import { createConnection } from 'node:net';
import type { Duplex } from 'node:stream';
import { TlsConnector } from '../../transport/tls-connector.js';
import type { LocalAddress, ServerAddress } from '../../transport/transport.js';

export class StreamOpener {
  readonly #connector = new TlsConnector({ name: 'dot', agreed: 'optional' });
  /** Addresses of this machine that connections come from. */
  from: LocalAddress = {};

  /** Certificates of authorities (PEM) in the place of those that Node trusts. */
  trust(authorities: string | undefined): void {
    this.#connector.trust(authorities);
  }

  readonly open = (server: ServerAddress, opened: () => void): Duplex => {
    const localAddress = server.family === 6 ? this.from.v6 : this.from.v4;
    if (server.tls === undefined) {
      const { address, port } = server;
      const socket = createConnection({ host: address, port, localAddress, noDelay: true });
      socket.on('connect', opened);
      return socket;
    }
    const socket = this.#connector.connect(server, localAddress);
    socket.on('secureConnect', () => {
      if (socket.destroyed) return;
      const version = socket.getProtocol();
      if (version === 'TLSv1.3') opened();
      else socket.destroy(new Error(`it speaks ${version}, and transfers need TLSv1.3 (RFC 9103 section 7.1)`));
    });
    return socket;
  };
}
