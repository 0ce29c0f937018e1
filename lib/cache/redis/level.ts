// A level of values in Redis, behind one in memory: read in time or not at all, written behind whoever stores, sealed, and
// never believed beyond what others have invalidated since. It knows nothing of what values mean.
//
// Bounds: those of its parts: two connections (RedisConnection), what waits to be written (WriteBehind) and to be said
// (LogWriter), a breaker for each node.
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import { Breaker, type BreakerState } from '../../base/breaker.js';
import type { MakeRedisClient, RedisArgument } from './client.js';
import { RedisConnection } from './connection.js';
import { type Frame, type FrameFields, type FrameRefusal, Sealer } from './frame.js';
import { FleetKeys } from './keys.js';
import { LogReader, type LogFollower } from './log-reader.js';
import { LogWriter } from './log-writer.js';
import { type Reader, Reads } from './reads.js';
import type { Secrets } from './secrets.js';
import { ServerClock } from './server-clock.js';
import { WriteBehind, type WriteEnded } from './write-behind.js';

/** Commands of one connection under way. */
const MAX_UNDER_WAY = 4096;
/** Nodes of a Cluster that have a breaker of their own: of more, some begin anew. */
const MAX_NODES = 1024;

export interface LevelOptions {
  /** What keeps the values of this use from those of others in the same Redis; letters, digits, `.`, `_`, `-`. */
  readonly namespace: string;
  readonly secrets: Secrets;
  /** How long a read may take. */
  readonly deadlineMs: number;
  /** Entries of the log that are kept, about. */
  readonly logLength: number;
  /** As long as anything is kept, here or there: so far back the log is read at the start. */
  readonly lookBackMs: number;
  /** An item of the log that stands for everything. */
  readonly everything: Uint8Array;
}

export interface LevelParts {
  readonly make: MakeRedisClient;
  /** Where it is, for the log. */
  readonly label: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly follower: LogFollower;
  readonly options: LevelOptions;
  /** Whose values are read: one for all levels of a process. */
  readonly sealer: Sealer;
}

/** When a value is from and how long it holds, by the monotonic clock of this process. */
export interface LevelTimes {
  /** When it was asked for: told to others as no later than that, however well Redis' clock is known. */
  storedMs: number;
  /** The same by Redis' clock, where it is told as it is. */
  storedThereMs?: number;
  expiresMs: number;
  staleUntilMs: number;
}

/** Told once. None may throw. */
export interface LevelReader {
  /** What there is, sealed as it must be and not over; what it says is not judged. */
  found(frame: Frame): void;
  /** There is nothing, or nothing that can be believed. */
  absent(): void;
  /** Nobody said in time. */
  unread(): void;
}

/** Why a value was not taken. */
export type LevelRefusal = FrameRefusal | 'kind' | 'expired' | 'future';

/** A value from more than this after now was written by a clock that is wrong. */
const MAX_AHEAD_MS = 5000;

export class RedisLevel {
  readonly keys: FleetKeys;
  readonly clock: ServerClock;
  readonly refused: Record<LevelRefusal, number> = {
    short: 0,
    version: 0,
    unsealed: 0,
    forged: 0,
    kind: 0,
    expired: 0,
    future: 0,
  };
  readonly #connection: RedisConnection;
  readonly #following: RedisConnection;
  readonly reads: Reads;
  readonly writes: WriteBehind;
  readonly reader: LogReader;
  readonly writer: LogWriter;
  /** By the node that they are of. */
  readonly #breakers = new Map<string, Breaker>();

