// What undici's dns interceptor needs to ask this cache: a lookup, and a storage that follows it. The interceptor picks
// addresses in turn and drops those that do not connect.
import type { LookupAddress, LookupFunction } from './lookup-call.js';

/** Addresses are taken from the cache again after this: its lifetimes hold, the interceptor's own need not. */
const FRESH_MS = 1000;
const MAX_NAMES = 1024;

export interface InterceptorAddress extends LookupAddress {
  ttl: number;
}
interface Records {
  records: Record<4 | 6, { ips: InterceptorAddress[] } | null>;
}

/** Bounded: the name that was stored first leaves; undici's own storage stops looking names up when it is full. */
class InterceptorStorage {
  readonly #names = new Map<string, Records>();
  constructor(private readonly maxNames: number) {}

  get size(): number {
    return this.#names.size;
  }
  get(hostname: string): Records | null {
    return this.#names.get(hostname) ?? null;
  }
  set(hostname: string, records: Records | null): void {
    this.#names.delete(hostname);
    if (records === null) return;
    if (this.#names.size >= this.maxNames) this.#names.delete(this.#names.keys().next().value!);
    this.#names.set(hostname, records);
  }
  delete(hostname: string): void {
    this.#names.delete(hostname);
  }
  full(): boolean {
    return false;
  }
}

export interface InterceptorOptions {
  lookup(
    origin: { hostname: string },
    options: object,
    callback: (error: NodeJS.ErrnoException | null, addresses: InterceptorAddress[]) => void,
  ): void;
  storage: InterceptorStorage;
}

/**
 * Options for `interceptors.dns()` of undici: names are looked up by `lookup`, at most once a second each, and the last
 * 1024 names are held.
 */
export function interceptorOptions(lookup: LookupFunction): InterceptorOptions {
  return {
    lookup: (origin, options, callback) => {
      // What it passes; undici's declarations say that these are options of dns.lookup.
      const { dualStack, affinity } = options as { dualStack?: boolean; affinity?: 4 | 6 | null };
      const family = dualStack === false ? (affinity ?? 0) : 0;
      lookup(origin.hostname, { all: true, family }, (error, addresses) => {
        if (error) callback(error, []);
        else
          callback(
            null,
            (addresses as LookupAddress[]).map(one => ({ ...one, ttl: FRESH_MS })),
          );
      });
    },
    storage: new InterceptorStorage(MAX_NAMES),
  };
}
