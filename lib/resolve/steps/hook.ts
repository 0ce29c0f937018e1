// Step: what the embedder's hooks say of a question and of a response. Whatever they throw is the end of that question,
// or keeps that response out of the cache.
//
// Bound: a decision is waited for `upstream.deadlineMs`.
import { ShardnsError } from '../../base/errors.js';
import { checkTenant } from '../../clients/tenants.js';
import { NO_EXTENDED_ERROR } from '../../native/binding.js';
import { ExtendedError, Rcode } from '../../wire/iana.js';
import { buildResponseOrFailure } from '../../wire/message.js';
import { encodeName } from '../../wire/name.js';
import { responseRcode } from '../../wire/opt.js';
import type { Query } from '../../wire/query.js';
import { encodeRecord } from '../../wire/record.js';
import { type Flyer, infoOf, type KnownAsker } from '../asker.js';
import { answerOfHook } from '../hook-answer.js';
import { checkDecision, type QueryDecision } from '../hooks.js';
import type { Outcome } from '../outcome.js';
import { followAlias } from './alias.js';
import type { StepParts } from './step.js';

export class HookStep {
  constructor(private readonly parts: StepParts) {}

  /**
   * What `onQuery` says, within the deadline of a question to upstreams: one that never decided would keep its flight, and
   * its client's share, for ever.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION when that makes no sense, ERR_SHARDNS_TIMEOUT; whatever the hook throws
   */
  async ask(query: Query, asker: KnownAsker | Omit<KnownAsker, 'tenant'>): Promise<QueryDecision | undefined> {
    const said: unknown = this.parts.hooks.onQuery?.(infoOf(query, asker));
    const decision = checkDecision(isPromised(said) ? await this.#inTime(said) : said);
    checkTenant(decision?.tenant, this.parts.context.sortsByHook);
    return decision;
  }

  #inTime(said: PromiseLike<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { deadlineMs } = this.parts.exchanger.options;
      const timer = this.parts.exchanger.atDeadline(() =>
        reject(new ShardnsError('ERR_SHARDNS_TIMEOUT', `onQuery did not decide within ${deadlineMs} ms`)),
      );
      Promise.resolve(said)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  /** For whom the hook has decided: an answer is kept for nobody else. */
  tenantOf(decision: QueryDecision | undefined, { tenant, client }: Flyer): number {
    if (decision?.tenant !== undefined) return decision.tenant;
    // Without a client the hook could not know whose entry it is.
    return this.parts.context.sortsByHook && client === undefined ? 0 : tenant;
  }

  /** What it decided, where that is an answer, a refusal or another name. */
  async answer(query: Query, asker: Flyer, decision: QueryDecision): Promise<Outcome> {
    if (decision.refuse !== undefined) {
      return { kind: 'error', rcode: Rcode[decision.refuse], extendedError: ExtendedError.prohibited };
    }
    if (decision.answer !== undefined) {
      const message = buildResponseOrFailure(query, {
        rcode: Rcode[decision.rcode ?? 'NOERROR'],
        ...answerOfHook(query, decision.answer.map(encodeRecord)),
      });
      if (decision.cache !== false) return this.parts.keep.own(query, asker, message);
      this.parts.keep.end(query, asker);
      return { kind: 'message', message, extendedError: NO_EXTENDED_ERROR };
    }
    return followAlias(query, asker, encodeName(decision.rewrite!), this.parts);
  }

  /** Whether `onResponse` keeps a response out of the cache; also where it fails. */
  drops(query: Query, asker: Flyer, message: Uint8Array, upstream: string): boolean {
    if (this.parts.hooks.onResponse === undefined) return false;
    const told = 'onResponse failed; its response is passed on and not stored';
    try {
      const said: unknown = this.parts.hooks.onResponse({
        ...infoOf(query, asker),
        rcode: responseRcode(message),
        message,
        upstream,
      });
      if (typeof said !== 'object' || said === null) return said === 'drop';
      // It cannot be waited for: what it promises comes too late. That it fails must reach nobody else.
      void Promise.resolve(said).catch((error: unknown) => this.parts.mistakes.note(error, told, query.nameText));
      throw new ShardnsError('ERR_SHARDNS_OPTION', 'onResponse returned an object: expected "drop" or nothing at once');
    } catch (error) {
      this.parts.mistakes.note(error, told, query.nameText);
      return true;
    }
  }
}

const isPromised = (said: unknown): said is PromiseLike<unknown> =>
  typeof (said as { then?: unknown } | null | undefined)?.then === 'function';
