// What the package exports, and nothing else.
export { createServer } from './admin/lazy-server.js';
export {
  ByteCache,
  type ByteCacheDependencies,
  type ByteCacheFileOptions,
  type ByteCacheHandle,
  type ByteCacheOptions,
  type ByteCacheStats,
  type ByteEntry,
  type ByteKey,
  type ByteLevelOptions,
  type ByteNamespaceOptions,
  type CodecName,
  type EventRule,
  type FetchOptions,
  type LoadContext,
  type Loader,
  type Outdated,
  type SetOptions,
  type Write,
  type WriteBatch,
  type WriteCall,
  type WriterOptions,
} from './cache/bytes/index.js';
export {
  type CachedAnswer,
  type CacheEntry,
  DnsCache,
  type DnsCacheFileOptions,
  type DnsCacheHandle,
  type DnsCacheOptions,
  type NotStored,
} from './cache/dns-cache.js';
export type { LoadOptions, LoadResult, SaveResult } from './cache/snapshot.js';
export { ShardnsError, type ShardnsErrorCode } from './base/errors.js';
export type { Logger } from './base/log.js';
export { CachedLookup, dnsInterceptorOptions, install, lookup, uninstall } from './node/cached-lookup.js';
export { DnsClient } from './node/client.js';
export type { InsecureError } from './node/errors.js';
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
} from './node/lookup-call.js';
export type { LookupOptions } from './node/options.js';
export type { InterceptorOptions } from './node/undici.js';
export type { Reported, Secure } from './node/proof.js';
export type { CaaRecord, TlsaRecord } from './node/records.js';
export {
  type AddressCallOptions,
  type NodeResolverOptions,
  Resolver,
  type ResolverCallOptions,
} from './node/resolver.js';
export type { Hooks, QueryDecision, QueryInfo, ResponseInfo } from './resolve/hooks.js';
export { topNames, type WarmName, type WarmOptions, type WarmProgress } from './resolve/warm.js';
export type { ServerOptions, ServerSettings } from './server/settings/settings.js';
export type { Server } from './server/face.js';
export type { RequestCounts, ServerReport, ServerState } from './server/report.js';
export type { ServerDependencies } from './server/dependencies.js';
export type { RecordText } from './wire/record.js';
