// DNS over TLS at one address (RFC 7858): takes connections, has each shake hands, and gives it a session.
//
// Bounds: a connection has its place among those of TcpConnections from its first packet on, and `handshakeTimeoutMs` until
// it has shaken hands; then those of StreamSession. An error of TLS ends its own connection, of which the client gets an
// alert and nobody else hears.
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { SocketAddress } from '../../base/address.js';
import { Acceptor } from './acceptor.js';
import type { Listener, ListenerParts } from './listener.js';
import type { StreamClient } from './stream-session.js';
import { type SessionParts, StreamSessions } from './stream-sessions.js';
import type { Connection } from './tcp-connections.js';

/** What is offered to clients that ask by ALPN (RFC 7858 section 3.1, RFC 7301); those that do not are served too. */
const ALPN = ['dot'];
/** No client negotiates anew within a connection: it is work for nothing, and gone from TLS 1.3. */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
/** Node's own, which runs on its own clock: beyond the longest that can be set. */
const NODE_TIMEOUT_MS = 600_000;

type TlsListenerParts = SessionParts & Pick<ListenerParts, 'certificates'>;

/** A connection that has not shaken hands. */
interface Handshake extends Connection {
  readonly client: StreamClient;
  /** Takes away what waits for its end. */
  over(): void;
}

export class TlsListener implements Listener {
  readonly protocol = 'tls';
  readonly #acceptor: Acceptor;
  readonly #sessions: StreamSessions;
  readonly #tls: Server;
  /** By address and port of the client: of a listening socket no two connections have the same. */
  readonly #handshakes = new Map<string, Handshake>();
  readonly #unfollow: () => void;

  constructor(
    at: SocketAddress,
    private readonly parts: TlsListenerParts,
  ) {
    this.#sessions = new StreamSessions('tls', parts);
    this.#acceptor = new Acceptor(at, {
      label: 'TLS',
      accept: (socket, client) => this.#accept(socket, client),
      failed: () => parts.connections.stats.rejected++,
    });
    // It listens on nothing: connections are given to it.
    this.#tls = createServer({ ALPNProtocols: ALPN, handshakeTimeout: NODE_TIMEOUT_MS });
    this.#tls.on('secureConnection', socket => this.#secured(socket));
    // Counted when the connection closes, which follows.
    this.#tls.on('tlsClientError', (_, socket) => socket.destroy());
    this.#tls.on('error', () => {});
    this.#unfollow = parts.certificates.follow(context =>
      this.#tls.setSecureContext({ ...context, secureOptions: SECURE_OPTIONS }),
    );
  }

  get bound(): readonly SocketAddress[] {
    return this.#acceptor.bound;
  }
  get underWay(): number {
    return this.#sessions.underWay;
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address */
  listen(): Promise<void> {
    return this.#acceptor.listen();
  }
  /** No new connections; those open may finish what they have asked. */
  stop(): void {
    this.#acceptor.stop();
    for (const one of this.#handshakes.values()) one.destroy();
  }
  close(): void {
    this.stop();
    this.#unfollow();
    this.#sessions.close();
  }

  #accept(socket: Socket, client: StreamClient): void {
    const { answerer, certificates, clock, connections } = this.parts;
    const { handshakes } = certificates;
    const key = keyOf(client.address, client.port);
    let outcome: 'failed' | 'slow' = 'failed';
    const timer = clock.after(certificates.handshakeTimeoutMs, () => {
      outcome = 'slow';
      socket.destroy();
    });
    const handshake: Handshake = {
      address: client.address,
      client,
      destroy: () => void socket.destroy(),
      over: () => {
        timer.cancel();
        if (this.#handshakes.get(key) === handshake) this.#handshakes.delete(key);
      },
    };
    socket.on('error', () => socket.destroy());
    if (!connections.admit(handshake, answerer.allows(client.address))) {
      timer.cancel();
      socket.destroy();
      return;
    }
    this.#handshakes.set(key, handshake);
    socket.on('close', () => {
      if (this.#handshakes.get(key) === handshake) handshakes[outcome]++;
      handshake.over();
      connections.leave(handshake);
    });
    // Who goes away before it has shaken hands waits for nothing.
    socket.allowHalfOpen = false;
    this.#tls.emit('connection', socket);
  }

  #secured(socket: TLSSocket): void {
    const { remoteAddress, remotePort = 0 } = socket;
    socket.on('error', () => socket.destroy());
    const handshake = remoteAddress === undefined ? undefined : this.#handshakes.get(keyOf(remoteAddress, remotePort));
    if (handshake === undefined) {
      socket.destroy(); // gone, or displaced, meanwhile
      return;
    }
    handshake.over();
    socket.allowHalfOpen = true;
    this.parts.certificates.handshakes[socket.isSessionReused() ? 'resumed' : 'full']++;
    this.#sessions.take(socket, handshake.client, handshake);
  }
}

const keyOf = (address: string, port: number): string => `${address} ${port}`;
