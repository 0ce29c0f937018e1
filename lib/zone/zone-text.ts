// Writes a zone as a file that reads back as the same zone: owners and data in full, one record a line, SOA first.
import { sameOctets } from '../base/octets.js';
import { Type, typeName } from '../wire/iana.js';
import { nameToText } from '../wire/name.js';
import { decodeRdata, encodeRdata } from '../wire/rdata.js';
import type { Zone } from './zone.js';

/** Records of one piece. */
const PIECE = 1000;

/** The file in pieces, for a stream. */
export function* zoneText(zone: Zone): Generator<string> {
  let lines: string[] = [];
  for (const cursor of zone.cursor()) {
    const owner = nameToText(cursor.owner.subarray(0, cursor.ownerLength));
    const data = cursor.octets.subarray(cursor.at, cursor.at + cursor.length);
    lines.push(`${owner}\t${cursor.ttl}\tIN\t${typeName(cursor.type)}\t${dataText(cursor.type, data)}\n`);
    if (lines.length === PIECE) {
      yield lines.join('');
      lines = [];
    }
  }
  yield lines.join('');
}

/** Types whose text says all that their data can have. */
const PLAIN = new Set<number>([Type.A, Type.AAAA, Type.NS, Type.CNAME, Type.PTR, Type.MX, Type.SRV, Type.SOA]);

/** What its type's text cannot say is written by RFC 3597 section 5. */
function dataText(type: number, data: Uint8Array): string {
  try {
    const text = decodeRdata(type, data);
    if (PLAIN.has(type) || (text !== '' && sameOctets(encodeRdata(type, text), data))) return text;
  } catch {
    // Octets that the type cannot have, which a primary may have sent.
  }
  return `\\# ${data.length}${data.length > 0 ? ` ${Buffer.from(data).toString('hex')}` : ''}`;
}
