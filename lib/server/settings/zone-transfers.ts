// What zones have to do with other servers: keys, primaries, who may transfer, notify and update; and what transfers may take.
import { z } from 'zod';
import { optionError } from '../../base/errors.js';
import { count, memoryOption, pathOption } from '../../base/options.js';
import { parseMemory } from '../../base/memory.js';
import { parseUpstream } from '../../upstream/upstream-url.js';
import { typeCode } from '../../wire/iana.js';
import { encodeName, foldName } from '../../wire/name.js';
import { keyIn, parseAccessRule } from '../../zone/access.js';
import type { CatalogOptions, MemberOptions } from '../../zone/catalog/consumer.js';
import type { UpdateRule } from '../../zone/links.js';
import type { FetchLimits } from '../../zone/transfer/fetch-zone.js';
import type { MadeCatalog } from '../../zone/transfers.js';
import type { PeerServer } from '../../zone/transfer/primary-connection.js';
import type { TransferOptions } from '../../zone/transferred-zone.js';
import { makeTsigKey, TSIG_ALGORITHMS, TsigKeys } from '../../zone/tsig/key.js';
import { type Rows, section } from './row.js';
import { domainName, parsed } from './types.js';

/** `ADDRESS`, `ADDRESS:PORT` or `tls://ADDRESS#NAME`, and the key that it is asked with behind it. */
interface PeerPlace {
  readonly place: ReturnType<typeof parseUpstream>;
  readonly key: string | undefined;
}

function parsePeer(text: string): PeerPlace {
  const key = keyIn(text);
  const url = key === undefined ? text : text.slice(0, text.lastIndexOf(' key ')).trim();
  const place = parseUpstream(url, '');
  if (place.at === undefined || (place.scheme !== 'udp' && place.scheme !== 'tls')) {
    throw optionError('', text, 'ADDRESS, ADDRESS:PORT or tls://ADDRESS#NAME, and perhaps key NAME behind it');
  }
  if (key !== undefined) encodeName(key);
  return { place, key };
}

/** In `notify`: the zone's name servers, with a key perhaps. */
const NAME_SERVERS = /^\s*ns(?:\s+key\s+(\S+))?\s*$/;

function parseNotified(text: string): void {
  if (!NAME_SERVERS.test(text)) parsePeer(text);
  else if (keyIn(text) !== undefined) encodeName(keyIn(text)!);
}

const tsigKey = section({
  name: { schema: domainName, change: 'live', why: 'Its name, the same at both ends.' },
  algorithm: {
    schema: z.enum(TSIG_ALGORITHMS as [string, ...string[]]).default('hmac-sha256'),
    change: 'live',
    why: 'How messages are signed. `hmac-sha1` is for old peers.',
  },
  secret: {
    secret: true,
    schema: z.string().min(1),
    change: 'live',
    why: 'Base64 of 8 to 512 octets: `openssl rand -base64 32`.',
  },
}).superRefine((key, context) => {
  try {
    makeTsigKey(key as Parameters<typeof makeTsigKey>[0]);
  } catch (error) {
    const message = (error as Error).message.replace(/^secret of the key [^:]*: /, '').replace(/, got .*$/, '');
    // The value is the secret: it is not shown.
    context.addIssue({ code: 'custom', message, path: ['secret'], input: '…' });
  }
});

const updateRule = section({
  key: { schema: domainName, change: 'live', why: 'The name of the key that updates are signed with.' },
  names: {
    schema: z.array(domainName).max(256).default([]),
    change: 'live',
    why: 'Names, with what lies below them, that it may change; by default all of the zone.',
  },
  types: {
    schema: z
      .array(
        parsed(text => {
          if (typeCode(text) === undefined) throw optionError('', text, 'the name of a record type');
        }),
      )
      .max(64)
      .default([]),
    change: 'live',
    why: 'Types that it may change, such as `TXT`; by default all.',
  },
});

const peers = z.array(parsed(parsePeer)).max(64).default([]);
const accessRules = z
  .array(parsed(text => parseAccessRule(text, '')))
  .max(1024)
  .default([]);

