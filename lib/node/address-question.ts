// A question for addresses that is put to a server without a flight of the resolver (lib/resolve/plain-questions.ts), and
// all who wait for it: a list, so that a thousand callers are no thousand promises.
import { PlainQuestion, type PlainQuestions } from '../resolve/plain-questions.js';
import type { Upstream } from '../upstream/upstream.js';
import { Type } from '../wire/iana.js';

/** Who waits for what a question comes to; told once. Must not throw. */
export interface Waiting<A> {
  told(type: number, answered: A): void;
  /** @param error a QueryFailure, or a mistake */
  failed(type: number, error: unknown): void;
}

/** What a question is made for. */
export interface AddressQuestionOwner<A> {
  /** What those who wait are told of a response. */
  kept(question: AddressQuestion<A>, response: Uint8Array): A;
  /** The question is the resolver's from now on. */
  goOn(question: AddressQuestion<A>): void;
}

export class AddressQuestion<A> extends PlainQuestion {
  /** Nearly always one, which costs no list. */
  #waiting: Waiting<A> | undefined;
  #others: Waiting<A>[] | undefined;

  constructor(
    upstream: Upstream,
    asking: PlainQuestions,
    key: string,
    packet: Uint8Array,
    readonly type: number,
    private readonly client: AddressQuestionOwner<A>,
  ) {
    super(upstream, asking, key, packet);
  }

  wait(one: Waiting<A>): void {
    if (this.#waiting === undefined) this.#waiting = one;
    else (this.#others ??= []).push(one);
  }

  kept(response: Uint8Array): void {
    this.tell(this.client.kept(this, response));
  }
  goOn(): void {
    this.client.goOn(this);
  }

  tell(answered: A): void {
    const { type } = this;
    this.#waiting?.told(type, answered);
    if (this.#others !== undefined) for (const one of this.#others) one.told(type, answered);
  }
  fail(error: unknown): void {
    const { type } = this;
    this.#waiting?.failed(type, error);
    if (this.#others !== undefined) for (const one of this.#others) one.failed(type, error);
  }
}

/** Of an OPT with nothing in it. */
export const OPT_OCTETS = 11;

/** The question that ends at `end`, with an OPT behind it. Of its header only the flags and the count of questions are set. */
export function withOpt(question: Uint8Array, end: number, udpSize: number): Uint8Array {
  const packet = question.slice(0, end + OPT_OCTETS);
  packet[11] = 1;
  packet[end] = 0;
  packet[end + 1] = 0;
  packet[end + 2] = Type.OPT;
  packet[end + 3] = udpSize >> 8;
  packet[end + 4] = udpSize & 0xff;
  packet.fill(0, end + 5);
  return packet;
}
