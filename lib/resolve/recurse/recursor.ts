// Resolution from the root down (RFC 1034 section 5.3.3): who serves the name, what they say, where it leads next.
// Knows no transport: `ask` puts a question to one server. Keeps what it learns in the RRset cache.
//
// Bounds: RECURSION_LIMITS for each client's query; one query under way for each question to each zone.
import type { Canceller } from '../../base/cancel.js';
import type { Clock } from '../../base/clock.js';
import type { ShardnsError } from '../../base/errors.js';
import { below, type Random } from '../../base/random.js';
import { type CachedDenial, Rank, type RrsetCache } from '../../cache/rrset-cache.js';
import { select } from '../../upstream/selection.js';
import type { Upstream } from '../../upstream/upstream.js';
import { ExtendedError, Rcode, Type, typeName } from '../../wire/iana.js';
import { decodeMessage } from '../../wire/message.js';
import {
  ancestors,
  countLabels,
  equalNames,
  foldName,
  isAtOrBelow,
  lastLabels,
  nameKey,
  nameToText,
} from '../../wire/name.js';
import { type Rrset } from '../../wire/rrset.js';
import { type AddressRules, withoutPrivate } from './address-rules.js';
import { type Asked, classify, type Found, type Meaning } from './classify.js';
import {
  type ConfiguredZone,
  type Delegation,
  describeZone,
  directAddress,
  type NameServer,
  nameServer,
  serversOf,
  Source,
  takeAddresses,
} from './delegation.js';
import { Infrastructure } from './infrastructure.js';
import { Job, type JobOptions, ResolutionError } from './job.js';
import { RECURSION_LIMITS as L } from './limits.js';

export interface ServerQuestion {
  /** Folded wire format. */
  name: Uint8Array;
  type: number;
  recursionDesired: boolean;
  tcp: boolean;
}

/** Puts one question to one server, with its retries for truncation and EDNS; resolves with the response's octets. */
export type AskServer = (
  question: ServerQuestion,
  server: Upstream,
  timeoutMs: number,
  cancel: Canceller,
) => Promise<Uint8Array>;

export interface RecursorOptions {
  /** Names outside the configured zones are resolved from the root. */
  recursive: boolean;
  /** Numeric addresses of root servers. */
  rootHints: readonly string[];
  /** Where name servers listen: 53, but for tests and demonstrations. */
  port: number;
  ipv4: boolean;
  ipv6: boolean;
  qnameMinimisation: 'off' | 'relaxed' | 'strict';
  hardenGlue: boolean;
  /** RFC 8020: what lies below a name that does not exist does not exist either. */
  nothingBelowNxdomain: boolean;
  maxQueries: number;
  maxDepth: number;
  maxAliases: number;
  deadlineMs: number;
  /** Seconds. */
  negativeMaxTtl: number;
  maxTtl: number;
  maxInFlight: number;
  rules: AddressRules;
  /** Longest suffix first. */
  zones: readonly ConfiguredZone[];
}

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

export interface RecursorStats {
  resolutions: number;
  queries: number;
  coalesced: number;
  lame: number;
  nameServersFetched: number;
  primings: number;
  failures: number;
}

/** One link of a chain. */
interface Link {
  rcode: number;
  rrsets: Rrset[];
  target?: Uint8Array;
  authority: Rrset[];
  noCache?: boolean;
  stale?: boolean;
}

export class Recursor {
  readonly infrastructure: Infrastructure;
  readonly stats: RecursorStats = {
    resolutions: 0,
    queries: 0,
    coalesced: 0,
    lame: 0,
    nameServersFetched: 0,
    primings: 0,
    failures: 0,
  };
  readonly #asking = new Map<string, Promise<Uint8Array>>();
  #priming: Promise<Delegation> | undefined;
  #primingFailedUntil = 0;

  constructor(
    readonly rrsets: RrsetCache,
    private readonly ask: AskServer,
    private readonly clock: Clock,
    private readonly random: Random,
    public options: RecursorOptions,
  ) {
    this.infrastructure = new Infrastructure(clock);
  }

