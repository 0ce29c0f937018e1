// What a request of DNS over HTTPS asks for, by its head alone (RFC 8484 section 4.1). Pure; knows no socket and no framing.
import { MAX_MESSAGE_SIZE } from '../../wire/iana.js';

export const DNS_MESSAGE = 'application/dns-message';
export const ALLOWED_METHODS = 'GET, HEAD, POST';

export interface RequestHead {
  readonly method: string;
  /** Path and query of the URL, as they came. */
  readonly target: string;
  readonly contentType: string | undefined;
  readonly contentLength: string | undefined;
}

/** The query; `body` where that is what follows; else the status by which the request is refused. */
export type Reading = Buffer | 'body' | number;

export function readHead({ method, target, contentType, contentLength }: RequestHead, path: string): Reading {
  const mark = target.indexOf('?');
  if ((mark < 0 ? target : target.slice(0, mark)) !== path) return 404;
  if (method === 'GET' || method === 'HEAD') return mark < 0 ? 400 : readParameters(target.slice(mark + 1));
  if (method !== 'POST') return 405;
  if (contentType === undefined || contentType.split(';', 1)[0].trim().toLowerCase() !== DNS_MESSAGE) return 415;
  return Number(contentLength ?? 0) > MAX_MESSAGE_SIZE ? 413 : 'body';
}

/** The one variable `dns`; others are nobody's concern. */
function readParameters(text: string): Buffer | number {
  const given = text.split('&').filter(one => one.startsWith('dns='));
  return given.length === 1 ? readBase64Url(given[0].slice(4)) : 400;
}

/** Without padding (RFC 8484 section 6), without other letters, and without bits that stand for nothing (RFC 4648 section 3.5). */
function readBase64Url(text: string): Buffer | number {
  if (text.length > Math.ceil((MAX_MESSAGE_SIZE * 4) / 3)) return 413;
  if (!/^[\w-]+$/.test(text) || text.length % 4 === 1) return 400;
  const octets = Buffer.from(text, 'base64url');
  return octets.toString('base64url') === text ? octets : 400;
}
