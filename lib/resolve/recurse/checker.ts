// Validates what was found, link by link, before it is told to those who have not disabled checking (RFC 4035 section 5).
// The judgement is lib/dnssec's; here is what it is asked about, whom it asks, and what is kept of its word. What does not
// prove itself is asked for again, of other servers: one of them, or the way to it, may be at fault.
//
// Bounds: those of a client's query (dnssec/budget.ts); RECURSION_LIMITS.distrusted; ZoneKeys; MAX_REASONS texts.
import { BoundedMap } from '../../base/bounded-map.js';
import type { Clock } from '../../base/clock.js';
import { type RrsetCache, Security } from '../../cache/rrset-cache.js';
import { extendedErrorIn, securityOf, statusIn } from '../../cache/rrset-entry.js';
import type { Fetched, FetchFailure, FetchRecords } from '../../dnssec/steps.js';
import { type Question, validate, type Validation } from '../../dnssec/validator.js';
import type { Verdict } from '../../dnssec/verdict.js';
import { BOGUS_SECONDS, ZoneKeys } from '../../dnssec/zone-keys.js';
import { ExtendedError, Rcode, Type, typeName } from '../../wire/iana.js';
import { equalNames, nameKey, nameToText } from '../../wire/name.js';
import type { Rrset } from '../../wire/rrset.js';
import { bogusText } from '../bogus-text.js';
import { Attempt, Doubts } from './attempt.js';
import { type Job, questionKey, ResolutionError } from './job.js';
import { RECURSION_LIMITS as L } from './limits.js';
import type { Link } from './links.js';
import type { Setting, ValidationOptions } from './options.js';
import type { Synthesis } from './synthesis.js';
import type { Way } from './way.js';
import { deniesName } from './zones.js';

export interface CheckerParts {
  readonly rrsets: RrsetCache;
  readonly synthesis: Synthesis;
  readonly clock: Clock;
  readonly setting: Setting;
  /** DS or DNSKEY records: from the cache unless `fresh`. */
  readonly fetch: (
    name: Uint8Array,
    type: number,
    job: Job,
    fresh: boolean,
  ) => Fetched | Promise<Fetched | FetchFailure>;
  /** The same link from servers. */
  readonly ask: (name: Uint8Array, type: number, job: Job) => Promise<Link>;
  readonly way: Way;
  /** Told of a zone whose keys do not prove themselves. */
  readonly onBogusZone: (zone: BogusZone) => void;
}

/** A zone all of whose answers are bogus. */
export interface BogusZone {
  /** As text. */
  zone: string;
  reason: string;
  extendedError: number;
  /** It has a trust anchor of its own. */
  isAnchored: boolean;
}

const MAX_REASONS = 1024;

export class Checker {
  readonly zones = new ZoneKeys();
  /** Why what is known to be bogus is so. */
  readonly #reasons = new BoundedMap<string, string>(MAX_REASONS);

  constructor(private readonly parts: CheckerParts) {}

  forgetName(name: Uint8Array): void {
    this.zones.forget(name);
  }
  clear(): void {
    this.zones.clear();
    this.#reasons.clear();
  }

  /**
   * @returns the link as it may be told, with what validation says of it; at once where that is known
   * @throws {ResolutionError} for what is bogus, or cannot be judged because nobody answers
   */
  checked(name: Uint8Array, type: number, link: Link, job: Job): Link | Promise<Link> {
    const { validation } = this.parts.setting.options;
    const status = statusIn(link.security);
    if (validation === undefined || (status !== Security.unchecked && status !== Security.bogus)) return link;
    if (link.denied !== undefined) return this.#below(name, type, { ...link, denied: link.denied }, job, validation);
    // An alias that was judged as the answer to a question for other data is judged for this one too.
    const known = status === Security.bogus ? this.#reasons.get(reasonKey(name, type)) : undefined;
    if (status === Security.bogus && (known !== undefined || link.target === undefined)) {
      const reason = known ?? 'did not prove itself when it was last asked for';
      if (job.traced) {
        const what = `${nameToText(name)} ${typeName(type)}`;
        const left = Math.ceil(link.leftMs / 1000);
        job.trace({
          kind: 'validate',
          text: `${what} was found to be bogus; that is remembered for another ${left} s`,
        });
      }
      const ede = extendedErrorIn(link.security) as Verdict['ede'];
      throw bogusError(name, type, { status: 'bogus', reason, ede }, link.leftMs);
    }
    // Signatures are never signed (RFC 4035 section 2.2): there is nothing to judge. That there are none, that the name does
    // not exist and that it is an alias are said by records that are.
    if (link.rrsets.length > 0 && link.rrsets[0].type === Type.RRSIG) {
      return { ...link, security: securityOf(Security.indeterminate) };
    }
    return this.#check(name, type, link, job, validation);
  }

