// Who passes on queries of others, and says whose by the PROXY protocol: their datagrams and connections begin with a
// header, those of everybody else do not.
//
// Bounds: HEADER_MS for a connection's header, while the connection has its place among those of TcpConnections.
import type { Socket } from 'node:net';
import type { AddressPrefix } from '../../base/address.js';
import type { Clock } from '../../base/clock.js';
import { PrefixTable } from '../../base/prefix-table.js';
import { readProxyHeader } from './proxy-header.js';
import type { StreamClient } from './stream-session.js';
import type { Connection, TcpConnections } from './tcp-connections.js';

/** How long a connection may take for its header. */
export const HEADER_MS = 2000;

/** Datagrams and connections of proxies. */
export interface ProxyStats {
  /** With a client's address. */
  proxied: number;
  /** The proxy's own, as health checks are. */
  local: number;
  /** Dropped: without a header, with a wrong one, or with one that came too late. */
  invalid: number;
}

export class Proxies {
  #from: readonly AddressPrefix[] = [];
  #table = new PrefixTable<true>([]);
  readonly stats: ProxyStats = { proxied: 0, local: 0, invalid: 0 };

  /** Where they are. */
  get from(): readonly AddressPrefix[] {
    return this.#from;
  }
  /** From the next connection or datagram on. */
  use(from: readonly AddressPrefix[]): void {
    this.#from = from;
    this.#table = new PrefixTable(from.map(prefix => [prefix, true] as const));
  }

  /** @param address numeric, of whoever has sent it */
  has(address: string): boolean {
    return this.#from.length > 0 && this.#table.find(address) === true;
  }

  /** A proxy's datagram. @returns the query and its client; undefined where it is dropped */
  unwrap<Octets extends Uint8Array>(
    datagram: Octets,
    proxy: StreamClient,
  ): { query: Uint8Array; client: StreamClient } | undefined {
    const header = readProxyHeader(datagram);
    if (typeof header === 'string') {
      this.stats.invalid++;
      return undefined;
    }
    this.stats[header.client === undefined ? 'local' : 'proxied']++;
    return { query: datagram.subarray(header.length), client: header.client ?? proxy };
  }

  /**
   * Reads the header of a proxy's connection, of which nothing has been read; what comes behind it is left to be read.
   * @param ready told once it is there; else the connection is closed
   */
  read(
    socket: Socket,
    proxy: StreamClient,
    { clock, connections }: { clock: Clock; connections: TcpConnections },
    ready: (client: StreamClient) => void,
  ): void {
    const place: Connection = { address: proxy.address, destroy: () => void socket.destroy() };
    if (!connections.admit(place, true)) {
      socket.destroy();
      return;
    }
    let octets: Buffer = Buffer.alloc(0);
    const timer = clock.after(HEADER_MS, () => socket.destroy());
    const over = (): void => {
      timer.cancel();
      connections.leave(place);
      socket.off('readable', onReadable).off('end', onEnd).off('close', onClose).off('error', onError);
    };
    const onError = (): void => void socket.destroy();
    // Who has nothing more to say before its header is there says nothing.
    const onEnd = onError;
    const onClose = (): void => {
      over();
      this.stats.invalid++;
    };
    const onReadable = (): void => {
      for (let chunk; (chunk = socket.read() as Buffer | null) !== null;) octets = Buffer.concat([octets, chunk]);
      const header = readProxyHeader(octets);
      if (header === 'incomplete') return;
      if (typeof header === 'string') {
        socket.destroy(); // counted when it has closed
        return;
      }
      over();
      this.stats[header.client === undefined ? 'local' : 'proxied']++;
      if (octets.length > header.length) socket.unshift(octets.subarray(header.length));
      ready(header.client ?? proxy);
    };
    socket.on('readable', onReadable).on('end', onEnd).on('close', onClose).on('error', onError);
  }
}
