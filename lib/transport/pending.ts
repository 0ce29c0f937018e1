// What is asked and not yet answered: an exchange ends once, by a response, an error, its time-out or its caller; a
// table finds it by the id of a response.
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { questionEnd } from '../wire/message.js';
import type { Letters } from './matching.js';
import type { Doubt, ExchangeOptions } from './transport.js';

/** `unanswered`: its time was over, or its caller did not wait any longer. */
export type Ending = 'answered' | 'failed' | 'unanswered';

export class Exchange {
  readonly questionEnd: number;
  readonly beganMs: number;
  letters: Letters = 'folded';
  /** Called once, before its caller hears of it: whoever holds it lets go. */
  onEnd: (ending: Ending) => void = () => {};
  #ended = false;
  #timer: Timer | undefined;
  readonly #abort = (): void =>
    this.#end('unanswered', () => this.reject(new ShardnsError('ERR_SHARDNS_ABORTED', 'the query was called off')));

  constructor(
    readonly query: Uint8Array,
    readonly server: SocketAddress,
    private readonly options: ExchangeOptions,
    private readonly clock: Clock,
    private readonly resolve: (response: Uint8Array) => void,
    private readonly reject: (error: Error) => void,
  ) {
    this.questionEnd = questionEnd(query);
    this.beganMs = clock.nowMs();
  }

  get ended(): boolean {
    return this.#ended;
  }
  get ageMs(): number {
    return this.clock.nowMs() - this.beganMs;
  }

  /** Begins to listen to its caller and the clock. */
  open(proto: 'UDP' | 'TCP'): void {
    const { cancel, timeoutMs } = this.options;
    if (cancel?.cancelled) {
      this.#abort();
      return;
    }
    cancel?.subscribe(this.#abort);
    if (timeoutMs === undefined) return;
    this.#timer = this.clock.after(timeoutMs, () =>
      this.#end('unanswered', () =>
        this.reject(
          new ShardnsError(
            'ERR_SHARDNS_TIMEOUT',
            `${formatSocketAddress(this.server)} did not answer over ${proto} in ${Math.round(timeoutMs)} ms`,
          ),
        ),
      ),
    );
  }

  answer(response: Uint8Array): void {
    this.#end('answered', () => this.resolve(response));
  }
  fail(error: Error): void {
    this.#end('failed', () => this.reject(error));
  }
  doubt(doubt: Doubt): void {
    if (!this.#ended) this.options.onDoubt?.(doubt);
  }

  #end(ending: Ending, tell: () => void): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.options.cancel?.unsubscribe(this.#abort);
    this.onEnd(ending);
    tell();
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
