// What a recursor keeps of what servers say, for how long, and what it is worth: answers, denials, a zone's word on its
// servers, and referrals. Writes to the RRset cache; what is in there already is for knowledge.ts to find.
//
// Bounds: an RRset lives as long as lifetime.ts lets it, and a zone's NS set no longer than the delegation it came by.
import type { Clock } from '../../base/clock.js';
import { type CachedRrset, type Denial, Rank, type RrsetCache, Security } from '../../cache/rrset-cache.js';
import { statusIn } from '../../cache/rrset-entry.js';
import { Rcode, Type } from '../../wire/iana.js';
import { equalNames, foldName, isAtOrBelow, nameKey } from '../../wire/name.js';
import type { Rrset } from '../../wire/rrset.js';
import type { Found, FoundLink, Referral } from './classify.js';
import { type Delegation, isNamedByParent, nameServer } from './delegation.js';
import { lifetimeOf, type LifetimeRules, negativeLifetimeOf } from './lifetime.js';
import { RECURSION_LIMITS as L } from './limits.js';
import { type Link, linkOf } from './links.js';
import type { Setting } from './options.js';
import { deniesName, zoneOf } from './zones.js';

export class Learner {
  constructor(
    private readonly rrsets: RrsetCache,
    private readonly setting: Setting,
    private readonly clock: Clock,
  ) {}

  /**
   * Keeps what was found, and says what it is worth to the question.
   * @param from the address that said it
   */
  keep(name: Uint8Array, type: number, delegation: Delegation, found: Found, from: string): Link {
    const { rrsets } = this;
    const further = this.#inReach(found, name, type);
    const isKept = delegation.configured?.noCache !== true;
    // From the end of the chain to its beginning: what goes on knows what it goes on with.
    const linked = (keepLink: (link: FoundLink, of: Uint8Array) => Link): Link => {
      if (further.length === 0) return keepLink(found, name);
      const links = [found, ...further];
      const names = [name, ...links.map(one => one.target)];
      return links.reduceRight<Link | undefined>(
        (next, link, i) => ({ ...keepLink(link, names[i]!), next }),
        undefined,
      )!;
    };
    if (!isKept)
      return linked(link =>
        linkOf(link, link.rrsets, link.authority, { leftMs: Infinity, rank: Rank.answer, noCache: true }),
      );
    const rules = this.#lifetimeRules;
    // The zone's word on its servers ends with the delegation it came by, and is only heard from those the parent names.
    const delegationMs = Math.max(delegation.expiresAt - this.clock.nowMs(), 0);
    const trusted = isNamedByParent(delegation, from);
    if (found.ns !== undefined && trusted) {
      // What nobody asked for places servers, and answers no question.
      if (!this.#knowsServers(delegation, found.ns, rules, delegationMs))
        this.#putServers(found.ns, Rank.additional, [], delegationMs, rules);
      const addresses = delegation.configured?.kind === 'forward' ? found.additional : [];
      for (const one of addresses) {
        if (found.ns.data.some(server => equalNames(server, one.name)))
          rrsets.putGlue(one, lifetimeOf(one, rules) * 1000);
      }
    }
    return linked((link, of) => {
      if (link.rrsets.length === 0) return this.#keepDenial(link, of, type, rules);
      // What an alias leads to is authoritative in an answer to its own name only (RFC 2181 section 5.4.1).
      const best = found.authoritative && link === found ? Rank.authoritative : Rank.answer;
      const isOfName = link.target === undefined || deniesName(this.setting.options, of, type);
      return this.#keepRrsets(link, { delegation, best, trusted, delegationMs, rules, isOfName });
    });
  }

  /** A chain of aliases as far as it does not lead into another configured zone. */
  #inReach(found: Found, name: Uint8Array, type: number): FoundLink[] {
    if (found.further.length === 0) return found.further;
    const { zones } = this.setting.options;
    const own = zoneOf(zones, name, type);
    const targets = [found, ...found.further].map(one => one.target);
    const end = found.further.findIndex((_, i) => zoneOf(zones, targets[i]!, type) !== own);
    return end < 0 ? found.further : found.further.slice(0, end);
  }

