// What the SOA record of a zone says (RFC 1035 section 3.3.13).
import { ShardnsError } from '../base/errors.js';
import type { ResourceRecord } from '../wire/message.js';
import { plainNameLength } from '../wire/name.js';

export interface SoaFields {
  /** Of the primary server, as it is written there. */
  readonly mname: Uint8Array;
  readonly rname: Uint8Array;
  readonly serial: number;
  /** Seconds: until a secondary asks anew, asks again after a failure, stops answering. */
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** Seconds that a denial may be kept (RFC 2308 section 4). */
  readonly minimum: number;
}

const NUMBERS = 20;

/**
 * @param data of a SOA record, names expanded
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for data that is none
 */
export function readSoa(data: Uint8Array): SoaFields {
  const mname = plainNameLength(data, 0);
  const rname = mname === 0 ? 0 : plainNameLength(data, mname);
  const at = mname + rname;
  if (rname === 0 || data.length !== at + NUMBERS) {
    throw new ShardnsError('ERR_SHARDNS_MESSAGE', `SOA data: ${data.length} octets that are none`);
  }
  const view = new DataView(data.buffer, data.byteOffset + at, NUMBERS);
  return {
    mname: data.subarray(0, mname),
    rname: data.subarray(mname, at),
    serial: view.getUint32(0),
    refresh: view.getUint32(4),
    retry: view.getUint32(8),
    expire: view.getUint32(12),
    minimum: view.getUint32(16),
  };
}

/** The serial alone, of data that has been looked at. */
export function serialOf(soa: Pick<ResourceRecord, 'data'>): number {
  const { data } = soa;
  return new DataView(data.buffer, data.byteOffset + data.length - NUMBERS, 4).getUint32(0);
}

/** The same record with another serial. */
export function withSerial(soa: ResourceRecord, serial: number): ResourceRecord {
  const data = soa.data.slice();
  new DataView(data.buffer).setUint32(data.length - NUMBERS, serial);
  return { ...soa, data };
}
