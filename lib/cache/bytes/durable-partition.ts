// One stream of writes in Redis that outlive the process: whoever holds its lease reads it and writes to the program's
// store, what a holder before it has left over first. An entry leaves the stream when the store has it, or a later write of
// its key, or when it is given up.
//
// A write may come to the store twice, never after a later one of its key: after the end of a lease its holder has
// `timeoutMs` less than the lease to see that its call is over.
//
// Bounds: MOST_AT_HAND writes that are read and not written yet.
import type { Clock, Timer } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import type { RedisReply } from '../redis/client.js';
import type { RedisConnection } from '../redis/connection.js';
import type { Sealer } from '../redis/frame.js';
import { type Entry, idText, readEntries } from '../redis/log-entry.js';
import { type DurableWrite, readWrite } from './durable-entry.js';
import type { Writer } from './writer.js';

const GROUP = 'writers';
/** One name for all who come after each other: what one has left is the next one's. */
const CONSUMER = 'writer';
const PER_READ = 500;
/** Writes that are read and not written yet, and octets of them beyond which no more are read. */
const MOST_AT_HAND = 2000;
const MOST_OCTETS_AT_HAND = 16 * 1024 * 1024;
const ACKNOWLEDGED_AT_ONCE = 500;
const COMMAND_MS = 2000;
/** Between looks at a stream that has nothing, from the first to the longest. */
const IDLE_MS = { first: 5, most: 100 } as const;
/** Where Redis could not be asked. */
const RETRY_MS = 250;
const RENEW =
  "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('pexpire',KEYS[1],ARGV[2]) else return 0 end";
const GIVE_UP = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";

export interface PartitionParts {
  readonly connection: RedisConnection;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly sealer: Sealer;
  readonly leaseMs: number;
  /** Of the process. */
  readonly token: string;
  /** Ids of writes, as the Writer has them. */
  readonly idOf: (write: DurableWrite) => string;
  /** A writer to the store, without bounds of its own, for as long as the lease is held. */
  readonly makeWriter: () => Writer<unknown>;
}

export class DurablePartition {
  readonly stats = { refused: 0, leases: 0 };
  writer: Writer<unknown> | undefined;
  #held = false;
  #closed = false;
  #timer: Timer | undefined;
  #poll: Timer | undefined;
  #reading = false;
  #idleMs: number = IDLE_MS.first;
  #heldSince = 0;
  /** `0`: what was left over is read first; then `>`: what is new. */
  #from = '0';
  /** Left over by the holder before, until all of it is read: what may be at hand at a time. */
  #left: Entry[] = [];
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
    if (this.#held)
      await this.#call(this.#lease, ['EVAL', GIVE_UP, '1', this.#lease, this.parts.token]).catch(() => null);
    this.#held = false;
  }
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#poll?.cancel();
    this.writer?.abandon();
    this.#held = false;
  }

  #call(key: string, command: readonly string[]): Promise<RedisReply> {
    return this.parts.connection.call(key, command, COMMAND_MS);
  }

  #again(afterMs: number): void {
    if (!this.#closed) this.#timer = this.parts.clock.after(afterMs, () => void this.#keepLease());
  }

  /** Takes the lease or renews it. Never rejects. */
  async #keepLease(): Promise<void> {
    const { leaseMs, token, clock } = this.parts;
    const asked = clock.nowMs();
    const command = this.#held
      ? ['EVAL', RENEW, '1', this.#lease, token, String(leaseMs)]
      : ['SET', this.#lease, token, 'NX', 'PX', String(leaseMs)];
    const reply = await this.#call(this.#lease, command).catch(() => undefined);
    if (this.#closed) return;
    if (reply === undefined) {
      // Nobody knows. As long as it surely lasts, it is held.
      if (this.#held && clock.nowMs() - this.#heldSince > leaseMs - COMMAND_MS) this.#lose();
    } else if (this.#held ? reply !== 1 : reply === null) {
      this.#lose();
    } else {
      this.#heldSince = asked;
      if (!this.#held) await this.#hold();
    }
    this.#again(reply === undefined ? RETRY_MS : leaseMs / 3);
  }

  async #hold(): Promise<void> {
    try {
      await this.#call(this.stream, ['XGROUP', 'CREATE', this.stream, GROUP, '0', 'MKSTREAM']);
    } catch (error) {
      if (!String(error).includes('BUSYGROUP')) return;
    }
    if (this.#closed) return;
    this.#held = true;
    this.stats.leases++;
    this.#from = '0';
    this.#left = [];
    this.writer = this.parts.makeWriter();
    this.wake();
  }
  /** Another one goes on: what is at hand here is his. */
  #lose(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#poll?.cancel();
    this.#done = [];
    this.writer?.abandon();
    this.writer = undefined;
    this.parts.log.warn({ stream: this.stream }, 'another instance writes what waits in the stream');
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
      const command = [
        'XREADGROUP',
        'GROUP',
        GROUP,
        CONSUMER,
        'COUNT',
        String(PER_READ),
        'STREAMS',
        stream,
        this.#from,
      ];
      const entries = readEntries(await this.#call(stream, command));
      count = entries.length;
      if (this.writer === writer) this.#takeAll(entries, writer);
    } catch (error) {
      this.parts.log.warn({ stream, err: error }, 'the stream of writes cannot be read');
    }
    this.#reading = false;
    this.#idleMs = count > 0 ? IDLE_MS.first : Math.min(this.#idleMs * 2, IDLE_MS.most);
    if (this.#held && !this.#closed) this.#readSoon(count > 0 ? 0 : this.#idleMs);
  }

  #takeAll(entries: readonly Entry[], writer: Writer<unknown>): void {
    if (this.#from === '>') {
      for (const one of entries) this.#take(one, writer);
    } else if (entries.length > 0) {
      this.#from = idText(entries[entries.length - 1].id);
      this.#left.push(...entries);
    } else {
      this.#from = '>';
      this.#takeLeft(writer);
    }
  }

  /**
   * What was at hand when the holder before ended. Some of it may have come to the store: of each key only the latest is
   * written, so that the store does not go back in between.
   */
  #takeLeft(writer: Writer<unknown>): void {
    const latest = new Map<string, { entry: Entry; before: string[] }>();
    for (const entry of this.#left) {
      const write = this.#readWrite(entry);
      const id = write === undefined ? idText(entry.id) : this.parts.idOf(write);
      const before = latest.get(id);
      const names = before === undefined ? [] : [...before.before, idText(before.entry.id)];
      latest.set(id, { entry, before: names });
    }
    this.#left = [];
    for (const { entry, before } of latest.values()) this.#take(entry, writer, before);
  }

  #readWrite({ value }: Entry): DurableWrite | undefined {
    return value === undefined ? undefined : readWrite(this.parts.sealer, this.stream, value);
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
      this.stats.refused++;
      done();
      return;
    }
    // Given up is done, too: `onDead` has been told.
    writer.add(this.parts.idOf(write), write).then(done, done);
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
