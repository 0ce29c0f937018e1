// Questions that are put to one upstream without a race: what they count as, when each of them is late, and how a race takes
// one over, with its query or its response, so that nothing is asked twice.
//
// Bounds: those of questions to upstreams. One timer for all of them.
import type { Clock, Timer } from '../base/clock.js';
import type { Doubt } from '../transport/transport.js';
import { Forwarded, type Forwarding, type ForwardOwner } from '../transport/forwarded.js';
import type { Exchanger } from '../upstream/exchange.js';
import { entropyFor, lettersFor } from '../upstream/guards.js';
import type { Upstream } from '../upstream/upstream.js';
import type { ResolverContext } from './context.js';
import type { Hooks } from './hooks.js';

export class UnracedQuestion extends Forwarded {
  constructor(
    public upstream: Upstream,
    owner: ForwardOwner<never>,
  ) {
    super(upstream.at, owner);
  }
}

export interface UnracedContext extends ResolverContext {
  /** Views or tenants: what clients may be told depends on who they are. */
  readonly partsClients: boolean;
}

/** Whether nobody has a say in what a question is answered but its upstream, by the settings and hooks of now. */
export function isUpstreamsAlone(context: UnracedContext, hooks: Hooks, exchanger: Exchanger): boolean {
  const { options, recursor, partsClients, level } = context;
  return (
    hooks.onQuery === undefined &&
    hooks.onResponse === undefined &&
    recursor === undefined &&
    level === undefined &&
    !partsClients &&
    !options.forwardClientSubnet &&
    options.addressRules?.hidesAny !== true &&
    exchanger.options.clientStrings === undefined
  );
}

/** A question that is to go on by a race, with what has come of it. */
interface Handover<One> {
  readonly one: One;
  readonly forwarding: Forwarding | undefined;
  /** Asks the question by a race before it returns, if it asks it at all. */
  readonly goOn: () => void;
  /** Where there is one, else its query goes on. */
  readonly response?: Uint8Array;
  readonly doubt?: Doubt;
}

export class Unraced<One extends UnracedQuestion> {
  /** In a ring that begins with the one that is due first, behind none of them. */
  #late: One | undefined;
  #timer: Timer | undefined;
  #timerAtMs = 0;
  #size = 0;
  /**
   * Those that a race is to take over, one after the other: what goes on may have other forms of its question go on, and a
   * transport has one offer at a time.
   */
  readonly #handovers: Handover<One>[] = [];
  #handingOver = false;

  /** @param whenLate told of one that a second server or a second query is due for, or that nobody waits for any more */
  constructor(
    private readonly exchanger: Exchanger,
    private readonly clock: Clock,
    private readonly whenLate: (one: One) => void,
  ) {}

  get size(): number {
    return this.#size;
  }

  /**
   * The server to ask, where one can be asked plainly.
   * @param withCookie whether the query may have the cookie that the server knows us by
   */
  upstreamOf(upstreams: readonly Upstream[], withCookie = false): Upstream | undefined {
    const { exchanger } = this;
    if (!exchanger.hasRoom) return undefined;
    const upstream = exchanger.select(upstreams);
    if (upstream?.scheme !== 'udp' || upstream.edns.granted) return undefined;
    const cookie = exchanger.cookieOf(upstream);
    // What is learned from the first of its responses is for an inquiry to judge.
    if (cookie !== undefined && (!withCookie || cookie.expected() === undefined)) return undefined;
    // An NXDOMAIN may be for the letters.
    const drawn = lettersFor(upstream, exchanger.options.letterCase) === 'drawn';
    return drawn && upstream.scope !== 'public' ? undefined : upstream;
  }

  /** It is put to its upstream now. @param upstreams among which that was chosen */
  begin(one: One, upstreams: readonly Upstream[]): void {
    const { exchanger } = this;
    const { upstream } = one;
    const now = this.clock.nowMs();
    one.server = upstream.at;
    one.letters = lettersFor(upstream, exchanger.options.letterCase);
    one.entropy = entropyFor(upstream);
    one.beganMs = now;
    one.dueMs = now + this.#patienceFor(upstream, upstreams);
    this.#size++;
    exchanger.inFlight++;
    upstream.inFlight++;
    upstream.stats.queries++;
    this.#queue(one, now);
  }

  #patienceFor(upstream: Upstream, upstreams: readonly Upstream[]): number {
    const { hedge, deadlineMs } = this.exchanger.options;
    const { tryTimeoutMs } = upstream;
    const first = hedge && upstreams.length > 1 ? Math.min(upstream.hedgeMs, tryTimeoutMs) : tryTimeoutMs;
    return Math.min(first, deadlineMs);
  }

  /** It is under way here no more: `answered`, `handOver` or `dropped` says what becomes of it. */
  leave(one: One): void {
    this.#size--;
    if (one.next === one) this.#late = undefined;
    else {
      if (this.#late === one) this.#late = one.next;
      one.previous.next = one.next;
      one.next.previous = one.previous;
      one.previous = one.next = one;
    }
  }

  answered({ upstream, beganMs }: One): void {
    upstream.succeeded(this.clock.nowMs() - beganMs);
    upstream.release();
    this.exchanger.release();
  }

  /** A race takes it over: at once, or behind those that are being taken over. */
  handOver(handover: Handover<One>): void {
    this.#handovers.push(handover);
    if (this.#handingOver) return;
    this.#handingOver = true;
    try {
      for (let next = this.#handovers.shift(); next !== undefined; next = this.#handovers.shift()) this.#handOver(next);
    } finally {
      this.#handingOver = false;
    }
  }

  #handOver({ one, forwarding, goOn, response, doubt }: Handover<One>): void {
    const { exchanger } = this;
    const { upstream, beganMs } = one;
    const isAsked = one.number >= 0 || response !== undefined;
    // What takes its place counts it again.
    upstream.stats.queries--;
    upstream.inFlight--;
    exchanger.inFlight--;
    if (isAsked && forwarding !== undefined) {
      forwarding.offer(one);
      exchanger.resumed = { upstream, beganMs };
    }
    goOn();
    exchanger.resumed = undefined;
    // Where nothing has taken its place it was asked all the same, and others may be.
    if (forwarding?.withdraw(response, doubt) !== true && isAsked) upstream.stats.queries++;
    upstream.inFlight++;
    upstream.release();
    exchanger.inFlight++;
    exchanger.release();
  }

  /** Nobody wants to know any more. */
  dropped(one: One, forwarding: Forwarding | undefined): void {
    one.upstream.release();
    this.exchanger.release();
    forwarding?.callOff(one);
  }

  #queue(one: One, now: number): void {
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
    this.#timer = this.clock.after(atMs - now, this.#due);
  }

  readonly #due = (): void => {
    this.#timer = undefined;
    const now = this.clock.nowMs();
    for (;;) {
      const first = this.#late;
      if (first === undefined) return;
      if (first.dueMs > now) {
        if (this.#timer === undefined) this.#arm(first.dueMs, now);
        return;
      }
      this.whenLate(first);
    }
  };
}
