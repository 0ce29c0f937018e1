// Values that are asked for, many at a time: those of one turn of the event loop go in one command, which costs a quarter of
// as many. Each is told once, in time: with what there is, or that there is nothing to be had.
//
// Bounds: those of the connection; `batch` keys in a command.
import type { RedisReply } from './client.js';
import type { Breaker } from '../../base/breaker.js';
import type { RedisConnection } from './connection.js';

export const READ_LIMITS = { batch: 64 } as const;

/** Told once, never before `begin` has returned. Must not throw. */
export interface Reader {
  /** @param value undefined: there is none */
  read(value: Buffer | undefined): void;
  /** Nobody said in time. */
  unread(): void;
}

export interface ReadParts {
  readonly connection: RedisConnection;
  /** That of the node which has the key. */
  readonly breakerOf: (key: Buffer) => Breaker;
  readonly deadlineMs: number;
}

export class Reads {
  readonly stats = { reads: 0, commands: 0, found: 0, absent: 0, failed: 0, notAsked: 0 };
  /** What the last failure was, for the report. */
  lastError: string | undefined;
  #keys: Buffer[] = [];
  #readers: Reader[] = [];
  #gathering = false;

  constructor(private readonly parts: ReadParts) {}

  /** False where it is not asked for, as what is asked does not answer: nobody is told then. */
  begin(key: Buffer, reader: Reader): boolean {
    const { connection, breakerOf } = this.parts;
    if (!connection.isConnected || !breakerOf(key).take()) {
      this.stats.notAsked++;
      return false;
    }
    this.stats.reads++;
    this.#keys.push(key);
    this.#readers.push(reader);
    if (!this.#gathering) {
      this.#gathering = true;
      queueMicrotask(this.#gathered);
    }
    return true;
  }

  readonly #gathered = (): void => {
    this.#gathering = false;
    this.#flush();
  };

  #flush(): void {
    const keys = this.#keys;
    const readers = this.#readers;
    this.#keys = [];
    this.#readers = [];
    // A command of a Cluster has keys of one slot only.
    const most = this.parts.connection.spreads ? 1 : READ_LIMITS.batch;
    if (keys.length <= most) this.#send(keys, readers);
    else
      for (let at = 0; at < keys.length; at += most)
        this.#send(keys.slice(at, at + most), readers.slice(at, at + most));
  }

  #send(keys: readonly Buffer[], readers: readonly Reader[]): void {
    if (keys.length === 1) {
      this.#one(keys[0], readers[0]);
      return;
    }
    this.stats.commands++;
    this.parts.connection.send(
      keys[0],
      ['MGET', ...keys.map(textOf)],
      {
        replied: reply => {
          const values: readonly RedisReply[] = Array.isArray(reply) ? (reply as RedisReply[]) : [];
          this.parts.breakerOf(keys[0]).succeeded();
          readers.forEach((reader, i) => this.#told(reader, values[i]));
        },
        failed: error => this.#failed(keys[0], readers, error),
      },
      this.parts.deadlineMs,
    );
  }

  #one(key: Buffer, reader: Reader): void {
    this.stats.commands++;
    this.parts.connection.send(
      key,
      ['GET', textOf(key)],
      {
        replied: reply => {
          this.parts.breakerOf(key).succeeded();
          this.#told(reader, reply);
        },
        failed: error => this.#failed(key, [reader], error),
      },
      this.parts.deadlineMs,
    );
  }

  #told(reader: Reader, value: RedisReply | undefined): void {
    if (Buffer.isBuffer(value)) {
      this.stats.found++;
      reader.read(value);
    } else {
      this.stats.absent++;
      reader.read(undefined);
    }
  }

  #failed(key: Buffer, readers: readonly Reader[], error: Error): void {
    this.stats.failed += readers.length;
    this.lastError = error.message;
    this.parts.breakerOf(key).failed();
    for (const reader of readers) reader.unread();
  }
}

/** Keys are ASCII (FleetKeys): as text a client writes the whole command in one piece. */
const textOf = (key: Buffer): string => key.toString('latin1');
