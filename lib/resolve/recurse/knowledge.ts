// What a recursor knows already, without asking anybody: RRsets, denials, and who serves which zone. Reads the RRset
// cache; learner.ts writes it.
//
// Bounds: chains of `maxAliases`; the delegations kept taken apart are known-zones.ts's.
import { type CachedDenial, Rank, type RrsetCache, Security } from '../../cache/rrset-cache.js';
import { statusIn } from '../../cache/rrset-entry.js';
import { Rcode, Type } from '../../wire/iana.js';
import { ancestors, foldName, isAtOrBelow } from '../../wire/name.js';
import type { Rrset } from '../../wire/rrset.js';
import { resultWithoutPrivate } from './address-rules.js';
import { type Delegation, forOneQuestion, serversOf, Source, takeAddresses } from './delegation.js';
import { KnownZones } from './known-zones.js';
import { RECURSION_LIMITS as L } from './limits.js';
import { append, emptyResult, type Link, type RecursionResult } from './links.js';
import type { Setting } from './options.js';
import { zoneOf } from './zones.js';

export class Knowledge {
  readonly #zones = new KnownZones();

  constructor(
    readonly rrsets: RrsetCache,
    private readonly setting: Setting,
  ) {
    rrsets.onPlaceChanged = this.#zones.changed;
  }

  /** What is known is seen in another way from now on: the options have changed. */
  optionsChanged(): void {
    this.#zones.clear();
  }

