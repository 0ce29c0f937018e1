// Configured zones: stubs and forwards, by the key of their name, and which of them a name belongs to; a stub comes before
// a forward of the same name.
import { isIP } from 'node:net';
import { parseSocketAddress } from '../../base/address.js';
import { optionError } from '../../base/errors.js';
import { Type } from '../../wire/iana.js';
import { bySuffix, encodeName, foldName, nameKey } from '../../wire/name.js';
import type { Upstream } from '../../upstream/upstream.js';
import { parseUpstream } from '../../upstream/upstream-url.js';
import { type ConfiguredZone, type DirectAddress, directAddress, type ZoneHost } from './delegation.js';
import type { EncryptedWay } from './infrastructure.js';
import type { RecursorOptions } from './options.js';

/**
 * An address, with a port perhaps, or a host name; or a `tls://` or `https://` URL, as upstreams are written.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION
 */
export function parseZoneServer(text: string): DirectAddress | ZoneHost {
  if (isIP(text) !== 0) return directAddress(text);
  if (text.includes('://')) return parseEncrypted(text);
  if (/^[a-z\d_.-]*[a-z_][a-z\d_.-]*:\d+$/i.test(text))
    throw optionError('', text, 'a host name without a port (`resolver.port`), or an address with one');
  if (/^[\d.]+(:\d+)?$/.test(text) || text.includes(':') || text.startsWith('[')) {
    const { address, port } = parseSocketAddress(text, '', 0);
    return directAddress(address, port === 0 ? undefined : port);
  }
  return { name: foldName(encodeName(text)) };
}

function parseEncrypted(text: string): DirectAddress | ZoneHost {
  const { scheme, port, at, name, tls, path } = parseUpstream(text, '');
  if (scheme === 'udp' || scheme === 'tcp') {
    throw optionError('', text, "no scheme but tls:// and https://: the zone's option `tcp` asks over TCP");
  }
  const way: EncryptedWay = { scheme, port, tls, path };
  return at === undefined ? { name: foldName(encodeName(name!)), way } : { ...directAddress(at.address, port), way };
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
    const direct: DirectAddress[] = [];
    const hosts: ZoneHost[] = [];
    for (const server of options.servers.map(parseZoneServer)) {
      if ('name' in server) hosts.push(server);
      else direct.push(server);
    }
    return { name, key: nameKey(name), kind, direct, hosts, first, tcp, noCache, prime };
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

/**
 * Whether an NXDOMAIN is about the name: that of the DS records of a configured zone, or of one that has a trust anchor, is
 * its parent's word, which may know no such zone.
 */
export function deniesName(
  { zones, validation }: Pick<RecursorOptions, 'zones' | 'validation'>,
  name: Uint8Array,
  type: number,
): boolean {
  if (type !== Type.DS || name[0] === 0) return true;
  if (zones.size > 0 && zones.has(nameKey(name))) return false;
  return validation?.anchors.haveBetween(name.subarray(1 + name[0]), name) !== true;
}

/**
 * Whoever is asked about a name: the servers of its configured zone, else those asked in place of the root. Undefined: the
 * root's.
 */
export function zoneFor(
  { zones, outside }: Pick<RecursorOptions, 'zones' | 'outside'>,
  name: Uint8Array,
  type: number,
  failed?: ConfiguredZone,
): ConfiguredZone | undefined {
  return zoneOf(zones, name, type, failed) ?? outside;
}

/**
 * A forward zone of all names that stands for upstreams.
 * @param upstreams those of the moment: names of upstreams lead elsewhere in time
 */
export function upstreamsZone(upstreams: () => readonly Upstream[]): ConfiguredZone {
  const name = Uint8Array.of(0);
  let of: readonly Upstream[] = [];
  let direct: readonly DirectAddress[] = [];
  return {
    name,
    key: nameKey(name),
    kind: 'forward',
    get direct() {
      const now = upstreams();
      if (now !== of) {
        of = now;
        direct = now.map(upstream => ({ ...upstream.at, upstream }));
      }
      return direct;
    },
    hosts: [],
    first: false,
    prime: false,
    tcp: false,
    noCache: false,
  };
}
