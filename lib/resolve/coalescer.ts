// One flight for all who ask the same (RFC 5452 section 5), from its begin to what those who wait are told: an answer, a
// stale one after a failure (RFC 8767), or the failure, which is remembered (RFC 9520). Whatever breaks a question is the
// end of that question: it is counted, told, and answered SERVFAIL.
//
// Bounds: `flights` (FlightLimits) under way, of all clients and of one.
import type { Clock } from '../base/clock.js';
import { AnsweredBy } from '../native/binding.js';
import { headerRcode } from '../wire/flags.js';
import { Rcode } from '../wire/iana.js';
import type { Query } from '../wire/query.js';
import { type Flyer, isKept, type KnownAsker } from './asker.js';
import type { Chain } from './chain.js';
import type { ResolverContext } from './context.js';
import { flightKey, refreshKey } from './flight-key.js';
import { Flight, type FlightOwner, Flights } from './flights.js';
import type { Hooks } from './hooks.js';
import type { Keep } from './keep.js';
import type { Mistakes } from './mistakes.js';
import { type Failed, type Moved, type Outcome, type Resolution, SERVFAIL } from './outcome.js';
import type { Refreshes } from './refreshes.js';
import type { StaleAnswers } from './stale-answers.js';
import type { ZoneRates } from './zone-rates.js';

export interface CoalescerParts {
  readonly context: ResolverContext;
  readonly hooks: Hooks;
  readonly keep: Keep;
  readonly chain: Chain;
  readonly stale: StaleAnswers;
  readonly refreshes: Refreshes;
  readonly mistakes: Mistakes;
  readonly zoneRates: ZoneRates;
  readonly clock: Clock;
}

export class Coalescer implements FlightOwner {
  readonly #flights = new Flights();

  constructor(private readonly parts: CoalescerParts) {}

  get size(): number {
    return this.#flights.size;
  }

  /** Room for one more; false, and counted, when there is none. */
  take(client: string | undefined): boolean {
    const used = this.#flights.take(client, this.parts.context.options.flights);
    if (used === 'all') this.parts.context.stats.overloaded++;
    else if (used === 'share') this.parts.context.stats.clientOverloaded++;
    return used === undefined;
  }

  /**
   * The same for a miss that is forwarded natively, and counted against no client: while half of the room is free, each
   * client may have more (ClientShares).
   */
  takePlain(): boolean {
    const { flights } = this.parts.context.options;
    return this.#flights.size * 2 <= flights.room && this.#flights.take(undefined, flights) === undefined;
  }

  /** Whether the question is asked here, in any form. */
  asks(query: Query, tenant: number): boolean {
    return this.#flights.hasHash(this.#flights.hashOf(query, tenant));
  }

  release(client: string | undefined): void {
    this.#flights.release(client);
  }

  /** What these find is told to those who wait and not kept; nobody else waits for them. */
  outdate(concerned: (flight: Flight) => boolean): void {
    this.#flights.outdate(concerned);
  }

  /**
   * The flight of the question, begun unless it is under way; or at once what is told in its place.
   * @param stale to be served when nothing better is found
   * @param told whether the flight is the asker's own
   */
  join(query: Query, asker: KnownAsker, stale: Resolution | undefined, told?: { own: boolean }): Resolution | Flight {
    const { parent, tenant } = asker;
    const { context, hooks, keep, stale: staleAnswers, refreshes } = this.parts;
    const { forwardClientSubnet } = context.options;
    keep.forgetting.notice();
    context.plain?.takeOver(query);
    context.plainQuestions?.takeOver(query);
    const hash = this.#flights.hashOf(query, tenant);
    const existing = this.#flights.find(hash, query, tenant, forwardClientSubnet);
    if (existing !== undefined) {
      // An alias that leads back to itself, here or by way of others, would wait for itself.
      if (parent !== undefined && existing.dependsOn(parent)) return SERVFAIL;
      context.stats.coalesced++;
      if (parent !== undefined) parent.waitsFor = existing;
      return existing;
    }
    const { failures } = keep;
    const quiet =
      asker.fresh === true || failures.size === 0
        ? undefined
        : failures.quiet(flightKey(query, tenant, forwardClientSubnet));
    if (quiet !== undefined) {
      // Asked about not long ago, though the cache itself does not know: for a subnet, or with expired RRsets at hand.
      const known = stale ?? staleAnswers.find(query, asker.tenant, quiet.recursive);
      if (known !== undefined) context.stats.staleServed++;
      return known ?? { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: quiet.extendedError, text: quiet.text };
    }
    // Refreshes and targets of aliases are bounded elsewhere, and nobody's share.
    const client = asker.fresh === true || parent !== undefined ? undefined : asker.client?.address;
    if (!this.take(client)) return stale ?? staleAnswers.find(query, tenant, false) ?? SERVFAIL;
    const { clock } = this.parts;
    const flight = new Flight(this, hash, query, asker, forwardClientSubnet, client, stale, clock.nowMs());
    this.#flights.begin(flight);
    if (parent !== undefined) parent.waitsFor = flight;
    if (told !== undefined) told.own = true;
    if (hooks.onQuery !== undefined && asker.client !== undefined && asker.fresh !== true && isKept(query)) {
      const refreshed = refreshKey(query, tenant, forwardClientSubnet);
      refreshes.decidedFor(refreshed, asker.client);
    }
    this.#fly(flight);
    return flight;
  }

