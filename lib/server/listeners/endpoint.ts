// Addresses to listen on as people write them: `192.0.2.1:53` or `udp+tcp://192.0.2.1:53` (both mean UDP, and TCP at the same
// port), `tls://192.0.2.1` (DNS over TLS, RFC 7858; port 853 where none is given).
import { parseSocketAddress, type SocketAddress } from '../../base/address.js';
import { optionError } from '../../base/errors.js';

/** What is listened for at an address: `plain` is UDP and TCP. */
export type ListenScheme = 'plain' | 'tls';

export interface Endpoint extends SocketAddress {
  readonly scheme: ListenScheme;
}

/** As they are written; with the port where none is given. */
const SCHEMES: Readonly<Record<string, { scheme: ListenScheme; port?: number }>> = {
  'udp+tcp': { scheme: 'plain' },
  tls: { scheme: 'tls', port: 853 }, // RFC 7858 section 3.1
};

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming `option` and the text */
export function parseEndpoint(text: string, option: string): Endpoint {
  const url = /^([a-z][a-z\d+.-]*):\/\/(.*)$/is.exec(text);
  if (url === null) return { ...parseSocketAddress(text, option), scheme: 'plain' };
  const written = url[1].toLowerCase();
  if (!Object.hasOwn(SCHEMES, written)) {
    throw optionError(option, text, 'ADDRESS:PORT, [IPv6]:PORT or tls://ADDRESS:PORT');
  }
  const { scheme, port } = SCHEMES[written];
  const withoutPort = /^(?:\[[^\]]*\]|[^:[\]]*)$/.test(url[2]);
  const place = port !== undefined && withoutPort ? `${url[2]}:${port}` : url[2];
  try {
    return { ...parseSocketAddress(place, option), scheme };
  } catch {
    const forms = port === undefined ? ['ADDRESS:PORT', '[IPv6]:PORT'] : ['ADDRESS', 'ADDRESS:PORT', '[IPv6]:PORT'];
    throw optionError(option, text, forms.map(form => `${written}://${form}`).join(', '));
  }
}

/** Those of `listen`. @throws {ShardnsError} ERR_SHARDNS_OPTION naming the one that cannot be read */
export function endpointsOf({ listen }: { listen: readonly string[] }): Endpoint[] {
  return listen.map((text, i) => parseEndpoint(text, `listen[${i}]`));
}
