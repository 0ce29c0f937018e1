// Queries over UDP in the best way that this process has: by the native asker, or by Node's sockets where it cannot be
// had (another system than Linux, another runtime than Node, no descriptor left) or is not wanted.
//
// Bound: MAX_LEFT that asked from another address before, each for LEFT_MS at most, so that what they asked is answered.
import type { SocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { doAll } from '../base/steps.js';
import type { Forwarding } from './forwarded.js';
import { sameSource, type SourcedTransport } from './local-address.js';
import { NativeUdpTransport } from './native-udp.js';
import {
  type ExchangeListener,
  type ExchangeOptions,
  type Exchanging,
  type LocalAddress,
  noTransportStats,
  type Transport,
  type TransportStats,
} from './transport.js';
import { UdpTransport } from './udp.js';

const HAS_ASKER = process.platform === 'linux' && process.versions.bun === undefined;

const MAX_LEFT = 4;
/** As long as a question may take at most (`upstream.deadlineMs`). */
const LEFT_MS = 60_000;

type Counted = NativeUdpTransport | UdpTransport;

/** Opens nothing before the first query. */
export class SystemUdpTransport implements SourcedTransport {
  /** False: by Node's sockets. What is under way stays where it is. */
  native = HAS_ASKER;
  #local: LocalAddress;
  #asker: NativeUdpTransport | undefined;
  #sockets: UdpTransport | undefined;
  /** Asked from another address; oldest first. */
  readonly #left: { transport: Counted; timer: Timer }[] = [];
  readonly #gone = noTransportStats();
  #closed = false;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    local: LocalAddress = {},
  ) {
    this.#local = local;
  }

  /** Sockets that are open. */
  get sockets(): number {
    return this.#open().reduce((sum, one) => sum + one.sockets, 0);
  }
  get stats(): TransportStats {
    const total = { ...this.#gone };
    for (const { stats } of this.#open()) add(total, stats);
    return total;
  }

  ask(query: Uint8Array, server: SocketAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging {
    return (this.native ? (this.#asker ?? this.#makeAsker()) : this.#nodes()).ask(query, server, options, listener);
  }

  from(local: LocalAddress): void {
    if (this.#closed || sameSource(local, this.#local)) return;
    this.#local = local;
    for (const transport of [this.#asker, this.#sockets]) if (transport !== undefined) this.#leave(transport);
    this.#asker = this.#sockets = undefined;
  }

  get forwarding(): Forwarding | undefined {
    if (!this.native || this.#closed) return undefined;
    if (this.#asker === undefined) this.#makeAsker();
    return this.#asker;
  }

  close(): void {
    this.#closed = true;
    doAll('transports over UDP were closed', [
      ...this.#left.map(() => () => this.#drop()),
      () => this.#asker?.close(),
      () => this.#nodes().close(),
    ]);
  }

  #open(): Counted[] {
    const all = [this.#asker, this.#sockets, ...this.#left.map(one => one.transport)];
    return all.filter(one => one !== undefined);
  }

  #leave(transport: Counted): void {
    if (this.#left.length >= MAX_LEFT) this.#drop();
    this.#left.push({ transport, timer: this.clock.after(LEFT_MS, () => this.#drop()) });
  }
  /** The oldest of those that were left. */
  #drop(): void {
    const oldest = this.#left.shift();
    if (oldest === undefined) return;
    oldest.timer.cancel();
    oldest.transport.close();
    add(this.#gone, oldest.transport.stats);
  }

  #makeAsker(): Transport {
    if (HAS_ASKER && !this.#closed) {
      try {
        return (this.#asker = new NativeUdpTransport(this.clock, this.#local));
      } catch {
        // Node's sockets may still be had, and say what is wrong where not.
      }
    }
    this.native = false;
    return this.#nodes();
  }

  #nodes(): UdpTransport {
    return (this.#sockets ??= new UdpTransport(this.clock, this.random, this.#local));
  }
}

function add(total: TransportStats, stats: TransportStats): void {
  for (const name of Object.keys(total) as (keyof TransportStats)[]) total[name] += stats[name];
}
