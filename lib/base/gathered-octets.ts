// Octets that come in pieces, put together in one buffer: pieces of an octet each would hold a hundred times what they bring.
//
// Bound: at most twice the octets that came, and 512; never more than the caller says.

/** The first piece of memory; most queries fit. */
const FIRST_OCTETS = 512;
const NONE = Buffer.alloc(0);

export class GatheredOctets {
  #room: Buffer = NONE;
  #length = 0;

  get length(): number {
    return this.#length;
  }
  /** A view of them, which nothing that comes later changes. */
  get octets(): Buffer {
    return this.#room.subarray(0, this.#length);
  }

  /** @param most that there will be in all, this piece included */
  add(piece: Uint8Array, most: number): void {
    const need = this.#length + piece.length;
    if (need > this.#room.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(most, Math.max(FIRST_OCTETS, need, 2 * this.#room.length)));
      this.#room.copy(grown, 0, 0, this.#length);
      this.#room = grown;
    }
    this.#room.set(piece, this.#length);
    this.#length = need;
  }
  /** Lets go of them. */
  clear(): void {
    this.#room = NONE;
    this.#length = 0;
  }
}
