// What a server may answer a client of Redis, by RESP 2 (the Redis serialization protocol specification): looked at before
// the client reads it, which believes each length. A few hundred octets of arrays in arrays, each said to be long, would
// take more memory than a process has, and a length below nothing would have it read the same octets for ever.
//
// Bounds: REPLY_LIMITS, of each reply. Holds a number for each array that is open.

export const REPLY_LIMITS = {
  /** All strings of a reply together: READER_LIMITS.perRead entries of the log, as long as they may be. */
  octets: 128 * 1024 * 1024,
  /** One string: MAX_FRAME, and whatever it is sealed with. */
  string: 17 * 1024 * 1024,
  /** A line: an error, a number, a length. */
  line: 64 * 1024,
  /** Of all arrays in a reply: the slots of a Cluster, at the most. */
  elements: 1024 * 1024,
  depth: 16,
} as const;

const Type = { string: 0x24, array: 0x2a, text: 0x2b, error: 0x2d, number: 0x3a } as const;
const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;

export class ReplyGuard {
  #broken: string | undefined;
  /** Of what is being read; 0: its type comes next. */
  #type = 0;
  /** Octets of its line so far; its carriage return has been there. */
  #line = 0;
  #atLineFeed = false;
  #length = 0;
  #isNull = false;
  /** Octets of a string, and of the end of its line, that are still to come. */
  #left = 0;
  /** Elements that are still to come, of each array that is open. */
  readonly #open: number[] = [];
  #octets = 0;
  #elements = 0;

  /** @throws {Error} for what no Redis says; and for all that comes behind it */
  check(chunk: Uint8Array): void {
    if (this.#broken !== undefined) throw new Error(this.#broken);
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) {
        const part = Math.min(this.#left, chunk.length - at);
        at += part;
        if ((this.#left -= part) === 0) this.#ended();
      } else if (this.#type === 0) this.#begin(chunk[at++]);
      else if (this.#atLineFeed) {
        if (chunk[at++] !== LF) this.break('a line that does not end');
        this.#lineEnded();
      } else at = this.#readLine(chunk, at);
    }
  }

  /** From now on nothing is to be believed. */
  break(why: string): never {
    this.#broken = `no reply of Redis: ${why}`;
    throw new Error(this.#broken);
  }

  #begin(type: number): void {
    const isKnown =
      type === Type.string || type === Type.array || type === Type.text || type === Type.error || type === Type.number;
    if (!isKnown) this.break(`a type ${type}`);
    this.#type = type;
    this.#line = 0;
    this.#length = 0;
    this.#isNull = false;
  }

  #readLine(chunk: Uint8Array, at: number): number {
    const isLength = this.#type === Type.string || this.#type === Type.array;
    for (; at < chunk.length; at++) {
      const octet = chunk[at];
      if (octet === CR) {
        if (isLength && this.#line < (this.#isNull ? 2 : 1)) this.break('no length');
        this.#atLineFeed = true;
        return at + 1;
      }
      if (++this.#line > REPLY_LIMITS.line) this.break(`a line of more than ${REPLY_LIMITS.line} octets`);
      if (isLength) this.#readLength(octet);
    }
    return at;
  }
  /** Digits, or -1. */
  #readLength(octet: number): void {
    if (octet === 0x2d && this.#line === 1) this.#isNull = true;
    else if (octet < ZERO || octet > ZERO + 9 || this.#line > 9) this.break('no length');
    else this.#length = this.#length * 10 + octet - ZERO;
    if (this.#isNull && this.#line > 1 && (this.#line > 2 || this.#length !== 1)) this.break('no length');
  }

  #lineEnded(): void {
    this.#atLineFeed = false;
    const { string, octets, elements, depth } = REPLY_LIMITS;
    const length = this.#isNull ? 0 : this.#length;
    if (this.#type === Type.string && !this.#isNull) {
      this.#octets += length;
      if (length > string || this.#octets > octets) this.break(`a string of ${length} octets`);
      this.#left = length + 2;
    } else if (this.#type === Type.array && length > 0) {
      this.#elements += length;
      if (this.#elements > elements) this.break(`an array of ${length}`);
      if (this.#open.push(length) > depth) this.break('arrays in arrays');
      this.#type = 0;
    } else this.#ended();
  }

  /** An element, and whatever array it was the last of. */
  #ended(): void {
    this.#type = 0;
    for (let last = this.#open.length - 1; last >= 0; last--) {
      if (--this.#open[last] > 0) return;
      this.#open.pop();
    }
    this.#octets = this.#elements = 0;
  }
}

/** What reads replies in @redis/client. */
export interface ReplyDecoder {
  write(chunk: Uint8Array): void;
  /** When a connection has ended; and when `write` has thrown, though its connection goes on. */
  reset(): void;
}

/** From now on whatever is decoded is looked at first, and nothing is any more on a connection once anything was wrong. */
export function guardReplies(decoder: { readonly prototype: ReplyDecoder }): void {
  const { prototype } = decoder;
  const { write, reset } = prototype;
  const guards = new WeakMap<ReplyDecoder, { guard: ReplyGuard; hasThrown: boolean }>();
  prototype.write = function (this: ReplyDecoder, chunk) {
    let one = guards.get(this);
    if (one === undefined) guards.set(this, (one = { guard: new ReplyGuard(), hasThrown: false }));
    one.hasThrown = true;
    one.guard.check(chunk);
    try {
      write.call(this, chunk);
    } catch (error) {
      one.guard.break((error as Error).message);
    }
    one.hasThrown = false;
  };
  prototype.reset = function (this: ReplyDecoder) {
    reset.call(this);
    const one = guards.get(this);
    if (one?.hasThrown === true) one.hasThrown = false;
    else guards.delete(this);
  };
}
