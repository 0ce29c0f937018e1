// What an upstream's OPT says, and queries without one.
import { HEADER_SIZE, Rcode } from '../wire/iana.js';
import { questionEnd } from '../wire/message.js';
import { findOpt, responseRcode } from '../wire/opt.js';

export function hasEdns(query: Uint8Array): boolean {
  return query[11] !== 0;
}

/** The query cut behind its question: what shardns itself adds there is OPT and nothing else. */
export function withoutEdns(query: Uint8Array): Uint8Array {
  const plain = query.slice(0, questionEnd(query));
  plain.fill(0, 10, HEADER_SIZE);
  return plain;
}

export interface RcodeAndOpt {
  /** All twelve bits of it, where there is an OPT (RFC 6891 section 6.1.3). */
  rcode: number;
  hasOpt: boolean;
}

export function rcodeAndOpt(response: Uint8Array): RcodeAndOpt {
  const opt = findOpt(response);
  return { rcode: responseRcode(response, opt), hasOpt: opt !== 0 };
}

/** Whether it is what servers say that know nothing of EDNS, or not of this version (RFC 6891 sections 7, 6.1.3). */
export function refusesEdns(rcode: number): boolean {
  return rcode === Rcode.FORMERR || rcode === Rcode.NOTIMP || rcode === Rcode.BADVERS;
}
