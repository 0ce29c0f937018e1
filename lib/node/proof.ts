// Whether what a program is told has been proven by DNSSEC, and why not. It is secure where it was validated in this
// process, where servers that the program has called trusted say so (AD: RFC 6840 sections 5.7 and 5.8), and where nobody
// on a network has said it: addresses that are written out, the hosts file, localhost.
import { ExtendedError } from '../wire/iana.js';

/**
 * `required`: what is not secure is an error, of code `EINSECURE`. `report`: results, and errors that deny a name or its
 * records, say whether they are secure.
 */
export type Secure = 'required' | 'report';
export const SECURE_MODES: readonly Secure[] = ['required', 'report'];

/** Why something is not secure. */
export interface Unproven {
  /** In words. */
  reason: string;
  /** RFC 8914 section 4, where one says more than that. */
  extendedError?: number;
  /** It ought to be secure, and is not: it is told to nobody. Not set: no zone has signed it, or nobody can tell. */
  isBogus?: boolean;
}

/** What a result is with `secure`: an array or an object as ever, with one property more, which is not enumerable. */
export type Reported<S extends Secure | undefined, T> = S extends 'required'
  ? T & { readonly secure: true }
  : S extends 'report'
    ? T & { readonly secure: boolean }
    : T;

const BOGUS: ReadonlyMap<number, string> = new Map([
  [ExtendedError.dnssecBogus, 'bogus'],
  [ExtendedError.signatureExpired, 'bogus: an expired signature'],
  [ExtendedError.signatureNotYetValid, 'bogus: a signature that is not yet valid'],
  [ExtendedError.dnskeyMissing, 'bogus: no DNSKEY record for its signatures'],
  [ExtendedError.rrsigsMissing, 'bogus: no signatures'],
  [ExtendedError.noZoneKeyBit, 'bogus: no key that signs zones'],
  [ExtendedError.nsecMissing, 'bogus: no proof of what is denied'],
  [ExtendedError.signatureExpiredBeforeValid, 'bogus: a signature that expires before it begins'],
]);

/** By the extended error alone: of what a server has judged, or what was judged long ago. Undefined: it is about something else. */
export function unprovenBy(extendedError: number): Unproven | undefined {
  const reason = BOGUS.get(extendedError);
  return reason === undefined ? undefined : { reason, extendedError, isBogus: true };
}

/** Gives a result or an error its property. */
export function reported<T extends object>(of: T, secure: boolean): T {
  return Object.defineProperty(of, 'secure', { value: secure, configurable: true });
}
