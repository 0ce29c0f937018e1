// The SOA of a denial of our own: says how long it may be believed (RFC 2308 section 5).
import { Class, Type } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { encodeName } from '../wire/name.js';

const MAILBOX = encodeName('nobody.invalid');

/** @param seconds of the denial: its TTL and its MINIMUM */
export function madeSoa(zone: Uint8Array, seconds: number): ResourceRecord {
  // RFC 6303 section 3: the zone's name itself as MNAME.
  const data = Uint8Array.from([
    ...zone,
    ...MAILBOX,
    ...[1, 3600, 1200, 604_800, seconds].flatMap(n => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]),
  ]);
  return { name: zone, type: Type.SOA, dnsClass: Class.IN, ttl: seconds, data };
}
