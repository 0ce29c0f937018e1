// Resolution from the root down (RFC 1034 section 5.3.3): who serves the name, what they say, where it leads next.
// Knows no transport: `ask` puts a question to one server. Keeps what it learns in the RRset cache.
//
// Bounds: RECURSION_LIMITS for each client's query.
import type { Clock } from '../../base/clock.js';
import { EqualTimers } from '../../base/equal-timers.js';
import { below, type Random } from '../../base/random.js';
import { Rank, type RrsetCache } from '../../cache/rrset-cache.js';
import { ExtendedError, Rcode, Type, typeName } from '../../wire/iana.js';
import { countLabels, isAtOrBelow, nameKey, nameToText, offsetOfLast } from '../../wire/name.js';
import type { Asked, Referral } from './classify.js';
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
import { isOurs, Job, type JobOptions, ResolutionError } from './job.js';
import { Knowledge } from './knowledge.js';
import { Learner } from './learner.js';
import { RECURSION_LIMITS as L } from './limits.js';
import { append, emptyResult, type Link, type RecursionResult, resultOf } from './links.js';
import type { AskServer, RecursorOptions, RecursorStats, Setting } from './options.js';
import { type Heard, ZoneAsker } from './zone-asker.js';
import { zoneOf } from './zones.js';

/** What all wait for who need the root's servers, and when it was begun, by the fence of the RRset cache. */
interface Priming {
  readonly beganAt: number;
  readonly delegation: Promise<Delegation>;
}

export class Recursor {
  readonly infrastructure: Infrastructure;
  /** What is cached: no server is asked. */
  readonly known: Knowledge;
  readonly learner: Learner;
  readonly stats: RecursorStats = {
    resolutions: 0,
    queries: 0,
    coalesced: 0,
    lame: 0,
    rejectedResponses: 0,
    nameServersFetched: 0,
    primings: 0,
    failures: 0,
  };
  readonly #setting: Setting;
  readonly #asker: ZoneAsker;
  readonly #deadlines: EqualTimers;
  #priming: Priming | undefined;
  #primingFailedUntil = 0;

  constructor(
    readonly rrsets: RrsetCache,
    ask: AskServer,
    private readonly clock: Clock,
    private readonly random: Random,
    options: RecursorOptions,
  ) {
    this.#setting = { options, stats: this.stats };
    this.#deadlines = new EqualTimers(clock);
    this.infrastructure = new Infrastructure(clock);
    this.known = new Knowledge(rrsets, this.#setting);
    this.learner = new Learner(rrsets, this.#setting, clock);
    this.#asker = new ZoneAsker(
      ask,
      (delegation, server, family, job) => this.#findAddress(delegation, server, family, job),
      this.infrastructure,
      clock,
      random,
      this.#setting,
      rrsets.fence,
    );
  }

  get options(): RecursorOptions {
    return this.#setting.options;
  }
  /** What was learnt stays. */
  set options(options: RecursorOptions) {
    this.#setting.options = options;
    this.known.optionsChanged();
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
      fresh: options.fresh,
      trace: options.trace,
      maxQueries: this.options.maxQueries,
      beganAt: this.rrsets.fence.now,
      deadlineMs: this.options.deadlineMs,
    });
    this.stats.resolutions++;
    const deadline = this.#deadlines.after(this.options.deadlineMs, () => job.budget.cancel.cancel());
    try {
      const link = (job.fresh ? undefined : this.#fromCache(name, type, job)) ?? (await this.#iterate(name, type, job));
      return link.target === undefined ? resultOf(link) : await this.#chain(name, type, job, link);
    } catch (error) {
      this.stats.failures++;
      if (error instanceof ResolutionError) error.ours ||= job.budget.ours && !error.isFinal;
      throw error;
    } finally {
      deadline.cancel();
      // What is late has nobody left who waits for it.
      job.budget.cancel.cancel();
    }
  }

  /** Whether it is for this to resolve a name, where there are upstreams too. */
  serves(name: Uint8Array, type: number): boolean {
    return this.options.recursive || zoneOf(this.options.zones, name, type) !== undefined;
  }

