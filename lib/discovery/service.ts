// A service as programs see it: endpoints that are picked without waiting, what changes among them, and what brings them into
// other libraries. Several may stand before one live set; each is closed by itself.
import { EventEmitter } from 'node:events';
import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { KeepAlive } from '../base/keep-alive.js';
import { type AgentOptions, makeAgent } from './adapters/agent.js';
import { connectService, type ConnectOptions } from './adapters/connect.js';
import { type DispatcherOptions, makeDispatcher, type ServiceDispatcher } from './adapters/dispatcher.js';
import { type GrpcChannelOptions, type GrpcOptions, grpcOptionsOf } from './adapters/grpc.js';
import { lookupOf, type ServiceLookup } from './adapters/lookup.js';
import { ChangeIterator } from './change-iterator.js';
import type { Endpoint } from './endpoint.js';
import { serviceError, type ServiceError } from './failures.js';
import type { Change, LiveSet } from './live-set.js';
import type { ServiceSettings } from './options.js';
import { reportOf, type ServiceReport } from './report.js';
import type { Retries } from './retries.js';
import type { PickOptions, ServiceEvents, ServiceFace } from './service-face.js';

export interface ServiceParts {
  readonly set: LiveSet;
  readonly clock: Clock;
  readonly alive: KeepAlive;
  release(service: Service): void;
}

/** Something of a service's that is to be let go with it. */
interface Closing {
  close(): void;
}

export class Service
  extends EventEmitter<ServiceEvents>
  implements ServiceFace, AsyncIterable<Change>, Disposable, AsyncDisposable
{
  readonly settings: ServiceSettings;
  readonly clock: Clock;
  readonly #set: LiveSet;
  readonly #parts: ServiceParts;
  readonly #closing = new Set<Closing>();
  #lookup: ServiceLookup | undefined;
  #closed = false;

  /** @param parts see discover() */
  constructor(parts: ServiceParts) {
    super();
    this.setMaxListeners(0); // each agent, dispatcher, channel and iterator listens: many are no leak
    this.#parts = parts;
    this.#set = parts.set;
    this.settings = parts.set.settings;
    this.clock = parts.clock;
  }

  /** As it is asked for, with its final dot. */
  get name(): string {
    return this.settings.name;
  }
  /** All of them, of every priority, those that are out too. */
  get endpoints(): readonly Endpoint[] {
    return [...this.#set.roster.endpoints.values()];
  }
  get size(): number {
    return this.#set.roster.endpoints.size;
  }
  /** Counts changes; 0 before the first set. */
  get version(): number {
    return this.#set.version;
  }
  /** Servers fail at the moment: what is here is what they said last. */
  get stale(): boolean {
    return this.#set.isStale;
  }
  /** All of it is proven (DNSSEC). */
  get secure(): boolean {
    return this.#set.last?.secure ?? false;
  }
  /** What is wrong, if anything. */
  get problem(): ServiceError | undefined {
    return this.#set.problem;
  }
  get retries(): Retries {
    return this.#set.retries;
  }
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The endpoint for the next request. Never waits, never asks anybody. Its `done(outcome)` has to be called when the
   * request has ended.
   * @throws {ServiceError} there is none: `missing`, `not offered`, `transient` ...
   * @throws {ShardnsError} ERR_SHARDNS_CLOSED
   */
  pick(options?: PickOptions): Endpoint {
    if (this.#closed) this.#none(); // also where others hold the set
    const { roster } = this.#set;
    const endpoint =
      options === undefined
        ? roster.pick()
        : options.not === undefined || options.not.length === 0
          ? roster.pick(options.key)
          : roster.pickOther(options.not);
    return endpoint ?? this.#none();
  }
  /**
   * The same for those who cannot say when a request has ended, and count for nothing.
   * @throws what `pick` throws
   */
  peek(key?: string): Endpoint {
    if (this.#closed) this.#none();
    return this.#set.roster.peek(key) ?? this.#none();
  }
  #none(): never {
    if (this.#closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', `${this.name}: used after close()`);
    const { problem } = this;
    if (problem === undefined) throw serviceError('transient', this.name, 'nothing is known of it yet');
    // Made anew: its stack is that of the call.
    throw serviceError(problem.category, this.name, `no endpoint: ${problem.why}`, problem);
  }

  /** An agent for `http` requests, whatever host they name; with `tls: true` for `https`. */
  agent(options: AgentOptions = {}): Agent {
    this.#checkOpen('agent');
    return this.#own(
      ended => makeAgent(this, options, ended),
      agent => agent.destroy(),
    );
  }
  /**
   * A dispatcher for `fetch` and undici, whatever origin requests name.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION where undici is to be given and is not
   */
  dispatcher(options: DispatcherOptions = {}): ServiceDispatcher {
    this.#checkOpen('dispatcher');
    return this.#own(
      ended => makeDispatcher(this, options, ended),
      dispatcher => void dispatcher.destroy(null),
    );
  }
  /**
   * Options for a client of @grpc/grpc-js; see `registerGrpc`.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION
   */
  grpcOptions(options: GrpcOptions = {}): GrpcChannelOptions {
    return grpcOptionsOf(this, options);
  }
  /**
   * A connected socket, of TLS with `tls`.
   * @throws {Error} rejected: of the last endpoint that was tried
   */
  connect(options: ConnectOptions = {}): Promise<Socket> {
    this.#checkOpen('connect');
    return connectService(this, options);
  }
  /** In the form of `dns.lookup`, for clients that take one: addresses of the next endpoint, whatever name is asked for. */
  get lookup(): ServiceLookup {
    return (this.#lookup ??= lookupOf(this));
  }

  /** @param make is told what to call when it has come to its end by itself: nothing is to be let go then */
  #own<T>(make: (ended: () => void) => T, close: (made: T) => void): T {
    const made = make(() => this.#closing.delete(closing));
    const closing = { close: () => close(made) };
    this.#closing.add(closing);
    return made;
  }
  #checkOpen(what: string): void {
    if (this.#closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', `${this.name}: ${what}() after close()`);
  }

  /** Looks now whether DNS says something else, where the last look is a second ago or more. Never rejects. */
  async refresh(): Promise<void> {
    const { alive } = this.#parts;
    alive.hold();
    await this.#set.lookAgain();
    alive.release();
  }
  /** The same in the background, and not while servers fail: for those who see that something is wrong. */
  refreshSoon(): void {
    this.#set.lookSoon();
  }

  report(): ServiceReport {
    return reportOf(this.#set);
  }

  /** What changes, from all endpoints that are there on; a slow reader gets several changes as one. */
  [Symbol.asyncIterator](): AsyncIterator<Change> {
    return new ChangeIterator(this, this.#parts.alive);
  }

  /** Tells those who listen; a listener's mistake is no one else's. */
  tell<K extends keyof ServiceEvents>(event: K, ...args: ServiceEvents[K]): void {
    // One by one: what one of them throws keeps nothing from the others, agents and iterators among them.
    const listeners = this.rawListeners(event) as unknown as ((...args: unknown[]) => void)[];
    for (const listener of listeners) {
      try {
        Reflect.apply(listener, this, args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Its agents, dispatchers and iterators end; the set goes with the last service that uses it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const one of this.#closing) one.close();
    this.#closing.clear();
    this.#parts.release(this);
    this.tell('close');
    this.removeAllListeners();
  }
  [Symbol.dispose](): void {
    this.close();
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}