  /**
   * @param name folded wire format
   * @throws {ResolutionError} with an extended error for the client
   */
  async resolve(
    name: Uint8Array,
    type: number,
    options: Pick<JobOptions, 'fresh' | 'trace'>,
  ): Promise<RecursionResult> {
    const job = Job.begin(this.clock, {
      ...options,
      maxQueries: this.options.maxQueries,
      deadlineMs: this.options.deadlineMs,
    });
    this.stats.resolutions++;
    const cancelled = this.clock.after(this.options.deadlineMs, () => job.budget.cancel.cancel());
    try {
      return await this.#chain(name, type, job);
    } catch (error) {
      this.stats.failures++;
      throw error;
    } finally {
      cancelled.cancel();
    }
  }

  /** The same from what is cached, or undefined: no server is asked. */
  fromCache(name: Uint8Array, type: number, allowStale = false): RecursionResult | undefined {
    const result: RecursionResult = { rcode: Rcode.NOERROR, answers: [], authority: [], noCache: false, stale: false };
    let current = name;
    for (let i = 0; i <= this.options.maxAliases; i++) {
      const link = this.#cached(current, type, allowStale);
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
        .map(foldName)
        .flatMap(server =>
          [Type.A, Type.AAAA].map(type => this.rrsets.get(server, type)?.rrset ?? this.rrsets.glue(server, type)),
        );
      return { ns, glue: glue.filter(one => one !== undefined) };
    }
    return undefined;
  }

  /** Whether it is for this to resolve a name, where there are upstreams too. */
  serves(name: Uint8Array, type: number): boolean {
    return this.options.recursive || this.#zoneOf(name, type) !== undefined;
  }

  clear(): void {
    this.rrsets.clear();
    this.infrastructure.clear();
    this.#primingFailedUntil = 0;
  }

  // --- chains of aliases ---

  async #chain(name: Uint8Array, type: number, job: Job): Promise<RecursionResult> {
    const result: RecursionResult = { rcode: Rcode.NOERROR, answers: [], authority: [], noCache: false, stale: false };
    const seen = new Set<string>();
    let current = name;
    for (let aliases = 0; ; aliases++) {
      seen.add(nameKey(current));
      const link =
        (job.fresh ? undefined : this.#fromCache(current, type, job)) ?? (await this.#iterate(current, type, job));
      append(result, link);
      if (link.target === undefined) return result;
      if (job.traced) job.trace({ kind: 'alias', text: `${nameToText(current)} is ${nameToText(link.target)}` });
      if (seen.has(nameKey(link.target))) {
        throw new ResolutionError(
          `aliases in a circle at ${nameToText(link.target)}`,
          ExtendedError.other,
          result.answers,
        );
      }
      if (aliases >= this.options.maxAliases) {
        throw new ResolutionError(`more than ${this.options.maxAliases} aliases`, ExtendedError.other);
      }
      current = link.target;
    }
  }

  // --- what is known already ---

