// Where a program's client finds answers that others share: the option `secondLevel` of lookups, checked without what it is
// for, which is loaded with the first client that has it.
import { ShardnsError } from '../base/errors.js';
import {
  flag,
  list,
  oneOf,
  type InputOf,
  isOptionsObject,
  readFields,
  type SettingsOf,
  Field,
  whole,
} from '../base/fields.js';

const URL_TEXT = /^rediss?:\/\/[^\s]+$/;
const text = (least: number, expected: string): Field<string> =>
  new Field(value => (typeof value === 'string' && value.length >= least ? undefined : expected));

function secretsExpected(value: unknown): string | undefined {
  const isSecret = (one: unknown): boolean => typeof one === 'string' && Buffer.byteLength(one) >= 16;
  if (Array.isArray(value) && value.length <= 2 && value.every(isSecret)) return undefined;
  return 'expected at most two texts of at least 16 octets';
}

export const sharingFields = {
  /** `redis://host:6379`, `rediss://` for TLS; of a Cluster some nodes, or the Sentinels. */
  redis: list<string>(1, 32, url =>
    typeof url === 'string' && URL_TEXT.test(url)
      ? undefined
      : 'expected "redis://host:port" or "rediss://host:port" (TLS)',
  ),
  mode: oneOf('standalone', 'cluster', 'sentinel').default('standalone'),
  masterName: text(1, 'expected a name').optional(),
  username: text(1, 'expected a name').optional(),
  password: text(1, 'expected a password').optional().secret(),
  /** What keeps these answers from those of others in the same Redis. */
  namespace: new Field<string>(value =>
    typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value)
      ? undefined
      : 'expected 1 to 64 letters, digits, ".", "_" and "-"',
  ).default('lookup'),
  /** Secrets that all processes have, of at least 16 octets, newest first; without one whoever writes to the Redis can answer. */
  secrets: new Field<readonly string[]>(secretsExpected).default([]).secret(),
  encrypt: flag.default(false),
  /** How long a question waits for it alone, in milliseconds. */
  hedgeMs: whole(0, 1000).default(5),
  deadlineMs: whole(1, 5000).default(20),
  minTtlSeconds: whole(1, 3600).default(5),
  maxTtlSeconds: whole(1, 604_800).default(86_400),
  negativeMaxTtlSeconds: whole(1, 10_800).default(300),
};
export type SharingOptions = InputOf<typeof sharingFields>;
export type SharingSettings = SettingsOf<typeof sharingFields>;

/** What it says is checked when it is read. Not shown, as it may have a password. */
export const sharingField: Field<SharingOptions> = new Field<SharingOptions>(value =>
  isOptionsObject(value) ? undefined : 'expected an object such as { redis: ["redis://127.0.0.1:6379"] }',
).secret();

/** @throws {ShardnsError} ERR_SHARDNS_OPTION; never shows a secret or a password */
export function readSharing(value: unknown): SharingSettings {
  const settings = readFields(sharingFields, value, 'secondLevel');
  const { redis, mode, masterName } = settings;
  const wrong = (text: string) => new ShardnsError('ERR_SHARDNS_OPTION', `secondLevel.${text}`);
  if (mode === 'standalone' && redis.length > 1) {
    throw wrong('redis: expected one `redis`, or `mode` to say what several are');
  }
  if ((mode === 'sentinel') !== (masterName !== undefined)) {
    throw wrong('masterName: expected a name with `mode: sentinel`, and only then');
  }
  return settings;
}
