// Everything that takes queries of clients: the UDP plane or Node's UDP sockets, and TCP, at the addresses of the settings.
// They are opened together, all or none, and closed together. Others take their place without a pause: those are opened
// beside them, and then these receive nothing more and answer what they have.
import { formatSocketAddress, type SocketAddress } from '../../base/address.js';
import { ShardnsError } from '../../base/errors.js';
import { doAll } from '../../base/steps.js';
import { forwardedOf, proxiesOf, tcpOptionsOf, usesPlane } from '../settings/listeners.js';
import type { ServerSettings } from '../settings/settings.js';
import { type HttpsStats, newHttpsStats } from './doh-connection.js';
import { type Endpoint, endpointsOf, isWildcard, type ListenScheme } from './endpoint.js';
import { ForwardedFor } from './forwarded-for.js';
import type { Listener, ListenerParts } from './listener.js';
import { OwnAddresses } from './own-addresses.js';
import { PlaneListener } from './plane-listener.js';
import { type Protocol, PROTOCOLS, schemeOf } from './protocols.js';
import { Proxies } from './proxies.js';
import { TcpConnections } from './tcp-connections.js';
import type { UdpPlane } from './udp-plane.js';
import { WAYS } from './ways.js';

/** Port 0: how often another port is drawn where somebody has it for TCP already. */
const DRAWS = 8;

/** Listeners whose place others have taken. */
export interface LeftListeners {
  /** Nothing comes in any more, and what came is answered. */
  isQuiet(): boolean;
  /** No connection is left, either. */
  isEmpty(): boolean;
  close(): void;
}

export class Listeners {
  readonly tcpConnections: TcpConnections;
  readonly https: HttpsStats = newHttpsStats();
  readonly proxies = new Proxies();
  readonly forwarded = new ForwardedFor();
  readonly #parts: ListenerParts;
  /** In the order in which they were opened. */
  #all: readonly Listener[] = [];
  /** Being opened; those of before that stay are among them. */
  #opened: Listener[] = [];
  /** Whose place `#all` has taken: they answer what they have. */
  #left: readonly Listener[] = [];
  /** Of these, those that receive until `start`. */
  #leaving: readonly Listener[] = [];
  #opening = 0;

  constructor(parts: Omit<ListenerParts, 'connections' | 'https' | 'proxies' | 'forwarded'>, settings: ServerSettings) {
    const { https, proxies, forwarded } = this;
    this.tcpConnections = new TcpConnections(tcpOptionsOf(settings));
    this.#parts = { ...parts, connections: this.tcpConnections, https, proxies, forwarded };
    this.use(settings);
  }

  /** What holds of connections that are open, and of requests of proxies. */
  use(settings: ServerSettings): void {
    this.tcpConnections.options = tcpOptionsOf(settings);
    this.forwarded.use(forwardedOf(settings));
  }

