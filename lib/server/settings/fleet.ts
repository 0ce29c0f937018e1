// A second level of answers in Redis, which the instances of a fleet share: where it is, what is shared, and what it may cost.
import { z } from 'zod';
import { ShardnsError } from '../../base/errors.js';
import { count, pathOption } from '../../base/options.js';
import { readRegularFile } from '../../base/regular-file.js';
import { parseRedisUrl, SENTINEL_PORT } from '../../cache/redis/address.js';
import { plainTls, type RedisOptions } from '../../cache/redis/options.js';
import { MIN_SECRET_OCTETS, Secrets } from '../../cache/redis/secrets.js';
import { type Rows, section } from './row.js';
import { parsed, seconds } from './types.js';

/** Octets of a file that it names: a bundle of certificates. */
const MAX_FILE = 4 * 1024 * 1024;

const redisTls = section({
  ca: {
    schema: pathOption.optional(),
    change: 'restart',
    why: "A file with the certificates that are believed (PEM), in place of the system's.",
  },
  certificate: {
    schema: pathOption.optional(),
    change: 'restart',
    why: "A file with this server's own certificate (PEM).",
  },
  key: { schema: pathOption.optional(), change: 'restart', why: 'A file with its private key (PEM).' },
  servername: {
    schema: z.string().min(1).max(255).optional(),
    change: 'restart',
    why: "The name that the server's certificate is for, where that is not its host.",
  },
});

/** Where a Redis is. */
const place = {
  redis: {
    schema: z
      .array(parsed(text => parseRedisUrl(text, '')))
      .min(1)
      .max(32),
    change: 'restart',
    why: '`redis://host:port`, or `rediss://` for TLS; with `mode: cluster` some of the nodes, with `mode: sentinel` the Sentinels. A user, a password and a database may stand in it: `redis://user:password@host:6379/0`.',
  },
  mode: {
    schema: z.enum(['standalone', 'cluster', 'sentinel']).default('standalone'),
    change: 'restart',
    why: 'One Redis (or Valkey), a Cluster, or the master that Sentinels name.',
  },
  masterName: {
    schema: z.string().min(1).max(255).optional(),
    change: 'restart',
    why: 'What Sentinels call the master.',
  },
  username: {
    schema: z.string().min(1).max(255).optional(),
    change: 'restart',
    why: 'The ACL user, in place of the one in `redis`; of Sentinels those in `redis` are their own.',
  },
  passwordFile: {
    schema: pathOption.optional(),
    change: 'restart',
    why: 'A file with the password, so that the configuration has none; read at the start.',
  },
  tls: { schema: redisTls.optional(), change: 'restart', why: 'Certificates of `rediss://`.' },
} as const satisfies Rows;

const region = section({
  name: { schema: z.string().min(1).max(64), change: 'restart', why: 'What it is called in metrics.' },
  ...place,
  deadlineMs: {
    schema: count(1, 5000).default(15),
    change: 'restart',
    why: 'How long a read there may take. It is asked where its round trip is less than half of the upstreams.',
  },
});

