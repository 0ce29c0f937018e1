// The tries for one question at a group of servers: one server after the other, a second one early where the first is
// late (hedging). The first acceptable response wins; those that are late go on until then, and count.
//
// Bounds: UPSTREAM_LIMITS.maxTries tries in all, queriesPerServer at one server; the deadline.
import type { Canceller } from '../base/cancel.js';
import type { Timer } from '../base/clock.js';
import type { Due } from '../base/equal-timers.js';
import { ShardnsError } from '../base/errors.js';
import type { Inquiry } from './inquiry.js';
import { UPSTREAM_LIMITS as L } from './limits.js';
import type { Answered, Listener } from './shared-outcome.js';
import type { Upstream, Waiter } from './upstream.js';

export interface Exchanged {
  response: Uint8Array;
  upstream: Upstream;
}

/** What a race asks of whoever holds it. Here and below `now` is given where the clock has just been read. */
export interface RaceOwner {
  readonly options: { readonly deadlineMs: number; readonly hedge: boolean };
  /** Refused, or not asked in time, for want of room. */
  overloaded: number;
  readonly now: number;
  after(ms: number, run: Due | (() => void), now?: number): Timer;
  atDeadline(run: Due | (() => void), now: number): Timer;
  select(upstreams: readonly Upstream[]): Upstream | undefined;
  inquire(race: Race, upstream: Upstream, listener: Listener, now?: number): Inquiry;
  ended(race: Race): void;
}

/** What becomes of it is for whoever extends it: an object of its own for that would be one more a miss. */
export abstract class Race implements Waiter, Due {
  /** Nearly always one, which costs no list. */
  #attempt: Attempt | undefined;
  #others: Attempt[] | undefined;
  #tries = 0;
  #running = 0;
  #waiting = false;
  /** Servers that were not asked yet have no room. */
  #full = false;
  #done = false;
  #hedge: Timer | undefined;
  #deadline: Timer | undefined;
  #deadlineAt = 0;
  /** How long ago the try that begins was begun elsewhere. */
  #spentMs = 0;
  #lastError: unknown;
  #lastResort: Exchanged | undefined;

  constructor(
    readonly owner: RaceOwner,
    readonly query: Uint8Array,
    readonly upstreams: readonly Upstream[],
    readonly cancel?: Canceller,
  ) {}

  /** Whose share of what is bounded on the way to servers it counts to; undefined: nobody's. */
  get client(): string | undefined {
    return undefined;
  }
  /** Whether a response is worth having; a refused one counts as a failure of its server. What it throws ends the race. */
  protected abstract accept(response: Uint8Array, upstream: Upstream): boolean;
  /** It is over: by a response that was accepted, or one that was not where there was none better. Must not throw. */
  protected abstract won(response: Uint8Array, upstream: Upstream): void;
  /**
   * It is over without a response. Must not throw.
   * @param error ERR_SHARDNS_TIMEOUT, ERR_SHARDNS_UPSTREAM, ERR_SHARDNS_OVERLOAD, ERR_SHARDNS_ABORTED, or what `accept` threw
   */
  abstract lost(error: unknown): void;

  /** The time that it waits for its turn counts. */
  begin(now: number): void {
    this.#deadlineAt = now + this.owner.options.deadlineMs;
    this.#deadline = this.owner.atDeadline(this, now);
    this.cancel?.subscribe(this);
  }

  /** @param asked whether it was asked at that time, and not now */
  start(now?: number, asked = false): void {
    if (asked && now !== undefined) this.#spentMs = Math.max(0, this.owner.now - now);
    this.#next(now);
    this.#spentMs = 0;
  }

  /** Its time is over, and it will hear so at once: there is no use in giving it room. */
  get expired(): boolean {
    return this.owner.now >= this.#deadlineAt;
  }

  /** A server has room. */
  wake(): boolean {
    if (this.expired) return false;
    this.#stopWaiting();
    this.#next();
    return true;
  }

  calledOff(): void {
    this.#lastError = new ShardnsError('ERR_SHARDNS_ABORTED', 'the query was called off');
    this.#lastResort = undefined;
    this.#finish();
  }

