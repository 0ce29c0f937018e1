// Queries over UDP in the best way that this process has: by the native asker, or by Node's sockets where it cannot be
// had (another system than Linux, another runtime than Node, no descriptor left) or is not wanted.
import type { SocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import type { Forwarding } from './forwarded.js';
import { NativeUdpTransport } from './native-udp.js';
import type {
  ExchangeListener,
  ExchangeOptions,
  Exchanging,
  LocalAddress,
  Transport,
  TransportStats,
} from './transport.js';
import { UdpTransport } from './udp.js';

const HAS_ASKER = process.platform === 'linux' && process.versions.bun === undefined;

/** Opens nothing before the first query. */
export class SystemUdpTransport implements Transport {
  /** False: by Node's sockets. What is under way stays where it is. */
  native = HAS_ASKER;
  #asker: NativeUdpTransport | undefined;
  #sockets: UdpTransport | undefined;
  #closed = false;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly local: LocalAddress = {},
  ) {}

  /** Sockets that are open. */
  get sockets(): number {
    return (this.#asker?.sockets ?? 0) + (this.#sockets?.sockets ?? 0);
  }
  get stats(): TransportStats {
    const total: TransportStats = { sent: 0, received: 0, mismatched: 0, unknownId: 0 };
    for (const one of [this.#asker?.stats, this.#sockets?.stats]) {
      if (one === undefined) continue;
      for (const name of Object.keys(total) as (keyof TransportStats)[]) total[name] += one[name];
    }
    return total;
  }

  ask(query: Uint8Array, server: SocketAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging {
    return (this.native ? (this.#asker ?? this.#makeAsker()) : this.#nodes()).ask(query, server, options, listener);
  }

  get forwarding(): Forwarding | undefined {
    if (!this.native || this.#closed) return undefined;
    if (this.#asker === undefined) this.#makeAsker();
    return this.#asker;
  }

  close(): void {
    this.#closed = true;
    this.#asker?.close();
    this.#nodes().close();
  }

  #makeAsker(): Transport {
    if (HAS_ASKER && !this.#closed) {
      try {
        return (this.#asker = new NativeUdpTransport(this.clock, this.local));
      } catch {
        // Node's sockets may still be had, and say what is wrong where not.
      }
    }
    this.native = false;
    return this.#nodes();
  }

  #nodes(): UdpTransport {
    return (this.#sockets ??= new UdpTransport(this.clock, this.random, this.local));
  }
}
