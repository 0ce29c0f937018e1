// What a client with `secure` knows of its answers: whether they are proven, by what was validated here or by servers that
// are trusted, and why not. What validates is loaded with the first question.
//
// Bounds: MAX_REASONS texts; and those of Validating.
import { BoundedMap } from '../base/bounded-map.js';
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { PlainQuestions } from '../resolve/plain-questions.js';
import { flagsOf, setFlags } from '../wire/flags.js';
import { Flag, HEADER_SIZE } from '../wire/iana.js';
import { questionEnd } from '../wire/message.js';
import { Query } from '../wire/query.js';
import { type FailureCode, QueryFailure } from './errors.js';
import { type Asking, UDP_SIZE } from './name-servers.js';
import type { LookupSettings } from './options.js';
import { type Unproven, unprovenBy } from './proof.js';
import { type ReadReply, readReply } from './reply-failures.js';
import type { Validating } from './validating.js';

/** Questions of which is known in words why their answers are not secure. */
const MAX_REASONS = 1024;

export interface ProvingParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: LookupSettings;
  readonly maxInFlight: number;
  /** Of the moment, as is the next. */
  readonly asking: () => Asking;
  readonly deadlineMs: () => number;
  /** Whether the servers of now are those that the program meant when it called them trusted. */
  readonly trusted: () => boolean;
  /** What validates is there from now on. */
  readonly loaded: (validating: Validating) => void;
}

export class Proving {
  /** Answers are proven here, and not by the word of servers. */
  readonly #validates: boolean;
  readonly #reasons = new BoundedMap<string, Unproven>(MAX_REASONS);
  #loading: Promise<Validating> | undefined;
  #validating: Validating | undefined;
  #closed = false;

  constructor(private readonly parts: ProvingParts) {
    this.#validates = !parts.settings.trustAd;
  }

  /**
   * What validates, loaded with the first question; undefined where the word of servers counts.
   * @throws rejected: {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MEMORY, tried again with the next question
   */
  validator(): Promise<Validating> | undefined {
    if (!this.#validates) return undefined;
    return (this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    }));
  }
  async #load(): Promise<Validating> {
    const { Validating: Made } = await import('./validating.js');
    if (this.#closed) throw new QueryFailure('ECANCELLED');
    const { clock, random, settings, maxInFlight, asking, deadlineMs, loaded } = this.parts;
    const validating = new Made({
      clock,
      random,
      settings,
      udpSize: UDP_SIZE,
      maxInFlight,
      upstreams: () => asking().upstreams,
      exchanger: () => asking().exchanger,
      told: (query, why) => {
        const key = keyOf(query);
        if (why === undefined) this.#reasons.delete(key);
        else this.#reasons.set(key, why);
      },
    });
    validating.deadlineMs = deadlineMs();
    this.#validating = validating;
    loaded(validating);
    return validating;
  }

  /** To be called while the reply is read. @returns why it is not secure; undefined where it is */
  unprovenIn(reply: Uint8Array): Unproven | undefined {
    const believed = this.#validates || this.parts.trusted();
    if ((flagsOf(reply) & Flag.AD) !== 0 && believed) return undefined;
    if (this.#isOwnWord(reply)) return undefined;
    if (this.#validates) return this.#reasons.get(keyOfReply(reply)) ?? { reason: 'not signed, or below what is not' };
    return { reason: believed ? 'its server does not say that it is (AD)' : 'resolv.conf does not say `trust-ad`' };
  }
  /** localhost, .invalid and .onion are answered here. */
  #isOwnWord(reply: Uint8Array): boolean {
    const { local } = this.parts.asking().resolver.options;
    if (!local.mayHaveSay(reply, HEADER_SIZE)) return false;
    const question = reply.slice(0, questionEnd(reply));
    question.fill(0, 6, HEADER_SIZE);
    setFlags(question, Flag.RD);
    return local.findBuiltIn(new Query(question), 0) !== undefined;
  }

  /** @throws {QueryFailure} which says what is known of it, where it is no answer */
  read<T>(reply: Uint8Array, length: number, read: ReadReply<T>): T {
    try {
      return readReply(reply, length, read);
    } catch (error) {
      if (!(error instanceof QueryFailure) || error.unproven !== undefined) throw error;
      throw new QueryFailure(error.code, this.#reasons.get(keyOfReply(reply)));
    }
  }
  failure(query: Query, code: FailureCode, extendedError: number): QueryFailure {
    return new QueryFailure(code, this.#reasons.get(keyOf(query)) ?? unprovenBy(extendedError));
  }

  deadlineChanged(): void {
    if (this.#validating !== undefined) this.#validating.deadlineMs = this.parts.deadlineMs();
  }
  clear(): void {
    this.#reasons.clear();
    this.#validating?.clear();
  }
  close(): void {
    this.#closed = true;
    // Whoever still waits is told before its memory goes.
    setImmediate(() => this.#validating?.close());
  }
}

const keyOf = ({ message, questionEnd: end }: Query): string => PlainQuestions.keyOf(message, end);
const keyOfReply = (reply: Uint8Array): string => PlainQuestions.keyOf(reply, questionEnd(reply));
