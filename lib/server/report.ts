// What a server has done and has under way, as one plain object: all that metrics, the command and other outsiders read.
//
// Numbers are totals since the start unless they say otherwise. A field that is added keeps the version; one that goes or
// changes its meaning begins another.
import type { Clock } from '../base/clock.js';
import type { Engine } from '../cache/engine.js';
import {
  type CacheStats,
  CookieState,
  EdgeAction,
  type EdgeStats,
  FileState,
  type PlaneStats,
  type AnsweredByName,
  RCODES_COUNTED,
  readEdgeStats,
  TYPES_COUNTED,
  ZONE_ANSWERS,
} from '../native/binding.js';
import type { RecursorStats } from '../resolve/recurse/options.js';
import type { Gate } from '../clients/gate.js';
import type { Resolver } from '../resolve/resolver.js';
import type { Transport, TransportStats } from '../transport/transport.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { UpstreamStats } from '../upstream/upstream.js';
import { rcodeName, typeName } from '../wire/iana.js';
import type { Anchors } from './anchors.js';
import type { AnchorsReport } from './anchors-report.js';
import type { Answerer } from './answerer.js';
import type { BlockLists } from './block-lists.js';
import type { CertificateReport, Certificates } from './certificates.js';
import type { ClientRules } from './client-rules.js';
import type { HttpsStats } from './listeners/doh-connection.js';
import type { Fleet } from './fleet.js';
import type { FleetReport } from './fleet-report.js';
import type { ForwardedStats } from './listeners/forwarded-for.js';
import type { Listeners } from './listeners/listeners.js';
import type { Mirror, MirrorReport } from './mirror.js';
import type { Recursion } from './recursion.js';
import type { ProbeReport, SignatureProbes } from './signature-probes.js';
import { sumOf } from './recursion-stats.js';
import { latencyReport, type LatencyReport } from './latency-report.js';
import type { Snapshots } from './snapshots.js';
import type { Watching, WatchReport } from './tap/watching.js';
import type { Transports } from './transports.js';
import type { DiscoveryReport, HostReport, UpstreamGroups } from './upstream-groups.js';
import { type Protocol, PROTOCOLS } from './listeners/protocols.js';
import type { ProxyStats } from './listeners/proxies.js';
import type { TcpConnections } from './listeners/tcp-connections.js';
import type { ZoneTransfers, ZoneTransfersReport } from './zone-transfers.js';
import type { ZoneReport, Zones } from './zones.js';

/** Zones that are told of one by one: `shardns ctl zones` has all. */
const MOST_ZONES = 100;

export type ServerState = 'new' | 'starting' | 'listening' | 'draining' | 'closed';

export interface RequestCounts {
  readonly protocol: Protocol;
  readonly family: 4 | 6;
  /** By the type's name (RFC 3597 section 5 for those without); `other` counts every type above 255. */
  readonly byType: Readonly<Record<string, number>>;
}