  /** Never throws. */
  #fly(flight: Flight): void {
    const { query, stale } = flight;
    const { context, chain, stale: staleAnswers } = this.parts;
    const { options } = context;
    let outcome: Outcome | Promise<Outcome> | undefined;
    try {
      context.stats.resolved++;
      const recursive = context.recursor?.serves(query.name, query.type) === true;
      if (recursive && stale === undefined && options.staleEnabled && options.staleClientTimeoutMs > 0) {
        staleAnswers.whenLate(flight);
      }
      outcome = chain.run(query, flight);
    } catch (error) {
      this.crashed(flight, error);
      return;
    }
    if (outcome instanceof Promise) {
      outcome.then(
        found => this.landed(flight, found),
        (error: unknown) => this.crashed(flight, error),
      );
    } else if (outcome !== undefined) {
      this.landed(flight, outcome);
    }
  }

  /** Called by flights that have come to an outcome, or to a mistake of ours or of a hook. Neither throws. */
  landed(flight: Flight, outcome: Outcome): void {
    let found: Resolution | Moved;
    try {
      if (outcome.kind === 'failed') {
        found = this.#failed(flight.query, flight, outcome, flight.stale);
      } else {
        found = outcome;
        const { failures } = this.parts.keep;
        if (failures.size > 0 && (found.kind === 'message' || found.kind === 'cached')) failures.forget(flight.key);
      }
    } catch (error) {
      this.crashed(flight, error);
      return;
    }
    this.#end(flight, found, isGood(outcome));
  }
  crashed(flight: Flight, error: unknown): void {
    const { query, stale } = flight;
    const { context, mistakes, stale: staleAnswers } = this.parts;
    mistakes.ended(error, query);
    // Neither the name's fault nor its servers'.
    const known = stale ?? staleAnswers.find(query, flight.tenant, flight.recursive);
    if (known !== undefined) context.stats.staleServed++;
    flight.answeredBy = known === undefined ? AnsweredBy.failed : AnsweredBy.stale;
    this.#end(flight, known ?? SERVFAIL);
  }

  #end(flight: Flight, found: Resolution | Moved, isGood?: boolean): void {
    if (flight.zone !== 0) this.parts.zoneRates.leave(flight.zone, flight.query.name, isGood);
    flight.late?.cancel();
    this.#flights.end(flight);
    flight.waitsFor = undefined;
    const { clock, context } = this.parts;
    context.latencies.add(flight.answeredBy, (clock.nowMs() - flight.beganMs) * 1000);
    flight.resolve(found);
  }

  #failed(query: Query, asker: Flyer, failure: Failed, before: Resolution | undefined): Resolution {
    const { context, keep, stale: staleAnswers } = this.parts;
    const { options } = context;
    context.stats.failures++;
    if (failure.ours) context.stats.ownFailures++;
    const { isBogus = false } = failure;
    const { rcode, extendedError, text, message } = failure;
    // What was judged before and has time left stands, whatever a refresh of it has brought.
    if (isBogus && keep.isFresh(query, asker.tenant)) return { kind: 'error', rcode, extendedError, text };
    let stale: Resolution | undefined;
    if (!isBogus) stale = before ?? staleAnswers.find(query, asker.tenant, asker.flight.recursive);
    else if (options.staleForBogus && before?.kind === 'cached' && keep.standsIn(query, before.tenant)) stale = before;
    else keep.end(query, asker);
    keep.failure(query, asker, failure, {
      hasStale: stale !== undefined,
      // Beside an answer that is not in the cache itself it would hide that; a subnet's failure is nobody else's.
      inCache: stale?.kind !== 'message' && !(options.forwardClientSubnet && query.clientSubnet !== undefined),
      options,
    });
    asker.flight.answeredBy = stale === undefined ? AnsweredBy.failed : AnsweredBy.stale;
    if (stale !== undefined) {
      context.stats.staleServed++;
      return stale;
    }
    // Those who wait are shown what led to it; it is remembered for others.
    return message === undefined
      ? { kind: 'error', rcode, extendedError, text }
      : { kind: 'message', message, extendedError };
  }
}

/** Whether there is something at the name, as servers say; undefined: they were not asked, or it is not for them to say. */
function isGood(outcome: Outcome): boolean | undefined {
  if (outcome.kind === 'message') return headerRcode(outcome.message) !== Rcode.NXDOMAIN;
  return outcome.kind === 'failed' && !outcome.ours ? false : undefined;
}
