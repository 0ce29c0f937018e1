// Resolution from the root down, zones whose servers are given, and which addresses may be asked or told.
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { type AddressPrefix, parsePrefix } from '../../base/address.js';
import { count } from '../../base/options.js';
import { parseTranslationPrefix } from '../../resolve/dns64.js';
import { AddressRules } from '../../resolve/recurse/address-rules.js';
import { RECURSION_LIMITS } from '../../resolve/recurse/limits.js';
import type { ConfiguredZone } from '../../resolve/recurse/delegation.js';
import { configuredZones, parseZoneServer, type ZoneOptions } from '../../resolve/recurse/zones.js';
import { encodeName, foldName } from '../../wire/name.js';
import { type Rows, section } from './row.js';
import { address, parsed, prefix, zoneName } from './types.js';

const resolver = section({
  recursive: {
    schema: z.boolean().optional(),
    change: 'live',
    why: 'Resolve names from the root; by default where there is no upstream.',
  },
  rootHints: {
    schema: z.array(address).min(1).max(64).optional(),
    change: 'live',
    why: "Addresses of root servers in the place of the thirteen; they are asked for the root's own servers first (RFC 8109).",
  },
  port: { schema: count(1, 65_535).default(53), change: 'live', why: 'Where name servers listen.' },
  workers: {
    schema: count(0, 64).optional(),
    change: 'restart',
    why: 'Threads that resolve beside the main one; by default 2 on machines of four cores and more, else none.',
  },
  ipv4: { schema: z.boolean().default(true), change: 'live', why: 'Ask name servers at IPv4 addresses.' },
  ipv6: { schema: z.boolean().default(true), change: 'live', why: 'Ask name servers at IPv6 addresses.' },
  qnameMinimisation: {
    schema: z.enum(['off', 'relaxed', 'strict']).default('relaxed'),
    change: 'live',
    why: 'RFC 9156: `relaxed` asks for the whole name where a server fails at a part of it; `strict` does not.',
  },
  nothingBelowNxdomain: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'A name below one that does not exist does not exist either (RFC 8020); of upstreams too.',
  },
  dnssecOk: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'Ask name servers for signatures (DO), so that clients may have them.',
  },
  maxNameServers: {
    schema: count(1, 100).default(RECURSION_LIMITS.nsRecords),
    change: 'live',
    why: 'Name servers of a zone that are looked at and shown; of more the first ones.',
  },
  hardenGlue: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'Addresses that come with a referral count only inside the zone of those who give them.',
  },
  verifyGlue: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Look addresses of name servers from beside the zone up before they are used.',
  },
  maxQueries: {
    schema: count(1, 1000).default(RECURSION_LIMITS.queries),
    change: 'live',
    why: "Queries to servers that one client's query may cost.",
  },
  maxDepth: {
    schema: count(1, 100).default(RECURSION_LIMITS.depth),
    change: 'live',
    why: 'Steps from one name to another that it needs.',
  },
  maxAliases: {
    schema: count(0, 100).default(RECURSION_LIMITS.aliases),
    change: 'live',
    why: 'Aliases that are followed.',
  },
  doNotQuery: {
    schema: z.array(prefix).max(4096).default([]),
    change: 'live',
    why: 'Servers that are never asked, however their addresses are written; 0.0.0.0/8, `::`, multicast, broadcast and link-local addresses never are.',
  },
  doNotQueryLocalhost: { schema: z.boolean().default(true), change: 'live', why: 'Loopback addresses neither.' },
  privateAddresses: {
    schema: z.array(prefix).max(4096).default([]),
    change: 'live',
    why: "Addresses that names of the outside may not have (rebinding), but for those of `privateDomains`; in upstreams' answers too. Hints in SVCB and HTTPS records count, and IPv4 addresses in IPv6 ones (mapped, NAT64, `dns64.prefix`, 6to4, Teredo).",
  },
  privateDomains: {
    schema: z.array(zoneName).max(4096).default([]),
    change: 'live',
    why: 'Names that may have them.',
  },
  privateAnswers: {
    schema: z.enum(['strip', 'refuse']).default('strip'),
    change: 'live',
    why: '`strip`: an answer goes without such addresses; `refuse`: it is REFUSED, with extended error 15.',
  },
});

