// One question on the slow path: whose client it is, and what the cache, or another form of the answer in it, has after all.
// Around it: one flight for all who ask the same (Coalescer), in it the steps (Chain); stale answers (StaleAnswers),
// refreshes (Prefetcher), clients that the hook sorts (TenantSorting). Their bounds are stated there.
import type { Clock } from '../base/clock.js';
import { EqualTimers } from '../base/equal-timers.js';
import { harmless, type Logger } from '../base/log.js';
import { LatenciesBy } from '../base/log-histogram.js';
import type { SecondLevel } from '../cache/answers/second-level.js';
import { systemRandom } from '../base/random.js';
import { type Engine, type JudgedClient, MISS_WITH_STALE, NOT_DUE } from '../cache/engine.js';
import type { Forgotten } from '../cache/forgotten.js';
import type { Gate } from '../clients/gate.js';
import { isAliasTag, type ListAliases } from '../clients/list-aliases.js';
import type { ServedZones } from '../clients/served-zones.js';
import type { ClientTenants } from '../clients/tenants.js';
import { ANSWERED_BY, REFUSED } from '../native/binding.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { headerRcode } from '../wire/flags.js';
import { Class, ExtendedError, Rcode } from '../wire/iana.js';
import { isAtOrBelow, nameKey } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import type { OwnZones } from './own-zones.js';
import { type Asker, knownAsker, type KnownAsker } from './asker.js';
import { Chain } from './chain.js';
import { Coalescer } from './coalescer.js';
import { noStats, type ResolverContext, type ResolverOptions } from './context.js';
import { awaited, Flight, type Found, type OfFlight, type Told } from './flights.js';
import type { Hooks } from './hooks.js';
import { Keep } from './keep.js';
import type { Designation } from './local-zones.js';
import { Mistakes } from './mistakes.js';
import { type Moved, type Resolution, SERVFAIL } from './outcome.js';
import { Prefetcher } from './prefetcher.js';
import { PlainMisses } from './plain-misses.js';
import { PlainQuestions } from './plain-questions.js';
import type { Recursor } from './recurse/recursor.js';
import type { Resolving } from './recursive-answers.js';
import { Refreshes } from './refreshes.js';
import { StaleAnswers } from './stale-answers.js';
import { TenantSorting } from './tenant-sorting.js';
import { ZoneRates } from './zone-rates.js';

export type { Asker, Resolution };

/** For a client that might ask when its question came. */
const PROHIBITED: Resolution = { kind: 'error', rcode: Rcode.REFUSED, extendedError: ExtendedError.prohibited };

function flightOf(found: Resolution | Flight | OfFlight<Resolution>): Flight | undefined {
  if (found instanceof Flight) return found;
  return found instanceof Promise ? found.flight : undefined;
}

/** See {@link Resolver.finish}. */
export const ASK_AGAIN = -3;

/** What a resolver is made with. */
export interface ResolverParts {
  readonly engine: Engine;
  readonly exchanger: Exchanger;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hooks: Hooks;
  /** Upstreams by the names of their groups. */
  readonly groups: ReadonlyMap<string, readonly Upstream[]>;
  readonly options: ResolverOptions;
}