export interface ServerReport {
  readonly version: 1;
  /** Milliseconds of Unix time. */
  readonly takenAtMs: number;
  readonly state: ServerState;
  /** Addresses with the ports that were bound. */
  readonly listening: Readonly<Record<Protocol, readonly string[]>>;
  /** Queries received, hits and all. */
  readonly requests: readonly RequestCounts[];
  /** Replies by rcode. */
  readonly responses: Readonly<Record<string, number>>;
  /** From receiving a query to its reply: `counts[i]` took less than 2^i microseconds and more than 2^(i-1); the last takes the rest. */
  readonly durations: { readonly counts: readonly number[]; readonly sumSeconds: number };
  /** Flights, by how they were answered: from a miss to what all who wait for it are told. */
  readonly missLatencies: Readonly<Partial<Record<AnsweredByName, LatencyReport>>>;
  readonly cache: Readonly<CacheStats> & {
    /** Octets of the region. */
    readonly memoryBytes: number;
    /** The file of the cache was cut or replaced while it was open. */
    readonly fileDetached: boolean;
  };
  readonly snapshots: Readonly<Snapshots['stats']>;
  /** Answers that are shared with other instances; undefined where none are. */
  readonly secondLevel?: FleetReport;
  /** Misses on their way to JavaScript; undefined without native threads. */
  readonly missRing?: {
    readonly flights: number;
    readonly joined: number;
    /** Refused for want of room; because the client held its share. */
    readonly full: number;
    readonly overShare: number;
    /** At present: names under way, queries waiting for them. */
    readonly inFlight: number;
    readonly waiting: number;
  };
  readonly udp: {
    readonly sent: number;
    readonly sendFailed: number;
    readonly dropped: number;
    /** Queries of clients that may not ask. */
    readonly refused: number;
  };
  /** Those with TLS over them too. */
  readonly tcp: Readonly<TcpConnections['stats']> & { readonly connections: number; readonly heldBytes: number };
  /** Handshakes with clients; undefined where nothing is listened for that is encrypted. */
  readonly tls?: {
    /** Whole ones, those of sessions that were resumed, broken ones, those that took too long, those that were refused. */
    readonly handshakes: Readonly<Certificates['handshakes']>;
    /** The first is shown to clients that ask for no name. */
    readonly certificates: readonly CertificateReport[];
    /** Files that were read again; those that could not be used. */
    readonly reloads: number;
    readonly failures: number;
  };
  /** Clients over HTTPS; undefined where nothing is listened for that is. */
  readonly https?: Readonly<HttpsStats>;
  /** Datagrams and connections of proxies that name clients; undefined where there are none. */
  readonly proxyProtocol?: Readonly<ProxyStats>;
  /** Requests of proxies over HTTPS that say for whom they ask; undefined where there are none. */
  readonly forwarded?: Readonly<ForwardedStats>;
  /** What another server says to a share of the same questions; undefined where none is asked. */
  readonly mirror?: MirrorReport;
  /** Questions that the cache did not answer. */
  readonly resolver: Readonly<Resolver['stats']> & {
    /** At present. */
    readonly inFlight: number;
    readonly mistakes: number;
    /** Refused, or not asked in time, for want of room toward upstreams. */
    readonly upstreamOverloaded: number;
    /** Responses over UDP without the cookie that they were to have. */
    readonly upstreamForeignCookies: number;
    /** Misses that were forwarded natively, and of these, what has gone on in JavaScript: late or not plain. */
    readonly plain: Readonly<Resolver['plain']['stats']> & { readonly underWay: number };
  };
  /** Octets that access, views, tenants, counters of rates and lists take, compiled. */
  readonly gateMemoryBytes: number;
  /** Queries, by what was decided of them before they were looked up; all 0 where nothing is. */
  readonly edge: {
    readonly actions: Readonly<Record<keyof typeof EdgeAction, number>>;
    /** Over a limit, also where a dry run has let them pass. */
    readonly overLimit: number;
    /** By the state of their cookie, where cookies are on. */
    readonly cookies: Readonly<Record<keyof typeof CookieState, number>>;
  };
  /** Names that are blocked or allowed. */
  readonly lists: Readonly<Omit<BlockLists['report'], 'lists'>> & {
    /** Of each list: its lines, rules, those that are broken or not supported, and the queries that it has decided. */
    readonly lists: readonly (Readonly<BlockLists['report']['lists'][number]> & { readonly hits: number })[];
    /** Queries that the operator's own names have decided. */
    readonly overrideHits: number;
  };
  /** Clients whose tenant is remembered at present. */
  readonly tenantClients: number;
  readonly upstreams: readonly (Readonly<UpstreamStats> & {
    readonly server: string;
    /** At present: smoothed round-trip time in milliseconds, questions under way, whether it rests after failures. */
    readonly srttMs: number;
    readonly inFlight: number;
    readonly resting: boolean;
    /** Why it was of no use when it was asked last, such as a certificate that is not for it. */
    readonly lastFailure: string | undefined;
  })[];
  /** Names that upstreams are given by: each address is one of `upstreams`. */
  readonly upstreamNames: readonly HostReport[];
  /** Upstreams that are asked encrypted as they say themselves. */
  readonly upstreamDiscoveries: readonly DiscoveryReport[];
  /** Messages of all threads that ask. */
  readonly transports: {
    readonly udp?: Readonly<TransportStats>;
    readonly tcp?: Readonly<TransportStats>;
    /** Of the main thread, as is the next one. */
    readonly tls?: Readonly<TransportStats>;
    readonly https?: Readonly<TransportStats>;
  };
  /** Undefined where nothing is resolved from the root or a zone. */
  readonly recursion?: Readonly<RecursorStats> & {
    /** At present: name servers that something is known of, threads, entries and octets of the RRset cache. */
    readonly servers: number;
    readonly threads: number;
    readonly rrsetEntries: number;
    readonly rrsetBytes: number;
  };
  /** What is believed of zones' keys (DNSSEC). */
  readonly zones: {
    readonly totals: ReturnType<Zones['totals']>;
    readonly first: readonly ZoneReport[];
    /** What zones told without JavaScript of names that are in none of them. */
    readonly native: NativeZoneAnswers;
  };
  /** What goes from server to server; zones that do, the first hundred. */
  readonly zoneTransfers: ZoneTransfersReport;
  readonly anchors: AnchorsReport;
  /** Why this machine's clock seems to be wrong: by it a trust anchor's signatures are not valid yet, or no more. */
  readonly clockDoubt?: string;
  /** Whether those that a validating server forwards to pass signatures on. */
  readonly forwardedTo: readonly ProbeReport[];
  /** Questions whose answers did not prove themselves, by the code of their extended error. */
  readonly bogusBy: Readonly<Record<string, number>>;
  /** Who watches what is answered. */
  readonly watching: WatchReport;
  readonly process: { readonly pid: number; readonly uptimeSeconds: number; readonly residentBytes: number };
}

