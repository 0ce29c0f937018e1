// Names that an upstream says do not exist. An NXDOMAIN is about the name, whatever type was asked for (RFC 2308 section
// 5), and about all names below it (RFC 8020): here is which names, the cache has the denials. Stores nothing there.
//
// Bounds: 16,384 denied names; 24 ancestors of a name looked at; MAX_RESPONSE_RECORDS records of a denial.
import { BoundedMap } from '../base/bounded-map.js';
import type { Engine, Peeked, Variant } from '../cache/engine.js';
import { headerRcode } from '../wire/flags.js';
import { Class, Rcode, Type } from '../wire/iana.js';
import { buildResponse, decodeMessage, encodeMessage, MAX_RESPONSE_RECORDS } from '../wire/message.js';
import { ancestors, foldName, isAtOrBelow, nameKey } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import { withoutDnssec } from '../wire/scrub.js';

/** What an upstream's NXDOMAIN says: of the type asked for, of the name (RFC 2308 section 5), of all below (RFC 8020). */
export type DenialScope = 'type' | 'name' | 'subtree';

/** Of which the cache holds the denial: 150 octets each. */
const MAX_DENIED = 16_384;
const MAX_ANCESTORS = 24;

/** The form of the question that a name's denial is kept for. */
interface Denied {
  type: number;
  dnssecOk: boolean;
}

export class DeniedNames {
  /** By tenant, CD and name. The cache has the denial itself, and knows how long it lasts. */
  readonly #denied = new BoundedMap<string, Denied>(MAX_DENIED);

  constructor(private readonly engine: Engine) {}

  get size(): number {
    return this.#denied.size;
  }

  /** `message` was stored for the query: where it denies the name, that holds for the name's other types too. */
  denied(query: Pick<Query, 'name' | 'type' | 'dnssecOk'>, variant: Variant, message: Uint8Array): void {
    if (!isPlainDenial(message) || !deniesBelowItsZone(message, query.name)) return;
    const key = keyPrefix(variant) + nameKey(query.name);
    // One with signatures serves everybody.
    const before = this.#denied.get(key);
    if (before?.dnssecOk === true && !query.dnssecOk) return;
    this.#denied.set(key, { type: query.type, dnssecOk: query.dnssecOk });
  }

  exists(name: Uint8Array, variant: Variant): void {
    if (this.#denied.size > 0) this.#denied.delete(keyPrefix(variant) + nameKey(name));
  }

  /** Whether there may be one. */
  concerns(query: Query, variant: Variant, scope: 'name' | 'subtree'): boolean {
    const prefix = keyPrefix(variant);
    let left = scope === 'subtree' ? MAX_ANCESTORS : 1;
    for (const name of ancestors(query.name)) {
      if (left-- === 0) return false;
      if (this.#denied.get(prefix + nameKey(name)) !== undefined) return true;
    }
    return false;
  }

  /** The fresh denial of the name, or with `subtree` of one that it lies below. */
  find(query: Query, variant: Variant, scope: 'name' | 'subtree'): Peeked | undefined {
    const prefix = keyPrefix(variant);
    let left = scope === 'subtree' ? MAX_ANCESTORS : 1;
    for (const name of ancestors(query.name)) {
      if (left-- === 0) return undefined;
      const key = prefix + nameKey(name);
      const denied = this.#denied.get(key);
      if (denied === undefined || (query.dnssecOk && !denied.dnssecOk)) continue;
      const denial = this.engine.peek(name, denied.type, { ...variant, dnssecOk: denied.dnssecOk });
      if (denial !== undefined && denial.remainingSeconds > 0 && isPlainDenial(denial.message)) return denial;
      this.#denied.delete(key);
    }
    return undefined;
  }
}

const keyPrefix = (variant: Variant): string => `${variant.tenant} ${variant.checkingDisabled ? 1 : 0} `;

/** NXDOMAIN of the name that was asked for: with an alias it is the alias's end that does not exist. */
function isPlainDenial(message: Uint8Array): boolean {
  return headerRcode(message) === Rcode.NXDOMAIN && message[6] === 0 && message[7] === 0;
}

/**
 * Whether its SOA is of a zone above the name: what is the zone itself, or lies beside it, is not for it to deny. One of
 * more records than are looked at is no denial of others: it would be taken apart for each of them.
 */
function deniesBelowItsZone(message: Uint8Array, name: Uint8Array): boolean {
  try {
    const soa = decodeMessage(message, MAX_RESPONSE_RECORDS).authorities.find(one => one.type === Type.SOA);
    return soa !== undefined && soa.name.length < name.length && isAtOrBelow(name, foldName(soa.name));
  } catch {
    return false;
  }
}

/**
 * The answer to ANY for a name of which `message` is the answer to another type: that it does not exist, or one record
 * that says nothing (RFC 8482 section 4.2). Undefined when no message can hold it.
 */
export function anyOf(query: Query, message: Uint8Array): Uint8Array | undefined {
  if (isPlainDenial(message)) return asDenialOf(query, message);
  const hinfo = { name: query.name, type: Type.HINFO, dnsClass: Class.IN, ttl: 3600, data: RFC8482 };
  return buildResponse(query, { rcode: Rcode.NOERROR, answers: [hinfo] });
}
const RFC8482 = Uint8Array.from([7, ...Buffer.from('RFC8482'), 0]);

/** A denial of the question's name, or of one above it, as an answer to the question. */
export function asDenialOf(query: Query, message: Uint8Array): Uint8Array | undefined {
  const plain = query.dnssecOk ? message : withoutDnssec(message);
  if (plain === undefined) return undefined;
  const denial = decodeMessage(plain);
  const { name, type, dnsClass } = query;
  return encodeMessage({ ...denial, question: { name, type, dnsClass }, additionals: [] });
}
