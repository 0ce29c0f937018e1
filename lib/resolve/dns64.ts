// DNS64 (RFC 6147): AAAA records made of A records, for clients that have IPv6 alone and reach IPv4 through a translator
// (NAT64). Which questions it concerns, and how addresses and reverse names are translated (RFC 6052); who asks what in
// which order is the step's (steps/dns64.ts).
//
// Bound: the records of one message, of which no more than MAX_RESPONSE_RECORDS are looked at.
import {
  type AddressPrefix,
  embeddedIPv4,
  isInPrefix,
  maskedOctets,
  parsePrefix,
  RESERVED_OCTET,
  translatedPlaces,
} from '../base/address.js';
import { optionError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { Class, Flag, Type } from '../wire/iana.js';
import { decodeMessage, encodeMessage, MAX_RESPONSE_RECORDS, type ResourceRecord } from '../wire/message.js';
import { encodeName, isAtOrBelow } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import { coversType } from '../wire/scrub.js';

/** RFC 6052 section 2.2. */
const PREFIX_BITS: readonly number[] = [32, 40, 48, 56, 64, 96];

/**
 * The prefix of a translator: an IPv6 prefix of one of the lengths of RFC 6052 section 2.2.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming `option`
 */
export function parseTranslationPrefix(text: string, option: string): AddressPrefix {
  const expected = 'an IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits such as 64:ff9b::/96, with zeros behind them';
  const prefix = parsePrefix(text, option);
  const { family, bits, octets } = prefix;
  const isClean = maskedOctets(octets, bits).every((octet, i) => octet === octets[i]);
  if (family !== 6 || !PREFIX_BITS.includes(bits) || !isClean) throw optionError(option, text, expected);
  if (octets[RESERVED_OCTET] !== 0) throw optionError(option, text, `${expected}, and with bits 64 to 71 zero`);
  return prefix;
}

const wellKnown = lazy(() => parsePrefix('64:ff9b::/96', ''));
/** Addresses that no translator out in the world can reach (RFC 6890). */
const notGlobal = lazy(() =>
  [
    ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
    ...['192.168.0.0/16', '224.0.0.0/4', '240.0.0.0/4'],
  ].map(text => parsePrefix(text, '')),
);
const reverseRoot = lazy(() => encodeName('ip6.arpa'));
/** 32 labels of one digit, and ip6.arpa. */
const REVERSE_LENGTH = 32 * 2 + 10;

export interface Dns64Rules {
  readonly prefix: AddressPrefix;
  /** AAAA records in these count as none (RFC 6147 section 5.1.4). */
  readonly exclude: readonly AddressPrefix[];
  /** The least tag of clients whose answers are translated; 0: everybody's are. */
  readonly fromTag: number;
}

export class Dns64 {
  readonly #isWellKnown: boolean;

  constructor(private readonly rules: Dns64Rules) {
    const { bits } = rules.prefix;
    this.#isWellKnown = bits === wellKnown().bits && isInPrefix(rules.prefix.octets, wellKnown());
  }

  /** Whether what the outside says is not, or not all of it, what the client is to be told. */
  hasSay(query: Pick<Query, 'name' | 'type'> & Translatable, tag: number): boolean {
    return this.translates(query, tag) || this.reverseOf(query, tag) !== undefined;
  }

  /**
   * Whether the question may be answered by translated addresses. Who sets CD and DO validates and translates itself
   * (RFC 6147 section 5.5); answers with signatures serve those without DO too, so that CD alone counts. Who does not want
   * recursion is told what is known.
   */
  translates({ type, dnsClass, recursionDesired, checkingDisabled }: Translatable, tag: number): boolean {
    if (type !== Type.AAAA || dnsClass !== Class.IN || checkingDisabled) return false;
    return recursionDesired && tag >= this.rules.fromTag;
  }

  /** The reverse name of the IPv4 address behind a translated one's (RFC 6147 section 5.3.1); undefined for others. */
  reverseOf({ name, type, dnsClass }: Pick<Query, 'name' | 'type' | 'dnsClass'>, tag: number): Uint8Array | undefined {
    if (type !== Type.PTR || dnsClass !== Class.IN || tag < this.rules.fromTag) return undefined;
    if (name.length !== REVERSE_LENGTH || !isAtOrBelow(name, reverseRoot())) return undefined;
    const octets = new Uint8Array(16);
    for (let digit = 0; digit < 32; digit++) {
      const value = name[2 * digit] === 1 ? Number.parseInt(String.fromCharCode(name[2 * digit + 1]), 16) : NaN;
      if (Number.isNaN(value)) return undefined;
      // The last digit comes first.
      octets[15 - (digit >> 1)] |= (digit & 1) === 0 ? value : value << 4;
    }
    const address = this.#ipv4Of(octets);
    return address && encodeName(`${[...address].reverse().join('.')}.in-addr.arpa`);
  }

  #ipv4Of(octets: Uint8Array): Uint8Array | undefined {
    const { prefix } = this.rules;
    if (!isInPrefix(octets, prefix) || octets[RESERVED_OCTET] !== 0) return undefined;
    return embeddedIPv4(octets, prefix);
  }

  /** Undefined for addresses that are not translated: the well-known prefix is for global ones (RFC 6052 section 3.1). */
  translated(ipv4: Uint8Array): Uint8Array | undefined {
    if (this.#isWellKnown && notGlobal().some(prefix => isInPrefix(ipv4, prefix))) return undefined;
    const { prefix } = this.rules;
    const octets = Uint8Array.from(prefix.octets);
    translatedPlaces(prefix).forEach((place, i) => (octets[place] = ipv4[i]));
    return octets;
  }

  /**
   * The answers to a question for A as those to one for AAAA; undefined where no address of them is translated.
   * @param answers of class IN where they have none
   */
  translatedAnswers<One extends Pick<ResourceRecord, 'type' | 'ttl' | 'data'> & { dnsClass?: number }>(
    answers: readonly One[],
    mostSeconds: number,
  ): One[] | undefined {
    let found = false;
    const translated = answers.flatMap((record): One[] => {
      // Nobody has signed what is made here.
      if (record.type === Type.RRSIG && coversType(record, Type.A)) return [];
      if (record.type !== Type.A) return [record];
      // What data a record of another class has is not checked where a message is taken apart.
      if ((record.dnsClass ?? Class.IN) !== Class.IN || record.data.length !== 4) return [];
      const data = this.translated(record.data);
      if (data === undefined) return [];
      found = true;
      return [{ ...record, type: Type.AAAA, ttl: Math.min(record.ttl, mostSeconds), data }];
    });
    return found ? translated : undefined;
  }

  /** Whether an AAAA record of this address counts as none. */
  isExcluded(address: Uint8Array): boolean {
    return this.rules.exclude.some(prefix => isInPrefix(address, prefix));
  }

  /**
   * A response to a question for AAAA without addresses that count as none; the same octets where it has none of those.
   * @returns whether no address is left, which makes room for translated ones
   * @throws {ShardnsError} ERR_SHARDNS_MESSAGE when it cannot be read, or has more records than are looked at
   */
  shown(octets: Uint8Array): { message: Uint8Array; isEmpty: boolean } | undefined {
    const message = decodeMessage(octets, MAX_RESPONSE_RECORDS);
    const isAddress = ({ type, dnsClass, data }: ResourceRecord): boolean =>
      type === Type.AAAA && dnsClass === Class.IN && data.length === 16;
    const isExcluded = (one: ResourceRecord): boolean => isAddress(one) && this.isExcluded(one.data);
    const isEmpty = !message.answers.some(one => isAddress(one) && !isExcluded(one));
    if (!message.answers.some(isExcluded)) return { message: octets, isEmpty };
    // What is left of an RRset is not what was signed.
    const answers = message.answers.filter(one => !isExcluded(one) && !coversType(one, Type.AAAA));
    const additionals = message.additionals.filter(one => one.type !== Type.OPT);
    const left = encodeMessage({ ...message, flags: message.flags & ~Flag.AD, answers, additionals });
    return left && { message: left, isEmpty };
  }
}

type Translatable = Pick<Query, 'type' | 'dnsClass' | 'recursionDesired' | 'checkingDisabled'>;
