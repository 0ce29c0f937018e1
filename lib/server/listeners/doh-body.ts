// The body of a request, put together in one buffer: chunks of an octet each would hold a hundred times what they bring.
import { MAX_MESSAGE_SIZE } from '../../wire/iana.js';

const FIRST_ROOM = 512;

export class DohBody {
  #room = Buffer.alloc(0);
  /** That came, those of a body that is too long too. */
  octets = 0;

  get isTooLong(): boolean {
    return this.octets > MAX_MESSAGE_SIZE;
  }
  get query(): Buffer {
    return this.#room.subarray(0, this.octets);
  }

  add(chunk: Uint8Array): void {
    const at = this.octets;
    this.octets += chunk.length;
    if (this.isTooLong) {
      this.#room = Buffer.alloc(0);
      return;
    }
    if (this.octets > this.#room.length) {
      const more = Buffer.alloc(Math.max(FIRST_ROOM, this.octets, Math.min(2 * this.#room.length, MAX_MESSAGE_SIZE)));
      this.#room.copy(more);
      this.#room = more;
    }
    this.#room.set(chunk, at);
  }
}
