// Makes the second level of a server or of a program's client: its Redis, those of other regions, and what is common to them.
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import type { MakeRedisClient } from '../redis/client.js';
import { Sealer } from '../redis/frame.js';
import { RedisLevel } from '../redis/level.js';
import { nodeRedis } from '../redis/node-redis.js';
import { labelOf, type RedisOptions } from '../redis/options.js';
import type { Secrets } from '../redis/secrets.js';
import { EVERYTHING } from './invalidation-item.js';
import { type AnswerLimits, type AnswerRules, type AnswersOwner, RedisAnswers, type Region } from './redis-answers.js';

/** Makes what asks a Redis: tests have their own. */
export type ConnectRedis = (options: RedisOptions) => MakeRedisClient;

export interface AnswersParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** In the place of @redis/client. */
  readonly connect: ConnectRedis | undefined;
  readonly owner: AnswersOwner;
}

export interface AnswersOptions {
  readonly limits: AnswerLimits;
  readonly rules: AnswerRules;
  readonly redis: RedisOptions;
  readonly namespace: string;
  readonly secrets: Secrets;
  readonly encrypt: boolean;
  readonly deadlineMs: number;
  readonly logLength: number;
  /** As long as an answer lives, here or there, served stale or not. */
  readonly lookBackMs: number;
  readonly regions: readonly {
    readonly name: string;
    readonly redis: RedisOptions;
    readonly deadlineMs: number;
    isNear(level: RedisLevel): boolean;
  }[];
}

export function makeAnswers(
  { owner, connect = nodeRedis, ...shared }: AnswersParts,
  options: AnswersOptions,
): RedisAnswers {
  const { namespace, secrets, encrypt, logLength, lookBackMs } = options;
  const answers = new RedisAnswers(shared.clock, owner, options.limits, options.rules);
  const sealer = new Sealer({ secrets, encrypt });
  const levelOf = (name: string, redis: RedisOptions, deadlineMs: number): RedisLevel => {
    const level: RedisLevel = new RedisLevel({
      ...shared,
      make: connect(redis),
      label: labelOf(redis),
      sealer,
      follower: answers.followerOf(name, () => level),
      options: { namespace, secrets, deadlineMs, logLength, lookBackMs, everything: EVERYTHING },
    });
    return level;
  };
  const regions = options.regions.map(({ name, redis, deadlineMs, isNear }): Region => {
    const level = levelOf(name, redis, deadlineMs);
    return { name, level, deadlineMs, isNear: () => isNear(level) };
  });
  answers.use(levelOf('', options.redis, options.deadlineMs), regions);
  return answers;
}
