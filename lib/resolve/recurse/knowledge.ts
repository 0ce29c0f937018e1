// What a recursor knows already, and what it makes of what servers say: RRsets, denials, and who serves which zone.
import type { Clock } from '../../base/clock.js';
import { type Denial, Rank, type RrsetCache } from '../../cache/rrset-cache.js';
import { Rcode, Type } from '../../wire/iana.js';
import { ancestors, bySuffix, equalNames, foldName, isAtOrBelow, nameKey } from '../../wire/name.js';
import type { Rrset } from '../../wire/rrset.js';
import type { Found, FoundLink, Meaning } from './classify.js';
import {
  type ConfiguredZone,
  type Delegation,
  forOneQuestion,
  isNamedByParent,
  nameServer,
  serversOf,
  Source,
  takeAddresses,
} from './delegation.js';
import { KnownZones } from './known-zones.js';
import { lifetimeOf, type LifetimeRules, negativeLifetimeOf } from './lifetime.js';
import { RECURSION_LIMITS as L } from './limits.js';
import type { Setting } from './options.js';

export interface RecursionResult {
  rcode: number;
  /** Aliases before their targets. */
  answers: Rrset[];
  /** The SOA of a denial, and the proofs of denials and wildcards. */
  authority: Rrset[];
  /** Set: an answer that is not to be kept. */
  noCache: boolean;
  /** Set: some of it has expired. */
  stale: boolean;
  /** Milliseconds until the first of its RRsets ends. */
  leftMs: number;
}

/** One link of a chain. */
export interface Link {
  rcode: number;
  rrsets: Rrset[];
  target?: Uint8Array;
  authority: Rrset[];
  noCache?: boolean;
  stale?: boolean;
  leftMs: number;
  /** What is said of the target in the same response. */
  next?: Link;
}

export const emptyResult = (): RecursionResult => ({
  rcode: Rcode.NOERROR,
  answers: [],
  authority: [],
  noCache: false,
  stale: false,
  leftMs: Infinity,
});

/** Of one link. Its lists are the link's own. */
export const resultOf = ({ rcode, rrsets, authority, noCache, stale, leftMs }: Link): RecursionResult => ({
  rcode,
  answers: rrsets,
  authority,
  noCache: noCache ?? false,
  stale: stale ?? false,
  leftMs,
});

export function append(result: RecursionResult, link: Link): void {
  result.rcode = link.rcode;
  result.answers.push(...link.rrsets);
  // The proofs of one response may go with several of its links.
  const known = (one: Rrset): boolean =>
    result.authority.some(other => other.type === one.type && equalNames(other.name, one.name));
  result.authority.push(
    ...(result.authority.length === 0 ? link.authority : link.authority.filter(one => !known(one))),
  );
  result.noCache ||= link.noCache ?? false;
  result.stale ||= link.stale ?? false;
  result.leftMs = Math.min(result.leftMs, link.leftMs);
}

export class Knowledge {
  readonly #zones = new KnownZones();

  constructor(
    readonly rrsets: RrsetCache,
    private readonly setting: Setting,
    private readonly clock: Clock,
  ) {
    rrsets.onPlaceChanged = this.#zones.changed;
  }

  /** What is known is seen in another way from now on: the options have changed. */
  optionsChanged(): void {
    this.#zones.clear();
  }

