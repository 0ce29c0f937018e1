// Misses of the UDP plane of which nothing here decides anything but which upstream is asked: those are forwarded and
// answered natively (native/udp/forwarder.h), and told of in batches. They count as flights and as questions to upstreams.
//
// A question that turns out not to be that plain goes on in JavaScript, which takes over its query or its response, so that
// nothing is asked twice: one that is late for a second server or a second try, whose response cannot simply be kept, that
// somebody here asks too (RFC 5452 section 5), or that other settings overtake.
//
// Bounds: those of flights and of questions to upstreams.
import type { Clock } from '../base/clock.js';
import { AnsweredBy, ForwardResult } from '../native/binding.js';
import type { Doubt } from '../transport/transport.js';
import type { Forwarding, ForwardOwner } from '../transport/forwarded.js';
import type { ServerCookie } from '../upstream/cookies.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { Class } from '../wire/iana.js';
import type { Query } from '../wire/query.js';
import { isPlainType } from '../wire/scrub.js';
import type { Coalescer } from './coalescer.js';
import type { Hooks } from './hooks.js';
import type { Keep } from './keep.js';
import { isUpstreamsAlone, Unraced, type UnracedContext, UnracedQuestion } from './unraced.js';
import { OVER_RATE, type ZoneRates, type ZoneTicket } from './zone-rates.js';

/** The plane that the flights are of. */
export interface PlaneOfFlights {
  completion(): unknown;
  /** The ticket of the flight that the query would join, or -1. */
  find(query: Uint8Array): number;
  /** What flights under way find is not kept. */
  outdate(): void;
  /** The flight is put to this upstream; for those who watch. */
  forwarded(ticket: number, upstream: string): void;
  /** The flight is over, and all who waited are answered. */
  completed(): void;
  /** The flight is JavaScript's from now on; must not throw. */
  goOn(ticket: number): void;
}

export interface PlainMissesParts {
  readonly context: UnracedContext;
  readonly hooks: Hooks;
  readonly exchanger: Exchanger;
  readonly keep: Keep;
  readonly coalescer: Coalescer;
  readonly zoneRates: ZoneRates;
  readonly clock: Clock;
}

class Miss extends UnracedQuestion {
  /** Where it counts, of the names that its zone may be asked for. */
  zone: ZoneTicket = 0;
  /** What its server is sent as a cookie. */
  known: ServerCookie | undefined;

  constructor(
    upstream: Upstream,
    owner: PlainMisses,
    public query: Query,
  ) {
    super(upstream, owner);
  }
}

/** Where a ticket of the ring has its place in it. */
const placeOf = (ticket: number): number => ticket & 0xffff;

export class PlainMisses implements ForwardOwner<Miss> {
  /** How many were answered natively, and how many have gone on in JavaScript. */
  readonly stats = { answered: 0, takenOver: 0 };
  #plane: PlaneOfFlights | undefined;
  #forwarding: Forwarding | undefined;
  /** Those under way by their places in the ring. */
  readonly #byPlace: (Miss | undefined)[] = [];
  readonly #unused: Miss[] = [];
  readonly #unraced: Unraced<Miss>;
  #upstreams: readonly Upstream[] = [];

  constructor(private readonly parts: PlainMissesParts) {
    this.#unraced = new Unraced(parts.exchanger, parts.clock, one => this.#goOn(one));
  }

  get underWay(): number {
    return this.#unraced.size;
  }

