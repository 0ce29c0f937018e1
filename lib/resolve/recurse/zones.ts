// Configured zones: stubs and forwards, by the key of their name, and which of them a name belongs to; a stub comes before
// a forward of the same name.
import { isIP } from 'node:net';
import { parseSocketAddress } from '../../base/address.js';
import { Type } from '../../wire/iana.js';
import { bySuffix, encodeName, foldName, nameKey } from '../../wire/name.js';
import { type ConfiguredZone, directAddress } from './delegation.js';

/** An address, with a port perhaps, or a host name in wire format. @throws {ShardnsError} ERR_SHARDNS_OPTION */
export function parseZoneServer(text: string): { address: string; family: 4 | 6; port?: number } | Uint8Array {
  if (isIP(text) !== 0) return directAddress(text);
  if (/^[\d.]+(:\d+)?$/.test(text) || text.includes(':') || text.startsWith('[')) {
    const { address, port } = parseSocketAddress(text, '', 0);
    return directAddress(address, port === 0 ? undefined : port);
  }
  return foldName(encodeName(text));
}

export interface ZoneOptions {
  name: string;
  servers: readonly string[];
  first: boolean;
  tcp: boolean;
  noCache: boolean;
  prime?: boolean;
}

export function configuredZones(
  stubs: readonly ZoneOptions[],
  forwards: readonly ZoneOptions[],
): ReadonlyMap<string, ConfiguredZone> {
  const make = (kind: ConfiguredZone['kind'], options: ZoneOptions): ConfiguredZone => {
    const name = foldName(encodeName(options.name));
    const { first, tcp, noCache, prime = false } = options;
    const zone: ConfiguredZone = { name, key: nameKey(name), kind, direct: [], hosts: [], first, tcp, noCache, prime };
    for (const server of options.servers.map(parseZoneServer)) {
      if (server instanceof Uint8Array) zone.hosts.push(server);
      else zone.direct.push(server);
    }
    return zone;
  };
  // The last one of a name stays.
  const all = [...forwards.map(one => make('forward', one)), ...stubs.map(one => make('stub', one))];
  return new Map(all.map(zone => [zone.key, zone]));
}

/** The configured zone with the longest suffix of the name, or the next above `failed`. DS belongs to the zone above. */
export function zoneOf(
  zones: ReadonlyMap<string, ConfiguredZone>,
  name: Uint8Array,
  type: number,
  failed?: ConfiguredZone,
): ConfiguredZone | undefined {
  if (zones.size === 0) return undefined;
  if (failed === undefined && type !== Type.DS) return bySuffix(name, zones);
  return bySuffix(
    name,
    zones,
    (zone, length) =>
      (failed === undefined || length < failed.name.length) &&
      (type !== Type.DS || length < name.length || zone.kind === 'forward'),
  );
}
