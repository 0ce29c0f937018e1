// The connections to one server (RFC 7766): kept, pipelined, responses in any order. A connection that was closed before
// it answered all is replaced and what is left is asked again (section 6.2.4); one on which nothing has come for a while
// is not asked any more, and what waits there is asked on another as well: the first response counts.
//
// One on which more messages come than were asked for is closed: whoever sends them would keep us busy with their octets.
//
// Bounds: 2 connections, 8 where the server answers few queries on each; 512 queries on one, less where it closes sooner;
// 3 connections a query that brought nothing; 4096 queries that wait for room; 10 s idle, 30 s over TLS. Of all servers: TcpPlaces.
import type { Socket } from 'node:net';
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { tooManyQueries } from './failures.js';
import { frame, MessageReader } from './framing.js';
import { isBareError, matches } from './matching.js';
import { type Exchange, PendingTable, setId } from './pending.js';
import type { StreamServer, StreamTools } from './stream-transport.js';
import type { PlaceHolder } from './tcp-places.js';

/**
 * Connections to one server, the second for when the first gives no sign of life; to one that closes after a few
 * queries; and how many may break under a query before it has failed.
 */
const CONNECTIONS = { usual: 2, ofFew: 8, perQuery: 3 };
const QUERIES_PER_CONNECTION = 512;
const MAX_WAITING = 4096;
/** How long it is believed that the server closes after so many queries. */
const FEW_MS = 60_000;
/** Silence that makes a connection suspect: half again as much as the slowest response took, inside these bounds. */
const SILENCE_MS = { min: 1500, max: 10_000 };

/** How streams to the server are had. */
export interface TcpStreams {
  /** For errors. */
  readonly label: 'TCP' | 'TLS';
  /** What one says when it leads to the server that is meant, and not before: until then nothing is written to it. */
  readonly opened: 'connect' | 'secureConnect';
  /** How long one that nothing waits for is kept. */
  readonly idleMs: number;
  connect(): Socket;
}

interface Place {
  readonly connection: Connection;
  readonly id: number;
}

/** A query and where it is asked. */
class Asked {
  readonly places: Place[] = [];
  /** Connections that ended, or fell silent, without a response to anything. */
  fruitless = 0;
  constructor(readonly exchange: Exchange) {}
}

class Connection implements PlaceHolder {
  readonly reader = new MessageReader();
  readonly pending = new PendingTable();
  connected = false;
  /** Queries that wait until it is, framed. */
  early: Buffer[] = [];
  /** Nothing new is asked here. */
  suspect = false;
  asked = 0;
  /** Messages that came, whatever they were. */
  received = 0;
  answered = 0;
  heardMs: number;
  idle: Timer | undefined;
  silence: Timer | undefined;
  failure: Error | undefined;
  gaveWay = false;
  /** More came than was asked for. */
  noisy = false;
  constructor(
    readonly socket: Socket,
    now: number,
  ) {
    this.heardMs = now;
  }

  displaced(): void {
    this.gaveWay = true;
    this.socket.destroy();
  }
}

export class TcpServer implements StreamServer {
  readonly #connections: Connection[] = [];
  readonly #asked = new Map<Exchange, Asked>();
  readonly #waiting = new Set<Asked>();
  readonly #where: string;
  #most = QUERIES_PER_CONNECTION;
  #mostUntil = 0;
  #slowestMs = 0;
  #closed = false;

  constructor(
    server: SocketAddress,
    private readonly tools: StreamTools,
    private readonly streams: TcpStreams,
  ) {
    this.#where = formatSocketAddress(server);
  }

  get connections(): number {
    return this.#connections.length;
  }

  ask(exchange: Exchange): void {
    const asked = new Asked(exchange);
    this.#asked.set(exchange, asked);
    exchange.holder = this;
    this.#place(asked);
  }

  /** Called by the exchange. */
  ended(exchange: Exchange): void {
    const asked = this.#asked.get(exchange);
    if (asked === undefined) return;
    this.#asked.delete(exchange);
    this.#waiting.delete(asked);
    for (const { connection, id } of asked.places) {
      connection.pending.delete(id);
      this.#rest(connection);
    }
    this.#useRoom();
    this.#ifEmpty();
  }

