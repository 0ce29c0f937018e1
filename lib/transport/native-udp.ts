// Queries over UDP by the native asker: they leave in batches, at the end of the turn in which they were asked at the
// latest, and responses come back in batches, matched. What it guards against and its bounds: native/udp/asker.h.
//
// A query costs no call to native code, and two objects: the exchange and the view of its response. Questions and
// call-offs are written to the outbox, and one call carries a batch; what has happened is read from the inbox.
//
// Bounds: MAX_QUERIES under way; memory of OUTBOX and INBOX octets.
import { constants } from 'node:os';
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import {
  AskCommand,
  AskEvent,
  AskFailure,
  AskFlag,
  AskRecord,
  ASKER_STATS,
  binding,
  CALL_OFF_OCTETS,
  CommandWord,
  COOKIE_OCTETS,
  EventRecord,
  EventWord,
  FORWARD_OCTETS,
  LEAST_INBOX,
  MAX_QUERIES,
  MORE_WAIT,
  type NativeAsker,
  pinnedMemory,
  SERVER_ADDRESS,
} from '../native/binding.js';
import { DOUBTS, errorOf } from './ask-failures.js';
import type { Doubt } from './doubt.js';
import { transportClosed } from './failures.js';
import { Forwarded, type Forwarding, type ForwardOwner } from './forwarded.js';
import { NativeExchange } from './native-exchange.js';
import { ResponseCopies } from './response-copies.js';
import { ServerAddresses } from './server-addresses.js';
import {
  type ExchangeListener,
  type ExchangeOptions,
  type LocalAddress,
  type Transport,
  type TransportStats,
} from './transport.js';

const LONGEST = 65_535; // RFC 768: no datagram is longer
/** So many leave at once, and not at the end of a long turn: more would not share a system call. */
const RUN = 16;
const OUTBOX = AskRecord.octets + 65_536;
const INBOX = 2 * LEAST_INBOX;

const flagsOf = (letters: ExchangeOptions['letters'], entropy: ExchangeOptions['entropy']): number =>
  (letters === 'kept' ? AskFlag.keptLetters : 0) | (entropy === 'any' ? AskFlag.anyEntropy : 0);

export class NativeUdpTransport implements Transport, Forwarding {
  readonly #native: NativeAsker;
  readonly #outbox = new Uint8Array(pinnedMemory(OUTBOX));
  readonly #outWords = new Uint32Array(this.#outbox.buffer);
  readonly #inbox = new Uint8Array(pinnedMemory(INBOX));
  readonly #inWords = new Int32Array(this.#inbox.buffer);
  /** Octets of commands in the outbox. */
  #used = 0;
  /** Questions among them. */
  #asked = 0;
  /** A flush is due in this turn. */
  #due = false;
  /** Something failed while it was sent, and is to be told. */
  #failed = false;
  #delivering = false;
  #closed = false;
  /** By number. */
  readonly #exchanges: (NativeExchange | Forwarded | undefined)[] = [];
  /** Numbers that are free again. */
  readonly #free: number[] = [];
  #serial = 0;
  readonly #copies = new ResponseCopies(this.#inbox);
  readonly #addresses: ServerAddresses;
  /** Of the plane whose flights are forwarded. */
  #owner: object | undefined;
  /** To be taken by the next query in the same form. */
  #offered: Forwarded | undefined;
  #taker: NativeExchange | undefined;
  /** Commands that have to be heard before anything else is received. */
  #urgent = false;
  readonly #statsWords = new Float64Array(ASKER_STATS.length);

  /** @throws {ShardnsError} ERR_SHARDNS_NATIVE where the asker cannot be had: Node's sockets can (udp.ts) */
  constructor(
    private readonly clock: Clock,
    local: LocalAddress = {},
  ) {
    try {
      this.#native = binding().createAsker(local.v4 ?? '', local.v6 ?? '', this.#outbox, this.#inbox, this.#deliver);
    } catch (cause) {
      throw new ShardnsError('ERR_SHARDNS_NATIVE', (cause as Error).message, { cause });
    }
    this.#addresses = new ServerAddresses(this.#native);
  }

