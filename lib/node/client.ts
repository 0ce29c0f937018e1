// Questions of the program itself: hosts file and resolv.conf, the cache, and the slow path behind it. A hit is answered
// in the caller's turn; whoever asks decides when to call back.
//
// Bounds: the cache's memory; 1024 questions under way, beyond which they fail at once; 1024 answers of the last second
// in the form that callers get.
import { parseSocketAddress } from '../base/address.js';
import { BoundedMap } from '../base/bounded-map.js';
import { type Clock, systemClock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { silentLogger } from '../base/log.js';
import { parseMemory } from '../base/memory.js';
import { type Random, systemRandom } from '../base/random.js';
import { WatchedFile } from '../base/watched-file.js';
import type { DnsCache } from '../cache/dns-cache.js';
import { Engine, PLAIN_TUNABLES } from '../cache/engine.js';
import type { Tunables } from '../native/binding.js';
import { LocalAnswers } from '../resolve/local-answers.js';
import { NO_LOCAL_DATA } from '../resolve/local-data.js';
import { LocalZones } from '../resolve/local-zones.js';
import { type Resolution, Resolver } from '../resolve/resolver.js';
import { warm, type WarmName, type WarmOptions, type WarmProgress } from '../resolve/warm.js';
import { TcpTransport } from '../transport/tcp.js';
import type { LocalAddress, Transport } from '../transport/transport.js';
import { UdpTransport } from '../transport/udp.js';
import { Exchanger } from '../upstream/exchange.js';
import { parseResolvConf, type ResolvConf } from '../upstream/resolv-conf.js';
import { Upstream } from '../upstream/upstream.js';
import { ExtendedError, HEADER_SIZE, Rcode, Type, typeName } from '../wire/iana.js';
import { encodeNameInto } from '../wire/name.js';
import { Query } from '../wire/query.js';
import { LocalAddresses } from './address-order.js';
import { type FailureCode, QueryFailure } from './errors.js';
import { type Hosts, parseHosts } from './hosts.js';
import { type LookupOptions, type LookupSettings, readLookupOptions } from './options.js';
import { queryChannel } from './telemetry.js';

const MAX_UNDER_WAY = 1024;
const MAX_DECODED = 1024;
const NO_CONF = parseResolvConf('');

export interface ClientDependencies {
  clock?: Clock;
  random?: Random;
  /** A cache of one's own, shared with other threads perhaps; it keeps its options and outlives the client. */
  cache?: DnsCache;
  udpTransport?: Transport;
  tcpTransport?: Transport;
  /** The machine's own addresses. */
  interfaces?: () => string[];
  /** Which of them to ask from. */
  localAddress?: LocalAddress;
}

/** Takes what it needs from the first `length` octets, and keeps none of them. */
export type ReadReply<T> = (reply: Uint8Array, length: number) => T;

export class DnsClient implements Disposable {
  readonly settings: LookupSettings;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly local: LocalAddresses;
  readonly #ownsEngine: boolean;
  readonly #resolver: Resolver;
  readonly #exchanger: Exchanger;
  readonly #udp: Transport;
  readonly #tcp: Transport;
  readonly #hosts: WatchedFile<Hosts> | undefined;
  readonly #conf: WatchedFile<ResolvConf> | undefined;
  readonly #upstreams = new Map<string, Upstream>();
  /** Answers that lookups have just taken apart; see lookup.ts. */
  readonly decoded = new BoundedMap<string, object>(MAX_DECODED);
  #servers: readonly string[] | undefined;
  /** What groups and limits were last made of. */
  #groupsOf: unknown;
  #confOf: unknown;
  #underWay = 0;
  #alive: NodeJS.Timeout | undefined;
  #closed = false;

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MEMORY */
  constructor(options: LookupOptions = {}, dependencies: ClientDependencies = {}) {
    this.settings = readLookupOptions(options);
    this.clock = dependencies.clock ?? systemClock;
    this.random = dependencies.random ?? systemRandom;
    this.local = new LocalAddresses(this.clock, dependencies.interfaces);
    const { settings, clock, random } = this;
    this.#servers = settings.servers;
    if (settings.hostsFile !== false) this.#hosts = new WatchedFile(settings.hostsFile, parseHosts, clock);
    if (settings.resolvConf !== false) this.#conf = new WatchedFile(settings.resolvConf, parseResolvConf, clock);
    this.#ownsEngine = dependencies.cache === undefined;
    this.engine =
      dependencies.cache?.engine ??
      new Engine({
        memoryBytes: parseMemory(settings.memory)!,
        shards: 0,
        policy: 's3fifo',
        averageEntryBytes: 184,
        random,
      });
    // A cache of somebody else's keeps the lifetimes it was given.
    if (this.#ownsEngine) this.engine.configure(tunablesOf(settings));
    this.#udp = dependencies.udpTransport ?? new UdpTransport(clock, random, dependencies.localAddress);
    this.#tcp = dependencies.tcpTransport ?? new TcpTransport(clock, random, dependencies.localAddress);
    this.#exchanger = new Exchanger(this.#udp, this.#tcp, clock, random, {
      deadlineMs: 5000,
      hedge: true,
      maxInFlight: 512,
      maxTotal: MAX_UNDER_WAY,
      letterCase: settings.letterCase,
    });
    this.#resolver = new Resolver(this.engine, this.#exchanger, clock, silentLogger, {}, new Map(), {
      local: new LocalAnswers(new LocalZones('program'), NO_LOCAL_DATA, undefined),
      hasViews: false,
      identity: {},
      forwardClientSubnet: false,
      upstreamUdpSize: 1232, // RFC 9715 section 3.1
      staleEnabled: settings.staleSeconds > 0,
      staleTtlSeconds: 30, // RFC 8767 section 4
      staleClientTimeoutMs: 1800, // RFC 8767 section 5
      staleRetrySeconds: 30,
      failureFirstSeconds: 1, // RFC 9520 section 3.2: at least 1 s
      failureMaxSeconds: 30,
      prefetchPerSecond: 100,
      maxFlights: MAX_UNDER_WAY,
      clientFlights: MAX_UNDER_WAY, // they are all the program's own
      // Servers that deny AAAA of names with an A are about (RFC 4074 section 4.2), and lookups ask for both.
      denials: 'type',
    });
  }

  get hosts(): Hosts | undefined {
    return this.#hosts?.value;
  }
  get conf(): ResolvConf {
    return this.#conf?.value ?? NO_CONF;
  }
  /** Questions under way. */
  get underWay(): number {
    return this.#underWay;
  }
  get servers(): readonly string[] {
    return this.#servers ?? this.conf.servers;
  }

  /**
   * Asks for the records of `name`. `read` gets the reply's octets, which are good until it returns; a hit calls it at
   * once, a miss later.
   * @throws {ShardnsError} ERR_SHARDNS_MESSAGE when `name` cannot be a domain name
   * @throws {QueryFailure} rejected, or thrown by a remembered failure: no answer was to be had
   */
  query<T>(name: string, type: number, read: ReadReply<T>): T | Promise<T> {
    if (this.#closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'a lookup on a client that is closed');
    const { engine } = this;
    const packet = engine.query;
    let end = HEADER_SIZE + encodeNameInto(packet, HEADER_SIZE, name);
    packet.fill(0, 0, HEADER_SIZE);
    packet[2] = 0x01; // RD
    packet[5] = 1;
    packet[end++] = type >> 8;
    packet[end++] = type & 0xff;
    packet[end++] = 0;
    packet[end++] = 1;
    if (type === Type.ANY) return this.#ask(new Query(packet.slice(0, end)), read);
    const length = engine.answerHere(end);
    if (length <= 0) return this.#miss(new Query(packet.slice(0, end)), read);
    const value = readReply(engine.reply, length, read);
    if (engine.refreshDue) this.#refresh(new Query(packet.slice(0, end)));
    return value;
  }

  async #miss<T>(query: Query, read: ReadReply<T>): Promise<T> {
    if (!queryChannel.hasSubscribers) return this.#resolve(query, read);
    return queryChannel.tracePromise(() => this.#resolve(query, read), {
      name: query.nameText,
      type: typeName(query.type),
    });
  }

  async #resolve<T>(query: Query, read: ReadReply<T>): Promise<T> {
    this.#useServers();
    this.#begin();
    let resolution: Resolution;
    try {
      resolution = await this.#resolver.resolve(query, { protocol: 'internal' });
    } finally {
      this.#end();
    }
    if (this.#closed) throw new QueryFailure('ECANCELLED');
    if (resolution.kind === 'error') throw new QueryFailure(failureOf(resolution));
    const length = this.#resolver.finish(query, resolution, false);
    return readReply(this.engine.reply, length, read);
  }

  /** Past the cache, which answers ANY in its own way (RFC 8482). */
  async #ask<T>(query: Query, read: ReadReply<T>): Promise<T> {
    this.#useServers();
    this.#begin();
    try {
      const upstreams = this.#resolver.groups.get('default') ?? [];
      const { response } = await this.#exchanger.exchange(query.message, upstreams, () => true);
      return readReply(response, response.length, read);
    } catch (error) {
      if (error instanceof ShardnsError) {
        throw new QueryFailure(error.code === 'ERR_SHARDNS_TIMEOUT' ? 'ETIMEOUT' : 'ECONNREFUSED');
      }
      throw error;
    } finally {
      this.#end();
    }
  }

  #refresh(query: Query): void {
    this.#useServers();
    this.#resolver.prefetch(query);
  }

  /** Servers that stay keep what is known of them. */
  #useServers(): void {
    const { servers, conf } = this;
    if (servers === this.#groupsOf && conf === this.#confOf) return;
    this.#groupsOf = servers;
    this.#confOf = conf;
    const group = servers.map(text => {
      const at = parseSocketAddress(text, 'servers', 53);
      const upstream = this.#upstreams.get(text) ?? new Upstream(at, this.clock);
      this.#upstreams.set(text, upstream);
      return upstream;
    });
    for (const text of [...this.#upstreams.keys()]) if (!servers.includes(text)) this.#upstreams.delete(text);
    this.#resolver.groups = new Map([['default', group]]);
    const { timeoutMs, attempts, rotate } = conf;
    const deadlineMs = this.settings.timeoutMs ?? Math.min(timeoutMs * attempts, 30_000);
    this.#exchanger.options = { ...this.#exchanger.options, deadlineMs, spread: rotate };
  }

  /** A question under way keeps the process alive; sockets and timers of ours do not. */
  #begin(): void {
    if (this.#underWay++ === 0) this.#alive = setInterval(() => {}, 0x3fff_ffff);
  }
  #end(): void {
    if (--this.#underWay === 0) clearInterval(this.#alive);
  }

  /** Asks for names ahead of time, at a bounded rate: `['example.com', 'example.com MX', { name, type }]`. */
  async warm(names: Iterable<WarmName>, options: WarmOptions = {}): Promise<WarmProgress> {
    if (this.#closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'warm() on a client that is closed');
    this.#useServers();
    this.#begin();
    try {
      const ask = async (query: Query): Promise<Resolution> => {
        if (this.#closed) throw new QueryFailure('ECANCELLED');
        return this.#resolver.resolve(query, { protocol: 'internal' });
      };
      return await warm(ask, names, options, this.clock);
    } finally {
      this.#end();
    }
  }

  /** Forgets every answer; of a cache that is shared, for all who share it. */
  clear(): void {
    this.decoded.clear();
    this.#resolver.forgetUpstreamKnowledge();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.decoded.clear();
    this.#udp.close();
    this.#tcp.close();
    // Whoever still waits is told before the cache goes.
    if (this.#ownsEngine) setImmediate(() => this.engine.close());
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

function tunablesOf(settings: LookupSettings): Tunables {
  const { minTtlSeconds, maxTtlSeconds, negativeMaxTtlSeconds, staleSeconds, rotate } = settings;
  return {
    ...PLAIN_TUNABLES,
    minTtlSeconds,
    maxTtlSeconds,
    negativeMaxTtlSeconds,
    staleWindowSeconds: staleSeconds,
    prefetchShare2: 13,
    prefetchShare3: 26, // a tenth of the lifetime
    rotate: rotate ? 1 : 0,
  };
}

function readReply<T>(reply: Uint8Array, length: number, read: ReadReply<T>): T {
  const rcode = reply[3] & 0x0f;
  if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN) {
    throw new QueryFailure(rcode === Rcode.REFUSED ? 'EREFUSED' : 'ESERVFAIL');
  }
  return read(reply, length);
}

function failureOf({ rcode, extendedError }: { rcode: number; extendedError: number }): FailureCode {
  if (rcode === Rcode.REFUSED) return 'EREFUSED';
  if (extendedError === ExtendedError.noReachableAuthority) return 'ETIMEOUT';
  return extendedError === ExtendedError.networkError ? 'ECONNREFUSED' : 'ESERVFAIL';
}
