// Options that are valid, and of which one makes another useless: told, so that nobody waits for what never happens.
import { TrustAnchors } from '../../dnssec/trust.js';
import { parseUpstream } from '../../upstream/upstream-url.js';
import { nameToText } from '../../wire/name.js';
import { endpointsOf } from '../listeners/endpoint.js';
import { isKeylessRoot } from './dnssec.js';
import type { ServerOptions } from './settings.js';

/** Of negative trust anchors: ends that cannot be meant, and the one that ends validation as a whole. */
function negativeDoubts(
  anchors: NonNullable<NonNullable<ServerOptions['dnssec']>['negativeTrustAnchors']>,
  now: number,
) {
  return anchors.flatMap(one => {
    const { name, until } = typeof one === 'string' ? { name: one, until: undefined } : one;
    const found: string[] = [];
    const place = `dnssec.negativeTrustAnchors: ${name}`;
    if (until !== undefined) {
      const left = Date.parse(until) / 1000 - now;
      if (left <= 0) found.push(`${place} has no effect: its end, ${until}, has passed`);
      else if (left > WEEK_SECONDS) found.push(`${place} ends ${until}: RFC 7646 section 2 wants a week at the most`);
      if (left <= 0) return found;
    }
    if (name === '.') {
      found.push(
        `${place}, the root, has nothing validated at all but below other trust anchors: dnssec.validate ends validation`,
      );
    }
    return found;
  });
}

/** Sections that do nothing where nobody switches them on. */
const OFF_BY_DEFAULT: ReadonlySet<string> = new Set(['tenants', 'cookies', 'rateLimit', 'queryLog', 'top']);

/** RFC 7646 section 2: a negative trust anchor is for a week at the most. */
const WEEK_SECONDS = 7 * 86_400;

export interface Circumstances {
  /** Seconds since 1970. */
  now: number;
  /** False: it was given a cache that is made already. */
  ownsCache?: boolean;
}

