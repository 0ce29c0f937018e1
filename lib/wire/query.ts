// A client's query as the slow path sees it: what the native parser takes and refuses (native/wire/question.cc), this
// one does too, and reads the same out of it.
import { flagsOf } from './flags.js';
import { Flag, HEADER_SIZE } from './iana.js';
import { questionEnd } from './message.js';
import { foldName, nameToText } from './name.js';
import { badQuery, type ClientSubnet, readQueryOpt } from './opt.js';

export type { ClientSubnet } from './opt.js';

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
    if (end === 0) throw badQuery(message, 'without exactly one question');
    const length = end - 4 - HEADER_SIZE;
    this.name = foldName(message, HEADER_SIZE, HEADER_SIZE + length);
    this.type = (message[end - 4] << 8) | message[end - 3];
    this.dnsClass = (message[end - 2] << 8) | message[end - 1];
    this.flags = flagsOf(message);
    this.questionEnd = end;
    const opt = readQueryOpt(message, end);
    this.hasEdns = opt !== undefined;
    this.dnssecOk = opt?.dnssecOk ?? false;
    this.ednsVersion = opt?.version ?? 0;
    this.udpSize = Math.max(opt?.udpSize ?? 0, PLAIN_UDP_SIZE);
    this.clientSubnet = opt?.clientSubnet;
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
