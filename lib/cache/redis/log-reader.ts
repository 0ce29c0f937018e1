// Follows the log of what a fleet has invalidated: a stream in Redis, read over a connection of its own. What is missed
// while it is away is read when it is back; where that has been cut off the stream, or the stream was lost, it says so, and
// nothing older than that is believed any more.
//
// A replica that takes its master's place may lack what was said last. Whoever reads on from an entry that is not there
// any more begins anew; and each instance looks whether what it has said itself is still there (`said`), for others may
// not have read it.
//
// Times are those of the stream's ids, which are Redis' clock: no instance's clock has a say. An id may be of any time that
// somebody has given it, and those after it are no smaller: none counts as later than the time when it was read.
//
// Bounds: `perRead` entries at a time, each of at most 64 items (LogWriter); fewer where they do not come in time.
import { BackOff } from '../../base/back-off.js';
import type { Clock, Timer } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import type { Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import type { RedisReply } from './client.js';
import type { RedisConnection } from './connection.js';
import { FrameKind, type Sealer } from './frame.js';
import { itemsOf } from './log-items.js';
import { timeOf } from './server-clock.js';
import { BEFORE_ALL, type Entry, entriesOf, type EntryId, idText, isAfter, readEntries } from './log-entry.js';

export const READER_LIMITS = {
  perRead: 256,
  /** How long Redis waits for an entry before it says that there is none: so long it may not be missed. */
  blockMs: 2000,
  /** Beyond that the connection is taken for dead. */
  graceMs: 1000,
  /** Before it is asked again, where it has not waited and had nothing. */
  pauseMs: 100,
  commandMs: 1000,
  backOff: { firstMs: 250, mostMs: 10_000 },
} as const;

/** Told of the log. None may throw. */
export interface LogFollower {
  /**
   * @param atMs when, by Redis' clock: what was stored up to then is over
   * @param own it was this process that has said so
   */
  invalidated(item: Uint8Array, atMs: number, own: boolean): void;
  /** Entries were lost: whatever was stored before then may be what they were about. */
  missed(beforeMs: number): void;
  /** Whether it is followed: while it is not, what others invalidate is not known here. */
  following(follows: boolean): void;
}

export interface LogReaderParts {
  readonly connection: RedisConnection;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly key: string;
  readonly sealer: Sealer;
  readonly follower: LogFollower;
  /** How far back it is read at the start: as long as anything lives that is kept. */
  readonly lookBackMs: number;
  /** Entries after which the stream may have been cut. */
  readonly maxLength: number;
  /** The last entry of this process that Redis has taken. */
  readonly said: () => EntryId | undefined;
  /** That one is lost, and so may be others before it. Must not throw. */
  readonly lost: () => void;
}

export class LogReader {
  readonly stats = { entries: 0, items: 0, own: 0, refused: 0, gaps: 0, lost: 0, failures: 0 };
  #last: EntryId | undefined;
  #follows = false;
  #timer: Timer | undefined;
  #closed = false;
  /** The oldest entry when a gap was found last: what was lost before it is known. */
  #gapBefore: EntryId = BEFORE_ALL;
  /** Whether an entry was ever read: without one there is none that others may be missed behind. */
  #hasRead = false;
  /** What this process has said itself is told as if it were another's, until the log is followed. */
  #tellsOwn = false;
  /** Why it is not followed, though Redis is there; undefined while it is. */
  error: string | undefined;
  readonly #whenFollowed = new Set<() => void>();
  /** So many are asked for. */
  #perRead: number = READER_LIMITS.perRead;
  /** Redis' clock before this process' one, at the most; as of when it was asked last. */
  #aheadMs = 0;
  readonly #backOff: BackOff;
  /** Of this connection: what an earlier one says late is not listened to. */
  #turn = 0;

  constructor(private readonly parts: LogReaderParts) {
    this.#backOff = new BackOff(parts.random, READER_LIMITS.backOff);
    parts.connection.watch({ connected: () => this.#begin(), lost: () => this.#lost() });
  }

  get follows(): boolean {
    return this.#follows;
  }
  /** The last entry that was read. */
  get position(): string | undefined {
    return this.#last && idText(this.#last);
  }

  close(): void {
    this.#closed = true;
    this.#turn++;
    this.#timer?.cancel();
    this.#endWaits();
  }

  /**
   * What is kept here may be older now than what was read: all is read once more, as at the start. Where it cannot be read
   * now, it is when it can be.
   * @returns when it was, or `ms` from now. Never rejects.
   */
  again(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#last = undefined;
    this.#hasRead = false;
    this.#tellsOwn = true;
    // Also ends the read that waits on it.
    this.parts.connection.drop('the log of invalidations is read anew');
    return new Promise(resolve => {
      const over = (): void => {
        timer.cancel();
        this.#whenFollowed.delete(over);
        resolve();
      };
      const timer = this.parts.clock.after(ms, over);
      this.#whenFollowed.add(over);
    });
  }

  #begin(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    void this.#run(++this.#turn);
  }
  #lost(): void {
    this.#turn++;
    this.#timer?.cancel();
    this.#tell(false);
  }

  #tell(follows: boolean): void {
    if (this.#follows === follows || this.#closed) return;
    this.#follows = follows;
    if (follows) {
      this.#backOff.reset();
      this.error = undefined;
      this.#tellsOwn = false;
    }
    this.parts.follower.following(follows);
    if (follows) this.#endWaits();
  }
  #endWaits(): void {
    for (const over of this.#whenFollowed) over();
  }

  /** Never rejects. */
  async #run(turn: number): Promise<void> {
    try {
      await this.#findPlace(turn);
      for (;;) {
        if (turn !== this.#turn) return;
        const [most, asked, waits] = [this.#perRead, this.parts.clock.nowMs(), this.#follows];
        const entries = await this.#read(most);
        if (turn !== this.#turn) return;
        const last = this.#last!;
        if (entries.length >= most) await this.#checkGap(last, turn);
        const latestMs = await this.#noLater(Math.max(0, ...entries.map(({ id }) => id.ms)));
        if (turn !== this.#turn) return;
        for (const entry of entries) this.#take(entry, latestMs);
        this.#perRead = Math.min(most * 2, READER_LIMITS.perRead);
        if (entries.length < most) this.#tell(true);
        const waited = this.parts.clock.nowMs() - asked;
        if (!waits || entries.length > 0) continue;
        if (waited < READER_LIMITS.blockMs / 2) await this.#pause();
        else await this.#checkOrder();
      }
    } catch (error) {
      if (turn !== this.#turn) return;
      this.stats.failures++;
      this.error = (error as Error).message;
      this.#perRead = Math.max(1, this.#perRead >> 1);
      this.#tell(false);
      this.parts.log.warn({ err: error, stream: this.parts.key }, 'the log of invalidations cannot be read');
      // Whatever it was, what is under way on the connection is not known to be over.
      this.#timer = this.parts.clock.after(this.#backOff.next(), () => this.#retry(turn));
    }
  }

  #retry(turn: number): void {
    if (turn !== this.#turn) return;
    if (this.parts.connection.isConnected) this.parts.connection.drop('the log of invalidations could not be read');
  }

  /** Where to read on, and whether all that came behind the last entry read is still there. */
  async #findPlace(turn: number): Promise<void> {
    const { key, lookBackMs, maxLength, lost } = this.parts;
    const oldest = await this.#entry('XRANGE', '-', '+');
    const newest = await this.#entry('XREVRANGE', '+', '-');
    const now = await this.#serverMs();
    const before = Math.min(oldest?.ms ?? now, now);
    const length = Number(await this.#call(['XLEN', key]));
    const said = this.parts.said();
    const saidIsLost =
      said !== undefined && said.ms > now - lookBackMs && !(await this.#has(said, oldest, length >= maxLength));
    const last = this.#last;
    const isAnother =
      last !== undefined &&
      this.#hasRead &&
      (newest === undefined || isAfter(last, newest) || !(await this.#has(last, oldest, true)));
    if (turn !== this.#turn) return;
    if (saidIsLost) {
      this.stats.lost++;
      lost();
    }
    if (last === undefined || !this.#hasRead) {
      const from = Math.max(0, last?.ms ?? 0, Math.floor(now - lookBackMs));
      this.#last = { ms: from, count: 0 };
      // What came before the oldest may have been cut off, if the stream is as long as it may be.
      if (oldest !== undefined && isAfter(oldest, this.#last) && length >= maxLength) this.#gap(before, oldest);
    } else if (isAnother) {
      // Nothing is known of this stream.
      this.#last = BEFORE_ALL;
      this.#hasRead = false;
      this.#gap(now, oldest ?? BEFORE_ALL);
    } else if (this.#isCut(oldest!, last)) {
      this.#gap(before, oldest!);
    }
  }

  #call(command: readonly string[]): Promise<RedisReply> {
    return this.parts.connection.call(this.parts.key, command, READER_LIMITS.commandMs);
  }
  async #entry(command: 'XRANGE' | 'XREVRANGE', from: string, to: string): Promise<EntryId | undefined> {
    return entriesOf(await this.#call([command, this.parts.key, from, to, 'COUNT', '1']))[0]?.id;
  }
  /** Whether an entry is there, or may have been cut off as it was long ago. */
  async #has(id: EntryId, oldest: EntryId | undefined, mayBeCut: boolean): Promise<boolean> {
    if (oldest === undefined) return false;
    if (isAfter(oldest, id)) return mayBeCut;
    return (await this.#entry('XRANGE', idText(id), idText(id))) !== undefined;
  }

  /** Whoever is that far behind may have been overtaken by what cuts the stream. */
  async #checkGap(last: EntryId, turn: number): Promise<void> {
    const oldest = await this.#entry('XRANGE', '-', '+');
    if (oldest === undefined || !this.#hasRead || !this.#isCut(oldest, last)) return;
    const beforeMs = await this.#noLater(oldest.ms);
    if (turn === this.#turn) this.#gap(beforeMs, oldest);
  }

  /** A stream that was deleted, and begun anew by a clock that is behind, has nothing to say from here on for long. */
  async #checkOrder(): Promise<void> {
    const newest = await this.#entry('XREVRANGE', '+', '-');
    if (!this.#hasRead || newest === undefined || !isAfter(this.#last!, newest)) return;
    throw new ShardnsError('ERR_SHARDNS_UPSTREAM', 'the log of invalidations has begun anew');
  }

  /** Whether entries behind the last one read are gone, beyond those that are known to be. */
  #isCut(oldest: EntryId, last: EntryId): boolean {
    return isAfter(oldest, last) && isAfter(oldest, this.#gapBefore);
  }

  #gap(beforeMs: number, oldest: EntryId): void {
    this.stats.gaps++;
    this.#gapBefore = oldest;
    this.parts.log.warn({ stream: this.parts.key }, 'invalidations were missed: what is kept from before is forgotten');
    this.parts.follower.missed(beforeMs);
  }

  /** No earlier than it is there. */
  async #serverMs(): Promise<number> {
    const asked = this.parts.clock.nowMs();
    const ms = timeOf(await this.#call(['TIME']));
    if (ms === undefined) throw new ShardnsError('ERR_SHARDNS_UPSTREAM', 'Redis does not say what time it is');
    this.#aheadMs = ms - asked;
    return Math.ceil(ms);
  }
  /** A time of an entry that has been read, which was written before now. */
  async #noLater(ms: number): Promise<number> {
    if (ms <= this.parts.clock.nowMs() + this.#aheadMs) return ms;
    return Math.min(ms, await this.#serverMs());
  }

  async #read(most: number): Promise<Entry[]> {
    const { blockMs, graceMs } = READER_LIMITS;
    const { connection, key } = this.parts;
    const last = this.#last!;
    const block = this.#follows ? ['BLOCK', String(blockMs)] : [];
    const command = ['XREAD', 'COUNT', String(most), ...block, 'STREAMS', key, idText(last)];
    const reply = await connection.call(key, command, this.#follows ? blockMs + graceMs : READER_LIMITS.commandMs);
    return readEntries(reply).filter(({ id }) => isAfter(id, last));
  }
  #pause(): Promise<void> {
    return new Promise(resolve => this.parts.clock.after(READER_LIMITS.pauseMs, resolve));
  }

  #take({ id, values }: Entry, latestMs: number): void {
    this.#last = id;
    this.#hasRead = true;
    this.stats.entries++;
    const { sealer, key, follower } = this.parts;
    const frame = sealer.openAny(Buffer.from(key), values);
    if (typeof frame === 'string' || frame.kind !== FrameKind.invalidations) {
      // Told once: whoever has another secret says all that he says by it.
      if (this.stats.refused++ === 0) {
        const reason = typeof frame === 'string' ? frame : 'kind';
        this.parts.log.warn(
          { stream: key, reason },
          'what is said in the log of invalidations is not believed: is the secret the same everywhere?',
        );
      }
      return;
    }
    const isOwn = frame.writer === sealer.writer;
    if (isOwn) this.stats.own++;
    const own = isOwn && !this.#tellsOwn;
    for (const item of itemsOf(frame.body)) {
      this.stats.items++;
      follower.invalidated(item, Math.min(id.ms, latestMs), own);
    }
  }
}
