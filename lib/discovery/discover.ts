// Services by their names: one live set for all of a thread that want the same, closed with the last of them.
//
// Bounds: those of a set (live-set.ts); a client of their own for the thread, with a cache of 2 MiB, which is touched as it
// fills. It serves no expired answers: a set keeps what it knows by itself, and is to know that servers fail.
import { type Clock, systemClock } from '../base/clock.js';
import { onAbort } from '../base/cancel.js';
import { ShardnsError } from '../base/errors.js';
import { KeepAlive } from '../base/keep-alive.js';
import { type Random, systemRandom } from '../base/random.js';
import { sortAddresses } from '../node/address-order.js';
import { DnsClient } from '../node/client.js';
import { abortError } from '../node/errors.js';
import { connectEndpoint } from './adapters/connect.js';
import { type Check, Checks, systemCheck } from './checks.js';
import { isServiceError, type ServiceError, serviceError } from './failures.js';
import { type Change, LiveSet, type SetEvents } from './live-set.js';
import { type DiscoverOptions, readServiceOptions, type ServiceSettings } from './options.js';
import { metricsText } from './metrics.js';
import { ClientSource, type RecordSource } from './records/source.js';
import { reportOf } from './report.js';
import { Service } from './service.js';
import { publish } from './telemetry.js';

/** What a service is made with beside its options: for tests. */
export interface DiscoverDependencies {
  source?: RecordSource;
  clock?: Clock;
  random?: Random;
  check?: Check;
}

const alive = new KeepAlive();

let plain: DnsClient | undefined;
let proving: DnsClient | undefined;
function threadClient(secure: 'required' | 'report' | undefined): DnsClient {
  const own = { memory: '2MiB', staleSeconds: 0 };
  if (secure === undefined) return (plain ??= new DnsClient(own));
  return (proving ??= new DnsClient({ ...own, secure: 'report' }));
}

const sourceOf = (client: DnsClient): RecordSource =>
  new ClientSource(client, addresses => sortAddresses(addresses, client.local, true));

/** A live set, and those who use it. */
class Shared implements SetEvents {
  readonly set: LiveSet;
  readonly services = new Set<Service>();
  readonly #checks: Checks | undefined;
  readonly #waiting = new Set<{ resolve(): void; reject(error: Error): void }>();

  constructor(
    settings: ServiceSettings,
    readonly key: string | undefined,
    readonly parts: { clock: Clock; random: Random; source: RecordSource; check: Check | undefined },
  ) {
    this.set = new LiveSet(settings, { ...parts, events: this });
    if (settings.check !== undefined) {
      const { check = systemCheck(this.#connect, settings.domain) } = parts;
      this.#checks = new Checks(settings.check, { ...parts, health: this.set.health, check });
    }
  }
  /** A socket to an endpoint, for a check: of TLS as adapters have it, but that nothing is resumed. */
  readonly #connect: Parameters<typeof systemCheck>[0] = (endpoint, { kind, tls }, stop) =>
    new Promise((resolve, reject) => {
      const [service] = this.services;
      const secure = tls !== false;
      const ALPNProtocols = kind === 'grpc' ? ['h2'] : ['http/1.1'];
      const options = secure ? { ALPNProtocols, ...(typeof tls === 'object' ? tls : {}) } : {};
      const callOff = connectEndpoint(service, endpoint, { secure, options }, (error, socket) =>
        error === undefined ? resolve(socket!) : reject(error),
      );
      onAbort(stop, callOff);
    });

  #tell<K extends 'change' | 'stale' | 'fresh' | 'error' | 'health'>(event: K, ...args: unknown[]): void {
    for (const one of [...this.services])
      (one.tell as (event: K, ...args: unknown[]) => void).call(one, event, ...args);
  }
  get #name(): string {
    return this.set.settings.name;
  }

