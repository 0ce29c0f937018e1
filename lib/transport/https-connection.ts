// A connection to a server over HTTP/2, with what is asked on it; what becomes of either is for HttpsServer.
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { Exchange } from './pending.js';
import { KeptConnection } from './server-connections.js';

/** Until the server has said how many it takes (RFC 9113 section 6.5.2 recommends no less). */
export const FIRST_STREAMS = 100;

/** One query in so many finds out whether a server takes more again than it did: each may be refused three times. */
const ANSWERS_PER_STREAM = 100;

/** A query and where it is asked. */
export class Asked {
  readonly on = new Set<Connection>();
  /** Connections that broke, or fell silent, under it. */
  broken = 0;
  refused = 0;
  constructor(readonly exchange: Exchange) {}
}

export class Connection extends KeptConnection {
  session: ClientHttp2Session | undefined;
  /** Queries that are asked here, oldest first; without a stream until it is open. */
  readonly streams = new Map<Asked, ClientHttp2Stream | undefined>();
  readonly abandoned = new Set<ClientHttp2Stream>();
  /** Streams at a time: what the server says, less where it refuses some. */
  most = FIRST_STREAMS;
  #allowed = FIRST_STREAMS;
  /** Good answers since `most` was changed, and how many make room for one stream more. */
  #answered = 0;
  #answersPerStream = 1;
  /** The streams that there were at the first refusal of this turn of the event loop, and how many were refused. */
  #refusal: { streams: number; refused: number } | undefined;
  /** The server takes no more streams: it has said GOAWAY. */
  leaving = false;

  *exchanges(): Generator<Exchange> {
    for (const { exchange } of this.streams.keys()) yield exchange;
  }

  /** Nothing more comes of it. */
  get isBroken(): boolean {
    return this.socket.destroyed || this.session?.destroyed === true;
  }
  /** May be asked, now or when it has room. */
  get isUsable(): boolean {
    return !this.suspect && !this.leaving && !this.isBroken && this.session?.closed !== true;
  }
  get hasRoom(): boolean {
    return this.#refusal === undefined && this.open < this.most;
  }
  /** What the server counts. */
  get open(): number {
    return this.streams.size + this.abandoned.size;
  }

  /** The server says how many it takes. */
  allows(most: number): void {
    this.most = this.#allowed = most;
  }
  /** Called before the stream is let go. */
  refuses(): void {
    this.#refusal ??= { streams: this.open, refused: 0 };
    this.#refusal.refused++;
  }
  /**
   * The turn in which it has refused some is over. It takes as many as it has left, and what it takes beyond is tried with
   * few queries; where it has refused all, for reasons of the moment, half of them are tried, and soon more.
   */
  narrow(): void {
    if (this.#refusal === undefined) return;
    const { streams, refused } = this.#refusal;
    this.#refusal = undefined;
    const taken = streams - refused;
    this.#answered = 0;
    this.#answersPerStream = taken > 0 ? ANSWERS_PER_STREAM : 1;
    this.most = Math.max(1, Math.min(this.most, taken > 0 ? taken : streams >> 1));
  }
  /** A good answer. */
  widen(): void {
    if (this.most >= this.#allowed || ++this.#answered < this.#answersPerStream) return;
    this.#answered = 0;
    this.most++;
  }
}
