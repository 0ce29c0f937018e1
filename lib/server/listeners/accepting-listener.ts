// What listeners have in common that take connections at one address: where that is, how it begins and how it ends. What is
// spoken over the connections is each one's own.
import type { SocketAddress } from '../../base/address.js';
import type { Listener } from './listener.js';
import type { Protocol } from './protocols.js';

/** Takes connections. */
export interface Accepting {
  readonly bound: readonly SocketAddress[];
  listen(): Promise<void>;
  /** No new connections. */
  stop(): void;
  close(): void;
}

/** The connections that were taken. */
export interface Taken {
  /** Queries that are not answered yet. */
  readonly underWay: number;
  readonly size: number;
  /** Has clients go elsewhere with what is new; each connection ends when what came over it is answered. */
  finish(): void;
  close(): void;
}

export abstract class AcceptingListener implements Listener {
  abstract readonly protocol: Protocol;
  protected abstract readonly acceptor: Accepting;
  protected abstract readonly taken: Taken;

  get bound(): readonly SocketAddress[] {
    return this.acceptor.bound;
  }
  get underWay(): number {
    return this.taken.underWay;
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address */
  listen(): Promise<void> {
    return this.acceptor.listen();
  }
  /** Connections that are open. */
  get size(): number {
    return this.taken.size;
  }
  /** No new connections; those open may finish what they have asked, and are closed then. */
  stop(): void {
    this.acceptor.stop();
    this.taken.finish();
  }
  close(): void {
    this.acceptor.close();
    this.taken.close();
  }
}
