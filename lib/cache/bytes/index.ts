// What programs see of the byte cache.
export type { ByteKey, FetchOptions, Loader, SetOptions } from './arguments.js';
export { ByteCache, type ByteCacheHandle, type ByteCacheStats } from './byte-cache.js';
export type { CodecName } from './codec.js';
export type { ByteEntry } from './entries.js';
export type { EventRule, Outdated } from './events.js';
export type { ByteLevelOptions } from './level-options.js';
export type { LoadContext } from './load-context.js';
export type { ByteCacheFileOptions, ByteCacheOptions, ByteNamespaceOptions } from './options.js';
export type { ByteCacheDependencies } from './store.js';
export type { Write, WriteBatch, WriteCall, WriterOptions } from './writer-options.js';
