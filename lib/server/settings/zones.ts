// Zones that are served from here.
import { z } from 'zod';
import { pathOption } from '../../base/options.js';
import { MAX_ZONES } from '../../zone/zone-store.js';
import { type Rows, section } from './row.js';
import { domainName } from './types.js';

const zone = section({
  name: { schema: domainName, change: 'live', why: 'Its apex: `example.org`; `.` for the root.' },
  type: {
    schema: z.enum(['primary']).default('primary'),
    change: 'live',
    why: '`primary`: its file is what it is.',
  },
  file: {
    schema: pathOption,
    change: 'live',
    why: 'A zone file (RFC 1035 section 5), read at the start, at SIGHUP where it has changed, and by `shardns ctl zones reload`. One that is broken is told, and the version before is served; without one its names are SERVFAIL.',
  },
  views: {
    schema: z.array(z.string().min(1)).max(1024).default([]),
    change: 'live',
    why: 'Names of views whose clients it is for; by default for everybody. A zone of a view goes before one of the same name for everybody.',
  },
});

export const zoneRows = {
  zones: {
    schema: z.array(zone).max(MAX_ZONES).default([]),
    change: 'live',
    why: 'Zones that are answered with authority, before anything is resolved.',
  },
  zonesOnly: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Names of no zone are REFUSED and nothing is resolved for anybody: an authoritative server.',
  },
} as const satisfies Rows;

export type ZoneSettings = z.output<typeof zone>;

/** A zone that is there twice for the same clients, or of a view that there is none of. */
export function wrongZone(
  zones: readonly ZoneSettings[],
  views: readonly { name: string }[],
): { path: (string | number)[]; message: string } | undefined {
  const known = new Set(views.map(one => one.name));
  const seen = new Set<string>();
  for (const [i, { name, views: own }] of zones.entries()) {
    for (const [j, view] of own.entries()) {
      if (!known.has(view)) return { path: ['zones', i, 'views', j], message: 'expected the name of a view' };
    }
    for (const view of own.length === 0 ? [''] : own) {
      const key = `${name.toLowerCase().replace(/\.$/, '')} ${view}`;
      if (seen.has(key)) return { path: ['zones', i, 'name'], message: 'expected each zone once for the same clients' };
      seen.add(key);
    }
  }
  return undefined;
}