  #fromCache(name: Uint8Array, type: number, job: Job): Link | undefined {
    const link = this.#cached(name, type);
    if (link !== undefined && job.traced) {
      const what =
        link.rrsets.length > 0 ? 'known' : link.rcode === Rcode.NXDOMAIN ? 'known not to exist' : 'known to have none';
      job.trace({ kind: 'cache', text: `${nameToText(name)} ${typeName(type)}: ${what}` });
    }
    return link;
  }

  #cached(name: Uint8Array, type: number, allowStale = false): Link | undefined {
    const { rrsets } = this;
    if (this.#zoneOf(name, type)?.noCache) return undefined;
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
      const cut = this.options.nothingBelowNxdomain ? rrsets.nxdomain(above) : undefined;
      if (cut !== undefined) return { rcode: Rcode.NXDOMAIN, rrsets: [], authority: cut.authority };
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

  /** The configured zone with the longest suffix of the name. DS belongs to the zone above. */
  #zoneOf(name: Uint8Array, type: number): ConfiguredZone | undefined {
    return this.options.zones.find(
      zone =>
        isAtOrBelow(name, zone.name) && (type !== Type.DS || zone.name.length < name.length || zone.kind === 'forward'),
    );
  }

  // --- from zone to zone ---

  async #iterate(name: Uint8Array, type: number, job: Job): Promise<Link> {
    const configured = this.#zoneOf(name, type);
    if (configured !== undefined && configured.first) {
      try {
        return await this.#descend(name, type, job, configured);
      } catch (error) {
        if (!(error instanceof ResolutionError)) throw error;
        job.trace({ kind: 'failure', text: `${error.message}; resolved as if the zone was not configured` });
        return this.#descend(name, type, job, undefined);
      }
    }
    return this.#descend(name, type, job, configured);
  }

  async #descend(name: Uint8Array, type: number, job: Job, configured: ConfiguredZone | undefined): Promise<Link> {
    let delegation = await this.#closest(name, type, job, configured);
    let minimise = this.options.qnameMinimisation !== 'off' && delegation.configured?.kind !== 'forward';
    const depth = countLabels(name);
    // Labels that are asked for; the zone's own are known.
    let labels = countLabels(delegation.zone);
    const renewed = new Set<string>();
    let minimised = 0;
    for (let referrals = 0; ;) {
      const step =
        minimised < L.minimisedByOne ? 1 : Math.max(1, Math.ceil((depth - labels) / (L.minimised - minimised + 1)));
      const { budget } = job;
      const bounded = minimised < L.minimised && budget.minimised < L.minimisedInAll;
      labels = minimise && bounded ? Math.min(labels + step, depth) : depth;
      const full = labels === depth;
      const question = full ? name : lastLabels(name, labels);
      const asked: Asked = {
        name: question,
        type: full ? type : Type.A,
        zone: delegation.zone,
        recursive: delegation.configured?.kind === 'forward',
      };
      if (!full) {
        minimised++;
        if (this.#knownNode(question)) continue;
        budget.minimised++;
      }
      let meaning: Found | Extract<Meaning, { kind: 'referral' }>;
      try {
        meaning = await this.#askZone(delegation, asked, job);
      } catch (error) {
        if (!(error instanceof ResolutionError) || job.budget.queries >= job.budget.maxQueries) throw error;
        if (!full && this.options.qnameMinimisation === 'relaxed') {
          minimise = false;
          continue;
        }
        // What was remembered of who serves the zone may be out of date: the parent knows better.
        if (delegation.cached && !renewed.has(delegation.key)) {
          renewed.add(delegation.key);
          job.trace({
            kind: 'failure',
            text: `${describeZone(delegation)}: no server is of use; its parent is asked anew`,
          });
          this.rrsets.forgetDelegation(delegation.zone);
          delegation = await this.#closest(name, type, job, configured);
          labels = countLabels(delegation.zone);
          continue;
        }
        throw error;
      }
      if (meaning.kind === 'referral') {
        if (++referrals > L.referrals)
          throw new ResolutionError(`more than ${L.referrals} referrals`, ExtendedError.other);
        delegation = this.#follow(delegation, meaning, job);
        labels = countLabels(delegation.zone);
        minimised = 0;
        continue;
      }
      if (full) return this.#keep(name, type, delegation, meaning);
      // RFC 9156 section 2.3: there may be names below after all, where servers deny empty non-terminals.
      if (meaning.rcode === Rcode.NXDOMAIN) {
        if (this.options.qnameMinimisation === 'strict') return { ...meaning, rrsets: [] };
        minimise = false;
        continue;
      }
      this.#keep(question, Type.A, delegation, meaning);
    }
  }

  /** Whether a name is known to exist in its zone, or to be nothing but a part of others. */
  #knownNode(name: Uint8Array): boolean {
    return (
      this.rrsets.noData(name, Type.A) !== undefined ||
      (this.rrsets.get(name, Type.A)?.rank ?? 0) >= Rank.authoritative ||
      this.rrsets.get(name, Type.CNAME) !== undefined
    );
  }

  /** The deepest zone cut known on the way to the name; the root's, primed if need be, where none is. */
  async #closest(
    name: Uint8Array,
    type: number,
    job: Job,
    configured: ConfiguredZone | undefined,
  ): Promise<Delegation> {
    const now = this.clock.nowMs();
    for (const zone of ancestors(name)) {
      if (configured !== undefined && equalNames(zone, configured.name)) {
        if (zone.length > 1 || configured.kind === 'forward') return this.#configuredDelegation(configured, job);
      }
      if (zone.length === 1) break;
      // DS records stand on the parent's side of the cut.
      if (type === Type.DS && zone.length === name.length) continue;
      const known = this.rrsets.delegation(zone);
      // Who refreshes what is old refreshes the way to it too.
      if (known === undefined || (job.fresh && known.old)) continue;
      const { ns } = known;
      const delegation: Delegation = {
        zone: Uint8Array.from(zone),
        key: nameKey(zone),
        servers: serversOf(ns, [], L.nsRecords),
        addressless: 0,
        direct: [],
        expiresAt: now + ns.ttl * 1000,
        cached: true,
      };
      this.#addChildServers(delegation);
      this.#addKnownAddresses(delegation);
      // RFC 1034 section 5.3.3: of servers that nobody can reach nothing is to be had; the parent has the addresses.
      if (delegation.servers.every(one => one.addresses.length === 0 && isAtOrBelow(one.name, zone))) continue;
      if (job.traced) job.trace({ kind: 'zone', text: `${nameToText(zone)} is the closest zone known` });
      return delegation;
    }
    return this.#root(job, configured);
  }

  async #configuredDelegation(zone: ConfiguredZone, job: Job): Promise<Delegation> {
    const delegation: Delegation = {
      zone: zone.name,
      key: zone.key,
      servers: zone.hosts.map(nameServer),
      addressless: 0,
      direct: zone.direct,
      expiresAt: Number.POSITIVE_INFINITY,
      configured: zone,
      cached: false,
    };
    if (job.traced) job.trace({ kind: 'zone', text: `${nameToText(zone.name)} is a ${zone.kind} zone` });
    if (!zone.prime) return delegation;
    const primed = await this.#prime(delegation, job);
    return { ...primed, configured: zone };
  }

  async #root(job: Job, configured: ConfiguredZone | undefined): Promise<Delegation> {
    const zone = Uint8Array.of(0);
    const direct = configured?.direct ?? this.options.rootHints.map(address => directAddress(address));
    const now = this.clock.nowMs();
    const hints: Delegation = {
      zone,
      key: nameKey(zone),
      servers: [],
      addressless: 0,
      direct,
      expiresAt: now,
      cached: false,
    };
    const ns = this.rrsets.delegation(zone)?.ns;
    if (ns !== undefined) {
      const delegation = { ...hints, servers: serversOf(ns, [], L.nsRecords), expiresAt: now + ns.ttl * 1000 };
      this.#addKnownAddresses(delegation);
      if (delegation.servers.some(one => one.addresses.length > 0)) delegation.direct = [];
      return delegation;
    }
    if (now < this.#primingFailedUntil) return hints;
    // One priming for all who wait for it; it takes none of their queries.
    this.#priming ??= this.#prime(
      hints,
      Job.begin(this.clock, { maxQueries: L.queries, deadlineMs: this.options.deadlineMs }),
    )
      .catch(() => {
        this.#primingFailedUntil = this.clock.nowMs() + L.primingRetryMs;
        return hints;
      })
      .finally(() => {
        this.#priming = undefined;
      });
    const primed = await this.#priming;
    if (job.traced) job.trace({ kind: 'zone', text: primed === hints ? 'the root, by its hints' : 'the root, primed' });
    return { ...primed, servers: primed.servers.map(one => ({ ...one })) };
  }

  /** RFC 8109: the root's servers by their own word. */
  async #prime(hints: Delegation, job: Job): Promise<Delegation> {
    this.stats.primings++;
    const asked: Asked = { name: hints.zone, type: Type.NS, zone: hints.zone, recursive: false };
    const meaning = await this.#askZone(hints, asked, job);
    const ns = meaning.kind === 'answer' ? meaning.rrsets.find(one => one.type === Type.NS) : undefined;
    if (ns === undefined) throw new ResolutionError('the root servers do not name themselves', ExtendedError.other);
    const ttl = Math.min(ns.ttl, this.options.maxTtl);
    this.rrsets.putDelegation({ ...ns, ttl });
    this.rrsets.put({ ...ns, ttl }, Rank.authoritative);
    const delegation: Delegation = {
      ...hints,
      servers: serversOf(ns, meaning.kind === 'answer' ? meaning.additional : [], L.nsRecords),
      expiresAt: this.clock.nowMs() + ttl * 1000,
    };
    this.#addKnownAddresses(delegation);
    if (delegation.servers.some(one => one.addresses.length > 0)) delegation.direct = [];
    return delegation;
  }

  #follow(from: Delegation, referral: Extract<Meaning, { kind: 'referral' }>, job: Job): Delegation {
    const { ns, glue, foreignGlue, ds } = referral;
    const now = this.clock.nowMs();
    // Nobody's word lasts longer than his who gave it the word (CVE-2022-30698).
    const left = from.expiresAt <= now || from.direct.length > 0 ? ns.ttl : Math.floor((from.expiresAt - now) / 1000);
    const ttl = Math.min(ns.ttl, left, this.options.maxTtl);
    const delegation: Delegation = {
      zone: ns.name,
      key: nameKey(ns.name),
      servers: shuffled(serversOf(ns, glue, L.nsRecords), this.random),
      addressless: 0,
      direct: [],
      expiresAt: now + ttl * 1000,
      cached: false,
    };
    if (!from.configured?.noCache) {
      this.rrsets.putDelegation({ ...ns, ttl });
      for (const rrset of glue) this.rrsets.putGlue(this.#clipped(rrset));
      if (ds !== undefined) this.rrsets.put(this.#clipped(ds), Rank.authority);
    }
    for (const rrset of foreignGlue) {
      const server = delegation.servers.find(one => one.key === nameKey(rrset.name));
      if (server !== undefined) takeAddresses(server, rrset, Source.doubtful);
    }
    this.#addKnownAddresses(delegation);
    if (job.traced) {
      const names = ns.data.map(nameToText).join(', ');
      job.trace({ kind: 'referral', text: `${nameToText(ns.name)} is served by ${names}` });
    }
    return delegation;
  }

  /** A zone's own word on its servers comes before its parent's. */
  #addChildServers(delegation: Delegation): void {
    const own = this.rrsets.get(delegation.zone, Type.NS);
    if (own === undefined || own.rank < Rank.authority) return;
    const known = new Set(delegation.servers.map(one => one.key));
    const others = serversOf(own.rrset, [], L.nsRecords).filter(one => !known.has(one.key));
    delegation.servers = [...others, ...delegation.servers];
  }

  #addKnownAddresses(delegation: Delegation): void {
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
        takeAddresses(server, glue, own !== undefined ? Source.doubtful : inside ? Source.own : Source.sibling);
        server.asked[family] ||= own === undefined;
      }
    }
  }

  #clipped(rrset: Rrset): Rrset {
    return rrset.ttl > this.options.maxTtl ? { ...rrset, ttl: this.options.maxTtl } : rrset;
  }

  /** Keeps what was found, and says what it is worth to the question. */
  #keep(name: Uint8Array, type: number, delegation: Delegation, found: Found): Link {
    const { rrsets } = this;
    if (delegation.configured?.noCache) return { ...found, noCache: true };
    const rank = found.authoritative ? Rank.authoritative : Rank.answer;
    if (found.ns !== undefined) {
      const apex = found.authoritative && equalNames(found.ns.name, delegation.zone);
      rrsets.put(this.#clipped(found.ns), apex ? Rank.authority : Rank.additional);
      for (const one of apex ? [] : found.additional) {
        if (names(found.ns, one.name)) rrsets.putGlue(this.#clipped(one));
      }
    }
    if (found.rrsets.length > 0) {
      for (const rrset of found.rrsets) {
        // The alias that a DNAME made is made anew each time.
        const made = found.rrsets[0].type === Type.DNAME && rrset.type === Type.CNAME;
        if (!made && rrset.type !== Type.RRSIG) rrsets.put(this.#clipped(rrset), rank, found.authority);
      }
      return found;
    }
    const soa = found.authority.find(one => one.type === Type.SOA);
    if (soa === undefined) return found;
    // RFC 2308 section 5: the lesser of the SOA's TTL and its MINIMUM.
    const minimum = Buffer.from(soa.data[0]).readUInt32BE(soa.data[0].length - 4);
    const ttl = Math.min(soa.ttl, minimum, this.options.negativeMaxTtl);
    const authority = found.authority.map(one => ({ ...one, ttl: Math.min(one.ttl, ttl) }));
    const denial: CachedDenial = { authority, ttl };
    if (found.rcode === Rcode.NXDOMAIN) rrsets.putNxdomain(name, denial);
    else rrsets.putNoData(name, type, denial);
    return { ...found, authority };
  }

  // --- one zone ---

  /** Asks the zone's servers one after the other until one has something to say. */
  async #askZone(
    delegation: Delegation,
    asked: Asked,
    job: Job,
  ): Promise<Found | Extract<Meaning, { kind: 'referral' }>> {
    const tries = new Map<Upstream, number>();
    const given = new Set<Upstream>(); // answered, without being of use
    let lastResort: Found | undefined;
    let empty = 0;
    let reason: string | undefined;
    let networkError = false;
    for (let round = 0; round < L.triesPerZone;) {
      const server = this.#pick(delegation, tries, given);
      if (server === undefined) {
        if (!this.#hasUnknownAddresses(delegation)) break;
        await this.#fetchAddresses(delegation, job);
        continue;
      }
      round++;
      tries.set(server, (tries.get(server) ?? 0) + 1);
      let meaning: Meaning;
      try {
        meaning = await this.#askServer(delegation, asked, server, tries.get(server)!, job);
      } catch (error) {
        if (error instanceof ResolutionError) throw error;
        const { code, message } = error as ShardnsError;
        if (code === 'ERR_SHARDNS_ABORTED') job.left(); // the deadline, most likely: said so
        reason = message;
        if (code !== 'ERR_SHARDNS_TIMEOUT') {
          networkError = true;
          given.add(server);
        }
        continue;
      }
      if (meaning.kind === 'answer' || meaning.kind === 'referral') return meaning;
      given.add(server);
      if (meaning.kind === 'lame') {
        this.stats.lame++;
        this.infrastructure.markLame(server, delegation.key);
        reason = `${server.label} does not serve ${describeZone(delegation)}`;
      } else if (meaning.kind === 'recursive') {
        lastResort ??= meaning.found;
      } else if (meaning.kind === 'empty') {
        if (++empty > 1) return meaning.found;
        lastResort ??= meaning.found;
      } else {
        server.failed('failure');
        reason = `${server.label} said ${rcodeText(meaning.rcode)}`;
      }
      if (job.traced)
        job.trace({ kind: meaning.kind === 'lame' ? 'lame' : 'failure', text: reason ?? 'an empty response' });
    }
    if (lastResort !== undefined) return lastResort;
    throw new ResolutionError(
      `${describeZone(delegation)}: ${reason ?? 'no address of its servers is known'}`,
      networkError ? ExtendedError.networkError : ExtendedError.noReachableAuthority,
    );
  }

  #pick(
    delegation: Delegation,
    tries: ReadonlyMap<Upstream, number>,
    given: ReadonlySet<Upstream>,
  ): Upstream | undefined {
    const { infrastructure, options } = this;
    const bySource: Upstream[][] = [[], [], []];
    const lame: Upstream[] = [];
    const add = (address: string, family: 4 | 6, port: number, source: number): void => {
      if (family === 4 ? !options.ipv4 : !options.ipv6) return;
      if (options.rules.forbidden(address, family) && delegation.configured === undefined) return;
      const server = infrastructure.server(address, family, port);
      if (given.has(server) || (tries.get(server) ?? 0) >= L.triesPerServer) return;
      const list = infrastructure.isLame(server, delegation.key) ? lame : bySource[source];
      if (!list.includes(server)) list.push(server);
    };
    for (const one of delegation.direct) add(one.address, one.family, one.port ?? options.port, Source.own);
    for (const server of delegation.servers) {
      for (const { address, family, source } of server.addresses) add(address, family, options.port, source);
    }
    const tried = new Set(tries.keys());
    for (const [source, list] of bySource.entries()) {
      const untried = list.filter(one => !tried.has(one));
      // What is doubtful is believed when nothing else is left to look for.
      if (source === Source.doubtful && this.#hasUnknownAddresses(delegation)) return undefined;
      if (untried.length > 0) return select(untried, tried, options, this.random);
    }
    // Before anybody is asked a second time, other addresses are looked for; lame ones come last.
    if (this.#hasUnknownAddresses(delegation)) return undefined;
    return select(bySource.flat(), new Set(), options, this.random) ?? lame[0];
  }

  #hasUnknownAddresses(delegation: Delegation): boolean {
    const { ipv4, ipv6 } = this.options;
    return delegation.servers.some(one => (ipv4 && !one.asked[4]) || (ipv6 && !one.asked[6]));
  }

  async #askServer(delegation: Delegation, asked: Asked, server: Upstream, tries: number, job: Job): Promise<Meaning> {
    const { configured } = delegation;
    const question: ServerQuestion = {
      name: asked.name,
      type: asked.type,
      recursionDesired: asked.recursive,
      tcp: configured?.tcp ?? false,
    };
    const text = job.traced ? `${nameToText(asked.name)} ${typeName(asked.type)} of ${server.label}` : '';
    const began = this.clock.nowMs();
    const octets = await this.#exchange(question, server, server.tryTimeoutMs * tries, job);
    // The letters of its name were drawn by chance; those that point there are to be as they were meant.
    const response = Uint8Array.from(octets);
    response.set(asked.name, 12);
    let meaning: Meaning;
    try {
      const message = decodeMessage(response);
      meaning = withoutPrivate(classify(message, asked, this.options.hardenGlue), this.options.rules);
    } catch {
      return { kind: 'useless', rcode: Rcode.FORMERR };
    }
    if (job.traced) {
      const ms = (this.clock.nowMs() - began).toFixed(1);
      job.trace({ kind: 'ask', text: `${text} (${describeZone(delegation)}), ${ms} ms: ${describe(meaning)}` });
    }
    return meaning;
  }

  /** One query under way for a question to a zone's server; who comes later shares its response. */
  async #exchange(question: ServerQuestion, server: Upstream, timeoutMs: number, job: Job): Promise<Uint8Array> {
    const left = job.left();
    const key = `${server.label} ${question.type} ${nameKey(question.name)}`;
    const existing = this.#asking.get(key);
    if (existing !== undefined) {
      this.stats.coalesced++;
      try {
        return await existing;
      } catch (error) {
        // It was somebody else's query, and called off with him.
        if ((error as ShardnsError).code !== 'ERR_SHARDNS_ABORTED' || job.budget.cancel.cancelled) throw error;
        return this.#exchange(question, server, timeoutMs, job);
      }
    }
    job.budget.queries++;
    this.stats.queries++;
    server.inFlight++;
    server.stats.queries++;
    const began = this.clock.nowMs();
    const asking = this.ask(question, server, Math.min(timeoutMs, left), job.budget.cancel);
    this.#asking.set(key, asking);
    try {
      const response = await asking;
      server.succeeded(this.clock.nowMs() - began);
      return response;
    } catch (error) {
      const { code } = error as ShardnsError;
      if (code === 'ERR_SHARDNS_TIMEOUT') server.failed('timeout');
      else if (code === 'ERR_SHARDNS_UPSTREAM') server.failed('failure');
      throw error;
    } finally {
      server.inFlight--;
      this.#asking.delete(key);
    }
  }

  /** Looks for addresses of one more name server. */
  async #fetchAddresses(delegation: Delegation, job: Job): Promise<void> {
    const { options } = this;
    const families = ([4, 6] as const).filter(family => (family === 4 ? options.ipv4 : options.ipv6));
    const open = delegation.servers.filter(one => families.some(family => !one.asked[family]));
    // Those without any address first.
    open.sort((a, b) => Number(a.addresses.length > 0) - Number(b.addresses.length > 0));
    for (const server of open) {
      if (!server.asked[4] && !server.asked[6]) {
        const { budget } = job;
        const looked = delegation.servers.filter(one => one.asked[4] || one.asked[6]).length;
        if (
          looked >= L.nameServers + known(delegation) ||
          budget.nameServers >= L.nameServersInAll ||
          delegation.addressless >= L.addressless ||
          budget.addressless >= L.addresslessInAll
        ) {
          server.asked = { 4: true, 6: true };
          continue;
        }
        budget.nameServers++;
        this.stats.nameServersFetched++;
      }
      const before = server.addresses.length;
      for (const family of families) {
        if (server.asked[family]) continue;
        server.asked[family] = true;
        const exists = await this.#fetchAddress(server, family, job);
        // On the way its parent may have named an address that its own zone does not know of.
        this.#addKnownAddresses(delegation);
        if (server.addresses.length > before) return;
        if (!exists) server.asked = { 4: true, 6: true };
      }
      if (server.addresses.length === 0) {
        delegation.addressless++;
        job.budget.addressless++;
      }
    }
  }

  /** False when the name server's name does not exist, or nothing can be learnt of it. */
  async #fetchAddress(server: NameServer, family: 4 | 6, job: Job): Promise<boolean> {
    const type = family === 4 ? Type.A : Type.AAAA;
    const key = `${nameKey(server.name)} ${type}`;
    const inner = job.budget.failed.has(key) ? undefined : job.below(key, this.options.maxDepth);
    if (inner === undefined) return true;
    job.left();
    try {
      const { answers, rcode } = await this.#chain(server.name, type, inner);
      for (const rrset of answers) if (rrset.type === type) takeAddresses(server, rrset, Source.own);
      return rcode !== Rcode.NXDOMAIN;
    } catch (error) {
      if (!(error instanceof ResolutionError)) throw error;
      job.budget.failed.add(key);
      job.left();
      return true;
    }
  }
}

