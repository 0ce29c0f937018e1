// The only place of the slow path that stores: answers of servers and of our own, failures, and what one stored answer
// says of other questions: those without DO (RFC 3225), and those of names known not to exist (DeniedNames).
//
// Bounds: the cache's memory; those of FailureHistory and of DeniedNames.
import type { Clock } from '../base/clock.js';
import type { Engine, Peeked, Variant } from '../cache/engine.js';
import type { Forgotten } from '../cache/forgotten.js';
import { parseSignature, serialDifference } from '../dnssec/signature.js';
import { MARK_AUTHORITATIVE, MARK_ZONE, NO_EXTENDED_ERROR, Status } from '../native/binding.js';
import { flagsOf, headerRcode, isOfZone, setFlags } from '../wire/flags.js';
import { Class, ExtendedError, Flag, Rcode, Type } from '../wire/iana.js';
import { decodeMessage } from '../wire/message.js';
import type { Query } from '../wire/query.js';
import { isPlainType, scrubResponse, withoutDnssec } from '../wire/scrub.js';
import { type Flyer, isKept, variantOf } from './asker.js';
import { anyOf, asDenialOf, DeniedNames, type DenialScope } from './denied-names.js';
import { flightKey, keysWithoutDo } from './flight-key.js';
import { FailureHistory } from './failure-history.js';
import { Forgetting } from './forgetting.js';
import type { Failed, Resolution } from './outcome.js';
import { RECURSION_LIMITS } from './recurse/limits.js';

export interface KeepOptions {
  denials: DenialScope;
  forwardClientSubnet: boolean;
  staleEnabled: boolean;
  staleRetrySeconds: number;
  failureFirstSeconds: number;
  failureMaxSeconds: number;
}

/** From here on a life is told by TTLs alone, of which none counts for more (RFC 8767 section 4): seven days. */
const LONGEST_MS = 7 * 86_400_000;

const PLAIN: Variant = {};
const PLAIN_QUESTION = { adUnknown: true };

export class Keep {
  readonly failures: FailureHistory;
  readonly forgetting: Forgetting;
  readonly #denials: DeniedNames;

  constructor(
    private readonly engine: Engine,
    private readonly clock: Clock,
    outdate: (what: Forgotten) => void = () => {},
  ) {
    this.forgetting = new Forgetting(engine, outdate);
    this.failures = new FailureHistory(clock);
    this.#denials = new DeniedNames(engine);
  }

  /** Whether `knows` may say yes of any question. */
  get knowsAny(): boolean {
    return this.failures.size > 0 || this.#denials.size > 0;
  }

  /** Whether anything is remembered here that has a say in what the question is told, or that its answer may change. */
  knows(query: Query, tenant: number, { denials, forwardClientSubnet }: KeepOptions): boolean {
    if (this.#failsIn(query, tenant, forwardClientSubnet)) return true;
    if (this.#denials.size === 0) return false;
    return this.#denials.concerns(query, variantOf(query, tenant), denials === 'subtree' ? 'subtree' : 'name');
  }

  /** Whether the question has failed not long ago; with DO also without, since an answer to it ends that failure too. */
  #failsIn(query: Query, tenant: number, forwardClientSubnet: boolean): boolean {
    const { failures } = this;
    if (failures.size === 0) return false;
    if (failures.has(flightKey(query, tenant, forwardClientSubnet))) return true;
    return query.dnssecOk && this.#failsWithoutDo(query, tenant, forwardClientSubnet);
  }
  #failsWithoutDo(query: Query, tenant: number, forwardClientSubnet: boolean): boolean {
    const { failures } = this;
    return failures.size > 0 && keysWithoutDo(query, tenant, forwardClientSubnet).some(key => failures.has(key));
  }

