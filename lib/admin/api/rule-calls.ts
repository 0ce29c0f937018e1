// Lists of names, and the keys of zones: why, overrides, pause; anchors.
import { isIP } from 'node:net';
import { z } from 'zod';
import { whyOf } from '../why.js';
import { call } from './call.js';
import { nameParameter, typeParameter } from './parameters.js';

export const RULE_CALLS = [
  call({
    method: 'GET',
    path: '/v1/lists/why',
    scope: 'read',
    summary: 'The rule that decides of a name, for everybody or for one client, or of what the cached answer has.',
    query: z.object({
      name: nameParameter,
      type: typeParameter.optional(),
      client: z
        .string()
        .refine(text => isIP(text) !== 0, 'expected a numeric address')
        .optional(),
    }),
    example: { query: 'name=www.example.com' },
    run: ({ server }, { query: { name, type, client } }) => whyOf(server, { name, type, client }),
  }),
  call({
    method: 'POST',
    path: '/v1/lists/override',
    scope: 'write',
    summary:
      'Blocks or allows a name and all below it whatever the lists say, until the server ends; null: as they say.',
    body: z.strictObject({
      name: z.string('expected a name'),
      says: z.literal(['block', 'allow', null], 'expected block, allow or null'),
    }),
    example: { body: { name: 'ads.example.com', says: 'block' } },
    run: async ({ server: { clientRules } }, { body: { name, says } }) => {
      await clientRules.lists.override(name, says ?? undefined);
      return { name, says, overrides: clientRules.lists.overrides.size };
    },
  }),
  call({
    method: 'POST',
    path: '/v1/lists/pause',
    scope: 'write',
    summary: 'Nothing is blocked for some minutes; 0: from now on again.',
    body: z.strictObject({ minutes: z.number('expected a number') }),
    example: { body: { minutes: 0 } },
    run: ({ server: { clientRules } }, { body: { minutes } }) => {
      clientRules.lists.pause(minutes);
      return { pausedSeconds: Math.ceil(clientRules.lists.pausedSeconds) };
    },
  }),
  call({
    method: 'GET',
    path: '/v1/anchors',
    scope: 'read',
    summary: 'What is believed of zones’ keys.',
    run: ({ server: { anchors } }) => anchors.report,
  }),
  call({
    method: 'POST',
    path: '/v1/anchors/update',
    scope: 'write',
    summary: 'Looks at the keys of the anchors’ zones now.',
    run: async ({ server: { anchors } }) => {
      await anchors.refresh();
      return anchors.report;
    },
  }),
];
