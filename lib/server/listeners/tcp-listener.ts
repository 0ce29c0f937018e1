// DNS over TCP at one address (RFC 7766): takes connections, as many as `TcpConnections` has places for.
import { createServer, type Server, type Socket } from 'node:net';
import { formatSocketAddress, type SocketAddress } from '../../base/address.js';
import { ShardnsError } from '../../base/errors.js';
import type { Listener } from './listener.js';
import { type SessionParts, StreamSessions } from './stream-sessions.js';

export class TcpListener implements Listener {
  readonly protocol = 'tcp';
  readonly #server: Server;
  readonly #sessions: StreamSessions;
  #port: number;

  constructor(
    private readonly at: SocketAddress,
    private readonly parts: SessionParts,
  ) {
    this.#port = at.port;
    this.#sessions = new StreamSessions('tcp', parts);
    // Who has shut its sending side still waits for replies; the session closes it behind them.
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, socket => this.#accept(socket));
  }

  get bound(): readonly SocketAddress[] {
    return [{ ...this.at, port: this.#port }];
  }
  get underWay(): number {
    return this.#sessions.underWay;
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address */
  listen(): Promise<void> {
    const { address, port, family } = this.at;
    return new Promise((resolve, reject) => {
      const onError = (cause: Error): void => {
        const where = formatSocketAddress(this.at);
        reject(new ShardnsError('ERR_SHARDNS_LISTEN', `cannot listen on ${where} (TCP): ${cause.message}`, { cause }));
      };
      this.#server.once('error', onError);
      this.#server.listen({ host: address, port, ipv6Only: family === 6, backlog: 511 }, () => {
        this.#server.off('error', onError);
        // Exhausted file descriptors and the like: the listener lives on.
        this.#server.on('error', () => this.parts.connections.stats.rejected++);
        this.#port = (this.#server.address() as { port: number }).port;
        resolve();
      });
    });
  }

  /** No new connections; those open may finish what they have asked. */
  stop(): void {
    this.#server.close();
  }
  close(): void {
    this.#server.close();
    this.#sessions.close();
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort = 0 } = socket;
    if (remoteAddress === undefined)
      socket.destroy(); // gone already
    else this.#sessions.take(socket, { address: remoteAddress, port: remotePort });
  }
}
