// The memory of a cache: of its own, in a SharedArrayBuffer, or in a file. Errors of the native side are explained here.
import { optionError, ShardnsError, show } from '../base/errors.js';
import { type Fields, flag, memory, oneOf, path, readFields, type SettingsOf, whole } from '../base/fields.js';
import { type Random, systemRandom } from '../base/random.js';
import { FileState, type NativeRegion, Policy, type RegionMakers } from '../native/binding.js';

export interface RegionOptions {
  /** Octets of the region, 1 MiB or more. */
  memoryBytes: number;
  /** A power of two up to 256; 0 chooses, or takes what a file has. */
  shards: number;
  policy: keyof typeof Policy;
  /** Sizes the index: octets of a typical entry. */
  averageEntryBytes: number;
  random?: Random;
}
/** What decides who may be told what, as a hash of 64 bits. */
export interface Configuration {
  readonly high: number;
  readonly low: number;
}
export type RegionSource =
  | (RegionOptions & { memory?: SharedArrayBuffer })
  | (RegionOptions & {
      path: string;
      anySize: boolean;
      anyPolicy: boolean;
      recreate: boolean;
      configuration?: Configuration;
    })
  | { attach: SharedArrayBuffer };

const policyField = oneOf('s3fifo', 'lru', 'lfu', '2q');
/** Options of every cache that is an object of its own. */
export const regionFields = {
  /** Octets, all of them taken at once and never passed; pages are touched as they fill. */
  memory: memory.default('64MiB'),
  policy: policyField.default('s3fifo'),
  /** A power of two up to 256; 0 = one per 4 MiB, at most 64. */
  shards: whole(0, 256)
    .where(n => (n & (n - 1)) === 0, 'expected 0 or a power of two')
    .default(0),
};
/** Options of a cache that lies in a file. */
export const fileFields = {
  path,
  /** Octets of a new file, and what one that is there must have; not given: 64 MiB, and any. */
  memory: memory.optional(),
  /** The same: not given: s3fifo, and any. */
  policy: policyField.optional(),
  /** Put a new file in the place of one that does not fit: another version, size, policy or kind. */
  recreate: flag.default(false),
};

const isCode = (error: unknown, code: string): boolean => (error as { code?: string }).code === code;

/** @throws {ShardnsError} ERR_SHARDNS_MEMORY, ERR_SHARDNS_FILE */
/**
 * What `share()` returned, as it comes from another thread.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION when it is none
 */
export function readHandle<F extends Fields>(
  fields: F,
  kind: string,
  handle: unknown,
): { memory: SharedArrayBuffer; settings: SettingsOf<F> } {
  try {
    const given = handle as { kind?: unknown; memory?: unknown; settings?: unknown };
    const { memory } = given;
    if (given.kind === kind && memory instanceof SharedArrayBuffer) {
      return { memory, settings: readFields(fields, given.settings ?? null) };
    }
  } catch {
    // Nothing, or what cannot be read.
  }
  throw new ShardnsError('ERR_SHARDNS_OPTION', `handle: expected what share() returned, got ${show(handle)}`);
}

export function makeRegion<T>(makers: RegionMakers<T>, source: RegionSource): T {
  if ('attach' in source) {
    try {
      return makers.attach(new Uint8Array(source.attach));
    } catch (cause) {
      if (!isCode(cause, 'ERR_SHARDNS_MEMORY')) throw cause;
      throw new ShardnsError(
        'ERR_SHARDNS_MEMORY',
        `${source.attach.byteLength} octets of shared memory cannot be attached: ${(cause as Error).message}`,
        { cause },
      );
    }
  }
  const random = source.random ?? systemRandom;
  const { memoryBytes, shards, averageEntryBytes } = source;
  const policy = Policy[source.policy];
  const options = {
    memoryBytes,
    shards,
    policy,
    averageEntryBytes,
    seedHigh: random.uint32(),
    seedLow: random.uint32(),
    configurationHigh: 0,
    configurationLow: 0,
  };
  try {
    if ('path' in source) {
      const { anySize, anyPolicy, recreate, path, configuration } = source;
      const { high: configurationHigh, low: configurationLow } = configuration ?? { high: 0, low: 0 };
      const file = { anySize: anySize ? 1 : 0, anyPolicy: anyPolicy ? 1 : 0, recreate: recreate ? 1 : 0 };
      return makers.open({ ...options, configurationHigh, configurationLow, ...file }, path);
    }
    return makers.create(options, source.memory && new Uint8Array(source.memory));
  } catch (cause) {
    if (isCode(cause, 'ERR_SHARDNS_FILE') && 'path' in source) {
      // Beside what the file has, what was asked for.
      const message = (cause as Error).message.replace(/another policy, \w+/, `$&, and not ${source.policy}`);
      throw new ShardnsError('ERR_SHARDNS_FILE', `${source.path}: ${message}`, { cause });
    }
    if (!isCode(cause, 'ERR_SHARDNS_MEMORY')) throw cause;
    throw new ShardnsError(
      'ERR_SHARDNS_MEMORY',
      `the cache cannot have ${memoryBytes} octets ${shards ? `in ${show(shards)} shards` : 'on this machine'}: ask for less memory, or for at least 1 MiB a shard`,
      { cause },
    );
  }
}

const LOOK_EVERY_MS = 1000;

/** Looks once a second whether the file under a cache is still what it should be. */
export class FileWatch {
  #lookAt: number;
  constructor(
    private readonly path: string,
    private readonly native: NativeRegion,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.#lookAt = nowMs() + LOOK_EVERY_MS;
  }

  /** @throws {ShardnsError} ERR_SHARDNS_FILE when the file was cut or replaced */
  check(): void {
    const now = this.nowMs();
    if (now < this.#lookAt) return;
    const state = this.native.fileState();
    if (state === FileState.sound) {
      this.#lookAt = now + LOOK_EVERY_MS;
      return;
    }
    const what = state === FileState.cut ? 'was cut short' : 'was replaced or removed';
    throw new ShardnsError('ERR_SHARDNS_FILE', `${this.path}: ${what} while it was open; open it again`);
  }
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION unless it is a number of entries; Infinity = all */
export function checkLimit(limit: unknown): void {
  if (typeof limit !== 'number' || !(limit >= 0)) throw optionError('limit', limit, '0 or more entries, or Infinity');
}

/** Walks the index of a native cache shard by shard; each shard is locked while its next few hundred are read. */
export function* listed(
  native: NativeRegion,
  control: Uint32Array,
  words: { nextBucket: number; buckets: number },
): Generator<[out: Buffer, at: number]> {
  const out = Buffer.alloc(64 << 10);
  for (let shard = 0; shard < native.shards(); shard++) {
    for (let bucket = 0, buckets = 1; bucket < buckets;) {
      const written = native.list(shard, bucket, out);
      bucket = control[words.nextBucket];
      buckets = control[words.buckets];
      for (let at = 0; at < written; at += out.readUInt32LE(at)) yield [out, at];
    }
  }
}
