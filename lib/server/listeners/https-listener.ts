// DNS over HTTPS at one address (RFC 8484): connections that have shaken hands are asked by HTTP/2 or HTTP/1.1, as they have
// agreed. Bounds: those of TlsAcceptor, then those of DohConnection and of the framing.
import type { TLSSocket } from 'node:tls';
import type { SocketAddress } from '../../base/address.js';
import { DohConnection } from './doh-connection.js';
import type { Endpoint } from './endpoint.js';
import { Http1 } from './http1.js';
import { serveHttp2 } from './http2.js';
import type { Listener, ListenerParts } from './listener.js';
import type { StreamClient } from './stream-session.js';
import type { Connection } from './tcp-connections.js';
import { TlsAcceptor, type TlsAcceptorParts } from './tls-acceptor.js';

export type HttpsListenerParts = TlsAcceptorParts & Pick<ListenerParts, 'https'>;

export class HttpsListener implements Listener {
  readonly protocol = 'https';
  readonly path: string;
  readonly #acceptor: TlsAcceptor;
  readonly #http1: Http1;
  readonly #connections = new Set<DohConnection>();
  #underWay = 0;

  constructor(
    at: Endpoint,
    private readonly parts: HttpsListenerParts,
  ) {
    this.path = at.path ?? '/';
    this.#http1 = new Http1(this.path);
    this.#acceptor = new TlsAcceptor(at, parts, {
      label: 'HTTPS',
      alpn: ['h2', 'http/1.1'],
      secured: (socket, client, before) => this.#secured(socket, client, before),
    });
  }

  get bound(): readonly SocketAddress[] {
    return this.#acceptor.bound;
  }
  get underWay(): number {
    return this.#underWay;
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address */
  listen(): Promise<void> {
    return this.#acceptor.listen();
  }
  /** No new connections; those open may finish what they have asked. */
  stop(): void {
    this.#acceptor.stop();
  }
  close(): void {
    this.#acceptor.close();
    for (const one of this.#connections) one.destroy();
  }

  #secured(socket: TLSSocket, client: StreamClient, before: Connection): void {
    const { answerer, clock, connections, https: stats } = this.parts;
    const notify = { began: () => this.#underWay++, ended: () => this.#underWay-- };
    const connection = new DohConnection({ socket, client, answerer, clock, connections, stats, notify });
    if (!connections.succeed(connection, before)) {
      socket.destroy();
      return;
    }
    this.#connections.add(connection);
    socket.on('close', () => this.#connections.delete(connection));
    const version = socket.alpnProtocol === 'h2' ? 'h2' : 'http1';
    stats.connections[version]++;
    if (version === 'h2') serveHttp2(socket, connection, this.path);
    else this.#http1.take(socket, connection);
  }
}
