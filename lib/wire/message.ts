// Building and taking apart whole messages, off the hit path.
import { ShardnsError } from '../base/errors.js';
import { sameOctets } from '../base/octets.js';
import { flagsOf } from './flags.js';
import { Flag, HEADER_SIZE, MAX_MESSAGE_SIZE, MAX_NAME_SIZE, Rcode, Type } from './iana.js';
import { checkName, plainNameLength, readName } from './name.js';
import { NameWriter } from './name-writer.js';
import { compressibleNames, octetsBeforeNames, readRdata } from './rdata-layout.js';

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

/**
 * Records of a server's response that are looked at, in all and of one RRset; more are no answer but an attack on whoever
 * sorts them (CVE-2024-1737; BIND's max-records-per-type is 100).
 */
export const MAX_RESPONSE_RECORDS = 500;
export const MAX_RRSET_RECORDS = 100;

/**
 * Takes a message apart; octets behind its last record are cut off, as other servers do.
 * @param maxRecords more records than this are refused, before any is looked at
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE when the octets are no message with one question, when a record has data
 * that its type cannot have, or when there is more than one OPT (RFC 6891 section 6.1.1)
 */
export function decodeMessage(octets: Uint8Array, maxRecords = Number.POSITIVE_INFINITY): Message {
  const records = new RecordReader(octets, maxRecords);
  const answers = records.read(records.answers);
  const authorities = records.read(records.authorities);
  const additionals = records.read(records.additionals, true);
  const { flags, question } = records;
  return { id: word(octets, 0), flags, question, answers, authorities, additionals };
}

/** A server's response; its additional records are judged like the others, and taken apart when they are asked for. */
export class DecodedResponse {
  readonly flags: number;
  /** All twelve bits of it: the upper eight are in its OPT (RFC 6891 section 6.1.3). */
  readonly rcode: number;
  readonly answers: ResourceRecord[];
  readonly authorities: ResourceRecord[];
  readonly #records: RecordReader;
  readonly #additionalsAt: number;
  #additionals: ResourceRecord[] | undefined;

  /**
   * @param octets are not to change while it is looked at
   * @throws what decodeMessage throws
   */
  constructor(octets: Uint8Array, maxRecords: number) {
    const records = new RecordReader(octets, maxRecords);
    this.#records = records;
    this.answers = records.read(records.answers);
    this.authorities = records.read(records.authorities);
    this.#additionalsAt = records.at;
    records.judge(records.additionals);
    this.flags = records.flags;
    this.rcode = (this.flags & 0x0f) | ((records.optTtl >>> 24) << 4);
  }

  /** How many additional records it has. */
  get additionalCount(): number {
    return this.#records.additionals;
  }
  get additionals(): readonly ResourceRecord[] {
    if (this.#additionals === undefined) {
      const records = this.#records;
      records.at = this.#additionalsAt;
      records.hasOpt = false;
      this.#additionals = records.read(records.additionals, true);
    }
    return this.#additionals;
  }
}

/** Records one after the other. */
class RecordReader {
  readonly flags: number;
  readonly question: Message['question'];
  readonly answers: number;
  readonly authorities: number;
  readonly additionals: number;
  /** Where the next record begins. */
  at: number;
  hasOpt = false;
  /** The TTL field of the OPT: rcode, version and flags. */
  optTtl = 0;
  /** Owners that are the pointer before again are not followed again. */
  #owner: Uint8Array;
  #pointer = 0xc000 | HEADER_SIZE;
  /** Of the record that was begun last. */
  #fixed = 0;
  #end = 0;