  async #check(name: Uint8Array, type: number, first: Link, job: Job, validation: ValidationOptions): Promise<Link> {
    const budget = job.budget.validation!;
    budget.begin();
    const doubts = new Doubts();
    let link = first;
    let before: Tried | undefined;
    for (let again = 0; ; again++) {
      const zones = new Attempt(this.zones, doubts);
      const now = this.parts.clock.wallSeconds();
      const judged = this.#verdict(name, type, link, job, { validation, zones, fresh: again > 0 });
      const verdict = judged instanceof Promise ? await judged : judged;
      if (job.traced) {
        this.#trace(name, type, verdict, job);
        if (zones.knewBogus) {
          const text = `a zone above it was found to be bogus before; that is remembered for up to ${BOGUS_SECONDS} s`;
          job.trace({ kind: 'validate', text });
        }
      }
      if (verdict.unfetched === true) {
        if (before !== undefined) throw this.#refused(name, type, before);
        throw unjudged(name, type, verdict);
      }
      if (verdict.status !== 'bogus') return this.#judged(name, type, link, verdict, job);
      const { isSpent } = budget;
      // One word is not enough to remember it by: whoever forges one packet has one question fail at the most.
      const isSettled = !isSpent && (zones.knewBogus || before !== undefined);
      const tried: Tried = { link, verdict, zones, before: before?.zones, now, job, isSettled };
      const at = verdict.restsOn ?? { name, type };
      if (isSpent) {
        this.parts.rrsets.forgetUnproven(name, type);
        this.parts.rrsets.forgetUnproven(at.name, at.type);
      }
      const mayAsk = again < L.distrusted && !zones.knewBogus && budget.renew();
      if (!mayAsk || !this.#findOthers(again, { name, type }, at, doubts, job)) throw this.#refused(name, type, tried);
      doubts.add(verdict.by);
      const other = await this.#askAnew(name, type, job);
      if (other === undefined) throw this.#refused(name, type, tried);
      before = tried;
      link = other;
    }
  }

