// Resolution of a client's questions: from what is known, or from the root down (descent.ts), alias after alias. Makes the
// parts of a recursor known to each other. Knows no transport: `ask` puts a question to one server. What is learnt is kept
// in the RRset cache.
//
// Bounds: RECURSION_LIMITS for each client's query.
import type { Clock } from '../../base/clock.js';
import { EqualTimers } from '../../base/equal-timers.js';
import type { Random } from '../../base/random.js';
import type { RrsetCache } from '../../cache/rrset-cache.js';
import { clockDoubt, type ClockDoubt } from '../../dnssec/clock-doubt.js';
import { explain, type ExplainedChain } from '../../dnssec/explain.js';
import { failsSentinel, signalName } from '../../dnssec/sentinel.js';
import type { Fetched, FetchFailure } from '../../dnssec/steps.js';
import { ZoneKeys } from '../../dnssec/zone-keys.js';
import { ExtendedError, Rcode, Type, typeName } from '../../wire/iana.js';
import { encodeName, equalNames, nameKey, nameToText } from '../../wire/name.js';
import { resultWithoutPrivate } from './address-rules.js';
import type { FindAddress } from './address-search.js';
import { type Delegation, type NameServer, Source, takeAddresses } from './delegation.js';
import { type BogusZone, Checker } from './checker.js';
import { Descent } from './descent.js';
import { Infrastructure } from './infrastructure.js';
import { Job, type JobOptions, questionKey, ResolutionError } from './job.js';
import { Knowledge } from './knowledge.js';
import { Learner } from './learner.js';
import { append, emptyResult, type Link, type RecursionResult, resultOf } from './links.js';
import type { AskServer, RecursorOptions, RecursorStats, Setting } from './options.js';
import { Priming } from './priming.js';
import { Synthesis } from './synthesis.js';
import { Way } from './way.js';
import { ZoneAsker } from './zone-asker.js';
import { zoneOf } from './zones.js';

const MAX_LABEL_SIZE = 63;

