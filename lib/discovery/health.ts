// Which endpoints are well, by what their requests and checks come to. Names and defaults are those of Envoy's outlier
// detection and of gRFC A50.
//
//          5 failures in a row, a low success rate,
//          or no connection                                  its time is over
//    up  ─────────────────────────────────────────►  out  ─────────────────────►  trial: one request at a time
//     ▲                                               ▲                             │ 2 successes in a row: up
//     └───────────────────────────────────────────────┼─────────────────────────────┤
//                                                     └─────────────────────────────┘ a failure
//
// Nobody's opinion takes out more than a share of a priority. That nobody can connect is no opinion: those are out, however
// many, and where none is left all are tried again.
import type { Clock, Timer } from '../base/clock.js';
import type { Endpoint, EndpointKeeper, RequestOutcome } from './endpoint.js';
import type { HealthSettings } from './options.js';

/** A connection that fails is tried again after so long, as gRPC's channels do (connection backoff protocol). */
const CONNECT_BACKOFF_MS = 1000;
const CONNECT_BACKOFF_FACTOR = 1.6;
const MAX_CONNECT_BACKOFF_MS = 30_000;
const SUCCESSES_TO_RETURN = 2;

export interface HealthEvents {
  /** They came or went, all at once. */
  changed(endpoints: readonly Endpoint[]): void;
  /** It cannot be reached: DNS may know why. */
  unreachable(): void;
  /** All in the set, whatever their state. */
  endpoints(): Iterable<Endpoint>;
}

export class Health implements EndpointKeeper {
  ejections = 0;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #sweep: Timer | undefined;

  /** @param settings undefined: requests have no say in it */
  constructor(
    private readonly settings: HealthSettings | undefined,
    private readonly clock: Clock,
    private readonly events: HealthEvents,
  ) {}

  ended(endpoint: Endpoint, outcome: RequestOutcome): void {
    const { settings } = this;
    if (outcome === 'unreachable') this.events.unreachable();
    if (settings === undefined || endpoint.state === 'gone') return;
    if (settings.intervalMs > 0) this.#sweep ??= this.clock.after(settings.intervalMs, () => this.#compare(settings));
    if (outcome === 'ok') this.#succeeded(endpoint);
    else if (outcome === 'failed') this.#failed(endpoint, settings);
    else if (outcome === 'unreachable' || endpoint.state === 'trial') this.#unreachable(endpoint, settings);
    // What was abandoned says nothing. But where it was a trial, another one at once would be the next to wait for silence:
    // of who asks one thing after the other all of it.
  }

