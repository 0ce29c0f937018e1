// Name servers as programs write them: `192.0.2.1`, `[2001:db8::1]:5353`, `tls://9.9.9.9#dns.quad9.net`,
// `https://9.9.9.9/dns-query#dns.quad9.net`.
import { parseSocketAddress } from '../base/address.js';
import { optionError } from '../base/errors.js';
import type { ServerAddress } from '../transport/transport.js';
import type { Scheme } from '../upstream/route.js';
import { parseUpstream } from '../upstream/upstream-url.js';

export const SERVER_EXPECTED =
  'ADDRESS, ADDRESS:PORT, [IPv6]:PORT, tls://ADDRESS#NAME or https://ADDRESS/PATH#NAME, with ?pin-sha256= before the # or not';

export const isUrl = (text: string): boolean => text.includes('://');

export interface ServerPlace {
  readonly at: ServerAddress;
  /** Undefined where it is asked as resolv.conf says. */
  readonly scheme: Scheme | undefined;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION */
export function parseServer(text: string, option: string): ServerPlace {
  if (!isUrl(text)) return { at: parseSocketAddress(text, option, 53), scheme: undefined };
  const { at, scheme } = parseUpstream(text, option);
  // There is nobody to look a name up at but those that it stands for.
  if (at === undefined) throw optionError(option, text, SERVER_EXPECTED);
  return { at, scheme };
}