  /** Sockets that are open. */
  get sockets(): number {
    return this.#closed ? 0 : this.#readStats()[ASKER_STATS.indexOf('sockets')];
  }
  get stats(): TransportStats {
    const [sent, received, unknownId, wrongQuestion] = this.#readStats();
    return { sent, received, mismatched: unknownId + wrongQuestion, unknownId };
  }

  ask(query: Uint8Array, server: SocketAddress, options: ExchangeOptions, listener: ExchangeListener): NativeExchange {
    const exchange = new NativeExchange(this, server, listener);
    if (this.#closed) {
      this.#loseSoon(exchange, transportClosed('UDP'));
      return exchange;
    }
    if (query.length > LONGEST) {
      this.#loseSoon(exchange, errorOf(server, constants.errno.EMSGSIZE));
      return exchange;
    }
    if (this.#offered?.server === server && this.#offered.letters === (options.letters ?? 'drawn')) {
      return this.#arm(this.#take(this.#offered, exchange), options);
    }
    if (this.#write(exchange, query, options)) return this.#arm(exchange, options);
    this.#loseSoon(exchange, errorOf(server, AskFailure.tooMany));
    return exchange;
  }

  put(one: Forwarded, query: Uint8Array): void {
    if (!this.#closed && this.#write(one, query, one)) return;
    queueMicrotask(() => one.owner.lost(one as never, false));
  }

  /** False where too many are under way. */
  #write(one: NativeExchange | Forwarded, query: Uint8Array, { letters, entropy, beganMs }: ExchangeOptions): boolean {
    const address = this.#addresses.of(one.server);
    const number = this.#free.pop() ?? this.#exchanges.length;
    if (number >= MAX_QUERIES) return false;
    const { length } = query;
    const at = this.#reserve(AskRecord.octets + ((length + 3) & ~3));
    one.number = number;
    one.serial = this.#serial = (this.#serial + 1) | 0;
    this.#exchanges[number] = one;
    const word = at >> 2;
    this.#outWords[word] =
      AskCommand.ask | (flagsOf(letters, entropy) << CommandWord.flagsShift) | (length << CommandWord.lengthShift);
    this.#writeQuery(word, one, beganMs ?? this.clock.nowMs(), address);
    this.#outbox.set(query, at + AskRecord.octets);
    if (++this.#asked === RUN) this.#send();
    return true;
  }

  #arm(exchange: NativeExchange, { timeoutMs }: ExchangeOptions): NativeExchange {
    if (timeoutMs === undefined) return exchange;
    exchange.timer = this.clock.after(timeoutMs, () => {
      const text = `${formatSocketAddress(exchange.server)} did not answer over UDP in ${Math.round(timeoutMs)} ms`;
      const waiting = exchange.listener;
      exchange.callOff();
      waiting?.lost(new ShardnsError('ERR_SHARDNS_TIMEOUT', text), exchange);
    });
    return exchange;
  }

  /** Called by exchanges, once. */
  callOff(exchange: NativeExchange | Forwarded): void {
    const { number } = exchange;
    if (number < 0) return;
    this.#release(exchange);
    if (!this.#closed) this.#writeBare(AskCommand.callOff, number, exchange.serial);
  }

  beginForwarding<One extends Forwarded>(owner: ForwardOwner<One>, completion: unknown): boolean {
    if (this.#closed || this.#owner !== undefined) return false;
    this.#native.complete(completion);
    this.#owner = owner;
    return true;
  }
  endForwarding<One extends Forwarded>(owner: ForwardOwner<One>): void {
    if (this.#owner !== owner) return;
    this.#owner = undefined;
    for (const one of this.#exchanges) if (one instanceof Forwarded && one.owner === owner) this.callOff(one);
    if (!this.#closed) this.#native.complete(undefined);
  }

  forward(one: Forwarded, udpSize: number): void {
    const { server } = one;
    const serial = (one.serial = this.#serial = (this.#serial + 1) | 0);
    const number = this.#closed ? MAX_QUERIES : (this.#free.pop() ?? this.#exchanges.length);
    if (number >= MAX_QUERIES) {
      // Unless it is another one by then.
      queueMicrotask(() => {
        if (one.number < 0 && one.serial === serial) one.owner.lost(one as never, false);
      });
      return;
    }
    const address = this.#addresses.of(server);
    const { cookie } = one;
    const at = this.#reserve(FORWARD_OCTETS + (cookie === undefined ? 0 : COOKIE_OCTETS));
    const word = at >> 2;
    const flags = flagsOf(one.letters, one.entropy) | (cookie === undefined ? 0 : AskFlag.cookie);
    one.number = number;
    this.#exchanges[number] = one;
    const words = this.#outWords;
    words[word] = AskCommand.forward | (flags << CommandWord.flagsShift) | (udpSize << CommandWord.lengthShift);
    this.#writeQuery(word, one, one.beganMs, address);
    words[word + CommandWord.ticket] = one.ticket;
    if (cookie !== undefined) {
      words[(at + FORWARD_OCTETS) >> 2] = cookie.length;
      this.#outbox.set(cookie, at + FORWARD_OCTETS + 4);
    }
    if (++this.#asked === RUN) this.#send();
  }

  offer(one: Forwarded): void {
    this.withdraw(undefined);
    this.#offered = one;
    this.#taker = undefined;
  }

  withdraw(response: Uint8Array | undefined, doubt?: Doubt): boolean {
    const taker = this.#taker;
    const offered = this.#offered;
    this.#offered = this.#taker = undefined;
    if (offered !== undefined && offered.number >= 0) {
      this.callOff(offered);
      this.#urgent = true;
    }
    if (taker === undefined) return false;
    if (doubt !== undefined) taker.listener?.doubted(doubt, taker);
    const { listener } = taker;
    if (response === undefined || listener === undefined) return true;
    taker.listener = undefined;
    taker.timer?.cancel();
    listener.answered(response, taker);
    return true;
  }

  /** The exchange goes on with a query that was forwarded; the plane is to complete it no more. */
  #take(one: Forwarded, exchange: NativeExchange): NativeExchange {
    this.#offered = undefined;
    this.#taker = exchange;
    if (one.number < 0) return exchange;
    exchange.number = one.number;
    exchange.serial = one.serial;
    one.number = -1;
    this.#exchanges[exchange.number] = exchange;
    this.#writeBare(AskCommand.takeOver, exchange.number, exchange.serial);
    this.#urgent = true;
    return exchange;
  }

  #writeQuery(word: number, { number, serial }: NativeExchange | Forwarded, nowMs: number, to: Uint32Array): void {
    const words = this.#outWords;
    words[word + CommandWord.number] = number;
    words[word + CommandWord.serial] = serial;
    words[word + CommandWord.nowMs] = nowMs;
    for (let i = 0; i < SERVER_ADDRESS / 4; i++) words[word + CommandWord.server + i] = to[i];
  }

  #writeBare(command: number, number: number, serial: number): void {
    const words = this.#outWords;
    const word = this.#reserve(CALL_OFF_OCTETS) >> 2;
    words[word] = command;
    words[word + CommandWord.number] = number;
    words[word + CommandWord.serial] = serial;
    words[word + CommandWord.nowMs] = this.clock.nowMs();
  }

  close(): void {
    if (this.#closed) return;
    this.#readStats();
    this.#closed = true;
    this.#native.close();
    const error = transportClosed('UDP');
    for (const exchange of this.#exchanges) {
      if (exchange === undefined) continue;
      this.#release(exchange);
      if (exchange instanceof Forwarded) exchange.owner.lost(exchange as never, true);
      else this.#loseSoon(exchange, error);
    }
  }

  /** Where to write a command of so many octets; sees to it that it is sent in this turn. */
  #reserve(octets: number): number {
    if (this.#used + octets > OUTBOX) this.#send();
    if (!this.#due) {
      this.#due = true;
      setImmediate(this.#endTurn);
    }
    const at = this.#used;
    this.#used += octets;
    return at;
  }

  readonly #endTurn = (): void => {
    this.#due = false;
    if (this.#closed) return;
    this.#send();
    if (this.#failed) this.#deliver();
  };

  #send(): void {
    const used = this.#used;
    if (used === 0) return;
    this.#used = this.#asked = 0;
    this.#urgent = false;
    if (this.#native.flush(used)) this.#failed = true;
  }

  readonly #deliver = (): void => {
    // A listener that asks again while it is told may find itself here.
    if (this.#delivering) return;
    this.#delivering = true;
    this.#failed = false;
    try {
      let got = MORE_WAIT;
      while (got >= MORE_WAIT && !this.#closed) {
        if (this.#urgent) this.#send();
        got = this.#native.receive();
        this.#readEvents(got & ~MORE_WAIT);
      }
    } finally {
      this.#delivering = false;
    }
  };

  #readEvents(count: number): void {
    const words = this.#inWords;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const word = at >> 2;
      const head = words[word];
      const kind = head & 0xffff;
      const length = head >>> EventWord.lengthShift;
      const exchange = this.#exchanges[words[word + EventWord.number]];
      const from = at + EventRecord.octets;
      at = from + ((length + 3) & ~3);
      // One that was called off a moment ago, or another that has its number now.
      if (exchange === undefined || exchange.serial !== words[word + EventWord.serial]) continue;
      if (exchange instanceof Forwarded) {
        this.#tellOwner(kind, exchange, words[word + EventWord.value], from, length);
        continue;
      }
      const { listener } = exchange;
      if (kind >= AskEvent.doubtLetters) {
        listener?.doubted(DOUBTS[kind], exchange);
        continue;
      }
      this.#release(exchange);
      exchange.listener = undefined;
      if (kind === AskEvent.answered) listener?.answered(this.#copies.take(from, length), exchange);
      else if (kind === AskEvent.failed)
        listener?.lost(errorOf(exchange.server, words[word + EventWord.value]), exchange);
    }
  }

  #tellOwner(kind: number, one: Forwarded, value: number, from: number, length: number): void {
    const owner = one.owner as unknown as ForwardOwner<Forwarded>;
    if (kind >= AskEvent.doubtLetters) {
      owner.doubted(one, DOUBTS[kind]);
      return;
    }
    this.#release(one);
    if (kind === AskEvent.completed) {
      owner.completed(one, value, length === 0 ? undefined : this.#copies.take(from, length));
    } else if (kind === AskEvent.answered) {
      owner.answered(one, this.#copies.take(from, length));
    } else {
      owner.lost(one, value !== AskFailure.malformed);
    }
  }

  /** It is under way no more. */
  #release(exchange: NativeExchange | Forwarded): void {
    const { number } = exchange;
    exchange.number = -1;
    if (exchange instanceof NativeExchange) {
      exchange.timer?.cancel();
      exchange.timer = undefined;
    }
    this.#exchanges[number] = undefined;
    this.#free.push(number);
  }

  /** The listener hears of it in a turn of its own: it may be asking at this moment. */
  #loseSoon(exchange: NativeExchange, error: ShardnsError): void {
    queueMicrotask(() => {
      const { listener } = exchange;
      exchange.listener = undefined;
      listener?.lost(error, exchange);
    });
  }

  #readStats(): Float64Array {
    if (!this.#closed) this.#native.stats(this.#statsWords);
    return this.#statsWords;
  }
}
