// Whom misses are asked of, and how.
import { z } from 'zod';
import { parsePrefix } from '../../base/address.js';
import { count, pathOption } from '../../base/options.js';
import { optionError, ShardnsError } from '../../base/errors.js';
import { PrefixTable } from '../../base/prefix-table.js';
import { readRegularFile } from '../../base/regular-file.js';
import { EncryptedTransport } from '../../transport/encrypted-transport.js';
import { isSourced, whyNotBound } from '../../transport/local-address.js';
import { SystemUdpTransport } from '../../transport/system-udp.js';
import type { LocalAddress, Transport } from '../../transport/transport.js';
import { ClientSubnets } from '../../resolve/client-subnets.js';
import type { ZoneRate } from '../../resolve/zone-rates.js';
import type { ExchangerOptions } from '../../upstream/exchange.js';
import { parseUpstream, type UpstreamPlace } from '../../upstream/upstream-url.js';
import { encodeName, foldName, nameKey } from '../../wire/name.js';
import { certificatesIn } from '../tls-identity.js';
import { type Rows, section } from './row.js';
import { addressOf, prefix, serverAddress, upstreamUrl, zoneName } from './types.js';

const clientString = section({
  servers: { schema: prefix, change: 'live', why: 'An address or prefix of servers that are told it.' },
  text: { schema: z.string().min(1).max(255), change: 'live', why: 'The text.' },
});

const sourceAddress = section({
  ipv4: { schema: addressOf(4).optional(), change: 'live', why: 'Toward IPv4 addresses.' },
  ipv6: { schema: addressOf(6).optional(), change: 'live', why: 'Toward IPv6 addresses.' },
});

const zoneRate = section({
  enabled: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Whether it is limited: names made up below one (random-subdomain attacks) do not reach its servers then.',
  },
  failuresPerSecond: {
    schema: z.number().min(0.1).max(100_000).default(50),
    change: 'live',
    why: 'Names directly below a name, and below what is below it, that may come to NXDOMAIN or a failure in a second beyond those that exist; two seconds of it at once. What is over gets an expired answer or SERVFAIL. Names that were answered before are asked for in any case, and those of clients that did not bring it about by as much again.',
  },
  exempt: {
    schema: z.array(zoneName).max(4096).default([]),
    change: 'live',
    why: 'Names at and below which nothing is counted, such as block lists that are asked by DNS, of which most names do not exist.',
  },
  dryRun: { schema: z.boolean().default(false), change: 'live', why: 'Count, and ask for all.' },
});

