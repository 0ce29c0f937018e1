// The endpoints of a service as they are now, and which of them is next: the lowest priority that has one that may be used,
// by the policy. Everything is made ready at a change, so that a pick looks at nothing but the policy's own table.
//
// Where no endpoint is well: those that left with a set that shrank by more than half, while they are kept; then all of the
// lowest priority, since one of them may be well all the same.
import type { Clock, Timer } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { type Chooser, tiersOf } from './choosing.js';
import type { Endpoint } from './endpoint.js';
import type { Picker } from './policies/picker.js';
import { makePicker, type Policy, usableWeights } from './policies/policy.js';

/** While endpoints are new their weights are looked at again as often. */
const SLOW_START_STEP_MS = 1000;
/** The least share of its weight that a new one begins with (Envoy's min_weight_percent). */
const SLOW_START_LEAST = 0.1;
/** A request that lasts longer says nothing of an endpoint that is on trial: the next one tries. */
const TRIAL_MS = 10_000;
const NOBODY: readonly Endpoint[] = [];

export interface RosterOptions {
  readonly policy: Policy;
  readonly slowStartMs: number;
  /** Which of a priority's endpoints this client uses. */
  readonly chosen: Chooser;
}

export class Roster {
  readonly endpoints = new Map<string, Endpoint>();
  /** What may be picked now, of one priority. */
  active: readonly Endpoint[] = NOBODY;
  /** Those that get one request at a time to see whether they are well. */
  #trials: readonly Endpoint[] = NOBODY;
  #picker: Picker | undefined;
  /** Left, and used when no other can be. */
  #lastResort: readonly Endpoint[] = NOBODY;
  #lastResortTimer: Timer | undefined;
  #slowStart: Timer | undefined;
  /** By when the first endpoints were there: they have nobody to take a share from. */
  #firstAtMs: number | undefined;
  picks = 0;

  constructor(
    private readonly options: RosterOptions,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** The next endpoint, whose `done` has to be called; undefined: there is none. */
  pick(key?: string): Endpoint | undefined {
    this.picks++;
    const endpoint = (this.#trials.length > 0 ? this.#nextTrial() : undefined) ?? this.#picker?.pick(key);
    if (endpoint !== undefined) endpoint.inFlight++;
    return endpoint;
  }
  /** The same for those who cannot say when a request has ended, nor how: no endpoint is tried by them. */
  peek(key?: string): Endpoint | undefined {
    this.picks++;
    return this.#picker?.pick(key);
  }
  #nextTrial(): Endpoint | undefined {
    const now = this.clock.nowMs();
    for (const one of this.#trials) {
      // Not by what is in flight: streams and sockets that are older may last for hours.
      if (now - one.triedAtMs < TRIAL_MS) continue;
      one.triedAtMs = now;
      return one;
    }
    return undefined;
  }

  /** Another one than those, wherever it is: for what has not reached any of them. */
  pickOther(tried: readonly Endpoint[]): Endpoint | undefined {
    this.picks++;
    const isNew = (one: Endpoint): boolean => !tried.includes(one);
    const up = [...this.endpoints.values()].filter(one => one.state === 'up' && isNew(one));
    const pool = [
      this.active.filter(one => one.state === 'up' && isNew(one)),
      lowest(up),
      this.#lastResort.filter(isNew),
    ];
    const candidates = [...pool, this.active.filter(isNew)].find(one => one.length > 0);
    if (candidates === undefined) return undefined;
    const weights = usableWeights(candidates.map(one => one.weight));
    const endpoint = makePicker('weighted', { endpoints: candidates, weights }, this.random, undefined).pick(undefined);
    endpoint.inFlight++;
    return endpoint;
  }

  /** For those who hold the ones that left, until `ms` from now. */
  keepAsLastResort(endpoints: readonly Endpoint[], ms: number): void {
    this.#lastResort = endpoints;
    this.#lastResortTimer?.cancel();
    this.#lastResortTimer = this.clock.after(ms, () => {
      this.#lastResort = NOBODY;
      this.rebuild();
    });
  }

  /** To be called after any change. */
  rebuild(): void {
    const trials: Endpoint[] = [];
    let active: readonly Endpoint[] = NOBODY;
    let first: readonly Endpoint[] = NOBODY;
    for (const tier of tiersOf(this.endpoints.values())) {
      const chosen = this.options.chosen(tier);
      if (first === NOBODY) first = chosen;
      trials.push(...chosen.filter(one => one.state === 'trial'));
      active = chosen.filter(one => one.state === 'up');
      if (active.length > 0) break;
    }
    if (active.length === 0) active = this.#lastResort.length > 0 ? this.#lastResort : first;
    // Where one that is on trial is all there is, requests do not wait for each other.
    this.#trials = active.some(one => one.state === 'trial') ? NOBODY : trials;
    this.active = active;
    this.#weigh();
  }

  /** A policy's table by the weights of now. */
  #weigh(): void {
    this.#slowStart?.cancel();
    this.#slowStart = undefined;
    const { active } = this;
    if (active.length === 0) {
      this.#picker = undefined;
      return;
    }
    const now = this.clock.nowMs();
    this.#firstAtMs ??= now;
    let isAnyNew = false;
    const weights = usableWeights(active.map(one => one.weight)).map((weight, i) => {
      const share = this.#shareOf(active[i], now);
      if (share < 1) isAnyNew = true;
      return weight * share;
    });
    this.#picker = makePicker(this.options.policy, { endpoints: active, weights }, this.random, this.#picker);
    if (isAnyNew) this.#slowStart = this.clock.after(SLOW_START_STEP_MS, () => this.#weigh());
  }
  #shareOf(endpoint: Endpoint, now: number): number {
    const { policy, slowStartMs } = this.options;
    const isSlow = policy === 'weighted' || policy === 'p2c';
    if (!isSlow || slowStartMs === 0 || endpoint.sinceMs <= this.#firstAtMs!) return 1;
    const age = now - endpoint.sinceMs;
    return age >= slowStartMs ? 1 : Math.max(SLOW_START_LEAST, age / slowStartMs);
  }

  close(): void {
    this.#lastResort = NOBODY;
    this.#lastResortTimer?.cancel();
    this.#slowStart?.cancel();
  }
}

function lowest(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const priority = endpoints.reduce((least, one) => Math.min(least, one.priority), Infinity);
  return endpoints.filter(one => one.priority === priority);
}