  /** What a denial is worth, which is not kept yet. */
  denialOf(found: FoundLink, rules = this.#lifetimeRules): Link {
    const soa = found.authority.find(one => one.type === Type.SOA);
    const ttl = soa === undefined ? L.unprovenDenialTtl : negativeLifetimeOf(soa, found.authority, rules);
    // Its TTLs say how long it is kept (RFC 2308 section 5), also where the operator's minimum lengthens that.
    const least = Math.min(this.setting.options.negativeMinTtl, ttl);
    const authority = found.authority.map(one => ({ ...one, ttl: Math.min(Math.max(one.ttl, least), ttl) }));
    return linkOf(found, found.rrsets, authority, { leftMs: ttl * 1000, rank: Rank.authoritative });
  }

  #keepDenial(found: FoundLink, name: Uint8Array, type: number, rules: LifetimeRules): Link {
    const link = this.denialOf(found, rules);
    const denial: Denial = { authority: link.authority, ttl: link.leftMs / 1000 };
    if (found.rcode === Rcode.NXDOMAIN) {
      if (deniesName(this.setting.options, name, type)) this.rrsets.putNxdomain(name, denial);
    } else if (found.rcode === Rcode.NOERROR) this.rrsets.putNoData(name, type, denial);
    return link;
  }

  #keepRrsets(
    found: FoundLink,
    {
      delegation,
      best,
      trusted,
      delegationMs,
      rules,
      isOfName,
    }: {
      delegation: Delegation;
      best: number;
      trusted: boolean;
      delegationMs: number;
      rules: LifetimeRules;
      /** Not an alias that the zone above has in place of DS records: the name's own zone has another, or none. */
      isOfName: boolean;
    },
  ): Link {
    let proofTtl = Infinity;
    for (const one of found.authority) proofTtl = Math.min(proofTtl, lifetimeOf(one, rules));
    const shown: Rrset[] = [];
    let leftMs = Infinity;
    for (const rrset of found.rrsets) {
      const ttl = Math.min(lifetimeOf(rrset, rules), proofTtl);
      const one = this.setting.options.originalTtl || ttl === rrset.ttl ? rrset : { ...rrset, ttl };
      leftMs = Math.min(leftMs, ttl * 1000);
      // The alias that a DNAME made is made anew each time.
      const made = found.rrsets[0].type === Type.DNAME && rrset.type === Type.CNAME;
      if (made || rrset.type === Type.RRSIG || !isOfName) {
        shown.push(one);
      } else if (rrset.type === Type.NS && equalNames(rrset.name, delegation.zone)) {
        const rank = trusted ? best : Math.min(best, Rank.answer);
        shown.push(this.#putServers(one, rank, found.authority, Math.min(delegationMs, ttl * 1000), rules));
        leftMs = Math.min(leftMs, delegationMs);
      } else {
        this.rrsets.put(one, best, found.authority, ttl * 1000);
        shown.push(one);
      }
    }
    return linkOf(found, shown, found.authority, { leftMs, rank: best });
  }

  /**
   * Whether the cache has that NS set, or something better, for nearly as long as it would have it now: then it is not
   * written again with each response.
   */
  #knowsServers({ own }: Delegation, ns: Rrset, rules: LifetimeRules, mostMs: number): boolean {
    if (own === undefined) return false;
    const leftMs = own.untilMs - this.clock.nowMs();
    if (own.rank > Rank.additional) return leftMs > 0;
    const ms = Math.min(lifetimeOf(ns, rules) * 1000, mostMs);
    return leftMs >= 0.9 * ms && sameOctets(own.rrset.data, ns.data) && sameOctets(own.rrset.signatures, ns.signatures);
  }

  /** Keeps a zone's own NS set, no longer than `mostMs`. @returns it with the TTL that it has by that */
  #putServers(ns: Rrset, rank: number, proof: readonly Rrset[], mostMs: number, rules: LifetimeRules): Rrset {
    const ms = Math.min(lifetimeOf(ns, rules) * 1000, mostMs);
    const bound = { ...ns, ttl: Math.min(ns.ttl, Math.floor(ms / 1000)) };
    this.rrsets.put(bound, rank, proof, ms);
    return bound;
  }

  /**
   * Keeps a referral for as long as its giver lets it stand. What the zone itself once said of its servers, and what came
   * with earlier referrals, does not outlive it: the zone may have been given to somebody else.
   */
  keepReferral({ ns, glue, ds, noDs }: Referral, lifetimeMs: number): void {
    const { rrsets } = this;
    if (rrsets.isOutdated(ns.name)) return;
    const rules = this.#lifetimeRules;
    const own = rrsets.get(ns.name, Type.NS, true);
    if (own !== undefined && !this.#stands(own) && !sameSet(own.rrset, ns, nameKeyOf)) rrsets.forget(ns.name, Type.NS);
    rrsets.putDelegation({ ...ns, ttl: Math.min(ns.ttl, Math.floor(lifetimeMs / 1000)) }, lifetimeMs);
    for (const server of ns.data.map(one => nameServer(foldName(one)))) {
      if (isAtOrBelow(server.name, ns.name)) this.#replaceAddresses(server.name, glue);
    }
    for (const rrset of glue) rrsets.putGlue(rrset, Math.min(lifetimeOf(rrset, rules) * 1000, lifetimeMs));
    if (ds !== undefined) {
      rrsets.put(ds, Rank.authority, [], Math.min(lifetimeOf(ds, rules) * 1000, lifetimeMs));
    } else if (noDs.length > 0 && this.setting.options.validation !== undefined) {
      const ms = Math.min(...noDs.map(one => lifetimeOf(one, rules) * 1000), lifetimeMs);
      rrsets.putNoDs(ns.name, noDs, ms);
    }
  }

  /** Forgets what addresses a name server inside the zone had, where the referral says otherwise. */
  #replaceAddresses(server: Uint8Array, glue: readonly Rrset[]): void {
    const given = glue.filter(one => equalNames(one.name, server));
    for (const type of [Type.A, Type.AAAA]) {
      const now = given.find(one => one.type === type);
      if (now === undefined) this.rrsets.forgetGlue(server, type);
      if (given.length === 0) continue;
      const own = this.rrsets.get(server, type, true);
      if (own !== undefined && !this.#stands(own) && (now === undefined || !sameSet(own.rrset, now, nameKey)))
        this.rrsets.forget(server, type);
    }
  }

  /** What was validated is not taken away by what was not; it lives no longer than the delegation that it came by. */
  #stands({ security, stale }: CachedRrset): boolean {
    return this.rrsets.guardsSecure && !stale && statusIn(security) === Security.secure;
  }

  get #lifetimeRules(): LifetimeRules {
    const { minTtl, maxTtl, negativeMinTtl, negativeMaxTtl } = this.setting.options;
    return { minTtl, maxTtl, negativeMinTtl, negativeMaxTtl, wallSeconds: this.clock.wallSeconds() };
  }
}

/** Whether two lists have the same octets in the same order. */
function sameOctets(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((one, i) => Buffer.compare(one, b[i]) === 0);
}

const nameKeyOf = (name: Uint8Array): string => nameKey(foldName(name));

/** Whether two RRsets have the same data, in any order. */
function sameSet(a: Rrset, b: Rrset, keyOf: (data: Uint8Array) => string): boolean {
  const keys = new Set(a.data.map(keyOf));
  return keys.size === new Set(b.data.map(keyOf)).size && b.data.every(one => keys.has(keyOf(one)));
}
