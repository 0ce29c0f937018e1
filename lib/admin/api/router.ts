// From an HTTP request to the call that is meant, and to an answer: JSON, or a problem (RFC 9457).
//
// Bounds: a body of 1 MiB, a path of 4 KiB.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ShardnsError, type ShardnsErrorCode, show } from '../../base/errors.js';
import { type ApiParts, type Call, type CallInput, readBy } from './call.js';
import { type Caller, grants } from './caller.js';
import { Refused } from './refused.js';
import { CALLS } from './calls.js';

const MAX_BODY_BYTES = 2 ** 20;
const MAX_TARGET = 4096;

/** HTTP's word for an error of ours. */
const STATUS: Partial<Record<ShardnsErrorCode, number>> = {
  ERR_SHARDNS_OPTION: 400,
  ERR_SHARDNS_MESSAGE: 400,
  ERR_SHARDNS_LISTEN: 409,
  ERR_SHARDNS_FILE: 409,
  ERR_SHARDNS_CLOSED: 503,
  ERR_SHARDNS_OVERLOAD: 503,
  ERR_SHARDNS_TIMEOUT: 504,
};

interface Found {
  call: Call;
  path: Record<string, string>;
}

/** Literal paths by method and path; those with places by their parts. */
const literal = new Map<string, Call>();
const placed: { call: Call; parts: string[] }[] = [];
for (const call of CALLS) {
  if (call.path.includes('{')) placed.push({ call, parts: call.path.split('/') });
  else literal.set(`${call.method} ${call.path}`, call);
}

export interface Told {
  /** Of each call that changes something, whatever became of it. */
  changed(line: { call: string; by: string; status: number }): void;
  /** Of a mistake of ours, which whoever called is told of as well. */
  broke(error: unknown, call: string): void;
}

/** Answers one request. Never rejects. */
export async function route(
  parts: ApiParts,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  caller: Caller,
  told: Told,
): Promise<void> {
  response.on('error', () => {}); // whoever asked is gone
  let changes = false;
  let name = '';
  try {
    const { pathname, searchParams } = targetOf(request);
    // HEAD is GET whose body Node leaves out.
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '');
    const found = find(method, pathname);
    const { call } = found;
    name = `${call.method} ${pathname}`;
    changes = call.method !== 'GET';
    if (!grants(caller.scope, call.scope)) {
      throw new Refused(
        403,
        'ERR_SHARDNS_OPTION',
        `this needs the scope ${call.scope}, ${caller.name} has ${caller.scope}`,
      );
    }
    const query = readQuery(call, searchParams);
    const body = call.body === undefined ? undefined : readBy(call.body, await readJson(request));
    const input: CallInput = { path: found.path, query, body };
    const result = await call.run(parts, input, { request, response, caller });
    if (call.answers === 'application/json') sendJson(response, result);
  } catch (error) {
    if (!(error instanceof Refused || error instanceof ShardnsError)) told.broke(error, name);
    sendProblem(response, error);
  }
  if (changes) told.changed({ call: name, by: caller.name, status: response.statusCode });
}

function targetOf(request: IncomingMessage): URL {
  const target = request.url ?? '/';
  if (target.length > MAX_TARGET) throw new Refused(414, 'ERR_SHARDNS_OPTION', `expected at most ${MAX_TARGET} octets`);
  try {
    return new URL(target, 'http://localhost');
  } catch {
    throw new Refused(400, 'ERR_SHARDNS_OPTION', `expected a path, got ${show(target)}`);
  }
}

function find(method: string, pathname: string): Found {
  const exact = literal.get(`${method} ${pathname}`);
  if (exact !== undefined) return { call: exact, path: {} };
  const given = pathname.split('/');
  for (const { call, parts } of placed) {
    if (call.method === method && parts.length === given.length) {
      const path = placesOf(parts, given);
      if (path !== undefined) return { call, path };
    }
  }
  const others = CALLS.filter(call => call.path === pathname).map(call => call.method);
  if (others.length === 0) throw new Refused(404, 'ERR_SHARDNS_OPTION', `there is no ${method} ${pathname}`);
  const allow = others.join(', ');
  throw new Refused(405, 'ERR_SHARDNS_OPTION', `there is no ${method} ${pathname}: expected ${allow}`, { allow });
}

function placesOf(parts: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  const path: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    if (!part.startsWith('{')) {
      if (part !== given[i]) return undefined;
      continue;
    }
    try {
      path[part.slice(1, -1)] = decodeURIComponent(given[i]);
    } catch {
      return undefined;
    }
  }
  return path;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION: a parameter that is written wrong would be taken for obeyed */
function readQuery(call: Call, given: URLSearchParams): Record<string, unknown> {
  const taken = call.query === undefined ? [] : Object.keys(call.query.shape);
  const other = [...given.keys()].find(key => !taken.includes(key));
  if (other !== undefined) {
    const expected = taken.length > 1 ? `${taken.slice(0, -1).join(', ')} or ${taken.at(-1)}` : (taken[0] ?? 'nothing');
    throw new ShardnsError('ERR_SHARDNS_OPTION', `${/^\w+$/.test(other) ? other : show(other)}: expected ${expected}`);
  }
  const twice = taken.find(key => given.getAll(key).length > 1);
  if (twice !== undefined) throw new ShardnsError('ERR_SHARDNS_OPTION', `${twice}: expected once`);
  return call.query === undefined ? {} : readBy(call.query, Object.fromEntries(given));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let octets = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      octets += chunk.length;
      if (octets > MAX_BODY_BYTES) {
        throw new Refused(413, 'ERR_SHARDNS_OPTION', `expected a body of at most ${MAX_BODY_BYTES} octets`);
      }
      chunks.push(chunk);
    }
  } catch (error) {
    // Whoever called is gone, or has sent what is no body: that is no mistake of ours.
    if (error instanceof Refused) throw error;
    throw new Refused(400, 'ERR_SHARDNS_ABORTED', `the body was not sent whole: ${(error as Error).message}`);
  }
  const text = Buffer.concat(chunks).toString();
  try {
    return JSON.parse(text);
  } catch {
    throw new ShardnsError('ERR_SHARDNS_OPTION', `expected JSON, got ${show(text)}`);
  }
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(value)}\n`);
}

export function sendProblem(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, code, detail, headers } = problemOf(error);
  response
    .writeHead(status, { ...headers, 'content-type': 'application/problem+json' })
    .end(`${JSON.stringify({ title: 'the call failed', status, code, detail })}\n`);
}

function problemOf(error: unknown): { status: number; code: string; detail: string; headers?: Record<string, string> } {
  const detail = (error as Error).message;
  if (error instanceof Refused)
    return { status: error.status, code: error.code, detail, headers: { ...error.headers } };
  if (error instanceof ShardnsError) return { status: STATUS[error.code] ?? 500, code: error.code, detail };
  return { status: 500, code: 'ERR_SHARDNS_INTERNAL', detail };
}
