// Messages on a stream: two octets of length before each (RFC 1035 section 4.2.2). Used by both ends.

/** Cuts a stream into messages. Holds at most one message of 65535 octets and what one read brought. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #size = 0;

  /** Octets held back. */
  get buffered(): number {
    return this.#size;
  }

  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const messages: Buffer[] = [];
    while (this.#size >= 2) {
      const length = this.#peekLength();
      if (this.#size < 2 + length) break;
      const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks, this.#size);
      messages.push(all.subarray(2, 2 + length));
      const rest = all.subarray(2 + length);
      this.#chunks = rest.length > 0 ? [rest] : [];
      this.#size = rest.length;
    }
    return messages;
  }

  #peekLength(): number {
    const first = this.#chunks[0];
    if (first.length >= 2) return first.readUInt16BE(0);
    return (first[0] << 8) | this.#chunks[1][0];
  }
}

/** One write for length and message: a length alone in a segment provokes slow peers (RFC 7766 section 8). */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}