  /** Forgets RRsets, and what is known of servers. What is under way is for those who wait for it, and not kept. */
  clear(): void {
    this.rrsets.clear();
    this.infrastructure.clear();
    this.#primingFailedUntil = 0;
  }
  /** The same for what is known of one name (folded wire format). */
  forgetName(name: Uint8Array): void {
    this.rrsets.forgetName(name);
  }

  // --- chains of aliases ---

  /** @param first what is said of the name itself, where it is known */
  async #chain(name: Uint8Array, type: number, job: Job, first?: Link): Promise<RecursionResult> {
    const result = emptyResult();
    let seen: Set<string> | undefined;
    let current = name;
    let next = first;
    for (let aliases = 0; ; aliases++) {
      const link =
        next ??
        (job.fresh ? undefined : this.#fromCache(current, type, job)) ??
        (await this.#iterate(current, type, job));
      append(result, link);
      if (link.target === undefined) return result;
      if (job.traced) job.trace({ kind: 'alias', text: `${nameToText(current)} is ${nameToText(link.target)}` });
      (seen ??= new Set()).add(nameKey(current));
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
      ({ next } = link);
    }
  }

  // --- what is known already ---

  #fromCache(name: Uint8Array, type: number, job: Job): Link | undefined {
    const link = this.known.link(name, type);
    if (link !== undefined && job.traced) {
      const what =
        link.rrsets.length > 0 ? 'known' : link.rcode === Rcode.NXDOMAIN ? 'known not to exist' : 'known to have none';
      job.trace({ kind: 'cache', text: `${nameToText(name)} ${typeName(type)}: ${what}` });
    }
    return link;
  }

  // --- from zone to zone ---