  /** The native one, where there is one. */
  get plane(): UdpPlane | undefined {
    for (const one of this.#all) if (one instanceof PlaneListener) return one.plane;
    return undefined;
  }
  /** Those that take what is new. */
  get listening(): readonly Listener[] {
    return this.#all;
  }
  /** Queries that are not answered yet. */
  get underWay(): number {
    return underWayIn([...this.#all, ...this.#left]);
  }
  /** Nothing comes in any more, and what came is answered. */
  get quiet(): boolean {
    return isQuiet([...this.#all, ...this.#left]);
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
   * Whether those of the settings can be opened while these are open: the native plane lets another one in at its
   * addresses, and TCP stays where it is, and so do TLS and HTTPS. Not so an address that is part of the other, or is for something else.
   */
  mayOpenBeside(settings: ServerSettings): boolean {
    const ownSockets = this.#all.some(one => one.protocol === 'udp' && !(one instanceof PlaneListener));
    if (!usesPlane(settings) || ownSockets) return false;
    return !endpointsOf(settings).some(
      at => at.port !== 0 && this.#all.some(one => one.bound.some(its => isInTheWay(one, its, at))),
    );
  }

  /**
   * Opens them, beside those that are open (see {@link mayOpenBeside}), whose place they take: clients are not answered
   * from the new plane, and are from the old one, before {@link start}.
   * @param optional addresses that nobody asked for: those that the machine does not have are passed over with a warning
   * @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address, or a socket that nobody would read; nothing of them is left open then
   */
  async open(settings: ServerSettings, optional: boolean): Promise<void> {
    let endpoints = endpointsOf(settings);
    this.#parts.inherited.checkUsed(endpoints, { plane: usesPlane(settings), tcp: settings.tcp.enabled });
    // In force when the first packet comes; for those that listen on too.
    const proxies = this.proxies.from;
    this.proxies.use(proxiesOf(settings));
    // Port 0 is bound for UDP first; TCP must have the same one, which somebody else may hold.
    let draws = endpoints.some(at => at.port === 0) ? DRAWS : 1;
    for (;;) {
      const opening = ++this.#opening;
      try {
        await this.#tryOpen(settings, endpoints, opening);
        const leaving = this.#all.filter(one => !this.#opened.includes(one));
        this.#leaving = [...this.#leaving, ...leaving];
        this.#left = [...this.#left, ...leaving];
        this.#all = this.#opened;
        this.#opened = [];
        return;
      } catch (error) {
        this.#closeOpened();
        const missing = optional && endpoints.length > 1 ? endpoints.find(at => isMissing(error, at)) : undefined;
        if (missing !== undefined) {
          const { message } = error as Error;
          this.#parts.log.warn(
            { address: formatSocketAddress(missing), reason: message },
            'a default address is left out',
          );
          endpoints = endpoints.filter(at => at !== missing);
        } else if (--draws <= 0 || codeOf(error) !== 'EADDRINUSE') {
          this.proxies.use(proxies);
          throw error;
        }
      }
    }
  }

  /**
   * From here on the plane answers, and those whose place it has taken receive nothing more.
   * @returns these, to be closed when they have answered what they have: others may follow them meanwhile
   */
  start(): LeftListeners {
    const { plane } = this;
    plane?.start();
    const leaving = this.#leaving;
    doAll(
      'listeners were replaced',
      leaving.map(one => () => {
        if (one instanceof PlaneListener && plane !== undefined) one.plane?.yieldTo(plane);
        else one.stop();
      }),
    );
    this.#leaving = [];
    return {
      isQuiet: () => isQuiet(leaving),
      isEmpty: () => leaving.every(one => (one.size ?? 0) === 0),
      close: () => {
        this.#left = this.#left.filter(one => !leaving.includes(one));
        closeAll(leaving);
      },
    };
  }

  /** Takes no new queries; those that came may be answered. */
  stopReceiving(): void {
    doAll(
      'listeners were stopped',
      [...this.#all, ...this.#left].map(one => () => one.stop()),
    );
  }

  close(): void {
    this.#opening++;
    const all = [...this.#opened, ...this.#left, ...this.#all];
    this.#opened = [];
    this.#left = this.#leaving = this.#all = [];
    closeAll(all);
  }
  #closeOpened(): void {
    const opened = this.#opened.filter(one => !this.#all.includes(one));
    this.#opened = [];
    closeAll(opened);
  }

  async #tryOpen(settings: ServerSettings, asked: readonly Endpoint[], opening: number): Promise<void> {
    const endpoints = new Map<ListenScheme, readonly Endpoint[]>();
    for (const { scheme, open } of WAYS) {
      const its = endpoints.get(scheme) ?? asked.filter(at => at.scheme === scheme);
      const listeners = open(this.#parts, settings, its, this.#all);
      for (const listener of listeners) {
        this.#opened.push(listener);
        if (!this.#all.includes(listener)) await listener.listen();
        this.#checkOpening(opening);
      }
      const bound = listeners.flatMap(one => one.bound);
      // Port 0: the one that was given first is that of the protocols that follow.
      const named = its.map((at, i) => (at.port === 0 && bound.length > 0 ? { ...at, port: bound[i].port } : at));
      endpoints.set(scheme, named);
    }
  }

  /** Whoever closes while addresses are bound, one after another, closes those that follow too. */
  #checkOpening(opening: number): void {
    if (opening !== this.#opening) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'closed while it began to listen');
  }
}

const underWayIn = (some: readonly Listener[]): number => some.reduce((sum, one) => sum + one.underWay, 0);

function isQuiet(some: readonly Listener[]): boolean {
  return underWayIn(some) === 0 && !some.some(one => one instanceof PlaneListener && one.plane?.receiving === true);
}

function closeAll(some: readonly Listener[]): void {
  doAll(
    'listeners were closed',
    some.map(one => () => one.close()),
  );
}

/** Whether one is an address, and the other all of its family, at the same port. */
function isPartOf(one: SocketAddress, other: SocketAddress): boolean {
  return one.port === other.port && one.family === other.family && !isWildcard(one) && isWildcard(other);
}

/** Whether what is bound keeps an endpoint from being opened beside it. */
function isInTheWay({ protocol, path }: Listener, bound: SocketAddress, at: Endpoint): boolean {
  const same = bound.port === at.port && bound.address === at.address;
  const differs = schemeOf(protocol) !== at.scheme || path !== at.path;
  return isPartOf(bound, at) || isPartOf(at, bound) || (same && differs);
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
