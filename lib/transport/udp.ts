// Queries over UDP, hard to forge (RFC 5452): the id, the socket (its port drawn by the kernel) and the letter case of
// the name are all unpredictable; see udp-sockets.ts for how sockets come and go.
//
// Entropy: 16 bits of id + 6 bits for the choice of one of 64 sockets whose ports an attacker does not know (about 15
// when the socket is new) + one bit per letter. A name that does not come to 28 bits so gets a socket of its own: 16 bits
// of id + about 15 of port.
import { formatSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { tooManyQueries, transportClosed } from './failures.js';
import { drawLetters, isBareError, matches } from './matching.js';
import { Exchange } from './pending.js';
import {
  type ExchangeListener,
  type ExchangeOptions,
  type Exchanging,
  type LocalAddress,
  NO_SOCKET_ALONE,
  noTransportStats,
  type Transport,
} from './transport.js';
import { type Channel, type OpenSocket, SHARED_SOCKETS, UdpSockets } from './udp-sockets.js';

const MIN_LETTERS = 28 - 16 - Math.log2(SHARED_SOCKETS);
/** Packets that match nothing, after which somebody is guessing (BIND and PowerDNS count them too). */
const FLOOD = 100;

export class UdpTransport implements Transport {
  readonly stats = noTransportStats();
  readonly #sockets: UdpSockets;
  #closed = false;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    local: LocalAddress = {},
    openSocket: OpenSocket = type => process.getBuiltinModule('node:dgram').createSocket(type),
  ) {
    this.#sockets = new UdpSockets(clock, random, local, openSocket, (channel, message) =>
      this.#onMessage(channel, message),
    );
  }

  /** Sockets that are open. */
  get sockets(): number {
    return this.#sockets.size;
  }

  ask(query: Uint8Array, server: SocketAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging {
    const exchange = new Exchange(query, server, options, this.clock, 'UDP', listener);
    let letters = 0;
    if (options.letters !== 'kept') {
      exchange.letters = 'exact';
      letters = drawLetters(exchange.query, exchange.questionEnd, this.random);
    }
    if (this.#closed) exchange.fail(transportClosed('UDP'));
    else this.#send(exchange, letters < MIN_LETTERS && options.entropy !== 'any');
    return exchange;
  }

  /** @param alone over a socket of its own */
  #send(exchange: Exchange, alone: boolean): void {
    const { server } = exchange;
    const channel = alone ? this.#sockets.alone(server) : this.#sockets.shared(server, exchange.beganMs);
    if (channel === undefined) {
      exchange.fail(tooManyQueries(formatSocketAddress(server), 'UDP', alone ? NO_SOCKET_ALONE : undefined));
      return;
    }
    this.stats.sent++;
    this.#sockets.ask(channel, exchange);
  }

  close(): void {
    this.#closed = true;
    this.#sockets.close(transportClosed('UDP'));
  }

  #onMessage(channel: Channel, message: Uint8Array): void {
    const exchange = channel.pending.get(message);
    if (exchange !== undefined && matches(message, exchange.query, exchange.questionEnd, exchange.letters)) {
      this.stats.received++;
      if (channel.peer !== undefined) channel.peer.heardMs = this.clock.nowMs();
      exchange.answer(message);
      return;
    }
    this.stats.mismatched++;
    if (exchange === undefined) this.stats.unknownId++;
    if (++channel.mismatched === FLOOD) {
      // Another port for what comes next, and another way for what is under way.
      const pending = channel.pending.all();
      this.#sockets.retire(channel);
      for (const one of pending) one.doubt('flood');
    } else if (exchange !== undefined) {
      if (isBareError(message, exchange.query)) exchange.doubt('question');
      else if (matches(message, exchange.query, exchange.questionEnd, 'folded')) exchange.doubt('letters');
    }
  }
}
