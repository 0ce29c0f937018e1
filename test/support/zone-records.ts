// Zones and their records for tests, from a few words.
import { Class, Type, type TypeName } from '../../lib/wire/iana.js';
import type { ResourceRecord } from '../../lib/wire/message.js';
import { encodeName } from '../../lib/wire/name.js';
import { encodeRdata } from '../../lib/wire/rdata.js';
import { recordText } from '../../lib/wire/record-text.js';
import { Zone } from '../../lib/zone/zone.js';
import { ZoneBuilder } from '../../lib/zone/zone-builder.js';

export const record = (name: string, type: TypeName, data: string, ttl = 300): ResourceRecord => ({
  name: encodeName(name),
  type: Type[type],
  dnsClass: Class.IN,
  ttl,
  data: encodeRdata(Type[type], data),
});

export const soa = (serial: number, zone = 'example', times = '3600 600 86400 300'): ResourceRecord =>
  record(zone, 'SOA', `ns.${zone}. mail.${zone}. ${serial} ${times}`);

export function zoneOf(records: readonly ResourceRecord[], name = 'example'): Zone {
  const builder = new ZoneBuilder(encodeName(name));
  for (const one of records) builder.add(one);
  return new Zone(encodeName(name), builder.build());
}

/** A zone with SOA, NS and these. */
export const smallZone = (serial: number, ...records: ResourceRecord[]): Zone =>
  zoneOf([soa(serial), record('example', 'NS', 'ns.example.'), record('ns.example', 'A', '192.0.2.53'), ...records]);

export const texts = (records: Iterable<ResourceRecord>): string[] => [...records].map(recordText);
/** In an order of their own. */
export const sortedTexts = (records: Iterable<ResourceRecord>): string[] => texts(records).sort();
