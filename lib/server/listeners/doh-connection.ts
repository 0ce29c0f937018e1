// One client's requests over HTTPS, however they are framed: its place among the connections, what it holds, how long it may
// take, and its questions. What a framing (HTTP/1.1, HTTP/2) adds is how requests are read and replies are written.
//
// Bounds: `maxQueuedBytes` of bodies and queries under way, and as much of replies that the client does not take: beyond
// either the connection is closed, since there is no reading one request and not the next. `maxPipelined` queries under
// way, twice: those that the client has called off meanwhile are still answered. In time those of IdleWatch, and
// `messageTimeoutMs` from the head of a request until it is whole.
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../base/clock.js';
import { binding, Silence } from '../../native/binding.js';
import { padded, REPLY_BLOCK } from '../../wire/opt.js';
import type { Answerer, Reply } from '../answerer.js';
import type { ForwardedFor, ForwardedHeader } from './forwarded-for.js';
import { IdleWatch } from './idle-watch.js';
import type { StreamClient } from './stream-session.js';
import type { Connection, TcpConnections } from './tcp-connections.js';

/** What a request costs beside its octets. */
const REQUEST_OVERHEAD = 512;

export type HttpVersion = 'http1' | 'h2';
export type Framing = 'native' | 'node';

/** Of all listeners over HTTPS. */
export interface HttpsStats {
  /** Who frames HTTP/2: nghttp2, natively, or Node. */
  framing: Framing;
  readonly connections: Record<HttpVersion, number>;
  /** By status. */
  readonly responses: Record<number, number>;
  /** Connections that were closed because the client broke, or stretched, what HTTP allows. */
  abusive: number;
}
export const newHttpsStats = (): HttpsStats => ({
  framing: binding().hasHttp2 ? 'native' : 'node',
  connections: { http1: 0, h2: 0 },
  responses: {},
  abusive: 0,
});

/**
 * Of a request to which no DNS message is due: not even one with an error, which RFC 8484 section 4.2.1 would have as 200.
 * 429 for who is over a rate (RFC 6585 section 4); 403 for what a list drops, as dnsdist has it.
 */
export const statusOf = (why: number | undefined): number =>
  why === Silence.limited ? 429 : why === Silence.blocked ? 403 : 400;

export interface DohReply {
  readonly status: number;
  /** Of the DNS message, which the next reply overwrites. */
  readonly octets?: Uint8Array;
  /** `cache-control` (RFC 8484 section 5.1). */
  readonly freshness?: string;
}

export interface DohConnectionParts {
  readonly socket: Duplex;
  readonly client: StreamClient;
  readonly answerer: Answerer;
  readonly clock: Clock;
  /** Whose options it obeys, and where it tells what it holds. */
  readonly connections: TcpConnections;
  readonly forwarded: ForwardedFor;
  readonly stats: HttpsStats;
  readonly notify: { began(): void; ended(): void };
}

export class DohConnection implements Connection {
  readonly address: string;
  /** By which header the client, which is a proxy, says for whom it asks; undefined: it is none. */
  readonly forwardedBy: ForwardedHeader | undefined;
  readonly #idle: IdleWatch;
  /** Requests that are not whole, the oldest first, with the time when they began. */
  readonly #partial = new Map<object, number>();
  #slow: Timer | undefined;
  #underWay = 0;
  /** Octets of bodies and queries; of replies. */
  #asking = 0;
  #unread = 0;
  /** Of both, what a framing of its own holds. */
  #framed = 0;
  /** When the oldest request began that is not whole. */
  readonly #oldest: () => number | undefined;

