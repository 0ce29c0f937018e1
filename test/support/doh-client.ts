// Asks a server over HTTPS, as a client would, by HTTP/2 or HTTP/1.1; whoever answers is believed to be who it is.
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import { request } from 'node:https';
import { parseSocketAddress } from '../../lib/base/address.js';

export interface DohResponse {
  status: number;
  headers: Record<string, unknown>;
  body: Buffer;
}

export interface DohAsked {
  method?: string;
  /** With its query. */
  path?: string;
  headers?: OutgoingHttpHeaders;
  body?: Uint8Array;
}

/** `POST`, as a client sends a query. */
export const post = (body: Uint8Array): DohAsked => ({
  method: 'POST',
  headers: { 'content-type': 'application/dns-message' },
  body,
});
export const get = (query: Uint8Array): DohAsked => ({
  path: `/dns-query?dns=${Buffer.from(query).toString('base64url')}`,
});

export async function openHttps(at: string): Promise<ClientHttp2Session> {
  const session = connect(`https://${at}`, { rejectUnauthorized: false });
  session.on('error', () => {});
  await once(session, 'connect');
  return session;
}

/** @throws where the stream, or the connection, ends before the response has */
export async function askOn(session: ClientHttp2Session, asked: DohAsked): Promise<DohResponse> {
  const { method = 'GET', path = '/dns-query', headers, body } = asked;
  const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const response = once(stream, 'response');
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = once(stream, 'close');
  const [got] = (await Promise.race([
    response,
    ended.then(() => {
      throw new Error('closed without a response');
    }),
  ])) as [Record<string, unknown>];
  await ended;
  return { status: Number(got[':status']), headers: got, body: Buffer.concat(chunks) };
}

/** One question over one connection. */
export async function askHttps(at: string, asked: DohAsked): Promise<DohResponse> {
  const session = await openHttps(at);
  try {
    return await askOn(session, asked);
  } finally {
    session.destroy();
  }
}

/** The same by HTTP/1.1. */
export function askHttp1(
  at: string,
  { method = 'GET', path = '/dns-query', headers, body }: DohAsked,
): Promise<DohResponse> {
  const { address: host, port } = parseSocketAddress(at, 'test');
  return new Promise((resolve, reject) => {
    const options = { host, port, method, path, headers: headers as Record<string, string>, rejectUnauthorized: false };
    const asking = request({ ...options, agent: false }, response => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    asking.on('error', reject);
    asking.end(body);
  });
}