  /** Whether what it finds may hold no more, and is for those alone who wait for it. */
  #isOutdated({ flight }: Flyer): boolean {
    if (!flight.outdated) this.forgetting.notice();
    return flight.outdated;
  }

  /** Stores an answer of our own making, for no longer than `livesMs`, and passes it on. */
  own(query: Query, asker: Flyer, message: Uint8Array, livesMs = Infinity): Resolution {
    if (!this.#isOutdated(asker)) {
      const variant = variantOf(query, asker.tenant);
      const wall = this.clock.wallSeconds();
      const stored =
        livesMs <= LONGEST_MS
          ? this.engine.insertDerived(message, variant, wall, { remainingSeconds: livesMs / 1000, ageSeconds: 0 })
          : this.engine.insertOwn(message, variant, wall);
      // What may not be kept still puts an end to what was there before (RFC 8767 section 4).
      if (stored <= 0) this.end(query, asker);
    }
    return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR | MARK_AUTHORITATIVE };
  }

  /** The same for an answer of a zone of our own, which stays until the zone changes. @param keeps whether it may */
  ofZone(query: Query, asker: Flyer, message: Uint8Array, keeps: boolean): Resolution {
    if (keeps && !this.#isOutdated(asker)) {
      this.engine.insertOfZone(message, variantOf(query, asker.tenant), this.clock.wallSeconds());
    }
    return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR | MARK_AUTHORITATIVE | MARK_ZONE };
  }

  /**
   * Stores an upstream's answer.
   * @param message NOERROR or NXDOMAIN
   * @param options.denials what its NXDOMAIN may be believed of
   * @param options.drop whether it is passed on only
   * @returns what clients are given of it; undefined when it is worthless
   */
  response(
    query: Query,
    asker: Flyer,
    message: Uint8Array,
    { scope, denials, drop }: { scope: Uint8Array | undefined; denials: DenialScope; drop: boolean },
  ): Uint8Array | undefined {
    if (query.dnsClass !== Class.IN) return message;
    if (drop) this.end(query, asker);
    if (drop || !query.recursionDesired || this.#isOutdated(asker)) return cleaned(message);
    const variant = variantOf(query, asker.tenant);
    const wall = this.clock.wallSeconds();
    const asked = { scope, adUnknown: !query.authenticData && !query.dnssecOk };
    let kept = message;
    let stored = this.engine.insert(kept, variant, wall, asked);
    if (stored === Status.foreignRecords || stored === Status.toRewrite) {
      const scrubbed = rewritten(message);
      if (scrubbed === undefined) return undefined;
      kept = scrubbed;
      stored = this.engine.insert(kept, variant, wall, asked);
    }
    if (stored === Status.malformed || stored === Status.notAResponse) return undefined;
    if (stored <= 0) {
      if (scope === undefined) this.end(query, asker);
      return stored === Status.uncacheable ? cleaned(kept) : kept;
    }
    if (scope !== undefined) return kept;
    if (headerRcode(kept) === Rcode.NXDOMAIN) this.#deny(query, variant, kept, denials);
    else this.#denials.exists(query.name, variant);
    if (query.dnssecOk) this.#relieve(query, asker.tenant);
    return kept;
  }

  /**
   * Stores a response to a plain question, of tenant 0 and with neither DO, AD nor CD, that the cache has nothing of.
   * @returns false where it cannot be kept just as it is
   */
  plain(response: Uint8Array): boolean {
    if (this.forgetting.isBehind) return false;
    return this.engine.insert(response, PLAIN, this.clock.wallSeconds(), PLAIN_QUESTION) > 0;
  }

  /** What was kept of a question is over, though what came in its place may not be kept (RFC 8767 section 4). */
  end(query: Query, asker: Flyer): void {
    if (!isKept(query) || this.#isOutdated(asker)) return;
    for (const dnssecOk of [false, true]) {
      this.engine.remove(query.name, query.type, { ...variantOf(query, asker.tenant), dnssecOk });
    }
  }

  /**
   * Whether another answer that is kept, and fresh, says the same; then it is kept for this question too.
   *
   * With `allowStale` also whether an expired answer to another form of the question may be served in its place; then it
   * is kept for this one too, as expired as it is. Signatures are left out where they were not asked for; where they were,
   * an answer without them is better than a failure. What was not validated is shown only to those who do not want it to
   * be (CD).
   */
  derive(
    query: Query,
    tenant: number,
    forwardClientSubnet: boolean,
    allowStale: boolean,
  ): 'fresh' | 'stale' | undefined {
    if (!isKept(query) || !isPlainType(query.type)) return undefined;
    const { dnssecOk, checkingDisabled } = query;
    const mayBeFresh = !dnssecOk && !(forwardClientSubnet && query.clientSubnet !== undefined);
    if (!mayBeFresh && !allowStale) return undefined;
    // Looked up once for both: most questions have no other form.
    const other = this.#peek(query, tenant, !dnssecOk, checkingDisabled);
    // A zone has each form of its own.
    if (other !== undefined && isOfZone(other.message)) return undefined;
    if (mayBeFresh && other !== undefined && other.remainingSeconds > 0) {
      if (this.#store(query, tenant, () => withoutDnssec(other.message), other)) return 'fresh';
    }
    if (!allowStale) return undefined;
    let best = other;
    for (const withDo of checkingDisabled ? [dnssecOk, !dnssecOk] : []) {
      const found = this.#peek(query, tenant, withDo, false);
      if (found !== undefined && (best === undefined || found.remainingSeconds > best.remainingSeconds)) best = found;
    }
    if (best === undefined) return undefined;
    const { message } = best;
    const from = { ...best, remainingSeconds: Math.min(best.remainingSeconds, -1 / 16) };
    const stored = this.#store(query, tenant, () => (dnssecOk ? message : withoutDnssec(message)), from);
    return stored ? 'stale' : undefined;
  }

  #peek({ name, type }: Query, tenant: number, dnssecOk: boolean, checkingDisabled: boolean): Peeked | undefined {
    return this.engine.peek(name, type, { dnssecOk, checkingDisabled, tenant });
  }

  /** Whether an answer to the question is kept that has not expired. */
  isFresh(query: Query, tenant: number): boolean {
    if (!isKept(query)) return false;
    const kept = this.engine.peek(query.name, query.type, variantOf(query, tenant));
    return kept !== undefined && kept.remainingSeconds > 0 && headerRcode(kept.message) !== Rcode.SERVFAIL;
  }

  /**
   * Whether what is kept may stand in for what does not prove itself. Whoever validates keeps for those without CD only
   * what was found secure, or to need no signatures. What was secure is told with its signatures until the first of them
   * ends, as nobody can believe it then; without them it is not told as secure any more (AD).
   */
  standsIn(query: Query, tenant: number): boolean {
    if (!isKept(query)) return false;
    const kept = this.engine.peek(query.name, query.type, variantOf(query, tenant));
    if (kept === undefined) return false;
    const flags = flagsOf(kept.message);
    if (kept.remainingSeconds > 0 || (flags & Flag.AD) === 0) return true;
    if (query.dnssecOk) return !hasExpiredSignature(kept.message, this.clock.wallSeconds());
    const message = Uint8Array.from(kept.message);
    setFlags(message, flags & ~Flag.AD);
    const expired = { ...kept, remainingSeconds: Math.min(kept.remainingSeconds, -1 / 16) };
    return this.#store(query, tenant, () => message, expired);
  }

  /** Whether the name is known not to exist, or one that it lies below; then that is kept for this question. */
  deriveDenial(query: Query, tenant: number, denials: DenialScope): boolean {
    if (denials === 'type' || !isKept(query) || this.#denials.size === 0) return false;
    const denial = this.#denials.find(query, variantOf(query, tenant), denials);
    return denial !== undefined && this.#store(query, tenant, () => asDenialOf(query, denial.message), denial);
  }

  /** Whether a fresh answer of another type says whether the name exists: then ANY is answered by that, and kept. */
  deriveAny(query: Query, tenant: number, type: number): boolean {
    if (!isKept(query)) return false;
    const known = this.engine.peek(query.name, type, variantOf(query, tenant));
    if (known === undefined || known.remainingSeconds <= 0) return false;
    return this.#store(query, tenant, () => anyOf(query, known.message), known);
  }

  /**
   * Remembers that nobody could answer (RFC 9520).
   * @param how.hasStale whether there is something to give in the meantime
   * @param how.inCache whether the cache is to know it too, beside the answer that it may have, and tell it natively
   */
  failure(
    query: Query,
    asker: Flyer,
    failed: Failed,
    { hasStale, inCache, options }: { hasStale: boolean; inCache: boolean; options: KeepOptions },
  ): void {
    if (failed.ours || this.#isOutdated(asker)) return;
    const remembered = inCache && isKept(query);
    // Why an answer is bogus is worth more to those who ask again than that it was so before (RFC 8914 section 4.14).
    const extendedError = failed.isBogus === true ? failed.extendedError : ExtendedError.cachedError;
    const text = failed.isBogus === true ? failed.text : undefined;
    const seconds = this.failures.note(asker.flight.key, {
      first: options.failureFirstSeconds,
      most: Math.min(options.failureMaxSeconds, longestOf(failed)),
      // With a stale answer at hand RFC 8767's 30 s.
      stale: hasStale ? options.staleRetrySeconds : undefined,
      inCache: remembered,
      recursive: asker.flight.recursive,
      extendedError,
      text,
    });
    if (!remembered) return;
    const { rcode } = failed;
    this.engine.insertFailure(query.name, query.type, variantOf(query, asker.tenant), {
      seconds,
      rcode,
      extendedError,
      text,
    });
  }

  /**
   * What else an answer says that the cache has been given natively (see `response`).
   * @param denial the response, where it denies the name
   */
  keptNatively(query: Query, tenant: number, denial: Uint8Array | undefined): void {
    const variant = variantOf(query, tenant);
    if (denial !== undefined) this.#denials.denied(query, variant, denial);
    else this.#denials.exists(query.name, variant);
    if (this.failures.size === 0) return;
    // It may have failed in JavaScript meanwhile.
    this.failures.forget(flightKey(query, tenant, false));
    if (query.dnssecOk) this.#relieve(query, tenant);
  }

  /** An NXDOMAIN is about the name, whatever type was asked for. */
  #deny(query: Query, variant: Variant, message: Uint8Array, denials: DenialScope): void {
    // What is expired and says otherwise is over for those with and without DO.
    this.engine.remove(query.name, query.type, { ...variant, dnssecOk: !query.dnssecOk });
    if (denials !== 'type') this.#denials.denied(query, variant, message);
  }

  /** An answer with DO ends the failure that those without it are told. */
  #relieve(query: Query, tenant: number): void {
    if (!isPlainType(query.type) || !this.#failsWithoutDo(query, tenant, false)) return;
    const variant = { ...variantOf(query, tenant), dnssecOk: true };
    const signed = this.engine.peek(query.name, query.type, variant);
    if (signed === undefined || signed.remainingSeconds <= 0) return;
    try {
      const plain = withoutDnssec(signed.message);
      if (plain === undefined) return;
      this.engine.insertDerived(plain, { ...variant, dnssecOk: false }, this.clock.wallSeconds(), signed);
    } catch {
      // Those who ask without DO will ask again.
    }
  }

  #store(query: Query, tenant: number, make: () => Uint8Array | undefined, from: Peeked): boolean {
    try {
      const made = make();
      if (made === undefined) return false;
      return this.engine.insertDerived(made, variantOf(query, tenant), this.clock.wallSeconds(), from) > 0;
    } catch {
      return false; // the memory may be another process's
    }
  }
}

/**
 * Seconds for which a failure may be remembered at the most, however often it has come. What is bogus is asked about again
 * when that is forgotten which it rests on, and after RECURSION_LIMITS.bogusTtl in any case: a zone that was mended is not to
 * wait for the back-off of servers that do not answer. RFC 9520 section 3.2 wants a second at the least.
 */
function longestOf({ isBogus, bogusMs = Infinity }: Failed): number {
  if (isBogus !== true) return Infinity;
  return Math.max(Math.min(RECURSION_LIMITS.bogusTtl, Math.floor(bogusMs / 1000)), 1);
}

function hasExpiredSignature(message: Uint8Array, wallSeconds: number): boolean {
  try {
    const { answers, authorities } = decodeMessage(message);
    return [...answers, ...authorities].some(({ type, data }) => {
      const signature = type === Type.RRSIG ? parseSignature(data) : undefined;
      return signature !== undefined && serialDifference(signature.expiration, Math.floor(wallSeconds)) < 0;
    });
  } catch {
    return true; // the memory may be another process's
  }
}

/** What of it belongs to the question; undefined when nothing of its answer does. */
function cleaned(message: Uint8Array): Uint8Array | undefined {
  // A referral, or a denial: all of it is for those who asked.
  return message[6] === 0 && message[7] === 0 ? message : rewritten(message);
}

/** The same of a denial too: what is to be kept has each record once, and its names as all can read them. */
function rewritten(message: Uint8Array): Uint8Array | undefined {
  try {
    return scrubResponse(message);
  } catch {
    return undefined;
  }
}
