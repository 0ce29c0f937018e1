// AWS Signature Version 4 of a request to S3-compatible storage, in its headers ("Authenticating Requests: Using the
// Authorization Header", Amazon S3 API Reference). Pure: the time is given.
import { createHash, createHmac } from 'node:crypto';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of credentials that are lent for a time. */
  readonly sessionToken?: string;
  /** Unix milliseconds; by default they hold for ever. */
  readonly expiresMs?: number;
}

export interface RequestToSign {
  readonly method: string;
  readonly url: URL;
  /** Names in lower case; all of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body in hexadecimal digits. */
  readonly payloadHash: string;
  readonly region: string;
  readonly service?: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

export const EMPTY_HASH = sha256('');

export function sha256(octets: string | Uint8Array): string {
  return createHash('sha256').update(octets).digest('hex');
}

/** The request's headers with those that sign it. */
export function signed(request: RequestToSign, credentials: S3Credentials): Record<string, string> {
  const { method, url, payloadHash, region, service = 's3', nowMs } = request;
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const headers: Record<string, string> = {
    ...request.headers,
    host: url.host,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': time,
  };
  if (credentials.sessionToken !== undefined) headers['x-amz-security-token'] = credentials.sessionToken;
  const names = Object.keys(headers).sort();
  const canonical = [
    method,
    url.pathname,
    canonicalQuery(url.searchParams),
    ...names.map(name => `${name}:${headers[name].trim().replace(/ +/g, ' ')}`),
    '',
    names.join(';'),
    payloadHash,
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
    (under, text) => hmac(under, text),
    `AWS4${credentials.secretAccessKey}`,
  );
  const signature = hmac(key, toSign).toString('hex');
  const who = `Credential=${credentials.accessKeyId}/${scope}`;
  headers.authorization = `AWS4-HMAC-SHA256 ${who},SignedHeaders=${names.join(';')},Signature=${signature}`;
  return headers;
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

function canonicalQuery(parameters: URLSearchParams): string {
  return [...parameters]
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join('&');
}

/** RFC 3986: all but its unreserved characters. */
export function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, one => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}
/** Of a key, whose slashes stay. */
export const escapedPath = (key: string): string => key.split('/').map(escaped).join('/');
