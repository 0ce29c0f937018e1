// Messages on a stream: two octets of length before each (RFC 1035 section 4.2.2). Used by both ends.
//
// Bound: of a message that is not whole yet what GatheredOctets holds of it, and never more than its length: a length of
// 65535 alone reserves nothing.
import { GatheredOctets } from '../base/gathered-octets.js';

/** Cuts a stream into messages. */
export class MessageReader {
  /** Octets that came of the length: 0, 1 or 2. */
  #lengthOctets = 0;
  #length = 0;
  readonly #message = new GatheredOctets();

  /** Octets held back. */
  get buffered(): number {
    return this.#lengthOctets + this.#message.length;
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
      const missing = this.#length - this.#message.length;
      const end = Math.min(at + missing, chunk.length);
      if (this.#message.length === 0 && end - at === missing) messages.push(chunk.subarray(at, end));
      else {
        this.#message.add(chunk.subarray(at, end), this.#length);
        if (this.#message.length < this.#length) return messages;
        messages.push(this.#message.octets);
      }
      at = end;
      this.#lengthOctets = this.#length = 0;
      this.#message.clear();
    }
    return messages;
  }
}

/** Octets of a message framed. */
export const frameOctets = (message: Uint8Array): number => 2 + message.length;

/** One write for length and message: a length alone in a segment provokes slow peers (RFC 7766 section 8). */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(frameOctets(message));
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}
