// DNS over TLS at one address (RFC 7858): connections that have shaken hands get a session. Bounds: those of TlsAcceptor,
// then those of StreamSession.
import type { SocketAddress } from '../../base/address.js';
import type { Listener } from './listener.js';
import { StreamSessions } from './stream-sessions.js';
import { TlsAcceptor, type TlsAcceptorParts } from './tls-acceptor.js';

export class TlsListener implements Listener {
  readonly protocol = 'tls';
  readonly #acceptor: TlsAcceptor;
  readonly #sessions: StreamSessions;

  constructor(at: SocketAddress, parts: TlsAcceptorParts) {
    this.#sessions = new StreamSessions('tls', parts);
    this.#acceptor = new TlsAcceptor(at, parts, {
      label: 'TLS',
      alpn: ['dot'], // RFC 7858 section 3.1
      secured: (socket, client, before) => {
        socket.allowHalfOpen = true;
        this.#sessions.take(socket, client, before);
      },
    });
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
  }
  close(): void {
    this.#acceptor.close();
    this.#sessions.close();
  }
}
