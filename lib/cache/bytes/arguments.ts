// What callers give to a byte cache beside its options, checked: keys, lifetimes, tags, names of namespaces.
//
// Bounds: 16 tags of 1 to 1024 characters for a value; names of 1 to 255 octets.
import { optionError, ShardnsError } from '../../base/errors.js';
import { isWellFormed } from '../../base/text.js';
import { MAX_KEY_OCTETS, MAX_TAGS, type NativeBytes } from '../../native/binding.js';
import type { LoadContext } from './load-context.js';

export type ByteKey = string | Uint8Array;

export interface SetOptions {
  /** Lifetime; Infinity = until evicted. Default: that of the cache or namespace. */
  ttlMs?: number | undefined;
  /** Up to 16, to be forgotten together by `invalidate({ tag })`. */
  tags?: readonly string[] | undefined;
}

/** A key as a loader is given it: octets as a copy. */
export type GivenKey<K extends ByteKey> = K extends string ? string : Uint8Array;

/**
 * Loads the value of a key from where it comes from.
 * @param context to say how long it lives and what it is forgotten with, when only the loader knows
 */
export type Loader<V, K extends ByteKey = ByteKey> = (key: GivenKey<K>, context: LoadContext<V>) => V | Promise<V>;

export interface FetchOptions<V> {
  /** Lifetime of the loaded value, or what tells it from the value. Default: that of the cache or namespace. */
  ttlMs?: number | ((value: V) => number) | undefined;
  tags?: readonly string[] | undefined;
  /** Gives up waiting; the load goes on for others. */
  signal?: AbortSignal | undefined;
  /** As those of the cache, for this call. */
  softTimeoutMs?: number | undefined;
  hardTimeoutMs?: number | undefined;
}

const SET_OPTIONS: ReadonlySet<string> = new Set(['ttlMs', 'tags']);
const FETCH_OPTIONS: ReadonlySet<string> = new Set([...SET_OPTIONS, 'signal', 'softTimeoutMs', 'hardTimeoutMs']);

/** @throws {ShardnsError} ERR_SHARDNS_OPTION, as all here */
export function checkKey(key: ByteKey): void {
  if (typeof key === 'string') {
    if (!isWellFormed(key)) throw optionError('key', key, 'a string without lone surrogates, or octets');
  } else if (!(key instanceof Uint8Array)) {
    throw optionError('key', key, 'a string or a Uint8Array');
  }
}

export function checkNamespace(name: string): void {
  if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > 255 || !isWellFormed(name)) {
    throw optionError('namespace', name, 'a name of 1 to 255 octets without lone surrogates');
  }
}

export function checkTtl(ttlMs: unknown): void {
  if (typeof ttlMs !== 'number' || !(ttlMs >= 1)) {
    throw optionError('ttlMs', ttlMs, '1 or more milliseconds, or Infinity');
  }
}
/** How long somebody waits. */
export function checkWait(ms: unknown): void {
  if (typeof ms !== 'number' || !(ms >= 0 && ms < 2 ** 31)) throw optionError('ms', ms, '0 to 2147483647 milliseconds');
}
function checkOptions(options: unknown, known: ReadonlySet<string>): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null) throw optionError('options', options, 'an object');
  // `ttl`, as other caches have it, would be a value that lives for ever.
  for (const name in options) {
    if (!known.has(name)) throw new ShardnsError('ERR_SHARDNS_OPTION', `${name}: is not an option`);
  }
}
export function checkSetOptions(options: unknown): void {
  checkOptions(options, SET_OPTIONS);
}
/** Of every call of `fetch`, hits too: no garbage, nothing native. */
export function checkFetch<V>(load: unknown, options: FetchOptions<V>): void {
  if (typeof load !== 'function') throw optionError('load', load, 'a function');
  if (options === NO_FETCH_OPTIONS) return;
  checkOptions(options, FETCH_OPTIONS);
  const { signal, tags, ttlMs, softTimeoutMs, hardTimeoutMs } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw optionError('signal', signal, 'an AbortSignal');
  if (tags !== undefined) checkTags(tags);
  if (ttlMs !== undefined && typeof ttlMs !== 'function') checkTtl(ttlMs);
  if (softTimeoutMs !== undefined) checkTimeout('softTimeoutMs', softTimeoutMs);
  if (hardTimeoutMs !== undefined) checkTimeout('hardTimeoutMs', hardTimeoutMs);
}
export const NO_FETCH_OPTIONS: FetchOptions<never> = Object.freeze({});

function checkTimeout(name: string, ms: unknown): void {
  if (typeof ms !== 'number' || !(ms >= 0 && ms < 2 ** 31)) {
    throw optionError(name, ms, '0 (none) to 2147483647 milliseconds');
  }
}

/** Tags as entries carry them. */
export function tagMarks(native: NativeBytes, tags: readonly string[]): Uint16Array {
  checkTags(tags);
  return Uint16Array.from(tags, tag => native.tagMark(tag));
}
export function checkTags(tags: readonly string[]): void {
  if (!Array.isArray(tags) || tags.length > MAX_TAGS) throw optionError('tags', tags, `up to ${MAX_TAGS} strings`);
  for (const tag of tags as readonly string[]) checkTag(tag);
}
export function checkTag(tag: string): string {
  if (typeof tag !== 'string' || tag === '' || tag.length > 1024 || !isWellFormed(tag)) {
    throw optionError('tag', tag, 'a string of 1 to 1024 characters without lone surrogates');
  }
  return tag;
}
export function keyTooLong(key: ByteKey): ShardnsError {
  const octets = typeof key === 'string' ? Buffer.byteLength(key) : key.length;
  return optionError('key', octets, `at most ${MAX_KEY_OCTETS} octets with the namespace's name`);
}
