// The errors of Node's own dns module, so that code written for it need not change.

/** getaddrinfo's numbers as libuv has them. */
export const EAI = { again: -3001, nodata: -3007, noname: -3008 } as const;

export interface LookupError extends Error {
  code: string;
  errno: number;
  syscall: 'getaddrinfo';
  hostname: string;
}

/** `getaddrinfo ENOTFOUND host`; Node gives "no such name" and "no address" the same code. */
export function lookupError(errno: number, hostname: string, cause?: unknown): LookupError {
  const code = errno === EAI.again ? 'EAI_AGAIN' : 'ENOTFOUND';
  const error = new Error(`getaddrinfo ${code} ${hostname}`, cause === undefined ? undefined : { cause });
  return Object.assign(error, { errno, code, syscall: 'getaddrinfo' as const, hostname });
}

/** `queryA ENOTFOUND host`. */
export function queryError(syscall: string, code: string, hostname?: string, cause?: unknown): Error {
  const text = hostname === undefined ? `${syscall} ${code}` : `${syscall} ${code} ${hostname}`;
  const error = new Error(text, cause === undefined ? undefined : { cause });
  return Object.assign(error, { errno: undefined, code, syscall, ...(hostname === undefined ? {} : { hostname }) });
}

/** A TypeError as Node's validators throw it. */
export function argumentError(name: string, expected: string, value: unknown): TypeError {
  const received = value === null ? 'null' : typeof value;
  return Object.assign(new TypeError(`The "${name}" argument must be ${expected}. Received ${received}`), {
    code: 'ERR_INVALID_ARG_TYPE',
  });
}

export function valueError(name: string, expected: string, value: unknown): TypeError {
  return Object.assign(new TypeError(`The argument '${name}' must be ${expected}. Received ${String(value)}`), {
    code: 'ERR_INVALID_ARG_VALUE',
  });
}

/** Why there is no answer, in the words of Node's dns module. */
export type FailureCode = 'ESERVFAIL' | 'EREFUSED' | 'ETIMEOUT' | 'ECONNREFUSED' | 'ECANCELLED';

/** A question that got no answer; not an error of the name. */
export class QueryFailure extends Error {
  constructor(readonly code: FailureCode) {
    super(code);
  }
}
