// Queries over streams: one object for each server that is asked, which has the connections to it and goes when the last of
// them does. What is said over them, and how, is a matter of the class: tcp.ts, tls.ts, https.ts.
//
// Bound: MAX_CONNECTIONS in all.
import type { Clock } from '../base/clock.js';
import type { ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { type StreamProtocol, transportClosed } from './failures.js';
import { sameSource, type SourcedTransport } from './local-address.js';
import { Exchange, type ExchangeHolder } from './pending.js';
import { TcpPlaces } from './tcp-places.js';
import {
  type ExchangeListener,
  type ExchangeOptions,
  type Exchanging,
  type LocalAddress,
  noTransportStats,
  type ServerAddress,
  type TransportStats,
} from './transport.js';

/** As many as queries over UDP that have a socket of their own: what those cannot do is asked here. */
const MAX_CONNECTIONS = 1024;

/** One server, and the connections to it. */
export interface StreamServer extends ExchangeHolder {
  ask(exchange: Exchange): void;
  close(error: ShardnsError): void;
}

/** What it is made with. */
export interface StreamTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: TransportStats;
  /** Of the connections to all servers. */
  readonly places: TcpPlaces;
  /** The address of this machine that they are made from; the kernel chooses where none is given. */
  readonly localAddress: string | undefined;
  /** Called when the last connection is gone. */
  readonly onEmpty: () => void;
}

export abstract class StreamTransport implements SourcedTransport {
  #local: LocalAddress;
  readonly #servers = new Map<string, StreamServer>();
  /** Asked from another address before: each goes when its last connection does. */
  readonly #left = new Set<StreamServer>();
  readonly #places: TcpPlaces;
  #closed = false;
  readonly stats = noTransportStats();

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    local: LocalAddress = {},
    maxConnections = MAX_CONNECTIONS,
  ) {
    this.#local = local;
    this.#places = new TcpPlaces(maxConnections);
  }

  protected abstract readonly protocol: StreamProtocol;
  /** The same for those that may be asked over the same connections. */
  protected abstract keyOf(server: ServerAddress): string;
  protected abstract serverAt(server: ServerAddress, tools: StreamTools): StreamServer;

  /** Connections that are open or being made. */
  get connections(): number {
    return this.#places.size;
  }

  ask(query: Uint8Array, server: ServerAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging {
    const exchange = new Exchange(query, server, options, this.clock, this.protocol, listener);
    if (this.#closed) exchange.fail(transportClosed(this.protocol));
    else this.#find(server).ask(exchange);
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
    const error = transportClosed(this.protocol);
    for (const server of [...this.#servers.values(), ...this.#left]) server.close(error);
  }

  #find(at: ServerAddress): StreamServer {
    const where = this.keyOf(at);
    const known = this.#servers.get(where);
    if (known !== undefined) return known;
    const { clock, random, stats } = this;
    const onEmpty = (): void => {
      if (!this.#left.delete(server) && this.#servers.get(where) === server) this.#servers.delete(where);
    };
    const localAddress = at.family === 6 ? this.#local.v6 : this.#local.v4;
    const server = this.serverAt(at, { clock, random, stats, places: this.#places, localAddress, onEmpty });
    this.#servers.set(where, server);
    return server;
  }
}
