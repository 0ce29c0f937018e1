// Queries over UDP, hard to forge (RFC 5452): the id, the socket (its port drawn by the kernel) and the letter case of
// the name are all unpredictable. Sockets are connected, so the kernel drops what comes from elsewhere.
//
// Entropy: 16 bits of id + 6 bits for the choice of one of 64 sockets whose ports an attacker does not know + one bit
// per letter. A name with too few letters for 28 bits gets a socket of its own: 16 bits of id + about 15 of port.
// Bounds: 128 servers, the one first asked longest ago goes first; 64 shared sockets a server, 2048 in all, each retired
// after 4096 queries; 256 sockets of one use; 65536 ids a socket.
import { createSocket, type Socket } from 'node:dgram';
import type { SocketAddress } from '../base/address.js';
import { formatSocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import { messageListener } from '../base/dgram-worker.js';
import { ShardnsError } from '../base/errors.js';
import { below, type Random } from '../base/random.js';
import { HEADER_SIZE } from '../wire/iana.js';
import { questionEnd } from '../wire/message.js';
import type { ExchangeOptions, LocalAddress, Transport, TransportStats } from './transport.js';

const SHARED_SOCKETS = 64;
const MAX_SERVERS = 128;
const MAX_SHARED_SOCKETS = 2048;
const QUERIES_PER_SOCKET = 4096;
const SINGLE_USE_SOCKETS = 256;
const MIN_LETTERS = 28 - 16 - Math.log2(SHARED_SOCKETS);

interface Pending {
  query: Uint8Array;
  questionEnd: number;
  resolve(response: Uint8Array): void;
  reject(error: Error): void;
  timer: Timer | undefined;
}

class Channel {
  readonly pending = new Map<number, Pending>();
  used = 0;
  retired = false;
  ready = false;
  readonly waiting: Uint8Array[] = [];
  constructor(readonly socket: Socket) {}
}

export class UdpTransport implements Transport {
  readonly #channels = new Map<string, (Channel | undefined)[]>();
  readonly #single = new Set<Channel>();
  readonly #all = new Set<Channel>();
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
        reject(new ShardnsError('ERR_SHARDNS_CLOSED', 'the UDP transport is closed'));
        return;
      }
      if (options.cancel?.cancelled) {
        reject(aborted());
        return;
      }
      const end = questionEnd(query);
      const letters = randomizeCase(query, end, this.random);
      const channel = this.#channelFor(server, letters < MIN_LETTERS);
      if (channel === undefined) {
        reject(new ShardnsError('ERR_SHARDNS_OVERLOAD', `too many queries to ${formatSocketAddress(server)} at once`));
        return;
      }
      let id = this.random.uint32() & 0xffff;
      while (channel.pending.has(id)) id = (id + 1 + (this.random.uint32() & 0xff)) & 0xffff;
      query[0] = id >> 8;
      query[1] = id & 0xff;
      const finish = (): void => {
        pending.timer?.cancel();
        channel.pending.delete(id);
        options.cancel?.unsubscribe(abort);
        if (channel.retired && channel.pending.size === 0) this.#drop(channel);
      };
      const pending: Pending = {
        query,
        questionEnd: end,
        resolve: response => {
          finish();
          resolve(response);
        },
        reject: error => {
          finish();
          reject(error);
        },
        timer: undefined,
      };
      const abort = (): void => pending.reject(aborted());
      options.cancel?.subscribe(abort);
      pending.timer = this.clock.after(options.timeoutMs, () =>
        pending.reject(
          new ShardnsError(
            'ERR_SHARDNS_TIMEOUT',
            `${formatSocketAddress(server)} did not answer over UDP in ${Math.round(options.timeoutMs)} ms`,
          ),
        ),
      );
      channel.pending.set(id, pending);
      channel.used++;
      this.stats.sent++;
      if (channel.ready) send(channel.socket, query);
      else channel.waiting.push(query);
    });
  }

  close(): void {
    this.#closed = true;
    for (const channel of this.#all)
      this.#fail(channel, new ShardnsError('ERR_SHARDNS_CLOSED', 'the UDP transport is closed'));
    this.#channels.clear();
  }

  #channelFor(server: SocketAddress, single: boolean): Channel | undefined {
    if (single) {
      if (this.#single.size >= SINGLE_USE_SOCKETS) return undefined;
      const channel = this.#open(server);
      channel.retired = true;
      this.#single.add(channel);
      return channel;
    }
    const key = `${server.address} ${server.port}`;
    let pool = this.#channels.get(key);
    if (pool === undefined) {
      if (this.#channels.size >= MAX_SERVERS) this.#retireOldestPool();
      pool = new Array(SHARED_SOCKETS);
      this.#channels.set(key, pool);
    }
    const place = below(this.random, SHARED_SOCKETS);
    let channel = pool[place];
    if (channel === undefined || channel.retired) {
      if (this.#all.size - this.#single.size >= MAX_SHARED_SOCKETS) this.#retireOldestPool();
      channel = this.#open(server);
      pool[place] = channel;
    }
    if (channel.used + 1 >= QUERIES_PER_SOCKET) channel.retired = true;
    return channel.pending.size < 32768 ? channel : undefined;
  }

  /** Its sockets close when what they wait for is over. */
  #retireOldestPool(): void {
    const [[key, pool]] = this.#channels;
    this.#channels.delete(key);
    for (const channel of pool) {
      if (channel === undefined) continue;
      channel.retired = true;
      if (channel.pending.size === 0) this.#drop(channel);
    }
  }

  #open(server: SocketAddress): Channel {
    const socket = createSocket(server.family === 6 ? 'udp6' : 'udp4');
    const channel = new Channel(socket);
    this.#all.add(channel);
    socket.unref();
    socket.on(
      'message',
      messageListener((message: Uint8Array) => this.#onMessage(channel, message)),
    );
    // A connected socket reports refusals: the server is not there, which is known at once.
    socket.on('error', cause =>
      this.#fail(
        channel,
        new ShardnsError('ERR_SHARDNS_UPSTREAM', `${formatSocketAddress(server)}: ${cause.message}`, { cause }),
      ),
    );
    socket.on('connect', () => {
      channel.ready = true;
      for (const query of channel.waiting.splice(0)) send(socket, query);
    });
    const connect = (): void => socket.connect(server.port, server.address);
    const local = server.family === 6 ? this.local.v6 : this.local.v4;
    if (local === undefined) connect();
    else socket.bind({ address: local, port: 0, exclusive: true }, connect);
    return channel;
  }

  #onMessage(channel: Channel, message: Uint8Array): void {
    const id = (message[0] << 8) | message[1];
    const pending = message.length >= HEADER_SIZE ? channel.pending.get(id) : undefined;
    if (pending === undefined || !matches(message, pending.query, pending.questionEnd)) {
      this.stats.mismatched++;
      if (pending !== undefined && matchesFolded(message, pending)) {
        pending.reject(
          new ShardnsError('ERR_SHARDNS_UPSTREAM', 'the response changed the letter case of the name', {
            cause: CASE_CHANGED,
          }),
        );
      }
      return;
    }
    this.stats.received++;
    pending.resolve(message);
  }

  #fail(channel: Channel, error: ShardnsError): void {
    channel.retired = true;
    const pending = [...channel.pending.values()];
    if (pending.length === 0) this.#drop(channel);
    for (const one of pending) one.reject(error);
  }

  #drop(channel: Channel): void {
    this.#single.delete(channel);
    if (!this.#all.delete(channel)) return;
    channel.socket.close();
  }
}