const zoneRows = {
  name: { schema: zoneName, change: 'live', why: 'The name at and below which these servers are asked.' },
  servers: {
    schema: z
      .array(parsed(text => parseZoneServer(text)))
      .min(1)
      .max(64),
    change: 'live',
    why: 'Addresses, with a port perhaps (`192.0.2.53:5353`), or host names, asked at `resolver.port`; `tls://` and `https://` URLs, as `upstreams` has them, of servers that are asked in no other way.',
  },
  first: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Resolve as if the zone was not configured when its servers fail.',
  },
  tcp: { schema: z.boolean().default(false), change: 'live', why: 'Ask over TCP.' },
  noCache: { schema: z.boolean().default(false), change: 'live', why: 'Ask for each answer anew.' },
} as const satisfies Rows;

const stubZone = section({
  ...zoneRows,
  prime: { schema: z.boolean().default(false), change: 'live', why: "Ask for the zone's own NS set first." },
}).refine(({ prime, servers }) => !prime || !servers.some(text => text.includes('://')), {
  path: ['prime'],
  message: 'expected false: the servers that the zone names would be asked in plain text, and these are not',
});

export const recursionRows = {
  resolver: { schema: resolver.prefault({}), change: 'live', why: 'Resolution from the root down.' },
  stubZones: {
    schema: z.array(stubZone).max(4096).default([]),
    change: 'live',
    why: 'Zones whose servers are given: asked as authoritative servers are. What they need outside of themselves (targets of aliases, host names of servers, `first`) is asked of the upstreams, or from the root where there are none; so of `forwardZones`.',
  },
  forwardZones: {
    schema: z.array(section(zoneRows)).max(4096).default([]),
    change: 'live',
    why: 'Zones whose questions go to other resolvers.',
  },
} as const satisfies Rows;

type Resolver = z.output<typeof resolver>;

/** Threads that resolve beside the main one. */
export function workersOf(settings: { resolver: Resolver }): number {
  return settings.resolver.workers ?? (availableParallelism() >= 4 ? 2 : 0);
}

interface ConfiguredSettings {
  stubZones: readonly ZoneOptions[];
  forwardZones: readonly ZoneOptions[];
}

interface Zones {
  stubZones: z.output<typeof stubZone>[];
  forwardZones: { name: string }[];
}

/** Zones whose servers are given, by the key of their names. */
export function zonesOf({ stubZones, forwardZones }: ConfiguredSettings): ReadonlyMap<string, ConfiguredZone> {
  return configuredZones(stubZones, forwardZones);
}

/** Stub and forward zones that only one of the two has as they are: others say what lies in them. */
export function changedZones(before: Zones, after: Zones): string[] {
  const keysOf = ({ stubZones, forwardZones }: Zones): Map<string, string> =>
    new Map([
      ...stubZones.map(zone => [`stub ${JSON.stringify(zone)}`, zone.name] as const),
      ...forwardZones.map(zone => [`forward ${JSON.stringify(zone)}`, zone.name] as const),
    ]);
  const [old, next] = [keysOf(before), keysOf(after)];
  return [...new Set([...old, ...next].filter(([key]) => old.has(key) !== next.has(key)).map(([, name]) => name))];
}

/** Which servers may be asked, and which addresses answers may have, of a recursor and of upstreams alike. */
export function addressRulesOf(settings: { resolver: Resolver; dns64: { prefix?: string } }): AddressRules {
  const { prefix: translator } = settings.dns64;
  const { doNotQuery, doNotQueryLocalhost, privateAddresses, privateDomains, privateAnswers } = settings.resolver;
  const prefixes = (list: readonly string[], option: string): AddressPrefix[] =>
    list.map((text, i) => parsePrefix(text, `${option}[${i}]`));
  const localhost = doNotQueryLocalhost ? ['127.0.0.0/8', '::1'] : [];
  return new AddressRules(
    [...prefixes(doNotQuery, 'resolver.doNotQuery'), ...prefixes(localhost, 'resolver.doNotQueryLocalhost')],
    prefixes(privateAddresses, 'resolver.privateAddresses'),
    privateDomains.map(name => foldName(encodeName(name))),
    {
      refuses: privateAnswers === 'refuse',
      translator: translator === undefined ? undefined : parseTranslationPrefix(translator, 'dns64.prefix'),
    },
  );
}
