// What a verdict rests on, for people: each zone from the anchor to the answer, the DS records that name its keys, the keys,
// and who signed what until when. Judges anew with nothing remembered, and notes what that asks for and finds.
//
// Bounds: those of `validate` for the verdict, and MAX_RRSETS; for what is told of each RRset another budget of a question, so
// that a broken zone can be looked at to its end. For an operator's question, not for a client's.
import { sameOctets } from '../base/octets.js';
import { Type } from '../wire/iana.js';
import { equalNames, foldedName, isAtOrBelow, nameKey } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import { Budget } from './budget.js';
import { denialsOf } from './delegation.js';
import { type DelegationSigner, matchDs, parseDs, usableDs } from './ds.js';
import { type DnsKey, KeyFlag, parseKey, signsZone } from './key.js';
import { parseSignature, timeText } from './signature.js';
import type { Fetched, FetchRecords } from './steps.js';
import type { TrustAnchors } from './trust.js';
import { validate, type Validation, type ValidationContext } from './validator.js';
import type { Judging } from './verdict.js';
import { verifyRrset } from './verify.js';
import { type Known, ZoneKeys, type ZoneState } from './zone-keys.js';

const MAX_RRSETS = 24;

export interface SignatureFact {
  keyTag: number;
  algorithm: number;
  /** Folded. */
  signer: Uint8Array;
  /** In UTC, as `2026-12-31T12:00:00Z`. */
  from: string;
  until: string;
  /** Why it is not good; undefined: it is. */
  fault: string | undefined;
}
export interface SignedFact {
  name: Uint8Array;
  type: number;
  signatures: SignatureFact[];
}
export interface KeyFact {
  tag: number;
  algorithm: number;
  /** Bit SEP: a key-signing key, mostly. */
  isEntry: boolean;
  /** Bit ZONE, without REVOKE. */
  signsZone: boolean;
  /** A DS record that counts, or the anchor, stands for it. */
  isNamed: boolean;
  /** Bit REVOKE (RFC 5011 section 2.1). */
  isRevoked: boolean;
}
export interface ZoneFacts {
  zone: Uint8Array;
  /** Its keys are named by a trust anchor, not by the zone above. */
  isAnchor: boolean;
  ds: (DelegationSigner & { counts: boolean })[];
  /** What the zone above says: the DS records, or the proofs that there are none. */
  above: SignedFact[];
  keys: KeyFact[];
  keySignatures: SignatureFact[];
  state: ZoneState;
}
export interface ExplainedChain {
  /** That was asked for. */
  name: Uint8Array;
  /** By which it was judged: seconds since 1970. */
  now: number;
  /** From the anchor down. */
  zones: ZoneFacts[];
  /** What the answer is made of, or the denial. */
  answer: (SignedFact & { status: string | undefined })[];
  /** More would have had to be done than a question may cost. */
  isSpent: boolean;
  /** The negative trust anchor that the name, or an alias of it, is at or below; its end in seconds since 1970. */
  negative: { zone: Uint8Array; until: number } | undefined;
  validation: Validation;
}

/**
 * @param context as of `validate`; its `zones` are not looked at
 * @throws what `fetchRecords` throws is in the verdict; nothing else is thrown
 */
export async function explain(
  question: { name: Uint8Array; type: number },
  response: Fetched,
  context: ValidationContext,
): Promise<ExplainedChain> {
  const zones = new NotedZones();
  const fetched = new Map<string, Fetched>();
  const fetchRecords: FetchRecords = async (name, type) => {
    const came = await context.fetchRecords(name, type);
    if (came !== undefined && !('failure' in came)) fetched.set(keyOf(name, type), came);
    return came;
  };
  const validation = await validate(question, response, { ...context, zones, fetchRecords });
  const looking = new Looking(fetched, context);
  const facts = [...zones.found]
    .filter((one): one is [Uint8Array, ZoneState] => one[1].status !== 'inside')
    .sort(([a], [b]) => a.length - b.length)
    .map(([zone, state]) => looking.factsOf(zone, state));
  const { answer, authority } = response;
  const parts = answer.some(one => one.type === question.type) ? answer : [...answer, ...authority];
  const shown = parts.filter(one => one.data.length > 0 && (answer.includes(one) || DENIALS.has(one.type)));
  return {
    name: question.name,
    now: context.now,
    isSpent: context.budget.isSpent,
    negative: [question.name, ...response.answer.map(one => foldedName(one.name))]
      .map(name => context.anchors.negativeAt(name, context.now))
      .find(one => one !== undefined),
    zones: facts,
    answer: shown
      .slice(0, MAX_RRSETS)
      .map(one => ({ ...looking.signed(one), status: validation.rrsets.get(one)?.status })),
    validation,
  };
}