const secondLevel = section({
  ...place,
  namespace: {
    schema: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 letters, digits, ".", "_" and "-"')
      .default('dns'),
    change: 'restart',
    why: 'What keeps these answers from those of other fleets in the same Redis.',
  },
  secretFiles: {
    schema: z.array(pathOption).max(2).default([]),
    change: 'restart',
    why: `Files with a secret that all instances have, of at least ${MIN_SECRET_OCTETS} octets: answers are sealed with it, and of others only those are believed that are. Two while secrets change: the first one seals, both are believed. Without any, whoever can write to the Redis can answer.`,
  },
  encrypt: {
    schema: z.boolean().default(false),
    change: 'restart',
    why: 'Encrypt what is shared (AES-256-GCM), by a key of the secret.',
  },
  hedgeMs: {
    schema: count(0, 1000).default(5),
    change: 'live',
    why: 'How long a question waits for it alone: then upstreams are asked beside it.',
  },
  deadlineMs: {
    schema: count(1, 5000).default(20),
    change: 'restart',
    why: 'How long a read may take.',
  },
  minTtlSeconds: {
    schema: count(1, 3600).default(5),
    change: 'live',
    why: 'Answers that live less are not shared.',
  },
  maxTtlSeconds: {
    schema: count(1, 604_800).default(86_400),
    change: 'live',
    why: 'How long an answer is shared at the most.',
  },
  negativeMaxTtlSeconds: {
    schema: count(1, 10_800).default(300),
    change: 'live',
    why: 'The same of NXDOMAIN and NODATA.',
  },
  blindSeconds: {
    schema: seconds(86_400).default(30),
    change: 'live',
    why: 'Greatest lifetime of what comes into the cache while the log of invalidations cannot be read; 0 means no other than usual.',
  },
  logLength: {
    schema: count(1000, 10_000_000).default(100_000),
    change: 'restart',
    why: 'Entries of the log of invalidations that are kept, about. Who was away for longer than they last forgets everything once.',
  },
  drainMs: {
    schema: count(0, 60_000).default(1000),
    change: 'live',
    why: 'How long what has not been written yet may take when the server closes.',
  },
  regions: {
    schema: z.array(region).max(8).default([]),
    change: 'restart',
    why: 'Redis of other regions, nearest first: what they invalidate is forgotten here too, and the nearest is read where the own one has nothing.',
  },
});

export const fleetRows = {
  secondLevel: {
    schema: secondLevel.optional(),
    change: 'restart',
    why: 'Answers that several instances share, in Redis or Valkey. It needs the package `@redis/client`.',
  },
} as const satisfies Rows;

export type SecondLevelSettings = z.output<typeof secondLevel>;
type Place = Pick<SecondLevelSettings, keyof typeof place>;

/** What is wrong with a place, though each of its options is right. */
export function wrongPlace(settings: {
  secondLevel?: SecondLevelSettings;
}): { path: (string | number)[]; message: string } | undefined {
  const { secondLevel } = settings;
  if (secondLevel === undefined) return undefined;
  const places: [Place, (string | number)[]][] = [
    [secondLevel, ['secondLevel']],
    ...secondLevel.regions.map((one, i): [Place, (string | number)[]] => [one, ['secondLevel', 'regions', i]]),
  ];
  for (const [{ redis, mode, masterName, tls }, path] of places) {
    if (mode === 'standalone' && redis.length > 1) {
      return { path: [...path, 'redis'], message: 'expected one, or `mode` to say what several are' };
    }
    if ((mode === 'sentinel') !== (masterName !== undefined)) {
      return { path: [...path, 'masterName'], message: 'expected a name with `mode: sentinel`, and only then' };
    }
    const plain = plainTls(tls, redis);
    if (plain !== undefined) return { path: [...path, 'tls'], message: plain };
  }
  return undefined;
}

/** @throws {ShardnsError} ERR_SHARDNS_FILE */
export function redisOptionsOf({ redis, mode, masterName, username, passwordFile, tls }: Place): RedisOptions {
  const defaultPort = mode === 'sentinel' ? SENTINEL_PORT : undefined;
  return {
    places: redis.map(url => parseRedisUrl(url, 'redis', defaultPort)),
    mode,
    masterName,
    username,
    password: passwordFile === undefined ? undefined : textOf('passwordFile', passwordFile),
    tls: tls && {
      ca: textOf('tls.ca', tls.ca),
      certificate: textOf('tls.certificate', tls.certificate),
      key: textOf('tls.key', tls.key),
      servername: tls.servername,
    },
  };
}

/** @throws {ShardnsError} ERR_SHARDNS_FILE, ERR_SHARDNS_OPTION */
export function secretsOf({ secretFiles }: SecondLevelSettings): Secrets {
  return new Secrets(secretFiles.map(file => Buffer.from(textOf('secretFiles', file))));
}

/** Without the end of its last line, which editors add. */
function textOf(option: string, file: string): string;
function textOf(option: string, file: string | undefined): string | undefined;
function textOf(option: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readRegularFile(file, MAX_FILE).text.replace(/\r?\n$/, '');
  } catch (cause) {
    throw new ShardnsError('ERR_SHARDNS_FILE', `secondLevel.${option}: ${(cause as Error).message}`, { cause });
  }
}