const upstream = section({
  bootstrap: {
    schema: z.array(serverAddress).max(16).default([]),
    change: 'live',
    why: 'Servers, by their addresses, that are asked for the addresses of upstreams given by name; by default the upstreams that are given as addresses.',
  },
  discover: {
    schema: z.enum(['never', 'names', 'all']).default('never'),
    change: 'live',
    why: 'Which of the `upstreams` that are written as for plain text are asked encrypted, as they say themselves, and in no other way: `names`, those given by name, as the DNS says at `_dns.NAME` (RFC 9461), with a certificate for that name; `all`, those given as addresses too, as they say at `_dns.resolver.arpa` (RFC 9462), with a certificate for that address. Until it is found how, and where it cannot be, they are not asked.',
  },
  sourceAddress: {
    schema: sourceAddress.prefault({}),
    change: 'live',
    why: 'Addresses of this machine that queries leave from, over UDP and TCP, to upstreams and name servers; the system chooses where none is given.',
  },
  tlsAuthorities: {
    schema: pathOption.optional(),
    change: 'live',
    why: 'A file with certificates (PEM) of those who may vouch for `tls://` and `https://` upstreams, in the place of the ones that Node trusts; read at the start, with each change and at SIGHUP.',
  },
  deadlineMs: {
    schema: count(50, 60_000).default(5000),
    change: 'live',
    why: 'How long a question may take, whoever is asked.',
  },
  hedge: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'Ask a second server early where the first is late.',
  },
  maxInFlight: {
    schema: count(1, 65_536).default(2048),
    change: 'live',
    why: 'Questions one server is asked at a time; up to 16,384 more wait for room until their deadline.',
  },
  maxTotal: { schema: count(1, 65_536).default(8192), change: 'live', why: 'Questions under way in all.' },
  udpSize: {
    schema: count(512, 4096).default(1232),
    change: 'live',
    why: 'Greatest response over UDP, as told to servers (RFC 9715 section 3.1).',
  },
  clientSubnet: {
    schema: z.enum(['strip', 'forward']).default('strip'),
    change: 'live',
    why: "Whether a client's subnet, as it tells it, goes upstream (RFC 7871); answers are kept by subnet then. Those of private networks never go, and who tells 0 bits of his is obeyed.",
  },
  subnetIpv4Prefix: {
    schema: count(1, 32).default(24),
    change: 'live',
    why: 'The most bits of an IPv4 subnet that go (RFC 7871 section 11.1).',
  },
  subnetIpv6Prefix: { schema: count(1, 128).default(56), change: 'live', why: 'The same of an IPv6 subnet.' },
  subnetNames: {
    schema: z.array(zoneName).max(4096).default([]),
    change: 'live',
    why: 'Names at and below which subnets go, such as those of content networks; by default all.',
  },
  letterCase: {
    schema: z.enum(['public', 'always', 'never']).default('public'),
    change: 'live',
    why: 'Whose names go out in random letters, so that responses are hard to forge (0x20): servers with `public` addresses, `always`, `never`. Servers on this machine and in private networks may mind the letters and are asked as written; who changes them is asked over TCP, or as written.',
  },
  cookies: {
    schema: z.enum(['public', 'always', 'never']).default('public'),
    change: 'live',
    why: 'Which servers are sent DNS cookies over UDP (RFC 7873), so that responses are hard to forge: those with `public` addresses, `always`, `never`. What comes without the cookie from a server that has sent some is asked again over TCP; servers that mind cookies are asked without.',
  },
  zoneRate: {
    schema: zoneRate.prefault({}),
    change: 'live',
    why: 'How often servers are asked for names of a zone that do not exist or cannot be had.',
  },
  clientStrings: {
    schema: z.array(clientString).max(4096).default([]),
    change: 'live',
    why: 'Who asks, told to some servers in an EDNS option of each query, where they tell customers apart by it.',
  },
  clientStringOption: {
    schema: count(1, 65_535).default(65_001),
    change: 'live',
    why: 'Code of that option; RFC 6891 section 9 keeps 65001 to 65534 for local use.',
  },
});

export const upstreamRows = {
  upstreams: {
    schema: z
      .union([
        z.array(upstreamUrl).max(64),
        z
          .record(z.string().min(1), z.array(upstreamUrl).min(1).max(64))
          .refine(groups => 'default' in groups, 'expected a group named "default"'),
      ])
      .default([]),
    change: 'live',
    why: 'Where misses go: `9.9.9.9`, `udp://[2001:db8::1]:5353` (the same: UDP, and TCP where that will not do), `tcp://9.9.9.9` (TCP alone), `tls://9.9.9.9#dns.quad9.net` (TLS alone, by a certificate for that name; `?pin-sha256=` before it names its key), `https://9.9.9.9/dns-query#dns.quad9.net` (HTTPS alone, by the same) or host names in their place, or named groups for `onQuery` with one called `default`; `update()` leaves groups in force that it does not name, a list in their place takes them away. `shardns serve` without them asks whom `/etc/resolv.conf` names, follows it as it changes, and leaves itself out.',
  },
  upstream: { schema: upstream.prefault({}), change: 'live', why: 'How upstreams and name servers are asked.' },
} as const satisfies Rows;

type Groups = Record<string, string[]>;

/** The upstream groups in one form. */
export function groupsOf({ upstreams }: { upstreams: string[] | Groups }): Groups {
  return Array.isArray(upstreams) ? { default: upstreams } : upstreams;
}

/** The same, read. */
export function placesOf(settings: { upstreams: string[] | Groups }): Map<string, UpstreamPlace[]> {
  const isList = Array.isArray(settings.upstreams);
  return new Map(
    Object.entries(groupsOf(settings)).map(([name, servers]) => {
      const option = isList ? 'upstreams' : `upstreams.${name}`;
      return [name, servers.map((text, i) => parseUpstream(text, `${option}[${i}]`))] as const;
    }),
  );
}

/** Where names of upstreams are looked up: by default at the upstreams that have addresses. */
export function bootstrapOf(settings: Asking): UpstreamPlace[] {
  const { bootstrap } = settings.upstream;
  if (bootstrap.length > 0) return bootstrap.map((text, i) => parseUpstream(text, `upstream.bootstrap[${i}]`));
  return [...placesOf(settings).values()].flat().filter(one => one.at !== undefined);
}

