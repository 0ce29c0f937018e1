// Where snapshots are kept, as a program says it.
import { Field, type InputOf, flag, list, readFields, type SettingsOf, whole } from '../../base/fields.js';
import { optionError } from '../../base/errors.js';
import type { CredentialsSource } from './credentials.js';

const named = (pattern: RegExp, expected: string): Field<string> =>
  new Field(value => (typeof value === 'string' && pattern.test(value) ? undefined : expected));

/** As Amazon names buckets, and more than it does. */
const bucket = named(/^[a-z0-9][a-z0-9._-]{1,253}[a-z0-9]$/, 'expected the name of a bucket');
const prefix = new Field<string>(value =>
  typeof value === 'string' && value.length <= 512 && /^[\w!.*'()/-]*$/.test(value) && !/(^|\/)\.\.?(\/|$)/.test(value)
    ? undefined
    : "expected text of letters, digits and !-_.*'()/, without parts . and ..",
);
const endpoint = new Field<string>(value => {
  const expected = 'expected an address such as https://s3.example or http://127.0.0.1:9000';
  if (typeof value !== 'string' || !URL.canParse(value)) return expected;
  const { protocol, search, hash, username } = new URL(value);
  return /^https?:$/.test(protocol) && search + hash + username === '' ? undefined : expected;
});
const region = named(/^[a-z0-9-]{1,64}$/i, 'expected a region such as eu-central-1');
const credentials = new Field<CredentialsSource>(value =>
  typeof value === 'function' || (typeof value === 'object' && value !== null)
    ? undefined
    : 'expected { accessKeyId, secretAccessKey } or a function that gives them',
);

export const placeFields = {
  bucket,
  prefix: prefix.default('shardns'),
  /** By default AWS_REGION, or us-east-1. */
  region: region.optional(),
  /** By default Amazon's. */
  endpoint: endpoint.optional(),
  /** The bucket in the path of the address: by default where there is an endpoint. */
  pathStyle: flag.optional(),
  /** By default those of the environment, the container or the machine. */
  credentials: credentials.optional(),
};
export const s3Fields = {
  ...placeFields,
  /** Snapshots that stay. */
  keep: whole(1, 1000).default(3),
  /** Where else snapshots are looked for at the start: those of other regions. */
  others: list<object>(0, 16, one =>
    typeof one === 'object' && one !== null ? undefined : 'expected an object with bucket, prefix, region, endpoint',
  ).default([]),
};

export type S3PlaceOptions = InputOf<typeof placeFields> & { bucket: string };
export type S3Options = Omit<InputOf<typeof s3Fields>, 'others'> & {
  bucket: string;
  others?: readonly S3PlaceOptions[];
};
export type S3Place = SettingsOf<typeof placeFields> & { region: string; pathStyle: boolean };
export type S3Settings = S3Place & { keep: number; others: readonly S3Place[] };

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming each wrong option */
export function readS3(options: unknown, env: Readonly<Record<string, string | undefined>>, what = 's3'): S3Settings {
  const { others, ...settings } = readFields(s3Fields, options, what);
  const place = (one: SettingsOf<typeof placeFields>): S3Place => {
    const found = one.region ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1';
    if (region.check(found) !== undefined) throw optionError('AWS_REGION', found, 'a region such as eu-central-1');
    return { ...one, region: found, pathStyle: one.pathStyle ?? one.endpoint !== undefined };
  };
  return {
    ...place(settings),
    keep: settings.keep,
    others: others.map((one, i) => place(readFields(placeFields, one, `${what}.others.${i}`))),
  };
}

/** `s3://bucket/prefix`. @throws {ShardnsError} ERR_SHARDNS_OPTION */
export function parseS3Url(text: string): { bucket: string; prefix?: string } {
  const match = /^s3:\/\/([^/]+)(?:\/(.*?)\/?)?$/.exec(text);
  if (match === null) throw optionError('to', text, 's3://BUCKET/PREFIX');
  return match[2] === undefined || match[2] === '' ? { bucket: match[1] } : { bucket: match[1], prefix: match[2] };
}
