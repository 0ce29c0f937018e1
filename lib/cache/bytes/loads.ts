// The loads of a byte cache: which one is a key's, whose writing overtakes it, and how one that failed is remembered.
import { isUtf8 } from 'node:buffer';
import { ShardnsError } from '../../base/errors.js';
import { ByteControl, ByteFlag, type NativeBytes } from '../../native/binding.js';
import type { ByteKey } from './arguments.js';
import { CODECS } from './codec.js';
import type { Fetcher } from './fetcher.js';

/** What a failure is stored with, in the place of the value. */
export const FAILURE_FLAGS = ByteFlag.failure | CODECS.utf8.kind;

/** Of a key in its namespace; the two forms of a key do not meet. */
export function loadId(space: number, key: ByteKey): string {
  return typeof key === 'string' ? `${space} text ${key}` : `${space} octets ${Buffer.from(key).toString('latin1')}`;
}

/** The same for what is written: the two forms of a key are one key. */
export function writeId(space: number, key: ByteKey): string {
  return `${space} ${Buffer.from(key as Uint8Array).toString('latin1')}`;
}

/** What a value of the namespace is forgotten together with. */
export function groupsOf(native: NativeBytes, space: number, tags: readonly string[] | undefined): readonly string[] {
  return [`namespace ${space}`, ...(tags ?? []).map(tag => `tag ${native.tagMark(tag)}`)];
}

/** The key is written or deleted: what is being loaded for it is not stored. */
export function overtakeKey(fetcher: Fetcher, space: number, key: ByteKey): void {
  if (!fetcher.loading) return;
  fetcher.overtake(loadId(space, key));
  // The same key in its other form.
  const octets = Buffer.from(key);
  if (typeof key === 'string') fetcher.overtake(loadId(space, octets));
  else if (isUtf8(octets)) fetcher.overtake(loadId(space, octets.toString()));
}

/** The failure that was just found in the place of a value. */
export function failureOf({ value, control }: { value: Buffer; control: Uint32Array }): ShardnsError {
  const text = value.toString('utf8', 0, control[ByteControl.length]);
  return new ShardnsError('ERR_SHARDNS_LOADER', `the loader failed a short time ago: ${text}`);
}
