// Record data from what people write: for hooks, local zones and tests.
import { optionError } from '../base/errors.js';
import { Class, Type, type TypeName } from './iana.js';
import type { ResourceRecord } from './message.js';
import { encodeName } from './name.js';
import { encodeRdata } from './rdata.js';

/** A record in text: `data` as in a zone file's last field(s), or octets as they are. */
export interface RecordText {
  name: string;
  type: TypeName;
  /** Seconds. */
  ttl: number;
  data: string | Uint8Array;
}

/**
 * Text as in a zone file; that of TXT is one string, blanks and quotes included, cut into pieces of 255 octets.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming what is wrong with the data
 */
export function encodeData(type: TypeName, data: string | Uint8Array): Uint8Array {
  if (typeof data !== 'string') return data;
  if (type !== 'TXT') return encodeRdata(Type[type], data);
  const octets = Buffer.from(data, 'utf8');
  const strings: number[] = [];
  for (let at = 0; at < octets.length || at === 0; at += 255) {
    const piece = octets.subarray(at, at + 255);
    strings.push(piece.length, ...piece);
  }
  return Uint8Array.from(strings);
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
