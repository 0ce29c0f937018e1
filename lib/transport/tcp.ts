// Queries over TCP (RFC 7766); see tcp-server.ts for the connections to each server.
//
// Bound: MAX_CONNECTIONS in all. What is said over them is a matter of the class: see tls.ts for another one.
import { createConnection } from 'node:net';
import { formatSocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { transportClosed } from './failures.js';
import { sameSource, type SourcedTransport } from './local-address.js';
import { Exchange } from './pending.js';
import { TcpPlaces } from './tcp-places.js';
import { TcpServer, type TcpStreams } from './tcp-server.js';
import {
  type ExchangeListener,
  type ExchangeOptions,
  type Exchanging,
  type LocalAddress,
  noTransportStats,
  type ServerAddress,
} from './transport.js';

/** As many as queries over UDP that have a socket of their own: what those cannot do is asked here. */
const MAX_CONNECTIONS = 1024;
const IDLE_MS = 10_000;

export class TcpTransport implements SourcedTransport {
  #local: LocalAddress;
  readonly #servers = new Map<string, TcpServer>();
  /** Asked from another address before: each goes when its last connection does. */
  readonly #left = new Set<TcpServer>();
  readonly #places: TcpPlaces;
  #closed = false;
  readonly stats = noTransportStats();

  constructor(
    protected readonly clock: Clock,
    private readonly random: Random,
    local: LocalAddress = {},
    maxConnections = MAX_CONNECTIONS,
  ) {
    this.#local = local;
    this.#places = new TcpPlaces(maxConnections);
  }

  /** Connections that are open or being made. */
  get connections(): number {
    return this.#places.size;
  }

  ask(query: Uint8Array, server: ServerAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging {
    const exchange = new Exchange(query, server, options, this.clock, this.label, listener);
    if (this.#closed) exchange.fail(transportClosed(this.label));
    else this.#serverAt(server).ask(exchange);
    return exchange;
  }

  from(local: LocalAddress): void {
    if (this.#closed || sameSource(local, this.#local)) return;
    this.#local = local;
    this.leave();
  }

  /** Queries to come are asked over other connections; what is under way stays where it is. */
  protected leave(): void {
    for (const server of this.#servers.values()) this.#left.add(server);
    this.#servers.clear();
  }

  close(): void {
    this.#closed = true;
    const error = transportClosed(this.label);
    for (const server of [...this.#servers.values(), ...this.#left]) server.close(error);
  }

  protected get label(): 'TCP' | 'TLS' {
    return 'TCP';
  }
  /** The same for those that may be asked over the same connections. */
  protected keyOf(server: ServerAddress): string {
    return formatSocketAddress(server);
  }
  protected streamsTo({ address, port }: ServerAddress, localAddress: string | undefined): TcpStreams {
    return {
      label: 'TCP',
      opened: 'connect',
      idleMs: IDLE_MS,
      connect: () => createConnection({ host: address, port, localAddress, noDelay: true }),
    };
  }

  #serverAt(at: ServerAddress): TcpServer {
    const where = this.keyOf(at);
    const known = this.#servers.get(where);
    if (known !== undefined) return known;
    const { clock, random, stats } = this;
    const localAddress = at.family === 6 ? this.#local.v6 : this.#local.v4;
    const onEmpty = (): void => {
      if (!this.#left.delete(server) && this.#servers.get(where) === server) this.#servers.delete(where);
    };
    const server = new TcpServer(at, {
      streams: this.streamsTo(at, localAddress),
      clock,
      random,
      stats,
      places: this.#places,
      onEmpty,
    });
    this.#servers.set(where, server);
    return server;
  }
}
