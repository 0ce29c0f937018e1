// What a program's client shares with others: loaded where its options have `secondLevel`. What others invalidate is forgotten
// here too.
import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { silentLogger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { makeAnswers } from '../cache/answers/make-answers.js';
import type { RedisAnswers } from '../cache/answers/redis-answers.js';
import type { Forgotten } from '../cache/forgotten.js';
import { parseRedisUrl, SENTINEL_PORT } from '../cache/redis/address.js';
import { Secrets } from '../cache/redis/secrets.js';
import type { ConnectRedis } from '../cache/answers/make-answers.js';
import type { SharingSettings } from './sharing-options.js';

const LOG_LENGTH = 100_000;
const DRAIN_MS = 200;

export interface SharingParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly connect: ConnectRedis | undefined;
  readonly staleSeconds: number;
  /** Nobody else has put anything into the cache. */
  readonly ownsCache: boolean;
  readonly forget: (what: Forgotten) => void;
}

export class Sharing {
  readonly answers: RedisAnswers;

  constructor({ clock, random, connect, staleSeconds, ownsCache, forget }: SharingParts, settings: SharingSettings) {
    const { redis, mode, masterName, username, password, secrets } = settings;
    const { hedgeMs, minTtlSeconds, maxTtlSeconds, negativeMaxTtlSeconds } = settings;
    const port = mode === 'sentinel' ? SENTINEL_PORT : undefined;
    this.answers = makeAnswers(
      {
        clock,
        random,
        log: silentLogger,
        connect,
        owner: { sinceMs: ownsCache ? clock.nowMs() : -Infinity, forget, following: () => {} },
      },
      {
        limits: { hedgeMs, minTtlSeconds, maxTtlSeconds, negativeMaxTtlSeconds, staleSeconds },
        // What lookups are told is what servers say: no rules of one's own.
        rules: { epoch: createHash('sha256').update('lookup').digest().subarray(0, 8), validates: false },
        redis: {
          places: redis.map(url => parseRedisUrl(url, 'secondLevel.redis', port)),
          mode,
          masterName,
          username,
          password,
        },
        namespace: settings.namespace,
        secrets: new Secrets(secrets.map(secret => Buffer.from(secret))),
        encrypt: settings.encrypt,
        deadlineMs: settings.deadlineMs,
        logLength: LOG_LENGTH,
        lookBackMs: 1000 * (maxTtlSeconds + staleSeconds),
        regions: [],
      },
    );
    this.answers.level.begin();
  }

  close(): void {
    void this.answers.level.close(DRAIN_MS);
  }
}