  /** Another plane receives from now on; what is under way for the one before goes on in JavaScript. */
  use(plane: PlaneOfFlights): void {
    this.takeOverAll();
    this.#plane = plane;
    this.#endForwarding();
  }
  /** The plane is gone, and its flights with it. */
  leave(plane: PlaneOfFlights): void {
    if (this.#plane !== plane) return;
    for (const one of this.#byPlace) if (one !== undefined) this.#drop(one);
    this.#plane = undefined;
    this.#endForwarding();
  }
  #endForwarding(): void {
    const forwarding = this.#forwarding;
    this.#forwarding = undefined;
    forwarding?.endForwarding(this);
  }

  /** Whether any miss of the plane may be plain by the settings and hooks of now; to be asked before a batch of them. */
  mayForward(plane: PlaneOfFlights): boolean {
    const { context, hooks, exchanger } = this.parts;
    this.#upstreams = context.groups.get('default') ?? [];
    if (this.#plane !== plane || this.#upstreams.length === 0) return false;
    if (!isUpstreamsAlone(context, hooks, exchanger)) return false;
    const { forwarding } = exchanger;
    if (forwarding === undefined || forwarding === this.#forwarding) return forwarding !== undefined;
    this.takeOverAll();
    this.#endForwarding();
    if (!forwarding.beginForwarding(this, plane.completion())) return false;
    this.#forwarding = forwarding;
    return true;
  }

  /** Forwards the flight if its question is plain. @param query of a client of tenant 0 */
  tryForward(ticket: number, query: Query): boolean {
    const { context, coalescer, exchanger } = this.parts;
    const forwarding = this.#forwarding;
    if (forwarding === undefined || !this.#isPlain(query)) return false;
    const upstream = this.#unraced.upstreamOf(this.#upstreams, true);
    if (upstream === undefined) return false;
    const zone = this.#enterZone(query);
    // The slow path says so; it is no way around.
    if (zone === OVER_RATE) return false;
    if (!coalescer.takePlain()) {
      this.parts.zoneRates.leave(zone, query.name, undefined);
      return false;
    }
    const one = this.#unused.pop() ?? new Miss(upstream, this, query);
    one.upstream = upstream;
    one.query = query;
    one.zone = zone;
    one.known = exchanger.cookieOf(upstream);
    one.cookie = one.known?.expected();
    one.ticket = ticket;
    this.#plane?.forwarded(ticket, upstream.label);
    this.#byPlace[placeOf(ticket)] = one;
    this.#unraced.begin(one, this.#upstreams);
    forwarding.forward(one, context.options.upstreamUdpSize);
    return true;
  }

  #enterZone(query: Query): ZoneTicket {
    const { context, coalescer, zoneRates } = this.parts;
    const { zoneRate, flights } = context.options;
    return zoneRate === undefined ? 0 : zoneRates.enter(query.name, zoneRate, flights.room - coalescer.size);
  }

  #isPlain(query: Query): boolean {
    const { context, keep, coalescer } = this.parts;
    const { options } = context;
    return (
      query.dnsClass === Class.IN &&
      query.recursionDesired &&
      // With these there would be more forms of a question than one server is asked at a time.
      !query.checkingDisabled &&
      isPlainType(query.type) &&
      (coalescer.size === this.underWay || !coalescer.asks(query, 0)) &&
      !keep.knows(query, 0, options) &&
      context.zones?.entryFor(query.name, query.type, 0) === undefined &&
      !options.local.hasSay(query, 0) &&
      options.dns64?.hasSay(query, 0) !== true
    );
  }

  /** Somebody here asks this, or a form of it: from now on it is asked here. Forms with CD wait for these (Inquiries). */
  takeOver(query: Query): void {
    if (this.underWay === 0 || this.#plane === undefined) return;
    for (const form of formsOf(query)) {
      const ticket = this.#plane.find(form);
      const one = ticket < 0 ? undefined : this.#byPlace[placeOf(ticket)];
      if (one?.ticket === ticket) this.#goOn(one);
    }
  }
  /** What holds no more is told to those who wait for it, and not kept. */
  outdate(): void {
    if (this.underWay > 0) this.#plane?.outdate();
  }
  /** Before other settings are in force. */
  takeOverAll(): void {
    if (this.underWay === 0) return;
    for (const one of this.#byPlace) if (one !== undefined) this.#goOn(one);
  }

  completed(one: Miss, result: number, response: Uint8Array | undefined): void {
    if (!this.#leave(one, (result & ForwardResult.denies) === 0)) return;
    const { context, keep } = this.parts;
    context.stats.resolved++;
    this.stats.answered++;
    context.latencies.add(AnsweredBy.upstream, (this.parts.clock.nowMs() - one.beganMs) * 1000);
    if ((result & ForwardResult.hasOpt) !== 0) one.upstream.edns.shown();
    one.known?.echoed();
    keep.keptNatively(one.query, 0, response);
    this.#unraced.answered(one);
    this.#unused.push(one);
    this.#plane?.completed();
  }
  answered(one: Miss, response: Uint8Array): void {
    this.#goOn(one, response);
  }
  lost(one: Miss, asked: boolean): void {
    if (asked) one.upstream.stats.queries++; // it is asked once more
    this.#goOn(one);
  }
  doubted(one: Miss, doubt: Doubt): void {
    this.#goOn(one, undefined, doubt);
  }

  #goOn(one: Miss, response?: Uint8Array, doubt?: Doubt): void {
    if (!this.#leave(one)) return;
    this.stats.takenOver++;
    const { ticket } = one;
    this.#unraced.handOver({
      one,
      forwarding: this.#forwarding,
      goOn: () => {
        this.#plane?.goOn(ticket);
        this.#unused.push(one);
      },
      response,
      doubt,
    });
  }

  /** Its plane is gone. */
  #drop(one: Miss): void {
    if (this.#leave(one)) this.#unraced.dropped(one, this.#forwarding);
  }

  /** Out of everything but the counts of servers; false where it is not under way. */
  #leave(one: Miss, isGood?: boolean): boolean {
    const place = placeOf(one.ticket);
    if (this.#byPlace[place] !== one) return false;
    this.#byPlace[place] = undefined;
    if (one.zone !== 0) this.parts.zoneRates.leave(one.zone, one.query.name, isGood);
    this.#unraced.leave(one);
    this.parts.coalescer.release(undefined);
    return true;
  }
}

/** The forms in which a question may have been forwarded: with DO, with AD, with neither. */
function formsOf(query: Query): Uint8Array[] {
  const plain = new Uint8Array(query.questionEnd + 11);
  plain.set(query.message.subarray(0, query.questionEnd));
  plain.fill(0, 6, 12);
  plain[2] = 1;
  plain[3] = 0;
  plain[11] = 1;
  plain.set([0, 0, 41, 4, 208], query.questionEnd);
  const withAd = plain.slice();
  withAd[3] = 0x20;
  const withDo = plain.slice();
  withDo[query.questionEnd + 7] = 0x80;
  return [plain, withAd, withDo];
}
