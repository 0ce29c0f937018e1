// Follows the log of what a fleet has invalidated: a stream in Redis, read over a connection of its own. What is missed
// while it is away is read when it is back; where that has been cut off the stream, or the stream was lost, it says so, and
// nothing older than that is believed any more.
//
// A replica that takes its master's place may lack what was said last. Whoever reads on from an entry that is not there
// any more begins anew; and each instance looks whether what it has said itself is still there (`said`), for others may
// not have read it.
//
// Times are those of the stream's ids, which are Redis' clock: no instance's clock has a say.
//
// Bounds: `perRead` entries at a time, each of at most 64 items (LogWriter).
import { BackOff } from '../../base/back-off.js';
import type { Clock, Timer } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import type { RedisReply } from './client.js';
import type { RedisConnection } from './connection.js';
import { FrameKind, type Sealer } from './frame.js';
import { itemsOf } from './log-items.js';
import { BEFORE_ALL, type Entry, entriesOf, type EntryId, idText, isAfter, readEntries } from './log-entry.js';

export const READER_LIMITS = {
  perRead: 256,
  /** How long Redis waits for an entry before it says that there is none: so long it may not be missed. */
  blockMs: 2000,
  /** Beyond that the connection is taken for dead. */
  graceMs: 1000,
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
  readonly #whenFollowed: (() => void)[] = [];
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
      const timer = this.parts.clock.after(ms, resolve);
      this.#whenFollowed.push(() => {
        timer.cancel();
        resolve();
      });
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
    for (const ended of this.#whenFollowed.splice(0)) ended();
  }

  /** Never rejects. */
  async #run(turn: number): Promise<void> {
    try {
      await this.#findPlace(turn);
      for (;;) {
        if (turn !== this.#turn) return;
        const entries = await this.#read();
        if (turn !== this.#turn) return;
        const last = this.#last!;
        if (entries.length >= READER_LIMITS.perRead) await this.#checkGap(last, turn);
        if (turn !== this.#turn) return;
        for (const entry of entries) this.#take(entry);
        if (entries.length < READER_LIMITS.perRead) this.#tell(true);
      }
    } catch (error) {
      if (turn !== this.#turn) return;
      this.stats.failures++;
      this.error = (error as Error).message;
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
      if (oldest !== undefined && isAfter(oldest, this.#last) && length >= maxLength) this.#gap(oldest.ms, oldest);
    } else if (isAnother) {
      // Nothing is known of this stream.
      this.#last = BEFORE_ALL;
      this.#hasRead = false;
      this.#gap(now, oldest ?? BEFORE_ALL);
    } else if (this.#isCut(oldest!, last)) {
      this.#gap(oldest!.ms, oldest!);
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
    if (turn === this.#turn && oldest !== undefined && this.#hasRead && this.#isCut(oldest, last)) {
      this.#gap(oldest.ms, oldest);
    }
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

  async #serverMs(): Promise<number> {
    const reply = await this.#call(['TIME']);
    return Number(String((reply as unknown[])[0])) * 1000;
  }

  async #read(): Promise<Entry[]> {
    const { perRead, blockMs, graceMs } = READER_LIMITS;
    const { connection, key } = this.parts;
    const from = idText(this.#last!);
    const block = this.#follows ? ['BLOCK', String(blockMs)] : [];
    const command = ['XREAD', 'COUNT', String(perRead), ...block, 'STREAMS', key, from];
    return readEntries(
      await connection.call(key, command, this.#follows ? blockMs + graceMs : READER_LIMITS.commandMs),
    );
  }

  #take({ id, value }: Entry): void {
    this.#last = id;
    this.#hasRead = true;
    this.stats.entries++;
    const { sealer, key, follower } = this.parts;
    const frame = value === undefined ? 'short' : sealer.open(Buffer.from(key), value);
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
      follower.invalidated(item, id.ms, own);
    }
  }
}
