// What all servers have in common that are asked over kept connections: queries that are asked on one, or wait for room on
// one; what becomes of those on a connection that has fallen silent; who is told of the end. How a query is written, and what
// the end of a connection means for those on it, is a matter of the class: tcp-server.ts, https-server.ts.
//
// A connection on which nothing comes for a while is asked for a sign of life: one name that is answered slowly is no reason
// to leave it. Where none comes, nothing new is asked there, and what waits there is asked on another as well: the first
// response counts.
//
// Bounds: MAX_WAITING queries that wait for room. Of that, and of the room on connections, clients have shares
// (ClientShares), and they take turns: who has hundreds of slow names asked leaves others room, and makes nobody wait longer
// than for one of them. So do the zones of one client's names among each other: one zone that is slow has no more of the
// client's room than it leaves the others, and those behind one front proxy do not wait for what one of them asks.
import type { Socket } from 'node:net';
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import { clientOf, ClientShares, DEFAULT_CLIENT_SHARE, shareOf, Shares } from '../base/client-shares.js';
import { ShardnsError } from '../base/errors.js';
import { FairQueue, type Offered } from '../base/fair-queue.js';
import { type StreamProtocol, tooManyQueries } from './failures.js';
import { isBareError, matches } from './matching.js';
import type { Exchange } from './pending.js';
import { likelyZone } from './likely-zone.js';
import type { StreamServer, StreamTools } from './stream-transport.js';
import type { PlaceHolder } from './tcp-places.js';

const MAX_WAITING = 4096;
/** The line of those that are asked on a silent connection too: no zone, which has a label. */
const AGAIN = '';
/**
 * Silence that makes a connection suspect: half again as much as the slowest response took, inside these bounds; after half of
 * it a sign of life is asked for. Where signs are all that comes, it is suspect after the most: what answers them need not be
 * what answers queries.
 */
const SILENCE_MS = { min: 1500, max: 10_000 };

export abstract class KeptConnection implements PlaceHolder {
  /** Nothing new is asked here. */
  suspect = false;
  heardMs: number;
  /** When the last query was answered here, or asked where there was none; undefined: none is asked. */
  busySinceMs: number | undefined;
  /** A sign of life was asked for, and none has come since. */
  isProbed = false;
  idle: Timer | undefined;
  silence: Timer | undefined;
  failure: Error | undefined;
  gaveWay = false;

  constructor(
    readonly socket: Socket,
    private readonly clock: Clock,
  ) {
    this.heardMs = clock.nowMs();
    socket.unref();
    socket.on('error', error => (this.failure ??= error));
  }

  /** What is asked here, the oldest first. */
  abstract exchanges(): Iterable<Exchange>;

  displaced(): void {
    this.gaveWay = true;
    this.socket.destroy();
  }
  /** Something came. */
  heard(): void {
    this.heardMs = this.clock.nowMs();
    this.suspect = this.isProbed = false;
  }
  /** Something is asked. */
  asks(): void {
    this.busySinceMs ??= this.clock.nowMs();
    this.idle?.cancel();
    this.idle = undefined;
  }
  /** With what was asked. */
  answers(): void {
    this.busySinceMs = this.clock.nowMs();
  }
  /** Nothing is. */
  rests(): void {
    this.busySinceMs = undefined;
    this.silence?.cancel();
    this.silence = undefined;
  }
}

export abstract class ServerConnections<
  One extends KeptConnection,
  Asked extends { readonly exchange: Exchange },
