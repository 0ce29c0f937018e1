// What of valid options cannot be meant: told to the log, and left as it is.
import { parseSocketAddress } from '../base/address.js';
import { parseZoneServer } from '../resolve/recurse/zones.js';
import type { ServerParts } from './assemble.js';
import { OwnAddresses } from './listeners/own-addresses.js';
import { contradictions } from './settings/contradictions.js';
import type { ServerOptions, ServerSettings } from './settings/settings.js';

export function tellDoubts(
  options: ServerOptions,
  settings: ServerSettings,
  { log, listeners, groups }: Pick<ServerParts, 'log' | 'listeners' | 'groups'>,
): void {
  for (const doubt of contradictions(options)) log.warn({}, doubt);
  const { udp, tcp } = listeners.addresses;
  const own = new OwnAddresses([...udp, ...tcp].map(text => parseSocketAddress(text, 'listen')));
  for (const upstream of groups.all.filter(one => own.has(one.at))) {
    log.warn({ upstream: upstream.label }, 'an upstream is this server itself: what it is asked comes back');
  }
  for (const server of groups.bootstrap.filter(one => own.has(one.at))) {
    log.warn({ server: server.label }, 'names of upstreams are looked up at this server itself: nobody finds them so');
  }
  for (const { name, servers } of [...settings.stubZones, ...settings.forwardZones]) {
    for (const server of servers.map(parseZoneServer)) {
      if (!('address' in server) || !own.has({ ...server, port: server.port ?? 53 })) continue;
      log.warn({ zone: name, server }, 'a server of the zone is this server itself: what it is asked comes back');
    }
  }
}
