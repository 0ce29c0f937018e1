// One upstream server: its address and how it is asked, its health, its load, and what has to be given up to be answered by it.
import { type AddressScope, scopeOf } from '../base/address-scope.js';
import { formatSocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import { isOurs, type ShardnsError } from '../base/errors.js';
import { Concession } from './concession.js';
import { UPSTREAM_LIMITS as L } from './limits.js';
import type { ServerAddress } from '../transport/transport.js';
import type { Scheme } from './route.js';

export interface UpstreamStats {
  queries: number;
  responses: number;
  timeouts: number;
  failures: number;
  truncated: number;
  hedges: number;
  latencySumMs: number;
}

/** Whoever waits until the server has room. */
export interface Waiter {
  /** @returns whether it has use for it */
  wake(): boolean;
}

/** A group whose servers have names, of which none has an address yet. */
export const NOT_FOUND_YET: readonly Upstream[] = [];

/**
 * `192.0.2.1:53`; with the scheme where it is another than that of plain addresses: `tcp://192.0.2.1:53`; and with all that it
 * has to prove, since whoever proves something else is another server: `tls://192.0.2.1:853#dns.example`,
 * `https://192.0.2.1:443/dns-query#dns.example`.
 */
export function labelOf(at: ServerAddress, scheme: Scheme): string {
  const where = formatSocketAddress(at);
  if (scheme === 'udp') return where;
  const pins = at.tls?.pins.map((pin, i) => `${i === 0 ? '?' : '&'}pin-sha256=${pin}`).join('') ?? '';
  const calls = at.tls?.calls === undefined ? '' : `,as=${at.tls.calls}`;
  const isPlain = at.tls?.name === undefined || (at.tls.name === at.address && calls === '');
  const name = isPlain ? '' : `#${at.tls!.name}${calls}`;
  return `${scheme}://${where}${at.path ?? ''}${pins}${name}`;
}

export class Upstream {
  readonly label: string;
  /** Its label, hashed (FNV-1a): the same for all that are the same server, and in tables beside a hash with a key. */
  readonly hash: number;
  #srtt: number = L.initialRttMs;
  #deviation: number = L.initialRttMs / 2;
  #sampled = false;
  /** Queries in a row that were late double the time that the next one has. */
  #lateInARow = 0;
  #consecutiveFailures = 0;
  #restUntil = 0;
  #backoffMs: number = L.backoffMs.first;
  #scope: AddressScope | undefined;
  #edns: Concession | undefined;
  #letters: Concession | undefined;
  /** Why it was of no use when it was asked last; undefined: it was. */
  lastFailure: string | undefined;
  inFlight = 0;
  /** In the order in which they came. */
  readonly waiting = new Set<Waiter>();
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
    readonly at: ServerAddress,
    private readonly clock: Clock,
    readonly scheme: Scheme = 'udp',
  ) {
    this.label = labelOf(at, scheme);
    let hash = 0x811c9dc5;
    for (let i = 0; i < this.label.length; i++) hash = Math.imul(hash ^ this.label.charCodeAt(i), 0x01000193);
    this.hash = hash >>> 0;
  }

  /** The same server, though what is known of it was forgotten in between. */
  isSame(other: Upstream): boolean {
    return this === other || this.label === other.label;
  }
  get scope(): AddressScope {
    return (this.#scope ??= scopeOf(this.at.address));
  }
  /** Whether it is asked without EDNS: it chokes on it. */
  get edns(): Concession {
    return (this.#edns ??= new Concession(this.clock));
  }
  /** Whether it is asked in the letters of whoever asks: it changes them, or minds them. */
  get letters(): Concession {
    return (this.#letters ??= new Concession(this.clock));
  }

  /** Smoothed round-trip time in milliseconds. */
  get srttMs(): number {
    return this.#srtt;
  }
  get resting(): boolean {
    return this.#restUntil > 0 && this.clock.nowMs() < this.#restUntil;
  }
  /** It has rested, and not answered since. */
  get isDown(): boolean {
    return this.#restUntil > 0;
  }
  get tryTimeoutMs(): number {
    const { min, max } = L.tryTimeoutMs;
    const base = Math.max(this.#srtt + 4 * this.#deviation + 50, min);
    return Math.min(base * 2 ** Math.min(this.#lateInARow, 3), max);
  }
  get hedgeMs(): number {
    const { min, max } = L.hedgeMs;
    return Math.min(Math.max(this.#srtt + 2 * this.#deviation, min), max);
  }

  /** Gives back room, and wakes who has waited longest for it. */
  release(): void {
    this.inFlight--;
    for (const next of this.waiting) if (next.wake()) return;
  }

  succeeded(measuredMs: number): void {
    const latencyMs = Math.min(measuredMs, L.longestRttMs);
    this.stats.responses++;
    this.lastFailure = undefined;
    this.stats.latencySumMs += latencyMs;
    if (!this.#sampled) {
      this.#sampled = true;
      this.#srtt = latencyMs;
      this.#deviation = latencyMs / 2;
    } else {
      this.#deviation += L.deviationGain * (Math.abs(latencyMs - this.#srtt) - this.#deviation);
      this.#srtt += L.rttGain * (latencyMs - this.#srtt);
    }
    this.#lateInARow = 0;
    this.#consecutiveFailures = 0;
    this.#restUntil = 0;
    this.#backoffMs = L.backoffMs.first;
  }

  /** An exchange with it ended so; what this machine had no room for says nothing of the server. */
  lost(error: ShardnsError): void {
    if (isOurs(error)) return;
    this.lastFailure = error.message;
    this.failed(error.code === 'ERR_SHARDNS_TIMEOUT' ? 'timeout' : 'failure');
  }

  /** No answer, or none that is worth anything. A server that rested and fails again rests twice as long. */
  failed(kind: 'timeout' | 'failure'): void {
    this.stats[kind === 'timeout' ? 'timeouts' : 'failures']++;
    this.lastFailure ??= kind === 'timeout' ? 'it does not answer in time' : 'its answers are of no use';
    if (kind === 'timeout') {
      // A sample that is at least as long.
      const { tryTimeoutMs } = this;
      if (tryTimeoutMs > this.#srtt) this.#srtt += L.rttGain * (tryTimeoutMs - this.#srtt);
      this.#lateInARow++;
    }
    if (++this.#consecutiveFailures < L.failuresBeforeBackoff) return;
    this.#restUntil = this.clock.nowMs() + this.#backoffMs;
    this.#backoffMs = Math.min(this.#backoffMs * 2, L.backoffMs.last);
    // One failure after the rest is enough to rest again.
    this.#consecutiveFailures = L.failuresBeforeBackoff - 1;
  }
}
