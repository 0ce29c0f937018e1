// The server: one cache, the UDP plane or dgram listeners, TCP listeners, the resolver; their life from listening to
// drained.
import { BlockList } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { formatSocketAddress, parsePrefix, parseSocketAddress, type SocketAddress } from '../base/address.js';
import { type Clock, systemClock } from '../base/clock.js';
import { ShardnsError, show } from '../base/errors.js';
import { type Logger, rateLimited, silentLogger } from '../base/log.js';
import { type Random, systemRandom } from '../base/random.js';
import type { DnsCache } from '../cache/dns-cache.js';
import { Engine } from '../cache/engine.js';
import type { Hooks } from '../resolve/hooks.js';
import { ClientTenants } from '../resolve/client-tenants.js';
import { type Forgotten, type Resolution, Resolver } from '../resolve/resolver.js';
import type { Recursor } from '../resolve/recurse/recursor.js';
import { warm, type WarmName, type WarmOptions, type WarmProgress } from '../resolve/warm.js';
import { TcpTransport } from '../transport/tcp.js';
import type { Transport } from '../transport/transport.js';
import { UdpTransport } from '../transport/udp.js';
import { Exchanger } from '../upstream/exchange.js';
import { Upstream } from '../upstream/upstream.js';
import { encodeName, foldName } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import { Answerer } from './answerer.js';
import { configurationOf } from './configuration.js';
import {
  changedLocalNames,
  groupsOf,
  readOptions,
  sortsClients,
  type ServerOptions,
  type ServerSettings,
  threadsOf,
  workersOf,
} from './options.js';
import { Snapshots } from './snapshots.js';
import { TcpListener } from './tcp-listener.js';
import { Recursion } from './recursion.js';
import { exchangerOptionsOf, regionOf, resolverOptionsOf, tunablesOf, viewsOf } from './tunables.js';
import { UdpListener } from './udp-listener.js';
import { UdpPlane } from './udp-plane.js';

/** What tests and embedders put in place of the real thing. */
export interface ServerDependencies {
  clock?: Clock;
  random?: Random;
  log?: Logger;
  /**
   * A cache of one's own, shared with other threads perhaps; it outlives the server. Its memory, policy and shards are
   * its own; lifetimes, stale answers and prefetch follow the server's options.
   */
  cache?: DnsCache;
  udpTransport?: Transport;
  tcpTransport?: Transport;
}

/** Told of changes, by those above that live and end with the server. */
export interface ServerObserver {
  /** New settings are valid and about to take effect; an error keeps the old ones. */
  updating?(settings: ServerSettings): Promise<void>;
  closed?(): void;
}

export class Server implements AsyncDisposable {
  readonly engine: Engine;
  readonly resolver: Resolver;
  readonly exchanger: Exchanger;
  readonly answerer: Answerer;
  readonly udpTransport: Transport;
  readonly tcpTransport: Transport;
  plane: UdpPlane | undefined;
  udpListeners: UdpListener[] = [];
  tcpListeners: TcpListener[] = [];
  #options: ServerOptions;
  #settings: ServerSettings;
  #upstreams = new Map<string, Upstream>();
  readonly snapshots: Snapshots;
  readonly #ownsEngine: boolean;
  readonly #sharesEngine: boolean;
  readonly #clock: Clock;
  readonly recursion: Recursion;
  readonly #log: Logger;
  readonly #observers: ServerObserver[] = [];
  #state: 'new' | 'listening' | 'draining' | 'closed' = 'new';
  readonly #onExit = (): void => this.plane?.close();

