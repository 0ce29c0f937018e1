// Where an address lies: on this machine, in a network of somebody's own, or out in the world.
import { parsePrefix } from './address.js';
import { lazy } from './lazy.js';
import { PrefixTable } from './prefix-table.js';

export type AddressScope = 'loopback' | 'private' | 'public';

const scopes = lazy(
  () =>
    new PrefixTable<AddressScope>(
      (
        [
          ['loopback', '127.0.0.0/8', '::1', '::ffff:127.0.0.0/104'],
          ['private', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'], // RFC 1918
          ['private', '::ffff:10.0.0.0/104', '::ffff:172.16.0.0/108', '::ffff:192.168.0.0/112'],
          ['private', '169.254.0.0/16', 'fe80::/10'], // link-local: RFC 3927, RFC 4291 section 2.5.6
          ['private', 'fc00::/7'], // RFC 4193
          ['private', '100.64.0.0/10'], // shared by a provider and its customers: RFC 6598
        ] as const
      ).flatMap(([scope, ...prefixes]) => prefixes.map(text => [parsePrefix(text, ''), scope] as const)),
    ),
);

/** @param address numeric, with a scope perhaps: `fe80::1%eth0` */
export const scopeOf = (address: string): AddressScope => scopes().find(address) ?? 'public';
