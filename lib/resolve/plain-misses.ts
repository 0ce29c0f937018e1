// Misses of the UDP plane of which nothing here decides anything but which upstream is asked: those are forwarded and
// answered natively (native/udp/forwarder.h), and told of in batches. They count as flights and as questions to upstreams.
//
// A question that turns out not to be that plain goes on in JavaScript, which takes over its query or its response, so that
// nothing is asked twice: one that is late for a second server or a second try, whose response cannot simply be kept, that
// somebody here asks too (RFC 5452 section 5), or that other settings overtake.
//
// Bounds: those of flights and of questions to upstreams.
import type { Clock, Timer } from '../base/clock.js';
import { ForwardResult } from '../native/binding.js';
import type { Doubt } from '../transport/transport.js';
import { Forwarded, type Forwarding, type ForwardOwner } from '../transport/forwarded.js';
import type { Exchanger } from '../upstream/exchange.js';
import { entropyFor, lettersFor } from '../upstream/inquiry.js';
import type { Upstream } from '../upstream/upstream.js';
import { Class } from '../wire/iana.js';
import type { Query } from '../wire/query.js';
import { isPlainType } from '../wire/scrub.js';
import type { Coalescer } from './coalescer.js';
import type { ResolverContext } from './context.js';
import type { Hooks } from './hooks.js';
import type { Keep } from './keep.js';

/** The plane that the flights are of. */
export interface PlaneOfFlights {
  completion(): unknown;
  /** The ticket of the flight that the query would join, or -1. */
  find(query: Uint8Array): number;
  /** What flights under way find is not kept. */
  outdate(): void;
  /** The flight is over, and all who waited are answered. */
  completed(): void;
  /** The flight is JavaScript's from now on; must not throw. */
  goOn(ticket: number): void;
}

export interface PlainMissesContext extends ResolverContext {
  /** Views or tenants: what clients may be told depends on who they are. */
  readonly partsClients: boolean;
}

export interface PlainMissesParts {
  readonly context: PlainMissesContext;
  readonly hooks: Hooks;
  readonly exchanger: Exchanger;
  readonly keep: Keep;
  readonly coalescer: Coalescer;
  readonly clock: Clock;
}

class Miss extends Forwarded {
  constructor(
    public upstream: Upstream,
    public query: Query,
  ) {
    super(upstream.at);
  }
}

/** A miss that is to go on in JavaScript, with what has come of it natively. */
interface GoingOn {
  readonly one: Miss;
  readonly response: Uint8Array | undefined;
  readonly doubt: Doubt | undefined;
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
  /** The oldest first, behind none of them. */
  #late: Miss | undefined;
  #timer: Timer | undefined;
  #timerAtMs = 0;
  #count = 0;
  #upstreams: readonly Upstream[] = [];
  /**
   * Those that are to go on in JavaScript, one after the other: what goes on asks for the other forms of its question to
   * be taken over, and a transport has one offer at a time.
   */
  readonly #toGoOn: GoingOn[] = [];
  #goingOn = false;

  constructor(private readonly parts: PlainMissesParts) {}