  /**
   * Whether asking again may bring something else: another server, or the same once more; and when two answers were bogus,
   * other servers than those that the way led to, once a question.
   */
  #findOthers(again: number, asked: Question, at: Question, doubts: Doubts, job: Job): boolean {
    const isNew = distrust(job, at.name, at.type);
    if (again === 0) return true;
    if (doubts.way) return isNew;
    doubts.way = true;
    const { way } = this.parts;
    const isOther = way.doubt(at.name, at.type);
    return way.doubt(asked.name, asked.type) || isOther || isNew;
  }

  /**
   * What a denial of a name above, which nobody has checked yet, says of this one: what its records show is about that name
   * and counts for that one only, unless it is that there is no such name. Where it does not hold the name itself is asked
   * for.
   */
  async #below(
    name: Uint8Array,
    type: number,
    denial: Link & { denied: Uint8Array },
    job: Job,
    validation: ValidationOptions,
  ): Promise<Link> {
    const { denied } = denial;
    const budget = job.budget.validation!;
    budget.begin();
    if (statusIn(denial.security) === Security.unchecked) {
      const zones = new Attempt(this.zones);
      const verdict = await this.#verdict(denied, Type.A, denial, job, { validation, zones, fresh: false });
      if (job.traced) this.#trace(denied, Type.A, verdict, job);
      if (verdict.status === 'bogus') {
        this.parts.rrsets.forgetUnproven(denied, 0);
        if (budget.isSpent) budget.renew();
      } else if (verdict.unfetched !== true) {
        const judged = this.#judged(denied, Type.A, denial, verdict, job);
        if (judged.rcode === Rcode.NXDOMAIN) return judged;
      }
    }
    return this.checked(name, type, await this.parts.ask(name, type, job), job);
  }

  /**
   * A denial of a part of the name, checked, where it is secure and its zone has the say on the whole name: the records that
   * cover the part cover what is below it too (RFC 8020 section 2).
   */
  async proven(name: Uint8Array, denial: Link & { denied: Uint8Array }, job: Job): Promise<Link | undefined> {
    const { validation } = this.parts.setting.options;
    if (validation === undefined) return undefined;
    const { denied } = denial;
    job.budget.validation?.begin();
    if (validation.anchors.haveBetween(denied, name)) return undefined;
    const zones = new Attempt(this.zones);
    const verdict = await this.#verdict(denied, Type.A, denial, job, { validation, zones, fresh: false });
    if (job.traced) this.#trace(denied, Type.A, verdict, job);
    if (verdict.status !== 'secure' || verdict.rcode !== Rcode.NXDOMAIN) return undefined;
    return this.#judged(denied, Type.A, denial, verdict, job);
  }

  #verdict(
    name: Uint8Array,
    type: number,
    link: Link,
    job: Job,
    { validation, zones, fresh }: { validation: ValidationOptions; zones: ZoneKeys; fresh: boolean },
  ): Validation | Promise<Validation> {
    const { rcode, rrsets, authority } = link;
    const { anchors, policy, aggressive } = validation;
    const beside = aggressive ? link.beside : undefined;
    const now = this.parts.clock.wallSeconds();
    const fetchRecords: FetchRecords = (zone, wanted) => this.parts.fetch(zone, wanted, job, fresh);
    const { validation: budget, paid } = job.budget;
    const context = { now, budget: budget!, policy, anchors, zones, fetchRecords, paid };
    return validate(questionOf(name, type, link), { rcode, answer: rrsets, authority, beside }, context);
  }

  #refused(name: Uint8Array, type: number, tried: Tried): ResolutionError {
    const { link, verdict, zones, before, now, job, isSettled } = tried;
    // What a spent budget says is about the question: a name at the end of somebody's long chain fails for nobody else.
    let leftMs: number | undefined;
    if (!isSettled) this.parts.setting.stats.bogus++;
    else {
      for (const { name: at, known } of zones.conclude(before, now)) {
        if (known.status !== 'bogus') continue;
        const anchor = this.parts.setting.options.validation?.anchors.closest(at, now);
        this.parts.onBogusZone({
          zone: nameToText(at),
          reason: known.reason,
          extendedError: known.ede ?? ExtendedError.dnssecBogus,
          isAnchored: typeof anchor === 'object' && equalNames(anchor.zone, at),
        });
      }
      ({ leftMs } = this.#judged(name, type, link, verdict, job, zones.bogusSeconds));
    }
    return bogusError(name, type, verdict, leftMs);
  }

  async #askAnew(name: Uint8Array, type: number, job: Job): Promise<Link | undefined> {
    if (job.traced) job.trace({ kind: 'failure', text: 'asked for again, of other servers where there are any' });
    try {
      return await this.parts.ask(name, type, job.anew());
    } catch (error) {
      if (!(error instanceof ResolutionError)) throw error;
      return undefined;
    }
  }

  /** Keeps the verdict with what it is about. */
  #judged(name: Uint8Array, type: number, link: Link, verdict: Validation, job: Job, bogusSeconds = Infinity): Link {
    const { rrsets, synthesis, setting } = this.parts;
    setting.stats[verdict.status]++;
    const security = securityOf(Security[verdict.status], verdict.ede);
    const isBogus = verdict.status === 'bogus';
    if (isBogus) this.#reasons.set(reasonKey(name, type), verdict.reason);
    let { leftMs, authority } = link;
    if (isBogus) leftMs = Math.min(leftMs, Math.min(this.#bogusTtl, bogusSeconds) * 1000);
    if (verdict.status === 'secure') {
      leftMs = Math.min(leftMs, verdict.ttl * 1000);
      // What came beside the proof and does not prove itself is left out.
      authority = authority.filter(one => verdict.rrsets.get(one)?.status === 'secure');
    }
    rrsets.askedAt = job.budget.beganAt;
    if (link.noCache !== true && !isBogus && !rrsets.isOutdated(name)) {
      if (verdict.status === 'secure') synthesis.learnData(link, verdict, leftMs);
      synthesis.learnDenials(verdict, leftMs, one => link.authority.includes(one));
    }
    const seconds = Math.floor(leftMs / 1000);
    const { originalTtl } = setting.options;
    const shown = (one: Rrset): Rrset => (originalTtl || one.ttl <= seconds ? one : { ...one, ttl: seconds });
    const rcode = link.rrsets.length > 0 ? link.rcode : verdict.rcode;
    const shownAuthority = authority.map(shown);
    const judged: Link = {
      ...link,
      rcode,
      rrsets: link.rrsets.map(shown),
      authority: shownAuthority,
      leftMs,
      security,
      reason: verdict.status === 'secure' ? undefined : verdict.reason,
    };
    if (link.noCache === true || link.leftMs === Infinity || (isBogus && link.denied !== undefined)) return judged;
    // An alias in place of DS records is the zone's above, as a denial of them is.
    if (link.target !== undefined && !deniesName(setting.options, name, type)) return judged;
    if (type === Type.ANY && judged.rrsets.length > 0) this.#keepEach(link, verdict, judged.authority);
    else if (judged.rrsets.length > 0) {
      for (const one of judged.rrsets) {
        const isMade = one.type === Type.CNAME && judged.rrsets[0].type === Type.DNAME;
        // A DNAME may be good where what it makes of a name is not.
        const isOther = isBogus && one.type === Type.DNAME && verdict.rrsets.get(link.rrsets[0])?.status !== 'bogus';
        if (!isMade && !isOther) rrsets.put(one, link.rank, judged.authority, leftMs, security);
      }
    } else {
      const denial = { authority: judged.authority, ttl: leftMs / 1000 };
      if (isBogus && rcode === Rcode.NXDOMAIN) rrsets.putBogusNxdomain(name, type, denial, security);
      else if (rcode === Rcode.NXDOMAIN) {
        const denied = link.denied ?? name;
        if (deniesName(setting.options, denied, type)) rrsets.putNxdomain(denied, denial, security);
      } else if (rcode === Rcode.NOERROR) rrsets.putNoData(name, type, denial, security);
    }
    return judged;
  }

  get #bogusTtl(): number {
    return Math.min(this.parts.setting.options.validation?.bogusTtl ?? L.bogusTtl, L.bogusTtl);
  }

  /** Of ANY each has a verdict of its own: what is wrong with one says nothing of the others. */
  #keepEach({ rrsets, rank }: Link, verdict: Validation, authority: readonly Rrset[]): void {
    for (const one of rrsets) {
      const own = verdict.rrsets.get(one);
      if (own === undefined || (one.type === Type.CNAME && rrsets[0].type === Type.DNAME)) continue;
      if (own.status === 'bogus') {
        // Nobody was asked for it: who asks is to hear servers first.
        this.parts.rrsets.forgetUnproven(one.name, one.type);
        continue;
      }
      const ttl = Math.min(one.ttl, own.status === 'secure' ? own.ttl : Infinity);
      this.parts.rrsets.put({ ...one, ttl }, rank, authority, ttl * 1000, securityOf(Security[own.status], own.ede));
    }
  }

  #trace(name: Uint8Array, type: number, { status, reason }: Verdict, job: Job): void {
    const text = `${nameToText(name)} ${typeName(type)} is ${status}${reason === '' ? '' : `: ${reason}`}`;
    job.trace({ kind: 'validate', text });
  }
}

