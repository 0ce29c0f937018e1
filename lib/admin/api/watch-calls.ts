// What is answered, as those who watch see it: the query log, and top lists.
import { isIP } from 'node:net';
import { z } from 'zod';
import { addressOctets, isMapped } from '../../base/address.js';
import { ANSWERED_BY } from '../../native/binding.js';
import { TOP_BY, TOP_WHAT } from '../../server/tap/top-lists.js';
import { rcodeCode } from '../../wire/iana.js';
import { call } from './call.js';
import { flagParameter, nameParameter, numberParameter, typeParameter } from './parameters.js';
import { Refused } from './refused.js';

const MAX_SEQ = 999_999_999_999_999;

const addressParameter = z
  .string()
  .refine(text => isIP(text) !== 0, 'expected a numeric address')
  .transform(text => {
    const octets = addressOctets(text);
    return isMapped(octets) ? octets.subarray(12) : octets;
  });

const rcodeParameter = z
  .string()
  .max(32)
  .transform((text, context): number => {
    const code = rcodeCode(text);
    if (code !== undefined) return code;
    context.addIssue({ code: 'custom', message: 'expected an rcode, such as NXDOMAIN' });
    return z.NEVER;
  });

export const WATCH_CALLS = [
  call({
    method: 'GET',
    path: '/v1/querylog',
    scope: 'read',
    summary:
      'The last queries, newest first, where `queryLog` is on: those of a client, at or below a name, of a type or rcode, answered in one way (`by`), not from the cache (`uncached`), slower than so many milliseconds; `before` goes on.',
    query: z.object({
      before: numberParameter(1, MAX_SEQ).optional(),
      limit: numberParameter(1, 1000).default(100),
      client: addressParameter.optional(),
      name: nameParameter.optional(),
      type: typeParameter.optional(),
      rcode: rcodeParameter.optional(),
      by: z.enum(ANSWERED_BY).optional(),
      uncached: flagParameter.optional(),
      slower: numberParameter(0, 3_600_000).optional(),
    }),
    example: { query: 'limit=10&uncached=1' },
    run: ({ server }, { query: { before, limit, slower, ...filter } }) => {
      const { queryLog } = server.watching;
      if (queryLog === undefined)
        throw new Refused(409, 'ERR_SHARDNS_OPTION', 'queryLog.enabled: queries are not logged');
      server.watching.drain();
      return queryLog.find({ ...filter, slowerMs: slower }, { before, limit });
    },
  }),
  call({
    method: 'GET',
    path: '/v1/top',
    scope: 'read',
    summary:
      'By which names, clients, types or upstreams most queries came in the last whole minute, or the present one (`current`), where `top` is on. A count is too great by its error at the most.',
    query: z.object({
      by: z.enum(TOP_BY).default('name'),
      what: z.enum(TOP_WHAT).default('miss'),
      most: numberParameter(1, 1000).default(20),
      current: flagParameter.optional(),
    }),
    example: { query: 'by=name&what=miss' },
    run: ({ server }, { query: { by, what, most, current = false } }) => {
      const { top } = server.watching;
      if (top === undefined) throw new Refused(409, 'ERR_SHARDNS_OPTION', 'top.enabled: nothing is counted');
      server.watching.drain();
      return top.list(by, what, { most, current });
    },
  }),
];