  close(error: ShardnsError): void {
    this.#closed = true;
    for (const { exchange } of [...this.#asked.values()]) exchange.fail(error);
    for (const connection of [...this.#connections]) connection.socket.destroy();
  }

  #place(asked: Asked): void {
    if (this.#placed(asked)) return;
    if (this.#waiting.size < MAX_WAITING) this.#waiting.add(asked);
    else if (asked.places.length === 0) {
      asked.exchange.fail(tooManyQueries(this.#where, this.streams.label));
    }
  }

  /** Asks on a connection that has room, if one has. */
  #placed(asked: Asked): boolean {
    const connection = this.#free(asked);
    if (connection === undefined) return false;
    const { exchange } = asked;
    const id = connection.pending.add(exchange, this.tools.random);
    asked.places.push({ connection, id });
    connection.asked++;
    connection.idle?.cancel();
    connection.idle = undefined;
    this.#watch(connection);
    this.tools.stats.sent++;
    // The id of one connection is not that of another: the framed copy gets it.
    setId(exchange.query, id);
    const framed = frame(exchange.query);
    if (connection.connected) connection.socket.write(framed);
    else connection.early.push(framed);
    return true;
  }

  #free(asked: Asked): Connection | undefined {
    const few = this.tools.clock.nowMs() < this.#mostUntil;
    if (!few) this.#most = QUERIES_PER_CONNECTION;
    const free = this.#connections.find(
      one =>
        !one.suspect &&
        !one.socket.destroyed &&
        one.pending.size < QUERIES_PER_CONNECTION &&
        (!few || one.asked < this.#most) &&
        !asked.places.some(place => place.connection === one),
    );
    if (free !== undefined) return free;
    const alive = this.#connections.filter(one => !one.suspect).length;
    if (alive >= (few ? CONNECTIONS.ofFew : CONNECTIONS.usual)) return undefined;
    if (this.#connections.length >= CONNECTIONS.ofFew) {
      // What waits there is asked elsewhere too, or was.
      const oldest = this.#connections.find(one => one.suspect);
      if (oldest === undefined) return undefined;
      oldest.socket.destroy();
    }
    return this.#connect();
  }

  #connect(): Connection {
    const { streams } = this;
    const { clock } = this.tools;
    const socket = streams.connect();
    const connection = new Connection(socket, clock.nowMs());
    this.#connections.push(connection);
    this.tools.places.take(connection);
    socket.unref();
    socket.on(streams.opened, () => {
      if (socket.destroyed) return;
      connection.connected = true;
      socket.write(Buffer.concat(connection.early));
      connection.early = [];
    });
    socket.on('error', error => {
      connection.failure = error;
    });
    socket.on('data', chunk => {
      connection.heardMs = clock.nowMs();
      connection.suspect = false;
      this.tools.places.heard(connection);
      for (const message of connection.reader.push(chunk)) {
        if (connection.noisy) return;
        this.#onMessage(connection, message);
      }
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#onClose(connection));
    return connection;
  }

  #onMessage(connection: Connection, message: Buffer): void {
    const { stats } = this.tools;
    if (++connection.received > connection.asked) {
      stats.mismatched++;
      connection.noisy = true;
      connection.failure = new Error('it sent more messages than it was asked for');
      connection.socket.destroy();
      return;
    }
    const exchange = connection.pending.get(message);
    // Over a connection nobody else can speak: letters and the question of an error prove nothing more.
    if (
      exchange === undefined ||
      !(matches(message, exchange.query, exchange.questionEnd, 'folded') || isBareError(message, exchange.query))
    ) {
      stats.mismatched++;
      return;
    }
    stats.received++;
    connection.answered++;
    this.#slowestMs = Math.max(this.#slowestMs * 0.9, exchange.ageMs);
    exchange.answer(Uint8Array.from(message));
  }

  #onClose(connection: Connection): void {
    connection.idle?.cancel();
    connection.silence?.cancel();
    this.tools.places.leave(connection);
    this.#connections.splice(this.#connections.indexOf(connection), 1);
    const left = connection.pending.all();
    const { failure, gaveWay, noisy } = connection;
    if (left.length > 0 && connection.answered > 0 && !connection.suspect && !gaveWay && !noisy) {
      this.#most = connection.answered;
      this.#mostUntil = this.tools.clock.nowMs() + FEW_MS;
    }
    const { label } = this.streams;
    const error = gaveWay
      ? new ShardnsError('ERR_SHARDNS_OVERLOAD', `${this.#where}: its ${label} connection gave way to another server's`)
      : new ShardnsError(
          'ERR_SHARDNS_UPSTREAM',
          `${this.#where}: the ${label} connection ${failure !== undefined ? `failed: ${failure.message}` : 'was closed'}`,
          { cause: failure },
        );
    for (const exchange of left) {
      const asked = this.#asked.get(exchange)!;
      asked.places.splice(
        asked.places.findIndex(place => place.connection === connection),
        1,
      );
      if (asked.places.length > 0 || this.#waiting.has(asked)) continue;
      // Who brought something may be asked for the rest; who was never there will not be a moment later.
      if (connection.answered === 0 || noisy) asked.fruitless = connection.connected ? asked.fruitless + 1 : Infinity;
      if (asked.fruitless >= CONNECTIONS.perQuery || gaveWay || this.#closed) exchange.fail(error);
      else this.#place(asked);
    }
    this.#useRoom();
    this.#ifEmpty();
  }

  #useRoom(): void {
    if (this.#closed) return;
    for (const asked of this.#waiting) {
      if (!this.#placed(asked)) return;
      this.#waiting.delete(asked);
    }
  }

  /** A connection that nothing waits for is kept for a while; one that is not even made is given up. */
  #rest(connection: Connection): void {
    if (connection.pending.size > 0) return;
    connection.silence?.cancel();
    connection.silence = undefined;
    const few = this.tools.clock.nowMs() < this.#mostUntil && connection.asked >= this.#most;
    if (!connection.connected || connection.suspect || few) connection.socket.destroy();
    else connection.idle ??= this.tools.clock.after(this.streams.idleMs, () => connection.socket.destroy());
  }

  #watch(connection: Connection): void {
    connection.silence ??= this.tools.clock.after(this.#silenceMs, () => {
      connection.silence = undefined;
      const oldest = connection.pending.oldest();
      if (oldest === undefined) return;
      const silent = this.tools.clock.nowMs() - Math.max(connection.heardMs, oldest.beganMs);
      if (silent < this.#silenceMs - 1) {
        this.#watch(connection);
        return;
      }
      connection.suspect = true;
      for (const exchange of connection.pending.all()) {
        const asked = this.#asked.get(exchange)!;
        if (asked.places.length > 1 || ++asked.fruitless >= CONNECTIONS.perQuery) continue;
        this.#place(asked);
      }
    });
  }

  get #silenceMs(): number {
    return Math.min(Math.max(this.#slowestMs * 1.5, SILENCE_MS.min), SILENCE_MS.max);
  }

  #ifEmpty(): void {
    if (this.#connections.length === 0 && this.#asked.size === 0) this.tools.onEmpty();
  }
}
