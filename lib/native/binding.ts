// The native addon, loaded on first use: the functions that make its objects. One file of this layer for each object
// declares its methods, words and values. Callers have validated their arguments: the native side reports a wrong one as
// ERR_SHARDNS_INTERNAL with its number and name, and follows nothing.
import { countSuspendedTime } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { isBundled, ownRequire, packageFile } from '../base/package-files.js';
import type { NativeAsker } from './asker.js';
import type { NativeBytes } from './bytes.js';
import type { NativeCache } from './cache.js';
import { checkContract, type Contract } from './contract.js';
import type { GateRuleFields, NativeGate } from './gate.js';
import { loadErrorText, NO_BINARY, NOT_BESIDE_BUNDLE, OLD_NODE } from './load-error.js';
import type { NativeHttp2 } from './http2.js';
import type { NativeNameList } from './name-list.js';
import type { NativePlane } from './plane.js';
import type { RegionMakers } from './region.js';
import type { HandedSocket } from './sockets.js';
import type { NativeTap } from './tap.js';

export * from './asker.js';
export * from './bytes.js';
export * from './cache.js';
export * from './edge.js';
export * from './gate.js';
export * from './http2.js';
export * from './name-list.js';
export * from './plane.js';
export * from './query.js';
export * from './region.js';
export * from './sockets.js';
export * from './tap.js';

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
      /** Sockets that are bound already: the number of an endpoint and a descriptor, in turn. Each gets a receiver. */
      adopted?: number[];
      /** Where it tells what it answers. */
      tap?: NativeTap | undefined;
      /** Whose addresses it may have too, until that one yields to it. */
      predecessor?: NativePlane;
    },
    onWake: () => void,
  ): NativePlane;
  createTap(seed: number): NativeTap;
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
  /** Whether the program carries nghttp2, which `createHttp2` needs. */
  hasHttp2: boolean;
  /**
   * @param path where questions are answered
   * @param maxStreams at once, at most 1024
   * @param words HTTP2_WORDS; `events` and `out` are shared memory too, of all sessions if that is wanted
   * @param maxUnsent octets of replies that were not taken, beyond which the session ends at the next query
   * @param forwarded the field, in lower case, by which a proxy says for whom it asks: nothing is looked up then, and every
   * query is told as `proxied`; '' where the client is no proxy
   * @param client the octets of the client's address, for `tap`
   */
  createHttp2(
    cache: NativeCache,
    path: string,
    maxStreams: number,
    words: Uint32Array,
    events: Uint32Array,
    out: Uint8Array,
    maxUnsent: number,
    forwarded: string,
    tap: NativeTap | undefined,
    client: Uint8Array,
    clientPort: number,
  ): NativeHttp2;
  /** Reads a query as the plane does. @param words QUERY_WORDS @returns a QueryVerdict */
  parseQuery(query: Uint8Array, words: Uint32Array): number;
  /** How long HTTP may keep a reply, in seconds (RFC 8484 section 5.1); 0: not at all. */
  freshSeconds(reply: Uint8Array): number;
  /** SipHash-2-4 of 128 bits. @param key 16 octets @param length of what is hashed @param out at least 16 octets */
  sipHash(key: Uint8Array, octets: Uint8Array, length: number, out: Uint8Array): void;
  /** What a descriptor is that this process began with, and that those it starts will not have; undefined for other files. */
  takeSocket(fd: number): HandedSocket | undefined;
  /** Another descriptor of the same file. @returns a negative errno where there is none left */
  duplicateDescriptor(fd: number): number;
  /**
   * One datagram to a unix socket, without waiting.
   * @param path `@name`: in the abstract namespace
   * @returns 0, or a negative errno
   */
  sendUnixDatagram(path: string, text: string): number;
}

/** build/Release of a checkout or of `shardns build`, else the prebuild of this platform. */
function findAndLoad(): Binding {
  if (!('getBuiltinModule' in process)) throw Object.assign(new Error('an old Node'), { code: OLD_NODE });
  const binary = packageFile(
    'build/Release/shardns.node',
    `prebuilds/${process.platform}-${process.arch}/shardns.node`,
  );
  if (binary !== undefined) return ownRequire()(binary) as Binding;
  throw Object.assign(new Error('there is no shardns.node'), { code: isBundled() ? NOT_BESIDE_BUNDLE : NO_BINARY });
}

function load(): Binding {
  let binding: Binding;
  try {
    binding = findAndLoad();
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
