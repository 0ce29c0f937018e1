// The HTTP/2 connections to one server (RFC 8484, RFC 9113): a stream for each query, responses in any order. A query that is
// unanswered on a connection that broke is asked once more on a new one; one that the server has not looked at (REFUSED_STREAM,
// or above the last stream of its GOAWAY) is asked again too.
//
// A stream that nobody waits for any more is let run to its end: servers count streams that are called off, and close
// connections that have many of them (CVE-2023-44487).
//
// Bounds: 1 connection, 2 while the first has all the streams that it may have, 4 with those that are silent or leaving;
// 256 streams on one, less where the server says so or refuses some; a response of 65,535 octets; 2 connections a query, and
// 3 refusals; 30 s idle; those of ServerConnections. Of all servers: TcpPlaces.
import type { ClientHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { SocketAddress } from '../base/address.js';
import { ShardnsError } from '../base/errors.js';
import { Asked, Connection, FIRST_STREAMS } from './https-connection.js';
import { HttpsReply, NO_ERROR } from './https-reply.js';
import { type Exchange, setId } from './pending.js';
import { ServerConnections } from './server-connections.js';
import type { StreamTools } from './stream-transport.js';

/** To one server; with those that are silent or leaving. */
const CONNECTIONS = { usual: 2, inAll: 4 };
/**
 * On a connection (with responses of the greatest length, 16 MiB); that nobody waits for, at most half of those that the
 * server takes, beyond which the oldest is called off after all; refused of a query.
 */
const STREAMS = { most: 256, abandoned: 64, refused: 3 };
const IDLE_MS = 30_000;
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

export class HttpsServer extends ServerConnections<Connection, Asked> {
  /** What the server has said last that it takes on a connection: a new one is no wider, before it says so again. */
  #told: number | undefined;

  constructor(
    server: SocketAddress,
    tools: StreamTools,
    private readonly at: HttpsPlace,
  ) {
    super(server, tools, 'HTTPS');
  }

  protected begun(exchange: Exchange): Asked {
    // RFC 8484 section 4.1: the same query has the same octets.
    setId(exchange.query, 0);
    return new Asked(exchange);
  }
  protected leave(asked: Asked): void {
    for (const connection of asked.on) {
      const stream = connection.streams.get(asked);
      connection.streams.delete(asked);
      if (stream !== undefined && !stream.closed) this.#abandon(connection, stream);
      this.#rest(connection);
    }
  }
  protected placesOf({ on }: Asked): number {
    return on.size;
  }
  protected fellSilent(asked: Asked): boolean {
    if (asked.on.size > 1 || asked.broken > 0) return false;
    asked.broken++;
    return this.#mayWait(asked);
  }

  protected get room(): { all: number; free: number } {
    const open = this.connections.filter(one => one.isUsable);
    const unopened = Math.max(0, CONNECTIONS.usual - open.length) * (open[0]?.most ?? FIRST_STREAMS);
    const all = open.reduce((sum, one) => sum + one.most, unopened);
    return { all, free: open.reduce((sum, one) => sum + Math.max(0, one.most - one.open), unopened) };
  }
  protected probe(connection: Connection): boolean {
    try {
      // Answered whatever the streams wait for (RFC 9113 section 6.7).
      return connection.session?.ping(error => error === null && this.heard(connection)) === true;
    } catch {
      return false; // it has just ended
    }
  }

  #abandon(connection: Connection, stream: ClientHttp2Stream): void {
    connection.abandoned.add(stream);
    this.#callOffOldest(connection);
  }
  #callOffOldest({ abandoned, most }: Connection): void {
    // The others are for questions, however few the server takes.
    const bound = Math.min(STREAMS.abandoned, most >> 1);
    for (const oldest of abandoned) {
      if (abandoned.size <= bound) return;
      abandoned.delete(oldest);
      oldest.close(CANCEL);
    }
  }

  protected placed(asked: Asked): boolean {
    const connection = this.#free(asked);
    if (connection === undefined) return false;
    asked.on.add(connection);
    connection.streams.set(asked, undefined);
    connection.asks();
    this.watch(connection);
    this.tools.stats.sent++;
    if (connection.session !== undefined) this.#request(connection, asked);
    return true;
  }

  #free(asked: Asked): Connection | undefined {
    const usable = this.connections.filter(one => one.isUsable);
    const free = usable.find(one => one.hasRoom && !asked.on.has(one));
    if (free !== undefined) return free;
    // What the server takes is known when a connection is open.
    if (usable.length >= CONNECTIONS.usual || usable.some(one => one.session === undefined)) return undefined;
    return this.hasRoomAmong(CONNECTIONS.inAll) ? this.#connect() : undefined;
  }

  #connect(): Connection {
    const socket = this.at.connect();
    const connection = new Connection(socket, this.tools.clock);
    if (this.#told !== undefined) connection.allows(this.#told);
    this.add(connection);
    socket.on('secureConnect', () => {
      if (!socket.destroyed) this.#open(connection);
    });
    socket.on('close', () => {
      connection.session?.destroy();
      this.remove(connection, () => {
        for (const asked of [...connection.streams.keys()]) this.#lost(connection, asked);
      });
    });
    return connection;
  }

  #open(connection: Connection): void {
    const { socket } = connection;
    const session = http2().connect(`https://${this.at.authority}`, {
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
    session.on('remoteSettings', ({ maxConcurrentStreams = STREAMS.most }) => {
      this.#told = Math.min(maxConcurrentStreams, STREAMS.most);
      connection.allows(this.#told);
      this.#callOffOldest(connection);
      this.useRoom();
    });
    // It waits for its last octets to be taken; nothing of it is of use any more.
    session.on('close', () => socket.destroy());
    for (const asked of connection.streams.keys()) this.#request(connection, asked);
    this.useRoom();
  }

  #request(connection: Connection, asked: Asked): void {
    const { query } = asked.exchange;
    let stream: ClientHttp2Stream;
    try {
      stream = connection.session!.request({
        ':method': 'POST',
        ':path': this.at.path,
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
    const reply = new HttpsReply(stream, () => this.heard(connection));
    stream.on('close', () => this.#onStreamClose(connection, asked, reply));
    stream.end(query);
  }

  #onStreamClose(connection: Connection, asked: Asked, reply: HttpsReply): void {
    const { stream } = reply;
    connection.abandoned.delete(stream);
    if (connection.streams.get(asked) === stream) this.#judge(connection, asked, reply);
    this.#rest(connection);
    this.useRoom();
  }

  #judge(connection: Connection, asked: Asked, reply: HttpsReply): void {
    const { exchange } = asked;
    const code = reply.stream.rstCode;
    const { problem } = reply;
    if (problem !== undefined) this.#fail(connection, asked, problem);
    else if (code === NO_ERROR && reply.isWhole) this.#answered(connection, exchange, reply);
    else if (code === REFUSED_STREAM) this.#refused(connection, asked);
    else if (connection.isBroken || connection.session?.closed === true) this.#lost(connection, asked);
    else if (code === NO_ERROR) this.#fail(connection, asked, 'its response is empty, or cut off');
    else this.#fail(connection, asked, `the stream was reset with code ${code}`);
  }

  #answered(connection: Connection, exchange: Exchange, reply: HttpsReply): void {
    const message = reply.message();
    connection.widen();
    connection.answers();
    // The stream says which query it is about.
    if (this.isAnswer(exchange, message)) exchange.answer(message);
    else exchange.fail(this.#problem('it answered another question'));
  }

  #fail(connection: Connection, asked: Asked, why: string): void {
    this.#letGo(connection, asked);
    asked.exchange.fail(this.#problem(why));
  }

  /** The server has not looked at it (RFC 9113 section 8.7). */
  #refused(connection: Connection, asked: Asked): void {
    connection.refuses();
    this.#letGo(connection, asked);
    // Streams that a GOAWAY leaves out are over before it is told.
    setImmediate(() => {
      connection.narrow();
      this.#callOffOldest(connection);
      this.#again(asked);
      this.useRoom();
    });
    if (++asked.refused >= STREAMS.refused) asked.exchange.fail(this.#problem('it refuses streams'));
  }

  #lost(connection: Connection, asked: Asked): void {
    this.#letGo(connection, asked);
    if (asked.on.size > 0 || this.isWaiting(asked)) return;
    // Who was never there will not be a moment later.
    const wasOpen = connection.session !== undefined;
    if (++asked.broken > 1 || !wasOpen || connection.gaveWay || this.closed)
      asked.exchange.fail(this.lossOf(connection));
    else this.#again(asked);
  }

  #letGo(connection: Connection, asked: Asked): void {
    connection.streams.delete(asked);
    asked.on.delete(connection);
  }

  #again(asked: Asked): void {
    if (this.#mayWait(asked)) this.place(asked);
  }
  #mayWait(asked: Asked): boolean {
    return !asked.exchange.ended && !this.isWaiting(asked);
  }

  #problem(why: string): ShardnsError {
    return new ShardnsError('ERR_SHARDNS_UPSTREAM', `${this.where} over HTTPS: ${why}`);
  }

  /** A connection that nothing waits for is kept for a while; one that is not even made is given up. */
  #rest(connection: Connection): void {
    if (connection.streams.size > 0) return;
    connection.rests();
    if (connection.session === undefined || !connection.isUsable) connection.socket.destroy();
    else connection.idle ??= this.tools.clock.after(IDLE_MS, () => this.#retire(connection));
  }

  /** Says goodbye, where it can. */
  #retire(connection: Connection): void {
    for (const stream of connection.abandoned) stream.close(CANCEL);
    connection.leaving = true;
    connection.session?.close();
  }
}
