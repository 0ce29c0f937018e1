// The serial of a SOA record (RFC 1035 section 3.3.13), read and changed; its other fields: zone.ts.
import type { ResourceRecord } from '../wire/message.js';

/** Octets of the five numbers, which are its end. */
const NUMBERS = 20;

/** Of data that is one of a SOA record. */
export function serialOf({ data }: Pick<ResourceRecord, 'data'>): number {
  return new DataView(data.buffer, data.byteOffset + data.length - NUMBERS, 4).getUint32(0);
}

/** The same record with another serial. */
export function withSerial(soa: ResourceRecord, serial: number): ResourceRecord {
  const data = Uint8Array.from(soa.data);
  new DataView(data.buffer).setUint32(data.length - NUMBERS, serial);
  return { ...soa, data };
}
