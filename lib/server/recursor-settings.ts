// From settings to a recursor: the same for the main thread and for workers.
import type { Clock } from '../base/clock.js';
import { parseMemory } from '../base/memory.js';
import type { Random } from '../base/random.js';
import { ByteCache } from '../cache/bytes/byte-cache.js';
import { RrsetCache } from '../cache/rrset-cache.js';
import { serverAsker } from '../resolve/recurse/ask-server.js';
import type { HeldZones } from '../resolve/recurse/held-zones.js';
import type { RecursorOptions } from '../resolve/recurse/options.js';
import { Recursor } from '../resolve/recurse/recursor.js';
import { ROOT_HINTS } from '../resolve/recurse/root-hints.js';
import { upstreamsZone } from '../resolve/recurse/zones.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { ValidationPolicy } from '../dnssec/verdict.js';
import { validationOf } from './settings/dnssec.js';
import type { Upstream } from '../upstream/upstream.js';
import type { ServerSettings } from './settings/settings.js';
import { addressRulesOf, zonesOf } from './settings/recursion.js';
import { hasUpstreams, isRecursive, validates } from './settings/resolution.js';

/** @param shared other threads attach to it */
export function makeRrsetMemory({ cache }: ServerSettings, shared: boolean): ByteCache {
  return ByteCache.create({
    memory: cache.rrsetMemory ?? 2 * parseMemory(cache.memory)!,
    shared,
    policy: cache.policy,
    shards: cache.shards,
    averageEntryBytes: 192,
  });
}

/** The default group, of the moment. */
export type DefaultUpstreams = () => readonly Upstream[];

export interface RecursorSurroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly upstreams: DefaultUpstreams;
  /** In the place of what settings say of validation. */
  readonly policy?: ValidationPolicy;
  /** Trust anchors in the place of those of the settings, as zone files write them. */
  readonly anchors?: readonly string[];
  /** Servers that leave signatures out, as RecursorOptions has them. */
  readonly passedOver?: readonly string[];
  /** Zones that are asked here in the place of their servers. */
  readonly held?: HeldZones;
}

export function makeRecursor(
  settings: ServerSettings,
  memory: ByteCache,
  exchanger: Exchanger,
  { clock, random, ...around }: RecursorSurroundings,
): Recursor {
  // It reads the recursor's options, which change while it works.
  const ask = serverAsker(
    () => exchanger,
    () => recursor.options,
    settings.upstream.udpSize,
  );
  const recursor: Recursor = new Recursor(
    new RrsetCache(memory, exchanger.fence),
    ask,
    clock,
    random,
    recursorOptionsOf(settings, around),
  );
  applyStale(recursor, settings);
  return recursor;
}

/** Settings that have changed. What was learnt stays. */
export function updateRecursor(
  recursor: Recursor,
  settings: ServerSettings,
  around: Omit<RecursorSurroundings, 'clock' | 'random'>,
): void {
  recursor.options = recursorOptionsOf(settings, around);
  applyStale(recursor, settings);
}

function applyStale({ rrsets }: Recursor, { stale }: ServerSettings): void {
  rrsets.keepStale(stale.enabled ? stale.windowSeconds * 1000 : 0);
}

/** What something expired stands in for is asked anew as any other stale answer is (RFC 8767 section 5). */
const bogusTtlOf = ({ stale }: ServerSettings): number | undefined =>
  stale.enabled && stale.forBogus ? stale.retrySeconds : undefined;

function recursorOptionsOf(
  settings: ServerSettings,
  { upstreams, policy, anchors, passedOver = [], held }: Omit<RecursorSurroundings, 'clock' | 'random'>,
): RecursorOptions {
  const { resolver, cache, upstream, dnssec } = settings;
  return {
    recursive: isRecursive(settings),
    rootHints: resolver.rootHints ?? ROOT_HINTS,
    port: resolver.port,
    ipv4: resolver.ipv4,
    ipv6: resolver.ipv6,
    qnameMinimisation: resolver.qnameMinimisation,
    hardenGlue: resolver.hardenGlue,
    verifyGlue: resolver.verifyGlue,
    validation: validates(settings)
      ? { ...validationOf(dnssec, policy, anchors), bogusTtl: bogusTtlOf(settings) }
      : undefined,
    dnssecOk: resolver.dnssecOk,
    maxNameServers: resolver.maxNameServers,
    nothingBelowNxdomain: resolver.nothingBelowNxdomain,
    maxQueries: resolver.maxQueries,
    maxDepth: resolver.maxDepth,
    maxAliases: resolver.maxAliases,
    deadlineMs: upstream.deadlineMs,
    negativeMinTtl: cache.negativeMinTtlSeconds,
    negativeMaxTtl: cache.negativeMaxTtlSeconds,
    minTtl: cache.minTtlSeconds,
    maxTtl: cache.maxTtlSeconds,
    originalTtl: cache.originalTtl,
    maxInFlight: upstream.maxInFlight,
    rules: addressRulesOf(settings),
    zones: zonesOf(settings),
    // What the zones of a forwarder need of the rest of the world is asked of those that the rest is asked of.
    outside: !isRecursive(settings) && hasUpstreams(settings) ? upstreamsZone(upstreams) : undefined,
    passedOver: passedOver.length === 0 ? undefined : new Set(passedOver),
    held,
  };
}
