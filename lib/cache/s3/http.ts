// One HTTP request with its response, bounded in time and octets: what storage and the places of credentials are asked by.
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import type { Readable } from 'node:stream';
import { ShardnsError } from '../../base/errors.js';

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is made for each try. */
  readonly body?: Uint8Array | (() => Readable);
  /** Without an octet either way, it is over. */
  readonly idleMs: number;
  /** So is an answer that has begun and is not whole by then, however much of it comes. */
  readonly totalMs: number;
}
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** To be read to its end, or destroyed. */
  readonly body: IncomingMessage;
}

/** Sends a request. @throws {ShardnsError} ERR_SHARDNS_TIMEOUT, ERR_SHARDNS_UPSTREAM */
export type Http = (request: HttpRequest) => Promise<HttpResponse>;

export const systemHttp: Http = async ({ method, url, headers = {}, body, idleMs, totalMs }) => {
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const options: RequestOptions = { method, headers: { ...headers }, timeout: idleMs };
    const failed = (cause: Error): void => reject(upstreamError(url, cause));
    const source = typeof body === 'function' ? body() : undefined;
    const sending: ClientRequest = request(url, options, response => {
      // Of a response that stops coming, too; also a request that is still being sent is answered.
      response.setTimeout(idleMs, () => response.destroy(idle(url, idleMs)));
      const end = setTimeout(() => response.destroy(endless(url, totalMs)), Math.min(totalMs, MOST_TIMER_MS));
      end.unref();
      response.on('close', () => clearTimeout(end));
      resolve({ status: response.statusCode!, headers: response.headers, body: response });
    });
    sending.on('timeout', () => sending.destroy(idle(url, idleMs)));
    sending.on('error', error => {
      source?.destroy();
      failed(error);
    });
    if (source === undefined) {
      sending.end(body);
      return;
    }
    source.on('error', error => sending.destroy(error));
    // An answer may come, and be the end of it, before all is sent.
    sending.on('close', () => source.destroy());
    source.pipe(sending);
  });
};

/** Of Node's timers. */
const MOST_TIMER_MS = 2 ** 31 - 1;

/** All of a body, which may have `most` octets. @throws {ShardnsError} */
export async function bodyOf({ body }: HttpResponse, most: number, url: URL): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of body as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > most) {
        body.destroy();
        throw new ShardnsError('ERR_SHARDNS_UPSTREAM', `${url.host}: a response of more than ${most} octets`);
      }
      parts.push(part);
    }
  } catch (error) {
    throw error instanceof ShardnsError ? error : upstreamError(url, error as Error);
  }
  return Buffer.concat(parts, length);
}

const idle = (url: URL, ms: number): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_TIMEOUT', `${url.host}: nothing came for ${ms} ms`);

const endless = (url: URL, ms: number): ShardnsError =>
  new ShardnsError('ERR_SHARDNS_TIMEOUT', `${url.host}: its answer has not ended in ${Math.round(ms)} ms`);

export function upstreamError(url: URL, cause: Error): ShardnsError {
  if (cause instanceof ShardnsError) return cause;
  return new ShardnsError('ERR_SHARDNS_UPSTREAM', `${url.host}: ${cause.message || String(cause)}`, { cause });
}