const names = (ns: Rrset, name: Uint8Array): boolean => ns.data.some(one => equalNames(one, name));

/** Name servers whose addresses came along. */
const known = (delegation: Delegation): number => delegation.servers.filter(one => one.addresses.length > 0).length;

/** What may be told of a name when everything is asked for. */
const ANY_TYPES = [Type.A, Type.AAAA, Type.CNAME, Type.MX, Type.NS, Type.SOA, Type.TXT, Type.HTTPS, Type.SRV, Type.CAA];

function append(result: RecursionResult, link: Link): void {
  result.rcode = link.rcode;
  result.answers.push(...link.rrsets);
  result.authority.push(...link.authority);
  result.noCache ||= link.noCache ?? false;
}

function shuffled<T>(list: T[], random: Random): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

function rcodeText(rcode: number): string {
  return Object.entries(Rcode).find(([, code]) => code === rcode)?.[0] ?? `rcode ${rcode}`;
}

function describe(meaning: Meaning): string {
  switch (meaning.kind) {
    case 'answer':
      if (meaning.target !== undefined) return 'an alias';
      if (meaning.rrsets.length > 0) return `${meaning.rrsets.reduce((sum, one) => sum + one.data.length, 0)} records`;
      return meaning.rcode === Rcode.NXDOMAIN ? 'no such name' : 'no such records';
    case 'referral':
      return `referred to the servers of ${nameToText(meaning.ns.name)}`;
    case 'recursive':
      return 'an answer without authority';
    case 'lame':
      return 'does not serve the zone';
    case 'empty':
      return 'nothing';
    case 'useless':
      return rcodeText(meaning.rcode);
  }
}
