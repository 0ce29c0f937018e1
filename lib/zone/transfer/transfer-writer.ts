// The messages of an outgoing zone transfer (RFC 5936 section 2.2, RFC 1995 section 4): records one after the other, filled
// to about 16 KiB, which names' pointers reach.
//
// Records come in canonical order, so that an owner's end stands in the one before it, mostly: those are compared, and
// nothing is looked up. Names in data are found by NameWriter. Nothing is allocated for a record; one buffer a message.
import { setFlags } from '../../wire/flags.js';
import { ShardnsError } from '../../base/errors.js';
import { Class, Flag, HEADER_SIZE, MAX_MESSAGE_SIZE, MAX_NAME_SIZE, typeName } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { nameToText, plainNameLength } from '../../wire/name.js';
import { NameWriter } from '../../wire/name-writer.js';
import { OptionCode, REPLY_BLOCK, UDP_OCTETS, writeBareOpt } from '../../wire/opt.js';
import { compressibleNames, octetsBeforeNames } from '../../wire/rdata-layout.js';
import type { TransferOpt, TransferQuestion } from './transfer-message.js';

/** A record where it lies: the owner's first `ownerLength` octets, the data's `length` octets from `at` on. */
export interface RecordPlace {
  readonly owner: Uint8Array;
  readonly ownerLength: number;
  readonly type: number;
  readonly ttl: number;
  readonly octets: Uint8Array;
  readonly at: number;
  readonly length: number;
}

/** The place of a record that is an object. */
export const placeOf = ({ name, type, ttl, data }: ResourceRecord): RecordPlace => ({
  owner: name,
  ownerLength: name.length,
  type,
  ttl,
  octets: data,
  at: 0,
  length: data.length,
});

/** Octets of a message, unless one record has more. */
export const MESSAGE_OCTETS = 16_384;
/** What a pointer reaches. */
const REACH = 1 << 14;
const FIXED = 10;
/** Of an OPT with the EXPIRE option. */
const MOST_OPT = writeBareOpt.octets + 8;
/** What padding leaves for a signature. */
const SIGNATURE_ROOM = 512;
/** Room for a record that begins within a message of the usual size. */
const ROOM = MAX_MESSAGE_SIZE + MAX_NAME_SIZE + FIXED + MAX_MESSAGE_SIZE;

const room = new Uint8Array(ROOM);
const writer = new NameWriter();

export class TransferWriter {
  readonly #records: Iterator<RecordPlace>;
  /** One that did not fit into the message before. */
  #held: RecordPlace | undefined;
  #done = false;
  records = 0;
  messages = 0;
  /** The owner written last, and where each of its labels stands in the message; 0: out of reach. */
  readonly #owner = new Uint8Array(MAX_NAME_SIZE);
  #ownerLength = 0;
  readonly #labelAt = new Uint16Array(128);
  readonly #labelBegin = new Uint8Array(128);
  #labels = 0;
  readonly #nextBegin = new Uint8Array(128);

  /**
   * @param records the same object may come again and again: each is read before the next is asked for
   * @param most octets of a message, where one record has no more
   */
  constructor(
    private readonly question: TransferQuestion,
    records: Iterable<RecordPlace>,
    private readonly most = MESSAGE_OCTETS,
  ) {
    this.#records = records[Symbol.iterator]();
  }

  /** Whether all records have been written. */
  get isDone(): boolean {
    return this.#done;
  }

  /**
   * The next message; undefined: there is none. Lets go of the records when `isDone`.
   * @throws {ShardnsError} ERR_SHARDNS_OVERLOAD for a record that no message has room for
   */
  next(): Buffer | undefined {
    if (this.#done) return undefined;
    const { apex, id, type } = this.question;
    room.fill(0, 0, HEADER_SIZE);
    room[0] = id >> 8;
    room[1] = id;
    setFlags(room, Flag.QR | Flag.AA);
    room[5] = 1;
    room.set(apex, HEADER_SIZE);
    let at = HEADER_SIZE + apex.length;
    at = put16(at, type);
    at = put16(at, Class.IN);
    writer.begin(room, HEADER_SIZE);
    this.#beginOwners(apex);
    let count = 0;
    for (;;) {
      const record = this.#held ?? this.#take();
      if (record === undefined) break;
      this.#held = undefined;
      const end = this.#write(record, at);
      if (count > 0 && (end > this.most || count === 0xffff)) {
        this.#held = record;
        break;
      }
      at = end;
      count++;
      if (end > MAX_MESSAGE_SIZE) throw noRoom(record);
      if (end > this.most) break;
    }
    if (count === 0) return undefined;
    // One in the first message is enough, but for padding (RFC 5936 section 2.2.5).
    const { opt } = this.question;
    if (opt !== undefined && (this.messages === 0 || opt.pads)) at = this.#writeOpt(opt, at);
    room[6] = count >> 8;
    room[7] = count;
    this.records += count;
    this.messages++;
    return Buffer.from(room.subarray(0, at));
  }

  /** Lets go of what has not been written. */
  close(): void {
    if (this.#done) return;
    this.#done = true;
    this.#held = undefined;
    this.#records.return?.();
  }

  #take(): RecordPlace | undefined {
    const next = this.#records.next();
    if (next.done === true) {
      this.#done = true;
      return undefined;
    }
    return next.value;
  }

  /** Behind the records; nothing where those have left it no room. @returns the place behind it */
  #writeOpt({ expireSeconds, pads }: TransferOpt, begin: number): number {
    if (begin + MOST_OPT > MAX_MESSAGE_SIZE) return begin;
    writeBareOpt(room, begin, UDP_OCTETS);
    room[11] = 1;
    let at = begin + writeBareOpt.octets;
    if (expireSeconds !== undefined && this.messages === 0) {
      at = put16(at, OptionCode.expire);
      at = put16(at, 4);
      at = put16(at, expireSeconds >>> 16);
      at = put16(at, expireSeconds & 0xffff);
    }
    const end = Math.ceil((at + 4) / REPLY_BLOCK) * REPLY_BLOCK;
    if (pads && end + SIGNATURE_ROOM <= MAX_MESSAGE_SIZE) {
      at = put16(at, OptionCode.padding);
      at = put16(at, end - at - 2);
      room.fill(0, at, end);
      at = end;
    }
    put16(begin + 9, at - begin - writeBareOpt.octets);
    return at;
  }

