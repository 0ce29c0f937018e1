// Where the memory of a byte cache comes from: of its own, another thread's, or a file.
import { readFields } from '../../base/fields.js';
import { parseMemory } from '../../base/memory.js';
import { readHandle } from '../region.js';
import { byteCacheCreateFields, byteCacheFields, byteCacheFileFields, type ByteNamespaceSettings } from './options.js';
import { type ByteCacheDependencies, type ByteStore, makeByteStore } from './store.js';

/** A cache's memory, and what its namespace without a name was given. */
export interface Opened {
  readonly store: ByteStore;
  readonly own: ByteNamespaceSettings;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MEMORY */
export function createStore(options: unknown, dependencies?: ByteCacheDependencies): Opened {
  const { writer, redis, ...settings } = readFields(byteCacheCreateFields, options);
  const memoryBytes = parseMemory(settings.memory)!;
  // 64 octets more: such a buffer is aligned to 16 only.
  const memory = settings.shared ? new SharedArrayBuffer(memoryBytes + 64) : undefined;
  const { shards, policy, averageEntryBytes } = settings;
  const source = { memoryBytes, shards, policy, averageEntryBytes, memory };
  return { store: makeByteStore(source, settings, { memory, redis }, dependencies), own: { writer } };
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION when it is no handle, ERR_SHARDNS_MEMORY with what is wrong with the memory */
export function attachStore(handle: unknown): Opened {
  const { memory, settings } = readHandle(byteCacheFields, 'shardns.ByteCache', handle);
  return { store: makeByteStore({ attach: memory }, settings, { memory }), own: {} };
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_FILE */
export function openStore(options: unknown, dependencies?: ByteCacheDependencies): Opened {
  const { writer, redis, ...settings } = readFields(byteCacheFileFields, options);
  const memory = settings.memory ?? '64MiB';
  const { path, recreate, shards, policy = 's3fifo', averageEntryBytes } = settings;
  const [anySize, anyPolicy] = [settings.memory === undefined, settings.policy === undefined];
  const region = { memoryBytes: parseMemory(memory)!, shards, policy, averageEntryBytes };
  const source = { ...region, path, anySize, anyPolicy, recreate };
  const own = { writer };
  return {
    store: makeByteStore(source, { ...settings, memory, policy, shared: false }, { path, redis }, dependencies),
    own,
  };
}
