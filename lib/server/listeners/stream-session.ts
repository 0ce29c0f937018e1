// One client's queries over a stream of any kind, each with its length before it (RFC 7766; TLS has them so too, RFC 7858
// section 3.3): pipelined queries, replies in the order they are ready. A client that has shut its sending side still gets
// its replies (RFC 7766 section 6.2.1.1), and is closed behind them.
//
// Bounds: `maxPipelined` queries under way, which hold `maxQueuedBytes` and one query more at most: padded, each may have
// 64 KiB. `maxQueuedBytes` of replies that the client does not read, or one reply; what does not fit is kept where all
// connections together have room for that (see TcpConnections), else its query is answered anew when the client has caught
// up. Until then, and while it is over its bounds of queries, it is not read. In time: it is closed `idleTimeoutMs` after
// its last whole query or the last reply that it took, `messageTimeoutMs` after the first octet of a query that has not
// become whole, and in any case after what IdleWatch allows.
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../base/clock.js';
import { Silence } from '../../native/binding.js';
import { frame, frameOctets, MessageReader } from '../../transport/framing.js';
import { Rcode } from '../../wire/iana.js';
import type { Answerer } from '../answerer.js';
import { findOption, OptionCode, padded, REPLY_BLOCK } from '../../wire/opt.js';
import type { MessageSource } from '../../zone/authority/requests.js';
import { IdleWatch, LAST_CALL_MS } from './idle-watch.js';
import { isEncrypted, type StreamProtocol } from './protocols.js';
import type { Connection, TcpConnections } from './tcp-connections.js';
import { TcpKeepalive } from './tcp-keepalive.js';

/** What a query that waits costs beside its octets. */
const QUERY_OVERHEAD = 128;
/** What one under way holds: its octets here, and the resolver's copy. */
const askedOctets = (query: Buffer): number => 2 * query.length + QUERY_OVERHEAD;

/** So many octets of replies are copied together for one write; of more each copy costs more than the writes save. */
const JOINED_OCTETS = 32 * 1024;

/** Of a reply of many messages, so many octets are made before the client takes some. */
const SOURCE_OCTETS = 128 * 1024;

/** A reply of many messages, as those of a zone transfer. */
interface Outgoing {
  /** Undefined when it has been sent. */
  first: Uint8Array | undefined;
  readonly source: MessageSource;
  /** All of it has been made. */
  done(): void;
}

/** Who is at the other end, as whoever took the stream knows: a stream has no address. */
export interface StreamClient {
  readonly address: string;
  readonly port: number;
}

export interface StreamSessionParts {
  /** With octets, in both directions. */
  readonly stream: Duplex;
  readonly client: StreamClient;
  readonly protocol: StreamProtocol;
  readonly answerer: Answerer;
  readonly clock: Clock;
  /** Whose options it obeys, and where it tells what it holds. */
  readonly connections: TcpConnections;
  readonly notify: { began(): void; ended(): void };
}

export class StreamSession implements Connection {
  readonly address: string;
  readonly #keepalive = new TcpKeepalive();
  readonly #reader = new MessageReader();
  readonly #asker: { protocol: StreamProtocol; client: StreamClient };
  /** Whether replies to queries that are padded are padded too (RFC 7830 section 4). */
  readonly #pads: boolean;
  readonly #stream: Duplex;
  readonly #answerer: Answerer;
  readonly #clock: Clock;
  readonly #connections: TcpConnections;
  readonly #notify: StreamSessionParts['notify'];
  #underWay = 0;
  #askedOctets = 0;
  readonly #idle: IdleWatch;
  /** Runs while a message is not whole. */
  #message: Timer | undefined;
  #ended = false;
  /** The client is to go elsewhere: it is still read, or not any more. */
  #leaving: 'read' | 'unread' | undefined;
  #lastCall: Timer | undefined;
  #hasAsked = false;
  /** A reply did not fit; no query is begun before the client has read all. */
  #full = false;
  /** Replies of this turn of the event loop, framed: one write for all. */
  #gathered: Uint8Array[] = [];
  #gatheredOctets = 0;
  /** Replies that did not fit and are kept, framed. */
  #unsent: Uint8Array[] = [];
  #unsentOctets = 0;
  #waiting: Buffer[] = [];
  #waitingOctets = 0;
  /** Replies of many messages; those of the first are made while the client takes them. */
  #outgoing: Outgoing[] = [];
  readonly #onWritten = (): void => this.#written();

