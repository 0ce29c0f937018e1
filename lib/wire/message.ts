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
        const owner =
          octets[at] === 0xc0 && octets[at + 1] === HEADER_SIZE ? { name, next: at + 2 } : readName(octets, at);
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

const POINTER_TO_QUESTION = 0xc000 | HEADER_SIZE;

/** Wire format; owner names equal to the question's are compressed, others are written out. */
export function encodeMessage(message: Message): Uint8Array {
  const { question } = message;
  const sections = [message.answers, message.authorities, message.additionals];
  const isQuestion = (record: ResourceRecord): boolean =>
    record.name.length > 1 && Buffer.compare(record.name, question.name) === 0;
  let size = HEADER_SIZE + question.name.length + 4;
  for (const section of sections) {
    for (const record of section) size += (isQuestion(record) ? 2 : record.name.length) + 10 + record.data.length;
  }
  if (size > MAX_MESSAGE_SIZE) {
    throw new ShardnsError('ERR_SHARDNS_MESSAGE', `a message of ${size} octets: more than 65535`);
  }
  const octets = Buffer.allocUnsafe(size);
  octets.writeUInt16BE(message.id, 0);
  octets.writeUInt16BE(message.flags, 2);
  octets.writeUInt16BE(1, 4);
  for (const [i, section] of sections.entries()) octets.writeUInt16BE(section.length, 6 + 2 * i);
  octets.set(question.name, HEADER_SIZE);
  let at = octets.writeUInt16BE(question.type, HEADER_SIZE + question.name.length);
  at = octets.writeUInt16BE(question.dnsClass, at);
  for (const section of sections) {
    for (const record of section) {
      if (isQuestion(record)) {
        at = octets.writeUInt16BE(POINTER_TO_QUESTION, at);
      } else {
        octets.set(record.name, at);
        at += record.name.length;
      }
      at = octets.writeUInt16BE(record.type, at);
      at = octets.writeUInt16BE(record.dnsClass, at);
      at = octets.writeUInt32BE(record.ttl, at);
      at = octets.writeUInt16BE(record.data.length, at);
      octets.set(record.data, at);
      at += record.data.length;
    }
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
