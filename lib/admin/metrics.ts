// Prometheus text of a server, from its report. Names follow CoreDNS. A query name is never a label.
import { Counter, Gauge, Registry } from 'prom-client';
import type { RequestCounts, ServerReport } from '../server/report.js';
import { DNSSEC_FAMILIES } from './dnssec-metrics.js';
import { FLEET_FAMILIES } from './fleet-metrics.js';
import { MIRROR_FAMILIES } from './mirror-metrics.js';
import { missDurationText, WATCH_FAMILIES } from './watch-metrics.js';
import { ZONE_FAMILIES } from './zone-metrics.js';
import { by, counter, type Family, family, gauge, type Labels, type Samples } from './metric-family.js';

/** Types that have a label; which others are asked for is what strangers choose. */
const LABELLED_TYPES = new Set('A NS CNAME SOA PTR MX TXT AAAA SRV NAPTR DS DNSKEY SVCB HTTPS ANY'.split(' '));

function requestsOf({ protocol, family, byType }: RequestCounts): Samples {
  let other = 0;
  const samples: [Labels, number][] = [];
  // 1 and 2 as CoreDNS has them: the numbers of IANA's address families.
  const labels = { proto: protocol, family: family === 4 ? '1' : '2' };
  for (const [type, total] of Object.entries(byType)) {
    if (LABELLED_TYPES.has(type)) samples.push([{ ...labels, type }, total]);
    else other += total;
  }
  return other === 0 ? samples : [...samples, [{ ...labels, type: 'other' }, other]];
}

const upstream = (
  name: string,
  help: string,
  read: (one: ServerReport['upstreams'][number]) => number,
  kind: Family['kind'] = 'counter',
): Family =>
  family(kind, name, help, report => report.upstreams.map(it => [{ server: it.server }, read(it)]), ['server']);

const ofName = (
  kind: Family['kind'],
  name: string,
  help: string,
  read: (one: ServerReport['upstreamNames'][number]) => number,
): Family =>
  family(kind, name, help, report => report.upstreamNames.map(it => [{ name: it.name }, read(it)]), ['name']);

const certificatesBy = (
  tls: ServerReport['tls'],
  read: (one: NonNullable<ServerReport['tls']>['certificates'][number]) => number,
): Samples => (tls?.certificates ?? []).map(it => [{ file: it.file }, read(it)]);

