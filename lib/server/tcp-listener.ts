// DNS over TCP (RFC 7766): pipelined queries, replies in the order they are ready, idle time-out.
//
// Bounds: connections in all; queries under way and octets queued on each. A connection over its bound is not read
// until it has caught up; one that never reads its replies is closed by the idle time-out.
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { frame, MessageReader } from '../transport/framing.js';
import { Rcode } from '../wire/iana.js';
import type { Answerer } from './answerer.js';
import { TcpKeepalive } from './tcp-keepalive.js';

export interface TcpListenerOptions {
  maxConnections: number;
  idleTimeoutMs: number;
  keepalive: boolean;
  maxPipelined: number;
  maxQueuedBytes: number;
}

export class TcpListener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #underWay = 0;
  readonly stats = { accepted: 0, rejected: 0, idleClosed: 0 };
  port = 0;

  constructor(
    readonly at: SocketAddress,
    private readonly answerer: Answerer,
    private readonly clock: Clock,
    public options: TcpListenerOptions,
  ) {
    this.#server = createServer({ noDelay: true, pauseOnConnect: false }, socket => this.#accept(socket));
  }

  get connections(): number {
    return this.#sockets.size;
  }
  get underWay(): number {
    return this.#underWay;
  }

  listen(port = this.at.port): Promise<void> {
    return new Promise((resolve, reject) => {
      const onError = (cause: Error): void => {
        const where = formatSocketAddress({ ...this.at, port });
        reject(new ShardnsError('ERR_SHARDNS_LISTEN', `cannot listen on ${where} (TCP): ${cause.message}`, { cause }));
      };
      this.#server.once('error', onError);
      this.#server.listen({ host: this.at.address, port, ipv6Only: this.at.family === 6, backlog: 511 }, () => {
        this.#server.off('error', onError);
        // Exhausted file descriptors and the like: the listener lives on.
        this.#server.on('error', () => this.stats.rejected++);
        this.port = (this.#server.address() as { port: number }).port;
        resolve();
      });
    });
  }

  /** No new connections; those open may finish what they have asked. */
  stopAccepting(): void {
    this.#server.close();
  }
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    if (this.#sockets.size >= this.options.maxConnections) {
      this.stats.rejected++;
      socket.destroy();
      return;
    }
    this.stats.accepted++;
    this.#sockets.add(socket);
    new TcpSession(socket, this.answerer, this.clock, this.options, {
      began: () => this.#underWay++,
      ended: () => this.#underWay--,
      idle: () => this.stats.idleClosed++,
    });
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

/** What a session needs of a socket. */
export type TcpStream = Duplex & Pick<Partial<Socket>, 'remoteAddress' | 'remotePort'>;

export class TcpSession {
  readonly #keepalive = new TcpKeepalive();
  readonly #reader = new MessageReader();
  readonly #client: { address: string; port: number };
  #underWay = 0;
  #idle: Timer | undefined;
  #ended = false;
  #waiting: Buffer[] = [];

  constructor(
    private readonly socket: TcpStream,
    private readonly answerer: Answerer,
    private readonly clock: Clock,
    private readonly options: TcpListenerOptions,
    private readonly notify: { began(): void; ended(): void; idle(): void },
  ) {
    this.#client = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    this.#rearm();
    socket.on('error', () => socket.destroy());
    socket.on('data', chunk => this.#onData(chunk));
    socket.on('end', () => {
      this.#ended = true;
      this.#endIfDone();
    });
    socket.on('drain', () => this.#serve());
    socket.on('close', () => this.#idle?.cancel());
  }

  #rearm(): void {
    this.#idle?.cancel();
    this.#idle = this.clock.after(this.options.idleTimeoutMs, () => {
      this.notify.idle();
      this.socket.destroy();
    });
  }

  #onData(chunk: Buffer): void {
    this.#rearm();
    this.#waiting.push(...this.#reader.push(chunk));
    this.#serve();
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      if (this.#underWay >= this.options.maxPipelined || this.socket.writableLength > this.options.maxQueuedBytes)
        break;
      this.#serveOne(this.#waiting.shift()!);
    }
    const behind = this.#waiting.length > 0;
    if (behind && !this.socket.isPaused()) this.socket.pause();
    else if (!behind && this.socket.isPaused()) this.socket.resume();
  }

  #serveOne(message: Buffer): void {
    this.#underWay++;
    this.notify.began();
    let answered = false;
    const { keepalive, idleTimeoutMs } = this.options;
    const reply = (octets: Uint8Array | undefined): void => {
      this.#underWay--;
      this.notify.ended();
      if (!this.socket.destroyed) {
        if (octets === undefined) {
          // Not a query: whoever sends that is no DNS client.
          this.socket.destroy();
        } else {
          this.socket.write(frame(keepalive ? this.#keepalive.tell(octets, idleTimeoutMs) : octets));
          this.#rearm();
          if (answered) this.#serve();
        }
      }
      this.#endIfDone();
    };
    if (keepalive && !this.#keepalive.accepts(message)) reply(this.answerer.refuse(message, Rcode.FORMERR, false));
    else this.answerer.answer(message, { protocol: 'tcp', client: this.#client }, reply);
    answered = true;
  }

  #endIfDone(): void {
    if (this.#ended && this.#underWay === 0 && this.#waiting.length === 0) this.socket.end();
  }
}
