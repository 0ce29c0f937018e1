// What of valid options cannot be meant: told to the log, and left as it is.
import { formatSocketAddress } from '../base/address.js';
import { parseZoneServer } from '../resolve/recurse/zones.js';
import type { ServerParts } from './assemble.js';
import { contradictions } from './settings/contradictions.js';
import type { ServerOptions, ServerSettings } from './settings/settings.js';

export function tellDoubts(
  options: ServerOptions,
  settings: ServerSettings,
  {
    clock,
    log,
    listeners,
    groups,
    ownsEngine,
  }: Pick<ServerParts, 'clock' | 'log' | 'listeners' | 'groups' | 'ownsEngine'>,
): void {
  const circumstances = { now: clock.wallSeconds(), ownsCache: ownsEngine };
  for (const doubt of contradictions(options, circumstances)) log.warn({}, doubt);
  const { own } = listeners;
  for (const upstream of groups.all.filter(one => own.has(one.at))) {
    log.warn({ upstream: upstream.label }, 'an upstream is this server itself: what it is asked comes back');
  }
  for (const server of groups.bootstrap.filter(one => own.has(one.at))) {
    log.warn(
      { server: server.label },
      'names of upstreams are not looked up at this server itself: it asks those that they lead to',
    );
  }
  for (const { name, servers } of [...settings.stubZones, ...settings.forwardZones]) {
    for (const server of servers.map(parseZoneServer)) {
      if ('name' in server) continue;
      const at = { ...server, port: server.port ?? 53 };
      if (!own.has(at)) continue;
      log.warn(
        { zone: name, server: formatSocketAddress(at) },
        'a server of the zone is this server itself: what it is asked comes back',
      );
    }
  }
}
