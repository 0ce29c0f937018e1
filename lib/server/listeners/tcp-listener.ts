// DNS over TCP at one address (RFC 7766): takes connections, as many as `TcpConnections` has places for.
import { createServer, type Server, type Socket } from 'node:net';
import { formatSocketAddress, type SocketAddress } from '../../base/address.js';
import type { Clock } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import type { Answerer } from '../answerer.js';
import type { TcpConnections } from './tcp-connections.js';
import { TcpSession } from './tcp-session.js';

export class TcpListener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #underWay = 0;
  port = 0;

  constructor(
    readonly at: SocketAddress,
    private readonly answerer: Answerer,
    private readonly clock: Clock,
    private readonly connections: TcpConnections,
  ) {
    // Who has shut its sending side still waits for replies; the session closes it behind them.
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, socket => this.#accept(socket));
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address */
  listen(port = this.at.port): Promise<void> {
    return new Promise((resolve, reject) => {
      const onError = (cause: Error): void => {
        const where = formatSocketAddress({ ...this.at, port });
        reject(new ShardnsError('ERR_SHARDNS_LISTEN', `cannot listen on ${where} (TCP): ${cause.message}`, { cause }));
      };
      this.#server.once('error', onError);
      this.#server.listen({ host: this.at.address, port, ipv6Only: this.at.family === 6, backlog: 511 }, () => {
        this.#server.off('error', onError);
        // Exhausted file descriptors and the like: the listener lives on.
        this.#server.on('error', () => this.connections.stats.rejected++);
        this.port = (this.#server.address() as { port: number }).port;
        resolve();
      });
    });
  }

  /** No new connections; those open may finish what they have asked. */
  stopAccepting(): void {
    this.#server.close();
  }
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) {
      socket.destroy(); // gone already
      return;
    }
    const session = new TcpSession(socket, this.answerer, this.clock, this.connections, {
      began: () => this.#underWay++,
      ended: () => this.#underWay--,
    });
    // Who may not ask is told so, but takes nobody's place.
    if (!this.connections.admit(session, this.answerer.allows(remoteAddress))) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