const fetchedOf = ({ rcode, rrsets, authority }: Link): Fetched => ({ rcode, answer: rrsets, authority });

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
    secure: 0,
    insecure: 0,
    indeterminate: 0,
    bogus: 0,
    synthesised: 0,
    held: 0,
  };
  readonly #setting: Setting;
  readonly #descent: Descent;
  readonly #priming: Priming;
  readonly #checker: Checker;
  readonly #synthesis: Synthesis;
  readonly #way: Way;
  readonly #deadlines: EqualTimers;
  #doubtsClock = false;
  /** Told when the signatures of a trust anchor's keys speak against the clock, and when they do no more. Must not throw. */
  onClockDoubt: (doubt: ClockDoubt | undefined) => void = () => {};
  /** Told of each zone that is found to be bogus, once a minute at the most. Must not throw. */
  onBogusZone: (zone: BogusZone) => void = () => {};

  constructor(
    readonly rrsets: RrsetCache,
    ask: AskServer,
    private readonly clock: Clock,
    random: Random,
    options: RecursorOptions,
  ) {
    this.#setting = { options, stats: this.stats };
    this.#deadlines = new EqualTimers(clock);
    this.infrastructure = new Infrastructure(clock);
    this.known = new Knowledge(rrsets, this.#setting);
    this.learner = new Learner(rrsets, this.#setting, clock);
    const setting = this.#setting;
    const { known, learner, infrastructure } = this;
    const findAddress: FindAddress = (delegation, server, family, job) =>
      this.#findAddress(delegation, server, family, job);
    const { fence } = rrsets;
    const asker = new ZoneAsker({ ask, findAddress, infrastructure, clock, random, setting, fence });
    this.#priming = new Priming(rrsets, known, asker, clock, setting);
    const descent = new Descent({
      rrsets,
      known,
      learner,
      asker,
      priming: this.#priming,
      clock,
      random,
      setting,
      proven: (name, denial, job) => this.#checker.proven(name, denial, job),
    });
    this.#descent = descent;
    this.#synthesis = new Synthesis(rrsets, clock, setting);
    this.#way = new Way(rrsets, clock);
    this.#checker = new Checker({
      rrsets,
      way: this.#way,
      synthesis: this.#synthesis,
      clock,
      setting,
      fetch: (name, type, job, fresh) => this.#fetchRecords(name, type, job, fresh),
      ask: (name, type, job) => descent.toLink(name, type, job),
      onBogusZone: zone => this.onBogusZone(zone),
    });
    rrsets.guardsSecure = options.validation !== undefined;
  }

  /** Milliseconds of its clock. */
  get now(): number {
    return this.clock.nowMs();
  }
  get options(): RecursorOptions {
    return this.#setting.options;
  }
  /** What was learnt stays. */
  set options(options: RecursorOptions) {
    this.#setting.options = options;
    this.rrsets.guardsSecure = options.validation !== undefined;
    this.known.optionsChanged();
  }

  /**
   * @param name folded wire format
   * @param options.checkingDisabled what is found need not prove itself
   * @throws {ResolutionError} with an extended error for the client
   */
  async resolve(
    name: Uint8Array,
    type: number,
    options: Pick<JobOptions, 'fresh' | 'trace' | 'client'> & { checkingDisabled?: boolean },
  ): Promise<RecursionResult> {
    const job = Job.begin(this.clock, {
      fresh: options.fresh,
      client: options.client,
      trace: options.trace,
      validation: options.checkingDisabled === true ? undefined : this.options.validation?.budget,
      maxQueries: this.options.maxQueries,
      beganAt: this.rrsets.fence.now,
      deadlineMs: this.options.deadlineMs,
    });
    this.stats.resolutions++;
    const deadline = this.#deadlines.after(this.options.deadlineMs, () => job.budget.cancel.cancel());
    try {
      let link =
        (job.fresh ? undefined : this.#fromCache(name, type, job)) ?? (await this.#descent.toLink(name, type, job));
      if (job.validates) link = await this.#checker.checked(name, type, link, job);
      const result = link.target === undefined ? resultOf(link) : await this.#chain(name, type, job, link);
      result.secure &&= job.validates;
      const { validation } = this.options;
      if (result.secure && validation !== undefined && failsSentinel(name, type, validation.rootTags)) {
        // To clients it is a validation that failed (RFC 8509 section 3.1).
        const error = new ResolutionError('the sentinel of a key (RFC 8509)', ExtendedError.dnssecBogus);
        error.isBogus = true;
        throw error;
      }
      return resultWithoutPrivate(result, this.options.rules);
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

  /**
   * Whether it is for this to resolve a name, where there are upstreams too. What is asked of `options.outside` for a
   * configured zone's sake does not count: clients' questions of such names go to the upstreams, with all that they have
   * (hedging, client subnets, groups).
   */
  serves(name: Uint8Array, type: number): boolean {
    const { recursive, zones, outside, validation } = this.options;
    // A forwarder that validates has all of its answers judged here.
    return recursive || (validation !== undefined && outside !== undefined) || zoneOf(zones, name, type) !== undefined;
  }

  /**
   * What the verdict on an answer rests on, judged anew by the records that are cached, or by those of servers.
   * @param found what there is, judged or not
   * @returns undefined where nothing is validated
   */
  async explain(
    name: Uint8Array,
    type: number,
    found: Pick<RecursionResult, 'rcode' | 'answers' | 'authority'>,
    fresh: boolean,
  ): Promise<ExplainedChain | undefined> {
    const { validation, maxQueries, deadlineMs } = this.options;
    if (validation === undefined) return undefined;
    const beganAt = this.rrsets.fence.now;
    const job = Job.begin(this.clock, { validation: validation.budget, maxQueries, beganAt, deadlineMs });
    const deadline = this.#deadlines.after(deadlineMs, () => job.budget.cancel.cancel());
    const { anchors, policy } = validation;
    try {
      return await explain(
        { name, type },
        { rcode: found.rcode, answer: found.answers, authority: found.authority },
        {
          now: this.clock.wallSeconds(),
          budget: job.budget.validation!,
          policy,
          anchors,
          zones: new ZoneKeys(0),
          fetchRecords: (zone, wanted) => this.#fetchRecords(zone, wanted, job, fresh),
        },
      );
    } finally {
      deadline.cancel();
      job.budget.cancel.cancel();
    }
  }

  /** Forgets RRsets, and what is known of servers. What is under way is for those who wait for it, and not kept. */
  clear(): void {
    this.rrsets.clear();
    this.#checker.clear();
    this.#way.clear();
    this.#synthesis.clear();
    this.infrastructure.clear();
    this.#priming.forgetFailure();
  }
  /** The same for what is known of one name (folded wire format). */
  forgetName(name: Uint8Array): void {
    this.rrsets.forgetName(name);
    this.#checker.forgetName(name);
    this.#synthesis.forgetName(name);
  }

  /** @param first what is said of the name itself, where it is known and was checked */
  async #chain(name: Uint8Array, type: number, job: Job, first?: Link): Promise<RecursionResult> {
    const result = emptyResult();
    let seen: Set<string> | undefined;
    let current = name;
    let next = first;
    for (let aliases = 0; ; aliases++) {
      let link =
        next ??
        (job.fresh ? undefined : this.#fromCache(current, type, job)) ??
        (await this.#descent.toLink(current, type, job));
      if (job.validates && (aliases > 0 || first === undefined))
        link = await this.#checker.checked(current, type, link, job);
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

  #fromCache(name: Uint8Array, type: number, job: Job): Link | undefined {
    const known = this.known.link(name, type);
    const link = known ?? (job.validates ? this.#synthesis.link(name, type, job) : undefined);
    if (known === undefined && link !== undefined && job.traced) {
      job.trace({ kind: 'cache', text: `${nameToText(name)} ${typeName(type)}: follows from what was validated` });
    } else if (link !== undefined && job.traced) {
      const what =
        link.rrsets.length > 0 ? 'known' : link.rcode === Rcode.NXDOMAIN ? 'known not to exist' : 'known to have none';
      job.trace({ kind: 'cache', text: `${nameToText(name)} ${typeName(type)}: ${what}` });
    }
    return link;
  }

  /** What a chain of trust is made of. */
  #fetchRecords(name: Uint8Array, type: number, job: Job, fresh: boolean): Fetched | Promise<Fetched | FetchFailure> {
    const known = fresh ? undefined : (this.known.link(name, type) ?? this.#synthesis.link(name, type, job));
    if (known !== undefined) return fetchedOf(known);
    const noDs = fresh || type !== Type.DS ? undefined : (this.rrsets.noDs(name) ?? this.#synthesis.noDs(name, job));
    if (noDs !== undefined) return { rcode: Rcode.NOERROR, answer: [], authority: noDs };
    const inner = job.below(questionKey(name, type), this.options.maxDepth, fresh);
    if (inner === undefined) return Promise.resolve({ failure: 'it would wait for itself' });
    if (type === Type.DNSKEY && name.length === 1) this.#signal();
    const nobody = (error: unknown): FetchFailure => {
      if (!(error instanceof ResolutionError)) throw error;
      job.budget.ours ||= error.ours;
      return { failure: error.message, ede: error.extendedError as FetchFailure['ede'] };
    };
    // Whom a zone is forwarded to may have no more than the zone itself; its DS records are its parent's.
    const zone = type === Type.DS ? zoneOf(this.options.zones, name, type) : undefined;
    const isParents = zone !== undefined && equalNames(zone.name, name);
    return this.#descent
      .toLink(name, type, inner)
      .catch((error: unknown) => {
        if (!isParents || !(error instanceof ResolutionError)) throw error;
        return this.#descent.toLinkAbove(name, type, inner);
      })
      .then(link => {
        if (type === Type.DNSKEY) this.#judgeClock(name, link);
        return fetchedOf(link);
      }, nobody);
  }

  /** By the times of the signatures over the keys of a trust anchor's zone. */
  #judgeClock(name: Uint8Array, { rrsets }: Link): void {
    const { validation } = this.options;
    const now = this.clock.wallSeconds();
    const anchor = validation?.anchors.closest(name, now);
    if (validation === undefined || typeof anchor !== 'object' || !equalNames(anchor.zone, name)) return;
    const signatures = rrsets.find(one => one.type === Type.DNSKEY)?.signatures ?? [];
    if (signatures.length === 0) return;
    const doubt = clockDoubt(signatures, now, validation.policy);
    if (this.#doubtsClock === (doubt !== undefined)) return;
    this.#doubtsClock = doubt !== undefined;
    this.onClockDoubt(doubt);
  }

  /** Tells the root's servers, as often as its keys are asked for, which of them are trusted (RFC 8145 section 5). */
  #signal(): void {
    const { validation, recursive } = this.options;
    if (!recursive || validation?.signal !== true || validation.rootTags.length === 0) return;
    const text = signalName(validation.rootTags);
    // More keys than a label has room for are nobody's but a test's.
    if (text.length - 1 > MAX_LABEL_SIZE) return;
    const name = encodeName(text);
    const job = Job.begin(this.clock, { maxQueries: 4, beganAt: this.rrsets.fence.now, deadlineMs: 5000 });
    this.#descent.toLink(name, Type.NULL, job).catch(() => {
      // Nobody waits for what they say to it.
    });
  }

  /** False when the name server's name does not exist. */
  async #findAddress(delegation: Delegation, server: NameServer, family: 4 | 6, job: Job): Promise<boolean> {
    const type = family === 4 ? Type.A : Type.AAAA;
    const key = questionKey(server.name, type);
    const inner = job.budget.failed?.has(key) === true ? undefined : job.below(key, this.options.maxDepth);
    if (inner === undefined) return true;
    job.left();
    let exists = true;
    try {
      const { answers, rcode } = await this.#chain(server.name, type, inner);
      for (const rrset of this.options.rules.visibleOnly(answers)) {
        if (rrset.type === type) takeAddresses(server, rrset, Source.own);
      }
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
