// A transport whose code is loaded when the first server is asked by it: most programs never do.
//
// Bound: what is asked meanwhile waits for the load, as many as its callers have under way.
import { ShardnsError } from '../base/errors.js';
import type { Doubt } from './doubt.js';
import { type Protocol, transportClosed } from './failures.js';
import type { ExchangeListener, ExchangeOptions, Exchanging, ServerAddress, Transport } from './transport.js';

export class LazyTransport implements Transport {
  #transport: Transport | undefined;
  #loading: Promise<Transport> | undefined;
  #closed = false;

  /** @param load called again after it has rejected */
  constructor(
    private readonly protocol: Protocol,
    private readonly load: () => Promise<Transport>,
  ) {}

  ask(query: Uint8Array, server: ServerAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging {
    if (this.#transport !== undefined) return this.#transport.ask(query, server, options, listener);
    const asked = new Asked(listener);
    const octets = query.slice();
    this.#get()
      .then(transport => asked.begin(transport, octets, server, options))
      .catch((cause: Error) => asked.lost(this.#failure(cause)));
    return asked;
  }

  close(): void {
    this.#closed = true;
    this.#transport?.close();
  }

  async #get(): Promise<Transport> {
    if (this.#closed) throw transportClosed(this.protocol);
    try {
      this.#transport = await (this.#loading ??= this.load());
    } catch (error) {
      this.#loading = undefined;
      throw error;
    }
    // It says itself that it is closed.
    if (this.#closed) this.#transport.close();
    return this.#transport;
  }

  #failure(cause: Error): ShardnsError {
    if (cause instanceof ShardnsError) return cause;
    const what = this.#transport === undefined ? 'be loaded' : 'ask';
    return new ShardnsError('ERR_SHARDNS_INTERNAL', `what asks over ${this.protocol} cannot ${what}`, { cause });
  }
}

/** Told of under its own name, since whoever asked knows no other. */
class Asked implements Exchanging, ExchangeListener {
  #exchange: Exchanging | undefined;
  #over = false;

  constructor(private readonly listener: ExchangeListener) {}

  begin(transport: Transport, query: Uint8Array, server: ServerAddress, options: ExchangeOptions): void {
    if (!this.#over) this.#exchange = transport.ask(query, server, options, this);
  }
  callOff(): void {
    this.#over = true;
    this.#exchange?.callOff();
  }
  answered(response: Uint8Array): void {
    if (this.#over) return;
    this.#over = true;
    this.listener.answered(response, this);
  }
  lost(error: ShardnsError): void {
    if (this.#over) return;
    this.#over = true;
    this.listener.lost(error, this);
  }
  doubted(doubt: Doubt): void {
    if (!this.#over) this.listener.doubted(doubt, this);
  }
}
