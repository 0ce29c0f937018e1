// The memory of a byte cache, and what its namespaces share: the native cache, the buffers through which values come out of
// it, and the loads under way. Knows nothing of keys, values or codecs.
import {
  binding,
  ByteControl,
  MAX_VALUE_OCTETS,
  type NativeBytes,
  pinnedMemory,
  BYTE_TUNABLES,
  type ByteTunables,
} from '../native/binding.js';
import type { ByteCacheSettings } from './byte-cache-options.js';
import { Fetcher } from './fetcher.js';
import { FileWatch, makeRegion, type RegionSource } from './region.js';

export interface ByteStore {
  readonly native: NativeBytes;
  readonly settings: ByteCacheSettings;
  readonly memory: SharedArrayBuffer | undefined;
  readonly file: FileWatch | undefined;
  /** Where values are left by the native side. */
  readonly value: Buffer;
  readonly control: Uint32Array;
  readonly remainingMs: Float64Array;
  readonly fetcher: Fetcher;
  closed: boolean;
}

export function makeByteStore(
  source: RegionSource,
  settings: ByteCacheSettings,
  place: { memory?: SharedArrayBuffer; path?: string },
): ByteStore {
  const { createBytes: create, attachBytes: attach, openBytes: open } = binding();
  const native = makeRegion({ create, attach, open }, source);
  const value = Buffer.from(pinnedMemory(MAX_VALUE_OCTETS + 64));
  const control = new Uint32Array(pinnedMemory(4 * ByteControl.words));
  const remainingMs = new Float64Array(pinnedMemory(8));
  native.register(value, control, remainingMs);
  configure(native, settings, Math.max(settings.staleWhileRevalidateMs, settings.staleIfErrorMs));
  return {
    native,
    settings,
    memory: place.memory,
    file: place.path === undefined ? undefined : new FileWatch(place.path, native),
    value,
    control,
    remainingMs,
    fetcher: new Fetcher(settings),
    closed: false,
  };
}

/** @param staleMs how long past its time a value is kept from now on */
export function configure(native: NativeBytes, settings: ByteCacheSettings, staleMs: number): void {
  const share = settings.refreshAhead * 256;
  const tunables: ByteTunables = {
    staleWindowMs: staleMs,
    // Popularity counts the hits since it was stored, 3 and more as 3: the more popular, the earlier.
    refreshShare0: 0,
    refreshShare1: Math.round(share / 3),
    refreshShare2: Math.round((share * 2) / 3),
    refreshShare3: Math.round(share),
    earlyRefreshBetaMs: settings.earlyRefreshBetaMs,
  };
  native.configure(Uint32Array.from(BYTE_TUNABLES, name => tunables[name]));
}
