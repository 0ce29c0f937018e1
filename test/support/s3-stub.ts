// S3-compatible storage in memory, for tests: PUT GET HEAD DELETE and ListObjectsV2, path style, with signatures that are
// checked by an implementation of their own, conditional writes, ranges, and faults on request.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Stored {
  octets: Buffer;
  etag: string;
}
/** What is done in place of an answer, once each: a status, or the part of the body after which the connection is cut. */
export type Fault = { status: number } | { cutAt: number } | { silent: true };

const SECRET = 'wJalrXUtnFEMI/K7MDENG';
const escape = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const md5 = (octets: Buffer): string => `"${createHash('md5').update(octets).digest('hex')}"`;

export class S3Stub {
  readonly objects = new Map<string, Stored>();
  readonly requests: string[] = [];
  /** Taken from the front, by requests whose method and key match. */
  faults: { of: RegExp; fault: Fault }[] = [];
  /** Whether If-Match and If-None-Match are understood. */
  conditional = true;
  /** Keys in a page of a listing. */
  page = 1000;
  /** What every listing is answered with. */
  listing: string | undefined;
  /** How far its clock is ahead. */
  aheadMs = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch(error => response.destroy(error as Error));
    });
  }
  static async start(): Promise<S3Stub> {
    const stub = new S3Stub();
    await new Promise<void>(resolve => stub.#server.listen(0, '127.0.0.1', resolve));
    return stub;
  }
  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  get credentials(): { accessKeyId: string; secretAccessKey: string } {
    return { accessKeyId: 'TESTKEY', secretAccessKey: SECRET };
  }
  /** Options of a place in a bucket of it. */
  place(bucket = 'bucket', prefix = 'p'): object {
    return { bucket, prefix, region: 'test-1', endpoint: this.endpoint, credentials: this.credentials };
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const url = new URL(request.url!, 'http://stub');
    const name = decodeURIComponent(url.pathname.slice(1));
    const line = `${request.method} ${name}`;
    this.requests.push(line);
    response.setHeader('date', new Date(Date.now() + this.aheadMs).toUTCString());
    const at = this.faults.findIndex(({ of }) => of.test(line));
    const fault = at < 0 ? undefined : this.faults.splice(at, 1)[0].fault;
    if (fault !== undefined && 'silent' in fault) return;
    if (fault !== undefined && 'status' in fault) return this.#refuse(response, fault.status, 'Fault');
    const wrong = this.#wrongSignature(request, url, body);
    if (wrong !== undefined) return this.#refuse(response, 403, wrong);
    if (url.searchParams.has('list-type')) return this.#list(response, name.replace(/\/$/, ''), url);
    switch (request.method) {
      case 'PUT':
        return this.#put(request, response, name, body);
      case 'GET':
      case 'HEAD':
        return this.#get(request, response, name, fault?.cutAt);
      case 'DELETE':
        this.objects.delete(name);
        response.writeHead(204).end();
        return;
      default:
        return this.#refuse(response, 405, 'MethodNotAllowed');
    }
  }

  #put(request: IncomingMessage, response: ServerResponse, name: string, body: Buffer): void {
    const there = this.objects.get(name);
    const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers;
    const holds = (ifMatch === undefined || there?.etag === ifMatch) && (ifNoneMatch !== '*' || there === undefined);
    if (this.conditional && !holds) return this.#refuse(response, 412, 'PreconditionFailed');
    const stored = { octets: body, etag: md5(body) };
    this.objects.set(name, stored);
    response.writeHead(200, { etag: stored.etag }).end();
  }

  #get(request: IncomingMessage, response: ServerResponse, name: string, cutAt: number | undefined): void {
    const there = this.objects.get(name);
    if (there === undefined) return this.#refuse(response, 404, 'NoSuchKey');
    if (request.headers['if-match'] !== undefined && request.headers['if-match'] !== there.etag) {
      return this.#refuse(response, 412, 'PreconditionFailed');
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const from = range === null ? 0 : Number(range[1]);
    const to = range === null || range[2] === '' ? there.octets.length : Number(range[2]) + 1;
    if (from >= there.octets.length && from > 0) return this.#refuse(response, 416, 'InvalidRange');
    const octets = there.octets.subarray(from, to);
    response.writeHead(range === null ? 200 : 206, { etag: there.etag, 'content-length': octets.length });
    if (request.method === 'HEAD') response.end();
    else if (cutAt === undefined) response.end(octets);
    else response.write(octets.subarray(0, cutAt), () => setImmediate(() => response.destroy()));
  }

  #list(response: ServerResponse, bucket: string, url: URL): void {
    if (this.listing !== undefined) {
      response.end(this.listing);
      return;
    }
    const begin = `${bucket}/${url.searchParams.get('prefix') ?? ''}`;
    const after = url.searchParams.get('continuation-token') ?? '';
    const keys = [...this.objects.keys()].filter(key => key.startsWith(begin) && key > after).sort();
    const shown = keys.slice(0, this.page);
    const xml = shown
      .map(key => {
        const text = key
          .slice(bucket.length + 1)
          .replace(/&/g, '&amp;')
          .replace(/</g, '&lt;');
        return `<Contents><Key>${text}</Key><Size>${this.objects.get(key)!.octets.length}</Size></Contents>`;
      })
      .join('');
    const more = keys.length > shown.length ? `<NextContinuationToken>${shown.at(-1)}</NextContinuationToken>` : '';
    response.end(`<?xml version="1.0"?><ListBucketResult>${xml}${more}</ListBucketResult>`);
  }

  #refuse(response: ServerResponse, status: number, code: string): void {
    response.writeHead(status).end(`<Error><Code>${code}</Code><Message>as told</Message></Error>`);
  }

  #wrongSignature(request: IncomingMessage, url: URL, body: Buffer): string | undefined {
    const { headers } = request;
    const pattern =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request,\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/;
    const match = pattern.exec(headers.authorization ?? '');
    if (match === null) return 'AuthorizationHeaderMalformed';
    const [, id, day, region, names, signature] = match;
    if (id !== 'TESTKEY') return 'InvalidAccessKeyId';
    const time = String(headers['x-amz-date']);
    const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time) ?? [];
    const at = Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s));
    if (!(Math.abs(at - Date.now() - this.aheadMs) < 15 * 60_000)) return 'RequestTimeTooSkewed';
    const hash = String(headers['x-amz-content-sha256']);
    if (hash !== createHash('sha256').update(body).digest('hex')) return 'XAmzContentSHA256Mismatch';
    for (const name of ['host', 'x-amz-date', 'x-amz-content-sha256'])
      if (!names.split(';').includes(name)) return 'Unsigned';
    const query = [...url.searchParams]
      .map(([k, v]) => `${escape(k)}=${escape(v)}`)
      .sort()
      .join('&');
    const signed = names
      .split(';')
      .map(name => `${name}:${String(headers[name]).trim()}\n`)
      .join('');
    const canonical = `${request.method}\n${url.pathname}\n${query}\n${signed}\n${names}\n${hash}`;
    const digest = createHash('sha256').update(canonical).digest('hex');
    let key: Buffer | string = `AWS4${SECRET}`;
    for (const text of [day, region, 's3', 'aws4_request']) key = createHmac('sha256', key).update(text).digest();
    const toSign = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/s3/aws4_request\n${digest}`;
    const expected = createHmac('sha256', key).update(toSign).digest();
    return timingSafeEqual(expected, Buffer.from(signature, 'hex')) ? undefined : 'SignatureDoesNotMatch';
  }
}