  #beginOwners(apex: Uint8Array): void {
    this.#owner.set(apex);
    this.#ownerLength = apex.length;
    this.#labels = this.#split(apex, this.#labelBegin);
    for (let i = 0; i < this.#labels; i++) this.#labelAt[i] = HEADER_SIZE + this.#labelBegin[i];
  }

  #split(name: Uint8Array, begins: Uint8Array): number {
    let count = 0;
    for (let at = 0; name[at] !== 0; at += 1 + name[at]) begins[count++] = at;
    return count;
  }

  #write(record: RecordPlace, from: number): number {
    const { type, ttl, octets } = record;
    let at = this.#writeOwner(record, from);
    at = put16(at, type);
    at = put16(at, Class.IN);
    at = put16(at, ttl >>> 16);
    at = put16(at, ttl & 0xffff);
    const begin = at + 2;
    const end = record.at + record.length;
    let copied = record.at;
    at = begin;
    let names = compressibleNames(type);
    if (names > 0) {
      for (const first = copied + octetsBeforeNames(type); copied < first;) room[at++] = octets[copied++];
      for (; names > 0; names--) {
        const length = plainNameLength(octets, copied);
        if (length === 0) break;
        at = writer.write(octets, copied, at);
        copied += length;
      }
    }
    if (end - copied > 64) {
      room.set(octets.subarray(copied, end), at);
      at += end - copied;
    } else while (copied < end) room[at++] = octets[copied++];
    put16(begin - 2, at - begin);
    return at;
  }

  /** Its labels that the owner before has not, then a pointer to the others there. */
  #writeOwner({ owner, ownerLength }: RecordPlace, from: number): number {
    const before = this.#owner;
    if (ownerLength === this.#ownerLength && this.#labels > 0 && this.#labelAt[0] > 0) {
      let i = ownerLength - 1;
      while (i >= 0 && owner[i] === before[i]) i--;
      if (i < 0) return put16(from, 0xc000 | this.#labelAt[0]);
    }
    const begins = this.#nextBegin;
    const count = this.#split(owner, begins);
    // From the last label on: octet for octet, since a name goes out in its own letters.
    let shared = 0;
    while (shared < count && shared < this.#labels) {
      let x = begins[count - 1 - shared];
      let y = this.#labelBegin[this.#labels - 1 - shared];
      if (this.#labelAt[this.#labels - 1 - shared] === 0) break;
      let left = owner[x];
      while (left >= 0 && owner[x] === before[y]) {
        x++;
        y++;
        left--;
      }
      if (left >= 0) break;
      shared++;
    }
    const fresh = count - shared;
    const pointer = shared === 0 ? 0 : this.#labelAt[this.#labels - shared];
    const labelAt = this.#labelAt;
    // Places of the labels that are shared stay; they move to the end of the new list.
    if (count !== this.#labels) labelAt.copyWithin(fresh, this.#labels - shared, this.#labels);
    for (let i = 0; i < fresh; i++) labelAt[i] = from + begins[i] < REACH ? from + begins[i] : 0;
    for (let i = 0; i < count; i++) this.#labelBegin[i] = begins[i];
    this.#labels = count;
    this.#ownerLength = ownerLength;
    for (let i = 0; i < ownerLength; i++) before[i] = owner[i];
    let at = from;
    const stop = fresh === count ? ownerLength - 1 : begins[fresh];
    for (let i = 0; i < stop; i++) room[at++] = owner[i];
    if (pointer > 0) return put16(at, 0xc000 | pointer);
    room[at++] = 0;
    return at;
  }
}

function noRoom({ owner, ownerLength, type, length }: RecordPlace): ShardnsError {
  const name = nameToText(owner.subarray(0, ownerLength));
  const text = `${name} ${typeName(type)}: a record of ${length} octets, which no message of a transfer has room for`;
  return new ShardnsError('ERR_SHARDNS_OVERLOAD', text);
}

/** @returns the place behind it */
function put16(at: number, value: number): number {
  room[at] = value >> 8;
  room[at + 1] = value;
  return at + 2;
}
