// Stale answers (RFC 8767): what expired RRsets say, and who is given a stale answer because the fresh one is late. Expired
// messages are the cache's own; what is served after a failure is for the Coalescer to say.
import type { Clock, Timer } from '../base/clock.js';
import { EqualTimers } from '../base/equal-timers.js';
import { isAliasTag } from '../clients/list-aliases.js';
import { Class } from '../wire/iana.js';
import type { Query } from '../wire/query.js';
import type { ResolverContext } from './context.js';
import type { Flight, OfFlight } from './flights.js';
import type { Hooks } from './hooks.js';
import type { Mistakes } from './mistakes.js';
import type { Moved, Resolution } from './outcome.js';
import { staleRrsets } from './recursive-answers.js';

export class StaleAnswers {
  readonly #late: EqualTimers;

  constructor(
    private readonly context: ResolverContext,
    private readonly hooks: Hooks,
    private readonly mistakes: Mistakes,
    clock: Clock,
  ) {
    this.#late = new EqualTimers(clock);
  }

  close(): void {
    this.#late.clear();
  }

  /**
   * Expired RRsets' answer. They are what the outside has said to anybody: they are no answer to those whom local data, a
   * view or the hook says otherwise. Never throws: what cannot be put together is no answer.
   * @param passed whether the hook has let just this question go to the recursor
   */
  find(query: Query, tenant: number, passed: boolean): Resolution | undefined {
    const { recursor, options } = this.context;
    // Nor to those whom a list tells another name's.
    if (isAliasTag(tenant)) return undefined;
    if (!options.staleEnabled || query.dnsClass !== Class.IN || recursor === undefined) return undefined;
    if (this.context.zones?.entryFor(query.name, query.type, tenant) !== undefined) return undefined;
    if (!passed && this.hooks.onQuery !== undefined) return undefined;
    try {
      const found = staleRrsets(query, recursor, options.staleTtlSeconds);
      if (found === undefined || options.local.hasSay(query, tenant)) return undefined;
      return options.dns64?.hasSay(query, tenant) === true ? undefined : found;
    } catch (error) {
      this.mistakes.note(error, 'a stale answer could not be made', query.nameText);
      return undefined;
    }
  }

  /** RFC 8767 section 5: the client gets the stale answer when the fresh one is late; the flight goes on. */
  orFresh(flight: Flight, stale: Resolution): OfFlight<Resolution | Moved> {
    const either: OfFlight<Resolution | Moved> = new Promise(resolve => {
      const late = (): void => {
        this.context.stats.staleServed++;
        resolve(stale);
      };
      // Without a time to wait: what needs no network is there in the next turn.
      const { staleClientTimeoutMs } = this.context.options;
      const immediate = staleClientTimeoutMs === 0 ? setImmediate(late) : undefined;
      const timer = immediate === undefined ? this.#after(staleClientTimeoutMs, late) : undefined;
      flight.wait({
        told: found => {
          clearImmediate(immediate);
          timer?.cancel();
          resolve(found);
        },
      });
    });
    either.flight = flight;
    return either;
  }

  /** The same for all who wait for a flight to the recursor, from expired RRsets, if there are any by then. */
  whenLate(flight: Flight): void {
    flight.late = this.#after(this.context.options.staleClientTimeoutMs, () => {
      const expired = this.find(flight.query, flight.tenant, flight.recursive);
      if (expired === undefined) return;
      this.context.stats.staleServed++;
      flight.resolve(expired);
    });
  }

  /** Never throws: without a timer, what is late is waited for. */
  #after(delayMs: number, run: () => void): Timer | undefined {
    try {
      return this.#late.after(delayMs, run);
    } catch (error) {
      this.mistakes.note(error, 'a timer could not be set');
      return undefined;
    }
  }
}
