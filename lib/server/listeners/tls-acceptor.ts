// Takes connections at one address and has each shake hands (TLS), for whatever is spoken over them.
//
// Bounds: a client shakes hands as often as HandshakeRate has it. A connection has its place among those of TcpConnections
// from its first packet on, and `handshakeTimeoutMs` until it has shaken hands. An error of TLS ends its own connection, of which the client gets an alert and nobody else hears.
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TlsOptions, type TLSSocket } from 'node:tls';
import type { SocketAddress } from '../../base/address.js';
import type { Timer } from '../../base/clock.js';
import { Acceptor } from './acceptor.js';
import { LAST_CALL_MS } from './idle-watch.js';
import type { ListenerParts } from './listener.js';
import type { StreamClient } from './stream-session.js';
import type { Connection } from './tcp-connections.js';

/** No client negotiates anew within a connection: it is work for nothing, and gone from TLS 1.3. */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
/** Node's own, which runs on its own clock: beyond the longest that can be set. */
const NODE_TIMEOUT_MS = 600_000;

export type TlsAcceptorParts = Pick<
  ListenerParts,
  'answerer' | 'clock' | 'connections' | 'certificates' | 'proxies' | 'inherited'
>;

export interface TlsUse {
  /** For errors: `TLS`. */
  readonly label: string;
  /** What is offered to clients that ask by ALPN (RFC 7301); those that do not are served too. */
  readonly alpn: readonly string[];
  /** Whether it is a proxy by which many clients come: it shakes hands as often as they need it, and has its place. */
  readonly isProxy?: (address: string) => boolean;
  /** One has shaken hands. @param before its place until now, which it is to succeed or to leave */
  readonly secured: (socket: TLSSocket, client: StreamClient, before: Connection) => void;
}

/** A connection that has not shaken hands. */
interface Handshake extends Connection {
  readonly client: StreamClient;
  /** Takes away what waits for its end. */
  over(): void;
}

export class TlsAcceptor {
  readonly #acceptor: Acceptor;
  readonly #tls: Server;
  /** The same where the name that a client asks for chooses the certificate: asking costs each handshake a little. */
  readonly #named: Server;
  /** By address and port of the socket's other end: of a listening socket no two connections have the same. */
  readonly #handshakes = new Map<string, Handshake>();
  readonly #unfollow: () => void;
  #lastCall: Timer | undefined;

  constructor(
    at: SocketAddress,
    private readonly parts: TlsAcceptorParts,
    private readonly use: TlsUse,
  ) {
    this.#acceptor = new Acceptor(at, parts, {
      label: use.label,
      accept: (socket, client) => this.#accept(socket, client),
    });
    const { certificates } = parts;
    this.#tls = this.#makeServer({});
    this.#named = this.#makeServer({
      SNICallback: (name, done) => done(null, certificates.contextFor(name)),
    });
    this.#unfollow = certificates.follow(context => {
      for (const one of [this.#tls, this.#named]) one.setSecureContext({ ...context, secureOptions: SECURE_OPTIONS });
    });
  }

  /** It listens on nothing: connections are given to it. */
  #makeServer(options: Pick<TlsOptions, 'SNICallback'>): Server {
    const server = createServer({ ...options, ALPNProtocols: [...this.use.alpn], handshakeTimeout: NODE_TIMEOUT_MS });
    server.on('secureConnection', socket => this.#secured(socket));
    // Counted when the connection closes, which follows.
    server.on('tlsClientError', (_, socket) => socket.destroy());
    server.on('error', () => {});
    return server;
  }

  get bound(): readonly SocketAddress[] {
    return this.#acceptor.bound;
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address */
  listen(): Promise<void> {
    return this.#acceptor.listen();
  }
  /** No new connections; those that have come may finish their handshakes, for LAST_CALL_MS. */
  stop(): void {
    if (this.#lastCall !== undefined) return;
    this.#acceptor.stop();
    this.#lastCall = this.parts.clock.after(LAST_CALL_MS, () => this.#endHandshakes());
  }
  get isStopped(): boolean {
    return this.#lastCall !== undefined;
  }
  close(): void {
    this.stop();
    this.#lastCall?.cancel();
    this.#endHandshakes();
    this.#unfollow();
  }
  #endHandshakes(): void {
    for (const one of this.#handshakes.values()) one.destroy();
  }

  #accept(socket: Socket, client: StreamClient): void {
    const { answerer, certificates, clock, connections } = this.parts;
    const { handshakes } = certificates;
    const isProxy = this.use.isProxy?.(client.address) === true;
    if (!isProxy && !certificates.rate.take(client.address)) {
      handshakes.refused++;
      socket.destroy();
      return;
    }
    const { remoteAddress = '', remotePort = 0 } = socket;
    const key = keyOf(remoteAddress, remotePort);
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
    if (!connections.admit(handshake, isProxy || answerer.allows(client.address))) {
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
    (certificates.isNamed ? this.#named : this.#tls).emit('connection', socket);
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
    const { handshakes, rate } = this.parts.certificates;
    const isResumed = socket.isSessionReused();
    handshakes[isResumed ? 'resumed' : 'full']++;
    if (isResumed) rate.resumed(handshake.client.address);
    this.use.secured(socket, handshake.client, handshake);
  }
}

const keyOf = (address: string, port: number): string => `${address} ${port}`;
