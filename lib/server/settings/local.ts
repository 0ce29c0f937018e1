// Answers of one's own, and what the server says of itself.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { optionError } from '../../base/errors.js';
import { MAX_NSID } from '../../native/binding.js';
import { checkAliases, LOCAL_ZONE_KINDS, parseLocalRecord } from '../../resolve/local-data.js';
import { checkZoneSwitch, LocalZones } from '../../resolve/local-zones.js';
import { type Rows, section } from './row.js';
import { domainName, parsed, zoneName } from './types.js';

const localZone = section({
  name: { schema: zoneName, change: 'live', why: 'The name at and below which it decides.' },
  kind: {
    schema: z.enum(LOCAL_ZONE_KINDS),
    change: 'live',
    why: 'What is said of its names: `static`, `transparent`, `typeTransparent`, `redirect`, `refuse`, `nxdomain`, `nodata`, `null` (0.0.0.0 and ::), `blockA`, `blockAaaa` (no such addresses, nor hints of them in HTTPS and SVCB records).',
  },
});

export const localSection = section({
  zones: {
    schema: z.array(localZone).max(100_000).default([]),
    change: 'live',
    why: 'Zones that block, redirect or deny; the longest suffix of a name decides.',
  },
  records: {
    schema: z
      .array(parsed(text => parseLocalRecord(text)))
      .max(100_000)
      .default([]),
    change: 'live',
    why: '`name [ttl] type data` as in a zone file, names absolute; answered by a forwarder too. `*.apps.example` stands for all names below that do not exist (RFC 4592); aliases in a circle are refused.',
  },
  authoritative: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'AA in what local zones and records answer.',
  },
}).superRefine((local, context) => {
  try {
    checkAliases(local);
  } catch (error) {
    // A record that cannot be read has been told already.
    if (!/^expected aliases/.test((error as Error).message)) return;
    context.addIssue({ code: 'custom', message: (error as Error).message, path: ['records'] });
  }
});

const zoneSwitches = section({
  without: {
    schema: z
      .array(parsed(name => checkZoneSwitch(name, 'without')))
      .max(256)
      .default([]),
    change: 'live',
    why: 'Built-in zones that are resolved as any other name.',
  },
  with: {
    schema: z
      .array(parsed(name => checkZoneSwitch(name, 'with')))
      .max(256)
      .default([]),
    change: 'live',
    why: 'Zones beside them: `local` (RFC 6762 section 22.1).',
  },
  nameServer: {
    schema: domainName.optional(),
    change: 'live',
    why: 'What they have as their name server (NS, and MNAME of SOA), which is where dynamic updates are sent; by default the name of the zone itself (RFC 6303 section 3).',
  },
  mailbox: {
    schema: domainName.optional(),
    change: 'live',
    why: 'Whom they name as responsible (RNAME of SOA), as a name: `hostmaster.example` is hostmaster@example; by default nobody.invalid.',
  },
});

export const localRows = {
  local: { schema: localSection.prefault({}), change: 'live', why: 'Answers of your own.' },
  localZones: {
    schema: z.union([z.boolean(), zoneSwitches]).default(true),
    change: 'live',
    why: 'Special names answered here: localhost, invalid, test, onion, home.arpa, resolver.arpa, ipv4only.arpa and the reverse zones of private addresses. Local zones of the same names, and stub and forward zones at or below them, take their place.',
  },
  any: {
    schema: z.enum(['one', 'all']).default('one'),
    change: 'live',
    why: 'What those who ask for all types of a name (ANY) are told: `one` record that says nothing (RFC 8482), or `all` that its servers give. `all` is for those who know their clients: over UDP, small questions have large answers. What upstreams give is asked for each time, unless `dnssec.validate` judges it.',
  },
  identity: {
    schema: z.string().min(1).max(255).optional(),
    change: 'live',
    why: 'Told to those who ask for id.server in class CH; without it a recursor says REFUSED, and a forwarder asks its upstreams, as of any name of that class.',
  },
  nsid: {
    schema: parsed(text => nsidOctets(text)).optional(),
    change: 'live',
    why: 'The name of this server among those of one address, told to those who ask for it by the EDNS option NSID (RFC 5001): text, or octets as `0x` and hexadecimal digits. Without it, and to those who do not ask, nothing is told.',
  },
  version: {
    schema: z.string().min(1).max(255).optional(),
    change: 'live',
    why: 'Told to those who ask for version.server in class CH; without it a recursor says REFUSED, and a forwarder asks its upstreams, as of any name of that class.',
  },
} as const satisfies Rows;

/**
 * The octets of a server's name.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION for more of them than the native layer has room for
 */
export function nsidOctets(text: string): Uint8Array;
export function nsidOctets(text: string | undefined): Uint8Array | undefined;
export function nsidOctets(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const octets = /^0x([0-9a-f]{2})+$/i.test(text) ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text);
  if (octets.length > 0 && octets.length <= MAX_NSID) return Uint8Array.from(octets);
  throw optionError('nsid', text, `1 to ${MAX_NSID} octets, as text or as 0x and hexadecimal digits`);
}

interface Local {
  local: z.output<typeof localSection>;
  localZones: boolean | z.output<typeof zoneSwitches>;
}

export function localZonesOf({ localZones }: Pick<Local, 'localZones'>): LocalZones {
  return typeof localZones === 'boolean'
    ? new LocalZones(localZones ? 'server' : 'none')
    : new LocalZones('server', localZones);
}

const MAX_CHANGED_NAMES = 1024;

/** Names at and below which these settings give other local answers than those before; `all` where they are many. */
export function changedLocalNames(before: Local | undefined, after: Local): string[] | 'all' {
  const linesOf = ({ local }: Local): Map<string, string> =>
    new Map([
      ...local.zones.map(({ name, kind }) => [`${name} ${kind}`, name] as const),
      ...local.records.map(record => [record, record.trim().split(/\s/, 1)[0]] as const),
    ]);
  const next = linesOf(after);
  const old = before === undefined ? new Map<string, string>() : linesOf(before);
  const changed = [...old, ...next].filter(([line]) => old.has(line) !== next.has(line)).map(([, name]) => name);
  const other =
    before !== undefined &&
    (!isDeepStrictEqual(before.localZones, after.localZones) ||
      before.local.authoritative !== after.local.authoritative);
  return other || changed.length > MAX_CHANGED_NAMES ? 'all' : [...new Set(changed)];
}