  #iterate(name: Uint8Array, type: number, job: Job): Promise<Link> {
    const zone = zoneOf(this.options.zones, name, type);
    return zone?.first === true ? this.#iterateFrom(zone, name, type, job) : this.#descend(name, type, job, zone);
  }

  async #iterateFrom(first: ConfiguredZone, name: Uint8Array, type: number, job: Job): Promise<Link> {
    for (let zone: ConfiguredZone | undefined = first; ; zone = zoneOf(this.options.zones, name, type, zone)) {
      try {
        return await this.#descend(name, type, job, zone);
      } catch (error) {
        if (!(error instanceof ResolutionError) || error.isFinal || zone?.first !== true || job.budget.ours)
          throw error;
        job.trace({ kind: 'failure', text: `${error.message}; resolved as if the zone was not configured` });
      }
    }
  }

  async #descend(name: Uint8Array, type: number, job: Job, configured: ConfiguredZone | undefined): Promise<Link> {
    const closest = this.#closest(name, type, job, configured);
    let delegation = closest instanceof Promise ? await closest : closest;
    let minimise = this.options.qnameMinimisation !== 'off' && delegation.configured?.kind !== 'forward';
    const depth = countLabels(name);
    // Labels that are asked for; the zone's own are known.
    let labels = countLabels(delegation.zone);
    let renewed: Set<string> | undefined;
    let minimised = 0;
    for (let referrals = 0; ;) {
      const step =
        minimised < L.minimisedByOne ? 1 : Math.max(1, Math.ceil((depth - labels) / (L.minimised - minimised + 1)));
      const { budget } = job;
      const bounded = minimised < L.minimised && budget.minimised < L.minimisedInAll;
      labels = minimise && bounded ? Math.min(labels + step, depth) : depth;
      const full = labels === depth;
      const begin = full ? 0 : offsetOfLast(name, labels);
      if (!full) {
        minimised++;
        if (this.known.isNode(name, begin)) continue;
        budget.minimised++;
      }
      const question = full ? name : name.subarray(begin);
      const asked: Asked = {
        name: question,
        type: full ? type : Type.A,
        zone: delegation.zone,
        recursive: delegation.configured?.kind === 'forward',
      };
      let heard: Heard;
      try {
        const mostTimeouts = full || this.options.qnameMinimisation !== 'relaxed' ? undefined : L.minimisedTimeouts;
        heard = await this.#asker.askZone(delegation, asked, job, mostTimeouts);
      } catch (error) {
        if (!(error instanceof ResolutionError) || error.isFinal || job.budget.queries >= job.budget.maxQueries) {
          throw error;
        }
        if (!full && this.options.qnameMinimisation === 'relaxed') {
          minimise = false;
          continue;
        }
        // What was remembered of who serves the zone may be out of date: the parent knows better.
        if (delegation.cached && renewed?.has(delegation.key) !== true && !job.budget.ours) {
          (renewed ??= new Set()).add(delegation.key);
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
      const { meaning, from } = heard;
      this.rrsets.askedAt = budget.beganAt;
      if (meaning.kind === 'referral') {
        if (++referrals > L.referrals)
          throw new ResolutionError(`more than ${L.referrals} referrals`, ExtendedError.other);
        delegation = this.#follow(delegation, meaning, job);
        labels = countLabels(delegation.zone);
        minimised = 0;
        continue;
      }
      if (full) return this.learner.keep(name, type, delegation, meaning, from);
      // RFC 9156 section 2.3: there may be names below after all, where servers deny empty non-terminals.
      if (meaning.rcode === Rcode.NXDOMAIN) {
        if (this.options.qnameMinimisation === 'strict') return { ...meaning, rrsets: [], leftMs: Infinity };
        minimise = false;
        continue;
      }
      this.learner.keep(question, Type.A, delegation, meaning, from);
    }
  }

  /** The deepest zone cut known on the way to the name; the root's, primed if need be, where none is. */
  #closest(
    name: Uint8Array,
    type: number,
    job: Job,
    configured: ConfiguredZone | undefined,
  ): Delegation | Promise<Delegation> {
    const now = this.clock.nowMs();
    const key = nameKey(name);
    // A configured zone is above the name, or the name itself.
    const configuredAt = configured === undefined ? -1 : name.length - configured.name.length;
    for (let at = 0; name[at] !== 0; at += 1 + name[at]) {
      if (at === configuredAt) return this.#configuredDelegation(configured!, job);
      // DS records stand on the parent's side of the cut.
      if (type === Type.DS && at === 0) continue;
      const delegation = this.known.delegation(name, at, key, now, job.fresh);
      if (delegation === undefined || isOutOfReach(delegation)) continue;
      if (job.traced) job.trace({ kind: 'zone', text: `${nameToText(delegation.zone)} is the closest zone known` });
      return delegation;
    }
    return configured?.kind === 'forward' && configured.name.length === 1
      ? this.#configuredDelegation(configured, job)
      : this.#root(job, configured);
  }

  async #configuredDelegation(zone: ConfiguredZone, job: Job): Promise<Delegation> {
    const delegation: Delegation = {
      zone: zone.name,
      key: zone.key,
      servers: zone.hosts.map(host => nameServer(host)),
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
    const known = this.rrsets.delegation(zone);
    if (known !== undefined) {
      const delegation = { ...hints, servers: serversOf(known.ns, [], false), expiresAt: now + known.leftMs };
      this.known.addAddresses(delegation);
      if (delegation.servers.some(one => one.addresses.length > 0)) delegation.direct = [];
      return delegation;
    }
    if (now < this.#primingFailedUntil) return hints;
    // One priming for all who wait for it; it takes none of their queries.
    const { fence } = this.rrsets;
    let priming = this.#priming;
    if (priming === undefined || fence.hasForgotten(zone, priming.beganAt)) {
      priming = this.#priming = this.#beginPriming(hints, fence.now);
    }
    const primed = await priming.delegation;
    if (job.traced) job.trace({ kind: 'zone', text: primed === hints ? 'the root, by its hints' : 'the root, primed' });
    return { ...primed, servers: primed.servers.map(one => ({ ...one })) };
  }

  #beginPriming(hints: Delegation, beganAt: number): Priming {
    const { deadlineMs } = this.options;
    const job = Job.begin(this.clock, { maxQueries: L.queries, beganAt, deadlineMs });
    const delegation = this.#prime(hints, job)
      .catch((error: unknown) => {
        const ours = isOurs(error) || (error instanceof ResolutionError && error.ours);
        if (!ours && this.#priming === priming) this.#primingFailedUntil = this.clock.nowMs() + L.primingRetryMs;
        return hints;
      })
      .finally(() => {
        if (this.#priming === priming) this.#priming = undefined;
      });
    const priming: Priming = { beganAt, delegation };
    return priming;
  }

  /** RFC 8109: the root's servers by their own word. */
  async #prime(hints: Delegation, job: Job): Promise<Delegation> {
    this.stats.primings++;
    const asked: Asked = { name: hints.zone, type: Type.NS, zone: hints.zone, recursive: false };
    const { meaning } = await this.#asker.askZone(hints, asked, job);
    const ns = meaning.kind === 'answer' ? meaning.rrsets.find(one => one.type === Type.NS) : undefined;
    if (ns === undefined) throw new ResolutionError('the root servers do not name themselves', ExtendedError.other);
    const ttl = Math.min(ns.ttl, this.options.maxTtl);
    this.rrsets.askedAt = job.budget.beganAt;
    this.rrsets.putDelegation({ ...ns, ttl }, ttl * 1000);
    this.rrsets.put({ ...ns, ttl }, Rank.authoritative);
    const delegation: Delegation = {
      ...hints,
      servers: serversOf(ns, meaning.kind === 'answer' ? meaning.additional : [], false),
      expiresAt: this.clock.nowMs() + ttl * 1000,
    };
    this.known.addAddresses(delegation);
    if (delegation.servers.some(one => one.addresses.length > 0)) delegation.direct = [];
    return delegation;
  }

  #follow(from: Delegation, referral: Referral, job: Job): Delegation {
    const { ns, glue, foreignGlue } = referral;
    const now = this.clock.nowMs();
    // A delegation lives no longer than the one that it came by (CVE-2022-30698). One whose time ended while it was
    // asked is good for those who wait, and not kept. Configured addresses last.
    const leftMs = from.direct.length > 0 ? Infinity : Math.max(from.expiresAt - now, 0);
    const lifetimeMs = Math.min(Math.min(ns.ttl, this.options.maxTtl) * 1000, leftMs);
    const delegation: Delegation = {
      zone: ns.name,
      key: nameKey(ns.name),
      servers: shuffled(serversOf(ns, glue, this.options.verifyGlue), this.random),
      addressless: 0,
      direct: [],
      expiresAt: now + lifetimeMs,
      cached: false,
    };
    if (!from.configured?.noCache) this.learner.keepReferral(referral, lifetimeMs);
    for (const rrset of foreignGlue) {
      const server = delegation.servers.find(one => one.key === nameKey(rrset.name));
      if (server !== undefined) takeAddresses(server, rrset, Source.doubtful);
    }
    this.known.addAddresses(delegation);
    if (job.traced) {
      const names = ns.data.map(nameToText).join(', ');
      job.trace({ kind: 'referral', text: `${nameToText(ns.name)} is served by ${names}` });
    }
    return delegation;
  }

  // --- one zone ---

  /** False when the name server's name does not exist. */
  async #findAddress(delegation: Delegation, server: NameServer, family: 4 | 6, job: Job): Promise<boolean> {
    const type = family === 4 ? Type.A : Type.AAAA;
    const key = `${nameKey(server.name)} ${type}`;
    const inner = job.budget.failed?.has(key) === true ? undefined : job.below(key, this.options.maxDepth);
    if (inner === undefined) return true;
    job.left();
    let exists = true;
    try {
      const { answers, rcode } = await this.#chain(server.name, type, inner);
      for (const rrset of answers) if (rrset.type === type) takeAddresses(server, rrset, Source.own);
      exists = rcode !== Rcode.NXDOMAIN;
    } catch (error) {
      if (!(error instanceof ResolutionError)) throw error;
      (job.budget.failed ??= new Set()).add(key);
      job.left();
    }
    // On the way its parent may have named an address that its own zone does not know of.
    this.known.addAddresses(delegation);
    return exists;
  }
}

/**
 * RFC 1034 section 5.3.3: of servers that nobody can reach nothing is to be had; the parent has the addresses.
 */
function isOutOfReach({ servers, zone }: Delegation): boolean {
  for (const one of servers) if (one.addresses.length > 0 || !isAtOrBelow(one.name, zone)) return false;
  return true;
}

function shuffled<T>(list: T[], random: Random): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}
