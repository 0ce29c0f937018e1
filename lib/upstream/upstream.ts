// One upstream server: its address, its health, its load.
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import { UPSTREAM_LIMITS as L } from './limits.js';

export interface UpstreamStats {
  queries: number;
  responses: number;
  timeouts: number;
  failures: number;
  truncated: number;
  hedges: number;
  latencySumMs: number;
}

export class Upstream {
  readonly label: string;
  #srtt: number = L.initialRttMs;
  #deviation: number = L.initialRttMs / 2;
  #sampled = false;
  #consecutiveFailures = 0;
  #restUntil = 0;
  #backoffMs: number = L.backoffMs.first;
  /** Whether the server is known to choke on EDNS; asked without until it has rested once. */
  plainUntil = 0;
  inFlight = 0;
  readonly stats: UpstreamStats = {
    queries: 0,
    responses: 0,
    timeouts: 0,
    failures: 0,
    truncated: 0,
    hedges: 0,
    latencySumMs: 0,
  };

  constructor(
    readonly at: SocketAddress,
    private readonly clock: Clock,
  ) {
    this.label = formatSocketAddress(at);
  }

  /** Smoothed round-trip time in milliseconds. */
  get srttMs(): number {
    return this.#srtt;
  }
  get resting(): boolean {
    return this.clock.nowMs() < this.#restUntil;
  }
  get tryTimeoutMs(): number {
    return clamp(this.#srtt + 4 * this.#deviation + 50, L.tryTimeoutMs);
  }
  get hedgeMs(): number {
    return clamp(this.#srtt + 2 * this.#deviation, L.hedgeMs);
  }

  succeeded(measuredMs: number): void {
    const latencyMs = Math.min(measuredMs, L.longestRttMs);
    this.stats.responses++;
    this.stats.latencySumMs += latencyMs;
    if (!this.#sampled) {
      this.#sampled = true;
      this.#srtt = latencyMs;
      this.#deviation = latencyMs / 2;
    } else {
      this.#deviation += L.deviationGain * (Math.abs(latencyMs - this.#srtt) - this.#deviation);
      this.#srtt += L.rttGain * (latencyMs - this.#srtt);
    }
    this.#consecutiveFailures = 0;
    this.#restUntil = 0;
    this.#backoffMs = L.backoffMs.first;
  }

  /** No answer, or none that is worth anything. A server that rested and fails again rests twice as long. */
  failed(kind: 'timeout' | 'failure'): void {
    this.stats[kind === 'timeout' ? 'timeouts' : 'failures']++;
    if (kind === 'timeout') this.#srtt = Math.min(this.#srtt * 1.5, L.tryTimeoutMs.max);
    if (++this.#consecutiveFailures < L.failuresBeforeBackoff) return;
    this.#restUntil = this.clock.nowMs() + this.#backoffMs;
    this.#backoffMs = Math.min(this.#backoffMs * 2, L.backoffMs.last);
    // One failure after the rest is enough to rest again.
    this.#consecutiveFailures = L.failuresBeforeBackoff - 1;
  }
}

function clamp(value: number, bounds: { min: number; max: number }): number {
  return Math.min(Math.max(value, bounds.min), bounds.max);
}
