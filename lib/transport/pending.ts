// What is asked and not yet answered: an exchange ends once, by a response, an error, its time-out or its caller; a
// table finds it by the id of a response.
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { questionEnd } from '../wire/message.js';
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
  readonly questionEnd: number;
  readonly beganMs: number;
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
    readonly query: Uint8Array,
    readonly server: SocketAddress,
    { beganMs, timeoutMs }: ExchangeOptions,
    private readonly clock: Clock,
    private readonly proto: 'UDP' | 'TCP',
    listener: ExchangeListener,
  ) {
    this.#listener = listener;
    this.questionEnd = questionEnd(query);
    this.beganMs = beganMs ?? clock.nowMs();
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

/** Exchanges of one socket by id. Bound: 32,768, so that a free id is found at once. */
export class PendingTable {
  static readonly limit = 32_768;
  readonly #byId = new Map<number, Exchange>();

  get size(): number {
    return this.#byId.size;
  }
  /** Draws an id for it. */
  add(exchange: Exchange, random: Random): number {
    let id = random.uint32() & 0xffff;
    while (this.#byId.has(id)) id = (id + 1 + (random.uint32() & 0xff)) & 0xffff;
    this.#byId.set(id, exchange);
    return id;
  }
  get(message: Uint8Array): Exchange | undefined {
    return message.length < 2 ? undefined : this.#byId.get((message[0] << 8) | message[1]);
  }
  delete(id: number): void {
    this.#byId.delete(id);
  }
  /** A copy, oldest first. */
  all(): Exchange[] {
    return [...this.#byId.values()];
  }
  oldest(): Exchange | undefined {
    return this.#byId.values().next().value;
  }
}

export function setId(query: Uint8Array, id: number): void {
  query[0] = id >> 8;
  query[1] = id & 0xff;
}
