// Where the process spends its time and memory.
import { z } from 'zod';
import { MAX_PROFILE_SECONDS, PROFILE_KINDS } from '../profiler.js';
import { call } from './call.js';

export const PROFILE_CALLS = [
  call({
    method: 'POST',
    path: '/v1/profile',
    scope: 'write',
    summary:
      'A profile for Chromium’s DevTools, one at a time: `cpu` and `allocations` of some seconds; `heap`, a snapshot, which holds misses up for about a second each 50 MB.',
    body: z.strictObject({
      kind: z.enum(PROFILE_KINDS, `expected ${PROFILE_KINDS.join(', ')}`),
      seconds: z
        .number('expected a number')
        .min(0.1, 'expected 0.1 seconds or more')
        .max(MAX_PROFILE_SECONDS, `expected at most ${MAX_PROFILE_SECONDS} seconds`)
        .default(10),
    }),
    answers: 'application/octet-stream',
    example: { body: { kind: 'cpu', seconds: 0.1 } },
    run: ({ profiler }, { body }, { response }) => profiler.take(body, response),
  }),
];
