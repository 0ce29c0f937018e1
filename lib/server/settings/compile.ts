// Settings of several sections to what the native cache and the resolver read.
import { LocalAnswers } from '../../resolve/local-answers.js';
import { LocalData } from '../../resolve/local-data.js';
import type { Tunables } from '../../native/binding.js';
import type { ResolverOptions } from '../../resolve/context.js';
import { cacheTunables } from './cache.js';
import { flightLimitsOf, viewsOf } from './clients.js';
import { dns64Of } from './dns64.js';
import { localZonesOf } from './local.js';
import { addressRulesOf, zonesOf } from './recursion.js';
import type { ServerSettings } from './settings.js';
import { clientSubnetsOf, groupsOf, zoneRateOf } from './upstreams.js';

export function tunablesOf(settings: ServerSettings): Tunables {
  const { upstream, udpSize } = settings;
  const clientSubnet = upstream.clientSubnet === 'forward' ? 1 : 0;
  return { ...cacheTunables(settings), udpSize, clientSubnet, authority: settings.zones.length > 0 ? 1 : 0 };
}

export function resolverOptionsOf(settings: ServerSettings): ResolverOptions {
  return {
    local: new LocalAnswers(
      localZonesOf(settings),
      new LocalData(settings.local),
      viewsOf(settings),
      zonesOf(settings),
    ),
    any: settings.any,
    identity: { identity: settings.identity, version: settings.version },
    forwardClientSubnet: settings.upstream.clientSubnet === 'forward',
    clientSubnets: clientSubnetsOf(settings),
    upstreamUdpSize: settings.upstream.udpSize,
    staleEnabled: settings.stale.enabled,
    staleClientTimeoutMs: settings.stale.clientTimeoutMs,
    staleTtlSeconds: settings.stale.ttlSeconds,
    staleForBogus: settings.stale.forBogus,
    staleRetrySeconds: settings.stale.retrySeconds,
    failureFirstSeconds: settings.failure.firstSeconds,
    failureMaxSeconds: settings.failure.maxSeconds,
    prefetchPerSecond: settings.prefetch.maxPerSecond,
    flights: flightLimitsOf(
      settings,
      Object.values(groupsOf(settings)).some(servers => servers.length > 0),
    ),
    addressRules: addressRulesOf(settings),
    dns64: dns64Of(settings),
    zoneRate: zoneRateOf(settings),
    denials: settings.resolver.nothingBelowNxdomain ? 'subtree' : 'name',
  };
}