  constructor(private readonly parts: LevelParts) {
    const { make, label, clock, random, log, follower, options, sealer } = parts;
    const { namespace, secrets, deadlineMs, logLength: maxLength, lookBackMs, everything } = options;
    this.keys = new FleetKeys(namespace, secrets.hashKey);
    const shared = { make, clock, random, log, label, deadlineMs, maxUnderWay: MAX_UNDER_WAY };
    const connection = (this.#connection = new RedisConnection(shared));
    this.#following = new RedisConnection(shared);
    const key = `${this.keys.prefix}inv`;
    this.clock = new ServerClock(connection, key, clock, log);
    this.reads = new Reads({ connection, breakerOf: one => this.#breakerOf(one), deadlineMs });
    this.writes = new WriteBehind({ connection, clock, random, mayWrite: () => this.clock.isKnown });
    this.clock.told = () => this.writes.wake();
    this.reader = new LogReader({
      connection: this.#following,
      clock,
      random,
      log,
      key,
      sealer,
      follower,
      lookBackMs,
      maxLength,
      said: () => this.writer.last,
      lost: () => this.writer.sayAll(),
    });
    this.writer = new LogWriter({ connection, clock, random, key, sealer, maxLength, everything });
  }

  get connection(): RedisConnection {
    return this.#connection;
  }
  /** Whether what others invalidate is known here as soon as they say so. */
  get follows(): boolean {
    return this.reader.follows;
  }
  /** That of one Redis; in a Cluster the worst of its nodes'. */
  get breaker(): BreakerState {
    const states = [...this.#breakers.values()].map(({ state }) => state);
    return states.includes('open') ? 'open' : states.includes('half-open') ? 'half-open' : 'closed';
  }
  /** Why Redis, or its log, is not there; undefined while both are. */
  get error(): string | undefined {
    return this.#connection.error ?? this.#following.error ?? this.reader.error;
  }
  /** How often any has opened. */
  get breakerOpened(): number {
    return [...this.#breakers.values()].reduce((sum, { opened }) => sum + opened, 0);
  }

  begin(): void {
    this.#connection.begin();
    this.#following.begin();
  }

  /** What waits to be written has `drainMs`. Never rejects. */
  async close(drainMs: number): Promise<void> {
    if (this.#connection.isConnected) await Promise.all([this.writes.drain(drainMs), this.writer.said(drainMs)]);
    this.reader.close();
    this.writes.close();
    this.writer.close();
    this.clock.close();
    this.#following.close();
    this.#connection.close();
  }

  /** False where it is not asked for at all, and nobody is told. */
  read(key: Buffer, kind: number, reader: LevelReader): boolean {
    if (!this.clock.isKnown) return false;
    return this.reads.begin(key, new FrameReader(this, key, kind, reader));
  }

  /**
   * Written when it is convenient, and while it holds.
   * @param body what it says; not to be changed afterwards
   * @param tells what of a frame is its kind's own
   */
  write(
    key: Buffer,
    times: LevelTimes,
    tells: Pick<FrameFields, 'kind' | 'flags' | 'epoch'>,
    body: Uint8Array,
    ended?: WriteEnded,
  ): void {
    const { clock, sealer } = this.parts;
    const write = {
      key,
      octets: body.length + key.length,
      untilMs: times.expiresMs,
      command: (): readonly RedisArgument[] | undefined => {
        const staleUntil = Math.max(times.expiresMs, times.staleUntilMs);
        const leftMs = Math.ceil(staleUntil - clock.nowMs());
        if (leftMs <= 0) return undefined;
        const there = (ms: number): number => this.clock.of(ms);
        const fields = {
          ...tells,
          storedMs: times.storedThereMs ?? there(times.storedMs) - this.clock.errorMs,
          expiresMs: there(times.expiresMs),
          staleUntilMs: there(staleUntil),
        };
        return ['SET', key, sealer.seal(key, fields, body), 'PX', String(leftMs)];
      },
    };
    this.writes.put(write, ended);
  }

  /** Nothing of it is there any more, as soon as that can be said. */
  remove(key: Buffer, ended?: WriteEnded): void {
    const untilMs = this.parts.clock.nowMs() + this.parts.options.lookBackMs;
    this.writes.put({ key, octets: key.length, untilMs, command: () => ['DEL', key] }, ended);
  }

  /** What is left of a time of Redis' clock; negative: it is over. */
  leftMs(thereMs: number): number {
    return thereMs - this.clock.nowMs();
  }

  /** What is in a value that was found; undefined for what is not to be believed. */
  open(key: Buffer, kind: number, value: Buffer): Frame | undefined {
    const frame = this.parts.sealer.open(key, value);
    const now = this.clock.nowMs();
    const refusal =
      typeof frame === 'string'
        ? frame
        : frame.kind !== kind
          ? 'kind'
          : frame.staleUntilMs <= now
            ? 'expired'
            : frame.storedMs > now + MAX_AHEAD_MS
              ? 'future'
              : undefined;
    if (refusal === undefined) return frame as Frame;
    this.refused[refusal]++;
    return undefined;
  }

  #breakerOf(key: Buffer): Breaker {
    const node = this.#connection.nodeOf(key) ?? '';
    let breaker = this.#breakers.get(node);
    if (breaker === undefined) {
      if (this.#breakers.size >= MAX_NODES) this.#breakers.clear();
      breaker = new Breaker(this.parts.clock, this.parts.random);
      this.#breakers.set(node, breaker);
    }
    return breaker;
  }
}

class FrameReader implements Reader {
  constructor(
    private readonly level: RedisLevel,
    private readonly key: Buffer,
    private readonly kind: number,
    private readonly reader: LevelReader,
  ) {}
  read(value: Buffer | undefined): void {
    const frame = value && this.level.open(this.key, this.kind, value);
    if (frame === undefined) this.reader.absent();
    else this.reader.found(frame);
  }
  unread(): void {
    this.reader.unread();
  }
}
