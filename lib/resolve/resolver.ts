// One question on the slow path: what stands around the chain of its steps. Whose client it is, what the cache has after
// all, one flight for all who ask the same, stale answers after a failure or when the upstream is late (RFC 8767),
// refreshes. Whatever breaks a question is the end of that question: it is counted, told, and answered SERVFAIL.
//
// Bounds: `flights` (FlightLimits) under way, of all clients and of one; `prefetchPerSecond` refreshes.
import type { Clock, Timer } from '../base/clock.js';
import { EqualTimers } from '../base/equal-timers.js';
import { harmless, type Logger } from '../base/log.js';
import { type Engine, MISS_WITH_STALE } from '../cache/engine.js';
import type { Forgotten } from '../cache/forgotten.js';
import type { Gate } from '../clients/gate.js';
import type { ClientTenants } from '../clients/tenants.js';
import { REFUSED } from '../native/binding.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { Class, ExtendedError, Rcode } from '../wire/iana.js';
import { isAtOrBelow, nameKey } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import { asRefresh, type Asker, type Flyer, isKept, knownAsker, type KnownAsker, variantOf } from './asker.js';
import { Chain } from './chain.js';
import { flightKey, refreshKey } from './flight-key.js';
import { Flight, type FlightLimits, type FlightOwner, Flights, type Told } from './flights.js';
import type { Hooks } from './hooks.js';
import { Keep } from './keep.js';
import { Mistakes } from './mistakes.js';
import type { Failed, Moved, Outcome, Resolution } from './outcome.js';
import type { Recursor } from './recurse/recursor.js';
import { type Resolving, staleRrsets } from './recursive-answers.js';
import { Refreshes } from './refreshes.js';
import type { StepOptions } from './steps/step.js';

export interface ResolverOptions extends StepOptions {
  staleClientTimeoutMs: number;
  staleTtlSeconds: number;
  prefetchPerSecond: number;
  flights: FlightLimits;
}

export type { Asker, Resolution };

/** How often a question is begun anew because the hook moves its client, or the one whose flight it had joined. */
const MAX_MOVES = 4;

const SERVFAIL: Resolution = { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.other };
/** For a client that might ask when its question came. */
const PROHIBITED: Resolution = { kind: 'error', rcode: Rcode.REFUSED, extendedError: ExtendedError.prohibited };
const CACHED_FAILURE: Resolution = { kind: 'error', rcode: Rcode.SERVFAIL, extendedError: ExtendedError.cachedError };

export interface ResolverStats {
  resolved: number;
  coalesced: number;
  prefetches: number;
  prefetchesDropped: number;
  failures: number;
  staleServed: number;
  /** Turned away because of a bound on all. */
  overloaded: number;
  /** Turned away because their client had its share. */
  clientOverloaded: number;
  /** Failed for want of our own room, and remembered against nobody. */
  ownFailures: number;
  rejectedResponses: number;
}

/** What a question has come to, or the flight that it waits for. */
type Found = Resolution | Moved | Flight | Promise<Resolution | Moved>;

function awaited(found: Found): Promise<Resolution | Moved> {
  return found instanceof Flight ? found.promise : Promise.resolve(found);
}

export class Resolver implements FlightOwner {
  readonly #flights = new Flights();
  readonly #keep: Keep;
  readonly #chain: Chain;
  readonly #mistakes: Mistakes;
  readonly #late: EqualTimers;
  readonly #refreshes: Refreshes;
  readonly stats: ResolverStats = {
    resolved: 0,
    coalesced: 0,
    prefetches: 0,
    prefetchesDropped: 0,
    failures: 0,
    staleServed: 0,
    overloaded: 0,
    clientOverloaded: 0,
    ownFailures: 0,
    rejectedResponses: 0,
  };
  /** Set where clients belong to tenants, as `onQuery` says. */
  tenants: ClientTenants | undefined;
  /** Set where clients belong to views: it says to which. */
  views: Pick<Gate, 'judge'> | undefined;
  /** Set where names are resolved from the root, or zones are configured. */
  recursor: Recursor | undefined;
  /** Set where other threads resolve in its place. */
  pool: Resolving | undefined;
  #closed = false;

