// What tells the configurations of servers over one file or region apart: everything that decides who may be told what.
// Servers that differ in it never find each other's entries. What depends on upstreams is common to all.
import { createHash } from 'node:crypto';
import type { Configuration } from '../../cache/region.js';
import type { ServerSettings } from './settings.js';

/** The same for equal settings in whatever order their keys are written; 2 in 2^64 for any two that differ. */
export function configurationOf({ local, localZones, views, tenants, upstream, cache }: ServerSettings): Configuration {
  const { clientSubnet } = upstream;
  const decisive = { local, localZones, views, tenants: tenants.enabled, clientSubnet, scope: cache.scope };
  const text = JSON.stringify(decisive, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  const hash = createHash('sha256').update(text).digest();
  // Not 0, which stands for none.
  return { high: (hash.readUInt32BE(0) | 1) >>> 0, low: hash.readUInt32BE(4) };
}