  /**
   * An answer with its aliases, or undefined where a link is not known.
   * @param staleTtl what has expired is taken too, and shown with so many seconds; the rest with no more than that
   */
  chain(name: Uint8Array, type: number, staleTtl?: number): RecursionResult | undefined {
    const result = emptyResult();
    let current = name;
    for (let i = 0; i <= this.setting.options.maxAliases; i++) {
      const link = this.link(current, type, staleTtl !== undefined);
      if (link === undefined) return undefined;
      append(result, staleTtl === undefined ? link : this.#withStaleTtls(link, staleTtl));
      if (link.target === undefined) return result;
      current = link.target;
    }
    return undefined;
  }

  /** The deepest zone cut known above a name, for those who do not want recursion. */
  referral(name: Uint8Array): { ns: Rrset; glue: Rrset[] } | undefined {
    for (const zone of ancestors(name)) {
      const ns = this.rrsets.delegation(zone)?.ns ?? this.rrsets.get(zone, Type.NS)?.rrset;
      if (ns === undefined) continue;
      const glue = ns.data
        .map(server => foldName(server))
        .flatMap(server =>
          [Type.A, Type.AAAA].map(type => this.rrsets.get(server, type)?.rrset ?? this.rrsets.glue(server, type)),
        );
      return { ns, glue: glue.filter(one => one !== undefined) };
    }
    return undefined;
  }

  /** One link: the records asked for, the alias in their place, or a denial. */
  link(name: Uint8Array, type: number, allowStale = false): Link | undefined {
    const { rrsets } = this;
    if (this.zoneOf(name, type)?.noCache) return undefined;
    if (type === Type.ANY) return this.#cachedAny(name);
    const exact = rrsets.get(name, type, allowStale);
    if (exact !== undefined && exact.rank >= Rank.answer) {
      const { rrset, proof, stale, leftMs } = exact;
      return { rcode: Rcode.NOERROR, rrsets: [rrset], authority: proof, stale, leftMs };
    }
    if (type !== Type.CNAME) {
      const alias = rrsets.get(name, Type.CNAME, allowStale);
      if (alias !== undefined && alias.rank >= Rank.answer && alias.rrset.data.length > 0) {
        return {
          rcode: Rcode.NOERROR,
          rrsets: [alias.rrset],
          target: foldName(alias.rrset.data[0]),
          authority: alias.proof,
          stale: alias.stale,
          leftMs: alias.leftMs,
        };
      }
    }
    const none = rrsets.noData(name, type, allowStale);
    if (none !== undefined) {
      return { ...none, rcode: Rcode.NOERROR, rrsets: [] };
    }
    const nothing = rrsets.nxdomain(name, allowStale);
    if (nothing !== undefined) {
      return { ...nothing, rcode: Rcode.NXDOMAIN, rrsets: [] };
    }
    const above = this.setting.options.nothingBelowNxdomain ? rrsets.nxdomainAbove(name) : undefined;
    return above && { ...above, rcode: Rcode.NXDOMAIN, rrsets: [] };
  }

  /** RFC 8482 section 4.1: some of what is there. */
  #cachedAny(name: Uint8Array): Link | undefined {
    const found: Rrset[] = [];
    let leftMs = Infinity;
    for (const type of ANY_TYPES) {
      const one = this.rrsets.get(name, type);
      if (one === undefined || one.rank < Rank.authority) continue;
      found.push(one.rrset);
      leftMs = Math.min(leftMs, one.leftMs);
    }
    if (found.length > 0) return { rcode: Rcode.NOERROR, rrsets: found, authority: [], leftMs };
    const none = this.rrsets.noData(name, Type.ANY);
    if (none !== undefined) return { ...none, rcode: Rcode.NOERROR, rrsets: [] };
    const nothing = this.rrsets.nxdomain(name);
    return nothing && { ...nothing, rcode: Rcode.NXDOMAIN, rrsets: [] };
  }

  /** The configured zone with the longest suffix of the name, or the next above `failed`. DS belongs to the zone above. */
  zoneOf(name: Uint8Array, type: number, failed?: ConfiguredZone): ConfiguredZone | undefined {
    const { zones } = this.setting.options;
    if (zones.size === 0) return undefined;
    if (failed === undefined && type !== Type.DS) return bySuffix(name, zones);
    return bySuffix(
      name,
      zones,
      (zone, length) =>
        (failed === undefined || length < failed.name.length) &&
        (type !== Type.DS || length < name.length || zone.kind === 'forward'),
    );
  }

  /**
   * Whether a name is known to exist in its zone, or to be nothing but a part of others.
   * @param from the octet of `name` that it begins at
   */
  isNode(name: Uint8Array, from: number): boolean {
    const { rrsets } = this;
    return (
      rrsets.hasNoData(name, Type.A, from) ||
      rrsets.rankOf(name, Type.A, from) >= Rank.authoritative ||
      rrsets.rankOf(name, Type.CNAME, from) > 0
    );
  }

