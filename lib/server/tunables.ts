// Settings to what the native cache and the resolver read.
import { type AddressPrefix, parsePrefix } from '../base/address.js';
import { shareOf } from '../base/client-shares.js';
import { parseMemory } from '../base/memory.js';
import { PrefixTable } from '../base/prefix-table.js';
import type { Random } from '../base/random.js';
import type { RegionSource } from '../cache/region.js';
import type { GateRules } from '../clients/gate.js';
import { viewPrefixes } from '../clients/views.js';
import type { ResolverOptions } from '../resolve/resolver.js';
import { TICKS_PER_SECOND, type Tunables } from '../native/binding.js';
import type { ExchangerOptions } from '../upstream/exchange.js';
import { AddressRules } from '../resolve/recurse/address-rules.js';
import { LocalAnswers } from '../resolve/local-answers.js';
import { LocalData } from '../resolve/local-data.js';
import { LocalZones } from '../resolve/local-zones.js';
import { configurationOf } from './configuration.js';
import { encodeName, foldName } from '../wire/name.js';
import type { ServerSettings } from './options.js';

export function regionOf(settings: ServerSettings, random: Random): RegionSource {
  const { cache } = settings;
  const { shards, policy, averageEntryBytes, file } = cache;
  const region = { memoryBytes: parseMemory(cache.memory)!, shards, policy, averageEntryBytes, random };
  // A file of other settings is a cache that is not wanted any more.
  return file === undefined
    ? region
    : { ...region, path: file, anySize: false, recreate: true, configuration: configurationOf(settings) };
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
    originalTtl: cache.originalTtl ? 1 : 0,
  };
}

export function exchangerOptionsOf({ upstream }: ServerSettings): ExchangerOptions {
  const { clientStrings, clientStringOption: option } = upstream;
  if (clientStrings.length === 0) return { ...upstream, clientStrings: undefined };
  const servers = new PrefixTable(
    clientStrings.map(({ servers, text }, i) => [
      parsePrefix(servers, `upstream.clientStrings[${i}].servers`),
      Buffer.from(text),
    ]),
  );
  return { ...upstream, clientStrings: { option, servers } };
}

/** Who may ask, and under which tag. */
export function gateRulesOf({ allow, views, tenants }: ServerSettings): GateRules {
  return {
    allow: allow.map((text, i) => parsePrefix(text, `allow[${i}]`)),
    views: viewPrefixes(views),
    clients: tenants.enabled ? tenants.clients : 0,
  };
}

/** So few that no share of them is worth the name. */
const LEAST_CLIENT_FLIGHTS = 64;

/** What one client may begin of all questions under way; by default half of what one server is asked at a time (`upstream.maxInFlight`), so that others are heard. */
function clientFlightsOf({ upstream, missRing }: ServerSettings): number {
  return Math.min(upstream.maxTotal, Math.max(LEAST_CLIENT_FLIGHTS, shareOf(upstream.maxTotal, missRing.clientShare)));
}

function localZonesOf({ localZones }: ServerSettings): LocalZones {
  return typeof localZones === 'boolean'
    ? new LocalZones(localZones ? 'server' : 'none')
    : new LocalZones('server', localZones);
}

export function resolverOptionsOf(settings: ServerSettings): ResolverOptions {
  const views = settings.views.map(({ local, inherit }) => ({ localData: new LocalData(local), inherit }));
  return {
    local: new LocalAnswers(localZonesOf(settings), new LocalData(settings.local), views),
    identity: { identity: settings.identity, version: settings.version },
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
    addressRules: addressRulesOf(settings),
    clientFlights: clientFlightsOf(settings),
    denials: settings.resolver.nothingBelowNxdomain ? 'subtree' : 'name',
  };
}

/** Which servers may be asked, and which addresses answers may have, of a recursor and of upstreams alike. */
export function addressRulesOf({ resolver }: ServerSettings): AddressRules {
  const prefixes = (list: readonly string[], option: string): AddressPrefix[] =>
    list.map((text, i) => parsePrefix(text, `${option}[${i}]`));
  const localhost = resolver.doNotQueryLocalhost ? ['127.0.0.0/8', '::1'] : [];
  return new AddressRules(
    [...prefixes(resolver.doNotQuery, 'resolver.doNotQuery'), ...prefixes(localhost, 'resolver.doNotQueryLocalhost')],
    prefixes(resolver.privateAddresses, 'resolver.privateAddresses'),
    resolver.privateDomains.map(name => foldName(encodeName(name))),
    resolver.privateAnswers === 'refuse',
  );
}