export class Resolver implements ResolverContext {
  readonly #engine: Engine;
  readonly #exchanger: Exchanger;
  readonly #clock: Clock;
  readonly #hooks: Hooks;
  readonly #keep: Keep;
  readonly #mistakes: Mistakes;
  readonly #stale: StaleAnswers;
  readonly #refreshes: Refreshes;
  readonly #coalescer: Coalescer;
  readonly #prefetcher: Prefetcher;
  readonly #sorting: TenantSorting;
  readonly #soon: EqualTimers;
  /** Misses that are forwarded natively. */
  readonly plain: PlainMisses;
  /** Questions of this process that need no flight. */
  readonly plainQuestions: PlainQuestions;
  readonly stats = noStats();
  readonly latencies = new LatenciesBy(ANSWERED_BY.length);
  onBogus: (name: string, extendedError: number) => void = () => {};
  groups: ReadonlyMap<string, readonly Upstream[]>;
  options: ResolverOptions;
  /** Set where clients belong to tenants, as `onQuery` says. */
  tenants: ClientTenants | undefined;
  /** Set where clients belong to views: it says to which. */
  views: Pick<Gate, 'judge'> | undefined;
  /** Set where lists may put aliases in place of names. */
  listAliases: Pick<ListAliases, 'find' | 'kept' | 'keeps'> | undefined;
  /** Told who serves the zones of what is found, where lists have rules about that. */
  servedZones: Pick<ServedZones, 'wanted' | 'note'> | undefined;
  /** Set where zones are served. */
  zones: OwnZones | undefined;
  /** How this server is asked encrypted, where it is and may tell. */
  designation: Designation | undefined;
  /** Set where names are resolved from the root, or zones are configured. */
  recursor: Recursor | undefined;
  /** Set where other threads resolve in its place. */
  pool: Resolving | undefined;

