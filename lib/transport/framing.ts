// Messages on a stream: two octets of length before each (RFC 1035 section 4.2.2). Used by both ends.
//
// Bound: of a message that is not whole yet, at most twice the octets that came of it, and never more than its length: a
// length of 65535 alone reserves nothing, and a message that comes octet by octet costs no more than one that comes at once.

/** The first piece of memory for a message that is not whole; most queries fit. */
const FIRST_OCTETS = 512;
const NONE = Buffer.alloc(0);

/** Cuts a stream into messages. */
export class MessageReader {
  /** Octets that came of the length: 0, 1 or 2. */
  #lengthOctets = 0;
  #length = 0;
  #message: Buffer = NONE;
  #have = 0;

  /** Octets held back. */
  get buffered(): number {
    return this.#lengthOctets + this.#have;
  }

  /** The messages that are whole with it; views of the chunk where they lie in it. */
  push(chunk: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#lengthOctets < 2) {
        this.#length = (this.#length << 8) | chunk[at++];
        if (++this.#lengthOctets < 2 || this.#length > 0) continue;
      }
      const missing = this.#length - this.#have;
      const end = Math.min(at + missing, chunk.length);
      if (this.#have === 0 && end - at === missing) messages.push(chunk.subarray(at, end));
      else {
        this.#keep(chunk, at, end);
        if (this.#have === this.#length) messages.push(this.#message.subarray(0, this.#length));
        else return messages;
      }
      at = end;
      this.#lengthOctets = this.#length = this.#have = 0;
      this.#message = NONE;
    }
    return messages;
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    const need = this.#have + to - from;
    if (need > this.#message.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(this.#length, Math.max(FIRST_OCTETS, need, 2 * this.#message.length)),
      );
      this.#message.copy(grown, 0, 0, this.#have);
      this.#message = grown;
    }
    chunk.copy(this.#message, this.#have, from, to);
    this.#have = need;
  }
}

/** One write for length and message: a length alone in a segment provokes slow peers (RFC 7766 section 8). */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}
