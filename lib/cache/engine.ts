// The native cache behind validated options: what the server and the programs' caches are both made of.
import {
  binding,
  type CacheStats,
  Control,
  ControlFlag,
  FOR_AUTHORITY,
  ForgetKind,
  MISS,
  MISS_WITH_STALE,
  NOT_DUE,
  type NativeCache,
  type NativeGate,
  pinnedMemory,
  readCacheStats,
  TICKS_PER_SECOND,
  TUNABLES,
  type Tunables,
  UNKNOWN_TENANT,
  VariantFlag,
} from '../native/binding.js';
import { MAX_MESSAGE_SIZE, MAX_NAME_SIZE } from '../wire/iana.js';
import { ShardnsError } from '../base/errors.js';
import { type Configuration, listed, makeRegion, type RegionSource } from './region.js';

/** Tenants are 0 to this; 2^32 - 1 stands for a client that is not known yet. */
export const MAX_TENANT = UNKNOWN_TENANT - 1;

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
  /** Zones are served: what is for an authority is FOR_AUTHORITY. */
  authority?: boolean;
  /** What counts in the statistics: the question, and with it all; the reply only, or nothing, where it was counted before. */
  counts?: 'question' | 'reply' | 'nothing';
  /** Whom it is for: it is judged before it is answered, and its tag is in `tag` then. Instead of `tenant`. */
  client?: JudgedClient;
  /** With `client`, and where the reply alone counts: under `tenant`, the tag of a list's alias, as if asked for the first time. */
  isOtherTag?: boolean;
}

/** A reply without records, for want of an answer. */
export interface ErrorReply {
  rcode: number;
  extendedError: number;
  /** Beside the extended error, for people: ASCII, of which as much is told as a reply has room for, 128 octets at the most. */
  text?: string;
}

/** A client, as a gate knows it: what the gate's rules say of it is what it gets, with the cookie that they give it. */
export interface JudgedClient {
  readonly gate: NativeGate;
  /** Its address: 4 octets or 16. */
  readonly octets: Uint8Array;
}

export interface Peeked {
  message: Uint8Array;
  /** Negative: expired. */
  remainingSeconds: number;
  /** Since it was stored. */
  ageSeconds: number;
  /** Hits since it was stored, 3 and more as 3. */
  popularity: number;
}

export interface ListedEntry {
  /** Folded wire format. */
  name: Uint8Array;
  type: number;
  variant: Required<Variant>;
  negative: boolean;
  failure: boolean;
  /** Octets of the message. */
  length: number;
  remainingSeconds: number;
  popularity: number;
}

const ListFlag = { dnssecOk: 1, checkingDisabled: 2, failure: 4, negative: 16 } as const;

function readListed(out: Buffer, at: number): ListedEntry {
  const flags = out[at + 10];
  const nameEnd = at + 16 + out[at + 14];
  return {
    name: Uint8Array.prototype.slice.call(out, at + 16, nameEnd),
    type: out.readUInt16LE(at + 12),
    variant: {
      dnssecOk: (flags & ListFlag.dnssecOk) !== 0,
      checkingDisabled: (flags & ListFlag.checkingDisabled) !== 0,
      tenant: out[at + 15] >= 4 ? out.readUInt32LE(nameEnd) : 0,
    },
    negative: (flags & ListFlag.negative) !== 0,
    failure: (flags & ListFlag.failure) !== 0,
    length: out.readUInt16LE(at + 8),
    remainingSeconds: out.readInt32LE(at + 4) / TICKS_PER_SECOND,
    popularity: out[at + 11],
  };
}

/** Nothing but storing and answering: no stale answers, no refresh. */
export const PLAIN_TUNABLES: Tunables = {
  minTtlSeconds: 0,
  maxTtlSeconds: 86_400, // RFC 8767 section 4
  negativeMinTtlSeconds: 0,
  negativeMaxTtlSeconds: 3600, // RFC 2308 section 5
  ttlJitterPercent: 0,
  staleWindowSeconds: 0,
  staleTtlSeconds: 30, // RFC 8767 section 4
  prefetchShare0: 0,
  prefetchShare1: 0,
  prefetchShare2: 0,
  prefetchShare3: 0,
  earlyRefreshBetaTicks: 0,
  udpSize: 1232, // RFC 9715 section 3.1
  rotate: 0,
  clientSubnet: 0,
  originalTtl: 0,
  authority: 0,
};

