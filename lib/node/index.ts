// The entry `shardns/lookup`: what looks names up, and nothing of caches and servers.
export { ShardnsError, type ShardnsErrorCode } from '../base/errors.js';
export type { WarmName, WarmOptions, WarmProgress } from '../resolve/warm.js';
export { CachedLookup, dnsInterceptorOptions, install, lookup, uninstall } from './cached-lookup.js';
export { DnsClient } from './client.js';
export type { InsecureError } from './errors.js';
export type {
  LookupAddress,
  LookupAllCallback,
  LookupAllOptions,
  LookupCallback,
  LookupCallOptions,
  LookupFunction,
  LookupOneCallback,
  LookupOneOptions,
  PromisedLookup,
} from './lookup-call.js';
export type { LookupOptions } from './options.js';
export type { Reported, Secure } from './proof.js';
export type { CaaRecord, TlsaRecord } from './records.js';
export { type AddressCallOptions, type NodeResolverOptions, Resolver, type ResolverCallOptions } from './resolver.js';
export type { InterceptorOptions } from './undici.js';
