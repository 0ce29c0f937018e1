// Record data from what people write: for hooks, local zones and tests.
import { isIP } from 'node:net';
import { addressOctets } from '../base/address.js';
import { optionError } from '../base/errors.js';
import { Class, Type, type TypeName } from './iana.js';
import type { ResourceRecord } from './message.js';
import { encodeName } from './name.js';

/** A record in text: `data` as in a zone file's last field(s), or octets as they are. */
export interface RecordText {
  name: string;
  type: TypeName;
  /** Seconds. */
  ttl: number;
  data: string | Uint8Array;
}

const u16 = (n: number): number[] => [(n >> 8) & 0xff, n & 0xff];
const u32 = (n: number): number[] => [...u16(n >>> 16), ...u16(n & 0xffff)];

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming what is wrong with the data */
export function encodeData(type: TypeName, data: string | Uint8Array): Uint8Array {
  if (typeof data !== 'string') return data;
  const fields = data.trim().split(/\s+/);
  const need = (n: number, what: string): void => {
    if (fields.length !== n) throw optionError(`${type} data`, data, what);
  };
  switch (type) {
    case 'A':
      if (isIP(data) !== 4) throw optionError('A data', data, 'an IPv4 address');
      return addressOctets(data);
    case 'AAAA':
      if (isIP(data) !== 6) throw optionError('AAAA data', data, 'an IPv6 address');
      return addressOctets(data);
    case 'NS':
    case 'CNAME':
    case 'PTR':
    case 'DNAME':
      return encodeName(data);
    case 'MX':
      need(2, 'preference and name');
      return Uint8Array.from([...u16(Number(fields[0])), ...encodeName(fields[1])]);
    case 'SRV':
      need(4, 'priority, weight, port and name');
      return Uint8Array.from([...fields.slice(0, 3).flatMap(n => u16(Number(n))), ...encodeName(fields[3])]);
    case 'SOA':
      need(7, 'two names and five numbers');
      return Uint8Array.from([
        ...encodeName(fields[0]),
        ...encodeName(fields[1]),
        ...fields.slice(2).flatMap(n => u32(Number(n))),
      ]);
    case 'TXT': {
      const octets = Buffer.from(data, 'utf8');
      const strings: number[] = [];
      for (let at = 0; at < octets.length || at === 0; at += 255) {
        const piece = octets.subarray(at, at + 255);
        strings.push(piece.length, ...piece);
      }
      return Uint8Array.from(strings);
    }
    default:
      throw optionError(`${type} data`, data, 'octets (a Uint8Array): this type has no text form here');
  }
}

export function encodeRecord(record: RecordText): ResourceRecord {
  if (!Number.isInteger(record.ttl) || record.ttl < 0 || record.ttl > 0x7fffffff) {
    throw optionError('ttl', record.ttl, 'seconds from 0 to 2147483647');
  }
  return {
    name: encodeName(record.name),
    type: Type[record.type],
    dnsClass: Class.IN,
    ttl: record.ttl,
    data: encodeData(record.type, record.data),
  };
}
