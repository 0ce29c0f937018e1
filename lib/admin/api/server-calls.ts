// What the server is and does: health, numbers, their history and events, settings and their change, its life.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ShardnsError } from '../../base/errors.js';
import { mergePatch } from '../../server/plain-options.js';
import type { Server } from '../../server/server.js';
import { checkOptions, describeIssue, shownSettings } from '../../server/settings/settings.js';
import { FIELDS } from '../history.js';
import { trace } from '../trace.js';
import { call } from './call.js';
import { Refused } from './refused.js';
import { flagParameter, numberParameter } from './parameters.js';

/** What a change by this API would cut off the branch on which it sits. */
const NOT_FROM_HERE = ['api', 'control'] as const;
/** Traces at a time; each may ask dozens of servers. */
const MAX_TRACES = 4;
let traces = 0;

const options = z.looseObject({});

export const SERVER_CALLS = [
  call({
    method: 'GET',
    path: '/healthz',
    scope: 'open',
    summary: 'Whether the process lives. It says so while it drains, too.',
    run: () => ({ alive: true }),
  }),
  call({
    method: 'GET',
    path: '/readyz',
    scope: 'open',
    summary: 'Whether it takes queries: 503 before it listens and while it drains.',
    run: ({ server }) => {
      if (server.listening) return { ready: true };
      throw new Refused(503, 'ERR_SHARDNS_CLOSED', 'it does not listen, or drains');
    },
  }),
  call({
    method: 'GET',
    path: '/v1/info',
    scope: 'read',
    summary: 'What runs here: state, addresses, process.',
    run: ({ server }) => {
      const { state, listening, process: own, takenAtMs } = server.report();
      const { version, node } = { version: server.settings.version, node: process.version };
      return {
        state,
        listening,
        process: own,
        takenAtMs,
        version,
        node,
        platform: `${process.platform}-${process.arch}`,
      };
    },
  }),
  call({
    method: 'GET',
    path: '/v1/stats',
    scope: 'read',
    summary: 'Every number that the server counts, since its start.',
    run: ({ server }) => server.report(),
  }),
  call({
    method: 'GET',
    path: '/v1/stats/history',
    scope: 'read',
    summary: 'Samples of the last `span` seconds, no finer than `step`: fields once, then a row of numbers for each.',
    query: z.object({
      span: numberParameter(1, 691_200).default(900),
      step: numberParameter(1, 300).default(1),
    }),
    example: { query: 'span=60' },
    run: ({ history }, { query: { span, step } }) => {
      const { stepSeconds, samples } = history.last(span, step);
      const fields = ['atMs', ...FIELDS];
      return { stepSeconds, fields, rows: samples.map(one => fields.map(name => one[name as keyof typeof one])) };
    },
  }),
  call({
    method: 'GET',
    path: '/v1/events',
    scope: 'read',
    summary: 'Server-sent events: `stats` each second, with what came in it.',
    answers: 'text/event-stream',
    run: ({ events }, _, { request, response, caller }) => events.open({ request, response, caller }),
  }),
  call({
    method: 'GET',
    path: '/v1/upstreams',
    scope: 'read',
    summary: 'Whom the server asks: round-trip times, queries, failures; and each Redis of the second level.',
    run: ({ server }) => {
      const { upstreams, upstreamNames, forwardedTo, secondLevel } = server.report();
      return { upstreams, names: upstreamNames, signatures: forwardedTo, redis: secondLevel?.redis ?? [] };
    },
  }),
  call({
    method: 'GET',
    path: '/v1/mirror',
    scope: 'read',
    summary: 'What the server of `mirror` says to the same questions: counts, times, the last differences.',
    run: ({ server: { mirror } }) => ({ report: mirror.report ?? null, differences: mirror.differences }),
  }),
  call({
    method: 'GET',
    path: '/v1/config',
    scope: 'read',
    summary: 'The options in force, every default filled in; secrets are left out. ETag names this state.',
    run: ({ server }, _, { response }) => {
      response.setHeader('etag', etagOf(server));
      return shownSettings(server.settings);
    },
  }),
  call({
    method: 'POST',
    path: '/v1/config/check',
    scope: 'read',
    summary: 'What is wrong with a change (a merge patch, RFC 7396), without making it.',
    body: options,
    example: { body: { cache: { maxTtlSeconds: 3600 } } },
    run: ({ server }, { body }) => {
      const result = checkOptions(mergePatch(server.options, body));
      return 'issues' in result
        ? { valid: false, issues: result.issues.map(describeIssue) }
        : { valid: true, issues: [] };
    },
  }),
  call({
    method: 'PATCH',
    path: '/v1/config',
    scope: 'write',
    summary:
      'Changes options (a merge patch, RFC 7396) until the server ends or reads its file again: all of it, or nothing.',
    body: options,
    example: { body: { cache: { maxTtlSeconds: 3600 } } },
    run: async ({ server }, { body }, { request, response }) => {
      const own = NOT_FROM_HERE.find(key => key in body);
      if (own !== undefined) {
        throw new ShardnsError('ERR_SHARDNS_OPTION', `${own}: cannot change by a call that needs it: change the file`);
      }
      const wanted = request.headers['if-match'];
      await server.patch(body, () => {
        if (wanted === undefined || wanted === '*' || wanted === etagOf(server)) return;
        throw new Refused(412, 'ERR_SHARDNS_OPTION', 'the options have changed since they were read: read them again');
      });
      response.setHeader('etag', etagOf(server));
      return shownSettings(server.settings);
    },
  }),
  call({
    method: 'POST',
    path: '/v1/snapshot',
    scope: 'write',
    summary: 'Saves the cache to its snapshot file now.',
    run: async ({ server }) => {
      if (server.settings.snapshot === undefined) {
        throw new Refused(409, 'ERR_SHARDNS_OPTION', 'snapshot: no file is configured');
      }
      const { failures } = server.snapshots.stats;
      await server.snapshots.save();
      if (server.snapshots.stats.failures === failures) return server.snapshots.stats;
      throw new Refused(500, 'ERR_SHARDNS_FILE', 'it could not be saved: the log says why');
    },
  }),
  call({
    method: 'GET',
    path: '/v1/trace',
    scope: 'read',
    summary: 'Resolves a name and shows a line for each step as it happens; `fresh` asks anew what is cached.',
    query: z.object({
      // A text that is no name is told by the trace itself.
      name: z.string().max(1100).default(''),
      type: z.string().max(64).default('A'),
      fresh: flagParameter.optional(),
    }),
    answers: 'text/plain',
    example: { query: 'name=www.example.com&type=A' },
    run: async ({ server }, { query: { name, type, fresh = false } }, { response }) => {
      if (traces >= MAX_TRACES) {
        throw new Refused(503, 'ERR_SHARDNS_OVERLOAD', `${MAX_TRACES} traces are under way`, { 'retry-after': '1' });
      }
      traces++;
      try {
        await trace(server, { name, type, fresh }, line => {
          if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
          response.write(`${line}\n`);
        });
        response.end();
      } finally {
        traces--;
      }
    },
  }),
];

function etagOf(server: Server): string {
  return `"${createHash('sha256').update(JSON.stringify(server.settings)).digest('hex').slice(0, 32)}"`;
}
