// The server: one cache, its listeners, the resolver; their life from listening to drained. Its parts are made by
// `assemble`; its options change by SettingsInForce.
import { optionError, ShardnsError } from '../base/errors.js';
import { Steps } from '../base/steps.js';
import type { Engine } from '../cache/engine.js';
import { readForgotten } from '../cache/forgotten.js';
import type { Gate } from '../clients/gate.js';
import type { Hooks } from '../resolve/hooks.js';
import type { Recursor } from '../resolve/recurse/recursor.js';
import type { Resolver } from '../resolve/resolver.js';
import { warm, type WarmName, type WarmOptions, type WarmProgress } from '../resolve/warm.js';
import { isSourced } from '../transport/local-address.js';
import type { Transport } from '../transport/transport.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import type { Query } from '../wire/query.js';
import type { Anchors } from './anchors.js';
import type { Answerer } from './answerer.js';
import type { ClientRules } from './client-rules.js';
import { assemble, type ServerParts } from './assemble.js';
import type { ServerDependencies } from './dependencies.js';
import type { LeftListeners, Listeners } from './listeners/listeners.js';
import type { Mirror } from './mirror.js';
import { mergeOptions, mergePatch, plainOptions } from './plain-options.js';
import type { Recursion } from './recursion.js';
import { reportOf, type ServerReport, type ServerState } from './report.js';
import { type PreparesSettings, type ServerLife, SettingsInForce, type SettingsPair } from './settings-in-force.js';
import { readOptions, type ServerOptions, type ServerSettings } from './settings/settings.js';
import { authoritiesOf, checkSource, sourceOf } from './settings/upstreams.js';
import type { Snapshots } from './snapshots.js';
import type { Protocol } from './listeners/protocols.js';
import type { TcpConnections } from './listeners/tcp-connections.js';
import type { UdpPlane } from './listeners/udp-plane.js';
import type { Watching } from './tap/watching.js';
import type { ZoneTransfers } from './zone-transfers.js';
import type { Zones } from './zones.js';

/** How long clients have to take what was written to them when listeners close. */
const UNREAD_MS = 1000;
/** How long old listeners have to answer what they have, when others take their place. */
const FINISH_MS = 5000;

/** Told of changes, by those above that live and end with the server. */
export interface ServerObserver extends PreparesSettings {
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
  /** What another server says to the same questions. */
  readonly mirror: Mirror;
  readonly snapshots: Snapshots;
  readonly recursion: Recursion;
  /** What is believed of zones' keys. */
  readonly anchors: Anchors;
  /** What is decided of clients and of names before anything is looked up. */
  readonly clientRules: ClientRules;
  readonly zones: Zones;
  /** Zones that come from other servers, and go to them. */
  readonly zoneTransfers: ZoneTransfers;
  /** Who watches what is answered. */
  readonly watching: Watching;
  /** Where its control API and dashboard are served, with the port that was bound; set by what serves them. */
  controlUrl: string | undefined;
  readonly #parts: ServerParts;
  readonly #inForce: SettingsInForce;
  readonly #observers: ServerObserver[] = [];
  #state: ServerState = 'new';
  #draining: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  /** Ends the time for which it answers on once it is told to drain. */
  #leave = (): void => {};
  /** Changes of settings, one after another: each begins where the one before has ended. */
  #changing: Promise<unknown> = Promise.resolve();
  readonly #onExit = (): void => this.listeners.plane?.close();