  constructor(options: ServerOptions, hooks: Hooks, dependencies: ServerDependencies) {
    this.#options = structuredClone(options);
    this.#settings = readOptions(options);
    const settings = this.#settings;
    this.#clock = dependencies.clock ?? systemClock;
    const random = dependencies.random ?? systemRandom;
    this.#log = rateLimited(dependencies.log ?? silentLogger, this.#clock);
    this.#ownsEngine = dependencies.cache === undefined;
    this.engine = dependencies.cache?.engine ?? new Engine(regionOf(settings, random));
    // Memory of its own is nobody else's: there what changes is forgotten by name.
    this.#sharesEngine = !this.#ownsEngine || settings.cache.file !== undefined;
    if (this.#sharesEngine) this.engine.declare(this, configurationOf(settings));
    this.engine.configure(tunablesOf(settings));
    this.udpTransport = dependencies.udpTransport ?? new UdpTransport(this.#clock, random);
    this.tcpTransport = dependencies.tcpTransport ?? new TcpTransport(this.#clock, random);
    this.exchanger = new Exchanger(
      this.udpTransport,
      this.tcpTransport,
      this.#clock,
      random,
      exchangerOptionsOf(settings),
    );
    this.resolver = new Resolver(
      this.engine,
      this.exchanger,
      this.#clock,
      this.#log,
      hooks,
      this.#makeGroups(settings),
      resolverOptionsOf(settings),
    );
    this.recursion = new Recursion(this.resolver, this.exchanger, {
      clock: this.#clock,
      random,
      log: this.#log,
      // Transports of the embedder's own cannot go to other threads.
      threads: dependencies.udpTransport === undefined && dependencies.tcpTransport === undefined,
    });
    this.recursion.apply(settings);
    this.snapshots = new Snapshots(this.engine, this.#clock, this.#log);
    this.answerer = new Answerer(this.engine, this.resolver, this.#clock);
    this.#applyAccess(settings);
    this.#applyTenants(settings);
  }

  observe(observer: ServerObserver): void {
    this.#observers.push(observer);
  }

  /** Where names are resolved from the root, or zones are configured. */
  get recursor(): Recursor | undefined {
    return this.resolver.recursor;
  }

  /** The options in force, every default filled in. */
  get settings(): ServerSettings {
    return this.#settings;
  }
  get upstreams(): Upstream[] {
    return [...this.#upstreams.values()];
  }
  get listening(): boolean {
    return this.#state === 'listening';
  }
  /** Where it answers: the addresses asked for, with the ports that were bound. */
  addresses(): { udp: string[]; tcp: string[] } {
    const at = this.#endpoints(this.#settings);
    const format = (ports: number[]): string[] => ports.map((port, i) => formatSocketAddress({ ...at[i], port }));
    return {
      udp: format(this.plane?.ports ?? this.udpListeners.map(one => one.port)),
      tcp: format(this.tcpListeners.map(one => one.port)),
    };
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address; nothing is left listening then */
  async listen(): Promise<this> {
    if (this.#state !== 'new')
      throw new ShardnsError('ERR_SHARDNS_CLOSED', `listen() on a server that is ${this.#state}`);
    const { snapshot } = this.#settings;
    try {
      await this.snapshots.load(snapshot);
      // What comes from before the start was told by the settings of then.
      if (snapshot !== undefined || this.#settings.cache.file !== undefined)
        this.#forgetLocal(undefined, this.#settings);
      await this.#openListeners(this.#settings);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#state = 'listening';
    this.snapshots.use(snapshot);
    process.on('exit', this.#onExit);
    return this;
  }

  /**
   * Changes options while serving; those not named stay. Everything is validated before anything changes.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION; the server goes on as it was
   */
  async update(changes: ServerOptions): Promise<void> {
    await this.replace(merge(this.#options, changes) as ServerOptions);
  }

  /** The same with a whole set of options, as read from a file again. */
  async replace(options: ServerOptions): Promise<void> {
    if (this.#state === 'closed' || this.#state === 'draining') {
      throw new ShardnsError('ERR_SHARDNS_CLOSED', `update() on a server that is ${this.#state}`);
    }
    const before = this.#settings;
    const settings = readOptions(options);
    for (const key of ['memory', 'file', 'policy', 'shards', 'averageEntryBytes'] as const) {
      fixed(`cache.${key}`, before.cache[key], settings.cache[key]);
    }
    if (this.recursor !== undefined) {
      fixed('resolver.workers', workersOf(before), workersOf(settings));
      fixed('cache.rrsetMemory', before.cache.rrsetMemory, settings.cache.rrsetMemory);
    }
    if (this.#sharesEngine) this.engine.mayDeclare(this, configurationOf(settings));
    const listenerKeys = ['listen', 'udp', 'threads', 'pin', 'missRing', 'receiveBufferBytes', 'tenants'] as const;
    const viewsChange = !isDeepStrictEqual(settings.views, before.views);
    const relisten =
      this.#state === 'listening' &&
      (listenerKeys.some(key => !isDeepStrictEqual(settings[key], before[key])) ||
        settings.tcp.enabled !== before.tcp.enabled ||
        sortsClients(settings) !== sortsClients(before));
    for (const observer of this.#observers) await observer.updating?.(settings);
    if (relisten) await this.#relisten(settings, before);
    this.#options = structuredClone(options);
    this.#settings = settings;
    if (this.#sharesEngine) this.engine.declare(this, configurationOf(settings));
    this.engine.configure(tunablesOf(settings));
    if (this.#state === 'listening' && !isDeepStrictEqual(settings.snapshot, before.snapshot)) {
      this.snapshots.use(settings.snapshot);
    }
    this.resolver.options = resolverOptionsOf(settings);
    this.resolver.groups = this.#makeGroups(settings);
    this.exchanger.options = exchangerOptionsOf(settings);
    this.recursion.apply(settings);
    for (const listener of this.tcpListeners) Object.assign(listener.options, settings.tcp);
    this.#applyAccess(settings);
    if (viewsChange && !relisten) this.#applyTenants(settings);
    this.#forgetLocal(before, settings);
  }

  /** What was told by other settings, for as long as its TTLs last, is told no more. */
  #forgetLocal(before: ServerSettings | undefined, settings: ServerSettings): void {
    if (!isDeepStrictEqual(before?.views, settings.views)) {
      const tags = Math.max(settings.views.length, before?.views.length ?? 0);
      for (let tag = 1; tag <= tags; tag++) this.engine.invalidate({ tenant: tag });
    }
    const changed = changedLocalNames(before, settings);
    const forget = (what: Forgotten): void => {
      this.resolver.forget(what);
      this.engine.invalidate(what);
    };
    if (changed === 'all') forget('all');
    else for (const name of changed) forget({ suffix: foldName(encodeName(name)) });
  }

  /** Forgets names, subtrees, tenants or everything, at once and in O(1). */
  invalidate(what: { name: string } | { suffix: string } | { tenant: number } | 'all'): void {
    if (what === 'all' || 'tenant' in what) {
      this.resolver.forget(what);
      this.engine.invalidate(what);
      if (what === 'all') this.recursion.forget();
    } else if ('name' in what) {
      const name = foldName(encodeName(what.name));
      this.resolver.forget({ name });
      this.engine.invalidate({ name });
      this.recursor?.rrsets.forgetName(name);
    } else {
      const suffix = foldName(encodeName(what.suffix));
      this.resolver.forget({ suffix });
      this.engine.invalidate({ suffix });
      // Its entries have no order by suffix.
      this.recursion.forget();
    }
  }

  /**
   * Asks for names ahead of time, at a bounded rate: `['example.com', 'example.com MX', { name, type }]`, or what
   * {@link topNames} finds in a log. Hooks see these questions as internal ones.
   */
  warm(names: Iterable<WarmName>, options: WarmOptions = {}): Promise<WarmProgress> {
    const ask = (query: Query): Promise<Resolution> =>
      this.listening
        ? this.resolver.resolve(query, { protocol: 'internal' })
        : Promise.reject(new ShardnsError('ERR_SHARDNS_CLOSED', `warm() on a server that is ${this.#state}`));
    return warm(ask, names, options, this.#clock);
  }

  /** Asks `onQuery` anew which tenant each client belongs to. */
  forgetClients(): void {
    this.resolver.tenants?.forget();
  }

  /** Stops receiving, answers what is under way (at most `timeoutMs`), closes. */
  async drain(timeoutMs = 10_000): Promise<void> {
    if (this.#state !== 'listening') return this.close();
    this.#state = 'draining';
    this.plane?.stopReceiving();
    for (const listener of this.udpListeners) listener.stopReceiving();
    for (const listener of this.tcpListeners) listener.stopAccepting();
    await this.#quiet(() => this.#underWay() === 0 && this.plane?.receiving !== true, timeoutMs);
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const served = this.#state !== 'new';
    this.#state = 'closed';
    for (const observer of this.#observers) observer.closed?.();
    process.off('exit', this.#onExit);
    this.resolver.close();
    this.#closeListeners();
    this.udpTransport.close();
    this.tcpTransport.close();
    // Whoever still waits for a flight is told before the cache goes.
    await new Promise(resolve => setImmediate(resolve));
    if (served) await this.snapshots.end();
    await this.recursion.close();
    this.engine.release(this);
    if (this.#ownsEngine) this.engine.close();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  #underWay(): number {
    return [this.plane, ...this.udpListeners, ...this.tcpListeners].reduce((sum, one) => sum + (one?.underWay ?? 0), 0);
  }

  /** Waits until `done`, asking every few milliseconds: what it waits for ends on native threads. */
  async #quiet(done: () => boolean, timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs;
    let calm = 0;
    while (performance.now() < until) {
      // Twice in a row: a wake-up may be on its way from a receiver that has just ended.
      calm = done() ? calm + 1 : 0;
      if (calm > 2) return;
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  #endpoints(settings: ServerSettings): SocketAddress[] {
    return settings.listen.map((text, i) => parseSocketAddress(text, `listen[${i}]`));
  }

  /** Port 0 is bound for UDP first; TCP must have the same one, which somebody else may hold: then another is drawn. */
  async #openListeners(settings: ServerSettings): Promise<void> {
    const anyPort = this.#endpoints(settings).some(at => at.port === 0);
    for (let tries = anyPort ? 8 : 1; ; tries--) {
      try {
        await this.#tryOpenListeners(settings);
        return;
      } catch (error) {
        const cause = (error as Error).cause as { code?: string } | undefined;
        if (tries <= 1 || cause?.code !== 'EADDRINUSE') throw error;
        this.#closeListeners();
      }
    }
  }

  async #tryOpenListeners(settings: ServerSettings): Promise<void> {
    const endpoints = this.#endpoints(settings);
    if (settings.udp === 'native') {
      this.plane = new UdpPlane(this.engine, endpoints, this.resolver, this.#clock, {
        threads: threadsOf(settings),
        pin: settings.pin,
        ...settings.missRing,
        tenantClients: settings.tenants.enabled ? settings.tenants.clients : 0,
        receiveBufferBytes: settings.receiveBufferBytes,
      });
    } else {
      for (const at of endpoints) {
        const listener = new UdpListener(at, this.answerer, settings.missRing.waiters, settings.receiveBufferBytes);
        await listener.listen();
        this.udpListeners.push(listener);
      }
    }
    const udpPorts = this.plane?.ports ?? this.udpListeners.map(one => one.port);
    if (settings.tcp.enabled) {
      for (const [i, at] of endpoints.entries()) {
        const listener = new TcpListener(at, this.answerer, this.#clock, { ...settings.tcp });
        // Port 0: the one that UDP was given, so that truncation leads to the right place.
        await listener.listen(udpPorts[i]);
        this.tcpListeners.push(listener);
      }
    }
    this.#applyAccess(settings);
    this.#applyTenants(settings);
    this.plane?.start();
  }

  #closeListeners(): void {
    this.plane?.close();
    this.plane = undefined;
    for (const listener of [...this.udpListeners, ...this.tcpListeners]) listener.close();
    this.udpListeners = [];
    this.tcpListeners = [];
  }

  /** Other addresses or threads: the old listeners finish what they have, then the new ones take over. */
  async #relisten(settings: ServerSettings, before: ServerSettings): Promise<void> {
    this.plane?.stopReceiving();
    for (const listener of this.udpListeners) listener.stopReceiving();
    for (const listener of this.tcpListeners) listener.stopAccepting();
    await this.#quiet(() => this.#underWay() === 0 && this.plane?.receiving !== true, 5000);
    this.#closeListeners();
    await new Promise(resolve => setImmediate(resolve));
    try {
      await this.#openListeners(settings);
    } catch (error) {
      this.#closeListeners();
      await this.#openListeners(before);
      throw error;
    }
  }

  #applyAccess(settings: ServerSettings): void {
    const prefixes = settings.allow.map((text, i) => parsePrefix(text, `allow[${i}]`));
    if (prefixes.length === 0) {
      this.answerer.access = undefined;
    } else {
      const list = new BlockList();
      for (const [i, { family, bits }] of prefixes.entries()) {
        list.addSubnet(settings.allow[i].split('/')[0], bits, family === 6 ? 'ipv6' : 'ipv4');
      }
      this.answerer.access = list;
    }
    this.plane?.setAccess(prefixes);
  }

  /** New listeners know nobody: clients are asked about again. */
  #applyTenants(settings: ServerSettings): void {
    this.plane?.forgetTenants();
    const { clients, seconds } = settings.tenants;
    const views = viewsOf(settings);
    if (views !== undefined) this.plane?.setViews(views.prefixes);
    this.resolver.tenants = sortsClients(settings)
      ? new ClientTenants(this.#clock, clients, seconds, views)
      : undefined;
    if (this.resolver.tenants !== undefined) this.resolver.tenants.sink = this.plane;
  }

  /** Servers that stay keep what is known of them. */
  #makeGroups(settings: ServerSettings): Map<string, Upstream[]> {
    const known = this.#upstreams;
    const next = new Map<string, Upstream>();
    const groups = new Map<string, Upstream[]>();
    for (const [name, addresses] of Object.entries(groupsOf(settings))) {
      groups.set(
        name,
        addresses.map((text, i) => {
          const at = parseSocketAddress(text, `upstreams.${name}[${i}]`, 53);
          const label = formatSocketAddress(at);
          const upstream = next.get(label) ?? known.get(label) ?? new Upstream(at, this.#clock);
          next.set(label, upstream);
          return upstream;
        }),
      );
    }
    this.#upstreams = next;
    return groups;
  }
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION for an option that cannot change while what it made lives */
function fixed(option: string, before: unknown, wanted: unknown): void {
  if (before === wanted) return;
  throw new ShardnsError(
    'ERR_SHARDNS_OPTION',
    `${option}: cannot change while the server lives (${show(before)} to ${show(wanted)}): restart with it`,
  );
}

/** Plain objects are merged, everything else is replaced. */
function merge(base: unknown, changes: unknown): unknown {
  if (!isPlain(base) || !isPlain(changes)) return changes === undefined ? base : changes;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(changes)) merged[key] = merge(merged[key], value);
  return merged;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
