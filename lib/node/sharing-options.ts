// Where a program's client finds answers that others share: the option `secondLevel` of lookups, checked without what it is
// for, which is loaded with the first client that has it.
import { flag, list, oneOf, type InputOf, readFields, type SettingsOf, Field, whole } from '../base/fields.js';

const URL_TEXT = /^rediss?:\/\/[^\s]+$/;
const text = (least: number, expected: string): Field<string> =>
  new Field(value => (typeof value === 'string' && value.length >= least ? undefined : expected));

function secretsExpected(value: unknown): { expected: string; at: string; got: unknown } | undefined {
  const isSecret = (one: unknown): boolean => typeof one === 'string' && Buffer.byteLength(one) >= 16;
  if (Array.isArray(value) && value.length <= 2 && value.every(isSecret)) return undefined;
  return { expected: 'expected at most two texts of at least 16 octets', at: '', got: 'others' };
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
  password: text(1, 'expected a password').optional(),
  /** What keeps these answers from those of others in the same Redis. */
  namespace: new Field<string>(value =>
    typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value)
      ? undefined
      : 'expected 1 to 64 letters, digits, ".", "_" and "-"',
  ).default('lookup'),
  /** Secrets that all processes have, of at least 16 octets, newest first; without one whoever writes to the Redis can answer. */
  secrets: new Field<readonly string[]>(secretsExpected).default([]),
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

/** What was expected in place of a wrong value, which is not shown: it may have a secret in it. */
export function sharingExpected(value: unknown): { expected: string; at: string; got: unknown } | undefined {
  const wrong = (expected: string) => ({ expected, at: '', got: typeof value });
  try {
    const { redis, mode, masterName } = readSharing(value);
    if (mode === 'standalone' && redis.length > 1)
      return wrong('expected one `redis`, or `mode` to say what several are');
    if ((mode === 'sentinel') === (masterName !== undefined)) return undefined;
    return wrong('expected `masterName` with `mode: sentinel`, and only then');
  } catch (error) {
    return wrong((error as Error).message);
  }
}

export const readSharing = (value: unknown): SharingSettings => readFields(sharingFields, value, 'secondLevel');