  constructor(
    private readonly octets: Uint8Array,
    maxRecords: number,
  ) {
    if (octets.length < HEADER_SIZE) throw cutOff();
    if (word(octets, 4) !== 1) throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'a message without exactly one question');
    this.flags = flagsOf(octets);
    this.answers = word(octets, 6);
    this.authorities = word(octets, 8);
    this.additionals = word(octets, 10);
    const total = this.answers + this.authorities + this.additionals;
    if (total > maxRecords) throw new ShardnsError('ERR_SHARDNS_MESSAGE', `a message of ${total} records`);
    const { name, next } = readName(octets, HEADER_SIZE);
    if (next + 4 > octets.length) throw cutOff();
    this.question = { name, type: word(octets, next), dnsClass: word(octets, next + 2) };
    this.#owner = name;
    this.at = next + 4;
  }

  read(count: number, additional = false): ResourceRecord[] {
    const { octets } = this;
    const records: ResourceRecord[] = [];
    for (let i = 0; i < count; i++) {
      const { at } = this;
      const pointer = octets[at] < 0xc0 ? 0 : word(octets, at);
      let next = at + 2;
      if (pointer === 0 || pointer !== this.#pointer) {
        ({ name: this.#owner, next } = readName(octets, at));
        this.#pointer = pointer;
      }
      const type = this.#begin(next, additional);
      const fixed = this.#fixed;
      const dnsClass = word(octets, fixed + 2);
      const ttl = word(octets, fixed + 4) * 0x10000 + word(octets, fixed + 6);
      const data = readRdata(octets, type, dnsClass, fixed + 10, this.#end);
      records.push({ name: this.#owner, type, dnsClass, ttl, data });
      this.at = this.#end;
    }
    return records;
  }

  /** The same for additional records of which nothing is wanted yet. */
  judge(count: number): void {
    const { octets } = this;
    for (let i = 0; i < count; i++) {
      const next = checkName(octets, this.at);
      if (next === 0) throw new ShardnsError('ERR_SHARDNS_MESSAGE', `a malformed name at octet ${this.at}`);
      const type = this.#begin(next, true);
      readRdata(octets, type, word(octets, this.#fixed + 2), this.#fixed + 10, this.#end, false);
      this.at = this.#end;
    }
  }

  /** @param fixed where the fields behind the owner begin. @returns the record's type */
  #begin(fixed: number, additional: boolean): number {
    const { octets } = this;
    if (fixed + 10 > octets.length) throw cutOff();
    this.#fixed = fixed;
    this.#end = fixed + 10 + word(octets, fixed + 8);
    if (this.#end > octets.length) throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'a record beyond the message');
    const type = word(octets, fixed);
    if (type === Type.OPT) {
      if (this.hasOpt || !additional || fixed - this.at !== 1)
        throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'an OPT where there can be none');
      this.hasOpt = true;
      this.optTtl = word(octets, fixed + 4) * 0x10000 + word(octets, fixed + 6);
    }
    return type;
  }
}

const word = (octets: Uint8Array, at: number): number => (octets[at] << 8) | octets[at + 1];
const cutOff = (): ShardnsError => new ShardnsError('ERR_SHARDNS_MESSAGE', 'a message cut off');

/** All twelve bits of a message's rcode: the upper eight are in its OPT (RFC 6891 section 6.1.3). */
export function rcodeOf(message: Message | DecodedResponse): number {
  if (message instanceof DecodedResponse) return message.rcode;
  const opt = message.additionals.find(record => record.type === Type.OPT);
  return (message.flags & 0x0f) | (opt === undefined ? 0 : (opt.ttl >>> 24) << 4);
}

const writer = new NameWriter();
/** Whatever is written last may begin inside the bound: an owner, ten octets and its data. */
const LAST_RECORD = MAX_NAME_SIZE + 10 + 65_535;

/**
 * Wire format; owners, and the names in the data of RFC 1035's types, are compressed.
 * @returns undefined for what takes more than 65,535 octets even so: no message can say it
 */
export function encodeMessage(message: Message): Uint8Array | undefined {
  const { question } = message;
  const sections = [message.answers, message.authorities, message.additionals];
  const head = HEADER_SIZE + question.name.length + 4;
  let most = head;
  for (const section of sections) {
    for (const record of section) most += record.name.length + 10 + record.data.length;
  }
  const octets = Buffer.allocUnsafe(Math.min(most, MAX_MESSAGE_SIZE + LAST_RECORD));
  writeHead(octets, message);
  for (let i = 0; i < 3; i++) put16(octets, 6 + 2 * i, sections[i].length);
  let begun = false;
  const writeName = (source: Uint8Array, from: number, to: number): number => {
    if (!begun) {
      begun = true;
      writer.begin(octets, HEADER_SIZE);
    }
    return writer.write(source, from, to);
  };
  let at = head;
  // The records of an RRset stand together, mostly those of the question.
  let owner = question.name;
  let ownerAt = question.name.length > 1 ? HEADER_SIZE : 0;
  for (const section of sections) {
    for (const { name, type, dnsClass, ttl, data } of section) {
      if (name !== owner && !sameOctets(name, owner)) {
        at = writeName(name, 0, at);
        owner = name;
        ownerAt = writer.lastOffset;
      } else if (ownerAt > 0) {
        octets[at++] = 0xc0 | (ownerAt >> 8);
        octets[at++] = ownerAt & 0xff;
      } else {
        at = put(octets, at, name, 0);
      }
      put16(octets, at, type);
      put16(octets, at + 2, dnsClass);
      put16(octets, at + 4, ttl >>> 16);
      put16(octets, at + 6, ttl);
      const begin = at + 10;
      at = begin;
      let copied = 0;
      for (let names = compressibleNames(type); names > 0; names--) {
        if (copied === 0) while (copied < octetsBeforeNames(type)) octets[at++] = data[copied++];
        const length = plainNameLength(data, copied);
        if (length === 0) break;
        at = writeName(data, copied, at);
        copied += length;
      }
      at = put(octets, at, data, copied);
      put16(octets, begin - 2, at - begin);
      if (at > MAX_MESSAGE_SIZE) return undefined;
    }
  }
  return octets.subarray(0, at);
}

function writeHead(octets: Buffer, { id, flags, question }: Pick<Message, 'id' | 'flags' | 'question'>): void {
  put16(octets, 0, id);
  put16(octets, 2, flags);
  put16(octets, 4, 1);
  for (let at = 6; at < HEADER_SIZE; at++) octets[at] = 0;
  const end = put(octets, HEADER_SIZE, question.name, 0);
  put16(octets, end, question.type);
  put16(octets, end + 2, question.dnsClass);
}

function put16(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >> 8;
  octets[at + 1] = value;
}

/** Copies what `source` has from `from` on. A call of `set` costs more than a few octets. */
function put(octets: Uint8Array, at: number, source: Uint8Array, from: number): number {
  const length = source.length - from;
  if (length > 64) octets.set(from === 0 ? source : source.subarray(from), at);
  else for (let i = 0; i < length; i++) octets[at + i] = source[from + i];
  return at + length;
}

/** A message of header and question: that always has room. */
export function encodeQuestion(message: Pick<Message, 'id' | 'flags' | 'question'>): Uint8Array {
  const octets = Buffer.allocUnsafe(HEADER_SIZE + message.question.name.length + 4);
  writeHead(octets, message);
  return octets;
}

interface Asking {
  message: Uint8Array;
  name: Uint8Array;
  type: number;
  dnsClass: number;
}
interface ResponseParts {
  rcode: number;
  answers?: ResourceRecord[];
  authorities?: ResourceRecord[];
  additionals?: ResourceRecord[];
  authoritative?: boolean;
  /** All of it has been validated (RFC 4035 section 3.2.3). */
  authenticData?: boolean;
}

/**
 * A response to `query` (its id, question and RD), to be finished per client like any upstream's.
 * @returns undefined when the records take more than a message can hold
 */
export function buildResponse(query: Asking, parts: ResponseParts): Uint8Array | undefined {
  // Written out: what is spread into a literal goes V8's slow way (2 us).
  const { id, flags, question } = responseHead(query, parts);
  return encodeMessage({
    id,
    flags,
    question,
    answers: parts.answers ?? [],
    authorities: parts.authorities ?? [],
    additionals: parts.additionals ?? [],
  });
}

/** The same, and SERVFAIL in place of what no message can hold. */
export function buildResponseOrFailure(query: Asking, parts: ResponseParts): Uint8Array {
  return buildResponse(query, parts) ?? encodeQuestion(responseHead(query, { rcode: Rcode.SERVFAIL }));
}

function responseHead(query: Asking, parts: ResponseParts): Pick<Message, 'id' | 'flags' | 'question'> {
  return {
    id: (query.message[0] << 8) | query.message[1],
    flags:
      Flag.QR |
      Flag.RA |
      (flagsOf(query.message) & Flag.RD) |
      (parts.authoritative ? Flag.AA : 0) |
      (parts.authenticData ? Flag.AD : 0) |
      parts.rcode,
    question: { name: query.name, type: query.type, dnsClass: query.dnsClass },
  };
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
