// Responses, out of an inbox that is written again: several share one block of memory, which costs each of them less than
// memory of its own.

/** One of them that is kept keeps its block. */
const BLOCK = 16_384;
/** Longer ones have memory of their own. */
const LONG = 2048;

export class ResponseCopies {
  readonly #inWords: Int32Array;
  #block = new Uint8Array(BLOCK);
  #words = new Int32Array(this.#block.buffer);
  #used = 0;

  constructor(private readonly inbox: Uint8Array) {
    this.#inWords = new Int32Array(inbox.buffer);
  }

  /** @param from a multiple of 4 */
  take(from: number, length: number): Uint8Array {
    if (length > LONG) return this.inbox.slice(from, from + length);
    if (this.#used + length > BLOCK) {
      this.#block = new Uint8Array(BLOCK);
      this.#words = new Int32Array(this.#block.buffer);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += (length + 3) & ~3;
    const [to, source] = [this.#words, this.#inWords];
    const end = this.#used >> 2;
    for (let i = at >> 2, j = from >> 2; i < end; i++, j++) to[i] = source[j];
    return new Uint8Array(this.#block.buffer, at, length);
  }
}
