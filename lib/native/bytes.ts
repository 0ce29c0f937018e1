// The native byte cache: its methods, and the words and values that cross.
import type { NativeRegion } from './region.js';

/** Results of `get` of a byte cache other than the value's length in octets. */
export const Got = { miss: -1, failure: -2, tooLong: -3, keyTooLong: -4 } as const;
export const GetFlag = { allowStale: 1, uncounted: 2 } as const;
export const KIND_SHIFT = 8;
export const ByteControl = {
  kind: 0,
  stale: 1,
  refresh: 2,
  popularity: 3,
  length: 4,
  nextBucket: 5,
  buckets: 6,
  words: 7,
} as const;
/** Flags of a stored value: its kind in the lower three bits, and whether it is a loader's failure. */
export const ByteFlag = { kindMask: 7, failure: 16 } as const;
export const ByteForget = { all: 0, namespace: 1, tag: 2 } as const;
export const MAX_VALUE_OCTETS = 65_536;
/** With the namespace's name and an octet for its length. */
export const MAX_KEY_OCTETS = 4096;
export const MAX_TAGS = 16;

/** Words of `configure`, in order; refresh shares by popularity, of 256. */
export const BYTE_TUNABLES = [
  'staleWindowMs',
  'refreshShare0',
  'refreshShare1',
  'refreshShare2',
  'refreshShare3',
  'earlyRefreshBetaMs',
] as const;
export type ByteTunables = Record<(typeof BYTE_TUNABLES)[number], number>;

export interface NativeBytes extends NativeRegion {
  register(value: Uint8Array, control: Uint32Array, remainingMs: Float64Array): void;
  /** @param flags GetFlag, and the kind that the value must have from KIND_SHIFT on */
  get(key: string | Uint8Array, namespace: number, flags: number, out?: Uint8Array): number;
  /** @returns 0, or a negative Status or Got.keyTooLong */
  set(
    key: string | Uint8Array,
    namespace: number,
    value: string | Uint8Array,
    flags: number,
    ttlMs: number,
    tags: Uint16Array | undefined,
    generation: number,
  ): number;
  remove(key: string | Uint8Array, namespace: number): number;
  touch(key: string | Uint8Array, namespace: number, ttlMs: number, kind: number): number;
  addNamespace(name: string): number;
  tagMark(tag: string): number;
  forget(kind: number, number: number): void;
  generation(): number;
  configure(tunables: Uint32Array): void;
}
