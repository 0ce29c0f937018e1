// Zones that are served from here.
import { z } from 'zod';
import { pathOption } from '../../base/options.js';
import { MAX_ZONES } from '../../zone/zone-store.js';
import { type Rows, section } from './row.js';
import { domainName } from './types.js';
import { catalogRows, keyNamesOf, transferRows, unknownKey, zoneTransferRows } from './zone-transfers.js';

const zone = section({
  name: { schema: domainName, change: 'live', why: 'Its apex: `example.org`; `.` for the root.' },
  type: {
    schema: z.enum(['primary', 'secondary', 'catalog']).default('primary'),
    change: 'live',
    why: '`primary`: its file is what it is. `secondary`: it is had from `primaries`, and served for as long as its SOA says. `catalog`: a list of zones (RFC 9432) that is had from `primaries`; those that it lists are secondaries of this server. Without primaries it lists zones of this server that name it as their `catalog`. The list itself is not answered.',
  },
  file: {
    schema: pathOption.optional(),
    change: 'live',
    why: 'Of a primary: a zone file (RFC 1035 section 5), read at the start, at SIGHUP where it has changed, and by `shardns ctl zones reload`. One that is broken is told, and the version before is served; without one its names are SERVFAIL.',
  },
  views: {
    schema: z.array(z.string().min(1)).max(1024).default([]),
    change: 'live',
    why: 'Names of views whose clients it is for; by default for everybody. A zone of a view goes before one of the same name for everybody.',
  },
  serves: {
    schema: z.enum(['clients', 'recursion']).default('clients'),
    change: 'live',
    why: '`clients`: its names are answered with authority. `recursion`: it is no answer of this server; its recursion asks it in the place of its servers, as a local copy of the root (RFC 8806), and those again for as long as it is not there or has expired.',
  },
  fallback: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Of a zone that serves clients: while it is not there, or has expired, its names are resolved as if there was no such zone, instead of SERVFAIL.',
  },
  ...transferRows,
  ...catalogRows,
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
  ...zoneTransferRows,
} as const satisfies Rows;

export type ZoneSettings = z.output<typeof zone>;
/** A zone that is what its file is. */
export type FileZoneSettings = ZoneSettings & { file: string };
export const isOfFile = (zone: ZoneSettings): zone is FileZoneSettings =>
  zone.type === 'primary' && zone.file !== undefined;

type Wrong = { path: (string | number)[]; message: string };

/** What a zone of its type has to have, and what it cannot. */
function wrongOfType(zone: ZoneSettings): Wrong | undefined {
  const { type, file, primaries, views, allowTransfer, allowUpdate, notify, makeDigest } = zone;
  if (type === 'primary' && file === undefined)
    return { path: ['file'], message: 'expected the file of a primary zone' };
  if (type === 'primary' && primaries.length > 0) {
    return { path: ['primaries'], message: 'expected none of a primary zone: it is had from its file' };
  }
  if (type === 'secondary' && primaries.length === 0) {
    return { path: ['primaries'], message: 'expected whom a secondary zone is had from' };
  }
  if (type !== 'primary' && file !== undefined) {
    return { path: ['file'], message: `expected none of a ${type} zone: zoneTransfers.folder is where it is kept` };
  }
  if (type !== 'primary' && allowUpdate.length > 0) {
    return { path: ['allowUpdate'], message: 'expected none but of a primary zone' };
  }
  if (makeDigest && (type !== 'primary' || allowUpdate.length > 0)) {
    return { path: ['makeDigest'], message: 'expected it of a primary zone without updates only' };
  }
  if (zone.serves === 'recursion' && (type === 'catalog' || views.length > 0)) {
    return { path: ['serves'], message: 'expected clients of a catalog, and of a zone of some views' };
  }
  if (zone.fallback && (type === 'catalog' || zone.serves === 'recursion')) {
    return { path: ['fallback'], message: 'expected it of a zone that serves clients only' };
  }
  if (views.length > 0 && (type !== 'primary' || allowTransfer.length + allowUpdate.length + notify.length > 0)) {
    return { path: ['views'], message: 'expected none of a zone that comes from other servers, or goes to them' };
  }
  return undefined;
}

/** A zone that is there twice for the same clients, of a view that there is none of, or not what its type needs. */
export function wrongZone(settings: {
  zones: readonly ZoneSettings[];
  views: readonly { name: string }[];
  tsigKeys: z.output<(typeof zoneTransferRows)['tsigKeys']['schema']>;
}): Wrong | undefined {
  const { zones, views } = settings;
  const keys = keyNamesOf(settings);
  const known = new Set(views.map(one => one.name));
  const seen = new Set<string>();
  for (const [i, one] of zones.entries()) {
    const { name, views: own } = one;
    const wrong = wrongOfType(one);
    if (wrong !== undefined) return { ...wrong, path: ['zones', i, ...wrong.path] };
    const unknown = unknownKey(one, keys);
    if (unknown !== undefined) {
      return { path: ['zones', i, ...unknown.path], message: `expected a key of tsigKeys, not ${unknown.name}` };
    }
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
