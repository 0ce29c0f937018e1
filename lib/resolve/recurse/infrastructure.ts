// What is known of the servers of the world: round-trip times, whether they choke on EDNS, and for which zones they are
// of no use (each on the evidence of two questions). Forgotten after 900 s.
//
// Bounds: RECURSION_LIMITS.servers servers, and as many marks of lameness.
import { BoundedMap } from '../../base/bounded-map.js';
import type { Clock } from '../../base/clock.js';
import type { ServerAddress } from '../../transport/transport.js';
import type { EncryptedScheme } from '../../upstream/route.js';
import { labelOf, Upstream } from '../../upstream/upstream.js';
import { RECURSION_LIMITS as L } from './limits.js';

/** How a server is asked that has to prove who it is; whatever happens it is asked in no other way. */
export interface EncryptedWay extends Pick<ServerAddress, 'tls' | 'path'> {
  readonly scheme: EncryptedScheme;
  readonly port: number;
}

/** A server, until it is forgotten. */
export interface KnownServer {
  readonly server: Upstream;
  readonly port: number;
  readonly way: EncryptedWay | undefined;
  readonly until: number;
  /** Of before or after all was forgotten. */
  readonly generation: number;
}

/** An address, and what was found of it. */
interface Located {
  address: string;
  family: 4 | 6;
  known?: KnownServer;
}

export class Infrastructure {
  readonly #servers = new BoundedMap<string, KnownServer>(L.servers);
  readonly #lame = new BoundedMap<string, { until: number; question: string; isSure: boolean }>(L.servers);
  #generation = 0;

  constructor(private readonly clock: Clock) {}

  get size(): number {
    return this.#servers.size;
  }

  server(address: string, family: 4 | 6, port: number): Upstream {
    return this.#find({ address, family }, port, this.clock.nowMs()).server;
  }

  /** The same for an address that notes what is found, so that it need not be looked for again. */
  serverAt(one: Located, port: number, nowMs: number, way?: EncryptedWay): Upstream {
    const { known } = one;
    const isKnown = known !== undefined && known.until > nowMs && known.port === port && known.way === way;
    if (isKnown && known.generation === this.#generation) return known.server;
    one.known = this.#find(one, port, nowMs, way);
    return one.known.server;
  }

  #find({ address, family }: Located, port: number, nowMs: number, way?: EncryptedWay): KnownServer {
    const at = { address, port, family, ...(way && { tls: way.tls, path: way.path }) };
    const key = way === undefined ? `${address} ${port}` : labelOf(at, way.scheme);
    const before = this.#servers.get(key);
    if (before !== undefined && (before.until > nowMs || before.server.inFlight > 0)) return before;
    const server = new Upstream(at, this.clock, way?.scheme);
    const known: KnownServer = { server, port, way, until: nowMs + L.serverMs, generation: this.#generation };
    this.#servers.set(key, known);
    return known;
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
    this.#generation++;
    this.#servers.clear();
    this.#lame.clear();
  }
}
