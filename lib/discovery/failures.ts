// What can be wrong with a service, by category: each has one code that does not change, and says what a program can do.
import { ShardnsError, type ShardnsErrorCode } from '../base/errors.js';

/**
 * - `transient`: servers failed or were silent, or no endpoint can be reached; it is tried again by itself
 * - `missing`: there is no such name, or it has no such records; there may be tomorrow
 * - `refused`: servers answer that they will not; somebody has to let this client ask
 * - `not offered`: the zone says that the service is decidedly not there (RFC 2782, target "."; RFC 9460 section 2.5.1)
 * - `insecure`: an answer is not proven by DNSSEC where `secure: 'required'` wants it, or was forged
 */
export type Category = 'transient' | 'missing' | 'refused' | 'not offered' | 'insecure';

const CODES: Readonly<Record<Category, ShardnsErrorCode>> = {
  transient: 'ERR_SHARDNS_SERVICE_UNAVAILABLE',
  missing: 'ERR_SHARDNS_SERVICE_MISSING',
  refused: 'ERR_SHARDNS_SERVICE_REFUSED',
  'not offered': 'ERR_SHARDNS_SERVICE_NOT_OFFERED',
  insecure: 'ERR_SHARDNS_SERVICE_INSECURE',
};

const ADVICE: Readonly<Record<Category, string>> = {
  transient: 'it is tried again by itself',
  missing:
    'check the name, which is asked for without a search list; in Kubernetes, whether a port has that name and a pod is ready',
  refused: 'let this client ask these servers',
  'not offered': 'nothing is to be tried before the zone changes',
  insecure: 'sign the zone, or leave out `secure: "required"`',
};

/** A ShardnsError of a service, with its category. */
export interface ServiceError extends ShardnsError {
  readonly category: Category;
  /** The service's name as it was asked for. */
  readonly service: string;
  /** The reason alone. */
  readonly why: string;
}

/** @param why without the service's name */
export function serviceError(category: Category, service: string, why: string, cause?: unknown): ServiceError {
  const text = `${service}: ${why}: ${ADVICE[category]}`;
  const error = new ShardnsError(CODES[category], text, cause === undefined ? undefined : { cause });
  return Object.assign(error, { category, service, why });
}

export const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof ShardnsError && (error as { category?: unknown }).category !== undefined;
