// DNS over TCP at one address (RFC 7766): takes connections, as many as `TcpConnections` has places for.
import type { SocketAddress } from '../../base/address.js';
import { Acceptor, type AcceptorParts } from './acceptor.js';
import type { Listener } from './listener.js';
import { type SessionParts, StreamSessions } from './stream-sessions.js';

export class TcpListener implements Listener {
  readonly protocol = 'tcp';
  readonly #acceptor: Acceptor;
  readonly #sessions: StreamSessions;

  constructor(at: SocketAddress, parts: SessionParts & AcceptorParts) {
    this.#sessions = new StreamSessions('tcp', parts);
    this.#acceptor = new Acceptor(at, parts, {
      label: 'TCP',
      accept: (socket, client) => this.#sessions.take(socket, client),
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
    this.#acceptor.stop();
    this.#sessions.close();
  }
}
