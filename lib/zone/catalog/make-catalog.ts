// A catalog zone made of a list of zones (RFC 9432), for the secondaries that follow it. Labels are made of the zones' names,
// so that a zone keeps its label for as long as it is listed, over restarts too.
import { createHash } from 'node:crypto';
import { Class, Type } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { encodeName, nameToText } from '../../wire/name.js';
import { encodeRdata } from '../../wire/rdata.js';
import { differenceOf } from '../changes.js';
import { isNewer, serialAfter } from '../serial.js';
import { ZoneBuilder } from '../zone-builder.js';
import { Zone } from '../zone.js';

export interface ListedZone {
  /** Folded. */
  readonly apex: Uint8Array;
  readonly group: string | undefined;
}

/** Seconds. A catalog is had by transfers alone: its times are those of SOA timers. */
const TIMES = '60 60 2419200 3600';
const TTL = 0;

/**
 * @param apex of the catalog, folded
 * @returns its records, SOA first
 */
export function makeCatalog(apex: Uint8Array, serial: number, zones: Iterable<ListedZone>): ResourceRecord[] {
  const origin = nameToText(apex);
  const record = (name: Uint8Array, type: number, data: Uint8Array): ResourceRecord => ({
    name,
    type,
    dnsClass: Class.IN,
    ttl: TTL,
    data,
  });
  const below = (...labels: string[]): Uint8Array => encodeName(`${labels.join('.')}.${origin === '.' ? '' : origin}`);
  const records = [
    record(apex, Type.SOA, encodeRdata(Type.SOA, `invalid. invalid. ${serial} ${TIMES}`)),
    // Nobody asks it anything (section 4.1).
    record(apex, Type.NS, encodeName('invalid.')),
    record(below('version'), Type.TXT, encodeRdata(Type.TXT, '"2"')),
  ];
  for (const zone of zones) {
    const label = createHash('sha256').update(zone.apex).digest('hex').slice(0, 32);
    records.push(record(below(label, 'zones'), Type.PTR, zone.apex));
    if (zone.group === undefined) continue;
    const text = Buffer.from(zone.group);
    records.push(record(below('group', label, 'zones'), Type.TXT, Uint8Array.of(text.length, ...text)));
  }
  return records;
}

/**
 * The version of a catalog that lists these; its serial is the time, so that it goes on over restarts.
 * @param now seconds since 1970
 * @returns undefined where `before` lists them too
 */
export function nextCatalog(
  { apex, zones }: { apex: Uint8Array; zones: readonly ListedZone[] },
  before: Zone | undefined,
  now: number,
): Zone | undefined {
  const versionOf = (serial: number): Zone => {
    const builder = new ZoneBuilder(apex);
    for (const record of makeCatalog(apex, serial, zones)) builder.add(record);
    return new Zone(apex, builder.build());
  };
  const serial = now >>> 0;
  if (before === undefined) return versionOf(serial);
  const { removed, added } = differenceOf(before, versionOf(before.serial));
  if (removed.length + added.length === 0) return undefined;
  return versionOf(isNewer(serial, before.serial) ? serial : serialAfter(before.serial));
}
