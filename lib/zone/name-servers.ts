// The name servers of a zone as those that are told of its changes (RFC 1996 section 2.3): its NS set without the primary
// that its SOA names, and without this server's own addresses. Looked up a moment after a change, so that changes that follow at
// once come to one, and a server that begins listens by then.
//
// Bounds: LOOKUPS zones whose servers are looked up at a time; others wait in order, each once. MAX_NAMES names of a zone,
// MAX_ADDRESSES addresses in all.
import type { SocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { Type } from '../wire/iana.js';
import { foldName, nameKey, nameToText, plainNameLength } from '../wire/name.js';
import { TransferPlaces } from './transfer/places.js';
import type { PeerServer } from './transfer/primary-connection.js';
import type { TsigKey } from './tsig/key.js';
import type { Zone } from './zone.js';

const LOOKUPS = 16;
const MAX_NAMES = 32;
const MAX_ADDRESSES = 64;
const LATER_MS = 1000;
/** Where they are told: a name says no port. */
const PORT = 53;

export interface NameServersParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Addresses of a name, folded, as clients of this server are told; none where it has none or cannot be resolved. */
  readonly addressesOf: (name: Uint8Array) => Promise<readonly string[]>;
  /** Whether this server itself listens there. */
  readonly isOwn: (at: SocketAddress) => boolean;
}

/** The names of a zone's servers that are told: folded, each once. */
export function toldServers(zone: Zone): Uint8Array[] {
  const { data } = zone.soa;
  const primary = nameKey(foldName(data, 0, plainNameLength(data, 0)));
  const names = new Map<string, Uint8Array>();
  for (const one of zone.recordsAt(zone.apexNode, Type.NS)) {
    const name = foldName(one.data);
    const key = nameKey(name);
    if (key !== primary && names.size < MAX_NAMES) names.set(key, name);
  }
  return [...names.values()];
}

export class NameServers {
  readonly #places = new TransferPlaces(LOOKUPS, LOOKUPS);
  /** Zones that have changed a moment ago. */
  readonly #later = new Map<string, Timer>();

  constructor(private readonly parts: NameServersParts) {}

  /** Calls `due` a moment from now, once for all calls until then. */
  after(apex: Uint8Array, due: () => void): void {
    const key = nameKey(apex);
    if (this.#later.has(key)) return;
    const timer = this.parts.clock.after(LATER_MS, () => {
      this.#later.delete(key);
      due();
    });
    this.#later.set(key, timer);
  }

  forget(apex: Uint8Array): void {
    const key = nameKey(apex);
    this.#later.get(key)?.cancel();
    this.#later.delete(key);
  }

  close(): void {
    for (const timer of this.#later.values()) timer.cancel();
    this.#later.clear();
  }

  /** The servers, but for those at addresses of `others`, who are told anyway. Never rejects. */
  find(zone: Zone, key: TsigKey | undefined, others: readonly PeerServer[]): Promise<PeerServer[]> {
    return this.#places.run('', () => this.#find(zone, key, others));
  }

  async #find(zone: Zone, key: TsigKey | undefined, others: readonly PeerServer[]): Promise<PeerServer[]> {
    const { log, addressesOf, isOwn } = this.parts;
    const found = await Promise.all(
      toldServers(zone).map(async name => {
        const addresses = await addressesOf(name).catch(() => []);
        if (addresses.length === 0) {
          const fields = { zone: zone.name, server: nameToText(name) };
          log.warn(fields, 'a name server of a zone has no address here, and is not told of changes');
        }
        return addresses;
      }),
    );
    const told = new Set(others.map(one => one.server.address));
    const servers: PeerServer[] = [];
    for (const address of found.flat()) {
      const server = { address, port: PORT, family: address.includes(':') ? 6 : 4 } as const;
      if (told.has(address) || isOwn(server) || servers.length === MAX_ADDRESSES) continue;
      told.add(address);
      servers.push({ server, key });
    }
    return servers;
  }
}
