// The server: one cache, its listeners, the resolver; their life from listening to drained.
import { isDeepStrictEqual } from 'node:util';
import { formatSocketAddress, parseSocketAddress } from '../base/address.js';
import { type Clock, systemClock } from '../base/clock.js';
import { ShardnsError, show } from '../base/errors.js';
import { having, readFields } from '../base/fields.js';
import { harmless, type Logger, rateLimited, silentLogger } from '../base/log.js';
import { type Random, systemRandom } from '../base/random.js';
import type { DnsCache } from '../cache/dns-cache.js';
import { type Forgotten, readForgotten } from '../cache/forgotten.js';
import { Engine } from '../cache/engine.js';
import { Gate } from '../clients/gate.js';
import { ClientTenants } from '../clients/tenants.js';
import type { Hooks } from '../resolve/hooks.js';
import { partFields } from '../resolve/parts.js';
import { type Resolution, Resolver } from '../resolve/resolver.js';
import type { Recursor } from '../resolve/recurse/recursor.js';
import { warm, type WarmName, type WarmOptions, type WarmProgress } from '../resolve/warm.js';
import { TcpTransport } from '../transport/tcp.js';
import type { Transport } from '../transport/transport.js';
import { SystemUdpTransport } from '../transport/system-udp.js';
import { Exchanger } from '../upstream/exchange.js';
import { Upstream } from '../upstream/upstream.js';
import { encodeName, foldName } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import { parseZoneServer } from '../resolve/recurse/zones.js';
import { Answerer } from './answerer.js';
import { configurationOf, differInRules, rulesNumberOf } from './settings/configuration.js';
import { contradictions } from './settings/contradictions.js';
import { changedLocalNames } from './settings/local.js';
import { groupsOf, exchangerOptionsOf } from './settings/upstreams.js';
import { changedSettings, readOptions, type ServerOptions, type ServerSettings } from './settings/settings.js';
import { gateRulesOf } from './settings/clients.js';
import { chooseSockets, tcpOptionsOf } from './settings/listeners.js';
import { changedZones, workersOf } from './settings/recursion.js';
import { Listeners } from './listeners.js';
import { plainOptions } from './plain-options.js';
import { OwnAddresses } from './own-addresses.js';
import { reportOf, type ServerReport, type ServerState } from './report.js';
import type { Prepared } from './prepared.js';
import { Snapshots } from './snapshots.js';
import type { TcpConnections } from './tcp-connections.js';
import { Recursion } from './recursion.js';
import { regionOf } from './settings/cache.js';
import { resolverOptionsOf, tunablesOf } from './settings/compile.js';
import type { UdpPlane } from './udp-plane.js';

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

const dependencyFields = { ...partFields, log: having<Logger>('debug', 'info', 'warn', 'error').optional() };

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming each part that is not what it should be, or not known */
export function readDependencies(given: unknown): ServerDependencies {
  return readFields(dependencyFields, given, 'dependencies');
}

/** How long clients have to take what was written to them when listeners close. */
const UNREAD_MS = 1000;

/** Told of changes, by those above that live and end with the server. */
export interface ServerObserver {
  /** New settings are valid and about to take effect; an error keeps the old ones. */
  prepare?(settings: ServerSettings): Promise<Prepared>;
  closed?(): void;
}

export class Server implements AsyncDisposable {
  readonly engine: Engine;
  readonly resolver: Resolver;
  readonly exchanger: Exchanger;
  /** Who may ask, and under which tag, on every way in. */
  readonly gate: Gate;
  readonly answerer: Answerer;
  readonly udpTransport: Transport;
  readonly tcpTransport: Transport;
  readonly listeners: Listeners;
  #options: ServerOptions;
  #settings: ServerSettings;
  #upstreams = new Map<string, Upstream>();
  readonly snapshots: Snapshots;
  readonly #ownsEngine: boolean;
  readonly #sharesEngine: boolean;
  readonly #clock: Clock;
  readonly recursion: Recursion;
  readonly #log: Logger;
  /** Whose access, views and tenants are in force. */
  #gated: ServerSettings | undefined;
  readonly #observers: ServerObserver[] = [];
  #state: ServerState = 'new';
  #draining: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  /** Changes of settings, one after another: each begins where the one before has ended. */
  #changing: Promise<unknown> = Promise.resolve();
  readonly #onExit = (): void => this.listeners.plane?.close();

