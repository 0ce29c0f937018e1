// The errors of Node's own dns module, so that code written for it need not change; and one that it has not: EINSECURE.
import type { Unproven } from './proof.js';

/** getaddrinfo's numbers as libuv has them. */
export const EAI = { addrfamily: -3000, again: -3001, fail: -3004, nodata: -3007, noname: -3008 } as const;

/** Node gives "no such name" and "no address" the same code. */
const CODES = new Map<number, string>([
  [EAI.addrfamily, 'EAI_ADDRFAMILY'],
  [EAI.again, 'EAI_AGAIN'],
]);

export interface LookupError extends Error {
  code: string;
  errno: number;
  syscall: 'getaddrinfo';
  hostname: string;
}

/** `getaddrinfo ENOTFOUND host`. */
export function lookupError(errno: number, hostname: string, cause?: unknown): LookupError {
  const code = CODES.get(errno) ?? 'ENOTFOUND';
  const error = new Error(`getaddrinfo ${code} ${hostname}`, cause === undefined ? undefined : { cause });
  return Object.assign(error, { errno, code, syscall: 'getaddrinfo' as const, hostname });
}

/** UV_EINVAL: Node gives an error with a number of libuv only where libuv has found it. */
const UV_EINVAL = -22;

/** `queryA ENOTFOUND host`; of the root, whose name is empty, Node names no host. */
export function queryError(syscall: string, code: string, hostname: string, cause?: unknown): Error {
  const text = hostname === '' ? `${syscall} ${code}` : `${syscall} ${code} ${hostname}`;
  const error = new Error(text, cause === undefined ? undefined : { cause });
  const errno = code === 'EINVAL' ? UV_EINVAL : undefined;
  return Object.assign(error, { errno, code, syscall, ...(hostname === '' ? {} : { hostname }) });
}

/**
 * What Node's own functions give when their signal aborts, whatever it was aborted with: an Error of name `AbortError`
 * and code `ABORT_ERR`, its cause the signal's reason, which may be no Error at all.
 */
export function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason as unknown });
  error.name = 'AbortError';
  return Object.assign(error, { code: 'ABORT_ERR' });
}

/** Why there is no answer, in the words of Node's dns module. */
export type FailureCode =
  'EFORMERR' | 'ESERVFAIL' | 'ENOTIMP' | 'EREFUSED' | 'ETIMEOUT' | 'ECONNREFUSED' | 'ECANCELLED';

/** A question that got no answer; not an error of the name. */
export class QueryFailure extends Error {
  constructor(
    readonly code: FailureCode,
    /** Where validation had a say in it. */
    readonly unproven?: Unproven,
  ) {
    super(unproven === undefined ? code : `${code}: ${unproven.reason}`);
  }
}

/** What `secure: 'required'` makes of an answer that is not proven. */
export interface InsecureError extends Error {
  code: 'EINSECURE';
  syscall: string;
  hostname: string;
  /** Why, in words. */
  reason: string;
  /** Code of an extended DNS error (RFC 8914 section 4), where one says more than that no zone has signed it. */
  extendedError?: number;
  /** It ought to be secure and is not: forged, expired, or its zone is broken. False: it is not signed. */
  bogus: boolean;
}

/** `queryTlsa EINSECURE _443._tcp.example.com: a delegation without DS`. */
export function insecureError(
  syscall: string,
  hostname: string,
  { reason, extendedError, isBogus = false }: Unproven,
): InsecureError {
  const error = new Error(`${syscall} EINSECURE ${hostname}: ${reason}`);
  const told = extendedError === undefined ? {} : { extendedError };
  const errno = syscall === 'getaddrinfo' ? { errno: EAI.fail } : {};
  return Object.assign(error, {
    ...errno,
    code: 'EINSECURE' as const,
    syscall,
    hostname,
    reason,
    ...told,
    bogus: isBogus,
  });
}
