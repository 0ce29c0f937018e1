// Whose HTTP requests are answered. A web page that anybody visits can send requests to addresses of the visitor's own
// network, and by DNS rebinding read the answers: so a request must name this server by a numeric address, as localhost, by
// a name without a dot, such as containers and pods call each other by (top-level domains have no addresses, SAC053), or by
// a configured name. A page of the internet cannot have these as its own name. And it must not come from another site's page (RFC 6454,
// Fetch Metadata). Where there is a token it must carry that too (RFC 6750 section 2.1).
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { show } from '../base/errors.js';

export interface AdmissionOptions {
  /** Host names, lower case, that requests may name it by, and the option that has them. */
  hosts: readonly string[];
  option?: string;
  token?: string;
}

export type Verdict = { status: 401 | 403; reason: string } | undefined;

/** Undefined: to be answered. */
export function judge(headers: IncomingHttpHeaders, options: AdmissionOptions): Verdict {
  const { host, origin } = headers;
  // HTTP/1.0 has no Host; no browser speaks it.
  if (host !== undefined && !isOurs(host, options)) {
    return {
      status: 403,
      reason: `host ${show(host)} is not one of ${options.option ?? 'metrics.hosts'}, numeric, without a dot or localhost`,
    };
  }
  if (origin !== undefined && origin.replace(/^https?:\/\//, '').toLowerCase() !== host?.toLowerCase()) {
    return { status: 403, reason: 'a page of another site asks' };
  }
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    return { status: 403, reason: 'a page of another site asks' };
  }
  if (options.token !== undefined && !isToken(headers.authorization, options.token)) {
    return { status: 401, reason: 'expected the header Authorization: Bearer TOKEN' };
  }
  return undefined;
}

function isOurs(authority: string, { hosts }: AdmissionOptions): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:/@\s]+))(?::\d{1,5})?$/.exec(authority);
  if (match === null) return false;
  const name = (match[1] ?? match[2]).toLowerCase().replace(/\.$/, '');
  if (match[1] !== undefined) return isIP(name) === 6;
  return isIP(name) === 4 || /^[a-z0-9_-]+$/.test(name) || hosts.includes(name);
}

/** In constant time, whatever their lengths. */
function isToken(header: string | undefined, token: string): boolean {
  const [, given = ''] = /^bearer +(\S+) *$/i.exec(header ?? '') ?? [];
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
