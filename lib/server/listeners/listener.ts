// One way in for clients' queries: what a server does with each, whatever its protocol. How one is made of the settings is
// said in ways.ts; an encrypted transport adds a file beside the others, and its line there.
import type { SocketAddress } from '../../base/address.js';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { Engine } from '../../cache/engine.js';
import type { Gate } from '../../clients/gate.js';
import type { Resolver } from '../../resolve/resolver.js';
import type { Answerer } from '../answerer.js';
import type { Tap } from '../tap/tap.js';
import type { Protocol } from './protocols.js';
import type { HttpsStats } from './doh-connection.js';
import type { ForwardedFor } from './forwarded-for.js';
import type { InheritedSockets } from './inherited.js';
import type { Proxies } from './proxies.js';
import type { TcpConnections } from './tcp-connections.js';
import type { TlsSource } from './tls-source.js';

export interface Listener {
  readonly protocol: Protocol;
  /** Where it listens: the addresses asked for, with the ports that were bound. */
  readonly bound: readonly SocketAddress[];
  /** Of HTTPS: where questions are answered. */
  readonly path?: string;
  /** Queries that are not answered yet. */
  readonly underWay: number;
  /** Connections that are open, where it has some. */
  readonly size?: number;
  /** Datagrams that it counts itself: the plane counts natively, connections are counted by TcpConnections. */
  readonly stats?: DatagramStats;
  /**
   * Once.
   * @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address
   */
  listen(): Promise<void>;
  /** Takes nothing new; what came may be answered. */
  stop(): void;
  /** Lets go of everything. May be called at any time, any number of times. */
  close(): void;
}

export interface DatagramStats {
  sent: number;
  sendFailed: number;
  /** From ports that are no client's. */
  dropped: number;
  /** Answered at once because too many were under way, of all clients or of its own. */
  full: number;
}

/** What listeners are made with. */
export interface ListenerParts {
  readonly engine: Engine;
  readonly gate: Gate;
  readonly resolver: Resolver;
  readonly answerer: Answerer;
  readonly clock: Clock;
  readonly log: Logger;
  readonly connections: TcpConnections;
  /** Who passes on queries of others. */
  readonly proxies: Proxies;
  /** For whom proxies ask over HTTPS. */
  readonly forwarded: ForwardedFor;
  /** Sockets that are bound already. */
  readonly inherited: InheritedSockets;
  /** Where listeners over HTTPS count. */
  readonly https: HttpsStats;
  /** What encrypted listeners show, and how they shake hands. */
  readonly certificates: TlsSource;
  /** Where native threads tell what they answer. */
  readonly tap?: Tap | undefined;
}