/** @returns a line for each */
export function contradictions(options: ServerOptions, { now, ownsCache = true }: Circumstances): string[] {
  const found: string[] = [];
  const useless = (names: string[], because: string): void => {
    for (const name of names) found.push(`${name} has no effect: ${because}`);
  };
  const { resolver = {}, upstreams = [] } = options;
  const groups = Array.isArray(upstreams) ? { default: upstreams } : upstreams;
  const named = (groups.default ?? []).length > 0;
  const zones = (options.stubZones?.length ?? 0) + (options.forwardZones?.length ?? 0) > 0;
  if (resolver.recursive === true && named) {
    found.push('upstreams are not asked: resolver.recursive resolves names from the root');
  }
  if (resolver.recursive === false && !named && !zones) {
    found.push('nobody is asked: resolver.recursive is false, and there are no upstreams');
  }
  const recurses = resolver.recursive ?? !named;
  const ownRoot = recurses && isKeylessRoot(options);
  const { validate = recurses && !ownRoot, ...dnssec } = options.dnssec ?? {};
  if (ownRoot && options.dnssec?.validate === undefined) {
    found.push('nothing is validated: names begin at roots of your own, and dnssec.trustAnchors has no keys of theirs');
  }
  if (validate && dnssec.trustAnchors !== undefined) {
    const { sha1, anyDigest } = dnssec;
    for (const { zone, is } of new TrustAnchors(dnssec.trustAnchors).uselessBy({ sha1, anyDigest })) {
      const name = nameToText(zone);
      found.push(
        is === 'insecure'
          ? `nothing at and below ${name} is validated: of its dnssec.trustAnchors none has an algorithm and a digest that are believed`
          : `all at and below ${name} is bogus: of its dnssec.trustAnchors none has a digest as long as its kind is`,
      );
    }
  }
  if (validate) found.push(...negativeDoubts(dnssec.negativeTrustAnchors ?? [], now));
  if (!validate) useless(inside('dnssec', dnssec), 'nothing is validated (dnssec.validate)');
  if (!recurses && !zones && !validate) {
    // Private addresses are no matter of recursion alone.
    const { recursive: _, privateAddresses: _a, privateDomains: _d, privateAnswers: _s, ...rest } = resolver;
    useless(inside('resolver', rest), 'upstreams are asked, and nothing is resolved from the root or a zone');
  } else if (!recurses) {
    useless(inside('resolver', pick(resolver, ['rootHints'])), 'upstreams are asked in place of the root');
  }
  if (resolver.ipv4 === false && resolver.ipv6 === false) {
    found.push('no name server can be asked: resolver.ipv4 and resolver.ipv6 are false');
  }
  if (resolver.privateDomains !== undefined && (resolver.privateAddresses ?? []).length === 0) {
    useless(['resolver.privateDomains'], 'resolver.privateAddresses names none');
  }
  const { prefix: translator, ...dns64 } = options.dns64 ?? {};
  if (translator === undefined) useless(inside('dns64', dns64), 'dns64.prefix is not set');
  const encrypted = endpointsOf({ listen: options.listen ?? [] }).some(({ scheme }) => scheme !== 'plain');
  if (options.tls !== undefined && !encrypted) {
    useless(inside('tls', options.tls), 'listen has no tls:// or https:// address');
  }
  if (options.ddr?.addresses !== undefined && !encrypted) {
    useless(['ddr.addresses'], 'listen has no tls:// or https:// address');
  }
  for (const section of ['tcp', 'stale', 'prefetch', 'tenants', 'cookies', 'rateLimit', 'queryLog', 'top'] as const) {
    const { enabled, ...rest } = options[section] ?? {};
    const off = enabled === false || (OFF_BY_DEFAULT.has(section) && enabled !== true);
    // Connections with TLS have the bounds of TCP.
    if (off && !(section === 'tcp' && encrypted))
      useless(inside(section, rest), `${section}.enabled is ${enabled === false ? 'false' : 'not set'}`);
  }
  if (options.queryLog?.enabled !== true && options.top?.enabled !== true && options.dnstap === undefined) {
    useless(inside('tap', options.tap ?? {}), 'nobody watches: queryLog.enabled, top.enabled and dnstap are not set');
  }
  if ((options.forwarded?.from ?? []).length > 0 && !(options.listen ?? []).some(one => /^https:/i.test(one))) {
    useless(['forwarded.from'], 'listen has no https:// address');
  }
  const proxied = (options.proxyProtocol?.from ?? []).length > 0;
  if (options.udp === 'dgram' || proxied) {
    const why =
      options.udp === 'dgram' ? 'udp is dgram' : 'with proxyProtocol.from datagrams are not received natively';
    const rest = pick(options, ['threads', 'pin']);
    useless(Object.keys(defined(rest)), why);
    useless(inside('missRing', pick(options.missRing ?? {}, ['flights'])), why);
    if (options.mirror !== undefined) useless(['mirror'], why);
  }
  if (!ownsCache) {
    const region = pick(options.cache ?? {}, ['memory', 'policy', 'shards', 'averageEntryBytes', 'file']);
    useless(inside('cache', region), 'the server was given a cache, which has its own');
  }
  const { tcp = {}, upstream = {} } = options;
  const larger = (name: string, value: number | undefined, other: string, most: number | undefined): void => {
    if (value !== undefined && most !== undefined && value > most) {
      useless([name], `${value} is more than ${other}, which is ${most}`);
    }
  };
  larger('tcp.maxConnectionsPerClient', tcp.maxConnectionsPerClient, 'tcp.maxConnections', tcp.maxConnections);
  larger('upstream.maxInFlight', upstream.maxInFlight, 'upstream.maxTotal', upstream.maxTotal);
  if (upstream.clientStringOption !== undefined && (upstream.clientStrings ?? []).length === 0) {
    useless(['upstream.clientStringOption'], 'upstream.clientStrings names no server');
  }
  if (upstream.clientSubnet !== 'forward') {
    const rest = pick(upstream, ['subnetIpv4Prefix', 'subnetIpv6Prefix', 'subnetNames']);
    useless(inside('upstream', rest), 'upstream.clientSubnet is not forward');
  }
  for (const { name, serves, fallback } of options.zones ?? []) {
    if (serves === 'recursion' && (!recurses || options.zonesOnly === true)) {
      useless([`zones: ${name}: serves`], 'nothing is resolved from the root');
    }
    if (fallback === true && options.zonesOnly === true) {
      useless([`zones: ${name}: fallback`], 'nothing is resolved for anybody (zonesOnly)');
    }
  }
  const places = Object.values(groups).flat();
  const { discover = 'never' } = upstream;
  const mayFind = places.some(one => isPlain(one) && (discover === 'all' || hasName(one)));
  if (discover !== 'never' && !mayFind) {
    useless(
      ['upstream.discover'],
      `no upstream is given ${discover === 'all' ? 'without' : 'by name without'} encryption`,
    );
  }
  if ((upstream.bootstrap ?? []).length > 0 && discover !== 'all' && !places.some(hasName)) {
    useless(['upstream.bootstrap'], 'no upstream is given by name');
  }
  found.push(...sameNames(options));
  return found;
}

const hasName = (text: string): boolean => parseUpstream(text, '').name !== undefined;
const isPlain = (text: string): boolean => parseUpstream(text, '').tls === undefined;

/** Zones that are configured in two ways, of which one is not used. */
function sameNames({ stubZones = [], forwardZones = [], local, views = [] }: ServerOptions): string[] {
  const zones = [
    ...forwardZones.map(({ name }, i) => ({ name, of: `forwardZones[${i}]` })),
    ...stubZones.map(({ name }, i) => ({ name, of: `stubZones[${i}]` })),
  ];
  const found = overridden(zones.map(({ name, of }) => ({ name, of, as: of })));
  const sections = [
    { of: 'local', local },
    ...views.map((view, i) => ({ of: `views[${i}].local`, local: view.local })),
  ];
  for (const { of, local } of sections) {
    const kinds = (local?.zones ?? []).map(({ name, kind }, i) => ({ name, of: `${of}.zones[${i}]`, as: kind }));
    found.push(...overridden(kinds));
  }
  return found;
}

const MAX_NAMES = 20;

/** Of one name the last counts: told for those before it that say something else. */
function overridden(zones: readonly { name: string; of: string; as: string }[]): string[] {
  const last = new Map(zones.map(zone => [zone.name.toLowerCase().replace(/\.$/, ''), zone]));
  return zones
    .flatMap(({ name, of, as }) => {
      const used = last.get(name.toLowerCase().replace(/\.$/, ''))!;
      return used.as === as ? [] : [`${of} has no effect: ${used.of} has the same name, ${name}`];
    })
    .slice(0, MAX_NAMES);
}

function inside(section: string, options: object): string[] {
  return Object.keys(defined(options)).map(key => `${section}.${key}`);
}
function defined(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
function pick<T extends object>(options: T, keys: (keyof T)[]): object {
  return Object.fromEntries(keys.map(key => [key, options[key]]));
}
