// DNS over UDP on Node's own sockets: the same answers as the native plane, where that cannot run or is not wanted. One
// socket, at one address of the machine: a socket of all addresses would reply from another one than was asked (RFC 2181
// section 4.1), because Node does not tell where a packet was sent to; see wildcard-listener.ts.
//
// Bounds: `maxUnderWay` queries waiting for the resolver, `clientUnderWay` of one client (address or /56), more while as many are free; beyond them a
// query gets a stale answer or SERVFAIL at once.
import { createSocket, type Socket } from 'node:dgram';
import { formatSocketAddress, type SocketAddress } from '../../base/address.js';
import { ShardnsError } from '../../base/errors.js';
import { answersByItself } from '../../base/answering-ports.js';
import { ClientShares } from '../../base/client-shares.js';
import { messageListener } from '../../base/dgram-worker.js';
import type { Answerer, ListenerAsker } from '../answerer.js';
import type { DatagramStats, Listener } from './listener.js';
import type { Proxies } from './proxies.js';

export interface UdpListenerOptions {
  maxUnderWay: number;
  clientUnderWay: number;
  receiveBufferBytes: number;
  proxies: Proxies;
  /** Of a socket that is bound there already, which is closed with the listener. */
  descriptor?: () => number | undefined;
}

export class UdpListener implements Listener {
  readonly protocol = 'udp';
  readonly #socket: Socket;
  #underWay = 0;
  readonly #shares: ClientShares;
  #receiving = true;
  #adopted = false;
  #closed = false;
  port = 0;
  readonly stats: DatagramStats = { sent: 0, sendFailed: 0, dropped: 0, full: 0 };

  constructor(
    readonly at: SocketAddress,
    private readonly answerer: Answerer,
    private readonly options: UdpListenerOptions,
  ) {
    this.#shares = new ClientShares(options.clientUnderWay);
    this.#socket = createSocket({
      type: at.family === 6 ? 'udp6' : 'udp4',
      ipv6Only: at.family === 6,
      recvBufferSize: options.receiveBufferBytes,
      // Replies go to numeric addresses: nothing to look up.
      lookup: (address, _options, callback) => callback(null, address, at.family),
    });
  }

  get bound(): readonly SocketAddress[] {
    return [{ ...this.at, port: this.port }];
  }
  get underWay(): number {
    return this.#underWay;
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address */
  async listen(): Promise<void> {
    const { address, port } = this.at;
    const fd = this.options.descriptor?.();
    this.#adopted = fd !== undefined;
    const place = fd === undefined ? { address, port } : { fd };
    return new Promise((resolve, reject) => {
      const onError = (cause: Error): void => {
        const where = formatSocketAddress(this.at);
        reject(new ShardnsError('ERR_SHARDNS_LISTEN', `cannot listen on ${where} (UDP): ${cause.message}`, { cause }));
        this.close();
      };
      this.#socket.once('error', onError);
      this.#socket.bind(place, () => {
        this.#socket.off('error', onError);
        this.#socket.on('error', () => this.stats.sendFailed++);
        this.#socket.on(
          'message',
          messageListener((message, client) => this.receive(message, client)),
        );
        this.port = this.#socket.address().port;
        resolve();
      });
    });
  }

  /** Node reads on: of a socket of somebody else's what is read has gone from there, and is answered. */
  stop(): void {
    this.#receiving = this.#adopted && !this.#closed;
  }
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#receiving = false;
    this.#socket.close();
  }

  /** A packet has come. Never throws: nobody would catch it. */
  receive(message: Buffer, from: { address: string; port: number }): void {
    if (!this.#receiving) return;
    const { proxies } = this.options;
    if (answersByItself(from.port)) {
      this.stats.dropped++;
    } else if (!proxies.has(from.address)) {
      this.#answer(message, from, from);
    } else {
      const said = proxies.unwrap(message, from);
      if (said === undefined) this.stats.dropped++;
      else this.#answer(said.query, said.client, from);
    }
  }

  /** @param to whom the reply goes: the client itself, or the proxy that has passed its query on */
  #answer(message: Uint8Array, client: { address: string; port: number }, to: { address: string; port: number }): void {
    const asker: ListenerAsker = { protocol: 'udp', client };
    const free = this.options.maxUnderWay - this.#underWay;
    if (free <= 0 || !this.#shares.take(client.address, free)) {
      this.stats.full++;
      this.#send(this.answerer.answerAtOnce(message, asker), to);
      return;
    }
    this.#underWay++;
    this.answerer.answer(message, asker, octets => {
      this.#underWay--;
      this.#shares.release(client.address);
      this.#send(octets, to);
    });
  }

  #send(octets: Uint8Array | undefined, client: { address: string; port: number }): void {
    if (octets === undefined || this.#closed) return;
    try {
      // A copy: the kernel takes it later.
      this.#socket.send(octets.slice(), client.port, client.address, error => {
        if (error) this.stats.sendFailed++;
        else this.stats.sent++;
      });
    } catch {
      // An address or a port that Node refuses before it asks the kernel.
      this.stats.sendFailed++;
    }
  }
}
