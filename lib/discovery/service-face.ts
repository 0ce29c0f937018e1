// What adapters see of a service.
import type { Clock } from '../base/clock.js';
import type { Endpoint } from './endpoint.js';
import type { ServiceError } from './failures.js';
import type { Change } from './live-set.js';
import type { ServiceSettings } from './options.js';
import type { Retries } from './retries.js';

export interface PickOptions {
  /** For `policy: 'hash'`: requests with the same key go to the same endpoint. */
  key?: string | undefined;
  /** Those that were tried already: another one, where there is another. */
  not?: readonly Endpoint[] | undefined;
}

export interface ServiceEvents {
  change: [Change];
  /** Servers fail: the endpoints that are known go on. */
  stale: [ServiceError];
  fresh: [];
  error: [Error];
  /** An endpoint is used no longer, or again. */
  health: [Endpoint];
  close: [];
}

export interface ServiceFace {
  readonly name: string;
  readonly settings: ServiceSettings;
  readonly clock: Clock;
  readonly retries: Retries;
  readonly endpoints: readonly Endpoint[];
  readonly version: number;
  readonly problem: ServiceError | undefined;
  readonly closed: boolean;
  /** @throws {ServiceError} there is none */
  pick(options?: PickOptions): Endpoint;
  peek(key?: string): Endpoint;
  refresh(): Promise<void>;
  refreshSoon(): void;
  on<K extends keyof ServiceEvents>(event: K, listener: (...args: ServiceEvents[K]) => void): unknown;
  off<K extends keyof ServiceEvents>(event: K, listener: (...args: ServiceEvents[K]) => void): unknown;
}
