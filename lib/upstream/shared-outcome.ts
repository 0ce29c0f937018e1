// What an inquiry ends with, for all who wait for it: each is told once, in the order in which they came. A class to extend,
// so that it costs an inquiry no object.
import type { ShardnsError } from '../base/errors.js';

export interface Answered {
  readonly response: Uint8Array;
  /** Since the query that was answered was sent. */
  readonly latencyMs: number;
}

/** Who wants to know; told once. */
export interface Listener {
  answered(answered: Answered): void;
  failed(error: ShardnsError): void;
}

export abstract class SharedOutcome {
  /** Nearly always one, which costs no list. */
  #listener: Listener | undefined;
  #others: Listener[] | undefined;

  subscribe(listener: Listener): void {
    if (this.#listener === undefined) this.#listener = listener;
    else (this.#others ??= []).push(listener);
  }
  /** The last one to go ends it. */
  unsubscribe(listener: Listener): void {
    if (listener === this.#listener) {
      this.#listener = this.#others?.shift();
    } else {
      const at = this.#others?.indexOf(listener) ?? -1;
      if (at >= 0) this.#others!.splice(at, 1);
    }
    if (this.#listener === undefined) this.end();
  }

  /** It is over: drops its listeners, and comes before they are told, so that they may ask anew. */
  protected abstract end(): void;

  /** It is not begun: whoever listens is told so when this has returned. */
  refuse(error: ShardnsError): void {
    queueMicrotask(() => {
      if (this.#listener !== undefined) this.fail(error);
    });
  }

  protected dropListeners(): void {
    this.#listener = this.#others = undefined;
  }

  protected answer(answered: Answered): void {
    const listener = this.#listener;
    const others = this.#others;
    this.end();
    listener?.answered(answered);
    if (others !== undefined) for (const one of others) one.answered(answered);
  }

  protected fail(error: ShardnsError): void {
    const listener = this.#listener;
    const others = this.#others;
    this.end();
    listener?.failed(error);
    if (others !== undefined) for (const one of others) one.failed(error);
  }
}
