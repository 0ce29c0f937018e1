// Prometheus text of a server. Names follow CoreDNS. A query name is never a label.
import { Counter, Gauge, type Metric, Registry } from 'prom-client';
import { FileState, RCODES_COUNTED, TYPES_COUNTED } from '../native/binding.js';
import type { Server } from '../server/server.js';
import { rcodeName, typeName } from '../wire/iana.js';

const LABELLED_TYPES = new Set([1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 43, 48, 64, 65, 255]);

/** Counters are read from their homes when a scrape comes; nothing is counted twice. */
export class Metrics {
  readonly registry = new Registry();
  readonly #fill: (() => void)[] = [];
  readonly #responses = new Float64Array(RCODES_COUNTED + TYPES_COUNTED);

  constructor(private readonly server: Server) {
    const { engine, resolver, exchanger } = server;
    this.#counter('shardns_dns_requests_total', 'Queries received', ['proto', 'family', 'type'], set =>
      this.#requests(set),
    );
    this.#counter('shardns_dns_responses_total', 'Replies by rcode', ['rcode'], set => {
      const plane = server.plane?.stats();
      engine.native.responses(this.#responses);
      for (let rcode = 0; rcode < RCODES_COUNTED; rcode++) {
        const total = this.#responses[rcode] + (plane?.responsesByRcode[rcode] ?? 0);
        if (total > 0) set({ rcode: rcodeName(rcode) }, total);
      }
    });
    this.#gauge('shardns_cache_entries', 'Entries in the cache', set => set({}, engine.stats().entries));
    this.#gauge('shardns_cache_bytes', 'Octets of live entries', set => set({}, engine.stats().liveBytes));
    this.#gauge('shardns_cache_memory_bytes', 'Octets of the cache region', set => set({}, engine.memoryBytes));
    this.#counter('shardns_cache_requests_total', 'Lookups in the cache', [], set => {
      const s = engine.stats();
      set({}, s.hitsPositive + s.hitsNegative + s.hitsFailure + s.hitsStale + s.misses - s.staleAfterMiss);
    });
    this.#counter('shardns_cache_hits_total', 'Hits by kind', ['type'], set => {
      const s = engine.stats();
      set({ type: 'success' }, s.hitsPositive);
      set({ type: 'denial' }, s.hitsNegative);
      set({ type: 'failure' }, s.hitsFailure);
      set({ type: 'stale' }, s.hitsStale);
    });
    this.#counter('shardns_cache_misses_total', 'Lookups that found nothing', [], set =>
      set({}, engine.stats().misses),
    );
    this.#counter('shardns_cache_inserts_total', 'Answers stored', [], set => set({}, engine.stats().inserts));
    this.#counter('shardns_cache_prefetch_total', 'Entries refreshed before their end', [], set =>
      set({}, resolver.stats.prefetches),
    );
    this.#counter('shardns_cache_served_stale_total', 'Answers served past their time', [], set =>
      set({}, engine.stats().hitsStale),
    );
    this.#counter(
      'shardns_cache_rebuilds_total',
      'Shards begun anew because what they held could not be right',
      [],
      set => set({}, engine.stats().rebuilds),
    );
    this.#counter(
      'shardns_cache_recoveries_total',
      'Shards put in order after another process died while it wrote to them',
      [],
      set => set({}, engine.stats().recoveries),
    );
    this.#gauge('shardns_cache_file_detached', '1: the file of the cache was cut or replaced while it was open', set =>
      set({}, engine.native.fileState() === FileState.sound ? 0 : 1),
    );
    const { snapshots } = server;
    this.#counter('shardns_snapshot_saves_total', 'Snapshots, by outcome', ['outcome'], set => {
      set({ outcome: 'saved' }, snapshots.stats.saves);
      set({ outcome: 'failed' }, snapshots.stats.failures);
    });
    this.#gauge('shardns_snapshot_entries', 'Entries in the last snapshot saved', set =>
      set({}, snapshots.stats.entries),
    );
    this.#gauge('shardns_snapshot_last_save_timestamp_seconds', 'Unix time of the last snapshot saved; 0 = none', set =>
      set({}, snapshots.stats.lastSaveSeconds),
    );
    this.#gauge('shardns_snapshot_loaded_entries', 'Entries that a snapshot brought at the start', set =>
      set({}, snapshots.stats.loaded),
    );
    this.#gauge('shardns_gate_memory_bytes', 'Octets of compiled access, views and tenants', set =>
      set({}, server.gate.native.memoryBytes()),
    );
    this.#gauge('shardns_tenant_clients', 'Clients whose tenant is remembered', set =>
      set({}, resolver.tenants?.size ?? 0),
    );
    this.#counter('shardns_cache_evictions_total', 'Entries evicted, by queue', ['queue'], set => {
      const s = engine.stats();
      set({ queue: 'small' }, s.evictionsSmall);
      set({ queue: 'main' }, s.evictionsMain);
      set({ queue: 'negative' }, s.evictionsNegative);
      set({ queue: 'index' }, s.evictionsIndex);
    });
    this.#counter('shardns_cache_expired_total', 'Entries reclaimed past their time', [], set =>
      set({}, engine.stats().expired),
    );
    this.#counter(
      'shardns_miss_ring_total',
      'Misses: new flights, queries that joined one, queries that found it full, or whose client held its share',
      ['outcome'],
      set => {
        const s = server.plane?.stats();
        if (s === undefined) return;
        set({ outcome: 'flight' }, s.flights);
        set({ outcome: 'joined' }, s.joined);
        set({ outcome: 'full' }, s.full);
        set({ outcome: 'over_share' }, s.overShare);
      },
    );
    this.#counter('shardns_udp_packets_total', 'Packets by UDP', ['outcome'], set => {
      const s = server.plane?.stats();
      if (s === undefined) {
        const { sent, sendFailed, dropped } = server.listeners.udpStats();
        set({ outcome: 'sent' }, sent);
        set({ outcome: 'send_failed' }, sendFailed);
        set({ outcome: 'dropped' }, dropped);
        return;
      }
      set({ outcome: 'sent' }, s.sent);
      set({ outcome: 'send_failed' }, s.sendFailed);
      set({ outcome: 'dropped' }, s.dropped);
      set({ outcome: 'refused' }, s.refused);
    });
    this.#gauge('shardns_tcp_connections', 'TCP connections open', set => set({}, server.tcpConnections.size));
    this.#gauge(
      'shardns_tcp_held_bytes',
      'Octets that TCP connections hold: replies not read, queries not begun',
      set => set({}, server.tcpConnections.octets),
    );
    this.#counter('shardns_tcp_connections_total', 'TCP connections, by outcome', ['outcome'], set => {
      const s = server.tcpConnections.stats;
      set({ outcome: 'accepted' }, s.accepted);
      set({ outcome: 'rejected' }, s.rejected);
      set({ outcome: 'displaced' }, s.displaced);
      set({ outcome: 'idle' }, s.idleClosed);
      set({ outcome: 'slow' }, s.slowClosed);
      set({ outcome: 'overfull' }, s.overfullClosed);
    });
    this.#gauge('shardns_resolver_in_flight', 'Questions on the slow path', set => set({}, resolver.inFlight));
    this.#counter('shardns_resolver_total', 'Slow path, by outcome', ['outcome'], set => {
      set({ outcome: 'resolved' }, resolver.stats.resolved);
      set({ outcome: 'coalesced' }, resolver.stats.coalesced);
      set({ outcome: 'failed' }, resolver.stats.failures);
      set({ outcome: 'overloaded' }, resolver.stats.overloaded + exchanger.overloaded);
      set({ outcome: 'client_overloaded' }, resolver.stats.clientOverloaded);
      set({ outcome: 'own_failure' }, resolver.stats.ownFailures);
      set({ outcome: 'mistake' }, resolver.mistakes);
      set({ outcome: 'rejected_response' }, resolver.stats.rejectedResponses);
    });
    const recursion = (
      name: string,
      help: string,
      key: keyof NonNullable<ReturnType<Server['recursion']['stats']>>,
    ): void =>
      this.#counter(name, help, [], set => {
        const stats = server.recursion.stats();
        if (stats !== undefined) set({}, stats[key]);
      });
    recursion('shardns_recursion_resolutions_total', 'Names resolved from the root or a zone', 'resolutions');
    recursion('shardns_recursion_queries_total', 'Queries sent to name servers', 'queries');
    recursion('shardns_recursion_coalesced_total', 'Queries that another was under way for', 'coalesced');
    recursion('shardns_recursion_lame_total', 'Servers that had not the zone', 'lame');
    recursion('shardns_recursion_rejected_responses_total', 'Malformed or oversized responses', 'rejectedResponses');
    recursion('shardns_recursion_name_servers_total', 'Name servers looked up', 'nameServersFetched');
    recursion('shardns_recursion_failures_total', 'Resolutions that failed', 'failures');
    this.#gauge('shardns_recursion_threads', 'Threads that resolve beside the main one', set =>
      set({}, server.recursion.stats()?.threads ?? 0),
    );
    this.#gauge('shardns_infrastructure_servers', 'Name servers that something is known of, by all threads', set =>
      set({}, server.recursion.stats()?.servers ?? 0),
    );
    const rrsets = (name: string, help: string, read: (recursor: NonNullable<Server['recursor']>) => number): void =>
      this.#gauge(name, help, set => {
        if (server.recursor !== undefined) set({}, read(server.recursor));
      });
    rrsets('shardns_rrset_cache_entries', 'Entries in the RRset cache', r => r.rrsets.bytes.stats().entries);
    rrsets(
      'shardns_rrset_cache_bytes',
      'Octets of live entries of the RRset cache',
      r => r.rrsets.bytes.stats().liveBytes,
    );
    const upstream = (name: string, help: string, read: (one: Server['upstreams'][number]) => number): void =>
      this.#counter(name, help, ['server'], set => {
        for (const one of server.upstreams) set({ server: one.label }, read(one));
      });
    upstream('shardns_upstream_queries_total', 'Queries sent', one => one.stats.queries);
    upstream('shardns_upstream_responses_total', 'Responses taken', one => one.stats.responses);
    upstream('shardns_upstream_timeouts_total', 'Queries without response in time', one => one.stats.timeouts);
    upstream('shardns_upstream_failures_total', 'Useless responses and broken connections', one => one.stats.failures);
    upstream('shardns_upstream_truncated_total', 'Responses that led to TCP', one => one.stats.truncated);
    upstream('shardns_upstream_latency_seconds_sum', 'Time until response', one => one.stats.latencySumMs / 1000);
    this.#gauge(
      'shardns_upstream_rtt_seconds',
      'Smoothed round-trip time',
      set => {
        for (const one of server.upstreams) set({ server: one.label }, one.srttMs / 1000);
      },
      ['server'],
    );
    this.#counter(
      'shardns_upstream_mismatched_total',
      'Responses that matched no query, by transport',
      ['proto'],
      set => {
        for (const [proto, transport] of [
          ['udp', server.udpTransport],
          ['tcp', server.tcpTransport],
        ] as const) {
          const stats = (transport as { stats?: { mismatched: number } }).stats;
          if (stats !== undefined) set({ proto }, stats.mismatched);
        }
      },
    );
    this.#gauge('process_resident_memory_bytes', 'Resident memory', set => set({}, process.memoryUsage.rss()));
  }

  /** Prometheus text format 0.0.4. */
  async text(): Promise<string> {
    for (const fill of this.#fill) fill();
    return `${await this.registry.metrics()}${this.#durations()}`;
  }

  #counter(
    name: string,
    help: string,
    labels: string[],
    read: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void {
    const counter = new Counter({ name, help, labelNames: labels, registers: [this.registry] });
    this.#fill.push(() => {
      counter.reset();
      read((values, total) => counter.inc(values, total));
    });
  }
  #gauge(
    name: string,
    help: string,
    read: (set: (labels: Record<string, string>, value: number) => void) => void,
    labels: string[] = [],
  ): void {
    const gauge: Metric = new Gauge({ name, help, labelNames: labels, registers: [this.registry] });
    this.#fill.push(() => {
      gauge.reset();
      read((values, value) => (gauge as Gauge).set(values, value));
    });
  }

  #requests(set: (labels: Record<string, string>, value: number) => void): void {
    const { server } = this;
    const plane = server.plane?.stats();
    const { requestsByType } = server.answerer;
    const counted: [proto: string, family: string, byType: (Float64Array | undefined)[]][] = [
      ['udp', '1', [plane?.requestsByType4, requestsByType.udp4]],
      ['udp', '2', [plane?.requestsByType6, requestsByType.udp6]],
      ['tcp', '1', [requestsByType.tcp4]],
      ['tcp', '2', [requestsByType.tcp6]],
    ];
    for (const [proto, family, byType] of counted) {
      for (let type = 0; type < TYPES_COUNTED; type++) {
        const total = byType.reduce((sum, counts) => sum + (counts?.[type] ?? 0), 0);
        if (total > 0) set({ proto, family, type: LABELLED_TYPES.has(type) ? typeName(type) : 'other' }, total);
      }
    }
  }

  /** The histogram is filled natively, in powers of two; prom-client's own cannot take finished buckets. */
  #durations(): string {
    const plane = this.server.plane?.stats();
    const { durations, durationSumUs } = this.server.answerer;
    const name = 'shardns_dns_request_duration_seconds';
    let cumulative = 0;
    const lines = [`# HELP ${name} Time from receiving a query to its reply`, `# TYPE ${name} histogram`];
    for (let i = 0; i < durations.length; i++) {
      cumulative += durations[i] + (plane?.durations[i] ?? 0);
      const bound = i === durations.length - 1 ? '+Inf' : String(2 ** i / 1e6);
      lines.push(`${name}_bucket{le="${bound}"} ${cumulative}`);
    }
    lines.push(`${name}_sum ${(durationSumUs + (plane?.durationSumUs ?? 0)) / 1e6}`, `${name}_count ${cumulative}`, '');
    return lines.join('\n');
  }
}