  /**
   * A zone cut that is known, with what is known of its servers. `fresh`: not one that is about to expire.
   * @param from the octet of the name that the zone's begins at
   * @param key of the name
   */
  delegation(name: Uint8Array, from: number, key: string, nowMs: number, fresh: boolean): Delegation | undefined {
    const { rrsets } = this;
    const zoneKey = key.slice(from);
    const found = fresh ? undefined : this.#zones.find(zoneKey, nowMs);
    if (found !== undefined) return forOneQuestion(found);
    rrsets.leastLeftMs = Infinity;
    const known = rrsets.delegation(name, from);
    if (known === undefined) return undefined;
    const zone = name.slice(from);
    // Who refreshes what is old refreshes the way to it too.
    if (fresh && (known.old || rrsets.get(zone, Type.NS)?.old === true)) return undefined;
    const delegation: Delegation = {
      zone,
      key: zoneKey,
      servers: serversOf(known.ns, [], this.setting.options.verifyGlue),
      addressless: 0,
      direct: [],
      expiresAt: nowMs + known.leftMs,
      configured: undefined,
      cached: true,
      shared: false,
      own: undefined,
    };
    this.#addChildServers(delegation, nowMs);
    this.addAddresses(delegation);
    if (fresh) return delegation;
    this.#zones.keep(delegation, nowMs, rrsets.leastLeftMs);
    return forOneQuestion(delegation);
  }

