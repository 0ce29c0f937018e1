// One client's query under resolution: what it may still cost, how deep it is, and who wants to know of its steps.
import type { Clock } from '../../base/clock.js';
import { Canceller } from '../../base/cancel.js';
import { ShardnsError } from '../../base/errors.js';
import { ExtendedError } from '../../wire/iana.js';
import { Budget as ValidationBudget, type BudgetLimits } from '../../dnssec/budget.js';
import type { PaidChecks } from '../../dnssec/delegation.js';
import { nameKey } from '../../wire/name.js';
import type { Rrset } from '../../wire/rrset.js';
import type { TraceEvent } from './trace.js';

/** Why a name could not be resolved: a message for people, and a code for the client (RFC 8914). */
export class ResolutionError extends ShardnsError {
  constructor(
    message: string,
    readonly extendedError: number,
    /** What led to it, if a client is to see that: a circle of aliases. */
    readonly answers: readonly Rrset[] = [],
  ) {
    super('ERR_SHARDNS_UPSTREAM', message);
  }

  /** The operator's word: asking others would change nothing. */
  get isFinal(): boolean {
    return this.extendedError === ExtendedError.blocked;
  }
  /** What was found does not prove itself: nothing that has expired is shown in its place. */
  isBogus = false;
  /** Of what is bogus: milliseconds for which that is remembered; undefined: it is not. */
  bogusMs: number | undefined;
  /** It failed for want of room or by being closed: nothing that may be remembered of the name (RFC 9520 section 2). */
  ours = false;
}

export const questionKey = (name: Uint8Array, type: number): string => `${nameKey(name)} ${type}`;

const NOBODY: ReadonlySet<string> = new Set();

/** What all resolutions for one query of a client share. */
export interface Budget {
  queries: number;
  nameServers: number;
  /** Of those, the ones without any address. */
  addressless: number;
  /** Questions for parts of names. */
  minimised: number;
  readonly maxQueries: number;
  /** By the fence of the RRset cache: what was forgotten since is not kept, though this finds it. */
  readonly beganAt: number;
  readonly deadlineAt: number;
  /** Addresses of name servers that were looked for in vain, each as its key; at most `nameServersInAll` times two. */
  failed: Set<string> | undefined;
  /** Something of it failed for want of room: then its failure says nothing of the name. */
  ours: boolean;
  readonly cancel: Canceller;
  /** Whose share it counts to; undefined: nobody's. */
  readonly client: string | undefined;
  /** What validation may cost; undefined: nothing is validated. */
  readonly validation: ValidationBudget | undefined;
  /** What it was spent on, so that no link of a chain pays again for what another had checked. */
  readonly paid: PaidChecks | undefined;
  /** Addresses that answers came from last, each by its question (`questionKey`), where something is validated. */
  readonly heard: Map<string, string> | undefined;
  /** Those of them whose word has not proved itself: asked last. */
  distrusted: ReadonlySet<string>;
}

export interface JobOptions {
  maxQueries: number;
  beganAt: number;
  deadlineMs: number;
  /** Ask anew even where the answer is in the cache. */
  fresh?: boolean;
  /** Numeric address of the client whose query it is. */
  client?: string | undefined;
  /** What is found has to prove itself, at this cost at the most. */
  validation?: Partial<BudgetLimits>;
  trace?: (event: TraceEvent) => void;
}

export class Job {
  private constructor(
    readonly budget: Budget,
    private readonly clock: Clock,
    readonly depth: number,
    readonly fresh: boolean,
    private readonly sink: ((event: TraceEvent) => void) | undefined,
    /** Questions that wait for this one, each as its key: asking one of them again would never end. */
    private readonly parent: Job | undefined,
    private readonly key: string,
    /** What is found has to prove itself. */
    readonly validates: boolean,
  ) {}

  static begin(clock: Clock, options: JobOptions): Job {
    const budget: Budget = {
      queries: 0,
      nameServers: 0,
      addressless: 0,
      minimised: 0,
      maxQueries: options.maxQueries,
      beganAt: options.beganAt,
      deadlineAt: clock.nowMs() + options.deadlineMs,
      failed: undefined,
      ours: false,
      cancel: new Canceller(),
      client: options.client,
      validation: options.validation && new ValidationBudget(options.validation),
      paid: options.validation && new Map(),
      heard: options.validation && new Map(),
      distrusted: NOBODY,
    };
    const validates = options.validation !== undefined;
    return new Job(budget, clock, 0, options.fresh ?? false, options.trace, undefined, '', validates);
  }

  /**
   * A resolution that this one waits for, of what has not to prove itself: addresses of servers, and what the proof of
   * others is made of. Undefined when it would wait for itself, or lies too deep.
   */
  below(key: string, maxDepth: number, fresh = false): Job | undefined {
    if (this.depth + 1 > maxDepth) return undefined;
    if (this.waitsFor(key)) return undefined;
    return new Job(this.budget, this.clock, this.depth + 1, fresh, this.sink, this, key, false);
  }
  /** The same question put to servers anew, whatever is cached. */
  anew(): Job {
    return new Job(this.budget, this.clock, this.depth, true, this.sink, this.parent, this.key, this.validates);
  }

  waitsFor(key: string): boolean {
    return this.key === key || (this.parent?.waitsFor(key) ?? false);
  }

  /**
   * Milliseconds left.
   * @param reason what went wrong in the time that is over
   * @throws {ResolutionError} when there are none, or no query is left
   */
  left(reason?: string): number {
    const left = this.budget.deadlineAt - this.clock.nowMs();
    if (left <= 0) {
      const text = `the time for this query is over${reason === undefined ? '' : `: ${reason}`}`;
      throw new ResolutionError(text, ExtendedError.noReachableAuthority);
    }
    if (this.budget.queries >= this.budget.maxQueries) {
      throw new ResolutionError(
        `${this.budget.maxQueries} queries to servers have not led to an answer`,
        ExtendedError.noReachableAuthority,
      );
    }
    return left;
  }

  trace(event: Omit<TraceEvent, 'depth' | 'atMs'>): void {
    this.sink?.({ ...event, depth: this.depth, atMs: this.clock.nowMs() });
  }
  get traced(): boolean {
    return this.sink !== undefined;
  }
}