  constructor(
    private readonly engine: Engine,
    private readonly exchanger: Exchanger,
    private readonly clock: Clock,
    log: Logger,
    private readonly hooks: Hooks,
    public groups: ReadonlyMap<string, readonly Upstream[]>,
    public options: ResolverOptions,
  ) {
    const harmlessLog = harmless(log);
    this.#late = new EqualTimers(clock);
    this.#refreshes = new Refreshes(clock);
    const keep = (this.#keep = new Keep(engine, clock));
    const mistakes = (this.#mistakes = new Mistakes(harmlessLog, clock));
    this.#chain = new Chain({ context: this, engine, exchanger, hooks, keep, log: harmlessLog, mistakes });
  }

  get inFlight(): number {
    return this.#flights.size;
  }
  /** Questions that a mistake of ours or of a hook was the end of. */
  get mistakes(): number {
    return this.#mistakes.count;
  }
  /** Whether `onQuery` says whose client it is. */
  get sortsByHook(): boolean {
    return this.tenants !== undefined;
  }

  /** Never throws and never rejects: every outcome is something that clients can be told. */
  resolve(query: Query, asker: Asker): Promise<Resolution> {
    const found = this.#begin(query, asker);
    return found instanceof Flight ? (found.promise as Promise<Resolution>) : Promise.resolve(found);
  }
  /** The same for one who is told: at once, where that is known. */
  ask(query: Query, asker: Asker, waiting: { told(found: Resolution): void }): void {
    const found = this.#begin(query, asker);
    if (found instanceof Flight) found.wait(waiting as Told);
    else if (found instanceof Promise) void found.then(resolution => waiting.told(resolution));
    else waiting.told(found);
  }

  /** Who is told of a tenant that the client is moved to is not found here: what `#resolve` gives is for clients. */
  #begin(query: Query, asker: Asker): Resolution | Flight | Promise<Resolution> {
    try {
      // Before the tag that it came with: that is the one of a view of before, where views have changed since.
      const view = asker.client === undefined ? undefined : this.views?.judge(asker.client.address);
      if (view === REFUSED) return PROHIBITED;
      const tenant = view ?? asker.tenant;
      if (tenant !== undefined) return this.#resolve(query, knownAsker(asker, tenant));
      if (this.sortsByHook) return this.#classify(query, asker);
      return this.#resolve(query, knownAsker(asker, 0));
    } catch (error) {
      return this.#mistake(error, query);
    }
  }

  /** Asks the hook whose client this is, before anything may be answered. */
  async #classify(query: Query, asker: Asker): Promise<Resolution> {
    const client = asker.client?.address;
    try {
      if (!this.#take(client)) return SERVFAIL;
      let decision;
      try {
        decision = await this.#chain.hook.ask(query, asker);
      } finally {
        this.#flights.release(client);
      }
      const tenant = decision?.tenant ?? 0;
      if (client !== undefined) this.tenants?.remember(client, tenant);
      return (await awaited(this.#resolve(query, knownAsker(asker, tenant, { decision })))) as Resolution;
    } catch (error) {
      return this.#mistake(error, query, 'onQuery did not say whose client this is');
    }
  }

  /** For the tenant that the hook says in the end. */
  async #resolveAmongTenants(query: Query, first: KnownAsker): Promise<Resolution> {
    let asker = first;
    for (let moves = 0; moves <= MAX_MOVES; moves++) {
      const flight = { own: false };
      const found = await awaited(this.#find(query, asker, flight));
      if (found.kind !== 'moved') return found;
      // Whoever had joined another's flight is asked about for itself.
      if (!flight.own) continue;
      if (asker.client !== undefined) this.tenants?.remember(asker.client.address, found.tenant);
      if (asker.part?.() === false) return SERVFAIL;
      asker = { ...asker, tenant: found.tenant, decided: found.decided, part: undefined };
    }
    return SERVFAIL;
  }

  #resolve(query: Query, asker: KnownAsker): Resolution | Flight | Promise<Resolution> {
    if (this.hooks.onQuery !== undefined && asker.client !== undefined) {
      this.#refreshes.lastOfTenant(asker.tenant, asker.client);
    }
    if (this.sortsByHook) {
      return this.#resolveAmongTenants(query, asker).catch((error: unknown) => this.#mistake(error, query));
    }
    return this.#find(query, asker) as Resolution | Flight | Promise<Resolution>;
  }

  /** A question that an alias of another one leads to, or the same without its client's subnet. */
  follow(query: Query, asker: KnownAsker): Promise<Resolution | Moved> {
    return awaited(this.#find(query, asker));
  }

  /** @param told whether the flight is the asker's own */
  #find(query: Query, asker: KnownAsker, told?: { own: boolean }): Found {
    const { tenant } = asker;
    const { options } = this;
    const inClass = query.dnsClass === Class.IN;
    let code = inClass ? this.engine.answer(query.message, { tenant, counts: 'nothing' }) : -1;
    if (code >= 0) return { kind: 'cached', tenant };
    const recursive = this.recursor?.serves(query.name, query.type) === true;
    if (!recursive) {
      // A recursor has the RRsets for it.
      const mayBeStale = code !== MISS_WITH_STALE && options.staleEnabled;
      const derived = this.#keep.derive(query, tenant, options.forwardClientSubnet, mayBeStale);
      if (derived === 'fresh') return { kind: 'cached', tenant };
      if (derived === 'stale') code = MISS_WITH_STALE;
    }
    let stale: Resolution | undefined =
      code === MISS_WITH_STALE && options.staleEnabled ? { kind: 'cached', tenant } : undefined;
    const atOnce = !query.recursionDesired || options.staleClientTimeoutMs === 0;
    if (stale === undefined && recursive && atOnce) stale = this.#stale(query, tenant, false);
    if (stale === undefined) return this.#join(query, asker, undefined, told);
    if (!query.recursionDesired && recursive) {
      // Whoever asks without it gets what there is; it is made fresh for all.
      this.prefetch(query, tenant, stale);
      return stale;
    }
    const flight = this.#join(query, asker, stale, told);
    if (!(flight instanceof Flight)) return flight;
    // RFC 8767 section 5: the client gets the stale answer when the fresh one is late; the flight goes on.
    return new Promise(resolve => {
      const late = (): void => {
        this.stats.staleServed++;
        resolve(stale);
      };
      // Without a time to wait: what needs no network is there in the next turn.
      const { staleClientTimeoutMs } = options;
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
  }

  /** Never throws: without a timer, what is late is waited for. */
  #after(delayMs: number, run: () => void): Timer | undefined {
    try {
      return this.#late.after(delayMs, run);
    } catch (error) {
      this.#mistakes.note(error, 'a timer could not be set');
      return undefined;
    }
  }

  /**
   * Expired RRsets' answer. They are what the outside has said to anybody: they are no answer to those whom local data, a
   * view or the hook says otherwise. Never throws: what cannot be put together is no answer.
   * @param passed whether the hook has let just this question go to the recursor
   */
  #stale(query: Query, tenant: number, passed: boolean): Resolution | undefined {
    const { recursor, options } = this;
    if (!options.staleEnabled || query.dnsClass !== Class.IN || recursor === undefined) return undefined;
    if (!passed && this.hooks.onQuery !== undefined) return undefined;
    try {
      const found = staleRrsets(query, recursor, options.staleTtlSeconds);
      return found === undefined || options.local.hasSay(query, tenant) ? undefined : found;
    } catch (error) {
      this.#mistakes.note(error, 'a stale answer could not be made', query.nameText);
      return undefined;
    }
  }

  /** The reply to one asker, in the engine's buffer; never throws while that is open. @returns its octets */
  finish(query: Query, resolution: Resolution, udp: boolean): number {
    const { engine } = this;
    let length = 0;
    try {
      if (resolution.kind === 'cached') {
        length = engine.answer(query.message, { udp, allowStale: true, tenant: resolution.tenant, counts: 'reply' });
      } else if (resolution.kind === 'message') {
        const wall = this.clock.wallSeconds();
        length = engine.finish(query.message, resolution.message, udp, wall, resolution.extendedError);
      } else {
        length = engine.refuse(query.message, resolution.rcode, resolution.extendedError, udp);
      }
    } catch (error) {
      this.#mistake(error, query);
    }
    return length > 0 ? length : engine.refuse(query.message, Rcode.SERVFAIL, ExtendedError.other, udp);
  }

  /**
   * Asks anew for what is in the cache and will soon expire. False when the bound on prefetches says no.
   * @param known what there is meanwhile: beside what is not in the cache itself, a failure must not be there either
   */
  prefetch(query: Query, tenant = 0, known: Resolution = { kind: 'cached', tenant }): boolean {
    try {
      if (!this.#refreshes.admit(this.options.prefetchPerSecond)) {
        this.stats.prefetchesDropped++;
        return false;
      }
      this.stats.prefetches++;
      const asked = asRefresh(query);
      const client = this.#refreshes.clientOf(refreshKey(query, tenant, this.options.forwardClientSubnet), tenant);
      const asker: KnownAsker = { protocol: 'internal', client, tenant, fresh: true };
      void awaited(this.#join(asked, asker, known)).then(found => {
        if (found.kind !== 'message') this.#retryPrefetch(query, tenant);
      });
      return true;
    } catch (error) {
      this.#mistake(error, query);
      return false;
    }
  }

  /** RFC 8767 section 5: not before so many seconds; then the next hit may ask for it again. */
  #retryPrefetch(query: Query, tenant: number): void {
    try {
      this.#refreshes.later(this.options.staleRetrySeconds, () => {
        try {
          if (!this.#closed) this.engine.allowRefresh(query.name, query.type, variantOf(query, tenant));
        } catch (error) {
          this.#mistake(error, query); // its owner has closed the cache
        }
      });
    } catch (error) {
      this.#mistake(error, query);
    }
  }

  /** Nothing of its own touches the cache any more. */
  close(): void {
    this.#closed = true;
    this.#late.clear();
    this.#flights.outdate(() => true);
  }

  /** What is under way for these is told to those who wait and not kept; failures are asked about again. */
  forget(what: Forgotten): void {
    this.exchanger.fence.advance();
    this.#keep.failures.clear();
    this.#flights.outdate(flight => {
      if (what === 'all') return true;
      if ('tenant' in what) return flight.tenant === what.tenant;
      if ('name' in what) return nameKey(flight.query.name) === nameKey(what.name);
      return isAtOrBelow(flight.query.name, what.suffix);
    });
  }

  /**
   * Forgets what was learnt from the servers that were asked so far: answers, denials, failures, also those of questions
   * under way. For when others take their place, as behind a VPN, which may say otherwise of every name.
   */
  forgetUpstreamKnowledge(): void {
    this.forget('all');
    this.engine.invalidate('all');
  }

  /** Room for one more; false, and counted, when there is none. */
  #take(client: string | undefined): boolean {
    const used = this.#flights.take(client, this.options.flights);
    if (used === 'all') this.stats.overloaded++;
    else if (used === 'share') this.stats.clientOverloaded++;
    return used === undefined;
  }

  #join(query: Query, asker: KnownAsker, stale: Resolution | undefined, told?: { own: boolean }): Resolution | Flight {
    const { parent, tenant } = asker;
    const { forwardClientSubnet } = this.options;
    const hash = this.#flights.hashOf(query, tenant);
    const existing = this.#flights.find(hash, query, tenant, forwardClientSubnet);
    if (existing !== undefined) {
      // An alias that leads back to itself, here or by way of others, would wait for itself.
      if (parent !== undefined && existing.dependsOn(parent)) return SERVFAIL;
      this.stats.coalesced++;
      if (parent !== undefined) parent.waitsFor = existing;
      return existing;
    }
    const { failures } = this.#keep;
    const quiet =
      asker.fresh === true || failures.size === 0
        ? undefined
        : failures.quiet(flightKey(query, tenant, forwardClientSubnet));
    if (quiet !== undefined) {
      // Asked about not long ago, though the cache itself does not know: for a subnet, or with expired RRsets at hand.
      const known = stale ?? this.#stale(query, asker.tenant, quiet.recursive);
      if (known !== undefined) this.stats.staleServed++;
      return known ?? CACHED_FAILURE;
    }
    // Refreshes and targets of aliases are bounded elsewhere, and nobody's share.
    const client = asker.fresh === true || parent !== undefined ? undefined : asker.client?.address;
    if (!this.#take(client)) return stale ?? this.#stale(query, tenant, false) ?? SERVFAIL;
    const flight = new Flight(this, hash, query, asker, forwardClientSubnet, client, stale);
    this.#flights.begin(flight);
    if (parent !== undefined) parent.waitsFor = flight;
    if (told !== undefined) told.own = true;
    if (this.hooks.onQuery !== undefined && asker.client !== undefined && asker.fresh !== true && isKept(query)) {
      const refreshed = refreshKey(query, tenant, forwardClientSubnet);
      this.#refreshes.decidedFor(refreshed, asker.client);
    }
    this.#fly(flight);
    return flight;
  }

  /** Never throws. */
  #fly(flight: Flight): void {
    const { query, stale } = flight;
    const { options } = this;
    let outcome: Outcome | Promise<Outcome> | undefined;
    try {
      this.stats.resolved++;
      const recursive = this.recursor?.serves(query.name, query.type) === true;
      if (recursive && stale === undefined && options.staleEnabled && options.staleClientTimeoutMs > 0) {
        // RFC 8767 section 5: what takes too long is answered from expired RRsets, if there are any; the flight goes on.
        flight.late = this.#after(options.staleClientTimeoutMs, () => {
          const expired = this.#stale(query, flight.tenant, flight.recursive);
          if (expired === undefined) return;
          this.stats.staleServed++;
          flight.resolve(expired);
        });
      }
      outcome = this.#chain.run(query, flight);
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
        const { failures } = this.#keep;
        if (failures.size > 0 && (found.kind === 'message' || found.kind === 'cached')) failures.forget(flight.key);
      }
    } catch (error) {
      this.crashed(flight, error);
      return;
    }
    this.#end(flight, found);
  }
  crashed(flight: Flight, error: unknown): void {
    const { query, stale } = flight;
    this.#mistake(error, query);
    // Neither the name's fault nor its servers'.
    const known = stale ?? this.#stale(query, flight.tenant, flight.recursive);
    if (known !== undefined) this.stats.staleServed++;
    this.#end(flight, known ?? SERVFAIL);
  }

  #end(flight: Flight, found: Resolution | Moved): void {
    flight.late?.cancel();
    this.#flights.end(flight);
    flight.waitsFor = undefined;
    flight.resolve(found);
  }

  #failed(query: Query, asker: Flyer, failure: Failed, before: Resolution | undefined): Resolution {
    this.stats.failures++;
    if (failure.ours) this.stats.ownFailures++;
    const stale = before ?? this.#stale(query, asker.tenant, asker.flight.recursive);
    this.#keep.failure(query, asker, failure, {
      hasStale: stale !== undefined,
      // Beside an answer that is not in the cache itself it would hide that; a subnet's failure is nobody else's.
      inCache: stale?.kind !== 'message' && !(this.options.forwardClientSubnet && query.clientSubnet !== undefined),
      options: this.options,
    });
    if (stale !== undefined) {
      this.stats.staleServed++;
      return stale;
    }
    const { rcode, extendedError, message } = failure;
    // Those who wait are shown what led to it; it is remembered for others.
    return message === undefined
      ? { kind: 'error', rcode, extendedError }
      : { kind: 'message', message, extendedError };
  }

  /** Counts and tells what was the end of a question outside of here, where it is taken in or answered. */
  broke(error: unknown): void {
    if (!this.#closed) this.#mistakes.note(error, 'a query could not be answered');
  }

  #mistake(error: unknown, query: Query, what = 'a query failed by a mistake of ours or of a hook'): Resolution {
    // What was under way finds its caches gone.
    if (!this.#closed) this.#mistakes.note(error, what, nameOf(query));
    return SERVFAIL;
  }
}

function nameOf(query: Query): string {
  try {
    return query.nameText;
  } catch {
    return '?';
  }
}
