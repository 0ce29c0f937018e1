// Everything that takes queries of clients: the UDP plane or Node's UDP sockets, and TCP, at the addresses of the settings.
// They are opened together, all or none, and closed together.
import { parseSocketAddress, type SocketAddress, formatSocketAddress } from '../../base/address.js';
import { shareOf } from '../../base/client-shares.js';
import type { Clock } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import type { Logger } from '../../base/log.js';
import type { Engine } from '../../cache/engine.js';
import type { Gate } from '../../clients/gate.js';
import type { Resolver } from '../../resolve/resolver.js';
import type { Answerer } from '../answerer.js';
import type { ServerSettings } from '../settings/settings.js';
import { tcpOptionsOf, threadsOf } from '../settings/listeners.js';
import { TcpConnections } from './tcp-connections.js';
import { TcpListener } from './tcp-listener.js';
import { UdpListener } from './udp-listener.js';
import { UdpPlane } from './udp-plane.js';
import { isWildcard, WildcardListener } from './wildcard-listener.js';

/** Port 0: how often another port is drawn where somebody has it for TCP already. */
const DRAWS = 8;

export class Listeners {
  plane: UdpPlane | undefined;
  udp: (UdpListener | WildcardListener)[] = [];
  tcp: TcpListener[] = [];
  readonly tcpConnections: TcpConnections;
  /** Where they listen, in the order of `udp`, `tcp` and the plane's ports. */
  #endpoints: SocketAddress[] = [];
  #opening = 0;

  constructor(
    private readonly engine: Engine,
    private readonly gate: Gate,
    private readonly resolver: Resolver,
    private readonly answerer: Answerer,
    private readonly clock: Clock,
    private readonly log: Logger,
    settings: ServerSettings,
  ) {
    this.tcpConnections = new TcpConnections(tcpOptionsOf(settings));
  }

  /** Queries that are not answered yet. */
  get underWay(): number {
    return [this.plane, ...this.udp, ...this.tcp].reduce((sum, one) => sum + (one?.underWay ?? 0), 0);
  }
  /** Nothing comes in any more, and what came is answered. */
  get quiet(): boolean {
    return this.underWay === 0 && this.plane?.receiving !== true;
  }
  /** Of Node's sockets; the plane has its own. */
  udpStats(): { sent: number; sendFailed: number; dropped: number } {
    const sum = { sent: 0, sendFailed: 0, dropped: 0 };
    for (const { stats } of this.udp) {
      sum.sent += stats.sent;
      sum.sendFailed += stats.sendFailed;
      sum.dropped += stats.dropped;
    }
    return sum;
  }
  /** The addresses asked for, with the ports that were bound. */
  get addresses(): { udp: string[]; tcp: string[] } {
    const format = (ports: number[]): string[] =>
      ports.map((port, i) => formatSocketAddress({ ...this.#endpoints[i], port }));
    return { udp: format(this.#udpPorts()), tcp: format(this.tcp.map(one => one.port)) };
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
          this.log.warn({ address: formatSocketAddress(missing), reason: message }, 'a default address is left out');
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
    this.plane?.stopReceiving();
    for (const listener of this.udp) listener.stopReceiving();
    for (const listener of this.tcp) listener.stopAccepting();
  }

  close(): void {
    this.#opening++;
    this.plane?.close();
    this.plane = undefined;
    for (const listener of [...this.udp, ...this.tcp]) listener.close();
    this.udp = [];
    this.tcp = [];
  }

  async #tryOpen(settings: ServerSettings, endpoints: SocketAddress[], opening: number): Promise<void> {
    this.#endpoints = endpoints;
    if (settings.udp === 'native') {
      this.plane = new UdpPlane(this.engine, this.gate, endpoints, this.resolver, this.clock, {
        threads: threadsOf(settings),
        pin: settings.pin,
        ...settings.missRing,
        receiveBufferBytes: settings.receiveBufferBytes,
      });
    } else {
      const { waiters, clientShare } = settings.missRing;
      const options = {
        maxUnderWay: waiters,
        clientUnderWay: shareOf(waiters, clientShare),
        receiveBufferBytes: settings.receiveBufferBytes,
      };
      for (const at of endpoints) {
        const listener = isWildcard(at)
          ? new WildcardListener(at, this.answerer, options, this.clock, this.log)
          : new UdpListener(at, this.answerer, options);
        this.udp.push(listener);
        await listener.listen();
        this.#checkOpening(opening);
      }
    }
    const udpPorts = this.#udpPorts();
    if (!settings.tcp.enabled) return;
    for (const [i, at] of endpoints.entries()) {
      const listener = new TcpListener(at, this.answerer, this.clock, this.tcpConnections);
      this.tcp.push(listener);
      // Port 0: the one that UDP was given, so that truncation leads to the right place.
      await listener.listen(udpPorts[i]);
      this.#checkOpening(opening);
    }
  }

  /** Whoever closes while addresses are bound, one after another, closes those that follow too. */
  #checkOpening(opening: number): void {
    if (opening !== this.#opening) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'closed while it began to listen');
  }

  #udpPorts(): number[] {
    return this.plane?.ports ?? this.udp.map(one => one.port);
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
