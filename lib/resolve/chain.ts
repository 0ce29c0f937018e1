// The steps of one question, in their order: an alias of a list, what a server says of itself, zones, ANY, local data, the
// hook, built-in zones, what a fleet shares, then recursion or upstreams; of these what is found is translated for clients
// with IPv6 alone
// (DNS64). Each is a file of `steps/`, and gives undefined where the next one is to be asked. What a
// question comes to is kept by Keep; flights and stale answers stand around the chain.
import { AnsweredBy } from '../native/binding.js';
import type { Query } from '../wire/query.js';
import type { Flyer } from './asker.js';
import type { Flight } from './flights.js';
import type { Landing } from './forwarding.js';
import type { Outcome } from './outcome.js';
import { answerAny } from './steps/any.js';
import { answerOfServer } from './steps/chaos.js';
import { translate } from './steps/dns64.js';
import { ForwardStep } from './steps/forward.js';
import { HookStep } from './steps/hook.js';
import { answerFromListAlias } from './steps/list-alias.js';
import { answerFromBuiltInZone, answerFromLocalData } from './steps/local.js';
import { recurse } from './steps/recurse.js';
import { askFleet } from './steps/shared.js';
import type { StepParts } from './steps/step.js';
import { answerFromZone } from './steps/zone.js';

export class Chain {
  readonly hook: HookStep;
  readonly #forward: ForwardStep;

  constructor(private readonly parts: StepParts) {
    this.hook = new HookStep(parts);
    this.#forward = new ForwardStep(parts, this.hook);
  }

  /**
   * Throws or rejects for mistakes of ours or of a hook only. What needs no promise makes none.
   * @returns undefined where the flight is landed later, or was already
   */
  run(query: Query, asker: Flight): Outcome | Promise<Outcome> | undefined {
    const { parts } = this;
    return (
      noted(asker, AnsweredBy.blocked, answerFromListAlias(query, asker, parts)) ??
      answerOfServer(query, parts.context.options.identity) ??
      noted(asker, AnsweredBy.zone, answerFromZone(query, asker, parts)) ??
      answerAny(query, asker, parts) ??
      answerFromLocalData(query, asker, parts) ??
      (parts.hooks.onQuery === undefined
        ? this.#afterHook(query, asker, undefined, asker)
        : this.#askHook(query, asker))
    );
  }

  async #askHook(query: Query, asker: Flyer): Promise<Outcome> {
    const { hook } = this;
    const decision = asker.decided ? asker.decided.decision : await hook.ask(query, asker);
    const tenant = hook.tenantOf(decision, asker);
    if (tenant !== asker.tenant) return { kind: 'moved', tenant, decided: { decision } };
    if (decision?.answer !== undefined || decision?.refuse !== undefined || decision?.rewrite !== undefined) {
      asker.flight.answeredBy = AnsweredBy.hook;
      return hook.answer(query, asker, decision);
    }
    return landed(landing => this.#afterHook(query, asker, decision?.group, landing));
  }

  /**
   * What neither local data nor the hook has decided.
   * @param group of upstreams that the hook named
   * @returns undefined where `landing` is told
   */
  #afterHook(
    query: Query,
    asker: Flyer,
    group: string | undefined,
    landing: Landing,
  ): Outcome | Promise<Outcome> | undefined {
    if (this.parts.context.options.dns64 === undefined) return this.#find(query, asker, group, landing);
    const find = (one: Flyer): Promise<Outcome> => landed(to => this.#find(query, one, group, to));
    return translate(query, asker, this.parts, find) ?? this.#find(query, asker, group, landing);
  }

  #find(
    query: Query,
    asker: Flyer,
    group: string | undefined,
    landing: Landing,
  ): Outcome | Promise<Outcome> | undefined {
    const { parts, hook } = this;
    const next = (to: Landing): Outcome | Promise<Outcome> | undefined =>
      (group === undefined ? noted(asker, AnsweredBy.recursion, recurse(query, asker, parts, hook)) : undefined) ??
      this.#forward.run(query, asker, group, to);
    const builtIn = answerFromBuiltInZone(query, asker, parts);
    if (builtIn !== undefined || parts.context.level === undefined) return builtIn ?? next(landing);
    return askFleet(query, asker, group, { landing, next, parts });
  }
}

/** Whose it is, where the step has something to say. */
function noted<T extends Outcome | Promise<Outcome>>(asker: Flyer, by: number, outcome: T | undefined): T | undefined {
  if (outcome !== undefined) asker.flight.answeredBy = by;
  return outcome;
}

/** What a step comes to that lands later, or has an outcome at once. */
function landed(run: (landing: Landing) => Outcome | Promise<Outcome> | undefined): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const outcome = run({ landed: resolve, crashed: reject });
    if (outcome !== undefined) resolve(outcome);
  });
}
