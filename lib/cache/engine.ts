// The native cache behind validated options: what the server and the programs' caches are both made of.
import { ShardnsError, show } from '../base/errors.js';
import { type Random, systemRandom } from '../base/random.js';
import {
  binding,
  type CacheStats,
  Control,
  ControlFlag,
  ForgetKind,
  MISS,
  MISS_WITH_STALE,
  type NativeCache,
  Policy,
  readCacheStats,
  TUNABLES,
  type Tunables,
  VariantFlag,
} from '../native/binding.js';
import { MAX_MESSAGE_SIZE } from '../wire/iana.js';

export interface EngineOptions {
  /** Octets of the region, 1 MiB or more. */
  memoryBytes: number;
  /** A power of two up to 256; 0 chooses. */
  shards: number;
  policy: keyof typeof Policy;
  /** Sizes the index: octets of a typical entry. */
  averageEntryBytes: number;
  random?: Random;
}

/** What tells answers to one question apart. */
export interface Variant {
  dnssecOk?: boolean;
  checkingDisabled?: boolean;
  /** 0 to 2^32 - 1; 0 = no tenant. */
  tenant?: number;
}

export interface AnswerOptions {
  udp?: boolean;
  allowStale?: boolean;
  tenant?: number;
}

export function variantFlags(variant: Variant): number {
  return (variant.dnssecOk ? VariantFlag.dnssecOk : 0) | (variant.checkingDisabled ? VariantFlag.checkingDisabled : 0);
}

const REPLY_ROOM = MAX_MESSAGE_SIZE + 64;

export class Engine implements Disposable {
  readonly native: NativeCache;
  readonly memoryBytes: number;
  /** Where `answer` leaves its reply; valid until the next call. */
  readonly reply = new Uint8Array(REPLY_ROOM);
  /** Where `answerHere` finds its query. */
  readonly query = new Uint8Array(MAX_MESSAGE_SIZE);
  readonly #control = new Uint32Array(Control.words);
  #closed = false;

  constructor(options: EngineOptions) {
    const random = options.random ?? systemRandom;
    this.memoryBytes = options.memoryBytes;
    try {
      this.native = binding().createCache({
        memoryBytes: options.memoryBytes,
        shards: options.shards,
        policy: Policy[options.policy],
        averageEntryBytes: options.averageEntryBytes,
        seedHigh: random.uint32(),
        seedLow: random.uint32(),
      });
    } catch (cause) {
      if ((cause as { code?: string }).code !== 'ERR_SHARDNS_MEMORY') throw cause;
      throw new ShardnsError(
        'ERR_SHARDNS_MEMORY',
        `the cache cannot have ${options.memoryBytes} octets in ${show(options.shards)} shards: ask for less memory, or for at least 1 MiB a shard`,
        { cause },
      );
    }
    this.native.register(this.query, this.reply, this.#control);
  }

  /**
   * Answers a query from the cache into `reply`; TTLs are reduced by the entry's age (RFC 1035 section 4.1.3).
   * @returns octets of the reply; 0 when none is due; MISS or MISS_WITH_STALE
   */
  answer(query: Uint8Array, options: AnswerOptions = {}): number {
    if (query.length > MAX_MESSAGE_SIZE) return 0;
    this.query.set(query);
    this.#control[Control.flags] =
      (options.udp ? ControlFlag.udp : 0) | (options.allowStale ? ControlFlag.allowStale : 0);
    this.#control[Control.tenant] = options.tenant ?? 0;
    return this.native.answer(query.length);
  }
  /** The same for the first `length` octets of `query`, without a bound on the reply: nothing is copied. */
  answerHere(length: number): number {
    this.#control[Control.flags] = 0;
    this.#control[Control.tenant] = 0;
    return this.native.answer(length);
  }
  /** Whether the last hit was the one chosen to refresh its entry. */
  get refreshDue(): boolean {
    return this.#control[Control.refresh] !== 0;
  }

  /** The reply to one client from a raw response, stored or not, in `reply`; 0 = the response is unusable. */
  finish(query: Uint8Array, response: Uint8Array, udp: boolean, wallSeconds: number, extendedError: number): number {
    this.#control[Control.flags] = udp ? ControlFlag.udp : 0;
    return this.native.finish(query, response, wallSeconds, extendedError);
  }
  /** A reply of header and question with this rcode, in `reply`; 0 = none is due. */
  refuse(query: Uint8Array, rcode: number, extendedError: number, udp: boolean): number {
    this.#control[Control.flags] = udp ? ControlFlag.udp : 0;
    return this.native.refuse(query, rcode, extendedError);
  }

  insert(response: Uint8Array, variant: Variant, wallSeconds: number, scope?: Uint8Array): number {
    return this.native.insert(response, variantFlags(variant), variant.tenant ?? 0, wallSeconds, scope);
  }
  /** Notes a resolution failure beside the answer, which it never displaces (RFC 9520). */
  insertFailure(name: Uint8Array, type: number, variant: Variant, ttlSeconds: number, rcode: number): void {
    this.native.insertFailure(name, type, variantFlags(variant), variant.tenant ?? 0, ttlSeconds, rcode);
  }

  /** Forgets by epoch: O(1), whatever the number of entries. */
  invalidate(what: { name: Uint8Array } | { suffix: Uint8Array } | { tenant: number } | 'all'): void {
    if (what === 'all') this.native.forget(ForgetKind.all, undefined, 0);
    else if ('name' in what) this.native.forget(ForgetKind.name, what.name, 0);
    else if ('suffix' in what) this.native.forget(ForgetKind.suffix, what.suffix, 0);
    else this.native.forget(ForgetKind.tenant, undefined, what.tenant);
  }

  configure(tunables: Tunables): void {
    this.native.configure(Uint32Array.from(TUNABLES, name => tunables[name]));
  }
  stats(): CacheStats {
    return readCacheStats(this.native);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.native.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

export { MISS, MISS_WITH_STALE };
