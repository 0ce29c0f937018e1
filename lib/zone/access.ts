// Who may have a zone, or tell us of its changes: by address, by key, or by both, over TLS only perhaps. Written as
// `192.0.2.0/24`, `key NAME`, `192.0.2.0/24 key NAME`, `tls 192.0.2.0/24 key NAME`: all that a rule names has to hold.
import { addressOctets, type AddressPrefix, isInPrefix, isMapped, parsePrefix } from '../base/address.js';
import { optionError } from '../base/errors.js';
import { encodeName, equalNames, foldName } from '../wire/name.js';
import type { TsigKey } from './tsig/key.js';

export interface AccessRule {
  readonly prefix?: AddressPrefix;
  /** The key's name, folded. */
  readonly key?: Uint8Array;
  readonly tls: boolean;
}

/** Who asks, as far as it is known: the key only where its signature was right. */
export interface AccessClient {
  readonly address: string;
  readonly isEncrypted: boolean;
  readonly key?: TsigKey;
}

const EXPECTED = 'PREFIX, key NAME, PREFIX key NAME, each with tls before it where only TLS will do';

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming `option` and the text */
export function parseAccessRule(text: string, option: string): AccessRule {
  const words = text.trim().split(/\s+/);
  const tls = words[0] === 'tls';
  if (tls) words.shift();
  const prefix = words.length > 0 && words[0] !== 'key' ? parsePrefix(words.shift()!, option) : undefined;
  let key: Uint8Array | undefined;
  if (words.length === 2 && words[0] === 'key') {
    key = foldName(encodeName(words[1]));
    words.length = 0;
  }
  if (words.length > 0 || (prefix === undefined && key === undefined)) throw optionError(option, text, EXPECTED);
  return { prefix, key, tls };
}

/** The names of keys in such a text, for those who check that they are there. */
export const keyIn = (text: string): string | undefined => /(?:^|\s)key\s+(\S+)\s*$/.exec(text)?.[1];

export function isAllowed(rules: readonly AccessRule[], client: AccessClient): boolean {
  if (rules.length === 0) return false;
  const octets = addressOctets(client.address);
  const plain = isMapped(octets) ? octets.subarray(12) : octets;
  return rules.some(({ prefix, key, tls }) => {
    if (tls && !client.isEncrypted) return false;
    if (prefix !== undefined && !isInPrefix(plain, prefix) && !isInPrefix(octets, prefix)) return false;
    return key === undefined || (client.key !== undefined && equalNames(client.key.name, key));
  });
}
