// Queries over TCP (RFC 7766): one connection a server, kept and pipelined, responses in any order.
//
// Bounds: 2 connections a server, 512 queries on one, 10 s idle.
import { createConnection, type Socket } from 'node:net';
import type { SocketAddress } from '../base/address.js';
import { formatSocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { HEADER_SIZE } from '../wire/iana.js';
import { questionEnd } from '../wire/message.js';
import { frame, MessageReader } from './framing.js';
import type { ExchangeOptions, LocalAddress, Transport, TransportStats } from './transport.js';
import { matches } from './udp.js';

const CONNECTIONS_PER_SERVER = 2;
const QUERIES_PER_CONNECTION = 512;
const IDLE_MS = 10_000;

interface Pending {
  query: Uint8Array;
  questionEnd: number;
  resolve(response: Uint8Array): void;
  reject(error: Error): void;
}

class Connection {
  readonly reader = new MessageReader();
  readonly pending = new Map<number, Pending>();
  idle: Timer | undefined;
  dead = false;
  constructor(readonly socket: Socket) {}
}

export class TcpTransport implements Transport {
  readonly #connections = new Map<string, Connection[]>();
  #closed = false;
  readonly stats: TransportStats = { sent: 0, received: 0, mismatched: 0 };

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly local: LocalAddress = {},
  ) {}

  exchange(query: Uint8Array, server: SocketAddress, options: ExchangeOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new ShardnsError('ERR_SHARDNS_CLOSED', 'the TCP transport is closed'));
        return;
      }
      const where = formatSocketAddress(server);
      const connection = this.#connectionTo(server, where);
      if (connection === undefined) {
        reject(new ShardnsError('ERR_SHARDNS_OVERLOAD', `too many queries to ${where} over TCP at once`));
        return;
      }
      let id = this.random.uint32() & 0xffff;
      while (connection.pending.has(id)) id = (id + 1) & 0xffff;
      query[0] = id >> 8;
      query[1] = id & 0xff;
      const finish = (): void => {
        timer.cancel();
        connection.pending.delete(id);
        options.cancel?.unsubscribe(abort);
        if (connection.pending.size === 0 && !connection.dead) {
          connection.idle = this.clock.after(IDLE_MS, () => connection.socket.destroy());
        }
      };
      const pending: Pending = {
        query,
        questionEnd: questionEnd(query),
        resolve: response => {
          finish();
          resolve(response);
        },
        reject: error => {
          finish();
          reject(error);
        },
      };
      const abort = (): void => pending.reject(new ShardnsError('ERR_SHARDNS_ABORTED', 'the query was called off'));
      options.cancel?.subscribe(abort);
      const timer = this.clock.after(options.timeoutMs, () =>
        pending.reject(
          new ShardnsError(
            'ERR_SHARDNS_TIMEOUT',
            `${where} did not answer over TCP in ${Math.round(options.timeoutMs)} ms`,
          ),
        ),
      );
      connection.idle?.cancel();
      connection.idle = undefined;
      connection.pending.set(id, pending);
      this.stats.sent++;
      connection.socket.write(frame(query));
    });
  }

  close(): void {
    this.#closed = true;
    for (const connections of this.#connections.values()) {
      for (const connection of [...connections]) connection.socket.destroy();
    }
  }

  #connectionTo(server: SocketAddress, where: string): Connection | undefined {
    let connections = this.#connections.get(where);
    if (connections === undefined) {
      connections = [];
      this.#connections.set(where, connections);
    }
    const free = connections.find(one => one.pending.size < QUERIES_PER_CONNECTION);
    if (free !== undefined) return free;
    if (connections.length >= CONNECTIONS_PER_SERVER) return undefined;
    const localAddress = server.family === 6 ? this.local.v6 : this.local.v4;
    const connection = new Connection(
      createConnection({ host: server.address, port: server.port, localAddress, noDelay: true }),
    );
    connections.push(connection);
    const { socket } = connection;
    socket.unref();
    let failure: Error | undefined;
    socket.on('error', error => {
      failure = error;
    });
    socket.on('data', chunk => {
      for (const message of connection.reader.push(chunk)) this.#onMessage(connection, message);
    });
    socket.on('close', () => {
      connection.dead = true;
      connection.idle?.cancel();
      connections.splice(connections.indexOf(connection), 1);
      if (connections.length === 0) this.#connections.delete(where);
      const error = new ShardnsError(
        'ERR_SHARDNS_UPSTREAM',
        `${where}: the TCP connection ${failure !== undefined ? `failed: ${failure.message}` : 'was closed'}`,
        { cause: failure },
      );
      for (const pending of [...connection.pending.values()]) pending.reject(error);
    });
    socket.on('end', () => socket.destroy());
    return connection;
  }

  #onMessage(connection: Connection, message: Buffer): void {
    const pending = message.length >= HEADER_SIZE ? connection.pending.get((message[0] << 8) | message[1]) : undefined;
    if (pending === undefined || !matches(message, pending.query, pending.questionEnd)) {
      this.stats.mismatched++;
      return;
    }
    this.stats.received++;
    pending.resolve(Uint8Array.from(message));
  }
}
