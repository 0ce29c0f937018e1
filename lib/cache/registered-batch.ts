// The buffers of DnsCache.answerBatch, whose addresses the native side keeps.
import { optionError, ShardnsError } from '../base/errors.js';

/** Octets that a reply's buffer has at least: native/addon/cache_methods.h. */
export const LEAST_ROOM = 1024;

/**
 * The buffers of a batch, as views of our own: what the caller does to its arrays does not change them, and a view of a
 * buffer that was transferred, has shrunk too far, or was the memory of a WebAssembly instance before it grew, has the
 * length 0. The native side keeps their addresses: `check` stands before each of its calls.
 */
export class RegisteredBatch {
  readonly queries: Uint8Array;
  readonly ends: Uint32Array;
  readonly replies: Uint8Array;
  readonly lengths: Int32Array;
  /** Queries that the buffers have room for. */
  readonly most: number;
  readonly #octets: number;
  readonly #room: number;
  readonly #ends: number;
  readonly #lengths: number;

  constructor(queries: Uint8Array, ends: Uint32Array, replies: Uint8Array, lengths: Int32Array) {
    const kinds = { queries: Uint8Array, ends: Uint32Array, replies: Uint8Array, lengths: Int32Array };
    for (const [name, value] of Object.entries({ queries, ends, replies, lengths })) {
      const kind = kinds[name as keyof typeof kinds];
      if (!(value instanceof kind)) throw optionError(name, value, `an instance of ${kind.name}`);
      if (value.length === 0) throw optionError(name, [], 'at least one element');
    }
    this.queries = new Uint8Array(queries.buffer, queries.byteOffset, queries.length);
    this.ends = new Uint32Array(ends.buffer, ends.byteOffset, ends.length);
    this.replies = new Uint8Array(replies.buffer, replies.byteOffset, replies.length);
    this.lengths = new Int32Array(lengths.buffer, lengths.byteOffset, lengths.length);
    this.#octets = this.queries.length;
    this.#room = this.replies.length;
    this.#ends = this.ends.length;
    this.#lengths = this.lengths.length;
    this.most = Math.min(this.#ends, this.#lengths, Math.floor(this.#room / LEAST_ROOM));
  }

  check(): void {
    if (this.queries.length !== this.#octets) throw gone('queries');
    if (this.ends.length !== this.#ends) throw gone('ends');
    if (this.replies.length !== this.#room) throw gone('replies');
    if (this.lengths.length !== this.#lengths) throw gone('lengths');
  }
}
function gone(name: string): ShardnsError {
  return new ShardnsError(
    'ERR_SHARDNS_OPTION',
    `${name}: expected the buffer as it was registered, it was transferred or has shrunk: call registerBatch() again`,
  );
}