/** Of each zone. */
export const transferRows = {
  primaries: {
    schema: peers,
    change: 'live',
    why: 'Of a secondary: whom it is had from, in this order: `192.0.2.1`, `192.0.2.1:5300 key NAME`, `tls://192.0.2.1#ns1.example key NAME`.',
  },
  notify: {
    schema: z.array(parsed(parseNotified)).max(64).default([]),
    change: 'live',
    why: 'Who is told of changes (NOTIFY), written as primaries are; `ns`, or `ns key NAME`: the servers of its NS set but for the primary that its SOA names (RFC 1996), at port 53, as this server resolves their names. By default nobody.',
  },
  allowTransfer: {
    schema: accessRules,
    change: 'live',
    why: 'Who may have all of it (AXFR, IXFR): `192.0.2.0/24`, `key NAME`, `192.0.2.0/24 key NAME`, with `tls` before it where only TLS will do. By default nobody.',
  },
  allowNotify: {
    schema: accessRules,
    change: 'live',
    why: 'Who may say that it has changed, beside its primaries.',
  },
  allowUpdate: {
    schema: z.array(updateRule).max(256).default([]),
    change: 'live',
    why: 'Who may change it (UPDATE, RFC 2136), always by a key. By default nobody; zones that are signed are not changed.',
  },
  makeDigest: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Of a primary that is not signed: add a digest of all that it has (ZONEMD, RFC 8976) when its file is read.',
  },
  catalog: {
    schema: domainName.optional(),
    change: 'live',
    why: 'The catalog of this server that lists it: a zone of type `catalog` without primaries.',
  },
  group: { schema: z.string().min(1).max(255).optional(), change: 'live', why: 'What that catalog has as its group.' },
  requireDigest: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Refuse a version that is had from a primary and has no digest that can be checked (ZONEMD, RFC 8976); one that is wrong is always refused.',
  },
} as const satisfies Rows;

const limits = section({
  folder: {
    schema: pathOption.optional(),
    change: 'start',
    why: 'Where zones that are had from primaries, and changes by updates, are kept for the next start. Without it they are not.',
  },
  maxRecords: { schema: count(1, 200_000_000).default(10_000_000), change: 'live', why: 'Records of one zone.' },
  maxOctets: { schema: memoryOption.default('1GiB'), change: 'live', why: 'Memory of one zone.' },
  maxTransfer: { schema: memoryOption.default('4GiB'), change: 'live', why: 'Octets of the messages of one transfer.' },
  maxTransferSeconds: {
    schema: count(1, 86_400).default(7200),
    change: 'live',
    why: 'How long one transfer may take.',
  },
  journalVersions: {
    schema: count(0, 100_000).default(1000),
    change: 'live',
    why: 'Changes of a zone that are kept, to be sent as differences (IXFR).',
  },
  journalSize: { schema: memoryOption.default('16MiB'), change: 'live', why: 'Memory of these, for each zone.' },
});

const memberRows = {
  primaries: transferRows.primaries,
  notify: transferRows.notify,
  allowTransfer: transferRows.allowTransfer,
};

const group = section({
  name: { schema: z.string().min(1).max(255), change: 'live', why: 'As the catalog writes it.' },
  ...memberRows,
});

/** Of zones that are catalogs. */
export const catalogRows = {
  members: {
    schema: section({
      ...memberRows,
      maxZones: {
        schema: count(1, 100_000).default(10_000),
        change: 'live',
        why: 'Zones that it may list; one with more changes nothing.',
      },
      allowedNames: {
        schema: z.array(domainName).max(1024).default([]),
        change: 'live',
        why: 'Names at and below which it may list zones (RFC 9432 section 7); by default any.',
      },
      groups: {
        schema: z.array(group).max(256).default([]),
        change: 'live',
        why: 'The same for the zones of a group, by the name that the catalog gives it.',
      },
    }).prefault({}),
    change: 'live',
    why: 'Of a catalog: what the zones that it lists have. Without primaries of their own they are had from those of the catalog.',
  },
} as const satisfies Rows;

/** Of all zones together. */
export const zoneTransferRows = {
  tsigKeys: {
    schema: z.array(tsigKey).max(1000).default([]),
    change: 'live',
    why: 'Keys that transfers, notifications and updates are signed with (TSIG, RFC 8945).',
  },
  zoneTransfers: { schema: limits.prefault({}), change: 'live', why: 'What zones may take that are had from others.' },
} as const satisfies Rows;

/** A zone's settings, as far as they concern other servers. */
export interface ZoneTransferSettings {
  name: string;
  primaries: readonly string[];
  notify: readonly string[];
  allowTransfer: readonly string[];
  allowNotify: readonly string[];
  allowUpdate: readonly { key: string; names: readonly string[]; types: readonly string[] }[];
  requireDigest: boolean;
  catalog?: string;
  group?: string;
  type?: 'primary' | 'secondary' | 'catalog';
  serves?: 'clients' | 'recursion';
  members?: MemberSettings & {
    maxZones: number;
    allowedNames: readonly string[];
    groups: readonly (MemberSettings & { name: string })[];
  };
}
type MemberSettings = Pick<ZoneTransferSettings, 'primaries' | 'notify' | 'allowTransfer'>;
export interface TransferLimitSettings {
  zoneTransfers: z.output<typeof limits>;
  tsigKeys: readonly { name: string; algorithm: string; secret: string }[];
}

export const tsigKeysOf = ({ tsigKeys }: Pick<TransferLimitSettings, 'tsigKeys'>): TsigKeys =>
  new TsigKeys(tsigKeys.map(one => makeTsigKey(one as Parameters<typeof makeTsigKey>[0])));

