// A bucket of S3-compatible storage: objects put, got, listed and deleted, each request signed, tried again where the
// storage says that it cannot now. Knows nothing of what the objects are.
//
// Bounds: `tries` of a request; listings of `MOST_LISTED` keys in `MOST_PAGES`; what is read into memory by whoever reads
// it; of an answer the time that it may take, by its length.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Clock } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import { below, type Random } from '../../base/random.js';
import type { Credentials } from './credentials.js';
import { bodyOf, type Http, type HttpRequest, type HttpResponse, upstreamError } from './http.js';
import { EMPTY_HASH, escapedPath, sha256, signed } from './signature.js';

export interface BucketPlace {
  readonly bucket: string;
  readonly region: string;
  /** Without it Amazon's. */
  readonly endpoint: string | undefined;
  /** The bucket in the path of its address, and not in its host. */
  readonly pathStyle: boolean;
}
export interface BucketParts {
  readonly credentials: Credentials;
  readonly http: Http;
  readonly clock: Clock;
  readonly random: Random;
}

/** What must hold of what is there for a write to be made. */
export interface Condition {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: '*';
}
export interface ListedObject {
  readonly key: string;
  readonly octets: number;
}

const TRIES = 4;
const BACK_OFF_MS = 200;
const IDLE_MS = 15_000;
const MOST_OCTETS = 1024 * 1024;
const MOST_LISTED = 10_000;
const MOST_PAGES = 100;
/** All of a small answer; a snapshot may take longer, by its length. */
const ANSWER_MS = 60_000;
const LEAST_OCTETS_A_MS = 1000;
/** A time that the storage may say it is: years of four digits, as signatures have them. */
const MOST_TIME = Date.UTC(9999, 0);
/** The storage cannot now, or the request was cut. */
const AGAIN = new Set([408, 429, 500, 502, 503, 504]);

export class Bucket {
  /** For people: without credentials. */
  readonly label: string;
  readonly #base: URL;
  /** How far the storage's clock is ahead, where it has said that a signature is of another time. */
  #aheadMs = 0;

  constructor(
    private readonly place: BucketPlace,
    private readonly parts: BucketParts,
  ) {
    const { bucket, region, endpoint, pathStyle } = place;
    const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
    if (!pathStyle) url.hostname = `${bucket}.${url.hostname}`;
    const folder = url.pathname.replace(/\/+$/, '');
    url.pathname = pathStyle ? `${folder}/${bucket}/` : `${folder}/`;
    this.#base = url;
    this.label = `s3://${bucket}`;
  }

