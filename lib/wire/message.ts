// Building and taking apart whole messages, off the hit path.
import { ShardnsError } from '../base/errors.js';
import { Flag, HEADER_SIZE, MAX_MESSAGE_SIZE, Type } from './iana.js';
import { plainNameLength, readName } from './name.js';

export interface ResourceRecord {
  /** Owner in wire format. */
  name: Uint8Array;
  type: number;
  dnsClass: number;
  /** Seconds. */
  ttl: number;
  /** Record data, names inside expanded. */
  data: Uint8Array;
}

export interface Message {
  id: number;
  flags: number;
  question: { name: Uint8Array; type: number; dnsClass: number };
  answers: ResourceRecord[];
  authorities: ResourceRecord[];
  additionals: ResourceRecord[];
}

/** How many octets precede the names in the data of types that may be compressed (RFC 3597 section 4), and how many names. */
const COMPRESSED: ReadonlyMap<number, readonly [before: number, names: number]> = new Map([
  [Type.NS, [0, 1]],
  [Type.CNAME, [0, 1]],
  [Type.PTR, [0, 1]],
  [Type.DNAME, [0, 1]],
  [Type.SOA, [0, 2]],
  [Type.MX, [2, 1]],
  [Type.AFSDB, [2, 1]],
  [Type.RP, [0, 2]],
  [Type.SRV, [6, 1]],
] as [number, [number, number]][]);

/** @throws {ShardnsError} ERR_SHARDNS_MESSAGE when the octets are no message with one question */
export function decodeMessage(octets: Uint8Array): Message {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  try {
    if (view.getUint16(4) !== 1)
      throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'a message without exactly one question');
    const { name, next } = readName(octets, HEADER_SIZE);
    const question = { name, type: view.getUint16(next), dnsClass: view.getUint16(next + 2) };
    let at = next + 4;
    const readSection = (count: number): ResourceRecord[] => {
      const records: ResourceRecord[] = [];
      for (let i = 0; i < count; i++) {
        const owner = readName(octets, at);
        const fixed = owner.next;
        const type = view.getUint16(fixed);
        const length = view.getUint16(fixed + 8);
        const begin = fixed + 10;
        const end = begin + length;
        if (end > octets.length) throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'a record beyond the message');
        records.push({
          name: owner.name,
          type,
          dnsClass: view.getUint16(fixed + 2),
          ttl: view.getUint32(fixed + 4),
          data: expandData(octets, type, begin, end),
        });
        at = end;
      }
      return records;
    };
    const answers = readSection(view.getUint16(6));
    const authorities = readSection(view.getUint16(8));
    const additionals = readSection(view.getUint16(10));
    return { id: view.getUint16(0), flags: view.getUint16(2), question, answers, authorities, additionals };
  } catch (error) {
    if (error instanceof RangeError)
      throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'a message cut off', { cause: error });
    throw error;
  }
}

function expandData(octets: Uint8Array, type: number, begin: number, end: number): Uint8Array {
  const layout = COMPRESSED.get(type);
  if (layout === undefined) return octets.slice(begin, end);
  const [before, names] = layout;
  const parts: Uint8Array[] = [octets.subarray(begin, begin + before)];
  let at = begin + before;
  for (let i = 0; i < names; i++) {
    const { name, next } = readName(octets, at);
    parts.push(name);
    at = next;
  }
  if (at > end) throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'a name beyond its record');
  parts.push(octets.subarray(at, end));
  return Uint8Array.from(Buffer.concat(parts));
}

/** Wire format; owner names equal to the question's are compressed, others are written out. */
export function encodeMessage(message: Message): Uint8Array {
  const { question } = message;
  const parts: Buffer[] = [];
  const head = Buffer.alloc(HEADER_SIZE);
  head.writeUInt16BE(message.id, 0);
  head.writeUInt16BE(message.flags, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(message.answers.length, 6);
  head.writeUInt16BE(message.authorities.length, 8);
  head.writeUInt16BE(message.additionals.length, 10);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(question.type, 0);
  tail.writeUInt16BE(question.dnsClass, 2);
  parts.push(head, Buffer.from(question.name), tail);
  const pointer = Buffer.from([0xc0, 0x0c]);
  for (const record of [...message.answers, ...message.authorities, ...message.additionals]) {
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(record.type, 0);
    fixed.writeUInt16BE(record.dnsClass, 2);
    fixed.writeUInt32BE(record.ttl, 4);
    fixed.writeUInt16BE(record.data.length, 8);
    const isQuestion = record.name.length > 1 && Buffer.compare(record.name, question.name) === 0;
    parts.push(isQuestion ? pointer : Buffer.from(record.name), fixed, Buffer.from(record.data));
  }
  const octets = Buffer.concat(parts);
  if (octets.length > MAX_MESSAGE_SIZE) {
    throw new ShardnsError('ERR_SHARDNS_MESSAGE', `a message of ${octets.length} octets: more than 65535`);
  }
  return octets;
}

/** A response to `query` (its id, question and RD), to be finished per client like any upstream's. */
export function buildResponse(
  query: { message: Uint8Array; name: Uint8Array; type: number; dnsClass: number },
  parts: {
    rcode: number;
    answers?: ResourceRecord[];
    authorities?: ResourceRecord[];
    additionals?: ResourceRecord[];
    authoritative?: boolean;
  },
): Uint8Array {
  const rd = query.message[2] & 1 ? Flag.RD : 0;
  return encodeMessage({
    id: (query.message[0] << 8) | query.message[1],
    flags: Flag.QR | Flag.RA | rd | (parts.authoritative ? Flag.AA : 0) | parts.rcode,
    question: { name: query.name, type: query.type, dnsClass: query.dnsClass },
    answers: parts.answers ?? [],
    authorities: parts.authorities ?? [],
    additionals: parts.additionals ?? [],
  });
}

export interface QuestionShape {
  name: Uint8Array;
  type: number;
  dnsClass: number;
}

/** Octets of the one question of a message, end exclusive; 0 when there is none. */
export function questionEnd(message: Uint8Array): number {
  if (message.length < HEADER_SIZE || message[4] !== 0 || message[5] !== 1) return 0;
  const length = plainNameLength(message, HEADER_SIZE);
  return length === 0 || message.length < HEADER_SIZE + length + 4 ? 0 : HEADER_SIZE + length + 4;
}
