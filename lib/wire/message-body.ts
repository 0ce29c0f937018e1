// A DNS message that is the body of a request or a response over HTTP (RFC 8484), from its pieces.
//
// Bound: MAX_MESSAGE_SIZE octets; of a body that is longer nothing is held.
import { GatheredOctets } from '../base/gathered-octets.js';
import { MAX_MESSAGE_SIZE } from './iana.js';

export class MessageBody {
  readonly #held = new GatheredOctets();
  #octets = 0;

  /** Octets that came, those of a body that is too long too. */
  get octets(): number {
    return this.#octets;
  }
  get isTooLong(): boolean {
    return this.#octets > MAX_MESSAGE_SIZE;
  }
  /** Empty where it is too long. */
  get message(): Buffer {
    return this.#held.octets;
  }

  add(piece: Uint8Array): void {
    this.#octets += piece.length;
    if (this.isTooLong) this.#held.clear();
    else this.#held.add(piece, MAX_MESSAGE_SIZE);
  }
  clear(): void {
    this.#held.clear();
    this.#octets = 0;
  }
}
