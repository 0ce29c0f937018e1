// DNS over UDP on Node's own sockets: the same answers as the native plane, where that cannot run or is not wanted.
//
// Bound: `maxUnderWay` queries waiting for the resolver; beyond it a query gets a stale answer or SERVFAIL at once.
import { createSocket, type Socket } from 'node:dgram';
import { answersByItself } from '../base/answering-ports.js';
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import { ShardnsError } from '../base/errors.js';
import type { Answerer } from './answerer.js';

export class UdpListener {
  readonly #socket: Socket;
  #underWay = 0;
  #closed = false;
  port = 0;
  readonly stats = { sent: 0, sendFailed: 0, full: 0, dropped: 0 };

  constructor(
    readonly at: SocketAddress,
    private readonly answerer: Answerer,
    private readonly maxUnderWay: number,
    receiveBufferBytes: number,
  ) {
    this.#socket = createSocket({
      type: at.family === 6 ? 'udp6' : 'udp4',
      ipv6Only: at.family === 6,
      recvBufferSize: receiveBufferBytes,
      // Replies go to numeric addresses: nothing to look up.
      lookup: (address, _options, callback) => callback(null, address, at.family),
    });
  }

  get underWay(): number {
    return this.#underWay;
  }

  listen(port = this.at.port): Promise<void> {
    return new Promise((resolve, reject) => {
      const onError = (cause: Error): void => {
        const where = formatSocketAddress({ ...this.at, port });
        reject(new ShardnsError('ERR_SHARDNS_LISTEN', `cannot listen on ${where} (UDP): ${cause.message}`, { cause }));
      };
      this.#socket.once('error', onError);
      this.#socket.bind({ address: this.at.address, port }, () => {
        this.#socket.off('error', onError);
        this.#socket.on('error', () => this.stats.sendFailed++);
        this.#socket.on('message', (message, client) => this.#onMessage(message, client));
        this.port = this.#socket.address().port;
        resolve();
      });
    });
  }

  stopReceiving(): void {
    this.#socket.removeAllListeners('message');
  }
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #onMessage(message: Buffer, client: { address: string; port: number }): void {
    if (answersByItself(client.port)) {
      this.stats.dropped++;
      return;
    }
    if (this.#underWay >= this.maxUnderWay) {
      this.stats.full++;
      this.#send(this.answerer.answerAtOnce(message, client), client);
      return;
    }
    this.#underWay++;
    this.answerer.answer(message, { protocol: 'udp', client }, octets => {
      this.#underWay--;
      this.#send(octets, client);
    });
  }

  #send(octets: Uint8Array | undefined, client: { address: string; port: number }): void {
    if (octets === undefined || this.#closed) return;
    this.#socket.send(octets, client.port, client.address, error => {
      if (error) this.stats.sendFailed++;
      else this.stats.sent++;
    });
  }
}
