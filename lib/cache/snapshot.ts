// What a cache holds, in a file that does not depend on how it is held: saved beside readers and writers, off the main
// thread, and loaded as if a stranger had sent it.
import { optionError, ShardnsError } from '../base/errors.js';
import { pathExpected } from '../base/fields.js';
import type { NativeRegion, SnapshotResult } from '../native/binding.js';
import type { Configuration } from './region.js';

export interface SaveResult {
  entries: number;
  /** Of the file. */
  octets: number;
}
export interface LoadOptions {
  /** A file that is cut or damaged: load nothing of it and fail, or what stands before the damage. */
  onDamage?: 'refuse' | 'keep' | undefined;
}
export type LoadResult = SnapshotResult;

const explain =
  (path: string) =>
  (cause: unknown): never => {
    if ((cause as { code?: string }).code !== 'ERR_SHARDNS_FILE') throw cause;
    throw new ShardnsError('ERR_SHARDNS_FILE', `${path}: ${(cause as Error).message}`, { cause });
  };
function checkPath(path: unknown): string {
  const expected = pathExpected(path);
  if (expected !== undefined) throw optionError('path', path, expected.replace(/^expected /, ''));
  return path as string;
}

/** Nothing is known of what decided the answers. */
const NO_RULES: Configuration = { high: 0, low: 0 };

/**
 * @param rules what decided what the answers hold
 * @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_FILE
 */
export async function saveSnapshot(native: NativeRegion, path: string, rules = NO_RULES): Promise<SaveResult> {
  const { entries, octets } = await native.save(checkPath(path), rules.high, rules.low).catch(explain(path));
  return { entries, octets };
}

/**
 * @param rules those of a file that says others are refused
 * @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_FILE
 */
export async function loadSnapshot(
  native: NativeRegion,
  path: string,
  options: LoadOptions = {},
  rules = NO_RULES,
): Promise<LoadResult> {
  if (typeof options !== 'object' || (options as unknown) === null) throw optionError('options', options, 'an object');
  const { onDamage = 'refuse' } = options;
  if (!['refuse', 'keep'].includes(onDamage)) throw optionError('onDamage', onDamage, 'refuse or keep');
  return native.load(checkPath(path), onDamage === 'keep' ? 1 : 0, rules.high, rules.low).catch(explain(path));
}