  /** @param oldest where the framing knows it, and does not tell by `begin` and `end` */
  constructor(
    readonly parts: DohConnectionParts,
    oldest?: () => number | undefined,
  ) {
    this.#oldest = oldest ?? (() => this.#partial.values().next().value);
    const { socket, client, clock, connections, forwarded } = parts;
    this.address = client.address;
    this.forwardedBy = forwarded.headerOf(client.address);
    this.#idle = new IdleWatch({
      clock,
      connections,
      isBusy: () => this.#underWay > 0,
      close: () => this.destroy(),
    });
    socket.on('error', () => this.destroy());
    socket.on('close', () => this.#gone());
  }

  /** What its framing does to have the client go elsewhere. */
  farewell: () => void = () => this.destroy();
  #isLeaving = false;

  /** Ends it when what has come over it is answered. */
  finish(): void {
    if (this.#isLeaving || this.isGone) return;
    this.#isLeaving = true;
    this.farewell();
  }
  get isLeaving(): boolean {
    return this.#isLeaving;
  }
  /** A request is not whole, or not answered. */
  get isBusy(): boolean {
    return this.#underWay > 0 || this.#partial.size > 0;
  }
  get isGone(): boolean {
    return this.parts.socket.destroyed;
  }
  destroy(): void {
    this.parts.socket.destroy();
  }
  /** Closes it for what the client does. */
  abused(): void {
    if (this.isGone) return;
    this.faulted();
    this.destroy();
  }
  /** The same where the framing closes it. */
  faulted(): void {
    this.parts.stats.abusive++;
  }

  /** The head of a request is there, and its body is not. */
  begin(request: object): void {
    this.#partial.set(request, this.parts.clock.nowMs());
    this.watch();
  }
  /** So many octets of its body came. */
  received(octets: number): void {
    this.#hold(octets, 0);
  }
  /** It is whole, or called off; its body, of so many octets, is held no longer. */
  end(request: object, octets: number): void {
    this.#partial.delete(request);
    this.#hold(-octets, 0);
  }

  /** A whole request has come. Who takes no replies does not keep the connection by asking more. */
  active(): void {
    if (this.#unread === 0) this.#idle.active();
  }
  /** What a framing of its own holds, and has written that is not taken. */
  holds(framed: number, unread: number): void {
    this.#framed = framed;
    this.#hold(0, unread - this.#unread);
  }

  /**
   * Calls `reply` once, unless the connection is gone then.
   * @param forwarded what the header `forwardedBy` says, all its lines with a comma between them
   */
  ask(query: Uint8Array, forwarded: string | undefined, reply: (reply: DohReply) => void): void {
    this.askFor(query, forwarded, (answer, why) =>
      reply(answer === undefined ? this.refuse(statusOf(why)) : this.#made(answer)),
    );
  }
  /** The same, and the message as it is; none is due. */
  askFor(query: Uint8Array, forwarded: string | undefined, reply: Reply): void {
    this.active();
    const { answerer, client } = this.parts;
    const { forwardedBy } = this;
    const asker =
      forwardedBy === undefined ? client : this.parts.forwarded.clientOf(forwarded ?? '', forwardedBy, client);
    this.#ask(query, asker, answerer.answer.bind(answerer), reply);
  }
  /** The same for a query that was looked up natively, under `tag`, and is a miss: the message as it is; none is due. */
  askMissed(query: Uint8Array, tag: number, reply: Reply): void {
    const { answerer, client } = this.parts;
    this.#ask(query, client, (message, asker, done) => answerer.answerMiss(message, asker, tag, done), reply);
  }
  #ask(query: Uint8Array, client: StreamClient, ask: Answerer['answer'], reply: Reply): void {
    const { connections, notify } = this.parts;
    if (this.#underWay >= 2 * connections.options.maxPipelined) {
      this.abused();
      return;
    }
    const octets = 2 * query.length + REQUEST_OVERHEAD;
    this.#hold(octets, 0);
    if (this.#underWay++ === 0) connections.busy(this);
    notify.began();
    ask(query, { protocol: 'https', client }, (answer, why) => {
      if (--this.#underWay === 0) connections.rests(this);
      notify.ended();
      this.#hold(-octets, 0);
      if (!this.isGone) reply(answer, why);
    });
  }

  /** A reply without a DNS message. */
  refuse(status: number): DohReply {
    this.count(status);
    this.active();
    return { status };
  }

  /** A reply of so many octets is on its way, and then the client has taken it. */
  writes(octets: number): void {
    this.#hold(0, octets);
  }
  wrote(octets: number): void {
    this.#idle.active();
    this.#hold(0, -octets);
  }
  /** It never will be taken: the client has called it off. */
  dropped(octets: number): void {
    this.#hold(0, -octets);
  }

  #made(answer: Uint8Array): DohReply {
    this.count(200);
    // With EDNS in blocks, whether the query was padded or not: nobody is to read lengths (RFC 7830 section 4).
    const octets = padded(answer, REPLY_BLOCK);
    const seconds = binding().freshSeconds(octets);
    return { status: 200, octets, freshness: seconds === 0 ? 'no-store' : `max-age=${seconds}` };
  }
  /** Responses. */
  count(status: number, times = 1): void {
    const { responses } = this.parts.stats;
    if (times > 0) responses[status] = (responses[status] ?? 0) + times;
  }

  #hold(asking: number, unread: number): void {
    if (this.isGone) return;
    this.#asking += asking;
    this.#unread += unread;
    const { maxQueuedBytes } = this.parts.connections.options;
    if (Math.max(this.#asking, this.#unread, this.#framed) > maxQueuedBytes) this.abused();
    else this.parts.connections.holds(this, this.#asking + this.#unread + this.#framed);
  }

  /** A request has begun that is not whole. One timer for all: the oldest is out of time first. */
  watch(): void {
    const began = this.#slow === undefined ? this.#oldest() : undefined;
    if (began === undefined) return;
    const { clock, connections } = this.parts;
    const left = began + connections.options.messageTimeoutMs - clock.nowMs();
    this.#slow = clock.after(Math.max(1, left), () => {
      this.#slow = undefined;
      const oldest = this.#oldest();
      if (oldest === undefined) return;
      if (clock.nowMs() - oldest < connections.options.messageTimeoutMs) this.watch();
      else {
        connections.stats.slowClosed++;
        this.destroy();
      }
    });
  }

  #gone(): void {
    this.#idle.cancel();
    this.#slow?.cancel();
    this.#partial.clear();
    this.parts.connections.leave(this);
  }
}
