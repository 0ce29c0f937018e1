// A namespace of a byte cache: what its keys and values are to the native side, and what belongs to all who use it by its
// name.
import type { Breaker } from '../../base/breaker.js';
import { ShardnsError } from '../../base/errors.js';
import { Got, KIND_SHIFT, MAX_KEY_OCTETS, MAX_VALUE_OCTETS, type NativeBytes, Status } from '../../native/binding.js';
import { type ByteKey, checkTags, checkTtl, keyTooLong, type SetOptions, tagMarks } from './arguments.js';
import { CODECS, type Codec, encodeValue, octetsOf } from './codec.js';
import { loadId, overtakeKey } from './loads.js';
import type { ByteNamespaceSettings } from './options.js';
import type { ByteStore } from './store.js';
import { Writer } from './writer.js';
import { readWriter } from './writer-options.js';

export class Space<V> {
  readonly native: NativeBytes;
  /** 0: the namespace without a name. */
  readonly number: number;
  readonly codec: Codec;
  readonly ttlMs: number;
  /** The name with its length before it, as keys begin in `entries()`. */
  readonly prefix: Buffer;
  /** What another codec has written is no value here: octets do not choose what reads them. */
  readonly #kind: number;

  constructor(
    readonly store: ByteStore,
    name: string,
    options: ByteNamespaceSettings,
  ) {
    this.native = store.native;
    this.codec = CODECS[options.codec ?? store.settings.codec];
    this.#kind = this.codec.kind << KIND_SHIFT;
    this.ttlMs = options.ttlMs ?? store.settings.ttlMs;
    this.number = name === '' ? 0 : this.native.addNamespace(name);
    const octets = Buffer.from(name);
    this.prefix = Buffer.concat([Buffer.from([octets.length]), octets]);
    if (options.writer !== undefined) this.#writeTo(options.writer);
  }

  #writeTo(options: NonNullable<ByteNamespaceSettings['writer']>): void {
    const { store, number } = this;
    if (store.writers.has(number)) {
      throw new ShardnsError('ERR_SHARDNS_OPTION', 'writer: expected none, for this namespace has one already');
    }
    const { clock, random } = store;
    const forget = (key: ByteKey): void => {
      if (!store.closed) this.delete(key);
    };
    store.writers.set(number, new Writer(readWriter(options), this.codec, clock, random, forget));
  }

  get writer(): Writer<V> | undefined {
    return this.store.writers.get(this.number) as Writer<V> | undefined;
  }
  get breaker(): Breaker | undefined {
    return this.store.breakerOf(this.number);
  }

  /**
   * @param flags GetFlag
   * @returns octets in `out`, or where the store has its own buffer; or a value of Got
   * @throws {ShardnsError} ERR_SHARDNS_OPTION for a key that is too long
   */
  look(key: ByteKey, flags: number, out?: Uint8Array): number {
    const { native, number } = this;
    const got =
      out === undefined
        ? native.get(key, number, this.#kind | flags)
        : native.get(key, number, this.#kind | flags, out);
    if (got === Got.keyTooLong) throw keyTooLong(key);
    return got;
  }
  /** The value of the `length` octets that `look` has just left with the store. */
  decode(key: ByteKey, length: number): V | undefined {
    try {
      return this.codec.decode(this.store.value, length) as V;
    } catch {
      // Memory that others share may hold anything: what cannot be read is no value.
      this.native.remove(key, this.number);
      return undefined;
    }
  }
  encode(value: V): Uint8Array | string {
    return encodeValue(this.codec, value);
  }

  /**
   * @param generation in which it was asked for; 0 = now
   * @throws {ShardnsError} ERR_SHARDNS_OPTION
   */
  put(key: ByteKey, encoded: Uint8Array | string, options: SetOptions | undefined, generation: number): void {
    const ttlMs = options?.ttlMs ?? this.ttlMs;
    if (ttlMs !== Infinity) checkTtl(ttlMs);
    const tags = options?.tags === undefined ? undefined : tagMarks(this.native, options.tags);
    const status = this.native.set(key, this.number, encoded, this.codec.kind, ttlMs, tags, generation);
    if (status === Status.ok) return;
    if (status === Got.keyTooLong) throw keyTooLong(key);
    throw valueTooLong(encoded);
  }
  /** By the program itself: what is being loaded for the key is not stored. */
  set(key: ByteKey, encoded: Uint8Array | string, options: SetOptions | undefined): void {
    this.put(key, encoded, options, 0);
    overtakeKey(this.store.fetcher, this.number, key);
  }
  touch(key: ByteKey, ttlMs: number): boolean {
    return had(key, this.native.touch(key, this.number, ttlMs, this.codec.kind));
  }
  delete(key: ByteKey): boolean {
    overtakeKey(this.store.fetcher, this.number, key);
    return had(key, this.native.remove(key, this.number));
  }

  /**
   * To the namespace's store, where it has one, and here: here first where that is not awaited, else last.
   * @param encoded undefined: the key is deleted
   */
  async write(key: ByteKey, encoded: Uint8Array | string | undefined, options: SetOptions | undefined): Promise<void> {
    const here = (): void => {
      if (this.store.closed) return;
      if (encoded === undefined) this.delete(key);
      else this.set(key, encoded, options);
    };
    const { writer } = this;
    if (writer === undefined) {
      here();
      return;
    }
    // What is wrong with it is told before the store has it.
    if (encoded !== undefined) this.#check(key, encoded, options);
    // The caller's octets may change while they wait.
    const own = typeof key === 'string' ? key : Uint8Array.from(key);
    const kept = typeof encoded === 'object' ? Uint8Array.from(encoded) : encoded;
    const written = writer.add(loadId(this.number, own), { key: own, encoded: kept });
    if (writer.settings.mode === 'through') await written;
    here();
  }
  #check(key: ByteKey, encoded: Uint8Array | string, options: SetOptions | undefined): void {
    if (options?.ttlMs !== undefined && options.ttlMs !== Infinity) checkTtl(options.ttlMs);
    if (options?.tags !== undefined) checkTags(options.tags);
    if (octetsOf(key) + this.prefix.length > MAX_KEY_OCTETS) throw keyTooLong(key);
    if (octetsOf(encoded) > MAX_VALUE_OCTETS) throw valueTooLong(encoded);
  }
}

function valueTooLong(encoded: Uint8Array | string): ShardnsError {
  return new ShardnsError(
    'ERR_SHARDNS_OPTION',
    `value: expected at most ${MAX_VALUE_OCTETS} octets, and no more than a shard holds, got ${octetsOf(encoded)}`,
  );
}

function had(key: ByteKey, result: number): boolean {
  if (result === Got.keyTooLong) throw keyTooLong(key);
  return result === 1;
}
