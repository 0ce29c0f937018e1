// Whose storage it is: credentials that are given, or what the place where the program runs lends it: the environment, a
// web identity (EKS), the container (ECS, EKS Pod Identity), the machine (EC2, IMDSv2). Those that end are renewed before.
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../base/clock.js';
import { optionError, ShardnsError } from '../../base/errors.js';
import { bodyOf, type Http } from './http.js';
import type { S3Credentials } from './signature.js';

export type CredentialsSource = S3Credentials | (() => S3Credentials | Promise<S3Credentials>);

export interface CredentialsPlace {
  readonly http: Http;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For the token service of a web identity. */
  readonly region: string;
}

/** Before their end, when they are asked for anew. */
const RENEW_MS = 5 * 60_000;
const IDLE_MS = 2000;
const ANSWER_MS = 10_000;
const MOST_OCTETS = 64 * 1024;
const MACHINE = 'http://169.254.169.254';
const CONTAINER = 'http://169.254.170.2';

export class Credentials {
  #current: S3Credentials | undefined;
  #asking: Promise<S3Credentials> | undefined;

  constructor(
    private readonly source: CredentialsSource | undefined,
    private readonly place: CredentialsPlace,
  ) {
    if (source !== undefined && typeof source !== 'function') this.#current = checked(source);
  }

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION where there are none, ERR_SHARDNS_UPSTREAM */
  async get(): Promise<S3Credentials> {
    const current = this.#current;
    const left = (current?.expiresMs ?? Infinity) - this.place.clock.wallSeconds() * 1000;
    if (current !== undefined && left > RENEW_MS) return current;
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    try {
      return await this.#asking;
    } catch (error) {
      // Those that are still good are good enough.
      if (current !== undefined && left > 0) return current;
      throw error;
    }
  }
  /** The storage has refused them: they are asked for anew. */
  forget(): void {
    if (typeof this.source !== 'object') this.#current = undefined;
  }

  async #ask(): Promise<S3Credentials> {
    const asked = typeof this.source === 'function' ? await this.source() : (this.source ?? (await lent(this.place)));
    return (this.#current = checked(asked));
  }
}

function checked(given: S3Credentials): S3Credentials {
  const { accessKeyId, secretAccessKey, sessionToken, expiresMs } = (given ?? {}) as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries({ accessKeyId, secretAccessKey })) {
    // The value is nobody's to read in a log.
    if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
      throw optionError(`credentials.${name}`, typeof value, 'text without spaces');
    }
  }
  if (sessionToken !== undefined && (typeof sessionToken !== 'string' || !/^[\x21-\x7e]+$/.test(sessionToken))) {
    throw optionError('credentials.sessionToken', typeof sessionToken, 'text without spaces');
  }
  if (expiresMs !== undefined && !(typeof expiresMs === 'number' && expiresMs > 0)) {
    throw optionError('credentials.expiresMs', expiresMs, 'Unix milliseconds');
  }
  return given;
}

/** In the order in which Amazon's own tools look. */
async function lent(place: CredentialsPlace): Promise<S3Credentials> {
  const { env } = place;
  if (env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY) {
    return {
      accessKeyId: env.AWS_ACCESS_KEY_ID,
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
      sessionToken: env.AWS_SESSION_TOKEN || undefined,
    };
  }
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE && env.AWS_ROLE_ARN) return ofWebIdentity(place);
  if (env.AWS_CONTAINER_CREDENTIALS_FULL_URI || env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI) return ofContainer(place);
  return ofMachine(place);
}

async function ofWebIdentity(place: CredentialsPlace): Promise<S3Credentials> {
  const { env, region } = place;
  const url = new URL(env.AWS_ENDPOINT_URL_STS || `https://sts.${region}.amazonaws.com/`);
  const body = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: env.AWS_ROLE_ARN!,
    RoleSessionName: env.AWS_ROLE_SESSION_NAME || 'shardns',
    WebIdentityToken: (await readFile(env.AWS_WEB_IDENTITY_TOKEN_FILE!, 'utf8')).trim(),
  });
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/xml' };
  const text = await ask(place, 'POST', url, headers, Buffer.from(body.toString()));
  const field = (name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? '';
  return {
    accessKeyId: field('AccessKeyId'),
    secretAccessKey: field('SecretAccessKey'),
    sessionToken: field('SessionToken'),
    expiresMs: Date.parse(field('Expiration')),
  };
}

async function ofContainer(place: CredentialsPlace): Promise<S3Credentials> {
  const { env } = place;
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  const url = relative ? new URL(relative, CONTAINER) : new URL(env.AWS_CONTAINER_CREDENTIALS_FULL_URI!);
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const token = file ? (await readFile(file, 'utf8')).trim() : env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
  return fromJson(url, await ask(place, 'GET', url, token ? { authorization: token } : {}));
}

async function ofMachine(place: CredentialsPlace): Promise<S3Credentials> {
  const base = place.env.AWS_EC2_METADATA_SERVICE_ENDPOINT || MACHINE;
  const at = (path: string): URL => new URL(`/latest/${path}`, base);
  try {
    const token = await ask(place, 'PUT', at('api/token'), { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' });
    const headers = { 'x-aws-ec2-metadata-token': token };
    const roles = 'meta-data/iam/security-credentials/';
    const [role] = (await ask(place, 'GET', at(roles), headers)).split('\n');
    const url = at(roles + encodeURIComponent(role.trim()));
    return fromJson(url, await ask(place, 'GET', url, headers));
  } catch (cause) {
    const expected = 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role of the container or the machine';
    throw new ShardnsError(
      'ERR_SHARDNS_OPTION',
      `credentials: none are given, and the environment has none: expected ${expected} (${(cause as Error).message})`,
      { cause },
    );
  }
}

function fromJson(url: URL, text: string): S3Credentials {
  let read: Record<string, string>;
  try {
    read = JSON.parse(text) as Record<string, string>;
  } catch (cause) {
    throw new ShardnsError('ERR_SHARDNS_UPSTREAM', `${url.host}: its credentials are no JSON`, { cause });
  }
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = read;
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: Token,
    expiresMs: Expiration === undefined ? undefined : Date.parse(Expiration),
  };
}

async function ask(
  { http }: CredentialsPlace,
  method: string,
  url: URL,
  headers: Record<string, string>,
  body?: Buffer,
): Promise<string> {
  const response = await http({ method, url, headers, body, idleMs: IDLE_MS, totalMs: ANSWER_MS });
  const text = (await bodyOf(response, MOST_OCTETS, url)).toString();
  if (response.status === 200) return text;
  throw new ShardnsError('ERR_SHARDNS_UPSTREAM', `${url.host}: no credentials, HTTP status ${response.status}`);
}