  changed(change: Change): void {
    this.#checks?.follow(change.added, change.removed);
    publish({ type: 'change', name: this.#name, ...change });
    this.#tell('change', change);
    if (this.set.roster.endpoints.size > 0) this.#ready();
  }
  stale(error: ServiceError): void {
    publish({ type: 'stale', name: this.#name, error });
    this.#tell('stale', error);
    if (error.category !== 'transient') this.#fail(error);
  }
  fresh(): void {
    publish({ type: 'fresh', name: this.#name });
    this.#tell('fresh');
  }
  failed(error: Error): void {
    publish({ type: 'error', name: this.#name, error });
    this.#tell('error', error);
    // Of a filter that throws the others may be wanted all the same.
    if (isServiceError(error) && error.category !== 'transient') this.#fail(error);
  }
  health(endpoint: Parameters<SetEvents['health']>[0]): void {
    publish({ type: 'health', name: this.#name, endpoint });
    this.#tell('health', endpoint);
  }

  #ready(): void {
    for (const one of this.#waiting) one.resolve();
    this.#waiting.clear();
  }
  #fail(error: Error): void {
    for (const one of this.#waiting) one.reject(error);
    this.#waiting.clear();
  }

  /** @throws {ServiceError} rejected: there is no set, or none within `readyMs` */
  async ready(readyMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { set, parts } = this;
    if (set.roster.endpoints.size > 0) return;
    const { problem } = set;
    if (problem !== undefined && problem.category !== 'transient') throw problem;
    alive.hold();
    let timer: ReturnType<Clock['after']> | undefined;
    let stop: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const one = { resolve, reject };
        this.#waiting.add(one);
        const fail = (error: Error): void => {
          this.#waiting.delete(one);
          reject(error);
        };
        timer = parts.clock.after(readyMs, () =>
          fail(set.problem ?? serviceError('transient', this.#name, `no answer in ${readyMs} ms`)),
        );
        stop = signal && onAbort(signal, () => fail(abortError(signal)));
      });
    } finally {
      timer?.cancel();
      stop?.();
      alive.release();
    }
  }

  release(service: Service): void {
    this.services.delete(service);
    if (this.services.size > 0) return;
    if (this.key !== undefined) sets.delete(this.key);
    this.#checks?.close();
    this.set.close();
    this.#fail(new ShardnsError('ERR_SHARDNS_CLOSED', `${this.#name}: closed while it was waited for`));
  }
}

/** Of this thread, by name and options. */
const sets = new Map<string, Shared>();

/** Objects and functions in options, by number: two are the same only where they are. */
const identities = new WeakMap<object, number>();
let nextIdentity = 1;
function identityOf(value: object): number {
  let identity = identities.get(value);
  if (identity === undefined) identities.set(value, (identity = nextIdentity++));
  return identity;
}

/** What does not change the set itself. */
const OF_THE_CALL: ReadonlySet<string> = new Set(['ready', 'readyMs', 'signal', 'records']);

function keyOf(settings: ServiceSettings): string {
  const shown = Object.entries(settings).filter(([name]) => !OF_THE_CALL.has(name));
  return JSON.stringify(shown, (name, value: unknown) => {
    // Of what TLS takes much has no form in text (secureContext): who gives the same object wants the same.
    const isOpaque = value instanceof DnsClient || (name === 'tls' && typeof value === 'object' && value !== null);
    return typeof value === 'function' || isOpaque ? `#${identityOf(value as object)}` : value;
  });
}

/**
 * A service by its name, followed from now on: `_http._tcp.orders.example.com` for SRV records, other names as `records` says.
 * Resolves when its first endpoints are there, or at once with `ready: false`. Those who ask for the same name with the same
 * options share one set; each closes its own service.
 * @throws {ShardnsError} rejected: ERR_SHARDNS_OPTION; {@link ServiceError} where there is no set
 */
export async function discover(
  name: string,
  options: DiscoverOptions = {},
  dependencies: DiscoverDependencies = {},
): Promise<Service> {
  const settings = readServiceOptions(name, options);
  const { signal } = settings;
  if (signal?.aborted) throw abortError(signal);
  const isShared = Object.keys(dependencies).length === 0;
  const key = isShared ? keyOf(settings) : undefined;
  let shared = key === undefined ? undefined : sets.get(key);
  const isNew = shared === undefined;
  if (shared === undefined) {
    const client = settings.client ?? (dependencies.source === undefined ? threadClient(settings.secure) : undefined);
    const { source = sourceOf(client!), clock = client?.clock ?? systemClock, check } = dependencies;
    const random = dependencies.random ?? client?.random ?? systemRandom;
    shared = new Shared(settings, key, { source, clock, random, check });
    if (key !== undefined) sets.set(key, shared);
  }
  const used = shared;
  const { clock } = used.parts;
  const release = (one: Service): void => used.release(one);
  const service = new Service({ set: used.set, clock, alive, release });
  used.services.add(service);
  if (isNew) void used.set.look();
  if (!settings.ready) return service;
  try {
    await used.ready(settings.readyMs, signal);
  } catch (error) {
    service.close();
    throw error;
  }
  return service;
}

/** Reports of all that this thread follows, in the text format of Prometheus. */
export function discoveryMetrics(): string {
  return metricsText([...sets.values()].map(({ set }) => reportOf(set)));
}
