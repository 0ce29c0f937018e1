// How long an idle connection stays open, for clients that ask (edns-tcp-keepalive, RFC 7828). One a connection.
import { appendOption, findOption, OptionCode } from '../../wire/opt.js';

export class TcpKeepalive {
  #asked = false;

  /** False: the option carries something, which only servers may send (section 3.2.1). */
  accepts(query: Uint8Array): boolean {
    const option = findOption(query, OptionCode.keepalive);
    if (option === undefined) return true;
    this.#asked = true;
    return option.length === 0;
  }

  /** The reply, with the time for those who have asked on this connection; in steps of 100 ms (section 3.1). */
  tell(reply: Uint8Array, idleTimeoutMs: number): Uint8Array {
    if (!this.#asked) return reply;
    const steps = Math.min(Math.floor(idleTimeoutMs / 100), 0xffff);
    return appendOption(reply, OptionCode.keepalive, Uint8Array.of(steps >> 8, steps & 0xff));
  }
}
