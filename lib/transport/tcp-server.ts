// The connections to one server (RFC 7766): kept, pipelined, responses in any order. A connection that was closed before
// it answered all is replaced and what is left is asked again (section 6.2.4).
//
// One on which more messages come than were asked for is closed: whoever sends them would keep us busy with their octets.
//
// Bounds: 2 connections, 8 where the server answers few queries on each; 512 queries on one, less where it closes sooner;
// 3 connections a query that brought nothing; 10 s idle, 30 s over TLS; those of ServerConnections. Of all servers: TcpPlaces.
import type { Socket } from 'node:net';
import type { SocketAddress } from '../base/address.js';
import { frame, MessageReader } from './framing.js';
import { type Exchange, PendingTable, setId } from './pending.js';
import { probeQuery } from './probe.js';
import { KeptConnection, ServerConnections } from './server-connections.js';
import type { StreamTools } from './stream-transport.js';

/**
 * Connections to one server, the second for when the first gives no sign of life; to one that closes after a few
 * queries; and how many may break under a query before it has failed.
 */
const CONNECTIONS = { usual: 2, ofFew: 8, perQuery: 3 };
const QUERIES_PER_CONNECTION = 512;
/** How long it is believed that the server closes after so many queries. */
const FEW_MS = 60_000;
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

class Connection extends KeptConnection {
  readonly reader = new MessageReader();
  readonly pending = new PendingTable();
  connected = false;
  /** Queries that wait until it is, framed. */
  early: Buffer[] = [];
  asked = 0;
  /** Messages that came, whatever they were. */
  received = 0;
  answered = 0;
  /** More came than was asked for. */
  noisy = false;
  /** Of the query that asks for a sign of life, until it is answered. */
  probeId: number | undefined;

  exchanges(): Exchange[] {
    return this.pending.all();
  }
}

export class TcpServer extends ServerConnections<Connection, Asked> {
  #most = QUERIES_PER_CONNECTION;
  #mostUntil = 0;

  constructor(
    server: SocketAddress,
    tools: StreamTools,
    private readonly streams: TcpStreams,
  ) {
    super(server, tools, streams.label);
  }

  protected begun(exchange: Exchange): Asked {
    return new Asked(exchange);
  }
  protected leave({ places }: Asked): void {
    for (const { connection, id } of places) {
      connection.pending.delete(id);
      this.#rest(connection);
    }
  }
  protected placesOf({ places }: Asked): number {
    return places.length;
  }
  protected fellSilent(asked: Asked): boolean {
    return asked.places.length === 1 && ++asked.fruitless < CONNECTIONS.perQuery;
  }

  protected get room(): { all: number; free: number } {
    const few = this.#closesAfterFew;
    const all = few ? CONNECTIONS.ofFew * this.#most : CONNECTIONS.usual * QUERIES_PER_CONNECTION;
    const alive = this.connections.filter(one => !one.suspect);
    const used = alive.reduce((sum, one) => sum + (few ? Math.min(one.asked, this.#most) : one.pending.size), 0);
    return { all, free: Math.max(0, all - used) };
  }
  protected probe(connection: Connection): boolean {
    if (!connection.connected || connection.socket.destroyed) return false;
    const query = probeQuery();
    setId(query, (connection.probeId = connection.pending.reserve(this.tools.random)));
    connection.asked++;
    this.tools.stats.sent++;
    connection.socket.write(frame(query));
    return true;
  }

  protected placed(asked: Asked): boolean {
    const connection = this.#free(asked);
    if (connection === undefined) return false;
    const { exchange } = asked;
    const id = connection.pending.add(exchange, this.tools.random);
    asked.places.push({ connection, id });
    connection.asked++;
    connection.asks();
    this.watch(connection);
    this.tools.stats.sent++;
    // The id of one connection is not that of another: the framed copy gets it.
    setId(exchange.query, id);
    const framed = frame(exchange.query);
    if (connection.connected) connection.socket.write(framed);
    else connection.early.push(framed);
    return true;
  }

  #free(asked: Asked): Connection | undefined {
    const few = this.#closesAfterFew;
    const free = this.connections.find(
      one =>
        !one.suspect &&
        !one.socket.destroyed &&
        one.pending.size < QUERIES_PER_CONNECTION &&
        (!few || one.asked < this.#most) &&
        !asked.places.some(place => place.connection === one),
    );
    if (free !== undefined) return free;
    const alive = this.connections.filter(one => !one.suspect).length;
    if (alive >= (few ? CONNECTIONS.ofFew : CONNECTIONS.usual)) return undefined;
    return this.hasRoomAmong(CONNECTIONS.ofFew) ? this.#connect() : undefined;
  }

  get #closesAfterFew(): boolean {
    const few = this.tools.clock.nowMs() < this.#mostUntil;
    if (!few) this.#most = QUERIES_PER_CONNECTION;
    return few;
  }

  #connect(): Connection {
    const { streams } = this;
    const socket = streams.connect();
    const connection = new Connection(socket, this.tools.clock);
    this.add(connection);
    socket.on(streams.opened, () => {
      if (socket.destroyed) return;
      connection.connected = true;
      socket.write(Buffer.concat(connection.early));
      connection.early = [];
    });
    socket.on('data', chunk => {
      this.heard(connection);
      for (const message of connection.reader.push(chunk)) {
        if (connection.noisy) return;
        this.#onMessage(connection, message);
      }
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.remove(connection, () => this.#askElsewhere(connection)));
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
    if (exchange === undefined) {
      if (message.length < 2 || message.readUInt16BE(0) !== connection.probeId) stats.mismatched++;
      else {
        // Whatever it says.
        stats.received++;
        connection.probeId = undefined;
      }
    } else if (this.isAnswer(exchange, message)) {
      connection.answered++;
      connection.answers();
      exchange.answer(Uint8Array.from(message));
    }
  }

  #askElsewhere(connection: Connection): void {
    const left = connection.pending.all();
    const { gaveWay, noisy } = connection;
    if (left.length > 0 && connection.answered > 0 && !connection.suspect && !gaveWay && !noisy) {
      this.#most = connection.answered;
      this.#mostUntil = this.tools.clock.nowMs() + FEW_MS;
    }
    const error = this.lossOf(connection);
    for (const exchange of left) {
      const asked = this.askedFor(exchange);
      asked.places.splice(
        asked.places.findIndex(place => place.connection === connection),
        1,
      );
      if (asked.places.length > 0 || this.isWaiting(asked)) continue;
      // Who brought something may be asked for the rest; who was never there will not be a moment later.
      if (connection.answered === 0 || noisy) asked.fruitless = connection.connected ? asked.fruitless + 1 : Infinity;
      if (asked.fruitless >= CONNECTIONS.perQuery || gaveWay || this.closed) exchange.fail(error);
      else this.place(asked);
    }
  }

  /** A connection that nothing waits for is kept for a while; one that is not even made is given up. */
  #rest(connection: Connection): void {
    if (connection.pending.size > 0) return;
    connection.rests();
    const few = this.#closesAfterFew && connection.asked >= this.#most;
    if (!connection.connected || connection.suspect || few) connection.socket.destroy();
    else connection.idle ??= this.tools.clock.after(this.streams.idleMs, () => connection.socket.destroy());
  }
}