  #succeeded(endpoint: Endpoint): void {
    endpoint.failures = endpoint.connectFailures = 0;
    if (endpoint.state === 'up' || endpoint.checkFailed) return;
    // A success of one that is out is of a request that was under way, or of nobody else's being left.
    if (++endpoint.successes >= SUCCESSES_TO_RETURN) this.#return(endpoint);
  }
  #return(endpoint: Endpoint): void {
    endpoint.state = 'up';
    endpoint.successes = 0;
    endpoint.ejected = endpoint.checkFailed = false;
    this.events.changed([endpoint]);
  }

  #failed(endpoint: Endpoint, settings: HealthSettings): void {
    endpoint.failures++;
    endpoint.successes = 0;
    const wasTrial = endpoint.state === 'trial';
    if (wasTrial || (endpoint.state === 'up' && endpoint.failures >= settings.consecutiveFailures)) {
      this.#eject(endpoint, settings);
    }
  }

  #unreachable(endpoint: Endpoint, settings: HealthSettings): void {
    endpoint.failures++;
    endpoint.successes = 0;
    // Those that were under way when it went down say one thing all together.
    if (endpoint.state === 'out') return;
    const backoff = CONNECT_BACKOFF_MS * CONNECT_BACKOFF_FACTOR ** Math.min(endpoint.connectFailures++, 20);
    const isLong = endpoint.connectFailures >= settings.consecutiveFailures;
    const ms = isLong ? this.#ejectionMs(endpoint, settings) : Math.min(backoff, MAX_CONNECT_BACKOFF_MS);
    this.#out(endpoint, ms, false);
  }

  /** By opinion: not where too many of its priority are out by that. */
  #eject(endpoint: Endpoint, settings: HealthSettings): void {
    let all = 0;
    let ejected = 0;
    for (const one of this.events.endpoints()) {
      if (one.priority !== endpoint.priority) continue;
      all++;
      if (one.ejected && one !== endpoint) ejected++;
    }
    if ((ejected + 1) * 100 > all * settings.maxEjectionPercent) {
      if (endpoint.state === 'trial') this.#return(endpoint);
      return;
    }
    this.#out(endpoint, this.#ejectionMs(endpoint, settings), true);
  }
  #ejectionMs(endpoint: Endpoint, settings: HealthSettings): number {
    this.ejections++;
    endpoint.ejections++;
    const most = Math.max(settings.baseEjectionMs, settings.maxEjectionMs);
    return Math.min(settings.baseEjectionMs * endpoint.ejections, most);
  }

  #out(endpoint: Endpoint, ms: number, ejected: boolean): void {
    endpoint.state = 'out';
    endpoint.ejected = ejected;
    endpoint.failures = 0;
    endpoint.outUntilMs = this.clock.nowMs() + ms;
    this.#arm(endpoint.outUntilMs);
    this.events.changed([endpoint]);
  }

  #arm(atMs: number): void {
    if (atMs >= this.#timerAtMs || atMs === Infinity) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.clock.after(Math.max(0, atMs - this.clock.nowMs()), () => this.#due());
  }
  #due(): void {
    this.#timerAtMs = Infinity;
    const now = this.clock.nowMs();
    let next = Infinity;
    const due: Endpoint[] = [];
    for (const one of this.events.endpoints()) {
      if (one.state !== 'out' || one.checkFailed) continue;
      if (one.outUntilMs > now) next = Math.min(next, one.outUntilMs);
      else {
        this.#try(one);
        due.push(one);
      }
    }
    this.#arm(next);
    if (due.length > 0) this.events.changed(due);
  }

  #try(endpoint: Endpoint): void {
    endpoint.state = 'trial';
    endpoint.triedAtMs = -Infinity;
  }

  /**
   * It has none of the addresses that it had, as a pod that was replaced under its name: what was found of the one before says
   * nothing of it. Where that was not used it is tried, at once.
   */
  moved(endpoint: Endpoint): void {
    endpoint.failures = endpoint.connectFailures = endpoint.successes = endpoint.ejections = 0;
    endpoint.ejected = endpoint.checkFailed = endpoint.checkedWell = false;
    if (endpoint.state !== 'out') return;
    this.#try(endpoint);
    this.events.changed([endpoint]);
  }

  /** What a check has found, of an endpoint that is checked whether it is used or not. */
  checked(endpoint: Endpoint, well: boolean, failuresInARow: number, most: number): void {
    if (endpoint.state === 'gone') return;
    if (well) endpoint.checkedWell = true;
    // Of one that never was well nobody knows that it has been ready.
    const isOut = !well && (failuresInARow >= most || !endpoint.checkedWell);
    if (isOut && !endpoint.checkFailed) {
      endpoint.checkFailed = true;
      endpoint.successes = 0;
      this.#out(endpoint, Infinity, false);
    } else if (!well) endpoint.successes = 0;
    else if (endpoint.state !== 'up' && ++endpoint.successes >= SUCCESSES_TO_RETURN) this.#return(endpoint);
  }

  /** Success rates beside each other (gRFC A50), and ejections that lie behind are forgiven one by one. */
  #compare(settings: HealthSettings): void {
    this.#sweep = undefined;
    const tiers = new Map<number, Endpoint[]>();
    let isBusy = false;
    for (const one of this.events.endpoints()) {
      isBusy ||= one.total > 0 || one.ejections > 0;
      if (one.state === 'up' && one.ejections > 0) one.ejections--;
      if (one.state === 'up' && one.total - one.abandoned >= settings.requestVolume) {
        const tier = tiers.get(one.priority);
        if (tier === undefined) tiers.set(one.priority, [one]);
        else tier.push(one);
      }
    }
    for (const tier of tiers.values()) if (tier.length >= settings.minimumHosts) this.#ejectOutliers(tier, settings);
    for (const one of this.events.endpoints()) {
      one.requests += one.total;
      one.total = one.good = one.abandoned = 0;
    }
    if (isBusy) this.#sweep = this.clock.after(settings.intervalMs, () => this.#compare(settings));
  }
  #ejectOutliers(tier: readonly Endpoint[], settings: HealthSettings): void {
    // Callers who give up say nothing of an endpoint, however many they are.
    const rates = tier.map(one => one.good / (one.total - one.abandoned));
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
    const threshold = mean - settings.stdevFactor * Math.sqrt(variance);
    for (const [i, one] of tier.entries()) if (rates[i] < threshold) this.#eject(one, settings);
  }

  close(): void {
    this.#timer?.cancel();
    this.#sweep?.cancel();
    this.#timerAtMs = -Infinity;
  }
}
