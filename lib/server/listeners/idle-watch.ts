// Closes a connection that has been idle too long: `idleTimeoutMs` after the client last did what keeps it open, and
// MAX_ANSWER_MS after that while queries are under way.
import type { Clock, Timer } from '../../base/clock.js';
import type { TcpConnections } from './tcp-connections.js';

/** The longest deadline that can be set (`upstream.deadlineMs`), twice: whoever waits longer waits for a lost answer. */
const MAX_ANSWER_MS = 120_000;

/** How long the queries of a client are still read that has been told to go elsewhere: what is on its way meanwhile. */
export const LAST_CALL_MS = 200;

export interface IdleWatchParts {
  readonly clock: Clock;
  /** Whose options it obeys, and where it is counted. */
  readonly connections: TcpConnections;
  readonly isBusy: () => boolean;
  readonly close: () => void;
}

export class IdleWatch {
  #activeAtMs: number;
  #timer!: Timer;

  constructor(private readonly parts: IdleWatchParts) {
    this.#activeAtMs = parts.clock.nowMs();
    this.#arm(parts.connections.options.idleTimeoutMs);
  }

  /** The client has done what keeps a connection open. */
  active(): void {
    this.#activeAtMs = this.parts.clock.nowMs();
  }
  cancel(): void {
    this.#timer.cancel();
  }

  #arm(delayMs: number): void {
    const { clock, connections, isBusy, close } = this.parts;
    this.#timer = clock.after(delayMs, () => {
      const { idleTimeoutMs } = connections.options;
      const idleMs = clock.nowMs() - this.#activeAtMs;
      const mayMs = isBusy() ? Math.max(idleTimeoutMs, MAX_ANSWER_MS) : idleTimeoutMs;
      if (idleMs < mayMs) {
        // No longer than the time-out: when what is under way ends, it begins.
        this.#arm(Math.max(1, Math.min(mayMs - idleMs, idleTimeoutMs)));
        return;
      }
      connections.stats.idleClosed++;
      close();
    });
  }
}
