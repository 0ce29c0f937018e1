// A zone with a digest of all that it has (ZONEMD, RFC 8976), in the place of whatever digests it had.
import { digestZone } from '../dnssec/zonemd.js';
import { Class, Type } from '../wire/iana.js';
import { changeZone } from './changes.js';
import type { Zone } from './zone.js';

/** RFC 8976 section 5: SIMPLE, by SHA-384. */
const SCHEME = 1;
const HASH = 1;

/** Takes the zone into memory once more, and about 2 us a record. */
export function withDigest(zone: Zone): Zone {
  const { apex, serial, soa } = zone;
  const removed = zone.recordsAt(zone.apexNode, Type.ZONEMD);
  const others = removed.length === 0 ? zone : changeZone(zone, { removed, added: [] });
  const digest = digestZone(apex, others.records(), HASH)!;
  const data = Buffer.alloc(6 + digest.length);
  data.writeUInt32BE(serial, 0);
  data[4] = SCHEME;
  data[5] = HASH;
  data.set(digest, 6);
  const added = [{ name: soa.name, type: Type.ZONEMD, dnsClass: Class.IN, ttl: soa.ttl, data: Uint8Array.from(data) }];
  return changeZone(others, { removed: [], added });
}
