// Questions to groups of upstreams, or to one: what may be under way, who waits, and which askings are the same one.
//
// Bounds: `maxInFlight` questions a server, `maxTotal` in all; UPSTREAM_LIMITS.maxWaiting wait for room until their
// deadline, first come first served.
import type { Canceller } from '../base/cancel.js';
import type { Clock, Timer } from '../base/clock.js';
import { type Due, EqualTimers } from '../base/equal-timers.js';
import { ShardnsError } from '../base/errors.js';
import { Fence } from '../base/fence.js';
import type { Random } from '../base/random.js';
import type { Forwarding } from '../transport/forwarded.js';
import type { ServerCookie } from './cookies.js';
import { Inquiries, type InquiryOptions } from './inquiries.js';
import type { Inquiry } from './inquiry.js';
import { UPSTREAM_LIMITS } from './limits.js';
import { type Exchanged, Race, type RaceOwner } from './race.js';
import type { Route, Routes } from './route.js';
import { select } from './selection.js';
import type { Answered, Listener } from './shared-outcome.js';
import { notAnswered } from './truncation.js';
import type { Upstream } from './upstream.js';

export interface ExchangerOptions extends InquiryOptions {
  deadlineMs: number;
  maxInFlight: number;
  maxTotal: number;
  hedge: boolean;
  /** Load over all servers instead of on the fastest. */
  spread?: boolean;
}

const NONE: ReadonlySet<Upstream> = new Set();

/** How long an answer is waited for, and what is done with one that comes later. */
export interface Patience {
  timeoutMs: number;
  cancel: Canceller;
  /** Numeric address of the client whose share it counts to; undefined: nobody's. */
  client?: string | undefined;
  onLate?: (response: Uint8Array) => void;
}

/** What an exchanger is made with. */
export interface ExchangerParts {
  readonly routes: Routes;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: ExchangerOptions;
  readonly fence?: Fence;
}

export class Exchanger implements RaceOwner {
  options: ExchangerOptions;
  /** Whoever asks joins no query of before something was forgotten. */
  readonly fence: Fence;
  readonly #routes: Routes;
  readonly #clock: Clock;
  readonly #random: Random;
  inFlight = 0;
  /** Refused, or not asked in time, for want of room. */
  overloaded = 0;
  readonly #inquiries: Inquiries;
  readonly #waiting = new Set<Race>();
  readonly #patience: EqualTimers;
  #deadlines: EqualTimers;
  #deadlineMs = 0;

  constructor({ routes, clock, random, options, fence = new Fence() }: ExchangerParts) {
    this.#routes = routes;
    this.#clock = clock;
    this.#random = random;
    this.options = options;
    this.fence = fence;
    this.#inquiries = new Inquiries(clock, random, fence);
    this.#deadlines = new EqualTimers(clock);
    this.#patience = new EqualTimers(clock);
  }

  /** A question that was asked already, without a race: the race that begins now takes it over. */
  resumed: { readonly upstream: Upstream; readonly beganMs: number } | undefined;

  get forwarding(): Forwarding | undefined {
    return this.#routes.udp.datagram?.forwarding;
  }
  /** Whether one may be asked without a race; `inFlight` counts it then. */
  get hasRoom(): boolean {
    return this.inFlight < this.options.maxTotal && this.#waiting.size === 0;
  }
  /** Gives back the room of one that was asked without a race. */
  release(): void {
    this.inFlight--;
    this.#startNext();
  }

