// The memory of a byte cache, and what its namespaces share: the native cache, the buffers through which values come out of
// it, the loads under way, and of each namespace its writer and its loaders' breaker. Knows nothing of keys, values or
// codecs.
import { Breaker, BREAKER_LIMITS } from '../../base/breaker.js';
import { type Clock, systemClock } from '../../base/clock.js';
import { type Logger, silentLogger } from '../../base/log.js';
import { type Random, systemRandom } from '../../base/random.js';
import {
  binding,
  ByteControl,
  MAX_VALUE_OCTETS,
  type NativeBytes,
  pinnedMemory,
  BYTE_TUNABLES,
  type ByteTunables,
} from '../../native/binding.js';
import { FileWatch, makeRegion, type RegionSource } from '../region.js';
import type { MakeRedisClient } from '../redis/client.js';
import { EventRules } from './events.js';
import { Fetcher } from './fetcher.js';
import { MemoryOwner } from './forgetting.js';
import { ByteLevel } from './level.js';
import { type ByteLevelOptions, readLevel } from './level-options.js';
import type { ByteCacheSettings } from './options.js';
import type { StoreWriter } from './writer.js';

/** What tests bring; by default those of the system. The native side has its own clock. */
export interface ByteCacheDependencies {
  clock?: Clock;
  random?: Random;
  logger?: Logger;
  /** In place of the client of Redis that is used. @internal */
  redis?: MakeRedisClient;
}

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
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** By the number of a namespace, of which there are 65,536 at most; so are breakers. */
  readonly writers: Map<number, StoreWriter>;
  readonly events: EventRules;
  /** What a fleet shares; undefined: there is none. */
  readonly level: ByteLevel | undefined;
  /** Of the loaders of a namespace; undefined: they have none. */
  breakerOf(space: number): Breaker | undefined;
  closed: boolean;
}

export function makeByteStore(
  source: RegionSource,
  settings: ByteCacheSettings,
  place: { memory?: SharedArrayBuffer; path?: string; redis?: ByteLevelOptions },
  dependencies: ByteCacheDependencies = {},
): ByteStore {
  const { clock = systemClock, random = systemRandom, logger = silentLogger } = dependencies;
  const levelSettings = place.redis === undefined ? undefined : readLevel(place.redis);
  const { createBytes: create, attachBytes: attach, openBytes: open } = binding();
  const native = makeRegion({ create, attach, open }, source);
  const value = Buffer.from(pinnedMemory(MAX_VALUE_OCTETS + 64));
  const control = new Uint32Array(pinnedMemory(4 * ByteControl.words));
  const remainingMs = new Float64Array(pinnedMemory(8));
  native.register(value, control, remainingMs);
  configure(native, settings, Math.max(settings.staleWhileRevalidateMs, settings.staleIfErrorMs));
  const store: Writable<ByteStore> = {
    native,
    settings,
    memory: place.memory,
    file: place.path === undefined ? undefined : new FileWatch(place.path, native),
    value,
    control,
    remainingMs,
    fetcher: new Fetcher(settings, clock),
    clock,
    random,
    log: logger,
    writers: new Map(),
    events: new EventRules(),
    level: undefined,
    breakerOf: breakers(settings, clock, random),
    closed: false,
  };
  if (levelSettings !== undefined) {
    const markOf = (name: string): number => (name === '' ? 0 : native.tagMark(name));
    const parts = { clock, random, log: logger, owner: new MemoryOwner(store), markOf, make: dependencies.redis };
    store.level = new ByteLevel(levelSettings, parts);
  }
  return store;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function breakers(settings: ByteCacheSettings, clock: Clock, random: Random): ByteStore['breakerOf'] {
  const { breakerFailures: inARow, breakerOpenMs: openMs, breakerMaxOpenMs: maxOpenMs } = settings;
  if (inARow === 0) return () => undefined;
  const limits = { ...BREAKER_LIMITS, inARow, openMs, maxOpenMs: Math.max(openMs, maxOpenMs) };
  const made = new Map<number, Breaker>();
  return space => {
    let breaker = made.get(space);
    if (breaker === undefined) made.set(space, (breaker = new Breaker(clock, random, limits)));
    return breaker;
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
