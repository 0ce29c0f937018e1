// Questions of which nothing but an answer is expected: flights of the miss ring that a transport asks servers about and
// answers by itself (native/udp/forwarder.h), and questions of this process; and whoever has sent them there.
import type { SocketAddress } from '../base/address.js';
import type { Doubt } from './doubt.js';

/** One under way. May be used again when it is over: a miss makes no object. */
export class Forwarded {
  /** Native name of its query; -1 when that is not under way. */
  number = -1;
  serial = 0;
  ticket = 0;
  beganMs = 0;
  letters: 'drawn' | 'kept' = 'drawn';
  entropy: 'guarded' | 'any' = 'guarded';
  /** What the COOKIE option of its query has (RFC 7873), of a flight; only a response with the same is answered natively. */
  cookie: Uint8Array | undefined = undefined;
  /** Neighbours among those under way, in the order in which they are late. */
  previous: this = this;
  next: this = this;
  dueMs = 0;

  constructor(
    public server: SocketAddress,
    /** That of what extends it. */
    readonly owner: ForwardOwner<never>,
  ) {}
}

/** Hears of each once that its query is over, and of doubts before. Must not throw. */
export interface ForwardOwner<One extends Forwarded> {
  /**
   * Stored, and told to all who wait.
   * @param result bits of ForwardResult
   * @param response where it denies the name
   */
  completed(one: One, result: number, response: Uint8Array | undefined): void;
  /** A response that is not as plain as that. */
  answered(one: One, response: Uint8Array): void;
  /** @param asked whether it was put to the server at all */
  lost(one: One, asked: boolean): void;
  doubted(one: One, doubt: Doubt): void;
}

export interface Forwarding {
  /**
   * One plane at a time.
   * @param completion of the plane whose flights are forwarded
   * @returns whether they may be: another plane may have it
   */
  beginForwarding<One extends Forwarded>(owner: ForwardOwner<One>, completion: unknown): boolean;
  /** What of the owner's is still under way is called off: it hears of nothing any more. */
  endForwarding<One extends Forwarded>(owner: ForwardOwner<One>): void;
  /** @param udpSize of responses, for the server to know */
  forward(one: Forwarded, udpSize: number): void;
  /** The same for a question of this process: its owner is told of the response. @param query without id */
  put(one: Forwarded, query: Uint8Array): void;
  /** Nobody wants to know what comes of it. */
  callOff(one: Forwarded): void;
  /**
   * The next query in the same form to its server is taken for this one, which is under way or has been answered. One at
   * a time: the offer before must have been withdrawn.
   */
  offer(one: Forwarded): void;
  /**
   * Ends the offer: what was not taken is called off, and who has taken it is told. Nothing where there is no offer.
   * @returns whether it was taken
   */
  withdraw(response: Uint8Array | undefined, doubt?: Doubt): boolean;
}
