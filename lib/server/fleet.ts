// A server's part in a fleet: the second level of its answers, with the Redis that it lies in and those of other regions,
// and what is invalidated in all instances.
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { type ConnectRedis, makeAnswers } from '../cache/answers/make-answers.js';
import type { RedisAnswers } from '../cache/answers/redis-answers.js';
import type { Engine } from '../cache/engine.js';
import type { Forgotten } from '../cache/forgotten.js';
import type { RedisLevel } from '../cache/redis/level.js';
import type { Upstream } from '../upstream/upstream.js';
import { fleetReportOf, type FleetReport } from './fleet-report.js';
import { tunablesOf } from './settings/compile.js';
import { rulesNumberOf } from './settings/configuration.js';
import { redisOptionsOf, type SecondLevelSettings, secretsOf } from './settings/fleet.js';
import { validates } from './settings/resolution.js';
import type { ServerSettings } from './settings/settings.js';

/** How long it may take to find out whose turn it is. */
const TURN_MS = 1000;

export interface FleetParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly connect: ConnectRedis | undefined;
  /** Here, of what others have invalidated. */
  readonly forget: (what: Forgotten) => void;
  readonly engine: Engine;
  /** Others may have put something into its memory. */
  readonly sharesEngine: boolean;
  /** Those that are asked where nothing else has the answer. */
  readonly upstreams: () => readonly Upstream[];
}

export class Fleet {
  readonly answers: RedisAnswers;
  #settings: ServerSettings;
  #follows = false;
  #hasFollowed = false;
  /** Tells this instance from others. */
  readonly #token: string;

  /** @throws {ShardnsError} ERR_SHARDNS_FILE, ERR_SHARDNS_OPTION */
  constructor(
    private readonly parts: FleetParts,
    settings: ServerSettings,
  ) {
    const second = settings.secondLevel!;
    this.#settings = settings;
    this.#token = Array.from({ length: 4 }, () => parts.random.uint32().toString(16)).join('-');
    const { forget, clock, random, log, connect } = parts;
    // A file or a snapshot may be of any time before.
    const isOld = parts.sharesEngine || settings.snapshot !== undefined;
    const sinceMs = isOld ? -Infinity : clock.nowMs();
    const owner = { sinceMs, forget, following: (follows: boolean) => this.#following(follows) };
    this.answers = makeAnswers(
      { clock, random, log, connect, owner },
      {
        limits: limitsOf(settings),
        rules: rulesOf(settings),
        redis: redisOptionsOf(second),
        namespace: second.namespace,
        secrets: secretsOf(second),
        encrypt: second.encrypt,
        deadlineMs: second.deadlineMs,
        logLength: second.logLength,
        lookBackMs: 1000 * (Math.max(second.maxTtlSeconds, settings.cache.maxTtlSeconds) + staleSecondsOf(settings)),
        regions: second.regions.map(one => ({
          name: one.name,
          redis: redisOptionsOf(one),
          deadlineMs: one.deadlineMs,
          isNear: level => this.#isNear(level),
        })),
      },
    );
  }

  /** Once, with the server. */
  begin(): void {
    this.#configure();
    this.answers.level.begin();
    for (const { level } of this.answers.regions) level.begin();
  }
  /** Never rejects. */
  async close(): Promise<void> {
    const { level, regions } = this.answers;
    await Promise.all([level.close(this.#second.drainMs), ...regions.map(region => region.level.close(0))]);
  }

  use(settings: ServerSettings): void {
    this.#settings = settings;
    this.answers.limits = limitsOf(settings);
    this.answers.rules = rulesOf(settings);
    this.#configure();
  }
  get #second(): SecondLevelSettings {
    return this.#settings.secondLevel!;
  }

  /** What is kept while nothing is known of what others invalidate lives for `blindSeconds` at the most. */
  #configure(): void {
    const tunables = tunablesOf(this.#settings);
    const { blindSeconds } = this.#second;
    const cap = (seconds: number): number =>
      this.#follows || blindSeconds === 0 ? seconds : Math.min(seconds, blindSeconds);
    this.parts.engine.configure({
      ...tunables,
      minTtlSeconds: cap(tunables.minTtlSeconds),
      maxTtlSeconds: cap(tunables.maxTtlSeconds),
      negativeMinTtlSeconds: cap(tunables.negativeMinTtlSeconds),
      negativeMaxTtlSeconds: cap(tunables.negativeMaxTtlSeconds),
    });
  }

  /** In all instances; here it has been forgotten already. */
  invalidate(what: Forgotten): void {
    this.answers.invalidate(what);
  }
  /** Whether all that was invalidated is in the log, `ms` from now at the latest. Never rejects. */
  said(ms: number): Promise<boolean> {
    return this.answers.level.writer.said(ms);
  }

  /**
   * Whether this instance does for all what one has to do in so many seconds. Where nobody can say, it does. Never rejects.
   * @param what a word for it
   */
  async takesTurn(what: string, seconds: number): Promise<boolean> {
    const { connection, keys } = this.answers.level;
    const key = `${keys.prefix}turn:${what}`;
    const forMs = String(Math.max(1000, Math.floor(seconds * 900)));
    try {
      if ((await connection.call(key, ['SET', key, this.#token, 'NX', 'PX', forMs], TURN_MS)) !== null) return true;
      const holder = await connection.call(key, ['GET', key], TURN_MS);
      return holder === null || String(holder as Buffer) === this.#token;
    } catch {
      return true;
    }
  }

  report(): FleetReport {
    return fleetReportOf(this.answers);
  }

  #following(follows: boolean): void {
    this.#follows = follows;
    const { log } = this.parts;
    this.#configure();
    if (follows) log.info({}, 'what the fleet invalidates is known here');
    else if (this.#hasFollowed) log.warn({}, 'what the fleet invalidates is not known here for now');
    this.#hasFollowed ||= follows;
  }

  /** A region is worth asking that answers in less than half the time of the upstreams. */
  #isNear(level: RedisLevel): boolean {
    const { roundTripMs } = level.clock;
    if (roundTripMs === undefined) return false;
    const upstreams = this.parts.upstreams();
    // Names are resolved from the root: several servers are asked.
    if (upstreams.length === 0) return true;
    return roundTripMs * 2 < Math.min(...upstreams.map(({ srttMs }) => srttMs));
  }
}

function staleSecondsOf({ stale }: ServerSettings): number {
  return stale.enabled ? stale.windowSeconds : 0;
}
function limitsOf(settings: ServerSettings): RedisAnswers['limits'] {
  const { hedgeMs, minTtlSeconds, maxTtlSeconds, negativeMaxTtlSeconds } = settings.secondLevel!;
  return { hedgeMs, minTtlSeconds, maxTtlSeconds, negativeMaxTtlSeconds, staleSeconds: staleSecondsOf(settings) };
}
function rulesOf(settings: ServerSettings): RedisAnswers['rules'] {
  const { high, low } = rulesNumberOf(settings);
  const epoch = new Uint8Array(8);
  const view = new DataView(epoch.buffer);
  view.setUint32(0, high);
  view.setUint32(4, low);
  return { epoch, validates: validates(settings) };
}
