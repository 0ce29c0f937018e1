// A resolver for @grpc/grpc-js 1.14 and later: `srv:///_grpc._tcp.orders.example.com` follows SRV records, so that a channel
// learns of new endpoints though none of its connections fails.
//
// What gRPC's resolvers are called by changed in 1.14 (a listener that is a function); earlier versions are refused.
import type { Timer } from '../base/clock.js';
import { optionError } from '../base/errors.js';
import { grpcEndpoints, type GrpcEndpoint, SERVICE_OPTION } from './adapters/grpc.js';
import { type Chooser, chooser } from './choosing.js';
import { discover } from './discover.js';
import type { DiscoverOptions } from './options.js';
import type { ServiceFace } from './service-face.js';

/** What is used of the module @grpc/grpc-js. */
export interface GrpcModule {
  experimental: {
    registerResolver(scheme: string, resolver: unknown): void;
    statusOrFromValue(value: unknown): unknown;
    statusOrFromError(error: { code: number; details: string }): unknown;
  };
  status: { UNAVAILABLE: number };
}

interface Target {
  path: string;
}
type Listener = (endpoints: unknown, attributes: object, serviceConfig: unknown, note: string) => boolean;

const BACKOFF = { firstMs: 1000, factor: 1.6, mostMs: 30_000 }; // gRPC connection backoff protocol
const schemes = new Map<GrpcModule['experimental'], Set<string>>();

/**
 * Has gRPC resolve `scheme:///NAME` by SRV records, for every channel of the program. A channel that is made with
 * `service.grpcOptions()` follows that service; others follow one of their own, made with `options`.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION for a version of gRPC before 1.14
 */
export function registerGrpc(grpc: GrpcModule, options: DiscoverOptions = {}, scheme = 'srv'): void {
  const { experimental, status } = grpc;
  if (typeof experimental?.statusOrFromValue !== 'function') {
    throw optionError('grpc', 'a module without statusOrFromValue', '@grpc/grpc-js 1.14 or later');
  }
  const known = schemes.get(experimental);
  if (known?.has(scheme)) return;
  schemes.set(experimental, (known ?? new Set()).add(scheme));

  class ServiceResolver {
    #follower: Follower | undefined;
    constructor(
      private readonly target: Target,
      private readonly listener: Listener,
      private readonly channelOptions: Record<string, unknown>,
    ) {}

    updateResolution(): void {
      if (this.#follower === undefined) {
        const given = this.channelOptions[SERVICE_OPTION] as ServiceFace | undefined;
        const made = given === undefined ? discover(this.target.path, { ...options, ready: false }) : undefined;
        this.#follower = new Follower(given ?? made!, {
          endpoints: list => this.listener(experimental.statusOrFromValue(list), {}, null, ''),
          failed: details =>
            void this.listener(experimental.statusOrFromError({ code: status.UNAVAILABLE, details }), {}, null, ''),
        });
      } else this.#follower.refresh();
    }
    destroy(): void {
      this.#follower?.close();
      this.#follower = undefined;
    }
    /** The name that certificates have to be for, and `:authority`. */
    static getDefaultAuthority({ path }: Target): string {
      return path.replace(/^(_[^.]*\.)+/, '').replace(/\.$/, '');
    }
  }
  experimental.registerResolver(scheme, ServiceResolver);
}

interface FollowerEvents {
  /** @returns whether they were taken */
  endpoints(list: GrpcEndpoint[]): boolean;
  failed(details: string): void;
}

/** Follows a service for one channel, until that is done with it. */
class Follower {
  #service: (ServiceFace & { close?(): void }) | undefined;
  #chosen: Chooser | undefined;
  /** As text: what was told last. */
  #told = '';
  #isOwn = false;
  #closed = false;
  #refused = 0;
  #isToCompare = false;
  #again: Timer | undefined;

  constructor(
    service: ServiceFace | Promise<ServiceFace>,
    private readonly events: FollowerEvents,
  ) {
    this.#isOwn = service instanceof Promise;
    // Never in the turn of `updateResolution`, as gRPC wants it.
    Promise.resolve(service).then(
      made => this.#follow(made),
      (error: unknown) => {
        if (!this.#closed) this.events.failed((error as Error).message);
      },
    );
  }

  #follow(service: ServiceFace & { close?(): void }): void {
    if (this.#closed) {
      if (this.#isOwn) service.close?.();
      return;
    }
    this.#service = service;
    this.#chosen = chooser(service.settings);
    service.on('change', this.#tell);
    service.on('health', this.#onHealth);
    service.on('error', this.#failed);
    if (service.version > 0) this.#tell();
    else if (service.problem !== undefined) this.#failed(service.problem);
  }

  readonly #tell = (): void => {
    const service = this.#service!;
    const list = grpcEndpoints(service, this.#chosen!);
    this.#told = JSON.stringify(list);
    if (list.length === 0) {
      this.events.failed(service.problem?.message ?? `${service.name}: no endpoint`);
      return;
    }
    this.#again?.cancel();
    if (this.events.endpoints(list)) {
      this.#refused = 0;
      return;
    }
    // What balances the load does not take them: it is asked again later.
    const ms = Math.min(BACKOFF.firstMs * BACKOFF.factor ** this.#refused++, BACKOFF.mostMs);
    this.#again = service.clock.after(ms, this.#tell);
  };
  /** Of what requests have found gRPC thinks for itself; of what checks have, and of who takes whose place, it is told. */
  readonly #onHealth = (): void => {
    // Once for all that change in one turn: the list is as long as they are many.
    if (this.#isToCompare) return;
    this.#isToCompare = true;
    queueMicrotask(() => {
      this.#isToCompare = false;
      if (this.#closed) return;
      if (JSON.stringify(grpcEndpoints(this.#service!, this.#chosen!)) !== this.#told) this.#tell();
    });
  };
  /** What is known goes on; gRPC is told where there is nothing. */
  readonly #failed = (error: Error): void => {
    if (this.#service!.endpoints.length === 0) this.events.failed(error.message);
  };

  /** gRPC has lost a connection: no more often than once in `minRefreshMs`, whatever it wants. */
  refresh(): void {
    this.#service?.refreshSoon();
  }

  close(): void {
    this.#closed = true;
    this.#again?.cancel();
    const service = this.#service;
    if (service === undefined) return;
    service.off('change', this.#tell);
    service.off('health', this.#onHealth);
    service.off('error', this.#failed);
    if (this.#isOwn) service.close?.();
  }
}
