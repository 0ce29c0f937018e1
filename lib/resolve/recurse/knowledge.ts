// What a recursor knows already, and what it makes of what servers say: RRsets, denials, and who serves which zone.
import { type CachedDenial, Rank, type RrsetCache } from '../../cache/rrset-cache.js';
import { Rcode, Type } from '../../wire/iana.js';
import { ancestors, bySuffix, equalNames, foldName, isAtOrBelow, nameKey } from '../../wire/name.js';
import type { Rrset } from '../../wire/rrset.js';
import type { Found, Meaning } from './classify.js';
import { type ConfiguredZone, type Delegation, serversOf, Source, takeAddresses } from './delegation.js';
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
}

/** One link of a chain. */
export interface Link {
  rcode: number;
  rrsets: Rrset[];
  target?: Uint8Array;
  authority: Rrset[];
  noCache?: boolean;
  stale?: boolean;
}

export const emptyResult = (): RecursionResult => ({
  rcode: Rcode.NOERROR,
  answers: [],
  authority: [],
  noCache: false,
  stale: false,
});

export function append(result: RecursionResult, link: Link): void {
  result.rcode = link.rcode;
  result.answers.push(...link.rrsets);
  result.authority.push(...link.authority);
  result.noCache ||= link.noCache ?? false;
}

export class Knowledge {
  constructor(
    readonly rrsets: RrsetCache,
    private readonly setting: Setting,
  ) {}

  /** An answer with its aliases, or undefined where a link is not known. */
  chain(name: Uint8Array, type: number, allowStale = false): RecursionResult | undefined {
    const result = emptyResult();
    let current = name;
    for (let i = 0; i <= this.setting.options.maxAliases; i++) {
      const link = this.link(current, type, allowStale);
      if (link === undefined) return undefined;
      append(result, link);
      result.stale ||= link.stale ?? false;
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
      return { rcode: Rcode.NOERROR, rrsets: [exact.rrset], authority: exact.proof, stale: exact.stale };
    }
    if (type !== Type.CNAME) {
      const alias = rrsets.get(name, Type.CNAME, allowStale);
      if (alias !== undefined && alias.rank >= Rank.answer) {
        return {
          rcode: Rcode.NOERROR,
          rrsets: [alias.rrset],
          target: foldName(alias.rrset.data[0]),
          authority: alias.proof,
          stale: alias.stale,
        };
      }
    }
    const none = rrsets.noData(name, type, allowStale);
    if (none !== undefined) {
      return { rcode: Rcode.NOERROR, rrsets: [], authority: none.authority, stale: none.stale };
    }
    const nothing = rrsets.nxdomain(name, allowStale);
    if (nothing !== undefined) {
      return { rcode: Rcode.NXDOMAIN, rrsets: [], authority: nothing.authority, stale: nothing.stale };
    }
    for (const above of ancestors(name)) {
      if (above.length === name.length) continue;
      const cut = this.setting.options.nothingBelowNxdomain ? rrsets.nxdomain(above) : undefined;
      // Without an SOA it is a word on the name alone.
      if (cut !== undefined && cut.authority.length > 0)
        return { rcode: Rcode.NXDOMAIN, rrsets: [], authority: cut.authority };
    }
    return undefined;
  }

  /** RFC 8482 section 4.1: some of what is there. */
  #cachedAny(name: Uint8Array): Link | undefined {
    const found: Rrset[] = [];
    for (const type of ANY_TYPES) {
      const one = this.rrsets.get(name, type);
      if (one !== undefined && one.rank >= Rank.authority) found.push(one.rrset);
    }
    if (found.length > 0) return { rcode: Rcode.NOERROR, rrsets: found, authority: [] };
    const none = this.rrsets.noData(name, Type.ANY);
    if (none !== undefined) return { rcode: Rcode.NOERROR, rrsets: [], authority: none.authority };
    const nothing = this.rrsets.nxdomain(name);
    return nothing && { rcode: Rcode.NXDOMAIN, rrsets: [], authority: nothing.authority };
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

  /** Whether a name is known to exist in its zone, or to be nothing but a part of others. */
  isNode(name: Uint8Array): boolean {
    return (
      this.rrsets.noData(name, Type.A) !== undefined ||
      (this.rrsets.get(name, Type.A)?.rank ?? 0) >= Rank.authoritative ||
      this.rrsets.get(name, Type.CNAME) !== undefined
    );
  }

  /** A zone cut that is known, with what is known of its servers. `fresh`: not one that is about to expire. */
  delegation(zone: Uint8Array, nowMs: number, fresh: boolean): Delegation | undefined {
    const known = this.rrsets.delegation(zone);
    // Who refreshes what is old refreshes the way to it too.
    if (known === undefined || (fresh && (known.old || this.rrsets.get(zone, Type.NS)?.old === true))) return undefined;
    const { ns } = known;
    const delegation: Delegation = {
      zone: Uint8Array.from(zone),
      key: nameKey(zone),
      servers: serversOf(ns, [], this.setting.options.verifyGlue),
      addressless: 0,
      direct: [],
      expiresAt: nowMs + ns.ttl * 1000,
      cached: true,
    };
    this.#addChildServers(delegation);
    this.addAddresses(delegation);
    return delegation;
  }

