// DNS over HTTPS at one address (RFC 8484): connections that have shaken hands are asked by HTTP/2 or HTTP/1.1, as they have
// agreed. Bounds: those of TlsAcceptor, then those of DohConnection and of the framing.
import type { TLSSocket } from 'node:tls';
import type { SocketAddress } from '../../base/address.js';
import { DohConnection, type HttpVersion } from './doh-connection.js';
import type { Endpoint } from './endpoint.js';
import { Http1 } from './http1.js';
import { serveHttp2 } from './http2.js';
import type { Listener, ListenerParts } from './listener.js';
import { NativeHttp2Session } from './native-http2.js';
import type { StreamClient } from './stream-session.js';
import type { Connection } from './tcp-connections.js';
import { TlsAcceptor, type TlsAcceptorParts } from './tls-acceptor.js';

export type HttpsListenerParts = TlsAcceptorParts &
  Pick<ListenerParts, 'https'> & { readonly engine: Pick<ListenerParts['engine'], 'native'> };

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
    const connect = (oldest?: () => number | undefined): DohConnection => {
      const parts = { socket, client, answerer, clock, connections, stats, notify };
      const connection = new DohConnection(parts, oldest);
      if (!connections.succeed(connection, before)) connection.destroy();
      this.#connections.add(connection);
      socket.on('close', () => this.#connections.delete(connection));
      return connection;
    };
    const version: HttpVersion = socket.alpnProtocol === 'h2' ? 'h2' : 'http1';
    stats.connections[version]++;
    try {
      if (version === 'http1') this.#http1.take(socket, connect());
      else if (stats.framing === 'node') serveHttp2(socket, connect(), this.path);
      else void new NativeHttp2Session({ socket, cache: this.parts.engine.native, path: this.path }, connect);
    } catch {
      socket.destroy(); // it is gone meanwhile, or there is no memory for another
    }
  }
}
