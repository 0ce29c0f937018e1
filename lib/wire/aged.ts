// Lifetimes of a response that has lain somewhere on its way.
import { Type } from './iana.js';
import { questionEnd } from './message.js';
import { skipName } from './name.js';
import { RecordWalk } from './record-walk.js';

/** Lowers every TTL of a response with one question by so many seconds, in place (RFC 8484 section 5.1); not below 0. */
export function ageTtls(response: Uint8Array, seconds: number): void {
  const end = questionEnd(response);
  if (end === 0) return;
  const view = new DataView(response.buffer, response.byteOffset, response.length);
  const walk = new RecordWalk();
  walk.begin(response, end, skipName);
  while (walk.next()) {
    if (walk.type === Type.OPT || walk.type === Type.TSIG) continue;
    const ttl = view.getUint32(walk.fixed + 4);
    // RFC 2181 section 8: with the first bit set it means 0.
    view.setUint32(walk.fixed + 4, ttl >= 2 ** 31 ? 0 : Math.max(0, ttl - seconds));
  }
}
