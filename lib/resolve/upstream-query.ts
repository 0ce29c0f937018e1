// The query that goes upstream for a client's: one's own OPT, the client's DO, CD and AD, nothing of COOKIE, padding or
// keepalive, the client's subnet only where configured.
import { setFlags } from '../wire/flags.js';
import { Class, Flag, HEADER_SIZE, Type } from '../wire/iana.js';
import { findOption, OptionCode } from '../wire/opt.js';
import type { ClientSubnet, Query } from '../wire/query.js';
import type { ClientSubnets } from './client-subnets.js';

export interface UpstreamQueryOptions {
  upstreamUdpSize: number;
  /** Undefined: upstreams are told nothing of clients. */
  clientSubnets?: ClientSubnets;
}

export function buildUpstreamQuery(query: Query, options: UpstreamQueryOptions): Uint8Array {
  const subnet = options.clientSubnets?.sent(query);
  const questionLength = query.questionEnd - HEADER_SIZE;
  const optionLength = subnet === undefined ? 0 : 8 + subnet.address.length;
  const message = new Uint8Array(HEADER_SIZE + questionLength + 11 + optionLength);
  setFlags(message, query.flags & (Flag.RD | Flag.AD | Flag.CD));
  message[5] = 1;
  message[11] = 1;
  // A subarray would move a short message out of V8's heap (1 us).
  for (let i = HEADER_SIZE; i < query.questionEnd; i++) message[i] = query.message[i];
  let at = query.questionEnd + 1;
  message[at + 1] = Type.OPT;
  message[at + 2] = options.upstreamUdpSize >> 8;
  message[at + 3] = options.upstreamUdpSize & 0xff;
  if (query.dnssecOk) message[at + 6] = 0x80;
  message[at + 9] = optionLength;
  at += 10;
  if (subnet !== undefined) {
    message[at + 1] = 8;
    message[at + 3] = 4 + subnet.address.length;
    message[at + 5] = subnet.family;
    message[at + 6] = subnet.sourcePrefix;
    message.set(subnet.address, at + 8);
  }
  return message;
}

/** A query of the recursor's own, without id: with DO, so that what is kept serves everybody (RFC 3225). */
export function buildServerQuery(
  question: { name: Uint8Array; type: number; recursionDesired: boolean; dnssecOk: boolean; checkingDisabled: boolean },
  udpSize: number,
): Uint8Array {
  const { name, type } = question;
  const message = new Uint8Array(HEADER_SIZE + name.length + 4 + 11);
  setFlags(message, (question.recursionDesired ? Flag.RD : 0) | (question.checkingDisabled ? Flag.CD : 0));
  message[5] = 1;
  message[11] = 1;
  message.set(name, HEADER_SIZE);
  let at = HEADER_SIZE + name.length;
  message[at] = type >> 8;
  message[at + 1] = type & 0xff;
  message[at + 3] = Class.IN;
  at += 5;
  message[at + 1] = Type.OPT;
  message[at + 2] = udpSize >> 8;
  message[at + 3] = udpSize & 0xff;
  if (question.dnssecOk) message[at + 6] = 0x80;
  return message;
}

/**
 * The scope of a response's client-subnet option (RFC 7871 section 7.3), or why it must be dropped.
 * @param sent what the upstream was told
 */
export function responseScope(sent: ClientSubnet | undefined, response: Uint8Array): Uint8Array | 'none' | 'mismatch' {
  if (sent === undefined) return 'none';
  const option = findOption(response, OptionCode.clientSubnet);
  if (option === undefined || option.length < 4) return 'none';
  const address = option.subarray(4);
  const same =
    option[1] === sent.family &&
    option[2] === sent.sourcePrefix &&
    address.length === sent.address.length &&
    address.every((octet, i) => octet === sent.address[i]);
  if (!same) return 'mismatch';
  const scope = Math.min(option[3], sent.sourcePrefix);
  if (scope === 0) return 'none';
  return Uint8Array.from([sent.family, scope, ...sent.address.subarray(0, Math.ceil(scope / 8))]);
}

/** The upstream's own reason for its answer (RFC 8914): a forwarder passes it on. */
export function responseExtendedError(response: Uint8Array): number | undefined {
  const option = findOption(response, OptionCode.extendedError);
  return option === undefined || option.length < 2 ? undefined : (option[0] << 8) | option[1];
}