  /** Called at the deadline. */
  timeIsUp(): void {
    const { deadlineMs } = this.owner.options;
    if (this.#tries > 0) {
      this.#lastError ??= new ShardnsError('ERR_SHARDNS_TIMEOUT', `no upstream answered in ${deadlineMs} ms`);
    } else {
      this.owner.overloaded++;
      this.#lastError = new ShardnsError(
        'ERR_SHARDNS_OVERLOAD',
        `too many upstream queries under way: no room within ${deadlineMs} ms`,
      );
    }
    this.#finish();
  }

  #next(now?: number): void {
    if (this.#done) return;
    if (this.#tries < L.maxTries) {
      const attempt = this.#pick();
      if (attempt !== undefined) {
        this.#try(attempt, now);
        return;
      }
      if (this.#running === 0 && this.#full && this.#lastResort === undefined) {
        this.#wait();
        return;
      }
    }
    if (this.#running === 0) this.#finish();
  }

  /** A server that was not asked before; else one that was late, or failed, and may be asked again. */
  #pick(): Attempt | undefined {
    const { owner, upstreams } = this;
    const attempts = this.#attempts;
    const fresh =
      attempts === undefined ? upstreams : upstreams.filter(one => attempts.every(attempt => attempt.upstream !== one));
    const upstream = fresh.length === 0 ? undefined : owner.select(fresh);
    this.#full = fresh.length > 0;
    if (upstream !== undefined) {
      const attempt = new Attempt(this, upstream);
      if (this.#attempt === undefined) this.#attempt = attempt;
      else (this.#others ??= []).push(attempt);
      return attempt;
    }
    // SERVFAIL and REFUSED are answers too, when everybody was asked.
    if (attempts === undefined || (fresh.length === 0 && this.#lastResort !== undefined)) return undefined;
    const again = attempts.filter(one => one.mayTryAgain);
    return again.length < 2 ? again[0] : again.reduce((a, b) => (b.upstream.srttMs < a.upstream.srttMs ? b : a));
  }
  get #attempts(): Attempt[] | undefined {
    return this.#attempt === undefined ? undefined : [this.#attempt, ...(this.#others ?? [])];
  }

  #try(attempt: Attempt, now: number | undefined): void {
    const { owner, upstreams } = this;
    const { upstream } = attempt;
    this.#tries++;
    if (!attempt.running) this.#running++;
    if (this.#tries === 1 && owner.options.hedge && upstreams.length > 1) {
      this.#hedge = owner.after(Math.max(0, upstream.hedgeMs - this.#spentMs), () => {
        if (this.#done || this.#tries > 1) return;
        upstream.stats.hedges++;
        this.#next();
      });
    }
    attempt.try(now, this.#spentMs);
  }

  /** Called by the attempts. */
  onLate(): void {
    this.#next();
  }
  onAnswer({ upstream }: Attempt, { response, latencyMs }: Answered): void {
    this.#running--;
    if (this.#done) return;
    let accepted: boolean;
    try {
      accepted = this.accept(response, upstream);
    } catch (error) {
      this.#lastError = error;
      this.#lastResort = undefined;
      this.#finish();
      return;
    }
    if (accepted) {
      upstream.succeeded(latencyMs);
      this.#finish({ response, upstream });
      return;
    }
    upstream.failed('failure');
    this.#lastResort ??= { response, upstream };
    this.#next();
  }
  onFailure({ upstream }: Attempt, error: ShardnsError): void {
    this.#running--;
    if (this.#done) return;
    upstream.lost(error);
    this.#lastError = error;
    if (error.code === 'ERR_SHARDNS_CLOSED') this.#finish();
    else this.#next();
  }

  #wait(): void {
    this.#waiting = true;
    for (const one of this.upstreams) one.waiting.add(this);
  }
  #stopWaiting(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    for (const one of this.upstreams) one.waiting.delete(this);
  }

  #finish(value = this.#lastResort): void {
    if (this.#done) return;
    this.#done = true;
    this.#stopWaiting();
    this.#hedge?.cancel();
    this.#deadline?.cancel();
    this.cancel?.unsubscribe(this);
    this.#attempt?.end();
    if (this.#others !== undefined) for (const attempt of this.#others) attempt.end();
    this.owner.ended(this);
    if (value !== undefined) this.won(value.response, value.upstream);
    else this.lost(this.#lastError ?? new ShardnsError('ERR_SHARDNS_UPSTREAM', 'no upstream answered'));
  }
}

/** What is asked of one server. Holds one place of its bound. */
class Attempt implements Listener, Due {
  #inquiry: Inquiry | undefined;
  #patience: Timer | undefined;
  #tries = 0;
  /** Queries of the inquiry when its patience began. */
  #sent = 0;
  #late = false;
  #useless = false;
  #held = false;

  constructor(
    private readonly race: Race,
    readonly upstream: Upstream,
  ) {}

  get running(): boolean {
    return this.#inquiry !== undefined;
  }
  get mayTryAgain(): boolean {
    return !this.#useless && this.#tries < L.queriesPerServer && (this.#late || this.#inquiry === undefined);
  }

  try(now?: number, spentMs = 0): void {
    const { race, upstream } = this;
    this.#tries++;
    this.#late = false;
    if (!this.#held) {
      this.#held = true;
      upstream.inFlight++;
    }
    this.#patience?.cancel();
    this.#patience = race.owner.after(
      Math.max(0, upstream.tryTimeoutMs - spentMs),
      this,
      spentMs > 0 ? undefined : now,
    );
    if (this.#inquiry === undefined) {
      this.#inquiry = race.owner.inquire(race, upstream, this, now);
    } else {
      this.#inquiry.again();
    }
    this.#sent = this.#inquiry?.sent ?? 0;
  }

  /** Called when its patience is over. */
  timeIsUp(): void {
    this.#late = true;
    if (this.#inquiry?.late(this.#sent) === true) this.upstream.failed('timeout');
    this.race.onLate();
  }

  answered(answered: Answered): void {
    // It has said what it has to say.
    this.#useless = true;
    this.#rest();
    this.race.onAnswer(this, answered);
  }
  failed(error: ShardnsError): void {
    this.#rest();
    this.race.onFailure(this, error);
  }

  end(): void {
    this.#inquiry?.unsubscribe(this);
    this.#rest();
  }

  #rest(): void {
    this.#patience?.cancel();
    this.#inquiry = undefined;
    if (!this.#held) return;
    this.#held = false;
    this.upstream.release();
  }
}