/** All but the histogram of durations. */
export const FAMILIES: readonly Family[] = [
  counter('shardns_dns_requests_total', 'Queries received', r => r.requests.flatMap(requestsOf), [
    'proto',
    'family',
    'type',
  ]),
  counter('shardns_dns_responses_total', 'Replies by rcode', r => by('rcode', r.responses), ['rcode']),
  gauge(
    'shardns_cache_entries',
    'Entries that the cache holds; what was forgotten or has expired counts until its room is needed',
    r => r.cache.entries,
  ),
  gauge('shardns_cache_bytes', 'Octets of these entries', r => r.cache.liveBytes),
  gauge('shardns_cache_memory_bytes', 'Octets of the cache region', r => r.cache.memoryBytes),
  counter('shardns_cache_requests_total', 'Lookups in the cache', ({ cache: c }) => {
    return c.hitsPositive + c.hitsNegative + c.hitsFailure + c.hitsStale + c.misses - c.staleAfterMiss;
  }),
  counter(
    'shardns_cache_hits_total',
    'Hits by kind',
    ({ cache: c }) =>
      by('type', { success: c.hitsPositive, denial: c.hitsNegative, failure: c.hitsFailure, stale: c.hitsStale }),
    ['type'],
  ),
  counter('shardns_cache_misses_total', 'Lookups that found nothing', r => r.cache.misses),
  counter('shardns_cache_inserts_total', 'Answers stored', r => r.cache.inserts),
  counter('shardns_cache_prefetch_total', 'Entries refreshed before their end', r => r.resolver.prefetches),
  counter('shardns_cache_served_stale_total', 'Answers served past their time', r => r.cache.hitsStale),
  counter(
    'shardns_cache_rebuilds_total',
    'Shards begun anew because what they held could not be right',
    r => r.cache.rebuilds,
  ),
  counter(
    'shardns_cache_recoveries_total',
    'Shards put in order after another process died while it wrote to them',
    r => r.cache.recoveries,
  ),
  gauge('shardns_cache_file_detached', '1: the file of the cache was cut or replaced while it was open', r =>
    Number(r.cache.fileDetached),
  ),
  counter(
    'shardns_snapshot_saves_total',
    'Snapshots, by outcome',
    r => by('outcome', { saved: r.snapshots.saves, failed: r.snapshots.failures }),
    ['outcome'],
  ),
  counter(
    'shardns_snapshot_sent_total',
    'Snapshots for S3-compatible storage, by outcome',
    r => by('outcome', { sent: r.snapshots.sent, failed: r.snapshots.sendFailures, other: r.snapshots.leftToOthers }),
    ['outcome'],
  ),
  gauge('shardns_snapshot_entries', 'Entries in the last snapshot saved', r => r.snapshots.entries),
  gauge(
    'shardns_snapshot_last_save_timestamp_seconds',
    'Unix time of the last snapshot saved; 0 = none',
    r => r.snapshots.lastSaveSeconds,
  ),
  gauge('shardns_snapshot_loaded_entries', 'Entries that a snapshot brought at the start', r => r.snapshots.loaded),
  gauge(
    'shardns_gate_memory_bytes',
    'Octets of compiled access, views, tenants, rates and lists',
    r => r.gateMemoryBytes,
  ),
  counter(
    'shardns_edge_total',
    'Queries by what was decided before they were looked up',
    ({ edge: { actions: a } }) =>
      by('action', {
        allow: a.allow,
        drop: a.drop,
        refuse: a.refuse,
        truncate: a.truncate,
        form_err: a.formErr,
        bad_cookie: a.badCookie,
        blocked: a.blocked,
      }),
    ['action'],
  ),
  counter('shardns_rate_limited_total', 'Queries over a limit, in a dry run too', r => r.edge.overLimit),
  counter(
    'shardns_cookies_total',
    'Queries by the state of their cookie, where cookies are on',
    ({ edge: { cookies: c } }) =>
      by('state', {
        none: c.none,
        malformed: c.malformed,
        client_only: c.clientOnly,
        bad: c.bad,
        good: c.good,
        renewed: c.goodToRenew,
      }),
    ['state'],
  ),
  counter(
    'shardns_list_hits_total',
    'Queries that each list has decided; those that allow, too',
    r => [
      ...r.lists.lists.map(one => [{ list: one.name }, one.hits] as const),
      ...(r.lists.overrideHits > 0 ? [[{ list: '' }, r.lists.overrideHits] as const] : []),
    ],
    ['list'],
  ),
  gauge(
    'shardns_list_rules',
    'Lines of each list that are rules',
    r => r.lists.lists.map(one => [{ list: one.name }, one.rules]),
    ['list'],
  ),
  gauge(
    'shardns_list_lines_skipped',
    'Lines of each list that are left out',
    r =>
      r.lists.lists.flatMap(one => [
        [{ list: one.name, reason: 'broken' }, one.broken] as const,
        [{ list: one.name, reason: 'unsupported' }, one.unsupported] as const,
      ]),
    ['list', 'reason'],
  ),
  gauge(
    'shardns_list_stale',
    '1 for a list that cannot be read again and whose last good copy is in force',
    r => r.lists.lists.map(one => [{ list: one.name }, one.stale === null ? 0 : 1]),
    ['list'],
  ),
  gauge('shardns_list_names', 'Names in all lists', r => r.lists.names),
  gauge('shardns_list_memory_bytes', 'Octets of compiled lists', r => r.lists.memoryBytes),
  gauge(
    'shardns_list_since_timestamp_seconds',
    'Unix time since when the lists are in force',
    r => r.lists.sinceSeconds,
  ),
  counter('shardns_list_failures_total', 'Lists that could not be read again', r => r.lists.failures),
  gauge('shardns_list_paused_seconds', 'How long blocking is paused for yet', r => r.lists.pausedSeconds),
  gauge('shardns_tenant_clients', 'Clients whose tenant is remembered', r => r.tenantClients),
  counter(
    'shardns_cache_evictions_total',
    'Entries evicted, by queue',
    ({ cache: c }) =>
      by('queue', {
        small: c.evictionsSmall,
        main: c.evictionsMain,
        negative: c.evictionsNegative,
        index: c.evictionsIndex,
      }),
    ['queue'],
  ),
  counter('shardns_cache_expired_total', 'Entries reclaimed past their time', r => r.cache.expired),
  counter(
    'shardns_miss_ring_total',
    'Misses: new flights, queries that joined one, queries that found it full, or whose client held its share',
    ({ missRing: ring }) =>
      ring && by('outcome', { flight: ring.flights, joined: ring.joined, full: ring.full, over_share: ring.overShare }),
    ['outcome'],
  ),
  counter(
    'shardns_udp_packets_total',
    'Packets by UDP',
    ({ udp }) =>
      by('outcome', { sent: udp.sent, send_failed: udp.sendFailed, dropped: udp.dropped, refused: udp.refused }),
    ['outcome'],
  ),
  gauge('shardns_tcp_connections', 'TCP connections open', r => r.tcp.connections),
  gauge(
    'shardns_tcp_held_bytes',
    'Octets that TCP connections hold: replies not read, queries not begun',
    r => r.tcp.heldBytes,
  ),
  counter(
    'shardns_tcp_connections_total',
    'TCP connections, by outcome',
    ({ tcp }) =>
      by('outcome', {
        accepted: tcp.accepted,
        rejected: tcp.rejected,
        displaced: tcp.displaced,
        idle: tcp.idleClosed,
        slow: tcp.slowClosed,
        overfull: tcp.overfullClosed,
      }),
    ['outcome'],
  ),
  counter(
    'shardns_tls_handshakes_total',
    'TLS handshakes with clients, by outcome; their connections count as TCP connections too',
    ({ tls }) => (tls === undefined ? [] : by('outcome', tls.handshakes)),
    ['outcome'],
  ),
  gauge(
    'shardns_tls_certificate_days_left',
    'Days until the certificate of a file ends',
    ({ tls }) => certificatesBy(tls, one => one.daysLeft),
    ['file'],
  ),
  gauge(
    'shardns_tls_certificate_not_after_timestamp_seconds',
    'Unix time at which the certificate of a file ends',
    ({ tls }) => certificatesBy(tls, one => one.notAfterSeconds),
    ['file'],
  ),
  counter(
    'shardns_tls_certificate_reloads_total',
    'Times that the files of the certificate had changed, by outcome',
    ({ tls }) => (tls === undefined ? [] : by('outcome', { read: tls.reloads, failed: tls.failures })),
    ['outcome'],
  ),
  counter(
    'shardns_https_connections_total',
    'Connections over HTTPS, by version of HTTP',
    ({ https }) => (https === undefined ? [] : by('version', https.connections)),
    ['version'],
  ),
  gauge(
    'shardns_https_native_framing',
    'Whether HTTP/2 is framed natively (1), or by Node, which is slower (0)',
    ({ https }) => https && Number(https.framing === 'native'),
  ),
  counter(
    'shardns_https_responses_total',
    'Responses over HTTPS, by status',
    ({ https }) => (https === undefined ? [] : by('status', https.responses)),
    ['status'],
  ),
  counter(
    'shardns_https_abusive_total',
    'Connections over HTTPS that were closed for what the client did with HTTP',
    r => r.https?.abusive,
  ),
  counter(
    'shardns_proxy_protocol_total',
    'Datagrams and connections of proxies, by what their headers say',
    ({ proxyProtocol: it }) =>
      it === undefined ? [] : by('header', { proxied: it.proxied, local: it.local, invalid: it.invalid }),
    ['header'],
  ),
  counter(
    'shardns_https_forwarded_total',
    'Requests of proxies over HTTPS, by what they say of for whom they ask',
    ({ forwarded: it }) =>
      it === undefined ? [] : by('client', { proxied: it.proxied, local: it.local, invalid: it.invalid }),
    ['client'],
  ),
  gauge('shardns_resolver_in_flight', 'Questions on the slow path', r => r.resolver.inFlight),
  counter(
    'shardns_resolver_plain_total',
    'Misses forwarded natively, by whether they were answered so too or by the slow path',
    ({ resolver: { plain } }) => by('outcome', { answered: plain.answered, taken_over: plain.takenOver }),
    ['outcome'],
  ),
  counter(
    'shardns_resolver_total',
    'Slow path, by outcome',
    ({ resolver: it }) =>
      by('outcome', {
        resolved: it.resolved,
        coalesced: it.coalesced,
        failed: it.failures,
        overloaded: it.overloaded + it.upstreamOverloaded,
        client_overloaded: it.clientOverloaded,
        own_failure: it.ownFailures,
        mistake: it.mistakes,
        rejected_response: it.rejectedResponses,
        zone_limited: it.zoneLimited,
      }),
    ['outcome'],
  ),
  counter(
    'shardns_dns64_total',
    'Answers made of IPv4 addresses for clients with IPv6 alone, and of the names of such addresses',
    ({ resolver: it }) => by('kind', { answer: it.dns64Answers, pointer: it.dns64Pointers }),
    ['kind'],
  ),
  counter(
    'shardns_recursion_resolutions_total',
    'Names resolved from the root or a zone',
    r => r.recursion?.resolutions,
  ),
  counter('shardns_recursion_queries_total', 'Queries sent to name servers', r => r.recursion?.queries),
  counter('shardns_recursion_coalesced_total', 'Queries that another was under way for', r => r.recursion?.coalesced),
  counter('shardns_recursion_lame_total', 'Servers that had not the zone', r => r.recursion?.lame),
  counter(
    'shardns_recursion_rejected_responses_total',
    'Malformed or oversized responses',
    r => r.recursion?.rejectedResponses,
  ),
  counter('shardns_recursion_name_servers_total', 'Name servers looked up', r => r.recursion?.nameServersFetched),
  counter('shardns_recursion_failures_total', 'Resolutions that failed', r => r.recursion?.failures),
  ...DNSSEC_FAMILIES,
  ...ZONE_FAMILIES,
  ...MIRROR_FAMILIES,
  ...FLEET_FAMILIES,
  ...WATCH_FAMILIES,
  gauge('shardns_recursion_threads', 'Threads that resolve beside the main one', r => r.recursion?.threads ?? 0),
  gauge(
    'shardns_infrastructure_servers',
    'Name servers that something is known of, by all threads',
    r => r.recursion?.servers ?? 0,
  ),
  gauge(
    'shardns_rrset_cache_entries',
    'Entries that the RRset cache holds, counted in the same way',
    r => r.recursion?.rrsetEntries,
  ),
  gauge('shardns_rrset_cache_bytes', 'Octets of these entries', r => r.recursion?.rrsetBytes),
  upstream('shardns_upstream_queries_total', 'Queries sent', it => it.queries),
  upstream('shardns_upstream_responses_total', 'Responses taken', it => it.responses),
  upstream('shardns_upstream_timeouts_total', 'Queries without response in time', it => it.timeouts),
  upstream('shardns_upstream_failures_total', 'Useless responses and broken connections', it => it.failures),
  upstream('shardns_upstream_truncated_total', 'Responses that led to TCP', it => it.truncated),
  upstream('shardns_upstream_latency_seconds_total', 'Time until responses, summed up', it => it.latencySumMs / 1000),
  upstream('shardns_upstream_rtt_seconds', 'Smoothed round-trip time', it => it.srttMs / 1000, 'gauge'),
  ofName('gauge', 'shardns_upstream_name_addresses', 'Addresses that the name leads to', it => it.addresses.length),
  ofName(
    'counter',
    'shardns_upstream_name_failures_total',
    'Rounds of looking the name up of which no address came',
    it => it.failures,
  ),
  gauge(
    'shardns_upstream_encrypted_ways',
    'Ways that are known to ask an upstream encrypted that is asked so only (upstream.discover)',
    r => r.upstreamDiscoveries.map(it => [{ upstream: it.upstream }, it.ways]),
    ['upstream'],
  ),
  counter(
    'shardns_upstream_discovery_failures_total',
    'Rounds of asking for such ways of which none came',
    r => r.upstreamDiscoveries.map(it => [{ upstream: it.upstream }, it.failures]),
    ['upstream'],
  ),
  counter(
    'shardns_upstream_mismatched_total',
    'Responses that matched no query, by transport',
    r =>
      (['udp', 'tcp', 'tls', 'https'] as const).flatMap(proto => {
        const stats = r.transports[proto];
        return stats === undefined ? [] : [[{ proto }, stats.mismatched] as const];
      }),
    ['proto'],
  ),
  counter(
    'shardns_upstream_unknown_id_total',
    'Those of them over UDP whose id no query under way had: they come too late, or somebody guesses',
    r => r.transports.udp?.unknownId,
  ),
  counter(
    'shardns_upstream_cookie_mismatched_total',
    'Responses over UDP without the cookie of a server that has sent some, or with another',
    r => r.resolver.upstreamForeignCookies,
  ),
  gauge('process_resident_memory_bytes', 'Resident memory', r => r.process.residentBytes),
];

