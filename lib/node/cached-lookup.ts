// What programs use in place of Node's own dns: over one cache of the thread, or over one of their own.
import type { Agent } from 'node:http';
import type { WarmName, WarmOptions, WarmProgress } from '../resolve/warm.js';
import { installLookup, uninstallLookup } from './agents.js';
import { argumentError, valueError } from './arguments.js';
import { type ClientDependencies, DnsClient } from './client.js';
import { defaultClient, defaultProvingClient } from './default-client.js';
import { createLookup } from './lookup.js';
import type { LookupFunction } from './lookup-call.js';
import type { LookupOptions } from './options.js';
import { type InterceptorOptions, interceptorOptions } from './undici.js';

/**
 * In place of `dns.lookup`, without its thread pool: hosts file, resolv.conf, and a cache with the TTLs of the records.
 * Goes wherever Node takes a `lookup`. Called back in a later turn, always; works unbound.
 */
export const lookup: LookupFunction = createLookup(secure =>
  secure === undefined ? defaultClient() : defaultProvingClient(),
);

/** Makes the connections of an http or https agent use `lookup`. */
export function install(agent: Agent): void {
  installLookup(agent, lookup);
}
export function uninstall(agent: Agent): void {
  uninstallLookup(agent, lookup);
}

/**
 * Options for undici's `interceptors.dns()`: it asks `lookup` for names, and keeps nothing longer than a second.
 * @throws {TypeError} where it is no function: undici would fail at each request instead
 */
export function dnsInterceptorOptions(by: LookupFunction = lookup): InterceptorOptions {
  if (typeof by !== 'function') throw argumentError('lookup', 'of type function', by);
  return interceptorOptions(by);
}

/** A lookup with options, servers and a cache of its own. */
export class CachedLookup implements Disposable {
  readonly client: DnsClient;
  readonly lookup: LookupFunction;

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MEMORY */
  constructor(options: LookupOptions = {}, dependencies: ClientDependencies = {}) {
    this.client = new DnsClient(options, dependencies);
    this.lookup = createLookup(secure => {
      const { settings } = this.client;
      if (secure === undefined || settings.secure !== undefined) return this.client;
      throw valueError('options.secure', 'needs a CachedLookup that was made with `secure`', secure);
    });
  }
  install(agent: Agent): void {
    installLookup(agent, this.lookup);
  }
  uninstall(agent: Agent): void {
    uninstallLookup(agent, this.lookup);
  }
  /** Asks for names ahead of time: see {@link DnsClient.warm}. */
  warm(names: Iterable<WarmName>, options?: WarmOptions): Promise<WarmProgress> {
    return this.client.warm(names, options);
  }
  /** Forgets every answer. */
  clear(): void {
    this.client.clear();
  }
  close(): void {
    this.client.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }
}
