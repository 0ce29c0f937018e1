// What `shardns ctl status` shows of a server's report.
import type { ServerReport } from '../server/report.js';
import { negativeLine } from './anchors-text.js';

/** Negative trust anchors that it names: `ctl anchors` has all. */
const MAX_NEGATIVE = 16;

export function statusText(text: string): string {
  const report = JSON.parse(text) as ServerReport;
  const { cache, process: own, resolver, listening } = report;
  const hits = cache.hitsPositive + cache.hitsNegative + cache.hitsFailure + cache.hitsStale;
  const asked = hits + cache.misses - cache.staleAfterMiss;
  const share = asked === 0 ? '-' : `${((100 * hits) / asked).toFixed(1)} %`;
  const rows = [
    ['state', `${report.state}, pid ${own.pid}, up ${Math.round(own.uptimeSeconds)} s`],
    ['listening', [...new Set([...listening.udp, ...listening.tcp])].join(' ') || '-'],
    ['queries', `${asked}, ${share} from the cache, ${resolver.inFlight} under way`],
    ['cache', `${cache.entries} entries held, ${mebibytes(cache.liveBytes)} of ${mebibytes(cache.memoryBytes)}`],
    [
      'failures',
      `${resolver.failures}, ${resolver.ownFailures} of them no server's: no room here, or no address of an upstream yet`,
    ],
    ['resident', mebibytes(own.residentBytes)],
    ...report.upstreams.map(one => [
      'upstream',
      `${one.server}: ${one.srttMs.toFixed(1)} ms, ${one.queries} queries, ${one.timeouts} late, ${one.failures} failed${one.resting ? ', rests' : ''}${one.resting && one.lastFailure !== undefined ? `: ${one.lastFailure}` : ''}`,
    ]),
    ...(report.clockDoubt === undefined ? [] : [['clock', report.clockDoubt]]),
    ...(report.anchors.validates ? report.anchors.negative : [])
      .slice(0, MAX_NEGATIVE)
      .map(one => ['anchor', negativeLine(one)]),
    ...report.forwardedTo
      .filter(one => one.signatures === 'left out' || one.signatures === 'not answered')
      .map(one => {
        const what = one.signatures === 'left out' ? 'passed over for' : 'of no use for';
        const lost = one.isLost ? ', and nobody else is left' : '';
        const text = `${what} what is validated below ${one.zone}${lost}; asked again in ${one.nextSeconds} s`;
        return ['dnssec', `${one.server} ${one.reason}: ${text}`];
      }),
    ...fleetRows(report.secondLevel),
    ...report.lists.lists.flatMap(({ name, stale }) => {
      return stale === null ? [] : [['list', `${name}: its last good copy, as it cannot be read again: ${stale}`]];
    }),
    ...report.upstreamDiscoveries.map(one => [
      'encrypted',
      `${one.upstream}: ${one.ways === 0 ? 'no way found yet' : `${one.ways} ways`}${one.failing ? ', asked for in vain' : ''}`,
    ]),
    ...report.upstreamNames.map(one => [
      'name',
      `${one.name}: ${one.addresses.join(' ') || 'no address yet'}${one.failing ? ', looked up in vain' : ''}`,
    ]),
  ];
  return rows.map(([key, value]) => `${key.padEnd(10)} ${value}`).join('\n');
}

const mebibytes = (octets: number): string => `${(octets / 2 ** 20).toFixed(1)} MiB`;

function fleetRows(fleet: ServerReport['secondLevel']): string[][] {
  if (fleet === undefined) return [];
  const { hits, staleHits, regionHits, reads, writes, said } = fleet;
  return [
    [
      'fleet',
      `${hits + staleHits + regionHits} of ${reads} misses answered, ${fleet.stores} shared, ${writes.queued} waiting; ${said.queued} invalidations waiting`,
    ],
    ...fleet.redis.map(one => {
      const where = one.region === '' ? one.redis : `${one.region}, ${one.redis}`;
      const { connected, breaker, log } = one;
      const state = connected ? `connected, breaker ${breaker}` : 'not connected';
      const trip = !connected || one.roundTripMs === undefined ? '' : `, ${one.roundTripMs.toFixed(1)} ms`;
      const refused = log.refused === 0 ? '' : `, ${log.refused} of its entries not believed (another secret?)`;
      const follows = `${log.follows ? 'its log is followed' : 'its log is not followed'}${refused}`;
      const error = one.error ?? (breaker === 'closed' ? undefined : one.readError);
      return ['redis', `${where}: ${state}${trip}, ${follows}${error === undefined ? '' : `; ${error}`}`];
    }),
  ];
}
