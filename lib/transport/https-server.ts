// The HTTP/2 connections to one server (RFC 8484, RFC 9113): a stream for each query, responses in any order. A query that is
// unanswered on a connection that broke is asked once more on a new one; one that the server has not looked at (REFUSED_STREAM,
// or above the last stream of its GOAWAY) is asked again too. On a connection on which nothing has come for a while nothing new
// is asked, and what waits there is asked on another as well: the first response counts.
//
// A stream that nobody waits for any more is let run to its end: servers count streams that are called off, and close
// connections that have many of them (CVE-2023-44487).
//
// Bounds: 1 connection, 2 while the first has all the streams that it may have, 4 with those that are silent or leaving;
// MAX_STREAMS streams on one, less where the server says so; a response of 65,535 octets; 2 connections a query, and
// MAX_REFUSED refusals; 4096 queries that wait for room; 30 s idle. Of all servers: TcpPlaces.
import type { ClientHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import { ShardnsError } from '../base/errors.js';
import { tooManyQueries } from './failures.js';
import { Asked, Connection, FIRST_STREAMS } from './https-connection.js';
import { HttpsReply, NO_ERROR } from './https-reply.js';
import { isBareError, matches } from './matching.js';
import { type Exchange, setId } from './pending.js';
import type { StreamServer, StreamTools } from './stream-transport.js';

const CONNECTIONS = 2;
const CONNECTIONS_IN_ALL = 4;
/** With responses of the greatest length, 16 MiB a connection. */
const MAX_STREAMS = 256;
/** Streams that nobody waits for, beyond which the oldest is called off after all. */
const MAX_ABANDONED = 64;
const MAX_WAITING = 4096;
const MAX_REFUSED = 3;
const IDLE_MS = 30_000;
/** As of TCP: silence that makes a connection suspect. */
const SILENCE_MS = { min: 1500, max: 10_000 };
/** RFC 9113 section 7. */
const CANCEL = 8;
const REFUSED_STREAM = 7;

/** Loaded when the first server is asked so: most programs never do. */
const http2 = (): typeof import('node:http2') => process.getBuiltinModule('node:http2');

export interface HttpsPlace {
  readonly authority: string;
  readonly path: string;
  /** Proved, and speaking HTTP/2, when it says `secureConnect` and is not destroyed. */
  connect(): TLSSocket;
}

export class HttpsServer implements StreamServer {
  readonly #connections: Connection[] = [];
  readonly #asked = new Map<Exchange, Asked>();
  readonly #waiting = new Set<Asked>();
  readonly #where: string;
  #slowestMs = 0;
  #closed = false;

  constructor(
    server: SocketAddress,
    private readonly tools: StreamTools,
    private readonly place: HttpsPlace,
  ) {
    this.#where = formatSocketAddress(server);
  }

  ask(exchange: Exchange): void {
    // RFC 8484 section 4.1: the same query has the same octets.
    setId(exchange.query, 0);
    const asked = new Asked(exchange);
    this.#asked.set(exchange, asked);
    exchange.holder = this;
    this.#put(asked);
  }

  /** Called by the exchange. */
  ended(exchange: Exchange): void {
    const asked = this.#asked.get(exchange);
    if (asked === undefined) return;
    this.#asked.delete(exchange);
    this.#waiting.delete(asked);
    for (const connection of asked.on) {
      const stream = connection.streams.get(asked);
      connection.streams.delete(asked);
      if (stream !== undefined && !stream.closed) this.#abandon(connection, stream);
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

  #abandon(connection: Connection, stream: ClientHttp2Stream): void {
    const { abandoned } = connection;
    abandoned.add(stream);
    if (abandoned.size <= MAX_ABANDONED) return;
    const [oldest] = abandoned;
    abandoned.delete(oldest);
    oldest.close(CANCEL);
  }

  #put(asked: Asked): void {
    if (this.#placed(asked)) return;
    if (this.#waiting.size < MAX_WAITING) this.#waiting.add(asked);
    else if (asked.on.size === 0) asked.exchange.fail(tooManyQueries(this.#where, 'HTTPS'));
  }

  /** Asks on a connection that has room, if one has. */
  #placed(asked: Asked): boolean {
    const connection = this.#free(asked);
    if (connection === undefined) return false;
    asked.on.add(connection);
    connection.streams.set(asked, undefined);
    connection.idle?.cancel();
    connection.idle = undefined;
    this.#watch(connection);
    this.tools.stats.sent++;
    if (connection.session !== undefined) this.#request(connection, asked);
    return true;
  }

  #free(asked: Asked): Connection | undefined {
    const usable = this.#connections.filter(one => one.isUsable);
    const free = usable.find(one => one.hasRoom && !asked.on.has(one));
    if (free !== undefined) return free;
    // What the server takes is known when a connection is open.
    if (usable.length >= CONNECTIONS || usable.some(one => one.session === undefined)) return undefined;
    if (this.#connections.length >= CONNECTIONS_IN_ALL) {
      // What waits there is asked elsewhere too, or was.
      const oldest = this.#connections.find(one => one.suspect);
      if (oldest === undefined) return undefined;
      oldest.socket.destroy();
    }
    return this.#connect();
  }

  #connect(): Connection {
    const { clock, places } = this.tools;
    const socket = this.place.connect();
    const connection = new Connection(socket, clock.nowMs());
    this.#connections.push(connection);
    places.take(connection);
    socket.unref();
    socket.on('error', error => {
      connection.failure ??= error;
    });
    socket.on('secureConnect', () => {
      if (!socket.destroyed) this.#open(connection);
    });
    socket.on('close', () => this.#onClose(connection));
    return connection;
  }

  #open(connection: Connection): void {
    const { socket } = connection;
    const session = http2().connect(`https://${this.place.authority}`, {
      createConnection: () => socket,
      settings: { enablePush: false, maxHeaderListSize: 16_384 },
      maxHeaderListPairs: 64,
      peerMaxConcurrentStreams: FIRST_STREAMS,
      maxReservedRemoteStreams: 0,
    });
    connection.session = session;
    session.unref();
    session.on('error', error => {
      connection.failure ??= error;
    });
    session.on('goaway', () => {
      connection.leaving = true;
    });
    session.on('remoteSettings', ({ maxConcurrentStreams = MAX_STREAMS }) => {
      connection.most = Math.min(maxConcurrentStreams, MAX_STREAMS);
      this.#useRoom();
    });
    // It waits for its last octets to be taken; nothing of it is of use any more.
    session.on('close', () => socket.destroy());
    for (const asked of connection.streams.keys()) this.#request(connection, asked);
    this.#useRoom();
  }

  #request(connection: Connection, asked: Asked): void {
    const { query } = asked.exchange;
    let stream: ClientHttp2Stream;
    try {
      stream = connection.session!.request({
        ':method': 'POST',
        ':path': this.place.path,
        'content-type': 'application/dns-message',
        accept: 'application/dns-message',
        'content-length': String(query.length),
      });
    } catch (error) {
      // It has no stream left, or has just ended.
      connection.failure ??= error as Error;
      connection.leaving = true;
      queueMicrotask(() => {
        if (connection.streams.has(asked)) this.#lost(connection, asked);
      });
      return;
    }
    connection.streams.set(asked, stream);
    const reply = new HttpsReply(stream, () => {
      connection.heardMs = this.tools.clock.nowMs();
      connection.suspect = false;
      this.tools.places.heard(connection);
    });
    stream.on('close', () => this.#onStreamClose(connection, asked, reply));
    stream.end(query);
  }

  #onStreamClose(connection: Connection, asked: Asked, reply: HttpsReply): void {
    const { stream } = reply;
    connection.abandoned.delete(stream);
    if (connection.streams.get(asked) === stream) this.#judge(connection, asked, reply);
    this.#rest(connection);
    this.#useRoom();
  }

  #judge(connection: Connection, asked: Asked, reply: HttpsReply): void {
    const { exchange } = asked;
    const code = reply.stream.rstCode;
    const { problem } = reply;
    if (problem !== undefined) this.#fail(connection, asked, problem);
    else if (code === NO_ERROR && reply.isWhole) this.#answered(exchange, reply);
    else if (code === REFUSED_STREAM) this.#refused(connection, asked);
    else if (connection.isBroken || connection.session?.closed === true) this.#lost(connection, asked);
    else if (code === NO_ERROR) this.#fail(connection, asked, 'its response is empty, or cut off');
    else this.#fail(connection, asked, `the stream was reset with code ${code}`);
  }

  #answered(exchange: Exchange, reply: HttpsReply): void {
    const { stats } = this.tools;
    const message = reply.message();
    // Over a connection nobody else can speak, and the stream says which query it is about.
    if (!matches(message, exchange.query, exchange.questionEnd, 'folded') && !isBareError(message, exchange.query)) {
      stats.mismatched++;
      exchange.fail(this.#problem('it answered another question'));
      return;
    }
    stats.received++;
    this.#slowestMs = Math.max(this.#slowestMs * 0.9, exchange.ageMs);
    exchange.answer(message);
  }

  #fail(connection: Connection, asked: Asked, why: string): void {
    this.#letGo(connection, asked);
    asked.exchange.fail(this.#problem(why));
  }

  /** The server has not looked at it (RFC 9113 section 8.7). */
  #refused(connection: Connection, asked: Asked): void {
    this.#letGo(connection, asked);
    if (++asked.refused >= MAX_REFUSED) {
      asked.exchange.fail(this.#problem('it refuses streams'));
      return;
    }
    // Streams that a GOAWAY leaves out are over before it is told.
    setImmediate(() => {
      // As many as it has are more than it takes.
      if (connection.isUsable) connection.most = Math.max(1, Math.min(connection.most, connection.streams.size));
      this.#again(asked);
    });
  }

  #lost(connection: Connection, asked: Asked): void {
    this.#letGo(connection, asked);
    if (asked.on.size > 0 || this.#waiting.has(asked)) return;
    // Who was never there will not be a moment later.
    const wasOpen = connection.session !== undefined;
    if (++asked.broken > 1 || !wasOpen || connection.gaveWay || this.#closed)
      asked.exchange.fail(this.#error(connection));
    else this.#again(asked);
  }

  #letGo(connection: Connection, asked: Asked): void {
    connection.streams.delete(asked);
    asked.on.delete(connection);
  }

  #again(asked: Asked): void {
    if (!asked.exchange.ended && !this.#waiting.has(asked)) this.#put(asked);
  }

  #onClose(connection: Connection): void {
    connection.idle?.cancel();
    connection.silence?.cancel();
    connection.session?.destroy();
    this.tools.places.leave(connection);
    this.#connections.splice(this.#connections.indexOf(connection), 1);
    for (const asked of [...connection.streams.keys()]) this.#lost(connection, asked);
    this.#useRoom();
    this.#ifEmpty();
  }

  #problem(why: string): ShardnsError {
    return new ShardnsError('ERR_SHARDNS_UPSTREAM', `${this.#where} over HTTPS: ${why}`);
  }
  #error({ failure, gaveWay }: Connection): ShardnsError {
    if (gaveWay) {
      const text = `${this.#where}: its HTTPS connection gave way to another server's`;
      return new ShardnsError('ERR_SHARDNS_OVERLOAD', text);
    }
    const what = failure !== undefined ? `failed: ${failure.message}` : 'was closed';
    const text = `${this.#where}: the HTTPS connection ${what}`;
    return new ShardnsError('ERR_SHARDNS_UPSTREAM', text, { cause: failure });
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
    if (connection.streams.size > 0) return;
    connection.silence?.cancel();
    connection.silence = undefined;
    if (connection.session === undefined || !connection.isUsable) connection.socket.destroy();
    else connection.idle ??= this.tools.clock.after(IDLE_MS, () => this.#retire(connection));
  }

  /** Says goodbye, where it can. */
  #retire(connection: Connection): void {
    for (const stream of connection.abandoned) stream.close(CANCEL);
    connection.leaving = true;
    connection.session?.close();
  }

  #watch(connection: Connection): void {
    connection.silence ??= this.tools.clock.after(this.#silenceMs, () => {
      connection.silence = undefined;
      const [oldest] = connection.streams.keys();
      if (oldest === undefined) return;
      const silent = this.tools.clock.nowMs() - Math.max(connection.heardMs, oldest.exchange.beganMs);
      if (silent < this.#silenceMs - 1) {
        this.#watch(connection);
        return;
      }
      connection.suspect = true;
      for (const asked of connection.streams.keys()) {
        if (asked.on.size === 1 && asked.broken === 0) {
          asked.broken++;
          this.#again(asked);
        }
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
