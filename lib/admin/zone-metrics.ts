// Metrics of the zones that are served.
import { by, counter, type Family, gauge } from './metric-family.js';

export const ZONE_FAMILIES: readonly Family[] = [
  gauge(
    'shardns_zones',
    'Zones that are served from files, by whether the file as it is now is',
    ({ zones: { totals: it } }) =>
      it.zones === 0 ? [] : by('state', { good: it.zones - it.broken, broken: it.broken }),
    ['state'],
  ),
  gauge('shardns_zones_records', 'Records of all zones', r => r.zones.totals.records),
  gauge('shardns_zones_bytes', 'Memory of all zones, in octets', r => r.zones.totals.octets),
  counter(
    'shardns_zone_loads_total',
    'Zone files that were read, by what came of it',
    ({ zones: { totals: it } }) =>
      it.loads === 0 && it.failures === 0
        ? []
        : by('outcome', { served: it.loads - it.failures, refused: it.failures }),
    ['outcome'],
  ),
  counter(
    'shardns_zone_native_answers_total',
    'Answers that zones gave without JavaScript for names that are in none of them, by kind',
    ({ zones: { native: it } }) => some('kind', { ...it }),
    ['kind'],
  ),
  counter(
    'shardns_zone_recursion_answers_total',
    'Questions of recursion that zones have answered which are held for it, in the place of their servers',
    r => r.recursion?.held,
  ),
  gauge(
    'shardns_zone_serial',
    'Serial of the version that is served, of the first 100 zones',
    ({ zones }) =>
      zones.first.flatMap(({ name, serial }) => (serial === undefined ? [] : [[{ zone: name }, serial] as const])),
    ['zone'],
  ),
  counter(
    'shardns_zone_transfers_total',
    'Transfers that were sent, by what was sent; refused: who asked may not, or there was no place',
    ({ zoneTransfers: { requests: it } }) => some('kind', it.transfers),
    ['kind'],
  ),
  counter(
    'shardns_zone_notifications_total',
    'Notifications of changes, by what became of them; sent, answered, failed: our own; taken: those of primaries',
    ({ zoneTransfers: { requests: it, notifications: own } }) =>
      some('outcome', {
        sent: own.sent,
        answered: own.answered,
        failed: own.failed + own.refused,
        taken: it.notifications.taken,
        refused: it.notifications.refused,
      }),
    ['outcome'],
  ),
  counter(
    'shardns_zone_updates_total',
    'Dynamic updates, by what became of them',
    ({ zoneTransfers: { requests: it } }) => some('outcome', it.updates),
    ['outcome'],
  ),
  counter(
    'shardns_tsig_errors_total',
    'Requests whose signature was wrong, by what was wrong with it',
    ({ zoneTransfers: { requests: it } }) => some('error', it.tsig),
    ['error'],
  ),
  gauge(
    'shardns_zone_secondaries',
    'Zones that are had from primaries, by state',
    ({ zoneTransfers: { secondaries: it } }) => some('state', it),
    ['state'],
  ),
  gauge(
    'shardns_zone_expires_seconds',
    'Until a zone that is had from primaries expires, of the first 100',
    ({ zoneTransfers: { zones } }) =>
      zones.flatMap(({ name, secondary }) =>
        secondary?.expiresInSeconds === undefined ? [] : [[{ zone: name }, secondary.expiresInSeconds] as const],
      ),
    ['zone'],
  ),
];

/** Nothing at all where nothing of it has ever been. */
function some(label: string, counts: Readonly<Record<string, number>>): ReturnType<typeof by> {
  return Object.values(counts).every(one => one === 0) ? [] : by(label, counts);
}