  constructor(options: ServerOptions, hooks: Hooks, dependencies: ServerDependencies) {
    this.#options = plainOptions(options) as ServerOptions;
    this.#settings = readOptions(this.#options);
    const settings = this.#settings;
    this.#clock = dependencies.clock ?? systemClock;
    const random = dependencies.random ?? systemRandom;
    this.#log = rateLimited(harmless(dependencies.log ?? silentLogger), this.#clock);
    this.#ownsEngine = dependencies.cache === undefined;
    this.engine = dependencies.cache?.engine ?? new Engine(regionOf(settings, random, configurationOf(settings)));
    // Memory of its own is nobody else's: there what changes is forgotten by name.
    this.#sharesEngine = !this.#ownsEngine || settings.cache.file !== undefined;
    this.engine.configure(tunablesOf(settings));
    this.udpTransport = dependencies.udpTransport ?? new SystemUdpTransport(this.#clock, random);
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
    this.#begin(settings);
    chooseSockets(this.udpTransport, settings);
    this.snapshots = new Snapshots(this.engine, this.#clock, this.#log, () => rulesNumberOf(this.#settings));
    this.gate = new Gate(random);
    this.answerer = new Answerer(this.engine, this.resolver, this.#clock, this.gate);
    this.listeners = new Listeners(
      this.engine,
      this.gate,
      this.resolver,
      this.answerer,
      this.#clock,
      this.#log,
      settings,
    );
    this.#applyGate(settings);
  }

  /** What can fail of a server that is made: nothing of it is left then, in a cache that others have too least of all. */
  #begin(settings: ServerSettings): void {
    try {
      if (this.#sharesEngine) this.engine.declare(this, configurationOf(settings));
      this.recursion.prepare(settings).commit();
    } catch (error) {
      this.engine.release(this);
      if (this.#ownsEngine) this.engine.close();
      throw error;
    }
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
  /** What it has done and has under way. */
  report(): ServerReport {
    const { engine, gate, resolver, exchanger, answerer, listeners, snapshots, recursion, upstreams } = this;
    const parts = { engine, gate, resolver, exchanger, answerer, listeners, snapshots, recursion, upstreams };
    const { udpTransport, tcpTransport } = this;
    return reportOf({ ...parts, udpTransport, tcpTransport, state: this.#state, clock: this.#clock });
  }
  /** Where it answers: the addresses asked for, with the ports that were bound. */
  addresses(): { udp: string[]; tcp: string[] } {
    return this.listeners.addresses;
  }
  get plane(): UdpPlane | undefined {
    return this.listeners.plane;
  }
  get tcpConnections(): TcpConnections {
    return this.listeners.tcpConnections;
  }

  /**
   * Once. A server that could not listen, or was closed meanwhile, is closed.
   * @throws {ShardnsError} ERR_SHARDNS_LISTEN naming the address, ERR_SHARDNS_CLOSED; nothing is left listening then
   */
  async listen(): Promise<this> {
    if (this.#state !== 'new') throw this.#closedError('listen()');
    this.#state = 'starting';
    const start = this.#changing.then(() => this.#listen());
    // Changes of settings wait until it listens.
    this.#changing = start.catch(() => {});
    await start;
    return this;
  }

  async #listen(): Promise<void> {
    const { snapshot } = this.#settings;
    try {
      await this.snapshots.load(snapshot);
      this.#checkOpen('listen()');
      // What comes from before the start was told by the settings of then.
      if (snapshot !== undefined || this.#settings.cache.file !== undefined)
        this.#forgetLocal(undefined, this.#settings);
      await this.#openListeners(this.#settings, this.#options);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#state = 'listening';
    this.#tellDoubts();
    this.snapshots.use(snapshot);
    process.on('exit', this.#onExit);
  }

  /**
   * Changes options while serving; those not named stay. Everything is validated before anything changes.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION; the server goes on as it was
   */
  async update(changes: ServerOptions): Promise<void> {
    const given = plainOptions(changes);
    await this.#change(() => merge(this.#options, given) as ServerOptions);
  }

  /** The same with a whole set of options, as read from a file again. */
  async replace(options: ServerOptions): Promise<void> {
    const given = plainOptions(options) as ServerOptions;
    await this.#change(() => given);
  }

  #change(next: () => ServerOptions): Promise<void> {
    const change = this.#changing.then(() => this.#replace(next()));
    this.#changing = change.catch(() => {});
    return change;
  }

  async #replace(options: ServerOptions): Promise<void> {
    this.#checkOpen('update()');
    const before = this.#settings;
    const settings = readOptions(options);
    const changed = changedSettings(before, settings);
    for (const { path, change, before: old, after } of changed) {
      if (change !== 'restart' || !this.#isInUse(path)) continue;
      if (path === 'resolver.workers' && workersOf(before) === workersOf(settings)) continue;
      throw new ShardnsError(
        'ERR_SHARDNS_OPTION',
        `${path}: cannot change while the server lives (${show(old)} to ${show(after)}): restart with it`,
      );
    }
    if (this.#sharesEngine) this.engine.mayDeclare(this, configurationOf(settings));
    const relisten = this.#state === 'listening' && changed.some(({ change }) => change === 'relisten');
    const prepared: Prepared[] = [];
    try {
      prepared.push(this.recursion.prepare(settings));
      for (const observer of this.#observers) {
        const change = await observer.prepare?.(settings);
        if (change !== undefined) prepared.push(change);
      }
      this.#checkOpen('update()');
      if (relisten) await this.#relisten(settings, options, before);
    } catch (error) {
      for (const change of prepared) change.discard();
      throw error;
    }
    this.#options = options;
    this.#settings = settings;
    if (this.#sharesEngine) {
      this.engine.declare(this, configurationOf(settings));
      // Another scope parts nothing that is told, but what is under way was begun for the other entries.
      if (settings.cache.scope !== before.cache.scope) this.resolver.forget('all');
    }
    this.engine.configure(tunablesOf(settings));
    if (this.#state === 'listening' && !isDeepStrictEqual(settings.snapshot, before.snapshot)) {
      this.snapshots.use(settings.snapshot);
    }
    this.resolver.options = resolverOptionsOf(settings);
    this.resolver.groups = this.#makeGroups(settings);
    this.exchanger.options = exchangerOptionsOf(settings);
    for (const change of prepared) change.commit();
    chooseSockets(this.udpTransport, settings);
    this.tcpConnections.options = tcpOptionsOf(settings);
    this.#applyGate(settings);
    this.#forgetLocal(before, settings);
    this.#tellDoubts();
  }

  /** Whether what the option made lives: a recursor is made when it is first wanted. */
  #isInUse(option: string): boolean {
    return this.recursor !== undefined || (option !== 'resolver.workers' && option !== 'cache.rrsetMemory');
  }

  /** What of valid options cannot be meant. */
  #tellDoubts(): void {
    for (const doubt of contradictions(this.#options)) this.#log.warn({}, doubt);
    const { udp, tcp } = this.addresses();
    const own = new OwnAddresses([...udp, ...tcp].map(text => parseSocketAddress(text, 'listen')));
    for (const upstream of this.upstreams.filter(one => own.has(one.at))) {
      this.#log.warn({ upstream: upstream.label }, 'an upstream is this server itself: what it is asked comes back');
    }
    for (const { name, servers } of [...this.#settings.stubZones, ...this.#settings.forwardZones]) {
      for (const server of servers.map(parseZoneServer)) {
        if (!('address' in server) || !own.has({ ...server, port: server.port ?? 53 })) continue;
        this.#log.warn(
          { zone: name, server },
          'a server of the zone is this server itself: what it is asked comes back',
        );
      }
    }
  }

  /** What was told by other settings, for as long as its TTLs last, is told no more. */
  #forgetLocal(before: ServerSettings | undefined, settings: ServerSettings): void {
    if (before === undefined) this.#forgetTags(settings.views.length);
    const zones = before === undefined ? [] : changedZones(before, settings);
    const local = changedLocalNames(before, settings);
    const rules = before !== undefined && differInRules(before, settings);
    // What recursion knows has no order by suffix, and was judged by the rules too.
    if (rules || zones.length > 0) this.recursion.forget();
    if (rules || local === 'all') this.#forget('all');
    else for (const name of [...local, ...zones]) this.#forget({ suffix: foldName(encodeName(name)) });
  }

  /** What is kept for views, and what is under way for them, is nobody's from now on. */
  #forgetTags(tags: number): void {
    for (let tag = 1; tag <= tags; tag++) this.#forget({ tenant: tag });
  }

  #forget(what: Forgotten): void {
    this.resolver.forget(what);
    // Nor does whoever asks from now on wait for what the native plane has under way.
    this.plane?.outdate();
    this.engine.invalidate(what);
  }

  /**
   * Forgets a name, a subtree, a tenant or everything, at once and in O(1); `{ all: true }` may be written `'all'`.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MESSAGE for a text that is no name, ERR_SHARDNS_CLOSED
   */
  invalidate(what: { name: string } | { suffix: string } | { tenant: number } | { all: true } | 'all'): void {
    const forgotten = readForgotten(what);
    this.#forget(forgotten);
    // RRsets have no order by suffix, and no tenants.
    if (forgotten === 'all' || 'suffix' in forgotten) this.recursion.forget();
    else if ('name' in forgotten) this.recursion.forget(forgotten.name);
  }

  /**
   * Asks for names ahead of time, at a bounded rate: `['example.com', 'example.com MX', { name, type }]`, or what
   * {@link topNames} finds in a log. Hooks see these questions as internal ones.
   */
  async warm(names: Iterable<WarmName>, options: WarmOptions = {}): Promise<WarmProgress> {
    if (!this.listening) throw this.#closedError('warm()');
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
  drain(timeoutMs = 10_000): Promise<void> {
    if (this.#state === 'draining') return this.#draining;
    if (this.#state !== 'listening') return this.close();
    this.#state = 'draining';
    return (this.#draining = this.#drain(timeoutMs));
  }

  async #drain(timeoutMs: number): Promise<void> {
    this.listeners.stopReceiving();
    await this.#quiet(() => this.listeners.quiet, timeoutMs);
    // Replies that the kernel has no room for yet; who reads nothing is not waited for.
    await this.#quiet(() => this.tcpConnections.octets === 0, Math.min(timeoutMs, UNREAD_MS));
    await this.close();
  }

  /** Resolves when everything is closed, however often it is called. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const served = this.#state === 'listening' || this.#state === 'draining';
    this.#state = 'closed';
    for (const observer of this.#observers) {
      try {
        observer.closed?.();
      } catch (error) {
        this.#log.error({ err: error }, 'an observer threw while the server was closed');
      }
    }
    process.off('exit', this.#onExit);
    this.resolver.close();
    this.listeners.close();
    this.answerer.close();
    this.udpTransport.close();
    this.tcpTransport.close();
    // Whoever still waits for a flight is told before the cache goes.
    await new Promise(resolve => setImmediate(resolve));
    await this.snapshots.loaded;
    if (served) await this.snapshots.end();
    await this.recursion.close();
    this.gate.close();
    this.engine.release(this);
    if (this.#ownsEngine) this.engine.close();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
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

  async #openListeners(settings: ServerSettings, options: ServerOptions): Promise<void> {
    await this.listeners.open(settings, options.listen === undefined);
    // Before the first packet is answered.
    this.#applyGate(settings);
    this.listeners.start();
  }

  /** Other addresses or threads: the old listeners finish what they have, then the new ones take over. */
  async #relisten(settings: ServerSettings, options: ServerOptions, before: ServerSettings): Promise<void> {
    this.listeners.stopReceiving();
    await this.#quiet(() => this.listeners.quiet, 5000);
    await this.#quiet(() => this.tcpConnections.octets === 0, UNREAD_MS);
    this.#checkOpen('update()');
    this.listeners.close();
    await new Promise(resolve => setImmediate(resolve));
    this.#checkOpen('update()');
    try {
      await this.#openListeners(settings, options);
    } catch (error) {
      if (this.#state !== 'listening') throw error;
      await this.#openListeners(before, this.#options).catch((cause: unknown) => {
        this.#log.error({ err: cause }, 'the addresses of before cannot be had back: nothing is listened on');
      });
      throw error;
    }
  }

  #checkOpen(call: string): void {
    if (this.#state === 'closed' || this.#state === 'draining') throw this.#closedError(call);
  }
  #closedError(call: string): ShardnsError {
    return new ShardnsError('ERR_SHARDNS_CLOSED', `${call} on a server that is ${this.#state}`);
  }

  /** Access, views and tenants, replaced whole: no query is judged by some of the old and some of the new. */
  #applyGate(settings: ServerSettings): void {
    const before = this.#gated;
    const changed = (key: 'allow' | 'views' | 'tenants'): boolean =>
      before === undefined || !isDeepStrictEqual(settings[key], before[key]);
    const views = changed('views');
    const tenants = changed('tenants');
    if (!views && !tenants && !changed('allow')) return;
    // A tag is a view's number: it means another view from now on, perhaps, and clients are told by it at once.
    if (before !== undefined && views) this.#forgetTags(Math.max(before.views.length, settings.views.length));
    this.gate.replace(gateRulesOf(settings));
    this.#gated = settings;
    // Nor is joined what began meanwhile under a tag of before.
    this.plane?.outdate();
    if (tenants) this.gate.forgetClients();
    this.resolver.views = settings.views.length > 0 ? this.gate : undefined;
    this.resolver.tenants = settings.tenants.enabled
      ? new ClientTenants(this.gate, settings.tenants.seconds)
      : undefined;
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

/** Plain objects are merged, everything else is replaced. */
function merge(base: unknown, changes: unknown): unknown {
  if (!isPlain(base) || !isPlain(changes)) return changes === undefined ? base : changes;
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(changes)) merged.set(key, merge(merged.get(key), value));
  return Object.fromEntries(merged);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
