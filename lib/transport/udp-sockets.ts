// The sockets that queries leave by. Each is connected to one server, so that the kernel drops what comes from elsewhere
// and reports who is not there; each has a port that the kernel drew.
//
// A port that is used for long can be found out and then forged to (SAD DNS, CVE-2020-25705), and a socket keeps the
// source address that it had when it was connected, gone or not. So a query gets a new socket whenever the budget of
// openings has one (15 us each to open it, and more for the collector); else one of the server's 64 by chance, which is
// used 64 times at most.
//
// Bounds: 128 servers, the one first asked longest ago goes first; 64 shared sockets a server, 2048 in all, and 512 more
// that are not used any more and wait for responses: beyond both together the one that has waited longest is closed; for
// one query alone 256 a server, 1024 in all.
import type { Socket, SocketType } from 'node:dgram';
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import { messageListener } from '../base/dgram-worker.js';
import { ShardnsError } from '../base/errors.js';
import { below, type Random } from '../base/random.js';
import { TokenBucket } from '../base/token-bucket.js';
import { isWantOfSockets, socketFailed } from './failures.js';
import { type Ending, type Exchange, type ExchangeHolder, PendingTable, setId } from './pending.js';
import type { LocalAddress } from './transport.js';

export const SHARED_SOCKETS = 64;
const MAX_SERVERS = 128;
const MAX_SHARED = 2048;
const MAX_DRAINING = 512;
const ALONE_PER_SERVER = 256;
const MAX_ALONE = 1024;
const QUERIES_PER_SOCKET = 64;
/** 128 a second are 1 % of a core; the burst is what a quiet server asks in some seconds. */
const OPENINGS = { perSecond: 128, burst: 1024 };

export type OpenSocket = (type: SocketType) => Socket;
export type OnMessage = (channel: Channel, message: Uint8Array) => void;

/** What the sockets of one server have in common. */
interface Peer {
  /** When it last said anything. */
  heardMs: number;
}

/** One socket and what is asked over it. */
export class Channel implements ExchangeHolder {
  readonly pending = new PendingTable();
  readonly waiting: Uint8Array[] = [];
  /** Nothing new is asked over it; it is closed when what it waits for is over. */
  retired = false;
  ready = false;
  used = 0;
  mismatched = 0;
  /** Serves in its place where it cannot be opened for want of descriptors. */
  instead: Channel | undefined;
  /** One for all packets: the error is the socket's, whichever of them it was. */
  readonly sent = (error: Error | null): void => {
    if (error !== null) this.onFailure(error);
  };
  onFailure: (error: Error) => void = () => {};

  constructor(
    readonly socket: Socket,
    readonly server: SocketAddress,
    readonly peer: Peer | undefined,
    private readonly owner: UdpSockets,
  ) {}

  /** For one query, and then not used any more. */
  get alone(): boolean {
    return this.peer === undefined;
  }

  /** @param now to hear of errors costs a tick (2 us): not where the server has just been heard of */
  send(query: Uint8Array, now: number): void {
    if (!this.ready) {
      this.waiting.push(query);
      return;
    }
    // A copy in Node's pool of buffers: a short array would be moved out of V8's heap for it, and a query that waited in
    // the pool would keep 8 KiB of it.
    const heard = this.peer !== undefined && now - this.peer.heardMs < HEARD_MS;
    if (heard) this.socket.send(Buffer.from(query));
    else this.socket.send(Buffer.from(query), this.sent);
  }

  /** Called by its exchanges. */
  ended(exchange: Exchange, ending: Ending): void {
    this.pending.delete(exchange.id);
    // Whatever it was that swallowed them, the path of this socket or what stands on it, the next one may not have it.
    if (ending === 'unanswered' && exchange.ageMs >= SILENCE_MS) this.owner.retire(this);
    else if (this.retired && this.pending.size === 0) this.owner.retire(this);
  }

  flush(): void {
    this.ready = true;
    for (const query of this.waiting.splice(0)) this.send(query, Infinity);
  }
}

