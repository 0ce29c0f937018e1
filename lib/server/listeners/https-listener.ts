// DNS over HTTPS at one address (RFC 8484): connections that have shaken hands are asked by HTTP/2 or HTTP/1.1, as they have
// agreed. Bounds: those of TlsAcceptor, then those of DohConnection and of the framing.
import type { TLSSocket } from 'node:tls';
import { AcceptingListener } from './accepting-listener.js';
import { DohConnection, type HttpVersion } from './doh-connection.js';
import type { Endpoint } from './endpoint.js';
import { Http1 } from './http1.js';
import { serveHttp2 } from './http2.js';
import type { ListenerParts } from './listener.js';
import { NativeHttp2Session } from './native-http2.js';
import type { StreamClient } from './stream-session.js';
import type { Connection } from './tcp-connections.js';
import { TlsAcceptor, type TlsAcceptorParts } from './tls-acceptor.js';

export type HttpsListenerParts = TlsAcceptorParts &
  Pick<ListenerParts, 'https' | 'forwarded' | 'tap'> & { readonly engine: Pick<ListenerParts['engine'], 'native'> };

class DohConnections extends Set<DohConnection> {
  underWay = 0;
  began(): void {
    this.underWay++;
  }
  ended(): void {
    this.underWay--;
  }
  finish(): void {
    for (const one of this) one.finish();
  }
  close(): void {
    for (const one of this) one.destroy();
  }
}

export class HttpsListener extends AcceptingListener {
  readonly protocol = 'https';
  readonly path: string;
  protected readonly acceptor: TlsAcceptor;
  protected readonly taken = new DohConnections();
  readonly #http1: Http1;

  constructor(
    at: Endpoint,
    private readonly parts: HttpsListenerParts,
  ) {
    super();
    this.path = at.path ?? '/';
    this.#http1 = new Http1(this.path);
    this.acceptor = new TlsAcceptor(at, parts, {
      label: 'HTTPS',
      alpn: ['h2', 'http/1.1'],
      isProxy: address => parts.forwarded.headerOf(address) !== undefined,
      secured: (socket, client, before) => {
        this.#secured(socket, client, before);
        if (this.acceptor.isStopped) this.taken.finish();
      },
    });
  }

  #secured(socket: TLSSocket, client: StreamClient, before: Connection): void {
    const { answerer, clock, connections, forwarded, https: stats } = this.parts;
    const connect = (oldest?: () => number | undefined): DohConnection => {
      const parts = { socket, client, answerer, clock, connections, forwarded, stats, notify: this.taken };
      const connection = new DohConnection(parts, oldest);
      if (!connections.succeed(connection, before)) connection.destroy();
      this.taken.add(connection);
      socket.on('close', () => this.taken.delete(connection));
      return connection;
    };
    const version: HttpVersion = socket.alpnProtocol === 'h2' ? 'h2' : 'http1';
    stats.connections[version]++;
    try {
      if (version === 'http1') this.#http1.take(socket, connect());
      else if (stats.framing === 'node') serveHttp2(socket, connect(), this.path);
      else {
        const { engine, tap } = this.parts;
        void new NativeHttp2Session({ socket, cache: engine.native, path: this.path, tap: tap?.native }, connect);
      }
    } catch {
      socket.destroy(); // it is gone meanwhile, or there is no memory for another
    }
  }
}
