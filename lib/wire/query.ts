// A client's query as the slow path sees it: what the native parser takes and refuses (native/wire/question.cc), this
// one does too, and reads the same out of it.
import { ShardnsError } from '../base/errors.js';
import { Flag, HEADER_SIZE, Type } from './iana.js';
import { questionEnd } from './message.js';
import { checkName, foldName, nameToText } from './name.js';
import { OptionCode } from './options.js';

/** A client-subnet option's content (RFC 7871 section 6). */
export interface ClientSubnet {
  readonly family: 1 | 2;
  readonly sourcePrefix: number;
  readonly address: Uint8Array;
}

export class Query {
  /** The folded name in wire format. */
  readonly name: Uint8Array;
  readonly type: number;
  readonly dnsClass: number;
  readonly flags: number;
  readonly questionEnd: number;
  readonly hasEdns: boolean;
  readonly dnssecOk: boolean;
  readonly ednsVersion: number;
  /** Octets that the client takes over UDP; less than 512 count as 512 (RFC 6891 section 6.2.3). */
  readonly udpSize: number;
  readonly clientSubnet: ClientSubnet | undefined;

  /** @throws {ShardnsError} ERR_SHARDNS_MESSAGE for octets that are answered with FORMERR, or with nothing */
  constructor(readonly message: Uint8Array) {
    const end = questionEnd(message);
    if (end === 0) throw bad(message, 'without exactly one question');
    const length = end - 4 - HEADER_SIZE;
    this.name = foldName(message, HEADER_SIZE, HEADER_SIZE + length);
    this.type = (message[end - 4] << 8) | message[end - 3];
    this.dnsClass = (message[end - 2] << 8) | message[end - 1];
    this.flags = (message[2] << 8) | message[3];
    this.questionEnd = end;
    const opt = findOpt(message, end);
    this.hasEdns = opt !== undefined;
    this.dnssecOk = opt !== undefined && (message[opt.fixed + 6] & 0x80) !== 0;
    this.ednsVersion = opt === undefined ? 0 : message[opt.fixed + 5];
    this.udpSize = Math.max(
      opt === undefined ? 0 : (message[opt.fixed + 2] << 8) | message[opt.fixed + 3],
      PLAIN_UDP_SIZE,
    );
    this.clientSubnet = opt === undefined ? undefined : readSubnet(message, opt.fixed + 10, opt.end);
  }

  get recursionDesired(): boolean {
    return (this.flags & Flag.RD) !== 0;
  }
  get authenticData(): boolean {
    return (this.flags & Flag.AD) !== 0;
  }
  get checkingDisabled(): boolean {
    return (this.flags & Flag.CD) !== 0;
  }
  get nameText(): string {
    return nameToText(this.name);
  }
}

const PLAIN_UDP_SIZE = 512;

const bad = (message: Uint8Array, why: string): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_MESSAGE', `not a DNS query: ${message.length} octets ${why}`);

/** Walks what follows the question, to its last octet. A query brings no answers; authority is for IXFR only. */
function findOpt(message: Uint8Array, questionEnd_: number): { fixed: number; end: number } | undefined {
  const word = (at: number): number => (message[at] << 8) | message[at + 1];
  const before = word(6) + word(8);
  const records = before + word(10);
  let opt: { fixed: number; end: number } | undefined;
  let at = questionEnd_;
  let isSigned = false;
  for (let i = 0; i < records; i++) {
    const fixed = checkName(message, at);
    if (fixed === 0 || fixed + 10 > message.length) throw bad(message, 'with a record cut off');
    const end = fixed + 10 + word(fixed + 8);
    if (end > message.length) throw bad(message, 'with a record cut off');
    const type = word(fixed);
    if (type === Type.OPT) {
      if (opt !== undefined || fixed - at !== 1 || i < before)
        throw bad(message, 'with an OPT where there can be none');
      opt = { fixed, end };
    } else if (type === Type.TSIG) {
      if (i + 1 !== records) throw bad(message, 'with a TSIG that is not the last record'); // RFC 8945 section 5.1
      isSigned = true; // answered with NOTAUTH, whatever else it brings
    }
    at = end;
  }
  if (at !== message.length) throw bad(message, 'with more behind the last record');
  const brings = word(6) > 0 || (word(8) > 0 && word(questionEnd_ - 4) !== Type.IXFR);
  if (brings && !isSigned) throw bad(message, 'that bring answers');
  return opt;
}

/** The last client subnet of an OPT's options (RFC 7871 section 6). */
function readSubnet(message: Uint8Array, begin: number, end: number): ClientSubnet | undefined {
  let subnet: ClientSubnet | undefined;
  for (let at = begin; at < end;) {
    const size = at + 4 <= end ? (message[at + 2] << 8) | message[at + 3] : 0;
    if (at + 4 + size > end) throw bad(message, 'with options cut off');
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
      if (!right) throw bad(message, 'with a malformed client subnet');
      subnet = { family: family as 1 | 2, sourcePrefix, address: option.slice(4) };
    }
    at += 4 + size;
  }
  return subnet;
}