export class Metrics {
  readonly registry = new Registry();
  readonly #fill: ((report: ServerReport) => void)[];

  constructor(private readonly server: { report(): ServerReport }) {
    this.#fill = FAMILIES.map(({ name, help, kind, labels, read }) => {
      const settings = { name, help, labelNames: labels, registers: [this.registry] };
      if (kind === 'gauge') {
        const metric = new Gauge(settings);
        return report => {
          metric.reset();
          for (const [values, value] of read(report)) metric.set(values, value);
        };
      }
      const metric = new Counter(settings);
      return report => {
        metric.reset();
        for (const [values, value] of read(report)) metric.inc(values, value);
      };
    });
  }

  /** Prometheus text format 0.0.4. */
  async text(): Promise<string> {
    const report = this.server.report();
    for (const fill of this.#fill) fill(report);
    return `${await this.registry.metrics()}${durationText(report)}${missDurationText(report)}`;
  }
}

/** prom-client's own histogram cannot take finished buckets. */
function durationText({ durations: { counts, sumSeconds } }: ServerReport): string {
  const name = 'shardns_dns_request_duration_seconds';
  let cumulative = 0;
  const lines = [`# HELP ${name} Time from receiving a query to its reply`, `# TYPE ${name} histogram`];
  for (const [i, count] of counts.entries()) {
    cumulative += count;
    const bound = i === counts.length - 1 ? '+Inf' : String(2 ** i / 1e6);
    lines.push(`${name}_bucket{le="${bound}"} ${cumulative}`);
  }
  lines.push(`${name}_sum ${sumSeconds}`, `${name}_count ${cumulative}`, '');
  return lines.join('\n');
}