export function variantFlags(variant: Variant): number {
  return (variant.dnssecOk ? VariantFlag.dnssecOk : 0) | (variant.checkingDisabled ? VariantFlag.checkingDisabled : 0);
}

const REPLY_ROOM = MAX_MESSAGE_SIZE + 64;

export class Engine implements Disposable {
  readonly native: NativeCache;
  readonly memoryBytes: number;
  /** Where `answer` leaves its reply; valid until the next call. */
  readonly reply = new Uint8Array(pinnedMemory(REPLY_ROOM));
  /** Where `answerHere` finds its query. */
  readonly query = new Uint8Array(pinnedMemory(MAX_MESSAGE_SIZE));
  readonly #control = new Uint32Array(pinnedMemory(4 * Control.words));
  readonly #client = new Uint8Array(this.#control.buffer, 4 * Control.client0, 16);
  /** Whose rules hold for clients, and the one whose address is written. */
  #gate: NativeGate | undefined;
  #judged: JudgedClient | undefined;
  readonly #declared = new Map<object, Configuration>();
  #closed = false;

  constructor(source: RegionSource) {
    this.memoryBytes = 'attach' in source ? source.attach.byteLength : source.memoryBytes;
    const { createCache: create, attachCache: attach, openCache: open } = binding();
    this.native = makeRegion({ create, attach, open }, source);
    this.native.register(this.query, this.reply, this.#control);
  }

  /**
   * Answers a query from the cache into `reply`; TTLs are reduced by the entry's age (RFC 1035 section 4.1.3).
   * @returns octets of the reply; 0 when none is due; MISS or MISS_WITH_STALE; FOR_AUTHORITY
   */
  answer(query: Uint8Array, options: AnswerOptions = {}): number {
    if (query.length > MAX_MESSAGE_SIZE) return 0;
    this.query.set(query);
    const { counts } = options;
    this.#control[Control.flags] =
      ControlFlag.resolves |
      (options.client === undefined ? 0 : this.#judge(options.client)) |
      (options.udp ? ControlFlag.udp : 0) |
      (options.allowStale ? ControlFlag.allowStale : 0) |
      (options.authority ? ControlFlag.authority : 0) |
      (options.isOtherTag ? ControlFlag.otherTag : 0) |
      (counts === 'nothing' ? ControlFlag.countNothing : counts === 'reply' ? ControlFlag.countReply : 0);
    this.#control[Control.tenant] = options.tenant ?? 0;
    this.#control[Control.queryLength] = query.length;
    return this.native.answer();
  }
  /** The same for the first `length` octets of `query`, without a bound on the reply: nothing is copied. */
  answerHere(length: number): number {
    this.#control[Control.flags] = 0;
    this.#control[Control.tenant] = 0;
    this.#control[Control.queryLength] = length;
    return this.native.answer();
  }
  /** For whom queries are answered that come natively (see NativeHttp2) until something else is asked here. */
  answersFor(client: JudgedClient | undefined): void {
    this.#control[Control.flags] = ControlFlag.resolves | (client === undefined ? 0 : this.#judge(client));
    this.#control[Control.tenant] = 0;
  }
  /** What the gate says of the client that was answered last: its tag, UNKNOWN_TENANT for one that is not known. */
  get tag(): number {
    return this.#control[Control.tenant];
  }
  /** @returns the flag that says so */
  #judge(client: JudgedClient): number {
    if (client.gate !== this.#gate) {
      this.native.judgeBy(client.gate);
      this.#gate = client.gate;
    }
    if (client !== this.#judged) {
      this.#client.set(client.octets);
      this.#control[Control.clientOctets] = client.octets.length;
      this.#judged = client;
    }
    return ControlFlag.client;
  }
  #flags(udp: boolean, judged: { client: JudgedClient; tenant: number } | undefined): number {
    this.#control[Control.answeredBy] = 0;
    this.#control[Control.tenant] = judged?.tenant ?? 0;
    return (udp ? ControlFlag.udp : 0) | (judged === undefined ? 0 : this.#judge(judged.client));
  }

  /** QTYPE of what was answered or refused last; 0 where it had none. */
  get queryType(): number {
    return this.#control[Control.type];
  }
  /** How the last reply came about, one of AnsweredBy: what lists and rates have put in its place is told by `finish` too. */
  get answeredBy(): number {
    return this.#control[Control.answeredBy];
  }
  /** Why nothing was due where the last reply has no octets, one of Silence. */
  get silence(): number {
    return this.#control[Control.silence];
  }
  /** Whether the last hit was the one chosen to refresh its entry. */
  get refreshDue(): boolean {
    return this.#control[Control.refresh] !== 0;
  }

  /**
   * The reply to one client from a raw response, stored or not, in `reply`.
   * @param judged whom it is for, and the tenant that it was asked for; `tag` is another one afterwards where it is to be
   *   asked again under that
   * @returns its octets; 0 for a response that is unusable; NOT_DUE where the client is to get none
   */
  finish(
    query: Uint8Array,
    response: Uint8Array,
    udp: boolean,
    wallSeconds: number,
    extendedError: number,
    judged?: { client: JudgedClient; tenant: number },
  ): number {
    this.#control[Control.flags] = this.#flags(udp, judged);
    return this.native.finish(query, response, wallSeconds, extendedError);
  }
  /** A reply of header and question, in `reply`; 0 = none is due. */
  refuse(
    query: Uint8Array,
    { rcode, extendedError, text = '' }: ErrorReply,
    { udp, client, tenant = 0 }: { udp: boolean; client?: JudgedClient; tenant?: number },
  ): number {
    this.#control[Control.flags] = this.#flags(udp, client && { client, tenant });
    return this.native.refuse(query, rcode, extendedError, text);
  }

  /** @param adUnknown it was asked for with neither AD nor DO: who wants to know of validation finds nothing */
  insert(
    response: Uint8Array,
    variant: Variant,
    wallSeconds: number,
    { scope, adUnknown = false }: { scope?: Uint8Array; adUnknown?: boolean } = {},
  ): number {
    const flags = variantFlags(variant) | (adUnknown ? VariantFlag.adUnknown : 0);
    return this.native.insert(response, flags, variant.tenant ?? 0, wallSeconds, scope);
  }
  /** The same for an answer of our own: AA stays as it is. */
  insertOwn(response: Uint8Array, variant: Variant, wallSeconds: number): number {
    const flags = variantFlags(variant) | VariantFlag.authoritative;
    return this.native.insert(response, flags, variant.tenant ?? 0, wallSeconds, undefined);
  }
  /** The same for an answer of a zone of our own: it stays as it is until it is forgotten. */
  insertOfZone(response: Uint8Array, variant: Variant, wallSeconds: number): number {
    const flags = variantFlags(variant) | VariantFlag.authoritative | VariantFlag.ofZone;
    return this.native.insert(response, flags, variant.tenant ?? 0, wallSeconds, undefined);
  }
  /**
   * The same for an answer made of another entry, which it outlives by nothing: not even by the rounding of its TTLs to
   * seconds. What is made of an expired one is stored as expired, to be served stale.
   */
  insertDerived(
    response: Uint8Array,
    variant: Variant,
    wallSeconds: number,
    from: Pick<Peeked, 'remainingSeconds' | 'ageSeconds'>,
  ): number {
    this.#control[Control.remainingTicks] = Math.floor(from.remainingSeconds * TICKS_PER_SECOND);
    this.#control[Control.ageTicks] = Math.floor(from.ageSeconds * TICKS_PER_SECOND);
    const flags = variantFlags(variant) | VariantFlag.authoritative | VariantFlag.inherited;
    return this.native.insert(response, flags, variant.tenant ?? 0, wallSeconds, undefined);
  }
  /**
   * The same for an answer that another process has had, and which is from when it says.
   * @param from.own whether its AA stays as it is
   */
  insertShared(
    response: Uint8Array,
    variant: Variant,
    wallSeconds: number,
    from: Pick<Peeked, 'remainingSeconds' | 'ageSeconds'> & { own: boolean; adUnknown: boolean },
  ): number {
    this.#control[Control.remainingTicks] = Math.floor(from.remainingSeconds * TICKS_PER_SECOND);
    this.#control[Control.ageTicks] = Math.floor(from.ageSeconds * TICKS_PER_SECOND);
    const flags =
      variantFlags(variant) |
      VariantFlag.inherited |
      (from.own ? VariantFlag.authoritative : 0) |
      (from.adUnknown ? VariantFlag.adUnknown : 0);
    return this.native.insert(response, flags, variant.tenant ?? 0, wallSeconds, undefined);
  }
  /** Notes a resolution failure beside the answer, which it never displaces (RFC 9520). */
  insertFailure(
    name: Uint8Array,
    type: number,
    variant: Variant,
    { seconds, rcode, extendedError, text = '' }: ErrorReply & { seconds: number },
  ): void {
    const length = this.#name(name);
    const { tenant = 0 } = variant;
    this.native.insertFailure(length, type, variantFlags(variant), tenant, seconds, rcode, extendedError, text);
  }

  /** Into a buffer of the caller's, of at least 1024 octets. */
  answerInto(query: Uint8Array, out: Uint8Array, options: AnswerOptions): number {
    this.#control[Control.flags] =
      (options.udp ? ControlFlag.udp : 0) | (options.allowStale ? ControlFlag.allowStale : 0);
    this.#control[Control.tenant] = options.tenant ?? 0;
    return this.native.answerFrom(query, out);
  }

  /** The stored message without the marks of a client, TTLs reduced by age; undefined = there is none. Not a hit. */
  peek(name: Uint8Array, type: number, variant: Variant): Peeked | undefined {
    const length = this.native.peek(this.#name(name), type, variantFlags(variant), variant.tenant ?? 0);
    if (length === 0) return undefined;
    return {
      message: this.reply.slice(0, length),
      remainingSeconds: (this.#control[Control.remainingTicks] | 0) / TICKS_PER_SECOND,
      ageSeconds: this.#control[Control.ageTicks] / TICKS_PER_SECOND,
      popularity: this.#control[Control.popularity],
    };
  }
  remove(name: Uint8Array, type: number, variant: Variant): boolean {
    return this.native.remove(this.#name(name), type, variantFlags(variant), variant.tenant ?? 0);
  }

  /**
   * A name goes by the registered buffer: a short array as an argument would be moved out of V8's heap for it, which costs
   * more than what is asked. A name of no length is none, and the native layer says so.
   */
  #name(name: Uint8Array): number {
    if (name.length > MAX_NAME_SIZE) return 0;
    this.query.set(name);
    return name.length;
  }

  /** After a refresh that failed: a hit may ask for one again. */
  allowRefresh(name: Uint8Array, type: number, variant: Variant): void {
    this.native.allowRefresh(this.#name(name), type, variantFlags(variant), variant.tenant ?? 0);
  }

  /** Walks the index shard by shard, a few hundred entries at a time; each shard is locked while it is read. What was forgotten is passed over. */
  *list(): Generator<ListedEntry> {
    const { nextBucket, buckets } = Control;
    for (const [out, at] of listed(this.native, this.#control, { nextBucket, buckets })) yield readListed(out, at);
  }

  /** Another number when something has been forgotten, by whomever has the cache (uint32). */
  get generation(): number {
    return this.native.generation();
  }
  /** Forgets by epoch: O(1), whatever the number of entries. */
  invalidate(what: { name: Uint8Array } | { suffix: Uint8Array } | { tenant: number } | 'all'): void {
    if (what === 'all') this.native.forget(ForgetKind.all, 0, 0);
    else if ('name' in what) this.native.forget(ForgetKind.name, this.#name(what.name), 0);
    else if ('suffix' in what) this.native.forget(ForgetKind.suffix, this.#name(what.suffix), 0);
    else this.native.forget(ForgetKind.tenant, 0, what.tenant);
  }

  /**
   * Entries are stored for this configuration from now on, and only its own are found, by this object and, where the
   * memory is shared, by all who have declared the same; those of another are forgotten. `owner` has declared it until it
   * calls `release`.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION when another owner has declared another one for this object
   */
  declare(owner: object, configuration: Configuration): void {
    this.mayDeclare(owner, configuration);
    this.#declared.set(owner, configuration);
    this.native.declare(configuration.high, configuration.low);
  }
  /** @throws what `declare` would throw */
  mayDeclare(owner: object, { high, low }: Configuration): void {
    for (const [other, its] of this.#declared) {
      if (other === owner || (its.high === high && its.low === low)) continue;
      throw new ShardnsError(
        'ERR_SHARDNS_OPTION',
        'cache: expected servers over one cache to have the same local data, views, tenants, client subnets and scope, they differ: give each a cache of its own',
      );
    }
  }
  release(owner: object): void {
    if (this.#declared.delete(owner) && this.#declared.size === 0 && !this.#closed) this.native.declare(0, 0);
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

export { FOR_AUTHORITY, MISS, MISS_WITH_STALE, NOT_DUE };
