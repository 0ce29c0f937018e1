// What a call of the control API is: one row of a table that the router obeys, the OpenAPI description is generated from
// and a test replays.
import { z } from 'zod';
import { ShardnsError, show } from '../../base/errors.js';
import { issueText } from '../../base/options.js';
import type { Server } from '../../server/server.js';
import type { History } from '../history.js';
import type { Exchange, Scope } from './caller.js';
import type { EventStreams } from './event-streams.js';
import type { Profiler } from '../profiler.js';

/** What calls work on. */
export interface ApiParts {
  readonly server: Server;
  readonly history: History;
  readonly events: EventStreams;
  readonly profiler: Profiler;
}

export interface CallInput {
  /** What stands in the path's places, decoded. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** `/v1/cache/{name}/{type}` */
  readonly path: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly query: z.ZodObject | undefined;
  readonly body: z.ZodType | undefined;
  /** What is answered: JSON, or a stream of this media type. */
  readonly answers:
    | 'application/json'
    | 'application/x-ndjson'
    | 'text/plain'
    | 'text/dns'
    | 'text/event-stream'
    | 'application/octet-stream';
  /** One that succeeds on a server that answers `www.example.com` from its own data. */
  readonly example: { readonly path?: string; readonly query?: string; readonly body?: unknown };
  /** @returns what is sent as JSON; a stream writes by itself and returns nothing */
  run(parts: ApiParts, input: CallInput, exchange: Exchange): unknown;
}

type Written<Query extends z.ZodObject | undefined, Body extends z.ZodType | undefined> = Omit<
  Call,
  'query' | 'body' | 'run' | 'answers' | 'example'
> & {
  query?: Query;
  body?: Body;
  answers?: Call['answers'];
  example?: Call['example'];
  run(
    parts: ApiParts,
    input: {
      path: Readonly<Record<string, string>>;
      query: Query extends z.ZodObject ? z.output<Query> : Record<string, never>;
      body: Body extends z.ZodType ? z.output<Body> : undefined;
    },
    exchange: Exchange,
  ): unknown;
};

/** A row, its `run` typed by its own schemas. */
export function call<Query extends z.ZodObject | undefined = undefined, Body extends z.ZodType | undefined = undefined>(
  written: Written<Query, Body>,
): Call {
  return {
    answers: 'application/json',
    example: {},
    ...written,
    query: written.query,
    body: written.body,
    run: written.run as Call['run'],
  };
}

/**
 * A value by its schema.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming each wrong part of it
 */
export function readBy<Schema extends z.ZodType>(schema: Schema, value: unknown, at = ''): z.output<Schema> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const texts = result.error.issues.map(issue => {
    const path = [...(at === '' ? [] : [at]), ...issue.path.map(String)].join('.') || 'body';
    const given = issue.path.reduce<unknown>(
      (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
      value,
    );
    if (issue.code === 'unrecognized_keys') return `${issue.keys.map(key => show(key)).join(', ')}: not taken here`;
    return `${path}: ${issueText(issue.message)}, got ${show(given)}`;
  });
  throw new ShardnsError('ERR_SHARDNS_OPTION', texts.join('; '));
}