export interface ReportSources {
  readonly state: ServerState;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly gate: Gate;
  readonly clientRules: ClientRules;
  readonly resolver: Resolver;
  readonly exchanger: Exchanger;
  readonly answerer: Answerer;
  readonly certificates: Certificates;
  readonly listeners: Listeners;
  readonly snapshots: Snapshots;
  readonly fleet: Fleet | undefined;
  readonly recursion: Recursion;
  readonly anchors: Anchors;
  readonly zones: Zones;
  readonly zoneTransfers: ZoneTransfers;
  readonly mirror: Mirror;
  readonly probes: SignatureProbes;
  readonly bogusBy: Readonly<Record<string, number>>;
  readonly groups: UpstreamGroups;
  readonly watching: Watching;
  readonly transports: Transports;
}

export interface NativeZoneAnswers {
  readonly denials: number;
  readonly wildcards: number;
  readonly referrals: number;
}
const zoneAnswers = new Float64Array(ZONE_ANSWERS + 1);

function nativeAnswersOf(engine: Engine, plane: PlaneStats | undefined): NativeZoneAnswers {
  engine.native.zoneStats(zoneAnswers);
  const [denials, wildcards, referrals] = [0, 1, 2].map(i => zoneAnswers[i] + (plane?.zoneAnswers[i] ?? 0));
  return { denials, wildcards, referrals };
}

const replies = new Float64Array(RCODES_COUNTED + TYPES_COUNTED);

