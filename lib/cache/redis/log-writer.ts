// Says in the log what is invalidated: many at a time, each of them once while it waits, tried again until Redis has it.
// Where more wait than may, one that stands for all of them takes their place: too much is forgotten then, nothing is missed.
//
// Bounds: `maxQueued` items; one command under way.
import { BackOff } from '../../base/back-off.js';
import type { Clock, Timer } from '../../base/clock.js';
import { ShardnsError, show } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import type { RedisConnection } from './connection.js';
import { FrameKind, type Sealer } from './frame.js';
import { type EntryId, parseId } from './log-entry.js';
import { joinItems, MAX_ITEM, MAX_ITEMS } from './log-items.js';

export const WRITER_LIMITS = {
  maxQueued: 10_000,
  gatherMs: 2,
  commandMs: 1000,
  backOff: { firstMs: 50, mostMs: 5000 },
} as const;

export interface LogWriterParts {
  readonly connection: RedisConnection;
  readonly clock: Clock;
  readonly random: Random;
  readonly key: string;
  readonly sealer: Sealer;
  /** About so many entries are kept. */
  readonly maxLength: number;
  /** The item that stands for everything. */
  readonly everything: Uint8Array;
}

export class LogWriter {
  readonly stats = { items: 0, entries: 0, failures: 0, collapsed: 0 };
  lastError: string | undefined;
  #waiting = new Map<string, Uint8Array>();
  #sending: Uint8Array[] = [];
  #timer: Timer | undefined;
  #resting = false;
  #closed = false;
  readonly #backOff: BackOff;
  /** Those who wait until all that was said is there. */
  #whenSaid: { entry: number; said: () => void }[] = [];
  #begun = 0;
  #last: EntryId | undefined;

  constructor(private readonly parts: LogWriterParts) {
    this.#backOff = new BackOff(parts.random, WRITER_LIMITS.backOff);
    parts.connection.watch({ connected: () => this.#wake() });
  }

  /** The last entry that Redis has taken. */
  get last(): EntryId | undefined {
    return this.#last;
  }
  /** What was said may be lost: everything is forgotten in its place. */
  sayAll(): void {
    this.#last = undefined;
    this.say(this.parts.everything);
  }
  /** Items that are not in the log yet. */
  get size(): number {
    return this.#waiting.size + this.#sending.length;
  }

  /** @param item at most MAX_ITEM octets, not to be changed afterwards */
  say(item: Uint8Array): void {
    if (item.length > MAX_ITEM)
      throw new ShardnsError('ERR_SHARDNS_INTERNAL', `an item of ${show(item.length)} octets`);
    if (this.#closed) return;
    this.stats.items++;
    if (this.#waiting.size >= WRITER_LIMITS.maxQueued) {
      this.stats.collapsed += this.#waiting.size;
      this.#waiting.clear();
      item = this.parts.everything;
    }
    this.#waiting.set(Buffer.from(item).toString('latin1'), item);
    if (!this.#resting && this.#sending.length === 0) {
      this.#timer ??= this.parts.clock.after(WRITER_LIMITS.gatherMs, this.#due);
    }
  }

  /** Whether all that was said so far is in the log, `ms` from now at the latest. Never rejects. */
  said(ms: number): Promise<boolean> {
    if (this.size === 0) return Promise.resolve(true);
    if (this.#closed) return Promise.resolve(false);
    this.#wake();
    return new Promise(resolve => {
      const timer = this.parts.clock.after(ms, () => resolve(false));
      // What waits now goes in the entries behind the one under way.
      const entries = Math.ceil(this.#waiting.size / MAX_ITEMS);
      const said = (): void => {
        timer.cancel();
        resolve(this.size === 0 || !this.#closed);
      };
      this.#whenSaid.push({ entry: this.#begun + entries, said });
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { said } of this.#whenSaid) said();
    this.#whenSaid = [];
  }

  readonly #due = (): void => {
    this.#timer = undefined;
    this.#resting = false;
    this.#send();
  };

  #wake(): void {
    if (this.#closed || this.#sending.length > 0 || this.#waiting.size === 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#resting = false;
    this.#send();
  }

  #send(): void {
    const { connection, key, sealer, maxLength } = this.parts;
    if (this.#closed || !connection.isConnected || this.#sending.length > 0) return;
    const items: Uint8Array[] = [];
    for (const [name, item] of this.#waiting) {
      if (items.length === MAX_ITEMS) break;
      items.push(item);
      this.#waiting.delete(name);
    }
    if (items.length === 0) return;
    this.#sending = items;
    this.#begun++;
    const fields = { kind: FrameKind.invalidations, flags: 0, storedMs: 0, expiresMs: 0, staleUntilMs: 0, epoch: 0 };
    const frames = sealer.sealForAll(Buffer.from(key), fields, joinItems(items));
    const sealed = frames.flatMap(frame => ['i', frame]);
    const command = ['XADD', key, 'MAXLEN', '~', String(maxLength), '*', ...sealed];
    connection.send(
      key,
      command,
      {
        replied: reply => this.#sent(parseId(reply)),
        failed: error => this.#failed(items, error),
      },
      WRITER_LIMITS.commandMs,
    );
  }

  #sent(id: EntryId | undefined): void {
    this.#sending = [];
    this.#last = id ?? this.#last;
    this.stats.entries++;
    this.#backOff.reset();
    const isAll = this.#waiting.size === 0;
    const said = this.#whenSaid.filter(({ entry }) => isAll || entry <= this.#begun);
    this.#whenSaid = this.#whenSaid.filter(one => !said.includes(one));
    for (const one of said) one.said();
    if (this.#waiting.size > 0) this.#send();
  }

  /** They are said again, before those that came meanwhile; some may be in the log already, which does no harm. */
  #failed(items: readonly Uint8Array[], error: Error): void {
    this.#sending = [];
    this.#begun--;
    this.stats.failures++;
    this.lastError = error.message;
    if (this.#closed) return;
    const waiting = this.#waiting;
    this.#waiting = new Map(items.map(item => [Buffer.from(item).toString('latin1'), item]));
    for (const [name, item] of waiting) this.#waiting.set(name, item);
    this.#resting = true;
    this.#timer?.cancel();
    this.#timer = this.parts.clock.after(this.#backOff.next(), this.#due);
  }
}
