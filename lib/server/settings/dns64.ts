// Addresses for clients with IPv6 alone (DNS64, RFC 6147).
import { z } from 'zod';
import { type AddressPrefix, parsePrefix } from '../../base/address.js';
import { firstTranslatedTag } from '../../clients/views.js';
import { Dns64, parseTranslationPrefix } from '../../resolve/dns64.js';
import { type Rows, section } from './row.js';
import { parsed, prefix } from './types.js';

const dns64 = section({
  prefix: {
    schema: parsed(text => parseTranslationPrefix(text, '')).optional(),
    change: 'live',
    why: "The translator's (NAT64) prefix, `64:ff9b::/96` or one of your own (RFC 6052 section 2.2): names without AAAA get the IPv4 addresses of their A records behind it, and reverse names below it those of the IPv4 addresses. Without it nothing is translated. Private IPv4 addresses are not translated by `64:ff9b::/96` (RFC 6052 section 3.1).",
  },
  exclude: {
    schema: z.array(prefix).max(256).default(['::ffff:0:0/96']),
    change: 'live',
    why: 'AAAA records in these prefixes count as none and are not told (RFC 6147 section 5.1.4).',
  },
  clients: {
    schema: z.array(prefix).max(4096).default([]),
    change: 'live',
    why: 'Whose answers are translated, by addresses and prefixes; by default those of all clients. These share no answers with others; none may be given where `tenants.enabled` is set.',
  },
});

export const dns64Rows = {
  dns64: {
    schema: dns64.prefault({}),
    change: 'live',
    why: 'AAAA records made of A records, for clients that have IPv6 alone (RFC 6147); `ipv4only.arpa`, by which they find the prefix (RFC 7050), too. Who sets CD gets what the name has (section 5.5).',
  },
} as const satisfies Rows;

interface Translated {
  dns64: z.output<typeof dns64>;
  views: readonly unknown[];
}

export function dns64Of({ dns64, views }: Translated): Dns64 | undefined {
  const prefix = translationPrefixOf(dns64);
  if (prefix === undefined) return undefined;
  return new Dns64({
    prefix,
    exclude: dns64.exclude.map((text, i) => parsePrefix(text, `dns64.exclude[${i}]`)),
    fromTag: dns64.clients.length === 0 ? 0 : firstTranslatedTag(views.length),
  });
}

export function translationPrefixOf({ prefix }: Translated['dns64']): AddressPrefix | undefined {
  return prefix === undefined ? undefined : parseTranslationPrefix(prefix, 'dns64.prefix');
}

/** Whose answers are translated, where others' are not. */
export function translatedClientsOf({ dns64 }: Pick<Translated, 'dns64'>): readonly string[] {
  return dns64.prefix === undefined ? [] : dns64.clients;
}
