// The calls of the control API.
import { CACHE_CALLS } from './cache-calls.js';
import { type Call, call } from './call.js';
import { openApi } from './openapi.js';
import { PROFILE_CALLS } from './profile-calls.js';
import { RULE_CALLS } from './rule-calls.js';
import { SERVER_CALLS } from './server-calls.js';
import { WATCH_CALLS } from './watch-calls.js';
import { ZONE_CALLS } from './zone-calls.js';

export const CALLS: readonly Call[] = [
  ...SERVER_CALLS,
  ...CACHE_CALLS,
  ...RULE_CALLS,
  ...ZONE_CALLS,
  ...PROFILE_CALLS,
  ...WATCH_CALLS,
  call({
    method: 'GET',
    path: '/v1/openapi.json',
    scope: 'open',
    summary: 'This API, as OpenAPI 3.1 describes it.',
    run: () => openApi(CALLS, '1'),
  }),
];
