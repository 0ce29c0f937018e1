// The records of a message, one after the other, without taking them apart.
import { Type } from './iana.js';

export const word = (message: Uint8Array, at: number): number => (message[at] << 8) | message[at + 1];

/** The records behind a message's questions, one after the other. */
export class RecordWalk {
  /** Of the record: its owner, its fields behind it, and where the next one is. */
  at = 0;
  fixed = 0;
  end = 0;
  type = 0;
  /** Of all records, those that have not been met. */
  left = 0;
  /** A record goes past the message's end, or begins with no name. */
  cutOff = false;
  #message!: Uint8Array;
  #nameEnd!: (message: Uint8Array, at: number) => number;

  /** @param nameEnd where a name ends, and whether it is looked at whole: 0 for none */
  begin(message: Uint8Array, at: number, nameEnd: (message: Uint8Array, at: number) => number): void {
    this.#message = message;
    this.#nameEnd = nameEnd;
    this.end = at;
    this.left = word(message, 6) + word(message, 8) + word(message, 10);
    this.cutOff = false;
  }

  next(): boolean {
    if (this.left === 0) return false;
    const message = this.#message;
    this.at = this.end;
    this.fixed = this.#nameEnd(message, this.at);
    this.cutOff = this.fixed === 0 || this.fixed + 10 > message.length;
    if (this.cutOff) return false;
    this.end = this.fixed + 10 + word(message, this.fixed + 8);
    this.cutOff = this.end > message.length;
    if (this.cutOff) return false;
    this.left--;
    this.type = word(message, this.fixed);
    return true;
  }

  /** Whether the record is an OPT of the root, as it is to be. */
  get isOpt(): boolean {
    return this.type === Type.OPT && this.fixed - this.at === 1;
  }
}
