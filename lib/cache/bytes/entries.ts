// The entries of a byte cache for inspection, read out of the native side's listing.
import { ByteControl, ByteFlag, type NativeBytes } from '../../native/binding.js';
import { listed } from '../region.js';

export interface ByteEntry {
  key: Buffer;
  /** Octets of the value. */
  length: number;
  /** Infinity: does not expire; negative: expired. */
  remainingMs: number;
  /** Hits since it was stored, 3 and more as 3. */
  popularity: number;
}

/** Those whose keys begin with `prefix`, which is not theirs; invalidated and expired ones too, but no failures. */
export function* listEntries(native: NativeBytes, control: Uint32Array, prefix: Buffer): Generator<ByteEntry> {
  const { nextBucket, buckets } = ByteControl;
  for (const [out, at] of listed(native, control, { nextBucket, buckets })) {
    const key = out.subarray(at + 24, at + 24 + out.readUInt16LE(at + 12));
    const { length } = prefix;
    if (!key.subarray(0, length).equals(prefix) || (out[at + 14] & ByteFlag.failure) !== 0) continue;
    yield {
      key: Buffer.from(key.subarray(length)),
      length: out.readUInt32LE(at + 4),
      remainingMs: out.readDoubleLE(at + 16),
      popularity: out.readUInt32LE(at + 8),
    };
  }
}
