// Which addresses may be asked, and which may stand in answers from outside (rebinding). An IPv4 address counts as itself
// in whatever IPv6 address it is hidden: a stack or a translator on the way takes it out again.
import { type AddressPrefix, addressOctets, embeddedIPv4, isInPrefix, parsePrefix } from '../../base/address.js';
import { BoundedMap } from '../../base/bounded-map.js';
import { lazy } from '../../base/lazy.js';
import { ExtendedError, Flag, Type } from '../../wire/iana.js';
import { decodeMessage, encodeMessage, MAX_RESPONSE_RECORDS, type ResourceRecord } from '../../wire/message.js';
import { isAtOrBelow, nameToText } from '../../wire/name.js';
import { addressHints } from '../../wire/svcb.js';
import { groupRrsets, recordsOf, type Rrset } from '../../wire/rrset.js';
import type { Meaning } from './classify.js';
import { ResolutionError } from './job.js';
import type { RecursionResult } from './links.js';

/** What is no single machine's address, or this machine's by another name; no name server can have it (RFC 6890). */
const nobody = lazy(() =>
  [
    '0.0.0.0/8', // "this network"; Linux takes it for the machine itself
    '224.0.0.0/4', // multicast
    '255.255.255.255/32', // broadcast
    '::/128',
    'ff00::/8', // multicast
    'fe80::/10', // link-local: of no use without an interface, which no record names
  ].map(text => parsePrefix(text, '')),
);

/** Addresses whose verdicts are remembered. */
const JUDGED = 10_000;

export interface MoreRules {
  /** Answers with private addresses are refused rather than stripped of them. */
  readonly refuses?: boolean;
  /** The prefix by which clients reach IPv4 addresses (NAT64), where it is the network's own. */
  readonly translator?: AddressPrefix;
}

export class AddressRules {
  readonly #judged = new BoundedMap<string, boolean>(JUDGED);

  constructor(
    private readonly doNotQuery: readonly AddressPrefix[],
    private readonly privateAddresses: readonly AddressPrefix[],
    /** Folded names that may have private addresses, with all below them. */
    private readonly privateDomains: readonly Uint8Array[],
    private readonly more: MoreRules = {},
  ) {}

  /** Whether no server is to be asked at this numeric address. */
  forbidden(address: string): boolean {
    const known = this.#judged.get(address);
    if (known !== undefined) return known;
    const octets = addressOctets(address);
    const verdict = this.#isIn(nobody(), octets) || this.#isIn(this.doNotQuery, octets);
    this.#judged.set(address, verdict);
    return verdict;
  }

  get hidesAny(): boolean {
    return this.privateAddresses.length > 0;
  }

  /** @throws {ResolutionError} where what is left out ends the resolution */
  visibleOnly(rrsets: readonly Rrset[]): Rrset[] {
    const shown = rrsets.map(one => this.visible(one));
    const hidden = this.more.refuses === true ? shown.find((one, i) => one !== rrsets[i]) : undefined;
    if (hidden !== undefined) {
      throw new ResolutionError(`${nameToText(hidden.name)} has a private address`, ExtendedError.blocked);
    }
    return shown.filter(one => one.data.length > 0);
  }

  /** The RRset without private addresses, in hints of services neither; the same object where there is none. */
  visible(rrset: Rrset): Rrset {
    if (this.privateAddresses.length === 0 || !ADDRESSES.has(rrset.type)) return rrset;
    if (this.privateDomains.some(name => isAtOrBelow(rrset.name, name))) return rrset;
    const service = rrset.type === Type.SVCB || rrset.type === Type.HTTPS;
    const data = rrset.data.filter(octets => {
      const addresses = service ? addressHints(octets) : [octets];
      return !addresses.some(one => this.#isIn(this.privateAddresses, one));
    });
    return data.length === rrset.data.length ? rrset : { ...rrset, data, signatures: [] };
  }

  #isIn(prefixes: readonly AddressPrefix[], octets: Uint8Array): boolean {
    if (prefixes.length === 0) return false;
    // What has no address of its own is the machine itself to whoever connects to it.
    const inner = octets.every(octet => octet === 0)
      ? octets.length === 4
        ? LOOPBACK_4
        : LOOPBACK_6
      : embeddedIPv4(octets, this.more.translator);
    return prefixes.some(prefix => isInPrefix(octets, prefix) || (inner !== undefined && isInPrefix(inner, prefix)));
  }
}

const LOOPBACK_4 = Uint8Array.of(127, 0, 0, 1);
const LOOPBACK_6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

const ADDRESSES = new Set<number>([Type.A, Type.AAAA, Type.SVCB, Type.HTTPS]);

/**
 * A whole message, as a forwarder gets it, without private addresses: the same octets where there are none, undefined
 * where what is left does not fit a message.
 * @throws {ResolutionError} where such an answer is refused
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for octets that are no message, or one of more records than are looked at
 */
export function messageWithoutPrivate(octets: Uint8Array, rules: AddressRules): Uint8Array | undefined {
  if (!rules.hidesAny) return octets;
  const message = decodeMessage(octets, MAX_RESPONSE_RECORDS);
  let changed = false;
  const visible = (records: readonly ResourceRecord[]): ResourceRecord[] => {
    const rrsets = groupRrsets(records);
    const shown = rules.visibleOnly(rrsets);
    if (shown.length === rrsets.length && shown.every((one, i) => one === rrsets[i])) return [...records];
    changed = true;
    return shown.flatMap(one => recordsOf(one, true));
  };
  const answers = visible(message.answers);
  const authorities = visible(message.authorities);
  const additionals = visible(message.additionals);
  if (!changed) return octets;
  // Nobody has validated what is left.
  return encodeMessage({ ...message, flags: message.flags & ~Flag.AD, answers, authorities, additionals });
}

/**
 * A referral without servers at private addresses. Answers keep theirs until they are shown: with less than was signed
 * they could not prove themselves.
 * @throws {ResolutionError} where what has such addresses is refused
 */
export function withoutPrivateGlue(meaning: Meaning, rules: AddressRules): Meaning {
  if (!rules.hidesAny || meaning.kind !== 'referral') return meaning;
  return { ...meaning, glue: rules.visibleOnly(meaning.glue) };
}

/**
 * What was found, and validated perhaps, as it may be shown; an answer of nothing but private addresses is none. What has
 * lost some is not what was signed.
 * @throws {ResolutionError} where such an answer is refused
 */
export function resultWithoutPrivate(result: RecursionResult, rules: AddressRules): RecursionResult {
  if (!rules.hidesAny) return result;
  const answers = rules.visibleOnly(result.answers);
  const isSame = answers.length === result.answers.length && answers.every((one, i) => one === result.answers[i]);
  return isSame ? result : { ...result, answers, secure: false, unfiltered: result.answers };
}
