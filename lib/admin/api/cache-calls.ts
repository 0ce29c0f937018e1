// What the cache holds: one name, all of it, forgetting.
//
// Bounds: names listed as they are read, no faster than whoever asks takes them.
import { z } from 'zod';
import { optionError } from '../../base/errors.js';
import type { ListedEntry, Peeked, Variant } from '../../cache/engine.js';
import type { Server } from '../../server/server.js';
import { rcodeName, typeName } from '../../wire/iana.js';
import { decodeMessage } from '../../wire/message.js';
import { isAtOrBelow, nameToText } from '../../wire/name.js';
import { recordText } from '../../wire/record-text.js';
import { call, readBy } from './call.js';
import type { Exchange } from './caller.js';
import { nameParameter, tenantParameter, typeParameter } from './parameters.js';

/** How many entries are read before others of the process have their turn. */
const ENTRIES_A_TURN = 512;

const chosen = z.object({
  suffix: nameParameter.optional(),
  type: typeParameter.optional(),
  tenant: tenantParameter.optional(),
});

export const CACHE_CALLS = [
  call({
    method: 'GET',
    path: '/v1/cache',
    scope: 'read',
    summary: 'A line of JSON for each entry; suffix, type and tenant choose among them.',
    query: chosen,
    answers: 'application/x-ndjson',
    example: { query: 'suffix=example.com' },
    run: ({ server }, { query }, exchange) => list(server, query, exchange),
  }),
  call({
    method: 'GET',
    path: '/v1/cache/entry',
    scope: 'read',
    summary: 'What is kept for a question, in each of the forms in which it was asked. Not a hit.',
    query: z.object({ name: nameParameter, type: typeParameter.default(1), tenant: tenantParameter.default(0) }),
    example: { query: 'name=www.example.com&type=A' },
    run: ({ server }, { query: { name, type, tenant } }) => entriesOf(server, { name, type, tenant }),
  }),
  call({
    method: 'GET',
    path: '/v1/cache/{name}/{type}',
    scope: 'read',
    summary: 'The same as a resource.',
    example: { path: '/v1/cache/www.example.com/A' },
    run: ({ server }, { path }) => {
      const name = readBy(nameParameter, path.name, 'name');
      return entriesOf(server, { name, type: readBy(typeParameter, path.type, 'type'), tenant: 0 });
    },
  }),
  call({
    method: 'POST',
    path: '/v1/cache/invalidate',
    scope: 'flush',
    summary: 'Forgets a name, all at and below a suffix, a tenant or everything: one of them; with `fleet` everywhere.',
    // invalidate() is the one that says what is wrong with the rest.
    body: z.unknown(),
    example: { body: { name: 'www.example.com' } },
    run: async ({ server }, { body }) => {
      const isObject = typeof body === 'object' && body !== null;
      const { fleet = false, ...rest } = isObject ? (body as { fleet?: unknown }) : {};
      if (typeof fleet !== 'boolean') throw optionError('fleet', fleet, 'true or false');
      const what = isObject ? rest : body;
      server.invalidate(what as Parameters<Server['invalidate']>[0], { fleet });
      // As it was understood.
      return fleet ? { forgotten: what, fleet: await server.invalidatedInFleet() } : { forgotten: what };
    },
  }),
];

function entriesOf(
  { engine }: Server,
  { name, type, tenant }: { name: Uint8Array; type: number; tenant: number },
): object {
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

async function list({ engine }: Server, wanted: z.output<typeof chosen>, { response }: Exchange): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  let read = 0;
  for (const entry of engine.list()) {
    if (++read % ENTRIES_A_TURN === 0) await turn(response);
    if (response.destroyed) return;
    if (isWanted(entry, wanted)) response.write(`${JSON.stringify(listedLine(entry))}\n`);
  }
  response.end();
}

function isWanted(entry: ListedEntry, { suffix, type, tenant }: z.output<typeof chosen>): boolean {
  if (type !== undefined && entry.type !== type) return false;
  if (tenant !== undefined && entry.variant.tenant !== tenant) return false;
  return suffix === undefined || isAtOrBelow(entry.name, suffix);
}

function listedLine({ name, type, variant, ...rest }: ListedEntry): object {
  const { negative, failure, length, remainingSeconds, popularity } = rest;
  const shown = { name: nameToText(name), type: typeName(type), ...variant };
  return { ...shown, negative, failure, length, remainingSeconds, popularity };
}

/** Others' turn, and until what was written has been taken. */
function turn(response: Exchange['response']): Promise<void> {
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
