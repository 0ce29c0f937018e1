// What is known of the servers of the world: round-trip times, whether they choke on EDNS, and for which zones they are
// of no use (each on the evidence of two questions). Forgotten after 900 s.
//
// Bounds: RECURSION_LIMITS.servers servers, and as many marks of lameness.
import type { SocketAddress } from '../../base/address.js';
import { BoundedMap } from '../../base/bounded-map.js';
import type { Clock } from '../../base/clock.js';
import { Upstream } from '../../upstream/upstream.js';
import { RECURSION_LIMITS as L } from './limits.js';

export class Infrastructure {
  readonly #servers = new BoundedMap<string, { server: Upstream; until: number }>(L.servers);
  readonly #lame = new BoundedMap<string, { until: number; question: string; isSure: boolean }>(L.servers);

  constructor(private readonly clock: Clock) {}

  get size(): number {
    return this.#servers.size;
  }

  server(address: string, family: 4 | 6, port: number): Upstream {
    const key = `${address} ${port}`;
    const now = this.clock.nowMs();
    const known = this.#servers.get(key);
    if (known !== undefined && (known.until > now || known.server.inFlight > 0)) return known.server;
    const at: SocketAddress = { address, port, family };
    const server = new Upstream(at, this.clock);
    this.#servers.set(key, { server, until: now + L.serverMs });
    return server;
  }

  /**
   * A server that has not the zone that it was said to have. It is asked last from the second question on: one response
   * may be a forged one.
   */
  markLame(server: Upstream, zone: string, question: string): void {
    const key = `${server.label} ${zone}`;
    const now = this.clock.nowMs();
    const before = this.#lame.get(key);
    const isSure = before !== undefined && before.until > now && (before.isSure || before.question !== question);
    this.#lame.set(key, { until: now + L.serverMs, question, isSure });
  }
  isLame(server: Upstream, zone: string): boolean {
    if (this.#lame.size === 0) return false;
    const mark = this.#lame.get(`${server.label} ${zone}`);
    return mark !== undefined && mark.isSure && mark.until > this.clock.nowMs();
  }

  clear(): void {
    this.#servers.clear();
    this.#lame.clear();
  }
}
