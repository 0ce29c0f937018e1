// One message of a zone transfer taken apart (RFC 5936 section 2.2, RFC 1995 section 4): its header judged, its answers one
// after the other. Octets come from whoever is asked: nothing of them is believed before it has been looked at.
import { ShardnsError } from '../../base/errors.js';
import { flagsOf, headerRcode, isTruncated, opcodeOf } from '../../wire/flags.js';
import { Class, Flag, HEADER_SIZE, Opcode, rcodeName, Type, typeName } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { equalNames, plainNameLength, readName, skipName } from '../../wire/name.js';
import { readRdata } from '../../wire/rdata-layout.js';
import { word } from '../../wire/record-walk.js';

/** What was asked. */
export interface TransferQuestion {
  readonly id: number;
  /** The zone's apex, folded. */
  readonly apex: Uint8Array;
  readonly type: typeof Type.AXFR | typeof Type.IXFR;
  /** What the OPT of the reply is to have; undefined: the question has none, and neither has the reply. */
  readonly opt?: TransferOpt;
}

export interface TransferOpt {
  /** Told in the first message (RFC 7314). */
  readonly expireSeconds?: number;
  /** Each message is padded, so that its length tells less of the zone (RFC 9103, padding of AXoT responses). */
  readonly pads: boolean;
}

const MAX_TTL = 0x7fff_ffff;

/** What is wrong with a message as a whole; `rcode` where the server says so. */
export interface MessageFault {
  readonly reason: string;
  readonly rcode?: number;
}

/**
 * Looks at header and question. Only the first message of a transfer has to have a question.
 * @returns where the answers begin
 */
export function judgeMessage(message: Uint8Array, question: TransferQuestion, isFirst: boolean): number | MessageFault {
  if (message.length < HEADER_SIZE) return { reason: `a message of ${message.length} octets` };
  if (word(message, 0) !== question.id) return { reason: 'a message with another id' };
  if ((flagsOf(message) & Flag.QR) === 0 || opcodeOf(message) !== Opcode.QUERY) return { reason: 'no response' };
  const rcode = headerRcode(message);
  if (rcode !== 0) return { reason: `the server says ${rcodeName(rcode)}`, rcode };
  if (isTruncated(message)) return { reason: 'a message that is cut off (TC)' };
  const questions = word(message, 4);
  if (questions === 0) return isFirst ? { reason: 'a first message without its question' } : HEADER_SIZE;
  const length = plainNameLength(message, HEADER_SIZE);
  const end = HEADER_SIZE + length + 4;
  const isOurs =
    questions === 1 &&
    length > 0 &&
    end <= message.length &&
    word(message, end - 4) === question.type &&
    word(message, end - 2) === Class.IN &&
    equalNames(message.subarray(HEADER_SIZE, HEADER_SIZE + length), question.apex);
  return isOurs ? end : { reason: 'a message with another question' };
}

/**
 * Calls `found` with each answer, in order; then looks at what follows them as far as its lengths go.
 * @param at where the answers begin
 * @param found says what is wrong with a record, which ends the walk
 * @returns what was wrong
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for octets that are no records
 */
export function eachAnswer(
  message: Uint8Array,
  at: number,
  found: (record: ResourceRecord) => string | undefined,
): string | undefined {
  const answers = word(message, 6);
  const others = word(message, 8) + word(message, 10);
  let owner: Uint8Array | undefined;
  let pointer = 0;
  for (let i = 0; i < answers + others; i++) {
    const isAnswer = i < answers;
    let fixed = at + 2;
    if (!isAnswer) fixed = skipName(message, at);
    else {
      // Most records begin with a pointer to the owner of the one before.
      const here = message[at] >= 0xc0 ? word(message, at) : 0;
      if (owner === undefined || here === 0 || here !== pointer) ({ name: owner, next: fixed } = readName(message, at));
      pointer = here === 0 && at < 0x4000 ? 0xc000 | at : here;
    }
    const end = fixed === 0 || fixed + 10 > message.length ? 0 : fixed + 10 + word(message, fixed + 8);
    if (end === 0 || end > message.length) throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'a record cut off');
    const type = word(message, fixed);
    if (isAnswer) {
      const dnsClass = word(message, fixed + 2);
      if (dnsClass !== Class.IN) return `a record of class ${dnsClass}`;
      if (isMeta(type)) return `a record of type ${typeName(type)}`;
      const ttl = word(message, fixed + 4) * 0x10000 + word(message, fixed + 6);
      const data = readRdata(message, type, dnsClass, fixed + 10, end);
      // A TTL with its first bit set is 0 (RFC 2181 section 8).
      const wrong = found({ name: owner!, type, dnsClass, ttl: ttl > MAX_TTL ? 0 : ttl, data });
      if (wrong !== undefined) return wrong;
    }
    at = end;
  }
  return at === message.length ? undefined : 'octets behind the last record';
}

/** Types of questions and of messages, which no zone has (RFC 6895 section 3.1). */
const isMeta = (type: number): boolean => type === 0 || type === Type.OPT || (type >= 128 && type <= 255);
