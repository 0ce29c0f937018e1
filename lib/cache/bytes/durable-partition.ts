// One stream of writes in Redis that outlive the process: whoever holds its lease reads it and writes to the program's
// store, what a holder before it has left over first. An entry leaves the stream when the store has it, or a later write of
// its key, or when it is given up.
//
// A write may come to the store twice, never after a later one of its key: no call begins in the last `timeoutMs` of a
// lease, so that it is over, or told to end, before another one may write. What Redis has given and has not arrived is asked
// for again before anything newer.
//
// What cannot be read (of another secret or codec, or from nobody of this fleet) is kept beside the stream, for people.
//
// Bounds: MOST_AT_HAND writes that are read and not written yet; MOST_UNREADABLE that cannot be read.
import type { Clock, Timer } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import type { RedisArgument, RedisReply } from '../redis/client.js';
import type { RedisConnection } from '../redis/connection.js';
import type { Sealer } from '../redis/frame.js';
import { type Entry, idText, readEntries } from '../redis/log-entry.js';
import { type DurableWrite, readWrite } from './durable-entry.js';
import type { Writer } from './writer.js';

const GROUP = 'writers';
const NOTHING = '0';
/** One name for all who come after each other: what one has left is the next one's. */
const CONSUMER = 'writer';
const PER_READ = 500;
/** Writes that are read and not written yet, and octets of them beyond which no more are read. */
const MOST_AT_HAND = 2000;
const MOST_OCTETS_AT_HAND = 16 * 1024 * 1024;
const ACKNOWLEDGED_AT_ONCE = 500;
/** About so many are kept of those that cannot be read, of each stream. */
const MOST_UNREADABLE = 10_000;
const COMMAND_MS = 2000;
/** How often a lease is renewed while it lasts: half of it may have to be left when a call begins. */
const RENEWALS = 6;
/** Between looks at a stream that has nothing, from the first to the longest. */
const IDLE_MS = { first: 5, most: 100 } as const;
/** How often, while nothing is at hand, it is looked whether something was given and has not come. */
const LOOK_BACK_MS = 5000;
/** Where Redis could not be asked. */
const RETRY_MS = 250;
const RENEW =
  "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('pexpire',KEYS[1],ARGV[2]) else return 0 end";
const GIVE_UP = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";

const TAKEN = 'another instance writes what waits in the stream';
const UNSURE = 'Redis has not said that this instance may go on writing what waits in the stream';
const GONE = 'the stream of writes was deleted, or its group was: it is begun anew when the lease is over';

export interface PartitionParts {
  readonly connection: RedisConnection;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly sealer: Sealer;
  readonly leaseMs: number;
  /** Of a call to the store; half of the lease at the most. */
  readonly timeoutMs: number;
  /** Of the process. */
  readonly token: string;
  /** Ids of writes, as the Writer has them. */
  readonly idOf: (write: DurableWrite) => string;
  /** Whether the namespace's codec can read it. Must not throw. */
  readonly canRead: (encoded: Buffer) => boolean;
  /**
   * A writer to the store, without bounds of its own, for as long as the lease is held.
   * @param mayCall asked before each call; where it says no, the writer has been abandoned
   */
  readonly makeWriter: (mayCall: () => boolean) => Writer<unknown>;
}

export class DurablePartition {
  readonly stats = { unreadable: 0, leases: 0 };
  writer: Writer<unknown> | undefined;
  #held = false;
  #closed = false;
  #timer: Timer | undefined;
  #poll: Timer | undefined;
  /** When the lease has so little left that no call may begin. */
  #ending: Timer | undefined;
  #reading = false;
  #idleMs: number = IDLE_MS.first;
  #heldSince = 0;
  /** What was given before is read from this id on; then `>`: what is new. */
  #from = NOTHING;
  /** The last that has come here. */
  #last = NOTHING;
  /** Left over by the holder before, until all of it is read: what may be at hand at a time. */
  #left: Entry[] | undefined;
  /** So many are asked for: fewer where they do not come in time. */
  #perRead = PER_READ;
  /** It is told once that the stream cannot be read, until it can, and once that something in it cannot. */
  #told = false;
  #toldOfUnreadable = false;
  #lookedBackMs = -Infinity;
  /** Entries that are done, and not taken out of the stream yet. */
  #done: string[] = [];
  #acknowledging = false;
  readonly #lease: string;

