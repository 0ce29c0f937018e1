// Makes the parts of a server out of its settings, each with those that it needs. What can fail comes before anything has
// been left in a cache that others have too.
import { type Clock, systemClock } from '../base/clock.js';
import { harmless, type Logger, rateLimited, silentLogger } from '../base/log.js';
import { type Random, systemRandom } from '../base/random.js';
import { Engine } from '../cache/engine.js';
import { Gate } from '../clients/gate.js';
import type { Forgotten } from '../cache/forgotten.js';
import type { Hooks } from '../resolve/hooks.js';
import { Resolver } from '../resolve/resolver.js';
import { Exchanger } from '../upstream/exchange.js';
import { routesOf } from '../upstream/route.js';
import { ExtendedError } from '../wire/iana.js';
import { Anchors } from './anchors.js';
import { NegativeAnchorEnds } from './negative-anchors.js';
import { Answerer } from './answerer.js';
import { Certificates } from './certificates.js';
import { ClientRules } from './client-rules.js';
import type { ServerDependencies } from './dependencies.js';
import { Fleet } from './fleet.js';
import { designationOf } from './designation.js';
import { Invalidation } from './invalidation.js';
import { NO_SOCKETS } from './listeners/inherited.js';
import { Listeners } from './listeners/listeners.js';
import { Mirror } from './mirror.js';
import { addressesOf } from './name-addresses.js';
import { Recursion } from './recursion.js';
import { regionOf } from './settings/cache.js';
import { resolverOptionsOf, tunablesOf } from './settings/compile.js';
import { configurationOf, rulesNumberOf } from './settings/configuration.js';
import type { ServerSettings } from './settings/settings.js';
import { applyToTransports, authoritiesOf, exchangerOptionsOf } from './settings/upstreams.js';
import { SignatureProbes } from './signature-probes.js';
import { type OpenStore, Snapshots } from './snapshots.js';
import { Tap } from './tap/tap.js';
import { Watching } from './tap/watching.js';
import { makeTransports, type Transports } from './transports.js';
import { UpstreamGroups } from './upstream-groups.js';
import { NativeAnswers } from '../zone/native-answers.js';
import { ZoneStore } from '../zone/zone-store.js';
import { ZoneTransfers } from './zone-transfers.js';
import { Zones } from './zones.js';

export interface ServerParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly engine: Engine;
  readonly ownsEngine: boolean;
  /** Memory of its own is nobody else's: there what changes is forgotten by name. */
  readonly sharesEngine: boolean;
  /** As whom it declares its configuration to a cache that it shares. */
  readonly owner: object;
  readonly transports: Transports;
  readonly exchanger: Exchanger;
  readonly groups: UpstreamGroups;
  readonly resolver: Resolver;
  readonly recursion: Recursion;
  readonly anchors: Anchors;
  readonly negativeAnchors: NegativeAnchorEnds;
  readonly probes: SignatureProbes;
  /** Questions whose answers were bogus, by extended error: one of RFC 8914's. */
  readonly bogusBy: Readonly<Record<string, number>>;
  readonly snapshots: Snapshots;
  /** Where answers are shared with other instances. */
  readonly fleet: Fleet | undefined;
  readonly gate: Gate;
  readonly answerer: Answerer;
  readonly certificates: Certificates;
  readonly listeners: Listeners;
  readonly mirror: Mirror;
  readonly invalidation: Invalidation;
  readonly clientRules: ClientRules;
  readonly zones: Zones;
  readonly zoneTransfers: ZoneTransfers;
  /** Who watches what is answered. */
  readonly watching: Watching;
  /** Has clients told how the listeners that are open now are asked encrypted. */
  readonly designate: (settings: ServerSettings) => void;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MEMORY, ERR_SHARDNS_FILE; nothing of it is left then */
