// DNS over UDP on all addresses of the machine with Node's sockets: one socket for each address, so that a reply comes from
// the address that was asked (RFC 2181 section 4.1). Addresses that appear are listened on and those that go are left:
// the machine's interfaces are looked at every five seconds. Of 127.0.0.0/8 only the addresses that an interface has.
//
// Bounds: MAX_ADDRESSES sockets, each with the queries under way of its own (UdpListener).
import { networkInterfaces } from 'node:os';
import { formatSocketAddress, type SocketAddress } from '../../base/address.js';
import type { Clock, Timer } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import type { Logger } from '../../base/log.js';
import type { Answerer } from '../answerer.js';
import type { DatagramStats, Listener } from './listener.js';
import { UdpListener, type UdpListenerOptions } from './udp-listener.js';

const LOOK_EVERY_MS = 5000;
const MAX_ADDRESSES = 256;

/** The part of `os.networkInterfaces()` that is looked at. */
export type Interfaces = () => ReturnType<typeof networkInterfaces>;

/** Numeric addresses of the machine; link-local ones with their interface, without which they cannot be bound. */
export function localAddresses(interfaces: Interfaces, family: 4 | 6): string[] {
  const found = new Set<string>();
  for (const [name, list] of Object.entries(interfaces())) {
    for (const one of list ?? []) {
      if ((one.family === 'IPv6' ? 6 : 4) !== family) continue;
      found.add(family === 6 && /^fe[89ab]/i.test(one.address) ? `${one.address}%${name}` : one.address);
    }
  }
  return [...found];
}

export class WildcardListener implements Listener {
  readonly protocol = 'udp';
  readonly #listeners = new Map<string, UdpListener>();
  /** Addresses that could not be bound; said once. */
  readonly #refused = new Set<string>();
  readonly #gone: DatagramStats = { sent: 0, sendFailed: 0, dropped: 0, full: 0 };
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #receiving = true;
  #closed = false;
  port = 0;

  constructor(
    readonly at: SocketAddress,
    private readonly answerer: Answerer,
    private readonly options: UdpListenerOptions,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly interfaces: Interfaces = networkInterfaces,
  ) {}

  /** The wildcard, as it was asked for. */
  get bound(): readonly SocketAddress[] {
    return [{ ...this.at, port: this.port }];
  }
  get underWay(): number {
    let sum = 0;
    for (const listener of this.#listeners.values()) sum += listener.underWay;
    return sum;
  }
  /** Of the addresses that are listened on, and of those that are gone. */
  get stats(): DatagramStats {
    const sum = { ...this.#gone };
    for (const { stats } of this.#listeners.values()) add(sum, stats);
    return sum;
  }
  /** The addresses that are listened on. */
  get addresses(): string[] {
    return [...this.#listeners.keys()];
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN when an address cannot be bound, or there is none */
  async listen(): Promise<void> {
    this.port = this.at.port;
    for (const address of this.#wanted()) {
      try {
        await this.#open(address);
      } catch (error) {
        // Gone since, or not known to be unique yet: taken up when it can be.
        if (((error as Error).cause as { code?: string }).code !== 'EADDRNOTAVAIL') throw error;
        continue;
      }
      this.port = this.#listeners.get(address)?.port ?? this.port;
    }
    if (this.#listeners.size === 0) {
      const where = formatSocketAddress(this.at);
      const reason = `the machine has no IPv${this.at.family} address`;
      throw new ShardnsError('ERR_SHARDNS_LISTEN', `cannot listen on ${where} (UDP): ${reason}`, {
        cause: Object.assign(new Error(reason), { code: 'EADDRNOTAVAIL' }),
      });
    }
    this.#lookLater();
  }

  stop(): void {
    this.#receiving = false;
    for (const listener of this.#listeners.values()) listener.stop();
  }
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
  }

  /** Looks at the interfaces now; what the timer does. */
  look(): Promise<void> {
    return (this.#looking = this.#looking.then(() => this.#look()));
  }

  #lookLater(): void {
    this.#timer = this.clock.after(LOOK_EVERY_MS, () => void this.look().then(() => this.#closed || this.#lookLater()));
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    if (this.#closed || !this.#receiving) return;
    let wanted: string[];
    try {
      wanted = this.#wanted();
    } catch {
      return; // the kernel would not say just now
    }
    for (const [address, listener] of this.#listeners) {
      if (wanted.includes(address)) continue;
      this.#listeners.delete(address);
      add(this.#gone, listener.stats);
      listener.close();
      this.log.warn({ address }, 'an address of the machine is gone: no longer listened on');
    }
    for (const address of this.#refused) if (!wanted.includes(address)) this.#refused.delete(address);
    for (const address of wanted) {
      if (this.#listeners.has(address)) continue;
      try {
        await this.#open(address);
        this.#refused.delete(address);
        this.log.warn({ address }, 'the machine has a new address: listened on');
      } catch (error) {
        // A new IPv6 address cannot be bound before it is known to be unique (RFC 4862 section 5.4): tried again.
        if (!this.#refused.has(address)) {
          this.#refused.add(address);
          this.log.warn({ address, reason: (error as Error).message }, 'a new address cannot be listened on yet');
        }
      }
    }
  }

  #wanted(): string[] {
    return localAddresses(this.interfaces, this.at.family).slice(0, MAX_ADDRESSES);
  }

  async #open(address: string): Promise<void> {
    const listener = new UdpListener({ ...this.at, address, port: this.port }, this.answerer, this.options);
    await listener.listen();
    if (this.#closed) listener.close();
    else this.#listeners.set(address, listener);
  }
}

function add(sum: DatagramStats, stats: DatagramStats): void {
  for (const key of Object.keys(sum) as (keyof DatagramStats)[]) sum[key] += stats[key];
}
