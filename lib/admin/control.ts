// The verbs of `shardns ctl` as HTTP calls: what a server does, what its cache holds, forgetting, lists,
// zones, trust anchors, tracing. Whoever reaches
// this may do all of it: it is served on a unix socket of the server's own user (control-socket.ts).
//
// Bounds: a body of 64 KiB; names listed as they are read, no faster than whoever asks takes them.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { ShardnsError, show } from '../base/errors.js';
import type { Peeked, Variant } from '../cache/engine.js';
import type { Server } from '../server/server.js';
import { rcodeName, typeCode, typeName } from '../wire/iana.js';
import { decodeMessage } from '../wire/message.js';
import { encodeName, foldName, isAtOrBelow, nameToText } from '../wire/name.js';
import { recordText } from '../wire/record-text.js';
import { trace } from './trace.js';
import { whyOf } from './why.js';
import { exportZone, zonesCall } from './zone-control.js';

const MAX_BODY_BYTES = 65_536;
/** How many entries are read before others of the process have their turn. */
const ENTRIES_A_TURN = 512;

/** Answers one call. Never rejects. */
export async function control(server: Server, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.on('error', () => {}); // whoever asked is gone
  try {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const call = `${request.method} ${url.pathname}`;
    checkParameters(url.searchParams, PARAMETERS[call]);
    if (call === 'GET /v1/stats') sendJson(response, server.report());
    else if (call === 'GET /v1/cache') await list(server, url.searchParams, response);
    else if (call === 'GET /v1/cache/entry') sendJson(response, entriesOf(server, url.searchParams));
    else if (call === 'POST /v1/cache/invalidate') sendJson(response, forget(server, await readJson(request)));
    else if (call === 'GET /v1/lists/why') sendJson(response, why(server, url.searchParams));
    else if (call === 'POST /v1/lists/override') sendJson(response, await override(server, await readJson(request)));
    else if (call === 'POST /v1/lists/pause') sendJson(response, pause(server, await readJson(request)));
    else if (call === 'GET /v1/anchors') sendJson(response, server.anchors.report);
    else if (call === 'POST /v1/anchors/update') sendJson(response, await updateAnchors(server));
    else if (call === 'GET /v1/zones/export') await exportZone(server.zones, url.searchParams, response);
    else if (url.pathname.startsWith('/v1/zones')) await sendZones(server, call, url.searchParams, request, response);
    else if (call === 'GET /v1/trace') await sendTrace(server, url.searchParams, response);
    else problem(response, 404, 'ERR_SHARDNS_OPTION', `there is no ${call}`);
  } catch (error) {
    const { code, message } = error as ShardnsError;
    const known = error instanceof ShardnsError;
    problem(response, known ? 400 : 500, known ? code : 'ERR_SHARDNS_INTERNAL', message);
  }
}

const PARAMETERS: Readonly<Record<string, readonly string[] | undefined>> = {
  'GET /v1/cache': ['suffix', 'type', 'tenant'],
  'GET /v1/cache/entry': ['name', 'type', 'tenant'],
  'GET /v1/lists/why': ['name', 'client', 'type'],
  'GET /v1/trace': ['name', 'type', 'fresh'],
  'GET /v1/zones/check': ['name', 'view'],
  'GET /v1/zones/export': ['name', 'view'],
};

