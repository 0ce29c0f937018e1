// A message's OPT: its options, and the rcode's upper bits (RFC 6891 section 6.1.2 and 6.1.3). The records before it are
// walked: the end of other data can look like one. Of a response the first OPT is taken as it stands; of a client's query
// everything is looked at, as the native parser does (native/wire/question.cc, edns.cc).
import { ShardnsError } from '../base/errors.js';
import { headerRcode } from './flags.js';
import { HEADER_SIZE, MAX_MESSAGE_SIZE, Type } from './iana.js';
import { checkName, skipName } from './name.js';
import { RecordWalk, word } from './record-walk.js';

export const OptionCode = {
  clientSubnet: 8,
  expire: 9,
  cookie: 10,
  keepalive: 11,
  padding: 12,
  extendedError: 15,
} as const;

/** The content of the first such option of a message's OPT. */
export function findOption(message: Uint8Array, wanted: number): Uint8Array | undefined {
  const opt = findOpt(message);
  if (opt === 0) return undefined;
  const end = Math.min(message.length, opt + 11 + ((message[opt + 9] << 8) | message[opt + 10]));
  for (let at = opt + 11; at + 4 <= end;) {
    const code = (message[at] << 8) | message[at + 1];
    const length = (message[at + 2] << 8) | message[at + 3];
    if (code === wanted && at + 4 + length <= end) return message.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
  return undefined;
}

/** The contents of all of them, for those who are in no hurry. */
export function* eachOption(message: Uint8Array, wanted: number): Generator<Uint8Array> {
  const opt = findOpt(message);
  if (opt === 0) return;
  const end = Math.min(message.length, opt + 11 + word(message, opt + 9));
  for (let at = opt + 11; at + 4 <= end;) {
    const next = at + 4 + word(message, at + 2);
    if (word(message, at) === wanted && next <= end) yield message.subarray(at + 4, next);
    at = next;
  }
}

/** One, since no walk begins within another: it would be garbage for each response. */
const walk = new RecordWalk();

/** Offset of a message's OPT, which may be any of its additional records (RFC 6891 section 6.1.1); 0 = none. */
export function findOpt(message: Uint8Array): number {
  if (message.length < HEADER_SIZE) return 0;
  const additional = word(message, 10);
  if (additional === 0) return 0;
  let at = HEADER_SIZE;
  for (let left = word(message, 4); left > 0; left--) {
    at = skipName(message, at);
    if (at === 0) return 0;
    at += 4;
  }
  walk.begin(message, at, skipName);
  while (walk.next()) if (walk.left < additional && walk.isOpt) return walk.at;
  return 0;
}

/** A client-subnet option's content (RFC 7871 section 6). */
export interface ClientSubnet {
  readonly family: 1 | 2;
  readonly sourcePrefix: number;
  readonly address: Uint8Array;
}

/** What a query's OPT says. */
export interface QueryOpt {
  readonly udpSize: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  readonly clientSubnet: ClientSubnet | undefined;
}

/**
 * Walks what follows a query's question, to its last octet. A query brings no answers; authority is for IXFR only.
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE saying what of it is wrong
 */
export function readQueryOpt(message: Uint8Array, questionEnd: number): QueryOpt | undefined {
  const additional = word(message, 10);
  let fixed = 0;
  let end = 0;
  let isSigned = false;
  walk.begin(message, questionEnd, checkName);
  while (walk.next()) {
    if (walk.type === Type.OPT) {
      if (fixed !== 0 || !walk.isOpt || walk.left >= additional)
        throw badQuery(message, 'with an OPT where there can be none');
      ({ fixed, end } = walk);
    } else if (walk.type === Type.TSIG) {
      if (walk.left > 0) throw badQuery(message, 'with a TSIG that is not the last record'); // RFC 8945 section 5.1
      isSigned = true; // answered with NOTAUTH, whatever else it brings
    }
  }
  if (walk.cutOff) throw badQuery(message, 'with a record cut off');
  if (walk.end !== message.length) throw badQuery(message, 'with more behind the last record');
  const brings = word(message, 6) > 0 || (word(message, 8) > 0 && word(message, questionEnd - 4) !== Type.IXFR);
  if (brings && !isSigned) throw badQuery(message, 'that bring answers');
  if (fixed === 0) return undefined;
  return {
    udpSize: word(message, fixed + 2),
    version: message[fixed + 5],
    dnssecOk: (message[fixed + 6] & 0x80) !== 0,
    clientSubnet: readSubnet(message, fixed + 10, end),
  };
}

/** The last client subnet of an OPT's options (RFC 7871 section 6). */
function readSubnet(message: Uint8Array, begin: number, end: number): ClientSubnet | undefined {
  let subnet: ClientSubnet | undefined;
  for (let at = begin; at < end;) {
    const size = at + 4 <= end ? (message[at + 2] << 8) | message[at + 3] : 0;
    if (at + 4 + size > end) throw badQuery(message, 'with options cut off');
    if (message[at] === 0 && message[at + 1] === OptionCode.clientSubnet) {
      const option = message.subarray(at + 4, at + 4 + size);
      const [high, family, sourcePrefix] = option;
      const octets = size - 4;
      const spare = 8 * octets - sourcePrefix;
      const right =
        high === 0 &&
        (family === 1 || family === 2) &&
        sourcePrefix <= (family === 1 ? 32 : 128) &&
        octets === Math.ceil(sourcePrefix / 8) &&
        // Bits beyond the prefix are zero.
        (spare === 0 || (option[size - 1] & ((1 << spare) - 1)) === 0);
      if (!right) throw badQuery(message, 'with a malformed client subnet');
      subnet = { family: family as 1 | 2, sourcePrefix, address: option.slice(4) };
    }
    at += 4 + size;
  }
  return subnet;
}

export const badQuery = (message: Uint8Array, why: string): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_MESSAGE', `not a DNS query: ${message.length} octets ${why}`);

/** All twelve bits of a message's rcode: the upper eight are in its OPT (RFC 6891 section 6.1.3). */
export function responseRcode(message: Uint8Array, opt = findOpt(message)): number {
  return headerRcode(message) | (opt === 0 ? 0 : message[opt + 5] << 4);
}

/** The message with one more option; as it is where its last record is no OPT, or the option has no room. */
export function appendOption(message: Uint8Array, code: number, content: Uint8Array): Uint8Array {
  const opt = findOpt(message);
  if (opt === 0 || message.length + 4 + content.length > MAX_MESSAGE_SIZE) return message;
  if (opt + 11 + ((message[opt + 9] << 8) | message[opt + 10]) !== message.length) return message;
  const longer = new Uint8Array(message.length + 4 + content.length);
  const view = new DataView(longer.buffer);
  longer.set(message);
  view.setUint16(opt + 9, view.getUint16(opt + 9) + 4 + content.length);
  view.setUint16(message.length, code);
  view.setUint16(message.length + 2, content.length);
  longer.set(content, message.length + 4);
  return longer;
}

/** The message without any such option; itself where its OPT has none. */
export function withoutOption(message: Uint8Array, code: number): Uint8Array {
  const opt = findOpt(message);
  if (opt === 0) return message;
  const begin = opt + 11;
  const end = Math.min(message.length, begin + word(message, opt + 9));
  const shorter = Uint8Array.from(message);
  let to = begin;
  for (let at = begin; at < end;) {
    const next = at + 4 <= end ? Math.min(end, at + 4 + word(message, at + 2)) : end;
    if (at + 4 > end || word(message, at) !== code) {
      shorter.copyWithin(to, at, next);
      to += next - at;
    }
    at = next;
  }
  if (to === end) return message;
  shorter.copyWithin(to, end);
  put16(shorter, opt + 9, to - begin);
  return shorter.subarray(0, message.length - (end - to));
}

/** Octets of a reply over UDP (RFC 9715 section 3.1). */
export const UDP_OCTETS = 1232;

/** Octets of which padded replies are a multiple, and queries (RFC 8467 section 4.1). */
export const REPLY_BLOCK = 468;
export const QUERY_BLOCK = 128;

/** Of zeros, as padding is (RFC 7830 section 3). */
const PADDING = new Uint8Array(1024);

/**
 * The message padded to a multiple of `block` octets, so that its length tells less (RFC 8467 section 4.1): the last thing to
 * be done with it. As it is where its last record is no OPT, or padding has no room.
 * @param block at most 1024
 */
export function padded(message: Uint8Array, block: number): Uint8Array {
  const rest = (message.length + 4) % block;
  return appendOption(message, OptionCode.padding, PADDING.subarray(0, rest === 0 ? 0 : block - rest));
}

/** Writes an OPT without options at `at`, where `writeBareOpt.octets` are free. @param udpSize that is told */
export function writeBareOpt(message: Uint8Array, at: number, udpSize: number): void {
  message.fill(0, at, at + writeBareOpt.octets);
  message[at + 2] = Type.OPT;
  message[at + 3] = udpSize >> 8;
  message[at + 4] = udpSize;
}
/** Of an OPT without options. */
writeBareOpt.octets = 11;

/** A message that has no OPT with one, without options, behind its last record. @param udpSize that is told */
export function withBareOpt(message: Uint8Array, udpSize: number): Uint8Array {
  const longer = new Uint8Array(message.length + writeBareOpt.octets);
  longer.set(message);
  writeBareOpt(longer, message.length, udpSize);
  put16(longer, 10, word(message, 10) + 1);
  return longer;
}

function put16(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >> 8;
  octets[at + 1] = value;
}

/** Octets that a message's OPT says its sender takes over UDP; undefined where it has none (RFC 6891 section 6.2.3). */
export function toldUdpSize(message: Uint8Array): number | undefined {
  const opt = findOpt(message);
  return opt === 0 ? undefined : (message[opt + 3] << 8) | message[opt + 4];
}
