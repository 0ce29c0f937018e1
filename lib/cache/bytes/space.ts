// A namespace of a byte cache: what its keys and values are to the native side, and what belongs to all who use it by its
// name.
import type { Breaker } from '../../base/breaker.js';
import { ShardnsError } from '../../base/errors.js';
import {
  GetFlag,
  Got,
  KIND_SHIFT,
  MAX_KEY_OCTETS,
  MAX_VALUE_OCTETS,
  type NativeBytes,
  Status,
} from '../../native/binding.js';
import { type ByteKey, checkTags, checkTtl, keyTooLong, type SetOptions, tagMarks } from './arguments.js';
import { CODECS, type Codec, encodeValue, octetsOf } from './codec.js';
import type { WriteEnded } from '../redis/write-behind.js';
import type { ByteLevel, FoundValue } from './level.js';
import { DurableWriter } from './durable-writer.js';
import { overtakeKey, writeId } from './loads.js';
import type { ByteNamespaceSettings } from './options.js';
import type { ByteStore } from './store.js';
import { type StoreWriter, Writer } from './writer.js';
import { readWriter } from './writer-options.js';

export class Space<V> {
  readonly native: NativeBytes;
  /** 0: the namespace without a name. */
  readonly number: number;
  readonly codec: Codec;
  readonly ttlMs: number;
  /** The name with its length before it, as keys begin in `entries()`. */
  readonly prefix: Buffer;
  readonly name: string;
  /** Of its name, for the second level. */
  readonly mark: number;
  /** What another codec has written is no value here: octets do not choose what reads them. */
  readonly #kind: number;
  readonly #isLocal: boolean;

  constructor(
    readonly store: ByteStore,
    name: string,
    options: ByteNamespaceSettings,
  ) {
    this.native = store.native;
    this.codec = CODECS[options.codec ?? store.settings.codec];
    this.#kind = this.codec.kind << KIND_SHIFT;
    this.ttlMs = options.ttlMs ?? store.settings.ttlMs;
    this.name = name;
    this.mark = name === '' ? 0 : this.native.tagMark(name);
    this.#isLocal = options.local === true;
    this.number = name === '' ? 0 : this.native.addNamespace(name);
    const octets = Buffer.from(name);
    this.prefix = Buffer.concat([Buffer.from([octets.length]), octets]);
    if (options.writer !== undefined) this.#writeTo(options.writer);
  }

