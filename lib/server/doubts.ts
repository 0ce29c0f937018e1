// What of valid options cannot be meant: told to the log, and left as it is.
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { addressOctets, formatAddress, formatSocketAddress } from '../base/address.js';
import { scopeOf } from '../base/address-scope.js';
import { parseZoneServer } from '../resolve/recurse/zones.js';
import type { ServerParts } from './assemble.js';
import { designationOf, isTarget } from './designation.js';
import { isWildcard } from './listeners/endpoint.js';
import { type Interfaces, localAddresses } from './listeners/wildcard-listener.js';
import { contradictions } from './settings/contradictions.js';
import type { ServerOptions, ServerSettings } from './settings/settings.js';
import { certificatesOf } from './settings/tls.js';

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
    interfaces,
  }: Pick<ServerParts, 'clock' | 'log' | 'listeners' | 'groups' | 'certificates' | 'ownsEngine'> & Proving,
): void {
  const circumstances = { now: clock.wallSeconds(), ownsCache: ownsEngine };
  for (const doubt of contradictions(options, circumstances)) log.warn({}, doubt);
  tellUnproven(settings, { log, listeners, certificates, interfaces });
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
 * (RFC 9462 section 4.2), whatever name it is shown for; of addresses in private networks also where it is told of the same
 * one (section 4.3). Told: each address for which neither holds.
 */
function tellUnproven(
  settings: ServerSettings,
  { log, listeners, certificates, interfaces = networkInterfaces }: Proving,
): void {
  const { answers } = designationOf(settings, listeners.listening);
  if (answers.length === 0 || settings.tls === undefined) return;
  const designated = certificatesOf(settings.tls).map(one => one.names.some(isTarget));
  // Those that are shown for the names that are told.
  const shown = certificates.reports.filter((_, i) => designated[i] ?? true);
  const { listening } = listeners;
  const isEncrypted = ({ protocol }: { protocol: string }): boolean => protocol === 'tls' || protocol === 'https';
  const encrypted = listening.filter(isEncrypted).flatMap(one => one.bound);
  const told = settings.ddr.addresses.length > 0 ? settings.ddr.addresses : encrypted.map(one => one.address);
  const atEncrypted = new Set(addressesAt(told, interfaces));
  const plain = listening.filter(one => one.protocol === 'udp').flatMap(one => one.bound);
  const asked = plain.map(one => one.address);
  for (const address of new Set(addressesAt(asked, interfaces))) {
    const scope = scopeOf(address);
    if (scope === 'loopback' || (scope === 'private' && atEncrypted.has(address))) continue;
    const without = shown.filter(({ names }) => !numericOf(names).has(address)).map(one => one.file);
    if (without.length === 0) continue;
    log.warn(
      { address, certificates: without },
      'clients that ask here do not believe what ddr tells them: the certificate is not for this address',
    );
  }
}

type Proving = Pick<ServerParts, 'log' | 'listeners' | 'certificates'> & { interfaces?: Interfaces };

/** One way to write each; those of the machine in the place of wildcards. */
function addressesAt(addresses: readonly string[], interfaces: Interfaces): string[] {
  return addresses.flatMap(address => {
    const all = isWildcard({ address }) ? seen(interfaces, address.includes(':') ? 6 : 4) : [address];
    return all.map(one => formatAddress(addressOctets(one)));
  });
}
function seen(interfaces: Interfaces, family: 4 | 6): string[] {
  try {
    return localAddresses(interfaces, family);
  } catch {
    return []; // a sandbox that does not let them be seen
  }
}
function numericOf(names: readonly string[]): Set<string> {
  return new Set(names.filter(name => isIP(name) !== 0).map(name => formatAddress(addressOctets(name))));
}
