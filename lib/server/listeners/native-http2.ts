// DNS over HTTPS by HTTP/2 that is framed natively: hits are answered where they are read, and only misses come here. Bounds:
// those of native/http2/session.h, and of DohConnection; at most MAX_STREAMS at once. The answers to what has come in one piece
// are one write, and so are those to misses of one turn of the event loop.
import type { Duplex } from 'node:stream';
import { MAX_MESSAGE_SIZE } from '../../wire/iana.js';
import {
  binding,
  HTTP2_WORDS,
  Http2Event,
  Http2Kind,
  Http2Word,
  type NativeCache,
  type NativeHttp2,
  type NativeTap,
  pinnedMemory,
} from '../../native/binding.js';
import { clientOctets } from '../tap/tap.js';
import { type DohConnection, statusOf } from './doh-connection.js';
import { LAST_CALL_MS } from './idle-watch.js';
import type { Flushed } from './tcp-connections.js';

const MAX_STREAMS = 1024;
/** Told of one chunk; hits beyond are answered, and not counted. */
const MAX_EVENTS = 4096;

/** What all sessions write into, one after the other. */
interface Room {
  readonly words: Uint32Array;
  readonly events: Uint32Array;
  readonly out: Buffer;
}
let room: Room | undefined;
const makeRoom = (): Room => ({
  words: new Uint32Array(pinnedMemory(4 * HTTP2_WORDS.length)),
  events: new Uint32Array(pinnedMemory(4 * Http2Event.words * MAX_EVENTS)),
  out: Buffer.from(pinnedMemory(2 ** 16)),
});

export interface NativeHttp2Parts {
  readonly socket: Duplex;
  readonly cache: NativeCache;
  readonly path: string;
  /** Where hits are told. */
  readonly tap: NativeTap | undefined;
}

export class NativeHttp2Session implements Flushed {
  readonly connection: DohConnection;
  readonly #socket: Duplex;
  readonly #session: NativeHttp2;
  readonly #room: Room;
  #flushes = false;
  /** There are replies since the last flush; and octets of replies that were not taken then. */
  #replied = false;
  #unsent = 0;
  #held = 0;
  #closed = false;
  /** When the oldest request began that is not whole; unsigned, of 32 bits. */
  #oldestMs: number | undefined;
  readonly #onWritten = (): void => this.#written(false);
  readonly #onTaken = (): void => this.#written(true);

