// The native addon, loaded on first use: the functions that make its objects. One file of this layer for each object
// declares its methods, words and values. Callers have validated their arguments: the native side reports a wrong one as
// ERR_SHARDNS_INTERNAL with its number and name, and follows nothing.
import { createRequire } from 'node:module';
import { countSuspendedTime } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { NativeAsker } from './asker.js';
import type { NativeBytes } from './bytes.js';
import type { NativeCache } from './cache.js';
import { checkContract, type Contract } from './contract.js';
import type { GateRuleFields, NativeGate } from './gate.js';
import { loadErrorText } from './load-error.js';
import type { NativeNameList } from './name-list.js';
import type { NativePlane } from './plane.js';
import type { RegionMakers } from './region.js';

export * from './asker.js';
export * from './bytes.js';
export * from './cache.js';
export * from './edge.js';
export * from './gate.js';
export * from './name-list.js';
export * from './plane.js';
export * from './query.js';
export * from './region.js';

interface Binding extends Contract {
  /** Those of lib/base/answering-ports.ts. */
  answeringPorts: number[];
  /** Milliseconds, suspended time too. */
  clockMs(): number;
  createCache: RegionMakers<NativeCache>['create'];
  attachCache: RegionMakers<NativeCache>['attach'];
  openCache: RegionMakers<NativeCache>['open'];
  createBytes: RegionMakers<NativeBytes>['create'];
  attachBytes: RegionMakers<NativeBytes>['attach'];
  openBytes: RegionMakers<NativeBytes>['open'];
  createGate(seed: { seedHigh: number; seedLow: number }): NativeGate;
  gateRule: GateRuleFields;
  /**
   * @param maxOctets of all sources
   * @param maxNames rules, at most MAX_NAMES
   */
  createNameList(seedHigh: number, seedLow: number, maxOctets: number, maxNames: number): NativeNameList;
  createPlane(
    cache: NativeCache,
    options: {
      endpoints: (string | number)[];
      threads: number;
      pin: number;
      flights: number;
      waiters: number;
      /** What one client may hold of them. */
      clientFlights: number;
      clientWaiters: number;
      /** By which it judges who may ask. */
      gate: NativeGate;
      receiveBufferBytes: number;
    },
    onWake: () => void,
  ): NativePlane;
  /**
   * @param localV4 address to ask from; '' where the kernel chooses
   * @param onReadable called in a turn of its own when there is something to receive
   * @throws ERR_SHARDNS_NATIVE where there is no event loop to watch sockets, or no descriptor left
   */
  createAsker(
    localV4: string,
    localV6: string,
    outbox: Uint8Array,
    inbox: Uint8Array,
    onReadable: () => void,
  ): NativeAsker;
  /** Reads a query as the plane does. @param words QUERY_WORDS @returns a QueryVerdict */
  parseQuery(query: Uint8Array, words: Uint32Array): number;
}

function load(): Binding {
  let binding: Binding;
  try {
    binding = createRequire(import.meta.url)('../../lib/native/load.cjs') as Binding;
  } catch (cause) {
    throw new ShardnsError('ERR_SHARDNS_NATIVE', loadErrorText(cause), { cause });
  }
  checkContract(binding);
  return binding;
}

let loaded: Binding | undefined;
/** The addon, loaded on first use. */
export function binding(): Binding {
  if (loaded === undefined) {
    loaded = load();
    countSuspendedTime(loaded.clockMs);
  }
  return loaded;
}
