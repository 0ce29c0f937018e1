// The second level of a byte cache, as a program says it.
import { optionError, ShardnsError } from '../../base/errors.js';
import {
  Field,
  flag,
  type InputOf,
  isOptionsObject,
  milliseconds,
  oneOf,
  readFields,
  whole,
} from '../../base/fields.js';
import { parseRedisUrl, SENTINEL_PORT } from '../redis/address.js';
import { plainTls, type RedisOptions, type RedisTls } from '../redis/options.js';
import { MIN_SECRET_OCTETS } from '../redis/secrets.js';

type OneOrMore<T> = T | readonly T[];
const oneOrMore = <T>(isOne: (value: unknown) => boolean, most: number, expected: string): Field<OneOrMore<T>> =>
  new Field(value => {
    const all: readonly unknown[] = Array.isArray(value) ? value : [value];
    return all.length > 0 && all.length <= most && all.every(isOne) ? undefined : expected;
  });
const text = new Field<string>(value => (typeof value === 'string' && value !== '' ? undefined : 'expected text'));

const tlsFields = {
  /** PEM, as the others. */
  ca: text.optional(),
  certificate: text.optional(),
  key: text.optional().secret(),
  servername: text.optional(),
};

const levelFields = {
  /** `redis://host:6379`, `rediss://host` by TLS; several are nodes of a Cluster, or Sentinels. */
  url: oneOrMore<string>(
    value => typeof value === 'string',
    64,
    'expected "redis://host:port" or "rediss://host:port" (TLS), or up to 64 of them',
  ),
  mode: oneOf('standalone', 'cluster', 'sentinel').default('standalone'),
  /** What Sentinels call the master. */
  masterName: text.optional(),
  username: text.optional(),
  password: text.optional().secret(),
  /** Of `rediss://`. */
  tls: new Field<InputOf<typeof tlsFields>>(value =>
    isOptionsObject(value) ? undefined : 'expected an object with ca, certificate, key, servername',
  )
    .optional()
    .secret(),
  /** What keeps the values of this use from those of others in the same Redis. */
  namespace: new Field<string>(value =>
    typeof value === 'string' && /^[\w.-]{1,64}$/.test(value)
      ? undefined
      : 'expected 1 to 64 of letters, digits, . _ -',
  ).default('bytes'),
  /** Common to the fleet: values are sealed by the first of two, and read by both. Without one, whoever reaches Redis is believed. */
  secret: oneOrMore<string | Uint8Array>(
    value =>
      (typeof value === 'string' || value instanceof Uint8Array) && Buffer.from(value).length >= MIN_SECRET_OCTETS,
    2,
    `expected ${MIN_SECRET_OCTETS} octets or more, or two such secrets`,
  )
    .optional()
    .secret(),
  /** Values and invalidations are encrypted. */
  encrypt: flag.default(false),
  /** When the loader is called beside a read that has not answered, */
  hedgeMs: milliseconds(0).default(5),
  /** and when the read is given up. */
  deadlineMs: milliseconds(1).default(20),
  /** `through`: `write`, `remove` resolve when Redis has both value and invalidation. */
  write: oneOf('behind', 'through').default('behind'),
  /** How long they wait for that. */
  throughMs: milliseconds(1).default(2000),
  /** Values that live less are not shared. */
  minTtlMs: milliseconds(1).default(1000),
  /** How long a value lives there at most. */
  maxTtlMs: whole(1000, 30 * 86_400_000).default(86_400_000),
  /** How long one instance may load a key while others wait for it; 0: each loads by itself. */
  leaseMs: whole(0, 600_000).default(0),
  /** How long values live here while it is not known what others forget. */
  blindMs: milliseconds(1).default(30_000),
  /** Entries of the log of invalidations that are kept, about. */
  logLength: whole(1000, 100_000_000).default(100_000),
  /** How long `end()` waits for what is to be written. */
  drainMs: milliseconds(0).default(1000),
};

export type ByteLevelOptions = InputOf<typeof levelFields> & { url: OneOrMore<string> };
export type ByteLevelSettings = ReturnType<typeof readLevel>;

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming each wrong option; never shows a secret or a password */
export function readLevel(options: unknown) {
  const { url, secret, mode, masterName, username, password, tls, ...settings } = readFields(
    levelFields,
    options,
    'redis',
  );
  const port = mode === 'sentinel' ? SENTINEL_PORT : undefined;
  const places = [url].flat().map(one => parseRedisUrl(one, 'redis.url', port));
  if (mode === 'standalone' && places.length > 1) {
    throw optionError('redis.url', places.length, 'one, or mode: "cluster" or "sentinel"');
  }
  if (mode === 'sentinel' && masterName === undefined) {
    throw optionError('redis.masterName', masterName, 'what the Sentinels call the master');
  }
  if (settings.encrypt && secret === undefined) {
    throw new ShardnsError('ERR_SHARDNS_OPTION', 'redis.encrypt: needs a secret');
  }
  const certificates: RedisTls | undefined = tls && readFields(tlsFields, tls, 'redis.tls');
  const redis: RedisOptions = { places, mode, masterName, username, password, tls: certificates };
  const plain = plainTls(tls, [url].flat());
  if (plain !== undefined) throw new ShardnsError('ERR_SHARDNS_OPTION', `redis.tls: ${plain}`);
  const secrets = secret === undefined ? [] : [secret].flat().map(one => Buffer.from(one as string));
  return { ...settings, redis, secrets };
}

/** Checked when it is used. Not shown, as it may have a password. */
export const redisField: Field<ByteLevelOptions> = new Field<ByteLevelOptions>(value =>
  isOptionsObject(value) ? undefined : 'expected an object such as { url: "redis://127.0.0.1:6379" }',
).secret();
