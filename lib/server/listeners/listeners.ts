// Everything that takes queries of clients: the UDP plane or Node's UDP sockets, and TCP, at the addresses of the settings.
// They are opened together, all or none, and closed together.
import { formatSocketAddress, parseSocketAddress, type SocketAddress } from '../../base/address.js';
import { ShardnsError } from '../../base/errors.js';
import { doAll } from '../../base/steps.js';
import { tcpOptionsOf } from '../settings/listeners.js';
import type { ServerSettings } from '../settings/settings.js';
import type { Listener, ListenerParts } from './listener.js';
import { OwnAddresses } from './own-addresses.js';
import { PlaneListener } from './plane-listener.js';
import { type Protocol, PROTOCOLS } from './protocols.js';
import { TcpConnections } from './tcp-connections.js';
import type { UdpPlane } from './udp-plane.js';
import { WAYS } from './ways.js';

/** Port 0: how often another port is drawn where somebody has it for TCP already. */
const DRAWS = 8;

export class Listeners {
  readonly tcpConnections: TcpConnections;
  readonly #parts: ListenerParts;
  /** In the order in which they were opened. */
  #all: Listener[] = [];
  #opening = 0;

  constructor(parts: Omit<ListenerParts, 'connections'>, settings: ServerSettings) {
    this.tcpConnections = new TcpConnections(tcpOptionsOf(settings));
    this.#parts = { ...parts, connections: this.tcpConnections };
  }

  /** The native one, where there is one. */
  get plane(): UdpPlane | undefined {
    for (const one of this.#all) if (one instanceof PlaneListener) return one.plane;
    return undefined;
  }
  /** Queries that are not answered yet. */
  get underWay(): number {
    return this.#all.reduce((sum, one) => sum + one.underWay, 0);
  }
  /** Nothing comes in any more, and what came is answered. */
  get quiet(): boolean {
    return this.underWay === 0 && this.plane?.receiving !== true;
  }
  /** Of Node's sockets; the plane has its own. */
  udpStats(): { sent: number; sendFailed: number; dropped: number } {
    const sum = { sent: 0, sendFailed: 0, dropped: 0 };
    for (const { stats } of this.#all) {
      if (stats === undefined) continue;
      sum.sent += stats.sent;
      sum.sendFailed += stats.sendFailed;
      sum.dropped += stats.dropped;
    }
    return sum;
  }
  /** The addresses asked for, with the ports that were bound. */
  get addresses(): Record<Protocol, string[]> {
    const boundOver = (protocol: Protocol): string[] =>
      this.#all.filter(one => one.protocol === protocol).flatMap(one => one.bound.map(formatSocketAddress));
    return Object.fromEntries(PROTOCOLS.map(one => [one, boundOver(one)])) as Record<Protocol, string[]>;
  }

  /** What leads to them, as they are bound now. */
  get own(): OwnAddresses {
    return new OwnAddresses(this.#all.flatMap(one => one.bound));
  }

  /**
   * Opens them; clients are not answered from the plane before {@link start}.
   * @param optional addresses that nobody asked for: those that the machine does not have are passed over with a warning
   * @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address; nothing is left open then
   */
  async open(settings: ServerSettings, optional: boolean): Promise<void> {
    let endpoints = settings.listen.map((text, i) => parseSocketAddress(text, `listen[${i}]`));
    // Port 0 is bound for UDP first; TCP must have the same one, which somebody else may hold.
    let draws = endpoints.some(at => at.port === 0) ? DRAWS : 1;
    for (;;) {
      const opening = ++this.#opening;
      try {
        await this.#tryOpen(settings, endpoints, opening);
        return;
      } catch (error) {
        this.close();
        const missing = optional && endpoints.length > 1 ? endpoints.find(at => isMissing(error, at)) : undefined;
        if (missing !== undefined) {
          const { message } = error as Error;
          this.#parts.log.warn(
            { address: formatSocketAddress(missing), reason: message },
            'a default address is left out',
          );
          endpoints = endpoints.filter(at => at !== missing);
        } else if (--draws <= 0 || codeOf(error) !== 'EADDRINUSE') throw error;
      }
    }
  }

  /** From here on the plane answers. */
  start(): void {
    this.plane?.start();
  }

  /** Takes no new queries; those that came may be answered. */
  stopReceiving(): void {
    doAll(
      'listeners were stopped',
      this.#all.map(one => () => one.stop()),
    );
  }

  close(): void {
    this.#opening++;
    doAll(
      'listeners were closed',
      this.#all.splice(0).map(one => () => one.close()),
    );
  }

  async #tryOpen(settings: ServerSettings, asked: readonly SocketAddress[], opening: number): Promise<void> {
    let endpoints = asked;
    for (const way of WAYS) {
      const listeners = way(this.#parts, settings, endpoints);
      for (const listener of listeners) {
        this.#all.push(listener);
        await listener.listen();
        this.#checkOpening(opening);
      }
      const bound = listeners.flatMap(one => one.bound);
      // Port 0: the one that was given first is that of the protocols that follow.
      endpoints = endpoints.map((at, i) => (at.port === 0 && bound.length > 0 ? { ...at, port: bound[i].port } : at));
    }
  }

  /** Whoever closes while addresses are bound, one after another, closes those that follow too. */
  #checkOpening(opening: number): void {
    if (opening !== this.#opening) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'closed while it began to listen');
  }
}

function codeOf(error: unknown): string | undefined {
  return ((error as Error).cause as { code?: string } | undefined)?.code;
}

/** Whether the machine has not got this address, or not its family at all. */
function isMissing(error: unknown, at: SocketAddress): boolean {
  const { message } = error as Error;
  // The native layer tells the number: 97 EAFNOSUPPORT, 99 EADDRNOTAVAIL.
  return (
    message.startsWith(`cannot listen on ${formatSocketAddress(at)} `) &&
    (/\(errno 9[79]\)$/.test(message) || ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(codeOf(error) ?? ''))
  );
}