  constructor(
    readonly stream: string,
    private readonly parts: PartitionParts,
  ) {
    this.#lease = `${stream}:lease`;
    this.#again(0);
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** Something was added here: it is not waited for. */
  wake(): void {
    this.#idleMs = IDLE_MS.first;
    if (this.#held && !this.#reading) this.#readSoon(0);
  }

  /** Writes what is at hand, then lets another one go on. */
  async end(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#poll?.cancel();
    await this.writer?.drain();
    // What the writer has just told is a few microtasks behind.
    await new Promise(setImmediate);
    this.#acknowledging = true;
    await this.#acknowledge();
    // What it has not written waits for another one.
    this.writer?.abandon();
    this.#ending?.cancel();
    if (this.#held)
      await this.#call(this.#lease, ['EVAL', GIVE_UP, '1', this.#lease, this.parts.token]).catch(() => null);
    this.#held = false;
  }
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#poll?.cancel();
    this.#ending?.cancel();
    this.writer?.abandon();
    this.#held = false;
  }

  #call(key: string, command: readonly RedisArgument[]): Promise<RedisReply> {
    return this.parts.connection.call(key, command, COMMAND_MS);
  }

  #again(afterMs: number): void {
    this.#timer?.cancel();
    if (!this.#closed) this.#timer = this.parts.clock.after(afterMs, () => void this.#keepLease());
  }

  /** Takes the lease or renews it. Never rejects. */
  async #keepLease(): Promise<void> {
    const { leaseMs, token, clock } = this.parts;
    const asked = clock.nowMs();
    const wasHeld = this.#held;
    const command = wasHeld
      ? ['EVAL', RENEW, '1', this.#lease, token, String(leaseMs)]
      : ['SET', this.#lease, token, 'NX', 'PX', String(leaseMs)];
    const reply = await this.#call(this.#lease, command).catch(() => undefined);
    if (this.#closed) return;
    if (reply === undefined) {
      // Nobody knows. As long as it surely lasts, it is held.
    } else if (wasHeld ? reply !== 1 : reply === null) {
      this.#lose(TAKEN);
    } else if (wasHeld === this.#held) {
      this.#heldSince = asked;
      if (!wasHeld) await this.#hold();
      if (this.#held) this.#endLater();
    }
    this.#again(reply === undefined ? Math.min(RETRY_MS, leaseMs / RENEWALS) : leaseMs / RENEWALS);
  }

  /** Milliseconds in which calls may begin. */
  get #leftMs(): number {
    const { clock, leaseMs, timeoutMs } = this.parts;
    return this.#heldSince + leaseMs - timeoutMs - clock.nowMs();
  }
  #endLater(): void {
    this.#ending?.cancel();
    this.#ending = this.parts.clock.after(Math.max(0, this.#leftMs), () => this.#mayCall());
  }
  /** A timer may be late: of a process that was stopped, by as long as that lasted. */
  #mayCall(): boolean {
    if (this.#held && this.#leftMs <= 0) this.#lose(UNSURE);
    return this.#held;
  }

  async #hold(): Promise<void> {
    try {
      await this.#call(this.stream, ['XGROUP', 'CREATE', this.stream, GROUP, '0', 'MKSTREAM']);
    } catch (error) {
      if (!String(error).includes('BUSYGROUP')) {
        this.#tellOnce(error);
        return;
      }
    }
    if (this.#closed) return;
    this.#held = true;
    this.stats.leases++;
    this.#from = this.#last = NOTHING;
    this.#left = [];
    this.#toldOfUnreadable = false;
    const writer: Writer<unknown> = this.parts.makeWriter(() => this.writer === writer && this.#mayCall());
    this.writer = writer;
    this.wake();
  }
  /** Another one goes on, or this one when the lease is over: what is at hand here is his. */
  #lose(why: string): void {
    if (!this.#held) return;
    this.#held = false;
    this.#poll?.cancel();
    this.#ending?.cancel();
    this.#done = [];
    this.writer?.abandon();
    this.writer = undefined;
    this.parts.log.warn({ stream: this.stream }, why);
  }

  #readSoon(ms: number): void {
    this.#poll?.cancel();
    this.#poll = this.parts.clock.after(ms, () => void this.#read());
  }

  /** Never rejects. */
  async #read(): Promise<void> {
    const { writer, stream } = this;
    if (!this.#held || this.#closed || this.#reading || writer === undefined) return;
    const { queued, queuedBytes } = writer.counts;
    if (queued > MOST_AT_HAND - PER_READ || queuedBytes > MOST_OCTETS_AT_HAND) {
      this.#readSoon(IDLE_MS.first);
      return;
    }
    this.#reading = true;
    let count = 0;
    try {
      const wanted = ['COUNT', String(this.#perRead), 'STREAMS', stream, this.#from];
      const entries = readEntries(await this.#call(stream, ['XREADGROUP', 'GROUP', GROUP, CONSUMER, ...wanted]));
      count = entries.length;
      this.#perRead = Math.min(this.#perRead * 2, PER_READ);
      this.#told = false;
      if (this.writer === writer) this.#takeAll(entries, writer);
    } catch (error) {
      if (this.writer === writer) this.#notRead(error);
    }
    this.#reading = false;
    this.#idleMs = count > 0 ? IDLE_MS.first : Math.min(this.#idleMs * 2, IDLE_MS.most);
    if (this.#held && !this.#closed) this.#readSoon(count > 0 ? 0 : this.#idleMs);
  }

  #notRead(error: unknown): void {
    this.#perRead = Math.max(1, this.#perRead >> 1);
    // Redis may have given them all the same: they count as given, and would come to nobody else.
    if (this.#from === '>') this.#from = this.#last;
    this.#tellOnce(error);
    if (!String(error).includes('NOGROUP')) return;
    // Its group is made with the next lease; until then what is under way here is over.
    this.#lose(GONE);
    this.#again(this.parts.leaseMs);
  }

  #tellOnce(error: unknown): void {
    if (!this.#told) this.parts.log.warn({ stream: this.stream, err: error }, 'the stream of writes cannot be read');
    this.#told = true;
  }

  #takeAll(entries: readonly Entry[], writer: Writer<unknown>): void {
    if (entries.length > 0) this.#last = idText(entries[entries.length - 1].id);
    if (this.#from === '>') {
      for (const one of entries) this.#take(one, writer);
      if (entries.length === 0) this.#lookBack(writer);
      return;
    }
    this.#from = entries.length > 0 ? this.#last : '>';
    if (this.#left === undefined) for (const one of entries) this.#take(one, writer);
    else if (entries.length > 0) this.#left.push(...entries);
    else this.#takeLeft(this.#left, writer);
  }

  /** A command that was lost may have reached Redis much later, which has given to nobody what it asked for. */
  #lookBack({ counts }: Writer<unknown>): void {
    const now = this.parts.clock.nowMs();
    const isAtHand = counts.queued > 0 || this.#done.length > 0 || this.#acknowledging;
    if (isAtHand || now - this.#lookedBackMs < LOOK_BACK_MS) return;
    this.#lookedBackMs = now;
    this.#from = NOTHING;
    this.#left = [];
  }

  /**
   * What was at hand when the holder before ended. Some of it may have come to the store: of each key only the latest is
   * written, so that the store does not go back in between.
   */
  #takeLeft(left: readonly Entry[], writer: Writer<unknown>): void {
    const latest = new Map<string, { entry: Entry; before: string[] }>();
    for (const entry of left) {
      const write = this.#readWrite(entry);
      const id = write === undefined ? idText(entry.id) : this.parts.idOf(write);
      const earlier = latest.get(id);
      const before = earlier?.before ?? [];
      if (earlier !== undefined) before.push(idText(earlier.entry.id));
      latest.set(id, { entry, before });
    }
    this.#left = undefined;
    for (const { entry, before } of latest.values()) this.#take(entry, writer, before);
  }

  #readWrite({ values }: Entry): DurableWrite | undefined {
    const write = readWrite(this.parts.sealer, this.stream, values);
    return write?.encoded === undefined || this.parts.canRead(write.encoded) ? write : undefined;
  }

  /** @param before ids of entries that are over with it */
  #take(entry: Entry, writer: Writer<unknown>, before: readonly string[] = []): void {
    const write = this.#readWrite(entry);
    const done = (): void => {
      if (this.writer !== writer) return;
      for (const one of before) this.#finish(one);
      this.#finish(idText(entry.id));
    };
    if (write === undefined) {
      this.#keepUnreadable(entry, done);
      return;
    }
    // Given up is done, too: `onDead` has been told.
    writer.add(this.parts.idOf(write), write).then(done, done);
  }

  /** Another secret or another codec may be able to. Where it cannot be kept, it is read again. */
  #keepUnreadable({ id, values }: Entry, done: () => void): void {
    const { stream } = this;
    // Nothing is left of one that was deleted after it was given.
    if (values.length === 0) {
      done();
      return;
    }
    const kept = `${stream}:unreadable`;
    if (!this.#toldOfUnreadable) {
      this.#toldOfUnreadable = true;
      const why = 'a write cannot be read, by this secret and this codec: it is kept aside';
      this.parts.log.error({ stream, id: idText(id), kept }, why);
    }
    const fields = values.flatMap(value => ['w', value]);
    this.#call(kept, ['XADD', kept, 'MAXLEN', '~', String(MOST_UNREADABLE), '*', ...fields]).then(
      () => {
        this.stats.unreadable++;
        done();
      },
      () => {},
    );
  }

  #finish(id: string): void {
    this.#done.push(id);
    if (!this.#acknowledging) {
      this.#acknowledging = true;
      this.parts.clock.after(1, () => void this.#acknowledge());
    }
  }
  /** Out of the stream. What cannot be taken out now comes to the store once more. Never rejects. */
  async #acknowledge(): Promise<void> {
    const { stream } = this;
    while (this.#done.length > 0 && this.#held) {
      const ids = this.#done.splice(0, ACKNOWLEDGED_AT_ONCE);
      try {
        await Promise.all([
          this.#call(stream, ['XACK', stream, GROUP, ...ids]),
          this.#call(stream, ['XDEL', stream, ...ids]),
        ]);
      } catch {
        if (this.#closed) break;
        this.#done.unshift(...ids);
        this.parts.clock.after(IDLE_MS.most, () => void this.#acknowledge());
        return;
      }
    }
    this.#acknowledging = false;
  }
}
