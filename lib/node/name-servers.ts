// The name servers that the program asks, and what asks them: made anew for other servers, over the same transports. Servers
// that stay keep what is known of them.
//
// Bounds: `maxFlights` questions under way; nothing waits here.
import type { Clock } from '../base/clock.js';
import { silentLogger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { ConnectRedis } from '../cache/answers/make-answers.js';
import type { Engine } from '../cache/engine.js';
import { LocalAnswers } from '../resolve/local-answers.js';
import { NO_LOCAL_DATA } from '../resolve/local-data.js';
import { LocalZones } from '../resolve/local-zones.js';
import type { Forgotten } from '../cache/forgotten.js';
import type { ResolverOptions } from '../resolve/context.js';
import { Resolver } from '../resolve/resolver.js';
import type { Transport } from '../transport/transport.js';
import { Exchanger, type ExchangerOptions } from '../upstream/exchange.js';
import { type EncryptedScheme, routesOf, type Scheme } from '../upstream/route.js';
import { labelOf, Upstream } from '../upstream/upstream.js';
import type { LookupSettings } from './options.js';
import { parseServer } from './server-place.js';
import type { Sharing } from './sharing.js';
import { readSharing, type SharingOptions } from './sharing-options.js';
import type { Validating } from './validating.js';

/** Octets of a response over UDP: RFC 9715 section 3.1. */
export const UDP_SIZE = 1232;

export interface NameServersParts {
  readonly engine: Engine;
  readonly udp: Transport;
  readonly tcp: Transport;
  readonly encrypted: Readonly<Record<EncryptedScheme, Transport>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: LookupSettings;
  readonly maxFlights: number;
  /** Nobody else has the engine. */
  readonly ownsCache: boolean;
  /** In the place of @redis/client. */
  readonly connectRedis?: ConnectRedis | undefined;
}

export interface Asking {
  readonly upstreams: readonly Upstream[];
  readonly exchanger: Exchanger;
  readonly resolver: Resolver;
}

export class NameServers {
  /** By their labels. */
  readonly #upstreams = new Map<string, Upstream>();
  #resolver: Resolver | undefined;
  #validating: Validating | undefined;
  #sharing: Sharing | undefined;
  #closed = false;

  constructor(private readonly parts: NameServersParts) {
    // Lookups need no Redis, and nobody waits for one: until it is there, servers are asked.
    if (parts.settings.secondLevel !== undefined) void this.#share(parts.settings.secondLevel);
  }

  async #share(options: SharingOptions): Promise<void> {
    try {
      const { Sharing } = await import('./sharing.js');
      if (this.#closed) return;
      const { clock, random, connectRedis: connect, settings, ownsCache } = this.parts;
      const { staleSeconds } = settings;
      const forget = (what: Forgotten): void => this.#resolver?.forget(what);
      this.#sharing = new Sharing({ clock, random, connect, staleSeconds, ownsCache, forget }, readSharing(options));
      if (this.#resolver !== undefined) this.#resolver.level = this.#sharing.answers;
    } catch (error) {
      process.emitWarning(`secondLevel: ${(error as Error).message}`, 'ShardnsWarning');
    }
  }

  /** From now on these are asked, in this order. */
  use(servers: readonly string[], overTcp: boolean): Asking {
    const { engine, udp, tcp, encrypted, clock, random, settings, maxFlights } = this.parts;
    const plain: Scheme = overTcp ? 'tcp' : 'udp';
    const group = servers.map(text => {
      const { at, scheme = plain } = parseServer(text, 'servers');
      const upstream = this.#upstreams.get(labelOf(at, scheme)) ?? new Upstream(at, clock, scheme);
      this.#upstreams.set(upstream.label, upstream);
      return upstream;
    });
    for (const [label, upstream] of this.#upstreams) if (!group.includes(upstream)) this.#upstreams.delete(label);
    const { letterCase } = settings;
    // Its bounds are out of reach: what waits does so before it is asked.
    const limits: ExchangerOptions = {
      deadlineMs: 5000,
      hedge: true,
      maxInFlight: 2 * maxFlights,
      maxTotal: 2 * maxFlights,
      letterCase,
    };
    const exchanger = new Exchanger({ routes: routesOf(udp, tcp, encrypted), clock, random, options: limits });
    const groups = new Map([['default', group]]);
    const options: ResolverOptions = {
      local: new LocalAnswers(new LocalZones('program'), NO_LOCAL_DATA, []),
      any: 'one',
      identity: {},
      forwardClientSubnet: false,
      upstreamUdpSize: UDP_SIZE,
      staleEnabled: settings.staleSeconds > 0 && settings.secure === undefined,
      staleTtlSeconds: 30, // RFC 8767 section 4
      staleForBogus: false,
      staleClientTimeoutMs: 1800, // RFC 8767 section 5
      staleRetrySeconds: 30,
      failureFirstSeconds: 1, // RFC 9520 section 3.2: at least 1 s
      failureMaxSeconds: 30,
      prefetchPerSecond: 100,
      flights: { most: maxFlights, room: maxFlights, share: maxFlights }, // they are all the program's own
      // Servers that deny AAAA of names with an A are about (RFC 4074 section 4.2), and lookups ask for both.
      denials: 'type',
    };
    const resolver = new Resolver({ engine, exchanger, clock, log: silentLogger, hooks: {}, groups, options });
    this.#resolver = resolver;
    this.#applyValidating();
    resolver.level = this.#sharing?.answers;
    return { upstreams: group, exchanger, resolver };
  }

  /** From now on everything is resolved by it, whoever is asked. */
  set validating(validating: Validating) {
    this.#validating = validating;
    this.#applyValidating();
  }
  #applyValidating(): void {
    if (this.#resolver === undefined) return;
    this.#resolver.recursor = this.#validating?.recursor;
    this.#resolver.pool = this.#validating;
  }

  /** Its transports end with it. */
  close(): void {
    this.#closed = true;
    this.#sharing?.close();
    const { udp, tcp, encrypted } = this.parts;
    for (const transport of [udp, tcp, encrypted.tls, encrypted.https]) transport.close();
  }
}