  /**
   * A zone's own word on its servers, where it was asked for it, comes before its parent's; what it said unasked after
   * all the others.
   */
  #addChildServers(delegation: Delegation, nowMs: number): void {
    const own = this.rrsets.get(delegation.zone, Type.NS);
    if (own === undefined) return;
    delegation.own = { rrset: own.rrset, rank: own.rank, untilMs: nowMs + own.leftMs };
    const known = new Set(delegation.servers.map(one => one.key));
    const asked = own.rank >= Rank.authoritative;
    const others = serversOf(own.rrset, [], false, asked ? 'zone' : 'unasked').filter(one => !known.has(one.key));
    delegation.servers = asked ? [...others, ...delegation.servers] : [...delegation.servers, ...others];
  }

  addAddresses(delegation: Delegation): void {
    for (const server of delegation.servers) {
      for (const family of FAMILIES) {
        const type = family === 4 ? Type.A : Type.AAAA;
        const own = this.rrsets.get(server.name, type);
        const glue = this.rrsets.glue(server.name, type);
        if (own !== undefined) takeAddresses(server, own.rrset, server.by === 'unasked' ? Source.doubtful : Source.own);
        if (own !== undefined || this.rrsets.noData(server.name, type) !== undefined) server.asked[family] = true;
        if (glue === undefined) continue;
        const inside = isAtOrBelow(server.name, delegation.zone);
        const doubtful = own !== undefined || (!inside && this.setting.options.verifyGlue);
        takeAddresses(server, glue, doubtful ? Source.doubtful : inside ? Source.own : Source.sibling);
        server.asked[family] ||= !doubtful;
      }
    }
  }

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
    if (!isKept) return linked(link => linkOf(link, link.rrsets, link.authority, Infinity, true));
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
    const best = found.authoritative ? Rank.authoritative : Rank.answer;
    return linked((link, of) =>
      link.rrsets.length > 0
        ? this.#keepRrsets(link, { delegation, best, trusted, delegationMs, rules })
        : this.#keepDenial(link, of, type, rules),
    );
  }

  /** A chain of aliases as far as it does not lead into another configured zone. */
  #inReach(found: Found, name: Uint8Array, type: number): FoundLink[] {
    if (found.further.length === 0) return found.further;
    const own = this.zoneOf(name, type);
    const targets = [found, ...found.further].map(one => one.target);
    const end = found.further.findIndex((_, i) => this.zoneOf(targets[i]!, type) !== own);
    return end < 0 ? found.further : found.further.slice(0, end);
  }

  #keepDenial(found: FoundLink, name: Uint8Array, type: number, rules: LifetimeRules): Link {
    const soa = found.authority.find(one => one.type === Type.SOA);
    const ttl = soa === undefined ? L.unprovenDenialTtl : negativeLifetimeOf(soa, found.authority, rules);
    // Its TTLs say how long it is kept (RFC 2308 section 5), also where the operator's minimum lengthens that.
    const least = Math.min(this.setting.options.negativeMinTtl, ttl);
    const authority = found.authority.map(one => ({ ...one, ttl: Math.min(Math.max(one.ttl, least), ttl) }));
    const denial: Denial = { authority, ttl };
    if (found.rcode === Rcode.NXDOMAIN) this.rrsets.putNxdomain(name, denial);
    else if (found.rcode === Rcode.NOERROR) this.rrsets.putNoData(name, type, denial);
    return linkOf(found, found.rrsets, authority, ttl * 1000);
  }

  #keepRrsets(
    found: FoundLink,
    {
      delegation,
      best,
      trusted,
      delegationMs,
      rules,
    }: { delegation: Delegation; best: number; trusted: boolean; delegationMs: number; rules: LifetimeRules },
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
      if (made || rrset.type === Type.RRSIG) {
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
    return linkOf(found, shown, found.authority, leftMs);
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
  keepReferral({ ns, glue, ds }: Extract<Meaning, { kind: 'referral' }>, lifetimeMs: number): void {
    const { rrsets } = this;
    if (rrsets.isOutdated(ns.name)) return;
    const rules = this.#lifetimeRules;
    const own = rrsets.get(ns.name, Type.NS, true);
    if (own !== undefined && !sameSet(own.rrset, ns, nameKeyOf)) rrsets.forget(ns.name, Type.NS);
    rrsets.putDelegation({ ...ns, ttl: Math.min(ns.ttl, Math.floor(lifetimeMs / 1000)) }, lifetimeMs);
    for (const server of ns.data.map(one => nameServer(foldName(one)))) {
      if (isAtOrBelow(server.name, ns.name)) this.#replaceAddresses(server.name, glue);
    }
    for (const rrset of glue) rrsets.putGlue(rrset, Math.min(lifetimeOf(rrset, rules) * 1000, lifetimeMs));
    if (ds !== undefined) rrsets.put(ds, Rank.authority, [], Math.min(lifetimeOf(ds, rules) * 1000, lifetimeMs));
  }

  /** Forgets what addresses a name server inside the zone had, where the referral says otherwise. */
  #replaceAddresses(server: Uint8Array, glue: readonly Rrset[]): void {
    const given = glue.filter(one => equalNames(one.name, server));
    for (const type of [Type.A, Type.AAAA]) {
      const now = given.find(one => one.type === type);
      if (now === undefined) this.rrsets.forgetGlue(server, type);
      if (given.length === 0) continue;
      const own = this.rrsets.get(server, type, true);
      if (own !== undefined && (now === undefined || !sameSet(own.rrset, now, nameKey)))
        this.rrsets.forget(server, type);
    }
  }

  /**
   * A link as stale answers are shown: with no more than `seconds`, and with the 30 that RFC 8767 section 4 wants where an
   * expired RRset had less, so that clients do not come back at once.
   */
  #withStaleTtls(link: Link, seconds: number): Link {
    if (this.setting.options.originalTtl) return link;
    const least = link.stale ? Math.min(L.staleTtl, seconds) : 0;
    const shown = (list: readonly Rrset[]): Rrset[] =>
      list.map(one => ({ ...one, ttl: Math.max(Math.min(one.ttl, seconds), least) }));
    return { ...link, rrsets: shown(link.rrsets), authority: shown(link.authority) };
  }

  get #lifetimeRules(): LifetimeRules {
    const { minTtl, maxTtl, negativeMinTtl, negativeMaxTtl } = this.setting.options;
    return { minTtl, maxTtl, negativeMinTtl, negativeMaxTtl, wallSeconds: this.clock.wallSeconds() };
  }
}

const FAMILIES = [4, 6] as const;

function linkOf(
  { rcode, target }: FoundLink,
  rrsets: Rrset[],
  authority: Rrset[],
  leftMs: number,
  noCache = false,
): Link {
  return { rcode, rrsets, target, authority, noCache, stale: false, leftMs, next: undefined };
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

/** What may be told of a name when everything is asked for. */
const ANY_TYPES = [Type.A, Type.AAAA, Type.CNAME, Type.MX, Type.NS, Type.SOA, Type.TXT, Type.HTTPS, Type.SRV, Type.CAA];