/** A name that nobody can be asked about, and where it stands in the options. */
export function nameWithoutBootstrap(settings: Asking): { path: (string | number)[]; message: string } | undefined {
  let groups: ReadonlyMap<string, readonly UpstreamPlace[]>;
  try {
    if (bootstrapOf(settings).length > 0) return undefined;
    groups = placesOf(settings);
  } catch {
    return undefined; // what cannot be read is complained of by itself
  }
  for (const [group, places] of groups) {
    const at = places.findIndex(one => one.name !== undefined);
    if (at < 0) continue;
    const message = 'expected upstream.bootstrap, or an upstream given as an address, to look this name up at';
    return { path: Array.isArray(settings.upstreams) ? ['upstreams', at] : ['upstreams', group, at], message };
  }
  return undefined;
}

/** How many names of a zone may come to nothing; undefined: all. */
export function zoneRateOf({ upstream }: Pick<Asking, 'upstream'>): ZoneRate | undefined {
  const { enabled, failuresPerSecond: perSecond, exempt, dryRun } = upstream.zoneRate;
  if (!enabled) return undefined;
  return { perSecond, exempt: new Map(exempt.map(name => [nameKey(foldName(encodeName(name))), true])), dryRun };
}

/** What upstreams are told of clients' subnets; undefined: nothing. */
export function clientSubnetsOf({ upstream }: Pick<Asking, 'upstream'>): ClientSubnets | undefined {
  const { clientSubnet, subnetIpv4Prefix: ipv4Prefix, subnetIpv6Prefix: ipv6Prefix, subnetNames: names } = upstream;
  return clientSubnet === 'forward' ? new ClientSubnets({ ipv4Prefix, ipv6Prefix, names }) : undefined;
}

interface Asking {
  upstreams: string[] | Groups;
  upstream: z.output<typeof upstream>;
}

/** Where queries leave from. */
export function sourceOf({ upstream: { sourceAddress } }: Pick<Asking, 'upstream'>): LocalAddress {
  return { v4: sourceAddress.ipv4, v6: sourceAddress.ipv6 };
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming the address that this machine does not have */
export async function checkSource(settings: Pick<Asking, 'upstream'>): Promise<void> {
  const { ipv4, ipv6 } = settings.upstream.sourceAddress;
  for (const [key, address, family] of [['ipv4', ipv4, 4] as const, ['ipv6', ipv6, 6] as const]) {
    const reason = address === undefined ? undefined : await whyNotBound(address, family);
    if (reason === undefined) continue;
    const error = optionError(`upstream.sourceAddress.${key}`, address, 'an address of this machine');
    throw new ShardnsError(error.code, `${error.message}: ${reason.message}`, { cause: reason });
  }
}

const MAX_AUTHORITIES_BYTES = 16 * 2 ** 20;

/**
 * The certificates that upstreams are judged by; undefined: those that Node trusts.
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the file
 */
export function authoritiesOf({ upstream: { tlsAuthorities: path } }: Pick<Asking, 'upstream'>): string | undefined {
  if (path === undefined) return undefined;
  const { text } = readRegularFile(path, MAX_AUTHORITIES_BYTES);
  certificatesIn({ path, text });
  return text;
}

/**
 * What the transports of a thread are told: `udp: dgram` means Node's sockets for upstream queries too.
 * @param authorities {@link authoritiesOf} the settings
 */
export function applyToTransports(
  transports: Readonly<Record<'udp' | 'tcp' | 'tls' | 'https', Transport>>,
  settings: Pick<Asking, 'upstream'> & { udp: 'native' | 'dgram' },
  authorities: string | undefined,
): void {
  for (const transport of Object.values(transports)) {
    if (transport instanceof EncryptedTransport) transport.trust(authorities);
    if (transport instanceof SystemUdpTransport) transport.native = settings.udp === 'native';
    if (isSourced(transport)) transport.from(sourceOf(settings));
  }
}

export function exchangerOptionsOf(settings: { upstream: z.output<typeof upstream> }): ExchangerOptions {
  const { clientStrings, clientStringOption: option } = settings.upstream;
  if (clientStrings.length === 0) return { ...settings.upstream, clientStrings: undefined };
  const servers = new PrefixTable(
    clientStrings.map(({ servers, text }, i) => [
      parsePrefix(servers, `upstream.clientStrings[${i}].servers`),
      Buffer.from(text),
    ]),
  );
  return { ...settings.upstream, clientStrings: { option, servers } };
}
