// What is asked and not yet answered: an exchange ends once, by a response, an error, its time-out or its caller; a
// table finds it by the id of a response.
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { questionEnd } from '../wire/message.js';
import type { Protocol } from './failures.js';
import type { Letters } from './matching.js';
import type { Doubt, ExchangeListener, ExchangeOptions, Exchanging } from './transport.js';

/** `unanswered`: its time was over, or its caller did not wait any longer. */
export type Ending = 'answered' | 'failed' | 'unanswered';

/** Whoever has an exchange under way. */
export interface ExchangeHolder {
  /** Told once, before its caller hears of it: it lets go. */
  ended(exchange: Exchange, ending: Ending): void;
}

export class Exchange implements Exchanging {
  /** As it is sent: with its own id and letters. */
  readonly query: Uint8Array;
  readonly questionEnd: number;
  readonly beganMs: number;
  readonly client: string | undefined;
  /** As they are compared. */
  letters: Letters = 'folded';
  holder: ExchangeHolder | undefined;
  /** What a holder that asks once has drawn for it. */
  id = 0;
  #ended = false;
  #timer: Timer | undefined;
  /** Undefined when it is to hear nothing more. */
  #listener: ExchangeListener | undefined;

  constructor(
    query: Uint8Array,
    readonly server: SocketAddress,
    { beganMs, timeoutMs, client }: ExchangeOptions,
    private readonly clock: Clock,
    private readonly proto: Protocol,
    listener: ExchangeListener,
  ) {
    this.#listener = listener;
    this.query = query.slice();
    this.questionEnd = questionEnd(query);
    this.beganMs = beganMs ?? clock.nowMs();
    this.client = client;
    if (timeoutMs !== undefined) this.#timer = clock.after(timeoutMs, () => this.#timeIsUp(timeoutMs));
  }

  get ended(): boolean {
    return this.#ended;
  }
  get ageMs(): number {
    return this.clock.nowMs() - this.beganMs;
  }

  callOff(): void {
    this.#listener = undefined;
    this.#end('unanswered');
  }
  answer(response: Uint8Array): void {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#end('answered');
    listener?.answered(response, this);
  }
  /** The listener hears of it in a turn of its own: it may be asking at this moment. */
  fail(error: ShardnsError, ending: Ending = 'failed'): void {
    if (this.#ended) return;
    this.#end(ending);
    queueMicrotask(() => {
      const listener = this.#listener;
      this.#listener = undefined;
      listener?.lost(error, this);
    });
  }
  doubt(doubt: Doubt): void {
    this.#listener?.doubted(doubt, this);
  }

  #timeIsUp(timeoutMs: number): void {
    const text = `${formatSocketAddress(this.server)} did not answer over ${this.proto} in ${Math.round(timeoutMs)} ms`;
    this.fail(new ShardnsError('ERR_SHARDNS_TIMEOUT', text), 'unanswered');
  }

  /** Lets go of whatever it had: V8 keeps outgrown tables of a Map, and what they lead to, until the next full collection. */
  #end(ending: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    const { holder } = this;
    this.holder = undefined;
    holder?.ended(this, ending);
  }
}

/**
 * Exchanges of one socket by id, in the order in which they came. Few at a time, so that looking through them is quicker
 * than a Map, whose tables hold what has left them.
 *
 * Bound: 4096; as many as a socket has when its server is asked 64 times the most that is configured by default.
 */
export class PendingTable {
  static readonly limit = 4096;
  readonly #ids: number[] = [];
  #reserved = -1;
  readonly #exchanges: Exchange[] = [];

  get size(): number {
    return this.#ids.length;
  }
  /** Draws an id for it. */
  add(exchange: Exchange, random: Random): number {
    const id = this.#freeId(random);
    this.#ids.push(id);
    this.#exchanges.push(exchange);
    return id;
  }
  #freeId(random: Random): number {
    let id = random.uint32() & 0xffff;
    while (id === this.#reserved || this.#ids.includes(id)) id = (id + 1 + (random.uint32() & 0xff)) & 0xffff;
    return id;
  }
  /** An id that no exchange has, nor gets while it is the last that was reserved. */
  reserve(random: Random): number {
    return (this.#reserved = this.#freeId(random));
  }
  get(message: Uint8Array): Exchange | undefined {
    if (message.length < 2) return undefined;
    const at = this.#ids.indexOf((message[0] << 8) | message[1]);
    return at < 0 ? undefined : this.#exchanges[at];
  }
  delete(id: number): void {
    const ids = this.#ids;
    const exchanges = this.#exchanges;
    const at = ids.indexOf(id);
    if (at < 0) return;
    for (let i = at + 1; i < ids.length; i++) {
      ids[i - 1] = ids[i];
      exchanges[i - 1] = exchanges[i];
    }
    ids.pop();
    exchanges.pop();
  }
  /** A copy, oldest first. */
  all(): Exchange[] {
    return [...this.#exchanges];
  }
  oldest(): Exchange | undefined {
    return this.#exchanges[0];
  }
}

export function setId(query: Uint8Array, id: number): void {
  query[0] = id >> 8;
  query[1] = id & 0xff;
}