export function assemble(settings: ServerSettings, hooks: Hooks, dependencies: ServerDependencies): ServerParts {
  const clock = dependencies.clock ?? systemClock;
  const random = dependencies.random ?? systemRandom;
  const log = rateLimited(harmless(dependencies.log ?? silentLogger), clock);
  const owner = {};
  const authorities = authoritiesOf(settings);
  const ownsEngine = dependencies.cache === undefined;
  const sharesEngine = !ownsEngine || settings.cache.file !== undefined;
  const engine = dependencies.cache?.engine ?? new Engine(regionOf(settings, random, configurationOf(settings)));
  engine.configure(tunablesOf(settings));
  const { udpTransport: udp, tcpTransport: tcp, tlsTransport: tls, httpsTransport: https } = dependencies;
  const transports = makeTransports(clock, random, { udp, tcp, tls, https });
  const exchanger = new Exchanger({
    routes: routesOf(transports.udp, transports.tcp, transports),
    clock,
    random,
    options: exchangerOptionsOf(settings),
  });
  const groups = new UpstreamGroups({ clock, log, exchanger });
  const resolver = new Resolver({
    engine,
    exchanger,
    clock,
    log,
    hooks,
    groups: groups.use(settings),
    options: resolverOptionsOf(settings),
  });
  groups.changed = next => {
    resolver.groups = next;
    probes.changed();
  };
  // Transports and policies of the embedder's own cannot go to other threads.
  const { validationPolicy: policy } = dependencies;
  const ownTransports = [udp, tcp, tls, https].every(one => one === undefined);
  const threads = ownTransports && policy === undefined;
  const held = new ZoneStore();
  const recursion = new Recursion(resolver, exchanger, { clock, random, log, threads, policy, held });
  const anchors = new Anchors({ clock, random, log, user: recursion, policy });
  const probes = new SignatureProbes({ clock, random, log, exchanger, user: recursion });
  const bogusBy: Record<string, number> = {};
  resolver.onBogus = (name, extendedError) => {
    bogusBy[extendedError] = (bogusBy[extendedError] ?? 0) + 1;
    if (extendedError === ExtendedError.rrsigsMissing) probes.lacking(name);
  };
  let fleet: Fleet | undefined;
  const fleetParts = {
    clock,
    random,
    log,
    connect: dependencies.connectRedis,
    forget: (what: Forgotten) => invalidation.forget(what),
    engine,
    sharesEngine,
    upstreams: () => resolver.groups.get('default') ?? [],
  };
  try {
    if (sharesEngine) engine.declare(owner, configurationOf(settings));
    anchors.prepare(settings).commit();
    recursion.prepare(settings).commit();
    probes.use(settings);
    fleet = settings.secondLevel && new Fleet(fleetParts, settings);
    resolver.level = fleet?.answers;
  } catch (error) {
    engine.release(owner);
    if (ownsEngine) engine.close();
    throw error;
  }
  applyToTransports(transports, settings, authorities);
  const snapshots = new Snapshots(
    {
      engine,
      clock,
      log,
      openStore: openStore(dependencies.s3Credentials, clock, random),
      maySend: seconds => fleet?.takesTurn('snapshot', seconds) ?? Promise.resolve(true),
    },
    rulesNumberOf(settings),
  );
  const gate = new Gate(random);
  const wallMs = (): number => (clock === systemClock ? Date.now() : clock.wallSeconds() * 1000);
  const tapParts = { clock, random, log, wallMs };
  const tap = new Tap(tapParts);
  const watching = new Watching(tap, tapParts);
  const answerer = new Answerer(engine, resolver, clock, gate, tap);
  const certificates = new Certificates(clock, log);
  const { inherited = NO_SOCKETS } = dependencies;
  const listeners = new Listeners(
    { engine, gate, resolver, answerer, clock, log, certificates, inherited, tap },
    settings,
  );
  groups.own = () => listeners.own;
  const mirror = new Mirror({ clock, log, transports, plane: () => listeners.plane });
  const invalidation = new Invalidation(resolver, recursion);
  const negativeAnchors = new NegativeAnchorEnds({ clock, log, forget: what => invalidation.forget(what) });
  const clientRules = new ClientRules(gate, resolver, listeners, invalidation, {
    random,
    clock,
    log,
    ownCache: !sharesEngine,
  });
  // Of a cache that other servers share nothing may be told that is this one's.
  const native = sharesEngine ? undefined : new NativeAnswers(engine.native);
  const zones = new Zones(resolver, { clock, log, native, held });
  zones.begin(settings);
  const zoneTransfers = new ZoneTransfers({
    clock,
    random,
    log,
    store: zones.served.everyone,
    held,
    answerer,
    transport: transports.udp,
    addressesOf: name => addressesOf(resolver, name),
    isOwn: at => listeners.own.has(at),
  });
  negativeAnchors.use(settings);
  clientRules.apply(settings);
  const designate = (by: ServerSettings): void => void (resolver.designation = designationOf(by, listeners.listening));
  return {
    clock,
    log,
    engine,
    ownsEngine,
    sharesEngine,
    owner,
    transports,
    exchanger,
    groups,
    resolver,
    recursion,
    anchors,
    negativeAnchors,
    probes,
    bogusBy,
    snapshots,
    fleet,
    gate,
    answerer,
    certificates,
    listeners,
    mirror,
    invalidation,
    clientRules,
    zones,
    zoneTransfers,
    watching,
    designate,
  };
}

/** Loaded where snapshots go to storage. */
function openStore(credentials: ServerDependencies['s3Credentials'], clock: Clock, random: Random): OpenStore {
  return async s3 => {
    const [{ readS3 }, { SnapshotStore }] = await Promise.all([
      import('../cache/s3/options.js'),
      import('../cache/s3/snapshot-store.js'),
    ]);
    const others = s3.others?.map(one => ({ credentials, ...one }));
    return new SnapshotStore(readS3({ ...s3, credentials, others }, process.env), { clock, random });
  };
}