> implements StreamServer {
  protected readonly connections: One[] = [];
  protected readonly where: string;
  protected closed = false;
  readonly #asked = new Map<Exchange, Asked>();
  readonly #waiting = new FairQueue<Asked>(MAX_WAITING);
  /** Of the room on connections; and those queries that count to one. */
  readonly #shares = new ClientShares(1);
  readonly #zoneShares = new Shares(1);
  /** By what they count in the latter. */
  readonly #sharing = new Map<Asked, string>();
  #slowestMs = 0;

  constructor(
    server: SocketAddress,
    protected readonly tools: StreamTools,
    private readonly label: StreamProtocol,
  ) {
    this.where = formatSocketAddress(server);
  }

  /** A query that is asked nowhere yet. */
  protected abstract begun(exchange: Exchange): Asked;
  /** Takes it from the connections on which it is asked. */
  protected abstract leave(asked: Asked): void;
  /** On how many it is asked. */
  protected abstract placesOf(asked: Asked): number;
  /** Asks on a connection that has room, if one has. */
  protected abstract placed(asked: Asked): boolean;
  /** How many queries may be asked at a time on the connections that there usually are, and how many of these are free. */
  protected abstract get room(): { all: number; free: number };
  /** Asks the server for a sign of life that costs it next to nothing. @returns whether one can be had, now */
  protected abstract probe(connection: One): boolean;
  /** A connection on which it is asked has fallen silent. @returns whether it is to be asked on another */
  protected abstract fellSilent(asked: Asked): boolean;

  ask(exchange: Exchange): void {
    const asked = this.begun(exchange);
    this.#asked.set(exchange, asked);
    exchange.holder = this;
    this.place(asked);
  }

  /** Called by the exchange. */
  ended(exchange: Exchange): void {
    const asked = this.#asked.get(exchange);
    if (asked === undefined) return;
    this.#asked.delete(exchange);
    this.#waiting.delete(asked);
    this.leave(asked);
    this.#giveBack(asked);
    this.useRoom();
    this.#ifEmpty();
  }

  close(error: ShardnsError): void {
    this.closed = true;
    for (const exchange of [...this.#asked.keys()]) exchange.fail(error);
    for (const { socket } of [...this.connections]) socket.destroy();
  }

  protected askedFor(exchange: Exchange): Asked {
    return this.#asked.get(exchange)!;
  }
  protected isWaiting(asked: Asked): boolean {
    return this.#waiting.has(asked);
  }

  /** On a connection that has room, else it waits for one. */
  protected place(asked: Asked): void {
    if (this.#take(asked) === 'taken') return;
    const { client, query } = asked.exchange;
    // What is asked already waits for another connection than others.
    const line = this.placesOf(asked) > 0 ? AGAIN : client === undefined ? '' : likelyZone(query);
    if (this.#waiting.add(asked, client, line)) return;
    if (this.placesOf(asked) === 0) asked.exchange.fail(tooManyQueries(this.where, this.label));
  }

  protected useRoom(): void {
    if (!this.closed && this.#waiting.size > 0) this.#waiting.serve(asked => this.#take(asked));
  }

  #take(asked: Asked): Offered {
    const { client } = asked.exchange;
    if (client !== undefined && !this.#sharing.has(asked)) {
      const refused = this.#share(asked, client);
      if (refused !== undefined) return refused;
    }
    if (this.placed(asked)) return 'taken';
    // One that waits for another connection than it is asked on keeps nobody.
    if (this.placesOf(asked) > 0) return 'not it';
    this.#giveBack(asked);
    return 'none';
  }
  #share(asked: Asked, client: string): Offered | undefined {
    const { all, free } = this.room;
    this.#shares.share = shareOf(all, DEFAULT_CLIENT_SHARE);
    const left = Math.max(this.#shares.share, free) - this.#shares.held(client);
    if (!this.#shares.take(client, free)) return 'not its client';
    const zone = `${clientOf(client)} ${likelyZone(asked.exchange.query)}`;
    if (this.#zoneShares.take(zone, left)) {
      this.#sharing.set(asked, zone);
      return undefined;
    }
    this.#shares.release(client);
    return 'not it';
  }
  #giveBack(asked: Asked): void {
    const zone = this.#sharing.get(asked);
    if (zone === undefined) return;
    this.#sharing.delete(asked);
    this.#shares.release(asked.exchange.client!);
    this.#zoneShares.release(zone);
  }

  /** Room for one more among `most`: a silent one makes way. What waits there is asked elsewhere too, or was. */
  protected hasRoomAmong(most: number): boolean {
    if (this.connections.length < most) return true;
    const oldest = this.connections.find(one => one.suspect);
    oldest?.socket.destroy();
    return oldest !== undefined;
  }

  protected add(connection: One): void {
    this.connections.push(connection);
    this.tools.places.take(connection);
  }
  /** It is closed; what was on it is seen to first. */
  protected remove(connection: One, seeTo: () => void): void {
    connection.idle?.cancel();
    connection.silence?.cancel();
    this.tools.places.leave(connection);
    this.connections.splice(this.connections.indexOf(connection), 1);
    seeTo();
    this.useRoom();
    this.#ifEmpty();
  }
  protected heard(connection: One): void {
    connection.heard();
    this.tools.places.heard(connection);
  }

  /**
   * Whether a response is one to the query, counted. Over a connection nobody else can speak: letters and the question of an
   * error prove nothing more.
   */
  protected isAnswer({ query, questionEnd, ageMs }: Exchange, message: Uint8Array): boolean {
    const { stats } = this.tools;
    if (!matches(message, query, questionEnd, 'folded') && !isBareError(message, query)) {
      stats.mismatched++;
      return false;
    }
    stats.received++;
    this.#slowestMs = Math.max(this.#slowestMs * 0.9, ageMs);
    return true;
  }

  /** For those who were on a connection that is no more. */
  protected lossOf({ failure, gaveWay }: One): ShardnsError {
    if (gaveWay) {
      const text = `${this.where}: its ${this.label} connection gave way to another server's`;
      return new ShardnsError('ERR_SHARDNS_OVERLOAD', text);
    }
    const what = failure !== undefined ? `failed: ${failure.message}` : 'was closed';
    const text = `${this.where}: the ${this.label} connection ${what}`;
    return new ShardnsError('ERR_SHARDNS_UPSTREAM', text, { cause: failure });
  }

  protected watch(connection: One): void {
    this.#lookAfter(connection, this.#silenceMs / 2);
  }
  #lookAfter(connection: One, ms: number): void {
    connection.silence ??= this.tools.clock.after(ms, () => this.#look(connection));
  }
  #look(connection: One): void {
    connection.silence = undefined;
    const on = [...connection.exchanges()];
    if (on.length === 0) return;
    const now = this.tools.clock.nowMs();
    const silent = now - Math.max(connection.heardMs, on[0].beganMs);
    const whole = this.#silenceMs;
    const onlyAlive = now - (connection.busySinceMs ?? now) >= SILENCE_MS.max;
    if (silent < whole - 1 && !onlyAlive) {
      const isHalf = silent >= whole / 2 - 1;
      if (isHalf && !connection.isProbed) connection.isProbed = this.probe(connection);
      this.#lookAfter(connection, (isHalf ? whole : whole / 2) - silent);
      return;
    }
    connection.suspect = true;
    for (const asked of on.map(exchange => this.askedFor(exchange))) {
      if (this.fellSilent(asked)) this.place(asked);
    }
  }

  get #silenceMs(): number {
    return Math.min(Math.max(this.#slowestMs * 1.5, SILENCE_MS.min), SILENCE_MS.max);
  }

  #ifEmpty(): void {
    if (this.connections.length === 0 && this.#asked.size === 0) this.tools.onEmpty();
  }
}
