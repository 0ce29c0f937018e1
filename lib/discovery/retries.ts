// How often a request that failed is tried again, and which. Retries of what an endpoint may have begun to work on are a share
// of requests, so that a service that is overloaded is not asked twice as often for it (Envoy's retry budgets; Google's SRE
// book, "Handling overload"). A request that has reached nobody burdens nobody: only `attempts` bounds its retries.
import type { Clock, Timer } from '../base/clock.js';
import { KeepAlive } from '../base/keep-alive.js';
import type { Random } from '../base/random.js';
import type { RetryFailure, RetrySettings } from './options.js';

/** Requests of the last one to two of these count. */
const WINDOW_MS = 5000;
/** So many of the budget are allowed however few requests there are. */
const MIN_RETRIES = 10;
const MAX_BACKOFF_MS = 30_000;

/** RFC 9110 section 9.2.1: they change nothing, so that a second one does no harm. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** Held for requests between two tries: they have no socket by which the program would go on. */
const alive = new KeepAlive();

export class Retries {
  retried = 0;
  /** Over the budget. */
  denied = 0;
  #windowMs: number;
  #now = { requests: 0, retries: 0 };
  #before = { requests: 0, retries: 0 };

  constructor(
    private readonly settings: RetrySettings,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {
    this.#windowMs = clock.nowMs();
  }

  /** Every request, once. @param nowMs the clock's */
  noteRequest(nowMs: number): void {
    if (nowMs - this.#windowMs >= WINDOW_MS) this.#turn(nowMs);
    this.#now.requests++;
  }

  /** Whether one more try is to be made. */
  may(failure: RetryFailure): boolean {
    const { attempts, when, budget } = this.settings;
    if (failure.attempt > attempts || !isWanted(failure, when)) return false;
    if (!failure.sent) return true;
    const nowMs = this.clock.nowMs();
    if (nowMs - this.#windowMs >= WINDOW_MS) this.#turn(nowMs);
    const requests = this.#now.requests + this.#before.requests;
    if (this.#now.retries + this.#before.retries < MIN_RETRIES + budget * requests) return true;
    this.denied++;
    return false;
  }

  /**
   * One more try is made, as `may` has allowed.
   * @param attempt how many were made
   * @returns milliseconds before it
   */
  noteRetry({ attempt, sent }: Pick<RetryFailure, 'attempt' | 'sent'>): number {
    this.retried++;
    if (sent) this.#now.retries++;
    const { backoffMs, jitter } = this.settings;
    if (backoffMs === 0) return 0;
    const most = Math.min(backoffMs * 2 ** (attempt - 1), MAX_BACKOFF_MS);
    return most * (1 - jitter * (this.random.uint32() / 0x1_0000_0000));
  }

  /** The next try, later. @param delayMs what `noteRetry` has said */
  later(delayMs: number, run: () => void): Timer {
    let isOver = false;
    const over = (): void => {
      if (!isOver) alive.release();
      isOver = true;
    };
    alive.hold();
    const timer = this.clock.after(delayMs, () => {
      over();
      run();
    });
    return {
      cancel: () => {
        timer.cancel();
        over();
      },
    };
  }

  #turn(nowMs: number): void {
    this.#before = nowMs - this.#windowMs < 2 * WINDOW_MS ? this.#now : { requests: 0, retries: 0 };
    this.#now = { requests: 0, retries: 0 };
    this.#windowMs = nowMs;
  }
}

function isWanted(failure: RetryFailure, when: RetrySettings['when']): boolean {
  if (when === undefined) return !failure.sent || (failure.method !== undefined && SAFE.has(failure.method));
  try {
    return when(failure);
  } catch {
    return false; // of the caller's function; the request's own error is what the caller gets
  }
}