const DENIALS = new Set<number>([Type.SOA, Type.NSEC, Type.NSEC3]);
const keyOf = (name: Uint8Array, type: number): string => `${type} ${nameKey(name)}`;

/** In the order in which they were found. */
class NotedZones extends ZoneKeys {
  readonly found = new Map<Uint8Array, Known>();
  override set(name: Uint8Array, known: Known, now: number, seconds: number): void {
    super.set(name, known, now, Math.max(seconds, 1));
    for (const other of this.found.keys()) if (equalNames(other, name)) this.found.delete(other);
    this.found.set(name, known);
  }
}

class Looking {
  constructor(
    private readonly fetched: ReadonlyMap<string, Fetched>,
    private readonly judging: Judging & { anchors: TrustAnchors },
  ) {}

  factsOf(zone: Uint8Array, state: ZoneState): ZoneFacts {
    const { anchors, now, policy } = this.judging;
    const closest = anchors.closest(zone, now);
    const anchor = typeof closest === 'object' && equalNames(closest.zone, zone) ? closest : undefined;
    const response = anchor === undefined ? this.fetched.get(keyOf(zone, Type.DS)) : undefined;
    const dsSet = find(response, zone, Type.DS);
    const dsData = anchor?.ds ?? dsSet?.data ?? [];
    const { usable } = usableDs(dsData, policy);
    const ds = dsData.map(parseDs).filter(one => one !== undefined);
    const counts = (one: DelegationSigner): boolean => usable.some(other => sameOctets(other.digest, one.digest));
    const keySet = find(this.fetched.get(keyOf(zone, Type.DNSKEY)), zone, Type.DNSKEY);
    const keys = this.#keysOf(zone);
    const named = new Set(matchDs(zone, usable, keys, new Budget()));
    const isNamed = (key: DnsKey): boolean =>
      named.has(key) || anchor?.keys.some(one => sameOctets(one, key.data)) === true;
    return {
      zone,
      isAnchor: anchor !== undefined,
      ds: ds.map(one => ({ ...one, counts: counts(one) })),
      above: [...(dsSet === undefined ? denialsOf(response?.authority ?? []) : [dsSet])].map(one => this.signed(one)),
      keys: keys.map(key => ({
        tag: key.tag,
        algorithm: key.algorithm,
        isEntry: (key.flags & 1) !== 0,
        signsZone: signsZone(key),
        isNamed: isNamed(key),
        isRevoked: (key.flags & KeyFlag.REVOKE) !== 0,
      })),
      keySignatures: keySet === undefined ? [] : this.signed(keySet).signatures,
      state,
    };
  }

  /** Those that its servers give, believed or not. */
  #keysOf(zone: Uint8Array): DnsKey[] {
    const rrset = find(this.fetched.get(keyOf(zone, Type.DNSKEY)), zone, Type.DNSKEY);
    return (rrset?.data ?? []).map(parseKey).filter(key => key !== undefined);
  }

  signed(rrset: Rrset): SignedFact {
    const { name, type } = rrset;
    const budget = new Budget();
    const signatures: SignatureFact[] = [];
    for (const data of rrset.signatures) {
      const signature = parseSignature(data);
      if (signature === undefined) continue;
      const { keyTag, algorithm, signer, inception, expiration } = signature;
      const from = timeText(inception, this.judging.now);
      const until = timeText(expiration, this.judging.now);
      signatures.push({ keyTag, algorithm, signer, from, until, fault: this.#faultOf(rrset, data, signer, budget) });
    }
    return { name, type, signatures };
  }

  #faultOf(rrset: Rrset, signature: Uint8Array, signer: Uint8Array, budget: Budget): string | undefined {
    const { now, policy } = this.judging;
    if (!isAtOrBelow(rrset.name, signer)) return 'a signer that is not above the records';
    const keys = this.#keysOf(signer);
    if (keys.length === 0) return 'not checked, for want of its keys';
    const verdict = verifyRrset({ ...rrset, signatures: [signature] }, signer, keys, { now, policy, budget });
    return verdict.status === 'bogus' ? verdict.reason : undefined;
  }
}

const find = (response: Fetched | undefined, name: Uint8Array, type: number): Rrset | undefined =>
  response?.answer.find(one => one.type === type && one.data.length > 0 && equalNames(one.name, name));
