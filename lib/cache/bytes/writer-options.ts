// What a program says of the store behind its cache: how it is written, and what becomes of what it does not take.
import { ShardnsError } from '../../base/errors.js';
import {
  Field,
  flag,
  having,
  type InputOf,
  milliseconds,
  oneOf,
  readFields,
  type SettingsOf,
  whole,
} from '../../base/fields.js';
import type { ByteKey } from './arguments.js';

/** One key's latest state that the store has not got yet. */
export interface Write<V> {
  readonly key: ByteKey;
  /** Undefined where it is deleted. */
  readonly value: V | undefined;
  readonly deleted: boolean;
  /** How often it has been tried before. */
  readonly attempts: number;
}

export interface WriteCall {
  /** Aborts after `timeoutMs`. The call is waited for all the same: what may still be written must not be overtaken. */
  readonly signal: AbortSignal;
}

/**
 * Writes a batch; no key is in it twice, and none is in another one that is under way. It may return a list with an error
 * at the place of each write that failed; what it throws is the failure of all.
 */
export type WriteBatch<V> = (
  batch: readonly Write<V>[],
  call: WriteCall,
) => void | readonly unknown[] | Promise<void | readonly unknown[]>;

const call = <T>(): Field<T> =>
  new Field<T>(value => (typeof value === 'function' ? undefined : 'expected a function'));

const writerFields = {
  write: call<WriteBatch<never>>(),
  /** `behind`: a write resolves when it is queued; `through`: when the store has it. */
  mode: oneOf('behind', 'through').default('behind'),
  /** Writes in a call, at most. */
  batch: whole(1, 10_000).default(100),
  /** How long a batch that is not full is waited for; by default 10 behind, and not at all through. */
  gatherMs: milliseconds(0).optional(),
  /** Calls under way at the same time. */
  concurrency: whole(1, 1000).default(1),
  /** How often a write is tried again. */
  retries: whole(0, 1000).default(5),
  /** Before the first try again; doubled for each further one up to `maxBackoffMs`, less up to a half by chance. */
  backoffMs: milliseconds(1).default(100),
  maxBackoffMs: milliseconds(1).default(30_000),
  /** After which the call is told to end. */
  timeoutMs: milliseconds(1).default(30_000),
  /** Writes that wait or are under way; one more fails. */
  maxQueued: whole(1, 10_000_000).default(10_000),
  /** Octets of their keys and values. */
  maxQueuedBytes: whole(1024, 2 ** 40).default(64 * 2 ** 20),
  /** How long `end()` waits for what is queued. */
  drainMs: milliseconds(0).default(5000),
  /** Writes wait in Redis, where they outlive this process: needs `redis`. */
  durable: flag.default(false),
  /** Streams that they wait in, each written by one process at a time; the same in all of them. */
  partitions: whole(1, 256).default(8),
  /** How long another process waits before it takes over from one that has died; `timeoutMs` is half of it at most. */
  leaseMs: whole(1000, 3_600_000).default(10_000),
  /** Told of each write that is given up, and why; its key is taken out of the cache. */
  onDead: call<(write: Write<never>, error: unknown) => void>().optional(),
};

/** Methods, and not functions: a writer of any values is one of whatever values a cache has. */
type Typed<V, F> = Omit<F, 'write' | 'onDead'> & {
  write(batch: readonly Write<V>[], call: WriteCall): ReturnType<WriteBatch<V>>;
  onDead?(write: Write<V>, error: unknown): void;
};
export type WriterOptions<V> = Typed<V, InputOf<typeof writerFields>>;
export type WriterSettings<V> = Typed<V, SettingsOf<typeof writerFields>> & { gatherMs: number };

/** An object with a method `write`. Its other properties are read when a writer is made of it. */
export const writerField: Field<WriterOptions<never>> = having<WriterOptions<never>>('write');

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming each wrong option of it */
export function readWriter<V>(options: WriterOptions<V>): WriterSettings<V> {
  const settings = readFields(writerFields, options, 'writer') as unknown as WriterSettings<V>;
  // Written as a method, it may need its object.
  const { durable, mode, leaseMs, timeoutMs } = settings;
  if (durable && mode === 'through') {
    throw new ShardnsError('ERR_SHARDNS_OPTION', 'writer.durable: is for mode: "behind"');
  }
  const gatherMs = settings.gatherMs ?? (settings.mode === 'through' ? 0 : 10);
  const limitMs = durable ? Math.min(timeoutMs, leaseMs / 2) : timeoutMs;
  return { ...settings, gatherMs, timeoutMs: limitMs, write: settings.write.bind(options) };
}