  /**
   * An answer with its aliases, or undefined where a link is not known.
   * @param options.checkingDisabled also what has not proved itself, where that is asked for
   * @param options.staleTtl what has expired is taken too, and shown with so many seconds; the rest with no more than that
   * @throws {ResolutionError} for private addresses where they are refused
   */
  chain(
    name: Uint8Array,
    type: number,
    { checkingDisabled, staleTtl }: { checkingDisabled: boolean; staleTtl?: number },
  ): RecursionResult | undefined {
    const isChecked = this.setting.options.validation !== undefined && !checkingDisabled;
    const result = emptyResult();
    let current = name;
    for (let i = 0; i <= this.setting.options.maxAliases; i++) {
      const link = this.link(current, type, staleTtl !== undefined);
      if (link === undefined || (isChecked && !isJudged(link))) return undefined;
      append(result, staleTtl === undefined ? link : this.#withStaleTtls(link, staleTtl));
      if (link.target === undefined) {
        result.secure &&= isChecked && !result.stale;
        return resultWithoutPrivate(result, this.setting.options.rules);
      }
      current = link.target;
    }
    return undefined;
  }

  /**
   * The deepest zone cut known above a name, for those who do not want recursion: as its parent gave it, which is not
   * signed, or as the zone itself and its servers' names have it, which has to be judged.
   * @param checkingDisabled also what has not proved itself
   */
  referral(name: Uint8Array, checkingDisabled: boolean): { ns: Rrset; glue: Rrset[] } | undefined {
    const isChecked = this.setting.options.validation !== undefined && !checkingDisabled;
    const own = (owner: Uint8Array, type: number): Rrset | undefined => {
      const known = this.rrsets.get(owner, type);
      return known === undefined || (isChecked && !isJudged(known)) ? undefined : known.rrset;
    };
    for (const zone of ancestors(name)) {
      const ns = this.rrsets.delegation(zone)?.ns ?? own(zone, Type.NS);
      if (ns === undefined) continue;
      const glue = ns.data
        .map(server => foldName(server))
        .flatMap(server => [Type.A, Type.AAAA].map(type => own(server, type) ?? this.rrsets.glue(server, type)));
      const { rules } = this.setting.options;
      const shown = glue.filter(one => one !== undefined).map(one => rules.visible(one));
      return { ns, glue: shown.filter(one => one.data.length > 0) };
    }
    return undefined;
  }

  /** One link: the records asked for, the alias in their place, or a denial. */
  link(name: Uint8Array, type: number, allowStale = false): Link | undefined {
    const { rrsets } = this;
    const zone = zoneOf(this.setting.options.zones, name, type);
    if (zone?.noCache) return undefined;
    const exact = rrsets.get(name, type, allowStale);
    if (exact !== undefined && exact.rank >= Rank.answer) {
      const { rrset, proof, stale, leftMs, rank, security } = exact;
      return { rcode: Rcode.NOERROR, rrsets: [rrset], authority: proof, stale, leftMs, rank, security };
    }
    // Who asks for all of a name is told of its alias, and not led on by it (RFC 1034 section 3.6.2).
    // DS records stand on the parent's side of a cut, where an alias of the child, which some apexes have, says nothing.
    if (type !== Type.CNAME && type !== Type.ANY && type !== Type.DS) {
      const alias = rrsets.get(name, Type.CNAME, allowStale);
      if (alias !== undefined && alias.rank >= Rank.answer && alias.rrset.data.length > 0) {
        return {
          rcode: Rcode.NOERROR,
          rrsets: [alias.rrset],
          target: foldName(alias.rrset.data[0]),
          authority: alias.proof,
          stale: alias.stale,
          leftMs: alias.leftMs,
          rank: alias.rank,
          security: alias.security,
        };
      }
    }
    const none = rrsets.noData(name, type, allowStale);
    if (none !== undefined) {
      return denial(none, none.ofName ? Rcode.NXDOMAIN : Rcode.NOERROR);
    }
    const nothing = rrsets.nxdomain(name, allowStale);
    if (nothing !== undefined && !(type === Type.DS && isUnproven(nothing.security))) {
      return denial(nothing, Rcode.NXDOMAIN);
    }
    const { nothingBelowNxdomain, validation } = this.setting.options;
    const above = nothingBelowNxdomain ? rrsets.nxdomainAbove(name, zone?.name.length) : undefined;
    if (above === undefined || validation?.anchors.haveBetween(above.name, name) === true) return undefined;
    return { ...denial(above, Rcode.NXDOMAIN), denied: above.name };
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

  /** Whether a name server has no such address; not for what denies it and has proved to be bogus. */
  #hasNone(name: Uint8Array, type: number): boolean {
    const none = this.rrsets.noData(name, type);
    return none !== undefined && statusIn(none.security) !== Security.bogus;
  }

  addAddresses(delegation: Delegation): void {
    for (const server of delegation.servers) {
      for (const family of FAMILIES) {
        const type = family === 4 ? Type.A : Type.AAAA;
        const known = this.rrsets.get(server.name, type);
        // A private address is no server's.
        const own = known && this.setting.options.rules.visible(known.rrset);
        const glue = this.rrsets.glue(server.name, type);
        if (own !== undefined) takeAddresses(server, own, server.by === 'unasked' ? Source.doubtful : Source.own);
        if (own !== undefined || this.#hasNone(server.name, type)) server.asked[family] = true;
        if (glue === undefined) continue;
        const inside = isAtOrBelow(server.name, delegation.zone);
        const doubtful = own !== undefined || (!inside && this.setting.options.verifyGlue);
        takeAddresses(server, glue, doubtful ? Source.doubtful : inside ? Source.own : Source.sibling);
        server.asked[family] ||= !doubtful;
      }
      const isUnknown = !server.asked[4] && !server.asked[6] && server.addresses.length === 0;
      if (isUnknown && this.rrsets.nxdomain(server.name) !== undefined) {
        server.asked = { 4: true, 6: true };
        server.denied = true;
      }
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
}

/** It needed no proof where it was said; DS records are another zone's, which may have to prove what it says. */
const isUnproven = (security: number): boolean => {
  const status = statusIn(security);
  return status === Security.insecure || status === Security.indeterminate;
};

/** Validation has let it pass. */
function isJudged({ security }: { security: number }): boolean {
  const status = statusIn(security);
  return status !== Security.unchecked && status !== Security.bogus;
}

const denial = ({ authority, stale, leftMs, security }: CachedDenial, rcode: number): Link => ({
  rcode,
  rrsets: [],
  authority,
  stale,
  leftMs,
  rank: Rank.authoritative,
  security,
});

const FAMILIES = [4, 6] as const;
