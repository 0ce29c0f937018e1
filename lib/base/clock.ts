// Time and timers, always injected, so that everything runs on a fake clock.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** Unix time in seconds; only for signature expiry and for people. */
  wallSeconds(): number;
  /** Calls `run` once, no earlier than `delayMs` from now. Does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer;
}

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout;
  constructor(delayMs: number, run: () => void) {
    this.#handle = setTimeout(run, delayMs);
    this.#handle.unref();
  }
  cancel(): void {
    clearTimeout(this.#handle);
  }
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallSeconds: () => Math.floor(Date.now() / 1000),
  after: (delayMs, run) => new SystemTimer(delayMs, run),
};