  /** @returns its ETag; undefined: the condition did not hold */
  async put(key: string, octets: Uint8Array, condition: Condition = {}): Promise<string | undefined> {
    const response = await this.#send('PUT', key, {
      body: octets,
      hash: sha256(octets),
      headers: headersOf(condition),
    });
    return this.#written(response, key);
  }
  /** @param hash SHA-256 of the file in hexadecimal digits */
  async putFile(key: string, path: string, hash: string): Promise<void> {
    const { size } = await stat(path);
    const body = (): ReturnType<typeof createReadStream> => createReadStream(path, { highWaterMark: 1 << 20 });
    const headers = { 'content-length': String(size) };
    await this.#written(await this.#send('PUT', key, { body, hash, headers }), key);
  }

  /** @returns the octets of a small object, and its ETag; undefined: there is none */
  async get(key: string, most: number): Promise<{ octets: Buffer; etag: string | undefined } | undefined> {
    const response = await this.#send('GET', key, {});
    const octets = await this.#body(response, most);
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw this.#refused('GET', key, response.status, octets);
    return { octets, etag: response.headers.etag };
  }

  /**
   * An object into a file; one that is cut on its way goes on from where it was.
   * @param most octets that are taken
   * @returns SHA-256 of the file; undefined: there is no such object
   */
  async getFile(key: string, path: string, most: number): Promise<string | undefined> {
    const file = await open(path, 'w', 0o600);
    try {
      return await this.#receive(key, file, most);
    } finally {
      await file.close();
    }
  }

  async #receive(key: string, file: FileHandle, most: number): Promise<string | undefined> {
    const hash = createHash('sha256');
    let had = 0;
    let etag: string | undefined;
    for (let attempt = 1; ; attempt++) {
      // What is there has not changed meanwhile.
      const since: Record<string, string> = etag === undefined ? {} : { 'if-match': etag };
      const headers: Record<string, string> = had === 0 ? {} : { range: `bytes=${had}-`, ...since };
      const totalMs = ANSWER_MS + (most - had) / LEAST_OCTETS_A_MS;
      const response = await this.#send('GET', key, { headers, totalMs });
      const { status } = response;
      if (status !== (had === 0 ? 200 : 206)) {
        const octets = await this.#body(response, MOST_OCTETS);
        if (status === 404) return undefined;
        throw this.#refused('GET', key, status, octets);
      }
      ({ etag } = response.headers);
      const expected = had + Number(response.headers['content-length'] ?? NaN);
      try {
        for await (const part of response.body as AsyncIterable<Buffer>) {
          if (had + part.length > most) throw tooLong(this.#url(key), most);
          hash.update(part);
          await file.write(part, 0, part.length, had);
          had += part.length;
        }
        if (Number.isNaN(expected) || had === expected) return hash.digest('hex');
        throw new Error(`ends after ${had} of ${expected} octets`);
      } catch (error) {
        response.body.destroy();
        const over = attempt >= TRIES || (error instanceof ShardnsError && error.code === 'ERR_SHARDNS_FILE');
        if (over) throw upstreamError(this.#url(key), error as Error);
        await this.#pause(attempt);
      }
    }
  }

  async delete(key: string): Promise<void> {
    const response = await this.#send('DELETE', key, {});
    const octets = await this.#body(response, MOST_OCTETS);
    if (response.status !== 204 && response.status !== 200 && response.status !== 404) {
      throw this.#refused('DELETE', key, response.status, octets);
    }
  }

  /** Keys that begin with `prefix`, in their order. */
  async list(prefix: string): Promise<ListedObject[]> {
    const found: ListedObject[] = [];
    let token: string | undefined;
    for (let page = 0; page < MOST_PAGES; page++) {
      const query = { 'list-type': '2', prefix, ...(token === undefined ? {} : { 'continuation-token': token }) };
      const response = await this.#send('GET', '', { query });
      const text = (await this.#body(response, 8 * MOST_OCTETS)).toString();
      if (response.status !== 200) throw this.#refused('GET', prefix, response.status, Buffer.from(text));
      for (const one of elementsOf(text, 'Contents')) {
        found.push({ key: fieldOf(one, 'Key') ?? '', octets: Number(fieldOf(one, 'Size')) });
      }
      token = fieldOf(text, 'NextContinuationToken');
      if (token === undefined || found.length >= MOST_LISTED) break;
    }
    return found;
  }

  async #written(response: HttpResponse, key: string): Promise<string | undefined> {
    const octets = await this.#body(response, MOST_OCTETS);
    // 409: another write of the same key is under way.
    if (response.status === 412 || response.status === 409) return undefined;
    if (response.status !== 200) throw this.#refused('PUT', key, response.status, octets);
    return response.headers.etag ?? '';
  }

  async #send(
    method: string,
    key: string,
    what: {
      query?: Record<string, string>;
      headers?: Record<string, string>;
      body?: HttpRequest['body'];
      hash?: string;
      totalMs?: number;
    },
  ): Promise<HttpResponse> {
    const { credentials, http, clock } = this.parts;
    const url = this.#url(key);
    for (const [name, value] of Object.entries(what.query ?? {})) url.searchParams.set(name, value);
    for (let attempt = 1; ; attempt++) {
      const request = {
        method,
        url,
        headers: what.headers ?? {},
        payloadHash: what.hash ?? EMPTY_HASH,
        region: this.place.region,
        nowMs: clock.wallSeconds() * 1000 + this.#aheadMs,
      };
      try {
        const headers = signed(request, await credentials.get());
        const { body, totalMs = ANSWER_MS } = what;
        const response = await http({ method, url, headers, body, idleMs: IDLE_MS, totalMs });
        const again = AGAIN.has(response.status) || (response.status === 403 && this.#mayBeMended(response, attempt));
        if (!again || attempt >= TRIES) return response;
        // Nobody reads what it says, which may have no end.
        response.body.destroy();
      } catch (error) {
        const option = error instanceof ShardnsError && error.code === 'ERR_SHARDNS_OPTION';
        if (option || attempt >= TRIES) throw error;
      }
      await this.#pause(attempt);
    }
  }

  /** Credentials that have just ended, or a clock that is wrong, are worth another try: once. */
  #mayBeMended(response: HttpResponse, attempt: number): boolean {
    if (attempt > 1) return false;
    this.parts.credentials.forget();
    const there = Date.parse(response.headers.date ?? '');
    const ahead = there - this.parts.clock.wallSeconds() * 1000;
    // Where both agree, what was believed of it before is over: the clock here may have been put right.
    this.#aheadMs = Math.abs(ahead) > 60_000 && there > 0 && there < MOST_TIME ? ahead : 0;
    return true;
  }

  #pause(attempt: number): Promise<void> {
    const { clock, random } = this.parts;
    const most = BACK_OFF_MS * 2 ** (attempt - 1);
    return new Promise(resolve => clock.after(most / 2 + below(random, most / 2), resolve));
  }
  #url(key: string): URL {
    return new URL(escapedPath(key), this.#base);
  }
  #body(response: HttpResponse, most: number): Promise<Buffer> {
    return bodyOf(response, most, this.#base);
  }
  #refused(method: string, key: string, status: number, octets: Buffer): ShardnsError {
    const text = octets.toString('utf8', 0, 4096);
    const reason = [fieldOf(text, 'Code'), fieldOf(text, 'Message')].filter(one => one !== undefined).join(': ');
    const said = reason === '' ? '' : `, ${reason.slice(0, 200)}`;
    return new ShardnsError('ERR_SHARDNS_UPSTREAM', `${this.label}: ${method} ${key}: HTTP status ${status}${said}`);
  }
}

function headersOf({ ifMatch, ifNoneMatch }: Condition): Record<string, string> {
  if (ifMatch !== undefined) return { 'if-match': ifMatch };
  return ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch };
}

/** What stands in each element of a name, none of which is in another. */
function* elementsOf(xml: string, name: string): Generator<string> {
  const [open, close] = [`<${name}>`, `</${name}>`];
  for (let at = 0; ;) {
    const begin = xml.indexOf(open, at);
    const end = begin < 0 ? -1 : xml.indexOf(close, begin);
    if (end < 0) return;
    yield xml.slice(begin + open.length, end);
    at = end + close.length;
  }
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
/** The text of an element of the XML that storage answers with. */
function fieldOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text?.replace(/&(#x?[0-9a-f]+|\w+);/gi, (all, one: string) => {
    if (!one.startsWith('#')) return ENTITIES[one] ?? all;
    const code = one[1].toLowerCase() === 'x' ? parseInt(one.slice(2), 16) : Number(one.slice(1));
    return code <= 0x10_ffff ? String.fromCodePoint(code) : all;
  });
}

const tooLong = (url: URL, most: number): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_FILE', `${url.pathname}: an object of more than ${most} octets`);
