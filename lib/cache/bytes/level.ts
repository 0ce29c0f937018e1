// The second level of a byte cache: its values in Redis, behind the memory of each instance, and the log by which instances
// tell each other what they have written and forgotten. It can only help: nobody waits for it beyond its deadline, it is
// read only while the log is followed, and what is older than what the log says is never believed.
//
// A body is: number of tags, one octet | their marks, two octets each | the value as its codec writes it.
//
// Bounds: those of RedisLevel; LevelTimes.
import type { Clock, Timer } from '../../base/clock.js';
import { EqualTimers } from '../../base/equal-timers.js';
import { KeepAlive } from '../../base/keep-alive.js';
import type { Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import { MAX_TAGS, MAX_VALUE_OCTETS } from '../../native/binding.js';
import type { MakeRedisClient } from '../redis/client.js';
import { type Frame, FrameKind, Sealer } from '../redis/frame.js';
import { RedisLevel, type LevelTimes as LevelWriteTimes } from '../redis/level.js';
import { nodeRedis } from '../redis/node-redis.js';
import { labelOf } from '../redis/options.js';
import { Secrets } from '../redis/secrets.js';
import type { WriteEnded } from '../redis/write-behind.js';
import { EVERYTHING, keyItem, readItem, spaceItem, tagItem } from './level-items.js';
import type { ByteLevelSettings } from './level-options.js';
import { LevelTimes } from './level-times.js';

const Flag = { kindMask: 7, written: 8 } as const;
/** How long a log that is read anew is waited for. */
const HEAR_MS = 2000;

/** What others have changed, done here. None may throw. */
export interface LevelOwner {
  forgetKey(key: Buffer): void;
  forgetTag(mark: number): void;
  forgetSpace(name: string): void;
  forgetAll(): void;
}

/** A value as it is shared. */
export interface SharedValue {
  /** With its namespace. */
  readonly key: Buffer;
  readonly kind: number;
  readonly encoded: Uint8Array | string;
  readonly ttlMs: number;
  readonly marks: Uint16Array | undefined;
  /** When what it was loaded from was asked, by the monotonic clock; not given: it is what the program has written now. */
  readonly askedMs?: number;
}
export interface FoundValue {
  /** Another's after the call. */
  readonly octets: Buffer;
  readonly marks: Uint16Array;
  readonly ttlMs: number;
}
/** Told once. None may throw. */
export interface ValueReader {
  found(value: FoundValue): void;
  absent(): void;
  /** Nobody said in time. */
  unread(): void;
}

export interface LevelPlace {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly owner: LevelOwner;
  /** Of the name of a namespace. */
  readonly markOf: (name: string) => number;
  readonly make?: MakeRedisClient;
}

/** Why a value that was found was not taken. */
type Refusal = 'invalidated' | 'codec' | 'damaged';

export class ByteLevel {
  readonly stats = {
    reads: 0,
    hits: 0,
    misses: 0,
    unread: 0,
    stores: 0,
    tooShort: 0,
    forgotten: 0,
    flushes: 0,
    leases: 0,
  };
  readonly refused: Record<Refusal, number> = { invalidated: 0, codec: 0, damaged: 0 };
  readonly redis: RedisLevel;
  readonly make: MakeRedisClient;
  /** Of the process, while somebody waits for Redis: its connections do not keep it alive. */
  readonly alive = new KeepAlive();
  readonly #times = new LevelTimes();
  readonly #hedges: EqualTimers;
  /** Something was forgotten before it was known what time it is there. */
  #owesAll = false;
  #closed = false;

  constructor(
    readonly settings: ByteLevelSettings,
    private readonly place: LevelPlace,
  ) {
    const { clock, random, log, owner, markOf } = place;
    const { namespace, encrypt, deadlineMs, logLength, maxTtlMs } = settings;
    const secrets = new Secrets(settings.secrets);
    this.#hedges = new EqualTimers(clock);
    this.make = place.make ?? nodeRedis(settings.redis);
    this.redis = new RedisLevel({
      make: this.make,
      label: labelOf(settings.redis),
      clock,
      random,
      log,
      sealer: new Sealer({ secrets, encrypt }),
      follower: {
        invalidated: (item, atMs, own) => this.#hear(item, atMs, own, owner, markOf),
        missed: beforeMs => {
          this.#times.everything(beforeMs);
          this.stats.flushes++;
          owner.forgetAll();
        },
        following: follows => log[follows ? 'info' : 'warn']({ follows }, 'the log of invalidations'),
      },
      options: { namespace, secrets, deadlineMs, logLength, lookBackMs: maxTtlMs, everything: EVERYTHING },
    });
    this.redis.begin();
  }

  get follows(): boolean {
    return this.redis.follows;
  }
  /** How long a value may live here. */
  mostMs(ttlMs: number): number {
    return this.follows ? ttlMs : Math.min(ttlMs, this.settings.blindMs);
  }

  /** Runs `late` where a read has not answered by then. */
  hedge(late: () => void): Timer {
    return this.#hedges.after(this.settings.hedgeMs, late);
  }

  /**
   * False where it is not asked at all, and nobody is told.
   * @param space mark of the namespace
   */
  read(key: Buffer, kind: number, space: number, reader: ValueReader): boolean {
    // What others have forgotten, or this one has and could not say yet, would be found again.
    if (this.#closed || !this.follows || this.#owesAll) return false;
    const hash = this.redis.keys.of(key);
    const asked = this.redis.read(hash, FrameKind.bytes, {
      found: frame => {
        this.alive.release();
        const value = this.#judge(frame, kind, space, hash);
        this.stats[value === undefined ? 'misses' : 'hits']++;
        if (value === undefined) reader.absent();
        else reader.found(value);
      },
      absent: () => {
        this.alive.release();
        this.stats.misses++;
        reader.absent();
      },
      unread: () => {
        this.alive.release();
        this.stats.unread++;
        reader.unread();
      },
    });
    // Told in a later turn.
    if (asked) {
      this.stats.reads++;
      this.alive.hold();
    }
    return asked;
  }

  /** What was loaded: behind the caller. */
  store(value: SharedValue & { readonly askedMs: number }, ended?: WriteEnded): void {
    this.#store(value, this.redis.keys.of(value.key), { storedMs: value.askedMs }, ended);
  }
  /** What the program has written: others forget theirs. */
  write(value: SharedValue, ended?: WriteEnded): void {
    const now = this.#latestNow();
    const hash = this.redis.keys.of(value.key);
    const storedMs = this.place.clock.nowMs();
    const known = Number.isNaN(now) ? {} : { storedThereMs: now };
    this.#store(value, hash, { storedMs, ...known }, ended);
    if (!Number.isNaN(now)) this.#times.written(hash, now);
    this.redis.writer.say(keyItem('written', value.key, now));
  }
  deleted(key: Buffer, ended?: WriteEnded): void {
    const now = this.#latestNow();
    const hash = this.redis.keys.of(key);
    if (!this.#owes(now)) this.#times.deleted(hash, now);
    this.redis.remove(hash, ended);
    this.redis.writer.say(keyItem('deleted', key, now));
  }

  #store(
    value: SharedValue,
    hash: Buffer,
    asked: Pick<LevelWriteTimes, 'storedMs' | 'storedThereMs'>,
    ended: WriteEnded | undefined,
  ): void {
    const { minTtlMs, maxTtlMs } = this.settings;
    const { kind, ttlMs, askedMs } = value;
    if (ttlMs < minTtlMs || this.#closed) {
      this.stats.tooShort++;
      ended?.(true);
      return;
    }
    this.stats.stores++;
    const expiresMs = this.place.clock.nowMs() + Math.min(ttlMs, maxTtlMs);
    const flags = kind | (askedMs === undefined ? Flag.written : 0);
    const times = { ...asked, expiresMs, staleUntilMs: expiresMs };
    this.redis.write(hash, times, { kind: FrameKind.bytes, flags, epoch: 0 }, bodyOf(value), ended);
  }
  /** No earlier than it is there: what others have loaded up to now is covered. NaN while it is not known. */
  #latestNow(): number {
    const { clock } = this.redis;
    return Math.ceil(clock.nowMs() + clock.errorMs);
  }
  forgotTag(mark: number): void {
    const now = this.#latestNow();
    if (!this.#owes(now)) this.#times.tag(mark, now);
    this.redis.writer.say(tagItem(mark));
  }
  forgotSpace(name: string, mark: number): void {
    const now = this.#latestNow();
    if (!this.#owes(now)) this.#times.space(mark, now);
    this.redis.writer.say(spaceItem(Buffer.from(name)));
  }
  forgotAll(): void {
    const now = this.#latestNow();
    if (!this.#owes(now)) this.#times.everything(now);
    this.redis.writer.say(EVERYTHING);
  }

  /** Memory has got values of before: whatever the log says is done once more. Waited for as long as HEAR_MS. */
  async hearAgain(): Promise<void> {
    if (this.#closed) return;
    this.alive.hold();
    await this.redis.reader.again(HEAR_MS);
    this.alive.release();
  }

  /** Whether all that was written and forgotten so far is in Redis, `ms` from now at the latest. */
  async settled(ms: number): Promise<boolean> {
    const { writes, writer } = this.redis;
    this.alive.hold();
    const [written, said] = await Promise.all([writes.drain(ms), writer.said(ms)]);
    this.alive.release();
    return written && said;
  }
  /**
   * Whether one write is in Redis, and what was said of it in the log, `throughMs` from now at the latest. What others
   * write meanwhile is not waited for.
   */
  async through(write: (ended: WriteEnded) => void): Promise<boolean> {
    const { throughMs } = this.settings;
    this.alive.hold();
    try {
      const written = new Promise<boolean>(resolve => {
        const timer = this.place.clock.after(throughMs, () => resolve(false));
        write(isThere => {
          timer.cancel();
          resolve(isThere);
        });
      });
      const [isThere, isSaid] = await Promise.all([written, this.redis.writer.said(throughMs)]);
      return isThere && isSaid;
    } finally {
      this.alive.release();
    }
  }

  /**
   * Whether this instance may load a key while others wait.
   * @param tell undefined: nobody can say
   */
  take(key: Buffer, tell: (mine: boolean | undefined) => void): void {
    const lock = leaseOf(this.redis.keys.of(key));
    const command = ['SET', lock, 'taken', 'NX', 'PX', String(this.settings.leaseMs)];
    this.redis.connection.send(lock, command, {
      replied: reply => {
        if (reply !== null) this.stats.leases++;
        tell(reply !== null);
      },
      failed: () => tell(undefined),
    });
  }
  /**
   * It has been loaded, or could not be.
   * @param sinceMs when it was taken: one that may be over may be another's
   */
  release(key: Buffer, sinceMs: number): void {
    if (this.place.clock.nowMs() - sinceMs >= this.settings.leaseMs) return;
    const lock = leaseOf(this.redis.keys.of(key));
    this.redis.connection.send(lock, ['DEL', lock], { replied: () => {}, failed: () => {} });
  }

  /** Never rejects. */
  async end(): Promise<void> {
    this.#closed = true;
    this.#hedges.clear();
    this.alive.hold();
    await this.redis.close(this.settings.drainMs);
    this.alive.close();
  }
  close(): void {
    this.#closed = true;
    this.#hedges.clear();
    this.alive.close();
    void this.redis.close(0);
  }

  /** Where it is not known what time it is there, everything of before is refused as soon as it is. */
  #owes(nowMs: number): boolean {
    if (!Number.isNaN(nowMs)) return false;
    if (!this.#owesAll) {
      this.#owesAll = true;
      const wait = (): void => {
        const now = this.redis.clock.nowMs();
        if (Number.isNaN(now)) {
          if (!this.#closed) this.place.clock.after(100, wait);
          return;
        }
        this.#times.everything(now);
        this.#owesAll = false;
      };
      this.place.clock.after(100, wait);
    }
    return true;
  }

  #hear(octets: Uint8Array, atMs: number, own: boolean, owner: LevelOwner, markOf: (name: string) => number): void {
    const item = readItem(octets);
    if (item === undefined) return;
    if (!own) this.stats.forgotten++;
    switch (item.what) {
      case 'everything':
        this.#times.everything(atMs);
        if (!own) owner.forgetAll();
        return;
      case 'tag':
        this.#times.tag(item.mark, atMs);
        if (!own) owner.forgetTag(item.mark);
        return;
      case 'space': {
        const name = item.name.toString();
        this.#times.space(markOf(name), atMs);
        if (!own) owner.forgetSpace(name);
        return;
      }
      case 'written':
      case 'deleted': {
        // Never later than the log has it, whatever the writer's clock says.
        const ms = item.atMs === 0 ? atMs : Math.min(item.atMs, atMs);
        this.#times[item.what](this.redis.keys.of(item.key), ms);
        if (!own) owner.forgetKey(item.key);
      }
    }
  }

  #judge(
    { body, flags, storedMs, expiresMs }: Frame,
    kind: number,
    space: number,
    hash: Buffer,
  ): FoundValue | undefined {
    const tags = body.length === 0 ? NaN : body[0];
    const head = 1 + 2 * tags;
    const ttlMs = Math.floor(this.redis.leftMs(expiresMs));
    if (!(tags <= MAX_TAGS) || body.length < head || body.length - head > MAX_VALUE_OCTETS)
      return this.#refuse('damaged');
    if ((flags & Flag.kindMask) !== kind) return this.#refuse('codec');
    const marks = Uint16Array.from({ length: tags }, (_, i) => body.readUInt16LE(1 + 2 * i));
    const value = { storedMs, written: (flags & Flag.written) !== 0, hash, space, tags: [...marks] };
    if (ttlMs < 1 || this.#times.covers(value)) return this.#refuse('invalidated');
    return { octets: body.subarray(head), marks, ttlMs };
  }
  #refuse(why: Refusal): undefined {
    this.refused[why]++;
    return undefined;
  }
}

function bodyOf({ encoded, marks = NO_MARKS }: SharedValue): Buffer {
  const octets = typeof encoded === 'string' ? Buffer.from(encoded) : encoded;
  const head = 1 + 2 * marks.length;
  const body = Buffer.allocUnsafe(head + octets.length);
  body[0] = marks.length;
  marks.forEach((mark, i) => body.writeUInt16LE(mark, 1 + 2 * i));
  body.set(octets, head);
  return body;
}
/** Below the prefix that a user has rights for. */
const leaseOf = (hash: Buffer): string => `${hash.toString('latin1')}:lease`;
const NO_MARKS = new Uint16Array(0);