  constructor({ engine, exchanger, clock, log, hooks, groups, options }: ResolverParts) {
    this.#engine = engine;
    this.#exchanger = exchanger;
    this.#clock = clock;
    this.#hooks = hooks;
    this.groups = groups;
    this.options = options;
    const safeLog = harmless(log);
    const mistakes = (this.#mistakes = new Mistakes(safeLog, clock));
    const keep = (this.#keep = new Keep(engine, clock, what => this.#outdate(what)));
    const stale = (this.#stale = new StaleAnswers(this, hooks, mistakes, clock));
    const refreshes = (this.#refreshes = new Refreshes(clock));
    const soon = (this.#soon = new EqualTimers(clock));
    const zoneRates = new ZoneRates(clock, systemRandom);
    const shared = { context: this, hooks, keep, mistakes, zoneRates };
    const chain = new Chain({ ...shared, engine, exchanger, clock, soon, log: safeLog });
    const coalescer = new Coalescer({ ...shared, chain, stale, refreshes, clock });
    this.#coalescer = coalescer;
    this.plain = new PlainMisses({ context: this, hooks, exchanger, keep, coalescer, zoneRates, clock });
    this.plainQuestions = new PlainQuestions({ context: this, hooks, exchanger, keep, coalescer, clock });
    this.#prefetcher = new Prefetcher({ context: this, engine, coalescer, refreshes, mistakes });
    this.#sorting = new TenantSorting(this, coalescer, chain.hook, mistakes);
  }

  /** Where answers are looked for that a fleet shares, and shared. */
  get level(): SecondLevel | undefined {
    return this.#keep.level;
  }
  set level(level: SecondLevel | undefined) {
    // What is under way natively knows nothing of it.
    this.plain.takeOverAll();
    this.plainQuestions.takeOverAll();
    this.#keep.level = level;
  }

  get inFlight(): number {
    return this.#coalescer.size;
  }
  /** Questions that a mistake of ours or of a hook was the end of. */
  get mistakes(): number {
    return this.#mistakes.count;
  }
  get partsClients(): boolean {
    return this.tenants !== undefined || this.views !== undefined;
  }
  /** Whether `onQuery` says whose client it is. */
  get sortsByHook(): boolean {
    return this.tenants !== undefined;
  }

  /** Whether `onQuery` has a say in what is asked. */
  get asksHook(): boolean {
    return this.#hooks.onQuery !== undefined;
  }

  /**
   * Never throws and never rejects: every outcome is something that clients can be told.
   * @param by has the flight that it waits for afterwards, if it does
   */
  resolve(query: Query, asker: Asker, by?: { flight: Flight | undefined }): Promise<Resolution> {
    const found = this.#begin(query, asker);
    if (by !== undefined) by.flight = flightOf(found);
    return found instanceof Flight ? (found.promise as Promise<Resolution>) : Promise.resolve(found);
  }
  /** The same for one who is told: at once, where that is known. */
  ask(query: Query, asker: Asker, waiting: { told(found: Resolution, flight: Flight | undefined): void }): void {
    const found = this.#begin(query, asker);
    if (found instanceof Flight) found.wait(waiting as Told);
    else if (found instanceof Promise) {
      const { flight } = found;
      void found.then(resolution => waiting.told(resolution, flight));
    } else waiting.told(found, undefined);
  }

  /** Who is told of a tenant that the client is moved to is not found here: what `resolveKnown` gives is for clients. */
  #begin(query: Query, asker: Asker): Resolution | Flight | OfFlight<Resolution> {
    try {
      if (asker.tenant !== undefined && isAliasTag(asker.tenant)) {
        return this.find(query, knownAsker(asker, asker.tenant)) as Resolution | Flight;
      }
      // Before the tag that it came with: that is the one of a view of before, where views have changed since.
      const view = asker.client === undefined ? undefined : this.views?.judge(asker.client.address);
      if (view === REFUSED) return PROHIBITED;
      const tenant = view ?? asker.tenant;
      if (tenant !== undefined) return this.resolveKnown(query, knownAsker(asker, tenant));
      if (this.sortsByHook) return this.#sorting.classify(query, asker);
      return this.resolveKnown(query, knownAsker(asker, 0));
    } catch (error) {
      this.#mistakes.ended(error, query);
      return SERVFAIL;
    }
  }

  /** For a client whose tenant is known, or was asked for. */
  resolveKnown(query: Query, asker: KnownAsker): Resolution | Flight | OfFlight<Resolution> {
    if (this.#hooks.onQuery !== undefined && asker.client !== undefined) {
      this.#refreshes.lastOfTenant(asker.tenant, asker.client);
    }
    if (!this.sortsByHook) return this.find(query, asker) as Resolution | Flight | OfFlight<Resolution>;
    return this.#sorting.resolve(query, asker).catch((error: unknown) => {
      this.#mistakes.ended(error, query);
      return SERVFAIL;
    });
  }

  /** A question that an alias of another one leads to, or the same without its client's subnet; `fresh` for a refresh. */
  follow(query: Query, asker: KnownAsker): Promise<Resolution | Moved> {
    const known: Resolution = { kind: 'cached', tenant: asker.tenant };
    if (asker.fresh === true) return awaited(this.#coalescer.join(query, asker, known));
    return awaited(this.find(query, asker));
  }

  /** @param told whether the flight is the asker's own */
  find(query: Query, asker: KnownAsker, told?: { own: boolean }): Found {
    const { tenant } = asker;
    const { options } = this;
    const inClass = query.dnsClass === Class.IN;
    let code = inClass ? this.#engine.answer(query.message, { tenant, counts: 'nothing' }) : -1;
    if (code >= 0) return { kind: 'cached', tenant };
    const recursive = !isAliasTag(tenant) && this.recursor?.serves(query.name, query.type) === true;
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
    if (stale === undefined && recursive && atOnce) stale = this.#stale.find(query, tenant, false);
    if (stale === undefined) return this.#coalescer.join(query, asker, undefined, told);
    if (!query.recursionDesired && recursive) {
      // Whoever asks without it gets what there is; it is made fresh for all.
      this.prefetch(query, tenant, stale);
      return stale;
    }
    const flight = this.#coalescer.join(query, asker, stale, told);
    return flight instanceof Flight ? this.#stale.orFresh(flight, stale) : flight;
  }

  /** Asks for nobody. @returns the reply; undefined for a failure, also one that is remembered */
  async replyTo(query: Query): Promise<Uint8Array | undefined> {
    const resolution = await this.resolve(query, { protocol: 'internal' });
    if (resolution.kind === 'error') return undefined;
    if (resolution.kind === 'message') return resolution.message;
    const { tenant } = resolution;
    const length = this.#engine.answer(query.message, { tenant, allowStale: true, counts: 'nothing' });
    return length <= 0 ? undefined : Uint8Array.from(this.#engine.reply.subarray(0, length));
  }
  /** Asks for nobody. @returns whether there is an answer or a denial: no failure, and none that is remembered */
  async isAnswered(query: Query): Promise<boolean> {
    const reply = await this.replyTo(query);
    const rcode = reply === undefined ? Rcode.SERVFAIL : headerRcode(reply);
    return rcode === Rcode.NOERROR || rcode === Rcode.NXDOMAIN;
  }

  /**
   * The reply to one asker, in the engine's buffer; never throws while that is open.
   * @param client where it is one of those that a gate judges
   * @param tenant that the question was asked for
   * @returns its octets; 0 where none is due; ASK_AGAIN where a list puts an alias in its place, whose tag `engine.tag` is
   */
  finish(query: Query, resolution: Resolution, udp: boolean, client?: JudgedClient, tenant = 0): number {
    const length = this.#finish(query, resolution, udp, client && { client, tenant });
    return length <= 0 && client !== undefined && tenant !== this.#engine.tag && isAliasTag(this.#engine.tag)
      ? ASK_AGAIN
      : length;
  }

  #finish(
    query: Query,
    resolution: Resolution,
    udp: boolean,
    judged?: { client: JudgedClient; tenant: number },
  ): number {
    const engine = this.#engine;
    try {
      if (resolution.kind === 'error') {
        return engine.refuse(query.message, resolution, { udp, ...judged });
      }
      let length: number;
      if (resolution.kind === 'cached') {
        const { tenant } = resolution;
        const { client } = judged ?? {};
        length = engine.answer(query.message, { udp, allowStale: true, tenant, counts: 'reply', client });
        if (length >= 0 || (tenant !== engine.tag && isAliasTag(engine.tag))) return length;
      } else {
        const wall = this.#clock.wallSeconds();
        length = engine.finish(query.message, resolution.message, udp, wall, resolution.extendedError, judged);
        if (length === NOT_DUE) return 0;
        if (length > 0) return length;
      }
    } catch (error) {
      this.#mistakes.ended(error, query);
    }
    return engine.refuse(query.message, SERVFAIL, { udp, ...judged });
  }

  /**
   * Asks anew for what is in the cache and will soon expire. False when the bound on prefetches says no.
   * @param known what there is meanwhile: beside what is not in the cache itself, a failure must not be there either
   */
  prefetch(query: Query, tenant = 0, known: Resolution = { kind: 'cached', tenant }): boolean {
    return this.#prefetcher.prefetch(query, tenant, known);
  }

  /** Nothing of its own touches the cache any more. */
  close(): void {
    this.#mistakes.close();
    this.#prefetcher.close();
    this.#stale.close();
    this.#soon.clear();
    this.#coalescer.outdate(() => true);
  }

  /** In the cache and of what is under way, which is told to those who wait and not kept; failures are asked about again. */
  forget(what: Forgotten): void {
    this.#keep.forgetting.forget(what);
  }
  /** To be called before what is under way here is joined: others may have forgotten something in the cache. */
  noticeForgotten(): void {
    this.#keep.forgetting.notice();
  }
  #outdate(what: Forgotten): void {
    this.plain.outdate();
    this.plainQuestions.takeOverAll();
    // Behind what goes on as an inquiry now, which is joined no more.
    this.#exchanger.fence.advance();
    this.#keep.failures.clear();
    this.#coalescer.outdate(flight => {
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
  }

  /** Counts and tells what was the end of a question outside of here, where it is taken in or answered. */
  broke(error: unknown): void {
    this.#mistakes.ended(error, undefined, 'a query could not be answered');
  }
}