  /** A zone's own word on its servers comes before its parent's. */
  #addChildServers(delegation: Delegation): void {
    const own = this.rrsets.get(delegation.zone, Type.NS);
    if (own === undefined || own.rank < Rank.authority) return;
    const known = new Set(delegation.servers.map(one => one.key));
    const others = serversOf(own.rrset, [], false).filter(one => !known.has(one.key));
    delegation.servers = [...others, ...delegation.servers];
  }

  addAddresses(delegation: Delegation): void {
    for (const server of delegation.servers) {
      for (const [family, type] of [
        [4, Type.A],
        [6, Type.AAAA],
      ] as const) {
        const own = this.rrsets.get(server.name, type);
        const glue = this.rrsets.glue(server.name, type);
        if (own !== undefined) takeAddresses(server, own.rrset, Source.own);
        if (own !== undefined || this.rrsets.noData(server.name, type) !== undefined) server.asked[family] = true;
        if (glue === undefined) continue;
        const inside = isAtOrBelow(server.name, delegation.zone);
        const doubtful = own !== undefined || (!inside && this.setting.options.verifyGlue);
        takeAddresses(server, glue, doubtful ? Source.doubtful : inside ? Source.own : Source.sibling);
        server.asked[family] ||= !doubtful;
      }
    }
  }

  /** Keeps what was found, and says what it is worth to the question. */
  keep(name: Uint8Array, type: number, delegation: Delegation, found: Found): Link {
    const { rrsets } = this;
    if (delegation.configured?.noCache) return { ...found, noCache: true };
    const rank = found.authoritative ? Rank.authoritative : Rank.answer;
    if (found.ns !== undefined) {
      const apex = found.authoritative && equalNames(found.ns.name, delegation.zone);
      rrsets.put(this.#clamped(found.ns), apex ? Rank.authority : Rank.additional);
      for (const one of apex ? [] : found.additional) {
        if (names(found.ns, one.name)) rrsets.putGlue(this.#clamped(one));
      }
    }
    if (found.rrsets.length > 0) {
      const clamped = found.rrsets.map(one => this.#clamped(one));
      const shown = this.setting.options.originalTtl ? found.rrsets : clamped;
      for (const [i, rrset] of shown.entries()) {
        // The alias that a DNAME made is made anew each time.
        const made = shown[0].type === Type.DNAME && rrset.type === Type.CNAME;
        if (!made && rrset.type !== Type.RRSIG) rrsets.put(rrset, rank, found.authority, clamped[i].ttl);
      }
      return { ...found, rrsets: shown };
    }
    const soa = found.authority.find(one => one.type === Type.SOA);
    if (soa === undefined) {
      const unproven: CachedDenial = { authority: [], ttl: L.unprovenDenialTtl };
      if (found.rcode === Rcode.NXDOMAIN) rrsets.putNxdomain(name, unproven);
      else if (found.rcode === Rcode.NOERROR) rrsets.putNoData(name, type, unproven);
      return found;
    }
    // RFC 2308 section 5: the lesser of the SOA's TTL and its MINIMUM.
    const minimum = Buffer.from(soa.data[0]).readUInt32BE(soa.data[0].length - 4);
    const { negativeMinTtl, negativeMaxTtl } = this.setting.options;
    const ttl = Math.max(Math.min(soa.ttl, minimum, negativeMaxTtl), negativeMinTtl);
    const authority = found.authority.map(one => ({ ...one, ttl: Math.min(one.ttl, ttl) }));
    const denial: CachedDenial = { authority, ttl };
    if (found.rcode === Rcode.NXDOMAIN) rrsets.putNxdomain(name, denial);
    else rrsets.putNoData(name, type, denial);
    return { ...found, authority };
  }

  /** Keeps a referral for as long as its giver lets it stand: `ttl` in seconds. */
  keepReferral({ ns, glue, ds }: Extract<Meaning, { kind: 'referral' }>, ttl: number): void {
    this.rrsets.putDelegation({ ...ns, ttl });
    for (const rrset of glue) this.rrsets.putGlue(this.#clamped(rrset));
    if (ds !== undefined) this.rrsets.put(this.#clamped(ds), Rank.authority);
  }

  #clamped(rrset: Rrset): Rrset {
    const { minTtl, maxTtl } = this.setting.options;
    if (rrset.ttl === 0) return rrset;
    const ttl = Math.min(Math.max(rrset.ttl, minTtl), maxTtl);
    return ttl === rrset.ttl ? rrset : { ...rrset, ttl };
  }
}

const names = (ns: Rrset, name: Uint8Array): boolean => ns.data.some(one => equalNames(one, name));

/** What may be told of a name when everything is asked for. */
const ANY_TYPES = [Type.A, Type.AAAA, Type.CNAME, Type.MX, Type.NS, Type.SOA, Type.TXT, Type.HTTPS, Type.SRV, Type.CAA];
