// Queries over UDP in the best way that this process has: by the native asker, or by Node's sockets where it cannot be
// had (another system than Linux, another runtime than Node, no descriptor left).
import type { SocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
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

const NOTHING: TransportStats = { sent: 0, received: 0, mismatched: 0, unknownId: 0 };

/** `SHARDNS_UDP=node` in the environment makes it Node's sockets, to find out whose fault something is. */
function nativeIsWanted(): boolean {
  return process.platform === 'linux' && process.versions.bun === undefined && process.env.SHARDNS_UDP !== 'node';
}

/** Opens nothing before the first query. */
export class SystemUdpTransport implements Transport {
  #transport: NativeUdpTransport | UdpTransport | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly local: LocalAddress = {},
  ) {}

  /** Sockets that are open. */
  get sockets(): number {
    return this.#transport?.sockets ?? 0;
  }
  get stats(): TransportStats {
    return this.#transport?.stats ?? NOTHING;
  }
  /** Undefined before the first query. */
  get isNative(): boolean | undefined {
    return this.#transport && this.#transport instanceof NativeUdpTransport;
  }

  ask(query: Uint8Array, server: SocketAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging {
    return (this.#transport ??= this.#make()).ask(query, server, options, listener);
  }
  close(): void {
    (this.#transport ??= new UdpTransport(this.clock, this.random)).close();
  }

  #make(): NativeUdpTransport | UdpTransport {
    if (nativeIsWanted()) {
      try {
        return new NativeUdpTransport(this.clock, this.local);
      } catch {
        // Node's sockets may still be had, and say what is wrong where not.
      }
    }
    return new UdpTransport(this.clock, this.random, this.local);
  }
}
