// The SOA of a denial of our own: says how long it may be believed (RFC 2308 section 5).
import { Class, Type } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { encodeName } from '../wire/name.js';

const MAILBOX = encodeName('nobody.invalid');

/**
 * @param seconds of the denial: its TTL and its MINIMUM
 * @param names in it, uncompressed; RFC 6303 section 3 has the zone's own as MNAME, and nobody.invalid
 */
export function madeSoa(
  zone: Uint8Array,
  seconds: number,
  { nameServer = zone, mailbox = MAILBOX }: { nameServer?: Uint8Array; mailbox?: Uint8Array } = {},
): ResourceRecord {
  const data = Uint8Array.from([
    ...nameServer,
    ...mailbox,
    ...[1, 3600, 1200, 604_800, seconds].flatMap(n => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]),
  ]);
  return { name: zone, type: Type.SOA, dnsClass: Class.IN, ttl: seconds, data };
}
