// Settings to what the native cache and the resolver read.
import { parseMemory } from '../base/memory.js';
import type { Random } from '../base/random.js';
import type { RegionSource } from '../cache/region.js';
import type { ResolverOptions } from '../resolve/resolver.js';
import { TICKS_PER_SECOND, type Tunables } from '../native/binding.js';
import { LocalData } from '../resolve/local-data.js';
import { AddressRules } from '../resolve/recurse/address-rules.js';
import type { RecursorOptions } from '../resolve/recurse/options.js';
import { ROOT_HINTS } from '../resolve/recurse/root-hints.js';
import { configuredZones } from '../resolve/recurse/zones.js';
import { parsePrefix } from '../base/address.js';
import { encodeName, foldName } from '../wire/name.js';
import { groupsOf, type ServerSettings } from './options.js';

export function regionOf({ cache }: ServerSettings, random: Random): RegionSource {
  const { shards, policy, averageEntryBytes, file } = cache;
  const region = { memoryBytes: parseMemory(cache.memory)!, shards, policy, averageEntryBytes, random };
  // A file of other settings is a cache that is not wanted any more.
  return file === undefined ? region : { ...region, path: file, anySize: false, recreate: true };
}

export function tunablesOf(settings: ServerSettings): Tunables {
  const { cache, stale, prefetch } = settings;
  const share = prefetch.enabled ? Math.round(prefetch.share * 256) : 0;
  const shareAt = (hits: number): number =>
    hits < prefetch.minHits ? 0 : hits === prefetch.minHits && hits > 0 && hits < 3 ? Math.round(share / 2) : share;
  return {
    minTtlSeconds: cache.minTtlSeconds,
    maxTtlSeconds: cache.maxTtlSeconds,
    negativeMinTtlSeconds: cache.negativeMinTtlSeconds,
    negativeMaxTtlSeconds: cache.negativeMaxTtlSeconds,
    ttlJitterPercent: cache.ttlJitterPercent,
    staleWindowSeconds: stale.enabled ? stale.windowSeconds : 0,
    staleTtlSeconds: stale.ttlSeconds,
    // Popularity counts the hits since it was stored, 3 and more as 3: the more popular, the earlier.
    prefetchShare0: shareAt(0),
    prefetchShare1: shareAt(1),
    prefetchShare2: shareAt(2),
    prefetchShare3: shareAt(3),
    earlyRefreshBetaTicks: prefetch.enabled ? Math.round(prefetch.earlyRefreshBetaSeconds * TICKS_PER_SECOND) : 0,
    udpSize: settings.udpSize,
    rotate: cache.rotate ? 1 : 0,
    clientSubnet: settings.upstream.clientSubnet === 'forward' ? 1 : 0,
  };
}

export function resolverOptionsOf(settings: ServerSettings): ResolverOptions {
  return {
    localData: new LocalData(settings.local.zones, settings.local.records),
    localZones: settings.localZones ? 'server' : 'none',
    forwardClientSubnet: settings.upstream.clientSubnet === 'forward',
    upstreamUdpSize: settings.upstream.udpSize,
    staleEnabled: settings.stale.enabled,
    staleClientTimeoutMs: settings.stale.clientTimeoutMs,
    staleTtlSeconds: settings.stale.ttlSeconds,
    staleRetrySeconds: settings.stale.retrySeconds,
    failureFirstSeconds: settings.failure.firstSeconds,
    failureMaxSeconds: settings.failure.maxSeconds,
    prefetchPerSecond: settings.prefetch.maxPerSecond,
    maxFlights: settings.upstream.maxTotal,
  };
}

/** Whether names are resolved from the root where nothing else is configured for them. */
export function isRecursive(settings: ServerSettings): boolean {
  return settings.resolver.recursive ?? (groupsOf(settings).default ?? []).length === 0;
}
/** Whether anything at all goes past the upstreams. */
export function needsRecursor(settings: ServerSettings): boolean {
  return isRecursive(settings) || settings.stubZones.length > 0 || settings.forwardZones.length > 0;
}

export function rrsetMemoryOf({ cache }: ServerSettings): number {
  return cache.rrsetMemory === undefined ? 2 * parseMemory(cache.memory)! : parseMemory(cache.rrsetMemory)!;
}

export function recursorOptionsOf(settings: ServerSettings): RecursorOptions {
  const { resolver, cache, upstream } = settings;
  const prefixes = (list: readonly string[], option: string) =>
    list.map((text, i) => parsePrefix(text, `${option}[${i}]`));
  const localhost = resolver.doNotQueryLocalhost ? ['127.0.0.0/8', '::1'] : [];
  return {
    recursive: isRecursive(settings),
    rootHints: resolver.rootHints ?? ROOT_HINTS,
    port: resolver.port,
    ipv4: resolver.ipv4,
    ipv6: resolver.ipv6,
    qnameMinimisation: resolver.qnameMinimisation,
    hardenGlue: resolver.hardenGlue,
    nothingBelowNxdomain: resolver.nothingBelowNxdomain,
    maxQueries: resolver.maxQueries,
    maxDepth: resolver.maxDepth,
    maxAliases: resolver.maxAliases,
    deadlineMs: upstream.deadlineMs,
    negativeMaxTtl: cache.negativeMaxTtlSeconds,
    maxTtl: cache.maxTtlSeconds,
    maxInFlight: upstream.maxInFlight,
    rules: new AddressRules(
      [...prefixes(resolver.doNotQuery, 'resolver.doNotQuery'), ...prefixes(localhost, 'resolver.doNotQueryLocalhost')],
      prefixes(resolver.privateAddresses, 'resolver.privateAddresses'),
      resolver.privateDomains.map(name => foldName(encodeName(name))),
    ),
    zones: configuredZones(settings.stubZones, settings.forwardZones),
  };
}
