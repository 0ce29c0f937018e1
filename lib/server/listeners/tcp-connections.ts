// All TCP connections of a server together, those with TLS over them too: how many there are, how many a client has, how
// much they hold.
//
// Bounds: `maxConnections` in all and `maxConnectionsPerClient` of one client (address or /56), of which it has more than
// `connectionsPerClient` only while as many are free (see ClientShares); who comes when there are so many takes the place
// of the one that has been idle longest, of the same client's first. Where all are busy it takes one of the client that has
// most, unless it would have as many itself; else it is turned away (RFC 7766 section 6.2.3 lets a server close
// connections when it needs them, section 6.2.2 has clients bring few). `maxTotalBytes` of replies not
// read, queries not begun and messages not whole; beyond it the connection that holds most is closed. A 32nd of that for
// replies beyond a connection's own bound, of which one has no more than is left for the others.
import { clientOf } from '../../base/client-shares.js';

/** Of `maxTotalBytes`, for replies beyond the bounds of their connections: one in so many. */
const KEPT_SHARE = 32;

export interface TcpOptions {
  maxConnections: number;
  maxConnectionsPerClient: number;
  /** Of these, what it may have while few are free. */
  connectionsPerClient: number;
  idleTimeoutMs: number;
  messageTimeoutMs: number;
  keepalive: boolean;
  maxPipelined: number;
  maxQueuedBytes: number;
  maxTotalBytes: number;
}

export interface Connection {
  /** Address of the client. */
  readonly address: string;
  destroy(): void;
}

/** One whose replies are written once a turn of the event loop. */
export interface Flushed {
  flush(): void;
}

/** Of a connection. */
interface Held {
  readonly client: Client;
  octets: number;
}

interface Client {
  /** For which connections count together. */
  readonly key: string;
  /** First come first. */
  readonly all: Set<Connection>;
  /** Longest idle first. */
  readonly idle: Set<Connection>;
}

export class TcpConnections {
  readonly #held = new Map<Connection, Held>();
  readonly #clients = new Map<string, Client>();
  /** Without a query under way; longest idle first. */
  readonly #idle = new Set<Connection>();
  #octets = 0;
  #toFlush: Flushed[] = [];
  /** Of these, of replies beyond the bounds of their connections. */
  #kept = 0;
  readonly stats = {
    accepted: 0,
    /** Turned away: no place, and nobody idle. */
    rejected: 0,
    /** Closed to make room for others. */
    displaced: 0,
    idleClosed: 0,
    /** Closed because a message did not become whole in time. */
    slowClosed: 0,
    /** Closed because all held too many octets, and it most. */
    overfullClosed: 0,
  };

  constructor(public options: TcpOptions) {}

  get size(): number {
    return this.#held.size;
  }
  /** Octets that all of them hold. */
  get octets(): number {
    return this.#octets;
  }

  /**
   * A connection comes, idle.
   * @param mayDisplace whether others make room for it
   * @returns false where there is no place for it
   */
  admit(connection: Connection, mayDisplace: boolean): boolean {
    const key = clientOf(connection.address);
    const client = this.#clients.get(key);
    const { maxConnections, maxConnectionsPerClient, connectionsPerClient } = this.options;
    const most = Math.min(maxConnectionsPerClient, Math.max(connectionsPerClient, maxConnections - this.#held.size));
    if (client !== undefined && client.all.size >= most && !this.#displace(client.idle)) {
      return this.#reject();
    }
    if (this.#held.size >= maxConnections) {
      const makesRoom = mayDisplace && (this.#displace(this.#idle) || this.#displaceGreatest(client?.all.size ?? 0));
      if (!makesRoom) return this.#reject();
    }
    // Displacing may have taken the client's last one away.
    this.#add(connection, key);
    this.stats.accepted++;
    return true;
  }

  /**
   * One takes the place of another of the same client, as a session that of its handshake.
   * @returns false where that has none any more
   */
  succeed(connection: Connection, before: Connection): boolean {
    if (!this.#held.has(before)) return false;
    this.leave(before);
    this.#add(connection, clientOf(connection.address));
    return true;
  }

  #add(connection: Connection, key: string): void {
    let client = this.#clients.get(key);
    if (client === undefined) this.#clients.set(key, (client = { key, all: new Set(), idle: new Set() }));
    client.all.add(connection);
    this.#held.set(connection, { client, octets: 0 });
    this.#idle.add(connection);
    client.idle.add(connection);
  }

  /** A query of it is under way. */
  busy(connection: Connection): void {
    this.#idle.delete(connection);
    this.#held.get(connection)?.client.idle.delete(connection);
  }

  /** No query of it is under way any more. */
  rests(connection: Connection): void {
    const held = this.#held.get(connection);
    if (held === undefined) return;
    this.#idle.add(connection);
    held.client.idle.add(connection);
  }

  /** How many octets it holds now. */
  holds(connection: Connection, octets: number): void {
    const held = this.#held.get(connection);
    if (held === undefined || held.octets === octets) return;
    this.#octets += octets - held.octets;
    held.octets = octets;
    while (this.#octets > this.options.maxTotalBytes && this.#held.size > 0) {
      let most = connection;
      for (const [one, { octets: its }] of this.#held) if (its > (this.#held.get(most)?.octets ?? 0)) most = one;
      this.stats.overfullClosed++;
      this.#close(most);
    }
  }

  /**
   * Whether a reply that does not fit within a connection's own bound may be kept for it; counts it if so.
   * @param own what that connection keeps so already, in octets
   */
  keep(own: number, octets: number): boolean {
    if (!this.canKeep(own, octets)) return false;
    this.#kept += octets;
    return true;
  }
  /** What {@link keep} would say. */
  canKeep(own: number, octets: number): boolean {
    const left = this.options.maxTotalBytes / KEPT_SHARE - this.#kept;
    return own + octets <= left - octets;
  }
  /** So many octets of what was kept are kept no longer. */
  release(octets: number): void {
    this.#kept -= octets;
  }

  /** Has it flushed when this turn of the event loop has brought what it brings. */
  flushLater(one: Flushed): void {
    if (this.#toFlush.push(one) > 1) return;
    setImmediate(() => {
      const all = this.#toFlush;
      this.#toFlush = [];
      for (const next of all) next.flush();
    });
  }

  /** It is gone. */
  leave(connection: Connection): void {
    const held = this.#held.get(connection);
    if (held === undefined) return;
    this.#octets -= held.octets;
    this.#held.delete(connection);
    this.#idle.delete(connection);
    const { client } = held;
    client.idle.delete(connection);
    client.all.delete(connection);
    if (client.all.size === 0) this.#clients.delete(client.key);
  }

  #displace(among: ReadonlySet<Connection>): boolean {
    for (const one of among) {
      this.stats.displaced++;
      this.#close(one);
      return true;
    }
    return false;
  }

  /** Closes one of the client that has most; not where who comes, and has `own`, would then have as many. */
  #displaceGreatest(own: number): boolean {
    let greatest: Client | undefined;
    for (const one of this.#clients.values()) if (one.all.size > (greatest?.all.size ?? own + 1)) greatest = one;
    return greatest !== undefined && this.#displace(greatest.all);
  }

  #close(connection: Connection): void {
    this.leave(connection);
    connection.destroy();
  }

  #reject(): false {
    this.stats.rejected++;
    return false;
  }
}