/** Names of keys as they are compared: what is wrong with a key itself is told elsewhere. */
export const keyNamesOf = ({ tsigKeys }: Pick<TransferLimitSettings, 'tsigKeys'>): ReadonlySet<string> =>
  new Set(tsigKeys.map(one => plainName(one.name)));
const plainName = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** The first key that a zone names and that is not there, with the option that names it. */
export function unknownKey(
  { members, ...zone }: Partial<ZoneTransferSettings>,
  keys: ReadonlySet<string>,
): { path: (string | number)[]; name: string } | undefined {
  const isKnown = (name: string): boolean => keys.has(plainName(name));
  for (const option of ['primaries', 'notify', 'allowTransfer', 'allowNotify'] as const) {
    for (const [i, text] of (zone[option] ?? []).entries()) {
      const name = keyIn(text);
      if (name !== undefined && !isKnown(name)) return { path: [option, i], name };
    }
  }
  for (const [i, { key }] of (zone.allowUpdate ?? []).entries()) {
    if (!isKnown(key)) return { path: ['allowUpdate', i, 'key'], name: key };
  }
  const { groups = [] } = members ?? {};
  for (const [i, one] of groups.entries()) {
    const unknown = unknownKey(one, keys);
    if (unknown !== undefined) return { ...unknown, path: ['members', 'groups', i, ...unknown.path] };
  }
  const unknown = members && unknownKey({ ...members, name: '' } as Partial<ZoneTransferSettings>, keys);
  return unknown && { ...unknown, path: ['members', ...unknown.path] };
}

export const fetchLimitsOf = ({ zoneTransfers: it }: TransferLimitSettings): FetchLimits => ({
  maxRecords: it.maxRecords,
  maxOctets: Math.min(0xffff_0000, parseMemory(it.maxOctets)!),
  transferOctets: parseMemory(it.maxTransfer)!,
  transferMs: it.maxTransferSeconds * 1000,
});

const nameOf = (text: string): Uint8Array => foldName(encodeName(text));

/** @param zone whose keys are known */
export function transferOptionsOf(zone: ZoneTransferSettings, keys: TsigKeys): TransferOptions {
  const peersOf = (texts: readonly string[]): PeerServer[] =>
    texts.map(text => {
      const { place, key } = parsePeer(text);
      return { server: place.at!, key: key === undefined ? undefined : keys.find(nameOf(key)) };
    });
  const servers = zone.notify.map(text => NAME_SERVERS.exec(text)).find(one => one !== null);
  const allowUpdate = zone.allowUpdate.map(({ key, names, types }): UpdateRule => ({
    key: nameOf(key),
    names: names.map(nameOf),
    types: types.map(one => typeCode(one)!),
  }));
  return {
    apex: nameOf(zone.name),
    primaries: peersOf(zone.primaries),
    notify: peersOf(zone.notify.filter(text => !NAME_SERVERS.test(text))),
    notifyServers: servers && { key: servers[1] === undefined ? undefined : keys.find(nameOf(servers[1])) },
    allowTransfer: zone.allowTransfer.map(text => parseAccessRule(text, '')),
    allowNotify: zone.allowNotify.map(text => parseAccessRule(text, '')),
    allowUpdate,
    needsDigest: zone.requireDigest,
    isHeld: zone.serves === 'recursion',
  };
}

/** A catalog and what the zones that it lists have. */
export function catalogOptionsOf(zone: ZoneTransferSettings, keys: TsigKeys): CatalogOptions {
  const members = zone.members!;
  const optionsOf = (own: MemberSettings): MemberOptions => {
    const primaries = own.primaries.length > 0 ? own.primaries : zone.primaries;
    const { apex: _, ...options } = transferOptionsOf({ ...zone, ...own, primaries }, keys);
    return options;
  };
  return {
    apex: nameOf(zone.name),
    transfer: transferOptionsOf(zone, keys),
    members: optionsOf(members),
    groups: new Map(members.groups.map(one => [one.name, optionsOf(one)])),
    maxMembers: members.maxZones,
    allowedNames: members.allowedNames.map(nameOf),
  };
}

/** A catalog of this server's own: what of its zones name it. */
export function madeCatalogOf(
  catalog: ZoneTransferSettings,
  zones: readonly ZoneTransferSettings[],
  keys: TsigKeys,
): MadeCatalog {
  const { apex } = transferOptionsOf(catalog, keys);
  const listed = zones.filter(one => one.catalog !== undefined && Buffer.compare(nameOf(one.catalog), apex) === 0);
  return {
    transfer: transferOptionsOf(catalog, keys),
    zones: listed.map(({ name, group }) => ({ apex: nameOf(name), group })),
  };
}