  /** What one that is asked without a race is to be sent as a cookie; undefined: nothing. */
  cookieOf(upstream: Upstream): ServerCookie | undefined {
    return this.#inquiries.cookieOf(upstream, this.options.cookies);
  }
  /** Responses over UDP without the cookie that they were to have. */
  get foreignCookies(): number {
    return this.#inquiries.foreignCookies;
  }
  /** Questions that a server is being asked. */
  openAt(upstream: Upstream): number {
    return this.#inquiries.openAt(upstream);
  }
  /** Questions that wait for others to end. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * @param query wire format without id; the letter case of its name may be drawn anew for each try
   * @param accept whether a matching response is worth having; a refused one counts as a failure of its server
   * @throws {ShardnsError} ERR_SHARDNS_TIMEOUT or ERR_SHARDNS_UPSTREAM when no server had one, ERR_SHARDNS_OVERLOAD when
   * there was no room to ask, ERR_SHARDNS_ABORTED when `cancel` said so
   */
  exchange(
    query: Uint8Array,
    upstreams: readonly Upstream[],
    accept: (response: Uint8Array, upstream: Upstream) => boolean,
    cancel?: Canceller,
  ): Promise<Exchanged> {
    if (cancel?.cancelled) return Promise.reject(calledOff());
    return new Promise((resolve, reject) => {
      this.race(new PromisedRace(this, { query, upstreams, accept, resolve, reject, cancel }));
    });
  }

  /** The same for a race of the caller's own, which may be over when this returns. */
  race(race: Race): void {
    if (race.upstreams.length === 0) {
      race.lost(new ShardnsError('ERR_SHARDNS_UPSTREAM', 'no upstream is configured for this query'));
      return;
    }
    const { resumed } = this;
    // What was asked already has just given its place back.
    const full = resumed === undefined && this.inFlight >= this.options.maxTotal;
    if (full && this.#waiting.size >= UPSTREAM_LIMITS.maxWaiting) {
      this.overloaded++;
      const text = `${this.inFlight} upstream queries are under way, and ${this.#waiting.size} wait`;
      race.lost(new ShardnsError('ERR_SHARDNS_OVERLOAD', text));
      return;
    }
    const now = resumed?.beganMs ?? this.#clock.nowMs();
    race.begin(now);
    if (full) {
      this.#waiting.add(race);
    } else {
      this.inFlight++;
      race.start(now, resumed !== undefined);
    }
  }

  /**
   * Puts a question to one server, by its route. What is late stays open until the deadline: its response counts
   * for whoever asks the same again, and `onLate` is given it.
   * @throws {ShardnsError} ERR_SHARDNS_TIMEOUT, ERR_SHARDNS_UPSTREAM, ERR_SHARDNS_OVERLOAD, ERR_SHARDNS_ABORTED
   */
  ask(query: Uint8Array, upstream: Upstream, patience: Patience): Promise<Uint8Array> {
    return this.#askOne(query, upstream, patience, this.#routeOf(upstream));
  }

  /** The same without datagrams. */
  askTcp(query: Uint8Array, upstream: Upstream, patience: Patience): Promise<Uint8Array> {
    const isEncrypted = upstream.scheme !== 'udp' && upstream.scheme !== 'tcp';
    return this.#askOne(query, upstream, patience, isEncrypted ? this.#routeOf(upstream) : this.#routes.tcp);
  }

  #routeOf({ scheme, label }: Upstream): Route {
    const route = this.#routes[scheme];
    if (route === undefined) throw new ShardnsError('ERR_SHARDNS_INTERNAL', `there is no way to ask ${label}`);
    return route;
  }

  #askOne(query: Uint8Array, upstream: Upstream, patience: Patience, route: Route): Promise<Uint8Array> {
    if (patience.cancel.cancelled) return Promise.reject(calledOff());
    return new Promise((resolve, reject) => {
      const asking = new Asking(this, upstream, patience, resolve, reject);
      const now = this.#clock.nowMs();
      const { client } = patience;
      asking.begin(this.#inquiries.join({ query, client }, upstream, route, asking, this.options, now), now);
    });
  }

  /** For the races. */
  inquire({ query, client }: Race, upstream: Upstream, listener: Listener, now?: number): Inquiry {
    return this.#inquiries.join({ query, client }, upstream, this.#routeOf(upstream), listener, this.options, now);
  }

  /** Called by a race that is over: the next one has its place. */
  ended(race: Race): void {
    if (!this.#waiting.delete(race)) this.inFlight--;
    this.#startNext();
  }

  #startNext(): void {
    for (const next of this.#waiting) {
      if (this.inFlight >= this.options.maxTotal || next.expired) return;
      this.#waiting.delete(next);
      this.inFlight++;
      next.start();
    }
  }

  atDeadline(run: Due | (() => void), now?: number): Timer {
    const { deadlineMs } = this.options;
    if (deadlineMs !== this.#deadlineMs) {
      // Those of before run out by themselves.
      this.#deadlines = new EqualTimers(this.#clock);
      this.#deadlineMs = deadlineMs;
    }
    return this.#deadlines.after(deadlineMs, run, now);
  }
  get now(): number {
    return this.#clock.nowMs();
  }
  after(ms: number, run: Due | (() => void), now?: number): Timer {
    // Servers that answer soon are all waited for as long.
    return ms === UPSTREAM_LIMITS.tryTimeoutMs.min
      ? this.#patience.after(ms, run, now)
      : this.#clock.after(ms, typeof run === 'function' ? run : () => run.timeIsUp());
  }
  select(upstreams: readonly Upstream[]): Upstream | undefined {
    const asked = this.resumed?.upstream;
    if (asked !== undefined && upstreams.includes(asked)) return asked;
    return select(upstreams, NONE, this.options, this.#random);
  }
}