/** What was bogus in one try. */
interface Tried {
  link: Link;
  verdict: Validation;
  zones: Attempt;
  /** Of the try before it. */
  before: Attempt | undefined;
  now: number;
  job: Job;
  /** It is to be remembered: answers that do not depend on one another were judged so. */
  isSettled: boolean;
}

const reasonKey = (name: Uint8Array, type: number): string => `${type} ${nameKey(name)}`;

/** What of a link proves itself: an alias by itself, whatever it leads to. */
function questionOf(name: Uint8Array, type: number, link: Link): Question {
  if (link.denied !== undefined) return { name: link.denied, type: Type.A };
  if (link.target !== undefined) return { name, type: Type.CNAME, isParents: type === Type.DS };
  if (link.rcode === Rcode.YXDOMAIN && link.rrsets.length > 0) return { name: link.rrsets[0].name, type: Type.DNAME };
  return { name, type };
}

function bogusError(name: Uint8Array, type: number, { reason, ede }: Verdict, leftMs?: number): ResolutionError {
  const error = new ResolutionError(bogusText(name, type, reason), ede ?? ExtendedError.dnssecBogus);
  error.isBogus = true;
  error.bogusMs = leftMs;
  return error;
}

/** Nobody can tell: to be tried again soon, and not remembered as bogus. */
function unjudged(name: Uint8Array, type: number, { reason, ede }: Verdict): ResolutionError {
  const text = `${nameToText(name)} ${typeName(type)} cannot be validated: ${reason}`;
  return new ResolutionError(text, ede ?? ExtendedError.dnssecIndeterminate);
}

/**
 * Who has given the answer that did not prove itself is asked last from now on; where nobody did, or did before, all who were
 * heard. False: that is nobody new.
 */
function distrust({ budget }: Job, name: Uint8Array, type: number): boolean {
  const { heard, distrusted } = budget;
  const from = heard?.get(questionKey(name, type));
  const more = from === undefined || distrusted.has(from) ? (heard?.values() ?? []) : [from];
  budget.distrusted = new Set([...distrusted, ...more]);
  return budget.distrusted.size > distrusted.size;
}
