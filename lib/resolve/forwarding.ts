// A question put to upstreams: judges their responses, and lands its flight with what it comes to. An object and no
// function that waits, since one is made for every miss.
import { isOurs, ShardnsError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { NO_EXTENDED_ERROR } from '../native/binding.js';
import type { Exchanger } from '../upstream/exchange.js';
import { Race } from '../upstream/race.js';
import type { Upstream } from '../upstream/upstream.js';
import { ExtendedError, Rcode } from '../wire/iana.js';
import { responseRcode } from '../wire/opt.js';
import type { Query } from '../wire/query.js';
import type { Flyer } from './asker.js';
import type { DenialScope } from './denied-names.js';
import { failed, type Outcome } from './outcome.js';
import { ResolutionError } from './recurse/job.js';
import { responseExtendedError } from './upstream-query.js';

/** Answers: what a name is, that it is not, or that its substitution by DNAME has no room (RFC 6672 section 2.2). */
export const isAnswer = (rcode: number): boolean =>
  rcode === Rcode.NOERROR || rcode === Rcode.NXDOMAIN || rcode === Rcode.YXDOMAIN;

/** What an upstream says of a question it will not or cannot answer is for the client to know. */
const PASSED_ON = new Set<number>([Rcode.FORMERR, Rcode.NOTIMP, Rcode.REFUSED, Rcode.NOTAUTH]);

/** Told once. */
export interface Landing {
  landed(outcome: Outcome): void;
  /** By a mistake of ours or of a hook. */
  crashed(error: unknown): void;
}

/** What else of a response matters. */
export interface Found {
  /** The name that it is an alias for, and says nothing of. */
  bareAlias: Uint8Array | undefined;
}

/** Where questions are forwarded from. */
export interface Forwarder {
  readonly log: Logger;
  /**
   * Judges a response and stores it. Undefined: worthless, ask another server.
   * @throws {ResolutionError} for private addresses where they are refused
   */
  take(
    query: Query,
    response: Uint8Array,
    asker: Flyer,
    upstream: string,
    denials: DenialScope,
    found: Found,
  ): Uint8Array | undefined;
  /** What its bare alias leads to (bare-alias.ts). */
  follow(query: Query, asker: Flyer, bare: Extract<Outcome, { kind: 'message' }>, target: Uint8Array): Promise<Outcome>;
  /** Whether it is asked once more without its client's subnet, where a server refuses it. */
  mayDropSubnet(query: Query): boolean;
  withoutSubnet(query: Query, asker: Flyer): Promise<Outcome>;
}

export class Forwarding extends Race implements Found {
  bareAlias: Uint8Array | undefined;
  /** What clients are given of the response that was taken. */
  #kept: Uint8Array | undefined;
  #mistake: { error: unknown } | undefined;
  #blocked: string | undefined;

  /** @param believed what an NXDOMAIN may be believed of */
  constructor(
    exchanger: Exchanger,
    upstreamQuery: Uint8Array,
    upstreams: readonly Upstream[],
    private readonly forwarder: Forwarder,
    private readonly asked: Query,
    private readonly asker: Flyer,
    private readonly believed: DenialScope,
    private readonly landing: Landing,
  ) {
    super(exchanger, upstreamQuery, upstreams);
  }

  /** Refreshes and targets of aliases are bounded elsewhere, and nobody's share. */
  override get client(): string | undefined {
    const { fresh, client } = this.asker;
    return fresh === true ? undefined : client?.address;
  }

  protected accept(response: Uint8Array, { label }: Upstream): boolean {
    try {
      this.#kept = this.forwarder.take(this.asked, response, this.asker, label, this.believed, this);
      return this.#kept !== undefined;
    } catch (error) {
      if (error instanceof ResolutionError) this.#blocked = error.message;
      else this.#mistake = { error };
      return true; // no other server's response would fare better
    }
  }

  protected won(response: Uint8Array, upstream: Upstream): void {
    if (this.#mistake !== undefined) {
      this.landing.crashed(this.#mistake.error);
      return;
    }
    let outcome: Outcome | Promise<Outcome>;
    try {
      outcome = this.#outcomeOf(response, upstream);
    } catch (error) {
      this.landing.crashed(error);
      return;
    }
    if (!(outcome instanceof Promise)) {
      this.landing.landed(outcome);
      return;
    }
    outcome.then(
      found => this.landing.landed(found),
      (error: unknown) => this.landing.crashed(error),
    );
  }

  #outcomeOf(response: Uint8Array, upstream: Upstream): Outcome | Promise<Outcome> {
    const { asked, forwarder } = this;
    const message = this.#kept;
    if (this.#blocked !== undefined) {
      forwarder.log.debug({ reason: this.#blocked, name: asked.nameText }, 'an answer is refused');
      return failed(Rcode.REFUSED, ExtendedError.blocked);
    }
    if (message !== undefined) {
      this.asker.flight.answeredFrom = upstream.label;
      const extendedError = responseExtendedError(response) ?? NO_EXTENDED_ERROR;
      const outcome = { kind: 'message', message, extendedError } as const;
      if (this.bareAlias === undefined) return outcome;
      return forwarder.follow(asked, this.asker, outcome, this.bareAlias);
    }
    const rcode = responseRcode(response);
    forwarder.log.debug({ upstream: upstream.label, rcode, name: asked.nameText }, 'upstream failed');
    if (!isAnswer(rcode) && forwarder.mayDropSubnet(asked)) return forwarder.withoutSubnet(asked, this.asker);
    return failed(
      PASSED_ON.has(rcode) ? rcode : Rcode.SERVFAIL,
      responseExtendedError(response) ?? ExtendedError.other,
    );
  }

  lost(error: unknown): void {
    let outcome: Outcome;
    try {
      outcome = this.#failureOf(error);
    } catch (mistake) {
      this.landing.crashed(mistake);
      return;
    }
    this.landing.landed(outcome);
  }

  /** @throws what is no failure of upstreams */
  #failureOf(error: unknown): Outcome {
    if (!(error instanceof ShardnsError)) throw error;
    const { code, message } = error;
    this.forwarder.log.debug({ code, reason: message, name: this.asked.nameText }, 'no upstream answered');
    const extendedError =
      code === 'ERR_SHARDNS_TIMEOUT'
        ? ExtendedError.noReachableAuthority
        : code === 'ERR_SHARDNS_OVERLOAD'
          ? ExtendedError.other
          : ExtendedError.networkError;
    return failed(Rcode.SERVFAIL, extendedError, isOurs(error));
  }
}