/** A question that was put to one server. */
class Asking implements Listener, Due {
  #inquiry: Inquiry | undefined;
  #patience: Timer | undefined;
  #linger: Timer | undefined;
  #overdue = false;

  constructor(
    private readonly exchanger: Exchanger,
    private readonly upstream: Upstream,
    private readonly shape: Patience,
    private readonly resolve: (response: Uint8Array) => void,
    private readonly reject: (error: ShardnsError) => void,
  ) {}

  begin(inquiry: Inquiry, now: number): void {
    const { exchanger, shape } = this;
    this.#inquiry = inquiry;
    this.#patience = exchanger.after(shape.timeoutMs, this, now);
    this.#linger = exchanger.atDeadline(() => this.#giveUp(this.#lateness()), now);
    shape.cancel.subscribe(this);
    // One that was given up before is asked again.
    inquiry.again();
  }

  answered({ response, latencyMs }: Answered): void {
    this.#end();
    if (this.#overdue) {
      // It tells how long the server takes, too.
      this.upstream.succeeded(latencyMs);
      this.shape.onLate?.(response);
    }
    this.resolve(response);
  }
  failed(error: ShardnsError): void {
    this.#end();
    this.reject(error);
  }
  /** Called when it is not waited for any longer. */
  timeIsUp(): void {
    this.#overdue = true;
    this.#inquiry?.late();
    this.reject(this.#lateness());
  }
  calledOff(): void {
    this.#giveUp(calledOff());
  }

  #giveUp(error: ShardnsError): void {
    this.#end();
    this.#inquiry?.unsubscribe(this);
    this.reject(error);
  }
  #end(): void {
    this.#patience?.cancel();
    this.#linger?.cancel();
    this.shape.cancel.unsubscribe(this);
  }
  #lateness(): ShardnsError {
    return notAnswered(this.upstream, { timeoutMs: this.shape.timeoutMs, isCut: this.#inquiry?.isCut === true });
  }
}

interface PromisedRaceShape {
  query: Uint8Array;
  upstreams: readonly Upstream[];
  accept: (response: Uint8Array, upstream: Upstream) => boolean;
  resolve: (exchanged: Exchanged) => void;
  reject: (error: unknown) => void;
  cancel: Canceller | undefined;
}

class PromisedRace extends Race {
  constructor(
    owner: RaceOwner,
    private readonly shape: PromisedRaceShape,
  ) {
    super(owner, shape.query, shape.upstreams, shape.cancel);
  }
  protected accept(response: Uint8Array, upstream: Upstream): boolean {
    return this.shape.accept(response, upstream);
  }
  protected won(response: Uint8Array, upstream: Upstream): void {
    this.shape.resolve({ response, upstream });
  }
  lost(error: unknown): void {
    this.shape.reject(error);
  }
}

function calledOff(): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_ABORTED', 'the query was called off');
}