  constructor({ stream, client, protocol, answerer, clock, connections, notify }: StreamSessionParts) {
    this.#stream = stream;
    this.#answerer = answerer;
    this.#clock = clock;
    this.#connections = connections;
    this.#notify = notify;
    this.address = client.address;
    this.#asker = { protocol, client };
    this.#pads = isEncrypted(protocol);
    this.#idle = new IdleWatch({
      clock,
      connections,
      isBusy: () => this.#underWay > 0,
      close: () => stream.destroy(),
    });
    stream.on('error', () => stream.destroy());
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('end', () => {
      this.#ended = true;
      this.#message?.cancel(); // it never becomes whole
      this.#endIfDone();
    });
    stream.on('close', () => this.#gone());
  }

  destroy(): void {
    this.#stream.destroy();
  }
  /**
   * Ends the stream as soon as nothing of it is under way, of one that has just begun when LAST_CALL_MS have passed; what has
   * come, and what comes until then, is answered. Who asks is told by edns-tcp-keepalive, too, that there is no time left (RFC 7828 section 3.4).
   */
  finish(): void {
    if (this.#leaving !== undefined || this.#stream.destroyed) return;
    this.#leaving = 'read';
    this.#lastCall = this.#clock.after(LAST_CALL_MS, () => {
      this.#leaving = 'unread';
      this.#endIfDone();
    });
    this.#endIfDone();
  }

  #gone(): void {
    this.#idle.cancel();
    this.#message?.cancel();
    this.#lastCall?.cancel();
    this.#waiting = [];
    for (const { source } of this.#outgoing.splice(0)) source.close();
    this.#connections.release(this.#unsentOctets);
    this.#unsent = [];
    this.#unsentOctets = 0;
    this.#gathered = [];
    this.#gatheredOctets = 0;
    this.#connections.leave(this);
  }

  /** The time that a message may take runs from its first octet, and stands still while nothing is read. */
  #watchMessage(begins: boolean): void {
    const partial = this.#reader.buffered > 0 && !this.#ended && !this.#stream.isPaused();
    if (partial && !begins && this.#message !== undefined) return;
    this.#message?.cancel();
    this.#message = partial
      ? this.#clock.after(this.#connections.options.messageTimeoutMs, () => {
          this.#connections.stats.slowClosed++;
          this.#stream.destroy();
        })
      : undefined;
  }

  #onData(chunk: Buffer): void {
    if (this.#leaving === 'unread' || this.#stream.writableEnded) return;
    const messages = this.#reader.push(chunk);
    for (const message of messages) {
      this.#waiting.push(message);
      this.#waitingOctets += message.length + QUERY_OVERHEAD;
    }
    // Who reads no replies does not keep the connection by asking more.
    if (messages.length > 0 && this.#unread === 0) this.#idle.active();
    if (messages.length > 0) this.#hasAsked = true;
    this.#serve();
    this.#watchMessage(messages.length > 0);
    if (this.#leaving !== undefined) this.#endIfDone();
  }

  /** The kernel has taken a reply. */
  #written(): void {
    if (this.#stream.destroyed) return;
    this.#idle.active();
    this.#makeMore();
    if (this.#full && this.#unread === 0) {
      this.#sendKept();
      this.#full = this.#unsent.length > 0;
      this.#serve();
      this.#endIfDone();
    } else this.#count();
  }

  #sendKept(): void {
    let sent = 0;
    let octets = 0;
    for (const framed of this.#unsent) {
      if (!this.#fits(framed.length)) break;
      octets += framed.length;
      this.#send(framed);
      sent++;
    }
    this.#unsent.splice(0, sent);
    this.#unsentOctets -= octets;
    this.#connections.release(octets);
  }
  /** Octets that the kernel has not taken. */
  get #unread(): number {
    return this.#stream.writableLength + this.#gatheredOctets;
  }
  #fits(octets: number): boolean {
    const unread = this.#unread;
    return unread === 0 || unread + octets <= this.#connections.options.maxQueuedBytes;
  }

  #serve(): void {
    const stream = this.#stream;
    while (
      this.#waiting.length > 0 &&
      !this.#full &&
      !stream.destroyed &&
      this.#underWay < this.#connections.options.maxPipelined &&
      this.#askedOctets < this.#connections.options.maxQueuedBytes
    ) {
      const message = this.#waiting.shift()!;
      this.#waitingOctets -= message.length + QUERY_OVERHEAD;
      this.#serveOne(message);
    }
    const behind = this.#waiting.length > 0;
    if (behind !== stream.isPaused() && !stream.destroyed) {
      if (behind) stream.pause();
      else stream.resume();
      this.#watchMessage(true);
    }
    this.#count();
  }

  #count(): void {
    const replies = this.#unread + this.#unsentOctets;
    this.#connections.holds(this, replies + this.#waitingOctets + this.#askedOctets + this.#reader.buffered);
  }

  #serveOne(query: Buffer): void {
    let message = query;
    this.#askedOctets += askedOctets(message);
    if (this.#underWay++ === 0) this.#connections.busy(this);
    this.#notify.began();
    let answered = false;
    let over = false;
    const { keepalive } = this.#connections.options;
    const end = (): void => {
      over = true;
      this.#askedOctets -= askedOctets(message);
      if (--this.#underWay === 0) this.#connections.rests(this);
      this.#notify.ended();
    };
    const reply = (octets: Uint8Array | undefined, why?: number, more?: MessageSource): void => {
      if (more === undefined) end();
      if (this.#stream.destroyed) {
        more?.close();
        return;
      }
      if (octets === undefined && why !== Silence.blocked) {
        // Not a query: whoever sends that is no DNS client.
        this.flush();
        this.#stream.destroy();
        return;
      }
      // What a list drops leaves the other queries of the connection alone.
      if (octets !== undefined && more === undefined) this.#reply(octets, message);
      const goOn = (): void => {
        this.#serve();
        this.#endIfDone();
      };
      if (more !== undefined) {
        this.#outgoing.push({
          first: octets,
          source: more,
          done: () => {
            end();
            goOn();
          },
        });
        this.#makeMore();
      } else if (answered) goOn();
    };
    if (keepalive && !this.#keepalive.accepts(query)) reply(this.#answerer.refuse(query, Rcode.FORMERR, false));
    else this.#answerer.answer(query, this.#asker, reply);
    answered = true;
    // What waits would keep all that came with it: up to 64 KiB for each query.
    if (!over) message = Buffer.from(query);
  }

  #reply(octets: Uint8Array, message: Buffer): void {
    // What does not fit, and never will beside what is there, is not copied first.
    const least = frameOctets(octets);
    const fits = this.#unsent.length === 0 && this.#fits(least);
    if (!fits && !this.#connections.canKeep(this.#unsentOctets, least)) {
      this.#askAnew(message);
      return;
    }
    const { keepalive, idleTimeoutMs } = this.#connections.options;
    const leftMs = this.#leaving === undefined ? idleTimeoutMs : 0;
    let whole = keepalive ? this.#keepalive.tell(octets, leftMs) : octets;
    if (this.#pads && findOption(message, OptionCode.padding) !== undefined) whole = padded(whole, REPLY_BLOCK);
    const framed = frame(whole);
    if (fits && this.#fits(framed.length)) {
      this.#send(framed);
    } else if (this.#connections.keep(this.#unsentOctets, framed.length)) {
      this.#full = true;
      this.#unsent.push(framed);
      this.#unsentOctets += framed.length;
    } else this.#askAnew(message);
  }
  /** When the client has read what there is. */
  #askAnew(message: Buffer): void {
    this.#full = true;
    this.#waiting.unshift(message);
    this.#waitingOctets += message.length + QUERY_OVERHEAD;
  }

  /** As many messages as the client has room for; the next when it has taken these. */
  #makeMore(): void {
    try {
      while (this.#outgoing.length > 0 && !this.#stream.destroyed && this.#unread < SOURCE_OCTETS) {
        const [next] = this.#outgoing;
        const message = next.first ?? next.source.next();
        next.first = undefined;
        if (message !== undefined) this.#send(frame(message));
        else {
          this.#outgoing.shift();
          next.done();
        }
      }
    } catch {
      // What has been begun cannot be ended: the client sees that it is not whole.
      this.#stream.destroy();
    }
  }

  #send(framed: Uint8Array): void {
    if (this.#gathered.length === 0) this.#connections.flushLater(this);
    this.#gathered.push(framed);
    this.#gatheredOctets += framed.length;
  }

  /** Writes what the turn has brought. Records of TLS come one by one, and a write costs more than an answer. */
  flush(): void {
    const gathered = this.#gathered;
    if (gathered.length === 0) return;
    const octets = this.#gatheredOctets;
    this.#gathered = [];
    this.#gatheredOctets = 0;
    const stream = this.#stream;
    if (stream.destroyed) return;
    if (gathered.length === 1 || octets <= JOINED_OCTETS) {
      stream.write(gathered.length === 1 ? gathered[0] : Buffer.concat(gathered, octets), this.#onWritten);
      return;
    }
    const last = gathered.pop()!;
    stream.cork();
    for (const one of gathered) stream.write(one);
    stream.write(last, this.#onWritten);
    stream.uncork();
  }

  #endIfDone(): void {
    if (!this.#ended && this.#leaving === undefined) return;
    if (this.#underWay > 0 || this.#waiting.length + this.#unsent.length > 0) return;
    // Who has just connected is about to ask.
    const isAsking = this.#leaving === 'read' && (this.#reader.buffered > 0 || !this.#hasAsked);
    if ((isAsking && !this.#ended) || this.#stream.writableEnded) return;
    this.#message?.cancel();
    this.flush();
    this.#stream.end();
  }
}
