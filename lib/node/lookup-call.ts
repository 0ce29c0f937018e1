// The arguments of a lookup: their types, which take the place of those of dns.lookup, and their checks, with its errors.
import dns from 'node:dns';
import type { promisify } from 'node:util';
import { checkOneOf, checkSignal, checkType, argumentError, valueError } from './arguments.js';
import { type Secure, SECURE_MODES } from './proof.js';

export interface LookupAddress {
  address: string;
  family: 4 | 6;
  /** With the option `secure` only. */
  secure?: boolean;
}
export interface LookupCallOptions {
  family?: number | 'IPv4' | 'IPv6' | undefined;
  hints?: number | undefined;
  all?: boolean | undefined;
  order?: 'verbatim' | 'ipv4first' | 'ipv6first' | undefined;
  verbatim?: boolean | undefined;
  /** May be shared by any number of calls. */
  signal?: AbortSignal | undefined;
  /** Whether addresses have to be proven (DNSSEC): as the client's where it is not given. */
  secure?: Secure | undefined;
}
export interface LookupOneOptions extends LookupCallOptions {
  all?: false | undefined;
}
export interface LookupAllOptions extends LookupCallOptions {
  all: true;
}
// Node declares its callbacks with these types; neither address nor family comes with an error, nor family with `all`.
export type LookupCallback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family: 4 | 6,
  secure?: boolean,
) => void;
export type LookupOneCallback = (
  error: NodeJS.ErrnoException | null,
  address: string,
  family: 4 | 6,
  secure?: boolean,
) => void;
export type LookupAllCallback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/** What `util.promisify(lookup)` gives. */
export interface PromisedLookup {
  (hostname: string, options: LookupAllOptions): Promise<LookupAddress[]>;
  (hostname: string, options?: LookupOneOptions | number): Promise<LookupAddress>;
  (hostname: string, options?: LookupCallOptions | number): Promise<LookupAddress | LookupAddress[]>;
}

export interface LookupFunction {
  (hostname: string, options: number | LookupOneOptions | null | undefined, callback: LookupOneCallback): void;
  (hostname: string, options: LookupAllOptions, callback: LookupAllCallback): void;
  (hostname: string, options: LookupCallOptions | number | null | undefined, callback: LookupCallback): void;
  (hostname: string, callback: LookupOneCallback): void;
  readonly [promisify.custom]: PromisedLookup;
  /** In types only, as Node's declarations have it, so that `dns.lookup = lookup` is one too. */
  readonly __promisify__: PromisedLookup;
}

export interface Call {
  hostname: string;
  family: 0 | 4 | 6;
  hints: number;
  all: boolean;
  order: 'verbatim' | 'ipv4first' | 'ipv6first';
  signal: AbortSignal | undefined;
  secure: Secure | undefined;
}

const FAMILIES = [0, 4, 6];
const ORDERS = ['verbatim', 'ipv4first', 'ipv6first'];
const HINTS = dns.ADDRCONFIG | dns.V4MAPPED | dns.ALL;
const NO_OPTIONS: LookupCallOptions = {};

const isGiven = <T>(value: T | null | undefined): value is T => value !== undefined && value !== null;

/**
 * Checks in the order of dns.lookup, and reads.
 * @param defaults where the call does not say
 */
export function readCall(
  hostname: unknown,
  options: unknown,
  callback: unknown,
  defaults: { order?: Call['order'] | undefined; secure?: Secure | undefined },
): Call {
  if (hostname) checkType('hostname', 'string', hostname);
  if (typeof callback !== 'function') throw argumentError('callback', 'of type function', callback);
  if (typeof options === 'number') checkOneOf('family', FAMILIES, options);
  else if (options !== undefined && typeof options !== 'object') {
    throw argumentError('options', 'of type object or integer', options);
  }
  const given = typeof options === 'number' ? { family: options } : ((options ?? NO_OPTIONS) as LookupCallOptions);
  let hints = 0;
  if (isGiven(given.hints)) {
    checkType('options.hints', 'number', given.hints);
    hints = given.hints >>> 0;
    if ((hints & ~HINTS) !== 0) throw valueError('hints', 'is invalid', hints);
  }
  let family: unknown = given.family ?? 0;
  if (family === 'IPv4') family = 4;
  else if (family === 'IPv6') family = 6;
  else if (!FAMILIES.includes(family as number)) checkOneOf('options.family', FAMILIES, family);
  if (isGiven(given.all)) checkType('options.all', 'boolean', given.all);
  let order: Call['order'] | undefined;
  if (isGiven(given.verbatim)) {
    checkType('options.verbatim', 'boolean', given.verbatim);
    order = given.verbatim ? 'verbatim' : 'ipv4first';
  }
  if (isGiven(given.order)) {
    if (!ORDERS.includes(given.order)) checkOneOf('options.order', ORDERS, given.order);
    ({ order } = given);
  }
  checkSignal('options.signal', given.signal);
  if (isGiven(given.secure)) checkOneOf('options.secure', SECURE_MODES, given.secure);
  return {
    hostname: (hostname || '') as string,
    family: family as Call['family'],
    hints,
    all: given.all ?? false,
    order: order ?? defaults.order ?? (dns.getDefaultResultOrder() as Call['order']),
    signal: given.signal,
    secure: given.secure ?? defaults.secure,
  };
}
