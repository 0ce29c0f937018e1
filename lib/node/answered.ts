// What a question of the program has come to, and who waits for it with a promise.
import type { Resolution } from '../resolve/resolver.js';
import type { Query } from '../wire/query.js';
import type { Waiting } from './address-question.js';
import type { ReadReply } from './reply-failures.js';

/** With what was last read of it: those who read the same way share that. */
export class Answered {
  by: ReadReply<unknown> | undefined;
  value: unknown;
  constructor(
    /** Undefined for a plain question. */
    readonly query: Query | undefined,
    /** Undefined for what was asked past the cache, and for a plain question. */
    readonly resolution: Resolution | undefined,
    readonly response: Uint8Array,
    /** Of a plain question. */
    readonly packet?: Uint8Array,
  ) {}
}

export class Promised<T> implements Waiting<Answered> {
  constructor(
    private readonly read: (answered: Answered) => T,
    private readonly resolve: (value: T) => void,
    private readonly reject: (error: unknown) => void,
  ) {}
  told(_type: number, answered: Answered): void {
    try {
      this.resolve(this.read(answered));
    } catch (error) {
      this.reject(error);
    }
  }
  failed(_type: number, error: unknown): void {
    this.reject(error);
  }
}
