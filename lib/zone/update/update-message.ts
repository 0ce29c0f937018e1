// A dynamic update taken apart (RFC 2136 section 2): zone, prerequisites, changes. What may stand in each section is judged
// as section 3.2.5 and 3.4.1 say, before anything is done.
//
// Bound: what a message holds, 65,535 octets.
import { ShardnsError } from '../../base/errors.js';
import { Class, HEADER_SIZE, Rcode, Type } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { foldedName, isAtOrBelow, readName } from '../../wire/name.js';
import { readRdata } from '../../wire/rdata-layout.js';
import { word } from '../../wire/record-walk.js';

/** Its class says what is meant: that of the zone, ANY or NONE. Data of NONE has its names expanded, too. */
export type UpdateRecord = ResourceRecord;

export interface Update {
  /** Folded. */
  readonly apex: Uint8Array;
  readonly prerequisites: readonly UpdateRecord[];
  readonly changes: readonly UpdateRecord[];
}

/** @returns the update, or the rcode that it is refused with */
export function readUpdate(message: Uint8Array): Update | number {
  try {
    return read(message);
  } catch (error) {
    if (error instanceof ShardnsError && error.code === 'ERR_SHARDNS_MESSAGE') return Rcode.FORMERR;
    throw error;
  }
}

function read(message: Uint8Array): Update | number {
  if (message.length < HEADER_SIZE || word(message, 4) !== 1) return Rcode.FORMERR;
  const { name, next } = readName(message, HEADER_SIZE);
  if (next + 4 > message.length || word(message, next) !== Type.SOA) return Rcode.FORMERR;
  if (word(message, next + 2) !== Class.IN) return Rcode.NOTAUTH;
  const reader = new SectionReader(message, next + 4);
  const prerequisites = reader.read(word(message, 6));
  const changes = reader.read(word(message, 8));
  return { apex: foldedName(name), prerequisites, changes };
}

class SectionReader {
  constructor(
    private readonly message: Uint8Array,
    private at: number,
  ) {}

  read(count: number): UpdateRecord[] {
    const { message } = this;
    const records: UpdateRecord[] = [];
    for (let i = 0; i < count; i++) {
      const { name, next } = readName(message, this.at);
      const begin = next + 10;
      const end = begin > message.length ? begin : begin + word(message, next + 8);
      if (end > message.length) throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'a record cut off');
      const type = word(message, next);
      const dnsClass = word(message, next + 2);
      const ttl = word(message, next + 4) * 0x10000 + word(message, next + 6);
      // A record to be taken away is one of the zone's class, whose names some senders compress.
      const readAs = end > begin && dnsClass === Class.NONE ? Class.IN : dnsClass;
      records.push({ name, type, dnsClass, ttl, data: readRdata(message, type, readAs, begin, end) });
      this.at = end;
    }
    return records;
  }
}

/** Types of questions and messages (RFC 6895 section 3.1). */
const isMeta = (type: number): boolean => type === 0 || type === Type.OPT || (type >= 128 && type <= 255);

/** The rcode of the first prerequisite that is none (RFC 2136 section 3.2.5); 0: all are. */
export function faultOfPrerequisites({ apex, prerequisites }: Update): number {
  for (const { name, type, dnsClass, ttl, data } of prerequisites) {
    if (ttl !== 0) return Rcode.FORMERR;
    if (!isAtOrBelow(foldedName(name), apex)) return Rcode.NOTZONE;
    const isOfSet = dnsClass === Class.ANY || dnsClass === Class.NONE;
    if (isOfSet ? data.length > 0 || (isMeta(type) && type !== Type.ANY) : dnsClass !== Class.IN || isMeta(type)) {
      return Rcode.FORMERR;
    }
  }
  return Rcode.NOERROR;
}

/** The same of what is to be changed (RFC 2136 section 3.4.1.3). */
export function faultOfChanges({ apex, changes }: Update): number {
  for (const { name, type, dnsClass, ttl, data } of changes) {
    if (!isAtOrBelow(foldedName(name), apex)) return Rcode.NOTZONE;
    let isRight: boolean;
    if (dnsClass === Class.IN) isRight = !isMeta(type) && data.length > 0 && ttl <= 0x7fff_ffff;
    else if (dnsClass === Class.ANY) isRight = ttl === 0 && data.length === 0 && (!isMeta(type) || type === Type.ANY);
    else isRight = dnsClass === Class.NONE && ttl === 0 && !isMeta(type);
    if (!isRight) return Rcode.FORMERR;
  }
  return Rcode.NOERROR;
}
