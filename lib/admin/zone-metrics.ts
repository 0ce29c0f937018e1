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
  gauge(
    'shardns_zone_serial',
    'Serial of the version that is served, of the first 100 zones',
    ({ zones }) =>
      zones.first.flatMap(({ name, serial }) => (serial === undefined ? [] : [[{ zone: name }, serial] as const])),
    ['zone'],
  ),
];