/** One that is written wrong would be taken for obeyed. */
function checkParameters(given: URLSearchParams, taken: readonly string[] | undefined): void {
  const other = [...given.keys()].find(key => taken !== undefined && !taken.includes(key));
  if (other === undefined) return;
  throw optionError(
    `${/^\w+$/.test(other) ? other : show(other)}: expected ${taken!.slice(0, -1).join(', ')} or ${taken!.at(-1)}`,
  );
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(value)}\n`);
}

async function sendZones(
  server: Server,
  call: string,
  parameters: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = call.startsWith('POST ') ? await readJson(request) : undefined;
  const told = zonesCall(server, call, parameters, body);
  if (told === undefined) problem(response, 404, 'ERR_SHARDNS_OPTION', `there is no ${call}`);
  else sendJson(response, told);
}

/** RFC 9457. */
function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(`${JSON.stringify({ title: 'the call failed', status, code, detail })}\n`);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    octets += chunk.length;
    if (octets > MAX_BODY_BYTES) throw optionError(`expected a body of at most ${MAX_BODY_BYTES} octets`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  try {
    return JSON.parse(text);
  } catch {
    throw optionError(`expected JSON, got ${show(text)}`);
  }
}

const optionError = (text: string): ShardnsError => new ShardnsError('ERR_SHARDNS_OPTION', text);

/** What was asked to be forgotten is told as it was understood. */
function forget(server: Server, what: unknown): object {
  server.invalidate(what as Parameters<Server['invalidate']>[0]);
  return { forgotten: what };
}

function why(server: Server, parameters: URLSearchParams): object {
  const client = parameters.get('client') ?? undefined;
  if (client !== undefined && isIP(client) === 0) {
    throw optionError(`client: expected a numeric address, got ${show(client)}`);
  }
  return whyOf(server, { name: nameOf(parameters, 'name'), type: typeOf(parameters), client });
}

async function override({ clientRules }: Server, body: unknown): Promise<object> {
  const { name, says } = (body ?? {}) as { name?: unknown; says?: unknown };
  if (typeof name !== 'string') throw optionError(`name: expected a name, got ${show(name)}`);
  if (says !== 'block' && says !== 'allow' && says !== null) {
    throw optionError(`says: expected block, allow or null, got ${show(says)}`);
  }
  await clientRules.lists.override(name, says ?? undefined);
  return { name, says, overrides: clientRules.lists.overrides.size };
}

function pause({ clientRules }: Server, body: unknown): object {
  const { minutes } = (body ?? {}) as { minutes?: unknown };
  if (typeof minutes !== 'number') throw optionError(`minutes: expected a number, got ${show(minutes)}`);
  clientRules.lists.pause(minutes);
  return { pausedSeconds: Math.ceil(clientRules.lists.pausedSeconds) };
}

/** Looks at the keys of their zones now. */
async function updateAnchors({ anchors }: Server): Promise<object> {
  await anchors.refresh();
  return anchors.report;
}

function nameOf(parameters: URLSearchParams, key: string): Uint8Array {
  const text = parameters.get(key) ?? '';
  // An empty variable of a script means no name, and least of all the root and all below it.
  if (text === '') throw optionError(`${key}: expected a domain name ("." is the root), got ""`);
  try {
    return foldName(encodeName(text));
  } catch (error) {
    throw optionError(`${key}: ${(error as Error).message}`);
  }
}

function typeOf(parameters: URLSearchParams): number | undefined {
  const text = parameters.get('type');
  if (text === null) return undefined;
  const type = typeCode(text);
  if (type === undefined) throw optionError(`type: expected a record type, got ${show(text)}`);
  return type;
}

function tenantOf(parameters: URLSearchParams): number {
  const text = parameters.get('tenant') ?? '0';
  if (!/^\d{1,10}$/.test(text) || Number(text) > 0xffff_fffe) {
    throw optionError(`tenant: expected a number from 0 to 4294967294, got ${show(text)}`);
  }
  return Number(text);
}

/** What is kept for a question, in each of the forms in which it was asked. Not a hit. */
function entriesOf({ engine }: Server, parameters: URLSearchParams): object {
  const name = nameOf(parameters, 'name');
  const type = typeOf(parameters) ?? 1;
  const tenant = tenantOf(parameters);
  const entries: object[] = [];
  for (const dnssecOk of [false, true]) {
    for (const checkingDisabled of [false, true]) {
      const variant = { dnssecOk, checkingDisabled, tenant };
      const found = engine.peek(name, type, variant);
      if (found !== undefined) entries.push(shownEntry(variant, found));
    }
  }
  return { name: nameToText(name), type: typeName(type), tenant, entries };
}

function shownEntry({ dnssecOk, checkingDisabled }: Variant, found: Peeked): object {
  const message = decodeMessage(found.message);
  return {
    dnssecOk,
    checkingDisabled,
    rcode: rcodeName(message.flags & 15),
    remainingSeconds: Math.round(found.remainingSeconds * 1000) / 1000,
    ageSeconds: Math.round(found.ageSeconds * 1000) / 1000,
    popularity: found.popularity,
    answers: message.answers.map(recordText),
    authorities: message.authorities.map(recordText),
  };
}

/** A line of JSON for each entry: `suffix`, `type` and `tenant` choose among them. */
async function list({ engine }: Server, parameters: URLSearchParams, response: ServerResponse): Promise<void> {
  const suffix = parameters.has('suffix') ? nameOf(parameters, 'suffix') : undefined;
  const type = typeOf(parameters);
  const tenant = parameters.has('tenant') ? tenantOf(parameters) : undefined;
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  let read = 0;
  for (const entry of engine.list()) {
    if (++read % ENTRIES_A_TURN === 0) await turn(response);
    if (response.destroyed) return;
    if (type !== undefined && entry.type !== type) continue;
    if (tenant !== undefined && entry.variant.tenant !== tenant) continue;
    if (suffix !== undefined && !isAtOrBelow(entry.name, suffix)) continue;
    const { negative, failure, length, remainingSeconds, popularity } = entry;
    const line = {
      name: nameToText(entry.name),
      type: typeName(entry.type),
      ...entry.variant,
      negative,
      failure,
      length,
      remainingSeconds,
      popularity,
    };
    response.write(`${JSON.stringify(line)}\n`);
  }
  response.end();
}

/** Others' turn, and until what was written has been taken. */
function turn(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    if (!response.writableNeedDrain) {
      setImmediate(resolve);
      return;
    }
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

async function sendTrace(server: Server, parameters: URLSearchParams, response: ServerResponse): Promise<void> {
  const request = {
    name: parameters.get('name') ?? '',
    type: parameters.get('type') ?? 'A',
    fresh: parameters.has('fresh'),
  };
  await trace(server, request, line => {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
    response.write(`${line}\n`);
  });
  response.end();
}