  get underWay(): number {
    return this.#count;
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
    const { options, recursor, groups } = context;
    this.#upstreams = groups.get('default') ?? [];
    if (
      this.#plane !== plane ||
      this.#upstreams.length === 0 ||
      hooks.onQuery !== undefined ||
      hooks.onResponse !== undefined ||
      recursor !== undefined ||
      context.partsClients ||
      options.forwardClientSubnet ||
      options.addressRules?.hidesAny === true ||
      exchanger.options.clientStrings !== undefined
    ) {
      return false;
    }
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
    const { context, exchanger, coalescer, clock } = this.parts;
    const forwarding = this.#forwarding;
    if (forwarding === undefined || !this.#isPlain(query) || !exchanger.hasRoom) return false;
    const upstream = exchanger.select(this.#upstreams);
    if (upstream?.scheme !== 'udp' || upstream.edns.granted) return false;
    const letters = lettersFor(upstream, exchanger.options.letterCase);
    // An NXDOMAIN may be for the letters.
    if (letters === 'drawn' && upstream.scope !== 'public') return false;
    if (!coalescer.takePlain()) return false;
    const now = clock.nowMs();
    const one = this.#unused.pop() ?? new Miss(upstream, query);
    one.upstream = upstream;
    one.query = query;
    one.server = upstream.at;
    one.letters = letters;
    one.entropy = entropyFor(upstream);
    one.ticket = ticket;
    one.beganMs = now;
    one.dueMs = now + this.#patienceFor(upstream);
    this.#byPlace[placeOf(ticket)] = one;
    this.#count++;
    exchanger.inFlight++;
    upstream.inFlight++;
    upstream.stats.queries++;
    this.#queue(one, now);
    forwarding.forward(one, context.options.upstreamUdpSize);
    return true;
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
      (coalescer.size === this.#count || !coalescer.asks(query, 0)) &&
      !keep.knows(query, 0, options) &&
      !options.local.hasSay(query, 0)
    );
  }

  /** Until a second server or a second query is due, or nobody waits any more. */
  #patienceFor(upstream: Upstream): number {
    const { hedge, deadlineMs } = this.parts.exchanger.options;
    const { tryTimeoutMs } = upstream;
    const first = hedge && this.#upstreams.length > 1 ? Math.min(upstream.hedgeMs, tryTimeoutMs) : tryTimeoutMs;
    return Math.min(first, deadlineMs);
  }

  /** Somebody here asks this, or a form of it: from now on it is asked here. Forms with CD wait for these (Inquiries). */
  takeOver(query: Query): void {
    if (this.#count === 0 || this.#plane === undefined) return;
    for (const form of formsOf(query)) {
      const ticket = this.#plane.find(form);
      const one = ticket < 0 ? undefined : this.#byPlace[placeOf(ticket)];
      if (one?.ticket === ticket) this.#goOn(one);
    }
  }
  /** What holds no more is told to those who wait for it, and not kept. */
  outdate(): void {
    if (this.#count > 0) this.#plane?.outdate();
  }
  /** Before other settings are in force. */
  takeOverAll(): void {
    if (this.#count === 0) return;
    for (const one of this.#byPlace) if (one !== undefined) this.#goOn(one);
  }

  completed(one: Miss, result: number, response: Uint8Array | undefined): void {
    if (!this.#leave(one)) return;
    const { exchanger, context, clock, keep } = this.parts;
    const { upstream } = one;
    context.stats.resolved++;
    this.stats.answered++;
    if ((result & ForwardResult.hasOpt) !== 0) upstream.edns.shown();
    keep.keptNatively(one.query, 0, response);
    upstream.succeeded(clock.nowMs() - one.beganMs);
    upstream.release();
    exchanger.release();
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
    this.#toGoOn.push({ one, response, doubt });
    if (this.#goingOn) return;
    this.#goingOn = true;
    try {
      for (let next = this.#toGoOn.shift(); next !== undefined; next = this.#toGoOn.shift()) this.#handOver(next);
    } finally {
      this.#goingOn = false;
    }
  }

  #handOver({ one, response, doubt }: GoingOn): void {
    const { exchanger } = this.parts;
    const forwarding = this.#forwarding;
    const { upstream, ticket, beganMs } = one;
    const isAsked = one.number >= 0 || response !== undefined;
    // What takes its place counts it again.
    upstream.stats.queries--;
    upstream.inFlight--;
    exchanger.inFlight--;
    if (isAsked && forwarding !== undefined) {
      forwarding.offer(one);
      exchanger.resumed = { upstream, beganMs };
    }
    this.#plane?.goOn(ticket);
    exchanger.resumed = undefined;
    // Where nothing has taken its place it was asked all the same, and others may be.
    if (forwarding?.withdraw(response, doubt) !== true && isAsked) upstream.stats.queries++;
    upstream.inFlight++;
    upstream.release();
    exchanger.inFlight++;
    exchanger.release();
    this.#unused.push(one);
  }

  /** Its plane is gone. */
  #drop(one: Miss): void {
    if (!this.#leave(one)) return;
    one.upstream.release();
    this.parts.exchanger.release();
    this.#forwarding?.callOff(one);
  }

  /** Out of everything but the counts of servers; false where it is not under way. */
  #leave(one: Miss): boolean {
    const place = placeOf(one.ticket);
    if (this.#byPlace[place] !== one) return false;
    this.#byPlace[place] = undefined;
    this.#count--;
    if (one.next === one) this.#late = undefined;
    else {
      if (this.#late === one) this.#late = one.next;
      one.previous.next = one.next;
      one.next.previous = one.previous;
      one.previous = one.next = one;
    }
    this.parts.coalescer.release(undefined);
    return true;
  }

  /** In a ring that begins with the one that is due first. */
  #queue(one: Miss, now: number): void {
    const first = this.#late;
    if (first === undefined) {
      this.#late = one;
    } else {
      // Nearly all are due last.
      let before = first.previous;
      while (before.dueMs > one.dueMs && before !== first) before = before.previous;
      if (before.dueMs > one.dueMs) {
        before = first.previous;
        this.#late = one;
      }
      one.previous = before;
      one.next = before.next;
      before.next.previous = one;
      before.next = one;
    }
    if (this.#timer === undefined || one.dueMs < this.#timerAtMs) this.#arm(one.dueMs, now);
  }

  #arm(atMs: number, now: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.parts.clock.after(atMs - now, this.#due);
  }

  readonly #due = (): void => {
    this.#timer = undefined;
    const now = this.parts.clock.nowMs();
    for (;;) {
      const first = this.#late;
      if (first === undefined) return;
      if (first.dueMs > now) {
        if (this.#timer === undefined) this.#arm(first.dueMs, now);
        return;
      }
      this.#goOn(first);
    }
  };
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