interface Pool {
  readonly peer: Peer;
  readonly channels: (Channel | undefined)[];
}

export class UdpSockets {
  readonly #pools = new Map<string, Pool>();
  readonly #all = new Set<Channel>();
  readonly #aloneOf = new Map<string, number>();
  readonly #openings: TokenBucket;
  /** Not used any more, but for what was asked over them; who has waited longest comes first. */
  readonly #draining = new Set<Channel>();
  /** Undefined when that pool may be gone. */
  #lastPool: Pool | undefined;
  #lastServer: SocketAddress | undefined;
  #alone = 0;
  /** Sockets that are being opened in the place of others. */
  #replacing = 0;

  constructor(
    clock: Clock,
    private readonly random: Random,
    private readonly local: LocalAddress,
    private readonly openSocket: OpenSocket,
    private readonly onMessage: OnMessage,
  ) {
    this.#openings = new TokenBucket(clock, OPENINGS);
  }

  get size(): number {
    return this.#all.size;
  }

  /** A socket for one query; undefined when all of them are in use. */
  alone(server: SocketAddress): Channel | undefined {
    const key = keyOf(server);
    const held = this.#aloneOf.get(key) ?? 0;
    if (held >= ALONE_PER_SERVER || this.#alone >= MAX_ALONE) return undefined;
    this.#aloneOf.set(key, held + 1);
    this.#alone++;
    const channel = this.#open(server, undefined);
    channel.retired = true;
    return channel;
  }

  /** One of the server's sockets, new where the budget allows; undefined when it has no id left. */
  shared(server: SocketAddress, now: number): Channel | undefined {
    const pool = this.#poolOf(server);
    const place = below(this.random, SHARED_SOCKETS);
    const { channels, peer } = pool;
    const old = channels[place];
    let channel = old;
    if (old === undefined || old.retired) {
      if (this.#all.size - this.#alone - this.#draining.size >= MAX_SHARED) this.#retireOldestPool(pool);
      this.#makeRoom();
      channel = this.#open(server, peer);
    } else if (
      this.#draining.size + this.#replacing < MAX_DRAINING &&
      (old.used >= QUERIES_PER_SOCKET || this.#openings.take(now))
    ) {
      channel = this.#open(server, peer);
      channel.instead = old;
      this.#replacing++;
    }
    channels[place] = channel;
    return channel!.pending.size < PendingTable.limit ? channel : undefined;
  }

  #poolOf(server: SocketAddress): Pool {
    // Most often the one asked before, whose key need not be made again.
    if (server === this.#lastServer && this.#lastPool !== undefined) return this.#lastPool;
    const key = keyOf(server);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      if (this.#pools.size >= MAX_SERVERS) this.#retireOldestPool();
      pool = { peer: { heardMs: 0 }, channels: new Array(SHARED_SOCKETS) };
      this.#pools.set(key, pool);
    }
    this.#lastServer = server;
    this.#lastPool = pool;
    return pool;
  }

  /** Draws an id and sends. */
  ask(channel: Channel, exchange: Exchange): void {
    exchange.id = channel.pending.add(exchange, this.random);
    setId(exchange.query, exchange.id);
    channel.used++;
    exchange.holder = channel;
    channel.send(exchange.query, exchange.beganMs);
  }

  retire(channel: Channel): void {
    if (!channel.retired) {
      channel.retired = true;
      this.#draining.add(channel);
    }
    if (channel.pending.size === 0) this.#drop(channel);
  }

  close(error: ShardnsError): void {
    this.#pools.clear();
    this.#lastPool = undefined;
    for (const channel of this.#all) this.#fail(channel, error);
  }

  /** Its sockets close when what they wait for is over. */
  #retireOldestPool(butNot?: Pool): void {
    for (const [key, pool] of this.#pools) {
      if (pool === butNot) continue;
      this.#pools.delete(key);
      this.#lastPool = undefined;
      for (const channel of pool.channels) if (channel !== undefined) this.retire(channel);
      return;
    }
  }

  /** Servers that never answer would hold a socket each until the deadline, however many they are. */
  #makeRoom(): void {
    if (this.#all.size - this.#alone < MAX_SHARED + MAX_DRAINING) return;
    const [oldest] = this.#draining;
    if (oldest === undefined) return;
    const text = `${formatSocketAddress(oldest.server)}: too many servers are late, no socket is left to wait for it`;
    this.#fail(oldest, new ShardnsError('ERR_SHARDNS_OVERLOAD', text));
  }

  #open(server: SocketAddress, peer: Peer | undefined): Channel {
    const socket = this.openSocket(server.family === 6 ? 'udp6' : 'udp4');
    const channel = new Channel(socket, server, peer, this);
    this.#all.add(channel);
    socket.unref();
    socket.on(
      'message',
      messageListener(message => this.onMessage(channel, message)),
    );
    // A connected socket reports refusals: the server is not there, which is known at once.
    channel.onFailure = cause => this.#broken(channel, cause);
    socket.on('error', channel.onFailure);
    socket.on('connect', () => {
      const old = this.#takeInstead(channel);
      if (old !== undefined) this.retire(old);
      channel.flush();
    });
    const connect = (): void => socket.connect(server.port, server.address);
    const local = server.family === 6 ? this.local.v6 : this.local.v4;
    if (local === undefined) connect();
    else socket.bind({ address: local, port: 0, exclusive: true }, connect);
    return channel;
  }

  #broken(channel: Channel, cause: Error): void {
    const { server } = channel;
    const instead = this.#takeInstead(channel);
    // Says nothing of the server.
    const own = isWantOfSockets(cause);
    if (instead !== undefined) {
      if (own && !instead.retired) {
        const pool = this.#pools.get(keyOf(server));
        const place = pool?.channels.indexOf(channel) ?? -1;
        if (place >= 0) pool!.channels[place] = instead;
        const exchanges = channel.pending.all();
        channel.waiting.length = 0;
        for (const exchange of exchanges) {
          // Not sent yet: it has no other id than the one that it is given now.
          channel.ended(exchange, 'failed');
          this.ask(instead, exchange);
        }
        this.retire(channel);
        return;
      }
      this.retire(instead);
    }
    // What is wrong with the way of one (its source address is gone) is wrong with the others' too.
    if (!own && (cause as NodeJS.ErrnoException).code !== 'ECONNREFUSED') this.#retirePool(server);
    this.#fail(channel, socketFailed(formatSocketAddress(server), cause));
  }

  #takeInstead(channel: Channel): Channel | undefined {
    const { instead } = channel;
    if (instead === undefined) return undefined;
    channel.instead = undefined;
    this.#replacing--;
    return instead;
  }

  #retirePool(server: SocketAddress): void {
    const key = keyOf(server);
    const pool = this.#pools.get(key);
    this.#pools.delete(key);
    this.#lastPool = undefined;
    for (const one of pool?.channels ?? []) if (one !== undefined) this.retire(one);
  }

  #fail(channel: Channel, error: ShardnsError): void {
    this.retire(channel);
    for (const exchange of channel.pending.all()) exchange.fail(error);
  }

  #drop(channel: Channel): void {
    if (!this.#all.delete(channel)) return;
    const old = this.#takeInstead(channel);
    if (old !== undefined) this.retire(old);
    if (channel.alone) {
      const key = keyOf(channel.server);
      const held = this.#aloneOf.get(key)! - 1;
      if (held > 0) this.#aloneOf.set(key, held);
      else this.#aloneOf.delete(key);
      this.#alone--;
    } else {
      this.#draining.delete(channel);
    }
    channel.socket.close();
  }
}

const HEARD_MS = 20;
/** No server is given up sooner than this (UPSTREAM_LIMITS.tryTimeoutMs). */
const SILENCE_MS = 400;

function keyOf(server: SocketAddress): string {
  return `${server.address} ${server.port}`;
}