  /** @param connect makes the connection, which asks it when its oldest request began */
  constructor(
    { socket, cache, path, tap }: NativeHttp2Parts,
    connect: (oldest: () => number | undefined) => DohConnection,
  ) {
    this.#socket = socket;
    this.connection = connect(() => this.#oldest());
    const { maxPipelined, maxQueuedBytes } = this.connection.parts.connections.options;
    this.#room = room ??= makeRoom();
    const { words, events, out } = this.#room;
    const streams = Math.min(maxPipelined, MAX_STREAMS);
    const maxUnsent = Math.min(maxQueuedBytes, 2 ** 31);
    const forwarded = this.connection.forwardedBy ?? '';
    const { address, port } = this.connection.parts.client;
    const octets = clientOctets(address);
    this.#session = binding().createHttp2(
      cache,
      path,
      streams,
      words,
      events,
      out,
      maxUnsent,
      forwarded,
      tap,
      octets,
      port,
    );
    socket.on('close', () => this.#close());
    socket.on('end', () => this.connection.destroy());
    socket.on('data', (chunk: Buffer) => this.#guarded(() => this.#read(chunk)));
    this.#flushLater(); // its settings
    this.connection.farewell = () => this.#leave();
  }

  /** RFC 9113 section 6.8: first it is told, and what is on its way meanwhile is still answered. */
  #leave(): void {
    const say = (last: 0 | 1): void => {
      if (this.#closed) return;
      this.#guarded(() => this.#session.finish(last));
      this.#flushLater();
    };
    say(0);
    this.connection.parts.clock.after(LAST_CALL_MS, () => say(1));
  }

  /** Writes what the turn has brought. */
  flush(): void {
    this.#flushes = false;
    if (!this.#closed && !this.connection.isGone) this.#guarded(() => this.#flush());
  }

  #guarded(act: () => void): void {
    try {
      act();
    } catch {
      this.connection.destroy(); // the server closes, and its cache is gone
    }
  }

  #read(chunk: Buffer): void {
    if (this.#closed) return; // what was written last is on its way
    const { connection } = this;
    const { answerer, client, clock } = connection.parts;
    const { words } = this.#room;
    const began = clock.nowMs();
    answerer.answersFor(client.address);
    this.#session.feed(chunk, Math.floor(began) >>> 0);
    const count = words[Http2Word.events];
    this.#oldestMs = words[Http2Word.partial] > 0 ? words[Http2Word.oldestMs] : undefined;
    // At once, and not when it is written: all connections may have replies in one turn.
    connection.holds(words[Http2Word.held], words[Http2Word.unsent] + this.#socket.writableLength);
    if (connection.isGone) return;
    if (count > 0) this.#takeEvents(count, clock.nowMs() - began);
    if (this.#oldestMs !== undefined) connection.watch();
    // Now, and not when the turn ends: most clients ask one question at a time, and a callback more is dearer than its answer.
    if (!this.#flushes) this.#flush();
  }

  #takeEvents(count: number, tookMs: number): void {
    const { connection } = this;
    const { answerer, client } = connection.parts;
    const types: number[] = [];
    let answered = 0;
    connection.active();
    this.#replied = true;
    // Others are written in their place when a stream is refused.
    const events = count === 1 ? this.#room.events : this.#room.events.slice(0, count * Http2Event.words);
    for (let at = 0; at < count * Http2Event.words; at += Http2Event.words) {
      const value = events[at + Http2Event.value];
      const kind = events[at + Http2Event.kind];
      if (kind === Http2Kind.refused) {
        connection.count(value);
        continue;
      }
      if (kind === Http2Kind.proxied) {
        this.#takeProxied(events[at + Http2Event.stream]);
        continue;
      }
      types.push(value);
      if (kind === Http2Kind.answered) answered++;
      else if (kind !== Http2Kind.dropped)
        this.#takeQuery(kind, events[at + Http2Event.stream], events[at + Http2Event.tenant]);
      if (kind === Http2Kind.refresh) answered++;
    }
    connection.count(200, answered);
    answerer.countNative({ protocol: 'https', client }, types, answered, tookMs);
  }

  #takeQuery(kind: number, stream: number, tag: number): void {
    const { connection } = this;
    const length = this.#session.query(stream);
    if (length === 0) return; // called off since
    const query = this.#copyOf(length);
    if (kind === Http2Kind.refresh) {
      connection.parts.answerer.refresh(query, tag);
      return;
    }
    connection.askMissed(query, tag, (message, why) => this.#reply(stream, message, why));
  }

  /** A query of somebody for whom a proxy asks. */
  #takeProxied(stream: number): void {
    const { out } = this.#room;
    const length = this.#session.query(stream);
    if (length === 0) return; // called off since
    const query = this.#copyOf(length);
    const forwarded = Buffer.from(out.buffer, out.byteOffset, this.#session.forwarded(stream)).toString('latin1');
    this.connection.askFor(query, forwarded, (message, why) => this.#reply(stream, message, why));
  }

  /** Of `out`, of its own: it is kept. */
  #copyOf(length: number): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#room.out, 0, length);
  }

  #reply(stream: number, message: Uint8Array | undefined, why: number | undefined): void {
    if (this.#closed) return;
    this.#guarded(() => {
      const isDue = message !== undefined && message.length <= MAX_MESSAGE_SIZE;
      if (isDue) this.#session.reply(stream, message);
      else this.#session.refuse(stream, statusOf(why));
      this.connection.count(isDue ? 200 : statusOf(why));
      this.#replied = true;
      this.#flushLater();
    });
  }

  #flushLater(): void {
    if (this.#flushes) return;
    this.#flushes = true;
    this.connection.parts.connections.flushLater(this);
  }

  #flush(): void {
    const { words, out } = this.#room;
    const chunks: Buffer[] = [];
    let length: number;
    do {
      length = this.#session.take();
      if (length === 0) break;
      const chunk = Buffer.allocUnsafe(length);
      out.copy(chunk, 0, 0, length);
      chunks.push(chunk);
    } while (length === out.length);
    const isOver = words[Http2Word.over] !== 0;
    const isFaulty = words[Http2Word.faulty] !== 0;
    this.#held = words[Http2Word.held];
    // What was refused is over when that is written.
    this.#oldestMs = words[Http2Word.partial] > 0 ? words[Http2Word.oldestMs] : undefined;
    const unsent = words[Http2Word.unsent];
    // Who takes replies keeps the connection; who only has frames acknowledged does not.
    const isTaken = unsent < this.#unsent || (this.#replied && unsent === 0);
    this.#unsent = unsent;
    this.#replied = false;
    if (chunks.length > 0) {
      const octets = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      this.#socket.write(octets, isTaken ? this.#onTaken : this.#onWritten);
    }
    if (isFaulty) this.connection.faulted();
    if (isOver) {
      // What was written is the last, GOAWAY where that is due. Who has done nothing wrong closes its side when it has
      // read it: what it still sends would take that away.
      if (isFaulty) this.#socket.end(() => this.connection.destroy());
      else this.#socket.end();
      this.#close();
    } else this.connection.holds(this.#held, unsent + this.#socket.writableLength);
  }

  /** @param taken replies among it */
  #written(taken: boolean): void {
    if (this.#closed) return;
    if (taken) this.connection.wrote(0);
    this.connection.holds(this.#held, this.#unsent + this.#socket.writableLength);
  }

  /** In the time of the clock. */
  #oldest(): number | undefined {
    if (this.#oldestMs === undefined) return undefined;
    const now = this.connection.parts.clock.nowMs();
    return now - ((Math.floor(now) - this.#oldestMs) >>> 0);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#oldestMs = undefined;
    this.#session.close();
  }
}
