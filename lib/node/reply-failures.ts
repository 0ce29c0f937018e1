// Which replies are no answers, and what Node's dns module calls that.
import { headerRcode } from '../wire/flags.js';
import { ExtendedError, Rcode } from '../wire/iana.js';
import { type FailureCode, QueryFailure } from './errors.js';

/** Takes what it needs from the first `length` octets, and keeps none of them. */
export interface ReadReply<T> {
  (reply: Uint8Array, length: number): T;
  /** It looks at no TTL: a response that was kept as it is can be read without making a reply of it. */
  readonly ofRecordsAlone?: true;
}

const FAILURES: ReadonlyMap<number, FailureCode> = new Map([
  [Rcode.FORMERR, 'EFORMERR'],
  [Rcode.NOTIMP, 'ENOTIMP'],
  [Rcode.REFUSED, 'EREFUSED'],
]);

/** @throws {QueryFailure} for a reply that is no answer */
export function readReply<T>(reply: Uint8Array, length: number, read: ReadReply<T>): T {
  const rcode = headerRcode(reply);
  if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN) throw new QueryFailure(FAILURES.get(rcode) ?? 'ESERVFAIL');
  return read(reply, length);
}

/** Of a question that got no reply which could be an answer. */
export function failureOf({ rcode, extendedError }: { rcode: number; extendedError: number }): FailureCode {
  const failure = FAILURES.get(rcode);
  if (failure !== undefined) return failure;
  if (extendedError === ExtendedError.noReachableAuthority) return 'ETIMEOUT';
  return extendedError === ExtendedError.networkError ? 'ECONNREFUSED' : 'ESERVFAIL';
}
