// Stops calls to what fails: closed, every call is made; open, none; half-open, one at a time, to see whether it has come
// back. A call that is not made costs nothing, which is what a level behind another one may cost while it is away.
//
// Bounds: ten counts of a second each.
import type { Clock } from './clock.js';
import type { Random } from './random.js';

export const BREAKER_LIMITS = {
  /** Failures are counted over this time, */
  windowMs: 10_000,
  /** and open it when they are at least this share of the calls, */
  failureShare: 0.5,
  /** of which there were at least so many; */
  leastCalls: 20,
  /** or when so many fail one after another. */
  inARow: 5,
  /** How long it stays open at first; doubled each time a probe fails, up to the second; each drawn from 75 % of it on. */
  openMs: 1000,
  maxOpenMs: 30_000,
  /** It closes when so many probes have succeeded one after another. */
  probes: 3,
} as const;
export type BreakerLimits = { readonly [K in keyof typeof BREAKER_LIMITS]: number };

export type BreakerState = 'closed' | 'open' | 'half-open';

const SLOTS = 10;

export class Breaker {
  /** How often it has opened. */
  opened = 0;
  #state: BreakerState = 'closed';
  #inARow = 0;
  #openMs: number;
  #openUntil = 0;
  /** The probe under way was let through then; one that never comes back does not keep it open for ever. */
  #probingSince: number | undefined;
  #probed = 0;
  readonly #calls = new Uint32Array(SLOTS);
  readonly #failures = new Uint32Array(SLOTS);
  #slot = 0;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly limits: BreakerLimits = BREAKER_LIMITS,
  ) {
    this.#openMs = limits.openMs;
  }

  get state(): BreakerState {
    return this.#state === 'open' && this.clock.nowMs() >= this.#openUntil ? 'half-open' : this.#state;
  }

  /** How long no call is made. */
  get retryInMs(): number {
    return this.#state === 'closed' ? 0 : Math.max(0, this.#openUntil - this.clock.nowMs());
  }

  /** Whether a call may be made now; who is told so says how it ended. */
  take(): boolean {
    if (this.#state === 'closed') return true;
    const now = this.clock.nowMs();
    if (now < this.#openUntil) return false;
    this.#state = 'half-open';
    if (this.#probingSince !== undefined && now - this.#probingSince < this.limits.openMs) return false;
    this.#probingSince = now;
    return true;
  }

  succeeded(): void {
    this.#inARow = 0;
    if (this.#state === 'closed') {
      this.#calls[this.#turn()]++;
      return;
    }
    // An answer that was asked for before it opened says that the server is back, and counts as a probe.
    this.#probingSince = undefined;
    if (this.#state !== 'half-open' || ++this.#probed < this.limits.probes) return;
    this.#state = 'closed';
    this.#openMs = this.limits.openMs;
    this.#clear();
  }

  failed(): void {
    this.#inARow++;
    if (this.#state === 'half-open') {
      this.#openMs = Math.min(this.#openMs * 2, this.limits.maxOpenMs);
      this.#open();
      return;
    }
    if (this.#state === 'open') return;
    const slot = this.#turn();
    this.#calls[slot]++;
    this.#failures[slot]++;
    if (this.#inARow >= this.limits.inARow || this.#failsOften()) this.#open();
  }

  #failsOften(): boolean {
    const sum = (counts: Uint32Array): number => counts.reduce((all, one) => all + one, 0);
    const calls = sum(this.#calls);
    return calls >= this.limits.leastCalls && sum(this.#failures) >= calls * this.limits.failureShare;
  }

  #open(): void {
    this.#state = 'open';
    this.opened++;
    this.#probed = 0;
    this.#probingSince = undefined;
    const jitter = 0.75 + this.random.uint32() / 0x1_0000_0000 / 4;
    this.#openUntil = this.clock.nowMs() + this.#openMs * jitter;
    this.#clear();
  }

  #clear(): void {
    this.#inARow = 0;
    this.#calls.fill(0);
    this.#failures.fill(0);
  }

  /** The count of now; those of times that have passed are begun anew. */
  #turn(): number {
    const now = Math.floor(this.clock.nowMs() / (this.limits.windowMs / SLOTS));
    for (let slot = Math.max(this.#slot + 1, now - SLOTS + 1); slot <= now; slot++) {
      this.#calls[slot % SLOTS] = this.#failures[slot % SLOTS] = 0;
    }
    this.#slot = now;
    return now % SLOTS;
  }
}
