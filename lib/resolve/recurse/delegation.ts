// Who serves a zone: its name servers and what is known of their addresses.
import { isIP } from 'node:net';
import { formatAddress } from '../../base/address.js';
import { Type } from '../../wire/iana.js';
import { foldedName, isAtOrBelow, nameKey, nameToText } from '../../wire/name.js';
import type { Rrset } from '../../wire/rrset.js';
import type { Upstream } from '../../upstream/upstream.js';
import type { Zone } from '../../zone/zone.js';
import type { EncryptedWay, KnownServer } from './infrastructure.js';

/** Where an address is from; what comes later is asked later. */
export const Source = {
  /** The server's own zone, or the referral to a zone that the server lies in. */
  own: 0,
  /** The referral to a zone beside the server's own. */
  sibling: 1,
  /** Its parent's word where its own zone says otherwise, or that of a zone that has no say. */
  doubtful: 2,
} as const;

export interface NameServerAddress {
  address: string;
  family: 4 | 6;
  source: number;
  /** What is known of the server there, where it has been looked for. */
  known?: KnownServer;
}

/** An address without a name. */
export interface DirectAddress {
  address: string;
  family: 4 | 6;
  port?: number;
  way?: EncryptedWay;
  known?: KnownServer;
  /** Set: it is this upstream, which has a route, a state and counters of its own. */
  upstream?: Upstream;
}

export interface NameServer {
  /** Folded wire format. */
  name: Uint8Array;
  key: string;
  addresses: NameServerAddress[];
  way?: EncryptedWay;
  /** Families whose addresses have been looked for. */
  asked: { 4: boolean; 6: boolean };
  /** Its name is known not to exist: that costs nothing, and counts against no bound. */
  denied?: true;
  /**
   * Whose word makes it a server of the zone: its parent's; the zone's own, when it was asked for it; or what the zone
   * said unasked, which is tried when nothing else is left.
   */
  by: 'parent' | 'zone' | 'unasked';
}

export interface Delegation {
  zone: Uint8Array;
  key: string;
  servers: NameServer[];
  /** Name servers that were looked for and have no address. */
  addressless: number;
  /** Addresses without names: hints, stub servers, forwarders; with ports where they have one. */
  direct: readonly DirectAddress[];
  /** By the resolver's clock: its parent's word, and that of the parent's parent, lasts so long. */
  expiresAt: number;
  /** Set: a recursive resolver's or a stub zone's, as configured. */
  configured?: ConfiguredZone;
  /** Set: it is not asked of servers but of this, which is held here. */
  held?: Zone;
  /** From the cache: may be out of date. */
  cached: boolean;
  /** Its servers are other questions' too: see `ownServers`. */
  shared?: boolean;
  /** The zone's own word on its servers, as it was known when this was made. */
  own?: { rrset: Rrset; rank: number; untilMs: number };
}

/** A server that is given by its name, in folded wire format. */
export interface ZoneHost {
  readonly name: Uint8Array;
  readonly way?: EncryptedWay;
}

/** A stub zone (asked iteratively) or a forward zone (asked for recursion). */
export interface ConfiguredZone {
  name: Uint8Array;
  key: string;
  kind: 'stub' | 'forward';
  readonly direct: readonly DirectAddress[];
  /** Servers by their names, which are resolved like any other. */
  hosts: readonly ZoneHost[];
  /** Where they fail, resolve as if the zone was not configured. */
  first: boolean;
  /** Ask them for the zone's own servers first. */
  prime: boolean;
  tcp: boolean;
  /** Keep none of their answers. */
  noCache: boolean;
}

/** For one question: what it learns of the servers is not to be the others'. */
export function forOneQuestion(delegation: Delegation): Delegation {
  const { zone, key, servers, addressless, direct, expiresAt, configured, cached, own } = delegation;
  return { zone, key, servers, addressless, direct, expiresAt, configured, cached, shared: true, own };
}

/** To be called before anything of a delegation's servers is changed. */
export function ownServers(delegation: Delegation): void {
  if (delegation.shared !== true) return;
  delegation.shared = false;
  delegation.servers = delegation.servers.map(one => ({
    ...one,
    addresses: one.addresses.map(address => ({ ...address })),
    asked: { ...one.asked },
  }));
}

export function nameServer(name: Uint8Array, by: NameServer['by'] = 'parent'): NameServer {
  return { name, key: nameKey(name), addresses: [], asked: { 4: false, 6: false }, by };
}

/**
 * Whether it is the zone's parent, or the configuration, that names a server of this address. What others say of a
 * zone's servers would keep a zone alive that its parent has given to somebody else (CVE-2022-30698, CVE-2022-30699).
 */
export function isNamedByParent({ direct, servers }: Delegation, address: string): boolean {
  for (const one of direct) if (one.address === address) return true;
  for (const { by, addresses } of servers) {
    if (by !== 'parent') continue;
    for (const one of addresses) if (one.address === address) return true;
  }
  return false;
}

/** Takes addresses of a name server from an RRset. */
export function takeAddresses(server: NameServer, rrset: Rrset, source: number): void {
  const family = rrset.type === Type.A ? 4 : 6;
  for (const data of rrset.data) {
    if (data.length !== (family === 4 ? 4 : 16)) continue;
    const address = formatAddress(data);
    const known = server.addresses.find(one => one.address === address);
    if (known === undefined) server.addresses.push({ address, family, source, known: undefined });
    else if (source < known.source) known.source = source;
  }
}

/**
 * The name servers of an NS set, with the addresses that came along.
 * @param verify addresses from beside the zone are looked up all the same
 */
export function serversOf(
  ns: Rrset,
  glue: readonly Rrset[],
  verify: boolean,
  by: NameServer['by'] = 'parent',
): NameServer[] {
  return ns.data.map(name => {
    const server = nameServer(foldedName(name), by);
    const inside = isAtOrBelow(server.name, ns.name);
    const source = inside ? Source.own : verify ? Source.doubtful : Source.sibling;
    for (const rrset of glue) {
      if (nameKey(rrset.name) !== server.key) continue;
      takeAddresses(server, rrset, source);
      server.asked[rrset.type === Type.A ? 4 : 6] ||= source !== Source.doubtful;
    }
    return server;
  });
}

export function directAddress(address: string, port?: number): DirectAddress {
  return { address, family: isIP(address) as 4 | 6, port };
}

export function describeZone(delegation: Delegation): string {
  return nameToText(delegation.zone);
}