  #writeTo(options: NonNullable<ByteNamespaceSettings['writer']>): void {
    const { store, number, prefix } = this;
    if (store.writers.has(number)) {
      throw new ShardnsError('ERR_SHARDNS_OPTION', 'writer: expected none, for this namespace has one already');
    }
    const { clock, random, log, level } = store;
    const forget = (key: ByteKey): void => {
      if (!store.closed) this.delete(key);
    };
    const settings = readWriter(options);
    const writerOf = (own: typeof settings): Writer<never> => new Writer(own, this.codec, clock, random, forget);
    if (!settings.durable) {
      store.writers.set(number, writerOf(settings));
      return;
    }
    if (level === undefined) throw new ShardnsError('ERR_SHARDNS_OPTION', 'writer.durable: needs the option redis');
    // Bounded by whoever feeds it.
    const makeWriter = () => writerOf({ ...settings, maxQueued: Infinity, maxQueuedBytes: Infinity, gatherMs: 1 });
    const parts = { level, clock, random, log, space: number, prefix, makeWriter };
    store.writers.set(number, new DurableWriter(settings, parts));
  }

  /** To the program's own store. */
  get writer(): StoreWriter | undefined {
    return this.store.writers.get(this.number);
  }
  /** Undefined: there is none, or nothing of this namespace is for others. */
  get level(): ByteLevel | undefined {
    return this.#isLocal ? undefined : this.store.level;
  }
  /** With the namespace's name, as it is in the native side and in the second level. */
  fullKey(key: ByteKey): Buffer {
    return Buffer.concat([this.prefix, typeof key === 'string' ? Buffer.from(key) : key]);
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
   * Into memory.
   * @param generation in which it was asked for; 0 = now
   * @returns marks of the tags
   * @throws {ShardnsError} ERR_SHARDNS_OPTION
   */
  put(
    key: ByteKey,
    encoded: Uint8Array | string,
    options: SetOptions | undefined,
    generation: number,
  ): Uint16Array | undefined {
    const ttlMs = this.ttlOf(options);
    const marks = options?.tags === undefined ? undefined : tagMarks(this.native, options.tags);
    this.putMarked(key, encoded, { ttlMs, marks }, generation);
    return marks;
  }
  putMarked(
    key: ByteKey,
    encoded: Uint8Array | string,
    { ttlMs, marks }: { ttlMs: number; marks: Uint16Array | undefined },
    generation: number,
  ): void {
    const { level, native, number, codec } = this;
    const mostMs = level === undefined ? ttlMs : level.mostMs(ttlMs);
    const status = native.set(key, number, encoded, codec.kind, mostMs, marks, generation);
    if (status === Status.ok) return;
    if (status === Got.keyTooLong) throw keyTooLong(key);
    throw valueTooLong(encoded);
  }
  ttlOf(options: SetOptions | undefined): number {
    const { ttlMs = this.ttlMs } = options ?? NO_OPTIONS;
    if (ttlMs !== Infinity) checkTtl(ttlMs);
    return ttlMs;
  }

  /** By the program itself: what is being loaded for the key is not stored, and others forget theirs. */
  set(key: ByteKey, encoded: Uint8Array | string, options: SetOptions | undefined, ended?: WriteEnded): void {
    const marks = this.put(key, encoded, options, 0);
    overtakeKey(this.store.fetcher, this.number, key);
    const { level } = this;
    if (level === undefined) return;
    // The caller's octets may change until they are written.
    const own = typeof encoded === 'string' ? encoded : Uint8Array.from(encoded);
    const { kind } = this.codec;
    level.write({ key: this.fullKey(key), kind, encoded: own, ttlMs: this.ttlOf(options), marks }, ended);
  }
  touch(key: ByteKey, ttlMs: number): boolean {
    return had(key, this.native.touch(key, this.number, ttlMs, this.codec.kind));
  }
  delete(key: ByteKey, ended?: WriteEnded): boolean {
    overtakeKey(this.store.fetcher, this.number, key);
    const was = had(key, this.native.remove(key, this.number));
    this.level?.deleted(this.fullKey(key), ended);
    return was;
  }

  /** From the second level alone, into memory too. */
  readLevel(key: ByteKey): Promise<V | undefined> {
    const { level, native, store } = this;
    if (level === undefined) return Promise.resolve(undefined);
    const generation = native.generation();
    const own = typeof key === 'string' ? key : Uint8Array.from(key);
    return new Promise(resolve => {
      const none = (): void => resolve(undefined);
      const found = ({ octets, marks, ttlMs }: FoundValue): void => {
        const value = this.readable(octets);
        resolve(value);
        // What has come meanwhile is newer.
        const isThere = store.closed || this.look(own, GetFlag.uncounted, NO_ROOM) === Got.tooLong;
        if (value !== undefined && !isThere) this.putMarked(own, octets, { ttlMs, marks }, generation);
      };
      const { kind } = this.codec;
      if (!level.read(this.fullKey(own), kind, this.mark, { found, absent: none, unread: none })) none();
    });
  }
  /** Undefined for octets that the codec has not written. */
  readable(octets: Buffer): V | undefined {
    try {
      return this.codec.decode(octets, octets.length) as V;
    } catch {
      return undefined;
    }
  }

  /**
   * To the namespace's store, where it has one, and here: here first where that is not awaited, else last.
   * @param encoded undefined: the key is deleted
   */
  async write(key: ByteKey, encoded: Uint8Array | string | undefined, options: SetOptions | undefined): Promise<void> {
    const { writer } = this;
    if (writer === undefined) return this.#writeHere(key, encoded, options);
    // What is wrong with it is told before the store has it.
    if (encoded !== undefined) this.#check(key, encoded, options);
    // The caller's octets may change while they wait.
    const own = typeof key === 'string' ? key : Uint8Array.from(key);
    const kept = typeof encoded === 'object' ? Uint8Array.from(encoded) : encoded;
    const written = writer.add(writeId(this.number, own), { key: own, encoded: kept });
    if (writer.awaits) await written;
    return this.#writeHere(own, kept, options);
  }
  /** Until the second level has it, where that is waited for. */
  async #writeHere(
    key: ByteKey,
    encoded: Uint8Array | string | undefined,
    options: SetOptions | undefined,
  ): Promise<void> {
    const write = (ended?: WriteEnded): void => {
      if (encoded === undefined) this.delete(key, ended);
      else this.set(key, encoded, options, ended);
    };
    const { level } = this;
    if (this.store.closed) return;
    if (level === undefined || level.settings.write !== 'through') write();
    else if (!(await level.through(write))) {
      const text = `the second level has not got it in ${level.settings.throughMs} ms; it is written as soon as that can be`;
      throw new ShardnsError('ERR_SHARDNS_TIMEOUT', text);
    }
  }
  /** @throws {ShardnsError} ERR_SHARDNS_OPTION for a key that is too long */
  checkLength(key: ByteKey): void {
    if (octetsOf(key) + this.prefix.length > MAX_KEY_OCTETS) throw keyTooLong(key);
  }
  #check(key: ByteKey, encoded: Uint8Array | string, options: SetOptions | undefined): void {
    if (options?.ttlMs !== undefined && options.ttlMs !== Infinity) checkTtl(options.ttlMs);
    if (options?.tags !== undefined) checkTags(options.tags);
    this.checkLength(key);
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
const NO_ROOM = new Uint8Array(0);
const NO_OPTIONS: SetOptions = {};
