// A client's query as the slow path sees it. The octets come from the native parser's hands or pass `readQuery`, which
// checks as much as the slow path relies on.
import { ShardnsError } from '../base/errors.js';
import { Flag, HEADER_SIZE, Type } from './iana.js';
import { foldName, nameToText, plainNameLength } from './name.js';

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
  readonly clientSubnet: ClientSubnet | undefined;

  constructor(readonly message: Uint8Array) {
    const length = message.length >= HEADER_SIZE ? plainNameLength(message, HEADER_SIZE) : 0;
    if (length === 0 || message.length < HEADER_SIZE + length + 4) {
      throw new ShardnsError('ERR_SHARDNS_MESSAGE', `not a DNS query: ${message.length} octets without a question`);
    }
    const end = HEADER_SIZE + length + 4;
    this.name = foldName(message, HEADER_SIZE, HEADER_SIZE + length);
    this.type = (message[end - 4] << 8) | message[end - 3];
    this.dnsClass = (message[end - 2] << 8) | message[end - 1];
    this.flags = (message[2] << 8) | message[3];
    this.questionEnd = end;
    let hasEdns = false;
    let dnssecOk = false;
    let clientSubnet: ClientSubnet | undefined;
    // OPT is the only additional record that queries carry in practice; the native parser has refused two.
    const at = end;
    if (message.length >= at + 11 && message[at] === 0 && ((message[at + 1] << 8) | message[at + 2]) === Type.OPT) {
      hasEdns = true;
      dnssecOk = (message[at + 7] & 0x80) !== 0;
      const optionsEnd = Math.min(message.length, at + 11 + ((message[at + 9] << 8) | message[at + 10]));
      for (let option = at + 11; option + 4 <= optionsEnd;) {
        const code = (message[option] << 8) | message[option + 1];
        const size = (message[option + 2] << 8) | message[option + 3];
        if (code === 8 && size >= 4 && option + 4 + size <= optionsEnd) {
          clientSubnet = {
            family: message[option + 5] as 1 | 2,
            sourcePrefix: message[option + 6],
            address: message.slice(option + 8, option + 4 + size),
          };
        }
        option += 4 + size;
      }
    }
    this.hasEdns = hasEdns;
    this.dnssecOk = dnssecOk;
    this.clientSubnet = clientSubnet;
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
