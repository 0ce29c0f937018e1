// Zones below one another, signed or not, as a fetcher of DS and DNSKEY records sees them; what is asked is noted.
import { wildcardOf } from '../../lib/dnssec/canonical.js';
import { Budget, type BudgetLimits } from '../../lib/dnssec/budget.js';
import type { Fetched, FetchRecords } from '../../lib/dnssec/steps.js';
import { TrustAnchors } from '../../lib/dnssec/trust.js';
import { validate, type Validation } from '../../lib/dnssec/validator.js';
import type { ValidationPolicy } from '../../lib/dnssec/verdict.js';
import { ZoneKeys } from '../../lib/dnssec/zone-keys.js';
import { Type, typeName } from '../../lib/wire/iana.js';
import { encodeName, equalNames, foldName, isAtOrBelow, nameToText } from '../../lib/wire/name.js';
import { groupRrsets, type Rrset } from '../../lib/wire/rrset.js';
import { decodeRdata } from '../../lib/wire/rdata.js';
import { recordOf } from './entries.js';
import { makeKey, SignedZone, signRrset, soaOf, type SigningKey, type SigningTimes } from './signed-zone.js';

export const NOW = 1_800_000_000;
export const TIMES: SigningTimes = { inception: NOW - 86_400, expiration: NOW + 86_400 };

export interface ZoneParts {
  lines?: readonly string[];
  denial?: 'nsec' | 'nsec3' | 'optOut';
  /** Without keys: its parent has no DS for it. */
  unsigned?: boolean;
  key?: SigningKey;
  iterations?: number;
}

interface UnsignedZone {
  zone: Uint8Array;
  rrsets: Rrset[];
}

export class SignedTree {
  readonly #zones = new Map<string, SignedZone | UnsignedZone>();
  readonly asked: string[] = [];
  readonly zones = new ZoneKeys();
  now = NOW;
  policy: ValidationPolicy = {};
  limits: Partial<BudgetLimits> = {};
  /** Of the last question. */
  budget = new Budget();
  anchors: TrustAnchors;
  /** What is asked instead, where it has an answer. */
  instead: FetchRecords = () => undefined;
  readonly fetchRecords: FetchRecords = (name, type) => {
    this.asked.push(`${nameToText(name)} ${typeName(type)}`);
    return this.instead(name, type) ?? this.fetch(name, type);
  };

  /** @param parts by zone, each below the ones before it; the first has the anchor */
  constructor(parts: Readonly<Record<string, ZoneParts>>) {
    for (const [name, { lines = [], denial, unsigned, key, iterations }] of Object.entries(parts).reverse()) {
      const zone = foldName(encodeName(name));
      const delegations = [...this.#zones]
        .filter(([, child]) => isAtOrBelow(child.zone, zone) && this.#parentOf(parts, child.zone) === name)
        .flatMap(([below, child]) => [
          `${below} 300 NS ns.${below}`,
          ...(child instanceof SignedZone ? [`${below} 300 DS ${decodeRdata(Type.DS, child.ds)}`] : []),
        ]);
      const all = [...lines, ...delegations];
      this.#zones.set(
        name,
        unsigned === true
          ? { zone, rrsets: groupRrsets([soaOf(name), ...all].map(recordOf)) }
          : new SignedZone(name, all, key ?? makeKey('P-256'), TIMES, denial, iterations),
      );
    }
    this.anchors = new TrustAnchors([this.signed(Object.keys(parts)[0]).anchor]);
  }
  #parentOf(parts: Readonly<Record<string, ZoneParts>>, child: Uint8Array): string {
    const above = Object.keys(parts).filter(name => {
      const zone = encodeName(name);
      return zone.length < child.length && isAtOrBelow(child, zone);
    });
    return above.reduce((a, b) => (encodeName(a).length > encodeName(b).length ? a : b));
  }

  signed(name: string): SignedZone {
    return this.#zones.get(name) as SignedZone;
  }
  /** An RRset as its zone has it. */
  find(name: string, type: keyof typeof Type): Rrset {
    const octets = encodeName(name);
    const { rrsets } = this.#zoneOf(octets, Type[type]);
    return rrsets.find(one => one.type === Type[type] && equalNames(one.name, octets))!;
  }
  /** SOA and all of the denials of the zone that a name is in. */
  denials(name: string): Rrset[] {
    return denialsOf(this.#zoneOf(encodeName(name), Type.A));
  }
  /** Has questions answered with this RRset, whatever the zones say. */
  replace(rrset: Rrset): void {
    const before = this.instead;
    this.instead = (name, type) =>
      type === rrset.type && equalNames(name, rrset.name)
        ? { rcode: 0, answer: [rrset], authority: [] }
        : before(name, type);
  }
  fetch(name: Uint8Array, type: number): Fetched {
    const zone = this.#zoneOf(name, type);
    const answer = zone.rrsets.filter(one => one.type === type && equalNames(one.name, name));
    return { rcode: 0, answer, authority: answer.length > 0 ? [] : denialsOf(zone) };
  }
  /** As a server of the zone answers. */
  answer(name: Uint8Array, type: number): Fetched {
    const zone = this.#zoneOf(name, type);
    const here = zone.rrsets.filter(one => equalNames(one.name, name));
    const answer = here.filter(one => one.type === type || one.type === Type.CNAME || type === Type.ANY);
    if (answer.length > 0) return { rcode: 0, answer, authority: [] };
    const exists = zone.rrsets.some(one => isAtOrBelow(one.name, name));
    const wildcard = wildcardOf(name.subarray(1 + name[0]));
    const made = exists ? [] : zone.rrsets.filter(one => one.type === type && equalNames(one.name, wildcard));
    if (made.length > 0) return { rcode: 0, answer: made.map(one => ({ ...one, name })), authority: denialsOf(zone) };
    return { rcode: exists ? 0 : 3, answer: [], authority: denialsOf(zone) };
  }
  judge(name: string, type: keyof typeof Type, response: Partial<Fetched>): Validation | Promise<Validation> {
    const { now, policy, anchors, zones, fetchRecords } = this;
    const budget = (this.budget = new Budget(this.limits));
    const question = { name: foldName(encodeName(name)), type: Type[type] };
    const whole = { rcode: 0, answer: [], authority: [], ...response };
    return validate(question, whole, { now, budget, policy, anchors, zones, fetchRecords });
  }
  status(name: string, type: keyof typeof Type, response: Partial<Fetched>): Pick<Validation, 'status' | 'ede'> {
    const { status, ede } = this.judge(name, type, response) as Validation;
    return { status, ede };
  }

  #zoneOf(name: Uint8Array, type: number): SignedZone | UnsignedZone {
    let found: SignedZone | UnsignedZone | undefined;
    for (const one of this.#zones.values()) {
      if (!isAtOrBelow(name, one.zone) || (type === Type.DS && name.length === one.zone.length)) continue;
      if (found === undefined || one.zone.length > found.zone.length) found = one;
    }
    return found!;
  }
}

const denialsOf = ({ rrsets }: { rrsets: readonly Rrset[] }): Rrset[] =>
  rrsets.filter(({ type }) => type === Type.SOA || type === Type.NSEC || type === Type.NSEC3);

/** An RRset without signatures. */
export function unsigned(line: string): Rrset {
  return groupRrsets([recordOf(line)])[0];
}

/** An RRset of a zone with other data, or more of it, signed by the zone. */
export function resigned(zone: SignedZone, rrset: Rrset, data: Uint8Array[] = rrset.data): Rrset {
  return signRrset({ ...rrset, data, signatures: [] }, zone.zone, zone.key, zone.times);
}
