// Addresses to listen on as people write them: `192.0.2.1:53` or `udp+tcp://192.0.2.1:53` (both mean UDP, and TCP at the same
// port), `tls://192.0.2.1` (DNS over TLS, RFC 7858; port 853 where none is given), `https://192.0.2.1/dns-query` (DNS over
// HTTPS, RFC 8484; port 443, and the path of the RFC's examples).
import { parseSocketAddress, type SocketAddress } from '../../base/address.js';
import { optionError } from '../../base/errors.js';

/** What is listened for at an address: `plain` is UDP and TCP. */
export type ListenScheme = 'plain' | 'tls' | 'https';

export interface Endpoint extends SocketAddress {
  readonly scheme: ListenScheme;
  /** Of `https`: where questions are answered. */
  readonly path?: string;
}

/** All addresses of the machine. */
export const isWildcard = ({ address }: { address: string }): boolean =>
  address === '0.0.0.0' || /^[0:]+$/.test(address);

interface SchemeForm {
  readonly scheme: ListenScheme;
  /** Where none is given. */
  readonly port?: number;
  /** The same; none: there are no paths. */
  readonly path?: string;
}

/** As they are written. */
const SCHEMES: Readonly<Record<string, SchemeForm>> = {
  'udp+tcp': { scheme: 'plain' },
  tls: { scheme: 'tls', port: 853 }, // RFC 7858 section 3.1
  https: { scheme: 'https', port: 443, path: '/dns-query' }, // RFC 8484 section 4.1.1
};
/** What a URL's path may have (RFC 3986 section 3.3); clients are configured with a template, `/dns-query{?dns}`. */
const PATH = /^(\/(?:[\w.~!$&'()*+,;=:@/-]|%[\dA-Fa-f]{2}){0,255})(?:\{\?dns\})?$/;

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming `option` and the text */
export function parseEndpoint(text: string, option: string): Endpoint {
  const url = /^([a-z][a-z\d+.-]*):\/\/(.*)$/is.exec(text);
  if (url === null) return { ...parseSocketAddress(text, option), scheme: 'plain' };
  const written = url[1].toLowerCase();
  if (!Object.hasOwn(SCHEMES, written)) {
    throw optionError(option, text, 'ADDRESS:PORT, [IPv6]:PORT, tls://ADDRESS:PORT or https://ADDRESS:PORT/PATH');
  }
  const form = SCHEMES[written];
  const { scheme, port } = form;
  const slash = form.path === undefined ? -1 : url[2].indexOf('/');
  const authority = slash < 0 ? url[2] : url[2].slice(0, slash);
  const withoutPort = /^(?:\[[^\]]*\]|[^:[\]]*)$/.test(authority);
  const place = port !== undefined && withoutPort ? `${authority}:${port}` : authority;
  try {
    const path = slash < 0 ? form.path : pathOf(url[2].slice(slash));
    return { ...parseSocketAddress(place, option), scheme, ...(path !== undefined && { path }) };
  } catch {
    const forms = port === undefined ? ['ADDRESS:PORT', '[IPv6]:PORT'] : ['ADDRESS', 'ADDRESS:PORT', '[IPv6]:PORT'];
    const tail = form.path ?? '';
    throw optionError(option, text, forms.map(one => `${written}://${one}${tail}`).join(', '));
  }
}

function pathOf(text: string): string {
  const found = PATH.exec(text);
  if (found === null) throw new Error('no path');
  return found[1];
}

/** Those of `listen`. @throws {ShardnsError} ERR_SHARDNS_OPTION naming the one that cannot be read */
export function endpointsOf({ listen }: { listen: readonly string[] }): Endpoint[] {
  return listen.map((text, i) => parseEndpoint(text, `listen[${i}]`));
}
