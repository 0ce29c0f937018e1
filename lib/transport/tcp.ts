// Queries over TCP (RFC 7766); see tcp-server.ts for the connections to each server.
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { Exchange } from './pending.js';
import { TcpServer } from './tcp-server.js';
import type { ExchangeOptions, LocalAddress, Transport, TransportStats } from './transport.js';

export class TcpTransport implements Transport {
  readonly #servers = new Map<string, TcpServer>();
  #closed = false;
  readonly stats: TransportStats = { sent: 0, received: 0, mismatched: 0 };

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly local: LocalAddress = {},
  ) {}

  /** Connections that are open or being made. */
  get connections(): number {
    return [...this.#servers.values()].reduce((sum, one) => sum + one.connections, 0);
  }

  exchange(query: Uint8Array, server: SocketAddress, options: ExchangeOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new ShardnsError('ERR_SHARDNS_CLOSED', 'the TCP transport is closed'));
        return;
      }
      const exchange = new Exchange(query, server, options, this.clock, resolve, reject);
      exchange.open('TCP');
      if (!exchange.ended) this.#serverAt(server).ask(exchange);
    });
  }

  close(): void {
    this.#closed = true;
    const error = new ShardnsError('ERR_SHARDNS_CLOSED', 'the TCP transport is closed');
    for (const server of [...this.#servers.values()]) server.close(error);
  }

  #serverAt(at: SocketAddress): TcpServer {
    const where = formatSocketAddress(at);
    const known = this.#servers.get(where);
    if (known !== undefined) return known;
    const { clock, random, local, stats } = this;
    const localAddress = at.family === 6 ? local.v6 : local.v4;
    const onEmpty = (): void => {
      if (this.#servers.get(where) === server) this.#servers.delete(where);
    };
    const server = new TcpServer(at, { clock, random, localAddress, stats, onEmpty });
    this.#servers.set(where, server);
    return server;
  }
}
