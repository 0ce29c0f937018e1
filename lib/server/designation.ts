// What clients are told that ask how this server is asked encrypted (discovery of designated resolvers, RFC 9462): its own
// listeners for TLS and HTTPS, as SVCB records of `_dns.resolver.arpa` (RFC 9461), in the order in which `listen` has them.
//
// Bounds: MAX_RECORDS records, MAX_HINTS addresses of each family in one.
import { isIP } from 'node:net';
import { addressOctets, type SocketAddress } from '../base/address.js';
import type { Designation } from '../resolve/local-zones.js';
import { Class, Type } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { encodeName } from '../wire/name.js';
import { encodeData } from '../wire/record.js';
import type { Protocol } from './listeners/protocols.js';
import { isWildcard } from './listeners/endpoint.js';
import type { ServerSettings } from './settings/settings.js';
import { certificatesOf } from './settings/tls.js';

const MAX_RECORDS = 16;
const MAX_HINTS = 8;

/** Where something is listened for. */
export interface BoundListener {
  readonly protocol: Protocol;
  readonly bound: readonly SocketAddress[];
  /** Of HTTPS. */
  readonly path?: string;
}

/** One way to ask, at all addresses that it is listened for at. */
interface Way {
  readonly protocol: 'tls' | 'https';
  readonly port: number;
  readonly path: string;
  readonly addresses: string[];
}

export const NOTHING_DESIGNATED: Designation = { answers: [], additionals: [] };

/** A target is a name (RFC 9460 section 2): that of a certificate with an asterisk is none. */
export const isTarget = (name: string): boolean => isIP(name) === 0 && !name.startsWith('*');

/** @param listeners of which those for TLS and HTTPS count */
export function designationOf(
  { ddr, tls }: Pick<ServerSettings, 'ddr' | 'tls'>,
  listeners: readonly BoundListener[],
): Designation {
  const names = (tls === undefined ? [] : certificatesOf(tls)).flatMap(one => one.names).filter(isTarget);
  const ways = waysOf(listeners);
  if (!ddr.enabled || names.length === 0 || ways.length === 0) return NOTHING_DESIGNATED;
  const reached = (way: Way): string[] => (ddr.addresses.length > 0 ? ddr.addresses : way.addresses);
  const made = (name: string, type: number, data: Uint8Array): ResourceRecord => {
    return { name: encodeName(name), type, dnsClass: Class.IN, ttl: ddr.ttlSeconds, data };
  };
  const targets = [...new Set(names)];
  const answers = ways.flatMap((way, i) =>
    targets.map(name => made('_dns.resolver.arpa', Type.SVCB, bindingOf(i + 1, name, way, reached(way)))),
  );
  // RFC 9462 section 4: so that nobody has to ask for them.
  const all = ofFamilies([...new Set(ways.flatMap(reached))]);
  const additionals = targets.flatMap(name => [
    ...all[4].map(one => made(name, Type.A, addressOctets(one))),
    ...all[6].map(one => made(name, Type.AAAA, addressOctets(one))),
  ]);
  return { answers: answers.slice(0, MAX_RECORDS), additionals: additionals.slice(0, 2 * MAX_HINTS) };
}

function waysOf(listeners: readonly BoundListener[]): Way[] {
  const ways = new Map<string, Way>();
  for (const { protocol, bound, path = '' } of listeners) {
    if (protocol !== 'tls' && protocol !== 'https') continue;
    for (const { address, port } of bound) {
      const key = `${protocol} ${port} ${path}`;
      const way = ways.get(key) ?? { protocol, port, path, addresses: [] };
      ways.set(key, way);
      // Of all addresses of a machine nobody knows which one clients reach; those of one link are of no use to others.
      if (!isWildcard({ address }) && !address.includes('%')) way.addresses.push(address);
    }
  }
  return [...ways.values()];
}

function ofFamilies(addresses: readonly string[]): Record<4 | 6, string[]> {
  const of = (family: 4 | 6): string[] => addresses.filter(one => isIP(one) === family).slice(0, MAX_HINTS);
  return { 4: of(4), 6: of(6) };
}

/** RFC 9461 section 5 for `dohpath`; there is no ALPN by default (section 4.1), so it is always said. */
function bindingOf(priority: number, name: string, { protocol, port, path }: Way, addresses: string[]): Uint8Array {
  const hints = ofFamilies(addresses);
  const parameters = [
    protocol === 'tls' ? 'alpn=dot' : 'alpn=h2',
    `port=${port}`,
    ...(hints[4].length > 0 ? [`ipv4hint=${hints[4].join(',')}`] : []),
    ...(hints[6].length > 0 ? [`ipv6hint=${hints[6].join(',')}`] : []),
    ...(protocol === 'https' ? [`dohpath="${path}{?dns}"`] : []),
  ];
  return encodeData('SVCB', `${priority} ${name.replace(/\.$/, '')}. ${parameters.join(' ')}`);
}