/**
 * Sends a copy in Node's pool of buffers: a short array would be moved out of V8's heap for it, and a query that waited
 * in the pool would keep 8 KiB of it.
 */
function send(socket: Socket, query: Uint8Array): void {
  socket.send(Buffer.from(query));
}

/** Cause of the error when a server does not keep the letter case: ask it over TCP, which needs no such proof. */
export const CASE_CHANGED = Symbol('case changed');

function matchesFolded(message: Uint8Array, pending: Pending): boolean {
  const folded = Uint8Array.from(message);
  const name = message.length >= pending.questionEnd ? pending.questionEnd - 4 : 0;
  for (let i = HEADER_SIZE; i < name; i++) {
    if ((folded[i] ^ pending.query[i]) === 0x20) folded[i] = pending.query[i];
  }
  return matches(folded, pending.query, pending.questionEnd);
}

function aborted(): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_ABORTED', 'the query was called off');
}

/**
 * Whether a response belongs to a query: QR set, same opcode, the same question octet for octet, letter case included.
 * A response without question is taken only as an error report (RFC 5452 section 9.1 asks for the question).
 */
export function matches(response: Uint8Array, query: Uint8Array, end: number): boolean {
  if (response.length < HEADER_SIZE || (response[2] & 0x80) === 0 || ((response[2] ^ query[2]) & 0x78) !== 0)
    return false;
  if (response[4] === 0 && response[5] === 0) {
    const rcode = response[3] & 0x0f;
    return response.length === HEADER_SIZE && (rcode === 1 || rcode === 4);
  }
  if (response[4] !== 0 || response[5] !== 1 || response.length < end) return false;
  for (let i = HEADER_SIZE; i < end; i++) {
    if (response[i] !== query[i]) return false;
  }
  return true;
}

/** Flips the case of each letter of the question's name by chance (draft-vixie-dnsext-dns0x20); returns the letters. */
export function randomizeCase(query: Uint8Array, end: number, random: Random): number {
  let letters = 0;
  let bits = 0;
  for (let at = HEADER_SIZE; at < end - 5;) {
    const next = at + 1 + query[at];
    for (let i = at + 1; i < next; i++) {
      const c = query[i] | 0x20;
      if (c < 0x61 || c > 0x7a) continue;
      if (letters % 32 === 0) bits = random.uint32();
      query[i] = bits & 1 ? c : c & ~0x20;
      bits >>>= 1;
      letters++;
    }
    at = next;
  }
  return letters;
}
