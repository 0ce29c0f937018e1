// The TSIG record of a message (RFC 8945 section 4.2): found, read, taken off and put on. What its MAC is worth is said
// elsewhere (mac.ts).
import { HEADER_SIZE, Class, MAX_MESSAGE_SIZE, Type } from '../../wire/iana.js';
import { foldName, plainNameLength, readName, skipName } from '../../wire/name.js';
import { RecordWalk, word } from '../../wire/record-walk.js';

/** What a TSIG record says of an error (RFC 8945 section 3); 16 stands for BADVERS in an OPT. */
export const TsigError = { none: 0, BADSIG: 16, BADKEY: 17, BADTIME: 18, BADTRUNC: 22 } as const;
const errorNames = new Map<number, string>(Object.entries(TsigError).map(([name, code]) => [code, name]));
export const tsigErrorName = (code: number): string => errorNames.get(code) ?? `TSIG error ${code}`;

export interface TsigRecord {
  /** The key's name, folded. */
  readonly name: Uint8Array;
  /** The algorithm's name, folded. */
  readonly algorithm: Uint8Array;
  /** Seconds since 1970. */
  readonly timeSigned: number;
  /** Seconds that clocks may differ by. */
  readonly fudge: number;
  readonly mac: Uint8Array;
  readonly originalId: number;
  readonly error: number;
  readonly other: Uint8Array;
}

/** A record, and the message as it was signed: without the record, with the id that it had then. */
export interface SignedMessage {
  readonly tsig: TsigRecord;
  readonly unsigned: Buffer;
}

/** Octets of the data behind the algorithm's name, without MAC and other data. */
const FIXED = 16;
const walk = new RecordWalk();

/**
 * Takes the TSIG record off a message, which stays as it is.
 * @returns `unsigned` where it has none; `malformed` where one stands elsewhere than at the end, or is none (FORMERR)
 */
export function readTsig(message: Uint8Array): SignedMessage | 'unsigned' | 'malformed' {
  const at = findTsig(message);
  if (at === 'malformed') return at;
  if (at === 0) return 'unsigned';
  const tsig = readRecord(message, at);
  if (tsig === undefined) return 'malformed';
  const unsigned = Buffer.from(message.subarray(0, at));
  unsigned.writeUInt16BE(tsig.originalId, 0);
  unsigned.writeUInt16BE(word(message, 10) - 1, 10);
  return { tsig, unsigned };
}

/** Offset of the TSIG record, which is the last one; 0 where there is none. */
function findTsig(message: Uint8Array): number | 'malformed' {
  if (message.length < HEADER_SIZE) return 'malformed';
  let at = HEADER_SIZE;
  for (let left = word(message, 4); left > 0; left--) {
    const end = skipName(message, at);
    if (end === 0 || end + 4 > message.length) return 'malformed';
    at = end + 4;
  }
  walk.begin(message, at, skipName);
  let found = 0;
  while (walk.next()) {
    if (walk.type !== Type.TSIG) continue;
    if (walk.left > 0 || word(message, 10) === 0) return 'malformed';
    found = walk.at;
  }
  return walk.cutOff || walk.end !== message.length ? 'malformed' : found;
}

function readRecord(message: Uint8Array, at: number): TsigRecord | undefined {
  let name: Uint8Array;
  let fixed: number;
  try {
    ({ name, next: fixed } = readName(message, at));
  } catch {
    return undefined;
  }
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  if (word(message, fixed + 2) !== Class.ANY || view.getUint32(fixed + 4) !== 0) return undefined;
  let here = fixed + 10;
  const algorithmLength = plainNameLength(message, here);
  if (algorithmLength === 0 || here + algorithmLength + FIXED > message.length) return undefined;
  const algorithm = foldName(message, here, here + algorithmLength);
  here += algorithmLength;
  const macLength = word(message, here + 8);
  const behindMac = here + 10 + macLength;
  if (behindMac + 6 > message.length) return undefined;
  const otherLength = word(message, behindMac + 4);
  if (behindMac + 6 + otherLength !== message.length) return undefined;
  return {
    name: foldName(name),
    algorithm,
    timeSigned: view.getUint16(here) * 0x1_0000_0000 + view.getUint32(here + 2),
    fudge: word(message, here + 6),
    mac: Uint8Array.from(message.subarray(here + 10, behindMac)),
    originalId: word(message, behindMac),
    error: word(message, behindMac + 2),
    other: Uint8Array.from(message.subarray(behindMac + 6)),
  };
}

/** Octets that `appendTsig` adds. */
function tsigOctets({ name, algorithm, mac, other }: TsigRecord): number {
  return name.length + 10 + algorithm.length + FIXED + mac.length + other.length;
}

/** The message with the record behind its last one; undefined where there is no room for it. */
export function appendTsig(message: Uint8Array, tsig: TsigRecord): Buffer | undefined {
  const length = message.length + tsigOctets(tsig);
  if (length > MAX_MESSAGE_SIZE) return undefined;
  const signed = Buffer.allocUnsafe(length);
  signed.set(message);
  signed.writeUInt16BE(word(message, 10) + 1, 10);
  let at = message.length;
  signed.set(tsig.name, at);
  at += tsig.name.length;
  signed.writeUInt16BE(Type.TSIG, at);
  signed.writeUInt16BE(Class.ANY, at + 2);
  signed.writeUInt32BE(0, at + 4);
  signed.writeUInt16BE(length - at - 10, at + 8);
  at += 10;
  signed.set(tsig.algorithm, at);
  at += tsig.algorithm.length;
  signed.writeUIntBE(tsig.timeSigned, at, 6);
  signed.writeUInt16BE(tsig.fudge, at + 6);
  signed.writeUInt16BE(tsig.mac.length, at + 8);
  signed.set(tsig.mac, at + 10);
  at += 10 + tsig.mac.length;
  signed.writeUInt16BE(tsig.originalId, at);
  signed.writeUInt16BE(tsig.error, at + 2);
  signed.writeUInt16BE(tsig.other.length, at + 4);
  signed.set(tsig.other, at + 6);
  return signed;
}
