// What is asked and not yet answered: an exchange ends once, by a response, an error, its time-out or its caller; a
// table finds it by the id of a response.
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError, type ShardnsErrorCode } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { questionEnd } from '../wire/message.js';
import type { Letters } from './matching.js';
import type { Doubt, ExchangeOptions } from './transport.js';

/** `unanswered`: its time was over, or its caller did not wait any longer. */
export type Ending = 'answered' | 'failed' | 'unanswered';

/** Whoever has an exchange under way. */
export interface ExchangeHolder {
  /** Told once, before its caller hears of it: it lets go. */
  ended(exchange: Exchange, ending: Ending): void;
}

export class Exchange {
  readonly questionEnd: number;
  readonly beganMs: number;
  letters: Letters = 'folded';
  holder: ExchangeHolder | undefined;
  /** What a holder that asks once has drawn for it. */
  id = 0;
  #ended = false;
  #timer: Timer | undefined;
  #options: ExchangeOptions;
  #resolve: ((response: Uint8Array) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;

  constructor(
    readonly query: Uint8Array,
    readonly server: SocketAddress,
    options: ExchangeOptions,
    private readonly clock: Clock,
    resolve: (response: Uint8Array) => void,
    reject: (error: Error) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.questionEnd = questionEnd(query);
    this.beganMs = options.beganMs ?? clock.nowMs();
  }

  get ended(): boolean {
    return this.#ended;
  }
  get ageMs(): number {
    return this.clock.nowMs() - this.beganMs;
  }

  /** Begins to listen to its caller and the clock. */
  open(proto: 'UDP' | 'TCP'): void {
    const { cancel, timeoutMs } = this.#options;
    if (cancel?.cancelled) {
      this.calledOff();
      return;
    }
    cancel?.subscribe(this);
    if (timeoutMs === undefined) return;
    this.#timer = this.clock.after(timeoutMs, () => {
      const where = formatSocketAddress(this.server);
      const text = `${where} did not answer over ${proto} in ${Math.round(timeoutMs)} ms`;
      this.#fail('unanswered', 'ERR_SHARDNS_TIMEOUT', text);
    });
  }

  calledOff(): void {
    this.#fail('unanswered', 'ERR_SHARDNS_ABORTED', 'the query was called off');
  }
  answer(response: Uint8Array): void {
    const resolve = this.#resolve;
    this.#end('answered');
    resolve?.(response);
  }
  fail(error: Error): void {
    const reject = this.#reject;
    this.#end('failed');
    reject?.(error);
  }
  doubt(doubt: Doubt): void {
    this.#options.onDoubt?.(doubt);
  }

  #fail(ending: Ending, code: ShardnsErrorCode, text: string): void {
    const reject = this.#reject;
    this.#end(ending);
    reject?.(new ShardnsError(code, text));
  }

  /** Lets go of its caller: V8 keeps outgrown tables of a Map, and what they lead to, until the next full collection. */
  #end(ending: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.#options.cancel?.unsubscribe(this);
    this.#options = OVER;
    this.#resolve = this.#reject = this.#timer = undefined;
    const { holder } = this;
    this.holder = undefined;
    holder?.ended(this, ending);
  }
}

const OVER: ExchangeOptions = {};

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
