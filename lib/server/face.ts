// A server as programs see it: what it takes to run one, and nothing of how it is made.
import type { Server as Inner } from './server.js';
import type { ServerReport } from './report.js';
import type { ServerOptions, ServerSettings } from './settings/settings.js';
import type { WarmName, WarmOptions, WarmProgress } from '../resolve/warm.js';

export class Server implements AsyncDisposable {
  readonly #inner: Inner;

  constructor(inner: Inner) {
    this.#inner = inner;
  }

  /** The options in force, every default filled in. */
  get settings(): ServerSettings {
    return this.#inner.settings;
  }
  /** False before it listens, while it drains, and when it is closed. */
  get listening(): boolean {
    return this.#inner.listening;
  }
  /** Where it answers: the addresses asked for, with the ports that were bound. */
  addresses(): { udp: string[]; tcp: string[] } {
    return this.#inner.addresses();
  }
  /** Where the control API and the dashboard are served (option `api`): `http://127.0.0.1:9053`. */
  get controlUrl(): string | undefined {
    return this.#inner.controlUrl;
  }
  /**
   * What it has done and has under way: every number that it counts, as one plain object.
   * @throws {ShardnsError} ERR_SHARDNS_CLOSED after close(): take the last one before it
   */
  report(): ServerReport {
    return this.#inner.report();
  }

  /**
   * Changes options while serving; those not named stay. Everything is validated before anything changes.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION; the server goes on as it was
   */
  update(changes: ServerOptions): Promise<void> {
    return this.#inner.update(changes);
  }
  /** The same with a whole set of options, as read from a file again. */
  replace(options: ServerOptions): Promise<void> {
    return this.#inner.replace(options);
  }

  /**
   * Forgets a name, a subtree, a tenant or everything, at once and in O(1); with `fleet` in all instances that share the
   * second level, as soon as they read the log of it.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION naming what is none of these
   */
  invalidate(what: Parameters<Inner['invalidate']>[0], options?: Parameters<Inner['invalidate']>[1]): void {
    this.#inner.invalidate(what, options);
  }
  /** Whether all that was invalidated in the fleet is in its log, `ms` from now at the latest; false without a fleet. */
  invalidatedInFleet(ms?: number): Promise<boolean> {
    return this.#inner.invalidatedInFleet(ms);
  }
  /**
   * Asks for names ahead of time, at a bounded rate: `['example.com', 'example.com MX', { name, type }]`, or what
   * {@link topNames} finds in a log. Hooks see these questions as internal ones.
   */
  warm(names: Iterable<WarmName>, options?: WarmOptions): Promise<WarmProgress> {
    return this.#inner.warm(names, options);
  }
  /** Asks `onQuery` anew which tenant each client belongs to. */
  forgetClients(): void {
    this.#inner.forgetClients();
  }

  /**
   * Is not ready any more, answers on for `lameduckSeconds`, then stops receiving, answers what is under way (at most
   * `timeoutMs`), closes.
   */
  drain(timeoutMs?: number): Promise<void> {
    return this.#inner.drain(timeoutMs);
  }
  /** Resolves when everything is closed, however often it is called. */
  close(): Promise<void> {
    return this.#inner.close();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
