// Names that never leave the machine: localhost (RFC 6761 section 6.3), the reverse zones of private and special
// addresses (RFC 6303, RFC 7793 and the IANA registries they began), .invalid and .test (RFC 6761), .onion (RFC 7686).
import { Class, Rcode, Type } from '../wire/iana.js';
import { buildResponseOrFailure, type ResourceRecord } from '../wire/message.js';
import { bySuffix, encodeName, nameKey } from '../wire/name.js';
import { encodeData } from '../wire/record.js';

const TTL_SECONDS = 10_800; // RFC 6303 section 3

const REVERSE_V4 = [
  '0.in-addr.arpa',
  '127.in-addr.arpa',
  '10.in-addr.arpa',
  '168.192.in-addr.arpa',
  '254.169.in-addr.arpa',
  '2.0.192.in-addr.arpa',
  '100.51.198.in-addr.arpa',
  '113.0.203.in-addr.arpa',
  '255.255.255.255.in-addr.arpa',
  ...Array.from({ length: 16 }, (_, i) => `${16 + i}.172.in-addr.arpa`),
  ...Array.from({ length: 64 }, (_, i) => `${64 + i}.100.in-addr.arpa`), // RFC 7793
];
const zeros = (n: number): string => '0.'.repeat(n);
const REVERSE_V6 = [
  `${zeros(32)}ip6.arpa`,
  `1.${zeros(31)}ip6.arpa`,
  'd.f.ip6.arpa',
  '8.e.f.ip6.arpa',
  '9.e.f.ip6.arpa',
  'a.e.f.ip6.arpa',
  'b.e.f.ip6.arpa',
  '8.b.d.0.1.0.0.2.ip6.arpa',
];
const NOWHERE = ['invalid', 'test', 'onion'];

/**
 * Which zones are built in: those of a server, or those of a program, which asks its servers about the networks they
 * belong to (private reverse zones, .test) and only of localhost, .invalid and .onion knows better.
 */
export type LocalZones = 'server' | 'program' | 'none';

const zonesOf = (names: string[]): ReadonlyMap<string, Uint8Array> =>
  new Map(names.map(zone => [nameKey(encodeName(zone)), encodeName(zone)]));
const ZONES: Readonly<Record<LocalZones, ReadonlyMap<string, Uint8Array>>> = {
  server: zonesOf(['localhost', ...REVERSE_V4, ...REVERSE_V6, ...NOWHERE]),
  program: zonesOf(['localhost', 'invalid', 'onion']),
  none: new Map(),
};
const localhost = nameKey(encodeName('localhost'));
const reverseLocalhost = new Set([
  nameKey(encodeName('1.0.0.127.in-addr.arpa')),
  nameKey(encodeName(`1.${zeros(31)}ip6.arpa`)),
]);

function soa(zone: Uint8Array): ResourceRecord {
  // RFC 6303 section 3: the zone's name itself as MNAME.
  const data = Uint8Array.from([
    ...zone,
    ...encodeName('nobody.invalid'),
    ...[1, 3600, 1200, 604_800, TTL_SECONDS].flatMap(n => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]),
  ]);
  return { name: zone, type: Type.SOA, dnsClass: Class.IN, ttl: TTL_SECONDS, data };
}

/** The answer of a built-in zone, or undefined for names outside all of them. */
export function answerLocally(
  query: { message: Uint8Array; name: Uint8Array; type: number; dnsClass: number },
  which: LocalZones,
  overridden: { has(zone: Uint8Array): boolean } = { has: () => false },
): Uint8Array | undefined {
  const { name, type } = query;
  const zones = ZONES[which];
  const zone = bySuffix(name, zones);
  if (zone === undefined || overridden.has(zone)) return undefined;
  const record = (recordType: number, data: Uint8Array): ResourceRecord => ({
    name,
    type: recordType,
    dnsClass: Class.IN,
    ttl: TTL_SECONDS,
    data,
  });
  const apex = name.length === zone.length;
  // What the zone above says of it is not for us to say.
  if (apex && type === Type.DS) return undefined;
  const answers: ResourceRecord[] = [];
  let exists = apex;
  if (nameKey(zone) === localhost) {
    exists = true; // any name below localhost too
    if (type === Type.A) answers.push(record(Type.A, encodeData('A', '127.0.0.1')));
    if (type === Type.AAAA) answers.push(record(Type.AAAA, encodeData('AAAA', '::1')));
  }
  if (reverseLocalhost.has(nameKey(name))) {
    exists = true;
    if (type === Type.PTR) answers.push(record(Type.PTR, encodeName('localhost')));
  }
  if (apex && type === Type.SOA) answers.push(soa(zone));
  if (apex && type === Type.NS) answers.push(record(Type.NS, zone));
  const authoritative = true; // RFC 6303 section 3
  if (answers.length > 0) return buildResponseOrFailure(query, { rcode: Rcode.NOERROR, answers, authoritative });
  const rcode = exists ? Rcode.NOERROR : Rcode.NXDOMAIN;
  return buildResponseOrFailure(query, { rcode, authorities: [soa(zone)], authoritative });
}