  constructor(given: ServerOptions, hooks: Hooks, dependencies: ServerDependencies) {
    const options = plainOptions(given) as ServerOptions;
    const settings = readOptions(options);
    const parts = assemble(settings, hooks, dependencies);
    this.#parts = parts;
    this.engine = parts.engine;
    this.resolver = parts.resolver;
    this.exchanger = parts.exchanger;
    this.gate = parts.gate;
    this.answerer = parts.answerer;
    this.udpTransport = parts.transports.udp;
    this.tcpTransport = parts.transports.tcp;
    this.listeners = parts.listeners;
    this.mirror = parts.mirror;
    this.snapshots = parts.snapshots;
    this.recursion = parts.recursion;
    this.anchors = parts.anchors;
    this.clientRules = parts.clientRules;
    this.zones = parts.zones;
    this.zoneTransfers = parts.zoneTransfers;
    this.watching = parts.watching;
    const life: ServerLife = {
      observers: this.#observers,
      isListening: () => this.listening,
      checkOpen: call => this.#checkOpen(call),
      relisten: (next, before) => this.#relisten(next, before),
    };
    this.#inForce = new SettingsInForce(parts, life, options, settings);
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
    return this.#inForce.settings;
  }
  /** The same as they were given. */
  get options(): ServerOptions {
    return this.#inForce.options;
  }
  get upstreams(): Upstream[] {
    return this.#parts.groups.all;
  }
  get listening(): boolean {
    return this.#state === 'listening';
  }
  /**
   * What it has done and has under way.
   * @throws {ShardnsError} ERR_SHARDNS_CLOSED: the cache, which counts most of it, goes with the server
   */
  report(): ServerReport {
    if (this.#state === 'closed') throw this.#closedError('report()');
    return reportOf({ ...this.#parts, state: this.#state });
  }
  /** Where it answers: the addresses asked for, with the ports that were bound. */
  addresses(): Record<Protocol, string[]> {
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
    const { settings } = this;
    const { snapshot } = settings;
    try {
      await this.snapshots.load(snapshot);
      this.#parts.fleet?.begin();
      this.#checkOpen('listen()');
      // What comes from before the start was told by the settings of then.
      const isKept = snapshot !== undefined || settings.cache.file !== undefined;
      if (isKept) this.#parts.invalidation.changed(undefined, settings);
      if (isSourced(this.udpTransport)) await checkSource(settings);
      await this.#parts.groups.begin();
      (await this.#parts.clientRules.lists.prepare(settings)).commit();
      this.clientRules.publish();
      this.#parts.certificates.prepare(settings).commit();
      this.watching.prepare(settings).commit();
      await this.zoneTransfers.begin(settings, authoritiesOf(settings), sourceOf(settings));
      this.#checkOpen('listen()');
      await this.#openListeners(this.#inForce);
    } catch (error) {
      await this.close().catch((cause: unknown) => {
        this.#parts.log.error({ err: cause }, 'a server that could not listen was not closed whole');
      });
      throw error;
    }
    this.#state = 'listening';
    this.#inForce.tellDoubts();
    this.snapshots.use(snapshot);
    this.anchors.begin();
    this.#parts.probes.begin();
    this.#parts.mirror.use(this.settings);
    process.on('exit', this.#onExit);
  }

  /**
   * Changes options while serving; those not named stay. Everything is validated before anything changes.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION; the server goes on as it was
   */
  async update(changes: ServerOptions): Promise<void> {
    const given = plainOptions(changes);
    await this.#change(() => mergeOptions(this.#inForce.options, given) as ServerOptions);
  }

  /**
   * Changes options by a merge patch (RFC 7396): null takes one away, so that its default holds.
   * @param mayStill is asked when those before it are done: where it throws, nothing changes
   */
  async patch(patch: object, mayStill: () => void): Promise<void> {
    const given = plainOptions(patch);
    await this.#change(() => {
      mayStill();
      return mergePatch(this.#inForce.options, given) as ServerOptions;
    });
  }

  /** The same with a whole set of options, as read from a file again. */
  async replace(options: ServerOptions): Promise<void> {
    const given = plainOptions(options) as ServerOptions;
    await this.#change(() => given);
  }

  #change(next: () => ServerOptions): Promise<void> {
    const change = this.#changing.then(() => this.#inForce.replace(next()));
    this.#changing = change.catch(() => {});
    return change;
  }

  /**
   * Forgets a name, a subtree, a tenant or everything, at once and in O(1); `{ all: true }` may be written `'all'`. With
   * `fleet` all instances that share its second level forget it too, as soon as they read the log of it.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MESSAGE for a text that is no name, ERR_SHARDNS_CLOSED
   */
  invalidate(
    what: { name: string } | { suffix: string } | { tenant: number } | { all: true } | 'all',
    { fleet = false }: { fleet?: boolean } = {},
  ): void {
    const forgotten = readForgotten(what);
    if (fleet && this.#parts.fleet === undefined) {
      throw optionError('fleet', true, 'a server with `secondLevel`: it knows of no other instances');
    }
    this.#parts.invalidation.forget(forgotten);
    if (fleet) this.#parts.fleet!.invalidate(forgotten);
    if (forgotten === 'all') void this.#parts.probes.askAgain();
  }

  /** Whether all that was invalidated in the fleet is in its log, `ms` from now at the latest; false without one. */
  invalidatedInFleet(ms = 1000): Promise<boolean> {
    return this.#parts.fleet?.said(ms) ?? Promise.resolve(false);
  }

  /** Asks upstreams that left signatures out at once whether they still do; waits until they have said so. Never rejects. */
  probeSignatures(): Promise<void> {
    return this.#parts.probes.askAgain();
  }

  /**
   * Asks for names ahead of time, at a bounded rate: `['example.com', 'example.com MX', { name, type }]`, or what
   * {@link topNames} finds in a log. Hooks see these questions as internal ones.
   */
  async warm(names: Iterable<WarmName>, options: WarmOptions = {}): Promise<WarmProgress> {
    if (!this.listening) throw this.#closedError('warm()');
    const ask = (query: Query): Promise<boolean> =>
      this.listening
        ? this.resolver.isAnswered(query)
        : Promise.reject(new ShardnsError('ERR_SHARDNS_CLOSED', `warm() on a server that is ${this.#state}`));
    return warm(ask, names, options, this.#parts.clock);
  }

  /** Asks `onQuery` anew which tenant each client belongs to. */
  forgetClients(): void {
    this.resolver.tenants?.forget();
  }

  /**
   * Is not ready any more, answers on for `lameduckSeconds`, then stops receiving, answers what is under way (at most
   * `timeoutMs`), closes.
   */
  drain(timeoutMs = 10_000): Promise<void> {
    if (this.#state === 'draining') return this.#draining;
    if (this.#state !== 'listening') return this.close();
    this.#state = 'draining';
    return (this.#draining = this.#drain(timeoutMs));
  }

  async #drain(timeoutMs: number): Promise<void> {
    const steps = new Steps();
    await this.#lameduck(this.settings.lameduckSeconds);
    // Clients whose connections are not accepted yet have connected already, for all they know.
    await steps.wait(() => new Promise(resolve => setImmediate(resolve)));
    steps.do(() => this.listeners.stopReceiving());
    await steps.wait(() => this.#quiet(() => this.listeners.quiet, timeoutMs));
    // Clients that have been told to go, and replies that the kernel has no room for yet; who reads nothing is not waited for.
    const isEmpty = (): boolean => this.tcpConnections.size === 0;
    await steps.wait(() => this.#quiet(isEmpty, Math.min(timeoutMs, UNREAD_MS)));
    await steps.wait(() => this.close());
    steps.tell('the server was drained');
  }

  /** While those who lead clients here learn that it goes; close() ends it. */
  async #lameduck(seconds: number): Promise<void> {
    if (seconds === 0) return;
    await new Promise<void>(resolve => {
      const timer = this.#parts.clock.after(seconds * 1000, resolve);
      this.#leave = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /**
   * Resolves when everything is closed, however often it is called. Rejects, when everything else is closed, with what a
   * part has thrown.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const served = this.#state === 'listening' || this.#state === 'draining';
    this.#state = 'closed';
    this.#leave();
    for (const observer of this.#observers) {
      try {
        observer.closed?.();
      } catch (error) {
        this.#parts.log.error({ err: error }, 'an observer threw while the server was closed');
      }
    }
    process.off('exit', this.#onExit);
    const steps = new Steps();
    const { groups, owner, ownsEngine } = this.#parts;
    const { resolver, listeners, answerer } = this;
    const transports: Transport[] = Object.values(this.#parts.transports);
    await steps.wait(() => this.zoneTransfers.close());
    for (const part of [this.mirror, resolver, listeners, answerer, groups, ...transports]) {
      steps.do(() => part.close());
    }
    await steps.wait(() => this.watching.close());
    // Whoever still waits for a flight is told before the cache goes.
    await new Promise(resolve => setImmediate(resolve));
    await steps.wait(() => this.snapshots.loaded);
    if (served) await steps.wait(() => this.snapshots.end());
    await steps.wait(() => this.#parts.fleet?.close() ?? Promise.resolve());
    steps.do(() => this.#parts.probes.close());
    steps.do(() => this.#parts.negativeAnchors.close());
    await steps.wait(() => this.anchors.close());
    await steps.wait(() => this.recursion.close());
    steps.do(() => this.zones.close());
    steps.do(() => this.#parts.certificates.close());
    steps.do(() => this.#parts.clientRules.close());
    steps.do(() => this.gate.close());
    steps.do(() => this.engine.release(owner));
    if (ownsEngine) steps.do(() => this.engine.close());
    steps.tell('the server was closed');
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

  async #openListeners({ options, settings }: SettingsPair): Promise<LeftListeners> {
    await this.listeners.open(settings, options.listen === undefined);
    // Before the first packet is answered.
    this.#parts.clientRules.apply(settings);
    this.#parts.designate(settings);
    return this.listeners.start();
  }

  /**
   * Other addresses or threads: the new listeners take over, and the old ones finish what they have, which nobody waits
   * for. Where both cannot be open at a time, the old ones finish first.
   */
  async #relisten(next: SettingsPair, before: SettingsPair): Promise<void> {
    if (this.listeners.mayOpenBeside(next.settings)) {
      void this.#closeLeft(await this.#openListeners(next));
      return;
    }
    this.listeners.stopReceiving();
    await this.#quiet(() => this.listeners.quiet, FINISH_MS);
    await this.#quiet(() => this.tcpConnections.octets === 0, UNREAD_MS);
    this.#checkOpen('update()');
    this.listeners.close();
    await new Promise(resolve => setImmediate(resolve));
    this.#checkOpen('update()');
    try {
      await this.#openListeners(next);
    } catch (error) {
      if (this.#state !== 'listening') throw error;
      await this.#openListeners(before).catch((cause: unknown) => {
        this.#parts.log.error({ err: cause }, 'the addresses of before cannot be had back: nothing is listened on');
      });
      throw error;
    }
  }

  /** Never rejects. */
  async #closeLeft(left: LeftListeners): Promise<void> {
    try {
      await this.#quiet(() => left.isQuiet(), FINISH_MS);
      await this.#quiet(() => left.isEmpty(), UNREAD_MS);
      left.close();
    } catch (error) {
      this.#parts.log.error({ err: error }, 'listeners whose place others have taken could not be closed');
    }
  }

  #checkOpen(call: string): void {
    if (this.#state === 'closed' || this.#state === 'draining') throw this.#closedError(call);
  }
  #closedError(call: string): ShardnsError {
    return new ShardnsError('ERR_SHARDNS_CLOSED', `${call} on a server that is ${this.#state}`);
  }
}
