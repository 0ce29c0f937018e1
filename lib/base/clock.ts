// Time and timers, always injected, so that everything runs on a fake clock.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds, of suspended time too. */
  nowMs(): number;
  /** Unix time in seconds; only for signature expiry and for people. */
  wallSeconds(): number;
  /** Calls `run` once, no earlier than `delayMs` from now. Does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer;
}

/** Node takes what is longer for a millisecond. */
const MAX_DELAY_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  #handle: NodeJS.Timeout;
  constructor(delayMs: number, run: () => void) {
    this.#handle = this.#wait(delayMs, run);
  }
  #wait(delayMs: number, run: () => void): NodeJS.Timeout {
    const isLong = delayMs > MAX_DELAY_MS;
    const goOn = (): void => {
      this.#handle = this.#wait(delayMs - MAX_DELAY_MS, run);
    };
    return setTimeout(isLong ? goOn : run, isLong ? MAX_DELAY_MS : delayMs).unref();
  }
  cancel(): void {
    clearTimeout(this.#handle);
  }
}

/** V8's own clock stands while the machine sleeps; the addon has one that does not. */
let nowMs = (): number => performance.now();

/**
 * From now on `systemClock` counts suspended time too, so that lifetimes do not stand still in it. It goes on from where
 * it is. Timers still wait for as long as the machine is awake.
 * @param clockMs milliseconds of a clock that goes on in suspend
 */
export function countSuspendedTime(clockMs: () => number): void {
  const ahead = nowMs() - clockMs();
  nowMs = () => clockMs() + ahead;
}

export const systemClock: Clock = {
  nowMs: () => nowMs(),
  wallSeconds: () => Math.floor(Date.now() / 1000),
  after: (delayMs, run) => new SystemTimer(delayMs, run),
};
