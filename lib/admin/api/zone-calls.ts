// Zones of one's own: what is served, whether a file is good, reading files again, a zone as a file; telling secondaries,
// asking primaries.
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import type { Zones } from '../../server/zones.js';
import { call } from './call.js';
import type { Exchange } from './caller.js';

/** What is wrong with it as a name is said by what looks for its zone. */
const zoneName = z.string('expected the name of a zone').min(1, 'expected the name of a zone');
const chosen = z.object({ name: zoneName, view: z.string().optional() });

export const ZONE_CALLS = [
  call({
    method: 'GET',
    path: '/v1/zones',
    scope: 'read',
    summary: 'The zones that are served, and how those stand that come from other servers.',
    run: ({ server: { zones, zoneTransfers } }) => ({
      zones: zoneTransfers.withDoubts(zones.report()),
      transfers: zoneTransfers.report().zones,
    }),
  }),
  call({
    method: 'GET',
    path: '/v1/zones/check',
    scope: 'read',
    summary: 'What is wrong with the file of a zone as it is now, without reading it in.',
    query: chosen,
    example: { query: 'name=zone.example' },
    run: ({ server: { zones } }, { query: { name } }) => zones.check(name).then(files => ({ files })),
  }),
  call({
    method: 'GET',
    path: '/v1/zones/export',
    scope: 'read',
    summary: 'A zone as a file (RFC 1035 section 5).',
    query: chosen,
    answers: 'text/dns',
    example: { query: 'name=zone.example' },
    run: ({ server }, { query }, exchange) => exportZone(server.zones, query, exchange),
  }),
  call({
    method: 'POST',
    path: '/v1/zones/reload',
    scope: 'write',
    summary: 'Reads the files that have changed, of one zone or of all.',
    body: z.strictObject({ name: zoneName.optional() }),
    example: { body: {} },
    run: ({ server: { zones, zoneTransfers } }, { body: { name } }) =>
      zones.reload(name).then(read => ({ zones: zoneTransfers.withDoubts(read) })),
  }),
  call({
    method: 'POST',
    path: '/v1/zones/notify',
    scope: 'write',
    summary: 'Tells the secondaries of a zone that it has changed (RFC 1996).',
    body: z.strictObject({ name: zoneName }),
    example: { body: { name: 'zone.example' } },
    run: async ({ server: { zoneTransfers } }, { body: { name } }) => ({ told: await zoneTransfers.notify(name) }),
  }),
  call({
    method: 'POST',
    path: '/v1/zones/refresh',
    scope: 'write',
    summary: 'Asks the primaries of a zone now; with `whole` for all of it, whatever its serial.',
    body: z.strictObject({ name: zoneName, whole: z.boolean('expected a boolean').default(false) }),
    run: ({ server: { zoneTransfers } }, { body: { name, whole } }) => {
      zoneTransfers.refresh(name, whole);
      return {};
    },
  }),
];

/** No faster than whoever asks takes it, and others of the process have their turns. */
async function exportZone(
  zones: Zones,
  { name, view }: z.output<typeof chosen>,
  { response }: Exchange,
): Promise<void> {
  const text = zones.export(name, view);
  response.writeHead(200, { 'content-type': 'text/dns; charset=us-ascii' }); // RFC 4027
  for (const piece of text) {
    if (response.destroyed) return;
    if (!response.write(piece)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    else await nextTurn();
  }
  response.end();
}
