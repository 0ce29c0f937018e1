// Whether a server's address leads back to this very server: a question sent there would come back as a question of a client.
import { networkInterfaces } from 'node:os';
import { addressOctets, isMapped, type SocketAddress } from '../../base/address.js';
import { isWildcard } from './endpoint.js';
import type { Interfaces } from './wildcard-listener.js';

export class OwnAddresses {
  readonly #listen: readonly SocketAddress[];
  #local: Set<string> | undefined;

  /** @param listen where this server listens, with the ports that are bound */
  constructor(
    listen: readonly SocketAddress[],
    private readonly interfaces: Interfaces = networkInterfaces,
  ) {
    this.#listen = listen;
  }

  has(at: SocketAddress): boolean {
    return this.#listen.some(mine => mine.port === at.port && mine.port !== 0 && this.#leadsTo(mine, at));
  }

  #leadsTo(mine: SocketAddress, at: SocketAddress): boolean {
    const there = plain(at.address);
    // The kernel takes the wildcard as a destination for the loopback address.
    const loopback = isWildcard({ address: there.text }) || isLoopback(there);
    const here = plain(mine.address);
    if (here.family !== there.family) return false;
    if (isWildcard({ address: here.text })) return loopback || this.#isLocal(there.text);
    if (isWildcard({ address: there.text })) return here.text === (here.family === 4 ? '127.0.0.1' : LOOPBACK6);
    return here.text === there.text && (here.scope === there.scope || here.scope === '' || there.scope === '');
  }

  #isLocal(text: string): boolean {
    this.#local ??= this.#lookAtInterfaces();
    return this.#local.has(text);
  }

  #lookAtInterfaces(): Set<string> {
    try {
      return new Set(
        Object.values(this.interfaces()).flatMap(list => (list ?? []).map(one => plain(one.address).text)),
      );
    } catch {
      return new Set(); // a sandbox that does not let them be seen
    }
  }
}

interface Plain {
  family: 4 | 6;
  /** The same for all ways to write it. */
  text: string;
  scope: string;
}

const hex = (octets: Uint8Array): string =>
  Array.from({ length: 8 }, (_, i) => ((octets[2 * i] << 8) | octets[2 * i + 1]).toString(16)).join(':');
const LOOPBACK6 = hex(addressOctets('::1'));

function plain(address: string): Plain {
  const octets = addressOctets(address);
  if (octets.length === 4 || isMapped(octets)) return { family: 4, text: octets.slice(-4).join('.'), scope: '' };
  return { family: 6, text: hex(octets), scope: /%(.*)$/.exec(address)?.[1] ?? '' };
}

function isLoopback({ family, text }: Plain): boolean {
  return family === 4 ? text.startsWith('127.') : text === LOOPBACK6;
}
