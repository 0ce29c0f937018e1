// The verbs of `shardns ctl zones`: what is served, whether a file is good, reading files again, a zone as a file; telling
// secondaries, asking primaries.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ShardnsError, show } from '../base/errors.js';
import type { ZoneTransfers } from '../server/zone-transfers.js';
import type { Zones } from '../server/zones.js';

/** @returns undefined for a call that is none of these, or has written its response itself */
export function zonesCall(
  { zones, zoneTransfers }: { zones: Zones; zoneTransfers: ZoneTransfers },
  call: string,
  parameters: URLSearchParams,
  body: unknown,
): unknown {
  if (call === 'GET /v1/zones') return { zones: zones.report(), transfers: zoneTransfers.report().zones };
  if (call === 'GET /v1/zones/check') return { files: zones.check(nameOf(parameters.get('name'))) };
  if (call === 'POST /v1/zones/reload') {
    const { name } = (body ?? {}) as { name?: unknown };
    return { zones: zones.reload(name === undefined ? undefined : nameOf(name)) };
  }
  if (call === 'POST /v1/zones/notify')
    return { told: zoneTransfers.notify(nameOf((body as { name?: unknown }).name)) };
  if (call === 'POST /v1/zones/refresh') {
    const { name, whole = false } = (body ?? {}) as { name?: unknown; whole?: unknown };
    if (typeof whole !== 'boolean')
      throw new ShardnsError('ERR_SHARDNS_OPTION', `whole: expected a boolean, got ${show(whole)}`);
    zoneTransfers.refresh(nameOf(name), whole);
    return {};
  }
  return undefined;
}

function nameOf(name: unknown): string {
  if (typeof name === 'string' && name !== '') return name;
  throw new ShardnsError('ERR_SHARDNS_OPTION', `name: expected the name of a zone, got ${show(name)}`);
}

/** No faster than whoever asks takes it, and others of the process have their turns. */
export async function exportZone(zones: Zones, parameters: URLSearchParams, response: ServerResponse): Promise<void> {
  const text = zones.export(nameOf(parameters.get('name')), parameters.get('view') ?? undefined);
  response.writeHead(200, { 'content-type': 'text/dns; charset=us-ascii' }); // RFC 4027
  for (const piece of text) {
    if (response.destroyed) return;
    if (!response.write(piece)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    else await nextTurn();
  }
  response.end();
}
