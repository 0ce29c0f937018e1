// What of valid options cannot be meant: told to the log, and left as it is.
import { isIP } from 'node:net';
import { addressOctets, formatAddress, formatSocketAddress } from '../base/address.js';
import { scopeOf } from '../base/address-scope.js';
import { parseZoneServer } from '../resolve/recurse/zones.js';
import type { ServerParts } from './assemble.js';
import { designationOf } from './designation.js';
import { isWildcard } from './listeners/wildcard-listener.js';
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
    certificates,
    ownsEngine,
  }: Pick<ServerParts, 'clock' | 'log' | 'listeners' | 'groups' | 'certificates' | 'ownsEngine'>,
): void {
  const circumstances = { now: clock.wallSeconds(), ownsCache: ownsEngine };
  for (const doubt of contradictions(options, circumstances)) log.warn({}, doubt);
  tellUnproven(settings, { log, listeners, certificates });
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

/**
 * Clients that were told how the server is asked encrypted believe it by a certificate for the address that they have asked
 * (RFC 9462 section 4.2): told for public addresses that no certificate is for.
 */
function tellUnproven(
  settings: ServerSettings,
  { log, listeners, certificates }: Pick<ServerParts, 'log' | 'listeners' | 'certificates'>,
): void {
  if (designationOf(settings, listeners.listening).answers.length === 0) return;
  const numeric = certificates.reports.flatMap(one => one.names).filter(name => isIP(name) !== 0);
  const proven = new Set(numeric.map(name => formatAddress(addressOctets(name))));
  const plain = listeners.listening.filter(one => one.protocol === 'udp').flatMap(one => one.bound);
  for (const address of new Set(plain.map(one => one.address))) {
    if (isWildcard({ address }) || scopeOf(address) !== 'public' || proven.has(formatAddress(addressOctets(address))))
      continue;
    log.warn(
      { address },
      'clients that ask here do not believe what ddr tells them: no certificate is for this address',
    );
  }
}