export function reportOf(sources: ReportSources): ServerReport {
  const { state, clock, engine, resolver, exchanger, answerer, listeners, recursion } = sources;
  const plane = listeners.plane?.stats();
  engine.native.responses(replies);
  const responses: Record<string, number> = {};
  for (let rcode = 0; rcode < RCODES_COUNTED; rcode++) {
    const total = replies[rcode] + (plane?.responsesByRcode[rcode] ?? 0);
    if (total > 0) responses[rcodeName(rcode)] = total;
  }
  const workers = recursion.workers();
  const recursive = recursion.stats(workers);
  const edge = readEdgeStats(sources.gate.native);
  const lists = sources.clientRules.lists.report;
  const hits = sources.clientRules.listHits();
  const rrsets = recursion.recursor?.rrsets.bytes.stats();
  return {
    version: 1,
    takenAtMs: clock.wallSeconds() * 1000,
    state,
    listening: listeners.addresses,
    requests: PROTOCOLS.flatMap(protocol =>
      ([4, 6] as const).map(family => {
        const ofPlane = protocol === 'udp' ? plane?.[`requestsByTypeV${family}`] : undefined;
        return { protocol, family, byType: typesOf(answerer.requestsByType[`${protocol}${family}`], ofPlane) };
      }),
    ),
    responses,
    durations: {
      counts: Array.from(answerer.durations, (count, i) => count + (plane?.durations[i] ?? 0)),
      sumSeconds: (answerer.durationSumUs + (plane?.durationSumUs ?? 0)) / 1e6,
    },
    missLatencies: latencyReport(resolver.latencies),
    cache: {
      ...engine.stats(),
      memoryBytes: engine.memoryBytes,
      fileDetached: engine.native.fileState() !== FileState.sound,
    },
    snapshots: { ...sources.snapshots.stats },
    secondLevel: sources.fleet?.report(),
    missRing: plane && {
      flights: plane.flights,
      joined: plane.joined,
      full: plane.full,
      overShare: plane.overShare,
      inFlight: plane.inFlight,
      waiting: plane.waiting,
    },
    udp: plane
      ? { sent: plane.sent, sendFailed: plane.sendFailed, dropped: plane.dropped, refused: plane.refused }
      : { ...listeners.udpStats(), refused: 0 },
    tcp: {
      ...listeners.tcpConnections.stats,
      connections: listeners.tcpConnections.size,
      heldBytes: listeners.tcpConnections.octets,
    },
    tls: tlsOf(sources.certificates),
    https: httpsOf(listeners),
    proxyProtocol: listeners.proxies.from.length === 0 ? undefined : { ...listeners.proxies.stats },
    mirror: sources.mirror.report,
    forwarded: listeners.forwarded.from.length === 0 ? undefined : { ...listeners.forwarded.stats },
    resolver: {
      ...resolver.stats,
      inFlight: resolver.inFlight,
      mistakes: resolver.mistakes,
      upstreamOverloaded: exchanger.overloaded + (workers?.overloaded ?? 0),
      upstreamForeignCookies: exchanger.foreignCookies + (workers?.foreignCookies ?? 0),
      plain: { ...resolver.plain.stats, underWay: resolver.plain.underWay },
    },
    gateMemoryBytes: sources.gate.native.memoryBytes(),
    edge: edgeOf(edge),
    lists: {
      ...lists,
      lists: lists.lists.map(one => ({ ...one, hits: hits[one.name] ?? 0 })),
      overrideHits: edge.byOverride,
    },
    tenantClients: resolver.tenants?.size ?? 0,
    upstreams: sources.groups.all.map(({ label, srttMs, inFlight, resting, lastFailure, stats }) => {
      return { server: label, srttMs, inFlight, resting, lastFailure, ...stats };
    }),
    upstreamNames: sources.groups.hosts,
    upstreamDiscoveries: sources.groups.discoveries,
    transports: {
      udp: statsOf(sources.transports.udp, workers?.udp),
      tcp: statsOf(sources.transports.tcp, workers?.tcp),
      tls: statsOf(sources.transports.tls),
      https: statsOf(sources.transports.https),
    },
    recursion: recursive && {
      ...recursive,
      rrsetEntries: rrsets?.entries ?? 0,
      rrsetBytes: rrsets?.liveBytes ?? 0,
    },
    zones: {
      totals: sources.zones.totals(),
      first: sources.zones.report(MOST_ZONES),
      native: nativeAnswersOf(engine, plane),
    },
    zoneTransfers: sources.zoneTransfers.report(MOST_ZONES),
    anchors: sources.anchors.report,
    clockDoubt: recursion.clockDoubt,
    forwardedTo: sources.probes.report,
    bogusBy: { ...sources.bogusBy },
    watching: sources.watching.report,
    process: { pid: process.pid, uptimeSeconds: process.uptime(), residentBytes: process.memoryUsage.rss() },
  };
}

function tlsOf({ handshakes, reports, counts }: Certificates): ServerReport['tls'] {
  return reports.length === 0 ? undefined : { handshakes: { ...handshakes }, certificates: reports, ...counts };
}

function httpsOf({ addresses, https }: Listeners): ServerReport['https'] {
  if (addresses.https.length === 0) return undefined;
  return { ...https, connections: { ...https.connections }, responses: { ...https.responses } };
}

function edgeOf({ actions, cookies, overLimit }: EdgeStats): ServerReport['edge'] {
  const named = <Name extends string>(names: Readonly<Record<Name, number>>, values: Float64Array) =>
    Object.fromEntries(Object.entries<number>(names).map(([name, at]) => [name, values[at]])) as Record<Name, number>;
  return { actions: named(EdgeAction, actions), overLimit, cookies: named(CookieState, cookies) };
}

function typesOf(...counts: (Float64Array | undefined)[]): Record<string, number> {
  const byType: Record<string, number> = {};
  for (let type = 0; type < TYPES_COUNTED; type++) {
    const total = counts.reduce((sum, one) => sum + (one?.[type] ?? 0), 0);
    if (total > 0) byType[type === TYPES_COUNTED - 1 ? 'other' : typeName(type)] = total;
  }
  return byType;
}

/** With what threads that resolve have sent by theirs. A transport of the embedder's own counts nothing. */
function statsOf(transport: Transport, workers?: TransportStats): TransportStats | undefined {
  const { stats } = transport as { stats?: TransportStats };
  if (stats === undefined) return workers;
  return workers === undefined ? { ...stats } : sumOf(stats, workers);
}
